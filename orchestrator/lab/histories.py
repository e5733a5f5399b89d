"""Histories in a short notation: what docs and tests show, and what a researcher tries out.

A history is a text of steps, one second apart, with blanks between them; `#` begins a comment::

    a?x      a looks at file x            a?x@3   … and sees its version 3
    a=x      a writes x on the current    a=x@1   … on version 1 (0: it knows of no such file)
    a-x      a deletes x
    a.       a's work is accepted
    a!       a's attempt ends and its writes are undone; what a does next is its next attempt
    a!keep   a's attempt ends and its writes stay
    a~x      a writes x under the token of its attempt that ended last
    *x       somebody outside the run changes x

Version 1 is what was there at the start, if the file was; writes are numbered from 2 on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from orchestrator.core import events as e
from orchestrator.errors import UsageError

_STEP = re.compile(
    r"(?P<who>[\w-]+?)(?:(?P<did>[?=~-])(?P<path>[\w./]+)(?:@(?P<on>\d+))?|(?P<end>\.|!(?:keep)?))"
    r"|\*(?P<outside>[\w./]+)"
)


def parse_history(text: str, start: Iterable[str] = ("x", "y", "z")) -> list[e.Event]:
    """Return the events of a history.

    Args:
        text: the steps.
        start: files that are there at the start.

    Raises:
        UsageError: a step is not of the notation.
    """
    steps = [step for line in text.splitlines() for step in line.partition("#")[0].split()]
    writer = _Writer(start)
    for at, step in enumerate(steps, 1):
        match = _STEP.fullmatch(step)
        if match is None:
            raise UsageError(
                f"{step!r} is not a step",
                f"step {at} of the history",
                fix="write for example a?x, a=x@1, a-x, a., a!, a~x or *x",
            )
        writer.step(float(at), match)
    return writer.events


class _Writer:
    def __init__(self, start: Iterable[str]) -> None:
        self.events: list[e.Event] = []
        self._current: dict[str, tuple[int, str | None]] = {path: (1, path) for path in start}
        self._before: dict[tuple[str, int, str], str | None] = {}
        self._attempt: dict[str, int] = {}
        self._token: dict[str, int] = {}
        self._ended: dict[str, int] = {}  # the token of its attempt that ended last
        self._granted = 0
        self._cut = 1

    def step(self, at: float, match: re.Match[str]) -> None:
        who, did, path = match["who"], match["did"], match["path"]
        if match["outside"]:
            digest = f"outside {at}"
            version = self._make(match["outside"], digest)
            self.events.append(e.ChangedOutside(at, "", 0, match["outside"], version, digest))
            return
        if did != "~" and who not in self._token:
            self._begin(at, who)
        if match["end"]:
            self._end(at, who, match["end"])
            return
        known = int(match["on"] or self._current.get(path, (0, None))[0])
        if did == "?":
            attempt, token, reads = self._attempt[who], self._token[who], ((path, known),)
            self.events.append(e.Reported(at, who, attempt, token, "reason", 1, reads=reads))
        else:
            self._write(at, who, did, path, known)

    def _begin(self, at: float, who: str) -> None:
        self._granted += 1
        self._token[who] = self._granted
        self._attempt[who] = self._attempt.get(who, 0) + 1
        attempt = self._attempt[who]
        self.events.append(e.LeaseGranted(at, who, attempt, self._granted, f"worker of {who}"))

    def _write(self, at: float, who: str, did: str, path: str, base: int) -> None:
        attempt, token = self._attempt[who], self._token.get(who, self._ended.get(who, 0))
        digest = None if did == "-" else f"{who} {at}"
        self._before.setdefault((who, attempt, path), self._current.get(path, (0, None))[1])
        number = self._make(path, digest)
        self.events.append(e.Wrote(at, who, attempt, token, path, number, digest, base))

    def _end(self, at: float, who: str, how: str) -> None:
        attempt, token = self._attempt[who], self._token.pop(who)
        self._ended[who] = token
        if how == ".":
            self.events.append(e.Succeeded(at, who, attempt, token, self._cut))
            return
        self.events.append(
            e.AttemptEnded(at, who, attempt, token, "tests_failed", "", "ready", True)
        )
        for (task, number, path), digest in self._before.items():
            if (task, number) == (who, attempt) and how == "!":
                made = self._make(path, digest)
                self.events.append(e.Undone(at, who, attempt, path, made, digest, token))

    def _make(self, path: str, digest: str | None) -> int:
        self._cut += 1
        self._current[path] = (self._cut, digest)
        return self._cut
