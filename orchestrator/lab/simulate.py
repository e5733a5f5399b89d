"""What a plan's makespan will be, for any number of workers, without a model.

A plan is run many times in virtual time (`lab.virtualrun`) with durations drawn from its estimates
or from earlier runs (`lab.durations`, `lab.fitting`). What comes out is a distribution, not a
number: with noise and retries the mean makespan of a plan lies well above the one that its
estimates add up to. The intervals are of a single run, and say nothing of what no simulation
knows: whether the estimates are right on average, unless they were fitted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from orchestrator.core.graph import TaskGraph
from orchestrator.core.machine import Machine
from orchestrator.core.rules import RoleBounds
from orchestrator.core.scope import Scope
from orchestrator.core.task import Task
from orchestrator.errors import UsageError
from orchestrator.lab.contention import without_idle_claims
from orchestrator.lab.durations import Durations, Lognormal
from orchestrator.lab.virtualrun import Played, Provider, Spent, VirtualRun, lenient, patient
from orchestrator.models.admission import Pace
from orchestrator.runtime.assembly import roles_of
from orchestrator.runtime.modes import find_mode
from orchestrator.spec.plan import Plan

WORKERS = (1, 2, 4, 8)
RUNS = 1000
MOST_WORKERS = 1000
QUANTILES = (0.025, 0.1, 0.5, 0.9, 0.975)
_SIDES = {80: (0.1, 0.9), 95: (0.025, 0.975)}


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the expected durations say about the makespan, in seconds: no noise, no failures.

    Attributes:
        work_share: work / workers: no schedule is shorter.
        span: the critical path: no schedule is shorter.
        graham: work / m + (1 - 1 / m) * span: no greedy schedule is longer, if no task waits for
            files and none fails (Graham, "Bounds on Multiprocessing Timing Anomalies", 1969).
    """

    work_share: float
    span: float
    graham: float

    @property
    def lower(self) -> float:
        """What no schedule can beat."""
        return max(self.work_share, self.span)

    @classmethod
    def of(cls, tasks: Sequence[Task], workers: int) -> Bounds:
        """Return the bounds of tasks, by their estimates."""
        work = sum(task.estimate for task in tasks)
        span = TaskGraph(tasks).critical_path().seconds
        return cls(work / workers, span, work / workers + (1 - 1 / workers) * span)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is to be expected with some number of workers.

    Attributes:
        workers: how many.
        runs: simulated runs.
        succeeded: part of them in which every task succeeded.
        mean: mean makespan, in seconds.
        quantiles: quantile to makespan, in seconds, for `QUANTILES`.
        speedup: mean of work / makespan, where work is that of accepted attempts.
        over_one: median makespan of one worker over that of these; None: one was not simulated.
        utilisation: part of the workers' time in which they worked, accepted or not.
        attempts: mean number of attempts.
        spent: where the workers' time goes: part of it, 0 to 1 each.
        over_wall: part of the runs that the plan's limit of wall time would end; 0 without one.
        bounds: what the expected durations alone say.
    """

    workers: int
    runs: int
    succeeded: float
    mean: float
    quantiles: Mapping[float, float]
    speedup: float
    over_one: float | None
    utilisation: float
    attempts: float
    spent: Mapping[str, float]
    over_wall: float
    bounds: Bounds

    @property
    def median(self) -> float:
        """Half of the runs take longer, in seconds."""
        return self.quantiles[0.5]

    def interval(self, level: int) -> tuple[float, float]:
        """Return the interval that holds `level` (80 or 95) per cent of the runs, in seconds."""
        low, high = _SIDES[level]
        return self.quantiles[low], self.quantiles[high]

    def to_json(self) -> dict[str, Any]:
        """Return the forecast as JSON values, seconds rounded to milliseconds."""
        return {
            "workers": self.workers,
            "runs": self.runs,
            "succeeded": round(self.succeeded, 4),
            "over_wall": round(self.over_wall, 4),
            "makespan": {
                "mean": round(self.mean, 3),
                "median": round(self.median, 3),
                "interval_80": [round(value, 3) for value in self.interval(80)],
                "interval_95": [round(value, 3) for value in self.interval(95)],
            },
            "speedup": round(self.speedup, 4),
            "over_one_worker": None if self.over_one is None else round(self.over_one, 4),
            "utilisation": round(self.utilisation, 4),
            "attempts": round(self.attempts, 3),
            "time": {name: round(part, 4) for name, part in self.spent.items()},
            "bounds": {
                **{name: round(value, 3) for name, value in asdict(self.bounds).items()},
                "lower": round(self.bounds.lower, 3),
            },
        }


@dataclass(frozen=True, slots=True)
class Simulation:
    """Forecasts of one plan.

    Attributes:
        tasks: number of tasks.
        work: sum of the expected durations, in seconds: the estimates, unless they were fitted.
        critical_path: tasks along the longest path by expected durations.
        forecasts: one per number of workers, in the order asked for.
    """

    name: str
    mode: str
    tasks: int
    work: float
    critical_path: tuple[str, ...]
    seed: int
    forecasts: tuple[Forecast, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the simulation as ``simulate --json`` prints it."""
        return {
            "plan": self.name,
            "mode": self.mode,
            "tasks": self.tasks,
            "work": round(self.work, 3),
            "critical_path": list(self.critical_path),
            "seed": self.seed,
            "forecasts": [forecast.to_json() for forecast in self.forecasts],
        }


