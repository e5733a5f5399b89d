"""The workspace as the machine sees it: which content each path has, and had.

Contents are digests. Version numbers rise over the whole run, not per file, so one number names
a consistent set of versions: cut `n` is every version with a number up to `n`. Files that were
there at the start have number `FIRST`; number `ABSENT` means that there is no such file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from orchestrator.core.paths import twin_key

ABSENT = 0
FIRST = 1
OUTSIDE = -1


@dataclass(frozen=True, slots=True)
class Version:
    """One content of one file.

    Attributes:
        number: rises over the run.
        digest: sha256 of the content; None: deleted, or never there.
        token: lease that wrote it; 0: there at the start; `OUTSIDE`: somebody else.
        task: task that wrote it; "" for the start and for outside.
        lost: its lease has ended without success, so its part is to be taken out again; known
            only in a path's history.
        undoes: lease whose part this version leaves out; 0: none.
    """

    number: int
    digest: str | None
    token: int = 0
    task: str = ""
    lost: bool = False
    undoes: int = 0


NOWHERE = Version(ABSENT, None)


class FileMap:
    """Path to version, with the history that undo and validation need."""

    __slots__ = ("_current", "_folders", "_history", "_journal", "_twins")

    def __init__(self, files: Mapping[str, str] | None = None) -> None:
        """Start from the digests of the files that are there."""
        self._current = {path: Version(FIRST, digest) for path, digest in (files or {}).items()}
        self._history: dict[str, list[Version]] = {}
        self._journal: list[str] = []
        self._twins: dict[str, dict[str, None]] = {}  # spellings of files and folders, by key
        self._folders: dict[str, int] = {}
        for path in self._current:
            self._appear(path)

    @property
    def cut(self) -> int:
        """The newest version number: the cut of everything accepted so far."""
        return FIRST + len(self._journal)

    def current(self, path: str) -> Version:
        """The version that is current; `NOWHERE` when the file was never there."""
        return self._current.get(path, NOWHERE)

    def history(self, path: str) -> tuple[Version, ...]:
        """All versions of a path, oldest first."""
        return tuple(self._history.get(path, ())) or (self.current(path),)

    def clash(self, path: str) -> str:
        """Say why a file of this name cannot exist beside those that do; "" when it can."""
        if self.current(path).digest is not None:
            return ""  # it does; trees from case-sensitive systems may hold twins
        if path in self._folders:
            return f"{path} is a directory"
        for name in (*_folders(path), path):
            if name in self._folders:
                continue  # it is there; trees from case-sensitive systems may hold twins
            other = next(iter(self._twins.get(twin_key(name), {name: None})))
            if other != name:
                return (
                    f"{other} exists, and some file systems cannot tell the two names apart; "
                    f"write {other}{path[len(name) :]}"
                )
        for parent in _folders(path):
            if self.current(parent).digest is not None:
                return f"{parent} is a file, so nothing can be below it"
        return ""

    def known(self) -> Iterable[str]:
        """Paths that exist now or did once."""
        return self._current.keys()

    def paths(self) -> Iterable[str]:
        """Paths that exist now."""
        return (path for path, version in self._current.items() if version.digest is not None)

    def changes(self, after: int, until: int | None = None) -> dict[str, Version]:
        """Return what has changed since cut `after`, each path once, as it is at cut `until`
        (None: now)."""
        first = max(0, after - FIRST)
        if until is None or until >= self.cut:
            return {path: self._current[path] for path in self._journal[first:]}
        return {path: self._at(path, until) for path in self._journal[first : until - FIRST]}

    def _at(self, path: str, cut: int) -> Version:
        return next(v for v in reversed(self._history[path]) if v.number <= cut)

    def digests(self) -> dict[str, str]:
        """Return path to digest of every file that exists now."""
        return {path: v.digest for path, v in self._current.items() if v.digest is not None}

    def record(self, path: str, version: Version) -> None:
        """Make `version` current. Its number must be `cut + 1`."""
        if version.number != self.cut + 1:
            raise ValueError(f"version {version.number} of {path} does not follow cut {self.cut}")
        before = self.current(path)
        self._history.setdefault(path, [before]).append(version)
        self._current[path] = version
        self._journal.append(path)
        if before.digest is None and version.digest is not None:
            self._appear(path)
        elif before.digest is not None and version.digest is None:
            self._vanish(path)

    def lose(self, path: str, token: int) -> None:
        """The lease has ended: from now on its versions of this path count as lost."""
        self._history[path] = [
            replace(version, lost=True) if version.token == token else version
            for version in self._history[path]
        ]

    def _appear(self, path: str) -> None:
        self._remember(path)
        for folder in _folders(path):
            files = self._folders.get(folder, 0)
            if not files:
                self._remember(folder)
            self._folders[folder] = files + 1

    def _vanish(self, path: str) -> None:
        self._forget(path)
        for folder in _folders(path):
            self._folders[folder] -= 1
            if not self._folders[folder]:
                del self._folders[folder]
                self._forget(folder)

    def _remember(self, name: str) -> None:
        self._twins.setdefault(twin_key(name), {})[name] = None

    def _forget(self, name: str) -> None:
        key = twin_key(name)
        del self._twins[key][name]
        if not self._twins[key]:
            del self._twins[key]


def _folders(path: str) -> Iterator[str]:
    end = path.find("/")
    while end >= 0:
        yield path[:end]
        end = path.find("/", end + 1)


def without(
    history: Iterable[Version], token: int
) -> tuple[Version, list[tuple[Version, Version]]]:
    """Say how to take one attempt's writes out of a file.

    What other lost attempts wrote goes too, and is not brought back by a version that was made to
    leave it out.

    Returns:
        The last version before the attempt's first write that holds nothing of a lost attempt,
        and the later steps of attempts that were not lost as pairs (version before, version
        after): to be replayed, in order, onto that version. No pairs means that it is the answer
        as it stands.
    """
    versions = list(history)
    first = next(i for i, version in enumerate(versions) if version.token == token)
    clean, lost = 0, set[int]()  # the last version that holds no part of a lost attempt
    for i, version in enumerate(versions[:first]):
        if version.lost:
            lost.add(version.token)
        lost.discard(version.undoes)
        if not lost:
            clean = i
    steps = [
        (before, after)
        for before, after in pairwise(versions[clean:])
        if after.token != token and not after.lost and not after.undoes
    ]
    return versions[clean], steps
