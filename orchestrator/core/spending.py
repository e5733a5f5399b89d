"""Limits, checked before anything is spent: turns, commands, model tokens, dollars, time.

Whoever begins a turn says what it may cost at most (`Report.expects`). That much is reserved in
the accounts of the run, of the role and of the task, and given back when the real figure is
reported. A turn that does not fit is not begun: it waits while others hold reservations of
which they may give something back, and otherwise the limit has been reached.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from orchestrator.core import events as e
from orchestrator.core.decision import Decision, PendingReport, lease_ended
from orchestrator.core.ledger import Account
from orchestrator.core.limits import Budget, Limits
from orchestrator.core.messages import Answer, Done, GiveUp, Reply, Report, Spent
from orchestrator.core.records import LiveAttempt
from orchestrator.core.task import Task


def report(d: Decision, request: Report) -> Reply | None:
    """Record progress; refuse, or park, the turn or command that a limit does not allow."""
    attempt = d.state.attempt_of(request.token)
    if attempt is None:
        return _late(d, request)
    lease, mail = attempt.lease, d.state.unread(attempt)
    d.emit(
        e.Reported(
            d.at, lease.task, lease.attempt, lease.token, request.phase, request.turn,
            request.spent, request.reads, request.transcript, request.detail, request.commands,
            request.waited, request.evidence,
        )
    )  # fmt: skip
    begins = request.phase == "reason"  # what has been paid for is carried out to its end
    _check_task(d, attempt, begins)
    if lease.token in d.state.live:
        _check_role(d, attempt, begins)
    check_run(d, begins)
    if lease.token not in d.state.live:
        return lease_ended(lease.token)
    if request.expects.tokens and not _reserve(d, attempt, request.expects):
        if lease.token not in d.state.live:
            return lease_ended(lease.token)
        d.desk.reserving[lease.token] = PendingReport(request.expects, mail)
        return None
    return Done(mail=mail)


def settle_reservations(d: Decision) -> None:
    """Reservations have been given back: begin the turns that fit now."""
    for token, pending in tuple(d.desk.reserving.items()):
        attempt = d.state.attempt_of(token)
        if attempt is not None and _reserve(d, attempt, pending.expects, again=True):
            del d.desk.reserving[token]
            d.effect(Answer(attempt.lease.worker, Done(mail=pending.mail)))


def give_up(d: Decision, request: GiveUp) -> Reply | None:
    """End an attempt at its own wish; it is the next claim as well."""
    attempt = d.state.attempt_of(request.token)
    if attempt is None:
        return _late(d, request)
    d.end_attempt(attempt, request.cause, request.reason, spent=request.spent)
    check_run(d)
    d.desk.parked[attempt.lease.worker] = None
    return None


def _late(d: Decision, request: Report | GiveUp) -> Reply:
    """Refuse what comes after the lease has ended; but what it cost has been paid."""
    spent, past = request.spent, d.state.past.get(request.token)
    if past and (spent.tokens or spent.usd):
        d.emit(e.SpentLate(d.at, *past, request.token, spent))
        check_run(d)
    return lease_ended(request.token)


def _gone(used: float, most: float | None, begins: bool) -> bool:
    """Whether a limit is passed; or used up, when something is to begin that will spend more."""
    return most is not None and (used > most or (begins and used == most))


def check_run(d: Decision, begins: bool = True) -> None:
    """End the run when one of its limits has been used up."""
    limits, used = d.rules.limits, d.state.ledger.run
    if limits.tokens is not None and _gone(used.tokens, limits.tokens, begins):
        d.reach_limit("tokens", limits.tokens)
    if limits.usd is not None and _gone(used.usd, limits.usd, begins):
        d.reach_limit("usd", limits.usd)
    if limits.wall is not None and d.at >= limits.wall:
        d.reach_limit("wall", limits.wall)
    if limits.total_turns is not None and used.turns > limits.total_turns:
        d.reach_limit("total_turns", limits.total_turns)
    if limits.commands is not None and used.commands > limits.commands:
        d.reach_limit("commands", limits.commands)


def may_start(d: Decision, task: str) -> bool:
    """Whether a ready task may be attempted; if not, the limit that forbids it is reached."""
    state, limits = d.state, d.rules.limits
    most = limits.total_attempts
    if most is not None and state.ledger.run.attempts >= most:
        d.reach_limit("total_attempts", most, end=False)
        return False
    role = state.records[task].task.role
    budget = limits.roles.get(role)
    if budget is None:
        return True
    used = state.ledger.role(role)
    if budget.attempts is not None and used.attempts >= budget.attempts:
        d.reach_role_limit(role, "attempts", budget.attempts)
        return False
    for name, most_used, value in _used_up(d, role, budget, used):
        if value >= most_used:
            d.reach_role_limit(role, name, most_used)
            return False
    return True


def _check_task(d: Decision, attempt: LiveAttempt, begins: bool) -> None:
    """End an attempt that has used up what is its own, or its task's."""
    record = d.state.records[attempt.lease.task]
    task, used = record.task, d.state.ledger.task(attempt.lease.task)
    turns = task.turns or d.rules.limits.turns
    if attempt.turn > turns:
        d.end_attempt(attempt, "limit", f"{turns} turns were not enough")
    elif _gone(used.tokens, task.tokens, begins):
        why = f"the task has used its {task.tokens} model tokens"
        d.end_attempt(attempt, "limit", why, final=True)
    elif _gone(used.usd, task.usd, begins):
        d.end_attempt(attempt, "limit", f"the task has used its {task.usd} dollars", final=True)
    elif task.commands is not None and used.commands > task.commands:
        why = f"the task has used its {task.commands} commands"
        d.end_attempt(attempt, "limit", why, final=True)


