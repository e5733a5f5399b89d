"""Which tasks need which, by the code in their files and in their tests.

A task needs another if a file that it writes, or a test file that it runs, depends on a file
that the other writes. Only what is there counts: the body of a stub will import more.

An annotation that is not evaluated, in code that is written already, says nothing about the
work: it counts as typing only. In the signature of a stub it says what the body will be given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from orchestrator.analysis.codegraph import CodeGraph, Strength
from orchestrator.analysis.codemodel import STRENGTHS, Link
from orchestrator.analysis.linting.ground import Ground

_RUN_BY_CALL = ("__init__", "__new__", "__post_init__", "__call__")
_NO_BODY = {"raise", "ellipsis"}


@dataclass(frozen=True, slots=True)
class Need:
    """One task needs another.

    Attributes:
        task: the task that needs.
        on: the task that it needs.
        strength: when.
        source: file that depends; the task writes it or runs it as a test.
        target: file that it depends on; `on` writes it.
        line: line in `source`; 0: the file itself is what is needed.
        test: whether `source` is a test that the task runs.
        breaks: importing `source` runs a body that `on` has still to write.
    """

    task: str
    on: str
    strength: Strength
    source: str
    target: str
    line: int = 0
    test: bool = False
    breaks: bool = False

    @property
    def witness(self) -> str:
        """The edge of the code graph that shows it."""
        if self.source == self.target:
            return self.source
        line = f":{self.line}" if self.line else ""
        return f"{self.source}{line} -> {self.target}"

    @property
    def rank(self) -> tuple[bool, int, bool]:
        """Sorts the strongest first."""
        return not self.breaks, STRENGTHS.index(self.strength), self.test


def needs_of(ground: Ground) -> dict[tuple[str, str], Need]:
    """Return, per pair of task and task that it needs, the strongest reason."""
    found: dict[tuple[str, str], Need] = {}
    for need in _all(ground):
        key = need.task, need.on
        if need.task != need.on and (key not in found or need.rank < found[key].rank):
            found[key] = need
    return dict(sorted(found.items(), key=lambda item: _in_plan_order(ground, item[0])))


def _in_plan_order(ground: Ground, pair: tuple[str, str]) -> tuple[int, int]:
    index = ground.these.index
    return index[pair[0]], index[pair[1]]


def _all(ground: Ground) -> Iterator[Need]:
    depends = ground.graph.file_dependencies()
    edges = _Edges(ground.graph)
    for source, owners in ground.writers.items():
        for target in sorted(depends.get(source, ())):
            for task in owners:
                if task not in ground.writers.get(target, ()):
                    yield from _of_file(ground, edges, task, source, target, test=False)
    for task, tests in ground.tests.items():
        for source in tests:
            for on in ground.writers.get(source, ()):
                yield Need(task, on, Strength.HARD, source, source, test=True)
            for target in sorted(depends.get(source, ())):
                if task not in ground.writers.get(target, ()):
                    yield from _of_file(ground, edges, task, source, target, test=True)


def _of_file(
    ground: Ground, edges: _Edges, task: str, source: str, target: str, *, test: bool
) -> Iterator[Need]:
    owners = ground.writers.get(target, ())
    if owners:
        edge = edges.between(source, target)
        for on in owners:
            if ground.order.before(task, on) and any(ground.order.before(o, on) for o in owners):
                continue  # it comes last, and only goes over what another has written before
            yield Need(task, on, edge.strength, source, target, edge.line, test, edge.breaks)


@dataclass(frozen=True, slots=True)
class _Edge:
    """What ties one file to another, for the work that is still to be done."""

    strength: Strength
    line: int
    breaks: bool


class _Edges:
    """Weighs the links between files; each pair once."""

    def __init__(self, graph: CodeGraph) -> None:
        self._graph = graph
        self._stubs = {
            f"{path}::{symbol.name}"
            for path, module in graph.modules.items()
            for symbol in module.symbols
            if symbol.stub
        }
        self._unwritten = {
            f"{path}::{symbol.name}"
            for path, module in graph.modules.items()
            for symbol in module.symbols
            if symbol.stub in _NO_BODY
        }
        self._kept: dict[tuple[str, str], _Edge] = {}

    def between(self, source: str, target: str) -> _Edge:
        """Return the edge between two files that depend on one another."""
        key = source, target
        if key not in self._kept:
            self._kept[key] = self._weigh(source, target)
        return self._kept[key]

    def _weigh(self, source: str, target: str) -> _Edge:
        links = self._graph.links_between(source, target)
        strength = self._graph.strength(source, target) or Strength.CALL
        if strength is Strength.CALL and self._annotates_only(source, links):
            strength = Strength.TYPING
        telling = [link for link in links if link.kind in {"calls", "inherits", "uses"}] or links
        best = min(telling, key=lambda link: (STRENGTHS.index(link.strength), link.line))
        breaks = strength is Strength.HARD and any(self._runs_unwritten(link) for link in links)
        return _Edge(strength, best.line, breaks)

    def _annotates_only(self, source: str, links: tuple[Link, ...]) -> bool:
        """Whether the names are imported for annotations of what is written already."""
        imported = {one.line for one in self._graph.modules[source].facts.imports}
        rest = [
            link
            for link in links
            if link.kind != "imports" and not (link.source == source and link.line in imported)
        ]
        return bool(rest) and all(
            link.kind == "annotates" and link.source not in self._stubs for link in rest
        )

    def _runs_unwritten(self, link: Link) -> bool:
        if link.strength is not Strength.HARD or link.kind != "calls":
            return False
        inner = (f"{link.target}.{name}" for name in _RUN_BY_CALL)
        return link.target in self._unwritten or not self._unwritten.isdisjoint(inner)


def reachable(needs: Mapping[tuple[str, str], Need], start: str, at_least: Strength) -> set[str]:
    """Return the tasks that `start` needs, directly or not, at least that strongly."""
    weakest = STRENGTHS.index(at_least)
    out: dict[str, list[str]] = {}
    for (task, on), need in needs.items():
        if STRENGTHS.index(need.strength) <= weakest:
            out.setdefault(task, []).append(on)
    seen: set[str] = set()
    todo = [start]
    while todo:
        for on in out.get(todo.pop(), ()):
            if on not in seen:
                seen.add(on)
                todo.append(on)
    return seen
