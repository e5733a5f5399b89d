"""Which command tests a project: read from its settings, never run."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.analysis.codegraph import CodeGraph
from orchestrator.analysis.decomposing.testing import test_command

NAMES = "{tests}"
"""Stands in a command for the test files of a task."""

_PYTEST = re.compile(r"^\s*(?:import|from)\s+pytest\b|^(?:async\s+)?def\s+test", re.MULTILINE)
_UNITTEST = re.compile(r"^\s*(?:import|from)\s+unittest\b", re.MULTILINE)
_MAKE_TEST = re.compile(r"^test\s*:(?!=)", re.MULTILINE)
_NO_NPM_TEST = "no test specified"  # what `npm init` writes for a project without tests
_PYTEST_FILES = ("pytest.ini", ".pytest.ini", "conftest.py", "tests/conftest.py")
_PYTEST_SECTIONS = (("setup.cfg", "[tool:pytest]"), ("tox.ini", "[pytest]"), ("tox.ini", "pytest"))


@dataclass(frozen=True, slots=True)
class ProjectTests:
    """How a project is tested.

    Attributes:
        text: the command, with ``{tests}`` if it can be told which files to run; empty: none.
        why: how it was found, in words that follow "because".
    """

    text: str
    why: str

    @property
    def by_file(self) -> bool:
        """Whether it can be told which test files to run."""
        return NAMES in self.text


def find_command(graph: CodeGraph, root: Path, asked: str = "") -> ProjectTests:
    """Return the command that tests the project.

    Args:
        graph: its code.
        root: its directory.
        asked: the command that the user gave; empty: none.
    """
    if asked:
        return ProjectTests(asked, "you said so with --test")
    for look in (_pytest, _unittest, _npm, _make, _cargo, _go):
        found = look(graph, root)
        if found is not None:
            return found
    return ProjectTests("", "no test command was found")


def _pytest(graph: CodeGraph, root: Path) -> ProjectTests | None:
    tests = _python_tests(graph)
    settings = _pytest_settings(root)
    named = next((path for path in tests if _PYTEST.search(_text(root / path))), "")
    if not tests or not (settings or named):
        return None
    why = f"{settings} sets pytest up" if settings else f"{named} is written for pytest"
    return ProjectTests(test_command(graph) or f"python -m pytest -q {NAMES}", why)


def _pytest_settings(root: Path) -> str:
    for name in _PYTEST_FILES:
        if (root / name).is_file():
            return name
    try:
        tool = tomllib.loads(_text(root / "pyproject.toml")).get("tool", {})
    except tomllib.TOMLDecodeError:
        tool = {}
    if isinstance(tool, dict) and "pytest" in tool:
        return "pyproject.toml"
    return next((name for name, words in _PYTEST_SECTIONS if words in _text(root / name)), "")


def _unittest(graph: CodeGraph, root: Path) -> ProjectTests | None:
    named = next((p for p in _python_tests(graph) if _UNITTEST.search(_text(root / p))), "")
    if not named:
        return None
    needs_path = "pythonpath=src" in test_command(graph)
    command = f"python -m unittest {NAMES}"
    text = f"PYTHONPATH=src {command}" if needs_path else command
    return ProjectTests(text, f"{named} is written for unittest")


def _npm(graph: CodeGraph, root: Path) -> ProjectTests | None:
    try:
        settings: Any = json.loads(_text(root / "package.json") or "{}")
    except ValueError:
        return None
    scripts = settings.get("scripts") if isinstance(settings, dict) else None
    script = scripts.get("test") if isinstance(scripts, dict) else None
    if not isinstance(script, str) or _NO_NPM_TEST in script:
        return None
    return ProjectTests("npm test --silent", "package.json has a script `test`")


def _make(graph: CodeGraph, root: Path) -> ProjectTests | None:
    for name in ("Makefile", "makefile", "GNUmakefile"):
        if _MAKE_TEST.search(_text(root / name)):
            return ProjectTests("make test", f"{name} has a target `test`")
    return None


def _when(name: str, command: str) -> Callable[[CodeGraph, Path], ProjectTests | None]:
    def look(graph: CodeGraph, root: Path) -> ProjectTests | None:
        return ProjectTests(command, f"there is a {name}") if (root / name).is_file() else None

    return look


_cargo = _when("Cargo.toml", "cargo test --offline")
_go = _when("go.mod", "go test ./...")


def _python_tests(graph: CodeGraph) -> list[str]:
    return [path for path in graph.tests if graph.modules[path].language == "python"]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def compiles(paths: Iterable[str]) -> str:
    """Return the command for a task that no test judges: its Python files must at least compile.

    Many files are named by the folder that holds them.
    """
    files = sorted(path for path in paths if path.endswith(".py"))
    if not files:
        return ""
    if len(files) > _NAMED:
        folders = [path.split("/")[:-1] for path in files]
        common = []
        for words in zip(*folders, strict=False):
            if len(set(words)) > 1:
                break
            common.append(words[0])
        files = ["/".join(common) or "."]
    return f"python -m compileall -q {' '.join(map(shlex.quote, files))}"


_NAMED = 12
"""Files that a command names one by one."""
