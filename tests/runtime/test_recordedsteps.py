"""The order of requests, read from events."""

from __future__ import annotations

import json
from typing import Any

from orchestrator.core.messages import Approve, Cancel, Reject, Resume, Retry, Tick
from orchestrator.runtime.eventlog import Record
from orchestrator.runtime.recordedsteps import Ticket, Turn, last_waiting, turns_of

Line = tuple[float, str, str, dict[str, Any]]


def log_of(*lines: Line) -> list[Turn]:
    """Return what a log tells; each line is time, kind, task and body."""
    return turns_of(
        Record(seq, at, kind, task, 1 if task else 0, json.dumps(body))
        for seq, (at, kind, task, body) in enumerate(lines, 1)
    )


def granted(at: float, task: str, worker: str) -> Line:
    return at, "granted", task, {"token": 1, "worker": worker}


def report(at: float, task: str) -> Line:
    return at, "reported", task, {"token": 1, "phase": "reason", "turn": 1}


def done(at: float, task: str) -> Line:
    return at, "succeeded", task, {"token": 1}


def ended(at: float, task: str, cause: str, **more: Any) -> Line:
    return at, "ended", task, {"cause": cause, "reason": "why", **more}


def tickets(turns: list[Turn]) -> list[Ticket]:
    return [turn.ticket for turn in turns]


def claim(worker: str) -> Ticket:
    return Ticket(worker=worker)


def of(task: str) -> Ticket:
    return Ticket(attempt=(task, 1))


def test_events_of_one_time_are_one_decision() -> None:
    found = log_of(granted(1, "a", "w1"), report(2, "a"), done(3, "a"), granted(3, "b", "w1"))
    assert tickets(found) == [claim("w1"), of("a"), of("a")]
    assert found[-1].facts == (("succeeded", "a", 1), ("granted", "b", 1))
    assert [turn.seq for turn in found] == [1, 2, 3]
    assert last_waiting(found) == 3


def test_a_silent_claim_stands_before_what_served_it() -> None:
    """w2 and w3 wait until a is done; whoever is granted something first came first."""
    found = log_of(
        granted(1, "a", "w1"), done(2, "a"), granted(2, "b", "w3"), granted(2, "c", "w2"),
        granted(2, "d", "w1"),
    )  # fmt: skip
    assert tickets(found) == [claim("w1"), claim("w3"), claim("w2"), of("a")]


def test_a_silent_claim_stands_before_others_came_to_wait_that_were_served_later() -> None:
    found = log_of(
        granted(1, "a", "w1"), granted(2, "b", "w2"), done(3, "b"),  # w2 waits from now on
        done(4, "a"), granted(4, "c", "w3"), granted(4, "d", "w2"),
    )  # fmt: skip
    assert tickets(found) == [claim("w1"), claim("w2"), claim("w3"), of("b"), of("a")]


def test_a_task_found_blocked_tells_of_the_claim_of_who_is_served_next() -> None:
    found = log_of(
        granted(1, "a", "w1"), (2, "blocked", "b", {"by": ["a"]}), done(3, "a"),
        granted(3, "b", "w2"),
    )  # fmt: skip
    assert tickets(found) == [claim("w1"), claim("w2"), of("a")]


def test_a_worker_whose_lease_was_ended_claims_again() -> None:
    found = log_of(
        granted(1, "a", "w1"), ended(2, "a", "lease_expired"), granted(3, "a", "w1"),
    )  # fmt: skip
    assert tickets(found) == [claim("w1"), Ticket(request=Tick()), claim("w1")]


def test_what_people_and_the_clock_did_is_asked_again() -> None:
    found = log_of(
        (1, "approved", "a", {"who": "me"}), (2, "skipped", "b", {"because": "rejected: no"}),
        (3, "cancelled", "c", {"why": "late"}), (4, "retried", "c", {}),
        ended(5, "a", "cancelled"), (6, "limit", "", {"limit": "wall", "value": 6.0}),
        (7, "rested", "d", {}), ended(8, "e", "interrupted"), (8, "resumed", "", {}),
    )  # fmt: skip
    assert [ticket.request for ticket in tickets(found)] == [
        Approve("a", "me"), Reject("b", "no"), Cancel("c", "late"), Retry("c"),
        Cancel("a", "why"), Tick(), Tick(), Resume(),
    ]  # fmt: skip


def test_a_sign_of_life_of_one_that_waits_is_the_clocks() -> None:
    renewed: Line = (3, "renewed", "a", {"token": 1})
    waits: Line = (2, "widen_waits", "a", {"token": 1, "globs": ["x"], "by": ["b"]})
    assert tickets(log_of(granted(1, "a", "w1"), waits, renewed))[-1] == Ticket(request=Tick())
    assert tickets(log_of(granted(1, "a", "w1"), renewed))[-1] == of("a")


def test_what_is_undone_belongs_to_what_ended() -> None:
    found = log_of(
        granted(1, "a", "w1"), ended(3, "a", "gave_up", mixed=["x"]),
        (3.001, "undone", "a", {"path": "x", "number": 4, "digest": None, "token": 1}),
        (4, "retried", "a", {}),
    )  # fmt: skip
    assert tickets(found) == [claim("w1"), of("a"), Ticket(request=Retry("a"))]
    assert [fact[0] for fact in found[1].facts] == ["ended", "undone"]


def test_what_cannot_be_done_again_stops_the_order() -> None:
    for line, words in (
        ((2, "outside", "", {"path": "x", "number": 2, "digest": None}), "from outside"),
        (ended(2, "a", "worker_died"), "a worker died"),
        (ended(2, "a", "interrupted"), "the run was interrupted"),
    ):
        found = log_of(granted(1, "a", "w1"), line)
        assert found[0].stop == ""
        assert words in found[1].stop
