"""Which tasks can ever wait for each other's files.

Claims keep apart tasks whose scopes clash and of which neither waits for the other. All other
claims are granted whatever happens, so a simulation, which claims the same files a thousand
times, may leave them out: that changes no decision, and takes most of the time away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from graphlib import TopologicalSorter

from orchestrator.core.claims import Bounds, Holdings
from orchestrator.core.task import Task


def contending(tasks: Sequence[Task], bounds: Callable[[Task], Bounds]) -> frozenset[str]:
    """Return the tasks that may have to wait for files, or be waited for.

    Args:
        tasks: tasks without cycles.
        bounds: returns a task's effective scopes.
    """
    holdings = Holdings()
    for task in tasks:
        holdings.add(task.id, bounds(task))
    before = ancestors(tasks)
    return frozenset(
        task.id
        for task in tasks
        if any(
            other not in before[task.id] and task.id not in before[other]
            for other in holdings.against(task.id, bounds(task))
        )
    )


def without_idle_claims(tasks: Sequence[Task], bounds: Callable[[Task], Bounds]) -> list[Task]:
    """Return the tasks, claims left out that nobody can ever contest."""
    kept = contending(tasks, bounds)
    return [
        replace(task, reads=())
        if task.id in kept
        else replace(task, reads=(), writes=(), shares=())
        for task in tasks
    ]


def ancestors(tasks: Sequence[Task]) -> dict[str, frozenset[str]]:
    """Return, per task, all tasks that it waits for, directly or not."""
    waits_for = {task.id: task.depends_on for task in tasks}
    found: dict[str, frozenset[str]] = {}
    for name in TopologicalSorter(waits_for).static_order():
        direct = waits_for[name]
        found[name] = frozenset(direct).union(*(found[other] for other in direct))
    return found
