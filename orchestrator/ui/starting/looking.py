"""Looking at a directory of code: which files a first plan is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from orchestrator.analysis.codegraph import CodeGraph, build
from orchestrator.core.scope import Scope
from orchestrator.errors import UsageError
from orchestrator.spec.plandata import DEFAULT_ROLE
from orchestrator.spec.roles import load_roles
from orchestrator.ui.graphing import default_cache
from orchestrator.ui.starting.commands import find_command
from orchestrator.ui.starting.cutting import sketch_code
from orchestrator.ui.starting.folders import sketch_folders
from orchestrator.ui.starting.sketch import Sketch
from orchestrator.ui.words import count, listed

_ASIDE = frozenset(
    (
        "bench", "benchmark", "benchmarks", "ci", "demo", "demos", "doc", "docs", "documentation",
        "example", "examples", "sample", "samples", "script", "scripts", "tool", "tools", "vendor",
    )
)  # fmt: skip
"""Folders at the top that seldom hold code of the project itself."""

_FOREIGN = frozenset({"_vendor", "_vendored", "third_party"})
_SETTINGS = frozenset({"setup.py", "noxfile.py", "dodo.py", "fabfile.py", "conftest.py"})


def look(root: Path, strategy: str = "", test: str = "") -> tuple[Sketch, CodeGraph]:
    """Return a first plan for a directory, and its code graph.

    Args:
        root: the directory; it holds files.
        strategy: of `decompose`; empty: the default.
        test: the test command; empty: look for one.

    Raises:
        UsageError: there is nothing that a task could be made from.
    """
    graph = build(root, cache=default_cache(root))
    command = find_command(graph, root, test)
    may_write = Scope(load_roles(None)[DEFAULT_ROLE].writes)
    usable, odd = _sorted_out(root, [*graph.modules, *graph.data])
    code = [
        path
        for path in graph.modules
        if path in usable and not graph.modules[path].test and may_write.matches(path)
    ]
    chosen = _own(code)
    if chosen:
        made = sketch_code(graph, chosen, command, strategy)
    else:
        other = sketch_folders(root, sorted(usable), command, may_write)
        if other is None:
            raise _nothing(root)
        made = other
    notes = [*made.notes, *odd, *_said(graph, code, chosen)]
    return replace(made, notes=tuple(notes)), graph


def _sorted_out(root: Path, paths: Iterable[str]) -> tuple[set[str], list[str]]:
    """Return the paths that a plan can name and a model can change, and what is left out."""
    named = {path for path in paths if path.isprintable()}
    readable = {path for path in named if not path.endswith(".py") or _is_text(root / path)}
    said = []
    if len(named) < len(set(paths)):
        odd = count(len(set(paths) - named), "file")
        said.append(f"no task has {odd} with unusual spaces or signs in the name")
    if len(readable) < len(named):
        said.append(f"no task has {listed(sorted(named - readable), 3)}: not written in UTF-8")
    return readable, said


def _is_text(path: Path) -> bool:
    try:
        path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return True


def _own(code: Sequence[str]) -> list[str]:
    """Return the files of the project itself; all, if nothing else would be left."""
    own = [path for path in code if not _is_aside(path)]
    return own or list(code)


def _is_aside(path: str) -> bool:
    first, _, _ = path.partition("/")
    words = path.split("/")
    return (
        path in _SETTINGS
        or (len(words) > 1 and (first in _ASIDE or first.startswith(".")))
        or bool(_FOREIGN.intersection(words[:-1]))
    )


def _said(graph: CodeGraph, code: Sequence[str], chosen: Sequence[str]) -> list[str]:
    said = []
    aside = sorted({path.partition("/")[0] for path in set(code) - set(chosen)})
    if chosen and aside:
        said.append(f"no task has {listed(aside, 5)}: add them to `writes` where they matter")
    stubs = {path: found for path, found in graph.stubs().items() if path in set(chosen)}
    unwritten = sum(len(found) for found in stubs.values())
    if unwritten:
        said.append(
            f"{count(unwritten, 'function')} in {count(len(stubs), 'file')} seem to have no body "
            "yet; if writing them is the goal, `orchestrator decompose . --strategy modules "
            "-o PLAN` makes a plan for that alone"
        )
    trouble = [problem for problem in graph.problems if problem.code != "no-code"]
    if trouble:
        said.append(f"{count(len(trouble), 'file')} could not be analysed; first: {trouble[0]}")
    return said


def _nothing(root: Path) -> UsageError:
    return UsageError(
        "there is nothing here that a task could be made from",
        str(root),
        "it holds no text files that git does not ignore",
        "name the directory of your code; or an empty or new one, for an example project",
    )
