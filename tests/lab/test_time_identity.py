"""The identity of the workers' time, on made-up events and on the logs of real runs."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from orchestrator.core import events as e
from orchestrator.core.task import Task
from orchestrator.lab.metrics import metrics_of
from orchestrator.lab.runlog import read_log
from orchestrator.lab.timeidentity import Cause, TimeIdentity, time_identity

GOLDEN = Path(__file__).parents[1] / "golden" / "format-1"
LOGS = sorted(path.name for path in GOLDEN.iterdir() if path.is_dir())
ABOVE_ITS_WORKERS = "every-kind"  # made by hand: more work at once than it has workers

A, B, C = Task(id="a"), Task(id="b", depends_on=("a",)), Task(id="c")


def granted(at: float, task: str, worker: str, attempt: int = 1) -> e.LeaseGranted:
    return e.LeaseGranted(at, task, attempt, 1, worker)


def done(at: float, task: str, attempt: int = 1) -> e.Succeeded:
    return e.Succeeded(at, task, attempt, 1)


def causes(found: TimeIdentity) -> dict[Cause, float]:
    assert abs(found.rest) < 1e-9
    return {cause: seconds for cause, seconds in found.by_cause().items() if seconds}


def of(workers: int, tasks: Sequence[Task], *events: e.Event) -> TimeIdentity:
    return time_identity(tasks, workers, events)


@pytest.mark.parametrize("name", [name for name in LOGS if name != ABOVE_ITS_WORKERS])
def test_it_closes_for_every_worker_of_a_real_run(name: str, tmp_path: Path) -> None:
    log = read_log(Path(shutil.copytree(GOLDEN / name, tmp_path / "run")))
    tasks, workers = log.header.tasks, log.header.workers
    found = time_identity(tasks, workers, log.events)
    assert found.makespan == metrics_of(tasks, workers, log.events).makespan
    assert found.rest == pytest.approx(0, abs=1e-9)
    for seconds in found.by_worker().values():
        assert sum(seconds.values()) == pytest.approx(found.makespan)


def test_no_moment_of_a_worker_is_in_two_stretches(tmp_path: Path) -> None:
    log = read_log(Path(shutil.copytree(GOLDEN / "agents", tmp_path / "run")))
    found = time_identity(log.header.tasks, log.header.workers, log.events)
    for worker in found.by_worker():
        own = sorted((one.begin, one.end) for one in found.stretches if one.worker == worker)
        ends = [end for _, end in own]
        assert all(begin >= end for (begin, _), end in zip(own[1:], ends, strict=False))


def test_work_commands_and_waits_inside_an_attempt() -> None:
    found = of(
        1,
        (A,),
        granted(1, "a", "w1"),
        e.Reported(5, "a", 1, 1, "write", 1, waited=1.5),
        e.Reported(6, "a", 1, 1, "write", 1, commands=1),
        e.BudgetWaits(8, "a", 1, 1, "tokens"),
        e.Reported(9, "a", 1, 1, "reason", 2),
        e.WidenWaits(10, "a", 1, 1, ("x",), ("c",)),
        e.Widened(12, "a", 1, 1, ("x",)),
        e.Reported(13, "a", 1, 1, "test", 2, commands=1),
        e.SubmitWaits(14, "a", 1, 1, ("c",)),
        done(16, "a"),
    )
    assert causes(found) == {
        "working": 2.5 + 1 + 1 + 1,
        "provider": 1.5,
        "commands": 2 + 1,
        "budget": 1,
        "files": 2,
        "acceptance": 2,
    }


def test_the_turn_in_the_merge_queue_and_the_merge_are_one_wait() -> None:
    found = of(
        1,
        (A,),
        granted(0, "a", "w1"),
        e.Reported(1, "a", 1, 1, "test", 1, detail="waits in the merge queue"),
        e.Renewed(3, "a", 1, 1),
        e.Wrote(5, "a", 1, 1, "x", 2, "d", 1),
        done(6, "a"),
    )
    assert causes(found) == {"working": 2, "merge": 4}


def test_idle_workers_wait_for_dependencies_or_for_nothing() -> None:
    events = (
        granted(0, "a", "w1"),
        granted(0, "c", "w2"),
        done(2, "c"),
        done(5, "a"),
        granted(5, "b", "w1"),
        done(6, "b"),
    )
    found = of(2, (A, B, C), *events)
    assert causes(found) == {"working": 5 + 1 + 2, "dependencies": 3, "none": 1}
    assert found.by_worker()["w2"]["dependencies"] == 3


def test_idle_workers_wait_for_files_then_for_the_start() -> None:
    found = of(
        2,
        (A, C),
        granted(0, "a", "w1"),
        e.Blocked(0, "c", 0, ("a",)),
        done(3, "a"),
        granted(4, "c", "w2"),
        done(6, "c"),
    )
    assert causes(found) == {"working": 5, "files": 3, "start": 1, "none": 1 + 2}


def test_a_task_that_is_blocked_again_has_waited_from_the_first_time() -> None:
    found = of(
        2,
        (A, C, Task(id="d")),
        granted(0, "a", "w1"),
        e.Blocked(0, "c", 0, ("a",)),
        e.Blocked(1, "c", 0, ("a",)),
        e.Cancelled(0, "d", 0, "no"),
        done(3, "a"),
        granted(3, "c", "w1"),
        done(4, "c"),
    )
    assert causes(found)["files"] == 3


def test_a_rest_after_a_failure_of_the_provider_is_a_wait_for_it() -> None:
    found = of(
        1,
        (A,),
        granted(0, "a", "w1"),
        e.AttemptEnded(2, "a", 1, 1, "model_error", "down", "ready", True, rests=5),
        e.Rested(5, "a", 1),
        granted(5, "a", "w1", 2),
        done(6, "a", 2),
    )
    assert causes(found) == {"working": 3, "provider": 3}
    assert sum(one.seconds for one in found.stretches if one.lost) == 2


def test_after_a_limit_of_the_run_idle_workers_are_stopped() -> None:
    found = of(
        2,
        (A, C),
        granted(0, "a", "w1"),
        e.LimitReached(1, "", 0, "tokens", 10),
        done(4, "a"),
        e.Cancelled(4, "c", 0, "limit"),
    )
    assert causes(found) == {"working": 4, "start": 1, "stopped": 3}


def test_only_a_persons_word_is_waited_for() -> None:
    held = Task(id="h", approval=True)
    found = of(2, (A, held), granted(0, "a", "w1"), done(2, "a"), e.Skipped(2, "h", 0, "no"))
    assert causes(found) == {"working": 2, "approval": 2}


def test_a_run_that_has_not_begun_has_no_time() -> None:
    found = of(2, (A,))
    assert (found.makespan, found.stretches, found.rest) == (0, (), 0)