def _check_role(d: Decision, attempt: LiveAttempt, begins: bool) -> None:
    """End an attempt whose role has nothing left for it; its task waits for a higher limit."""
    role = d.state.records[attempt.lease.task].task.role
    budget = d.rules.limits.roles.get(role)
    if budget is None:
        return
    used = d.state.ledger.role(role)
    for name, most, value in _used_up(d, role, budget, used):
        counted = name in ("turns", "commands")  # what begins now is in the account already
        if _gone(value, most, begins and not counted):
            _end_for_role(d, attempt, role, name, most)
            return


def _used_up(
    d: Decision, role: str, budget: Budget, used: Account
) -> Iterator[tuple[str, float, float]]:
    """Yield the limits of a role that grow while it works: name, limit, used so far."""
    if budget.tokens is not None:
        yield "tokens", budget.tokens, used.tokens
    if budget.usd is not None:
        yield "usd", budget.usd, used.usd
    if budget.turns is not None:
        yield "turns", budget.turns, used.turns
    if budget.commands is not None:
        yield "commands", budget.commands, used.commands
    if budget.wall is not None:
        records = d.state.records
        live = (a for a in d.state.live.values() if records[a.lease.task].task.role == role)
        yield "wall", budget.wall, used.seconds + sum(d.at - a.started for a in live)


def _end_for_role(d: Decision, attempt: LiveAttempt, role: str, limit: str, most: float) -> None:
    d.reach_role_limit(role, limit, most)
    why = f"role {role} has used up its limit of {limit} ({most:g})"
    d.end_attempt(attempt, "limit", why, counts=False)


@dataclass(frozen=True, slots=True)
class _Short:
    """A reservation that does not fit, and in whose account."""

    whose: Literal["task", "role", "run"]
    limit: str
    most: float
    left: float
    wanted: float


def _reserve(d: Decision, attempt: LiveAttempt, expects: Spent, *, again: bool = False) -> bool:
    """Reserve what a turn may cost. False: it waits, or the limit has been reached."""
    lease = attempt.lease
    task = d.state.records[lease.task].task
    short = _short(d, task, expects)
    if short is None:
        d.emit(e.Reserved(d.at, lease.task, lease.attempt, lease.token, expects))
        return True
    if _others_may_give_back(d, short, task.role):
        if not again:
            d.emit(e.BudgetWaits(d.at, lease.task, lease.attempt, lease.token, short.limit))
        return False
    if short.whose == "run":
        d.reach_limit(short.limit, short.most)
        return False
    if short.whose == "role":
        d.reach_role_limit(task.role, short.limit, short.most)
    whose = f"role {task.role}" if short.whose == "role" else short.whose
    why = (
        f"the next turn may take {short.wanted:g} {short.limit}, and the {whose} has "
        f"{max(0.0, short.left):g} left of its {short.most:g}"
    )
    for_good = short.whose == "task"
    d.end_attempt(attempt, "limit", why, counts=for_good, final=for_good)
    return False


def _short(d: Decision, task: Task, expects: Spent) -> _Short | None:
    """Say where a reservation does not fit; None when it does."""
    limits, ledger = d.rules.limits, d.state.ledger
    budget = limits.roles.get(task.role, Budget())
    accounts: tuple[tuple[Literal["task", "role", "run"], Task | Budget | Limits, Account], ...] = (
        ("task", task, ledger.task(task.id)),
        ("role", budget, ledger.role(task.role)),
        ("run", limits, ledger.run),
    )
    for whose, most, used in accounts:
        if most.tokens is not None:
            left = most.tokens - used.tokens - used.held_tokens
            if expects.tokens > left:
                return _Short(whose, "tokens", most.tokens, left, expects.tokens)
        if most.usd is not None and expects.usd:
            spare = most.usd - used.usd - used.held_usd
            if expects.usd > spare:
                return _Short(whose, "usd", most.usd, spare, expects.usd)
    return None


def _others_may_give_back(d: Decision, short: _Short, role: str) -> bool:
    """Whether a turn under way holds a reservation in the same account.

    A task has one attempt at a time, so none does in its own. Nor does one of an attempt that
    is itself waiting for something: two could wait for each other.
    """
    return short.whose != "task" and any(
        (short.whose == "run" or held.role == role)
        and token not in d.desk.widening
        and token not in d.desk.submitting
        for token, held in d.state.ledger.reservations.items()
    )
