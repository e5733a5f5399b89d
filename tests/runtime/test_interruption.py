from __future__ import annotations

import signal
import threading
from types import FrameType

import pytest

from orchestrator.models.base import Interrupt
from orchestrator.runtime.interruption import Interruption, Latch, Watchable


def test_an_interruption_is_an_interrupt() -> None:
    interruption = Interruption()
    as_seen_by_models: Interrupt = interruption
    assert isinstance(interruption, Watchable)
    assert not isinstance(threading.Event(), Watchable)
    assert not as_seen_by_models.is_set()
    assert not as_seen_by_models.wait(0)
    interruption.set()
    assert as_seen_by_models.is_set()
    assert as_seen_by_models.wait()


def test_a_watcher_is_called_once() -> None:
    interruption, calls = Interruption(), []
    with interruption.watch(lambda: calls.append(1)):
        assert calls == []
        interruption.set()
        interruption.set()
    assert calls == [1]


def test_a_late_watcher_is_called_at_once() -> None:
    interruption, calls = Interruption(), []
    interruption.set()
    with interruption.watch(lambda: calls.append(1)):
        assert calls == [1]


def test_a_watcher_that_left_is_not_called() -> None:
    interruption, calls = Interruption(), []
    with interruption.watch(lambda: calls.append("left")):
        pass
    with interruption.watch(lambda: calls.append("stayed")):
        interruption.set()
    assert calls == ["stayed"]


def watch_often(interruption: Interruption, start: threading.Barrier, late: list[str]) -> None:
    """Watch and leave again and again; note every call that comes after leaving."""
    inside = False

    def call() -> None:
        if not inside:
            late.append("called after the block had ended")

    start.wait()
    for _ in range(20):
        inside = True
        with interruption.watch(call):
            pass
        inside = False


def test_nobody_is_called_who_left_while_another_thread_interrupts() -> None:
    late: list[str] = []
    for _ in range(20):
        interruption, start = Interruption(), threading.Barrier(5)
        threads = [
            threading.Thread(target=watch_often, args=(interruption, start, late)) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        start.wait()
        interruption.set()
        for thread in threads:
            thread.join()
    assert late == []


def test_a_latch_lets_everybody_through_once_it_is_set() -> None:
    latch, through = Latch(), []
    waiting = [threading.Thread(target=lambda: through.append(latch.wait())) for _ in range(3)]
    for thread in waiting:
        thread.start()
    assert not latch.wait(0)
    assert not latch.wait(-1)  # as with `threading.Event`: the time is up already
    assert not latch.is_set()
    latch.set()
    latch.set()
    for thread in waiting:
        thread.join()
    assert through == [True, True, True]
    assert latch.is_set()
    assert latch.wait()


def test_a_latch_can_be_left_by_a_signal_and_waited_on_again() -> None:
    """With `threading.Event` this now and then is "RuntimeError: release unlocked lock"."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    latch, before = Latch(), signal.signal(signal.SIGALRM, leave)
    try:
        for _ in range(100):
            signal.setitimer(signal.ITIMER_REAL, 0.0005)
            with pytest.raises(KeyboardInterrupt):
                latch.wait()
    finally:
        signal.signal(signal.SIGALRM, before)
    latch.set()
    assert latch.wait()
