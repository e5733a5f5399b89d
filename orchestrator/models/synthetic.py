"""What synthetic agents have in common: time, failures of a provider that is not there, tokens."""

from __future__ import annotations

import json
import math
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

from orchestrator.errors import ModelError, UsageError, nearest
from orchestrator.models.base import Briefing, Exchange, Turn, Usage
from orchestrator.models.behaviour import Basics
from orchestrator.models.cost import FREE, Price
from orchestrator.models.prices import find_price, packaged

CHARACTERS_PER_TOKEN = 4
"""Rule of thumb for English prose; `estimate.BYTES_PER_TOKEN` says more."""

Chance = Callable[[Briefing, str], Random]
"""Returns the chance by which one thing in an attempt is decided, always the same."""


def lognormal(random: Random, median: float, spread: float) -> float:
    """Return a positive number with this median, whose logarithm has the deviation `spread`."""
    return median * math.exp(random.gauss(0.0, spread)) if median > 0.0 else 0.0


def price_of(basics: Basics, where: str) -> Price:
    """Return the prices that a profile names.

    Raises:
        UsageError: no price list has the model.
    """
    if not basics.price:
        return FREE
    price = find_price(basics.price)
    if price is None:
        known = packaged().prices
        guess = nearest(basics.price, known)
        hint = f"did you mean {guess}? " if guess else ""
        raise UsageError(
            f"the price of {basics.price!r} is not known",
            where=where,
            fix=f"{hint}Known: {', '.join(known)}; or leave `price` out: it costs nothing then",
        )
    return price


class FailingProvider:
    """Failures of a provider, from the seed.

    It counts how often a turn was asked for, because the same question must get its answer in
    the end; nothing else is kept, and nothing that shows in a turn.

    Args:
        probability: of a failure, per request.
        chance: decides.
    """

    def __init__(self, probability: float, chance: Chance) -> None:
        self._probability, self._chance = probability, chance
        self._asked: Counter[tuple[str, int, int, int]] = Counter()
        self._lock = threading.Lock()

    def request(self, briefing: Briefing, number: int) -> None:
        """Ask for the turn `number`.

        Raises:
            ModelError: the provider fails; asking again may help.
        """
        if not self._probability:
            return
        key = (briefing.task, briefing.attempt, briefing.seed, number)
        with self._lock:
            self._asked[key] += 1
            times = self._asked[key]
        if self._chance(briefing, f"provider {number} {times}").random() < self._probability:
            raise ModelError(
                "the provider failed, as its profile says that it does at times",
                why="a seeded failure (`provider_failures`)",
                fix="ask again",
                retryable=True,
            )
        with self._lock:
            del self._asked[key]


def usage_of(
    briefing: Briefing, history: Sequence[Exchange], turn: Turn, verbosity: float
) -> Usage:
    """Return model tokens by the length of what is said, at four characters a token.

    What was sent with the turn before is read from the cache.
    """
    sent = _length(briefing.system, briefing.opening) + sum(
        _length(tool.name, tool.description, json.dumps(tool.input_schema, default=str))
        for tool in briefing.tools
    )
    cached = 0
    for exchange in history:
        cached = sent
        sent += _said(exchange.turn) + _length(
            exchange.notice, *(result.content for result in exchange.results)
        )
    return Usage(
        input=_tokens(sent - cached),
        output=math.ceil(_tokens(_said(turn)) * verbosity),
        cache_read=_tokens(cached),
    )


def _said(turn: Turn) -> int:
    calls = (json.dumps([call.name, dict(call.input)], default=str) for call in turn.calls)
    return _length(turn.text, *calls)


def _length(*texts: str) -> int:
    return sum(map(len, texts))


def _tokens(characters: int) -> int:
    return -(-characters // CHARACTERS_PER_TOKEN)
