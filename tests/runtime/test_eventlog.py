from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

import orchestrator
from orchestrator.errors import LogError
from orchestrator.runtime.eventlog import FORMAT, Row, SqliteLog

ROW: Row = (0.5, "TaskStarted", "lexer", 1, "{}")
SOURCE = str(Path(orchestrator.__file__).parents[1])


def child(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": SOURCE},
        stdout=subprocess.PIPE,
        text=True,
    )


def make(path: Path, count: int = 3) -> Path:
    with SqliteLog.create(path, {"seed": 1}) as log:
        log.append([ROW] * count)
    return path


def test_a_log_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path = make(tmp_path / "events.db")
    with SqliteLog.open(path) as log:
        assert log.header["seed"] == 1
        assert log.append([]) == 3
        assert log.append([ROW]) == 4
    with SqliteLog.reader(path) as log:
        assert [record.seq for record in log.read()] == [1, 2, 3, 4]


def test_an_existing_log_is_never_replaced(tmp_path: Path) -> None:
    path = make(tmp_path / "events.db")
    with pytest.raises(LogError, match="there is an event log already"):
        SqliteLog.create(path, {})
    with SqliteLog.reader(path) as log:
        assert len(list(log.read())) == 3


def test_a_reader_sees_what_is_appended_while_the_writer_lives(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with SqliteLog.create(path, {}) as writer, SqliteLog.reader(path) as reader:
        writer.append([ROW] * 2)
        assert len(list(reader.read())) == 2
        writer.append([ROW])
        assert [record.seq for record in reader.read(after=2)] == [3]


def test_a_reader_that_stopped_half_way_does_not_hold_the_writer_up(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with SqliteLog.create(path, {}, "normal") as writer, SqliteLog.reader(path) as reader:
        writer.append([ROW] * 1500)
        half = reader.read()
        assert next(half).seq == 1
        for _ in range(50):
            writer.append([ROW] * 200)
        # Had the half-read page kept a transaction open, the log beside it could not start anew.
        writer._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert path.with_name("events.db-wal").stat().st_size == 0
        assert sum(1 for _ in half) == 1500 + 50 * 200 - 1


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    path = make(tmp_path / "events.db")
    with SqliteLog.reader(path) as log:
        with pytest.raises(LogError, match="may not be written"):
            log.append([ROW])
        with pytest.raises(LogError, match="may not be written"):
            log.append([ROW] * 100)
        assert len(list(log.read())) == 3


def test_threads_read_while_one_thread_writes(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    seen: list[int] = []

    def follow() -> None:
        last = 0
        with SqliteLog.reader(path) as reader:
            while last < 400:
                for record in reader.read(last):
                    last = record.seq
        seen.append(last)

    with SqliteLog.create(path, {}, "normal") as writer:
        readers = [threading.Thread(target=follow) for _ in range(3)]
        for reader in readers:
            reader.start()
        for _ in range(200):
            writer.append([ROW, ROW])
        for reader in readers:
            reader.join()
    assert seen == [400, 400, 400]


KILLED = """
import sys
from pathlib import Path
from orchestrator.runtime.eventlog import SqliteLog
log = SqliteLog.create(Path(sys.argv[1]), {"seed": 7}, "normal")
while True:
    print(log.append([(0.0, "Tick", "", 0, "{}")] * 3), flush=True)
"""


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_when_the_writer_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with child(KILLED, str(path)) as writer:
        assert writer.stdout is not None
        answers = [int(writer.stdout.readline()) for _ in range(200)]
        writer.send_signal(signal.SIGKILL)
        answers += [int(line) for line in writer.stdout if line.endswith("\n")]
    with SqliteLog.reader(path) as log:
        assert log.header["seed"] == 7
        kept = [record.seq for record in log.read()]
    assert kept == list(range(1, len(kept) + 1))
    assert len(kept) >= answers[-1] >= 600
    with SqliteLog.open(path) as log:
        assert log.append([ROW]) == len(kept) + 1


FULL_DISK = """
import resource, sys
from pathlib import Path
from orchestrator.errors import LogError
from orchestrator.runtime.eventlog import SqliteLog
log = SqliteLog.create(Path(sys.argv[1]), {})
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
last = 0
try:
    while True:
        last = log.append([(0.0, "Tick", "", 0, "x" * 1000)] * int(sys.argv[2]))
except LogError as error:
    print(last, error.exit_code, bool(error.why and error.fix and error.where), error.what)
"""


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 100])
def test_a_disk_that_refuses_is_reported_and_keeps_what_was_acknowledged(
    tmp_path: Path, batch: int
) -> None:
    path = tmp_path / "events.db"
    with child(FULL_DISK, str(path), str(batch)) as writer:
        text = writer.communicate()[0]
    last, code, complete, what = text.strip().split(" ", 3)
    assert (code, complete, what) == ("4", "True", "events cannot be recorded")
    with SqliteLog.reader(path) as log:
        assert len(list(log.read())) == int(last)


def newer(path: Path) -> None:
    make(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE header SET value = ? WHERE key = 'format'", (FORMAT + 1,))


def headless(path: Path) -> None:
    make(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM header")


def other_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE recipes (name)")


def damaged(path: Path) -> None:
    make(path, count=2000)
    data = bytearray(path.read_bytes())
    data[4096 : 4096 * 3] = b"\xff" * 8192
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: None, "there is no event log"),
        (lambda path: path.mkdir(), "there is no event log"),
        (lambda path: path.write_text("not a database" * 100), "not a SQLite database"),
        (lambda path: path.write_bytes(b""), "this is not an event log"),
        (other_database, "this is not an event log"),
        (headless, "does not say its format"),
        (newer, f"has format {FORMAT + 1}, newer than this program"),
        (damaged, "damaged"),
    ],
)
@pytest.mark.parametrize("way", [SqliteLog.open, SqliteLog.reader])
def test_what_is_no_log_of_ours_is_refused_with_a_reason(
    tmp_path: Path,
    way: Callable[[Path], SqliteLog],
    spoil: Callable[[Path], object],
    message: str,
) -> None:
    path = tmp_path / "events.db"
    spoil(path)
    with pytest.raises(LogError, match=message) as caught, way(path) as log:
        list(log.read())
    assert caught.value.fix
    assert str(path) in str(caught.value)


