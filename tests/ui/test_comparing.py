"""`compare` from end to end: real runs in processes, interrupted, killed, and gone on with."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import UsageError
from orchestrator.lab.experiment import Experiment, cases_of
from orchestrator.lab.trial import Processes, perform
from orchestrator.lab.trialruns import Advance, conduct
from orchestrator.ui.comparing import Wanted, show_comparison
from orchestrator.ui.pairs import model_options

pytestmark = pytest.mark.slow

PLAN = """\
version: 1
name: small
goal: Two files.
workspace: project
model: scripted:script.yaml
limits: {workers: 2, attempts: 2}
tasks:
  - {id: one, writes: [one.py], test: "python3 -c 'import one; assert one.X == 1'"}
  - {id: two, writes: [two.py]}
"""
SCRIPT = """\
one:
  1: [{calls: [{tool: write_file, input: {path: one.py, content: "X = 2\\n"}}], usage: {input: 50, output: 5}}, {calls: [{tool: submit, input: {summary: done}}]}, {calls: [{tool: give_up, input: {reason: odd}}]}]
  2: [{calls: [{tool: write_file, input: {path: one.py, content: "X = 1\\n"}}], usage: {input: 50, output: 5}}, {calls: [{tool: submit, input: {summary: done}}]}]
"*":
  - {calls: [{tool: write_file, input: {path: two.py, content: "Y = 1\\n"}}], usage: {input: 100, output: 10}}
  - {calls: [{tool: submit, input: {summary: done}}]}
