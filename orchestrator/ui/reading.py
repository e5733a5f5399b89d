"""`status` and `events`: what a log tells, and the limits under which a run goes on."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.core.limits import Limits
from orchestrator.core.states import TaskState
from orchestrator.errors import UsageError
from orchestrator.runtime.eventlog import Record as Row
from orchestrator.runtime.eventlog import SqliteLog
from orchestrator.runtime.rundir import RunDir, find_run
from orchestrator.spec.durations import parse_duration
from orchestrator.ui.driving import tell
from orchestrator.ui.limiting import changed_limits
from orchestrator.ui.output import say, say_json
from orchestrator.ui.record import Record, read_record
from orchestrator.ui.words import clock, listed, one_line, short


def find(run: str) -> RunDir:
    """Return the directory of a run that is named on the command line.

    Raises:
        UsageError: there is none.
    """
    return RunDir.open(find_run(run, Path.cwd()))


def show_status(run: str, *, as_json: bool) -> None:
    """Print where a run and its tasks stand."""
    record = read_record(find(run).path)
    if as_json:
        say_json(record.to_json())
        return
    header = record.header
    model = f", model {header.model}" if header.model else ""
    say(f"Run {header.run} of {header.name}: mode {header.mode}{model}, began {header.started}.")
    for line in _task_lines(record):
        say(line)
    tell(record, sys.stdout, plain=False)


def _task_lines(record: Record) -> Iterator[str]:
    board = record.board
    width = max((len(name) for name in board.states), default=0)
    blocked = board.blocked()
    yield f"  {'task':<{width}}  state      attempts  turns   tokens     time"
    for name, state in board.states.items():
        task = board.task(name)
        spent = 0.0
        if task.attempts:
            first, last = task.attempts[0], task.attempts[-1]
            spent = (board.history.now if last.ended is None else last.ended) - first.started
        about = one_line(task.reason, 60)
        if name in blocked:
            about = f"waits for files that {listed(blocked[name], 2)} holds"
        if state is TaskState.RUNNING and task.last:
            about = f"{task.last.phase} on {task.last.worker}"
        yield (
            f"  {name:<{width}}  {state:<9}  {len(task.attempts):>8}  {task.turns:>5}  "
            f"{short(task.input + task.output):>7}  {clock(spent):>7}  {about}"
        ).rstrip()


def show_events(run: str, *, as_json: bool) -> None:
    """Print the events of a run, oldest first."""
    with SqliteLog.reader(find(run).events) as log:
        for row in log.read():
            say(_json_line(row) if as_json else _text_line(row))


def _json_line(row: Row) -> str:
    value = {"seq": row.seq, "at": row.at, "kind": row.kind, "task": row.task}
    body = json.loads(row.body)
    return json.dumps({**value, "attempt": row.attempt, **body}, ensure_ascii=False)


def _text_line(row: Row) -> str:
    task = f"{row.task} {row.attempt}" if row.task else ""
    body = " ".join(
        f"{key}={_brief(value)}"
        for key, value in json.loads(row.body).items()
        if key != "token" and value not in ("", [], {})
    )
    return f"{row.seq:>6} {row.at:>9.3f}s  {row.kind:<11}  {task:<24}  {body}".rstrip()


def _brief(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(one_line(value, 60), ensure_ascii=False)
    if isinstance(value, dict):
        inner = {key: part for key, part in value.items() if part}
        return json.dumps(inner, separators=(",", ":"), ensure_ascii=False)
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def raised_limits(
    limits: Limits,
    wall: str | None,
    tokens: int | None,
    usd: float | None,
    others: Sequence[str] = (),
) -> Limits | None:
    """Return the limits under which a run goes on; None: those that it had.

    Raises:
        UsageError: one of them is not a limit.
    """
    changes: dict[str, float | int] = {}
    if wall is not None:
        try:
            changes["wall"] = parse_duration(wall)
        except ValueError as error:
            raise UsageError(str(error), "--wall", fix="give for example 90s, 15m or 2h") from None
    for name, value in (("tokens", tokens), ("usd", usd)):
        if value is not None:
            if value <= 0:
                raise UsageError(f"{value:g} is not a limit", f"--{name}", fix="give more than 0")
            changes[name] = value
    raised = replace(limits, **changes)  # type: ignore[arg-type]
    return changed_limits(raised, others) or (raised if changes else None)
