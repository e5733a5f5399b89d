"""A cut: who writes what, and who waits for whom. What a strategy decides, and nothing else.

Tests, reads, estimates and instructions follow from the cut and the code graph, in the same way
for all strategies (`assembling.py`), so two plans of one goal differ by their cut alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter

from orchestrator.analysis.codemodel import Symbol
from orchestrator.analysis.components import components


@dataclass(frozen=True, slots=True)
class Piece:
    """Neighbouring functions and classes of one file, a region that one task edits.

    Attributes:
        path: the file.
        symbols: the functions to be written, by line.
        first: first line of the region, from 1.
        last: its last line.
        within: qualified name of the class whose methods they are; empty: the file's own level.
    """

    path: str
    symbols: tuple[Symbol, ...]
    first: int
    last: int
    within: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A task to be.

    Attributes:
        name: becomes the task's id.
        files: what it writes alone.
        piece: or the region that it edits of a file that others edit too.
        waits_for: names of the parts that must be done first.
        role: who does it.
        title: one line; empty: made from the files.
        advice: further sentences for the instructions.
    """

    name: str
    files: tuple[str, ...] = ()
    piece: Piece | None = None
    waits_for: frozenset[str] = frozenset()
    role: str = ""
    title: str = ""
    advice: str = ""

    @property
    def paths(self) -> tuple[str, ...]:
        """The files that it edits."""
        return self.files or ((self.piece.path,) if self.piece else ())


@dataclass(frozen=True, slots=True)
class Cut:
    """A way to cut the goal.

    Attributes:
        parts: the tasks to be; each file to do is in one of them, or in pieces.
        notes: what whoever reads the plan should know of how it came about.
        narrow: whether tasks read only what nobody writes at the same time; False: whatever
            the code graph says that they depend on.
    """

    parts: tuple[Part, ...]
    notes: tuple[str, ...] = ()
    narrow: bool = True


def topological(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Return the parts, each after those that it waits for, else in the order given.

    Raises:
        graphlib.CycleError: parts wait for one another.
    """
    place = {part.name: number for number, part in enumerate(parts)}
    sorter = TopologicalSorter({part.name: part.waits_for for part in parts})
    sorter.prepare()
    order: list[Part] = []
    ready: list[int] = []
    while sorter.is_active():
        ready = sorted([*ready, *(place[name] for name in sorter.get_ready())])
        here = parts[ready.pop(0)]
        order.append(here)
        sorter.done(here.name)
    return tuple(order)


def ancestors(parts: Iterable[Part]) -> dict[str, frozenset[str]]:
    """Return for each part all that it waits for, directly or not.

    Args:
        parts: in topological order.
    """
    found: dict[str, frozenset[str]] = {}
    for part in parts:
        found[part.name] = part.waits_for.union(*(found[name] for name in part.waits_for))
    return found


def without_implied(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Return the parts with dependencies left out that others imply (transitive reduction)."""
    order = topological(parts)
    above = ancestors(order)
    return tuple(
        replace(
            part,
            waits_for=part.waits_for
            - frozenset[str]().union(*(above[name] for name in part.waits_for)),
        )
        for part in order
    )


def quotient(
    groups: Sequence[Collection[str]], edges: Mapping[str, Collection[str]]
) -> list[set[int]]:
    """Return for each group the groups that its files depend on."""
    owner = {path: number for number, group in enumerate(groups) for path in group}
    return [
        {owner[target] for path in group for target in edges[path] if target in owner} - {number}
        for number, group in enumerate(groups)
    ]


def merged(
    groups: Sequence[Collection[str]], edges: Mapping[str, Collection[str]]
) -> list[tuple[str, ...]]:
    """Return the groups, those that depend on one another in a circle made into one.

    In topological order, dependencies first.
    """
    names = {str(number): {str(n) for n in needed} for number, needed in
             enumerate(quotient(groups, edges))}  # fmt: skip
    return [
        tuple(sorted(path for number in knot for path in groups[int(number)]))
        for knot in components(names)
    ]


def parts_of(
    groups: Sequence[Sequence[str]],
    edges: Mapping[str, Collection[str]],
    names: Sequence[str],
) -> tuple[Part, ...]:
    """Return a part per group, waiting for those groups that its files depend on.

    Args:
        groups: files; the groups' dependencies have no circle.
        edges: file to the files that it waits for.
        names: of the groups.
    """
    needed = quotient(groups, edges)
    return tuple(
        Part(
            name=names[number],
            files=tuple(sorted(group)),
            waits_for=frozenset(names[other] for other in needed[number]),
        )
        for number, group in enumerate(groups)
    )
