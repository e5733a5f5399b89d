"""What must hold after every step; checked by tests and simulations, not in live runs."""

from __future__ import annotations

from collections import Counter
from typing import Any

from orchestrator.core.machine import Machine
from orchestrator.core.state import State
from orchestrator.core.states import ENDED, TaskState


def check(machine: Machine) -> list[str]:
    """Return what is wrong with a machine, in sentences; empty when all is well."""
    state = machine.state
    return [
        *_counts(state),
        *_dependencies(state),
        *_leases(state),
        *_queue(state),
        *_reads(state),
        *_progress(state),
        *_books(state),
        *state.claims.problems(),
    ]


def _counts(state: State) -> list[str]:
    actual = Counter(record.state for record in state.records.values())
    found = [
        f"{state.counts[kind]} tasks counted as {kind}, but {actual[kind]} are"
        for kind in TaskState
        if state.counts[kind] != actual[kind]
    ]
    still_open = sum(count for kind, count in actual.items() if kind not in ENDED)
    if state.open != still_open:
        found.append(f"{state.open} tasks counted as open, but {still_open} are")
    return found


def _dependencies(state: State) -> list[str]:
    found = []
    for name, record in state.records.items():
        missing = sum(1 for d in state.graph.dependencies(name) if not state.records[d].released)
        if missing != record.missing:
            found.append(f"{name} counts {record.missing} missing dependencies, but has {missing}")
        started = record.state in (TaskState.READY, TaskState.RUNNING, TaskState.SUCCEEDED)
        if started and missing:
            found.append(f"{name} is {record.state} with {missing} dependencies missing")
        if record.state is TaskState.WAITING and not missing:
            found.append(f"{name} waits for nothing")
    return found


def _leases(state: State) -> list[str]:
    found = []
    for name, record in state.records.items():
        running = record.state is TaskState.RUNNING
        if running != (record.token in state.live):
            found.append(f"{name} is {record.state} with token {record.token}")
        if running and state.rules.exclusive:
            bounds = state.bounds(record.task)
            if not bounds.claims_nothing and name not in state.claims.held:
                found.append(f"{name} runs without holding its files")
    for token, attempt in state.live.items():
        if token > state.token:
            found.append(f"token {token} is live but only {state.token} were given out")
        if state.records[attempt.lease.task].token != token:
            found.append(f"two leases for {attempt.lease.task}")
    held = [(name, state.records[name].state) for name, _ in state.claims.held.items()]
    return found + [
        f"{name} is {where} and still holds files"
        for name, where in held
        if where is not TaskState.RUNNING
    ]


def _queue(state: State) -> list[str]:
    """A ready task is in exactly one place, any other in none."""
    queued, found = state.ready.tasks(), []
    for name, record in state.records.items():
        places = {
            "queued": name in queued,
            "blocked": state.claims.is_blocked(name),
            "resting": name in state.resting,
            "set aside": name in state.aside,
        }
        if sum(places.values()) != (record.state is TaskState.READY):
            where = " and ".join(place for place, there in places.items() if there) or "nowhere"
            found.append(f"{name} is {record.state} and {where}")
    return found


def _books(state: State) -> list[str]:
    ledger, found = state.ledger, []
    held = sum(held.tokens for held in ledger.reservations.values())
    if held != ledger.run.held_tokens:
        found.append(f"{ledger.run.held_tokens} tokens are reserved, but {held} are held")
    found += [f"token {t} holds a reservation" for t in ledger.reservations if t not in state.live]
    spent = sum(account.tokens for account in ledger.tasks.values())
    if spent != ledger.run.tokens:
        found.append(f"the run has used {ledger.run.tokens} tokens, its tasks {spent}")
    return found


def _reads(state: State) -> list[str]:
    found = []
    for token, attempt in state.live.items():
        stale = {
            path: number
            for path, number in attempt.reads.items()
            if state.files.current(path).number != number
        }
        if stale != attempt.stale:
            found.append(f"token {token}: stale is {attempt.stale}, should be {stale}")
    found += [
        f"{path} is not written by token {token}"
        for path, tokens in state.writers.items()
        for token in tokens
        if token not in state.live or path not in state.live[token].written
    ]
    return found + [
        f"{path} is not read by token {token}"
        for path, tokens in state.readers.items()
        for token in tokens
        if token not in state.live or path not in state.live[token].reads
    ]


def _progress(state: State) -> list[str]:
    moving = (TaskState.RUNNING, TaskState.READY, TaskState.HELD)
    if state.open and not any(state.counts[kind] for kind in moving):
        return [f"{state.open} tasks are open, but nothing can ever move them"]
    return []


def fingerprint(state: State) -> dict[str, Any]:
    """Return the durable part of a state as plain values: equal states, equal fingerprints."""
    records = {
        name: (
            (r.state, r.missing, r.attempt, r.failures, r.token, r.released, r.reason),
            (r.endings, dict(r.failed_by)),
        )
        for name, r in state.records.items()
    }
    live = {
        token: (
            (a.lease, a.bounds, a.started, a.ends, a.phase, a.turn),
            (dict(a.reads), dict(a.stale), dict(a.written), dict(a.seen), a.evidence),
        )
        for token, a in state.live.items()
    }
    return {
        "records": records,
        "live": live,
        "files": {path: state.files.history(path) for path in sorted(state.files.known())},
        "cut": state.files.cut,
        "held": sorted(name for name, _ in state.claims.held.items()),
        "reserved": sorted(name for name, _ in state.claims.reserved.items()),
        "blocked": {n: state.claims.blockers(n) for n in records if state.claims.is_blocked(n)},
        "queued": state.ready.tasks(),
        "mail": {address: tuple(mail) for address, mail in state.mail.items()},
        "notes": tuple(state.notes),
        "mixed": dict(state.mixed),
        "exhausted": dict(state.exhausted),
        "aside": tuple(state.aside),
        "resting": dict(state.resting),
        "books": state.ledger.values(),
        "totals": (state.status, state.limit, state.token, state.tokens, state.usd),
        "ended": sum(state.counts[kind] for kind in ENDED),
    }
