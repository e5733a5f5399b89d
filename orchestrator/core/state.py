"""The state of a run, changed by one event at a time.

`State.apply` is the only thing that changes a state, in a live run, a resume, a replay and a
simulation alike. It decides nothing: what may happen is decided in `core.machine` before the
event exists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from orchestrator.core import events as e
from orchestrator.core.claims import Bounds, Claims
from orchestrator.core.files import OUTSIDE, FileMap, Version
from orchestrator.core.graph import TaskGraph
from orchestrator.core.handover import Ending, account
from orchestrator.core.ledger import Ledger
from orchestrator.core.messages import Lease, Mail, RunStatus
from orchestrator.core.ready import ReadyQueue
from orchestrator.core.records import LiveAttempt, TaskRecord
from orchestrator.core.rules import RoleBounds, Rules
from orchestrator.core.scope import Scope
from orchestrator.core.states import ENDED, Move, TaskState, after
from orchestrator.core.task import Task


class State:
    """Everything that a run knows about itself.

    Args:
        tasks: the plan's tasks, in plan order.
        rules: what is enforced.
        roles: file bounds by role name; a role that is not listed bounds nothing.
        files: path to digest of the workspace at the start.
    """

    def __init__(
        self,
        tasks: Iterable[Task],
        rules: Rules,
        roles: Mapping[str, RoleBounds] | None = None,
        files: Mapping[str, str] | None = None,
    ) -> None:
        self.rules, self.roles = rules, dict(roles or {})
        self.graph = TaskGraph(tasks)
        self.records: dict[str, TaskRecord] = {}
        self.counts = dict.fromkeys(TaskState, 0)
        self.open = 0  # tasks that have not ended
        self.live: dict[int, LiveAttempt] = {}
        self.files = FileMap(files)
        self.claims = Claims()
        self.ready = ReadyQueue()
        self.readers: dict[str, dict[int, None]] = {}
        self.writers: dict[str, dict[int, None]] = {}  # live attempts that have written a path
        self.mail: dict[str, list[Mail]] = {}
        self.notes: list[tuple[str, str, str]] = []
        self.mixed: dict[tuple[str, int, str], int] = {}  # still to be undone: its token
        self.status: RunStatus = "running"
        self.limit = ""
        self.exhausted: dict[str, str] = {}  # roles whose budget is used up: which limit of it
        self.aside: dict[str, None] = {}  # ready tasks of these roles
        self.resting: dict[str, float] = {}  # ready tasks that are tried again later: when
        self.ledger = Ledger()
        self.past: dict[int, tuple[str, int]] = {}  # task and attempt of ended, lost leases
        self.token = 0
        self._bounds: dict[tuple[object, ...], Bounds] = {}
        self._enter((self.graph.task(name) for name in self.graph), at=0.0)

    # --- questions ------------------------------------------------------------------------

    def attempt_of(self, token: int) -> LiveAttempt | None:
        """The live attempt with this token; None when its lease has ended."""
        return self.live.get(token)

    def bounds(self, task: Task) -> Bounds:
        """Return the effective scopes of a task: role and task together."""
        key = (task.role, task.writes, task.shares, task.reads)
        if key not in self._bounds:
            role = self.roles.get(task.role)
            self._bounds[key] = Bounds(
                _within(task.writes, role.writes if role else None),
                _within(task.shares, role.writes if role else None),
                _within(task.reads, role.reads if role else None),
            )
        return self._bounds[key]

    @property
    def tokens(self) -> int:
        """Model tokens used so far."""
        return self.ledger.run.tokens

    @property
    def usd(self) -> float | None:
        """US dollars used so far; None when the price of some tokens is unknown."""
        return None if self.ledger.run.unpriced else self.ledger.run.usd

    def satisfied(self, task: str) -> bool:
        """Whether dependents of this task may go on."""
        record = self.records[task]
        if record.state is TaskState.FAILED:
            return record.task.on_failure == "continue"
        return record.state is TaskState.SUCCEEDED

    # --- one event at a time ----------------------------------------------------------------

    def apply(self, event: e.Event) -> None:
        """Change the state by one event."""
        _APPLY[type(event)](self, event)

    def _enter(self, tasks: Iterable[Task], at: float) -> None:
        fresh = []
        for task in tasks:
            missing = sum(1 for name in self.graph.dependencies(task.id) if self._holds_up(name))
            record = TaskRecord(task, len(self.records), missing)
            self.records[task.id] = record
            self.counts[record.state] += 1
            self.open += 1
            fresh.append(record)
        for record in fresh:
            if record.missing == 0:
                self._release(record, at)

    def _holds_up(self, name: str) -> bool:
        return name not in self.records or not self.records[name].released

    def _move(self, record: TaskRecord, move: Move) -> None:
        before, now = record.state, after(record.state, move)
        record.state = now
        self.counts[before] -= 1
        self.counts[now] += 1
        self.open += (before in ENDED) - (now in ENDED)

    def _release(self, record: TaskRecord, at: float) -> None:
        if record.task.approval:
            self._move(record, Move.HOLD)
        else:
            self._move(record, Move.RELEASE)
            self._queue(record, at)

    def _queue(self, record: TaskRecord, at: float) -> None:
        task, record.ready_at = record.task, at
        if task.role in self.exhausted:
            self.aside[task.id] = None
            return
        self.ready.push(task.id, self.graph.rank(task.id), task.priority, record.order, at)

    def _free(self, task: str) -> None:
        """Let go of a task's files and wake whoever waited for them."""
        for woken in self.claims.end(task):
            record = self.records[woken]
            self._queue(record, record.ready_at)

    def _satisfy(self, record: TaskRecord, at: float) -> None:
        if record.released:
            return
        record.released = True
        for name in self.graph.dependents(record.task.id):
            dependent = self.records[name]
            dependent.missing -= 1
            if dependent.missing == 0 and dependent.state is TaskState.WAITING:
                self._release(dependent, at)

    def _granted(self, event: e.LeaseGranted) -> None:
        record = self.records[event.task]
        self._move(record, Move.GRANT)
        self.ready.remove(event.task)
        record.attempt, record.token = event.attempt, event.token
        self.token = event.token
        bounds = self.bounds(record.task)
        if self.rules.exclusive and not bounds.claims_nothing:
            self.claims.hold(event.task, bounds)
        self.ledger.begin_attempt(record.task.role)
        lease = Lease(
            event.task, event.attempt, event.token, event.worker, self.files.cut,
            account(record.endings),
            next((end.evidence for end in reversed(record.endings) if end.evidence), ""),
        )  # fmt: skip
        self.live[event.token] = LiveAttempt(
            lease, bounds, event.at, event.at + self.rules.limits.lease
        )

    def _blocked(self, event: e.Blocked) -> None:
        self.ready.remove(event.task)
        self.claims.block(event.task, self.bounds(self.records[event.task].task), event.by)

    def _touch(self, token: int, at: float) -> LiveAttempt:
        attempt = self.live[token]
        attempt.ends = at + self.rules.limits.lease
        return attempt

    def _renewed(self, event: e.Renewed) -> None:
        self._touch(event.token, event.at)

    def _reported(self, event: e.Reported) -> None:
        attempt = self._touch(event.token, event.at)
        role, begun = self.records[event.task].task.role, event.turn > attempt.turn
        if begun or event.commands:
            self.ledger.begin(event.task, role, int(begun), event.commands)
        attempt.phase, attempt.turn = event.phase, max(attempt.turn, event.turn)
        attempt.evidence = event.evidence or attempt.evidence
        self._read(attempt, event.reads)
        self.ledger.release(event.token)
        self.ledger.spend(event.task, role, event.spent)
        for address in self._addresses(event.task):
            attempt.seen[address] = len(self.mail.get(address, ()))

    def _reserved(self, event: e.Reserved) -> None:
        self._touch(event.token, event.at)
        role = self.records[event.task].task.role
        self.ledger.reserve(event.token, event.task, role, event.expects)

    def _waits(self, event: e.BudgetWaits | e.SubmitWaits | e.WidenWaits) -> None:
        self._touch(event.token, event.at)

    def _read(self, attempt: LiveAttempt, reads: Iterable[tuple[str, int]]) -> None:
        for path, number in reads:
            attempt.reads[path] = number
            self.readers.setdefault(path, {})[attempt.lease.token] = None
            if self.files.current(path).number == number:
                attempt.stale.pop(path, None)
            else:
                attempt.stale[path] = number

    def _wrote(self, event: e.Wrote) -> None:
        attempt = self._touch(event.token, event.at)
        self._read(attempt, event.reads)
        self._record(event.path, Version(event.number, event.digest, event.token, event.task))
        attempt.written[event.path] = event.number
        if event.digest is None:
            attempt.deleted.add(event.path)
        self.writers.setdefault(event.path, {})[event.token] = None
        self._read(attempt, ((event.path, event.number),))

    def _record(self, path: str, version: Version) -> None:
        self.files.record(path, version)
        for token in self.readers.get(path, ()):
            attempt = self.live[token]
            attempt.stale[path] = attempt.reads[path]

    def _refused(self, event: e.RequestRefused) -> None:
        if event.token in self.live:
            self._touch(event.token, event.at)

    def _close(self, token: int, at: float) -> LiveAttempt:
        attempt = self.live.pop(token)
        role = self.records[attempt.lease.task].task.role
        self.ledger.end_attempt(token, role, at - attempt.started)
        _leave(self.readers, attempt.reads, token)
        _leave(self.writers, attempt.written, token)
        return attempt

    def _succeeded(self, event: e.Succeeded) -> None:
        record = self.records[event.task]
        self._move(record, Move.ACCEPT)
        record.token, record.reason = 0, ""
        self._close(event.token, event.at)
        self._free(event.task)
        self._satisfy(record, event.at)

    def _attempt_ended(self, event: e.AttemptEnded) -> None:
        record = self.records[event.task]
        moves = {"ready": Move.AGAIN, "failed": Move.EXHAUST, "cancelled": Move.CANCEL}
        self._move(record, moves[event.then])
        record.token, record.reason = 0, event.reason
        if event.counts:
            self._count(record, event.cause)
        self.ledger.spend(event.task, record.task.role, event.spent)
        for path in event.mixed:
            self.mixed[event.task, event.attempt, path] = event.token
        attempt = self._close(event.token, event.at)
        record.endings += (
            Ending(
                event.attempt, event.cause, event.reason, attempt.turn,
                tuple(attempt.written), record.task.keep, attempt.evidence,
            ),
        )  # fmt: skip
        self.past[event.token] = event.task, event.attempt
        for path in () if record.task.keep else attempt.written:
            self.files.lose(path, event.token)
        self._free(event.task)
        if event.rests:
            self.resting[event.task] = event.rests
        elif event.then == "ready":
            self._queue(record, event.at)
        elif self.satisfied(event.task):
            self._satisfy(record, event.at)

    def _count(self, record: TaskRecord, cause: str) -> None:
        """An attempt counts: against the limit of its own kind if there is one."""
        by = self.rules.limits.attempts_by
        if cause not in by:
            record.failures += 1
        if cause in by or cause == "model_error":
            record.failed_by[cause] = record.failed_by.get(cause, 0) + 1

    def _spent_late(self, event: e.SpentLate) -> None:
        self.ledger.spend(event.task, self.records[event.task].task.role, event.spent)

    def _rested(self, event: e.Rested) -> None:
        del self.resting[event.task]
        self._queue(self.records[event.task], event.at)

    def _undone(self, event: e.Undone) -> None:
        self.mixed.pop((event.task, event.attempt, event.path), None)
        made = Version(event.number, event.digest, 0, event.task, undoes=event.token)
        self._record(event.path, made)

    def _remained(self, event: e.Remained) -> None:
        self.mixed.pop((event.task, event.attempt, event.path), None)

    def _outside(self, event: e.ChangedOutside) -> None:
        self._record(event.path, Version(event.number, event.digest, OUTSIDE))

    def _skipped(self, event: e.Skipped) -> None:
        record = self.records[event.task]
        self._move(record, Move.SKIP)
        record.reason = event.because

    def _cancelled(self, event: e.Cancelled) -> None:
        record = self.records[event.task]
        self._move(record, Move.CANCEL)
        record.reason = event.why
        self.ready.remove(event.task)
        self.resting.pop(event.task, None)
        self.aside.pop(event.task, None)
        self._free(event.task)

    def _approved(self, event: e.Approved) -> None:
        record = self.records[event.task]
        self._move(record, Move.APPROVE)
        self._queue(record, event.at)

    def _retried(self, event: e.Retried) -> None:
        record = self.records[event.task]
        self._move(record, Move.RETRY)
        record.failures = 0
        record.failed_by.clear()
        if record.state is TaskState.READY:
            self._queue(record, event.at)
        elif record.missing == 0:
            self._release(record, event.at)

    def _added(self, event: e.Added) -> None:
        new = tuple(task.id for task in event.tasks)
        self.graph.add(event.tasks, dict.fromkeys(event.before, new))
        for name in event.before:
            self.records[name].missing += len(new)
        self._enter(event.tasks, event.at)

    def _widened(self, event: e.Widened) -> None:
        attempt = self._touch(event.token, event.at)
        role = self.roles.get(self.records[event.task].task.role)
        more = _within(event.globs, role.writes if role else None)
        held = attempt.bounds
        attempt.bounds = Bounds(held.writes.union(more), held.shares, held.reads.union(more))
        if self.rules.exclusive:
            self.claims.held.add(event.task, attempt.bounds)

    def _addresses(self, task: str) -> tuple[str, str, str]:
        return f"task:{task}", f"role:{self.records[task].task.role}", "all"

    def unread(self, attempt: LiveAttempt) -> tuple[Mail, ...]:
        """Messages for an attempt that it has not been given yet."""
        if not self.mail:
            return ()
        own = f"task:{attempt.lease.task}"
        return tuple(
            mail
            for address in self._addresses(attempt.lease.task)
            for mail in self.mail.get(address, ())[attempt.seen.get(address, 0) :]
            if mail.sender != own
        )

    def _sent(self, event: e.Sent) -> None:
        self._touch(event.token, event.at)
        mail = Mail(f"task:{event.task}", event.message, event.text)
        self.mail.setdefault(event.to, []).append(mail)

    def _noted(self, event: e.Noted) -> None:
        self._touch(event.token, event.at)
        self.notes.append((event.task, event.title, event.text))

    def _limited(self, event: e.LimitReached) -> None:
        if not event.role:
            self.limit = event.limit
            return
        self.exhausted[event.role] = event.limit
        for name in sorted(self.ready.tasks(), key=lambda task: self.records[task].order):
            if self.records[name].task.role == event.role:
                self.ready.remove(name)
                self.aside[name] = None

    def _finished(self, event: e.Finished) -> None:
        self.status = event.status

    def _resumed(self, event: e.Resumed) -> None:
        self.status, self.limit = "running", ""
        if event.limits is not None:
            self.rules = replace(self.rules, limits=event.limits)
        self.exhausted.clear()
        aside, self.aside = self.aside, {}
        for name in aside:
            self._queue(self.records[name], self.records[name].ready_at)


