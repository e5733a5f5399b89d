"""Comparing arms: what is shown, what is not, and what is never dropped."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from orchestrator.core.task import Task
from orchestrator.lab.compare import Contrast, compare
from orchestrator.lab.experiment import Arm, Case, Experiment
from orchestrator.lab.trial import TrialResult
from orchestrator.spec.plan import Plan

pytestmark = pytest.mark.slow  # numpy, scipy and statsmodels take their time to be imported

Figure = Callable[[int, int, int], float | None]
NOISE = (0.93, 1.04, 0.98, 1.07, 1.01, 0.96)


def experiment(cases: int = 1, repeats: int = 6, arms: int = 2, **more: object) -> Experiment:
    plan = Plan(name="made up", tasks=(Task(id="one"),))
    return Experiment(
        cases=tuple(Case(f"case {number}", {"": plan}) for number in range(cases)),
        modes=("shared",), workers=tuple(range(1, arms + 1)), repeats=repeats, **more,  # type: ignore[arg-type]
    )  # fmt: skip


def trials(made: Experiment, makespan: Figure, success: Figure) -> list[TrialResult]:
    found = []
    for number, case in enumerate(made.cases):
        for place, arm in enumerate(made.all_arms()):
            for seed in range(made.repeats):
                figures = {
                    "makespan": makespan(number, place, seed),
                    "success": success(number, place, seed),
                }
                name = f"{number}-{place}-{seed}"
                found.append(TrialResult(name, case.name, arm, seed, "succeeded", figures=figures))
    return found


def noise(place: int, seed: int) -> float:
    return NOISE[(seed + 2 * place) % len(NOISE)]


def primary(made: Experiment, results: list[TrialResult]) -> Contrast:
    (found,) = compare(results, made).primary
    return found


def test_a_large_difference_is_shown_as_a_ratio_with_its_interval() -> None:
    made = experiment()
    found = primary(
        made, trials(made, lambda c, a, s: 10 * noise(a, s) * (1 - a / 2), lambda *_: 1.0)
    )
    assert found.shown
    assert found.scale == "ratio"
    assert found.effect is not None
    assert found.effect.low < 0.5 < found.effect.high
    assert found.effect.high < 0.6
    assert found.better == 1.0


def test_no_difference_says_what_could_have_been_seen_and_what_it_would_take() -> None:
    made = experiment(repeats=6)
    found = primary(made, trials(made, lambda c, a, s: 10 * noise(a, s) ** 4, lambda *_: 1.0))
    assert not found.shown
    assert found.smallest is not None
    assert 0.1 < found.smallest < 0.5
    assert found.more is not None
    assert found.more > 6


def test_too_few_pairs_can_show_nothing_and_say_so() -> None:
    made = experiment(repeats=3)
    found = primary(made, trials(made, lambda c, a, s: noise(a, s) * (1 + 9 * a), lambda *_: 1.0))
    assert not found.shown
    assert found.least_p == pytest.approx(0.1)
    assert found.smallest is None
    assert found.more is not None
    assert found.more >= 1


def test_several_arms_are_one_family() -> None:
    made = experiment(arms=4)
    found = compare(trials(made, lambda c, a, s: noise(a, s), lambda *_: 1.0), made)
    assert [one.arm for one in found.primary] == ["2 workers", "3 workers", "4 workers"]
    for one in found.primary:
        assert one.p is not None
        assert one.corrected is not None
        assert one.corrected >= one.p


def test_zeros_are_compared_as_differences() -> None:
    made = experiment()
    found = primary(made, trials(made, lambda c, a, s: float(a * s), lambda *_: 1.0))
    assert found.scale == "difference"
    assert found.effect is not None
    assert found.effect.estimate == pytest.approx(2.5)


def test_equal_values_are_not_tested_and_do_not_weigh_on_others() -> None:
    made = experiment()
    found = compare(trials(made, lambda *_: 7.0, lambda *_: 1.0), made)
    assert found.primary[0].equal
    assert found.primary[0].corrected is None
    assert not found.primary[0].shown


def test_success_is_compared_over_all_trials() -> None:
    made = experiment(cases=2, repeats=12, primary="success")
    found = primary(
        made, trials(made, lambda *_: None, lambda c, a, s: float(a == 1 or s % 4 == 0))
    )
    assert found.scale == "rate"
    assert found.values == (0.25, 1.0)
    assert found.shown


def test_a_lost_trial_counts_as_no_success_and_is_listed() -> None:
    made = experiment()
    results = trials(made, lambda c, a, s: noise(a, s), lambda *_: 1.0)
    lost = results[0]
    results[0] = TrialResult(
        lost.name, lost.case, lost.arm, lost.seed, "lost", "its process was ended by SIGKILL",
        figures={"success": 0.0},
    )  # fmt: skip
    found = compare(results, made)
    assert [one.name for one in found.lost] == [lost.name]
    assert found.primary[0].left_out == 1
    assert found.primary[0].pairs == 5
    assert found.arms[0].success.estimate == pytest.approx(5 / 6)


def test_a_judge_that_says_no_takes_success_away() -> None:
    arm = Arm("", "shared", "", 1)
    one = TrialResult("x", "c", arm, 0, "succeeded", figures={"success": 1.0}, judged=False)
    assert not one.success
    assert one.figure("success") == 0.0


def test_pairs_that_are_not_complete_wait() -> None:
    made = experiment()
    results = trials(made, lambda c, a, s: noise(a, s), lambda *_: 1.0)
    found = compare(results[:8], made)
    assert (found.done, found.total) == (8, 12)
    assert found.primary[0].pairs == 2


def test_a_claim_in_general_goes_by_cases() -> None:
    made = experiment(cases=6, repeats=3, general=True)
    results = trials(made, lambda c, a, s: noise(a, s) * (1 - a * (0.3 + c / 50)), lambda *_: 1.0)
    found = compare(results, made)
    assert found.claim == "cases in general"
    assert found.primary[0].p == pytest.approx(2 / 2**6)


def test_the_comparison_is_json_without_values_that_json_has_not() -> None:
    made = experiment(repeats=1)
    found = compare(trials(made, lambda c, a, s: 1.0 + a, lambda *_: 1.0), made)
    text = json.dumps(found.to_json(), allow_nan=False)
    assert json.loads(text)["primary"][0]["effect"]["low"] is None
