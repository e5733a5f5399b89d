"""Statistics of two arms, blocked by case: tests, intervals, effect sizes, power.

From numpy, scipy and statsmodels (the extra ``lab``) wherever they serve; only the shuffling of
labels within cases is done here, because none of them does it. Times and tokens are compared as
logarithms, so that an effect is a ratio; what can be zero is compared as it is, so that an effect
is a difference. No bootstrap: at 5 to 10 pairs the paired percentile bootstrap covers .84 to .90
of a nominal .95, the t interval .948.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from orchestrator.errors import UsageError

SHUFFLES = 9_999
ALPHA = 0.05
POWER = 0.8
MOST = 1_000_000
GENERAL = 6
"""Cases from which on a claim about cases in general can be made: with fewer, Wilcoxon's test
cannot reach 5 % whatever is found."""

Pairs = Mapping[str, Sequence[tuple[float, float]]]
"""Case to its pairs: the value in the baseline, the value in the other arm."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its 95 % interval."""

    estimate: float
    low: float
    high: float

    def exp(self) -> Interval:
        """Return the interval of a ratio from that of its logarithm."""
        return Interval(*(_exp(value) for value in (self.estimate, self.low, self.high)))


def require() -> None:
    """Ask whether the libraries of the extra are there.

    Raises:
        UsageError: one is missing.
    """
    try:
        for name in ("numpy", "scipy.stats", "statsmodels.stats.multitest"):
            import_module(name)
    except ImportError as error:
        raise UsageError(
            f"statistics need the package {error.name}, which is not installed",
            "compare",
            "the libraries of statistics are an extra: runs do without them",
            "pip install 'orchestrator[lab]'",
        ) from error


def permutation_p(pairs: Pairs, shuffles: int | None = None, seed: int = 0) -> float:
    """Return the two-sided p-value of no difference, labels shuffled within each case.

    The statistic is the mean over cases of the difference of means. It answers for these cases.

    Args:
        shuffles: how often labels are shuffled; None: `SHUFFLES`. The p-value is at least
            1 / (shuffles + 1).
        seed: of the shuffling.
    """
    import numpy as np

    shuffles = SHUFFLES if shuffles is None else shuffles
    rng = np.random.default_rng(seed)
    observed, shuffled = 0.0, np.zeros(shuffles)
    scale = 0.0
    for rows in pairs.values():
        values = np.asarray(rows, dtype=float).T.ravel()  # baseline first, then the other
        number = len(rows)
        observed += values[number:].mean() - values[:number].mean()
        many = rng.permuted(np.broadcast_to(values, (shuffles, 2 * number)), axis=1)
        shuffled += many[:, number:].mean(axis=1) - many[:, :number].mean(axis=1)
        scale = max(scale, float(np.abs(values).max()))
    as_far = np.abs(shuffled) >= abs(observed) - 1e-9 * max(scale, 1e-300)
    return float((1 + as_far.sum()) / (1 + shuffles))


def t_interval(pairs: Pairs) -> Interval | None:
    """Return the mean difference of pairs over these cases, with its t interval.

    Cases weigh the same. The spread is that of the pairs around the mean of their own case.

    Returns:
        None: no case has two pairs, so the spread is unknown.
    """
    import numpy as np
    from scipy.stats import t

    found = [np.diff(np.asarray(rows, dtype=float), axis=1).ravel() for rows in pairs.values()]
    free = sum(len(one) - 1 for one in found)
    if free < 1:
        return None
    mean = float(np.mean([one.mean() for one in found]))
    variance = sum(float(((one - one.mean()) ** 2).sum()) for one in found) / free
    error = math.sqrt(variance * sum(1 / len(one) for one in found)) / len(found)
    half = float(t.ppf(1 - ALPHA / 2, free)) * error
    return Interval(mean, mean - half, mean + half)


def across_cases(pairs: Pairs) -> tuple[float, Interval]:
    """Return p-value (Wilcoxon) and t interval of the case means: cases in general.

    Args:
        pairs: at least `GENERAL` cases.
    """
    import numpy as np
    from scipy.stats import ttest_1samp, wilcoxon

    means = np.array([np.diff(np.asarray(rows, dtype=float), axis=1).mean() for rows in
                      pairs.values()])  # fmt: skip
    mean = float(means.mean())
    if not np.ptp(means):
        p = 1.0 if mean == 0 else float(wilcoxon(means).pvalue)
        return p, Interval(mean, mean, mean)
    bounds = ttest_1samp(means, 0.0).confidence_interval(1 - ALPHA)
    return float(wilcoxon(means).pvalue), Interval(mean, float(bounds.low), float(bounds.high))


def improvement(pairs: Pairs, lower_is_better: bool = True) -> float:
    """Return the probability that a trial of the other arm is better, ties half, cases alike."""
    from scipy.stats import mannwhitneyu

    total = 0.0
    for rows in pairs.values():
        first, second = [one for one, _ in rows], [other for _, other in rows]
        better, worse = (first, second) if lower_is_better else (second, first)
        total += float(mannwhitneyu(better, worse).statistic) / len(rows) ** 2
    return total / len(pairs)


def least_p(pairs: Pairs) -> float:
    """Return the smallest p-value that shuffling labels can give with so many pairs."""
    ways = math.prod(math.comb(2 * len(rows), len(rows)) for rows in pairs.values())
    return min(1.0, 2 / ways)


