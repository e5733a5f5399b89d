"""What `simulate` prints and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.errors import PlanError, UsageError, WorkspaceError
from orchestrator.runtime.context import Context
from orchestrator.runtime.run import run
from orchestrator.spec.plan import Plan, load_plan
from orchestrator.ui.simulating import Wanted, show_simulation

PLAN = """\
version: 1
name: small
workspace: .
tasks:
  - {id: a, writes: [a.py], estimate: 1m}
  - {id: b, writes: [b.py], estimate: 2m, depends_on: [a]}
  - {id: c, writes: [c.py], estimate: 1m}
"""


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN)
    return path


def test_it_says_first_how_long_it_will_take(
    plan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show_simulation(plan, Wanted(runs=50, sigma=0.0, failing=0.0))
    shown = capsys.readouterr().out
    assert shown.startswith(
        "small, 3 tasks, mode shared: with 2 workers it will take 3 min 00 s; of ten runs eight "
        "take 3 min 00 s to 3 min 00 s (50 simulated runs, seed 0)."
    )
    assert "critical path 3 min 00 s (a → b)" in shown
    assert "work 4 min 00 s" in shown
    assert "Graham" in shown
    assert "1.33 of 1.33" in shown


def test_json_is_one_object(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show_simulation(plan, Wanted(workers="1,3", runs=20, seed=5, as_json=True))
    value = json.loads(capsys.readouterr().out)
    assert [one["workers"] for one in value["forecasts"]] == [1, 3]
    assert value["durations"] == {"sigma": 0.5, "failing": 0.1}
    assert value["work"] == 240
    low, high = value["forecasts"][0]["makespan"]["interval_80"]
    assert low < high


def test_the_same_seed_prints_the_same(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = Wanted(runs=10, seed=4)
    show_simulation(plan, wanted)
    first = capsys.readouterr().out
    show_simulation(plan, wanted)
    assert capsys.readouterr().out == first


def test_it_learns_from_an_earlier_run(
    plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = load_plan(plan).tasks
    earlier = Plan(name="small", tasks=tasks, base=tmp_path)

    def work(context: Context) -> None:
        return None

    folder = tmp_path / "earlier"
    run(earlier, work=work, workers=2, run_dir=folder, durability="normal")
    show_simulation(plan, Wanted(runs=10, earlier=(str(folder),)))
    shown = capsys.readouterr().out
    assert "learnt from 3 accepted attempts of 1 run" in shown
    assert "By the usual durations alone" in shown


def test_it_draws(plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "speedup.svg"
    show_simulation(plan, Wanted(runs=5, plot=picture))
    assert picture.read_text().startswith("<svg")
    assert "Picture: " in capsys.readouterr().out


def test_a_limit_of_wall_time_is_told(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan.write_text(PLAN + "limits: {wall: 2m}\n")
    show_simulation(plan, Wanted(workers="1", runs=5, sigma=0.0, failing=0.0))
    assert "ends 100.0% of the runs" in capsys.readouterr().out


def test_runs_that_fail_are_told(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show_simulation(plan, Wanted(workers="1", runs=50, failing=0.6))
    assert "of the simulated runs fail, because a task has no attempts left" in (
        capsys.readouterr().out
    )


def test_provider_limits_are_simulated_and_said(
    plan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan.write_text(PLAN + "limits: {provider: {concurrent: 1}}\n")
    show_simulation(plan, Wanted(workers="2", runs=5))
    shown = capsys.readouterr().out
    assert "The provider's limits are simulated, with 8 turns per attempt." in shown
    assert "provider" in shown


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Wanted(workers="2,x"), "is not a list of numbers"),
        (Wanted(workers="0"), "0 workers cannot be simulated"),
        (Wanted(runs=0), "0 runs say nothing"),
        (Wanted(failing=1.0), "1 is not a probability of failing"),
        (Wanted(sigma=-1), "-1 is not a spread"),
        (Wanted(earlier=("nowhere",)), "there is no run 'nowhere'"),
    ],
)
def test_what_makes_no_sense_is_refused(plan: Path, wanted: Wanted, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        show_simulation(plan, wanted)


def test_a_plan_that_cannot_run_is_refused(plan: Path) -> None:
    plan.write_text(PLAN.replace("depends_on: [a]", "depends_on: [b]"))
    with pytest.raises(PlanError):
        show_simulation(plan, Wanted(runs=5))


def test_a_picture_that_cannot_be_written_is_a_clear_error(plan: Path, tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="cannot be written"):
        show_simulation(plan, Wanted(runs=5, plot=tmp_path / "no" / "where.svg"))
