"""The gate as threads meet it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from orchestrator.models.admission import UNLIMITED, Pace
from orchestrator.models.base import Model
from orchestrator.models.gate import Entry, ProviderGate, gate_for
from orchestrator.models.registry import create_model
from orchestrator.models.scripted import ScriptedModel
from orchestrator.runtime.interruption import Interruption


class Seconds:
    """A clock that moves only when somebody waits for it, and notes by how much."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def pause(self, condition: threading.Condition, seconds: float | None) -> None:
        assert seconds is not None, "nobody would ever wake this thread"
        self.waits.append(seconds)
        self.now += seconds


def alone(pace: Pace = UNLIMITED) -> tuple[ProviderGate, Seconds]:
    """Return a gate for one thread, in time of its own."""
    seconds = Seconds()
    return ProviderGate(pace, clock=seconds, pause=seconds.pause), seconds


def entry(gate: ProviderGate, key: str = "t", **how: float) -> Entry:
    got = gate.enter(key, rank=how.get("rank", 0.0), tokens=int(how.get("tokens", 0)))
    assert got is not None
    return got


# -- in time of its own ----------------------------------------------------------------------


def test_a_gate_without_limits_is_open() -> None:
    gate, seconds = alone()
    assert [entry(gate).waited for _ in range(50)] == [0.0] * 50
    assert seconds.waits == []


def test_the_wait_for_the_minute_is_told() -> None:
    gate, seconds = alone(Pace(requests_per_minute=2))
    entry(gate).leave()
    seconds.now += 10
    entry(gate).leave()
    assert entry(gate).waited == 50.0
    assert seconds.waits == [50.0]


def test_unused_tokens_are_given_back() -> None:
    gate, seconds = alone(Pace(tokens_per_minute=1000))
    entry(gate, tokens=900).leave(100)
    entry(gate, tokens=900).leave()
    assert seconds.waits == []
    assert entry(gate, tokens=100).waited == 60.0


def test_a_refusal_closes_the_gate_for_all() -> None:
    gate, _ = alone()
    entry(gate).refused(7.0)
    assert 7.0 <= gate.status().closed <= 7.7
    assert 7.0 <= entry(gate, "other").waited <= 7.7


def test_a_refusal_without_a_hint_closes_it_for_a_time_that_the_seed_says() -> None:
    def waits(seed: int) -> float:
        seconds = Seconds()
        gate = ProviderGate(clock=seconds, pause=seconds.pause, seed=seed)
        entry(gate).refused()
        return entry(gate).waited

    assert waits(1) == waits(1) != waits(2)
    assert 0.0 <= waits(1) <= 1.0


def test_anybody_may_slow_everybody() -> None:
    gate, _ = alone()
    gate.slow(3.0)
    assert entry(gate).waited == 3.0


def test_an_entry_ends_once() -> None:
    gate, _ = alone(Pace(concurrent=1))
    with entry(gate) as first:
        first.leave()
        with entry(gate) as second:
            first.leave()
            first.refused(99.0)
            assert gate.status().under_way == 1
            second.leave()
    assert (gate.status().under_way, gate.status().closed) == (0, 0.0)


def test_the_block_of_an_entry_ends_it() -> None:
    gate, _ = alone(Pace(concurrent=1))
    with pytest.raises(KeyError), entry(gate):
        raise KeyError
    assert entry(gate).waited == 0.0


def test_a_wait_that_is_broken_off_holds_up_nobody() -> None:
    seconds = Seconds()

    def pause(condition: threading.Condition, timeout: float | None) -> None:
        if not seconds.waits:
            seconds.waits.append(0.0)
            raise KeyboardInterrupt
        seconds.pause(condition, timeout)

    gate = ProviderGate(Pace(requests_per_minute=1), clock=seconds, pause=pause)
    entry(gate)
    with pytest.raises(KeyboardInterrupt):
        entry(gate, "broken off")
    assert gate.status().waiting == ()
    assert entry(gate).waited == 60.0


def test_an_ended_lease_does_not_pass_an_open_gate() -> None:
    ended = threading.Event()
    ended.set()
    gate, _ = alone(Pace(requests_per_minute=1))
    assert gate.enter("t", interrupt=ended) is None
    assert entry(gate).waited == 0.0


# -- with threads ----------------------------------------------------------------------------


