"""What a plan means: ids, dependencies, limits. Scopes are in `scopecheck`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

from orchestrator.core.limits import Limits
from orchestrator.core.task import Task
from orchestrator.errors import nearest
from orchestrator.spec.findings import Finding
from orchestrator.spec.places import Places

MAX_HINTS = 50
"""Unknown ids for which the nearest known one is looked up; each costs a pass over all ids."""


MAX_SHOWN = 20
"""Ids of a circle that a sentence names; a longer one is shortened in the middle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskList:
    """Tasks to be checked together.

    Attributes:
        tasks: the tasks, in plan order.
        places: where they stand.
        broken: indices of tasks that could be used only in part; what they seem to lack may be
            in the part that could not be read, so scopes and limits are not checked.
    """

    tasks: Sequence[Task]
    places: Places
    broken: frozenset[int] = frozenset()
    index: dict[str, int] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        index: dict[str, int] = {}
        for position, task in enumerate(self.tasks):
            index.setdefault(task.id, position)
        object.__setattr__(self, "index", index)

    def whole(self) -> Iterable[tuple[int, Task]]:
        """Return index and task of all that could be read completely."""
        return ((i, task) for i, task in enumerate(self.tasks) if i not in self.broken)


def check_ids(these: TaskList) -> list[Finding]:
    """Find ids that several tasks have."""
    return [
        Finding(
            f"another task is called `{task.id}` as well",
            these.places.task(position, "id"),
            f"the first is at {these.places.task(these.index[task.id], 'id')}",
            "give one of the two another id",
            "duplicate-id",
            (task.id,),
        )
        for position, task in enumerate(these.tasks)
        if these.index[task.id] != position
    ]


def check_dependencies(these: TaskList) -> list[Finding]:
    """Find dependencies on tasks that do not exist, and on the task itself."""
    found: list[Finding] = []
    guesses: dict[str, str | None] = {}
    for position, task in enumerate(these.tasks):
        for entry, name in enumerate(task.depends_on):
            if name != task.id and name in these.index:
                continue
            place = these.places.task(position, "depends_on", entry)
            if name == task.id:
                found.append(
                    Finding(
                        "the task depends on itself",
                        place,
                        fix=f"remove `{name}` from depends_on",
                        code="self-dependency",
                        tasks=(task.id,),
                    )
                )
            else:
                if name not in guesses and len(guesses) < MAX_HINTS:
                    others = (other for other in these.index if other != task.id)
                    guesses[name] = nearest(name, others)
                found.append(_unknown_dependency(task, name, place, guesses.get(name)))
    return found


def _unknown_dependency(task: Task, name: str, place: str, guess: str | None) -> Finding:
    return Finding(
        f"there is no task `{name}`",
        place,
        fix=f"did you mean `{guess}`?" if guess else f"add the task `{name}`, or remove it here",
        code="unknown-dependency",
        tasks=(task.id,),
    )


def edges(these: TaskList) -> dict[str, list[str]]:
    """Return the dependencies that exist: task id to the ids that it waits for."""
    return {
        name: [
            other
            for other in dict.fromkeys(these.tasks[position].depends_on)
            if other in these.index and other != name
        ]
        for name, position in these.index.items()
    }


def order(waits_for: Mapping[str, Sequence[str]]) -> list[str] | None:
    """Return the ids so that each comes after what it waits for; None if there are cycles."""
    try:
        return list(TopologicalSorter(waits_for).static_order())
    except CycleError:
        return None


def check_cycles(these: TaskList, waits_for: Mapping[str, Sequence[str]]) -> list[Finding]:
    """Find tasks that wait for one another: the shortest circle of each knot of tasks."""
    import networkx as nx

    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(waits_for)
    graph.add_edges_from((name, other) for name, others in waits_for.items() for other in others)
    found = []
    for knot in nx.strongly_connected_components(graph):
        if len(knot) > 1:
            start = min(knot, key=these.index.__getitem__)
            inside = graph.subgraph(knot)
            back = dict(nx.single_target_shortest_path(inside, start))
            first = min(inside.successors(start), key=lambda name: len(back[name]))
            found.append(_cycle(these, [start, *back[first]]))
    return found


def _cycle(these: TaskList, path: list[str]) -> Finding:
    start = these.tasks[these.index[path[0]]]
    entry = start.depends_on.index(path[1])
    shown = path if len(path) <= MAX_SHOWN else [*path[:-3][: MAX_SHOWN - 4], "...", *path[-3:]]
    return Finding(
        f"tasks depend on one another in a circle: {' -> '.join(shown)}",
        these.places.task(these.index[path[0]], "depends_on", entry),
        "each waits for the next, so none of them can start",
        "remove one of these dependencies, or move what both need into a task of its own",
        "cycle",
        tuple(path[:-1]),
    )


def check_limits(these: TaskList, limits: Limits) -> list[Finding]:
    """Find limits of tasks that are looser than the run's."""
    found = []
    for position, task in these.whole():
        for key, own, run in (
            ("turns", task.turns, limits.turns),
            ("attempts", task.attempts, limits.attempts),
            ("tokens", task.tokens, limits.tokens),
            ("usd", task.usd, limits.usd),
            ("commands", task.commands, limits.commands),
            ("wall", task.seconds, limits.wall),
        ):
            if own is not None and run is not None and own > run:
                found.append(
                    Finding(
                        f"the task's limit `{key}` is {own:g}, above the run's {run:g}",
                        these.places.task(position, "limits", key),
                        "a task's limits are tighter than the run's",
                        f"lower it to {run:g} at most, or raise `limits.{key}` of the plan",
                        "loose-limit",
                        (task.id,),
                    )
                )
    return found


def check_test_commands(these: TaskList) -> list[Finding]:
    """Find test files that no command takes, and commands that wait for test files."""
    found = []
    for position, task in these.whole():
        if task.tests and not task.test:
            what = "the task names test files, but no test command"
            fix = 'add `test: "python -m pytest -q {tests}"` to the task or to `defaults`'
            key, code = "tests", "tests-not-run"
        elif "{tests}" in task.test and not task.tests:
            what = "the test command says `{tests}`, but the task names no test files"
            fix = "list them under `tests`, or write them into the command"
            key, code = "test", "no-test-files"
        else:
            continue
        place = these.places.task(position, key)
        found.append(Finding(what, place, fix=fix, code=code, tasks=(task.id,), severity="warning"))
    return found
