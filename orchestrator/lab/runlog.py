"""The log of a run, read whole: its header, its events, and where the contents are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.encoding import decode
from orchestrator.core.events import Event
from orchestrator.runtime.eventlog import SqliteLog
from orchestrator.runtime.header import Header, unpack
from orchestrator.runtime.rundir import RunDir


@dataclass(frozen=True, slots=True)
class RunLog:
    """A run that was read.

    Attributes:
        folder: the run's directory.
        events: what was recorded, in order.
    """

    folder: RunDir
    header: Header
    events: tuple[Event, ...]


def read_log(run_dir: Path) -> RunLog:
    """Read the log of a run, which may still be going on.

    Raises:
        WorkspaceError: this is not the directory of a run.
        LogError: the log cannot be read.
    """
    folder = RunDir.open(run_dir)
    with SqliteLog.reader(folder.events) as log:
        rows = log.read()
        events = tuple(decode(row.at, row.kind, row.task, row.attempt, row.body) for row in rows)
        return RunLog(folder, unpack(log.header), events)
