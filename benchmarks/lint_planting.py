"""Correct plans, and the defects that are planted in them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator.analysis.codegraph import CodeGraph, Strength
from orchestrator.analysis.components import components
from orchestrator.core.task import Task
from orchestrator.spec.plan import Plan

Planted = tuple[str, tuple[Task, ...]]
"""What was done, and the tasks after it."""


@dataclass(frozen=True, slots=True)
class Case:
    """A correct plan and its code."""

    name: str
    plan: Plan
    graph: CodeGraph


def derive(name: str, graph: CodeGraph, folder: str) -> Plan:
    """Return a correct plan for a codebase: one task per module, in the order of its imports.

    Modules in a circle are one task. A test file belongs to the task that comes after all that
    it reaches; where there is none, to a last task that only runs tests.

    Args:
        name: name of the plan.
        graph: the code.
        folder: where the modules to be written are.
    """
    kinds = [kind for kind in Strength if kind is not Strength.TYPING]
    all_edges = graph.file_dependencies(kinds, tests=False)
    edges = {
        path: {other for other in targets if other.startswith(f"{folder}/")}
        for path, targets in all_edges.items()
        if path.startswith(f"{folder}/")
    }
    for targets in list(edges.values()):
        for other in targets:
            edges.setdefault(other, set())  # a file of data has no dependencies
    groups = [sorted(group) for group in components(edges)]
    owner = {path: _id(group[0], folder) for group in groups for path in group}
    needs: dict[str, set[str]] = {}
    for group in groups:
        found = {owner[other] for path in group for other in edges[path]}
        needs[owner[group[0]]] = found - {owner[group[0]]}
    direct = _reduced(needs)
    tests = _share_out(graph, owner, needs)
    tasks = [
        Task(
            id=owner[group[0]],
            role="implementer",
            writes=tuple(group),
            depends_on=tuple(sorted(direct[owner[group[0]]])),
            tests=tuple(tests.get(owner[group[0]], ())),
            test="python -m pytest -q {tests}" if tests.get(owner[group[0]]) else "",
        )
        for group in groups
    ]
    if "" in tests:
        needed = {one for targets in needs.values() for one in targets}
        tasks.append(
            Task(
                id="verify",
                role="reviewer",
                depends_on=tuple(sorted(set(needs) - needed)),
                tests=tuple(tests[""]),
                test="python -m pytest -q {tests}",
            )
        )
    return Plan(name=name, tasks=tuple(tasks), workspace=graph.root)


def _id(path: str, folder: str) -> str:
    words = path.removeprefix(f"{folder}/").rpartition(".")[0].strip("_").replace("/", ".")
    return words.replace("__init__", "package").strip("_.") or "package"


def _all_needs(needs: Mapping[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    todo = [start]
    while todo:
        for name in needs[todo.pop()] - seen:
            seen.add(name)
            todo.append(name)
    return seen


def _reduced(needs: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Leave out what others imply (the transitive reduction)."""
    return {
        task: {
            on
            for on in others
            if not any(on in _all_needs(needs, other) for other in others if other != on)
        }
        for task, others in needs.items()
    }


def _share_out(
    graph: CodeGraph, owner: Mapping[str, str], needs: Mapping[str, set[str]]
) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for test in graph.tests:
        direct = graph.file_dependencies(["hard", "call", "lazy"])[test]
        reached = {owner[p] for p in {*graph.reached_by(test), *direct} if p in owner}
        last = next((t for t in sorted(reached) if reached <= {t} | _all_needs(needs, t)), "")
        if reached:
            found.setdefault(last, []).append(test)
    return found


# --- defects ---------------------------------------------------------------------------------


def remove_edge(case: Case, chance: random.Random) -> Iterator[Planted]:
    """Forget one dependency."""
    for task in case.plan.tasks:
        for on in task.depends_on:
            yield f"{task.id} no longer waits for {on}", _with(case, _without_edge(task, on))


def reverse_edge(case: Case, chance: random.Random) -> Iterator[Planted]:
    """Turn one dependency round."""
    for task in case.plan.tasks:
        for on in task.depends_on:
            other = case.plan.task(on)
            yield (
                f"{on} waits for {task.id} instead of the other way round",
                _with(
                    case,
                    _without_edge(task, on),
                    replace(other, depends_on=(*other.depends_on, task.id)),
                ),
            )


