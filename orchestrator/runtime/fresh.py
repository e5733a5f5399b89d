"""A fresh copy of a directory, for a run that leaves the original alone."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from orchestrator.errors import WorkspaceError
from orchestrator.runtime.rooted import FolderCursor, read_regular, split, write_new
from orchestrator.runtime.scan import scan_tree


def copy_fresh(source: Path, into: Path) -> None:
    """Copy the versioned files of a directory, for a run that leaves the original alone.

    What is not versioned but needed by commands (environments, submodules) is linked to the
    original.

    Args:
        source: the directory.
        into: absent, or an empty directory; neither inside `source` nor around it.

    Raises:
        WorkspaceError: `into` cannot be used, or copying failed; nothing is left behind.
    """
    source, into = source.resolve(), into.resolve()
    _check_places(source, into)
    existed = into.exists()
    try:
        into.mkdir(parents=True, exist_ok=True)
        _copy_files(source, into)
    except BaseException as error:
        _take_back(into, existed)
        if isinstance(error, OSError):
            raise WorkspaceError(
                "the fresh copy cannot be made",
                str(into),
                str(error),
                "free some space, or make the directory above it writable",
            ) from error
        raise


def _copy_files(source: Path, into: Path) -> None:
    scan = scan_tree(source)
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
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise WorkspaceError(
            "the place for the fresh copy is not empty",
            str(into),
            "nothing there is overwritten",
            "remove it, or choose another directory with `into` (or --into)",
        )


def _take_back(into: Path, existed: bool) -> None:
    if not existed:
        shutil.rmtree(into, ignore_errors=True)
    elif into.is_dir():
        for entry in list(into.iterdir()):
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)
