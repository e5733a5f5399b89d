"""The gate in front of a provider."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from orchestrator.models.gate import Gate


@dataclass
class FakeTime:
    """A clock and an interrupt: waiting moves the clock and is written down."""

    now: float = 100.0
    waits: list[float] = field(default_factory=list)
    ends_at: float = float("inf")

    def __call__(self) -> float:
        return self.now

    def is_set(self) -> bool:
        return self.now >= self.ends_at

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waits.append(timeout)
        self.now += timeout
        return self.is_set()


def test_open_at_first() -> None:
    time = FakeTime()
    assert Gate(time).wait(time)
    assert time.waits == []


def test_everybody_waits_until_the_latest_hold_has_passed() -> None:
    time = FakeTime()
    gate = Gate(time)
    gate.hold(5.0)
    gate.hold(2.0)
    assert gate.wait(time)
    assert time.waits == [5.0]
    assert gate.wait(time)
    assert time.waits == [5.0]


def test_a_hold_that_comes_while_waiting_is_waited_for_too() -> None:
    time = FakeTime()
    gate = Gate(time)
    gate.hold(1.0)

    class HoldsOnce(FakeTime):
        def wait(self, timeout: float | None = None) -> bool:
            if not time.waits:
                gate.hold(3.0)
            return time.wait(timeout)

    assert gate.wait(HoldsOnce())
    assert time.waits == [1.0, 2.0]


def test_an_ended_lease_ends_the_wait() -> None:
    time = FakeTime(ends_at=101.0)
    gate = Gate(time)
    gate.hold(30.0)
    assert not gate.wait(time)


def test_a_lease_that_has_ended_does_not_pass_an_open_gate() -> None:
    ended = threading.Event()
    ended.set()
    assert not Gate().wait(ended)
