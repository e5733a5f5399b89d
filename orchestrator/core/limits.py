"""What a run may spend, and how patient it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What all tasks of one role may spend together; None means no limit.

    Attributes:
        wall: working time of all its attempts, in seconds.
        tokens: model tokens, input and output together.
        usd: US dollars.
        attempts: attempts at all its tasks.
        turns: model turns.
        commands: commands, test runs included.
    """

    wall: float | None = None
    tokens: int | None = None
    usd: float | None = None
    attempts: int | None = None
    turns: int | None = None
    commands: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderLimits:
    """What all workers together may ask of the model's provider; None means no limit.

    Attributes:
        concurrent: requests that are under way at the same time.
        requests_per_minute: requests that begin within a minute.
        tokens_per_minute: model tokens of the requests that begin within a minute.
    """

    concurrent: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one run; None means no limit.

    Attributes:
        workers: worker threads.
        wall: wall time of the run, in seconds.
        tokens: model tokens of the run, input and output together.
        usd: US dollars of the run.
        commands: commands of the run, test runs included.
        total_attempts: attempts of the run.
        total_turns: model turns of the run.
        attempts: attempts per task.
        attempts_by: attempts per task that may end in one way, by the cause (``model_error``,
            ``worker_died``, …); these do not count against `attempts`.
        turns: model turns per attempt.
        lease: seconds without a request after which a worker counts as lost.
        backoff: seconds that a task rests after its model's provider failed it; twice as long
            after each further failure, up to a minute.
        repeats: times that a turn may repeat the one before it to the letter, with the same
            answers, until the agent is told so; as many again, and the attempt ends.
        unchanged_tests: test runs with the same failures, until the agent is told so; as many
            again, and the attempt ends.
        roles: what the tasks of a role may spend together, by the role's name.
        provider: what all workers together may ask of the model's provider.
    """

    workers: int = 4
    wall: float | None = None
    tokens: int | None = None
    usd: float | None = None
    commands: int | None = None
    total_attempts: int | None = None
    total_turns: int | None = None
    attempts: int = 3
    attempts_by: Mapping[str, int] = field(default_factory=dict)
    turns: int = 40
    lease: float = 600.0
    backoff: float = 1.0
    repeats: int = 3
    unchanged_tests: int = 4
    roles: Mapping[str, Budget] = field(default_factory=dict)
    provider: ProviderLimits = ProviderLimits()


LONGEST_REST = 60.0
"""Seconds that a task rests at most after failures of the provider."""


def limits_from_json(values: Mapping[str, Any]) -> Limits:
    """Return the limits that `dataclasses.asdict` made; keys of later versions are left out."""
    found = _known(Limits, values)
    if "roles" in found:
        roles = found["roles"].items()
        found["roles"] = {name: Budget(**_known(Budget, budget)) for name, budget in roles}
    if "provider" in found:
        found["provider"] = ProviderLimits(**_known(ProviderLimits, found["provider"]))
    return Limits(**found)


def _known(kind: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    names = {entry.name for entry in fields(kind)}
    return {key: value for key, value in values.items() if key in names}
