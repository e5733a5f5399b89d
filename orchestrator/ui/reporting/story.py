"""What happened in a run, with its times: attempts and their phases, waits, refusals, messages.

Read from the events alone. `core.history` keeps where things stand; a picture over time needs
when each of them began and ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from orchestrator.core import events as e
from orchestrator.core.encoding import decode
from orchestrator.core.messages import Phase, Spent
from orchestrator.core.states import TaskState
from orchestrator.lab.metrics import StaleRefusals
from orchestrator.lab.stateline import StateLine
from orchestrator.lab.timeidentity import QUEUED
from orchestrator.runtime.eventlog import SqliteLog
from orchestrator.runtime.rundir import RunDir
from orchestrator.ui.record import Record, read_record

WaitKind = Literal["files", "submit", "budget", "provider", "merge"]
MarkKind = Literal["stale", "merged", "scope", "refused", "sent", "noted", "tests_failed"]


@dataclass(frozen=True, slots=True)
class Span:
    """A phase of an attempt. Times in seconds since the run began."""

    begin: float
    end: float
    phase: Phase


@dataclass(frozen=True, slots=True)
class Wait:
    """Time in which a running attempt could not go on.

    Attributes:
        why: what it waited for, in words.
        by: the tasks that it waited for.
    """

    begin: float
    end: float
    kind: WaitKind
    why: str
    by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Blocking:
    """A ready task could not start because others held its files."""

    task: str
    begin: float
    end: float
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at one moment of an attempt.

    Attributes:
        to: who a message is for, as it was addressed.
        path: the file that it is about; "" for none.
    """

    at: float
    kind: MarkKind
    text: str
    to: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """An accepted write; `digest` None: deleted; `base`: the version that it was made from."""

    at: float
    path: str
    number: int
    digest: str | None
    base: int
    merged: bool


@dataclass(slots=True)
class Attempt:
    """One attempt, with all that happened in it. Times in seconds since the run began.

    Attributes:
        end: when it ended; in a run that goes on, the time of the newest event.
        outcome: "running", "succeeded", or the cause of its end.
        told: digests of the blobs with its turns, each with when it was told.
        failed_tests: digests of the blobs with the output of failed test runs.
        undone: files whose writes were taken back.
    """

    task: str
    number: int
    worker: str
    begin: float
    end: float = 0.0
    outcome: str = "running"
    reason: str = ""
    summary: str = ""
    evidence: str = ""
    turns: int = 0
    input: int = 0
    output: int = 0
    usd: float | None = 0.0
    spans: list[Span] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    told: list[tuple[float, str]] = field(default_factory=list)
    failed_tests: list[str] = field(default_factory=list)
    undone: list[str] = field(default_factory=list)

    @property
    def accepted(self) -> bool:
        """Whether its work was accepted."""
        return self.outcome == "succeeded"

    @property
    def seconds(self) -> float:
        """How long it took, or has taken so far."""
        return self.end - self.begin


@dataclass(frozen=True)
class Story:
    """A run, as a report tells it.

    Attributes:
        record: the run as `status` knows it.
        events: what was recorded, in order.
        attempts: in the order in which they began.
        blockings: waits before attempts.
        states: when each task came into which state.
        begin: when the first attempt began.
        end: when the last thing happened.
        workers: the lanes.
    """

    record: Record
    events: Sequence[e.Event]
    attempts: Sequence[Attempt]
    blockings: Sequence[Blocking]
    states: Mapping[str, Sequence[tuple[float, TaskState]]]
    begin: float
    end: float
    workers: tuple[str, ...]

    def of(self, task: str) -> list[Attempt]:
        """Return the attempts at one task."""
        return self._by_task.get(task, [])

    @cached_property
    def _by_task(self) -> dict[str, list[Attempt]]:
        found: dict[str, list[Attempt]] = {}
        for attempt in self.attempts:
            found.setdefault(attempt.task, []).append(attempt)
        return found


