"""What the next turn will take at most, before it is asked for.

A limit that is looked at only afterwards is passed by as many turns as there are workers. So an
estimate is reserved before a turn, and the difference is given back after it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from orchestrator.models.base import Briefing, Exchange, Model, Usage
from orchestrator.models.cost import asks_no_provider
from orchestrator.models.messages_api import to_request

BYTES_PER_TOKEN = 3
"""Bytes of a request's JSON per model token, taken low.

By rule of thumb English prose has 4 bytes per token and program text 3.5; escapes and field
names of the JSON come on top. Models since Claude 4.7 make about 30 % more tokens of the same
text (https://platform.claude.com/docs/en/models/haiku-5-5/overview): that is 2.7 for program
text, so the input of a first turn that is all program text comes out a tenth too low. Later
turns build on what the provider counted, and only what was added since is guessed."""

OVERHEAD = 500
"""Model tokens that a provider adds of its own to a request with tools."""

FIRST_OUTPUT = 1000
"""Model tokens of output that are expected of a model that says nothing about it."""


@runtime_checkable
class _Foresees(Protocol):
    """A model that knows what its next turn takes."""

    def estimate(self, briefing: Briefing, history: Sequence[Exchange]) -> Usage: ...


def estimate(model: Model, briefing: Briefing, history: Sequence[Exchange]) -> Usage:
    """Return an upper estimate of the model tokens of the next turn.

    In this order: the model's own optional method `estimate(briefing, history) -> Usage`;
    nothing for a model that asks no provider (`cost.asks_no_provider`), so that offline runs
    reserve nothing; else the input from the length of what will be sent (from the last
    turn's own count and what was added since, where there is one), and as output the model's
    attribute `max_tokens`, or twice the longest reply of this attempt, 1,000 at least.

    Of a model that says nothing about itself, neither price nor `max_tokens`, nothing is known
    before the first turn of an attempt: then nothing is reserved for that turn.

    The input is returned as `cache_write`, the dearest way in which it can be charged.

    Args:
        model: what will be asked.
        briefing: what the attempt is about.
        history: everything said so far in this attempt.
    """
    if isinstance(model, _Foresees):
        return model.estimate(briefing, history)
    if asks_no_provider(model) or not (history or _says_something(model)):
        return Usage()
    return Usage(output=_output(model, history), cache_write=_input(briefing, history))


def against_limit(expected: Usage, history: Sequence[Exchange]) -> int:
    """Return how much of an estimate to count against a limit of tokens per minute.

    What the last turn had in the cache will most likely be read from there again, and does not
    count then. Reserving it all the same would let one worker at a time through.

    Args:
        expected: what `estimate` returned.
        history: everything said so far in this attempt.
    """
    last = history[-1].turn.usage if history else Usage()
    return max(0, expected.total - last.cache_read - last.cache_write)


def _says_something(model: Model) -> bool:
    return hasattr(model, "price") or hasattr(model, "max_tokens")


def _input(briefing: Briefing, history: Sequence[Exchange]) -> int:
    known = history[-1].turn.usage if history else Usage()
    told = known.input + known.cache_read + known.cache_write
    if not told:
        return OVERHEAD + _tokens(to_request(briefing, history))
    exchange = history[-1]
    added = [(result.call_id, result.content) for result in exchange.results]
    return told + known.output + _tokens([added, exchange.notice])


def _output(model: Model, history: Sequence[Exchange]) -> int:
    limit = getattr(model, "max_tokens", None)
    if isinstance(limit, int):
        return limit
    longest = max((exchange.turn.usage.output for exchange in history), default=0)
    return max(FIRST_OUTPUT, 2 * longest)


def _tokens(value: object) -> int:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return -(-len(text.encode(errors="replace")) // BYTES_PER_TOKEN)
