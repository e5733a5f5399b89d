"""Work that was handed in and sent back: what it took until the same attempt got it accepted.

A merge that conflicts, or is red, goes back to the agent (mode worktree); so does a submission
that is stale by the time it comes (mode shared). What the agent does from then on until it is
accepted is *rework*, as the attempts are that were not accepted at all; those are counted whole,
elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.core import events as e
from orchestrator.lab.transactions import Key

HANDED_IN = ("submit", "merge")
"""Requests by which work is handed in."""


@dataclass(slots=True)
class _Attempt:
    tokens: int = 0
    turn: int = 0
    since: tuple[float, int, int] | None = None  # of the first refusal: time, tokens, turn


class SentBack:
    """Adds up rework of accepted attempts, event by event.

    Attributes:
        seconds: from the first refusal of what was handed in to the acceptance.
        tokens: model tokens in that time.
        turns: model turns begun in that time.
    """

    def __init__(self) -> None:
        self.seconds, self.tokens, self.turns = 0.0, 0, 0
        self._live: dict[Key, _Attempt] = {}

    def apply(self, event: e.Event) -> None:
        """Take in the next event."""
        key = (event.task, event.attempt)
        match event:
            case e.LeaseGranted():
                self._live[key] = _Attempt()
            case e.Reported() if key in self._live:
                attempt = self._live[key]
                attempt.tokens += event.spent.tokens
                attempt.turn = max(attempt.turn, event.turn)
            case e.RequestRefused() if event.request in HANDED_IN and key in self._live:
                attempt = self._live[key]
                attempt.since = attempt.since or (event.at, attempt.tokens, attempt.turn)
            case e.Succeeded() if key in self._live:
                attempt = self._live.pop(key)
                if attempt.since is not None:
                    at, tokens, turn = attempt.since
                    self.seconds += event.at - at
                    self.tokens += attempt.tokens - tokens
                    self.turns += attempt.turn - turn
            case e.AttemptEnded():
                self._live.pop(key, None)
            case _:
                pass
