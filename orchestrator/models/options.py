"""Reading a model's options, which arrive as text from ``-M key=value``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.errors import Problem, UsageError, nearest

_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")


@dataclass(slots=True)
class Options:
    """The options of one model. Mistakes are collected and raised together by `check`.

    Args:
        model: the model's name, for messages.
        given: what the user gave.
        known: the options that the model has, each with a few words on its value.
    """

    model: str
    given: Mapping[str, str]
    known: Mapping[str, str]
    problems: list[Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        for key in self.given:
            if key not in self.known:
                self._refuse_unknown(key)

    def __contains__(self, key: str) -> bool:
        return key in self.given

    def number(self, key: str, default: float, low: float = 0.0, high: float = math.inf) -> float:
        """Return a number between `low` and `high`, both included."""
        if key not in self.given:
            return default
        value = parse_number(self.given[key])
        if value is None or not low <= value <= high:
            self.refuse(key, f"a number {_between(low, high)}")
            return default
        return value

    def whole(self, key: str, default: int, low: int = 0, high: float = math.inf) -> int:
        """Return a whole number between `low` and `high`, both included."""
        if key not in self.given:
            return default
        value = parse_number(self.given[key])
        if value is None or not value.is_integer() or not low <= value <= high:
            self.refuse(key, f"a whole number {_between(low, high)}")
            return default
        return int(value)

    def flag(self, key: str, default: bool) -> bool:
        """Return a yes or no."""
        word = self.given.get(key, str(default)).strip().lower()
        if word not in _TRUE + _FALSE:
            self.refuse(key, "true or false")
            return default
        return word in _TRUE

    def refuse(self, key: str, expected: str) -> None:
        """Note that the value of `key` is not what was `expected`."""
        self.problems.append(
            Problem(
                f"{self.given[key]!r} is not a value for option {key!r} of model {self.model}",
                where=f"-M {key}={self.given[key]}",
                fix=f"give {expected}",
                code="bad-option",
            )
        )

    def check(self) -> None:
        """Raise everything that was found.

        Raises:
            UsageError: if there is at least one mistake.
        """
        if len(self.problems) == 1:
            only = self.problems[0]
            raise UsageError(only.what, only.where, only.why, only.fix, self.problems)
        if self.problems:
            count = len(self.problems)
            raise UsageError(f"model {self.model}: {count} mistakes", problems=self.problems)

    def _refuse_unknown(self, key: str) -> None:
        listed = ", ".join(f"{name} ({about})" for name, about in self.known.items())
        guess = nearest(key, self.known)
        hint = f"did you mean {guess!r}? " if guess else ""
        fix = f"{hint}Its options: {listed}" if listed else "it has no options: leave it out"
        self.problems.append(
            Problem(
                f"model {self.model} has no option {key!r}",
                where=f"-M {key}={self.given[key]}",
                fix=fix,
                code="unknown-option",
            )
        )


def parse_number(text: str) -> float | None:
    """Return `text` as a finite number, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _between(low: float, high: float) -> str:
    return f"from {low:g} to {high:g}" if math.isfinite(high) else f"of at least {low:g}"