def spread(pairs: Pairs) -> float:
    """Return the standard deviation of values around the mean of their arm and case."""
    import numpy as np

    arms = [np.array([row[side] for row in rows]) for rows in pairs.values() for side in (0, 1)]
    free = sum(len(one) - 1 for one in arms)
    if free < 1:
        return math.nan
    return math.sqrt(sum(float(((one - one.mean()) ** 2).sum()) for one in arms) / free)


def spread_of_cases(pairs: Pairs) -> float:
    """Return the standard deviation of the mean differences of cases."""
    import numpy as np

    found = [np.diff(np.asarray(rows, dtype=float), axis=1).mean() for rows in pairs.values()]
    return float(np.std(found, ddof=1)) if len(found) > 1 else math.nan


def smallest_effect(
    number: int, deviation: float, alpha: float = ALPHA, *, paired: bool = False
) -> float | None:
    """Return the difference that a test with so many values shows four times out of five.

    Args:
        number: values per arm; or, if they are paired, differences.
        deviation: standard deviation of values within an arm; or of differences.
        alpha: level of the test, after correction for several comparisons.

    Returns:
        None: the spread is unknown.
    """
    from scipy.optimize import brentq

    if number < 2 or math.isnan(deviation):
        return None
    if deviation == 0:
        return 0.0
    # Statsmodels' own solver gives up at few values, where effects are many deviations large.
    high = 1.0
    while _power(high, number, alpha, paired) < POWER:
        high *= 2
    found = brentq(lambda effect: _power(effect, number, alpha, paired) - POWER, 0.0, high)
    return float(found) * deviation


def number_needed(
    effect: float, deviation: float, alpha: float = ALPHA, *, paired: bool = False
) -> int | None:
    """Return how many values per arm (or differences) show an effect four times out of five.

    Args:
        effect: the difference, not 0.
        deviation: as for `smallest_effect`.
    """
    if math.isnan(deviation):
        return None
    if deviation == 0:
        return 2
    wanted = abs(effect) / deviation
    return least_number(lambda number: _power(wanted, number, alpha, paired) >= POWER)


def least_number(enough: Callable[[int], bool]) -> int | None:
    """Return the least number from 2 on that is enough; None: a million is not."""
    high = 2
    while not enough(high):
        high *= 2
        if high > MOST:
            return None
    if high == 2:
        return high
    return high // 2 + bisect_left(range(high // 2, high), True, key=enough)


def _power(effect: float, number: int, alpha: float, paired: bool) -> float:
    from statsmodels.stats.power import TTestIndPower, TTestPower

    kind = TTestPower() if paired else TTestIndPower()
    reached = float(kind.power(effect, number, alpha))
    return 1.0 if math.isnan(reached) else reached  # so large that it cannot be computed


# --- success ----------------------------------------------------------------------------------


def cmh_p(tables: Sequence[tuple[int, int, int, int]]) -> float:
    """Return the p-value of no difference in success (Cochran-Mantel-Haenszel).

    Args:
        tables: per case, successes and failures of the one arm, then of the other.
    """
    from statsmodels.stats.contingency_tables import StratifiedTable

    telling = [
        [[a, b], [c, d]] for a, b, c, d in tables if a + c and b + d and a + b and c + d
    ]  # a case in which all trials ended alike says nothing
    if not telling:
        return 1.0
    return float(StratifiedTable(telling).test_null_odds(correction=True).pvalue)


def wilson(successes: float, number: float) -> Interval:
    """Return a rate with its Wilson interval; counts may be effective ones, no whole numbers."""
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(successes, number, ALPHA, method="wilson")
    return Interval(successes / number, float(low), float(high))


def rule_of_three(number: int) -> float:
    """Return the rate up to which something may happen that did not in so many trials."""
    return min(1.0, 3 / number)


def risk_difference(first: tuple[float, float], second: tuple[float, float]) -> Interval:
    """Return the difference of two rates, second minus first, with Newcombe's interval.

    Args:
        first: events and trials of the one arm.
        second: of the other.
    """
    from statsmodels.stats.proportion import confint_proportions_2indep

    low, high = confint_proportions_2indep(*second, *first, method="newcomb", compare="diff")
    return Interval(second[0] / second[1] - first[0] / first[1], float(low), float(high))


def smallest_risk_difference(rate: float, number: int, alpha: float = ALPHA) -> float:
    """Return the difference from a rate that `number` trials per arm show four times out of five.

    By Cohen's effect size of two rates, the difference of their arcsines.
    """
    from scipy.stats import norm

    effect = float(norm.ppf(1 - alpha / 2) + norm.ppf(POWER)) * math.sqrt(2 / number)
    angle = math.asin(math.sqrt(rate))
    down = math.sin(max(0.0, angle - effect / 2)) ** 2
    up = math.sin(min(math.pi / 2, angle + effect / 2)) ** 2
    return min((abs(x - rate) for x, room in ((down, angle), (up, math.pi / 2 - angle))
                if room >= effect / 2), default=1.0)  # fmt: skip


def holm(values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number (Holm)."""
    from statsmodels.stats.multitest import multipletests

    if not values:
        return []
    return [float(value) for value in multipletests(list(values), method="holm")[1]]


def logs(pairs: Pairs) -> dict[str, list[tuple[float, float]]]:
    """Return pairs as logarithms; all values must be positive."""
    return {case: [(math.log(a), math.log(b)) for a, b in rows] for case, rows in pairs.items()}


def as_json(interval: Interval | None) -> dict[str, Any] | None:
    """Return an estimate and its interval as JSON values."""
    if interval is None:
        return None
    return {"estimate": interval.estimate, "low": interval.low, "high": interval.high}


def _exp(value: float) -> float:
    return math.exp(min(value, 700.0))
