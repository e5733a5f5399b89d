"""Which tasks of a plan can collide, decided by brute force and without the linter's code.

Two tasks can collide if neither waits for the other, directly or not, and Bernstein's conditions
(1966) fail: a file that one may write is one that the other may write or reads.

- May write: every path of the workspace, and one invented in each of its directories, that the
  task's `writes` match. Files that both tasks `share` do not count: their edits are validated by
  region. One that only one of them shares does.
- Reads: every file that the code graph ties to a file that the task may write, or to a test file
  that it runs, and these test files. Ties for type annotations alone do not count, neither under
  TYPE_CHECKING nor in code that is already written: they are no flow of data.

Only the code graph's edges are shared with the linter. Globs are matched by `fnmatch` on the few
forms that the plans here use, orders are closed by search, and pairs are all looked at.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import combinations, permutations

from orchestrator.analysis.codegraph import CodeGraph
from orchestrator.core.task import Task
from orchestrator.spec.plan import Plan

Pair = frozenset[str]

_FLOWS = {"calls", "uses", "inherits", "reaches", "data", "observed"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What can go wrong with a plan.

    Attributes:
        circular: tasks wait for one another, so nothing runs.
        collide: pairs that may run at once and break Bernstein's conditions.
        late: pairs of a task and one that it needs, where the second waits for the first
            and needs nothing of it, through whatever tasks.
        reach: pairs that may run at once where the tests of one run code of the other, through
            whatever files; no collision by itself, but no false word either.
    """

    circular: bool
    collide: frozenset[Pair] = frozenset()
    late: frozenset[Pair] = frozenset()
    reach: frozenset[Pair] = frozenset()

    @property
    def harmless(self) -> bool:
        """Whether nothing can go wrong."""
        return not (self.circular or self.collide or self.late)


class Judge:
    """Judges plans for one directory of code."""

    def __init__(self, graph: CodeGraph) -> None:
        files = [*graph.modules, *graph.data]
        folders = {path.rpartition("/")[0] for path in files}
        invented = [f"{folder}/invented.py" if folder else "invented.py" for folder in folders]
        self._universe = [*files, *invented]
        self._reads = _file_reads(graph)
        self._tests = graph.tests

    def judge(self, plan: Plan) -> Verdict:
        """Return what can go wrong."""
        names = [task.id for task in plan.tasks]
        before = {task.id: _before(plan.tasks, task.id) for task in plan.tasks}
        if any(name in before[name] for name in names):
            return Verdict(circular=True)
        writes = {task.id: self._held(task.writes) for task in plan.tasks}
        shares = {task.id: self._held(task.shares) for task in plan.tasks}
        reads = {task.id: self._task_reads(task, writes[task.id]) for task in plan.tasks}
        tests = {task.id: self._closure(self._run_by(task)) for task in plan.tasks}
        free = [
            (one, two)
            for one, two in combinations(names, 2)
            if one not in before[two] and two not in before[one]
        ]
        collide = {
            frozenset((one, two))
            for one, two in free
            if writes[one] & (writes[two] | shares[two] | reads[two])
            or writes[two] & (shares[one] | reads[one])
        }
        reach = {
            frozenset((one, two))
            for one, two in free
            if tests[one] & writes[two] or tests[two] & writes[one]
        }
        needs = {
            one: {two for two in names if two != one and reads[one] & (writes[two] - writes[one])}
            for one in names
        }
        every = {one: _reached(needs, one) for one in names}
        late = {
            frozenset((one, two))
            for one, two in permutations(names, 2)
            if two in needs[one] and one in before[two] and one not in every[two]
        }
        return Verdict(False, frozenset(collide), frozenset(late), frozenset(reach))

    def _held(self, globs: Iterable[str]) -> set[str]:
        globs = tuple(globs)
        return {path for path in {*self._universe, *globs} if any(_matches(g, path) for g in globs)}

    def _run_by(self, task: Task) -> set[str]:
        return {
            test
            for test in self._tests
            if any(test == name or test.startswith(f"{name}/") for name in task.tests)
        }

    def _task_reads(self, task: Task, writes: set[str]) -> set[str]:
        tests = self._run_by(task)
        found = set(tests)
        for path in writes | tests:
            found |= self._reads.get(path, set())
        return found

    def _closure(self, start: set[str]) -> set[str]:
        seen, todo = set(start), list(start)
        while todo:
            for path in self._reads.get(todo.pop(), set()) - seen:
                seen.add(path)
                todo.append(path)
        return seen


def _matches(glob: str, path: str) -> bool:
    if not any(sign in glob for sign in "*?[{!"):
        return path == glob or path.startswith(f"{glob}/")
    if glob == "**":
        return True
    if glob.endswith("/**") and not any(sign in glob[:-3] for sign in "*?[{!"):
        return path.startswith(glob[:-2])
    if "**" in glob or "{" in glob or glob.startswith("!"):
        raise ValueError(f"this judge does not know globs such as {glob}")
    return _segments(glob, path)


def _segments(glob: str, path: str) -> bool:
    globs, names = glob.split("/"), path.split("/")
    return len(globs) == len(names) and all(
        fnmatchcase(name, one) for one, name in zip(globs, names, strict=True)
    )


def _before(tasks: Iterable[Task], start: str) -> set[str]:
    """Return what a task waits for; itself too, if it is in a circle."""
    return _reached({task.id: set(task.depends_on) for task in tasks}, start)


def _reached(edges: Mapping[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    todo = [start]
    while todo:
        for name in edges.get(todo.pop(), set()) - seen:
            seen.add(name)
            todo.append(name)
    return seen


def _file_reads(graph: CodeGraph) -> dict[str, set[str]]:
    """Return which files each file reads, from the edges of the networkx graph."""
    stubs = {node for node, data in graph.graph.nodes(data=True) if data.get("stub")}
    said: dict[tuple[str, str], list[tuple[str, str, int, bool]]] = {}
    for source, target, data in graph.graph.edges(data=True):
        one, two = source.partition("::")[0], target.partition("::")[0]
        if one != two and one in graph.modules and data.get("strength", "typing") != "typing":
            hard = data["strength"] == "hard"
            edge = (data["kind"], source, data.get("line", 0), hard)
            said.setdefault((one, two), []).append(edge)
    lines = {path: _import_lines(graph, path) for path in graph.modules}
    found: dict[str, set[str]] = {}
    for (one, two), edges in said.items():
        flows, annotated = False, False
        for kind, source, line, hard in edges:
            if kind == "annotates":
                annotated = True
                flows = flows or source in stubs or hard  # hard: it is evaluated
            elif kind in _FLOWS:
                # `from x import y` mentions y where it stands: that is no use of it yet.
                flows = flows or not (source == one and line in lines[one])
        if flows or not annotated:
            found.setdefault(one, set()).add(two)
    return found


def _import_lines(graph: CodeGraph, path: str) -> set[int]:
    try:
        tree = ast.parse((graph.root / path).read_bytes())
    except SyntaxError:
        return set()
    return {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
