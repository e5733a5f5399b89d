"""The event log: what happened in a run, in the order in which it was decided.

The log stores rows, not typed events: the body of a row is JSON text that the codec in the core
writes and reads. One writer appends; anybody may read at the same time, from other threads and
other processes, and after the writer was killed.

Appending is the hottest path of the program, so how it is done was measured rather than chosen:
one ``INSERT`` of several rows in autocommit mode beats ``BEGIN``/``executemany``/``COMMIT`` and
``json_each``; see DESIGN_DOC.md for the figures.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Literal, Protocol, Self

from orchestrator.errors import LogError
from orchestrator.runtime.redaction import clean_header, clean_row, make_redactor
from orchestrator.runtime.sqlitefailure import sqlite_failure
from orchestrator.secrets import Redactor

FORMAT = 1
"""Format of the logs that this version writes; it reads this and all older ones."""

Durability = Literal["full", "normal"]
Row = tuple[float, str, str, int, str]
"""`(at, kind, task, attempt, body)`: a record without its number."""

_TABLES = (
    "CREATE TABLE header (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE events (seq INTEGER PRIMARY KEY, at REAL NOT NULL, kind TEXT NOT NULL,"
    " task TEXT NOT NULL, attempt INTEGER NOT NULL, body TEXT NOT NULL)",
)
_SELECT = "SELECT seq, at, kind, task, attempt, body FROM events WHERE seq > ? ORDER BY seq LIMIT ?"
_PAGE = 1000  # rows per read transaction: an open one would keep the WAL from being reused
_BATCH = 64  # rows per statement; more go out as several statements of one transaction
_INSERT = [
    "INSERT INTO events (at, kind, task, attempt, body) VALUES " + ",".join(["(?,?,?,?,?)"] * n)
    for n in range(_BATCH + 1)
]
# Pages in the WAL before they are moved to the database. Under FULL a commit waits for the disk,
# and overwriting a recycled WAL is quicker than growing one; under NORMAL only the move waits.
_CHECKPOINT: Mapping[Durability, int] = {"full": 250, "normal": 4000}


@dataclass(frozen=True, slots=True)
class Record:
    """One event as it is stored.

    Attributes:
        seq: its number in the log, from 1, without gaps.
        at: seconds since the run began.
        kind: name of the event.
        task: id of the task that it is about; empty when there is none.
        attempt: number of the attempt; 0 when there is none.
        body: the event, as JSON text.
    """

    seq: int
    at: float
    kind: str
    task: str
    attempt: int
    body: str


class EventLog(Protocol):
    """Where the coordinator records events. One thread appends; any may read."""

    @property
    def header(self) -> Mapping[str, Any]:
        """What the run was started with, and the format of the log under ``format``."""
        ...

    def append(self, rows: Sequence[Row]) -> int:
        """Record all rows or none, in one commit.

        Returns:
            The number of the last record of the log. When this returns, the rows are kept.

        Raises:
            LogError: they could not be written.
        """
        ...

    def read(self, after: int = 0) -> Iterator[Record]:
        """Yield the records whose number is above `after`, in order.

        Raises:
            LogError: the log cannot be read, or records are missing.
        """
        ...

    def close(self) -> None:
        """Give up the log; may be called twice."""
        ...


class MemoryLog:
    """An event log without a file: for runs that nobody wants to resume, and for simulation.

    Args:
        header: what the run was started with.
    """

    def __init__(self, header: Mapping[str, Any] | None = None) -> None:
        self._header = MappingProxyType({**(header or {}), "format": FORMAT})
        self._records: list[Record] = []

    @property
    def header(self) -> Mapping[str, Any]:
        """What the run was started with."""
        return self._header

    def append(self, rows: Sequence[Row]) -> int:
        """Record all rows; return the number of the last record."""
        numbers = count(len(self._records) + 1)
        self._records += [
            Record(seq, float(at), kind, task, attempt, body)
            for seq, (at, kind, task, attempt, body) in zip(numbers, rows, strict=False)
        ]
        return len(self._records)

    def read(self, after: int = 0) -> Iterator[Record]:
        """Yield the records whose number is above `after`."""
        yield from self._records[max(after, 0) :]

    def close(self) -> None:
        """Do nothing: there is nothing to give up."""


class SqliteLog:
    """An event log in one SQLite file.

    Made by `create`, `open` or `reader`. It may be made in one thread and used in another.
    Secrets are taken out of what is written to it, whoever writes.
    """

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        header: Mapping[str, Any],
        redactor: Redactor,
    ) -> None:
        self.path, self._redactor = path, redactor
        self._connection = connection
        self._cursor = connection.cursor()
        self._header = MappingProxyType(dict(header))
        self._last = 0

    @classmethod
    def create(
        cls,
        path: Path,
        header: Mapping[str, Any],
        durability: Durability = "full",
        redactor: Redactor | None = None,
    ) -> SqliteLog:
        """Make a new log.

        Args:
            path: the file; it must not exist, its folder must.
            header: what the run is started with; JSON values.
            durability: ``full``: what was appended survives a power cut; ``normal``: it survives
                the end of this process, and appending does not wait for the disk.
            redactor: takes out secrets; None: it knows those of this process's environment.

        Raises:
            LogError: the file exists or cannot be written.
        """
        if path.exists():
            raise LogError(
                "there is an event log already",
                str(path),
                "a log is only ever appended to, never replaced",
                "resume that run, or choose another folder for this one",
            )
        redactor = redactor or make_redactor()
        stored = {**clean_header(header, redactor), "format": FORMAT}
        connection = _connect(path, "rwc")
        try:
            _tune(connection, durability)
            connection.execute("BEGIN IMMEDIATE")
            for statement in _TABLES:
                connection.execute(statement)
            connection.executemany(
                "INSERT INTO header VALUES (?, ?)",
                [(key, json.dumps(value, sort_keys=True)) for key, value in stored.items()],
            )
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            connection.close()
            raise sqlite_failure(path, "the event log cannot be created", error) from error
        return cls(path, connection, stored, redactor)

    @classmethod
    def open(
        cls, path: Path, durability: Durability = "full", redactor: Redactor | None = None
    ) -> SqliteLog:
        """Open a log to append to it, as resuming does; arguments as for `create`.

        Raises:
            LogError: it is missing, not a log, damaged, or of a newer format.
        """
        _require(path)
        connection = _connect(path, "rw")
        try:
            header = _read_header(path, connection)
            _tune(connection, durability)
            log = cls(path, connection, header, redactor or make_redactor())
            log._last = connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0]
        except sqlite3.Error as error:
            connection.close()
            raise sqlite_failure(path, "the event log cannot be opened", error) from error
        except LogError:
            connection.close()
            raise
        return log

    @classmethod
    def reader(cls, path: Path) -> SqliteLog:
        """Open a log for reading only; a run may be writing it at the same time.

        Raises:
            LogError: it is missing, not a log, damaged, or of a newer format.
        """
        _require(path)
        connection = _connect(path, "ro")
        try:
            return cls(path, connection, _read_header(path, connection), Redactor())
        except LogError:
            connection.close()
            if not _settled(path):
                raise
        # A WAL database in a folder that may not be written cannot be opened in the usual way:
        # SQLite wants to make its index beside it. Without a WAL there is nothing to index.
        connection = _connect(path, "ro&immutable=1")
        try:
            return cls(path, connection, _read_header(path, connection), Redactor())
        except LogError:
            connection.close()
            raise

    @property
    def header(self) -> Mapping[str, Any]:
        """What the run was started with, and the format of the log under ``format``."""
        return self._header

    def append(self, rows: Sequence[Row]) -> int:
        """Record all rows or none, in one commit; return the number of the last record.

        Raises:
            LogError: the disk is full, the log is read-only, and the like; nothing was recorded.
        """
        if not rows:
            return self._last
        rows = [clean_row(row, self._redactor) for row in rows]
        try:
            if len(rows) <= _BATCH:
                self._insert(rows)
            else:
                self._insert_many(rows)
        except sqlite3.Error as error:
            raise sqlite_failure(self.path, "events cannot be recorded", error) from error
        self._last = self._cursor.lastrowid or 0
        return self._last

    def _insert(self, rows: Sequence[Row]) -> None:
        values = rows[0] if len(rows) == 1 else tuple(chain.from_iterable(rows))
        self._cursor.execute(_INSERT[len(rows)], values)

    def _insert_many(self, rows: Sequence[Row]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for start in range(0, len(rows), _BATCH):
                self._insert(rows[start : start + _BATCH])
            self._connection.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def read(self, after: int = 0) -> Iterator[Record]:
        """Yield the records whose number is above `after`, those included that are appended
        meanwhile.

        Raises:
            LogError: the log cannot be read, or records are missing.
        """
        after = max(after, 0)
        while True:
            page = self._page(after)
            for row in page:
                if row[0] != after + 1:
                    raise LogError(
                        f"records {after + 1} to {row[0] - 1} are missing",
                        str(self.path),
                        "a log has no gaps, so it was changed by something else",
                        "restore events.db from a copy",
                    )
                after = row[0]
                yield Record(*row)
            if len(page) < _PAGE:
                return

    def _page(self, after: int) -> list[Any]:
        try:
            return self._connection.execute(_SELECT, (after, _PAGE)).fetchall()
        except sqlite3.Error as error:
            raise sqlite_failure(self.path, "the event log cannot be read", error) from error

    def close(self) -> None:
        """Give up the log; may be called twice."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    try:
        return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise sqlite_failure(path, "the event log cannot be opened", error) from error


