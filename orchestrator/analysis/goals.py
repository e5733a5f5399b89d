"""What is to be done in a directory of code: the goal that a decomposition cuts.

Three ways to say it: functions without a body are found in the tree; somebody names files; or a
test command fails, and its failing test files are traced to the code that they reach.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.analysis.codegraph import CodeGraph
from orchestrator.analysis.codemodel import Symbol
from orchestrator.core.glob import GlobError
from orchestrator.core.scope import Scope
from orchestrator.errors import Problem, UsageError, nearest

_OUTCOME = re.compile(r"^(?:FAILED|ERROR) ([^\s:]+)", re.MULTILINE)
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Goal:
    """What is to be done.

    Attributes:
        files: path to the functions to be written there; none: the file as a whole. By path.
        why: how it was found, for people.
        tests: test files that decide.
    """

    files: Mapping[str, tuple[Symbol, ...]]
    why: str
    tests: tuple[str, ...]


def find_goal(graph: CodeGraph, *, files: Sequence[str] = (), failing: str = "") -> Goal:
    """Return what is to be done.

    Args:
        graph: the code graph of the directory.
        files: paths and globs that somebody named; empty: look for what is missing.
        failing: a pytest command; what its failing tests reach is to be done.

    Raises:
        UsageError: there is nothing to do, an entry of `files` matches nothing, both `files` and
            `failing` are given, or the command fails without naming a test.
    """
    if files and failing:
        raise UsageError(
            "files and a failing command were both given",
            "--files, --failing",
            "each of them says what is to be done",
            "give one of the two",
        )
    if files:
        return _named(graph, files)
    return _from_failures(graph, failing) if failing else _missing(graph)


def _missing(graph: CodeGraph) -> Goal:
    stubs = graph.stubs()
    if not stubs:
        raise UsageError(
            "there is nothing to do",
            str(graph.root),
            "no function lacks its body: there is no NotImplementedError, `...`, `pass` or TODO"
            + (f", and {len(graph.problems)} files could not be analysed" * bool(graph.problems)),
            "name the files to change with --files, or the tests to mend with --failing",
        )
    functions = sum(len(found) for found in stubs.values())
    why = f"{functions} functions without a body in {len(stubs)} files"
    return Goal(dict(sorted(stubs.items())), why, graph.tests)


def _named(graph: CodeGraph, entries: Sequence[str]) -> Goal:
    known = (*graph.modules, *graph.data)
    found: set[str] = set()
    wrong: list[Problem] = []
    for entry in entries:
        try:
            matched = set(filter(Scope((entry,)).matches, known))
        except GlobError as error:
            wrong.append(Problem(error.what, f"--files {entry}", fix=error.fix))
            continue
        if not matched:
            guess = nearest(entry, known)
            wrong.append(
                Problem(
                    "it matches no file",
                    f"--files {entry}",
                    fix=f"did you mean {guess}?" if guess else "give a path from the directory",
                )
            )
        found |= matched
    if wrong:
        raise UsageError("some files are not there", "--files", problems=wrong)
    stubs = graph.stubs()
    return Goal(
        {path: stubs.get(path, ()) for path in sorted(found)},
        f"{len(found)} files named on the command line",
        graph.tests,
    )


def _from_failures(graph: CodeGraph, command: str) -> Goal:
    """Trace failing tests: to unwritten functions if they reach any, else to what they name."""
    failing = failing_tests(graph, command)
    stubs = graph.stubs()
    reached: set[str] = set()
    near: set[str] = set()
    for test in failing:
        distances = graph.reached_by(test)
        reached |= distances.keys()
        near |= {path for path, distance in distances.items() if distance == 1}
    unwritten = {path for path in _through(graph, reached) if path in stubs}
    paths = sorted(unwritten or near)
    if not paths:
        raise UsageError(
            "no code is reached by the tests that fail",
            command,
            f"{_listed(failing)} use nothing of this directory that the code graph can see",
            "name the files to change with --files",
        )
    what = "unwritten files behind" if unwritten else "files used by"
    return Goal(
        {path: stubs.get(path, ()) for path in paths},
        f"{len(paths)} {what} failing tests in {_listed(failing)}",
        failing,
    )


def _through(graph: CodeGraph, reached: Collection[str]) -> set[str]:
    """Return files and all they depend on: an empty body hides what it will call."""
    edges = graph.file_dependencies(("hard", "call", "lazy", "observed"), tests=False)
    found, todo = set(reached), list(reached)
    while todo:
        for path in edges.get(todo.pop(), frozenset()) - found:
            found.add(path)
            todo.append(path)
    return found


def failing_tests(graph: CodeGraph, command: str) -> tuple[str, ...]:
    """Run a pytest command in the directory and return the test files with failures, sorted.

    It runs as typed: no sandbox, no time limit.

    Raises:
        UsageError: the command cannot be run, or names no failing test of this directory.
    """
    try:
        words = shlex.split(command)
        if not words:
            raise ValueError("it is empty")
        options = ["-rfE", "--tb=no", "--color=no", "-p", "no:cacheprovider"]
        done = subprocess.run(
            [*words, *options], cwd=graph.root, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        raise UsageError(
            "the test command cannot be run",
            f"--failing {command!r}",
            str(error),
            'give a pytest command, for example "python -m pytest tests"',
        ) from None
    said = done.stdout.decode("utf-8", "replace")
    found = {_inside(graph.root, path) for path in _OUTCOME.findall(said)} & graph.modules.keys()
    if found:
        return tuple(sorted(found))
    if done.returncode == 0:
        raise UsageError("no test fails", command, fix="there is nothing to do")
    last = said.strip().rpartition("\n")[2]
    raise UsageError(
        "the command named no failing test of this directory",
        command,
        f"it ended with exit code {done.returncode}: {last}",
        "give a pytest command that collects the tests of this directory",
    )


def _inside(root: Path, path: str) -> str:
    """Return a path as the code graph names it; pytest prints it relative to its own root."""
    place = root / path
    return place.relative_to(root).as_posix() if place.is_relative_to(root) else path


def _listed(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join(paths[:_SHOWN]) + more
