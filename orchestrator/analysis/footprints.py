"""Footprints: what each task of a plan may write, may read, and needs by the code.

*May write* is what the machine enforces: `writes` and `shares`, cut by the role. *May read* is
what the tools enforce: `reads`, cut by the role, and what the task may write. *Needs* are files
that exist and that the code graph ties to the task:

- what the files that it may write depend on, by dependencies of every strength;
- the test files that its `tests` or its test command name, with the ``conftest.py`` files that
  pytest loads for them, what these depend on, and what they reach.

A file that does not exist yet depends on nothing that anyone could derive.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from orchestrator.analysis.codegraph import CodeGraph
from orchestrator.core.rules import RoleBounds
from orchestrator.core.scope import Scope
from orchestrator.core.task import Task


@dataclass(frozen=True)
class Footprint:
    """What one task may touch.

    Attributes:
        task: the task.
        bounds: what its role may touch; None: everything.
        tests: test files that exist and that its tests name, sorted.
        needs: files that exist and that it needs by the code, sorted; its own ones left out.
    """

    task: Task
    bounds: RoleBounds | None
    tests: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()

    @cached_property
    def writes(self) -> Scope:
        """Every path that it may write, held or shared."""
        own = Scope(self.task.writes).union(Scope(self.task.shares))
        return own if self.bounds is None else own.intersection(self.bounds.writes)

    @cached_property
    def reads(self) -> Scope:
        """Every path that it may read though it may not write it."""
        own = Scope(self.task.reads)
        return own if self.bounds is None else own.intersection(self.bounds.reads)


def footprints(
    tasks: Iterable[Task], roles: Mapping[str, RoleBounds], graph: CodeGraph | None
) -> list[Footprint]:
    """Return what each task may touch, in the order of the tasks.

    Args:
        tasks: the tasks.
        roles: file bounds by role name; tasks of other roles are not bounded.
        graph: the code of the workspace; None: there is none.
    """
    code = None if graph is None else _Code(graph)
    found = []
    for task in tasks:
        bare = Footprint(task, roles.get(task.role))
        if code is None:
            found.append(bare)
            continue
        tests = code.tests(task)
        own = {path for path in code.paths if bare.writes.matches(path)}
        needs = code.needs(own, tests) - own
        found.append(Footprint(task, bare.bounds, tuple(sorted(tests)), tuple(sorted(needs))))
    return found


class _Code:
    """Questions about a code graph, each answered once."""

    def __init__(self, graph: CodeGraph) -> None:
        self._graph = graph
        self._edges = graph.file_dependencies()
        self.paths = frozenset(graph.modules)

    def tests(self, task: Task) -> set[str]:
        """Return the test files that a task names; a directory stands for all below it."""
        names = {_plain(name) for name in (*task.tests, *_words(task.test))}
        return {path for path in self.paths if names.intersection((path, *_folders(path)))}

    def needs(self, own: set[str], tests: set[str]) -> set[str]:
        """Return what files of a task and its tests need, themselves left in."""
        conftests = {"conftest.py"} if tests else set()
        conftests.update(f"{folder}/conftest.py" for test in tests for folder in _folders(test))
        running = tests | (conftests & self.paths)
        needed = set(running)
        for path in own | running:
            needed |= self._edges.get(path, frozenset())
        for path in running:
            needed.update(self._graph.reached_by(path))
        return needed


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return command.split()


def _plain(name: str) -> str:
    return name.partition("::")[0].removeprefix("./").rstrip("/")


def _folders(path: str) -> Iterator[str]:
    end = path.rfind("/")
    while end >= 0:
        yield path[:end]
        end = path.rfind("/", 0, end)