def _leave(index: dict[str, dict[int, None]], paths: Iterable[str], token: int) -> None:
    for path in paths:
        del index[path][token]
        if not index[path]:
            del index[path]


def _within(globs: tuple[str, ...], role: Scope | None) -> Scope:
    own = Scope(globs)
    if role is None or not globs or role.includes(own):
        return own
    return own.intersection(role)


_APPLY: dict[type[Any], Callable[[State, Any], None]] = {
    e.LeaseGranted: State._granted,
    e.Blocked: State._blocked,
    e.Renewed: State._renewed,
    e.Reported: State._reported,
    e.Reserved: State._reserved,
    e.BudgetWaits: State._waits,
    e.SubmitWaits: State._waits,
    e.SpentLate: State._spent_late,
    e.Rested: State._rested,
    e.Wrote: State._wrote,
    e.RequestRefused: State._refused,
    e.Succeeded: State._succeeded,
    e.AttemptEnded: State._attempt_ended,
    e.Undone: State._undone,
    e.Remained: State._remained,
    e.ChangedOutside: State._outside,
    e.Skipped: State._skipped,
    e.Cancelled: State._cancelled,
    e.Approved: State._approved,
    e.Retried: State._retried,
    e.Added: State._added,
    e.Widened: State._widened,
    e.WidenWaits: State._waits,
    e.Sent: State._sent,
    e.Noted: State._noted,
    e.LimitReached: State._limited,
    e.Finished: State._finished,
    e.Resumed: State._resumed,
}
