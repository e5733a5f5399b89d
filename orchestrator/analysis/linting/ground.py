"""What every check of lint stands on: who writes which file, and who waits for whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from orchestrator.analysis.codegraph import CodeGraph
from orchestrator.core.paths import PathError, canonical
from orchestrator.core.scopeindex import ScopeIndex
from orchestrator.core.task import Task
from orchestrator.spec.findings import Finding, Severity
from orchestrator.spec.plancheck import TaskList, edges, order
from orchestrator.spec.scopecheck import scope_of

MAX_FINDINGS = 200
"""Findings of one check, the most severe first; the rest is counted in one more."""


class Order:
    """Which tasks wait for which, directly or not; sets of tasks are bits of an integer.

    Args:
        waits_for: task to the tasks that it waits for, without cycles.
        ids: the tasks, each after what it waits for.
    """

    def __init__(self, waits_for: Mapping[str, Sequence[str]], ids: Sequence[str]) -> None:
        self.waits_for = waits_for
        self._bit = {name: 1 << position for position, name in enumerate(ids)}
        self._before: dict[str, int] = {}
        for name in ids:
            found = 0
            for other in waits_for[name]:
                found |= self._bit[other] | self._before[other]
            self._before[name] = found

    def before(self, one: str, other: str) -> bool:
        """Whether `other` waits for `one`, directly or not."""
        return bool(self._before[other] & self._bit[one])

    def unordered(self, one: str, other: str) -> bool:
        """Whether the two may run at once."""
        return one != other and not self.before(one, other) and not self.before(other, one)


@dataclass(frozen=True)
class Ground:
    """A plan that can run, and its code.

    Attributes:
        these: the tasks and where they stand.
        order: who waits for whom.
        graph: the code in the workspace.
        mode: coordination mode.
        workers: how many workers the plan asks for.
    """

    these: TaskList
    order: Order
    graph: CodeGraph
    mode: str = "shared"
    workers: int = 4

    @property
    def tasks(self) -> Sequence[Task]:
        """The tasks, in plan order."""
        return self.these.tasks

    def place(self, task: str, *pointer: str | int) -> str:
        """Return where a task, or a value of it, stands."""
        return self.these.places.task(self.these.index[task], *pointer)

    def weight(self, severity: Severity) -> Severity:
        """Return the severity of what only tasks that run at once can do to one another."""
        return "info" if self.mode == "solo" else severity

    @cached_property
    def writers(self) -> Mapping[str, tuple[str, ...]]:
        """File (source or data) to the tasks that hold it for themselves; others are left out."""
        return self._owners([task.writes for task in self.tasks])

    @cached_property
    def held(self) -> Mapping[str, tuple[str, ...]]:
        """Task to the files (source or data) that are there and that it holds for itself."""
        found: dict[str, list[str]] = {task.id: [] for task in self.tasks}
        for path, owners in self.writers.items():
            for owner in owners:
                found[owner].append(path)
        return {task: tuple(paths) for task, paths in found.items()}

    @cached_property
    def sharers(self) -> Mapping[str, tuple[str, ...]]:
        """File to the tasks that share it."""
        return self._owners([task.shares for task in self.tasks])

    def _owners(self, scopes: Sequence[tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        index = ScopeIndex()
        for position, globs in enumerate(scopes):
            scope = scope_of(globs) if globs else None
            if scope is not None:
                index.add(str(position), scope)
        found = {}
        for path in (*self.graph.modules, *self.graph.data):
            if keys := index.matching(path):
                found[path] = tuple(self.tasks[int(key)].id for key in keys)
        return found

    @cached_property
    def tests(self) -> Mapping[str, tuple[str, ...]]:
        """Task to the test files that it names, those in directories that it names included."""
        return {task.id: self._test_files(task.tests) for task in self.tasks}

    def _test_files(self, names: Iterable[str]) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for name in names:
            try:
                path = canonical(name.partition("::")[0])
            except PathError:
                continue
            if path in self.graph.modules:
                found[path] = None
            else:
                below = (test for test in self.graph.tests if test.startswith(f"{path}/"))
                found |= dict.fromkeys(below)
        return tuple(found)


def stand(
    these: TaskList, graph: CodeGraph, mode: str = "shared", workers: int = 4
) -> Ground | None:
    """Return the ground for a plan's tasks; None when they wait for one another in a circle."""
    waits_for = edges(these)
    ids = order(waits_for)
    return None if ids is None else Ground(these, Order(waits_for, ids), graph, mode, workers)


def capped(found: Iterable[Finding], these: TaskList) -> list[Finding]:
    """Return the findings of one check, beyond `MAX_FINDINGS` only their number."""
    by_weight = sorted(found, key=lambda one: _SEVERE.index(one.severity))
    kept, rest = by_weight[:MAX_FINDINGS], by_weight[MAX_FINDINGS:]
    if rest:
        kept.append(
            Finding(
                f"{len(rest):,} more findings of this kind",
                these.places.plan("tasks"),
                fix="mend those above first",
                code=rest[0].code,
                severity=rest[0].severity,
            )
        )
    return kept


_SEVERE: tuple[Severity, ...] = ("error", "warning", "info")


def listed(names: Sequence[str], most: int = 4) -> str:
    """Return names in backquotes for a sentence, the many shortened."""
    shown = ", ".join(f"`{name}`" for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
