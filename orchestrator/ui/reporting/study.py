"""What the page of a comparison is made of, and how its figures are written."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.lab.compare import Comparison, Contrast
from orchestrator.lab.experiment import Arm
from orchestrator.lab.outcomes import MEASURES, Measure
from orchestrator.lab.trial import TrialResult
from orchestrator.ui.reporting.frame import Text, short_number
from orchestrator.ui.words import duration

_FREE = ("usd", "tokens", "makespan")  # what an arm costs, in the order of preference


@dataclass(frozen=True, slots=True)
class Study:
    """An experiment and what it says.

    Attributes:
        name: of the experiment, for the window.
        headline: the sentence that the terminal says too.
        results: all trials that are done, lost ones included.
        manifest: what is needed to repeat it; see `lab.trialtables.manifest`.
    """

    name: str
    headline: str
    comparison: Comparison
    results: Sequence[TrialResult]
    manifest: Mapping[str, Any]

    @property
    def names(self) -> dict[Arm, str]:
        """The name of each arm, the baseline first."""
        return {one.arm: one.name for one in self.comparison.arms}

    @property
    def baseline(self) -> Arm:
        """The arm that the others are set against."""
        return self.comparison.arms[0].arm

    @property
    def primary(self) -> Measure:
        """The outcome that decides."""
        return MEASURES[self.comparison.primary[0].measure]

    @property
    def shown(self) -> Measure:
        """The outcome whose every value is drawn: the primary one, or the makespan where that
        one is a rate, which a trial has only as yes or no."""
        return MEASURES["makespan"] if self.primary.scale == "rate" else self.primary

    def of(self, arm: Arm, case: str | None = None) -> list[TrialResult]:
        """Return the trials of an arm, in one case or in all."""
        return [one for one in self.results if one.arm == arm and case in (None, one.case)]

    def cost(self) -> Measure:
        """Return what an arm costs: dollars, else model tokens, else time, where the work of
        every arm is known by it and is not free."""
        for name in _FREE:
            values = [one.means.get(name) for one in self.comparison.arms if one.trials]
            if values and all(value is not None and value > 0 for value in values):
                return MEASURES[name]
        return MEASURES[_FREE[-1]]


def text_of(measure: Measure) -> Text:
    """Return how values of a measure are written."""
    if measure.scale == "rate":
        return lambda value: f"{value:.0%}"
    if measure.unit == "s":
        return seconds
    if measure.unit == "$":
        return lambda value: f"${value:,.2f}" if abs(value) >= 0.1 else f"${value:.3g}"
    unit = f" {measure.unit}" if measure.unit else ""
    return lambda value: f"{short_number(value)}{unit}"


def seconds(value: float) -> str:
    """Return a duration, or a difference of two."""
    return f"−{duration(-value)}" if value < 0 else duration(value)


def effect_text(contrast: Contrast) -> Text:
    """Return how an effect of this contrast is written: ×0.8, +12 points, −3."""
    if contrast.scale == "ratio":
        return lambda value: f"×{value:.3g}"
    if contrast.scale == "rate":
        return lambda value: signed(f"{100 * value:.0f}")
    return lambda value: signed(short_number(value))


def signed(number: str) -> str:
    """Return a number with its sign, nought without one."""
    if not number.strip("-0.,"):
        return "0"
    return number.replace("-", "−") if number.startswith("-") else f"+{number}"


def bounds(contrast: Contrast) -> tuple[float | None, float | None]:
    """Return the interval of an effect; None twice: it is unknown."""
    found = contrast.effect
    if found is None or math.isnan(found.low) or math.isnan(found.high):
        return None, None
    return found.low, found.high


def neutral(contrast: Contrast) -> float:
    """Return where there is no effect."""
    return 1.0 if contrast.scale == "ratio" else 0.0


def is_better(contrast: Contrast) -> bool:
    """Whether the arm is better than the baseline, shown or not."""
    if contrast.effect is None:
        return False
    lower = contrast.effect.estimate < neutral(contrast)
    return lower is MEASURES[contrast.measure].lower_is_better


def p_text(contrast: Contrast) -> str:
    """Return the corrected p-value."""
    if contrast.corrected is None:
        return "–"
    return "< 0.001" if contrast.corrected < 0.001 else f"{contrast.corrected:.2g}"
