"""How long attempts take and how they end, in a simulation.

Durations are lognormal: what delays work multiplies, and finished projects show just that (Little,
"Schedule Estimation and Uncertainty Surrounding the Cone of Uncertainty", IEEE Software 23(3),
2006). A task's estimate is the *median* of its attempts. Attempts are geometric: each fails with
the same probability, whatever came before it.

Every draw depends on the seed, the simulated run, the task and the attempt, and on nothing else:
not on who started when. So two simulations of one plan with different numbers of workers meet the
same luck (common random numbers), and what differs between them is the schedule.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from orchestrator.core import events as e
from orchestrator.core.messages import Cause
from orchestrator.core.task import Task

SIGMA = 0.5
"""Standard deviation of the logarithm of a duration, unless runs say better: of ten attempts eight
take between half and twice the estimate."""

FAILING = 0.1
"""Probability that an attempt fails, unless runs say better."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt goes.

    Attributes:
        seconds: working time, without waiting for the provider.
        cause: how it ends; None: its work is accepted.
    """

    seconds: float
    cause: Cause | None = None


class Luck(Protocol):
    """How the attempts of one simulated run go."""

    def next(self, task: Task) -> Outcome:
        """Return how the next attempt at a task goes."""
        ...


class Durations(Protocol):
    """How the attempts of any number of simulated runs go."""

    def luck(self, seed: int, run: int) -> Luck:
        """Return the attempts of one simulated run; the same for the same arguments."""
        ...

    def expected(self, task: Task) -> float:
        """Return what an attempt at a task takes as a rule (the median), in seconds."""
        ...


@dataclass(frozen=True, slots=True)
class Spread:
    """A lognormal duration.

    Attributes:
        median: seconds.
        sigma: standard deviation of the logarithm.
    """

    median: float
    sigma: float

    def draw(self, chance: Random) -> float:
        """Return one duration, in seconds."""
        return self.median * math.exp(self.sigma * chance.gauss(0.0, 1.0))


@dataclass(frozen=True, slots=True)
class Curve:
    """Durations from estimates: the median is ``factor * estimate ** power`` seconds.

    Attributes:
        factor: realised over estimated seconds, when `power` is 1.
        power: 1: twice the estimate takes twice as long; 0: estimates say nothing.
        sigma: standard deviation of the logarithm around that.
    """

    factor: float = 1.0
    power: float = 1.0
    sigma: float = SIGMA

    def spread(self, task: Task) -> Spread:
        """Return the durations of a task's attempts."""
        return Spread(self.factor * task.estimate**self.power, self.sigma)


@dataclass(frozen=True, slots=True)
class Lognormal:
    """Lognormal durations, geometric attempts.

    Attributes:
        curve: durations of tasks of which nothing but the estimate is known.
        known: durations of tasks that earlier runs have done.
        failing: probability that an attempt fails, 0 to 1.
    """

    curve: Curve = Curve()
    known: Mapping[str, Spread] = field(default_factory=dict)
    failing: float = FAILING

    def luck(self, seed: int, run: int) -> Luck:
        """Return the attempts of one simulated run."""
        return _Drawn(self, f"{seed}/{run}/")

    def expected(self, task: Task) -> float:
        """Return the median duration of an attempt at a task, in seconds."""
        return self.spread(task).median

    def spread(self, task: Task) -> Spread:
        """Return the durations of a task's attempts."""
        return self.known.get(task.id) or self.curve.spread(task)


class _Drawn:
    def __init__(self, source: Lognormal, seed: str) -> None:
        self._source, self._seed = source, seed
        self._chances: dict[str, Random] = {}

    def next(self, task: Task) -> Outcome:
        chance = self._chances.get(task.id)
        if chance is None:
            chance = self._chances[task.id] = Random(self._seed + task.id)
        seconds = self._source.spread(task).draw(chance)
        fails = chance.random() < self._source.failing
        return Outcome(seconds, "tests_failed" if fails else None)


class Realised:
    """The attempts of a real run, to be played again: what a simulator must get right first.

    Args:
        events: what the run recorded.
    """

    def __init__(self, events: Iterable[e.Event]) -> None:
        self._outcomes: dict[str, list[Outcome]] = {}
        began: dict[tuple[str, int], float] = {}
        for event in events:
            match event:
                case e.LeaseGranted():
                    began[event.task, event.attempt] = event.at
                case e.Succeeded() | e.AttemptEnded():
                    seconds = event.at - began[event.task, event.attempt]
                    cause = event.cause if isinstance(event, e.AttemptEnded) else None
                    self._outcomes.setdefault(event.task, []).append(Outcome(seconds, cause))
                case _:
                    pass

    def luck(self, seed: int, run: int) -> Luck:
        """Return the attempts of the run; seed and number make no difference."""
        return _Again({task: list(outcomes) for task, outcomes in self._outcomes.items()})

    def expected(self, task: Task) -> float:
        """Return the duration of the last attempt at a task, in seconds."""
        outcomes = self._outcomes.get(task.id)
        return outcomes[-1].seconds if outcomes else task.estimate


class _Again:
    def __init__(self, left: dict[str, list[Outcome]]) -> None:
        self._left = left

    def next(self, task: Task) -> Outcome:
        left = self._left.get(task.id)
        # An attempt that the real run did not make: it was skipped there, or not needed.
        return left.pop(0) if left else Outcome(task.estimate)
