"""Every state of a task × every request: what the table lists happens, the rest is refused.

The time stands still here, so a refusal must leave the whole state equal.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import TYPE_CHECKING, get_args

import pytest

from orchestrator.core import messages as m
from orchestrator.core.events import RequestRefused
from orchestrator.core.invariants import fingerprint
from orchestrator.core.states import TaskState
from orchestrator.core.task import Task

if TYPE_CHECKING:
    from tests.core.conftest import Bench

    Make = Callable[..., Bench]

STATES = tuple(str(state) for state in TaskState)
GATE = Task(id="gate", approval=True)  # held for ever: it keeps the run going
NEVER = 9999


def reach(bench: Make, state: str) -> tuple[Bench, int]:
    """Bring x into a state by real requests; return its token, or one that never was."""
    past = Task(id="past", writes=("old.py",))
    needs = ("gate",) if state in ("waiting", "cancelled") else ()
    x = Task(
        id="x",
        depends_on=("past", *needs),
        writes=("x.py",),
        approval=state in ("held", "skipped"),
        attempts=1 if state == "failed" else 2,
    )
    run = bench(x, GATE, past)
    lease = run.start("w0")
    if state in ("running", "succeeded", "failed"):
        run.ask(m.Claim("wx"))
    run.submit(lease)
    run.ask(m.Lost("w0", "it has done its part"))
    token = NEVER
    if "wx" in run.answers:
        token = run.lease("wx").token
    if state == "succeeded":
        run.submit(run.lease("wx"))
    elif state == "failed":
        run.ask(m.GiveUp(token, "error", "no"))
    elif state == "skipped":
        run.ask(m.Reject("x"))
    elif state == "cancelled":
        run.ask(m.Cancel("x"))
    if state != "running":
        run.ask(m.Lost("wx", "it has done its part"))
    assert run.states()["x"] == state
    return run, token


ASKED: dict[str, Callable[[int], m.Request]] = {
    "renew": m.Renew,
    "report": m.Report,
    "write": lambda token: m.Write(token, "x.py", 0, "new"),
    "delete": lambda token: m.Delete(token, "x.py", 0),
    "submit": m.Submit,
    "give up": lambda token: m.GiveUp(token, "error", "no"),
    "widen": lambda token: m.Widen(token, ("y.py",)),
    "send": lambda token: m.Send(token, "all", "info", "text"),
    "note": lambda token: m.Note(token, "title", "text"),
    "overstep": lambda token: m.Overstep(token, "read_file", "/etc/passwd", "why", "fix"),
    "split": lambda token: m.Split(token, (Task(id="part", writes=("x.py",)),)),
}
"""Requests under a lease."""

ASKED_OF_ALL: dict[str, m.Request] = {
    "approve": m.Approve("x"),
    "reject": m.Reject("x"),
    "retry": m.Retry("x"),
    "cancel": m.Cancel("x"),
    "claim": m.Claim("new"),
    "tick": m.Tick(),
    "lost": m.Lost("wx", "died"),
    "observe": m.Observe("seen.py", "1"),
    "undo": m.Undo("past", 1, 1, "old.py", 0, None),
    "halt": m.Halt("stop"),
    "resume": m.Resume(),
}
"""Requests that need no lease."""

LISTED: dict[tuple[str, str], str] = {
    ("approve", "held"): "ready",
    ("reject", "held"): "skipped",
    ("retry", "failed"): "ready",
    ("retry", "skipped"): "held",  # by way of waiting: nothing is missing but the approval
    ("retry", "cancelled"): "waiting",
    ("cancel", "waiting"): "cancelled",
    ("cancel", "held"): "cancelled",
    ("cancel", "ready"): "cancelled",
    ("cancel", "running"): "cancelled",
    ("submit", "running"): "succeeded",
    ("give up", "running"): "running",  # by way of ready: its worker claims at once
    ("claim", "ready"): "running",
    ("lost", "running"): "ready",
    ("halt", "running"): "ready",
    ("resume", "running"): "ready",
}
"""State after a request that moves x."""

ACCEPTED = {
    *((name, "running") for name in ("renew", "report", "write", "widen", "send", "note", "split")),
    *product(("claim", "tick", "lost", "observe", "undo", "halt", "resume"), STATES),
}
"""Requests that are answered with a yes and leave x where it is."""


def must_be_refused(run: Bench, request: m.Request) -> m.Refused:
    before, recorded = fingerprint(run.machine.state), len(run.events)
    refused = run.refused(request)
    assert refused.why
    assert refused.fix
    assert fingerprint(run.machine.state) == before
    assert all(isinstance(event, RequestRefused) for event in run.events[recorded:])
    assert run.effects == ()
    return refused


@pytest.mark.parametrize(("name", "state"), list(product([*ASKED, *ASKED_OF_ALL], STATES)))
def test_the_product_of_states_and_requests(bench: Make, name: str, state: str) -> None:
    run, token = reach(bench, state)
    request = ASKED[name](token) if name in ASKED else ASKED_OF_ALL[name]
    if (name, state) not in LISTED and (name, state) not in ACCEPTED:
        must_be_refused(run, request)
        return
    assert not isinstance(run.ask(request), m.Refused)
    assert run.states()["x"] == LISTED.get((name, state), state)


def test_the_product_names_every_kind_of_request() -> None:
    asked = [*(make(NEVER) for make in ASKED.values()), *ASKED_OF_ALL.values()]
    assert {type(request) for request in asked} == set(get_args(m.Request))


@pytest.mark.parametrize(
    ("name", "state", "token"), list(product(ASKED, STATES, (1, 0, -1, NEVER)))
)
def test_a_token_that_is_not_live_is_worth_nothing(
    bench: Make, name: str, state: str, token: int
) -> None:
    """1 has ended, the others never were; 0 in a `Split` says that it comes from outside."""
    run, _ = reach(bench, state)
    request = ASKED[name](token)
    if (name, token) == ("split", 0):
        assert run.ask(request) == m.Done()
        return
    assert must_be_refused(run, request).kind == "lease_ended"


@pytest.mark.parametrize("name", ["write", "submit", "give up", "widen", "split"])
def test_a_lease_counts_for_its_own_task_alone(bench: Make, name: str) -> None:
    """Another task's lease moves that task, or is refused; x stays as it is."""
    run = bench(Task(id="x", writes=("x.py",)), Task(id="other", writes=("other.py",)))
    run.start("wx")
    foreign = run.start("wo")
    before = fingerprint(run.machine.state)["records"]["x"]
    reply = run.ask(ASKED[name](foreign.token))
    if name in ("write", "split"):  # x.py is not among the files of `other`
        assert isinstance(reply, m.Refused)
    assert fingerprint(run.machine.state)["records"]["x"] == before
