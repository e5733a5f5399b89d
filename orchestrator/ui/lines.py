"""Events worth a line, each as one sentence about one task."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from orchestrator.core import events as e
from orchestrator.core.history import AttemptHistory
from orchestrator.core.states import TaskState
from orchestrator.core.task import Task
from orchestrator.lab.metrics import StaleRefusals
from orchestrator.ui.board import Board
from orchestrator.ui.words import duration, limit, listed, one_line

Tone = Literal["start", "good", "bad", "warn", "quiet"]

CAUSES: Mapping[str, str] = {
    "gave_up": "the agent gave up",
    "tests_failed": "tests failed",
    "error": "an error in the task function",
    "model_error": "the model failed",
    "worker_died": "the worker died",
    "lease_expired": "no sign of life",
    "limit": "a limit was reached",
    "no_progress": "no progress",
    "conflict": "it built on unfinished work",
    "cancelled": "cancelled",
    "interrupted": "interrupted",
}
"""How an attempt ends without success, in words."""

_NAME = 28  # characters of a task's id that a line shows


@dataclass(frozen=True, slots=True)
class Line:
    """One line of progress.

    Attributes:
        at: seconds since the run began.
        task: the task that it is about; "" for the run.
        tone: what kind of news it is.
    """

    at: float
    task: str
    text: str
    tone: Tone

    def plain(self, width: int) -> str:
        """Return the line as text, the task's id in a column of `width` characters."""
        return f"{self.at:7.1f}s  {self.task:<{min(width, _NAME)}}  {self.text}".rstrip()


class Narrator:
    """Says what happens, event by event.

    Args:
        board: where the tasks stand; the narrator feeds it.
    """

    def __init__(self, board: Board) -> None:
        self.board = board
        self.width = max((len(task.id) for task in board.header.tasks), default=4)
        self._stale = StaleRefusals()
        self._held: set[str] = set()
        self._approvals = any(task.approval for task in board.header.tasks)

    def apply(self, events: Iterable[e.Event]) -> list[Line]:
        """Take in events; return the lines that they are worth."""
        found: list[Line] = []
        for event in events:
            self.board.apply(event)
            for conflict in self._stale.apply(event):
                text = f"stale write refused: {one_line(conflict.why)}"
                found.append(Line(event.at, conflict.task, text, "warn"))
            say = _SAY.get(type(event))
            line = say(self.board, event) if say else None
            if line:
                found.append(line)
        return found + self._newly_held()

    def first(self) -> list[Line]:
        """Return what there is to say before the first event."""
        return self._newly_held()

    def _newly_held(self) -> list[Line]:
        if not self._approvals:
            return []
        held = self.board.among(TaskState.HELD)
        fresh = [name for name in held if name not in self._held]
        self._held = set(held)
        at = self.board.history.now
        return [Line(at, name, "held: waits for a person's approval", "warn") for name in fresh]


def attempt_words(board: Board, task: str, attempt: AttemptHistory) -> str:
    """Return which attempt it is, of how many, on which worker."""
    allowed = board.attempts_allowed(task)
    of = f" of {allowed}" if allowed > 1 else ""
    return f"attempt {attempt.number}{of} on {attempt.worker}"


def _last(board: Board, task: str) -> AttemptHistory:
    return board.task(task).attempts[-1]


def _granted(board: Board, event: e.LeaseGranted) -> Line:
    words = attempt_words(board, event.task, _last(board, event.task))
    return Line(event.at, event.task, f"{words}: started", "start")


def _succeeded(board: Board, event: e.Succeeded) -> Line:
    last = _last(board, event.task)
    took = duration(event.at - last.started)
    words = attempt_words(board, event.task, last)
    wrote = _wrote(last, board.task(event.task).task)
    return Line(event.at, event.task, f"{words}: succeeded in {took}{wrote}", "good")


def _wrote(attempt: AttemptHistory, task: Task) -> str:
    """Name one of the files, rather its own than one that others edit too; count the others."""
    files = sorted(attempt.files, key=lambda path: path in task.shares)
    if not files:
        return ""
    return f", wrote {files[0]}" + (f" and {len(files) - 1} more" if len(files) > 1 else "")


def _ended(board: Board, event: e.AttemptEnded) -> Line:
    words = attempt_words(board, event.task, _last(board, event.task))
    cause = CAUSES.get(event.cause, event.cause)
    reason = one_line(event.reason)
    if event.cause == "cancelled" or not event.counts:
        return Line(event.at, event.task, f"{words}: {cause}", "warn")
    if event.then == "ready":
        rest = max(0.0, event.rests - event.at)
        again = f"trying again in {duration(rest)}" if rest else "trying again"
        return Line(event.at, event.task, f"{words}: {cause}, {again} ({reason})", "warn")
    return Line(event.at, event.task, f"{words}: failed, {cause} ({reason})", "bad")


