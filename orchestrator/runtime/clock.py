"""Time of a run: monotonic seconds since it began.

Only the runtime reads a clock; the core is handed the time with each request.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Tells how long a run has been going on."""

    def now(self) -> float:
        """Return seconds since the run began; never less than the call before."""
        ...


class SystemClock:
    """The machine's monotonic clock, from the moment this object is made.

    Args:
        offset: seconds that the run had already lasted, when it is resumed.
    """

    def __init__(self, offset: float = 0.0) -> None:
        self._zero = time.monotonic() - offset

    def now(self) -> float:
        """Return seconds since the run began."""
        return time.monotonic() - self._zero


class ManualClock:
    """A clock that stands still until it is moved, for simulation and tests.

    Args:
        at: seconds that it shows first.
    """

    def __init__(self, at: float = 0.0) -> None:
        self._at = at

    def now(self) -> float:
        """Return seconds since the run began."""
        return self._at

    def advance(self, seconds: float) -> None:
        """Move the clock forward.

        Args:
            seconds: by how much, zero or more.

        Raises:
            ValueError: `seconds` is negative; time does not run backwards.
        """
        if seconds < 0:
            raise ValueError(f"a clock cannot go back by {-seconds} s")
        self._at += seconds
