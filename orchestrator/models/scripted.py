"""A model that plays turns from a script: for tests, demonstrations and teaching."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from orchestrator.errors import ModelError, UsageError, nearest
from orchestrator.models.base import Briefing, Exchange, Interrupt, Turn, Usage
from orchestrator.models.cost import FREE, Price
from orchestrator.models.options import Options
from orchestrator.models.scripted_file import Line, read_script

__all__ = ["ANY_TASK", "Line", "Script", "ScriptedModel"]

ANY_TASK = "*"


Lines = Sequence[Turn | Line]
Script = Mapping[str, Lines | Mapping[int, Lines]]
"""Task id, or ``"*"`` for any other task, to its turns, or to its turns by attempt. An attempt that
is not listed plays what the last one listed before it plays."""


class ScriptedModel:
    """Plays, for each task, its turns one after the other.

    Calls without an id get one. What the tools answer changes nothing.

    Args:
        script: see `Script`.
        name: how the model is named.
    """

    OPTIONS: ClassVar[Mapping[str, str]] = {}

    def __init__(self, script: Script, name: str = "scripted") -> None:
        self.name = name
        self.price: Price | None = FREE
        self._script = {task: _by_attempt(lines) for task, lines in script.items()}

    @classmethod
    def from_options(cls, argument: str, options: Mapping[str, str], base: Path) -> ScriptedModel:
        """Build the model from the text of a command line.

        Args:
            argument: the script, a YAML or JSON file (see `scripted_file`), relative to `base`.
            options: none are known.
            base: where relative paths begin.

        Raises:
            UsageError: an option, no such file, or mistakes in it, each with its place.
        """
        Options("scripted", options, cls.OPTIONS).check()
        if not argument:
            raise UsageError("model scripted needs a file", fix="write scripted:FILE")
        return cls(read_script(base / argument), name=f"scripted:{argument}")

    def estimate(self, briefing: Briefing, history: Sequence[Exchange]) -> Usage:
        """Return what the next turn of the script says that it takes."""
        try:
            lines = self._lines(briefing)
        except ModelError:
            return Usage()  # `next_turn` says what is missing
        return lines[len(history)].turn.usage if len(history) < len(lines) else Usage()

    def next_turn(
        self, briefing: Briefing, history: Sequence[Exchange], interrupt: Interrupt
    ) -> Turn:
        """Return the turn of the script that follows `history`."""
        lines = self._lines(briefing)
        if len(history) >= len(lines):
            raise ModelError(
                f"the script has ended for task {briefing.task!r}, attempt {briefing.attempt},"
                f" at turn {len(history) + 1}",
                where=self.name,
                why=f"it has {len(lines)} turns for this attempt and the task is not done",
                fix="add turns; the last one should call submit or give_up",
            )
        line = lines[len(history)]
        if interrupt.wait(line.delay):
            raise ModelError(
                "the lease ended while the model was answering",
                why="the task was cancelled, timed out or given to another worker",
                fix="claim again",
            )
        return _with_ids(line.turn, f"{briefing.task}.{briefing.attempt}.{len(history) + 1}")

    def close(self) -> None:
        """Nothing to release."""

    def _lines(self, briefing: Briefing) -> Sequence[Line]:
        attempts = self._script.get(briefing.task) or self._script.get(ANY_TASK)
        if not attempts:
            guess = nearest(briefing.task, self._script)
            raise ModelError(
                f"the script has no turns for task {briefing.task!r}",
                where=self.name,
                fix=f"add them under {briefing.task!r}, or under '*' for any task"
                + (f"; did you mean {guess!r}?" if guess else ""),
            )
        played = [attempt for attempt in attempts if attempt <= briefing.attempt]
        return attempts[max(played)] if played else ()


def _with_ids(turn: Turn, prefix: str) -> Turn:
    """Return `turn` with an id for each call that has none."""
    calls = tuple(
        call if call.id else replace(call, id=f"{prefix}.{number}")
        for number, call in enumerate(turn.calls, 1)
    )
    return replace(turn, calls=calls)


def _by_attempt(lines: Lines | Mapping[int, Lines]) -> dict[int, tuple[Line, ...]]:
    attempts = lines if isinstance(lines, Mapping) else {1: lines}
    return {
        attempt: tuple(line if isinstance(line, Line) else Line(line) for line in turns)
        for attempt, turns in attempts.items()
    }
