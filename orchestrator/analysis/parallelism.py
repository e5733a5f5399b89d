"""How much of a plan can be done at the same time, by its dependencies and estimates alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any

from orchestrator.core.graph import TaskGraph
from orchestrator.core.task import Task

_WORKERS = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True, slots=True)
class Bound:
    """What no schedule can beat.

    Attributes:
        seconds: max(critical path, work / workers).
        speedup: work / seconds.
    """

    workers: int
    seconds: float
    speedup: float


@dataclass(frozen=True, slots=True)
class Parallelism:
    """What a plan's dependencies allow.

    Attributes:
        tasks: number of tasks.
        work: sum of the estimates, in seconds.
        critical_path: ids along the longest path.
        span: its seconds.
        width: the most tasks of which none waits for another.
        bounds: per number of workers, up to the first that no further worker can better.
    """

    tasks: int
    work: float
    critical_path: tuple[str, ...]
    span: float
    width: int
    bounds: tuple[Bound, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as ``lint --json`` prints it."""
        return {
            "tasks": self.tasks,
            "work": self.work,
            "critical_path": {"seconds": self.span, "tasks": list(self.critical_path)},
            "width": self.width,
            "bounds": [
                {
                    "workers": bound.workers,
                    "seconds": round(bound.seconds, 3),
                    "speedup": round(bound.speedup, 3),
                }
                for bound in self.bounds
            ],
        }


def parallelism_of(tasks: Sequence[Task]) -> Parallelism:
    """Return what the dependencies of a plan's tasks allow.

    Args:
        tasks: tasks without cycles.
    """
    path = TaskGraph(tasks).critical_path()
    work = sum(task.estimate for task in tasks)
    wide = width({task.id: task.depends_on for task in tasks})
    return Parallelism(
        len(tasks), work, path.tasks, path.seconds, wide, tuple(_bounds(work, path.seconds, wide))
    )


def _bounds(work: float, span: float, wide: int) -> list[Bound]:
    found: list[Bound] = []
    for workers in _WORKERS:
        seconds = max(span, work / workers)
        found.append(Bound(workers, seconds, work / seconds if seconds else 1.0))
        if workers >= wide or seconds == span:
            break
    return found


def width(waits_for: Mapping[str, Sequence[str]]) -> int:
    """Return the size of the largest set of tasks of which none waits for another.

    By Dilworth's theorem that is the number of tasks less the size of a largest matching between
    tasks and what they wait for, directly or not. Sets of tasks are bits of an integer.

    Args:
        waits_for: task to the tasks that it waits for; without cycles.
    """
    order = list(TopologicalSorter(waits_for).static_order())
    bit = {name: 1 << position for position, name in enumerate(order)}
    before: list[int] = []
    place = {name: position for position, name in enumerate(order)}
    for name in order:
        found = 0
        for other in waits_for[name]:
            found |= bit[other] | before[place[other]]
        before.append(found)
    return len(order) - _matching(before)


def _matching(before: Sequence[int]) -> int:
    """Return the size of a largest matching of positions with bits of their sets."""
    partner: dict[int, int] = {}  # bit position to the position that has it
    size = 0
    for start in range(len(before)):
        size += _augment(start, before, partner)
    return size


def _augment(start: int, before: Sequence[int], partner: dict[int, int]) -> bool:
    """Find a partner for `start`, moving others to new ones where that is needed."""
    unseen = (1 << len(before)) - 1
    came: dict[int, int] = {}  # bit position to the position that reached it
    pending = [start]
    while pending:
        here = pending.pop()
        while options := before[here] & unseen:
            bit = options.bit_length() - 1
            unseen ^= 1 << bit
            came[bit] = here
            if bit not in partner:
                _take(bit, came, partner, start)
                return True
            pending.append(partner[bit])
    return False


def _take(bit: int, came: Mapping[int, int], partner: dict[int, int], start: int) -> None:
    """Hand the bits along the path from `bit` back to `start` to their new partners."""
    has = {position: held for held, position in partner.items()}
    while True:
        taker = came[bit]
        given_up = has.get(taker)
        partner[bit] = taker
        if taker == start:
            return
        assert given_up is not None
        bit = given_up
