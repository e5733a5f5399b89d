"""The source files of a directory: which there are, what they say, kept by content.

The cache is one JSON file, written by rename. It holds what was learnt of each file under the
digest of its bytes, and all links under the digest of all files together, so a second look at an
unchanged directory reads and hashes the files, and parses none.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from orchestrator.analysis.codemodel import Facts, Link, Mistake, Module
from orchestrator.analysis.languages.base import Language, Start, Tree
from orchestrator.analysis.versioned import list_tree
from orchestrator.errors import Problem, UsageError

CACHE = "codegraph.json"
LARGEST = 2_000_000
"""Bytes of the largest source file that is analysed; larger ones are generated."""

_FORMAT = "1"


@dataclass(frozen=True, slots=True)
class Known:
    """What an earlier look learnt.

    Attributes:
        format: of this record and of the languages.
        facts: path to the digest of its bytes and what it says.
        whole: digest of all files together.
        links: what they depend on.
        starts: the entry points.
    """

    format: str = ""
    facts: dict[str, tuple[str, Facts]] = field(default_factory=dict)
    whole: str = ""
    links: tuple[Link, ...] = ()
    starts: tuple[Start, ...] = ()


@dataclass(frozen=True, slots=True)
class Sources:
    """A directory as it was read.

    Attributes:
        tree: all its files.
        modules: path to source file, sorted.
        links: what they depend on.
        starts: entry points.
        problems: what could not be read.
    """

    tree: Tree
    modules: Mapping[str, Module]
    links: Sequence[Link]
    starts: Sequence[Start]
    problems: tuple[Problem, ...]


def read_sources(root: Path, languages: Sequence[Language], cache: Path | None) -> Sources:
    """Read a directory.

    Raises:
        UsageError: it is no directory.
        WorkspaceError: git governs it and fails.
    """
    if not root.is_dir():
        there = root.exists() or root.is_symlink()
        raise UsageError(
            f"{root} is not a directory" if there else f"there is no directory {root}",
            str(root),
            "the code graph is made of the files in a directory",
            "name the directory that the code is in",
        )
    tree = Tree(root, list_tree(root).files)
    form = ";".join([_FORMAT, *(f"{one.name}={one.version}" for one in languages)])
    known = _load(cache, form)
    reading = _Reading(root, languages, known)
    for path in tree.files:
        reading.file(path)
    links, starts = reading.linked(tree)
    if cache is not None and reading.whole(tree) != known.whole:
        _save(cache, Known(form, reading.facts, reading.whole(tree), tuple(links), tuple(starts)))
    problems = [*reading.problems, *_mistakes(reading.modules)]
    if not reading.modules:
        problems.append(_nothing(tree, languages))
    return Sources(tree, reading.modules, links, starts, tuple(problems))


class _Reading:
    """One pass over the files of a directory."""

    def __init__(self, root: Path, languages: Sequence[Language], known: Known) -> None:
        self._root = root
        self._languages = languages
        self._known = known
        self._owners: dict[str, Language] = {}
        self._sizes: dict[str, int] = {}
        self.facts: dict[str, tuple[str, Facts]] = {}
        self.modules: dict[str, Module] = {}
        self.problems: list[Problem] = []

    def file(self, path: str) -> None:
        """Read one file, if it is source code."""
        language = next((one for one in self._languages if one.owns(path)), None)
        source = None if language is None else self._bytes(path)
        if language is None or source is None:
            return
        digest = hashlib.sha256(source).hexdigest()
        before = self._known.facts.get(path)
        if before is not None and before[0] == digest:
            facts = before[1]
        else:
            facts = language.read(path, source)
        self._owners[path] = language
        self._sizes[path] = len(source)
        self.facts[path] = digest, facts

    def _bytes(self, path: str) -> bytes | None:
        """Return the content of a regular file that is not too large."""
        place = self._root / path
        try:
            # Links are never followed: a loop, a twin or a way out of the directory.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            with open(os.open(place, flags), "rb") as file:  # noqa: PTH123
                info = os.fstat(file.fileno())
                if not stat.S_ISREG(info.st_mode):
                    return None
                if info.st_size > LARGEST:
                    self.problems.append(_too_large(path, info.st_size))
                    return None
                return file.read()
        except OSError as error:
            if not place.is_symlink() and place.exists():
                self.problems.append(
                    Problem(
                        f"the file cannot be read: {error.strerror}",
                        path,
                        "it is left out of the code graph",
                        "make it readable",
                        "unreadable",
                    )
                )
            return None

    def whole(self, tree: Tree) -> str:
        """Return the digest of everything that links depend on."""
        total = hashlib.sha256()
        for path in tree.files:
            digest = self.facts[path][0] if path in self.facts else ""
            if path == "pyproject.toml":
                digest = hashlib.sha256(self._bytes(path) or b"").hexdigest()
            total.update(f"{path}\0{digest}\0".encode())
        return total.hexdigest()

    def linked(self, tree: Tree) -> tuple[Sequence[Link], Sequence[Start]]:
        """Fill in the modules; return links and entry points."""
        links: list[Link] = []
        starts: list[Start] = []
        names: dict[str, str] = {}
        for language in self._languages:
            own = {p: self.facts[p][1] for p, owner in self._owners.items() if owner is language}
            names |= language.names(tree, own)
        self.modules = {path: self._module(path, names[path]) for path in self.facts}
        if self._known.whole and self._known.whole == self.whole(tree):
            return self._known.links, self._known.starts
        for language in self._languages:
            modules = {p: m for p, m in self.modules.items() if self._owners[p] is language}
            links += language.link(tree, modules)
            starts += language.starts(tree, modules)
        return links, starts

    def _module(self, path: str, name: str) -> Module:
        digest, facts = self.facts[path]
        stem = path.rpartition("/")[2].partition(".")[0]
        test = self._owners[path].is_test(path)
        return Module(path, name, digest, self._sizes[path], test, stem == "__init__", facts)


def _mistakes(modules: Mapping[str, Module]) -> list[Problem]:
    return [
        mistake.problem(path)
        for path, module in modules.items()
        for mistake in module.facts.mistakes
    ]


def _too_large(path: str, size: int) -> Problem:
    return Mistake(
        f"the file has {size:,} bytes",
        why=f"above {LARGEST:,} bytes it is taken for generated code and left out",
        fix="split it, if people write it",
        code="too-large",
    ).problem(path)


def _nothing(tree: Tree, languages: Sequence[Language]) -> Problem:
    kinds = " or ".join(sorted({one.name for one in languages}))
    if not tree.files:
        what = "the directory holds no files that are versioned"
        fix = "name the directory that the code is in; files that git ignores are left out"
    else:
        what = f"none of the {len(tree.files)} files is source code in {kinds}"
        fix = "name the directory that the code is in"
    return Problem(what, str(tree.root), "so the code graph is empty", fix, "no-code")


def _load(cache: Path | None, form: str) -> Known:
    """Return what the cache holds; one that is missing, damaged or of another form is empty."""
    if cache is None:
        return Known()
    try:
        known = msgspec.json.decode((cache / CACHE).read_bytes(), type=Known)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return Known()
    return known if known.format == form else Known()


def _save(cache: Path, known: Known) -> None:
    """Write the cache; a cache that cannot be written is only slower."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=cache, delete=False) as file:
            file.write(msgspec.json.encode(known))
        Path(file.name).replace(cache / CACHE)
    except OSError:
        return
