"""What a run may spend."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one run; None means no limit.

    Attributes:
        workers: worker threads.
        wall: wall time of the run, in seconds.
        tokens: model tokens of the run, input and output together.
        usd: US dollars of the run.
        attempts: attempts per task.
        turns: model turns per attempt.
        lease: seconds without a request after which a worker counts as lost.
    """

    workers: int = 4
    wall: float | None = None
    tokens: int | None = None
    usd: float | None = None
    attempts: int = 3
    turns: int = 40
    lease: float = 600.0
