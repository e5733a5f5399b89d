"""The order in which ready tasks start.

A task's key is its upward rank plus what its priority is worth, plus its age. Two tasks age
alike, so `rank + priority + (now - ready_at)` compares like `rank + priority - ready_at`, which
does not depend on the time: a plain heap with keys that never change is an ageing queue.
"""

from __future__ import annotations

from heapq import heappop, heappush

PRIORITY_SECONDS = 3600.0
"""What one step of priority is worth, in seconds of rank or of age."""


class ReadyQueue:
    """Ready tasks, first to start first; ties in plan order."""

    __slots__ = ("_heap", "_keys")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, str]] = []
        self._keys: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def tasks(self) -> set[str]:
        """Return the tasks that are in the queue."""
        return set(self._keys)

    def push(self, task: str, rank: float, priority: int, order: int, at: float) -> None:
        """Add a task that became ready at `at` seconds."""
        key = at - rank - priority * PRIORITY_SECONDS
        self._keys[task] = key
        heappush(self._heap, (key, order, task))

    def remove(self, task: str) -> None:
        """Take a task out; nothing happens if it is not in."""
        self._keys.pop(task, None)

    def first(self) -> str | None:
        """Return the task that starts next, without taking it out."""
        while self._heap:
            key, _, task = self._heap[0]
            if self._keys.get(task) == key:
                return task
            heappop(self._heap)  # it was removed, or pushed again with another key
        return None