def _reported(board: Board, event: e.Reported) -> Line | None:
    if event.detail != "tests failed":
        return None
    words = attempt_words(board, event.task, _last(board, event.task))
    return Line(event.at, event.task, f"{words}: tests failed in turn {event.turn - 1}", "quiet")


def _blocked(board: Board, event: e.Blocked) -> Line:
    text = f"waits for files that {listed(event.by, 3)} {_hold(event.by)}"
    return Line(event.at, event.task, text, "quiet")


def _widen_waits(board: Board, event: e.WidenWaits) -> Line:
    text = f"asked for {listed(event.globs, 3)}, which {listed(event.by, 3)} {_hold(event.by)}"
    return Line(event.at, event.task, text, "quiet")


def _submit_waits(board: Board, event: e.SubmitWaits) -> Line:
    who = "has" if len(event.by) == 1 else "have"
    text = f"is done, and waits until {listed(event.by, 3)}, whose work it has read, {who} ended"
    return Line(event.at, event.task, text, "quiet")


def _budget_waits(board: Board, event: e.BudgetWaits) -> Line:
    text = f"waits: others have reserved what is left of the limit of {event.limit}"
    return Line(event.at, event.task, text, "quiet")


def _hold(by: tuple[str, ...]) -> str:
    return "holds" if len(by) == 1 else "hold"


def _widened(board: Board, event: e.Widened) -> Line:
    return Line(event.at, event.task, f"may now also write {listed(event.globs, 3)}", "quiet")


def _refused(board: Board, event: e.RequestRefused) -> Line | None:
    if event.refusal in ("stale", "lease_ended"):
        return None  # most stale writes are merged at once; the others come from StaleRefusals
    return Line(event.at, event.task, f"{event.request} refused: {one_line(event.why)}", "warn")


def _skipped(board: Board, event: e.Skipped) -> Line:
    return Line(event.at, event.task, f"skipped: {event.because}", "bad")


def _cancelled(board: Board, event: e.Cancelled) -> Line:
    return Line(event.at, event.task, f"cancelled: {one_line(event.why)}", "warn")


def _outside(board: Board, event: e.ChangedOutside) -> Line:
    how = "deleted" if event.digest is None else "changed"
    return Line(event.at, "", f"{event.path} was {how} from outside the run", "warn")


def _added(board: Board, event: e.Added) -> Line:
    names = listed([task.id for task in event.tasks])
    return Line(event.at, event.task, f"added {names}", "quiet")


def _sent(board: Board, event: e.Sent) -> Line:
    text = f"to {event.to} ({event.message}): {one_line(event.text)}"
    return Line(event.at, event.task, text, "quiet")


def _noted(board: Board, event: e.Noted) -> Line:
    return Line(event.at, event.task, f"note: {one_line(event.title)}", "quiet")


def _limit(board: Board, event: e.LimitReached) -> Line:
    if event.role:
        most = limit(event.limit, event.value)
        text = f"role {event.role} has reached its limit of {most}: none of its tasks starts"
        return Line(event.at, "", text, "bad")
    text = f"the run has reached its limit of {limit(event.limit, event.value)}: nothing new starts"
    return Line(event.at, "", text, "bad")


def _resumed(board: Board, event: e.Resumed) -> Line:
    done = board.counts()[TaskState.SUCCEEDED]
    of = len(board.history.tasks)
    return Line(event.at, "", f"resumed: {done} of {of} tasks have succeeded already", "quiet")


def _approved(board: Board, event: e.Approved) -> Line:
    by = f" by {event.who}" if event.who else ""
    return Line(event.at, event.task, f"approved{by}", "quiet")


def _retried(board: Board, event: e.Retried) -> Line:
    return Line(event.at, event.task, "has a new chance", "quiet")


_SAY: Mapping[type[Any], Callable[[Board, Any], Line | None]] = {
    e.LeaseGranted: _granted,
    e.Reported: _reported,
    e.Succeeded: _succeeded,
    e.AttemptEnded: _ended,
    e.Blocked: _blocked,
    e.WidenWaits: _widen_waits,
    e.SubmitWaits: _submit_waits,
    e.BudgetWaits: _budget_waits,
    e.Widened: _widened,
    e.RequestRefused: _refused,
    e.Skipped: _skipped,
    e.Cancelled: _cancelled,
    e.ChangedOutside: _outside,
    e.Added: _added,
    e.Sent: _sent,
    e.Noted: _noted,
    e.LimitReached: _limit,
    e.Resumed: _resumed,
    e.Approved: _approved,
    e.Retried: _retried,
}
