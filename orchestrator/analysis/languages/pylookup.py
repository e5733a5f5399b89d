"""Where a dotted module name leads to in a directory, without importing anything.

A file inside packages is named from the folder above the outermost package. That folder is a
*source root*; so are the directory itself and ``src``. A folder without ``__init__`` is a namespace
package if somebody imports through it, else only a folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path, PurePosixPath

from orchestrator.analysis.codemodel import Facts

_SUFFIXES = (".py", ".pyi")
_USUAL = ("src", "lib", "python")


class Lookup:
    """Finds the file of a module.

    Args:
        root: the directory; if it is itself a package, its own name comes first.
        facts: path to what each Python file says.
    """

    def __init__(self, root: Path, facts: Mapping[str, Facts]) -> None:
        self._files = frozenset(facts)
        self._folders = _folders(self._files)
        self.find = lru_cache(maxsize=None)(self._find)
        self.is_package = lru_cache(maxsize=None)(self._is_package)
        self._prefix = _prefix(root, self._files)
        imported = _first_two(facts.values())
        tops = {_top(path, self._files) for path in facts}
        self._roots = self._order({_parent(top) for top in tops if top is not None}, imported)

    def _order(self, parents: set[str], imported: frozenset[str]) -> tuple[str, ...]:
        """Return the source roots in the order of search."""
        roots = {self._above(parent, imported) for parent in parents}
        usual = [name for name in _USUAL if name in self._folders and not self.is_package(name)]
        return tuple(dict.fromkeys([*usual, "", *sorted(roots, key=lambda r: (r.count("/"), r))]))

    def _above(self, folder: str, imported: frozenset[str]) -> str:
        """Return the folder above the namespace packages that `folder` is part of."""
        inside = {one.rpartition("/")[2] for one in self._folders if _parent(one) == folder}
        while folder and any(f"{_base(folder)}.{name}" in imported for name in inside):
            inside = {_base(folder)}
            folder = _parent(folder)
        return folder

    def _is_package(self, folder: str) -> bool:
        """Whether a folder has an ``__init__``."""
        return any(_join(folder, "__init__" + suffix) in self._files for suffix in _SUFFIXES)

    def name(self, path: str) -> str:
        """Return the dotted name of a file."""
        holders = [one for one in self._roots if one == "" or path.startswith(one + "/")]
        top = _top(path, self._files)
        if top is not None:  # never named through a folder inside its own package
            holders = [one for one in holders if one == _parent(top) or not one] or [""]
            holders = [one for one in holders if one == _parent(top)] or self._namespace(path)
        root = max(holders, key=len)
        inner = PurePosixPath(path[len(root) :].lstrip("/")).with_suffix("")
        parts = [part for part in inner.parts if part != "__init__"]
        return ".".join([*([self._prefix] if self._prefix and not root else []), *parts])

    def _namespace(self, path: str) -> list[str]:
        return [one for one in self._roots if one == "" or path.startswith(one + "/")]

    def _find(self, dotted: str, folder: str | None = None) -> str | None:
        """Return the file of a module; a folder without ``__init__`` comes back as ``folder/``.

        Args:
            dotted: the absolute name.
            folder: folder of the file that asks, if that file is in no package: a script's own
                folder is searched first.
        """
        inner = dotted.replace(".", "/")
        spaces = []
        roots = [root for root in self._roots if root or not self._prefix]
        for root in (*(() if folder is None else (folder,)), *roots):
            if found := self._at(_join(root, inner)):
                return found
            if _join(root, inner) in self._folders:
                spaces.append(_join(root, inner) + "/")
        if self._prefix and f"{dotted}.".startswith(f"{self._prefix}."):
            rest = dotted[len(self._prefix) + 1 :].replace(".", "/")
            return self._at(rest) or (rest + "/" if rest in self._folders else None)
        return spaces[0] if spaces else None

    def _at(self, place: str) -> str | None:
        names = [_join(place, "__init__" + suffix) for suffix in _SUFFIXES]
        names += [place + suffix for suffix in _SUFFIXES] if place else []
        return next((name for name in names if name in self._files), None)

    def inside(self, package: str, name: str) -> str | None:
        """Return the submodule of a package, or None.

        Args:
            package: path of its ``__init__``, or ``folder/`` of a namespace.
        """
        place = _join(_parent(package), name)
        return self._at(place) or (place + "/" if place in self._folders else None)

    def module(self, path: str, name: str) -> str | None:
        """Return the file (or ``folder/``) that a file imports under a name as written."""
        if name.startswith("."):
            return self.relative(path, name)
        return self.find(name, None if self.in_package(path) else _parent(path))

    def holds_modules(self, path: str) -> bool:
        """Whether a path is that of a package's ``__init__``, or of a namespace (``folder/``)."""
        return _base(path) in {"__init__.py", "__init__.pyi", ""}

    def fixtures(self, path: str) -> list[str]:
        """Return a file itself and the conftest of every folder above it."""
        folder = _parent(path)
        found = [path, _join(folder, "conftest.py")]
        while folder:
            folder = _parent(folder)
            found.append(_join(folder, "conftest.py"))
        return found

    def relative(self, path: str, module: str) -> str | None:
        """Return the file that a relative import names."""
        dots = len(module) - len(module.lstrip("."))
        folder = _parent(path)
        for _ in range(dots - 1):
            if not folder:
                return None
            folder = _parent(folder)
        rest = module[dots:].replace(".", "/")
        place = _join(folder, rest) if rest else folder
        return self._at(place) or (place + "/" if place in self._folders or not place else None)

    def in_package(self, path: str) -> bool:
        """Whether a file stands in a package."""
        return bool(self._prefix) or self.is_package(_parent(path))


def _top(path: str, files: frozenset[str]) -> str | None:
    """Return the folder of the outermost package around a file, or None."""
    top = None
    folder = _parent(path)
    while any(_join(folder, "__init__" + suffix) in files for suffix in _SUFFIXES):
        top = folder
        if not folder:
            break
        folder = _parent(folder)
    return top or None


def _prefix(root: Path, files: frozenset[str]) -> str:
    """Return the dotted name of the directory itself when it is a package."""
    if "__init__.py" not in files:
        return ""
    parts: list[str] = []
    folder = root.absolute()
    while (folder / "__init__.py").is_file() and folder.name:
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(parts)


def _first_two(facts: Iterable[Facts]) -> frozenset[str]:
    """Return the first two parts of every absolute import."""
    names = (
        f"{one.module}.{one.name}"
        for fact in facts
        for one in fact.imports
        if one.module[:1] != "."
    )
    return frozenset(".".join(name.split(".")[:2]) for name in names)


def _folders(files: Iterable[str]) -> frozenset[str]:
    found: set[str] = set()
    for path in files:
        folder = _parent(path)
        while folder and folder not in found:
            found.add(folder)
            folder = _parent(folder)
    return frozenset(found)


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder and name else folder or name
