"""What stands in a directory when a run begins: its versioned files, each read once."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import WorkspaceError
from orchestrator.runtime.rooted import (
    FolderCursor,
    NotRegularError,
    executable,
    hash_regular,
    status,
)
from orchestrator.runtime.versioned import list_tree


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
    """

    files: dict[str, Entry]
    links: Mapping[str, str]


def scan_tree(root: Path) -> Scan:
    """Read every versioned file of a directory once.

    Raises:
        WorkspaceError: files cannot be read, all of them named; or git fails.
    """
    listing = list_tree(root)
    files: dict[str, Entry] = {}
    links = {path: str(root / path) for path in listing.aside}
    unread: list[str] = []
    with FolderCursor(root) as cursor:
        for path in listing.files:
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
    return Scan(files, links)


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
