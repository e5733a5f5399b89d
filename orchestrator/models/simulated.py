"""A model that takes turns, time and tokens, and writes nothing: for load and for cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from random import Random
from typing import Any, ClassVar

from orchestrator.models.base import Briefing, Exchange, Interrupt, Turn, Usage
from orchestrator.models.behaviour import (
    Load,
    Profile,
    figure_names,
    find_profile,
    overridden,
)
from orchestrator.models.options import Options
from orchestrator.models.oracle import Step, as_turn, wait
from orchestrator.models.synthetic import FailingProvider, lognormal, price_of, usage_of

DEFAULT = "load"
"""The profile that is used when none is named."""

_ENDURED_REFUSALS = 2


class SimulatedModel:
    """Takes a seeded number of turns, looks at files meanwhile, and submits.

    It writes no text, so only tasks whose tests pass without it (or that have none) succeed.

    Args:
        profile: what a turn takes.
        name: how the model is named.
        seed: decides about everything; None: the seed of the briefing.

    Raises:
        UsageError: the price of the profile is not known.
    """

    OPTIONS: ClassVar[Mapping[str, str]] = {
        **figure_names(Load),
        "seed": "whole number that decides about everything",
    }
    offline = True

    def __init__(
        self, profile: Profile[Load], *, name: str = "simulated", seed: int | None = None
    ) -> None:
        self.name = name
        self.profile = profile
        self.price = price_of(profile.figures, f"profile {profile.name}")
        self._load = profile.figures
        self._seed = seed
        self._provider = FailingProvider(self._load.provider_failures, self._random)

    @classmethod
    def from_options(cls, argument: str, options: Mapping[str, str], base: Path) -> SimulatedModel:
        """Build the model from the text of a command line.

        Args:
            argument: a profile by name or path; empty: `DEFAULT`.
            options: see `OPTIONS`; what is given there wins over the profile.
            base: where relative paths begin.

        Raises:
            UsageError: a wrong option, or mistakes in the profile.
        """
        read = Options("simulated", options, cls.OPTIONS)
        seed = read.whole("seed", 0) if "seed" in read else None
        profile = find_profile(argument or DEFAULT, Load, base)
        figures = overridden(profile.figures, read)
        read.check()
        name = f"simulated:{argument}" if argument else "simulated"
        return cls(replace(profile, figures=figures), name=name, seed=seed)

    def next_turn(
        self, briefing: Briefing, history: Sequence[Exchange], interrupt: Interrupt
    ) -> Turn:
        """Return the next turn, after its time."""
        number = len(history) + 1
        self._provider.request(briefing, number)
        turn = as_turn(self._step(briefing, history), briefing, number, self.name)
        chance = self._random(briefing, f"thinking {number}")
        wait(interrupt, lognormal(chance, self._load.thinking, self._load.spread))
        return replace(turn, usage=self._usage(briefing, turn, number))

    def close(self) -> None:
        """Nothing to release."""

    def _step(self, briefing: Briefing, history: Sequence[Exchange]) -> Step:
        tools = {tool.name for tool in briefing.tools}
        refused = sum(
            result.is_error
            for exchange in history
            for call, result in zip(exchange.turn.calls, exchange.results, strict=False)
            if call.name == "submit"
        )
        if refused >= _ENDURED_REFUSALS:
            return _say(tools, "give_up", "reason", "what was handed in is not accepted")
        if len(history) + 1 < self._turns(briefing):
            return _look(tools, briefing, len(history))
        if self._random(briefing, "failure").random() < self._load.failures:
            return _say(tools, "give_up", "reason", "a seeded failure")
        return _say(tools, "submit", "summary", "Nothing was written: this is a simulation.")

    def _turns(self, briefing: Briefing) -> int:
        chance = self._random(briefing, "turns")
        return max(1, round(lognormal(chance, self._load.turns, self._load.turns_spread)))

    def _usage(self, briefing: Briefing, turn: Turn, number: int) -> Usage:
        """Return seeded model tokens; all but what the last turn added is read from the cache."""
        first = usage_of(briefing, (), turn, 1.0).input
        added = [first, *(self._tokens(briefing, "added", n) for n in range(2, number + 1))]
        return Usage(
            input=added[-1],
            output=self._tokens(briefing, "output", number),
            cache_read=sum(added[:-1]),
        )

    def _tokens(self, briefing: Briefing, what: str, number: int) -> int:
        median = self._load.added if what == "added" else self._load.output
        chance = self._random(briefing, f"{what} {number}")
        return math.ceil(lognormal(chance, median, self._load.tokens_spread))

    def _random(self, briefing: Briefing, purpose: str) -> Random:
        seed = briefing.seed if self._seed is None else self._seed
        return Random(f"{seed}/{briefing.task}/{briefing.attempt}/simulated {purpose}")


def _look(tools: set[str], briefing: Briefing, done: int) -> Step:
    """Return a look at something; no two in a row are the same, which would look like a loop."""
    looks: list[tuple[str, dict[str, Any]]] = []
    if "list_files" in tools:
        looks.append(("list_files", {}))
    if "read_file" in tools:
        looks += [("read_file", {"path": path}) for path in briefing.files]
    if not looks:
        return "Thinking.", []
    looks = [*looks, ("", {})] if len(looks) == 1 else looks
    tool, arguments = next(islice(cycle(looks), done, None))
    return ("Looking around.", [(tool, arguments)]) if tool else ("Thinking.", [])


def _say(tools: set[str], tool: str, key: str, text: str) -> Step:
    return (text, [(tool, {key: text})]) if tool in tools else (text, [])
