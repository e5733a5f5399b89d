"""One request being decided: the events it causes and the effects it asks for.

Whoever decides calls `emit`, which records the event and applies it at once, so that the next
thought sees the state as it then is. A refusal is returned before anything is emitted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from orchestrator.core import events as e
from orchestrator.core.claims import Bounds
from orchestrator.core.files import without
from orchestrator.core.limits import LONGEST_REST
from orchestrator.core.messages import (
    Answer,
    Cause,
    Effect,
    EndLease,
    Mail,
    Materialise,
    Reads,
    Refused,
    Spent,
    StaleFile,
    Submit,
    Unmerge,
)
from orchestrator.core.records import LiveAttempt, TaskRecord
from orchestrator.core.rules import Rules
from orchestrator.core.state import State
from orchestrator.core.states import Move, allowed


@dataclass(frozen=True, slots=True)
class PendingWiden:
    """A running task's wish for files that others hold."""

    globs: tuple[str, ...]
    wanted: Bounds


@dataclass(frozen=True, slots=True)
class PendingReport:
    """A turn that waits until others give back what they have reserved."""

    expects: Spent
    mail: tuple[Mail, ...]


@dataclass(slots=True)
class Desk:
    """The conversation: who waits for an answer. It dies with the process, so it is not state.

    Attributes:
        parked: workers that wait for a task, first come first served.
        widening: tokens of attempts that wait for further files.
        submitting: tokens of attempts that wait for those whose writes they have read.
        reserving: tokens of attempts whose next turn does not fit into a limit just now.
    """

    parked: dict[str, None] = field(default_factory=dict)
    widening: dict[int, PendingWiden] = field(default_factory=dict)
    submitting: dict[int, Submit] = field(default_factory=dict)
    reserving: dict[int, PendingReport] = field(default_factory=dict)

    def waits(self, token: int) -> bool:
        """Whether an attempt is silent because it waits for our answer."""
        return token in self.widening or token in self.submitting or token in self.reserving

    def dismiss(self, token: int) -> bool:
        """Forget what an attempt waits for; return whether it did wait."""
        found = self.waits(token)
        self.widening.pop(token, None)
        self.submitting.pop(token, None)
        self.reserving.pop(token, None)
        return found


