"""The cells of the flagship experiment: one case, one decomposition, one mode.

Statistics are those of `orchestrator.lab.statistics`: Wilson and Newcombe intervals for success,
t intervals of log ratios, paired by seed, for times.

Several places together are no independent evidence: solo does the same in every decomposition, and
the same seed often does the same at two levels of drift. So a rate over several places counts as if
each seed had worked once on each codebase, and the interval of a time goes by seeds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from groundwork import Ground

from orchestrator.lab import statistics as s
from orchestrator.lab.trial import TrialResult

MODES = ("solo", "uncontrolled", "locks", "shared", "worktree")
"""In the order in which they are shown."""

ENOUGH = 4
"""Pairs from which on a winner is named: with fewer, shuffling labels cannot reach 5 %."""

SAME = 1.01
"""Ratio of times up to which they count as the same, however surely they differ."""


@dataclass(frozen=True, slots=True)
class Cell:
    """The trials of one case, decomposition and mode.

    Attributes:
        coupling: pairs of a drifted interface and a calling task that no order keeps apart.
        trials: lost ones (see `TrialResult.failure`) left out.
        lost: those; they count as no success, and in nothing else.
    """

    case: str
    order: str
    mode: str
    coupling: int
    trials: tuple[TrialResult, ...]
    lost: tuple[TrialResult, ...] = ()

    @property
    def successes(self) -> int:
        """Trials in which all tasks succeeded and the judge passed."""
        return sum(one.success for one in self.trials)

    @property
    def number(self) -> int:
        """All trials, lost ones included."""
        return len(self.trials) + len(self.lost)

    @property
    def success(self) -> s.Interval:
        """Rate of success over all trials with its Wilson interval."""
        return s.wilson(self.successes, self.number)

    @property
    def broken(self) -> float:
        """Share of trials whose tasks were all accepted, and whose whole suite fails; 0 when all
        trials were lost."""
        found = [
            one for one in self.trials if one.judged is False and one.figure("tasks_passed") == 1
        ]
        return len(found) / len(self.trials) if self.trials else 0.0

    def mean(self, name: str) -> float | None:
        """Return the mean of a figure over the trials that have it."""
        values = self._values(name)
        return sum(values) / len(values) if values else None

    def total(self, name: str) -> float:
        """Return the sum of a figure."""
        return sum(self._values(name))

    @property
    def makespan(self) -> float:
        """Geometric mean, in virtual seconds, failed trials included."""
        logs = [math.log(value) for value in self._values("makespan") if value > 0]
        return math.exp(sum(logs) / len(logs)) if logs else math.nan

    def passed_tasks(self) -> float:
        """Return the number of tasks that succeeded."""
        return sum((one.figure("tasks_passed") or 0) * len(one.tasks) for one in self.trials)

    def per_task(self, name: str) -> float | None:
        """Return the sum of a figure over the tasks that succeeded, failed trials included."""
        passed = self.passed_tasks()
        return self.total(name) / passed if passed and self._values(name) else None

    def _values(self, name: str) -> list[float]:
        found = (one.figure(name) for one in self.trials)
        return [value for value in found if value is not None]


@dataclass(frozen=True, slots=True)
class Place:
    """A case and a decomposition, with its cells by mode."""

    case: str
    order: str
    coupling: int
    cells: dict[str, Cell]

    @property
    def name(self) -> str:
        """Case and decomposition."""
        return f"{self.case}, {self.order}"

    @property
    def codebase(self) -> str:
        """The case without its level."""
        return self.case.rpartition(" ")[0]


def places(results: Sequence[TrialResult], grounds: Sequence[Ground]) -> list[Place]:
    """Return all places that have trials, by codebase, coupling and order."""
    found = []
    for ground in grounds:
        for order, coupling in ground.coupling.items():
            cells = {}
            for mode in MODES:
                own = tuple(
                    one
                    for one in results
                    if (one.case, one.arm.plan, one.arm.mode) == (ground.case, order, mode)
                )
                if own:
                    ended = tuple(one for one in own if not one.failure)
                    lost = tuple(one for one in own if one.failure)
                    cells[mode] = Cell(ground.case, order, mode, coupling, ended, lost)
            if cells:
                found.append(Place(ground.case, order, coupling, cells))
    return found


def with_anomalies(results: Iterable[TrialResult]) -> list[TrialResult]:
    """Return the trials of mode shared that had anomalies, of which it promises none."""
    return [
        one
        for one in results
        if one.arm.mode == "shared" and not one.failure and (one.figure("anomalies") or 0) > 0
    ]


def pooled(found: Iterable[Place], mode: str) -> tuple[int, int]:
    """Return successes and trials of a mode over several places, lost trials included."""
    cells = [place.cells[mode] for place in found if mode in place.cells]
    return sum(one.successes for one in cells), sum(one.number for one in cells)


def independent(found: Sequence[Place], mode: str) -> tuple[float, float]:
    """Return successes and trials as `pooled`, scaled to one trial per codebase and seed."""
    won, of = pooled(found, mode)
    able = [place for place in found if mode in place.cells]
    cells = [(place.codebase, place.cells[mode]) for place in able]
    number = len({(name, one.seed) for name, c in cells for one in (*c.trials, *c.lost)})
    return (won * number / of, float(number)) if of else (0.0, 0.0)


def ratio(first: Cell, second: Cell, name: str = "makespan") -> s.Interval | None:
    """Return the geometric mean ratio second / first, paired by seed; None: no pairs.

    The bounds are NaN when there is one pair only.
    """
    return pooled_ratio([(first, second)], name)


def pooled_ratio(cells: Iterable[tuple[Cell, Cell]], name: str = "makespan") -> s.Interval | None:
    """Return the ratio second / first over several places, which weigh the same.

    The spread is that of the seeds: what one seed did at several places is one observation.
    """
    found: list[dict[int, float]] = []  # per place, seed to the logarithm of the ratio
    for first, second in cells:
        known = {one.seed: one.figure(name) for one in first.trials}
        pairs = ((one.seed, known.get(one.seed), one.figure(name)) for one in second.trials)
        logs = {seed: math.log(b / a) for seed, a, b in pairs if a and b}
        if logs:
            found.append(logs)
    if not found:
        return None
    means = [sum(logs.values()) / len(logs) for logs in found]
    mean = sum(means) / len(means)
    seeds = {seed for logs in found for seed in logs}
    if len(seeds) < 2:
        return s.Interval(mean, math.nan, math.nan).exp()
    apart = (
        sum((logs[seed] - own) / len(logs) for logs, own in zip(found, means, strict=True)
            if seed in logs) / len(found)
        for seed in seeds
    )  # fmt: skip
    error = math.sqrt(sum(one**2 for one in apart) * len(seeds) / (len(seeds) - 1))
    half = _t(len(seeds) - 1) * error
    return s.Interval(mean, mean - half, mean + half).exp()


def _t(free: int) -> float:
    from scipy.stats import t

    return float(t.ppf(1 - s.ALPHA / 2, free))


def difference(first: tuple[float, float], second: tuple[float, float]) -> s.Interval | None:
    """Return the difference of success, second minus first; None: a side has no trials."""
    return s.risk_difference(first, second) if first[1] and second[1] else None


def shown(interval: s.Interval | None, none: float) -> int:
    """Return 1 or -1 where an interval lies above or below `none`, else 0."""
    if interval is None or math.isnan(interval.low):
        return 0
    return (interval.low > none) - (interval.high < none)


def winners(place: Place) -> list[Cell]:
    """Return the modes that nothing is shown to beat at a place, the fastest first.

    A mode is beaten when it never succeeds; when its success is shown to be below that of the
    best; or when another succeeds at least as often, and it is shown to be slower by more than
    `SAME`. So nobody is beaten by what is faster and fails more often.

    Returns:
        Nobody, when a mode has fewer than `ENOUGH` trials that were not lost, there is only one
        mode, or none ever succeeds.
    """
    cells = place.cells.values()
    if len(cells) < 2 or any(len(one.trials) < ENOUGH for one in cells):
        return []
    left = [one for one in cells if one.successes and not below(place, one)]
    return sorted(
        (one for one in left if not any(_is_slower(one, other) for other in left)),
        key=lambda one: one.makespan,
    )


def _is_slower(one: Cell, other: Cell) -> bool:
    """Whether a mode is shown to be slower than another that succeeds at least as often."""
    as_good = other.success.estimate >= one.success.estimate
    return one is not other and as_good and shown(ratio(other, one), SAME) > 0


def below(place: Place, cell: Cell) -> bool:
    """Whether a mode's success is shown to be below that of the best mode at its place."""
    best = max(place.cells.values(), key=lambda one: one.successes / one.number)
    less = difference((best.successes, best.number), (cell.successes, cell.number))
    return shown(less, 0.0) < 0