def test_missing_records_are_noticed(tmp_path: Path) -> None:
    path = make(tmp_path / "events.db", count=5)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM events WHERE seq IN (2, 3)")
    with (
        SqliteLog.reader(path) as log,
        pytest.raises(LogError, match="records 2 to 3 are missing"),
    ):
        list(log.read())


def test_a_folder_that_does_not_exist_is_reported(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="cannot be opened"):
        SqliteLog.create(tmp_path / "nowhere" / "events.db", {})


def test_a_name_with_odd_characters_is_a_name(tmp_path: Path) -> None:
    path = make(tmp_path / "50% ?mode=memory#1 ä.db")
    with SqliteLog.reader(path) as log:
        assert len(list(log.read())) == 3


READER = """
import os, sys
from pathlib import Path
from orchestrator.runtime.eventlog import SqliteLog
if os.geteuid() == 0:  # root may write everywhere
    os.setgid(65534)
    os.setuid(65534)
with SqliteLog.reader(Path(sys.argv[1])) as log:
    print(len(list(log.read())))
"""


@pytest.mark.slow
def test_a_finished_log_is_read_from_a_folder_that_may_not_be_written() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = make(folder / "events.db")
        path.chmod(0o444)
        folder.chmod(0o555)
        try:
            with child(READER, str(path)) as reader:
                assert reader.communicate()[0] == "3\n"
        finally:
            folder.chmod(0o755)
