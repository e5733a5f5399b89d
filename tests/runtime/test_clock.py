from __future__ import annotations

import pytest

from orchestrator.runtime.clock import ManualClock


def test_a_manual_clock_stands_still_until_it_is_moved() -> None:
    clock = ManualClock(2.0)
    assert (clock.now(), clock.now()) == (2.0, 2.0)
    clock.advance(0.5)
    assert clock.now() == 2.5


def test_a_manual_clock_refuses_to_go_back() -> None:
    clock = ManualClock(2.0)
    with pytest.raises(ValueError, match="cannot go back by 1"):
        clock.advance(-1)
    assert clock.now() == 2.0
