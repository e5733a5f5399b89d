"""How a run ended, in sentences."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.core import events as e
from orchestrator.core.messages import RunStatus, Spent
from orchestrator.core.task import Task
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.header import Header
from orchestrator.runtime.rundir import RunDir
from orchestrator.ui.board import Board
from orchestrator.ui.record import Record
from orchestrator.ui.summary import summarise

A, B, C = Task(id="a"), Task(id="b", depends_on=("a",)), Task(id="c", depends_on=("b",))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def record(
    tasks: tuple[Task, ...],
    events: list[e.Event],
    status: RunStatus = "succeeded",
    why: str = "",
    workers: int = 2,
) -> Record:
    tree = str(Path.cwd() / "out")
    header = Header(run="2026", name="p", tasks=tasks, workers=workers, workspace=tree)
    board = Board(header)
    for event in events:
        board.apply(event)
    folder = RunDir(Path.cwd() / ".orchestrator" / "runs" / "2026")
    return Record(folder, header, board, board.meter.metrics(), status, why)


def granted(at: float, task: str, attempt: int = 1) -> e.LeaseGranted:
    return e.LeaseGranted(at, task, attempt, 1, "w1")


def done(at: float, task: str, attempt: int = 1) -> e.Succeeded:
    return e.Succeeded(at, task, attempt, 1)


def ended(
    at: float, task: str, then: str = "ready", *, attempt: int = 1, reason: str = "no"
) -> e.AttemptEnded:
    return e.AttemptEnded(at, task, attempt, 1, "tests_failed", reason, then, True)


def test_a_run_that_succeeded(home: Path) -> None:
    events = [
        granted(0, "a"), granted(0, "d"), done(4, "a"), granted(4, "b"),
        done(9, "d"), done(10, "b"),
    ]  # fmt: skip
    found = summarise(record((A, B, Task(id="d")), events))
    assert found.text() == (
        "All 3 tasks succeeded in 10.0 s with 2 workers.\n"
        "That is 1.9 times as fast as the same attempts one after another (19.0 s), with workers "
        "busy 95% of the time.\n"
        "It took 1.0 times the critical path (10.0 s: a → b).\n"
        "Result: out\n"
        "Log: .orchestrator/runs/2026"
    )


def test_one_task_and_one_worker_need_few_words(home: Path) -> None:
    found = summarise(record((A,), [granted(0, "a"), done(4, "a")], workers=1))
    assert found.headline == "The task succeeded in 4.0 s with 1 worker."
    assert found.paragraphs == ("Result: out", "Log: .orchestrator/runs/2026")


def test_a_plan_without_tasks(home: Path) -> None:
    assert summarise(record((), [])).headline.startswith("The plan has no tasks")


def test_a_failure_is_explained(home: Path) -> None:
    output = "\n".join(f"line {number}" for number in range(20))
    events = [
        granted(0, "a"), ended(1, "a", reason=output), granted(1, "a", 2),
        ended(2, "a", "failed", attempt=2, reason=output),
        e.Skipped(2, "b", 0, "a failed"), e.Skipped(2, "c", 0, "b skipped"),
    ]  # fmt: skip
    text = summarise(record((A, B, C), events, "failed")).text()
    assert text.startswith("Of 3 tasks, 0 succeeded, 1 failed and 2 were skipped. The run took ")
    assert "a failed after 2 attempts: tests failed.\n    …\n    line 12\n" in text
    assert "    line 19\n    Skipped because of it: b and c.\n" in text
    assert "1 attempt was repeated: a (tests failed)." in text
    assert "times as fast" not in text
    assert text.endswith("Give them another chance with: orchestrator resume 2026 --retry-failed")


def test_a_failure_shows_the_last_test_run_and_where_it_is(home: Path) -> None:
    blobs = BlobStore(home / ".orchestrator" / "runs" / "2026" / "blobs", durable=False)

    def turn(*told: str) -> str:
        results = [{"call_id": "1", "content": text, "is_error": True} for text in told]
        return blobs.put(json.dumps({"turn": {}, "results": results}).encode())

    turns = [
        turn("FAILED\nE  an older run"),
        turn("fine", "Not accepted: the tests do not pass.\nFAILED\nE  assert 1 == 2"),
        turn("the file says\nFAILED\nE  somewhere else"),
    ]
    reports = [
        e.Reported(1, "a", 1, 1, "reason", n, Spent(), transcript=digest)
        for n, digest in enumerate(turns)
    ]
    gave_up = e.AttemptEnded(2, "a", 1, 1, "gave_up", "cannot", "failed", True)
    text = summarise(record((A,), [granted(0, "a"), *reports, gave_up], "failed")).text()
    assert "a failed after 1 attempt: the agent gave up.\n    cannot\n" in text
    assert "    Its last test run ended with:\n      E  assert 1 == 2\n" in text
    path = blobs.path(turns[1]).relative_to(home)
    assert f"    Look at {path} (the turn of its last test run, and the output)\n" in text


def test_a_damaged_transcript_costs_no_summary(home: Path) -> None:
    blobs = BlobStore(home / ".orchestrator" / "runs" / "2026" / "blobs", durable=False)
    reports = [
        e.Reported(1, "a", 1, 1, "reason", 1, Spent(), transcript=digest)
        for digest in ("0" * 64, blobs.put(b"not json"), blobs.put(b"[]"))
    ]
    events = [granted(0, "a"), *reports, ended(2, "a", "failed", reason="why")]
    assert "    why\n" in summarise(record((A,), events, "failed")).text()


def test_cancelled_and_rejected_tasks_are_named(home: Path) -> None:
    events = [e.Cancelled(1, "a", 0, "not needed"), e.Skipped(2, "d", 0, "rejected: too risky")]
    text = summarise(record((A, Task(id="d", approval=True)), events, "failed")).text()
    assert "Of 2 tasks, 0 succeeded, 1 was cancelled and 1 was skipped." in text
    assert "a was cancelled: not needed." in text
    assert "d was skipped: rejected: too risky." in text


def test_who_waited_for_whom_and_what_was_refused(home: Path) -> None:
    refused = e.RequestRefused(3, "b", 1, 1, "write", "stale", "x was changed by task a", ("x",))
    scope = e.RequestRefused(4, "b", 1, 1, "write", "scope", "outside", ("y",))
    events = [
        granted(0, "a"), e.Blocked(1, "b", 0, ("a",)), done(2.5, "a"), granted(2.5, "b"),
        e.Wrote(3, "b", 1, 1, "z", 4, "d", 2, rebased=True), refused, scope,
        e.Reported(4, "b", 1, 1, "reason", 2, Spent(1200, 34, usd=None)), done(5, "b"),
    ]  # fmt: skip
    text = summarise(record((A, Task(id="b")), events)).text()
    assert "1 task waited for files: b 1.5 s for a." in text
    assert "1 write was merged with what other tasks had changed in the same file." in text
    assert "1 stale write was refused, and the agent was told: b (x was changed by task a)." in text
    assert "1 request was refused for files outside the task's scope." in text
    assert "Model tokens: 1,200 in, 34 out, at a price that is not known." in text


def test_an_interrupted_run_says_how_to_go_on(home: Path) -> None:
    events = [granted(0, "a"), done(4, "a")]
    text = summarise(record((A, B), events, "interrupted", "interrupted"), late=("w1",)).text()
    assert text.startswith(
        "The run was interrupted after 4.0 s: 1 of 2 tasks has succeeded, and nothing of that is "
        "lost.\n"
    )
    assert "w1 had not returned when the run ended; what they still ask is refused." in text
    assert text.endswith("Go on with: orchestrator resume 2026")


@pytest.mark.parametrize(
    ("name", "value", "said", "option"),
    [
        ("wall", 90, "1 min 30 s of wall time", "--wall 180s"),
        ("tokens", 5000, "5,000 model tokens", "--tokens 10000"),
        ("usd", 2.5, "2.50 US dollars", "--usd 5"),
    ],
)
def test_a_limit_says_how_to_raise_it(
    home: Path, name: str, value: float, said: str, option: str
) -> None:
    events = [granted(0, "a"), e.LimitReached(1, "", 0, name, value)]
    text = summarise(record((A,), events, "limit", name)).text()
    assert text.startswith(f"The run reached its limit of {said} after 1.0 s with 2 workers: ")
    assert text.endswith(f"orchestrator resume 2026 {option}")


def test_a_living_run(home: Path) -> None:
    found = summarise(record((A, B), [granted(0, "a"), done(4, "a"), granted(4, "b")], "running"))
    assert found.headline == (
        "The run has been going on for 4.0 s with 2 workers: 1 of 2 tasks has succeeded."
    )