@dataclass(frozen=True, slots=True)
class Setting:
    """A plan, made ready to be run in virtual time any number of times.

    Attributes:
        tasks: what is to be done, without claims that nobody can contest.
        roles: bounds of the roles whose tasks have claims left.
    """

    tasks: tuple[Task, ...]
    plan: Plan
    roles: Mapping[str, RoleBounds]
    provider: Provider

    @classmethod
    def of(cls, plan: Plan, provider: Provider | None = None) -> Setting:
        """Read the plan's roles and limits.

        Args:
            plan: the plan.
            provider: how attempts use the model's provider; None: the plan's limits, and the
                usual turns and tokens.

        Raises:
            RoleError: a role cannot be read.
        """
        roles = roles_of(plan.tasks, plan.roles)
        asked = plan.limits.provider
        pace = Pace(asked.concurrent, asked.requests_per_minute, asked.tokens_per_minute)
        every = {r.name: RoleBounds(Scope(r.reads), Scope(r.writes)) for r in roles.values()}
        whole = Machine(plan.tasks, roles=every).state
        tasks = without_idle_claims([patient(task) for task in plan.tasks], whole.bounds)
        claiming = {task.role for task in tasks if task.writes or task.shares}
        bounds = {name: bound for name, bound in every.items() if name in claiming}
        return cls(tuple(tasks), plan, bounds, provider or Provider(pace))

    def play(self, durations: Durations, workers: int, seed: int = 0, run: int = 0) -> Played:
        """Run the plan once, in virtual time."""
        mode = find_mode(self.plan.mode)
        rules = lenient(mode.rules(self.plan.limits))
        machine = Machine(self.tasks, rules, self.roles)
        luck = durations.luck(seed, run)
        return VirtualRun(machine, mode.workers(workers), luck, self.provider).play()


def simulate(
    plan: Plan,
    *,
    workers: Sequence[int] = WORKERS,
    runs: int = RUNS,
    seed: int = 0,
    durations: Durations | None = None,
    provider: Provider | None = None,
) -> Simulation:
    """Simulate a plan.

    Args:
        plan: the plan; its estimates, scopes, roles, limits and mode count.
        workers: numbers of workers to try.
        runs: simulated runs for each.
        seed: decides everything random; the same seed gives the same figures.
        durations: how long attempts take and how they end; None: from the estimates.
        provider: how attempts use the model's provider; None: as the plan limits it.

    Raises:
        UsageError: the plan has no tasks, or the numbers make no sense.
        RoleError: a role cannot be read.
    """
    _check(plan, workers, runs)
    setting, source = Setting.of(plan, provider), durations or Lognormal()
    collected = {
        count: [setting.play(source, count, seed, run) for run in range(runs)] for count in workers
    }
    one = next((_medians(collected[count]) for count in workers if count == 1), None)
    wall = plan.limits.wall
    usual = [replace(task, estimate=source.expected(task)) for task in plan.tasks]
    return Simulation(
        plan.name,
        plan.mode,
        len(plan.tasks),
        sum(task.estimate for task in usual),
        TaskGraph(usual).critical_path().tasks,
        seed,
        tuple(_forecast(usual, wall, count, played, one) for count, played in collected.items()),
    )


def _check(plan: Plan, workers: Sequence[int], runs: int) -> None:
    if not plan.tasks:
        raise UsageError("the plan has no tasks", f"plan {plan.name}", fix="add some to `tasks`")
    wrong = [count for count in workers if not 1 <= count <= MOST_WORKERS]
    if wrong or not workers:
        raise UsageError(
            f"{wrong[0]} workers cannot be simulated" if wrong else "no number of workers is given",
            "--workers",
            fix=f"give numbers from 1 to {MOST_WORKERS}, for example 1,2,4,8",
        )
    if runs < 1:
        raise UsageError(f"{runs} runs say nothing", "--runs", fix="give at least 1")


def _forecast(
    tasks: Sequence[Task],
    wall: float | None,
    workers: int,
    played: Sequence[Played],
    one: float | None,
) -> Forecast:
    whole = [run for run in played if run.status == "succeeded"]
    counted = whole or played  # runs that fail early are short: they would flatter the plan
    times = sorted(run.makespan for run in counted)
    total = Spent()
    for run in counted:
        total.add(run.spent)
    spent, everything = asdict(total), sum(asdict(total).values()) or 1.0
    quantiles = {level: quantile(times, level) for level in QUANTILES}
    return Forecast(
        workers=workers,
        runs=len(played),
        succeeded=len(whole) / len(played),
        mean=math.fsum(times) / len(times),
        quantiles=quantiles,
        speedup=math.fsum(_speedups(counted)) / len(counted),
        over_one=one / quantiles[0.5] if one and quantiles[0.5] else None,
        utilisation=(total.working + total.rework) / everything,
        attempts=sum(len(run.stretches) for run in counted) / len(counted),
        spent={name: seconds / everything for name, seconds in spent.items()},
        over_wall=sum(time > wall for time in times) / len(times) if wall else 0.0,
        bounds=Bounds.of(tasks, workers),
    )


def _speedups(played: Sequence[Played]) -> Iterator[float]:
    for run in played:
        yield run.spent.working / run.makespan if run.makespan else 1.0


def _medians(played: Sequence[Played]) -> float:
    whole = [run.makespan for run in played if run.status == "succeeded"]
    return quantile(sorted(whole or [run.makespan for run in played]), 0.5)


def quantile(ordered: Sequence[float], level: float) -> float:
    """Return a quantile of values in rising order, linear between neighbours.

    Args:
        level: 0 to 1.
    """
    place = level * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
