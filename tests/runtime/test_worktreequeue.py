"""The merge queue: in order, one at a time, and nobody waits for the dead."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread

import pytest

from orchestrator.runtime.interruption import Interruption
from orchestrator.runtime.worktreequeue import MergeQueue


class Line:
    """A queue, and threads that wait in it."""

    def __init__(self) -> None:
        self.queue = MergeQueue()
        self.said: SimpleQueue[tuple[int, bool]] = SimpleQueue()
        self.renewed: SimpleQueue[int] = SimpleQueue()
        self.threads: list[Thread] = []
        self.interrupts: dict[int, Interruption] = {}

    def waits(self, token: int, how: Callable[[int, Interruption], bool]) -> None:
        interrupt = self.interrupts[token] = Interruption()
        thread = Thread(target=lambda: self.said.put((token, how(token, interrupt))))
        self.threads.append(thread)
        thread.start()

    def turn(self, beat: float = 60.0) -> Callable[[int, Interruption], bool]:
        return lambda token, interrupt: self.queue.wait_turn(
            token, interrupt, beat, lambda: self.renewed.put(token)
        )

    def await_renewal(self, token: int) -> None:
        """Return once an attempt is in the line, and has been for a while."""
        while self.renewed.get(timeout=20) != token:
            pass

    def next(self) -> tuple[int, bool]:
        return self.said.get(timeout=20)

    def close(self) -> None:
        for thread in self.threads:
            thread.join(20)


@pytest.fixture
def line() -> Line:
    return Line()


def test_turns_are_in_the_order_of_coming(line: Line) -> None:
    assert line.queue.has_turn(1)
    line.waits(1, line.turn())
    assert line.next() == (1, True)
    assert not line.queue.has_turn(2)
    for token in (2, 3):
        line.waits(token, line.turn(0.001))
        line.await_renewal(token)
    line.queue.leave(1)
    line.queue.leave(1)
    assert line.next() == (2, True)
    line.queue.leave(2)
    assert line.next() == (3, True)
    line.close()


def test_whose_lease_ends_leaves_the_line(line: Line) -> None:
    line.waits(1, line.turn())
    assert line.next() == (1, True)
    line.waits(2, line.turn(0.001))
    line.await_renewal(2)
    line.queue.leave(2)  # as when its end is recorded before its thread has noticed
    line.interrupts[2].set()
    assert line.next() == (2, False)
    line.waits(3, line.turn())
    line.queue.leave(1)
    assert line.next() == (3, True)
    line.close()


def test_the_gate_lets_one_in_at_a_time(line: Line) -> None:
    assert line.queue.pass_gate(1, Interruption())
    line.waits(2, line.queue.pass_gate)
    line.queue.open_gate(2)  # not inside: nothing happens
    line.queue.open_gate(1)
    assert line.next() == (2, True)
    line.waits(3, line.queue.pass_gate)
    line.interrupts[3].set()
    assert line.next() == (3, False)
    ended = Interruption()
    ended.set()
    assert not line.queue.pass_gate(4, ended)
    line.queue.open_gate(2)
    assert line.queue.pass_gate(5, Interruption())
    line.close()
