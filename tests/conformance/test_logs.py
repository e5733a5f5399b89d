"""What every event log does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.runtime.eventlog import FORMAT, EventLog, MemoryLog, Record, Row, SqliteLog

HEADER = {"plan": {"name": "minisql"}, "seed": 1, "model": None}


@pytest.fixture(params=["memory", "full", "normal"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EventLog]:
    made: EventLog
    if request.param == "memory":
        made = MemoryLog(HEADER)
    else:
        made = SqliteLog.create(tmp_path / "events.db", HEADER, request.param)
    yield made
    made.close()


def rows(count: int, start: int = 0) -> list[Row]:
    return [
        (n / 8, "TaskStarted", f"task-{n}", n, f'{{"n":{n}}}') for n in range(start, start + count)
    ]


def test_the_header_is_kept_with_the_format(log: EventLog) -> None:
    assert dict(log.header) == {**HEADER, "format": FORMAT}


def test_a_new_log_is_empty(log: EventLog) -> None:
    assert list(log.read()) == []


def test_records_are_numbered_from_one_without_gaps(log: EventLog) -> None:
    assert log.append(rows(2)) == 2
    assert log.append(rows(1, 2)) == 3
    assert [record.seq for record in log.read()] == [1, 2, 3]


def test_records_come_back_as_they_went_in(log: EventLog) -> None:
    log.append(
        [(1.25, "Note", "lexer/ä", 3, '{"text":"\u2713 \\u0000"}'), (2, "Ended", "", 0, "{}")]
    )
    assert list(log.read()) == [
        Record(1, 1.25, "Note", "lexer/ä", 3, '{"text":"\u2713 \\u0000"}'),
        Record(2, 2.0, "Ended", "", 0, "{}"),
    ]


def test_appending_nothing_records_nothing(log: EventLog) -> None:
    assert log.append([]) == 0
    log.append(rows(3))
    assert log.append([]) == 3
    assert len(list(log.read())) == 3


@pytest.mark.parametrize("count", [1, 63, 64, 65, 200])
def test_a_batch_of_any_size_keeps_its_order(log: EventLog, count: int) -> None:
    assert log.append(rows(count)) == count
    assert [record.task for record in log.read()] == [f"task-{n}" for n in range(count)]


def test_reading_goes_on_after_a_number(log: EventLog) -> None:
    log.append(rows(5))
    assert [record.seq for record in log.read(after=3)] == [4, 5]
    assert list(log.read(after=5)) == []
    assert list(log.read(after=99)) == []
    assert len(list(log.read(after=-1))) == 5


def test_more_records_than_one_page_are_read(log: EventLog) -> None:
    log.append(rows(2500))
    assert [record.attempt for record in log.read()] == list(range(2500))


def test_a_log_made_in_one_thread_is_written_in_another(log: EventLog) -> None:
    writer = threading.Thread(target=lambda: [log.append(rows(2)) for _ in range(10)])
    writer.start()
    writer.join()
    assert len(list(log.read())) == 20


def test_closing_twice_is_harmless(log: EventLog) -> None:
    log.close()
    log.close()
