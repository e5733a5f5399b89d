"""Who may ask the provider next: limits, order and pauses, in virtual time."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from itertools import takewhile
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.models.admission import MINUTE, PATIENCE, SILENCE, Admission, Pace


@dataclass
class Call:
    """One request: when it comes, what it expects and takes, how long it is under way."""

    at: float
    rank: float
    expected: int
    taken: int
    seconds: float
    refused: float | None = None
    began: float = math.nan
    ended: float = math.nan
    number: int = 0


@dataclass
class World:
    """Drives an `Admission` through arrivals and ends, with a clock that jumps."""

    admission: Admission
    calls: list[Call]
    numbers: dict[int, Call] = field(default_factory=dict)
    begun: list[Call] = field(default_factory=list)
    under_way: int = 0
    scale: float = 0.0
    now: float = 0.0

    def run(self) -> None:
        events = [(call.at, index, call) for index, call in enumerate(self.calls)]
        heapq.heapify(events)
        order = len(events)
        while True:
            due = self.admission.due()
            wakes = due[1] if due else math.inf
            if not events and wakes == math.inf:
                break
            if events and events[0][0] <= wakes:
                self.now, _, call = heapq.heappop(events)
                self._happens(call)
            else:
                self.now = max(self.now, wakes)
            before = [one.number for one in self.admission.waiting]
            for number in self.admission.admit(self.now):
                self._in_order(number, before)
                call = self.numbers[number]
                call.began = self.now
                self.begun.append(call)
                self.under_way += 1
                order += 1
                heapq.heappush(events, (self.now + call.seconds, order, call))
            self._nobody_waits_in_vain()

    def _happens(self, call: Call) -> None:
        if math.isnan(call.began):
            call.number = self.admission.arrive(self.now, "task", call.rank, call.expected)
            self.numbers[call.number] = call
            self.scale = max(self.scale, call.rank)
            return
        call.ended = self.now
        self.under_way -= 1
        if call.refused is None:
            self.admission.leave(call.number, call.taken)
        else:
            self.admission.refuse(self.now, call.number, call.refused, 0.0)

    def _standing(self, number: int) -> tuple[float, int]:
        call = self.numbers[number]
        return PATIENCE * call.rank / (self.scale or 1.0) + (self.now - call.at), -number

    def _in_order(self, number: int, waiting: list[int]) -> None:
        best = max(self._standing(other)[0] for other in waiting)
        assert self._standing(number)[0] == pytest.approx(best)
        waiting.remove(number)

    def _nobody_waits_in_vain(self) -> None:
        """What keeps the first in line waiting is a limit that is reached, nothing else."""
        due = self.admission.due()
        if due is None or self.now < self.admission.opens_at:
            return
        pace, first = self.admission.pace, self.numbers[due[0]]
        recent = list(takewhile(lambda one: one.began + MINUTE > self.now, reversed(self.begun)))
        taken = sum(
            call.expected if math.isnan(call.ended) else (0 if call.refused else call.taken)
            for call in recent
        )
        ramp = self.admission.opens_at > -math.inf
        limit = pace.tokens_per_minute
        assert (
            (pace.concurrent is not None and self.under_way >= pace.concurrent)
            or (pace.requests_per_minute is not None and len(recent) >= pace.requests_per_minute)
            or (limit is not None and taken + min(first.expected, limit) > limit)
            or ramp
        )


def crowd(seed: int, size: int, *, rate: float = 0.3) -> list[Call]:
    """Return calls in bursts, of all sizes and ranks; each takes at most what it expects."""
    random, at, calls = Random(seed), 0.0, []
    for _ in range(size):
        at += 0.0 if random.random() < 0.5 else random.expovariate(rate)
        expected = random.choice((0, 10, 500, 4000, 9000))
        rank = random.choice((0.0, 1.0, 300.0, 7200.0))
        calls.append(Call(at, rank, expected, random.randint(0, expected), random.expovariate(0.1)))
    return calls


PACES = (
    Pace(concurrent=3),
    Pace(requests_per_minute=7),
    Pace(tokens_per_minute=10_000),
    Pace(concurrent=4, requests_per_minute=12, tokens_per_minute=20_000),
)


def within(pace: Pace, calls: list[Call]) -> None:
    """Check the limits in every minute and at every moment, from what happened alone."""
    for call in calls:
        recent = [one for one in calls if one.began <= call.began < one.began + MINUTE]
        together = [other for other in recent if other.refused is None]
        if pace.requests_per_minute is not None:
            assert len(recent) <= pace.requests_per_minute
        if pace.tokens_per_minute is not None:
            assert sum(other.taken for other in together) <= pace.tokens_per_minute
        if pace.concurrent is not None:
            at_once = sum(other.began <= call.began < other.ended for other in calls)
            assert at_once <= pace.concurrent


def nobody_starves(calls: list[Call]) -> None:
    for call in calls:
        for other in calls:
            if other.at > call.at + PATIENCE:
                assert other.began >= call.began


@pytest.mark.parametrize("pace", PACES)
@pytest.mark.parametrize("seed", range(3))
def test_never_over_the_limits_never_idle_in_vain_nobody_starves(pace: Pace, seed: int) -> None:
    calls = crowd(seed, 100)
    World(Admission(pace), calls).run()
    assert all(call.ended >= call.began >= call.at for call in calls)
    within(pace, calls)
    nobody_starves(calls)


@pytest.mark.slow
@pytest.mark.parametrize("pace", PACES)
def test_the_same_over_thousands_of_arrivals(pace: Pace) -> None:
    calls = crowd(10, 1000, rate=0.025)
    World(Admission(pace), calls).run()
    within(pace, calls)
    nobody_starves(calls)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.builds(
            Call,
            at=st.floats(0, 300),
            rank=st.floats(0, 1e4),
            expected=st.integers(0, 900),
            taken=st.just(0),
            seconds=st.floats(0.01, 90),
            refused=st.none() | st.floats(0.001, 30.0),
        ),
        max_size=25,
    ),
    st.builds(
        Pace,
        st.none() | st.integers(1, 5),
        st.none() | st.integers(1, 9),
        st.none() | st.integers(900, 3000),
    ),
)
def test_refusals_at_any_time(calls: list[Call], pace: Pace) -> None:
    World(Admission(pace), calls).run()
    assert not any(math.isnan(call.ended) for call in calls)
    within(pace, calls)
    nobody_starves(calls)
    for refused in calls:
        if refused.refused is not None:
            pause = (refused.ended, refused.ended + refused.refused)
            assert not any(pause[0] < call.began < pause[1] for call in calls)


def arrive(admission: Admission, now: float, *ranks: float, tokens: int = 0) -> list[int]:
    return [admission.arrive(now, f"t{rank}", rank, tokens) for rank in ranks]


def test_the_critical_path_first_then_who_came_first() -> None:
    admission = Admission(Pace(concurrent=1))
    low, high, middle, also_low = arrive(admission, 0.0, 10.0, 300.0, 20.0, 10.0)
    served = []
    while admitted := admission.admit(0.0):
        served += admitted
        admission.leave(admitted[0])
    assert served == [high, middle, low, also_low]


def test_age_raises_a_rank() -> None:
    admission = Admission(Pace(concurrent=1))
    (holder,) = arrive(admission, 0.0, 0.0)
    admission.admit(0.0)
    (low,) = arrive(admission, 1.0, 0.0)
    arrive(admission, 60.0, 7200.0)
    (later,) = arrive(admission, 61.5, 7200.0)
    admission.leave(holder)
    (first,) = admission.admit(62.0)
    assert first not in (low, later)
    admission.leave(first)
    assert admission.admit(62.0) == (low,)


def test_what_was_not_used_is_given_back_at_once() -> None:
    admission = Admission(Pace(tokens_per_minute=100))
    one, two = arrive(admission, 0.0, 0.0, 0.0, tokens=80)
    assert admission.admit(0.0) == (one,)
    assert admission.due() == (two, MINUTE)
    admission.leave(one, 20)
    assert admission.admit(1.0) == (two,)


def test_what_was_used_beyond_the_estimate_counts_too() -> None:
    admission = Admission(Pace(tokens_per_minute=100))
    (one,) = arrive(admission, 0.0, 0.0, tokens=10)
    admission.admit(0.0)
    admission.leave(one, 95)
    (two,) = arrive(admission, 1.0, 0.0, tokens=10)
    assert admission.due() == (two, MINUTE)


def test_a_request_larger_than_the_limit_goes_alone() -> None:
    admission = Admission(Pace(tokens_per_minute=100))
    small, large = arrive(admission, 0.0, 0.0, tokens=1) + arrive(admission, 0.0, 0.0, tokens=500)
    assert admission.admit(0.0) == (small,)
    assert admission.due() == (large, MINUTE)
    assert admission.admit(MINUTE) == (large,)


def test_one_that_was_never_sent_leaves_no_trace() -> None:
    admission = Admission(Pace(1, 1, 100))
    one, two = arrive(admission, 0.0, 0.0, 0.0, tokens=100)
    assert admission.admit(0.0) == (one,)
    admission.withdraw(one)
    assert admission.admit(0.0) == (two,)
    admission.withdraw(two)
    assert (admission.under_way, admission.waiting) == (0, ())


def under_way(count: int) -> tuple[Admission, list[int]]:
    admission = Admission(Pace())
    numbers = arrive(admission, 0.0, *[0.0] * count)
    assert list(admission.admit(0.0)) == numbers
    return admission, numbers


def test_after_a_refusal_one_tries_first_then_twice_as_many() -> None:
    admission, numbers = under_way(1)
    assert admission.refuse(0.0, numbers[0], 10.0, chance=0.0) == 10.0
    arrive(admission, 0.0, *[0.0] * 20)
    assert admission.admit(9.9) == ()
    let_through = [len(admission.admit(10.0 + n * SILENCE)) for n in range(6)]
    assert let_through == [1, 1, 2, 4, 8, 4]


def test_an_answer_lets_the_others_follow() -> None:
    admission, numbers = under_way(1)
    admission.refuse(0.0, numbers[0], 10.0, chance=0.0)
    arrive(admission, 0.0, *[0.0] * 6)
    (probe,) = admission.admit(10.0)
    admission.leave(probe)
    two = admission.admit(10.1)
    assert len(two) == 2
    admission.leave(two[0])
    admission.leave(two[1])
    assert len(admission.admit(10.2)) == 3


def test_an_answer_to_an_older_request_says_nothing_about_now() -> None:
    admission, (old, refused) = under_way(2)
    admission.refuse(0.0, refused, 10.0, chance=0.0)
    arrive(admission, 0.0, *[0.0] * 5)
    admission.leave(old)
    assert len(admission.admit(10.0)) == 1


def test_the_longest_pause_holds() -> None:
    admission, numbers = under_way(3)
    admission.refuse(0.0, numbers[0], 5.0, chance=0.0)
    admission.refuse(0.0, numbers[1], 2.0, chance=0.0)
    (waiting,) = arrive(admission, 0.0, 0.0)
    assert admission.due() == (waiting, 5.0)
    admission.refuse(4.0, numbers[2], 6.0, chance=0.0)
    assert admission.due() == (waiting, 10.0)


def test_a_given_pause_is_never_cut_short_and_spread_a_little() -> None:
    admission, numbers = under_way(1)
    assert admission.refuse(0.0, numbers[0], 100.0, chance=1.0) == pytest.approx(110.0)


def test_without_a_hint_the_pause_doubles_up_to_a_bound() -> None:
    admission, now = Admission(Pace()), 0.0
    pauses = []
    for _ in range(9):
        (number,) = arrive(admission, now, 0.0)
        admission.admit(now)
        pauses.append(admission.refuse(now, number, None, chance=1.0))
        now += pauses[-1]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    (number,) = arrive(admission, now, 0.0)
    admission.admit(now)
    admission.leave(number)
    (number,) = arrive(admission, now, 0.0)
    admission.admit(now)
    assert admission.refuse(now, number, None, chance=1.0) == 1


def test_refusals_of_requests_sent_together_count_once() -> None:
    admission, numbers = under_way(8)
    pauses = [admission.refuse(0.0, number, None, chance=1.0) for number in numbers]
    assert pauses == [1.0] * 8


@pytest.mark.parametrize("limits", [(0, None, None), (None, -1, None), (None, None, 0)])
def test_a_limit_that_lets_nobody_through_is_refused(limits: tuple[int | None, ...]) -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        Pace(*limits)


def test_one_pace_over_another() -> None:
    assert Pace(concurrent=2).over(Pace(8, 50, None)) == Pace(2, 50, None)
