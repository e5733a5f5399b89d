"""The answers of an earlier run, read from its directory.

Models stand below the runtime and cannot ask it for a log, so this is a small reader of its own,
over what is documented of a run's directory: the tables of `events.db`, and the transcripts,
which are JSON under their digest in `blobs`. The other way, a reader handed in by the runtime,
would have made `create_model` ask every caller for one that only this model needs.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from orchestrator.errors import LogError, Problem, UsageError, nearest
from orchestrator.models.base import ToolCall, ToolResult, Turn, Usage

FORMAT = 1
"""Newest format of logs that this reader knows."""

_SHOWN = 5  # runs that an error names


@dataclass(slots=True)
class RecordedAttempt:
    """What the model answered in one attempt. Turns are counted from 1.

    Attributes:
        turns: the turns that were kept.
        results: what the model was told in return to a turn; for the last turn it is not known.
        asked: when a turn was asked for, in seconds since the run began.
        answered: when it was given.
        spent: what a turn took, further tries included, and what a failure took.
        reserved: what a turn was expected to take at most.
        ended: why the attempt ended without success; "" if it was accepted or had not ended.
        reason: the same in words; the error, if the model failed.
    """

    turns: dict[int, Turn] = field(default_factory=dict)
    results: dict[int, tuple[ToolResult, ...]] = field(default_factory=dict)
    asked: dict[int, float] = field(default_factory=dict)
    answered: dict[int, float] = field(default_factory=dict)
    spent: dict[int, Usage] = field(default_factory=dict)
    reserved: dict[int, Usage] = field(default_factory=dict)
    ended: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Recording:
    """What the model of an earlier run answered.

    Attributes:
        directory: the run's directory.
        run: its id.
        attempts: task and number of the attempt to its answers.
        paid: what the turns of the run cost in US dollars, by their model tokens; None: the
            price was not known.
    """

    directory: Path
    run: str
    attempts: Mapping[tuple[str, int], RecordedAttempt]
    paid: Mapping[Usage, float] | None


def find_recording(text: str, base: Path) -> Path:
    """Return the directory of a run.

    Args:
        text: the directory, its event log, the id of a run of `base`, or the beginning of one.
        base: the directory that relative paths begin at, and whose runs are meant by ids.

    Raises:
        UsageError: there is none, or several begin so.
    """
    place = base / Path(text).expanduser()
    if place.name == "events.db" and place.is_file():
        return place.parent.absolute()
    if (place / "events.db").is_file():
        return place.absolute()
    runs = base.absolute() / ".orchestrator" / "runs"
    known = {log.parent.name: log.parent for log in sorted(runs.glob("*/events.db"))}
    begun = [text] if text in known else [name for name in known if name.startswith(text)]
    if len(begun) == 1:
        return known[begun[0]]
    if begun:
        raise UsageError(
            f"{len(begun)} runs begin with {text!r}",
            f"model recorded:{text}",
            fix="say more of the id",
            problems=[Problem(name, str(known[name])) for name in begun[-_SHOWN:]],
        )
    latest = ", ".join(sorted(known, reverse=True)[:_SHOWN])
    close = nearest(text, known)
    raise UsageError(
        f"there is no run {text!r}",
        f"model recorded:{text}",
        f"{place} holds no events.db, and "
        + (f"the latest runs in {runs} are {latest}" if known else f"there are no runs in {runs}"),
        f"did you mean recorded:{close}?" if close else "give the directory of the run",
    )


def read_recording(directory: Path) -> Recording:
    """Read what the model of a run answered.

    Args:
        directory: the run's directory; the run may be going on.

    Raises:
        UsageError: its tasks were not done by a model, or nothing of what it said was kept.
        LogError: the log or a transcript cannot be read, or is of a newer format.
    """
    path = directory / "events.db"
    try:
        header, rows = _read(path)
        _check(path, header)
        attempts: dict[tuple[str, int], RecordedAttempt] = {}
        paid: dict[Usage, float | None] = {}
        for at, kind, task, number, text in rows:
            attempt = attempts.setdefault((task, number), RecordedAttempt())
            body = json.loads(text)
            if kind == "ended":
                attempt.ended, attempt.reason = body["cause"], body["reason"]
                last = max(attempt.asked, default=1)
                attempt.spent.setdefault(last, _spent(body.get("spent", {}), paid))
            elif kind == "reserved":
                turn = max(attempt.asked, default=1)
                attempt.reserved[turn] = _spent(body["expects"], paid)
            else:
                _take(attempt, at, body, directory, paid)
    except (sqlite3.Error, ValueError, LookupError, TypeError, AttributeError) as error:
        raise LogError(
            "the recording cannot be read",
            str(path),
            f"{type(error).__name__}: {error}",
            "give the directory of a run, or restore what lies in it from a copy",
        ) from error
    if not any(attempt.turns for attempt in attempts.values()):
        raise UsageError(
            "this run has no recorded answers",
            str(directory),
            "it ended before the model had given its first",
            "give a run that got further",
        )
    prices = {usage: usd for usage, usd in paid.items() if usd is not None}
    return Recording(
        directory, header["run"], attempts, prices if len(prices) == len(paid) else None
    )


def _take(
    attempt: RecordedAttempt,
    at: float,
    body: Mapping[str, Any],
    directory: Path,
    paid: dict[Usage, float | None],
) -> None:
    """Take in what was reported: a turn is asked for in phase reason, and given in phase write."""
    turn, phase, kept = body["turn"], body["phase"], body.get("transcript")
    if not turn or phase not in ("reason", "write"):
        return
    if phase == "reason":
        attempt.asked[turn] = at
        if kept:  # the turn before, with its results
            said = _transcript(directory, kept)
            attempt.turns[turn - 1] = _turn(said["turn"])
            attempt.results[turn - 1] = tuple(ToolResult(**one) for one in said["results"])
        return
    attempt.answered[turn] = at
    attempt.spent[turn] = _spent(body.get("spent", {}), paid)
    if kept:
        attempt.turns[turn] = _turn(_transcript(directory, kept)["turn"])


def _spent(body: Mapping[str, Any], paid: dict[Usage, float | None]) -> Usage:
    usage = Usage(**{key: value for key, value in body.items() if key != "usd"})
    paid[usage] = body.get("usd", 0.0)
    return usage


def _turn(said: Mapping[str, Any]) -> Turn:
    calls = tuple(ToolCall(**call) for call in said["calls"])
    usage = Usage(**said["usage"])
    return Turn(**{**said, "calls": calls, "usage": usage, "blocks": tuple(said["blocks"])})


def _transcript(directory: Path, digest: str) -> Any:
    place = directory / "blobs" / digest[:2] / digest[2:]
    try:
        data = place.read_bytes()
    except OSError as error:
        raise LogError(
            f"transcript {digest[:12]} is not in the run's folder",
            str(place),
            error.strerror or str(error),
            "restore the folder `blobs` of the run from a copy",
        ) from error
    if sha256(data).hexdigest() != digest:
        raise LogError(
            f"transcript {digest[:12]} is damaged",
            str(place),
            "it does not have its digest any more",
            "restore the folder `blobs` of the run from a copy",
        )
    return json.loads(data)


def _read(path: Path) -> tuple[dict[str, Any], list[tuple[float, str, str, int, str]]]:
    """Return the header, and the rows of the events that tell about turns."""
    try:
        return _read_as(path, "mode=ro")
    except sqlite3.OperationalError:
        wal = path.with_name(path.name + "-wal")
        if wal.exists() and wal.stat().st_size:
            raise
        return _read_as(path, "mode=ro&immutable=1")  # it lies in a folder that is read-only


def _read_as(path: Path, how: str) -> tuple[dict[str, Any], list[tuple[float, str, str, int, str]]]:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True)) as log:
        header = {key: json.loads(value) for key, value in log.execute(_HEADER)}
        return header, log.execute(_TURNS).fetchall()


def _check(path: Path, header: Mapping[str, Any]) -> None:
    if header["format"] > FORMAT:
        raise LogError(
            f"the recording has format {header['format']}, newer than this program",
            str(path),
            f"this version of orchestrator reads formats up to {FORMAT}",
            "use the version of orchestrator that wrote it, or a newer one",
        )
    if not header["model"]:
        raise UsageError(
            "this run has no recorded answers",
            str(path.parent),
            "its tasks were done by a task function, not by a model",
            "give a run of a model; a task function can simply be run again",
        )


_HEADER = "SELECT key, value FROM header"
_TURNS = (
    "SELECT at, kind, task, attempt, body FROM events WHERE kind IN"
    " ('reported', 'reserved', 'ended') ORDER BY seq"
)