def read_story(run_dir: Path) -> Story:
    """Read a run from its log; it may still be going on.

    Raises:
        WorkspaceError: this is not the directory of a run.
        LogError: its log cannot be read.
    """
    record = read_record(run_dir)
    with SqliteLog.reader(RunDir.open(run_dir).events) as log:
        rows = log.read()
        events = [decode(row.at, row.kind, row.task, row.attempt, row.body) for row in rows]
    return tell(record, events)


def tell(record: Record, events: Sequence[e.Event]) -> Story:
    """Tell the story of a run from its events."""
    teller, states = _Teller(), StateLine(record.header.tasks)
    for event in events:
        teller.apply(event)
        states.apply(event)
    teller.close()
    named = {attempt.worker for attempt in teller.attempts}
    known = {f"w{number + 1}" for number in range(record.header.workers)}
    begin = min((attempt.begin for attempt in teller.attempts), default=0.0)
    return Story(
        record, events, teller.attempts, teller.blockings, states.changes, begin,
        max(teller.now, begin), tuple(sorted(named | known, key=_lane_order)),
    )  # fmt: skip


def _lane_order(worker: str) -> tuple[str, int, str]:
    letters = worker.rstrip("0123456789")
    digits = worker[len(letters) :]
    return letters, int(digits or 0), worker


