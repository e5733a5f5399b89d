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
from orchestrator.core.messages import (
    Answer,
    Cause,
    Effect,
    EndLease,
    Materialise,
    Reads,
    Refused,
    Spent,
    StaleFile,
    Unmerge,
)
from orchestrator.core.rules import Rules
from orchestrator.core.state import LiveAttempt, State
from orchestrator.core.states import Move, allowed


@dataclass(frozen=True, slots=True)
class PendingWiden:
    """A running task's wish for files that others hold."""

    globs: tuple[str, ...]
    wanted: Bounds


@dataclass(slots=True)
class Desk:
    """The conversation: who waits for an answer. It dies with the process, so it is not state.

    Attributes:
        parked: workers that wait for a task, first come first served.
        widening: tokens of attempts that wait for further files.
    """

    parked: dict[str, None] = field(default_factory=dict)
    widening: dict[int, PendingWiden] = field(default_factory=dict)


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
        spent: Spent = Spent(),  # noqa: B008  (frozen)
    ) -> None:
        """End a lease without success: undo the attempt's writes, then retry, fail or cancel."""
        lease = attempt.lease
        record = self.state.records[lease.task]
        limit = record.task.attempts or self.rules.limits.attempts
        if cause == "cancelled":
            then = "cancelled"
        else:
            then = "ready" if record.failures + counts < limit else "failed"
        alone, mixed = self._undoing(attempt) if not record.task.keep else ({}, ())
        self.emit(
            e.AttemptEnded(
                self.at, lease.task, lease.attempt, lease.token, cause, reason, then, counts,
                spent, mixed,
            )
        )  # fmt: skip
        self.effect(EndLease(lease.worker, lease.token))
        if self.desk.widening.pop(lease.token, None):
            self.effect(Answer(lease.worker, lease_ended(lease.token)))
        for path, digest in alone.items():
            self.take_back(lease.task, lease.attempt, lease.token, path, digest)
        for path in mixed:
            self.effect(Unmerge(lease.task, lease.attempt, lease.token, path))
        if then != "ready":
            self.skip_dependents(lease.task)

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

    def reach_limit(self, limit: str, value: float) -> None:
        """A limit of the run bites: all leases end, nothing new starts."""
        if self.state.limit or self.state.status != "running":
            return
        self.emit(e.LimitReached(self.at, "", 0, limit, value))
        self.end_all("limit", f"the run reached its limit of {limit}")

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
