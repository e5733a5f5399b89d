"""The merge queue: finished branches are merged one at a time, in the order in which they came.

Two things are kept apart. Whoever has the *turn* merges and tests, which may take minutes;
meanwhile others may begin new branches. Whoever has passed the *gate* looks at the head or moves
it, for milliseconds; what it moves is never seen half-done.

An accepted submission is a worker's next claim as well and may not be answered for a long time.
So the turn and the gate of an attempt end when its acceptance or its end is recorded, not when
its worker comes back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf
from threading import Condition

from orchestrator.runtime.interruption import Interruption


class MergeQueue:
    """Who merges, and who may move the head; attempts are named by their tokens."""

    def __init__(self) -> None:
        self._line: deque[int] = deque()
        self._inside = 0
        self._changed = Condition()

    def wait_turn(
        self, token: int, interrupt: Interruption, beat: float, renew: Callable[[], object]
    ) -> bool:
        """Wait until all who came before have left; False: the lease ended before that.

        Args:
            beat: seconds after which a silent attempt shows that it is alive, by `renew`.
        """
        with self._changed:
            self._line.append(token)
        if interrupt.look is not None:
            turn = self._look(lambda: self._is_first(token), interrupt, beat, renew)
            if not turn:
                self.leave(token)
            return turn
        turn = False
        with interrupt.watch(self._wake):
            while not turn and not interrupt.is_set():
                with self._changed:
                    woken = self._changed.wait_for(
                        lambda: interrupt.is_set() or self._is_first(token), beat
                    )
                    turn = woken and not interrupt.is_set()
                if not woken:
                    renew()
        if not turn:
            self.leave(token)
        return turn

    def has_turn(self, token: int) -> bool:
        """Whether the attempt would not have to wait."""
        with self._changed:
            return not self._line or self._is_first(token)

    def leave(self, token: int) -> None:
        """Let the next one have the turn; nothing happens if the attempt is not in the queue."""
        with self._changed:
            if token in self._line:
                self._line.remove(token)
                self._changed.notify_all()

    def pass_gate(self, token: int, interrupt: Interruption) -> bool:
        """Wait until nobody looks at the head or moves it; False: the lease ended before that."""
        if interrupt.look is not None and not self._look(lambda: not self._inside, interrupt):
            return False
        with interrupt.watch(self._wake), self._changed:
            self._changed.wait_for(lambda: interrupt.is_set() or not self._inside)
            if interrupt.is_set():
                return False
            self._inside = token
            return True

    def open_gate(self, token: int) -> None:
        """Let others pass; nothing happens if the attempt is not inside."""
        with self._changed:
            if self._inside == token:
                self._inside = 0
                self._changed.notify_all()

    def _look(
        self,
        is_free: Callable[[], bool],
        interrupt: Interruption,
        beat: float = inf,
        renew: Callable[[], object] = lambda: None,
    ) -> bool:
        """Look again and again until it is free; False: the lease ended before that."""
        waited = 0.0
        while not interrupt.is_set():
            with self._changed:
                if is_free():
                    return True
            interrupt.wait(interrupt.look)
            waited += interrupt.look or 0.0
            if waited >= beat:
                waited = 0.0
                renew()
        return False

    def _is_first(self, token: int) -> bool:
        return bool(self._line) and self._line[0] == token

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()