def widen_scope(case: Case, chance: random.Random) -> Iterator[Planted]:
    """Let a task write a file of another, or the whole directory of its own file."""
    tasks = [task for task in case.plan.tasks if task.writes]
    for task in tasks:
        folder = task.writes[0].rpartition("/")[0]
        if folder:
            yield (
                f"{task.id} may write {folder}/**",
                _with(case, replace(task, writes=(*task.writes, f"{folder}/**"))),
            )
        other = chance.choice([one for one in tasks if one is not task])
        path = chance.choice(other.writes)
        yield (
            f"{task.id} may write {path} of {other.id} as well",
            _with(case, replace(task, writes=(*task.writes, path))),
        )


def move_file(case: Case, chance: random.Random) -> Iterator[Planted]:
    """Give a file to another task."""
    tasks = [task for task in case.plan.tasks if task.writes]
    for task in tasks:
        for path in task.writes:
            other = chance.choice([one for one in tasks if one is not task])
            kept = tuple(one for one in task.writes if one != path)
            yield (
                f"{path} goes from {task.id} to {other.id}",
                _with(
                    case,
                    replace(task, writes=kept or ("notes.md",)),
                    replace(other, writes=(*other.writes, path)),
                ),
            )


def merge_tasks(case: Case, chance: random.Random) -> Iterator[Planted]:
    """Make one task of two."""
    tasks = case.plan.tasks
    for one in tasks:
        two = chance.choice([task for task in tasks if task is not one])
        yield f"{one.id} and {two.id} are one task", _merged(tasks, one, two)


def _merged(tasks: Sequence[Task], one: Task, two: Task) -> tuple[Task, ...]:
    both = (one.id, two.id)
    whole = replace(
        one,
        writes=tuple(dict.fromkeys((*one.writes, *two.writes))),
        shares=tuple(dict.fromkeys((*one.shares, *two.shares))),
        tests=tuple(dict.fromkeys((*one.tests, *two.tests))),
        test=one.test or two.test,
        role="integrator",
        depends_on=_once(name for name in (*one.depends_on, *two.depends_on) if name not in both),
    )
    return tuple(
        whole
        if task is one
        else replace(task, depends_on=_once(one.id if n == two.id else n for n in task.depends_on))
        for task in tasks
        if task is not two
    )


def _once(names: Iterator[str] | Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def drop_hub(case: Case, chance: random.Random) -> Iterator[Planted]:
    """Drop a task that many wait for: nobody writes its files, or each of these does."""
    waited = {task.id: 0 for task in case.plan.tasks}
    for task in case.plan.tasks:
        for on in task.depends_on:
            waited[on] += 1
    hubs = [task for task in case.plan.tasks if waited[task.id] > 1 and task.writes]
    for hub in hubs:
        rest = [
            replace(
                task,
                depends_on=_once(
                    name
                    for on in task.depends_on
                    for name in (hub.depends_on if on == hub.id else (on,))
                ),
            )
            for task in case.plan.tasks
            if task is not hub
        ]
        yield f"{hub.id} is gone, and its files are nobody's", tuple(rest)
        yield (
            f"{hub.id} is gone, and each that waited for it may write its files",
            tuple(
                replace(task, writes=(*task.writes, *hub.writes))
                if hub.id in case.plan.task(task.id).depends_on and task.writes
                else task
                for task in rest
            ),
        )


def _with(case: Case, *changed: Task) -> tuple[Task, ...]:
    new = {task.id: task for task in changed}
    return tuple(new.get(task.id, task) for task in case.plan.tasks)


def _without_edge(task: Task, on: str) -> Task:
    return replace(task, depends_on=tuple(name for name in task.depends_on if name != on))


KINDS: dict[str, Callable[[Case, random.Random], Iterator[Planted]]] = {
    "remove an edge": remove_edge,
    "reverse an edge": reverse_edge,
    "widen a scope": widen_scope,
    "move a file": move_file,
    "merge tasks": merge_tasks,
    "drop a hub task": drop_hub,
}
