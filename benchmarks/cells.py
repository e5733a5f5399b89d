"""The cells of the flagship experiment: one case, one decomposition, one mode.

Statistics are those of `orchestrator.lab.statistics`: Wilson and Newcombe intervals for success,
t intervals of log ratios, paired by seed, for times.
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


@dataclass(frozen=True, slots=True)
class Cell:
    """The trials of one case, decomposition and mode.

    Attributes:
        coupling: pairs of a drifted interface and a calling task that no order keeps apart.
        trials: lost ones (see `TrialResult.failure`) left out.
    """

    case: str
    order: str
    mode: str
    coupling: int
    trials: tuple[TrialResult, ...]

    @property
    def successes(self) -> int:
        """Trials in which all tasks succeeded and the judge passed."""
        return sum(one.success for one in self.trials)

    @property
    def success(self) -> s.Interval:
        """Rate of success with its Wilson interval."""
        return s.wilson(self.successes, len(self.trials))

    @property
    def broken(self) -> float:
        """Share of trials whose tasks were all accepted, and whose whole suite fails."""
        found = [
            one for one in self.trials if one.judged is False and one.figure("tasks_passed") == 1
        ]
        return len(found) / len(self.trials)

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
                    and not one.failure
                )
                if own:
                    cells[mode] = Cell(ground.case, order, mode, coupling, own)
            if cells:
                found.append(Place(ground.case, order, coupling, cells))
    return found


def pooled(found: Iterable[Place], mode: str) -> tuple[int, int]:
    """Return successes and trials of a mode over several places."""
    cells = [place.cells[mode] for place in found if mode in place.cells]
    return sum(one.successes for one in cells), sum(len(one.trials) for one in cells)


def ratio(first: Cell, second: Cell, name: str = "makespan") -> s.Interval | None:
    """Return the geometric mean ratio second / first, paired by seed; None: no pairs.

    The bounds are NaN when there is one pair only.
    """
    return pooled_ratio([(first, second)], name)


def pooled_ratio(cells: Iterable[tuple[Cell, Cell]], name: str = "makespan") -> s.Interval | None:
    """Return the ratio second / first over several places, which weigh the same."""
    pairs: dict[str, list[tuple[float, float]]] = {}
    for first, second in cells:
        known = {one.seed: one.figure(name) for one in first.trials}
        for one in second.trials:
            base, value = known.get(one.seed), one.figure(name)
            if base and value:
                pairs.setdefault(f"{first.case}/{first.order}", []).append((base, value))
    if not pairs:
        return None
    found = s.logs(pairs)
    interval = s.t_interval(found)
    if interval is None:
        means = [sum(b - a for a, b in rows) / len(rows) for rows in found.values()]
        interval = s.Interval(sum(means) / len(means), math.nan, math.nan)
    return interval.exp()


def difference(first: tuple[int, int], second: tuple[int, int]) -> s.Interval | None:
    """Return the difference of success, second minus first; None: a side has no trials."""
    return s.risk_difference(first, second) if first[1] and second[1] else None


def shown(interval: s.Interval | None, none: float) -> int:
    """Return 1 or -1 where an interval lies above or below `none`, else 0."""
    if interval is None or math.isnan(interval.low):
        return 0
    return (interval.low > none) - (interval.high < none)


def winners(place: Place) -> list[Cell]:
    """Return the modes that win at a place, the fastest first.

    First success: a mode is out when its rate is shown to be below the best one's. Among the
    others time: the fastest wins, and with it all that are not shown to be slower.
    """
    left = [one for one in place.cells.values() if not below(place, one)]
    fastest = min(left, key=lambda one: one.makespan)
    return [
        fastest,
        *(one for one in left if one is not fastest and shown(ratio(fastest, one), 1.0) <= 0),
    ]


def below(place: Place, cell: Cell) -> bool:
    """Whether a mode's success is shown to be below that of the best mode at its place."""
    best = max(place.cells.values(), key=lambda one: one.successes / len(one.trials))
    less = difference((best.successes, len(best.trials)), (cell.successes, len(cell.trials)))
    return shown(less, 0.0) < 0
