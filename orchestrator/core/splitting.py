"""Adding tasks while a run lives: checked like a plan, all of them or none."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.core import events as e
from orchestrator.core.decision import Decision, lease_ended, listed
from orchestrator.core.graph import CycleError
from orchestrator.core.messages import Done, Refused, Reply, Split
from orchestrator.core.records import LiveAttempt
from orchestrator.core.rules import beyond_role
from orchestrator.core.scope import GlobError, Scope
from orchestrator.core.states import ENDED, TaskState
from orchestrator.core.task import Task

NOT_STARTED = (TaskState.WAITING, TaskState.SKIPPED, TaskState.CANCELLED)
"""States of dependents that wait for the parts as well, at once or after a retry."""


def split(d: Decision, request: Split) -> Reply:
    """Add tasks; the asking task's waiting dependents wait for them too."""
    attempt = d.state.attempt_of(request.token)
    if request.token and attempt is None:
        return lease_ended(request.token)
    problems = list(_problems(d, request, attempt))
    refused = None
    if problems:
        refused = Refused("invalid", "; ".join(problems), "mend the tasks and split again")
    else:
        refused = _add(d, request.tasks, attempt)
    if refused and attempt:
        return d.refuse(attempt, request, refused)
    return refused or Done()


def _add(d: Decision, tasks: tuple[Task, ...], attempt: LiveAttempt | None) -> Refused | None:
    name, number = "", 0
    before: tuple[str, ...] = ()
    if attempt:
        name, number = attempt.lease.task, attempt.lease.attempt
        before = tuple(
            after
            for after in d.state.graph.dependents(name)
            if d.state.records[after].state in NOT_STARTED
        )
    try:
        d.emit(e.Added(d.at, name, number, tasks, before))
    except CycleError as error:  # the graph took nothing, and it is the first to be changed
        d.events.pop()
        return Refused("cycle", f"the tasks would wait for one another: {error}", "cut one edge")
    return None


def _problems(d: Decision, request: Split, attempt: LiveAttempt | None) -> Iterator[str]:
    if not request.tasks:
        yield "no tasks were given"
    new = [task.id for task in request.tasks]
    for name in dict.fromkeys(new):
        if name in d.state.records:
            yield f"task {name} exists already"
        if new.count(name) > 1:
            yield f"task {name} is named twice"
    for task in request.tasks:
        yield from _dependency_problems(d, task, new)
        try:
            yield from _scope_problems(d, task, attempt)
        except GlobError as error:
            yield f"{task.id}: {error}"


def _dependency_problems(d: Decision, task: Task, new: list[str]) -> Iterator[str]:
    for name in task.depends_on:
        record = d.state.records.get(name)
        if record is None and name not in new:
            yield f"{task.id} depends on {name}, which does not exist"
        elif record and record.state in ENDED and not d.state.satisfied(name):
            yield f"{task.id} depends on {name}, which is {record.state}"


def _scope_problems(d: Decision, task: Task, attempt: LiveAttempt | None) -> Iterator[str]:
    globs = (*task.writes, *task.shares)
    role = d.state.roles.get(task.role)
    if d.state.roles and role is None:
        yield f"{task.id} has the unknown role {task.role!r} (known: {listed(d.state.roles)})"
    for beyond in beyond_role(globs, role.writes.globs) if role else ():
        if beyond.refused:
            yield f"{task.id} writes {beyond.witness}, which role {task.role} may not"
    if attempt is None:
        return
    # A part may not reach further than the whole: neither by its files nor by its role.
    parent = d.state.records[attempt.lease.task].task
    if task.role != parent.role:
        yield f"{task.id} has role {task.role!r}; a part keeps that of the whole, {parent.role!r}"
    whole = Scope((*parent.writes, *parent.shares)).union(attempt.bounds.writes)
    outside = Scope(globs).outside(whole) if globs else None
    if outside is not None:
        yield f"{task.id} writes {outside}, which is not among the files of {parent.id}"
