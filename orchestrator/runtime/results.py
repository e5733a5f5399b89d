"""How a run ended, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from orchestrator.core.encoding import decode
from orchestrator.core.history import History
from orchestrator.core.messages import RunStatus
from orchestrator.core.states import TaskState
from orchestrator.runtime.eventlog import SqliteLog
from orchestrator.runtime.header import unpack
from orchestrator.runtime.rundir import RunDir

EXIT_CODES: Mapping[RunStatus, int] = {"succeeded": 0, "failed": 1, "limit": 3, "interrupted": 130}


@dataclass(frozen=True, slots=True)
class TaskResult:
    """How one task ended.

    Attributes:
        seconds: from the start of its first attempt to the end of its last.
        input: model tokens put in.
        output: model tokens that came out.
        files: files that the accepted attempt wrote.
        reason: why it did not succeed; None if it did.
    """

    state: TaskState
    attempts: int
    turns: int
    seconds: float
    input: int
    output: int
    files: tuple[str, ...]
    reason: str | None


@dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Attributes:
        tree: the directory with the result; None: a run without a workspace.
        late: workers that had not returned when the run ended.
        notices: what whoever started the run must know about its end, for example what was
            committed, and what was not.
    """

    run: str
    run_dir: Path
    status: RunStatus
    mode: str
    model: str
    workers: int
    seed: int
    tree: Path | None = None
    late: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """The exit code of the command line for this result."""
        return EXIT_CODES.get(self.status, 1)

    @cached_property
    def history(self) -> History:
        """What happened, per task and attempt; read from the log when first asked for."""
        return load_history(self.run_dir)

    @cached_property
    def tasks(self) -> Mapping[str, TaskResult]:
        """How each task ended."""
        return task_results(self.history)


def load_history(run_dir: Path) -> History:
    """Return what the log of a run tells about each task."""
    with SqliteLog.reader(RunDir.open(run_dir).events) as log:
        history = History(unpack(log.header).tasks)
        for row in log.read():
            history.apply(decode(row.at, row.kind, row.task, row.attempt, row.body))
    return history


def task_results(history: History) -> dict[str, TaskResult]:
    """Return how each task ended."""
    found = {}
    for name, task in history.tasks.items():
        first, last = (task.attempts[0], task.attempts[-1]) if task.attempts else (None, None)
        seconds = (last.ended or history.now) - first.started if first and last else 0.0
        found[name] = TaskResult(
            task.state, len(task.attempts), task.turns, seconds, task.input, task.output,
            task.files, task.reason or None,
        )  # fmt: skip
    return found
