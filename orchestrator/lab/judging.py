"""A second reading of a log: each event is judged before it is folded.

The rules are written down here once more, apart from the code that decides: tokens rise, what is
done under a lease is done while it lives, version numbers follow one another, an accepted task
never starts again, what was accepted is never taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.core import events as e
from orchestrator.core.encoding import decode
from orchestrator.core.files import FIRST
from orchestrator.core.history import History
from orchestrator.core.invariants import check
from orchestrator.core.machine import Machine
from orchestrator.core.states import ENDED, TaskState
from orchestrator.errors import OrchestratorError
from orchestrator.runtime.eventlog import Record
from orchestrator.runtime.header import Header
from orchestrator.runtime.scan import Entry

EFFORT = 1_000_000
"""Tasks looked at in checks of the invariants after every decision; beyond that they are checked
ever more rarely, each time that the log is twice as long."""


@dataclass(frozen=True, slots=True)
class Parting:
    """Where the log and its replay part.

    Attributes:
        seq: number of the event.
        what: why it could not have happened there, in words.
    """

    seq: int
    at: float
    kind: str
    task: str
    attempt: int
    what: str


class SecondReading:
    """Folds events one by one, and objects to what could not be.

    Args:
        bounded: whether the roles are known, so that file bounds can be checked.
    """

    def __init__(
        self, header: Header, machine: Machine, entries: Mapping[str, Entry], bounded: bool
    ) -> None:
        self.machine, self._header, self._bounded = machine, header, bounded
        self.events = self.checks = self._looked = 0
        self.contents: dict[str, tuple[int, str]] = {}
        self._history = History(header.tasks)
        self._at = 0.0
        self._token = 0
        self._failures: dict[str, int] = {}
        self._leases: dict[int, tuple[str, int]] = {}
        self._granted_at: dict[int, int] = {}  # token to the cut at which it was granted
        self._accepted: dict[str, int] = {}  # task to the token under which it was accepted
        self._cut = FIRST
        self._files: dict[str, tuple[int, str | None]] = {
            path: (FIRST, entry.digest) for path, entry in entries.items()
        }
        self._resumed = False

    # --- one event after the other ----------------------------------------------------------------

    def read(self, records: Iterator[Record]) -> Parting | None:
        """Take in all events; return the first that could not have happened."""
        due = 0
        last: Record | None = None
        for record in records:
            # One decision may be several events, all of the same time: in between, nothing holds.
            if last is not None and last.at != record.at and self.events >= due:
                due = self.events if self._looked < EFFORT else 2 * self.events
                if wrong := self._broken():
                    return _parting(last, wrong)
            wrong = self._take(record)
            if wrong:
                return _parting(record, wrong)
            last = record
        wrong = self._broken()
        return _parting(last, wrong) if wrong and last is not None else None

    def _broken(self) -> str:
        if not self._bounded:
            return ""
        self.checks += 1
        self._looked += len(self.machine.state.records)
        return "; ".join(check(self.machine))

    def _take(self, record: Record) -> str:
        """Judge an event, then fold it; say what is wrong with it."""
        row = (record.at, record.kind, record.task, record.attempt, record.body)
        event = decode(*row)
        known = event.task in self.machine.state.records or not event.task
        objections = self._objections(event) if known else iter(["there is no such task"])
        if wrong := "; ".join(objections):
            return wrong
        try:
            self.machine.fold([event])
            self._history.apply(event)
        except (OrchestratorError, LookupError, ValueError, TypeError) as error:
            what = getattr(error, "what", f"{type(error).__name__}: {error}")
            return f"it cannot follow from what was before ({what})"
        self._remember(record.seq, event)
        return ""

    def _remember(self, seq: int, event: e.Event) -> None:
        self.events, self._at = seq, event.at
        self._resumed = self._resumed or isinstance(event, e.Resumed)
        path = getattr(event, "path", "")
        for name in ("digest", "evidence", "transcript"):
            if digest := getattr(event, name, None):
                self.contents.setdefault(digest, (seq, path if name == "digest" else ""))
        match event:
            case e.LeaseGranted():
                self._token = event.token
                self._leases[event.token] = (event.task, event.attempt)
                self._granted_at[event.token] = self._cut
            case e.Wrote() | e.Undone() | e.ChangedOutside():
                self._cut = event.number
                self._files[event.path] = (event.number, event.digest)
            case e.Succeeded():
                self._accepted[event.task] = event.token
            case e.AttemptEnded():
                counted = (
                    event.counts and event.cause not in self.machine.state.rules.limits.attempts_by
                )
                self._failures[event.task] = self._failures.get(event.task, 0) + counted
            case e.Retried():
                self._failures[event.task] = 0
            case _:
                pass

    # --- what could not be ------------------------------------------------------------------------

    def _objections(self, event: e.Event) -> Iterator[str]:
        if event.at < self._at:
            yield f"it is {self._at - event.at:.3f} s older than the event before it"
        if type(event) in _UNDER_LEASE:
            unheld = self._unheld(event)
            if unheld:
                yield unheld
                return  # the rest is about the attempt that it does not belong to
        yield from _JUDGES.get(type(event), _nothing)(self, event)

    def _unheld(self, event: Any) -> str:
        """Say why an event does not belong to a living lease."""
        attempt = self.machine.state.live.get(event.token)
        if attempt is None:
            never = event.token > self._token
            return f"token {event.token} {'was never granted' if never else 'has ended'}"
        lease = attempt.lease
        if (lease.task, lease.attempt) != (event.task, event.attempt):
            return f"token {event.token} belongs to attempt {lease.attempt} of {lease.task}"
        return ""

    def _granted(self, event: e.LeaseGranted) -> Iterator[str]:
        state = self.machine.state
        record = state.records[event.task]
        if event.token <= self._token:
            yield f"token {event.token} does not rise above {self._token}"
        if event.task in self._accepted:
            yield "the task was accepted before"
        if event.attempt != record.attempt + 1:
            yield f"attempt {event.attempt} does not follow attempt {record.attempt}"
        waits = [d for d in state.graph.dependencies(event.task) if not state.records[d].released]
        if waits:
            yield f"the task waits for {', '.join(waits)}"
        if state.status != "running" or state.limit:
            yield "the run had ended"
        if state.rules.exclusive and self._bounded:
            holders = state.claims.held.against(event.task, state.bounds(record.task))
            if holders:
                yield f"its files are held by {', '.join(holders)}"

    def _follows(self, event: e.Wrote | e.Undone | e.ChangedOutside) -> Iterator[str]:
        if event.number != self._cut + 1:
            yield f"version {event.number} does not follow version {self._cut}"

    def _wrote(self, event: e.Wrote) -> Iterator[str]:
        yield from self._follows(event)
        current = self._files.get(event.path, (0, None))[0]
        if self.machine.state.rules.check_base and event.base != current:
            yield f"it is based on version {event.base} of {event.path}, not on {current}"
        attempt = self.machine.state.live[event.token]
        bounded = self._bounded and self.machine.state.rules.bounded
        if bounded and not attempt.bounds.may_write(event.path):
            yield f"{event.path} is outside the task's files"
        yield from self._stale(attempt.stale | dict(event.reads), event.path)

    def _stale(self, known: dict[str, int], written: str = "") -> Iterator[str]:
        for path, number in known.items() if self.machine.state.rules.validate_reads else ():
            current = self._files.get(path, (0, None))[0]
            if path != written and number != current:
                yield f"it had read version {number} of {path}, and {current} was current"

    def _refused(self, event: e.RequestRefused) -> Iterator[str]:
        """Ask whether there was ground for a refusal, as far as the log tells what was asked."""
        if event.refusal == "stale":
            if not event.paths:
                yield "it was refused as stale, and no file is named that had changed"
            for path in event.paths:
                # An attempt sees the files as they were at its grant, or later.
                if self._files.get(path, (0, None))[0] <= self._granted_at[event.token]:
                    yield f"it was refused because {path} had changed, which it had not"
        if event.refusal == "scope" and event.request in ("write", "delete") and self._bounded:
            bounds = self.machine.state.live[event.token].bounds
            if event.path and bounds.may_write(event.path):
                yield f"it was refused for {event.path}, which is inside the task's files"

    def _succeeded(self, event: e.Succeeded) -> Iterator[str]:
        attempt = self.machine.state.live[event.token]
        yield from self._stale(attempt.stale | dict(event.reads))
        if not self.machine.state.records[event.task].task.test:
            return
        if not event.evidence:
            yield "there is no output of its tests"
        if not self.machine.state.rules.validate_reads:
            return
        known = dict(attempt.written)
        if self.machine.state.rules.validate_reads:
            for path in (*attempt.reads, *dict(event.reads), *attempt.written):
                known[path] = self._files.get(path, (0, None))[0]
        for path, number in known.items():
            if number > event.cut:
                yield f"its tests saw cut {event.cut}, and {path} is newer (version {number})"

    def _ended(self, event: e.AttemptEnded) -> Iterator[str]:
        if (event.cause == "cancelled") != (event.then == "cancelled"):
            yield f"it ended by {event.cause}, and yet the task is {event.then}"
        elif event.then != "cancelled" and not self._resumed:  # limits may be others afterwards
            record, limits = self.machine.state.records[event.task], self.machine.state.rules.limits
            limit = record.task.attempts or limits.attempts
            failures = self._failures.get(event.task, 0)
            if event.cause in limits.attempts_by:  # a kind of failure that is counted on its own
                limit = limits.attempts_by[event.cause]
                failures = record.failed_by.get(event.cause, 0)
            failures += event.counts
            final = event.cause == "limit" and event.then == "failed"  # the task's own budget
            if event.then != ("ready" if failures < limit else "failed") and not final:
                used = f"{failures} of {limit} attempts are used up"
                yield f"{used}, and yet the task is {event.then}"

    def _undone(self, event: e.Undone) -> Iterator[str]:
        yield from self._follows(event)
        if event.token and self._leases.get(event.token) != (event.task, event.attempt):
            yield f"token {event.token} is not of this attempt"
        if event.token and event.token in self.machine.state.live:
            yield f"token {event.token} has not ended"
        if event.token and self._accepted.get(event.task) == event.token:
            yield "it takes back what was accepted"

    def _skipped(self, event: e.Skipped) -> Iterator[str]:
        state = self.machine.state
        held = state.records[event.task].state is TaskState.HELD
        lost = [
            name
            for name in state.graph.dependencies(event.task)
            if state.records[name].state in ENDED and not state.satisfied(name)
        ]
        if not (lost or held):
            yield "nothing that it depends on has failed"

    def _finished(self, event: e.Finished) -> Iterator[str]:
        state = self.machine.state
        won = state.counts[TaskState.SUCCEEDED] == len(state.records)
        right = {
            "succeeded": won,
            "failed": not state.open and not won,
            "limit": bool(state.limit or state.exhausted) and not state.live,
            "interrupted": bool(state.open) and not state.live,
        }
        if not right.get(event.status, False):
            yield f"the run cannot have ended as {event.status}: {_standing(self.machine)}"

    def _resume(self, event: e.Resumed) -> Iterator[str]:
        for attempt in self.machine.state.live.values():
            yield f"token {attempt.lease.token} of {attempt.lease.task} has not ended"

    # --- the end ----------------------------------------------------------------------------------

    def differences(self) -> list[str]:
        """Compare the state with the other two readings."""
        state, history = self.machine.state, self._history
        found = []
        for name, record in state.records.items():
            told = history.tasks[name]
            if record.state in ENDED and told.state is not record.state:
                found.append(f"{name} is {record.state} by the fold, {told.state} by its history")
            if len(told.attempts) != record.attempt:
                found.append(f"{name} has {record.attempt} attempts, {len(told.attempts)} told")
            tokens = state.ledger.task(name).tokens
            if told.input + told.output != tokens:
                found.append(f"{name} used {tokens} model tokens, those told differ")
        if history.status != state.status:
            found.append(f"the run is {state.status} by the fold, {history.status} by its history")
        files = {path: digest for path, (_, digest) in self._files.items() if digest}
        folded = state.files.digests()
        return found + [
            f"{path} is another content by the fold than by the writes"
            for path in sorted(files.keys() | folded.keys())
            if files.get(path) != folded.get(path)
        ]


def _standing(machine: Machine) -> str:
    counts = machine.state.counts.items()
    return ", ".join(f"{count} {kind}" for kind, count in counts if count) or "it has no tasks"


def _parting(record: Record, what: str) -> Parting:
    return Parting(record.seq, record.at, record.kind, record.task, record.attempt, what)


def _nothing(second: SecondReading, event: Any) -> Iterator[str]:
    return iter(())


_UNDER_LEASE = frozenset(
    {
        e.Renewed, e.Reported, e.Wrote, e.RequestRefused, e.Succeeded, e.AttemptEnded,
        e.Widened, e.WidenWaits, e.SubmitWaits, e.BudgetWaits, e.Reserved, e.Sent, e.Noted,
    }
)  # fmt: skip

_JUDGES: dict[type[Any], Callable[[SecondReading, Any], Iterator[str]]] = {
    e.LeaseGranted: SecondReading._granted,
    e.Wrote: SecondReading._wrote,
    e.RequestRefused: SecondReading._refused,
    e.Succeeded: SecondReading._succeeded,
    e.AttemptEnded: SecondReading._ended,
    e.Undone: SecondReading._undone,
    e.ChangedOutside: SecondReading._follows,
    e.Skipped: SecondReading._skipped,
    e.Finished: SecondReading._finished,
    e.Resumed: SecondReading._resume,
}
