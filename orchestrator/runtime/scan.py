"""What stands in a directory when a run begins: its versioned files, each read once.

Files that are made to hold secrets (`secrets.is_secret_file`: ``.env``, ``id_rsa`` and the like)
are left out even where git would version them: what is not a version cannot be read by an agent,
is in no private copy, no fresh copy and no blob. A plan that needs one names it plainly.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.analysis.versioned import list_tree
from orchestrator.core.decision import listed
from orchestrator.core.task import Task
from orchestrator.errors import WorkspaceError
from orchestrator.runtime.rooted import (
    FolderCursor,
    NotRegularError,
    executable,
    hash_regular,
    status,
)
from orchestrator.secrets import is_secret_file

_WILD = frozenset("*?[{!")


@dataclass(frozen=True, slots=True)
class Entry:
    """One versioned file as it was found.

    Attributes:
        digest: SHA-256 of its content.
        size: bytes.
        executable: whether its owner may execute it.
    """

    digest: str
    size: int
    executable: bool


@dataclass(frozen=True, slots=True)
class Scan:
    """A directory as it was found.

    Attributes:
        files: path to entry, sorted by path.
        links: what a private copy links: path to the text of the symbolic link. That is what is
            not versioned but needed by commands, linked to the original; and the directory's own
            symbolic links, as they are if they stay inside, else linked to the original.
        withheld: files that would be versions if they were not made to hold secrets, sorted.
    """

    files: dict[str, Entry]
    links: Mapping[str, str]
    withheld: list[str] = field(default_factory=list)


def scan_tree(root: Path, named: Collection[str] = ()) -> Scan:
    """Read every versioned file of a directory once.

    Args:
        root: the directory.
        named: paths that the plan names plainly; a file that holds secrets is a version only if
            it is among them.

    Raises:
        WorkspaceError: files cannot be read, all of them named; or git fails.
    """
    listing = list_tree(root)
    files: dict[str, Entry] = {}
    links = {path: str(root / path) for path in listing.aside}
    unread: list[str] = []
    withheld = [path for path in listing.files if is_secret_file(path) and path not in named]
    with FolderCursor(root) as cursor:
        for path in sorted(set(listing.files).difference(withheld)):
            *folders, name = path.split("/")
            try:
                folder = cursor.enter(folders)
                if folder is not None and (hashed := hash_regular(folder, name)) is not None:
                    digest, info = hashed
                    files[path] = Entry(digest, info.st_size, executable(info))
            except NotRegularError:
                links |= _link(root, cursor, path)
            except OSError as error:
                unread.append(f"{path}: {error.strerror}")
    if unread:
        raise WorkspaceError(
            f"{len(unread)} files cannot be read",
            str(root),
            "; ".join(unread[:10]),
            "make them readable, or have git ignore them",
        )
    return Scan(files, links, withheld)


def _link(root: Path, cursor: FolderCursor, path: str) -> dict[str, str]:
    """Return how a private copy links something that is not a regular file."""
    *folders, name = path.split("/")
    folder = cursor.enter(folders)
    info = None if folder is None else status(folder, name)
    if info is not None and stat.S_ISLNK(info.st_mode):
        target = os.readlink(name, dir_fd=folder)
        return {path: target if _stays_inside(path, target) else str(root / path)}
    if info is not None and stat.S_ISDIR(info.st_mode):  # a submodule
        return {path: str(root / path)}
    return {}


def _stays_inside(path: str, target: str) -> bool:
    if posixpath.isabs(target):
        return False
    plain = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    return plain != ".." and not plain.startswith("../")


def named_plainly(tasks: Iterable[Task]) -> frozenset[str]:
    """Return the paths that tasks name without a wildcard."""
    globs = (glob for task in tasks for glob in (*task.reads, *task.writes, *task.shares))
    return frozenset(glob for glob in globs if not _WILD.intersection(glob))


def withheld_notice(withheld: Sequence[str]) -> tuple[str, ...]:
    """Return what whoever starts a run must know about files that were left out."""
    if not withheld:
        return ()
    one = len(withheld) == 1
    return (
        f"{listed(withheld, 5)} {'is' if one else 'are'} made to hold secrets: no agent and no "
        f"command is given {'it' if one else 'them'}. A plan that needs one names it in `reads`.",
    )
