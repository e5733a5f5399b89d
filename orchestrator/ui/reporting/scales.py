"""Where numbers lie on an axis, and which of them are written beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

_STEPS = (1.0, 2.0, 5.0)
_TIME_STEPS = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300,
    600, 900, 1800, 3600, 7200, 14400, 28800, 86400,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scale:
    """From numbers to coordinates.

    Attributes:
        low: the number at `start`.
        high: the number at `stop`; greater than `low`.
        log: whether equal ratios, not equal differences, are equally long; both are then positive.
    """

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the coordinate of a number; beyond the ends it is cut off there."""
        low, high, here = self.low, self.high, min(max(value, self.low), self.high)
        if self.log:
            low, high, here = log10(low), log10(high), log10(here)
        return self.start + (here - low) / ((high - low) or 1.0) * (self.stop - self.start)

    def ticks(self, about: int = 6) -> list[float]:
        """Return round numbers within the scale."""
        if self.log:
            found = _log_ticks(self.low, self.high)
            if len(found) >= 3:
                return found
        return ticks(self.low, self.high, about)


def ticks(low: float, high: float, about: int = 6) -> list[float]:
    """Return round numbers from `low` to `high`, about so many."""
    if high <= low:
        return [low]
    raw = (high - low) / about
    power = 10.0 ** floor(log10(raw))
    step = next((s * power for s in _STEPS if s * power >= raw * 0.999), 10 * power)
    first = ceil(low / step - 1e-9)
    last = floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def time_ticks(seconds: float, about: int = 10) -> list[float]:
    """Return round times from 0 to `seconds`, about so many."""
    step = next((s for s in _TIME_STEPS if s * about >= seconds), seconds / about or 1.0)
    return [number * step for number in range(floor(seconds / step + 1e-9) + 1)]


def between_times(low: float, high: float, *, log: bool = False, about: int = 6) -> list[float]:
    """Return round times from `low` to `high`, in seconds, about so many."""
    found = [step for step in _TIME_STEPS if low <= step <= high]
    if log and len(found) >= 3:
        return found
    step = next((s for s in _TIME_STEPS if s * about >= high - low), (high - low) / about or 1.0)
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def around(
    values: Sequence[float], *, log: bool = False, room: float = 0.06
) -> tuple[float, float]:
    """Return the ends of a scale that holds all these numbers with some room beside them."""
    low, high = min(values), max(values)
    if log:
        ratio = (high / low) ** room if high > low else 1.5
        return low / ratio, high * ratio
    span = (high - low) * room or abs(high) * 0.5 or 1.0
    return low - span, high + span


def _log_ticks(low: float, high: float) -> list[float]:
    found = []
    for power in range(floor(log10(low)), ceil(log10(high)) + 1):
        found += [mark * 10.0**power for mark in _STEPS]
    if high / low < 4:
        found += [0.3, 0.4, 0.6, 0.8, 1.25, 1.5, 3.0, 4.0]
    return sorted(value for value in found if low <= value <= high)
