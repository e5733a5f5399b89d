"""Which requests led to the events of a log, and in which order they were decided.

A log holds events, not requests. But all events of one decision bear the same time, and the
first of them tells who asked: an attempt, a worker that claimed, a person, the clock. Claims that
had to wait leave no event; where they belong follows from the order of the grants, because
workers that wait are served first come, first served.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.core.encoding import task_from_json
from orchestrator.core.messages import Approve, Cancel, Reject, Request, Resume, Retry, Split, Tick
from orchestrator.runtime.eventlog import Record

Fact = tuple[str, str, int]
"""Kind, task and attempt of an event."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """One request, told by who asks. Of three, one is given at most.

    Attributes:
        attempt: task and number: the next request of this attempt.
        worker: the claim of this worker; "*": of any.
        request: what the clock or a person asked; it is asked again.
    """

    attempt: tuple[str, int] | None = None
    worker: str = ""
    request: Request | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """One request, when its turn came, and what it led to.

    Attributes:
        seq: number of the first event.
        at: when it was decided, in seconds since the run began.
        ticket: who asked.
        facts: what it led to; nothing for a claim that had to wait.
        stop: why nothing can be decided as recorded from here on; "" if it can.
    """

    seq: int
    at: float
    ticket: Ticket
    facts: tuple[Fact, ...] = ()
    stop: str = ""


@dataclass(slots=True)
class _Step:
    """The events of one decision, and of what had to be undone because of it."""

    records: list[Record]
    bodies: list[dict[str, Any]]
    ticket: Ticket = Ticket()
    stop: str = ""

    @property
    def lead(self) -> Record:
        return self.records[0]


@dataclass(slots=True)
class _Grant:
    """A grant: in which step, and to whom.

    Attributes:
        asked: the step in which its worker came to wait; None: that left no event.
    """

    step: int
    worker: str
    asked: int | None


def turns_of(records: Iterable[Record]) -> list[Turn]:
    """Return what a log tells about the order in which requests were decided."""
    steps = list(_steps(records))
    grants = _Askers(steps).read()
    claims = _place_claims(steps, grants)
    found = []
    for index, step in enumerate(steps):
        seq, at = step.lead.seq, step.lead.at
        found += [Turn(seq, at, Ticket(worker=worker)) for worker in claims.get(index, ())]
        facts = tuple((r.kind, r.task, r.attempt) for r in step.records)
        found.append(Turn(seq, at, step.ticket, facts, step.stop))
    return found


def last_waiting(turns: Sequence[Turn]) -> int:
    """Return after how many turns no worker that begins to wait is granted anything more."""
    granted = (
        index
        for index, turn in enumerate(turns, start=1)
        if turn.ticket.worker or any(kind == "granted" for kind, _, _ in turn.facts)
    )
    return max(granted, default=0)


_UNDOING = ("undone", "remained")
"""What follows from the end of an attempt, in the same step, though a little later."""


def _steps(records: Iterable[Record]) -> Iterator[_Step]:
    step: _Step | None = None
    for record in records:
        last = step.records[-1] if step else None
        alone = record.kind == "outside" or (record.kind == "retried" != (last and last.kind))
        apart = last is None or (last.at != record.at and record.kind not in _UNDOING)
        if step is None or apart or alone:
            if step is not None:
                yield step
            step = _Step([], [])
        step.records.append(record)
        step.bodies.append(json.loads(record.body))
    if step is not None:
        yield step


class _Askers:
    """Finds out, step by step, who asked."""

    def __init__(self, steps: list[_Step]) -> None:
        self._steps = steps
        self._workers: dict[tuple[str, int], str] = {}
        self._parked: dict[str, int] = {}  # worker to the step in which it began to wait
        self._waiting: set[tuple[str, int]] = set()  # attempts whose request was parked

    def read(self) -> list[_Grant]:
        """Give each step its ticket; return the grants, in order."""
        grants = []
        for index, step in enumerate(self._steps):
            self._ask(step)
            for record, body in zip(step.records, step.bodies, strict=True):
                if record.kind == "granted":
                    worker = body["worker"]
                    grants.append(_Grant(index, worker, self._parked.pop(worker, None)))
                self._follow(index, step, record, body)
        return grants

    def _ask(self, step: _Step) -> None:
        lead, body = step.lead, step.bodies[0]
        attempt = (lead.task, lead.attempt)
        kinds = {record.kind for record in step.records}
        cause = str(body.get("cause", ""))
        if lead.kind == "granted":
            parked = body["worker"] in self._parked
            step.ticket = Ticket(request=Tick()) if parked else Ticket(worker=body["worker"])
        elif lead.kind == "blocked":
            step.ticket = Ticket(worker="*")
        elif "resumed" in kinds:
            step.ticket = Ticket(request=Resume())
        elif lead.kind == "added" and not lead.task:
            tasks = tuple(task_from_json(task) for task in body["tasks"])
            step.ticket = Ticket(request=Split(0, tasks))
        elif lead.kind in _ASKED:
            step.ticket = Ticket(request=_ASKED[lead.kind](lead.task, body))
        elif cause in _BY_CLOCK or (lead.kind == "renewed" and attempt in self._waiting):
            step.ticket = Ticket(request=Tick())
        elif cause == "cancelled":
            step.ticket = Ticket(request=Cancel(lead.task, body["reason"]))
        elif cause in _STOPS or lead.kind in _STOPS:
            step.stop = _STOPS[cause if cause in _STOPS else lead.kind]
        elif lead.task:
            step.ticket = Ticket(attempt=attempt)
        else:
            step.stop = f"nothing is known of who asked for what became {lead.kind!r}"

    def _follow(self, index: int, step: _Step, record: Record, body: Mapping[str, Any]) -> None:
        """Keep track of who holds what and who waits."""
        attempt = (record.task, record.attempt)
        if record.kind != "renewed":
            self._waiting.discard(attempt)
        if record.kind == "granted":
            self._workers[attempt] = body["worker"]
        elif record.kind.endswith("_waits"):
            self._waiting.add(attempt)
        elif record.kind == "succeeded" or (
            record is step.lead and record.kind == "ended" and step.ticket == Ticket(attempt)
        ):
            self._parked[self._workers[attempt]] = index
        elif record.kind == "resumed":
            self._parked.clear()  # with its process


def _place_claims(steps: list[_Step], grants: list[_Grant]) -> dict[int, list[str]]:
    """Return, by step, the workers whose claims were decided just before it without an event.

    Whoever is granted something earlier had come earlier. So a claim belongs before its own grant
    and before all that brought a worker to wait that was served later; it is placed as late as
    that allows, when there was nothing to be had for it any more.
    """
    claims = [grant for grant in grants if grant.asked is None]
    for index, step in enumerate(steps):
        if step.ticket == Ticket(worker="*"):
            grant = next((g for g in claims if g.asked is None and g.step > index), None)
            if grant is not None:
                step.ticket, grant.asked = Ticket(worker=grant.worker), index
    latest = len(steps)
    placed: dict[int, list[str]] = {}
    for grant in reversed(grants):
        if grant.asked is not None:
            latest = min(latest, grant.asked)
            continue
        latest = min(latest, grant.step)
        if steps[grant.step].ticket != Ticket(worker=grant.worker):
            placed.setdefault(latest, []).insert(0, grant.worker)
    return placed


_BY_CLOCK = frozenset({"lease_expired", "limit"})

_ASKED: Mapping[str, Callable[[str, Mapping[str, Any]], Request]] = {
    "rested": lambda task, body: Tick(),
    "limit": lambda task, body: Tick(),
    "approved": lambda task, body: Approve(task, body["who"]),
    "cancelled": lambda task, body: Cancel(task, body["why"]),
    "retried": lambda task, body: Retry(task),
    "skipped": lambda task, body: Reject(
        task, body["because"].removeprefix("rejected").removeprefix(": ")
    ),
}

_STOPS: Mapping[str, str] = {
    "outside": "somebody changed a file from outside, which the recording cannot do again",
    "worker_died": "a worker died, which the recording cannot do again",
    "interrupted": "the run was interrupted",
    "finished": "the run was interrupted",
}
