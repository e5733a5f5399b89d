"""One run per workspace: a lock that ends with the process that holds it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
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
    place = make_state_folder(root) / "lock"
    handle = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise _refusal(root, handle, error) from error
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps({"run": run, "pid": os.getpid()}).encode(), 0)
        try:
            yield
        finally:
            os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def _refusal(root: Path, handle: int, error: OSError) -> WorkspaceError:
    if not isinstance(error, BlockingIOError):
        return WorkspaceError(
            "the workspace cannot be locked",
            str(root),
            f"its file system has no file locks ({error})",
            "work on a fresh copy on a local disk: set `into`",
        )
    return WorkspaceError(
        f"{_holder(handle)} is using this workspace",
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
