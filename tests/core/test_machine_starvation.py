"""No ready task starves, whatever comes after it and however the files overlap."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core import messages as m
from orchestrator.core.claims import PATIENCE
from orchestrator.core.events import Blocked, LeaseGranted
from orchestrator.core.limits import Limits
from orchestrator.core.machine import Machine
from orchestrator.core.rules import Rules
from orchestrator.core.task import Task

if TYPE_CHECKING:
    from tests.core.conftest import Bench

    Make = Callable[..., Bench]

WIDE = Task(id="wide", writes=("a", "b", "c"))


def until_wide_starts(run: Bench, make: Callable[[int], Task], most: int) -> int:
    """Let fresh tasks come all the time; return how many started before the wide one.

    At least one of them runs whenever another ends, so the wide task's files are never free
    all at once by luck.
    """
    run.ask(m.Split(0, (make(0), make(1))))
    for worker in ("w0", "w1", "w2"):
        run.ask(m.Claim(worker))
    run.ask(m.Split(0, (WIDE,)))
    for number in range(2, most):
        run.now += 1.0
        run.ask(m.Split(0, (make(number),)))
        run.submit(next(iter(run.machine.state.live.values())).lease)
        started = [event.task for event in run.events if isinstance(event, LeaseGranted)]
        if "wide" in started:
            return started.index("wide")
    raise AssertionError(f"{most} tasks went past the wide one")


def small(number: int) -> Task:
    return Task(id=f"small{number}", writes=("abc"[number % 3],))


def sharer(number: int) -> Task:
    return Task(id=f"sharer{number}", shares=("a",))


def side(number: int) -> Task:
    """Left and right tasks overlap the wide one, but not one another."""
    return Task(id=f"side{number}", writes=(("a", "x"), ("b", "y"))[number % 2])


@pytest.mark.parametrize("make", [small, sharer, side])
def test_a_stream_of_narrow_tasks_passes_a_wide_one_only_so_often(
    bench: Make, make: Callable[[int], Task]
) -> None:
    run = bench(Task(id="open", approval=True))
    before = until_wide_starts(run, make, 60)
    passed = [e for e in run.events if isinstance(e, Blocked) and e.task == "wide"]
    assert len(passed) == PATIENCE
    assert before <= 3 * PATIENCE


def test_a_reservation_keeps_its_files_and_no_others(bench: Make) -> None:
    run = bench(Task(id="open", approval=True), sharer(0))
    run.start("w0")
    run.ask(m.Claim("w1"))
    run.ask(m.Split(0, (WIDE,)))
    for number in range(1, PATIENCE):
        run.ask(m.Split(0, (sharer(number),)))
        run.submit(next(iter(run.machine.state.live.values())).lease)
    assert "wide" in run.machine.state.claims.reserved
    run.ask(m.Split(0, (sharer(9), Task(id="beside", writes=("d",)))))
    states = run.states()
    assert (states["wide"], states["sharer9"], states["beside"]) == ("ready", "ready", "running")
    run.submit(next(iter(run.machine.state.live.values())).lease)
    assert run.states()["wide"] == "running"
    assert run.machine.state.claims.blockers("sharer9") == ("wide",)


files = st.lists(st.sampled_from("abcd"), min_size=1, max_size=3, unique=True).map(tuple)


@given(
    st.lists(st.tuples(files, st.booleans(), st.integers(0, 2)), min_size=1, max_size=30),
    st.lists(st.integers(0, 3), min_size=1),
    st.integers(1, 4),
)
def test_nobody_overtakes_a_reservation(
    stream: list[tuple[tuple[str, ...], bool, int]], order: list[int], workers: int
) -> None:
    """Random tasks come while others run and end in any order; all of them end.

    A task reserves when it has been passed over often enough, and from then on none that
    overlaps it starts before it, but for those that had reserved earlier.
    """
    tasks = [
        Task(
            id=f"t{n}",
            writes=() if shared else globs,
            shares=globs if shared else (),
            priority=priority,
        )
        for n, (globs, shared, priority) in enumerate(stream)
    ]
    machine = Machine([Task(id="open", approval=True)], Rules(limits=Limits(workers=workers)))
    by_id, passed = {task.id: task for task in tasks}, dict.fromkeys((t.id for t in tasks), 0)
    running: dict[str, int] = {}
    reserved: list[str] = []

    def ask(request: m.Request) -> None:
        for event in machine.handle(0.0, request).events:
            if isinstance(event, Blocked):
                passed[event.task] += 1
                if passed[event.task] == PATIENCE:
                    reserved.append(event.task)
            elif isinstance(event, LeaseGranted):
                running[event.task] = event.token
                before = reserved
                if event.task in reserved:
                    before = reserved[: reserved.index(event.task)]
                assert not any(overlap(by_id[event.task], by_id[other]) for other in before)
                reserved[:] = [other for other in reserved if other != event.task]

    for worker in range(workers):
        ask(m.Claim(f"w{worker}"))
    for turn in range(2 * len(tasks)):
        if turn < len(tasks):
            ask(m.Split(0, (tasks[turn],)))
        if running:
            task = list(running)[order[turn % len(order)] % len(running)]
            ask(m.Submit(running.pop(task)))
    while running:
        ask(m.Submit(running.popitem()[1]))
    assert machine.state.open == 1  # all but the task that keeps the run open


def overlap(one: Task, other: Task) -> bool:
    """Whether the two may not run at once; the files here are plain names."""
    return bool(
        set(one.writes) & {*other.writes, *other.shares} or set(one.shares) & set(other.writes)
    )
