"""What a request costs, counted in calls: not the size of the graph, not the live claims.

Two machines differ only in how much there is beside the task that asks; the number of function
calls that a request makes (Python's and C's) must not tell them apart.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.core import messages as m
from orchestrator.core.claims import PATIENCE
from orchestrator.core.events import Blocked
from orchestrator.core.limits import Limits
from orchestrator.core.machine import Machine
from orchestrator.core.rules import Rules
from orchestrator.core.task import Task

FEW, MANY = 20, 2000
NOISE = 20
"""Calls that caches and networkx may need more or less; looking at all would need `MANY`."""


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
    Task(id="x", writes=("x",), shares=("shared.py",), test="run", priority=9),
    Task(id="after", depends_on=("x",)),
    Task(id="gate", approval=True),
    Task(id="gate2", approval=True),
    Task(id="behind", depends_on=("gate",)),
)


def with_tasks(others: int) -> Machine:
    """The others are ready or wait for one another, and nobody works on them."""
    tasks = [
        Task(id=f"t{n}", depends_on=(f"t{n - 1}",) if n % 10 else (), writes=(f"t/{n}",))
        for n in range(others)
    ]
    machine = Machine([*ASKING, *tasks], files={f"t/{n}/a.py": "a" for n in range(others)})
    machine.handle(0.0, m.Claim("w"))
    return machine


def with_claims(others: int) -> Machine:
    """All the others run, hold files, and have written some and read others."""
    tasks = [Task(id=f"t{n}", writes=(f"t/{n}", f"u/{n}.py")) for n in range(others)]
    machine = Machine([*ASKING, *tasks], Rules(limits=Limits(workers=others + 1)))
    machine.handle(0.0, m.Claim("w"))
    for n in range(others):
        machine.handle(0.0, m.Claim(f"w{n}"))
        token = machine.state.token
        machine.handle(0.0, m.Write(token, f"t/{n}/a.py", 0, "a", reads=(("read.py", 0),)))
    return machine


def with_waiting(others: int) -> Machine:
    """All the others wait for the files of one that runs."""
    tasks = [Task(id=f"t{n}", writes=("big",)) for n in range(others)]
    machine = Machine([*ASKING, Task(id="big", writes=("big",), priority=5), *tasks])
    for worker in ("w", "wb", "idle"):
        machine.handle(0.0, m.Claim(worker))
    machine.handle(0.0, m.Lost("idle", "it has seen that all files are taken"))
    assert machine.state.claims.is_blocked(f"t{others - 1}")
    return machine


X = 1
"""Token of x."""


def number(machine: Machine, path: str) -> int:
    return machine.state.files.current(path).number


REQUESTS: dict[str, Callable[[Machine], m.Request]] = {
    "renew": lambda _: m.Renew(X),
    "report": lambda _: m.Report(X, turn=1, spent=m.Spent(1, 1), reads=(("y.py", 0),)),
    "write": lambda _: m.Write(X, "x/a.py", 0, "new"),
    "write again": lambda machine: m.Write(X, "x/a.py", number(machine, "x/a.py"), "newer"),
    "write shared": lambda _: m.Write(X, "shared.py", 0, "new"),
    "write beyond": lambda _: m.Write(X, "y/a.py", 0, "new"),
    "write stale": lambda _: m.Write(X, "x/a.py", 0, "old"),
    "delete": lambda machine: m.Delete(X, "x/a.py", number(machine, "x/a.py")),
    "widen": lambda _: m.Widen(X, ("more/**",)),
    "note": lambda _: m.Note(X, "title", "text"),
    "send": lambda _: m.Send(X, "task:after", "info", "text"),
    "split": lambda _: m.Split(X, (Task(id="part", writes=("x/part.py",)),)),
    "split from outside": lambda _: m.Split(0, (Task(id="new", depends_on=("gate",)),)),
    "split in a circle": lambda _: m.Split(0, (Task(id="bad", depends_on=("bad",)),)),
    "zombie": lambda _: m.Write(0, "x/a.py", 0, "late"),
    "observe": lambda _: m.Observe("shared.py", "changed"),
    "unproven": lambda _: m.Submit(X, 0),
    "lost": lambda _: m.Lost("w", "died"),
    "undo": lambda machine: m.Undo("x", 1, X, "shared.py", number(machine, "shared.py"), "less"),
    "cancel": lambda _: m.Cancel("x"),
    "retry": lambda _: m.Retry("x"),
    "reject": lambda _: m.Reject("gate2"),
    "cancel with dependents": lambda _: m.Cancel("gate"),
}
"""In this order, each is meaningful after those before it."""


def costs(world: Callable[[int], Machine], others: int) -> dict[str, int]:
    """Return the cost of each request, once all that is compiled or imported once is there."""
    machine, warm = world(others), world(1)
    for request in REQUESTS.values():
        warm.handle(1.0, request(warm))
    return {name: calls(machine, request(machine)) for name, request in REQUESTS.items()}


SCANS = {"lost"}
"""Looks at all live attempts, of which there are as many as workers."""


@pytest.mark.parametrize(
    "world", [with_tasks, pytest.param(with_claims, marks=pytest.mark.slow), with_waiting]
)
def test_a_request_costs_the_same_beside_few_and_beside_many(
    world: Callable[[int], Machine],
) -> None:
    few, many = costs(world, FEW), costs(world, MANY)
    for name in SCANS if world is with_claims else ():
        assert many.pop(name) - few.pop(name) <= 2 * (MANY - FEW)
    dearer = {name: (few[name], n) for name, n in many.items() if n > few[name] + NOISE}
    assert dearer == {}


def counted(machine: Callable[[int], Machine], *requests: m.Request) -> list[list[int]]:
    """Return what the requests cost beside few and beside many."""
    found = []
    for size in (FEW, MANY):
        one, warm = machine(size), machine(FEW)
        for request in requests:
            warm.handle(1.0, request)
        found.append([calls(one, request) for request in requests])
    return found


def test_handing_out_work_does_not_look_at_all_that_is_ready() -> None:
    def machine(others: int) -> Machine:
        return Machine([Task(id=f"t{n}", writes=(f"{n}.py",)) for n in range(others)])

    few, many = counted(
        machine, m.Claim("w1"), m.Submit(1), m.Claim("w2"), m.GiveUp(2, "error", "no")
    )
    assert all(n <= usual + NOISE for usual, n in zip(few, many, strict=True))


def test_the_end_of_a_task_costs_what_it_releases_and_wakes() -> None:
    """Ten dependents and ten tasks that wait for its files, beside few and beside many."""

    def machine(others: int) -> Machine:
        one = Machine(
            [
                Task(id="x", writes=("x.py",), priority=1),
                *(Task(id=f"after{n}", depends_on=("x",), approval=True) for n in range(10)),
                *(Task(id=f"wants{n}", writes=("x.py",)) for n in range(10)),
                *(Task(id=f"t{n}", depends_on=("gate",)) for n in range(others)),
                Task(id="gate", approval=True),
            ]
        )
        one.handle(0.0, m.Claim("w1"))
        one.handle(0.0, m.Claim("w2"))
        assert one.state.claims.blockers("wants9") == ("x",)
        return one

    (few,), (many,) = counted(machine, m.Submit(1))
    assert many <= few + NOISE


def test_a_queue_for_one_file_costs_a_few_steps_a_task() -> None:
    """Were all woken at every end, the steps would grow with the square of the queue."""

    def blocked(tasks: int) -> int:
        machine = Machine([Task(id=f"t{n}", writes=("same.py",)) for n in range(tasks)])
        for worker in range(4):
            machine.handle(0.0, m.Claim(f"w{worker}"))
        found = 0
        for token in range(1, tasks + 1):
            step = machine.handle(0.0, m.Submit(token))
            found += sum(isinstance(event, Blocked) for event in step.events)
        assert machine.state.status == "succeeded"
        return found

    assert blocked(200) <= 200 * (PATIENCE + 1)
