"""Decisions that change the plan while it runs: more files for a task, more tasks."""

from __future__ import annotations

from orchestrator.core import events as e
from orchestrator.core.claims import Bounds
from orchestrator.core.decision import Decision, PendingWiden, lease_ended, listed
from orchestrator.core.graph import CycleError
from orchestrator.core.messages import Answer, Done, Refused, Reply, Split, Widen
from orchestrator.core.scope import GlobError, Scope
from orchestrator.core.state import LiveAttempt
from orchestrator.core.states import TaskState


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
    cycle = _cycle(d, lease.task, holders)
    if cycle:
        return d.refuse(attempt, request, _deadlock(cycle))
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
        cycle = _cycle(d, task, holders)
        if holders and not cycle:
            continue
        del d.desk.widening[token]
        reply: Reply = Done()
        if cycle:
            reply = d.refuse(attempt, Widen(token, pending.globs), _deadlock(cycle))
        else:
            d.emit(e.Widened(d.at, task, attempt.lease.attempt, token, pending.globs))
        d.effect(Answer(attempt.lease.worker, reply))


def _not_allowed(d: Decision, attempt: LiveAttempt, request: Widen) -> Refused | None:
    task = d.state.records[attempt.lease.task].task
    role = d.state.roles.get(task.role)
    try:
        wanted = Scope(request.globs)
    except GlobError as error:
        return Refused("invalid", str(error), error.fix)
    if wanted.is_empty():
        return Refused("invalid", "no files were asked for", "name at least one path or glob")
    beyond = wanted.outside(role.writes) if role else None
    if role and beyond is not None:
        return Refused(
            "scope",
            f"role {task.role} may not write {beyond} (it may write {listed(role.writes.globs)})",
            "ask only for files that the role may write, or tell the task that owns them",
        )
    return None


def _cycle(d: Decision, start: str, holders: list[str]) -> tuple[str, ...]:
    """Return the wait-for cycle that `start` waiting for `holders` would close; () if none."""
    claims = d.state.claims
    trail: dict[str, str] = dict.fromkeys(holders, start)
    pending = list(trail)
    while pending:
        task = pending.pop()
        waiting = d.desk.widening.get(d.state.records[task].token)
        for holder in claims.held.against(task, waiting.wanted) if waiting else ():
            if holder == start:
                path = [start, task]
                while path[-1] != start:
                    path.append(trail[path[-1]])
                return tuple(reversed(path))
            if holder not in trail:
                trail[holder] = task
                pending.append(holder)
    return ()


def _deadlock(cycle: tuple[str, ...]) -> Refused:
    return Refused(
        "cycle",
        f"waiting would be a deadlock: {' waits for '.join(cycle)}",
        "finish and submit without these files, or give up so that the other task can go on",
    )


def split(d: Decision, request: Split) -> Reply:
    """Add tasks while running; the asking task's waiting dependents wait for them too."""
    attempt = d.state.attempt_of(request.token)
    if request.token and attempt is None:
        return lease_ended(request.token)
    refused = _bad_tasks(d, request)
    before: tuple[str, ...] = ()
    if attempt:
        before = tuple(
            name
            for name in d.state.graph.dependents(attempt.lease.task)
            if d.state.records[name].state is TaskState.WAITING
        )
        if refused:
            return d.refuse(attempt, request, refused)
    if refused:
        return refused
    lease = attempt.lease if attempt else None
    try:
        d.emit(
            e.Added(
                d.at, lease.task if lease else "", lease.attempt if lease else 0,
                request.tasks, before,
            )
        )  # fmt: skip
    except CycleError as error:  # the graph took nothing, and nothing was applied before it
        d.events.pop()
        return Refused("cycle", f"the tasks would wait for one another: {error}", "cut one edge")
    return Done()


def _bad_tasks(d: Decision, request: Split) -> Refused | None:
    new = [task.id for task in request.tasks]
    known = d.state.graph
    problems = [f"task {name} exists already" for name in new if name in known]
    problems += [
        f"task {name} is named twice" for name in sorted({n for n in new if new.count(n) > 1})
    ]
    for task in request.tasks:
        problems += [
            f"{task.id} depends on {name}, which does not exist"
            for name in task.depends_on
            if name not in known and name not in new
        ]
        problems += [
            f"{task.id} depends on {name}, which {d.state.records[name].state}"
            for name in task.depends_on
            if name in known
            and not d.state.satisfied(name)
            and d.state.records[name].state
            in (TaskState.FAILED, TaskState.SKIPPED, TaskState.CANCELLED)
        ]
        problems += _scope_problems(d, task.id, task.role, (*task.writes, *task.shares))
    if not request.tasks:
        problems.append("no tasks were given")
    if not problems:
        return None
    return Refused("invalid", "; ".join(problems), "mend the tasks and split again")


def _scope_problems(d: Decision, task: str, role_name: str, globs: tuple[str, ...]) -> list[str]:
    role = d.state.roles.get(role_name)
    if d.state.roles and role is None:
        return [f"{task} has the unknown role {role_name!r} (known: {listed(d.state.roles)})"]
    try:
        beyond = Scope(globs).outside(role.writes) if role and globs else None
    except GlobError as error:
        return [f"{task}: {error}"]
    return [f"{task} writes {beyond}, which role {role_name} may not"] if beyond else []
