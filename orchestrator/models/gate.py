"""A gate in front of a provider: one thread's refusal makes all threads wait.

When a provider says *not so fast* to one thread, the others are about to hear the same. Each
of them asking on its own would prolong the overload, so they share one moment before which
nobody asks.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from orchestrator.models.base import Interrupt

_ENOUGH = 0.001
"""Seconds. A shorter rest is not worth another wait; it would be a rounding error."""


class Gate:
    """Holds back all threads until a moment that any of them may postpone.

    Args:
        clock: returns seconds that never go backwards.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._opens_at = clock()

    def hold(self, seconds: float) -> None:
        """Let nobody pass for `seconds` from now; an earlier, longer hold stays in force."""
        with self._lock:
            self._opens_at = max(self._opens_at, self._clock() + seconds)

    def wait(self, interrupt: Interrupt) -> bool:
        """Wait until the gate is open.

        Returns:
            True when the gate is open, False when `interrupt` was set first.
        """
        while not interrupt.is_set():
            with self._lock:
                rest = self._opens_at - self._clock()
            if rest < _ENOUGH:
                return True
            # Whoever woke may find that the gate was held again meanwhile: look once more.
            if interrupt.wait(rest):
                return False
        return False
