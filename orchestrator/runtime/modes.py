"""Coordination modes: how agents are kept out of one another's way, everything else equal.

A mode is one small class behind the `Mode` protocol. What it decides about requests it says in
the machine's `Rules`; what it decides about threads it says in `workers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from orchestrator.core.limits import Limits
from orchestrator.core.rules import Rules
from orchestrator.errors import UsageError, nearest


class Mode(Protocol):
    """How agents are coordinated.

    Attributes:
        name: as written in plans and on the command line.
    """

    name: str

    def rules(self, limits: Limits) -> Rules:
        """Return what the machine enforces in this mode."""
        ...

    def workers(self, asked: int) -> int:
        """Return the number of worker threads when the user asked for `asked`."""
        ...


class Shared:
    """Agents share one tree; write scopes are held exclusively, and what an attempt has read
    must still be current when it writes."""

    name = "shared"

    def rules(self, limits: Limits) -> Rules:
        """Everything is enforced."""
        return Rules(exclusive=True, validate_reads=True, limits=limits)

    def workers(self, asked: int) -> int:
        """As many as asked."""
        return asked


class Solo:
    """One agent does the tasks one after another: the baseline."""

    name = "solo"

    def rules(self, limits: Limits) -> Rules:
        """Nobody else is there to be kept away."""
        return Rules(exclusive=False, validate_reads=False, limits=limits)

    def workers(self, asked: int) -> int:
        """One, whatever was asked."""
        return 1


MODES: Mapping[str, Mode] = {mode.name: mode for mode in (Shared(), Solo())}


def find_mode(name: str) -> Mode:
    """Return the mode with this name.

    Raises:
        UsageError: there is no such mode.
    """
    if name in MODES:
        return MODES[name]
    close = nearest(name, MODES)
    raise UsageError(
        f"mode {name!r} is not available",
        "--mode, or `mode` in the plan",
        f"this version has the modes {', '.join(MODES)}",
        f"use --mode {close or 'shared'}",
    )