class AtGate(Interruption):
    """An interrupt that tells when its thread stands at the gate."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived = threading.Event()

    def watch(self, call: Callable[[], None]) -> AbstractContextManager[None]:
        self.arrived.set()
        return super().watch(call)


class Queue:
    """Threads that come to a closed gate in a known order."""

    def __init__(self, gate: ProviderGate, pool: ThreadPoolExecutor) -> None:
        self.gate, self._pool = gate, pool
        self.passed: list[str] = []

    def comes(
        self, key: str, rank: float = 0.0, interrupt: AtGate | None = None
    ) -> Future[Entry | None]:
        """Return when the thread stands at the gate."""
        interrupt = interrupt or AtGate()
        future = self._pool.submit(self._enter, key, rank, interrupt)
        assert interrupt.arrived.wait(5)
        return future

    def _enter(self, key: str, rank: float, interrupt: AtGate) -> Entry | None:
        got = self.gate.enter(key, rank=rank, interrupt=interrupt)
        if got is not None:
            self.passed.append(key)
        return got


def test_who_leaves_lets_in_who_is_on_the_critical_path() -> None:
    gate = ProviderGate(Pace(concurrent=1))
    first = entry(gate)
    with ThreadPoolExecutor(4) as pool:
        queue = Queue(gate, pool)
        low = queue.comes("low", 1.0)
        high = queue.comes("high", 9.0)
        middle = queue.comes("middle", 5.0)
        assert gate.status().waiting == ("low", "high", "middle")
        first.leave()
        for future in (high, middle, low):
            got = future.result(5)
            assert got is not None
            assert got.waited > 0
            got.leave()
    assert queue.passed == ["high", "middle", "low"]


@pytest.mark.parametrize("closed", [False, True])
def test_an_interrupt_ends_the_wait_at_once(closed: bool) -> None:
    gate = ProviderGate(Pace(concurrent=1))
    first = entry(gate)
    if closed:
        first.refused(3600.0)
    with ThreadPoolExecutor(2) as pool:
        interrupt = AtGate()
        waiting = Queue(gate, pool).comes("t", interrupt=interrupt)
        interrupt.set()
        assert waiting.result(5) is None
    assert gate.status().waiting == ()


def test_who_is_next_after_an_interrupted_one_is_not_forgotten() -> None:
    """The first in line watches the clock; when it goes away, the second must take over."""
    gate = ProviderGate()
    gate.slow(0.1)
    with ThreadPoolExecutor(3) as pool:
        queue, interrupt = Queue(gate, pool), AtGate()
        first = queue.comes("first", 9.0, interrupt)
        second = queue.comes("second")
        interrupt.set()
        assert first.result(5) is None
        assert second.result(5) is not None


def test_an_interrupt_that_comes_with_the_entry_gives_it_back() -> None:
    class EndsWithin(Interruption):
        """Is set by whoever lets the thread through, so that both happen together."""

        def watch(self, call: Callable[[], None]) -> AbstractContextManager[None]:
            first.leave()
            self.set()
            return super().watch(call)

    gate = ProviderGate(Pace(1, 2))
    first = entry(gate)
    assert gate.enter("t", interrupt=EndsWithin()) is None
    assert entry(gate).waited < 5
    assert gate.status().under_way == 1


def test_an_interrupt_without_a_call_back_is_seen_when_the_wait_is_over() -> None:
    class Plain:
        """Only what the protocol asks for; tells when it is looked at for the second time."""

        def __init__(self) -> None:
            self.looks, self.arrived, self.ended = 0, threading.Event(), threading.Event()

        def is_set(self) -> bool:
            self.looks += 1
            if self.looks == 2:
                self.arrived.set()
            return self.ended.is_set()

        def wait(self, timeout: float | None = None) -> bool:
            return self.ended.wait(timeout)

    gate = ProviderGate(Pace(concurrent=1))
    first, plain = entry(gate), Plain()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(gate.enter, "t", interrupt=plain)
        assert plain.arrived.wait(5)
        plain.ended.set()
        first.leave()
        assert waiting.result(5) is None


def test_many_threads_stay_within_the_limit() -> None:
    gate = ProviderGate(Pace(concurrent=3))
    lock, inside, most = threading.Lock(), 0, 0

    def work(number: int) -> None:
        nonlocal inside, most
        for _ in range(20):
            with entry(gate, str(number), rank=number):
                with lock:
                    inside += 1
                    most = max(most, inside)
                with lock:
                    inside -= 1

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(16)))
    assert 1 <= most <= 3
    assert (gate.status().under_way, gate.status().waiting) == (0, ())


# -- for a model -----------------------------------------------------------------------------


def test_offline_models_are_never_held_back() -> None:
    assert gate_for(ScriptedModel({}), Pace(1, 1, 1)).pace == Pace()


def test_the_command_line_wins_over_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "some key of no use")
    options = {"concurrency": "2", "tpm": "5000"}
    model: Model = create_model("anthropic", options, Path())
    assert gate_for(model, Pace(8, 50, 40_000)).pace == Pace(2, 50, 5000)
    model.close()
