"""TypeScript and JavaScript, through tree-sitter.

Names are resolved as for Python (``resolving.py``); only where modules are differs. Path aliases of
tsconfig.json are not followed: what they import counts as foreign.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from orchestrator.analysis.codemodel import Facts, Link, Module
from orchestrator.analysis.languages.base import Start, Tree
from orchestrator.analysis.languages.linking import Linker
from orchestrator.analysis.languages.resolving import Resolver
from orchestrator.analysis.languages.tsread import LANGUAGE, read_typescript

_SUFFIXES = (".ts", ".tsx", ".mts", ".cts", ".d.ts", ".js", ".jsx", ".mjs", ".cjs")
_WRITTEN = {".js": (".ts", ".tsx"), ".jsx": (".tsx",), ".mjs": (".mts",), ".cjs": (".cts",)}


class Folders:
    """Finds the file of an import, as node and the TypeScript compiler do."""

    def __init__(self, files: Iterable[str]) -> None:
        self._files = frozenset(files)

    def module(self, path: str, name: str) -> str | None:
        """Return the file that a relative import names; packages are foreign."""
        if not name.startswith("."):
            return None
        place = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
        if place.startswith(".."):
            return None
        return next((one for one in _candidates(place) if one in self._files), None)

    def inside(self, package: str, name: str) -> str | None:
        """Return nothing: no module is an attribute of another."""
        return None

    def holds_modules(self, path: str) -> bool:
        """Return that none does."""
        return False

    def fixtures(self, path: str) -> Sequence[str]:
        """Return nothing: test runners of this language fill in no parameters."""
        return ()


def _candidates(place: str) -> Iterator[str]:
    """Yield where an import may lead, in the order of search."""
    yield place
    stem, suffix = posixpath.splitext(place)
    yield from (stem + other for other in _WRITTEN.get(suffix, ()))
    yield from (place + other for other in _SUFFIXES)
    yield from (posixpath.join(place, "index" + other) for other in _SUFFIXES)


class TypeScript:
    """Reads and links TypeScript and JavaScript files."""

    name = LANGUAGE
    version = "1"

    def owns(self, path: str) -> bool:
        return path.endswith(_SUFFIXES) and not path.endswith(".min.js")

    def read(self, path: str, source: bytes) -> Facts:
        return read_typescript(path, source)

    def names(self, tree: Tree, facts: Mapping[str, Facts]) -> Mapping[str, str]:
        return {path: posixpath.splitext(path)[0] for path in facts}

    def is_test(self, path: str) -> bool:
        *folders, base = path.split("/")
        return (
            ".test." in base
            or ".spec." in base
            or any(folder in {"__tests__", "tests", "test"} for folder in folders)
        )

    def link(self, tree: Tree, modules: Mapping[str, Module]) -> Iterable[Link]:
        return Linker(modules, Resolver(modules, Folders(modules)), ()).links()

    def starts(self, tree: Tree, modules: Mapping[str, Module]) -> Sequence[Start]:
        found = []
        folders = Folders(modules)
        for name, target in _entries(tree):
            path = folders.module("package.json", "./" + target.removeprefix("./"))
            found.append(Start(name, target, path or ""))
        return found


def _entries(tree: Tree) -> Iterator[tuple[str, str]]:
    """Yield the entry points of package.json; one that cannot be read has none."""
    if "package.json" not in tree.files:
        return
    try:
        settings: Any = json.loads((tree.root / "package.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    if not isinstance(settings, dict):
        return
    binaries = settings.get("bin")
    if isinstance(binaries, str):
        binaries = {str(settings.get("name", "bin")): binaries}
    for name, target in (binaries if isinstance(binaries, dict) else {}).items():
        if isinstance(target, str):
            yield f"bin:{name}", target
    for key in ("main", "module"):
        if isinstance(settings.get(key), str):
            yield key, settings[key]
