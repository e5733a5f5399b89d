"""The ground that all strategies stand on: the files to do, their sizes, what they need.

Files with nothing to do are looked through: a file that needs one of them needs whatever that one
needs in turn. An empty body hides what it will call, so a file to do counts as needing all that
it imports; for code that is written the code graph says it function by function.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

from orchestrator.analysis.codegraph import CodeGraph
from orchestrator.analysis.codemodel import Strength, Symbol, file_of
from orchestrator.analysis.goals import Goal

HARD = (Strength.HARD,)
RUNNING = (Strength.HARD, Strength.CALL, Strength.LAZY, Strength.OBSERVED)
"""Everything but what only a type checker sees."""

ROUTE = 30.0
"""Seconds that any task takes beside its functions: to be understood, tested, handed in."""

_STUB, _STUB_LINE = 20.0, 2.0
_WRITTEN, _STATEMENT = 15.0, 4.0


class Survey:
    """A code graph, seen with a goal in mind.

    Attributes:
        graph: the code graph.
        goal: what is to be done.
        files: source files to do, by path; test files and other files apart.
        others: files to do that are tests or no source code.
    """

    def __init__(self, graph: CodeGraph, goal: Goal) -> None:
        self.graph, self.goal = graph, goal
        self.files = tuple(
            path for path in goal.files if path in graph.modules and not graph.modules[path].test
        )
        self.others = tuple(path for path in goal.files if path not in self.files)
        self._needs: dict[tuple[Strength, ...], dict[str, frozenset[str]]] = {}

    def symbols(self, path: str) -> tuple[Symbol, ...]:
        """Return the functions to be written in a file; if none were named, those it has."""
        named = self.goal.files.get(path, ())
        if named or path not in self.graph.modules:
            return named
        return tuple(one for one in self.graph.modules[path].symbols if one.kind == "function")

    def seconds(self, paths: Iterable[str]) -> float:
        """Return how long files should take one worker.

        A rule of thumb from the length of signatures and docstrings (bodies to be written) or
        from the statements (bodies to be changed): right in proportion, not in seconds.
        """
        return sum(self.work(self.symbols(path)) or ROUTE for path in paths)

    @staticmethod
    def work(symbols: Iterable[Symbol]) -> float:
        """Return how long functions should take one worker, in seconds."""
        return sum(
            _STUB + _STUB_LINE * one.lines if one.stub else _WRITTEN + _STATEMENT * one.statements
            for one in symbols
        )

    # --- dependencies --------------------------------------------------------------------------

    def needs(self, kinds: tuple[Strength, ...] = RUNNING) -> Mapping[str, frozenset[str]]:
        """Return which files to do each file to do depends on, files between looked through.

        Args:
            kinds: strengths that count.
        """
        if kinds not in self._needs:
            edges = self._edges(kinds)
            inner = self._passed_on(edges, kinds)
            todo = set(self.files)
            self._needs[kinds] = {
                path: frozenset((_through(edges[path], inner, stop=todo) & todo) - {path})
                for path in self.files
            }
        return self._needs[kinds]

    def _edges(self, kinds: tuple[Strength, ...] | None) -> dict[str, frozenset[str]]:
        edges = self.graph.file_dependencies(kinds, tests=False)
        if kinds is not None and Strength.LAZY not in kinds:
            return edges
        return {
            path: targets | self._named.get(path, frozenset()) for path, targets in edges.items()
        }

    @cached_property
    def _named(self) -> Mapping[str, frozenset[str]]:
        """Modules that a file names in a string, itself or one of its objects: plugins."""
        places = {one.name: path for path, one in self.graph.modules.items() if not one.test}
        found = {
            path: frozenset(
                places[name]
                for text in module.facts.strings
                for name in (text, text.rpartition(".")[0])
                if "." in text and name in places and places[name] != path
            )
            for path, module in self.graph.modules.items()
        }
        return {path: named for path, named in found.items() if named}

    def _passed_on(
        self, edges: Mapping[str, frozenset[str]], kinds: tuple[Strength, ...] | None
    ) -> Mapping[str, frozenset[str]]:
        """Return what a file with nothing to do hands on to those who need it.

        A package's ``__init__`` gathers names for others: who takes one of them does not need
        the rest, only what runs when the package is imported, and what its own functions use.
        """
        if kinds == HARD:
            return edges
        hard = self.graph.file_dependencies(HARD, tests=False)
        own = self._used_by_functions
        nothing: frozenset[str] = frozenset()
        return {
            path: hard[path] | own.get(path, nothing) | self._named.get(path, nothing)
            if self.graph.modules[path].package
            else targets
            for path, targets in edges.items()
        }

    @cached_property
    def _used_by_functions(self) -> Mapping[str, frozenset[str]]:
        """Files that functions and classes of a package's ``__init__`` use."""
        found: dict[str, set[str]] = {}
        for link in self.graph.links:
            path, _, symbol = link.source.partition("::")
            used = link.kind in {"calls", "uses"} and link.strength is not Strength.TYPING
            if symbol and used and self.graph.modules[path].package:
                found.setdefault(path, set()).add(file_of(link.target))
        return {path: frozenset(used - {path}) for path, used in found.items()}

    @cached_property
    def closure(self) -> Mapping[str, frozenset[str]]:
        """Files that must be done for a file to work when it is called, itself included."""
        needs = self.needs()
        return {path: frozenset({path} | _through({path}, needs)) for path in self.files}

    @cached_property
    def looked_at(self) -> Mapping[str, frozenset[str]]:
        """All source files and data that a file depends on, directly or not, itself left out."""
        edges = self._edges(None)
        inner = self._passed_on(edges, None)
        return {path: frozenset(_through(edges[path], inner) - {path}) for path in self.files}

    # --- tests ---------------------------------------------------------------------------------

    @cached_property
    def tests(self) -> tuple[str, ...]:
        """Test files that decide, and are not to be written themselves."""
        return tuple(test for test in self.goal.tests if test not in self.goal.files)

    @cached_property
    def reach(self) -> Mapping[str, frozenset[str]]:
        """Files to do that must be done before a test can pass."""
        return {
            test: frozenset(
                needed
                for path in self._named_by(test)
                if path in self.closure
                for needed in self.closure[path]
            )
            for test in self.tests
        }

    def _named_by(self, test: str) -> set[str]:
        files = set(self.graph.reached_by(test)) | self._named.get(test, frozenset())
        for helper in self.support(test):
            if helper in self.graph.modules:
                files |= self.graph.reached_by(helper).keys()
        edges = self._edges(RUNNING)
        return _through(files, self._passed_on(edges, RUNNING), stop=self.files)

    def support(self, test: str) -> tuple[str, ...]:
        """Return the files beside the code that a test needs: conftest, helpers, data."""
        modules = self.graph.modules
        above = [test.rpartition("/")[0]]
        while above[-1]:
            above.append(above[-1].rpartition("/")[0])
        fixtures = {(folder + "/" if folder else "") + "conftest.py" for folder in above}
        edges = self.graph.file_dependencies()
        found = {path for path in fixtures if path in modules} - {test}
        todo = [test, *found]
        while todo:
            for path in edges[todo.pop()] - found - {test}:
                if path not in modules or modules[path].test:
                    found.add(path)
                    todo += [path] if path in modules else []
        return tuple(sorted(found))


def _through(
    start: Iterable[str], edges: Mapping[str, frozenset[str]], stop: Iterable[str] = ()
) -> set[str]:
    """Return what is reached from `start`, start included; nothing beyond `stop` is entered."""
    closed = set(stop)
    found = set(start)
    todo = [path for path in found if path not in closed]
    while todo:
        for path in edges.get(todo.pop(), frozenset()):
            if path not in found:
                found.add(path)
                if path not in closed:
                    todo.append(path)
    return found
