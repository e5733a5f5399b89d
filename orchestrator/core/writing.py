"""Decisions about files: who may write what, and on top of which version.

The machine compares version numbers and scopes and never looks at contents. A stale write is
refused here; the worker's runtime then tries to rebase it by region (`core.regions`) and asks
again with the new base, so only a real clash reaches the model.
"""

from __future__ import annotations

from orchestrator.core import events as e
from orchestrator.core.decision import Decision, lease_ended, listed
from orchestrator.core.files import ABSENT, Version
from orchestrator.core.messages import (
    Delete,
    Done,
    Materialise,
    Observe,
    Overstep,
    Refused,
    Reply,
    StaleFile,
    Undo,
    Write,
)
from orchestrator.core.paths import PathError, canonical
from orchestrator.core.records import LiveAttempt


def write(d: Decision, request: Write | Delete) -> Reply:
    """Accept a write, or say what stands against it."""
    attempt = d.state.attempt_of(request.token)
    if attempt is None:
        return lease_ended(request.token)
    refused = _out_of_bounds(d, attempt, request) or _stale(d, attempt, request)
    if refused:
        return d.refuse(attempt, request, refused)
    lease, files = attempt.lease, d.state.files
    before = files.current(request.path)
    base = before.number if d.rules.check_base else request.base
    digest = request.digest if isinstance(request, Write) else None
    rebased = isinstance(request, Write) and request.rebased
    number = files.cut + 1
    d.emit(
        e.Wrote(
            d.at, lease.task, lease.attempt, lease.token,
            request.path, number, digest, base, request.reads, rebased,
        )
    )  # fmt: skip
    d.effect(Materialise(request.path, digest, before.digest))
    return Done(number)


def _out_of_bounds(d: Decision, attempt: LiveAttempt, request: Write | Delete) -> Refused | None:
    bounds = attempt.bounds
    may = listed((*bounds.writes.globs, *bounds.shares.globs))
    try:
        if canonical(request.path) != request.path:
            return Refused("invalid", f"{request.path!r} is not a canonical path", "normalise it")
    except PathError as error:
        return Refused("invalid", error.what, error.fix)
    if d.rules.bounded and not bounds.may_write(request.path):
        return Refused(
            "scope",
            f"{request.path} is outside the files that this task may write ({may})",
            "write only inside these files; if the task cannot be done without this one, ask for "
            "it with widen_scope or say so in give_up",
        )
    if isinstance(request, Delete):
        if d.state.files.current(request.path).digest is None:
            return Refused("invalid", f"{request.path} does not exist", "nothing is to be done")
        return None
    clash = d.state.files.clash(request.path)
    return Refused("invalid", clash, "choose another name") if clash else None


def _stale(d: Decision, attempt: LiveAttempt, request: Write | Delete) -> Refused | None:
    current = d.state.files.current(request.path)
    stale = d.stale(attempt, request.reads, skip=request.path)
    based = request.base == current.number or (request.base == ABSENT and current.digest is None)
    if d.rules.check_base and not based:
        stale = (StaleFile(request.path, request.base, current), *stale)
    if not stale:
        return None
    return Refused(
        "stale",
        "; ".join(changed(file.path, file.current) for file in stale),
        "read what has changed, then make the edit again on top of it",
        stale,
    )


def changed(path: str, version: Version) -> str:
    """Say by whom a file was changed."""
    who = f"by task {version.task}" if version.task else "from outside the run"
    how = "deleted" if version.digest is None else "changed"
    return f"{path} was {how} {who}"


def overstep(d: Decision, request: Overstep) -> Reply:
    """Record what the worker's runtime has refused."""
    attempt = d.state.attempt_of(request.token)
    if attempt is None:
        return lease_ended(request.token)
    refused = Refused(request.kind, request.why, request.fix, request.stale)
    return d.refuse(attempt, request, refused)


def observe(d: Decision, request: Observe) -> Reply:
    """Somebody outside changed a file: it becomes a version, and stale readers are told."""
    files = d.state.files
    if files.current(request.path).digest == request.digest:
        return Done(files.current(request.path).number)
    number = files.cut + 1
    d.emit(e.ChangedOutside(d.at, "", 0, request.path, number, request.digest))
    return Done(number)


def undo(d: Decision, request: Undo) -> Reply:
    """Take an ended attempt's part out of a file that others have edited too."""
    current = d.state.files.current(request.path)
    if current.number != request.base:
        stale = (StaleFile(request.path, request.base, current),)
        return Refused("stale", changed(request.path, current), "merge again", stale)
    d.take_back(request.task, request.attempt, request.token, request.path, request.digest)
    return Done(d.state.files.current(request.path).number)
