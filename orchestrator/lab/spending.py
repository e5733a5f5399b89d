"""What a run's agents spent and did: model tokens by kind, turns, rework, messages.

An *action* is something that the log shows an agent to have done: a version of a file looked at, a
write accepted, a request refused, a command begun, files asked for, a message or a note, work
handed in and accepted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from orchestrator.core import events as e
from orchestrator.core.messages import Spent
from orchestrator.lab.sentback import SentBack
from orchestrator.lab.transactions import Key

KINDS = ("input", "output", "cache_read", "cache_write")
"""Kinds of model tokens."""


@dataclass(frozen=True, slots=True)
class Spending:
    """What agents spent and did.

    Attributes:
        tokens: model tokens by kind; ``input`` without cached ones.
        turns: model turns begun.
        rework_tokens: model tokens of attempts that were not accepted, what came in late included,
            and of accepted ones after their work had been sent back (`lab.sentback`).
        rework_turns: turns, in the same way.
        messages: messages sent, and notes left for all.
        actions: all that agents did; see the module.
    """

    tokens: Mapping[str, int]
    turns: int
    rework_tokens: int
    rework_turns: int
    messages: int
    actions: int

    @property
    def total(self) -> int:
        """Model tokens of all kinds."""
        return sum(self.tokens.values())


def spending_of(events: Iterable[e.Event]) -> Spending:
    """Return what agents spent and did.

    Args:
        events: what was recorded, in order.
    """
    tokens, spent, turns = Counter[str](), Counter[Key](), dict[Key, int]()
    lost: set[Key] = set()
    messages = actions = 0
    back = SentBack()
    for event in events:
        back.apply(event)
        key = (event.task, event.attempt)
        cost = _spent(event)
        if cost is not None:
            tokens.update({kind: getattr(cost, kind) for kind in KINDS})
            spent[key] += cost.tokens
        match event:
            case e.Reported():
                turns[key] = max(turns.get(key, 0), event.turn)
            case e.AttemptEnded():
                lost.add(key)
            case _:
                pass
        messages += isinstance(event, e.Sent | e.Noted)
        actions += _actions(event)
    return Spending(
        {kind: tokens[kind] for kind in KINDS},
        sum(turns.values()),
        sum(spent[key] for key in lost) + back.tokens,
        sum(turns.get(key, 0) for key in lost) + back.turns,
        messages,
        actions,
    )


def _spent(event: e.Event) -> Spent | None:
    return event.spent if isinstance(event, e.Reported | e.SpentLate | e.AttemptEnded) else None


def _actions(event: e.Event) -> int:
    match event:
        case e.Reported():
            return len(event.reads) + event.commands
        case e.Wrote() | e.Succeeded():
            return len(event.reads) + 1
        case e.RequestRefused() | e.Sent() | e.Noted() | e.Widened():
            return 1
        case _:
            return 0
