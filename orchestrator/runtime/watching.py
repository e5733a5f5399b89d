"""Notices when an agent goes round in circles: it is told so once, then its attempt is ended.

Two signs are looked for. A turn that makes the same calls as the one before it, to the letter,
and gets the same answers, cannot lead anywhere new. And test runs that fail in the same way
again and again show that what is done between them does not reach the cause. Silence, the third
sign, is what leases are for.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from orchestrator.models.base import Exchange
from orchestrator.models.recorded_text import steady

_SHORT_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]+\b")


def gist(output: str) -> str:
    """Return what a command printed, without what differs from run to run for no reason."""
    return _SHORT_ADDRESS.sub("ADDRESS", steady(output))


@dataclass(slots=True)
class Watch:
    """What has not changed during one attempt.

    Attributes:
        repeats: times that a turn may repeat the one before it until the agent is told.
        unchanged: test runs that may fail in the same way until the agent is told.
    """

    repeats: int
    unchanged: int
    _last: str = ""
    _repeated: int = 0
    _failure: str = ""
    _failures: int = 0
    _told: int = 0

    def turn(self, exchange: Exchange) -> None:
        """A turn has been carried out."""
        calls = [(call.name, call.input) for call in exchange.turn.calls]
        answers = [gist(result.content) for result in exchange.results]
        this = json.dumps([calls, answers], sort_keys=True, default=str)
        self._repeated = self._repeated + 1 if calls and this == self._last else 0
        self._last = this

    def tested(self, passed: bool, output: str) -> None:
        """The task's tests have run."""
        this = "" if passed else f"failed: {gist(output)}"
        self._failures = self._failures + 1 if this and this == self._failure else int(bool(this))
        self._failure = this

    def nudge(self) -> str:
        """Return what the agent is to be told now; "" when there is nothing, or it was told."""
        words = self._repetition(self.repeats) or self._standstill(self.unchanged)
        if not words:
            self._told = 0
            return ""
        self._told += 1
        return words if self._told == 1 else ""

    def stuck(self) -> str:
        """Say why the attempt is to be ended; "" when it is not."""
        if self._repeated >= 2 * self.repeats:
            return f"the same tool calls got the same answers {self._repeated + 1} times in a row"
        if self._failures >= 2 * self.unchanged:
            return f"the tests failed in the same way {self._failures} times in a row"
        return ""

    def _repetition(self, most: int) -> str:
        if self._repeated < most:
            return ""
        return (
            f"You have made the same tool calls {self._repeated + 1} times in a row and got the "
            "same answers. They will not change. Do something else: read a file that you have "
            "not read yet, test a smaller piece, or use give_up and say what stops you. If you "
            "go on like this, the attempt will be ended."
        )

    def _standstill(self, most: int) -> str:
        if self._failures < most:
            return ""
        return (
            f"The tests have failed in the same way {self._failures} times in a row, so your "
            "edits do not reach the cause. Read the failing test and the code that it calls "
            "from the start, say in one sentence what you believe is wrong, and check that "
            "before you edit again. If the cause lies in files that you may not write, use "
            "give_up and name them. If you go on like this, the attempt will be ended."
        )
