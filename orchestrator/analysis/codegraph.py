"""The code graph: what a directory of source code consists of, and what depends on what.

::

    graph = build(Path("project"))
    graph.file_dependencies({"hard"})      # {"pkg/a.py": {"pkg/b.py"}, ...}
    graph.tests_of("pkg/a.py")             # ("tests/test_a.py", "tests/test_all.py")
    graph.modules["pkg/a.py"].stubs        # functions still to be written

`CodeGraph.graph` is a ``networkx.MultiDiGraph``. Ids: a file is its path relative to the
directory, with ``/``; a symbol is ``path::Class.method``; an entry point is ``entry:NAME``.

Kinds of nodes (attribute ``kind``), with further attributes:

=============  ====================================================================
module         a source file: ``name`` (dotted), ``language``, ``lines``
test           a source file that holds tests or serves them (conftest): the same
class          ``first``, ``last``: lines; ``statements``
function       also methods: ``first``, ``last``, ``statements``, ``stub``
data           a file of the package that is not source code
entry-point    ``target``: the object that it starts
=============  ====================================================================

Kinds of edges (attribute ``kind``, which is the edge's key too); from what depends to what it
depends on. ``strength`` is a `Strength`, ``line`` the first line that says so:

=============  ====================================================================
contains       file to class or function, class to method
imports        file to file; one edge, of its strongest `strength`
reaches        file to file, strength hard: no import of its own, but code that runs
               while the file is imported calls something that uses the target
calls          symbol or file to symbol
uses           symbol or file to symbol or file: any other mention
inherits       class to class
annotates      symbol or file to symbol: in a type annotation
data           file to a file of data whose name it mentions
starts         entry point to file or symbol
tests          test file to file that it reaches; ``distance`` 1: it imports or uses it
co-changes     both ways; ``share`` of commits (``cochange.py``), no dependency
observed       file to file: a call seen while the program ran (``tracing.py``)
=============  ====================================================================

File-level dependencies are what tasks are ordered by. Of a pair of files the strongest counts:

- *hard*: needed while the file is imported: base class, decorator, default value, code at module
  or class level, an annotation that is evaluated, and whatever such code calls in turn;
- *call*: imported at the top, used inside functions only, or merely handed on;
- *lazy*: imported inside a function;
- *typing*: under TYPE_CHECKING only;
- *observed*: only a trace has shown it.

A call on an object whose class is known counts though its class is not imported (``call``);
``imports_only=True`` leaves such dependencies out. Running a package's ``__init__`` before its
modules is not counted as a dependency, as in other tools: all would depend on it.

Imports are followed to where a name is defined: ``from pkg import f`` depends on the file that
defines ``f``, and on ``pkg/__init__.py`` through which it is found.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.analysis.cochange import CoChange, co_changes
from orchestrator.analysis.codefiles import Sources, read_sources
from orchestrator.analysis.codemodel import (
    Link,
    Module,
    Strength,
    Symbol,
    file_of,
    strengths,
    stronger,
)
from orchestrator.analysis.codenames import find_node
from orchestrator.analysis.codereach import Reach, Reaching, named_after, runs_tests
from orchestrator.analysis.components import components, levels
from orchestrator.analysis.languages.base import Start
from orchestrator.analysis.languages.registry import languages
from orchestrator.errors import Problem

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["CodeGraph", "Hub", "Reach", "Strength", "Symbol", "build"]

Kinds = Iterable[Strength | str] | None
"""Strengths that count; None: all."""


@dataclass(frozen=True, slots=True)
class Hub:
    """A file that a large share of the others is tied to.

    Attributes:
        path: the file.
        share: neighbours (either direction) over the number of other files, 0 to 1.
        dependents: files that depend on it directly.
    """

    path: str
    share: float
    dependents: int


class CodeGraph:
    """The code of one directory. Immutable; answers are computed once and kept.

    Attributes:
        root: the directory.
        modules: path to source file, sorted by path; tests included.
        data: paths of files that are not source code.
        links: every dependency, at file and symbol level.
        starts: entry points that the project's settings name.
        co_changes: pairs that change together, by falling share; empty without history.
        problems: what could not be analysed and why (syntax errors, encodings, files too large,
            an empty directory); the rest is analysed all the same.
    """

    def __init__(self, root: Path, sources: Sources, co_changes: Sequence[CoChange] = ()) -> None:
        self.root = root
        self._sources = sources
        self.modules: Mapping[str, Module] = sources.modules
        self.data = tuple(path for path in sources.tree.files if path not in sources.modules)
        self.links: tuple[Link, ...] = tuple(sources.links)
        self.starts: tuple[Start, ...] = tuple(sources.starts)
        self.co_changes = tuple(co_changes)
        self.problems: tuple[Problem, ...] = sources.problems

    def with_observed(self, calls: Iterable[tuple[str, str]]) -> CodeGraph:
        """Return the graph with calls added that were seen while the program ran.

        Args:
            calls: pairs of paths, caller first; pairs with unknown files are left out.
        """
        seen = (
            Link(source, target, "observed", Strength.OBSERVED)
            for source, target in sorted(set(calls))
            if source in self.modules and target in self.modules and source != target
        )
        old = self._sources
        links = [link for link in self.links if link.kind != "observed"]
        new = Sources(old.tree, old.modules, [*links, *seen], old.starts, old.problems)
        return CodeGraph(self.root, new, self.co_changes)

    @cached_property
    def graph(self) -> nx.MultiDiGraph[str]:
        """The whole networkx graph; the module's docstring describes it."""
        from orchestrator.analysis.codeexport import to_networkx

        return to_networkx(self)

    # --- dependencies --------------------------------------------------------------------------

    @cached_property
    def _pairs(self) -> dict[str, dict[str, Strength]]:
        return _strongest(self.modules, self.links)

    @cached_property
    def _import_pairs(self) -> dict[str, dict[str, Strength]]:
        kinds = {"imports", "reaches", "observed"}
        return _strongest(self.modules, (link for link in self.links if link.kind in kinds))

    def file_dependencies(
        self, kinds: Kinds = None, *, tests: bool = True, imports_only: bool = False
    ) -> dict[str, frozenset[str]]:
        """Return what each file depends on directly; every source file has an entry.

        Files of data are among the targets.

        Args:
            kinds: strengths that count, by each pair's strongest; None: all.
            tests: whether test files are included.
            imports_only: leave out what no import statement of the file names.
        """
        wanted = set(strengths(kinds))
        pairs = self._import_pairs if imports_only else self._pairs
        return {
            source: frozenset(
                target
                for target, strength in pairs.get(source, {}).items()
                if strength in wanted and (tests or not self._is_test(target))
            )
            for source in self.modules
            if tests or not self._is_test(source)
        }

    def strength(self, source: str, target: str) -> Strength | None:
        """Return the strongest dependency of one file on another, or None."""
        return self._pairs.get(source, {}).get(target)

    def links_between(self, source: str, target: str) -> tuple[Link, ...]:
        """Return what ties one file to another, symbol by symbol, by line."""
        found = (link for link in self._links_of.get(source, ()) if file_of(link.target) == target)
        return tuple(sorted(found, key=lambda link: (link.line, link.source, link.target)))

    @cached_property
    def _links_of(self) -> dict[str, list[Link]]:
        found: dict[str, list[Link]] = {}
        for link in self.links:
            found.setdefault(file_of(link.source), []).append(link)
        return found

    def _is_test(self, path: str) -> bool:
        return path in self.modules and self.modules[path].test

    def known(self, what: str) -> str:
        """Return the id of a file or a symbol that a person names.

        Args:
            what: a path, a dotted module name, ``path::symbol``, or ``module:symbol``.

        Raises:
            UsageError: there is no such file or symbol, or several have that name.
        """
        return find_node(self.modules, self.data, what)

    # --- questions -----------------------------------------------------------------------------

    def dependents_of(self, what: str, kinds: Kinds = None) -> frozenset[str]:
        """Return the files that depend directly on a file or a symbol.

        Raises:
            UsageError: there is no such file or symbol.
        """
        node = self.known(what)
        if "::" not in node:
            wanted = set(strengths(kinds))
            found = self._dependents.get(node, {})
            return frozenset(path for path, strength in found.items() if strength in wanted)
        wanted = set(strengths(kinds))
        inner = (node, node + ".")
        return frozenset(
            file_of(link.source)
            for link in self.links
            if link.strength in wanted
            and (link.target == node or link.target.startswith(inner[1]))
            and file_of(link.source) != file_of(node)
        )

    @cached_property
    def _dependents(self) -> dict[str, dict[str, Strength]]:
        found: dict[str, dict[str, Strength]] = {}
        for source, targets in self._pairs.items():
            for target, strength in targets.items():
                found.setdefault(target, {})[source] = strength
        return found

    def touched_by(self, what: str, kinds: Kinds = None) -> frozenset[str]:
        """Return the files that a change may touch: dependents, theirs, and so on, without it.

        Raises:
            UsageError: there is no such file or symbol.
        """
        wanted = set(strengths(kinds))
        start = file_of(self.known(what))
        todo = deque(self.dependents_of(what, kinds))
        seen = set(todo)
        while todo:
            for path, strength in self._dependents.get(todo.popleft(), {}).items():
                if strength in wanted and path not in seen:
                    seen.add(path)
                    todo.append(path)
        return frozenset(seen - {start})

    def path_between(self, source: str, target: str, kinds: Kinds = None) -> tuple[str, ...] | None:
        """Return a shortest chain of files from `source` to what it depends on, or None.

        Raises:
            UsageError: there is no such file.
        """
        wanted = set(strengths(kinds))
        start, end = file_of(self.known(source)), file_of(self.known(target))
        came: dict[str, str] = {start: ""}
        todo = deque([start])
        while todo and end not in came:
            here = todo.popleft()
            for path, strength in sorted(self._pairs.get(here, {}).items()):
                if strength in wanted and path not in came:
                    came[path] = here
                    todo.append(path)
        if end not in came:
            return None
        chain = [end]
        while came[chain[-1]]:
            chain.append(came[chain[-1]])
        return tuple(reversed(chain))

    def cycles(
        self, kinds: Kinds = None, *, imports_only: bool = True
    ) -> tuple[tuple[str, ...], ...]:
        """Return groups of files that all depend on one another, each sorted, in order."""
        edges = self.file_dependencies(kinds, imports_only=imports_only)
        groups = (tuple(sorted(group)) for group in components(edges) if len(group) > 1)
        return tuple(sorted(groups))

    def hubs(self, share: float = 0.4) -> tuple[Hub, ...]:
        """Return files tied to more than `share` of the others (tests apart), largest first."""
        edges = self.file_dependencies(tests=False)
        neighbours: dict[str, set[str]] = {path: set() for path in edges}
        dependents: dict[str, int] = dict.fromkeys(edges, 0)
        for source, targets in edges.items():
            for target in targets & edges.keys():
                neighbours[source].add(target)
                neighbours[target].add(source)
                dependents[target] += 1
        others = max(len(edges) - 1, 1)
        found = (
            Hub(path, len(tied) / others, dependents[path])
            for path, tied in neighbours.items()
            if len(tied) / others > share
        )
        return tuple(sorted(found, key=lambda hub: (-hub.share, hub.path)))

    def layers(self, kinds: Kinds = None) -> tuple[tuple[str, ...], ...]:
        """Return files by layer, lowest first: each depends on lower layers and its cycle only.

        Test files are left out.
        """
        return levels(self.file_dependencies(kinds, tests=False, imports_only=True))

    # --- tests and stubs -----------------------------------------------------------------------

    @cached_property
    def tests(self) -> tuple[str, ...]:
        """Files that a test runner would find tests in, sorted."""
        return tuple(path for path, module in self.modules.items() if runs_tests(module))

    @cached_property
    def _reaching(self) -> Reaching:
        return Reaching(self.modules, self.links)

    def tests_of(self, what: str) -> tuple[str, ...]:
        """Return the test files that reach a file or a symbol, the most direct first.

        Order: distance; then tests named after the file; then how few other files they reach;
        then path.

        Raises:
            UsageError: there is no such file or symbol.
        """
        return tuple(reach.test for reach in self.reach_of(what))

    def reach_of(self, what: str) -> tuple[Reach, ...]:
        """Return what `tests_of` does, with distances."""
        node = self.known(what)
        found = [
            Reach(test, distance)
            for test in self.tests
            if test != node and (distance := self._reaching.nodes(test).get(node)) is not None
        ]
        named = {reach.test for reach in found if named_after(reach.test, file_of(node))}
        return tuple(
            sorted(
                found,
                key=lambda reach: (
                    reach.distance,
                    reach.test not in named,
                    len(self.reached_by(reach.test)),
                    reach.test,
                ),
            )
        )

    def reached_by(self, test: str) -> dict[str, int]:
        """Return the files (no tests) that a test file reaches, with their distances."""
        return self._reaching.files(test)

    def stubs(self) -> dict[str, tuple[Symbol, ...]]:
        """Return the functions still to be written, by file; files without any are left out.

        Test files are left out. A method that a subclass in this code overrides with a body is
        an interface, not a stub.
        """
        interfaces = self._overridden
        found = {
            path: tuple(one for one in module.stubs if f"{path}::{one.name}" not in interfaces)
            for path, module in self.modules.items()
            if not module.test
        }
        return {path: stubs for path, stubs in found.items() if stubs}

    @cached_property
    def _overridden(self) -> set[str]:
        """Methods that some subclass overrides with a body."""
        bodies = {
            f"{path}::{one.name}"
            for path, module in self.modules.items()
            for one in module.symbols
            if not one.stub
        }
        methods: dict[str, list[str]] = {}
        for node in bodies:
            owner, _, name = node.rpartition(".")
            methods.setdefault(owner, []).append(name)
        return {
            f"{link.target}.{name}"
            for link in self.links
            if link.kind == "inherits"
            for name in methods.get(link.source, ())
        }

    def to_json(self) -> dict[str, Any]:
        """Return the graph as ``graph --json`` prints it."""
        from orchestrator.analysis.codeexport import to_json

        return to_json(self)


def _strongest(
    modules: Mapping[str, Module], links: Iterable[Link]
) -> dict[str, dict[str, Strength]]:
    """Return the strongest dependency of each pair of files."""
    found: dict[str, dict[str, Strength]] = {path: {} for path in modules}
    for link in links:
        source, target = file_of(link.source), file_of(link.target)
        if source != target:
            pairs = found[source]
            old = pairs.get(target)
            pairs[target] = link.strength if old is None else stronger(old, link.strength)
    return found


def build(
    root: Path, *, cache: Path | None = None, language: str = "auto", history: bool = False
) -> CodeGraph:
    """Analyse a directory.

    Args:
        root: the directory; files that git ignores, environments and caches are left out, as in
            a run.
        cache: directory for what was learnt of each file, by content digest; None: no cache.
        language: ``python``, ``typescript``, or ``auto``: every language there are files of.
        history: also read from git which files change together.

    Raises:
        UsageError: `root` is not a directory, or there is no such language.
        WorkspaceError: git governs the directory and fails.
    """
    sources = read_sources(root, languages(language), cache)
    return CodeGraph(root, sources, co_changes(root, sources.modules) if history else ())
