"""The comparison: each arm against the first, one primary outcome fixed before, all others beside.

The p-value comes from shuffling labels within cases (or, for a claim about cases in general, from
Wilcoxon's test of case means); the interval beside it is a t interval. Success is compared by
Cochran, Mantel and Haenszel's test. The comparisons of the primary outcome are one family, all
others together another; each is corrected by Holm's method.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from orchestrator.lab import statistics as s
from orchestrator.lab.experiment import Arm, Experiment
from orchestrator.lab.outcomes import MEASURES, Measure, Scale
from orchestrator.lab.trial import TrialResult

WORTH = 0.1
"""The effect that `Contrast.more` is about: 10 % of the baseline, or 10 points of a rate."""

Claim = Literal["these cases", "cases in general"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """One arm against the baseline, by one measure.

    Attributes:
        baseline: the name of the first arm.
        scale: how the values were compared; of ``ratio`` and ``difference`` the one that the
            values allow.
        pairs: trials of each arm that were compared.
        left_out: pairs without the figure, in one trial or both.
        values: of the baseline and of the arm: geometric means, means, or rates.
        effect: ratio, difference, or difference of rates, with its interval; the bounds are NaN
            when the spread is unknown; None: nothing to compare.
        p: before correction; None: nothing to compare.
        corrected: the same, after it.
        better: probability that a trial of the arm is better, ties half.
        equal: all values are the same, so there is nothing to test.
        least_p: the smallest p-value that so many pairs can give; above 5 % they can show nothing.
        smallest: the effect that so many pairs show four times out of five, as a part of the
            baseline (or of 1, for rates); None: unknown, or they can show nothing.
        more: repeats (or, for a claim in general, cases) to add so that an effect of 10 % would
            be shown four times out of five; None: unknown.
    """

    baseline: str
    arm: str
    measure: str
    scale: Scale
    pairs: int
    left_out: int
    values: tuple[float, float] | None = None
    effect: s.Interval | None = None
    p: float | None = None
    corrected: float | None = None
    better: float | None = None
    equal: bool = False
    least_p: float = 0.0
    smallest: float | None = None
    more: int | None = None

    @property
    def shown(self) -> bool:
        """Whether there is a difference, as far as these data can tell."""
        return self.corrected is not None and self.corrected <= s.ALPHA

    def to_json(self) -> dict[str, Any]:
        """Return the contrast as JSON values; an unknown bound is null."""
        values = {name: getattr(self, name) for name in self.__slots__}
        values["effect"] = {
            key: None if math.isnan(value) else value
            for key, value in (s.as_json(self.effect) or {}).items()
        } or None
        return {**values, "shown": self.shown}


@dataclass(frozen=True, slots=True)
class ArmSummary:
    """One arm by itself.

    Attributes:
        trials: how many were done, lost ones included.
        success: rate of success with its interval.
        means: measure to its mean over the trials that have it.
    """

    name: str
    arm: Arm
    trials: int
    success: s.Interval
    means: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What an experiment says.

    Attributes:
        done: trials that are finished.
        total: trials that the experiment has.
        primary: contrasts by the primary outcome.
        secondary: contrasts by the other outcomes that anything is known of.
        lost: infrastructure failures.
    """

    claim: Claim
    cases: tuple[str, ...]
    done: int
    total: int
    arms: tuple[ArmSummary, ...]
    primary: tuple[Contrast, ...]
    secondary: tuple[Contrast, ...]
    lost: tuple[TrialResult, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as JSON values."""
        return {
            "claim": self.claim,
            "cases": list(self.cases),
            "trials": {"done": self.done, "of": self.total},
            "arms": [
                {
                    "name": one.name,
                    "plan": one.arm.plan or None,
                    "mode": one.arm.mode,
                    "model": one.arm.model or None,
                    "workers": one.arm.workers,
                    "trials": one.trials,
                    "success": s.as_json(one.success),
                    "means": dict(one.means),
                }
                for one in self.arms
            ],
            "primary": [one.to_json() for one in self.primary],
            "secondary": [one.to_json() for one in self.secondary],
            "lost": [{"trial": one.name, "why": one.failure} for one in self.lost],
        }


def compare(results: Sequence[TrialResult], experiment: Experiment) -> Comparison:
    """Compare the arms of an experiment by the trials that are done.

    Args:
        results: finished trials.

    Raises:
        UsageError: the libraries of the extra ``lab`` are not there.
    """
    s.require()
    arms = experiment.all_arms()
    names = {arm: arm.name(arms) for arm in arms}
    baseline, *others = arms
    found = [
        _contrast(results, (baseline, other), names, measure, experiment, len(others))
        for measure in MEASURES.values()
        if measure.compared or measure.name == experiment.primary
        for other in others
    ]
    primary = [one for one in found if one.measure == experiment.primary]
    telling = [one for one in found if one.measure != experiment.primary and one.values]
    return Comparison(
        "cases in general" if experiment.general else "these cases",
        tuple(case.name for case in experiment.cases),
        len(results),
        experiment.total,
        tuple(_summary(arm, names[arm], results) for arm in arms),
        tuple(_corrected(primary)),
        tuple(_corrected(telling)),
        tuple(one for one in results if one.failure),
    )


def _corrected(family: Sequence[Contrast]) -> Iterable[Contrast]:
    known = [one.p for one in family if one.p is not None]
    corrected = iter(s.holm(known))
    return [one if one.p is None else replace(one, corrected=next(corrected)) for one in family]


def _summary(arm: Arm, name: str, results: Sequence[TrialResult]) -> ArmSummary:
    own = [one for one in results if one.arm == arm]
    means = {}
    for measure in MEASURES.values():
        values = [value for one in own if (value := one.figure(measure.name)) is not None]
        if values:
            means[measure.name] = sum(values) / len(values)
    rate = s.Interval(0.0, 0.0, 1.0)
    if own:
        rate = s.wilson(sum(one.success for one in own), len(own))
    return ArmSummary(name, arm, len(own), rate, means)


def _contrast(
    results: Sequence[TrialResult],
    arms: tuple[Arm, Arm],
    names: Mapping[Arm, str],
    measure: Measure,
    experiment: Experiment,
    family: int,
) -> Contrast:
    blocks: dict[tuple[str, int], dict[Arm, TrialResult]] = {}
    for one in results:
        if one.arm in arms:
            blocks.setdefault((one.case, one.seed), {})[one.arm] = one
    pairs: dict[str, list[tuple[float, float]]] = {}
    left_out = 0
    for (case, _), row in blocks.items():
        if len(row) < 2:
            continue  # the other one is not done yet
        first, second = (row[arm].figure(measure.name) for arm in arms)
        if first is None or second is None:
            left_out += 1
            continue
        pairs.setdefault(case, []).append((first, second))
    made = Contrast(
        baseline=names[arms[0]], arm=names[arms[1]], measure=measure.name, scale=measure.scale,
        pairs=sum(len(rows) for rows in pairs.values()), left_out=left_out,
    )  # fmt: skip
    if not pairs:
        return made
    values = {value for rows in pairs.values() for row in rows for value in row}
    if len(values) == 1:
        (value,) = values
        none = 1.0 if measure.scale == "ratio" else 0.0
        effect = s.Interval(none, math.nan, math.nan)
        return replace(made, equal=True, values=(value, value), effect=effect, better=0.5)
    alpha = s.ALPHA / max(1, family)  # the hardest step of Holm's method
    if measure.scale == "rate":
        return _rates(made, pairs, alpha)
    return _values(made, pairs, measure, alpha, experiment.general)


def _rates(made: Contrast, pairs: s.Pairs, alpha: float) -> Contrast:
    tables = []
    for rows in pairs.values():
        first, second = (int(sum(row[side] for row in rows)) for side in (0, 1))
        tables.append((first, len(rows) - first, second, len(rows) - second))
    number = made.pairs
    first, second = sum(row[0] for row in tables), sum(row[2] for row in tables)
    rate = first / number
    seen = s.smallest_risk_difference(rate, number, alpha)
    return replace(
        made,
        values=(rate, second / number),
        effect=s.risk_difference((first, number), (second, number)),
        p=s.cmh_p(tables),
        better=s.improvement(pairs, lower_is_better=False),
        smallest=seen,
        more=_more_trials(rate, number, alpha, len(pairs)),
    )


def _more_trials(rate: float, number: int, alpha: float, cases: int) -> int | None:
    needed = s.least_number(lambda many: s.smallest_risk_difference(rate, many, alpha) <= WORTH)
    return None if needed is None else max(0, math.ceil((needed - number) / cases))


def _values(
    made: Contrast, pairs: s.Pairs, measure: Measure, alpha: float, general: bool
) -> Contrast:
    flat = [pair for rows in pairs.values() for pair in rows]
    positive = all(value > 0 for pair in flat for value in pair)
    scale: Scale = "ratio" if measure.scale == "ratio" and positive else "difference"
    used = s.logs(pairs) if scale == "ratio" else pairs
    first = sum(sum(a for a, _ in rows) / len(rows) for rows in used.values()) / len(used)
    second = sum(sum(b for _, b in rows) / len(rows) for rows in used.values()) / len(used)
    paired = general and len(used) >= s.GENERAL
    if paired:
        p, interval = s.across_cases(used)
        deviation, number, per, least = (
            s.spread_of_cases(used),
            len(used),
            1,
            2.0 ** (1 - len(used)),
        )
    else:
        p, found = s.permutation_p(used), s.t_interval(used)
        interval = found or s.Interval(second - first, math.nan, math.nan)
        deviation, number, per, least = s.spread(used), made.pairs, len(used), s.least_p(used)
    able = least <= alpha
    smallest = s.smallest_effect(number, deviation, alpha, paired=paired) if able else None
    worth = -math.log1p(-WORTH) if scale == "ratio" else WORTH * abs(first)
    needed = s.number_needed(worth, deviation, alpha, paired=paired) if worth else None
    if needed is not None and not paired:
        needed = max(needed, per * _enough(per, alpha))
    return replace(
        made,
        scale=scale,
        values=(math.exp(first), math.exp(second)) if scale == "ratio" else (first, second),
        effect=interval.exp() if scale == "ratio" else interval,
        p=p,
        better=s.improvement(pairs, measure.lower_is_better),
        least_p=least,
        smallest=_part(smallest, scale, first),
        more=None if needed is None else max(0, math.ceil((needed - number) / per)),
    )


def _enough(cases: int, alpha: float) -> int:
    """Return the repeats per case from which on a p-value can be as small as `alpha`."""
    repeats = 1
    while 2 / math.comb(2 * repeats, repeats) ** cases > alpha:
        repeats += 1
    return repeats


def _part(effect: float | None, scale: Scale, baseline: float) -> float | None:
    """Return an effect as a part of the baseline."""
    if effect is None:
        return None
    if scale == "ratio":
        return -math.expm1(-effect)
    return effect / abs(baseline) if baseline else None
