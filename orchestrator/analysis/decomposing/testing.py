"""Which task runs which test, and by which command."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Mapping, Sequence

from orchestrator.analysis.codegraph import CodeGraph
from orchestrator.analysis.decomposing.cut import Part
from orchestrator.analysis.decomposing.survey import Survey

_SETTINGS = ("pytest.ini", ".pytest.ini", "tox.ini", "setup.cfg")


def share_out(
    survey: Survey, parts: Sequence[Part], above: Mapping[str, frozenset[str]]
) -> tuple[dict[str, list[str]], list[str]]:
    """Give each test file to the task after which it can pass.

    A test can pass when all files to do that it reaches are done. It goes to the task that does
    the last of them, if that task waits for all the others; else it is left over.

    Args:
        survey: the ground.
        parts: all parts.
        above: part to all that it waits for, directly or not.

    Returns:
        The test files of each part, and those left over.
    """
    owners: dict[str, set[str]] = {}
    for part in parts:
        for path in part.paths:
            owners.setdefault(path, set()).add(part.name)
    found: dict[str, list[str]] = {part.name: [] for part in parts}
    left = []
    for test in survey.tests:
        needed = {name for path in survey.reach[test] for name in owners.get(path, ())}
        last = [name for name in needed if needed - {name} <= above[name]]
        if last:
            found[last[0]].append(test)
        else:
            left.append(test)
    return found, left


def test_command(graph: CodeGraph) -> str:
    """Return the command that runs ``{tests}``, or nothing where the code is not Python.

    Code that is imported from a folder of its own (``src``) is put on the path, unless pytest's
    settings do that.
    """
    code = [one for one in graph.modules.values() if not one.test and one.language == "python"]
    if not code:
        return ""
    folders = set()
    for module in code:
        path = module.path.removesuffix("/__init__.py").removesuffix(".py")
        folder = path.removesuffix(module.name.replace(".", "/")).rstrip("/")
        if folder and folder != path:
            folders.add(folder)
    if "src" not in folders or _path_is_set(graph):
        return "python -m pytest -q {tests}"
    return "python -m pytest -q -o pythonpath=src {tests}"


def _path_is_set(graph: CodeGraph) -> bool:
    for name in _SETTINGS:
        if name in graph.data and "pythonpath" in _text(graph, name):
            return True
    if "pyproject.toml" not in graph.data:
        return False
    try:
        settings = tomllib.loads(_text(graph, "pyproject.toml"))
    except tomllib.TOMLDecodeError:
        return False
    return "pythonpath" in settings.get("tool", {}).get("pytest", {}).get("ini_options", {})


def _text(graph: CodeGraph, name: str) -> str:
    try:
        return (graph.root / name).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def look_over(paths: Sequence[str]) -> str:
    """Return the command for a task that no test can judge: its files must at least compile."""
    files = [path for path in paths if path.endswith(".py")]
    quoted = " ".join(map(shlex.quote, files))
    return f"python -m compileall -q {quoted}" if files else ""
