"""Events as sentences."""

from __future__ import annotations

import pytest

from orchestrator.core import events as e
from orchestrator.core.limits import Limits
from orchestrator.core.task import Task
from orchestrator.runtime.header import Header
from orchestrator.ui.board import Board
from orchestrator.ui.lines import Narrator

TASKS = (Task(id="lexer"), Task(id="parser", depends_on=("lexer",)))


def narrator(*tasks: Task, attempts: int = 3) -> Narrator:
    limits = Limits(attempts=attempts)
    return Narrator(Board(Header(run="r", name="p", tasks=tasks or TASKS, limits=limits)))


def said(events: list[e.Event], *tasks: Task, attempts: int = 3) -> list[str]:
    return [line.text for line in narrator(*tasks, attempts=attempts).apply(events)]


def granted(at: float, task: str = "lexer", attempt: int = 1) -> e.LeaseGranted:
    return e.LeaseGranted(at, task, attempt, 1, f"w{attempt}")


def ended(at: float, cause: str, then: str, reason: str = "because") -> e.AttemptEnded:
    counts = cause not in ("interrupted", "limit")
    return e.AttemptEnded(at, "lexer", 1, 1, cause, reason, then, counts)  # type: ignore[arg-type]


def test_a_line_has_the_time_the_task_and_what_happened() -> None:
    lines = narrator().apply([granted(3.21)])
    assert lines[0].plain(6) == "    3.2s  lexer   attempt 1 of 3 on w1: started"


def test_an_attempt_from_its_beginning_to_its_success() -> None:
    wrote = e.Wrote(1, "lexer", 1, 1, "lexer.py", 2, "d", 1)
    assert said([granted(0), wrote, e.Succeeded(3.2, "lexer", 1, 1)]) == [
        "attempt 1 of 3 on w1: started",
        "attempt 1 of 3 on w1: succeeded in 3.2 s, wrote lexer.py",
    ]


def test_of_several_files_the_task_s_own_is_named() -> None:
    task = Task(id="lexer", shares=("__init__.py",))
    paths = ("__init__.py", "lexer.py", "more.py")
    wrote = [e.Wrote(1, "lexer", 1, 1, path, 2, "d", 1) for path in paths]
    lines = said([granted(0), *wrote, e.Succeeded(2, "lexer", 1, 1)], task)
    assert lines[1].endswith(", wrote lexer.py and 2 more")


@pytest.mark.parametrize(
    ("cause", "then", "text"),
    [
        ("tests_failed", "ready", "tests failed, trying again (because)"),
        ("gave_up", "failed", "failed, the agent gave up (because)"),
        ("worker_died", "ready", "the worker died, trying again (because)"),
        ("interrupted", "ready", "interrupted"),
        ("cancelled", "cancelled", "cancelled"),
        ("limit", "ready", "a limit was reached"),
    ],
)
def test_how_an_attempt_ends(cause: str, then: str, text: str) -> None:
    assert said([granted(0), ended(1, cause, then)])[1] == f"attempt 1 of 3 on w1: {text}"


def test_a_single_attempt_is_not_counted() -> None:
    assert said([granted(0)], attempts=1) == ["attempt 1 on w1: started"]


def test_only_the_first_line_of_a_long_reason_is_told() -> None:
    lines = said([granted(0), ended(1, "error", "failed", "first\nsecond")])
    assert lines[1].endswith("(first)")


def test_who_waits_for_whose_files() -> None:
    events: list[e.Event] = [
        granted(0),
        e.Blocked(1, "parser", 0, ("lexer",)),
        e.WidenWaits(2, "lexer", 1, 1, ("x.py",), ("a", "b")),
        e.Widened(3, "lexer", 1, 1, ("x.py",)),
    ]
    assert said(events)[1:] == [
        "waits for files that lexer holds",
        "asked for x.py, which a and b hold",
        "may now also write x.py",
    ]


def test_a_stale_write_is_told_only_if_the_model_was_told() -> None:
    refused = e.RequestRefused(
        1, "lexer", 1, 1, "write", "stale", "x.py was changed by task parser", ("x.py",), "x.py"
    )
    merged = e.Wrote(1, "lexer", 1, 1, "x.py", 3, "d", 2, rebased=True)
    report = e.Reported(2, "lexer", 1, 1, "reason", 2, e.Spent())
    assert said([granted(0), refused, merged, report])[1:] == []
    assert said([granted(0), refused, report])[1:] == [
        "stale write refused: x.py was changed by task parser"
    ]


def test_other_refusals_are_told_at_once() -> None:
    refused = e.RequestRefused(1, "lexer", 1, 1, "write", "scope", "x.py is outside", ("x.py",))
    assert said([granted(0), refused])[1:] == ["write refused: x.py is outside"]


def test_news_of_the_run() -> None:
    events: list[e.Event] = [
        e.ChangedOutside(1, "", 0, "x.py", 2, None),
        e.LimitReached(2, "", 0, "tokens", 2_000_000),
        e.Resumed(3, "", 0),
    ]
    assert said(events) == [
        "x.py was deleted from outside the run",
        "the run has reached its limit of 2,000,000 model tokens: nothing new starts",
        "resumed: 0 of 2 tasks have succeeded already",
    ]


def test_what_people_decide() -> None:
    events: list[e.Event] = [
        e.Skipped(1, "parser", 0, "lexer failed"),
        e.Cancelled(2, "lexer", 0, "not needed"),
        e.Retried(3, "lexer", 0),
        e.Approved(4, "lexer", 0, "ann"),
    ]
    assert said(events) == [
        "skipped: lexer failed",
        "cancelled: not needed",
        "has a new chance",
        "approved by ann",
    ]


def test_what_agents_say_to_one_another() -> None:
    events: list[e.Event] = [
        granted(0),
        e.Sent(1, "lexer", 1, 1, "task:parser", "question", "Which\nway?"),
        e.Noted(2, "lexer", 1, 1, "Tokens", "…"),
        e.Added(3, "lexer", 1, (Task(id="extra"),)),
    ]
    assert said(events)[1:] == [
        "to task:parser (question): Which",
        "note: Tokens",
        "added extra",
    ]


def test_a_held_task_is_announced_once() -> None:
    speaker = narrator(Task(id="a", approval=True), Task(id="b"))
    assert [line.text for line in speaker.first()] == ["held: waits for a person's approval"]
    assert [line.task for line in speaker.apply([granted(1, "b")])] == ["b"]


def test_events_that_nobody_needs_say_nothing() -> None:
    quiet: list[e.Event] = [
        granted(0),
        e.Renewed(1, "lexer", 1, 1),
        e.Undone(2, "lexer", 1, "x.py", 3, None),
        e.Finished(3, "", 0, "interrupted", "interrupted"),
    ]
    assert len(said(quiet)) == 1
