"""Python, through its own ``ast``.

grimp would be ten times faster, but tells neither when an import is needed nor what is used; both
decide which task must wait for which (DESIGN_DOC.md). It is the oracle of the tests instead.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from orchestrator.analysis.codemodel import Facts, Link, Module
from orchestrator.analysis.languages.base import Start, Tree
from orchestrator.analysis.languages.linking import Linker
from orchestrator.analysis.languages.pylookup import Lookup
from orchestrator.analysis.languages.pyread import is_test, read_python
from orchestrator.analysis.languages.resolving import Resolver

_TARGET = re.compile(r"^\s*([\w.]+)\s*(?::\s*([\w.]+))?")


class Python:
    """Reads and links Python files."""

    name = "python"
    version = "1"

    def owns(self, path: str) -> bool:
        return path.endswith((".py", ".pyi"))

    def read(self, path: str, source: bytes) -> Facts:
        return read_python(path, source)

    def names(self, tree: Tree, facts: Mapping[str, Facts]) -> Mapping[str, str]:
        lookup = Lookup(tree.root, facts)
        return {path: lookup.name(path) for path in facts}

    def is_test(self, path: str) -> bool:
        return is_test(path)

    def link(self, tree: Tree, modules: Mapping[str, Module]) -> Iterable[Link]:
        data = [path for path in tree.files if path not in modules]
        return Linker(modules, _resolver(tree, modules), data).links()

    def starts(self, tree: Tree, modules: Mapping[str, Module]) -> Sequence[Start]:
        if not modules:
            return ()
        resolver = _resolver(tree, modules)
        found = []
        for name, target in _entries(tree):
            parsed = _TARGET.match(target)
            node = ""
            path = resolver.module_of("pyproject.toml", parsed[1]) if parsed else None
            if parsed and path and not path.endswith("/"):
                value = resolver.walk(path, "", parsed[2])[0] if parsed[2] else None
                node = f"{value.path}::{value.name}" if value and value.name else path
            found.append(Start(name, target, node))
        return found


def _resolver(tree: Tree, modules: Mapping[str, Module]) -> Resolver:
    facts = {path: module.facts for path, module in modules.items()}
    return Resolver(modules, Lookup(tree.root, facts))


def _entries(tree: Tree) -> Iterator[tuple[str, str]]:
    """Yield the entry points of pyproject.toml; one that cannot be read has none."""
    if "pyproject.toml" not in tree.files:
        return
    try:
        settings = tomllib.loads((tree.root / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    project = _table(settings, "project")
    groups = {"console_scripts": _table(project, "scripts")}
    groups["gui_scripts"] = _table(project, "gui-scripts")
    groups |= {
        name: _table(project, "entry-points", name) for name in _table(project, "entry-points")
    }
    groups["poetry"] = _table(settings, "tool", "poetry", "scripts")
    for group, entries in groups.items():
        for name, target in entries.items():
            if isinstance(target, str):
                yield f"{group}:{name}", target


def _table(settings: dict[str, Any], *keys: str) -> dict[str, Any]:
    for key in keys:
        inner = settings.get(key)
        settings = inner if isinstance(inner, dict) else {}
    return settings
