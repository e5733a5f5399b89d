"""What the next attempt at a task is told about the earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.core.messages import Cause

TOLD = 3
"""Attempts that are told about: the newest. Longer accounts make agents worse, not better."""

LONG, SHORT = 2000, 300
"""Characters of the reason of the newest attempt, and of one before it."""

NAMED = 8
"""Files that are named of an attempt."""

_WORDS: dict[Cause, str] = {
    "gave_up": "it gave up",
    "tests_failed": "its tests failed",
    "error": "an error ended it",
    "model_error": "the model could not be asked",
    "worker_died": "its worker died",
    "lease_expired": "it fell silent",
    "limit": "a limit ended it",
    "no_progress": "it made no progress",
    "conflict": "it built on unfinished work",
    "cancelled": "it was cancelled",
    "interrupted": "the run was interrupted",
}


@dataclass(frozen=True, slots=True)
class Ending:
    """How one attempt ended.

    Attributes:
        reason: why, in the words of whoever ended it.
        turn: model turns that it took.
        wrote: files that it had written.
        kept: whether they still stand.
        evidence: blob with what its last failed test run printed; "" if none failed.
    """

    attempt: int
    cause: Cause
    reason: str
    turn: int
    wrote: tuple[str, ...]
    kept: bool
    evidence: str = ""


def account(endings: Sequence[Ending]) -> str:
    """Return what earlier attempts tried and how they ended, the newest last; "" if none."""
    told = endings[-TOLD:]
    return "\n".join(
        _sentence(ending, LONG if ending is told[-1] else SHORT, len(endings) > 1)
        for ending in told
    )


def _sentence(ending: Ending, length: int, numbered: bool) -> str:
    head = f"Attempt {ending.attempt}: " if numbered else ""
    turns = f" after {ending.turn} turns" if ending.turn > 1 else ""
    words = _WORDS.get(ending.cause, ending.cause)
    text = f"{head}{words}{turns}: {_cut(ending.reason, length)}"
    if not ending.wrote:
        return text
    files = ", ".join(sorted(ending.wrote)[:NAMED])
    more = f" and {len(ending.wrote) - NAMED} more" if len(ending.wrote) > NAMED else ""
    what = "which still stands" if ending.kept else "which was undone"
    return f"{text}\nIt had written {files}{more}, {what}."


def _cut(text: str, length: int) -> str:
    """Keep both ends: the first line says what, the last lines say where."""
    if len(text) <= length:
        return text
    half = length // 2
    return f"{text[:half]}\n[…]\n{text[-half:]}"
