"""Durations learnt from logs, and runs played again."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from threading import Barrier

import pytest

from orchestrator.core import events as e
from orchestrator.core.messages import Spent
from orchestrator.core.task import Task
from orchestrator.errors import UsageError
from orchestrator.lab.durations import Realised
from orchestrator.lab.fitting import fit, fit_events
from orchestrator.lab.runlog import read_log
from orchestrator.lab.simulate import Setting
from orchestrator.runtime.context import Context
from orchestrator.runtime.run import run
from orchestrator.spec.plan import Plan


def done(task: str, start: float, end: float, attempt: int = 1) -> Iterator[e.Event]:
    token = int(start * 100) + attempt
    yield e.LeaseGranted(start, task, attempt, token, "w")
    yield e.Reported(start, task, attempt, token, "reason", 4, Spent(100, 20), waited=1.0)
    yield e.Succeeded(end, task, attempt, token)


def failed(task: str, start: float, end: float, cause: str = "tests_failed") -> Iterator[e.Event]:
    yield e.LeaseGranted(start, task, 1, 1, "w")
    yield e.AttemptEnded(end, task, 1, 1, cause, "", "ready", True)  # type: ignore[arg-type]


def tasks(**estimates: float) -> list[Task]:
    return [Task(id=name, estimate=seconds) for name, seconds in estimates.items()]


def test_a_known_task_takes_what_it_took() -> None:
    runs = [(tasks(a=60), list(done("a", 0, 4))), (tasks(a=60), list(done("a", 0, 9)))]
    found = fit_events(runs).durations
    assert found.expected(Task(id="a", estimate=999)) == pytest.approx(6)  # geometric mean


def test_a_new_task_takes_the_ratio_of_its_estimate() -> None:
    events = [*done("a", 0, 30), *done("b", 30, 60)]
    found = fit_events([(tasks(a=60, b=60), events)]).durations
    assert found.expected(Task(id="new", estimate=10)) == pytest.approx(5)
    assert found.curve.power == 1


def test_with_many_tasks_the_slope_is_learnt_and_bounded() -> None:
    estimates = {f"t{n}": 10.0 * 2**n for n in range(10)}
    root = [event for n in range(10) for event in done(f"t{n}", 0, math.sqrt(10.0 * 2**n))]
    found = fit_events([(tasks(**estimates), root)]).durations
    assert found.curve.power == pytest.approx(0.5)
    assert found.curve.sigma == pytest.approx(0, abs=1e-9)
    falling = [event for n in range(10) for event in done(f"t{n}", 0, 100.0 / 2**n)]
    assert fit_events([(tasks(**estimates), falling)]).durations.curve.power == 0
    steep = [event for n in range(10) for event in done(f"t{n}", 0, 4.0**n)]
    assert fit_events([(tasks(**estimates), steep)]).durations.curve.power == 1


def test_failures_are_counted_but_not_those_of_people_and_crashes() -> None:
    events = [
        *failed("a", 0, 1), *failed("a", 1, 2, "cancelled"), *failed("a", 2, 3, "interrupted"),
        *done("a", 3, 5),
    ]  # fmt: skip
    found = fit_events([(tasks(a=60), events)])
    assert (found.failed, found.attempts, found.durations.failing) == (1, 2, 0.5)
    assert 0.5 < found.failing_at_most <= 1


def test_no_failure_seen_still_leaves_an_upper_limit() -> None:
    found = fit_events([(tasks(a=60), list(done("a", 0, 5)))])
    assert found.durations.failing == 0
    assert found.failing_at_most > 0.5


def test_turns_tokens_and_waits_for_the_provider() -> None:
    runs = [(tasks(a=60), list(done("a", 0, 5)))]
    found = fit_events(runs)
    assert (found.turns, found.tokens) == (4, 120)
    assert found.durations.expected(Task(id="a")) == pytest.approx(5)
    without = fit_events(runs, without_waiting=True)
    assert without.durations.expected(Task(id="a")) == pytest.approx(4)


def test_repetitions_of_tasks_have_a_spread_of_their_own() -> None:
    events = [*done("a", 0, 2), *done("b", 0, 200), *done("c", 0, 2)]
    runs = [(tasks(a=10, b=10, c=10), events) for _ in range(6)]
    found = fit_events(runs).durations
    assert found.known["a"].sigma == pytest.approx(0, abs=1e-9)  # always the same
    assert found.curve.sigma > 1  # while estimates say little


def test_runs_in_which_nothing_was_accepted_teach_nothing() -> None:
    with pytest.raises(UsageError, match="no duration can be learnt"):
        fit_events([(tasks(a=60), list(failed("a", 0, 1)))])


def test_a_real_run_is_played_again_with_its_makespan(tmp_path: Path) -> None:
    plan = Plan(
        name="real",
        tasks=(
            Task(id="a"), Task(id="b"), Task(id="c", depends_on=("a",)),
            Task(id="d", depends_on=("a", "b")),
        ),
        base=tmp_path,
    )  # fmt: skip
    together = Barrier(2)

    def work(context: Context) -> None:
        if context.task.id in ("a", "b"):
            together.wait(30)

    result = run(plan, work=work, workers=2, run_dir=tmp_path / "run", durability="normal")
    assert result.status == "succeeded"
    log = read_log(tmp_path / "run")
    played = Setting.of(plan).play(Realised(log.events), 2)
    ends = {ev.task: ev.at for ev in log.events if isinstance(ev, e.Succeeded)}
    began = min(ev.at for ev in log.events if isinstance(ev, e.LeaseGranted))
    assert [one.task for one in played.stretches][-1] in ("c", "d")
    # The simulated worker takes no time between two tasks: it can only be earlier.
    assert played.makespan <= max(ends.values()) - began + 1e-9
    assert fit([tmp_path / "run"]).samples == 4


def test_what_a_replay_has_not_seen_takes_its_estimate() -> None:
    luck = Realised(list(done("a", 0, 3))).luck(0, 0)
    task = Task(id="a", estimate=7)
    assert [luck.next(task).seconds for _ in range(2)] == [3, 7]
