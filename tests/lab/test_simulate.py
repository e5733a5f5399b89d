"""Simulated runs: the machine's own schedule, its bounds, its waits, and the same luck again."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.core.limits import Limits, ProviderLimits
from orchestrator.core.task import Task
from orchestrator.errors import UsageError
from orchestrator.lab.durations import Curve, Lognormal, Outcome
from orchestrator.lab.metrics import longest_path
from orchestrator.lab.simulate import Bounds, Setting, quantile, simulate
from orchestrator.lab.speedupsvg import to_svg
from orchestrator.lab.virtualrun import Played
from orchestrator.spec.plan import Plan

CERTAIN = Lognormal(Curve(sigma=0.0), failing=0.0)


class Fixed:
    """Attempts that are written down; tasks that are not listed take their estimate."""

    def __init__(self, **outcomes: list[Outcome]) -> None:
        self._outcomes = outcomes

    def luck(self, seed: int, run: int) -> Fixed:
        return Fixed(**{task: list(left) for task, left in self._outcomes.items()})

    def next(self, task: Task) -> Outcome:
        left = self._outcomes.get(task.id)
        return left.pop(0) if left else Outcome(task.estimate)

    def expected(self, task: Task) -> float:
        return task.estimate


def plan(*tasks: Task, **settings_: object) -> Plan:
    return Plan(name="p", tasks=tasks, **settings_)  # type: ignore[arg-type]


def task(name: str, *needs: str, seconds: float = 10.0, **more: object) -> Task:
    return Task(id=name, depends_on=needs, estimate=seconds, **more)  # type: ignore[arg-type]


DIAMOND = plan(
    task("a", seconds=10), task("b", "a", seconds=20), task("c", "a", seconds=5),
    task("d", "b", "c", seconds=1),
)  # fmt: skip


def play(given: Plan, workers: int, durations: object = CERTAIN) -> Played:
    return Setting.of(given).play(durations, workers)  # type: ignore[arg-type]


def adds_up(played: Played, workers: int) -> bool:
    spent = played.spent
    parts = (
        spent.working, spent.rework, spent.provider, spent.files, spent.rest, spent.dependencies,
        spent.no_work,
    )  # fmt: skip
    return math.isclose(sum(parts), workers * played.makespan, rel_tol=1e-9, abs_tol=1e-9)


def test_without_noise_one_worker_takes_the_sum_of_the_estimates() -> None:
    played = play(DIAMOND, 1)
    assert (played.status, played.makespan) == ("succeeded", 36)
    assert played.spent.working == 36


def test_without_noise_enough_workers_take_the_critical_path() -> None:
    played = play(DIAMOND, 2)
    assert played.makespan == 31
    # The second worker waits for a, then does c, then waits again: for b, then nothing is left.
    assert played.spent.dependencies == 10 + 15
    assert played.spent.no_work == 1
    assert adds_up(played, 2)


def test_tasks_that_write_one_file_wait_for_it() -> None:
    both = plan(task("a", writes=("x.py",)), task("b", writes=("x.py",)))
    played = play(both, 2)
    assert played.makespan == 20
    assert played.spent.files == 10
    apart = plan(task("a", writes=("x.py",)), task("b", writes=("y.py",)))
    assert play(apart, 2).makespan == 10


def test_tasks_that_share_a_file_do_not_wait_for_it() -> None:
    both = plan(task("a", shares=("x.py",)), task("b", shares=("x.py",)))
    assert play(both, 2).makespan == 10


def test_a_failed_attempt_is_done_again() -> None:
    luck = Fixed(b=[Outcome(3, "tests_failed"), Outcome(4)])
    played = play(DIAMOND, 2, luck)
    assert [one.attempt for one in played.stretches if one.task == "b"] == [1, 2]
    assert played.spent.rework == 3
    assert played.makespan == 10 + 3 + 4 + 1


def test_a_task_without_attempts_left_fails_the_run() -> None:
    luck = Fixed(a=[Outcome(1, "tests_failed")] * 3)
    played = play(DIAMOND, 2, luck)
    assert (played.status, played.makespan) == ("failed", 3)
    assert played.spent.rework == 3


def test_after_a_failure_of_the_provider_a_task_rests() -> None:
    one = plan(task("a"), limits=Limits(backoff=4.0))
    played = play(one, 1, Fixed(a=[Outcome(2, "model_error"), Outcome(3)]))
    assert played.makespan == 2 + 4 + 3
    assert played.spent.rest == 4


def test_a_time_limit_of_a_task_ends_its_attempt_and_the_worker_claims_again() -> None:
    one = plan(replace(task("a"), seconds=5.0))
    played = play(one, 1, Fixed(a=[Outcome(9), Outcome(2)]))
    assert [(s.start, s.end, s.accepted) for s in played.stretches] == [
        (0, 5, False), (5, 7, True),
    ]  # fmt: skip


def test_a_person_approves_at_once() -> None:
    assert play(plan(task("a", approval=True)), 1).status == "succeeded"


def test_mode_solo_has_one_worker() -> None:
    assert play(replace(DIAMOND, mode="solo"), 8).makespan == 36


def test_a_provider_that_answers_one_at_a_time_is_waited_for() -> None:
    limits = Limits(provider=ProviderLimits(concurrent=1))
    two = plan(task("a"), task("b"), limits=limits)
    played = play(two, 2)
    # Eight of ten seconds are the model's: they cannot overlap, the rest can.
    assert 16 <= played.makespan < 20
    assert played.spent.provider > 0
    assert adds_up(played, 2)
    assert play(replace(two, limits=Limits()), 2).makespan == 10


def test_more_requests_at_once_than_workers_change_nothing() -> None:
    limits = Limits(provider=ProviderLimits(concurrent=4))
    played = play(plan(task("a"), task("b"), limits=limits), 2)
    assert played.makespan == pytest.approx(10)
    assert played.spent.provider == 0


def test_requests_per_minute_are_waited_for() -> None:
    limits = Limits(provider=ProviderLimits(requests_per_minute=2))
    played = play(plan(task("a"), limits=limits), 1)
    assert played.makespan > 3 * 60  # eight turns, two a minute


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    count = draw(st.integers(1, 12))
    tasks = []
    for number in range(count):
        needs = draw(st.sets(st.integers(0, number - 1), max_size=3)) if number else set()
        held = draw(st.sampled_from([(), ("x.py",), ("y.py",), ("x.py", "y.py")]))
        names = [f"t{n}" for n in sorted(needs)]
        seconds = draw(st.integers(1, 50))
        tasks.append(task(f"t{number}", *names, seconds=seconds, writes=held))
    return plan(*tasks)


def spans(given: Plan, played: Played) -> tuple[float, float]:
    took = {one.task: one.end - one.start for one in played.stretches if one.accepted}
    span, _ = longest_path({one.id: one.depends_on for one in given.tasks}, took)
    return sum(took.values()), span


@pytest.mark.slow
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(plans(), st.integers(1, 5), st.integers(0, 5))
def test_no_run_beats_the_bounds_and_greedy_ones_keep_grahams(
    given_: Plan, workers: int, seed: int
) -> None:
    free = replace(given_, tasks=tuple(replace(one, writes=()) for one in given_.tasks))
    played = Setting.of(free).play(Lognormal(failing=0.0), workers, seed)
    work, span = spans(free, played)
    assert played.makespan >= max(span, work / workers) * (1 - 1e-9)
    assert played.makespan <= (work / workers + (1 - 1 / workers) * span) * (1 + 1e-9)
    assert adds_up(played, workers)


@pytest.mark.slow
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(plans(), st.integers(1, 5), st.integers(0, 5))
def test_nobody_works_on_a_file_that_somebody_else_holds(
    given_: Plan, workers: int, seed: int
) -> None:
    played = Setting.of(given_).play(Lognormal(failing=0.2), workers, seed)
    held = {one.id: set(one.writes) for one in given_.tasks}
    assert adds_up(played, workers)
    for one in played.stretches:
        for other in played.stretches:
            if one is not other and one.start < other.end and other.start < one.end:
                assert not held[one.task] & held[other.task]


@pytest.mark.slow
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(plans(), st.integers(1, 5), st.integers(0, 5))
def test_claims_that_nobody_contests_change_no_schedule(
    given_: Plan, workers: int, seed: int
) -> None:
    setting = Setting.of(given_)
    whole = replace(setting, tasks=given_.tasks)
    source = Lognormal(failing=0.2)
    assert setting.play(source, workers, seed) == whole.play(source, workers, seed)


def test_the_same_seed_gives_the_same_figures_and_another_others() -> None:
    first, again, other = (
        simulate(DIAMOND, workers=[2], runs=20, seed=seed).to_json()["forecasts"]
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_numbers_of_workers_meet_the_same_luck() -> None:
    chain = plan(task("a"), task("b", "a"), task("c", "b"))
    one, four = simulate(chain, workers=[1, 4], runs=30).forecasts
    assert one.quantiles == four.quantiles  # a chain leaves nothing for a second worker


def test_a_forecast_adds_up() -> None:
    found = simulate(DIAMOND, workers=[1, 2], runs=50, seed=3)
    one, two = found.forecasts
    assert sum(two.spent.values()) == pytest.approx(1)
    low, high = two.interval(80)
    widest = two.interval(95)
    assert widest[0] <= low <= two.median <= high <= widest[1]
    assert one.over_one == 1
    assert two.over_one is not None
    assert two.over_one > 1
    assert 0 < two.succeeded <= 1
    assert found.critical_path == ("a", "b", "d")


def test_times_are_of_runs_that_succeed_and_the_rest_is_counted() -> None:
    found = simulate(
        plan(task("a")), workers=[1], runs=200, durations=Lognormal(failing=0.5)
    ).forecasts[0]
    assert 0.75 < found.succeeded < 0.97  # 1 - 0.5 ** 3
    assert found.attempts > 1


def test_a_limit_of_wall_time_is_told_not_applied() -> None:
    found = simulate(
        plan(task("a"), limits=Limits(wall=5.0)), workers=[1], runs=5, durations=CERTAIN
    ).forecasts[0]
    assert (found.median, found.over_wall) == (10, 1.0)


def test_bounds() -> None:
    bounds = Bounds.of(DIAMOND.tasks, 2)
    assert (bounds.work_share, bounds.span, bounds.lower) == (18, 31, 31)
    assert bounds.graham == 18 + 31 / 2


def test_quantiles_lie_between_neighbours() -> None:
    assert quantile([1, 2, 3], 0.5) == 2
    assert quantile([1, 2], 0.25) == 1.25
    assert quantile([7], 0.975) == 7


def test_the_picture_is_well_formed_and_names_its_plan() -> None:
    from xml.etree import ElementTree

    for workers in ([1, 2, 4], [3]):
        picture = to_svg(simulate(replace(DIAMOND, name="a<b"), workers=workers, runs=10))
        assert "a&lt;b" in picture
        assert ElementTree.fromstring(picture).tag.endswith("svg")


@pytest.mark.parametrize(
    ("given_", "workers", "runs", "said"),
    [
        (plan(), [1], 1, "no tasks"),
        (DIAMOND, [], 1, "no number of workers"),
        (DIAMOND, [2, 0], 1, "0 workers"),
        (DIAMOND, [1], 0, "0 runs"),
    ],
)
def test_what_makes_no_sense_is_refused(
    given_: Plan, workers: list[int], runs: int, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        simulate(given_, workers=workers, runs=runs)
