"""Where the parts of a plan stand: in its file, or in the code that built it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from orchestrator.core.task import Task
from orchestrator.spec.yamldoc import Document


class Places(Protocol):
    """Names the place of a part of a plan, for whoever must correct it."""

    def plan(self, *pointer: str | int, key: bool = False) -> str:
        """Return the place of a value of the plan (or of its key)."""
        ...

    def task(self, index: int, *pointer: str | int, key: bool = False) -> str:
        """Return the place of a value (or of its key) of the task at this index."""
        ...


@dataclass(frozen=True, slots=True)
class FilePlaces:
    """Places in a plan file.

    Attributes:
        document: the file.
        rows: for each task its index in the file, where unusable entries count as well.
    """

    document: Document
    rows: Sequence[int]

    def plan(self, *pointer: str | int, key: bool = False) -> str:
        """Return ``file:line:column``."""
        return self.document.where(pointer, key=key)

    def task(self, index: int, *pointer: str | int, key: bool = False) -> str:
        """Return ``file:line:column``; what the task takes over from `defaults` is there."""
        path = ("tasks", self.rows[index], *pointer)
        taken_over = ("defaults", *pointer)
        if not _holds(self.document.data, path) and _holds(self.document.data, taken_over):
            path = taken_over
        return self.document.where(path, key=key)


@dataclass(frozen=True, slots=True)
class CodePlaces:
    """Places of a plan that was built in code: the task's id and the key.

    Attributes:
        tasks: the tasks, in the order of their indices.
        known: places of tasks that came from a file.
    """

    tasks: Sequence[Task]
    known: Mapping[str, str] = field(default_factory=dict)

    def plan(self, *pointer: str | int, key: bool = False) -> str:
        """Return the keys that lead to the value, for example ``limits.workers``."""
        return _dotted(pointer)

    def task(self, index: int, *pointer: str | int, key: bool = False) -> str:
        """Return the task's place in its file if it has one, else its id and the keys."""
        task = self.tasks[index].id
        if task in self.known:
            return self.known[task]
        return f"task {task}: {_dotted(pointer)}" if pointer else f"task {task}"


def _dotted(pointer: Sequence[str | int]) -> str:
    return ".".join(str(step) for step in pointer) or "plan"


def _holds(data: Any, pointer: Sequence[str | int]) -> bool:
    for step in pointer:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            return False
    return True
