"""Does the comparison err as often as it says? Simulated experiments through the whole pipeline.

Run as ``python benchmarks/error_rates.py [--experiments N]``. Each experiment is made up: cases of
different size, repeats whose seeds matter or do not, lognormal noise of sd .35 (as published for
agents), a given effect. It goes through `compare` like a real one. Printed: how often a difference
is shown where there is none (nominal: 5 %, or for several arms the chance of any), how often one
of -10 % and -20 % is shown, how often the interval covers the truth. Each with its own Monte
Carlo error (two standard errors).
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from orchestrator.core.task import Task
from orchestrator.lab import statistics
from orchestrator.lab.compare import Comparison, compare
from orchestrator.lab.experiment import Case, Experiment
from orchestrator.lab.trial import TrialResult
from orchestrator.spec.plan import Plan

SD = 0.35
SHUFFLES = 999  # enough for a level of 5 %


@dataclass(frozen=True)
class Setting:
    """What is made up.

    Attributes:
        effect: ratio of makespans of the other arms to the first.
        seeds: sd of what a seed does to all arms alike, on the log scale.
        success: rates of success in the first arm and in the others.
        interaction: sd over cases of the effect itself, on the log scale.
    """

    name: str
    cases: int = 6
    repeats: int = 20
    arms: int = 2
    effect: float = 1.0
    seeds: float = 0.0
    success: tuple[float, float] = (0.8, 0.8)
    interaction: float = 0.0
    primary: str = "makespan"
    general: bool = False


SETTINGS = (
    Setting("no effect, 6 cases x 20"),
    Setting("no effect, 1 case x 5", cases=1, repeats=5),
    Setting("no effect, 6 cases x 20, seeds matter (sd .35)", seeds=0.35),
    Setting("no effect, 4 arms (any of 3, after Holm)", arms=4),
    Setting("no effect, success .8", primary="success"),
    Setting("effect varies by case (sd .1), claim: these cases", interaction=0.1),
    Setting("effect varies by case (sd .1), claim: in general", cases=12, interaction=0.1,
            general=True),
    Setting("-10 % makespan, 6 cases x 20", effect=0.9),
    Setting("-20 % makespan, 6 cases x 20", effect=0.8),
    Setting("+20 points success (.6 to .8)", primary="success", success=(0.6, 0.8)),
    Setting("+10 points success (.6 to .7)", primary="success", success=(0.6, 0.7)),
)  # fmt: skip


def experiment(setting: Setting) -> Experiment:
    """Return the experiment that the made-up trials belong to."""
    plan = Plan(name="made up", tasks=(Task(id="one"),))
    return Experiment(
        cases=tuple(Case(f"case {number}", {"": plan}) for number in range(setting.cases)),
        modes=("shared",), workers=tuple(range(1, setting.arms + 1)), repeats=setting.repeats,
        primary=setting.primary, general=setting.general,
    )  # fmt: skip


def results(setting: Setting, made: Experiment, rng: np.random.Generator) -> Iterator[TrialResult]:
    """Make up the trials of an experiment."""
    arms = made.all_arms()
    for number, case in enumerate(made.cases):
        effects = math.log(setting.effect) + setting.interaction * rng.normal(size=len(arms))
        effects[0] = 0.0
        for seed in range(setting.repeats):
            shared = setting.seeds * rng.normal()
            for place, arm in enumerate(arms):
                log = number + shared + effects[place] + SD * rng.normal()
                success = float(rng.random() < setting.success[place > 0])
                figures: dict[str, float | None] = {"makespan": math.exp(log), "success": success}
                yield TrialResult("", case.name, arm, seed, "succeeded", figures=figures)


def simulate(setting: Setting, number: int, seed: int = 0) -> tuple[float, float]:
    """Return how often a difference was shown, and how often the interval covered the truth."""
    rng = np.random.default_rng(seed)
    made = experiment(setting)
    found = [compare(list(results(setting, made, rng)), made) for _ in range(number)]
    shown = sum(any(one.shown for one in each.primary) for each in found)
    return shown / number, sum(_covers(each, setting) for each in found) / number


def _covers(found: Comparison, setting: Setting) -> bool:
    effect = found.primary[0].effect
    truth = setting.effect
    if setting.primary == "success":
        truth = setting.success[1] - setting.success[0]
    return effect is not None and effect.low <= truth <= effect.high


def main() -> None:
    """Print one line per setting."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--experiments", type=int, default=400, metavar="N")
    number = parser.parse_args().experiments
    statistics.SHUFFLES = SHUFFLES
    print(f"{'setting':<52} {'shown':>6} {'+/-':>5}  {'covered':>7} {'+/-':>5}")
    for setting in SETTINGS:
        shown, covered = simulate(setting, number)
        errors = [200 * math.sqrt(max(x * (1 - x), 1e-9) / number) for x in (shown, covered)]
        cells = f"{shown:>6.1%} {errors[0]:>4.1f}%  {covered:>7.1%} {errors[1]:>4.1f}%"
        print(f"{setting.name:<52} {cells}", flush=True)


if __name__ == "__main__":
    main()
