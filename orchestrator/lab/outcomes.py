"""What came of a trial, as figures from its log; and which figures can be compared, and how.

A figure whose value cannot be known (the price of an unknown model, say) is None. Times are in
seconds. Failures are outcomes: `success` is 0, and all other figures are those of the run as it
was. A run that its limit of wall time ended stays in with that limit as its makespan.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from orchestrator.core import events as e
from orchestrator.core.history import History
from orchestrator.core.states import TaskState
from orchestrator.errors import OrchestratorError
from orchestrator.lab.check import check_run
from orchestrator.lab.metrics import Metrics, metrics_of
from orchestrator.lab.runlog import RunLog, read_log

Scale = Literal["ratio", "difference", "rate"]
Figures = dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure that arms are compared by.

    Attributes:
        label: in words, for tables.
        scale: how values are compared: as a ratio, as a difference, as a rate of success.
        lower_is_better: False: more of it is better.
        unit: of its values; "" for a number.
    """

    name: str
    label: str
    scale: Scale
    lower_is_better: bool = True
    unit: str = ""


MEASURES: Mapping[str, Measure] = {
    one.name: one
    for one in (
        Measure("success", "success", "rate", lower_is_better=False),
        Measure("makespan", "makespan", "ratio", unit="s"),
        Measure("tasks_passed", "tasks passed", "difference", lower_is_better=False),
        Measure("speedup", "speed-up", "ratio", lower_is_better=False),
        Measure("critical_path", "critical path", "ratio", unit="s"),
        Measure("utilisation", "utilisation", "ratio", lower_is_better=False),
        Measure("file_wait", "waited for files", "ratio", unit="s"),
        Measure("provider_wait", "waited for the provider", "ratio", unit="s"),
        Measure("submit_wait", "waited to submit", "ratio", unit="s"),
        Measure("attempts", "attempts", "ratio"),
        Measure("rework_seconds", "rework", "ratio", unit="s"),
        Measure("rework_tokens", "rework tokens", "ratio"),
        Measure("refused_stale", "writes refused as stale", "difference"),
        Measure("refused_scope", "requests refused by scope", "difference"),
        Measure("conflicts", "conflicts", "difference"),
        Measure("merges_refused", "merges refused", "difference"),
        Measure("anomalies", "anomalies", "difference"),
        Measure("tokens", "model tokens", "ratio"),
        Measure("usd", "dollars", "ratio", unit="$"),
        Measure("usd_per_passed", "dollars per passed task", "ratio", unit="$"),
        Measure("tokens_per_passed", "tokens per passed task", "ratio"),
    )
}
"""What is compared, in the order of the table. The scale ``ratio`` holds while all values are
positive; else they are compared as differences."""


@dataclass(frozen=True, slots=True)
class TaskOutcome:
    """How one task of a trial ended; times in seconds from the start of the run."""

    task: str
    state: str
    attempts: int
    turns: int
    started: float | None
    ended: float | None
    input: int
    output: int
    usd: float | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run.

    Attributes:
        status: how it ended.
        figures: value per measure; but for `success`, which a judge may still take away.
        tasks: how each task ended.
        notes: what could not be measured, and why.
    """

    status: str
    figures: Figures
    tasks: tuple[TaskOutcome, ...]
    notes: tuple[str, ...] = ()


def measure_outcome(run_dir: Path) -> Outcome:
    """Return what came of a run that has ended.

    Raises:
        WorkspaceError: this is not the directory of a run.
        LogError: its log cannot be read.
    """
    log = read_log(run_dir)
    history = History(log.header.tasks)
    rework = _Rework()
    merges = 0
    for event in log.events:
        history.apply(event)
        rework.apply(event)
        merges += isinstance(event, e.RequestRefused) and event.request == "merge"
    metrics = metrics_of(log.header.tasks, log.header.workers, log.events)
    anomalies, notes = _anomalies(run_dir)
    figures = _figures(log, history, metrics)
    figures |= {
        "rework_tokens": float(rework.tokens),
        "merges_refused": float(merges),
        "anomalies": anomalies,
    }
    ordered = {name: figures[name] for name in MEASURES}
    return Outcome(history.status, ordered, tuple(_tasks(history)), notes)


def _figures(log: RunLog, history: History, metrics: Metrics) -> Figures:
    states = [task.state for task in history.tasks.values()]
    passed = states.count(TaskState.SUCCEEDED)
    tokens = float(sum(metrics.tokens.values()))
    wall = log.header.limits.wall
    censored = history.status == "limit" and wall is not None and history.now >= wall
    return {
        "success": float(history.status == "succeeded" and passed == len(states)),
        "makespan": float(wall) if censored and wall is not None else metrics.makespan,
        "tasks_passed": passed / len(states) if states else 0.0,
        "speedup": metrics.speedup,
        "critical_path": metrics.critical_path,
        "utilisation": metrics.utilisation,
        "file_wait": metrics.file_wait_seconds,
        "provider_wait": metrics.provider_wait_seconds,
        "submit_wait": metrics.submit_wait_seconds,
        "attempts": float(metrics.attempts),
        "rework_seconds": metrics.rework_seconds,
        "refused_stale": float(metrics.refused_stale),
        "refused_scope": float(metrics.refused_scope),
        "conflicts": float(metrics.conflicts),
        "tokens": tokens,
        "usd": metrics.usd,
        "usd_per_passed": metrics.usd / passed if metrics.usd is not None and passed else None,
        "tokens_per_passed": tokens / passed if passed else None,
    }


def _anomalies(run_dir: Path) -> tuple[float | None, tuple[str, ...]]:
    try:
        return float(len(check_run(run_dir).anomalies)), ()
    except OrchestratorError as error:  # the run itself is none the worse
        return None, (f"anomalies were not counted: {error.what}",)


def _tasks(history: History) -> list[TaskOutcome]:
    return [
        TaskOutcome(
            name, str(task.state), len(task.attempts), task.turns,
            task.attempts[0].started if task.attempts else None,
            task.attempts[-1].ended if task.attempts else None,
            task.input, task.output, task.usd,
        )
        for name, task in history.tasks.items()
    ]  # fmt: skip


class _Rework:
    """Model tokens of attempts that were not accepted, what came in late included."""

    def __init__(self) -> None:
        self._spent: Counter[tuple[str, int]] = Counter()
        self._lost: set[tuple[str, int]] = set()

    @property
    def tokens(self) -> int:
        """Tokens so far."""
        return sum(self._spent[key] for key in self._lost)

    def apply(self, event: e.Event) -> None:
        """Take in one event."""
        match event:
            case e.Reported() | e.SpentLate():
                self._spent[event.task, event.attempt] += event.spent.tokens
            case e.AttemptEnded():
                self._spent[event.task, event.attempt] += event.spent.tokens
                self._lost.add((event.task, event.attempt))
            case _:
                pass
