"""Recorded answers: what is given again, what is missing, and what cannot be a recording."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import LogError, ModelError, UsageError
from orchestrator.models.base import Briefing, Exchange, ToolCall, ToolResult, Turn, Usage
from orchestrator.models.cost import dollars
from orchestrator.models.recorded import RecordedModel
from orchestrator.models.recorded_run import find_recording, read_recording
from orchestrator.models.recorded_text import steady
from orchestrator.models.registry import create_model
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.eventlog import SqliteLog

NEVER = threading.Event()
Row = tuple[float, str, str, int, dict[str, Any]]


def turn(tool: str = "run_tests", tokens: int = 0, **given: Any) -> Turn:
    return Turn("So.", (ToolCall(f"id-{tool}", tool, given),), Usage(tokens, tokens), "tool_use",
                "m-1", ({"type": "text", "text": "So."},))  # fmt: skip


def told(said: Turn, content: str = "PASSED\n3 passed in 0.01s", error: bool = False) -> Exchange:
    return Exchange(said, tuple(ToolResult(call.id, content, error) for call in said.calls))


class Log:
    """The directory of a run, written row by row."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.rows = folder, list[Row]()
        self.blobs = BlobStore(folder / "blobs", durable=False)
        self.at = 0.0

    def add(self, kind: str, task: str = "a", attempt: int = 1, **body: Any) -> None:
        self.at += 1
        self.rows.append((self.at, kind, task, attempt, body))

    def keep(self, exchange: Exchange) -> str:
        return self.blobs.put(json.dumps(asdict(exchange)).encode())

    def answers(self, *exchanges: Exchange, usd: float | None = 0.0, **where: Any) -> None:
        """Record that these turns were asked for, given and answered, but for the last."""
        kept: dict[str, Any] = {}
        for number, exchange in enumerate(exchanges, 1):
            self.add("reported", phase="reason", turn=number, **kept, **where)
            spent = {**asdict(exchange.turn.usage), "usd": usd}
            given = self.keep(Exchange(exchange.turn))
            self.add("reported", phase="write", turn=number, spent=spent, transcript=given, **where)
            self.add("reported", phase="test", turn=0, **where)
            kept = {"transcript": self.keep(exchange)}
        self.add("reported", phase="reason", turn=len(exchanges) + 1, **kept, **where)

    def write(self, **header: Any) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        given = {"run": "r1", "model": "anthropic"} | header
        with SqliteLog.create(self.folder / "events.db", given) as log:
            log.append([(*row[:4], json.dumps(row[4])) for row in self.rows])
        return self.folder


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """A log that is still empty."""
    return Log(tmp_path / "run")


def brief(task: str = "a", attempt: int = 1) -> Briefing:
    return Briefing(task, attempt, 1, "", "", ())


def model_of(folder: Path, **options: str) -> RecordedModel:
    made = create_model(f"recorded:{folder}", options, folder)
    assert isinstance(made, RecordedModel)
    return made


ONE, TWO = told(turn("read_file", 7, path="x")), told(turn("run_tests", 9))


def test_the_very_turns_are_given_again(log: Log) -> None:
    log.answers(ONE, TWO, usd=0.25)
    log.answers(TWO, attempt=2, usd=0.25)
    model = model_of(log.write())
    assert model.next_turn(brief(), [], NEVER) == ONE.turn
    second = model.next_turn(brief(), [ONE], NEVER)
    assert second == TWO.turn
    assert second.blocks == TWO.turn.blocks
    assert model.next_turn(brief(attempt=2), [], NEVER) == TWO.turn
    assert dollars(model, second.usage) == 0.25


def test_usage_can_be_left_out(log: Log) -> None:
    log.answers(ONE, usd=0.25)
    model = model_of(log.write(), usage="zero")
    given = model.next_turn(brief(), [], NEVER)
    assert given == replace(ONE.turn, usage=Usage())
    assert dollars(model, given.usage) == 0.0


def test_an_unknown_price_stays_unknown(log: Log) -> None:
    log.answers(ONE, usd=None)
    model = model_of(log.write())
    assert dollars(model, model.next_turn(brief(), [], NEVER).usage) is None


