"""The invariants notice what they are there to notice; equal states have equal fingerprints."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from orchestrator.core import messages as m
from orchestrator.core.claims import Bounds
from orchestrator.core.invariants import check, fingerprint
from orchestrator.core.machine import Machine
from orchestrator.core.scope import Scope
from orchestrator.core.state import State
from orchestrator.core.states import TaskState
from orchestrator.core.task import Task

if TYPE_CHECKING:
    from tests.core.conftest import Bench

    Make = Callable[..., Bench]

TASKS = (
    Task(id="a", writes=("a.py",)),
    Task(id="b", writes=("a.py",)),
    Task(id="c", depends_on=("a",)),
    Task(id="d", depends_on=("a",)),
    Task(id="held", approval=True),
    Task(id="free", writes=("f.py",)),
)
FILES = {"x.py": "x"}


def running() -> Machine:
    """`a` runs and has read x.py, `b` waits for its file."""
    machine = Machine(TASKS, files=FILES)
    for worker in ("w1", "w2", "w3"):
        machine.handle(0.0, m.Claim(worker))
    machine.handle(0.0, m.Report(1, reads=(("x.py", 1),)))
    machine.handle(0.0, m.GiveUp(2, "gave_up", ""))
    return machine


def miscount(state: State) -> None:
    state.counts[TaskState.READY] += 1


def forget_a_dependency(state: State) -> None:
    state.records["c"].missing = 0


def start_too_early(state: State) -> None:
    state.counts[TaskState.WAITING] -= 1
    state.counts[TaskState.READY] += 1
    state.records["c"].state = TaskState.READY


def lose_a_lease(state: State) -> None:
    del state.live[1]


def grant_twice(state: State) -> None:
    state.live[state.token + 1] = state.live[1]


def let_go_of_files(state: State) -> None:
    state.claims.held.remove("a")


def hold_without_running(state: State) -> None:
    state.claims.held.add("c", Bounds(writes=Scope(["c.py"])))


def hold_the_same_files(state: State) -> None:
    state.claims.held.add("free", Bounds(writes=Scope(["a.py"])))


def drop_from_the_queue(state: State) -> None:
    state.claims.end("b")


def queue_twice(state: State) -> None:
    state.ready.push("b", 0, 0, 0, 0)


def believe_a_read(state: State) -> None:
    state.live[1].reads["x.py"] = 7


def forget_a_read(state: State) -> None:
    del state.live[1].reads["x.py"]


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (miscount, "2 tasks counted as ready, but 1 are"),
        (forget_a_dependency, "c counts 0 missing dependencies, but has 1"),
        (start_too_early, "c is ready with 1 dependencies missing"),
        (lose_a_lease, "a is running with token 1"),
        (grant_twice, "two leases for a"),
        (let_go_of_files, "a runs without holding its files"),
        (hold_without_running, "c is waiting and still holds files"),
        (hold_the_same_files, "a and free hold overlapping files"),
        (drop_from_the_queue, "b is ready and nowhere"),
        (queue_twice, "b is ready and queued and blocked"),
        (believe_a_read, "token 1: stale is {}, should be {'x.py': 7}"),
        (forget_a_read, "x.py is not read by token 1"),
    ],
)
def test_damage_is_noticed(damage: Callable[[State], None], problem: str) -> None:
    machine = running()
    assert check(machine) == []
    damage(machine.state)
    assert problem in check(machine)


def test_a_run_that_cannot_go_on_is_noticed() -> None:
    machine = Machine([Task(id="a"), Task(id="b", depends_on=("a",))])
    state = machine.state
    state.ready.remove("a")
    state.records["a"].state = TaskState.FAILED
    state.counts |= {TaskState.READY: 0, TaskState.FAILED: 1}
    state.open = 1
    assert "1 tasks are open, but nothing can ever move them" in check(machine)


CHANGES: dict[str, m.Request] = {
    "a turn": m.Report(1, turn=1),
    "a read": m.Report(1, reads=(("y.py", 0),)),
    "model tokens": m.Report(1, spent=m.Spent(1)),
    "a write": m.Write(1, "a.py", 0, "new"),
    "more files": m.Widen(1, ("g.py",)),
    "a message": m.Send(1, "all", "info", "text"),
    "a note": m.Note(1, "title", "text"),
    "a success": m.Submit(1),
    "a failure": m.GiveUp(1, "gave_up", ""),
    "a cancellation": m.Cancel("b"),
    "an approval": m.Approve("held"),
    "a change from outside": m.Observe("x.py", "y"),
    "a new task": m.Split(0, (Task(id="new"),)),
    "the end": m.Halt("stop"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_fingerprint_changes_with_whatever_lasts(name: str) -> None:
    machine = running()
    before = fingerprint(machine.state)
    assert fingerprint(running().state) == before
    assert not isinstance(machine.handle(0.0, CHANGES[name]).reply, m.Refused)
    assert fingerprint(machine.state) != before
