"""Accepting finished work: whose evidence holds, and which builds on nothing unfinished."""

from __future__ import annotations

from orchestrator.core import events as e
from orchestrator.core.decision import Decision, lease_ended
from orchestrator.core.messages import Answer, Refused, Reply, StaleFile, Submit
from orchestrator.core.records import LiveAttempt
from orchestrator.core.states import TaskState
from orchestrator.core.waiting import cycle, half_undone, unsettled
from orchestrator.core.writing import changed


def submit(d: Decision, request: Submit) -> Reply | None:
    """Accept finished work whose evidence still holds; it is the next claim as well.

    Parked while the attempt has read what running attempts wrote, or what is still to be undone.
    """
    attempt = d.state.attempt_of(request.token)
    if attempt is None:
        return lease_ended(request.token)
    refused = _unproven(d, attempt, request)
    if refused:
        return d.refuse(attempt, request, refused)
    writers = unsettled(d, attempt, request.reads)
    if not writers and not half_undone(d, attempt, request.reads):
        _accept(d, attempt, request)
        return None
    lease = attempt.lease
    if writers:
        d.emit(e.SubmitWaits(d.at, lease.task, lease.attempt, lease.token, tuple(writers)))
    d.desk.submitting[lease.token] = request
    while lease.token in d.desk.submitting and (
        circle := cycle(d, lease.task, unsettled(d, attempt, request.reads))
    ):
        _break(d, circle)
    return None


def settle_submissions(d: Decision) -> None:
    """Attempts have ended: accept what waited for them, refuse what they leave without ground."""
    for token, request in tuple(d.desk.submitting.items()):
        attempt = d.state.attempt_of(token)
        if attempt is None:
            continue  # ended by one of these answers
        refused = _unproven(d, attempt, request)
        if refused:
            del d.desk.submitting[token]
            d.effect(Answer(attempt.lease.worker, d.refuse(attempt, request, refused)))
        elif not unsettled(d, attempt, request.reads) and not half_undone(
            d, attempt, request.reads
        ):
            del d.desk.submitting[token]
            _accept(d, attempt, request)


def _accept(d: Decision, attempt: LiveAttempt, request: Submit) -> None:
    lease = attempt.lease
    d.emit(
        e.Succeeded(
            d.at, lease.task, lease.attempt, lease.token,
            request.cut, request.evidence, request.summary, request.reads,
        )
    )  # fmt: skip
    d.desk.parked[lease.worker] = None


def _break(d: Decision, circle: tuple[str, ...]) -> None:
    """Running tasks have read one another's unfinished work: the youngest attempt starts again.

    It starts after the oldest has ended, so the same circle cannot close again.
    """
    by_age = sorted(set(circle), key=lambda task: d.state.records[task].token)
    oldest, youngest = by_age[0], by_age[-1]
    attempt = d.state.live[d.state.records[youngest].token]
    names = " and ".join(sorted(set(circle)))
    d.end_attempt(
        attempt,
        "conflict",
        f"{names} had each read what another of them had not finished: nothing says which comes "
        f"first, so {youngest} starts again after {oldest} (a dependency in the plan would say it)",
        counts=False,
    )
    record = d.state.records[youngest]
    if record.state is TaskState.READY and oldest in d.state.claims.held:
        d.emit(e.Blocked(d.at, youngest, record.attempt, (oldest,)))


def _unproven(d: Decision, attempt: LiveAttempt, request: Submit) -> Refused | None:
    """Say why the evidence does not show that the work is done; None when it does."""
    if attempt.lease.token in d.desk.widening:
        return Refused("state", "the attempt waits for files", "wait for the answer first")
    stale = d.stale(attempt, request.reads)
    if not stale and not request.passed:
        return Refused("state", "its tests do not pass", "make them pass, then submit")
    if not stale and d.state.records[attempt.lease.task].task.test:
        stale = _newer_than_its_tests(d, attempt, request)
    if not stale:
        return None
    return Refused(
        "stale",
        "; ".join(changed(file.path, file.current) for file in stale),
        "look at what has changed, then run the tests again",
        stale,
    )


def _newer_than_its_tests(
    d: Decision, attempt: LiveAttempt, request: Submit
) -> tuple[StaleFile, ...]:
    """Return the files that the tests did not see as they are: own ones, and what was read."""
    current = d.state.files.current
    if not d.rules.validate_reads:
        own = attempt.written.items()
        return tuple(StaleFile(p, n, current(p)) for p, n in own if n > request.cut)
    known = {**attempt.reads, **dict(request.reads), **attempt.written}
    return tuple(
        StaleFile(path, number, current(path))
        for path, number in known.items()
        if current(path).number > request.cut
    )