def test_what_was_reserved_is_reserved_again(log: Log) -> None:
    log.add("reported", phase="reason", turn=1)
    log.add("reserved", expects={"output": 40, "usd": 0.5})
    log.answers(ONE, attempt=2, usd=0.25)
    model = model_of(log.write())
    assert model.estimate(brief(), []) == Usage(output=40)
    assert dollars(model, Usage(output=40)) == 0.5
    assert model.estimate(brief(), [ONE]) == Usage()
    assert model.offline


def test_a_recorded_error_comes_again_word_for_word(log: Log) -> None:
    log.answers(ONE)
    log.add("ended", cause="model_error", reason="over there: it broke\n  fix: mend it")
    model = model_of(log.write())
    with pytest.raises(ModelError) as caught:
        model.next_turn(brief(), [ONE], NEVER)
    assert str(caught.value) == "over there: it broke\n  fix: mend it"
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        ({}, "it was accepted, or the run stopped, before that"),
        ({"cause": "lease_expired", "reason": "x"}, "its lease ended before the model answered"),
        ({"cause": "gave_up", "reason": "too hard"}, "in the recording it ended there: too hard"),
    ],
)
def test_a_turn_too_many_says_how_the_recording_went(
    log: Log, ended: Mapping[str, str], words: str
) -> None:
    log.answers(ONE, TWO)
    if ended:
        log.add("ended", **ended)
    model = model_of(log.write())
    with pytest.raises(ModelError, match="no turn 3 of attempt 1 of task 'a'") as caught:
        model.next_turn(brief(), [ONE, TWO], NEVER)
    assert words in caught.value.why


def test_a_turn_that_was_not_kept_is_not_made_up(log: Log) -> None:
    log.answers(ONE)
    log.add("reported", phase="write", turn=2)
    with pytest.raises(ModelError, match="no turn 2") as caught:
        model_of(log.write()).next_turn(brief(), [ONE], NEVER)
    assert caught.value.why == "the turn was given, but what it said was not kept"


@pytest.mark.parametrize(
    ("task", "attempt", "why"),
    [("b", 1, "the plan has changed since"), ("a", 2, "it took fewer attempts then")],
)
def test_what_was_not_recorded_is_an_error(log: Log, task: str, attempt: int, why: str) -> None:
    log.answers(ONE)
    with pytest.raises(ModelError, match="the recording has nothing of") as caught:
        model_of(log.write()).next_turn(brief(task, attempt), [], NEVER)
    assert why in caught.value.why
    assert not caught.value.retryable


# --- differences ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "error", "refused_by"),
    [
        ("PASSED\n3 passed in 0.95s", False, ()),
        ("PASSED\n4 passed in 0.01s", False, ("text",)),
        ("FAILED\n3 failed in 0.01s", True, ("outcome", "text")),
    ],
)
@pytest.mark.parametrize("strict", ["outcome", "text", "no"])
def test_answers_of_tools_that_differ(
    log: Log, now: str, error: bool, refused_by: tuple[str, ...], strict: str
) -> None:
    log.answers(ONE, TWO)
    model = model_of(log.write(), strict=strict)
    history = [told(ONE.turn, now, error)]
    if strict not in refused_by:
        assert model.next_turn(brief(), history, NEVER) == TWO.turn
        return
    with pytest.raises(ModelError, match="read_file answered turn 1 of attempt 1") as caught:
        model.next_turn(brief(), history, NEVER)
    assert "then: no error, 'PASSED 3 passed in 0.01s'; now: " in caught.value.why


def test_a_turn_that_held_a_secret_is_not_given(log: Log) -> None:
    log.answers(told(turn("write_file", path="x", content="k = '[secret removed]'")))
    folder = log.write()
    with pytest.raises(ModelError, match="cannot be given as it was"):
        model_of(folder).next_turn(brief(), [], NEVER)
    assert model_of(folder, strict="no").next_turn(brief(), [], NEVER).calls


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1 passed in 0.05s", "1 passed in 12.50s"),
        ("==== 1 passed in 0.05s ====", "===== 1 passed in 0.5s ====="),
        ("<f object at 0x7f0011223344>", "<f object at 0x7fff11223344>"),
        ("/r/1/copies/w1/a.py:3: x", "/other/copies/w12/a.py:3: x"),
        ("took 3 ms", "took 40 ms"),
    ],
)
def test_texts_that_mean_the_same(one: str, other: str) -> None:
    assert one != other
    assert steady(one) == steady(other)


