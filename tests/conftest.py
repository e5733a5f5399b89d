"""Shared fixtures, and the leak check that every test passes through."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

GRACE = 2.0  # seconds that a thread which was told to end may take
SERVERS = (
    "AnyIO worker thread",
    "llmock-server",
)  # of session-wide test servers, which outlive a test


def _open_files() -> set[str]:
    folder = Path("/proc/self/fd")
    if not folder.exists():
        return set()
    found = set()
    for entry in folder.iterdir():
        try:
            target = str(entry.readlink())
        except OSError:
            continue
        if target.startswith("/") and not target.startswith(("/dev/", "/proc/")):
            found.add(f"{entry.name} -> {target}")
    return found


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """Fail a test that leaves a thread or an open file behind."""
    threads = set(threading.enumerate())
    files = _open_files()
    yield
    end = time.monotonic() + GRACE
    ours = [t for t in set(threading.enumerate()) - threads if not t.name.startswith(SERVERS)]
    for thread in ours:
        thread.join(max(0.0, end - time.monotonic()))
    left = [thread.name for thread in ours if thread.is_alive()]
    assert not left, f"threads left behind: {left}"
    opened = _open_files() - files
    assert not opened, f"files left open: {sorted(opened)}"
