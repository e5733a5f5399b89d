"""Durations, failures and turns, as earlier runs had them.

A task that a run has done before is expected to take what it took (the geometric mean of its
accepted attempts). A task that is new is expected to take what its estimate says, corrected by how
realised durations followed estimates: a straight line between the logarithms, by least squares,
with a slope from 0 (estimates say nothing) to 1 (the plain ratio, which is also taken when there
are few tasks). What is left around the line is the spread.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import Any

from orchestrator.core import events as e
from orchestrator.core.task import Task
from orchestrator.errors import UsageError
from orchestrator.lab.durations import SIGMA, Curve, Lognormal, Spread
from orchestrator.lab.runlog import read_log

ENOUGH = 8
"""Tasks from which a slope is estimated; with fewer it is 1."""

FREEDOM = 5
"""Repetitions of the same tasks from which their own spread is estimated."""

_FAILURES = frozenset({"gave_up", "tests_failed", "error", "model_error", "no_progress", "limit"})


@dataclass(frozen=True, slots=True)
class Fit:
    """What earlier runs say.

    Attributes:
        durations: for a simulation.
        runs: how many runs.
        samples: accepted attempts that durations were taken from.
        failed: attempts that failed by themselves; what a person or a crash ended is left out.
        attempts: attempts that succeeded or failed.
        turns: model turns of an accepted attempt, median; 0: there were none.
        tokens: model tokens of a turn, mean.
    """

    durations: Lognormal
    runs: int
    samples: int
    failed: int
    attempts: int
    turns: int
    tokens: int

    def to_json(self) -> dict[str, Any]:
        """Return the fit as JSON values."""
        curve = self.durations.curve
        return {
            "runs": self.runs,
            "samples": self.samples,
            "tasks": len(self.durations.known),
            "failing": round(self.durations.failing, 4),
            "failing_at_most": round(self.failing_at_most, 4),
            "factor": round(curve.factor, 4),
            "power": round(curve.power, 4),
            "sigma": round(curve.sigma, 4),
        }

    @property
    def failing_at_most(self) -> float:
        """Upper end of the 95 % interval of the probability that an attempt fails (Wilson)."""
        n, p, z = self.attempts, self.durations.failing, 1.96
        root = math.sqrt(p * (1 - p) / n + (z / (2 * n)) ** 2)
        return min(1.0, (p + z * z / (2 * n) + z * root) / (1 + z * z / n))


@dataclass(slots=True)
class _Samples:
    """What the runs hold.

    Attributes:
        logs: task to the logarithms of its accepted attempts' seconds.
        pairs: logarithms of estimate and seconds of each accepted attempt.
    """

    logs: dict[str, list[float]] = field(default_factory=dict)
    pairs: list[tuple[float, float]] = field(default_factory=list)
    turns: list[int] = field(default_factory=list)
    tokens: int = 0
    all_turns: int = 0
    failed: int = 0
    attempts: int = 0


def fit(run_dirs: Sequence[Path], *, without_waiting: bool = False) -> Fit:
    """Learn from the logs of earlier runs, of this plan or of others.

    Args:
        run_dirs: directories of runs.
        without_waiting: take what attempts waited for the provider out of their durations: for a
            simulation that has them wait itself.

    Raises:
        UsageError: they hold no accepted attempt.
        WorkspaceError: one is not the directory of a run.
        LogError: a log cannot be read.
    """
    logs = [read_log(path) for path in run_dirs]
    return fit_events(
        [(log.header.tasks, log.events) for log in logs], without_waiting=without_waiting
    )


def fit_events(
    runs: Iterable[tuple[Sequence[Task], Iterable[e.Event]]], *, without_waiting: bool = False
) -> Fit:
    """Learn from runs, each given as the plan's tasks and what was recorded.

    Args:
        runs: tasks and events of each.
        without_waiting: as for `fit`.

    Raises:
        UsageError: they hold no accepted attempt.
    """
    samples, count = _Samples(), 0
    for tasks, events in runs:
        _collect(samples, tasks, events, without_waiting)
        count += 1
    if not samples.pairs:
        raise UsageError(
            "no duration can be learnt from these runs",
            "--from",
            "no attempt was accepted in them",
            "name runs in which tasks succeeded",
        )
    curve = _curve(samples.pairs)
    own = _own_sigma(samples.logs.values())
    known = {
        task: Spread(math.exp(fmean(logs)), curve.sigma if own is None else own)
        for task, logs in samples.logs.items()
    }
    durations = Lognormal(curve, known, samples.failed / samples.attempts)
    return Fit(
        durations,
        count,
        len(samples.pairs),
        samples.failed,
        samples.attempts,
        round(median(samples.turns)),
        round(samples.tokens / max(samples.all_turns, 1)),
    )


def _collect(
    samples: _Samples, tasks: Sequence[Task], events: Iterable[e.Event], without_waiting: bool
) -> None:
    known = {task.id: task for task in tasks}
    began: dict[str, float] = {}
    waited: dict[str, float] = {}
    turns: dict[str, int] = {}
    for event in events:
        match event:
            case e.Added():
                known.update({task.id: task for task in event.tasks})
            case e.LeaseGranted():
                began[event.task] = event.at
                waited[event.task], turns[event.task] = 0.0, 0
            case e.Reported():
                waited[event.task] += event.waited if without_waiting else 0.0
                samples.all_turns += event.turn > turns[event.task]
                turns[event.task] = max(turns[event.task], event.turn)
                samples.tokens += event.spent.tokens
            case e.Succeeded():
                samples.attempts += 1
                samples.turns.append(turns[event.task])
                seconds = max(event.at - began[event.task] - waited[event.task], 1e-6)
                taken = math.log(seconds)
                samples.logs.setdefault(event.task, []).append(taken)
                samples.pairs.append((math.log(known[event.task].estimate), taken))
            case e.AttemptEnded(cause=cause) if cause in _FAILURES:
                samples.attempts += 1
                samples.failed += 1
            case _:
                pass


def _curve(pairs: Sequence[tuple[float, float]]) -> Curve:
    """Fit realised to estimated seconds."""
    estimates, taken = [x for x, _ in pairs], [y for _, y in pairs]
    middle, level = fmean(estimates), fmean(taken)
    across = math.fsum((x - middle) ** 2 for x in estimates)
    power = 1.0
    if len(pairs) >= ENOUGH and across > 0:
        slope = math.fsum((x - middle) * (y - level) for x, y in pairs) / across
        power = min(1.0, max(0.0, slope))
    factor = math.exp(level - power * middle)
    left = [y - level - power * (x - middle) for x, y in pairs]
    return Curve(factor, power, _sigma(left, len(pairs) - 2))


def _sigma(residuals: Sequence[float], freedom: int) -> float:
    if freedom < 1:
        return SIGMA
    return math.sqrt(math.fsum(value * value for value in residuals) / freedom)


def _own_sigma(logs: Iterable[Sequence[float]]) -> float | None:
    """Return the spread of repetitions of the same task, pooled; None: too few were repeated."""
    residuals: list[float] = []
    freedom = 0
    for values in logs:
        level = fmean(values)
        residuals += [value - level for value in values]
        freedom += len(values) - 1
    return _sigma(residuals, freedom) if freedom >= FREEDOM else None