"""  # noqa: E501
JUDGE = "python3 -c 'import one, two; assert one.X == two.Y'"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "README").write_text("small\n")
    (tmp_path / "plan.yaml").write_text(PLAN)
    (tmp_path / "script.yaml").write_text(SCRIPT)
    return tmp_path


def experiment(here: Path, repeats: int) -> Experiment:
    cases, _ = cases_of([here / "plan.yaml"])
    return Experiment(cases=cases, modes=("solo", "shared"), repeats=repeats)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_two_modes_three_repeats(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = here / "out"
    wanted = Wanted(modes="solo,shared", repeats=3, out=out, judge=JUDGE, jobs=2)
    assert show_comparison([here / "plan.yaml"], wanted) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("no difference shown in makespan between shared and solo (ratio ")
    assert "so few cannot give a p below 0.1" in shown.out
    assert "says nothing about others" in shown.out
    assert "6 of 6 trials done" in shown.err
    assert "left" in shown.err

    rows = table(out / "trials.csv")
    assert [row["mode"] for row in rows] == ["solo", "shared", "shared", "solo", "solo", "shared"]
    assert {row["success"] for row in rows} == {"1.0"}
    assert {row["rework_tokens"] for row in rows} == {"55.0"}
    assert {row["tokens_per_passed"] for row in rows} == {"110.0"}
    tasks = table(out / "tasks.csv")
    assert len(tasks) == 12
    assert {row["attempts"] for row in tasks if row["task"] == "one"} == {"2"}
    text = (out / "manifest.json").read_text()
    assert str(here) not in text
    assert json.loads(text)["seeds"] == [0, 1, 2]

    # Asked again, nothing runs; another judge judges what is there.
    again = replace(wanted, judge="false", as_json=True, primary="success")
    assert show_comparison([here / "plan.yaml"], again) == 0
    shown = capsys.readouterr()
    value = json.loads(shown.out)
    assert value["headline"].startswith("no difference at all in success")
    assert [arm["success"]["estimate"] for arm in value["arms"]] == [0.0, 0.0]
    assert not list(out.glob("trials/*/lost-*"))


def test_a_finished_trial_is_never_paid_for_twice(here: Path) -> None:
    out = here / "out"

    def interrupt(advance: Advance) -> None:
        if advance.last is not None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        conduct(experiment(here, 2), out, listener=interrupt)
    (done,) = [path.parent for path in out.glob("trials/*/result.json")]
    before = (done / "result.json").read_bytes()
    runs = (done / "run" / "events.db").stat().st_mtime_ns

    seen: list[Advance] = []
    results = conduct(experiment(here, 2), out, listener=seen.append)
    assert seen[0].done == 1
    assert len(seen) == 4
    assert len(results) == 4
    assert all(one.success for one in results)
    assert (done / "result.json").read_bytes() == before
    assert (done / "run" / "events.db").stat().st_mtime_ns == runs


def test_what_an_interrupted_trial_left_is_put_aside(here: Path) -> None:
    out = here / "out"
    made = experiment(here, 1)
    first, _ = made.trials()
    blocked = out / "trials" / first.name
    blocked.mkdir(parents=True)
    (blocked / "left").write_text("an earlier, interrupted trial")
    results = conduct(made, out)
    assert [one.failure for one in results] == ["", ""]
    assert (blocked / "lost-1" / "left").is_file()


def test_a_killed_process_is_an_infrastructure_failure(here: Path) -> None:
    made = experiment(here, 1)
    trial, other = made.trials()

    class Killed(Processes):
        """Starts, in place of a run, a process that is killed at once."""

        def run(self, words: object, output: Path) -> int:
            return super().run(["/bin/sh", "-c", "kill -9 $$"], output)

    out = here / "out"
    result = perform(out / "trials" / trial.name, trial, made, Killed())
    assert result is not None
    assert result.failure == "its process was ended by SIGKILL"
    assert not result.success

    # It is listed, not run again unless that is asked for, and the other one is none the worse.
    results = conduct(made, out)
    assert [bool(one.failure) for one in results] == [True, False]
    results = conduct(made, out, retry_lost=True)
    assert [one.failure for one in results] == ["", ""]
    assert (out / "trials" / trial.name / "lost-1" / "result.json").is_file()
    assert other.name == results[1].name


def test_a_run_that_refuses_to_begin_ends_the_experiment(here: Path) -> None:
    wrong = replace(experiment(here, 2), options=(("odd", "1"),))
    with pytest.raises(UsageError, match="odd") as caught:
        conduct(wrong, here / "out")
    assert "refused to begin" in str(caught.value)
    assert not list(here.glob("out/trials/*/result.json"))


def test_the_experiment_stays_out_of_the_workspace(here: Path) -> None:
    with pytest.raises(UsageError, match="inside one another"):
        show_comparison(
            [here / "plan.yaml"], Wanted(modes="solo,shared", out=here / "project" / "out")
        )
    assert not (here / "project" / "out").exists()


def test_a_failed_run_is_an_outcome(here: Path) -> None:
    script = here / "script.yaml"
    script.write_text(script.read_text().replace("X = 1", "X = 3"))
    results = conduct(experiment(here, 1), here / "out")
    assert [(one.status, one.failure, one.success) for one in results] == [
        ("failed", "", False)
    ] * 2
    assert all(one.figures["tasks_passed"] == 0.5 for one in results)


@pytest.mark.parametrize(
    ("wanted", "match"),
    [
        (Wanted(modes="solo,shared", jobs=0), "--jobs"),
        (Wanted(modes="solo,shared", shard="3/2"), "--shard"),
        (Wanted(modes="shared", workers="many"), "--workers"),
        (Wanted(modes="shared"), "only one arm"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(
    here: Path, wanted: Wanted, match: str
) -> None:
    with pytest.raises(UsageError, match=match):
        show_comparison([here / "plan.yaml"], replace(wanted, out=here / "out"))
    assert not list(here.glob("out/trials/*"))


def test_options_of_models_are_pairs() -> None:
    assert model_options(["a=1", "b=x=y"]) == (("a", "1"), ("b", "x=y"))
    for wrong in (["a"], ["=1"], ["a=1", "a=2"]):
        with pytest.raises(UsageError, match="-M"):
            model_options(wrong)
