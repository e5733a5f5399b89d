"""Asking a model for its next turn, through the gate, again while its failure may pass.

Models ask once and say what went wrong; when to ask again is decided here, once for all models.
So somebody's own model gets the shared gate, the pauses and the retries by raising
``ModelError(retryable=True, retry_after=seconds)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from orchestrator.errors import ModelError
from orchestrator.models.admission import FIRST_PAUSE, LONGEST_PAUSE
from orchestrator.models.anthropic_errors import BusyError
from orchestrator.models.base import Briefing, Exchange, Interrupt, Model, Turn, Usage
from orchestrator.models.gate import Entry, ProviderGate
from orchestrator.models.messages_api import add

RETRIES = 6
"""Further tries after a failure that may pass, unless the model has an attribute `retries`."""

DOWN = 300.0
"""Seconds. A provider that asks for a longer pause is down for this attempt; everybody waits no
longer than this."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of asking for one turn.

    Attributes:
        outcome: the turn, or the failure of the last try.
        spent: what each try took, as far as the provider told it, in order. Each is one request:
            a price may depend on a request's length.
        waited: seconds spent waiting for the provider: at the gate, and before further tries.
        tries: requests that were sent.
    """

    outcome: Turn | ModelError
    spent: tuple[Usage, ...] = ()
    waited: float = 0.0
    tries: int = 0

    @property
    def usage(self) -> Usage:
        """What all tries took together."""
        total = Usage()
        for usage in self.spent:
            total = add(total, usage)
        return total


def ask(
    model: Model,
    briefing: Briefing,
    history: Sequence[Exchange],
    interrupt: Interrupt,
    gate: ProviderGate,
    *,
    rank: float = 0.0,
    tokens: int = 0,
) -> Answer:
    """Ask `model` for its next turn.

    A provider that has too much to do (429, 529, or a failure with `retry_after`) makes everybody
    wait at the gate; after other failures that may pass, only this one waits. A turn that is
    complete when the lease ends is returned all the same: it is paid for.

    Args:
        model: what answers for the agent.
        briefing: what the attempt is about; its seed is the seed of the pauses.
        history: everything said so far in this attempt.
        interrupt: set when the lease has ended; ends all waiting.
        gate: shared by all who ask this provider.
        rank: the task's upward rank, in seconds.
        tokens: model tokens that the turn is expected to take (`estimate.against_limit`).

    Returns:
        The turn or the failure; no `ModelError` is raised. Other exceptions pass through.
    """
    random = Random(f"{briefing.seed}/{len(history)}")
    retries = getattr(model, "retries", RETRIES)
    spent: list[Usage] = []
    waited, tries = 0.0, 0
    while True:
        came = gate.clock()
        entry = gate.enter(briefing.task, rank=rank, tokens=tokens, interrupt=interrupt)
        if entry is None:
            waited += gate.clock() - came
            return Answer(lease_ended(), tuple(spent), waited, tries)
        waited, tries = waited + entry.waited, tries + 1
        outcome = _try(model, briefing, history, interrupt, entry)
        usage = outcome.usage if isinstance(outcome, Turn) else outcome.spent
        if isinstance(usage, Usage):
            spent.append(usage)
        if isinstance(outcome, Turn) or interrupt.is_set():
            return Answer(outcome, tuple(spent), waited, tries)
        if not outcome.retryable or tries > retries or (outcome.retry_after or 0.0) > DOWN:
            return Answer(outcome, tuple(spent), waited, tries)
        if not _is_busy(outcome):
            came = gate.clock()
            interrupt.wait(random.random() * min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (tries - 1)))
            waited += gate.clock() - came


def counted(usage: Usage) -> int:
    """Return the model tokens that count against a provider's limit of tokens per minute.

    What is read from the cache does not, for nearly all models behind the Messages API
    (https://platform.claude.com/docs/en/api/rate-limits).
    """
    return usage.input + usage.cache_write + usage.output


def lease_ended() -> ModelError:
    """Return the failure of a model whose lease has ended."""
    return ModelError(
        "the lease ended while the model was answering",
        why="the task was cancelled, timed out or given to another worker",
        fix="claim again",
    )


def _try(
    model: Model,
    briefing: Briefing,
    history: Sequence[Exchange],
    interrupt: Interrupt,
    entry: Entry,
) -> Turn | ModelError:
    with entry:
        try:
            turn = model.next_turn(briefing, history, interrupt)
        except ModelError as failure:
            if _is_busy(failure):
                hint = failure.retry_after
                entry.refused(None if hint is None else min(hint, DOWN))
            elif isinstance(failure.spent, Usage):
                entry.leave(counted(failure.spent))
            return failure
        entry.leave(counted(turn.usage))
        return turn


def _is_busy(failure: ModelError) -> bool:
    hint = failure.retry_after is not None
    return failure.retryable and (hint or isinstance(failure, BusyError))
