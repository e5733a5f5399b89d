"""What came of a trial, as figures from its log; and which figures can be compared, and how.

A figure whose value cannot be known (the price of an unknown model, say) is None, never 0. Times
are in seconds. Failures are outcomes: `success` is 0, and all other figures are those of the run as
it was. A run that its limit of wall time ended stays in with that limit as its makespan. Each
figure is defined in docs/metrics.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from orchestrator.core.history import History
from orchestrator.lab.endtests import SECONDS, Memory
from orchestrator.lab.figures import figures_of
from orchestrator.lab.measuring import measure_run

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
        compared: whether it is tested between arms. What only describes a run is not: each test
            more makes all others of its family harder to pass.
    """

    name: str
    label: str
    scale: Scale
    lower_is_better: bool = True
    unit: str = ""
    compared: bool = True


def _more(name: str, label: str, scale: Scale = "difference", unit: str = "") -> Measure:
    """Return a measure of which more is better."""
    return Measure(name, label, scale, False, unit)


def _told(name: str, label: str, unit: str = "", *, more: bool = False) -> Measure:
    """Return a measure that describes a run and is not tested."""
    return Measure(name, label, "difference", not more, unit, compared=False)


MEASURES: Mapping[str, Measure] = {
    one.name: one
    for one in (
        Measure("success", "success", "rate", lower_is_better=False),
        Measure("makespan", "makespan", "ratio", unit="s"),
        _more("tasks_passed", "tasks passed"),
        _more("tests_passed", "tests passed"),
        _told("tests_run", "tests run"),
        _told("tasks_green", "tasks whose tests pass at the end", more=True),
        Measure("integration_loss", "integration loss", "difference"),
        Measure("cross_task_breaks", "cross-task breaks", "difference"),
        _more("speedup", "speed-up", "ratio"),
        _told("speedup_solo", "speed-up over solo", more=True),
        _told("speedup_agent", "speed-up over one agent", more=True),
        _told("parallelism", "average parallelism", more=True),
        Measure("critical_path", "critical path", "ratio", unit="s"),
        _told("path_share", "critical path / makespan", more=True),
        _told("schedule_quality", "schedule quality", more=True),
        _more("utilisation", "utilisation", "ratio"),
        _told("time_working", "worker time: working", "s", more=True),
        _told("time_commands", "worker time: commands", "s"),
        _told("time_dependencies", "worker time: waiting for dependencies", "s"),
        _told("time_files", "worker time: waiting for files", "s"),
        _told("time_provider", "worker time: waiting for the provider", "s"),
        _told("time_acceptance", "worker time: waiting to submit", "s"),
        _told("time_merge", "worker time: waiting to merge", "s"),
        _told("time_budget", "worker time: waiting for budget", "s"),
        _told("time_approval", "worker time: waiting for approval", "s"),
        _told("time_start", "worker time: between tasks", "s"),
        _told("time_none", "worker time: no ready work", "s"),
        _told("time_stopped", "worker time: stopped", "s"),
        Measure("file_wait", "waited for files", "ratio", unit="s"),
        Measure("provider_wait", "waited for the provider", "ratio", unit="s"),
        Measure("submit_wait", "waited to submit", "ratio", unit="s"),
        Measure("attempts", "attempts", "ratio"),
        Measure("turns", "turns", "ratio"),
        _told("overhead_turns", "turns over solo"),
        Measure("rework_seconds", "rework", "ratio", unit="s"),
        _told("rework_share", "rework, share of time"),
        Measure("rework_turns", "rework turns", "ratio"),
        Measure("rework_tokens", "rework tokens", "ratio"),
        _told("rework_token_share", "rework, share of tokens"),
        Measure("refused_stale", "writes refused as stale", "difference"),
        Measure("refused_scope", "requests refused by scope", "difference"),
        _told("refused_write_rate", "share of writes refused"),
        _told("false_refusal_rate", "false-refusal rate"),
        _told("scope_violation_rate", "scope-violation rate"),
        Measure("conflicts", "conflicts", "difference"),
        Measure("merges_refused", "merges refused", "difference"),
        Measure("merge_conflicts", "merge conflicts", "difference"),
        Measure("semantic_conflicts", "semantic conflicts", "difference"),
        Measure("anomalies", "anomalies", "difference"),
        Measure("stale_read_rate", "stale-read rate", "difference"),
        Measure("stale_seconds", "stale-assumption duration", "difference", unit="s"),
        _told("stale_turns", "stale-assumption turns"),
        _told("writes_precision", "declared writes, precision", more=True),
        _told("writes_recall", "declared writes, recall", more=True),
        _told("reads_precision", "declared reads, precision", more=True),
        _told("reads_recall", "declared reads, recall", more=True),
        Measure("messages", "messages", "difference"),
        _told("message_share", "messages, share of actions"),
        Measure("tokens", "model tokens", "ratio"),
        _told("tokens_input", "model tokens: input"),
        _told("tokens_output", "model tokens: output"),
        _told("tokens_cache_read", "model tokens: read from cache"),
        _told("tokens_cache_write", "model tokens: written to cache"),
        _told("overhead_tokens", "model tokens over solo"),
        Measure("usd", "dollars", "ratio", unit="$"),
        Measure("usd_per_passed", "dollars per passed task", "ratio", unit="$"),
        Measure("tokens_per_passed", "tokens per passed task", "ratio"),
    )
}
"""What is known of a trial, in the order of the table. The scale ``ratio`` holds while all values
are positive; else they are compared as differences. Figures that need two trials (over solo, over
one agent) are None until `lab.versussolo` has seen both."""


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


def measure_outcome(
    run_dir: Path,
    *,
    retest: bool = False,
    seconds: float = SECONDS,
    memory: Memory | None = None,
) -> Outcome:
    """Return what came of a run that has ended.

    Args:
        run_dir: directory of the run.
        retest: run the tests of all tasks once more, on the final tree. Without, the figures that
            need it are None: `integration_loss`, `cross_task_breaks`, `semantic_conflicts`,
            `tasks_green`, and the tests that passed unless a judge counts them. It costs one run
            of each different test command.
        seconds: time for these tests together; what is not done by then is not known.
        memory: results of tests on trees that other trials have left; spares the same runs.

    Raises:
        WorkspaceError: this is not the directory of a run.
        LogError: its log cannot be read.
    """
    found = measure_run(run_dir, retest=retest, seconds=seconds, memory=memory)
    known = figures_of(found)
    figures = {name: known.get(name) for name in MEASURES}
    return Outcome(found.history.status, figures, tuple(_tasks(found.history)), found.notes)


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