@dataclass(slots=True)
class _Teller:
    """Takes in events, one after another."""

    now: float = 0.0
    attempts: list[Attempt] = field(default_factory=list)
    blockings: list[Blocking] = field(default_factory=list)
    _live: dict[str, Attempt] = field(default_factory=dict)  # by task
    _last: dict[str, Attempt] = field(default_factory=dict)
    _phase: dict[str, tuple[float, Phase]] = field(default_factory=dict)
    _waiting: dict[str, tuple[float, WaitKind, str, tuple[str, ...]]] = field(default_factory=dict)
    _blocked: dict[str, tuple[float, tuple[str, ...], set[str]]] = field(default_factory=dict)
    _stale: StaleRefusals = field(default_factory=StaleRefusals)

    def apply(self, event: e.Event) -> None:
        self.now = max(self.now, event.at)
        for clash in self._stale.apply(event):
            self._mark(clash.task, Mark(event.at, "stale", clash.why, path=clash.paths[0]))
        match event:
            case e.LeaseGranted():
                self._granted(event)
            case e.Reported():
                self._reported(event)
            case e.Succeeded() | e.AttemptEnded():
                self._ended(event)
            case e.Wrote():
                self._wrote(event)
            case e.Undone():
                if event.task in self._last:
                    self._last[event.task].undone.append(event.path)
            case e.Blocked():
                self._blocked[event.task] = (event.at, event.by, set(event.by))
            case e.Skipped() | e.Cancelled():
                self._unblock(event.task, event.at)
            case e.WidenWaits() | e.SubmitWaits() | e.BudgetWaits():
                self._wait(event)
            case e.Widened():
                self._go_on(event.task, event.at)
            case e.RequestRefused():
                self._refused(event)
            case e.Sent():
                self._mark(event.task, Mark(event.at, "sent", event.text, to=event.to))
            case e.Noted():
                self._mark(event.task, Mark(event.at, "noted", f"{event.title}: {event.text}"))
            case _:
                pass

    def close(self) -> None:
        """End what is still open: the run goes on, or its process has ended."""
        for task, attempt in tuple(self._live.items()):
            self._stop(task, attempt, self.now)
        for task in tuple(self._blocked):
            self._unblock(task, self.now)

    # --- attempts ---------------------------------------------------------------------------------

    def _granted(self, event: e.LeaseGranted) -> None:
        self._unblock(event.task, event.at)
        attempt = Attempt(event.task, event.attempt, event.worker, event.at, event.at)
        self.attempts.append(attempt)
        self._live[event.task] = self._last[event.task] = attempt
        self._phase[event.task] = (event.at, "reason")

    def _reported(self, event: e.Reported) -> None:
        attempt = self._live.get(event.task)
        if attempt is None:
            return
        self._go_on(event.task, event.at)
        self._turn_to(event.task, attempt, event.at, event.phase)
        if event.detail == QUEUED:
            why = "for its turn in the merge queue"
            self._waiting[event.task] = (event.at, "merge", why, ())
        attempt.turns = max(attempt.turns, event.turn)
        if event.waited:
            begin = max(attempt.begin, event.at - event.waited)
            why = "for the model's provider"
            attempt.waits.append(Wait(begin, event.at, "provider", why))
        if event.transcript:
            attempt.told.append((event.at, event.transcript))
        if event.evidence:
            attempt.failed_tests.append(event.evidence)
            attempt.marks.append(Mark(event.at, "tests_failed", "tests failed"))
        _spend(attempt, event.spent)

    def _turn_to(self, task: str, attempt: Attempt, at: float, phase: Phase) -> None:
        since, before = self._phase[task]
        if phase == before:
            return
        if at > since:
            attempt.spans.append(Span(since, at, before))
        self._phase[task] = (at, phase)

    def _ended(self, event: e.Succeeded | e.AttemptEnded) -> None:
        attempt = self._live.get(event.task)
        if attempt is not None:
            self._stop(event.task, attempt, event.at)
            if isinstance(event, e.Succeeded):
                attempt.outcome, attempt.summary = "succeeded", event.summary
                attempt.evidence = event.evidence
            else:
                attempt.outcome, attempt.reason = event.cause, event.reason
                _spend(attempt, event.spent)
        for task, (_, _, left) in tuple(self._blocked.items()):
            left.discard(event.task)
            if not left:
                self._unblock(task, event.at)

    def _stop(self, task: str, attempt: Attempt, at: float) -> None:
        self._go_on(task, at)
        since, phase = self._phase.pop(task)
        if at > since:
            attempt.spans.append(Span(since, at, phase))
        attempt.end = at
        del self._live[task]

    def _wrote(self, event: e.Wrote) -> None:
        self._go_on(event.task, event.at)
        attempt = self._last.get(event.task)
        if attempt is None:
            return
        attempt.changes.append(
            Change(event.at, event.path, event.number, event.digest, event.base, event.rebased)
        )
        if event.rebased:
            attempt.marks.append(Mark(event.at, "merged", event.path, path=event.path))

    def _refused(self, event: e.RequestRefused) -> None:
        self._go_on(event.task, event.at)
        if event.refusal == "scope":
            text = f"{event.request} {event.path}: {event.why}".replace("  ", " ")
            self._mark(event.task, Mark(event.at, "scope", text, path=event.path))
        elif event.refusal != "stale":
            self._mark(event.task, Mark(event.at, "refused", f"{event.request}: {event.why}"))

    def _mark(self, task: str, mark: Mark) -> None:
        if task in self._last:
            self._last[task].marks.append(mark)

    # --- waits ------------------------------------------------------------------------------------

    def _wait(self, event: e.WidenWaits | e.SubmitWaits | e.BudgetWaits) -> None:
        match event:
            case e.WidenWaits():
                why = f"for {', '.join(event.globs)}, held by {', '.join(event.by)}"
                self._waiting[event.task] = (event.at, "files", why, event.by)
            case e.SubmitWaits():
                why = f"for {', '.join(event.by)} to end, whose work it has read"
                self._waiting[event.task] = (event.at, "submit", why, event.by)
            case e.BudgetWaits():
                why = f"for others to give back what they reserved of the limit of {event.limit}"
                self._waiting[event.task] = (event.at, "budget", why, ())

    def _go_on(self, task: str, at: float) -> None:
        found = self._waiting.pop(task, None)
        attempt = self._live.get(task)
        if found and attempt and at > found[0]:
            attempt.waits.append(Wait(found[0], at, found[1], found[2], found[3]))

    def _unblock(self, task: str, at: float) -> None:
        found = self._blocked.pop(task, None)
        if found and at > found[0]:
            self.blockings.append(Blocking(task, found[0], at, found[1]))


def _spend(attempt: Attempt, spent: Spent) -> None:
    attempt.input += spent.input + spent.cache_read + spent.cache_write
    attempt.output += spent.output
    if attempt.usd is not None:
        attempt.usd = None if spent.usd is None else attempt.usd + spent.usd
