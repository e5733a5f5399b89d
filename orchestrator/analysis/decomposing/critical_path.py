"""The strategy `critical-path`: what the end waits for is split, down to regions of one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from orchestrator.analysis.codemodel import Link, Strength, Symbol, file_of
from orchestrator.analysis.decomposing.by_module import hard
from orchestrator.analysis.decomposing.cut import Cut, Part, Piece, topological, without_implied
from orchestrator.analysis.decomposing.survey import HARD, ROUTE, Survey

WORTH = 2.0
"""Times that the work of a half must be what any task takes beside its functions."""

_MOST = 200  # splits; a bound for odd input


def critical_path(survey: Survey, workers: int = 4, tasks: int | None = None) -> Cut:
    """Start from `hard` and halve the largest file on the critical path, again and again.

    A file is split between neighbouring functions and classes, a class between its methods; the
    tasks share the file and edit a region each. It ends when the critical path is no longer than
    the work divided by the workers, when nothing on it can be split, or at `tasks` tasks.

    Args:
        survey: the ground.
        workers: how many work at the same time.
        tasks: the most tasks; None: as many as it takes.
    """
    start = hard(survey)
    board = _Board(survey, start.parts)
    for _ in range(_MOST):
        path = board.longest()
        work = sum(board.seconds(part) for part in board.parts)
        if sum(board.seconds(part) for part in path) <= work / workers:
            break
        if tasks is not None and len(board.parts) >= tasks:
            break
        on_path = sorted(path, key=lambda part: (-board.seconds(part), part.name))
        halves = next(((part, two) for part in on_path if (two := board.halves(part))), None)
        if halves is None:
            break
        board.replace(*halves)
    shared = {part.piece.path for part in board.parts if part.piece}
    notes = (f"regions of a file of their own: {', '.join(sorted(shared))}",) if shared else ()
    return Cut(without_implied(board.parts), (*start.notes, *notes))


@dataclass(frozen=True, slots=True)
class _Atom:
    """What a split does not go through: a function, a class."""

    first: int
    last: int
    symbols: tuple[Symbol, ...]


class _Board:
    """The parts as they stand, and what each waits for."""

    def __init__(self, survey: Survey, parts: Sequence[Part]) -> None:
        self.survey = survey
        self._needs = survey.needs(HARD)
        self._count: dict[str, int] = {}
        self.parts: tuple[Part, ...] = tuple(parts)

    def seconds(self, part: Part) -> float:
        """How long a part should take."""
        if part.piece:
            return ROUTE + self.survey.work(part.piece.symbols)
        return ROUTE + self.survey.seconds(part.files)

    def longest(self) -> list[Part]:
        """The critical path."""
        best: dict[str, tuple[float, str]] = {}
        parts = {part.name: part for part in self.parts}
        for part in topological(self.parts):
            before = max(((best[n][0], n) for n in sorted(part.waits_for)), default=(0.0, ""))
            best[part.name] = (before[0] + self.seconds(part), before[1])
        name = max(best, key=lambda one: best[one][0], default="")
        path = []
        while name:
            path.append(parts[name])
            name = best[name][1]
        return path

    def halves(self, part: Part) -> tuple[Part, Part] | None:
        """Return a part cut in two about equal ones, or None if that cannot be done."""
        piece = part.piece or self._whole(part)
        if piece is None:
            return None
        atoms, within = self._atoms(piece)
        if len(atoms) < 2:
            return None
        weights = [self.survey.work(atom.symbols) for atom in atoms]
        at = min(range(1, len(atoms)), key=lambda n: (abs(sum(weights[:n]) - sum(weights[n:])), n))
        stem = part.name.rpartition(".part")[0] if part.piece else part.name
        if min(sum(weights[:at]), sum(weights[at:])) < WORTH * ROUTE:
            return None
        made = []
        for atoms_of_half in (atoms[:at], atoms[at:]):
            self._count[stem] = self._count.get(stem, 0) + 1
            half = Piece(
                piece.path,
                tuple(symbol for atom in atoms_of_half for symbol in atom.symbols),
                atoms_of_half[0].first,
                atoms_of_half[-1].last,
                within,
            )
            made.append(replace(part, name=f"{stem}.part{self._count[stem]}", files=(), piece=half))
        return made[0], made[1]

    def _whole(self, part: Part) -> Piece | None:
        """A whole file as a piece; None for several files, and where no functions are known."""
        if len(part.files) != 1:
            return None
        (path,) = part.files
        symbols = self.survey.symbols(path)
        return Piece(path, symbols, 1, self.survey.graph.modules[path].lines) if symbols else None

    def _atoms(self, piece: Piece) -> tuple[list[_Atom], str]:
        """Return the functions and classes next to one another, and the class that they are in."""
        within = piece.within
        while True:
            atoms = self._inside(piece, within)
            if len(atoms) != 1 or not self._is_class(piece.path, atoms[0]):
                return atoms, within
            within = self._name(piece.path, atoms[0])

    def _inside(self, piece: Piece, within: str) -> list[_Atom]:
        depth = within.count(".") + 1 if within else 0
        known = {one.name: one for one in self.survey.graph.modules[piece.path].symbols}
        groups: list[tuple[str, list[Symbol]]] = []
        for symbol in piece.symbols:
            top = ".".join(symbol.name.split(".")[: depth + 1])
            if groups and _plain(groups[-1][0]) == _plain(top):  # a property and its setter
                groups[-1][1].append(symbol)
            else:
                groups.append((top, [symbol]))
        found = []
        for name, symbols in groups:
            around = (*symbols, known.get(name, symbols[0]))
            first, last = min(one.first for one in around), max(one.last for one in around)
            found.append(_Atom(first, last, tuple(symbols)))
        return found if all(a.last < b.first for a, b in pairwise(found)) else []

    def _is_class(self, path: str, atom: _Atom) -> bool:
        return any(
            one.kind == "class" and (one.first, one.last) == (atom.first, atom.last)
            for one in self.survey.graph.modules[path].symbols
        )

    def _name(self, path: str, atom: _Atom) -> str:
        return next(
            one.name
            for one in self.survey.graph.modules[path].symbols
            if (one.first, one.last) == (atom.first, atom.last) and one.kind == "class"
        )

    # --- dependencies --------------------------------------------------------------------------

    def replace(self, old: Part, new: tuple[Part, Part]) -> None:
        """Put two parts in the place of one, and see anew who waits for whom."""
        at = next(number for number, part in enumerate(self.parts) if part.name == old.name)
        parts = (*self.parts[:at], *new, *self.parts[at + 1 :])
        try:
            self.parts = self._ordered(parts, inside=True)
        except CycleError:
            # Regions of one file that need one another while importing: their signatures stand
            # in the file already, so neither waits.
            self.parts = self._ordered(parts, inside=False)

    def _ordered(self, parts: Sequence[Part], *, inside: bool) -> tuple[Part, ...]:
        owners: dict[str, list[Part]] = {}
        for part in parts:
            for path in part.paths:
                owners.setdefault(path, []).append(part)
        waits: dict[str, set[str]] = {part.name: set() for part in parts}
        for path, needed in self._needs.items():
            for target in needed:
                for one, two in self._pairs(path, target, owners):
                    waits[one].add(two)
        for path in sorted(owners) if inside else ():
            for one, two in self._pairs(path, path, owners) if len(owners[path]) > 1 else ():
                waits[one].add(two)
        found = tuple(
            replace(part, waits_for=frozenset(waits[part.name] - {part.name})) for part in parts
        )
        TopologicalSorter({part.name: part.waits_for for part in found}).prepare()
        return found

    def _pairs(
        self, source: str, target: str, owners: Mapping[str, list[Part]]
    ) -> set[tuple[str, str]]:
        """Return which part of one file waits for which part of another."""
        links = [
            (link.source, link.target)
            for link in self.survey.graph.links_between(source, target)
            if link.strength is Strength.HARD
            and link.kind != "imports"  # says of the whole file what the others say in detail
            and (source != target or _runs(link))
        ]
        if not links and source != target:  # through a file with nothing to do
            links = [(source, target)]
        return {
            (one.name, two.name)
            for start, end in links
            for one in self._holding(start, owners)
            for two in self._holding(end, owners)
            if one.name != two.name
        }

    def _holding(self, node: str, owners: Mapping[str, list[Part]]) -> list[Part]:
        """Return the parts that hold a symbol; of code that none of them holds, all."""
        path = file_of(node)
        parts = owners.get(path, [])
        if len(parts) <= 1 or "::" not in node:
            return parts
        name = node.partition("::")[2]
        symbol = next(
            (one for one in self.survey.graph.modules[path].symbols if one.name == name), None
        )
        if symbol is None:
            return parts
        meets = [
            part
            for part in parts
            if part.piece and part.piece.first <= symbol.last and symbol.first <= part.piece.last
        ]
        return meets or parts


def _runs(link: Link) -> bool:
    """Whether one function of a file runs the body of another while the file is imported.

    Base classes and the like stand in the same file, whoever writes their bodies.
    """
    return link.kind == "calls" and "::" in link.source and "::" in link.target


def _plain(name: str) -> str:
    """Return a name without the number that tells it from others of that name."""
    return name.partition("#")[0]
