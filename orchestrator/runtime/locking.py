"""One run per workspace, one process per run: locks that end with the process that holds them."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from orchestrator.errors import WorkspaceError
from orchestrator.runtime.rundir import make_state_folder


@contextmanager
def workspace_lock(root: Path, run: str = "") -> Iterator[None]:
    """Hold a workspace for one run, across processes and within one.

    The kernel gives the lock up when its holder ends, however it ends, so a killed run leaves
    nothing to clean up.

    Args:
        root: the workspace.
        run: id of the run, told to whoever comes second.

    Raises:
        WorkspaceError: another run holds it.
    """
    with _held(make_state_folder(root) / "lock", run) as failure:
        if failure is not None:
            raise _refusal(root, *failure)
        yield


@contextmanager
def run_lock(run_dir: Path) -> Iterator[None]:
    """Hold a run's directory: one process at a time goes on with a run.

    Raises:
        WorkspaceError: the run lives in another process.
    """
    with _held(run_dir / "lock", run_dir.name) as failure:
        if failure is not None:
            raise WorkspaceError(
                f"{failure[0]} is still going on",
                str(run_dir),
                "two processes would append to one log",
                "wait until it has ended, or end it there with Ctrl-C",
            )
        yield


def run_lives(run_dir: Path) -> bool:
    """Whether some process goes on with a run now, told by the lock that it holds.

    The number of a process that ended may be another's by now; a lock ends with its holder.
    Nothing is changed: looking never keeps a run from starting.

    Raises:
        WorkspaceError: the lock may not be looked at.
    """
    place = run_dir / "lock"
    try:
        with _gate(run_dir):
            return _is_held(place)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise WorkspaceError(
            "it cannot be told whether the run is still going on",
            str(place),
            error.strerror or str(error),
            "make the run's directory readable",
        ) from error


def _is_held(place: Path) -> bool:
    handle = os.open(place, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


@contextmanager
def _held(place: Path, run: str) -> Iterator[tuple[str, OSError] | None]:
    """Hold a lock file; yields who holds it, and the error, when it cannot be had."""
    handle = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    try:
        try:
            with _gate(place.parent):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            yield _holder(handle), error
            return
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps({"run": run, "pid": os.getpid()}).encode(), 0)
        try:
            yield None
        finally:
            os.ftruncate(handle, 0)
    finally:
        os.close(handle)


@contextmanager
def _gate(folder: Path) -> Iterator[None]:
    """Let one process at a time, for a moment, try or look at a lock in a folder.

    Looking takes the lock too: without this, whoever begins just then would be refused.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # some file systems cannot lock folders
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _refusal(root: Path, holder: str, error: OSError) -> WorkspaceError:
    if not isinstance(error, BlockingIOError):
        return WorkspaceError(
            "the workspace cannot be locked",
            str(root),
            f"its file system has no file locks ({error})",
            "work on a fresh copy on a local disk: set `into`",
        )
    return WorkspaceError(
        f"{holder} is using this workspace",
        str(root),
        "two runs in one workspace would change each other's files",
        "wait until it has ended, cancel it, or give this run its own copy: set `into`",
    )


def _holder(handle: int) -> str:
    try:
        other = json.loads(os.pread(handle, 4096, 0))
        return f"run {other['run'] or '(unnamed)'} of process {other['pid']}"
    except (ValueError, KeyError, TypeError):  # it has just begun, or is just ending
        return "another run"
