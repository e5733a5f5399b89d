"""Decisions that people ask for, and what agents say to one another."""

from __future__ import annotations

from orchestrator.core import events as e
from orchestrator.core.decision import Decision, lease_ended, listed
from orchestrator.core.messages import (
    Approve,
    Cancel,
    Done,
    Note,
    Refused,
    Reject,
    Reply,
    Retry,
    Send,
)
from orchestrator.core.records import TaskRecord
from orchestrator.core.states import Move, TaskState, allowed
from orchestrator.errors import nearest

MAILBOX = 200
"""Messages that one address may receive in a run, so that talk cannot eat the budget."""


def approve(d: Decision, request: Approve) -> Reply:
    """Let a held task go."""
    record = _known(d, request.task)
    if isinstance(record, Refused):
        return record
    if not allowed(record.state, Move.APPROVE):
        return _wrong_state(record, "approved", "only a held task can be approved")
    d.emit(e.Approved(d.at, request.task, record.attempt, request.who))
    return Done()


def reject(d: Decision, request: Reject) -> Reply:
    """Turn a held task down: it and its dependents are skipped."""
    record = _known(d, request.task)
    if isinstance(record, Refused):
        return record
    if record.state is not TaskState.HELD:
        return _wrong_state(record, "rejected", "only a held task can be rejected")
    because = f"rejected: {request.why}" if request.why else "rejected"
    d.emit(e.Skipped(d.at, request.task, record.attempt, because))
    d.skip_dependents(request.task)
    return Done()


def cancel(d: Decision, request: Cancel) -> Reply:
    """Stop one task, running or not; its dependents are skipped."""
    record = _known(d, request.task)
    if isinstance(record, Refused):
        return record
    why = request.why or "cancelled"
    if not allowed(record.state, Move.CANCEL):
        return _wrong_state(record, "cancelled", "it has ended already")
    if record.state is TaskState.RUNNING:
        d.end_attempt(d.state.live[record.token], "cancelled", why)
        return Done()
    d.emit(e.Cancelled(d.at, request.task, record.attempt, why))
    d.skip_dependents(request.task)
    return Done()


def retry(d: Decision, request: Retry) -> Reply:
    """Give a task that ended without success a new chance, and whatever was skipped for it."""
    record = _known(d, request.task)
    if isinstance(record, Refused):
        return record
    if not allowed(record.state, Move.RETRY):
        return _wrong_state(record, "retried", "only failed, skipped or cancelled tasks can be")
    bad = _hopeless(d, request.task)
    if bad:
        return Refused(
            "state",
            f"{request.task} cannot run: {listed(bad)} did not succeed",
            f"retry {bad[0]} first; what was skipped for it is retried with it",
        )
    pending = [request.task]
    while pending:
        name = pending.pop()
        if not allowed(d.state.records[name].state, Move.RETRY):
            continue  # reached along two paths
        d.emit(e.Retried(d.at, name, d.state.records[name].attempt))
        pending += [
            after
            for after in d.state.graph.dependents(name)
            if d.state.records[after].state is TaskState.SKIPPED and not _hopeless(d, after)
        ]
    return Done()


def _hopeless(d: Decision, task: str) -> list[str]:
    """Dependencies that have ended and will never let this task go."""
    ended = (TaskState.FAILED, TaskState.SKIPPED, TaskState.CANCELLED)
    return [
        name
        for name in d.state.graph.dependencies(task)
        if d.state.records[name].state in ended and not d.state.satisfied(name)
    ]


def _known(d: Decision, task: str) -> TaskRecord | Refused:
    record = d.state.records.get(task)
    if record is not None:
        return record
    close = nearest(task, d.state.records)
    fix = f"did you mean {close}?" if close else "`orchestrator status RUN` lists the tasks"
    return Refused("unknown", f"there is no task {task!r}", fix)


def _wrong_state(record: TaskRecord, verb: str, fix: str) -> Refused:
    return Refused("state", f"task {record.task.id} is {record.state}: it cannot be {verb}", fix)


def send(d: Decision, request: Send) -> Reply:
    """Record a message; it is delivered with the receiver's next report."""
    attempt = d.state.attempt_of(request.token)
    if attempt is None:
        return lease_ended(request.token)
    kind, _, name = request.to.partition(":")
    known = (
        request.to == "all"
        or (kind == "task" and name in d.state.records)
        or (kind == "role" and name in d.state.roles)
    )
    refused = None
    if not known:
        refused = Refused(
            "unknown",
            f"there is nobody at {request.to!r}",
            "send to task:ID, role:NAME or all, with a task or role of this plan",
        )
    elif len(d.state.mail.get(request.to, ())) >= MAILBOX:
        refused = Refused(
            "invalid", f"{request.to} has {MAILBOX} messages already", "write a note instead"
        )
    if refused:
        return d.refuse(attempt, request, refused)
    lease = attempt.lease
    d.emit(
        e.Sent(d.at, lease.task, lease.attempt, lease.token, request.to, request.kind, request.text)
    )
    return Done()


def note(d: Decision, request: Note) -> Reply:
    """Record a note for all agents."""
    attempt = d.state.attempt_of(request.token)
    if attempt is None:
        return lease_ended(request.token)
    lease = attempt.lease
    d.emit(e.Noted(d.at, lease.task, lease.attempt, lease.token, request.title, request.text))
    return Done()
