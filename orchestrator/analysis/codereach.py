"""Which code the tests reach: from what a test file names, through calls and uses."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from orchestrator.analysis.codemodel import Link, Module, Strength, file_of

_FOLLOWED = frozenset({"calls", "uses", "inherits", "reaches", "observed"})


@dataclass(frozen=True, slots=True)
class Reach:
    """How a test reaches a file or a symbol.

    Attributes:
        test: path of the test file.
        distance: 1: it names it itself; 2: through one other file; and so on.
    """

    test: str
    distance: int


class Reaching:
    """Walks from test files along links; every walk is kept.

    A function is followed into what it calls and uses; a class into all its methods, since an
    instance may be asked for any; a file into what importing it needs.
    """

    def __init__(self, modules: Mapping[str, Module], links: Iterable[Link]) -> None:
        self._modules = modules
        self._out: dict[str, list[str]] = {}
        self._all: dict[str, list[str]] = {}  # of a whole file, for the tests themselves
        for link in links:
            if link.kind in _FOLLOWED and link.strength is not Strength.TYPING:
                self._all.setdefault(file_of(link.source), []).append(link.target)
                if "::" in link.source or link.strength in {Strength.HARD, Strength.OBSERVED}:
                    self._out.setdefault(link.source, []).append(link.target)
        self._inner: dict[str, list[str]] = {}
        for path, module in modules.items():
            for symbol in module.symbols:
                outer = symbol.name.rpartition(".")[0]
                if outer:
                    self._inner.setdefault(f"{path}::{outer}", []).append(f"{path}::{symbol.name}")
        self._kept: dict[str, dict[str, int]] = {}

    def nodes(self, test: str) -> dict[str, int]:
        """Return the files and symbols that a test file reaches, with their distances."""
        if test not in self._kept:
            self._kept[test] = self._walk(test)
        return self._kept[test]

    def files(self, test: str) -> dict[str, int]:
        """Return the files (no tests) that a test file reaches, with their distances."""
        return {
            node: distance
            for node, distance in sorted(self.nodes(test).items())
            if node in self._modules and not self._modules[node].test
        }

    def _walk(self, test: str) -> dict[str, int]:
        found: dict[str, int] = {test: 0}
        todo = deque((target, 1) for target in self._all.get(test, ()) if file_of(target) != test)
        while todo:  # breadth first; links within a file cost nothing, so they go to the front
            node, distance = todo.popleft()
            if found.get(node, distance + 1) <= distance:
                continue
            found[node] = distance
            path = file_of(node)
            if path != node:
                todo.appendleft((path, distance))
            todo.extendleft((inner, distance) for inner in self._inner.get(node, ()))
            for target in self._out.get(node, ()):
                if file_of(target) == path:
                    todo.appendleft((target, distance))
                else:
                    todo.append((target, distance + 1))
        return found


def runs_tests(module: Module) -> bool:
    """Whether a test runner would find tests in a file."""
    if not module.test:
        return False
    base = module.path.rpartition("/")[2]
    if ".test." in base or ".spec." in base:
        return True
    names = (symbol.name for symbol in module.symbols if "." not in symbol.name)
    return any(name.startswith(("test", "Test")) or name.endswith("Test") for name in names)


def named_after(test: str, path: str) -> bool:
    """Whether a test file bears the name of a file, as ``test_lexer.py`` does of ``lexer.py``."""
    stem = path.rpartition("/")[2].partition(".")[0]
    if stem in {"__init__", "index"}:
        stem = path.rpartition("/")[0].rpartition("/")[2]
    words = test.rpartition("/")[2].partition(".")[0]
    return bool(stem) and words.removeprefix("test_").removesuffix("_test") == stem.strip("_")
