"""`replay`: whether a log agrees with itself, and where it does not."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from orchestrator.lab.judging import Parting
from orchestrator.lab.replay import Replay, replay
from orchestrator.ui.output import say, say_json
from orchestrator.ui.reading import find
from orchestrator.ui.words import count, listed


def show_replay(run: str, *, as_json: bool) -> int:
    """Fold the log of a run again, and print whether it agrees with what was recorded.

    Returns:
        The exit code: 0 when all agrees, 1 when not.

    Raises:
        UsageError: there is no such run.
        LogError: its log cannot be read.
    """
    found = replay(find(run).path)
    if as_json:
        say_json(_as_json(found))
    else:
        for line in _lines(found):
            say(line)
    return 0 if found.agrees else 1


def _as_json(found: Replay) -> dict[str, Any]:
    return {"agrees": found.agrees, **asdict(found)}


def _lines(found: Replay) -> list[str]:
    lines = [f"Run {found.run}: {count(found.events, 'event')} folded again."]
    if found.parting is not None:
        lines.append(f"The log and its replay part at {_place(found.parting)}:")
        lines.append(f"  {found.parting.what}.")
    lines += [f"{problem}." for problem in found.problems]
    if found.agrees:
        states = [f"{number} {state}" for state, number in found.counts.items()]
        lines.append(
            f"All agrees: the run is {found.status}; tasks: {listed(states)}; newest version "
            f"{found.cut}, newest token {found.token}; "
            f"{count(found.contents, 'content')} compared with {_their(found.contents)}"
            f"{_told(found.replies)}."
        )
    return lines + [f"Note: {note}." for note in found.notes]


def _their(contents: int) -> str:
    return "its digest" if contents == 1 else "their digests"


def _told(replies: int) -> str:
    return f", {count(replies, 'answer')} to models with what happened" if replies else ""


def _place(parting: Parting) -> str:
    task = f", attempt {parting.attempt} of {parting.task}" if parting.task else ""
    return f"event {parting.seq} ({parting.kind}{task}, {parting.at:.3f} s)"