def test_texts_that_do_not() -> None:
    assert steady("1 passed in 0.05s") != steady("2 passed in 0.05s")
    assert steady("a.py:3: x") != steady("a.py:4: x")


# --- pauses -----------------------------------------------------------------------------------


class Waits(threading.Event):
    """Ends a lease, and remembers how long it was waited for."""

    waited: float | None = None

    def wait(self, timeout: float | None = None) -> bool:
        """Remember the time, and do not let it pass."""
        self.waited = timeout
        return self.is_set()


def test_pauses_are_left_out_unless_asked_for(log: Log) -> None:
    log.answers(ONE)
    folder = log.write()
    for options, waited in (({}, None), ({"latency": "recorded"}, 1.0)):
        interrupt = Waits()
        assert model_of(folder, **options).next_turn(brief(), [], interrupt) == ONE.turn
        assert interrupt.waited == waited


# --- what can be a recording --------------------------------------------------------------------


def test_runs_are_found_by_directory_log_and_id(tmp_path: Path) -> None:
    runs = tmp_path / ".orchestrator" / "runs"
    for name in ("2026-one", "2026-two"):
        Log(runs / name).write()
    assert find_recording("2026-one", tmp_path) == runs / "2026-one"
    assert find_recording("2026-t", tmp_path) == runs / "2026-two"
    assert find_recording(".orchestrator/runs/2026-two", tmp_path) == runs / "2026-two"
    assert find_recording(str(runs / "2026-one" / "events.db"), Path("/")) == runs / "2026-one"
    with pytest.raises(UsageError, match="2 runs begin with '2026-'") as caught:
        find_recording("2026-", tmp_path)
    assert [problem.what for problem in caught.value.problems] == ["2026-one", "2026-two"]
    with pytest.raises(UsageError, match="there is no run '2026-onn'") as caught:
        find_recording("2026-onn", tmp_path)
    assert caught.value.fix == "did you mean recorded:2026-one?"
    with pytest.raises(UsageError, match="there are no runs in"):
        find_recording("x", tmp_path / "elsewhere")


def test_a_run_of_a_task_function_has_no_answers(log: Log) -> None:
    log.add("reported", phase="reason", turn=0)
    with pytest.raises(UsageError, match="done by a task function, not by a model"):
        read_recording(log.write(model=""))


def test_a_run_that_ended_before_the_first_answer_has_none(log: Log) -> None:
    log.add("reported", phase="reason", turn=1)
    with pytest.raises(UsageError, match="before the model had given its first"):
        read_recording(log.write())


def test_a_newer_format_is_refused(log: Log) -> None:
    folder = log.write()
    with closing(sqlite3.connect(folder / "events.db")) as database, database:
        database.execute("UPDATE header SET value = '2' WHERE key = 'format'")
    with pytest.raises(LogError, match="has format 2, newer than this program"):
        read_recording(folder)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: (folder / "events.db").write_bytes(b"no database"), "cannot be read"),
        (lambda folder: [p.unlink() for p in folder.glob("blobs/*/*")], "is not in the run's"),
        (lambda folder: [p.write_text("{}") for p in folder.glob("blobs/*/*")], "is damaged"),
    ],
)
def test_what_is_damaged_is_said_before_anything_starts(log: Log, damage: Any, words: str) -> None:
    log.answers(ONE, TWO)
    folder = log.write()
    for beside in folder.glob("events.db-*"):
        beside.unlink()
    damage(folder)
    with pytest.raises(LogError, match=words):
        model_of(folder)


def test_wrong_options_are_told_together(log: Log) -> None:
    log.answers(ONE)
    options = {"order": "sorted", "strict": "maybe", "latency": "3", "usage": "half", "seed": "1"}
    with pytest.raises(UsageError, match="5 mistakes") as caught:
        model_of(log.write(), **options)
    assert "give one of auto, recorded, free" in str(caught.value)
