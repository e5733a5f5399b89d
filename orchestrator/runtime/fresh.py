"""A fresh copy of a directory, for a run that leaves the original alone."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.errors import WorkspaceError
from orchestrator.runtime.rooted import FolderCursor, read_regular, split, write_new
from orchestrator.runtime.scan import scan_tree

_PART = ".orchestrator-part"  # of a folder that holds a copy which is not finished


def copy_fresh(source: Path, into: Path, named: Collection[str] = ()) -> list[str]:
    """Copy the versioned files of a directory, for a run that leaves the original alone.

    What is not versioned but needed by commands (environments, submodules) is linked to the
    original.

    The copy appears when it is whole: it is made beside its place, or inside when the directory
    exists already, and renamed at the end. What a process that was killed had half made beside
    the place is removed.

    Args:
        source: the directory.
        into: absent, or an empty directory; neither inside `source` nor around it.
        named: files made to hold secrets that are copied nevertheless; see `scan_tree`.

    Returns:
        The files that were not copied for that they are made to hold secrets.

    Raises:
        WorkspaceError: `into` cannot be used, or copying failed; nothing is left behind.
    """
    source, into = source.resolve(), into.resolve()
    _check_places(source, into)
    existed = into.exists()
    # A directory that exists is kept: it may be a mount, or somebody's current directory.
    draft = into / _PART if existed else into.with_name(f".{into.name}{_PART}")
    try:
        draft.parent.mkdir(parents=True, exist_ok=True)
        with _making(draft):
            try:
                withheld = _copy_files(source, draft, named)
                if existed:
                    _move_up(draft)
                else:
                    draft.rename(into)
            except BaseException:
                _take_back(into if existed else draft, keep=existed)
                raise
    except OSError as error:
        raise WorkspaceError(
            "the fresh copy cannot be made",
            str(into),
            str(error),
            "free some space, or make the directory above it writable",
        ) from error
    return withheld


@contextmanager
def _making(draft: Path) -> Iterator[None]:
    """Make the folder of a copy and hold it, so that nobody takes it for a left-over."""
    if draft.exists():
        with _holding(draft):
            shutil.rmtree(draft)
    draft.mkdir()
    with _holding(draft):
        yield


@contextmanager
def _holding(draft: Path) -> Iterator[None]:
    handle = os.open(draft, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ours = os.path.samestat(os.fstat(handle), draft.stat())
        except BlockingIOError:
            ours = False
        if not ours:
            raise WorkspaceError(
                "another run makes a fresh copy in the same place",
                str(draft),
                "two runs in one workspace would change each other's files",
                "choose another directory with `into` (or --into)",
            )
        yield
    finally:
        os.close(handle)


def _move_up(draft: Path) -> None:
    for entry in list(draft.iterdir()):
        entry.rename(draft.parent / entry.name)
    draft.rmdir()


def _copy_files(source: Path, into: Path, named: Collection[str]) -> list[str]:
    scan = scan_tree(source, named)
    with FolderCursor(source) as here, FolderCursor(into, make=True) as there:
        for path, entry in scan.files.items():
            folders, name = split(path)
            origin, target = here.enter(folders), there.enter(folders)
            found = None if origin is None else read_regular(origin, name)
            if found is None or target is None:
                raise WorkspaceError(
                    f"{path} vanished while it was copied",
                    str(source),
                    fix="run again when nothing else changes the directory",
                )
            write_new(target, name, found.data, 0o777 if entry.executable else 0o666)
        for path, text in scan.links.items():
            *folders, name = path.split("/")
            target = there.enter(folders)
            os.symlink(text, name, dir_fd=target)
    return scan.withheld


def _check_places(source: Path, into: Path) -> None:
    if not source.is_dir():
        raise WorkspaceError(
            "the workspace is not a directory",
            str(source),
            fix="set `workspace` to a directory, relative to the plan",
        )
    if into.is_relative_to(source) or source.is_relative_to(into):
        raise WorkspaceError(
            "the fresh copy and the workspace are inside one another",
            str(into),
            "the copy would become part of what it copies",
            "choose a directory beside the workspace",
        )
    if (into / _PART).is_dir():
        raise WorkspaceError(
            "the place for the fresh copy holds half of one",
            str(into),
            "a run was ended while it made it",
            "empty the directory, or choose another one with `into` (or --into)",
        )
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise WorkspaceError(
            "the place for the fresh copy is not empty",
            str(into),
            "nothing there is overwritten",
            "remove it, or choose another directory with `into` (or --into)",
        )


def _take_back(folder: Path, *, keep: bool) -> None:
    """Remove what a folder holds, and itself unless it is to be kept."""
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
        return
    for entry in list(folder.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
