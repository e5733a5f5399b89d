"""What a request costs, counted in calls: not the size of the graph, not the live claims.

Two machines differ only in how much there is beside the task that asks; the number of function
calls that a request makes (Python's and C's) must not tell them apart. Queues are heaps, so a
factor of a hundred in their length may show as a few steps.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.core import messages as m
from orchestrator.core.limits import Limits
from orchestrator.core.machine import Machine
from orchestrator.core.rules import Rules
from orchestrator.core.task import Task

FEW, MANY = 20, 2000
HEAP = 60
"""Calls more that a heap of `MANY` may need than one of `FEW`."""


def calls(machine: Machine, request: m.Request) -> int:
    """Return how many calls the machine makes to decide a request."""
    count = 0

    def tick(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(tick)
    try:
        machine.handle(1.0, request)
    finally:
        sys.setprofile(before)
    return count


ASKING = (
    Task(id="x", writes=("x/**",), shares=("shared.py",), test="run", priority=9, attempts=1),
    Task(id="after", depends_on=("x",)),
    Task(id="gate", approval=True),
    Task(id="behind", depends_on=("gate",), approval=True),
)


def with_tasks(others: int) -> Machine:
    """`x` runs; the others are ready, in chains of ten, and nobody works on them."""
    tasks = [
        Task(
            id=f"t{n}",
            depends_on=(f"t{n - 1}",) if n % 10 else (),
            writes=(f"t/{n}/**",),
        )
        for n in range(others)
    ]
    machine = Machine([*ASKING, *tasks], files={f"t/{n}/a.py": "a" for n in range(others)})
    machine.handle(0.0, m.Claim("w"))
    return warm(machine)


def with_claims(others: int) -> Machine:
    """`x` runs, and so do all the others, with files that they have written and read."""
    tasks = [Task(id=f"t{n}", writes=(f"t/{n}/**", f"u/{n}.py")) for n in range(others)]
    machine = Machine([*ASKING, *tasks], Rules(limits=Limits(workers=others + 1)))
    machine.handle(0.0, m.Claim("w"))
    for n in range(others):
        machine.handle(0.0, m.Claim(f"w{n}"))
        token = machine.state.token
        machine.handle(0.0, m.Write(token, f"t/{n}/a.py", 0, "a", reads=(("shared.py", 0),)))
    return warm(machine)


def with_waiting(others: int) -> Machine:
    """`x` runs, and the others wait for the files of one that runs beside it."""
    tasks = [Task(id=f"t{n}", writes=("big/**",)) for n in range(others)]
    big = Task(id="big", writes=("big/**",), priority=5)
    machine = Machine([*ASKING, big, *tasks])
    for worker in ("w", "wb", "idle"):
        machine.handle(0.0, m.Claim(worker))
    machine.handle(0.0, m.Lost("idle", "it has seen that all files are taken"))
    assert machine.state.claims.is_blocked(f"t{others - 1}")
    return warm(machine)


def warm(machine: Machine) -> Machine:
    """Do once what is remembered afterwards: compiled globs, imports."""
    token = machine.state.records["x"].token
    for path in ("x/warm.py", "shared.py"):
        machine.handle(0.5, m.Write(token, path, 0, "warm"))
    machine.handle(0.5, m.Report(token, reads=(("x/warm.py", machine.state.files.cut - 1),)))
    machine.handle(0.5, m.Widen(token, ("widened/**",)))
    machine.handle(0.5, m.Split(0, (Task(id="warm", approval=True, writes=("warm/**",)),)))
    return machine


def of_x(ask: Callable[[int], m.Request]) -> Callable[[Machine], m.Request]:
    return lambda machine: ask(machine.state.records["x"].token)


REQUESTS: dict[str, Callable[[Machine], m.Request]] = {
    "renew": of_x(m.Renew),
    "report": of_x(lambda token: m.Report(token, turn=1, spent=m.Spent(1, 1))),
    "write": of_x(lambda token: m.Write(token, "x/a.py", 0, "new")),
    "refused write": of_x(lambda token: m.Write(token, "y/a.py", 0, "new")),
    "stale write": of_x(lambda token: m.Write(token, "x/warm.py", 0, "new")),
    "delete": lambda machine: m.Delete(
        machine.state.records["x"].token,
        "x/warm.py",
        machine.state.files.current("x/warm.py").number,
    ),
    "widen": of_x(lambda token: m.Widen(token, ("more/**",))),
    "note": of_x(lambda token: m.Note(token, "title", "text")),
    "send": of_x(lambda token: m.Send(token, "task:after", "info", "text")),
    "split": of_x(lambda token: m.Split(token, (Task(id="part", writes=("x/part.py",)),))),
    "split from outside": lambda _: m.Split(0, (Task(id="new", depends_on=("gate",)),)),
    "zombie": lambda _: m.Write(0, "x/a.py", 0, "late"),
    "observe": lambda _: m.Observe("x/warm.py", "changed"),
    "cancel running": lambda _: m.Cancel("x"),
    "cancel waiting": lambda _: m.Cancel("behind"),
    "approve": lambda _: m.Approve("gate"),
    "reject": lambda _: m.Reject("gate"),
    "refused retry": lambda _: m.Retry("after"),
    "undo": lambda machine: m.Undo(
        "x", 1, 1, "shared.py", machine.state.files.current("shared.py").number, "less"
    ),
}


@pytest.mark.parametrize("world", [with_tasks, with_claims, with_waiting])
def test_a_request_costs_the_same_beside_few_and_beside_many(
    world: Callable[[int], Machine],
) -> None:
    different = {}
    for name, request in REQUESTS.items():
        few, many = world(FEW), world(MANY)
        costs = calls(few, request(few)), calls(many, request(many))
        if costs[0] != costs[1]:
            different[name] = costs
    assert different == {}
