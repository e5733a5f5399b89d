"""Durations as people write them: ``90s``, ``15m``, ``2h``, or plain seconds."""

from __future__ import annotations

import re

_DURATION = re.compile(r"(?P<number>[0-9]{1,9}(?:\.[0-9]{1,9})?)(?P<unit>[smh]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}


def parse_duration(value: str | float) -> float:
    """Return a duration in seconds.

    Args:
        value: a number with the unit ``s``, ``m`` or ``h``, or a number of seconds.

    Raises:
        ValueError: `value` is neither, or is negative.
    """
    if isinstance(value, str):
        match = _DURATION.fullmatch(value)
        if match is None:
            raise ValueError(f"`{value}` is not a duration such as 90s, 15m or 2h")
        return float(match["number"]) * _SECONDS[match["unit"]]
    if not 0 <= value < float("inf"):
        raise ValueError(f"a duration cannot be {value}")
    return float(value)


def format_duration(seconds: float) -> str:
    """Return a duration in the largest unit that keeps it whole, else in seconds."""
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.9f}".rstrip("0").rstrip(".") + "s"
