"""What a failure of SQLite means to whoever must act on it."""

from __future__ import annotations

from pathlib import Path

from orchestrator.errors import LogError

# SQLite's error name (its beginning), why it happens, what to do.
_REASONS: tuple[tuple[str, str, str], ...] = (
    ("SQLITE_FULL", "the disk is full", "free some space, then resume the run"),
    (
        "SQLITE_READONLY",
        "the file or its folder may not be written",
        "make the run's folder writable, or choose another one with --run-dir",
    ),
    (
        "SQLITE_CANTOPEN",
        "the file or its folder cannot be opened",
        "check that the folder exists and that you may read and write it",
    ),
    (
        "SQLITE_NOTADB",
        "the file is not a SQLite database",
        "give the folder of a run: the one that holds events.db",
    ),
    (
        "SQLITE_CORRUPT",
        "the file is damaged",
        "restore events.db, with events.db-wal if there is one, from a copy",
    ),
    (
        "SQLITE_BUSY",
        "another program holds the log",
        "wait until the other program has ended, then try again",
    ),
    (
        "SQLITE_IOERR",
        "the disk refused: it is full, at its quota, or broken",
        "check space, quota and health of the disk, then resume the run",
    ),
)


def sqlite_failure(path: Path, what: str, error: Exception) -> LogError:
    """Return the error to raise for a failure of SQLite.

    Args:
        path: the database.
        what: what could not be done.
        error: what SQLite raised.
    """
    name = getattr(error, "sqlite_errorname", None) or ""
    for prefix, why, fix in _REASONS:
        if name.startswith(prefix):
            return LogError(what, str(path), f"{why} ({error})", fix)
    return LogError(what, str(path), str(error), "check the file and the folder of the run")
