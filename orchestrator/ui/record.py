"""A run as its log tells it: what `status`, the summary and ``--json`` are made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.core.encoding import decode
from orchestrator.core.messages import RunStatus
from orchestrator.lab.metrics import Metrics
from orchestrator.runtime.eventlog import SqliteLog
from orchestrator.runtime.header import Header, unpack
from orchestrator.runtime.locking import run_lives
from orchestrator.runtime.results import task_results
from orchestrator.runtime.rundir import RunDir
from orchestrator.ui.board import Board


@dataclass(frozen=True)
class Record:
    """A run, read from its log.

    Attributes:
        folder: the run's directory.
        board: where its tasks stand.
        metrics: its figures.
        status: how it ended; ``running`` while it lives, ``interrupted`` also when its process
            ended without a word.
        why: what ended it, for example the limit; "" when it ended by itself.
    """

    folder: RunDir
    header: Header
    board: Board
    metrics: Metrics
    status: RunStatus
    why: str

    @property
    def tree(self) -> Path | None:
        """The directory with the result; None: a run without a workspace."""
        return Path(self.header.workspace) if self.header.workspace else None

    def to_json(self) -> dict[str, Any]:
        """Return the run as ``run --json`` prints it."""
        header, states = self.header, self.board.states
        return {
            "run": header.run,
            "run_dir": str(self.folder.path),
            "status": self.status,
            "why": self.why or None,
            "name": header.name,
            "mode": header.mode,
            "model": header.model,
            "workers": header.workers,
            "seed": header.seed,
            "tree": header.workspace or None,
            "tasks": {
                name: {
                    "state": str(states[name]),
                    "attempts": task.attempts,
                    "turns": task.turns,
                    "seconds": round(task.seconds, 6),
                    "tokens": {"input": task.input, "output": task.output},
                    "files": list(task.files),
                    "reason": task.reason,
                }
                for name, task in task_results(self.board.history).items()
            },
            "metrics": self.metrics.to_json(),
        }


def read_record(run_dir: Path) -> Record:
    """Read a run from its log; it may still be going on.

    Raises:
        WorkspaceError: this is not the directory of a run.
        LogError: its log cannot be read.
    """
    folder = RunDir.open(run_dir)
    lives = run_lives(folder.path)  # before the log is read: what it says at its end is not missed
    header, board = read_board(folder)
    history = board.history
    status, why = history.status, history.why
    if status == "running" and not lives:
        status, why = "interrupted", "its process has ended"
    return Record(folder, header, board, board.meter.metrics(), status, why)


def read_board(folder: RunDir) -> tuple[Header, Board]:
    """Return the header of a run's log, and where its tasks stand.

    Raises:
        LogError: the log cannot be read.
    """
    with SqliteLog.reader(folder.events) as log:
        header = unpack(log.header)
        board = Board(header)
        for row in log.read():
            board.apply(decode(row.at, row.kind, row.task, row.attempt, row.body))
    return board.header, board
