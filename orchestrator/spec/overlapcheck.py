"""Which tasks may run at once and write the same files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator.core.scopeindex import ScopeIndex
from orchestrator.core.task import Task
from orchestrator.spec.findings import AddDependency, Finding
from orchestrator.spec.plancheck import TaskList
from orchestrator.spec.scopecheck import scope_of

MAX_PAIRS = 100
"""Overlapping pairs that get a finding each; the rest is counted in one more."""

BLOCK = 4096
"""Tasks whose descendants are looked at in one pass: bounds the memory of big graphs."""

_CONSEQUENCE = {
    "shared": "they will run one after the other, in either order",
    "locks": "they will run one after the other, in either order",
    "uncontrolled": "the later write silently replaces the earlier one",
    "worktree": "their branches may conflict when they are merged",
}


def check_overlaps(
    these: TaskList, waits_for: Mapping[str, Sequence[str]], order: Sequence[str], mode: str
) -> list[Finding]:
    """Find pairs of tasks that may run at once and write the same files.

    Args:
        these: the tasks.
        waits_for: task id to the ids that it depends on, all of them existing.
        order: the ids, each after what it depends on.
        mode: the coordination mode, which decides what an overlap leads to.
    """
    if mode not in _CONSEQUENCE:  # solo: never two at once
        return []
    pairs, total = _overlapping_pairs(these, waits_for, order)
    rows = sorted(sorted((these.index[one], these.index[two]))[::-1] for one, two in pairs)
    found = [
        _overlap(these, these.tasks[earlier], these.tasks[later], mode) for later, earlier in rows
    ]
    if total > len(found):
        found.append(
            Finding(
                f"{total - len(found):,} more pairs of tasks may write the same files at once",
                these.places.plan("tasks"),
                _CONSEQUENCE[mode],
                "cut the scopes finer, or order the tasks with depends_on",
                "overlap",
                severity="warning",
            )
        )
    return found


def _overlap(these: TaskList, one: Task, two: Task, mode: str) -> Finding:
    kinds = (
        ("writes", two.writes, one.writes, "`{0}` and `{1}` both write `{2}`"),
        ("shares", two.shares, one.writes, "`{0}` shares `{2}`, which `{1}` holds for itself"),
        ("writes", two.writes, one.shares, "`{0}` holds `{2}` for itself, which `{1}` shares"),
    )
    key, text, witness = next(
        (key, text, witness)
        for key, mine, theirs, text in kinds
        if (witness := _witness(mine, theirs)) is not None
    )
    return Finding(
        text.format(two.id, one.id, witness),
        these.places.task(these.index[two.id], key),
        f"neither waits for the other; {_CONSEQUENCE[mode]}",
        f"take `{witness}` out of one of them, list it under `shares` in both, or add "
        f"`depends_on: [{one.id}]` to `{two.id}`",
        "overlap",
        (one.id, two.id),
        "warning",
        witness,
        AddDependency(two.id, one.id),
    )


def _witness(mine: tuple[str, ...], theirs: tuple[str, ...]) -> str | None:
    left, right = scope_of(mine), scope_of(theirs)
    return left.overlap(right) if left is not None and right is not None else None


def _overlapping_pairs(
    these: TaskList, waits_for: Mapping[str, Sequence[str]], order: Sequence[str]
) -> tuple[list[tuple[str, str]], int]:
    """Return the first pairs, and how many there are.

    Sets of tasks are integers, one bit per task in topological order, so that a pass over the
    graph costs one machine word for 64 tasks; equal scopes are compared once.
    """
    clashes = _clashes(these, order)
    if not any(clashes):
        return [], 0
    rank = {name: position for position, name in enumerate(order)}
    pairs: list[tuple[str, str]] = []
    total = 0
    for start in range(0, len(order), BLOCK):
        waits: list[int] = []  # for each task from here on: what it waits for, by whatever way
        for position in range(start, len(order)):
            reach = 0
            for other in waits_for[order[position]]:
                at = rank[other] - start
                if at >= 0:
                    reach |= waits[at]
                if 0 <= at < BLOCK:
                    reach |= 1 << at
            waits.append(reach)
            earlier = (1 << min(position - start, BLOCK)) - 1
            free = (clashes[position] >> start) & earlier & ~reach
            total += free.bit_count()
            while free and len(pairs) < MAX_PAIRS:
                lowest = free & -free
                free ^= lowest
                pairs.append((order[start + lowest.bit_length() - 1], order[position]))
    return pairs, total


def _clashes(these: TaskList, order: Sequence[str]) -> list[int]:
    """Return for each task, in this order, those that may not run beside it, as bits."""
    tasks = [these.tasks[these.index[name]] for name in order]
    writers: dict[tuple[str, ...], int] = {}
    sharers: dict[tuple[str, ...], int] = {}
    for position, task in enumerate(tasks):
        for table, globs in ((writers, task.writes), (sharers, task.shares)):
            if globs:
                table[globs] = table.get(globs, 0) | 1 << position
    held, shared = _Reach(writers), _Reach(sharers)
    return [held.of(task.writes) | held.of(task.shares) | shared.of(task.writes) for task in tasks]


class _Reach:
    """Finds the tasks whose scope overlaps a given one; each distinct scope is asked once."""

    def __init__(self, table: Mapping[tuple[str, ...], int]) -> None:
        self._bits = list(table.values())
        self._index = ScopeIndex()
        self._known: dict[tuple[str, ...], int] = {(): 0}
        for number, globs in enumerate(table):
            if (scope := scope_of(globs)) is not None:
                self._index.add(str(number), scope)

    def of(self, globs: tuple[str, ...]) -> int:
        """Return the tasks, as bits, whose scope overlaps that of `globs`."""
        if globs not in self._known:
            scope, bits = scope_of(globs), 0
            for number in self._index.overlapping(scope) if scope is not None else ():
                bits |= self._bits[int(number)]
            self._known[globs] = bits
        return self._known[globs]
