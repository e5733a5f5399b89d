"""What every clock does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from orchestrator.runtime.clock import Clock, ManualClock, SystemClock

CLOCKS = [SystemClock, ManualClock]


@pytest.fixture(params=CLOCKS, ids=lambda kind: kind.__name__)
def make(request: pytest.FixtureRequest) -> Callable[[float], Clock]:
    return request.param


def test_a_clock_starts_at_the_time_that_it_is_given(make: Callable[[float], Clock]) -> None:
    assert make(5000.0).now() >= 5000.0


def test_a_clock_never_goes_back(make: Callable[[float], Clock]) -> None:
    clock = make(0.0)
    times = [clock.now() for _ in range(1000)]
    assert times == sorted(times)


def test_two_clocks_are_independent(make: Callable[[float], Clock]) -> None:
    early, late = make(0.0), make(1_000_000.0)
    assert late.now() - early.now() > 900_000