class Decision:
    """Collects what one request leads to.

    Attributes:
        state: the state, changed by every `emit`.
        desk: who waits for an answer.
        at: time of the request, in seconds since the run began.
        events: facts so far.
        effects: things to be done outside, in order.
    """

    __slots__ = ("at", "desk", "effects", "events", "state")

    def __init__(self, state: State, desk: Desk, at: float) -> None:
        self.state, self.desk, self.at = state, desk, at
        self.events: list[e.Event] = []
        self.effects: list[Effect] = []

    @property
    def rules(self) -> Rules:
        """What is enforced."""
        return self.state.rules

    def emit(self, event: e.Event) -> None:
        """Record a fact and apply it."""
        self.events.append(event)
        self.state.apply(event)

    def effect(self, effect: Effect) -> None:
        """Ask the coordinator for something outside."""
        self.effects.append(effect)

    def refuse(self, attempt: LiveAttempt, request: object, refused: Refused) -> Refused:
        """Record a refusal that whoever studies the run will want to count."""
        lease, paths = attempt.lease, tuple(file.path for file in refused.stale)
        name = getattr(request, "tool", type(request).__name__.lower())
        path = getattr(request, "path", "")
        self.emit(
            e.RequestRefused(
                self.at, lease.task, lease.attempt, lease.token,
                name, refused.kind, refused.why, paths, path,
            )
        )  # fmt: skip
        return refused

    def stale(self, attempt: LiveAttempt, reads: Reads, skip: str = "") -> tuple[StaleFile, ...]:
        """Return the files that have changed since the attempt read them, `skip` left out."""
        if not self.rules.validate_reads or not (attempt.stale or reads):
            return ()
        known = attempt.stale | dict(reads)
        current = self.state.files.current
        return tuple(
            StaleFile(path, number, current(path))
            for path, number in known.items()
            if path != skip and current(path).number != number
        )

    def end_attempt(
        self,
        attempt: LiveAttempt,
        cause: Cause,
        reason: str,
        *,
        counts: bool = True,
        final: bool = False,
        spent: Spent = Spent(),  # noqa: B008  (frozen)
    ) -> None:
        """End a lease without success: undo the attempt's writes, then retry, fail or cancel.

        Args:
            attempt: whose lease it is.
            cause: what kind of end it is.
            reason: why, for people and for the next attempt.
            counts: whether it uses up one of the task's attempts.
            final: the task fails, whatever attempts it has left.
            spent: what was spent since the last report.
        """
        lease = attempt.lease
        record = self.state.records[lease.task]
        then = self._then(record, cause, counts, final)
        rests = self._rest(record, cause) if then == "ready" and counts else 0.0
        alone, mixed = self._undoing(attempt) if not record.task.keep else ({}, ())
        self.emit(
            e.AttemptEnded(
                self.at, lease.task, lease.attempt, lease.token, cause, reason, then, counts,
                spent, mixed, rests,
            )
        )  # fmt: skip
        self.effect(EndLease(lease.worker, lease.token))
        if self.desk.dismiss(lease.token):
            self.effect(Answer(lease.worker, lease_ended(lease.token)))
        for path, digest in alone.items():
            self.take_back(lease.task, lease.attempt, lease.token, path, digest)
        for path in mixed:
            self.effect(Unmerge(lease.task, lease.attempt, lease.token, path))
        if then != "ready":
            self.skip_dependents(lease.task)

    def _then(self, record: TaskRecord, cause: Cause, counts: bool, final: bool) -> str:
        """Return where a task stands after its attempt has ended in this way."""
        limits = self.rules.limits
        if cause == "cancelled":
            return "cancelled"
        if final:
            return "failed"
        if not counts:
            return "ready"
        if cause in limits.attempts_by:
            left = record.failed_by.get(cause, 0) + 1 < limits.attempts_by[cause]
        else:
            left = record.failures + 1 < (record.task.attempts or limits.attempts)
        return "ready" if left else "failed"

    def _rest(self, record: TaskRecord, cause: Cause) -> float:
        """Return when a task may be tried again after a failure of the provider; 0: at once."""
        backoff = self.rules.limits.backoff
        if cause != "model_error" or not backoff:
            return 0.0
        doubled: float = backoff * 2 ** min(record.failed_by.get(cause, 0), 30)
        return self.at + min(doubled, LONGEST_REST)

    def _undoing(self, attempt: LiveAttempt) -> tuple[dict[str, str | None], tuple[str, ...]]:
        """Return what its files go back to, and those that others have edited since.

        New files come first: they are gone before a file is restored in place of a directory.
        """
        alone: dict[str, str | None] = {}
        mixed = []
        for path in attempt.written:
            before, steps = without(self.state.files.history(path), attempt.lease.token)
            if steps:
                mixed.append(path)
            else:
                alone[path] = before.digest
        return dict(sorted(alone.items(), key=lambda item: item[1] is not None)), tuple(mixed)

    def take_back(self, task: str, attempt: int, token: int, path: str, digest: str | None) -> None:
        """Give a file the content it would have without an ended attempt's writes."""
        files = self.state.files
        now = files.current(path).digest
        if now == digest:
            if (task, attempt, path) in self.state.mixed:
                self.emit(e.Remained(self.at, task, attempt, path, token))
            return
        self.emit(e.Undone(self.at, task, attempt, path, files.cut + 1, digest, token))
        self.effect(Materialise(path, digest, now))

    def skip_dependents(self, task: str) -> None:
        """Skip everything that can no longer become ready because of this task."""
        pending = [task]
        while pending:
            cause = pending.pop()
            if self.state.satisfied(cause):
                continue
            for name in self.state.graph.dependents(cause):
                record = self.state.records[name]
                if allowed(record.state, Move.SKIP):
                    because = f"{cause} {self.state.records[cause].state}"
                    self.emit(e.Skipped(self.at, name, record.attempt, because))
                    pending.append(name)

    def reach_limit(self, limit: str, value: float, *, end: bool = True) -> None:
        """A limit of the run bites: nothing new starts, and all leases `end`."""
        if self.state.status != "running":
            return
        if self.state.limit and not (end and self.state.live):
            return  # one limit is enough, unless attempts live on that this one ends
        self.emit(e.LimitReached(self.at, "", 0, limit, value))
        if end:
            self.end_all("limit", f"the run reached its limit of {limit}")

    def reach_role_limit(self, role: str, limit: str, value: float) -> None:
        """A limit of a role bites: none of its tasks starts until the run is resumed."""
        if role not in self.state.exhausted:
            self.emit(e.LimitReached(self.at, "", 0, limit, value, role))

    def end_all(self, cause: Cause, reason: str) -> None:
        """End all live leases; none of them uses up an attempt."""
        for attempt in tuple(self.state.live.values()):
            self.end_attempt(attempt, cause, reason, counts=False)


def lease_ended(token: int) -> Refused:
    """The answer to a request whose lease has ended."""
    return Refused(
        "lease_ended",
        f"the lease with token {token} has ended",
        "stop working on this task and claim again",
    )


def listed(items: Iterable[str], most: int = 8) -> str:
    """Return names for a message, cut short when there are many."""
    names = list(items)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more if names else "nothing"
