"""What changes while a run lives: more files for a task, more tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from orchestrator.core import messages as m
from orchestrator.core.events import WidenWaits
from orchestrator.core.invariants import fingerprint
from orchestrator.core.rules import RoleBounds
from orchestrator.core.scope import Scope
from orchestrator.core.task import Task

if TYPE_CHECKING:
    from tests.core.conftest import Bench

    Make = Callable[..., Bench]

ABC = tuple(Task(id=name, writes=(f"{name}.py",)) for name in "abc")
CODER = {"coder": RoleBounds(reads=Scope(["**"]), writes=Scope(["src"]))}


def three(run: Bench) -> tuple[m.Lease, m.Lease, m.Lease]:
    return run.start("wa"), run.start("wb"), run.start("wc")


def waits(run: Bench, lease: m.Lease, *globs: str) -> None:
    assert run.ask(m.Widen(lease.token, globs)) is None


# --- more files ----------------------------------------------------------------------------


def test_free_files_are_given_at_once_and_held(bench: Make) -> None:
    run = bench(*ABC, Task(id="late", writes=("d.py",)))
    a = run.start("wa")
    assert run.refused(m.Write(a.token, "d.py", 0, "x")).kind == "scope"
    assert run.ask(m.Widen(a.token, ("d.py",))) == m.Done()
    run.write(a, "d.py")
    for worker in ("wb", "wc", "wd"):
        run.ask(m.Claim(worker))
    assert run.states()["late"] == "ready"
    run.submit(a)
    assert run.states()["late"] == "running"


def test_what_is_given_may_be_read_too(bench: Make) -> None:
    run = bench(Task(id="a", writes=("a.py",), reads=("a.py",)))
    a = run.start()
    run.ask(m.Widen(a.token, ("b.py",)))
    assert run.machine.state.live[a.token].bounds.reads.matches("b.py")


def test_the_next_attempt_begins_with_its_own_files_again(bench: Make) -> None:
    run = bench(*ABC)
    a = run.start("wa")
    run.ask(m.Widen(a.token, ("d.py",)))
    run.ask(m.GiveUp(a.token, "gave_up", ""))
    again = run.lease("wa")
    assert run.refused(m.Write(again.token, "d.py", 0, "x")).kind == "scope"


def test_files_that_others_hold_are_waited_for(bench: Make) -> None:
    run = bench(*ABC)
    a, b, _ = three(run)
    waits(run, a, "b.py", "d.py")
    assert isinstance(run.events[-1], WidenWaits)
    assert run.events[-1].by == ("b",)
    assert run.refused(m.Write(a.token, "d.py", 0, "x")).kind == "scope"
    run.submit(b)
    assert run.answers["wa"][-1] == m.Done()
    run.write(a, "b.py")
    run.write(a, "d.py")


def test_sharers_are_waited_for(bench: Make) -> None:
    run = bench(Task(id="a", shares=("s.py",)), Task(id="b", shares=("s.py",)))
    a, b = run.start("wa"), run.start("wb")
    waits(run, a, "s.py")
    run.submit(b)
    assert run.answers["wa"][-1] == m.Done()


def test_whoever_came_first_gets_the_files_first(bench: Make) -> None:
    run = bench(*ABC, Task(id="late", writes=("a.py",)))
    a, b, c = three(run)
    waits(run, c, "a.py")
    waits(run, b, "a.py")
    run.submit(a)
    assert run.answers["wc"][-1] == m.Done()
    assert len(run.answers["wb"]) == 1
    assert run.states()["late"] == "ready"
    run.submit(c)
    assert run.answers["wb"][-1] == m.Done()


def test_an_attempt_that_waits_is_alive(bench: Make) -> None:
    run = bench(*ABC, lease=100.0)
    a, b, _ = three(run)
    waits(run, a, "b.py")
    for _ in range(5):
        run.now += 99.0
        run.ask(m.Renew(b.token))
        run.ask(m.Tick())
    assert run.states() == {"a": "running", "b": "running", "c": "ready"}
    run.submit(b)
    assert run.answers["wa"][-1] == m.Done()


def test_an_attempt_that_waits_cannot_hand_in(bench: Make) -> None:
    run = bench(*ABC)
    a, _, _ = three(run)
    waits(run, a, "b.py")
    assert run.refused(m.Submit(a.token)).kind == "state"


@pytest.mark.parametrize(
    "ending", [m.Cancel("a"), m.Halt("stop"), m.Tick()], ids=["cancel", "halt", "time"]
)
def test_when_its_lease_ends_the_worker_does_not_wait_any_longer(
    bench: Make, ending: m.Request
) -> None:
    run = bench(Task(id="a", writes=("a.py",), seconds=50.0), *ABC[1:])
    a, _, _ = three(run)
    waits(run, a, "b.py")
    run.now += 50.0
    run.ask(ending)
    reply = run.answers["wa"][-1]
    assert isinstance(reply, m.Refused)
    assert reply.kind == "lease_ended"


@pytest.mark.parametrize("globs", [(), ("!a.py",), ("[",)])
def test_nothing_or_nonsense_is_refused(bench: Make, globs: tuple[str, ...]) -> None:
    run = bench(*ABC)
    refused = run.refused(m.Widen(run.start().token, globs))
    assert refused.kind == "invalid"
    assert refused.fix


def test_files_beyond_the_role_are_refused_with_a_witness(bench: Make) -> None:
    run = bench(Task(id="a", role="coder", writes=("src/a.py",)), roles=CODER)
    a = run.start()
    refused = run.refused(m.Widen(a.token, ("src/b.py", "tests/b.py")))
    assert refused.kind == "scope"
    assert "role coder may not write tests/b.py" in refused.why
    assert run.ask(m.Widen(a.token, ("src/b.py",))) == m.Done()


def test_a_wait_that_would_close_a_cycle_is_refused_with_the_cycle(bench: Make) -> None:
    run = bench(*ABC)
    a, b, c = three(run)
    waits(run, a, "b.py")
    waits(run, b, "c.py")
    refused = run.refused(m.Widen(c.token, ("a.py",)))
    assert refused.kind == "cycle"
    assert refused.why.endswith("c waits for a waits for b waits for c")
    assert "give up" in refused.fix
    run.submit(c)
    assert run.answers["wb"][-1] == m.Done()
    run.submit(b)
    assert run.answers["wa"][-1] == m.Done()


def test_a_cycle_of_two_is_refused(bench: Make) -> None:
    run = bench(*ABC)
    a, b, _ = three(run)
    waits(run, a, "b.py")
    refused = run.refused(m.Widen(b.token, ("a.py", "d.py")))
    assert refused.kind == "cycle"
    assert refused.why.endswith("b waits for a waits for b")


def test_when_files_change_hands_whoever_waits_for_them_waits_for_the_new_holder(
    bench: Make,
) -> None:
    """`b` gets the file that `a` waits for too; from then on `b` must not wait for `a`."""
    run = bench(*ABC)
    a, b, c = three(run)
    waits(run, b, "c.py")
    waits(run, a, "c.py")
    run.submit(c)
    assert run.answers["wb"][-1] == m.Done()
    assert len(run.answers["wa"]) == 1
    refused = run.refused(m.Widen(b.token, ("a.py",)))
    assert refused.why.endswith("b waits for a waits for b")


def test_a_task_that_starts_on_wanted_files_is_waited_for_like_any_other(bench: Make) -> None:
    run = bench(*ABC, Task(id="late", writes=("b.py",)))
    a, b, _ = three(run)
    waits(run, a, "b.py", "c.py")
    run.submit(b)
    late = run.lease("wb")
    assert late.task == "late"
    refused = run.refused(m.Widen(late.token, ("a.py",)))
    assert refused.why.endswith("late waits for a waits for late")


def test_where_nothing_is_held_nothing_is_waited_for(bench: Make) -> None:
    run = bench(*ABC, exclusive=False)
    a, _, _ = three(run)
    assert run.ask(m.Widen(a.token, ("b.py",))) == m.Done()


# --- more tasks ------------------------------------------------------------------------------


def part(name: str, *needs: str, writes: tuple[str, ...] = ("a.py",)) -> Task:
    return Task(id=name, depends_on=needs, writes=writes)


def test_dependents_wait_for_the_parts_as_well(bench: Make) -> None:
    run = bench(ABC[0], Task(id="after", depends_on=("a",)), Task(id="last", depends_on=("after",)))
    a = run.start("wa")
    assert run.ask(m.Split(a.token, (part("a/1"), part("a/2", "a/1", "a")))) == m.Done()
    run.submit(a)
    order = []
    for _ in range(4):
        order.append(run.lease("wa").task)
        run.submit(run.lease("wa"))
    assert order == ["a/1", "a/2", "after", "last"]
    assert run.answers["wa"][-1] == m.Stop("succeeded")


def test_a_part_that_fails_skips_the_dependents_of_the_whole(bench: Make) -> None:
    run = bench(ABC[0], Task(id="after", depends_on=("a",)), attempts=1)
    a = run.start()
    run.ask(m.Split(a.token, (part("a/1"),)))
    run.submit(a)
    run.ask(m.GiveUp(run.lease().token, "error", "no"))
    assert run.states() == {"a": "succeeded", "after": "skipped", "a/1": "failed"}


def test_a_dependent_that_is_retried_later_waits_for_the_parts_too(bench: Make) -> None:
    run = bench(
        ABC[0], Task(id="b", attempts=1), Task(id="after", depends_on=("a", "b")),
        Task(id="open", approval=True),
    )  # fmt: skip
    a, b = run.start("wa"), run.start("wb")
    run.ask(m.GiveUp(b.token, "error", "no"))
    assert run.states()["after"] == "skipped"
    run.ask(m.Split(a.token, (part("a/1"),)))
    run.submit(a)
    run.ask(m.Retry("b"))
    for worker in ("wa", "wb"):
        if run.lease(worker).task == "b":
            run.submit(run.lease(worker))
    assert run.states()["after"] == "waiting"


def test_tasks_can_be_added_from_outside(bench: Make) -> None:
    run = bench(ABC[0])
    run.start("wa")
    run.ask(m.Claim("wb"))
    assert run.ask(m.Split(0, (Task(id="new"),))) == m.Done()
    assert run.lease("wb").task == "new"


def test_an_added_task_is_as_old_as_it_is(bench: Make) -> None:
    run = bench(Task(id="gate"), Task(id="old", estimate=10, approval=True))
    gate = run.start()
    run.now = 1000.0
    run.ask(m.Approve("old"))
    run.now = 1005.0
    run.ask(m.Split(0, (Task(id="new", estimate=10),)))
    run.submit(gate)
    assert run.lease().task == "old"


def test_an_added_task_behind_one_that_has_succeeded_starts_at_once(bench: Make) -> None:
    run = bench(ABC[0], ABC[1])
    run.submit(run.start())
    run.ask(m.Claim("w2"))
    assert run.ask(m.Split(0, (part("late", "a"),))) == m.Done()
    assert run.lease("w2").task == "late"


def unchanged(run: Bench, request: m.Split) -> m.Refused:
    """Ask what must be refused; nothing but the life sign of the lease may change."""
    before = fingerprint(run.machine.state)
    refused = run.refused(request)
    assert fingerprint(run.machine.state) == before
    return refused


def test_a_cycle_is_refused_with_its_path_and_nothing_changes(bench: Make) -> None:
    run = bench(ABC[0], Task(id="after", depends_on=("a",)))
    a = run.start()
    for token, tasks, path in (
        (a.token, (part("p", "after"),), {"p", "after"}),
        (a.token, (part("p", "q"), part("q", "p")), {"p", "q"}),
        (0, (part("p", "p"),), {"p"}),
    ):
        refused = unchanged(run, m.Split(token, tasks))
        assert refused.kind == "cycle"
        named = refused.why.partition(": ")[2].split(" -> ")
        assert named[0] == named[-1]
        assert set(named) == path
    assert run.ask(m.Split(a.token, (part("p"),))) == m.Done()


@pytest.mark.parametrize(
    ("tasks", "what"),
    [
        ((), "no tasks were given"),
        ((part("a"),), "task a exists already"),
        ((part("p"), part("p")), "task p is named twice"),
        ((part("p", "nobody"),), "p depends on nobody, which does not exist"),
        ((part("p", "gone"),), "p depends on gone, which is cancelled"),
        ((part("p", writes=("b.py",)),), "p writes b.py, which is not among the files of a"),
        ((part("p", writes=("[",)),), "p: "),
        ((Task(id="p", role="boss"),), "a part keeps that of the whole"),
    ],
)
def test_mistakes_are_refused_and_nothing_changes(
    bench: Make, tasks: tuple[Task, ...], what: str
) -> None:
    run = bench(ABC[0], Task(id="gone"))
    a = run.start()
    run.ask(m.Cancel("gone"))
    refused = unchanged(run, m.Split(a.token, tasks))
    assert refused.kind == "invalid"
    assert what in refused.why


def test_all_mistakes_are_named_at_once(bench: Make) -> None:
    run = bench(ABC[0])
    run.start()
    refused = unchanged(run, m.Split(0, (part("a"), part("p", "nobody", "no one"))))
    assert refused.why.count(";") == 2


def test_added_tasks_stay_inside_their_roles(bench: Make) -> None:
    run = bench(Task(id="a", role="coder", writes=("src",)), roles=CODER)
    run.start()
    beyond = Task(id="p", role="coder", writes=("tests/x.py",))
    assert "p writes tests/x.py" in unchanged(run, m.Split(0, (beyond,))).why
    unknown = Task(id="p", role="cooder")
    assert "unknown role 'cooder' (known: coder)" in unchanged(run, m.Split(0, (unknown,))).why


def test_added_tasks_survive_a_crash(bench: Make) -> None:
    run = bench(ABC[0], Task(id="after", depends_on=("a",)))
    a = run.start()
    run.ask(m.Split(a.token, (part("a/1"),)))
    run.submit(a)
    run.crash()
    run.ask(m.Resume())
    run.submit(run.start())
    assert run.lease("w1").task == "after"
