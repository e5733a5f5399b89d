"""What flowed between the tasks of a run: who read, wrote or tested what another had written.

Two sources: the log (what an accepted attempt looked at, and what its writes were made from), and
the code graph of the result (what a task's tests reach, what its own code uses). What a test opens
by itself is in neither.

Static reach is generous: code that only mentions a type reaches its file. So a flow is *direct*,
and may accuse a plan of lacking an edge, only if the log shows it or if the tests reach a function
that the other task has changed. The rest is enough to say that an edge which is there has its use.

Files that two tasks both list under `shares` are left out between them: they edit them at the same
time, each its own part, and neither waits for the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from orchestrator.analysis.codegraph import CodeGraph
from orchestrator.analysis.codemodel import Strength
from orchestrator.analysis.footprints import Footprint
from orchestrator.core.claims import Bounds
from orchestrator.core.task import Task
from orchestrator.lab.transactions import Transaction, Transactions

How = Literal["read", "wrote", "tests", "code", "tests reach"]
"""The way something flowed: it looked at a file; it wrote one anew; its tests reach a function that
was changed; its code uses a file; its tests reach a file."""

_DIRECT = frozenset({"read", "wrote", "tests"})

_NEEDED = tuple(strength for strength in Strength if strength is not Strength.TYPING)


@dataclass(frozen=True, slots=True)
class Flow:
    """Something that one task made and another used.

    Attributes:
        source: the task that wrote the files.
        target: the task that used them.
        files: the files, sorted.
    """

    source: str
    target: str
    how: How
    files: tuple[str, ...]

    @property
    def direct(self) -> bool:
        """Whether the one cannot well have been done without the other."""
        return self.how in _DIRECT


class DataFlow:
    """What flowed in one run.

    Args:
        tasks: the plan's tasks.
        bounds: effective scopes by task.
        footprints: tests and needs by task.
        history: what each attempt read and wrote.
        graph: the code of the result; None: only the log counts.
        before: returns the text that a file had when the run began; None: there was none.

    Attributes:
        accepted: task to the attempt that was accepted.
        written: task to the files that it wrote.
        seen: task to the files that it looked at or wrote anew, by the log.
        reached: task to the files that its tests reach, by the code graph, with their distances.
    """

    def __init__(
        self,
        tasks: Iterable[Task],
        bounds: Mapping[str, Bounds],
        footprints: Mapping[str, Footprint],
        history: Transactions,
        graph: CodeGraph | None = None,
        before: Callable[[str], str | None] = lambda path: None,
    ) -> None:
        self._text_before = before
        self._order = {task.id: number for number, task in enumerate(tasks)}
        self._bounds, self._history, self._graph = bounds, history, graph
        self.accepted: dict[str, Transaction] = {one.key[0]: one for one in history.accepted()}
        self.written = {
            task: tuple(sorted({write.path for write in one.writes}))
            for task, one in self.accepted.items()
        }
        self.seen = {task: _seen(one) for task, one in self.accepted.items()}
        self._tests = {task: footprint.tests for task, footprint in footprints.items()}
        self.reached = {task: self._reached(task) for task in self.accepted}
        self._exercised = self._changed_and_reached()

    def shared(self, one: str, other: str, path: str) -> bool:
        """Whether two tasks edit a file together."""
        scopes = (self._bounds[one].shares, self._bounds[other].shares)
        return all(scope.matches(path) for scope in scopes)

    def flows(self) -> list[Flow]:
        """Return what flowed, by target and source in plan order."""
        found: dict[tuple[str, str, How], set[str]] = {}
        for target, one in self.accepted.items():
            for source, how, path in (*self._logged(one), *self._derived(target)):
                if source != target and not self.shared(source, target, path):
                    found.setdefault((source, target, how), set()).add(path)
        place = self._order
        ordered = sorted(found, key=lambda key: (place[key[1]], place[key[0]], key[2]))
        return [Flow(*key, tuple(sorted(found[key]))) for key in ordered]

    def _logged(self, one: Transaction) -> Iterator[tuple[str, How, str]]:
        for read in one.looks():
            if source := self._author(read.path, read.number):
                yield source, "read", read.path
        for base in one.bases():
            if source := self._author(base.path, base.number):
                yield source, "wrote", base.path

    def _author(self, path: str, number: int) -> str:
        author = self._history.author(path, number)
        return author[0] if author and author[0] in self.accepted else ""

    def _derived(self, target: str) -> Iterator[tuple[str, How, str]]:
        uses = self._uses(target)
        for source, paths in self.written.items():
            for path in paths:
                if not self._there(source, target, path):
                    continue  # it was done without that work
                if path in self.reached[target]:
                    how: How = "tests" if self.exercised(target, path) else "tests reach"
                    yield source, how, path
                if path in uses:
                    yield source, "code", path

    def _there(self, source: str, target: str, path: str) -> bool:
        """Whether a file was written, finished or not, before the other's work was accepted."""
        closed = self.accepted[target].closed or 0
        return any(one.path == path and one.seq < closed for one in self.accepted[source].writes)

    def _uses(self, task: str) -> frozenset[str]:
        """Return the files that the files a task holds for itself depend on directly."""
        if self._graph is None:
            return frozenset()
        own = [path for path in self.written[task] if self._bounds[task].writes.matches(path)]
        edges = self._graph.file_dependencies(_NEEDED, tests=False)
        return frozenset().union(*(edges.get(path, frozenset()) for path in own)) - set(own)

    def exercised(self, task: str, path: str) -> bool:
        """Whether the tests of a task reach a function of a file that the run has changed."""
        return not self._exercised.get(path, frozenset()).isdisjoint(self._tests.get(task, ()))

    def _changed_and_reached(self) -> dict[str, frozenset[str]]:
        """Return, for each file that was written, the tests that reach a changed function of it."""
        graph = self._graph
        if graph is None:
            return {}
        paths = {path for written in self.written.values() for path in written}
        return {
            path: frozenset(
                test
                for node in changed_functions(graph, path, self._text_before(path))
                for test in graph.tests_of(node)
            )
            for path in sorted(paths & graph.modules.keys())
        }

    def _reached(self, task: str) -> dict[str, int]:
        found: dict[str, int] = {}
        for test in self._tests[task] if self._graph is not None else ():
            for path, distance in self._graph.reached_by(test).items() if self._graph else ():
                found[path] = min(distance, found.get(path, distance))
        return found


def changed_functions(graph: CodeGraph, path: str, before: str | None) -> tuple[str, ...]:
    """Return the functions and methods of a file whose text was not in it before.

    Args:
        path: a source file of the graph.
        before: its text when the run began; None: it was not there, so all are new.
    """
    functions = [one for one in graph.modules[path].symbols if one.kind == "function"]
    if before is None:
        return tuple(f"{path}::{one.name}" for one in functions)
    try:
        lines = (graph.root / path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return ()
    old = "\n".join(before.splitlines())
    return tuple(
        f"{path}::{one.name}"
        for one in functions
        if "\n".join(lines[one.first - 1 : one.last]) not in old
    )


def _seen(one: Transaction) -> tuple[str, ...]:
    looked = {read.path for read in one.looks()}
    return tuple(sorted(looked | {base.path for base in one.bases() if base.number}))
