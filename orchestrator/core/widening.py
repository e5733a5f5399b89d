"""Giving a running task more files: granted, waiting for their holders, or refused.

Tasks that wait for one another's files could do so in a circle, so every wait and every change of
ownership is checked for one (`core.waiting`).
"""

from __future__ import annotations

from orchestrator.core import events as e
from orchestrator.core.claims import Bounds
from orchestrator.core.decision import Decision, PendingWiden, lease_ended, listed
from orchestrator.core.messages import Answer, Done, Refused, Reply, Widen
from orchestrator.core.records import LiveAttempt
from orchestrator.core.rules import RoleBounds, beyond_role
from orchestrator.core.scope import GlobError, Scope
from orchestrator.core.waiting import cycle


def widen(d: Decision, request: Widen) -> Reply | None:
    """Give an attempt further files; park it while others hold them; refuse a deadlock."""
    attempt = d.state.attempt_of(request.token)
    if attempt is None:
        return lease_ended(request.token)
    refused = _not_allowed(d, attempt, request)
    if refused:
        return d.refuse(attempt, request, refused)
    lease = attempt.lease
    wanted = Bounds(writes=Scope(request.globs))
    holders = d.state.claims.held.against(lease.task, wanted) if d.rules.exclusive else []
    if not holders:
        d.emit(e.Widened(d.at, lease.task, lease.attempt, lease.token, request.globs))
        return Done()
    circle = cycle(d, lease.task, holders)
    if circle:
        return d.refuse(attempt, request, _deadlock(circle))
    d.emit(
        e.WidenWaits(d.at, lease.task, lease.attempt, lease.token, request.globs, tuple(holders))
    )
    d.desk.widening[lease.token] = PendingWiden(request.globs, wanted)
    return None


def settle_widening(d: Decision) -> None:
    """Files have changed hands: grant what is free now, refuse what has become a deadlock."""
    for token, pending in tuple(d.desk.widening.items()):
        attempt = d.state.live[token]
        task = attempt.lease.task
        holders = d.state.claims.held.against(task, pending.wanted)
        circle = cycle(d, task, holders)
        if holders and not circle:
            continue
        del d.desk.widening[token]
        reply: Reply = Done()
        if circle:
            reply = d.refuse(attempt, Widen(token, pending.globs), _deadlock(circle))
        else:
            d.emit(e.Widened(d.at, task, attempt.lease.attempt, token, pending.globs))
        d.effect(Answer(attempt.lease.worker, reply))


def _not_allowed(d: Decision, attempt: LiveAttempt, request: Widen) -> Refused | None:
    task = d.state.records[attempt.lease.task].task
    role = d.state.roles.get(task.role)
    try:
        wanted = Scope(request.globs)
    except GlobError as error:
        return Refused("invalid", error.what, error.fix)
    if wanted.is_empty():
        return Refused("invalid", "no files were asked for", "name at least one path or glob")
    beyond = _refused_by_role(request.globs, role)
    if role and beyond:
        return Refused(
            "scope",
            f"role {task.role} may not write {beyond} (it may write {listed(role.writes.globs)})",
            "ask only for files that the role may write, or tell the task that owns them",
        )
    return None


def _refused_by_role(globs: tuple[str, ...], role: RoleBounds | None) -> str:
    found = beyond_role(globs, role.writes.globs) if role else ()
    return next((beyond.witness for beyond in found if beyond.refused), "")


def _deadlock(cycle: tuple[str, ...]) -> Refused:
    return Refused(
        "cycle",
        f"waiting would be a deadlock: {' waits for '.join(cycle)}",
        "finish and submit without these files, or give up so that the other task can go on",
    )
