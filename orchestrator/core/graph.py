"""The dependency graph of the tasks, over a networkx DAG.

Ranks are upward ranks (HEFT, Topcuoglu et al. 2002, without communication costs): a task's
estimate plus the longest chain of estimates behind it. Ready tasks start in that order, so the
longest remaining path is never kept waiting by work that has slack.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from orchestrator.core.task import Task


class CycleError(ValueError):
    """Tasks that wait for one another.

    Attributes:
        path: ids along the cycle, the first repeated at the end.
    """

    def __init__(self, path: tuple[str, ...]) -> None:
        super().__init__(" -> ".join(path))
        self.path = path


@dataclass(frozen=True, slots=True)
class CriticalPath:
    """The longest path through the graph by estimates."""

    tasks: tuple[str, ...]
    seconds: float


class TaskGraph:
    """Tasks and what each waits for. Grows while a run lives; never shrinks.

    Args:
        tasks: the plan's tasks; all dependencies must be among them.

    Raises:
        CycleError: tasks wait for one another.
        KeyError: a dependency or a duplicate id that the caller should have refused.
    """

    __slots__ = ("_dag", "_rank", "_tasks")

    def __init__(self, tasks: Iterable[Task] = ()) -> None:
        import networkx as nx

        self._dag: nx.DiGraph[str] = nx.DiGraph()
        self._tasks: dict[str, Task] = {}
        self._rank: dict[str, float] = {}
        self.add(tuple(tasks))

    def __len__(self) -> int:
        return len(self._tasks)

    def __iter__(self) -> Iterator[str]:
        return iter(self._tasks)

    def __contains__(self, task: object) -> bool:
        return task in self._tasks

    def task(self, task: str) -> Task:
        """The task with this id."""
        return self._tasks[task]

    def dependents(self, task: str) -> Iterator[str]:
        """Tasks that wait for this one directly, in plan order."""
        return self._dag.successors(task)

    def dependencies(self, task: str) -> Iterator[str]:
        """Tasks that this one waits for directly."""
        return self._dag.predecessors(task)

    def rank(self, task: str) -> float:
        """Seconds of the longest path from this task to an end, its own estimate included."""
        return self._rank[task]

    def add(
        self, tasks: tuple[Task, ...], before: Mapping[str, tuple[str, ...]] | None = None
    ) -> None:
        """Add tasks while running; either all of them or, on an error, none.

        Args:
            tasks: new tasks; they may depend on one another and on tasks already there.
            before: existing task to the new tasks that it must wait for as well.

        Raises:
            CycleError: the new edges close a cycle; its path is named.
            KeyError: unknown dependency, or an id that is there already.
        """
        new = {task.id: task for task in tasks}
        edges = [(dependency, task.id) for task in tasks for dependency in task.depends_on]
        edges += [(fresh, old) for old, added in (before or {}).items() for fresh in added]
        if len(new) < len(tasks) or new.keys() & self._tasks.keys():
            raise KeyError("duplicate task id")
        for start, end in edges:
            for task in (start, end):
                if task not in new and task not in self._tasks:
                    raise KeyError(task)
        self._dag.add_nodes_from(new)
        self._dag.add_edges_from(edges)
        order = self._order(edges, new)
        self._tasks.update(new)
        self._rerank(reversed(order))

    def _order(self, edges: list[tuple[str, str]], new: Mapping[str, Task]) -> list[str]:
        import networkx as nx

        touched = self._dag
        if self._tasks:
            # Only what lies above the new tasks can change its rank, or be in a new cycle.
            above = set(new).union(*(nx.ancestors(self._dag, task) for task in new))
            touched = self._dag.subgraph(above)
        try:
            return list(nx.topological_sort(touched))
        except nx.NetworkXUnfeasible:
            cycle = tuple(start for start, _ in nx.find_cycle(touched))
            self._dag.remove_edges_from(edges)
            self._dag.remove_nodes_from(new)
            raise CycleError((*cycle, cycle[0])) from None

    def _rerank(self, order: Iterable[str]) -> None:
        rank, tasks, successors = self._rank, self._tasks, self._dag.successors
        for name in order:
            longest = 0.0
            for after in successors(name):
                longest = max(longest, rank[after])
            rank[name] = tasks[name].estimate + longest

    def critical_path(self) -> CriticalPath:
        """Return the longest path by estimates; empty for an empty graph."""
        if not self._tasks:
            return CriticalPath((), 0.0)
        here: str | None = max(self._rank, key=lambda task: self._rank[task])
        seconds, path = self._rank[here or ""], []
        while here is not None:
            path.append(here)
            here = max(self.dependents(here), key=lambda task: self._rank[task], default=None)
        return CriticalPath(tuple(path), seconds)

    def slack(self) -> dict[str, float]:
        """Return, per task, the seconds it may be late without delaying the end."""
        import networkx as nx

        start: dict[str, float] = {}
        for name in nx.topological_sort(self._dag):
            start[name] = max(
                (
                    start[before] + self._tasks[before].estimate
                    for before in self.dependencies(name)
                ),
                default=0.0,
            )
        end = max((start[name] + self._rank[name] for name in self._tasks), default=0.0)
        return {name: end - start[name] - self._rank[name] for name in self._tasks}

    def path(self, start: str, end: str) -> tuple[str, ...] | None:
        """Return a dependency path from one task to another, or None."""
        import networkx as nx

        try:
            return tuple(nx.shortest_path(self._dag, start, end))
        except nx.NetworkXNoPath:
            return None
