"""The effective scopes of a run's tasks: role and task together, as they were in force."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from orchestrator.core.claims import Bounds
from orchestrator.core.events import Added, Event
from orchestrator.core.machine import Machine
from orchestrator.core.rules import RoleBounds
from orchestrator.core.scope import Scope
from orchestrator.core.task import Task
from orchestrator.errors import RoleError
from orchestrator.runtime.assembly import roles_of
from orchestrator.runtime.header import Header


def all_tasks(tasks: Sequence[Task], events: Iterable[Event]) -> list[Task]:
    """Return the plan's tasks, and those that were added while it ran."""
    added = [task for event in events if isinstance(event, Added) for task in event.tasks]
    return [*tasks, *added]


def effective_scopes(header: Header, tasks: Sequence[Task]) -> Mapping[str, Bounds] | None:
    """Return the effective scopes by task; None: the roles cannot be read any more.

    Args:
        header: of the run's log.
        tasks: all its tasks.
    """
    try:
        roles = roles_of(header.tasks, Path(header.roles) if header.roles else None)
    except (RoleError, KeyError):
        return None
    limits = {one.name: RoleBounds(Scope(one.reads), Scope(one.writes)) for one in roles.values()}
    state = Machine(tasks, roles=limits).state
    return {task.id: state.bounds(task) for task in tasks}
