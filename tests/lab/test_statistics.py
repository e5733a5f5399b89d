"""The statistics of a comparison: known answers, and errors as often as they say."""

from __future__ import annotations

import math
import sys
from itertools import permutations

import pytest

from orchestrator.errors import UsageError
from orchestrator.lab import statistics as s

pytestmark = pytest.mark.slow  # numpy, scipy and statsmodels take their time to be imported

FAR = {"a": [(1.0, 2.0), (1.1, 2.1), (0.9, 2.2), (1.2, 1.9), (1.0, 2.0)]}
EQUAL = {"a": [(1.0, 1.0), (2.0, 2.0)]}


def test_the_permutation_test_agrees_with_all_arrangements() -> None:
    pairs = {"a": [(1.0, 4.0), (2.0, 3.0), (5.0, 7.0)]}
    values = [value for pair in zip(*pairs["a"], strict=True) for value in pair]
    found = [sum(order[3:]) - sum(order[:3]) for order in permutations(values)]
    exact = sum(abs(one) >= 6.0 for one in found) / len(found)
    assert s.permutation_p(pairs) == pytest.approx(exact, abs=0.02)


def test_labels_are_shuffled_within_cases_only() -> None:
    # The cases differ a thousand times more than the arms do; yet the arms differ in both.
    pairs = {"small": FAR["a"], "large": [(a + 1000, b + 1000) for a, b in FAR["a"]]}
    assert s.permutation_p(pairs) < 0.001


def test_equal_arms_give_a_p_of_one() -> None:
    assert s.permutation_p(EQUAL) == 1.0


def test_the_p_value_is_never_zero_and_the_same_each_time() -> None:
    assert s.permutation_p(FAR, shuffles=9) >= 0.1
    assert s.permutation_p(FAR) == s.permutation_p(FAR)


def test_the_least_p_is_that_of_the_most_extreme_arrangement() -> None:
    assert s.least_p({"a": [(0.0, 1.0)] * 3}) == pytest.approx(0.1)
    assert s.least_p({"a": [(0.0, 1.0)]}) == 1.0


def test_the_t_interval_is_that_of_scipy_for_one_case() -> None:
    from scipy.stats import ttest_1samp

    found = s.t_interval(FAR)
    assert found is not None
    wanted = ttest_1samp([b - a for a, b in FAR["a"]], 0.0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high))


def test_one_pair_per_case_has_no_interval() -> None:
    assert s.t_interval({"a": [(1.0, 2.0)], "b": [(1.0, 2.0)]}) is None


def test_a_claim_in_general_goes_by_the_means_of_cases() -> None:
    pairs = {str(case): [(1.0, 2.0 + case / 10)] * 4 for case in range(6)}
    p, interval = s.across_cases(pairs)
    assert p == pytest.approx(2 / 2**6)
    assert interval.low < 1.25 < interval.high


def test_ties_count_half_in_the_probability_of_improvement() -> None:
    assert s.improvement(EQUAL) == 0.5
    assert s.improvement(FAR) == 0.0
    assert s.improvement(FAR, lower_is_better=False) == 1.0


def test_the_smallest_effect_shrinks_with_more_trials() -> None:
    few, many = s.smallest_effect(5, 0.35), s.smallest_effect(120, 0.35)
    assert few is not None
    assert many is not None
    assert many < 0.15 < few
    assert s.smallest_effect(1, 0.35) is None
    assert s.smallest_effect(5, 0.0) == 0.0


def test_the_number_needed_shows_the_effect_that_it_was_asked_for() -> None:
    number = s.number_needed(0.105, 0.35)
    assert number is not None
    reached, before = s.smallest_effect(number, 0.35), s.smallest_effect(number - 1, 0.35)
    assert reached is not None
    assert before is not None
    assert reached <= 0.105 < before
    assert s.number_needed(1.0, 0.0) == 2
    assert s.number_needed(1.0, math.nan) is None


def test_success_is_compared_within_cases() -> None:
    assert s.cmh_p([(18, 2, 8, 12), (17, 3, 9, 11)]) < 0.001
    assert s.cmh_p([(20, 0, 20, 0)]) == 1.0
    # Simpson's paradox: equal in each case, far apart when the cases are thrown together.
    assert s.cmh_p([(9, 1, 90, 10), (10, 90, 1, 9)]) > 0.5


def test_rates_have_intervals_that_know_about_few_trials() -> None:
    assert s.wilson(0, 20).low == pytest.approx(0.0)
    assert s.wilson(10, 20).estimate == 0.5
    assert s.rule_of_three(20) == 0.15
    assert s.rule_of_three(2) == 1.0
    found = s.risk_difference((10, 20), (16, 20))
    assert found.low < found.estimate < found.high
    assert found.estimate == pytest.approx(0.3)


def test_the_smallest_difference_of_rates_has_room() -> None:
    assert s.smallest_risk_difference(1.0, 200) < 0.05
    assert s.smallest_risk_difference(0.5, 2) == 1.0


def test_holm_corrects_for_the_number_of_comparisons() -> None:
    assert s.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert s.holm([]) == []


def test_a_missing_library_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "statsmodels.stats.multitest", None)
    with pytest.raises(UsageError, match=r"pip install 'orchestrator\[lab\]'"):
        s.require()


def test_no_difference_is_shown_as_seldom_as_it_says_and_a_large_one_often() -> None:
    import numpy as np

    rng = np.random.default_rng(1)

    def rejections(effect: float, number: int = 200) -> tuple[float, float]:
        low = covered = 0
        for _ in range(number):
            noise = rng.normal([0.0, effect], 0.35, (3, 8, 2))
            pairs = {str(case): [tuple(row) for row in noise[case]] for case in range(3)}
            low += s.permutation_p(pairs, shuffles=199) <= s.ALPHA
            interval = s.t_interval(pairs)
            covered += interval is not None and interval.low <= effect <= interval.high
        return low / number, covered / number

    error = 4 * math.sqrt(0.05 * 0.95 / 200)  # four standard errors of the simulation itself
    shown, covered = rejections(0.0)
    assert abs(shown - 0.05) < error
    assert abs(covered - 0.95) < error
    assert rejections(math.log(0.6))[0] > 0.9
