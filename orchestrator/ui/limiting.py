"""Limits as given on the command line: ``--limit KEY=VALUE``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from orchestrator.core.limits import Budget, Limits, ProviderLimits
from orchestrator.errors import Problem, UsageError, nearest
from orchestrator.spec.durations import parse_duration

_RUN = tuple(
    entry.name for entry in fields(Limits) if entry.name not in ("roles", "provider", "attempts_by")
)
_ROLE = tuple(entry.name for entry in fields(Budget))
_PROVIDER = tuple(entry.name for entry in fields(ProviderLimits))
_DURATIONS = ("wall", "lease", "backoff")


def changed_limits(limits: Limits, pairs: Sequence[str]) -> Limits | None:
    """Return limits with some of them replaced; None when nothing is replaced.

    Args:
        limits: those that hold so far.
        pairs: ``KEY=VALUE``, where KEY is a limit of the plan (``tokens``), of a role
            (``roles.tester.usd``), of the provider (``provider.concurrent``), or of a kind of
            failure (``attempts_by.model_error``).

    Raises:
        UsageError: some are no limits; all of them are in `problems`.
    """
    problems: list[Problem] = []
    for pair in pairs:
        try:
            limits = _changed(limits, pair)
        except ValueError as error:
            problems.append(Problem(str(error), f"--limit {pair}", fix=_FIX))
    if problems:
        raise UsageError(
            "the limits cannot be used", "--limit", problems=problems, fix=problems[0].fix
        )
    return limits if pairs else None


_FIX = "give for example --limit wall=2h, --limit tokens=3000000 or --limit roles.tester.usd=2"


def _changed(limits: Limits, pair: str) -> Limits:
    key, equals, value = pair.partition("=")
    if not equals:
        raise ValueError(f"{pair!r} is not of the form KEY=VALUE")
    match key.split("."):
        case ["roles", role, name] if role:
            budget = replace(limits.roles.get(role, Budget()), **_one(name, value, _ROLE))
            return replace(limits, roles={**limits.roles, role: budget})
        case ["provider", name]:
            return replace(
                limits, provider=replace(limits.provider, **_one(name, value, _PROVIDER))
            )
        case ["attempts_by", cause]:
            by: Mapping[str, int] = {**limits.attempts_by, cause: _whole(value)}
            return replace(limits, attempts_by=by)
        case [name]:
            return replace(limits, **_one(name, value, _RUN))
    raise ValueError(f"{key!r} is not a limit")


def _one(name: str, value: str, known: Sequence[str]) -> dict[str, Any]:
    if name not in known:
        close = nearest(name, known)
        more = f"; did you mean {close!r}?" if close else f" (they are {', '.join(known)})"
        raise ValueError(f"{name!r} is not a limit{more}")
    if name in _DURATIONS:
        return {name: parse_duration(value)}
    if name == "usd":
        return {name: _money(value)}
    return {name: _whole(value)}


def _whole(value: str) -> int:
    if not value.isdecimal() or int(value) < 1:
        raise ValueError(f"{value!r} is not a whole number above zero")
    return int(value)


def _money(value: str) -> float:
    try:
        money = float(value)
    except ValueError:
        money = -1.0
    if not 0 < money < 1e9:
        raise ValueError(f"{value!r} is not an amount of US dollars above zero")
    return money
