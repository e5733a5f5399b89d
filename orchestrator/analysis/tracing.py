"""What really calls what while a command runs, and how much of it the code graph knew.

Static analysis of Python finds between a third and all of the calls between modules, depending on
the code, so the share is measured and printed rather than assumed.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.analysis.codegraph import CodeGraph
from orchestrator.analysis.traced.sitecustomize import OUT, ROOT
from orchestrator.errors import UsageError

_STDERR = 2  # the process's own; in a notebook `sys.stderr` has no descriptor


@dataclass(frozen=True, slots=True)
class Trace:
    """Calls between files, seen while a command ran.

    A call counts when a function of one file was called by code of another directly; a call
    that goes through code from outside (a framework, a callback) does not, nor does importing.

    Attributes:
        command: what was run.
        exit_code: its exit code.
        calls: (caller's path, callee's path) to how often.
    """

    command: str
    exit_code: int
    calls: Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class Recall:
    """How much of what was observed the code graph knew.

    Attributes:
        observed: pairs of files between which calls were seen.
        found: those of them that the graph has a dependency for.
        missing: the others, sorted.
    """

    observed: int
    found: int
    missing: tuple[tuple[str, str], ...]

    @property
    def share(self) -> float:
        """`found` over `observed`; 1 when nothing was observed."""
        return self.found / self.observed if self.observed else 1.0


def trace(root: Path, command: str) -> Trace:
    """Run a command in a directory and record the calls between its files.

    Processes that it starts are recorded too, if they are Python and heed PYTHONPATH. What it
    prints goes to standard error. It runs as typed: no sandbox, no time limit.

    Args:
        root: the directory; the command runs in it.
        command: as in a shell, but without one: no pipes, no variables.

    Raises:
        UsageError: it cannot be started, or no Python that it ran could be recorded.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError("the command to trace cannot be read", command, str(error)) from None
    if not words:
        raise UsageError("there is no command to trace", "--trace", fix='write "python -m pytest"')
    with tempfile.TemporaryDirectory(prefix="orchestrator-trace-") as out:
        code = _run(root, words, out)
        files = sorted(Path(out).glob("*.json"))
        if not files:
            raise UsageError(
                "nothing was recorded",
                command,
                f"it ended with exit code {code}, and no Python that heeds PYTHONPATH ended "
                "in the ordinary way",
                "trace a command that runs Python, without -I, -E or -S",
            )
        calls: dict[tuple[str, str], int] = {}
        for file in files:
            for caller, callee, count in json.loads(file.read_text(encoding="utf-8")):
                calls[caller, callee] = calls.get((caller, callee), 0) + count
    return Trace(command, code, dict(sorted(calls.items())))


def _run(root: Path, words: list[str], out: str) -> int:
    folder = str(Path(__file__).with_name("traced"))
    before = os.environ.get("PYTHONPATH")
    path = folder if not before else folder + os.pathsep + before
    environment = os.environ | {"PYTHONPATH": path, OUT: out, ROOT: str(root.resolve())}
    try:
        done = subprocess.run(
            words, cwd=root, env=environment, stdin=subprocess.DEVNULL,
            stdout=_STDERR, check=False,
        )  # fmt: skip
    except OSError as error:
        raise UsageError(
            f"{words[0]!r} cannot be run",
            shlex.join(words),
            error.strerror or str(error),
            "name a program that is installed, for example `python -m pytest`",
        ) from None
    return done.returncode


def recall(graph: CodeGraph, trace: Trace, *, tests: bool = True) -> Recall:
    """Compare what was observed with what the code graph says.

    Args:
        graph: the code graph, without observed edges.
        trace: what was observed; files that are not in the graph are left out.
        tests: whether calls out of test files count.
    """
    edges = graph.file_dependencies()
    pairs = [
        (caller, callee)
        for caller, callee in trace.calls
        if caller in edges and callee in edges and (tests or not graph.modules[caller].test)
    ]
    missing = tuple(pair for pair in pairs if pair[1] not in edges[pair[0]])
    return Recall(len(pairs), len(pairs) - len(missing), missing)
