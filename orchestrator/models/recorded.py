"""A model that gives the answers of an earlier run again.

What a model said was an answer to what it had been told. So each time it is asked, what it has
been told since is compared with the recording: where a tool call now succeeds that was refused
then, or the reverse, the next recorded answer would be no answer to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Literal, TypeVar, get_args

from orchestrator.errors import ModelError, UsageError
from orchestrator.models.base import Briefing, Exchange, Interrupt, ToolResult, Turn, Usage
from orchestrator.models.cost import FREE, Price
from orchestrator.models.options import Options
from orchestrator.models.recorded_run import (
    RecordedAttempt,
    Recording,
    find_recording,
    read_recording,
)
from orchestrator.models.recorded_text import steady
from orchestrator.secrets import MARK

Order = Literal["auto", "recorded", "free"]
"""Whether requests are decided in the recorded order: where mode, workers, tasks and files are
those of the recording (auto), always or not at all (recorded), never (free)."""

Strict = Literal["outcome", "text", "no"]
"""What of a tool's answer must be as recorded: whether it was an error; its text, times and
places aside; nothing."""

_ORDERS: tuple[Order, ...] = get_args(Order)
_STRICTS: tuple[Strict, ...] = get_args(Strict)
_Word = TypeVar("_Word", bound=str)

_CUT_SHORT: Mapping[str, str] = {
    "lease_expired": "its lease ended before the model answered",
    "limit": "a limit ended it there",
    "cancelled": "a person cancelled it there",
    "interrupted": "the run was interrupted there",
    "worker_died": "its worker died there",
}


@dataclass(frozen=True)
class RecordedPrice(Price):
    """What the recorded turns cost; a turn is told by its model tokens."""

    paid: Mapping[Usage, float] = field(default_factory=dict)

    def of(self, usage: Usage) -> float:
        """Return what a turn with this usage cost, in US dollars."""
        return self.paid.get(usage, 0.0)


class RecordedModel:
    """Gives, for each attempt, the turns that were recorded for it, or its recorded error.

    Attributes:
        offline: it asks no provider, whatever its turns once cost.

    Args:
        recording: the answers.
        name: how the model is named; empty: ``recorded:`` and the run's id.
        order: see `Order`; the runtime keeps it.
        strict: see `Strict`.
        latency: take as long as the recorded model did.
        usage: give the recorded model tokens and dollars; otherwise turns cost nothing.
    """

    offline = True

    OPTIONS: ClassVar[Mapping[str, str]] = {
        "order": "auto, recorded or free: whether requests are decided in the recorded order",
        "strict": "outcome, text or no: what of a tool's answer must be as recorded",
        "latency": "recorded or none: whether a turn takes as long as it did",
        "usage": "recorded or zero: the model tokens of a turn",
    }

    def __init__(
        self,
        recording: Recording,
        *,
        name: str = "",
        order: Order = "auto",
        strict: Strict = "outcome",
        latency: bool = False,
        usage: bool = True,
    ) -> None:
        self.name = name or f"recorded:{recording.run}"
        self.recording, self.order = recording, order
        self._strict, self._latency, self._usage = strict, latency, usage
        self.price: Price | None = FREE
        if usage:
            paid = recording.paid
            self.price = None if paid is None else RecordedPrice(0.0, 0.0, paid)

    @classmethod
    def from_options(cls, argument: str, options: Mapping[str, str], base: Path) -> RecordedModel:
        """Build the model from the text of a command line.

        Args:
            argument: the run: its directory, or its id; see `find_recording`.
            options: see `OPTIONS`.
            base: where relative paths begin, and whose runs are meant by ids.

        Raises:
            UsageError: a wrong option, no such run, or one without answers.
            LogError: its log cannot be read.
        """
        if not argument:
            raise UsageError("model recorded needs a run", fix="write recorded:RUN")
        read = Options("recorded", options, cls.OPTIONS)
        order = _choice(read, "order", _ORDERS)
        strict = _choice(read, "strict", _STRICTS)
        latency = _choice(read, "latency", ("none", "recorded"))
        usage = _choice(read, "usage", ("recorded", "zero"))
        read.check()
        return cls(
            read_recording(find_recording(argument, base)),
            name=f"recorded:{argument}",
            order=order,
            strict=strict,
            latency=latency == "recorded",
            usage=usage == "recorded",
        )

    def next_turn(
        self, briefing: Briefing, history: Sequence[Exchange], interrupt: Interrupt
    ) -> Turn:
        """Return the recorded turn that follows `history`, or raise the recorded error."""
        number = len(history) + 1
        attempt = self.recording.attempts.get((briefing.task, briefing.attempt))
        if attempt is None:
            raise self._unrecorded(briefing)
        if interrupt.is_set() or (self._latency and interrupt.wait(_pause(attempt, number))):
            raise ModelError(
                "the lease ended while the model was answering",
                why="the task was cancelled, timed out or given to another worker",
                fix="claim again",
            )
        if history:
            self._compare(briefing, attempt, number - 1, history[-1].results)
        turn = attempt.turns.get(number)
        if turn is None:
            raise self._at_the_end(briefing, attempt, number)
        if self._strict != "no" and any(MARK in repr(call.input) for call in turn.calls):
            raise ModelError(
                f"turn {number} of {_named(briefing)} cannot be given as it was",
                self.name,
                f"it held a secret, and recordings keep {MARK!r} in its place",
                "record a run that writes no secrets, or go on with -M strict=no",
            )
        return replace(turn, usage=self._spent(attempt, number, turn.usage))

    def estimate(self, briefing: Briefing, history: Sequence[Exchange]) -> Usage:
        """Return what was reserved for the next turn when it was recorded."""
        attempt = self.recording.attempts.get((briefing.task, briefing.attempt))
        if attempt is None or not self._usage:
            return Usage()
        return attempt.reserved.get(len(history) + 1, Usage())

    def close(self) -> None:
        """Nothing to release."""

    def _spent(self, attempt: RecordedAttempt, number: int, usage: Usage) -> Usage:
        """Return what a turn took when it was recorded, further tries included."""
        return attempt.spent.get(number, usage) if self._usage else Usage()

    def _compare(
        self,
        briefing: Briefing,
        attempt: RecordedAttempt,
        number: int,
        results: Sequence[ToolResult],
    ) -> None:
        """Raise if what the tools answered to a turn is not what was answered then."""
        recorded = attempt.results.get(number)
        if recorded is None or self._strict == "no":
            return
        names = {call.id: call.name for call in attempt.turns[number].calls}
        for then, now in zip(recorded, results, strict=False):
            if then.is_error != now.is_error or (
                self._strict == "text" and steady(then.content) != steady(now.content)
            ):
                tool = names.get(then.call_id, "a tool")
                raise ModelError(
                    f"{tool} answered turn {number} of {_named(briefing)} otherwise than it did "
                    "in the recording",
                    self.name,
                    f"then: {_shown(then)}; now: {_shown(now)}; so the next recorded answer is "
                    "no answer to it",
                    "run the plan that was recorded on the files that it was recorded with, in "
                    "the recorded order (-M order=recorded), or go on with -M strict=no",
                )

    def _unrecorded(self, briefing: Briefing) -> ModelError:
        tasks = {task for task, _ in self.recording.attempts}
        if briefing.task not in tasks:
            why = "the plan has changed since, or the task was skipped or cancelled then"
        else:
            why = "it took fewer attempts then"
        return ModelError(
            f"the recording has nothing of {_named(briefing)}",
            self.name,
            why,
            "run the plan that was recorded, or another model",
        )

    def _at_the_end(self, briefing: Briefing, attempt: RecordedAttempt, number: int) -> ModelError:
        last = max(attempt.asked, default=0)
        if attempt.ended == "model_error" and number == last and number not in attempt.answered:
            return ModelError(attempt.reason, spent=self._spent(attempt, number, Usage()))
        if number in attempt.answered:
            why = "the turn was given, but what it said was not kept"
        elif attempt.ended in _CUT_SHORT:
            why = f"in the recording {_CUT_SHORT[attempt.ended]}"
        elif attempt.ended:
            why = f"in the recording it ended there: {attempt.reason}"
        else:
            why = "in the recording it was accepted, or the run stopped, before that"
        return ModelError(
            f"the recording has no turn {number} of {_named(briefing)}",
            self.name,
            why,
            "run the plan that was recorded, in the recorded order, or another model",
        )


def _choice(read: Options, key: str, words: tuple[_Word, ...]) -> _Word:
    """Return one of `words`, the first by default."""
    given = read.given.get(key, words[0]).strip().lower()
    for word in words:
        if word == given:
            return word
    read.refuse(key, f"one of {', '.join(words)}")
    return words[0]


def _pause(attempt: RecordedAttempt, number: int) -> float:
    """Return how many seconds the recorded model took for a turn."""
    asked = attempt.asked.get(number)
    return 0.0 if asked is None else max(0.0, attempt.answered.get(number, asked) - asked)


def _named(briefing: Briefing) -> str:
    return f"attempt {briefing.attempt} of task {briefing.task!r}"


def _shown(result: ToolResult) -> str:
    text = " ".join(result.content.split())
    return ("an error" if result.is_error else "no error") + f", {text[:200]!r}"
