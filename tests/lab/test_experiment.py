"""What an experiment consists of: arms, cases, order, names of trials, mistakes."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import PlanError, UsageError
from orchestrator.lab.experiment import Arm, Experiment, cases_of
from orchestrator.lab.experimentfile import read_experiment
from orchestrator.lab.trial import _words
from orchestrator.lab.trialruns import Share

PLAN = """\
version: 1
name: {name}
goal: {goal}
workspace: {workspace}
model: scripted:script.yaml
limits: {{workers: 4}}
tasks:
  - {{id: one, writes: [one.py]}}
"""
SCRIPT = '"*": [{calls: [{tool: submit, input: {summary: done}}]}]\n'


def plan(folder: Path, name: str, workspace: str = "project", goal: str = "Do it.") -> Path:
    (folder / workspace).mkdir(exist_ok=True)
    (folder / workspace / "README").write_text("small\n")
    (folder / "script.yaml").write_text(SCRIPT)
    path = folder / f"{name}.yaml"
    path.write_text(PLAN.format(name=name, workspace=workspace, goal=goal))
    return path


def experiment(folder: Path) -> Experiment:
    cases, _ = cases_of([plan(folder, "fine")])
    return Experiment(cases=cases, modes=("solo", "shared"), repeats=4)


def test_solo_has_one_worker_and_is_one_arm_only(tmp_path: Path) -> None:
    made = replace(experiment(tmp_path), workers=(2, 4))
    assert made.all_arms() == [
        Arm("", "solo", "", 1), Arm("", "shared", "", 2), Arm("", "shared", "", 4),
    ]  # fmt: skip
    assert made.total == 12


def test_arms_are_called_by_what_tells_them_apart(tmp_path: Path) -> None:
    made = experiment(tmp_path)
    assert [arm.name(made.all_arms()) for arm in made.all_arms()] == ["solo", "shared"]
    more = replace(made, modes=("shared",), workers=(1, 4)).all_arms()
    assert [arm.name(more) for arm in more] == ["1 worker", "4 workers"]
    both = replace(made, workers=(2, 4)).all_arms()
    assert both[1].name(both) == "shared, 2 workers"


def test_what_makes_a_write_stale_is_a_factor_of_its_own(tmp_path: Path) -> None:
    plain = replace(experiment(tmp_path), modes=("shared",), workers=(1, 2))
    both = replace(plain, validations=("region", "file"))
    names = [arm.name(both.all_arms()) for arm in both.all_arms()]
    assert names[:2] == [
        "1 worker, writes validated by region", "1 worker, writes validated by file",
    ]  # fmt: skip
    assert len({trial.name for trial in both.trials()}) == 2 * plain.total
    assert not {one.name for one in plain.trials()} & {one.name for one in both.trials()}
    with pytest.raises(UsageError, match="validated by 'line'"):
        replace(both, validations=("line",)).check()
    words = _words(tmp_path / "trials" / "x", both.trials()[1], both)
    assert words[words.index("--validate") + 1] == "file"


def test_time_may_be_virtual(tmp_path: Path) -> None:
    real = experiment(tmp_path)
    virtual = replace(real, time="virtual", command_seconds=20.0)
    assert not {one.name for one in real.trials()} & {one.name for one in virtual.trials()}
    words = " ".join(_words(tmp_path / "trials" / "x", virtual.trials()[0], virtual))
    assert "--time virtual --command-seconds 20.0 --remember" in words
    assert "--time" not in _words(tmp_path / "trials" / "x", real.trials()[0], real)


@pytest.mark.parametrize(
    ("time", "seconds", "told"),
    [
        ("virtual", None, "--time virtual: it is not said what a command takes .*20, or command_s"),
        ("real", 20.0, "--command-seconds: commands cannot take 20 seconds in real time"),
        ("virtual", -1.0, "--command-seconds: commands cannot take -1 seconds"),
    ],
)
def test_virtual_time_and_what_commands_take_belong_together(
    tmp_path: Path, time: str, seconds: float | None, told: str
) -> None:
    made = replace(experiment(tmp_path), time=time, command_seconds=seconds)
    with pytest.raises(UsageError) as caught:
        made.check()
    (problem,) = caught.value.problems
    assert re.search(told, str(problem), re.DOTALL)


def test_the_order_alternates_and_seeds_are_shared(tmp_path: Path) -> None:
    trials = experiment(tmp_path).trials()
    order = [(trial.seed, trial.arm.mode) for trial in trials]
    assert order == [
        (0, "solo"), (0, "shared"), (1, "shared"), (1, "solo"),
        (2, "solo"), (2, "shared"), (3, "shared"), (3, "solo"),
    ]  # fmt: skip
    assert len({trial.name for trial in trials}) == 8


def test_the_names_of_trials_stay_when_repeats_are_added(tmp_path: Path) -> None:
    made = experiment(tmp_path)
    before = {trial.name for trial in made.trials()}
    more = replace(made, repeats=6, judge="true", primary="success")
    assert before < {trial.name for trial in more.trials()}
    assert made.name() == more.name()


@pytest.mark.parametrize("changed", ["plan", "code", "script", "options"])
def test_what_would_run_differently_has_another_name(tmp_path: Path, changed: str) -> None:
    made = experiment(tmp_path)
    before = {trial.name for trial in made.trials()}
    if changed == "plan":
        (tmp_path / "fine.yaml").write_text((tmp_path / "fine.yaml").read_text() + "# more\n")
        made = replace(made, cases=cases_of([tmp_path / "fine.yaml"])[0])
    elif changed == "code":
        (tmp_path / "project" / "README").write_text("other\n")
    elif changed == "script":
        (tmp_path / "script.yaml").write_text(SCRIPT + "# more\n")
    else:
        made = replace(made, options=(("delay", "1"),))
    assert not before & {trial.name for trial in made.trials()}


def test_plans_of_one_codebase_are_one_case(tmp_path: Path) -> None:
    files = [plan(tmp_path, "fine"), plan(tmp_path, "coarse", goal="Do  it all.")]
    other = plan(tmp_path, "other", workspace="elsewhere")
    cases, notes = cases_of([*files, other])
    assert [(case.name, list(case.plans)) for case in cases] == [
        ("fine", ["fine", "coarse"]), ("other", [""]),
    ]  # fmt: skip
    assert len(notes) == 1
    assert "fine, coarse" in notes[0]


def test_the_same_codebase_may_be_named_in_several_ways(tmp_path: Path) -> None:
    first = plan(tmp_path, "fine")
    (tmp_path / "below").mkdir()
    second = tmp_path / "below" / "fine.yaml"
    text = first.read_text().replace("workspace: project", "workspace: ../project")
    second.write_text(text.replace("workers: 4", "workers: 6"))
    cases, _ = cases_of([first, second])
    assert [len(case.plans) for case in cases] == [2]
    made = Experiment(cases=cases)
    assert "different numbers of workers" in made.notes()[0]
    assert replace(made, workers=(2,)).notes() == []


def test_mistakes_of_all_plans_come_together(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(f"version: 1\nname: {name}\ntasks: []\nodd: 1\n")
    with pytest.raises(PlanError) as caught:
        cases_of([tmp_path / "a.yaml", tmp_path / "b.yaml"])
    text = str(caught.value)
    assert "a.yaml:4" in text
    assert "b.yaml:4" in text


def test_an_experiment_that_cannot_run_says_all_that_is_wrong(tmp_path: Path) -> None:
    made = replace(
        experiment(tmp_path), modes=("shred", "solo"), primary="speed", repeats=0, general=True,
        models=("oracle:nowhere",), workers=(0,),
    )  # fmt: skip
    with pytest.raises(UsageError) as caught:
        made.check()
    text = str(caught.value)
    for part in ("repeat", "'speed'", "'shred'", "0 workers"):
        assert part in text


def test_models_and_claims_are_checked_before_anything_is_spent(tmp_path: Path) -> None:
    made = replace(experiment(tmp_path), models=("oracle:nowhere",), general=True)
    with pytest.raises(UsageError) as caught:
        made.check()
    assert "nowhere" in str(caught.value)
    assert "cases in general" in str(caught.value)


def test_one_arm_is_no_comparison(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="only one arm"):
        replace(experiment(tmp_path), modes=("solo",), workers=(1, 2)).check()


def test_shards_keep_what_is_compared_together_and_leave_nothing_out(tmp_path: Path) -> None:
    trials = experiment(tmp_path).trials()
    parts = [Share(number, 3).take(trials) for number in (1, 2, 3)]
    assert sorted(t.name for part in parts for t in part) == sorted(t.name for t in trials)
    for part in parts:
        assert all(sum(other.seed == one.seed for other in part) == 2 for one in part)


def test_a_file_says_the_same_as_the_command_line(tmp_path: Path) -> None:
    plan(tmp_path, "fine")
    plan(tmp_path, "coarse")
    file = tmp_path / "experiment.yaml"
    file.write_text(
        "experiment: e\ncases:\n  small: {f: fine.yaml, c: coarse.yaml}\nmodes: [solo, shared]\n"
        "workers: [2]\nrepeats: 3\nprimary: success\noptions: {delay: 1}\nclaim: cases\n"
    )
    made = read_experiment(file)
    assert made is not None
    assert [(arm.plan, arm.mode) for arm in made.all_arms()] == [
        ("f", "solo"), ("f", "shared"), ("c", "solo"), ("c", "shared"),
    ]  # fmt: skip
    assert (made.repeats, made.primary, made.options) == (3, "success", (("delay", "1"),))


def test_a_plan_is_no_experiment_file(tmp_path: Path) -> None:
    assert read_experiment(plan(tmp_path, "fine")) is None


def test_mistakes_of_an_experiment_file_have_places(tmp_path: Path) -> None:
    file = tmp_path / "experiment.yaml"
    file.write_text("experiment: e\ncases: {a: {b: c.yaml}}\nrepeats: 0\nodd: 1\n")
    with pytest.raises(PlanError) as caught:
        read_experiment(file)
    assert "experiment.yaml:3:" in str(caught.value)
    assert "odd" in str(caught.value)
