"""What a report reads from a log: times, states, where the time went, which data flowed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from orchestrator.core import events as e
from orchestrator.core.messages import Spent
from orchestrator.core.states import TaskState
from orchestrator.core.task import Task
from orchestrator.lab.stateline import StateLine
from orchestrator.runtime.header import Header
from orchestrator.runtime.rundir import RunDir
from orchestrator.ui.board import Board
from orchestrator.ui.record import Record
from orchestrator.ui.reporting import figures
from orchestrator.ui.reporting.flows import Edge, edges_of
from orchestrator.ui.reporting.story import Blocking, Span, Story, Wait, read_story, tell
from orchestrator.ui.reporting.timeuse import total, uses

GOLDEN = Path(__file__).parents[1] / "golden"
LOGS = sorted(path.parent for path in GOLDEN.glob("format-*/*/expected.json"))
LETTERS = "abcdefghij"


def story(tasks: tuple[Task, ...], events: list[e.Event], workers: int = 2) -> Story:
    board = Board(Header(run="2026", name="p", tasks=tasks, workers=workers))
    for event in events:
        board.apply(event)
    folder = RunDir(Path("/nowhere/2026"))
    record = Record(folder, board.header, board, board.meter.metrics(), board.history.status, "")
    return tell(record, events)


def granted(at: float, task: str, worker: str = "w1", attempt: int = 1) -> e.LeaseGranted:
    return e.LeaseGranted(at, task, attempt, LETTERS.index(task) + 10 * attempt, worker)


def token(task: str, attempt: int = 1) -> int:
    return LETTERS.index(task) + 10 * attempt


def done(at: float, task: str, attempt: int = 1) -> e.Succeeded:
    return e.Succeeded(at, task, attempt, token(task, attempt))


def wrote(at: float, task: str, path: str, number: int, base: int = 0) -> e.Wrote:
    return e.Wrote(at, task, 1, token(task), path, number, f"{number:064x}", base)


def read(at: float, task: str, path: str, number: int) -> e.Reported:
    return e.Reported(at, task, 1, token(task), "write", 1, reads=((path, number),))


@pytest.mark.parametrize("log", LOGS, ids=lambda log: f"{log.parent.name}-{log.name}")
def test_states_over_time_are_those_of_the_board(log: Path, tmp_path: Path) -> None:
    found = read_story(shutil.copytree(log, tmp_path / "run"))
    board, line = Board(found.record.header), StateLine(found.record.header.tasks)
    for event in found.events:
        board.apply(event)
        line.apply(event)
        assert {name: states[-1][1] for name, states in line.changes.items()} == board.states
    assert dict(found.states) == line.changes


@pytest.mark.parametrize("log", LOGS, ids=lambda log: f"{log.parent.name}-{log.name}")
def test_every_attempt_of_a_golden_log_is_told_without_gaps(log: Path, tmp_path: Path) -> None:
    found = read_story(shutil.copytree(log, tmp_path / "run"))
    assert len(found.attempts) == found.record.metrics.attempts
    for attempt in found.attempts:
        cuts = [attempt.begin, *(span.end for span in attempt.spans)]
        assert [span.begin for span in attempt.spans] == cuts[:-1]
        assert cuts[-1] == attempt.end


@pytest.mark.parametrize("name", ["agents", "killed", "solo"])
def test_the_uses_of_time_add_up_to_workers_times_makespan(name: str, tmp_path: Path) -> None:
    found = read_story(shutil.copytree(GOLDEN / "format-1" / name, tmp_path / "run"))
    whole = found.record.header.workers * found.record.metrics.makespan
    assert total(uses(found)) == pytest.approx(whole)


def test_phases_and_waits_of_an_attempt() -> None:
    found = story(
        (Task(id="a"), Task(id="b")),
        [
            granted(0, "a"),
            granted(0, "b", "w2"),
            e.Reported(2, "a", 1, token("a"), "write", 1, Spent(10, 5, usd=0.5), waited=1.5),
            e.WidenWaits(3, "a", 1, token("a"), ("x.py",), ("b",)),
            done(4, "b"),
            e.Widened(5, "a", 1, token("a"), ("x.py",)),
            e.Reported(6, "a", 1, token("a"), "test", 1, commands=1),
            e.SubmitWaits(7, "a", 1, token("a"), ("b",)),
            done(9, "a"),
        ],
    )
    attempt = found.of("a")[0]
    assert attempt.spans == [Span(0, 2, "reason"), Span(2, 6, "write"), Span(6, 9, "test")]
    assert [(w.begin, w.end, w.kind, w.by) for w in attempt.waits] == [
        (0.5, 2, "provider", ()),
        (3, 5, "files", ("b",)),
        (7, 9, "submit", ("b",)),
    ]
    assert (attempt.input, attempt.output, attempt.usd) == (10, 5, 0.5)
    assert {use.name: use.seconds for use in uses(found) if use.seconds} == {
        "reasoning": 0.5 + 4,
        "writing": 2,
        "testing": 1,
        "waiting for files": 2,
        "waiting to submit": 2,
        "waiting for the provider": 1.5,
        "idle: nothing left": 5,
    }


def test_the_wait_for_the_merge_queue_ends_with_the_first_write() -> None:
    queued = e.Reported(3, "a", 1, token("a"), "test", 1, detail="waits in the merge queue")
    landed = e.Wrote(8, "a", 1, token("a"), "x.py", 2, "d", 1)
    found = story((Task(id="a"),), [granted(0, "a"), queued, landed, done(9, "a")])
    (wait,) = found.of("a")[0].waits
    assert (wait.begin, wait.end, wait.kind) == (3, 8, "merge")
    assert "merge queue" in wait.why


def test_a_task_that_waited_for_files_names_who_held_them() -> None:
    found = story(
        (Task(id="a", writes=("x",)), Task(id="b", writes=("x",))),
        [
            granted(0, "a"),
            e.Blocked(1, "b", 0, ("a",)),
            done(4, "a"),
            granted(5, "b"),
            done(7, "b"),
        ],
    )
    assert found.blockings == [Blocking("b", 1, 4, ("a",))]
    idle = {use.name: use.seconds for use in uses(found) if use.kind == "idle" and use.seconds}
    assert idle == {"idle: files held": 3, "idle: between tasks": 1 + 1, "idle: nothing left": 3}


def test_refusals_messages_and_failed_tests_are_marks() -> None:
    found = story(
        (Task(id="a"), Task(id="b")),
        [
            granted(0, "a"),
            granted(0, "b", "w2"),
            e.RequestRefused(1, "a", 1, token("a"), "write", "stale", "b wrote it", ("p",), "p"),
            e.RequestRefused(2, "a", 1, token("a"), "write_file", "scope", "not yours", (), "q"),
            e.Sent(3, "b", 1, token("b"), "task:a", "hint", "mind the gap"),
            e.Noted(3, "b", 1, token("b"), "on gaps", "two"),
            e.Reported(4, "a", 1, token("a"), "reason", 2, evidence="e" * 64),
            done(5, "a"),
        ],
    )
    assert [(mark.kind, mark.at) for mark in found.of("a")[0].marks] == [
        ("scope", 2), ("stale", 4), ("tests_failed", 4),
    ]  # fmt: skip
    assert [(mark.kind, mark.to) for mark in found.of("b")[0].marks] == [
        ("sent", "task:a"), ("noted", ""),
    ]  # fmt: skip
    assert found.of("b")[0].outcome == "running"
    assert found.of("b")[0].end == found.end == 5


def test_lanes_are_in_the_order_of_their_numbers() -> None:
    found = story((Task(id="a"),), [granted(0, "a", "w11")], workers=10)
    assert found.workers[-2:] == ("w10", "w11")


def test_planned_edges_against_observed_ones() -> None:
    tasks = (
        Task(id="a"),
        Task(id="b", depends_on=("a",)),
        Task(id="c", depends_on=("b",)),
        Task(id="d"),
        Task(id="e", shares=("both.py",)),
        Task(id="f", shares=("both.py",)),
    )
    found = edges_of(
        story(
            tasks,
            [
                granted(0, "a"),
                wrote(1, "a", "a.py", 2),
                done(2, "a"),
                granted(2, "b"),
                read(3, "b", "a.py", 2),
                done(4, "b"),
                granted(4, "d", "w2"),
                wrote(5, "d", "d.py", 3),
                done(5, "d"),
                granted(5, "c"),
                read(6, "c", "a.py", 2),
                e.Reported(6, "c", 1, token("c"), "write", 2, reads=(("d.py", 3),)),
                done(7, "c"),
                granted(7, "e"),
                wrote(8, "e", "both.py", 4),
                done(8, "e"),
                granted(8, "f"),
                wrote(9, "f", "both.py", 5, base=4),
                done(9, "f"),
            ],
        )
    )
    assert set(found.all) == {
        Edge("a", "b", "used", ("a.py",)),
        Edge("b", "c", "unused"),
        Edge("a", "c", "implied", ("a.py",)),
        Edge("d", "c", "unplanned", ("d.py",)),
    }
    assert found.through_shared == 1


def test_the_headline_says_what_happened_and_what_it_means() -> None:
    chain = (Task(id="a"), Task(id="b", depends_on=("a",)), Task(id="c"))
    events = [
        granted(0, "a"), granted(0, "c", "w2"), done(2, "c"), done(4, "a"), granted(4, "b"),
        done(9, "b"), e.Finished(9, "", 0, "succeeded"),
    ]  # fmt: skip
    assert figures.headline(story(chain, events).record) == (
        "All 3 tasks succeeded in 9.0 s with 2 workers, 1.2 times as fast as one attempt after "
        "another; the longest chain of tasks set the pace: more workers would not have helped."
    )


def test_the_headline_of_a_failure_names_it_and_what_it_cost() -> None:
    tasks = (Task(id="a"), Task(id="b", depends_on=("a",)))
    events = [
        granted(0, "a"),
        e.AttemptEnded(3, "a", 1, token("a"), "tests_failed", "1 failed", "failed", True),
        e.Skipped(3, "b", 0, "a failed"),
        e.Finished(3, "", 0, "failed"),
    ]
    found = story(tasks, events)
    assert figures.headline(found.record) == (
        "Of 2 tasks, 0 succeeded, 1 failed and 1 was skipped in 3.0 s with 2 workers; a failed "
        "(tests failed), and 1 task that needed it did not run."
    )
    assert found.states["b"] == [(0.0, TaskState.WAITING), (3, TaskState.SKIPPED)]
    assert found.of("a")[0].waits == list[Wait]()