def _tune(connection: sqlite3.Connection, durability: Durability) -> None:
    with closing(connection.cursor()) as cursor:
        if durability == "normal":  # not even the change of mode waits for the disk
            cursor.execute("PRAGMA synchronous = OFF")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute(f"PRAGMA synchronous = {durability.upper()}")
        cursor.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT[durability]}")


def _require(path: Path) -> None:
    if not path.is_file():
        raise LogError(
            "there is no event log",
            str(path),
            fix="give the folder of a run, or its id: the folder holds events.db",
        )


def _settled(path: Path) -> bool:
    """Whether everything is in the database itself, nothing in a write-ahead log beside it."""
    wal = path.with_name(path.name + "-wal")
    return not wal.exists() or wal.stat().st_size == 0


def _read_header(path: Path, connection: sqlite3.Connection) -> dict[str, Any]:
    try:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema")}
        if not tables:
            raise LogError(
                "this is not an event log",
                str(path),
                "it is empty: the run ended before it had begun",
                "remove the folder of the run, and start it again",
            )
        if not {"header", "events"} <= tables:
            raise LogError(
                "this is not an event log",
                str(path),
                "it lacks the tables of one",
                "give the folder of a run: the one that holds events.db",
            )
        rows = connection.execute("SELECT key, value FROM header ORDER BY key").fetchall()
        header = {key: json.loads(value) for key, value in rows}
    except (sqlite3.Error, ValueError) as error:
        raise sqlite_failure(path, "the event log cannot be opened", error) from error
    _check_format(path, header.get("format"))
    return header


def _check_format(path: Path, number: object) -> None:
    if not isinstance(number, int):
        raise LogError(
            "the event log does not say its format",
            str(path),
            "its header is incomplete: the run ended before it had begun, or the file was changed",
            "start the run again",
        )
    if number > FORMAT:
        raise LogError(
            f"the event log has format {number}, newer than this program",
            str(path),
            f"this version of orchestrator reads formats up to {FORMAT}",
            "use the version of orchestrator that wrote it, or a newer one",
        )
