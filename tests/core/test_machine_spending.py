"""Limits that are checked before anything is spent: of the run, of roles, of tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from orchestrator.core import messages as m
from orchestrator.core.events import AttemptEnded, BudgetWaits, LimitReached
from orchestrator.core.limits import LONGEST_REST, Budget, Limits
from orchestrator.core.machine import Machine
from orchestrator.core.rules import Rules
from orchestrator.core.task import Task

if TYPE_CHECKING:
    from tests.core.conftest import Bench

    Make = Callable[..., Bench]

A, B = Task(id="a"), Task(id="b")


def turn(run: Bench, lease: m.Lease, number: int, expects: int, spent: int = 0) -> m.Reply | None:
    """Begin a turn."""
    report = m.Report(
        lease.token, "reason", number, m.Spent(spent), expects=m.Spent(expects, usd=expects / 100)
    )
    return run.ask(report)


def status(run: Bench) -> tuple[str, str]:
    return run.machine.state.status, run.machine.state.limit


# --- reserved before it is spent -------------------------------------------------------------


def test_a_turn_that_does_not_fit_is_not_begun(bench: Make) -> None:
    run = bench(A, tokens=100)
    lease = run.start()
    assert turn(run, lease, 1, 60) == m.Done()
    assert turn(run, lease, 2, 60, spent=50) == m.Refused(
        "lease_ended",
        f"the lease with token {lease.token} has ended",
        "stop working on this task and claim again",
    )
    assert run.machine.state.tokens == 50
    assert status(run) == ("limit", "tokens")


def test_what_was_reserved_and_not_spent_is_given_back(bench: Make) -> None:
    run = bench(A, tokens=100)
    lease = run.start()
    for number in range(1, 5):
        assert turn(run, lease, number, 60, spent=10) == m.Done()
    assert run.machine.state.tokens == 40


def test_dollars_are_reserved_too(bench: Make) -> None:
    run = bench(A, usd=1.0)
    lease = run.start()
    assert turn(run, lease, 1, 99) == m.Done()
    assert isinstance(turn(run, lease, 2, 101), m.Refused)
    assert status(run) == ("limit", "usd")


def test_a_turn_waits_while_others_may_give_something_back(bench: Make) -> None:
    run = bench(A, B, tokens=100)
    one, two = run.start("w1"), run.start("w2")
    assert turn(run, one, 1, 60) == m.Done()
    assert turn(run, two, 1, 60) is None
    assert BudgetWaits(0.0, "b", 1, two.token, "tokens") in run.events
    assert run.ask(m.Report(one.token, "write", 1, m.Spent(20))) == m.Done()
    assert run.answers["w2"][-1] == m.Done()
    assert run.machine.state.ledger.run.held_tokens == 60


def test_a_turn_that_waited_in_vain_ends_the_run(bench: Make) -> None:
    run = bench(A, B, tokens=100)
    one, two = run.start("w1"), run.start("w2")
    turn(run, one, 1, 60)
    assert turn(run, two, 1, 60) is None
    run.ask(m.Report(one.token, "write", 1, m.Spent(50)))
    assert run.answers["w2"][-1].kind == "lease_ended"
    assert status(run) == ("limit", "tokens")
    assert run.machine.state.tokens == 50


def test_the_end_of_an_attempt_gives_back_what_it_reserved(bench: Make) -> None:
    run = bench(A, B, tokens=100)
    one, two = run.start("w1"), run.start("w2")
    turn(run, one, 1, 60)
    assert turn(run, two, 1, 60) is None
    run.ask(m.Cancel("a"))
    assert run.answers["w2"][-1] == m.Done()


def test_messages_reach_who_waited_for_the_budget(bench: Make) -> None:
    run = bench(A, B, tokens=100)
    one, two = run.start("w1"), run.start("w2")
    turn(run, one, 1, 60)
    run.ask(m.Send(one.token, "task:b", "note", "hello"))
    turn(run, two, 1, 60)
    run.ask(m.Report(one.token, "write", 1))
    assert run.answers["w2"][-1] == m.Done(mail=(m.Mail("task:a", "note", "hello"),))


# --- of a task -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "report"),
    [
        (Task(id="a", tokens=50), m.Report(1, "reason", 1, expects=m.Spent(51))),
        (Task(id="a", usd=0.5), m.Report(1, "reason", 1, expects=m.Spent(1, usd=0.51))),
        (Task(id="a", usd=0.5), m.Report(1, "reason", 2, m.Spent(1, usd=0.5))),
        (Task(id="a", commands=2), m.Report(1, "test", 1, commands=3)),
    ],
    ids=["tokens", "dollars to come", "dollars gone", "commands"],
)
def test_a_task_that_has_used_its_own_fails_however_many_attempts_it_has(
    bench: Make, task: Task, report: m.Report
) -> None:
    run = bench(task, B)
    run.start()
    assert run.refused(report).kind == "lease_ended"
    assert run.states() == {"a": "failed", "b": "ready"}
    assert run.start("w2").task == "b"


# --- of the run, in other measures -----------------------------------------------------------


def test_commands_of_the_run(bench: Make) -> None:
    run = bench(A, commands=2)
    lease = run.start()
    for _ in range(2):
        assert run.ask(m.Report(lease.token, "test", 1, commands=1)) == m.Done()
    run.refused(m.Report(lease.token, "test", 1, commands=1))
    assert status(run) == ("limit", "commands")


def test_turns_of_the_run(bench: Make) -> None:
    run = bench(A, B, total_turns=3)
    one, two = run.start("w1"), run.start("w2")
    for lease, number in ((one, 1), (two, 1), (one, 2)):
        assert run.ask(m.Report(lease.token, "reason", number)) == m.Done()
    run.ask(m.Report(one.token, "write", 2))  # not a turn of its own
    run.refused(m.Report(two.token, "reason", 2))
    assert status(run) == ("limit", "total_turns")


def test_the_last_attempt_of_the_run_may_finish(bench: Make) -> None:
    run = bench(A, B, total_attempts=1)
    lease = run.start("w1")
    run.ask(m.Claim("w2"))
    assert run.states() == {"a": "running", "b": "ready"}
    run.submit(lease)
    assert run.states() == {"a": "succeeded", "b": "ready"}
    assert status(run) == ("limit", "total_attempts")
    assert run.answers["w2"] == [m.Stop("limit")]


# --- of a role -------------------------------------------------------------------------------

TESTER = [Task(id="a", role="tester"), Task(id="b"), Task(id="c", role="tester")]


@pytest.mark.parametrize(
    ("budget", "reports"),
    [
        (Budget(tokens=50), [m.Report(1, "reason", 2, m.Spent(50))]),
        (Budget(tokens=50), [m.Report(1, "reason", 1, expects=m.Spent(60))]),
        (Budget(usd=0.5), [m.Report(1, "reason", 2, m.Spent(1, usd=0.5))]),
        (Budget(turns=1), [m.Report(1, "reason", 1), m.Report(1, "reason", 2)]),
        (Budget(commands=1), [m.Report(1, commands=1), m.Report(1, commands=1)]),
        (Budget(wall=10.0), [m.Report(1)]),
    ],
    ids=["tokens", "tokens to come", "dollars", "turns", "commands", "wall"],
)
def test_a_role_that_has_used_its_own_leaves_the_others_alone(
    bench: Make, budget: Budget, reports: list[m.Report]
) -> None:
    run = bench(*TESTER, budgets={"tester": budget})
    assert run.start("w1").token == 1
    for report in reports[:-1]:
        assert run.ask(report) == m.Done()
    run.now = 10.0
    run.refused(reports[-1])
    assert run.states() == {"a": "ready", "b": "ready", "c": "ready"}
    lease = run.start("w1")
    assert lease.task == "b"
    run.submit(lease)
    assert status(run)[0] == "limit"
    (reached,) = [event for event in run.events if isinstance(event, LimitReached)]
    assert reached.role == "tester"


def test_attempts_of_a_role(bench: Make) -> None:
    run = bench(*TESTER, budgets={"tester": Budget(attempts=1)})
    first, other = run.start("w1"), run.start("w2")
    assert (first.task, other.task) == ("a", "b")
    run.submit(first)
    run.submit(other)
    assert run.states() == {"a": "succeeded", "b": "succeeded", "c": "ready"}
    assert status(run)[0] == "limit"


def test_with_a_higher_limit_of_the_role_its_tasks_go_on(bench: Make) -> None:
    run = bench(*TESTER, budgets={"tester": Budget(attempts=1)})
    run.submit(run.start())
    run.submit(run.lease())
    roomier = Machine(TESTER, Rules(limits=Limits(roles={"tester": Budget(attempts=2)})))
    roomier.fold(run.events)
    roomier.handle(0.0, m.Resume())
    (answer,) = roomier.handle(0.0, m.Claim("w1")).effects
    assert isinstance(answer, m.Answer)
    assert isinstance(answer.reply, m.Granted)
    assert answer.reply.lease.task == "c"


# --- kinds of failure, and rest --------------------------------------------------------------


def fail(run: Bench, lease: m.Lease, cause: m.Cause) -> None:
    run.ask(m.GiveUp(lease.token, cause, "no"))


def test_a_kind_of_failure_may_have_attempts_of_its_own(bench: Make) -> None:
    run = bench(A, attempts=2, attempts_by={"worker_died": 3})
    for _ in range(2):
        fail(run, run.start(), "worker_died")
    fail(run, run.lease(), "tests_failed")
    assert run.states() == {"a": "running"}
    fail(run, run.lease(), "worker_died")
    assert run.states() == {"a": "failed"}


def test_after_a_failure_of_the_provider_the_task_rests(bench: Make) -> None:
    run = bench(A, B, attempts=9, backoff=2.0, attempts_by={"model_error": 9})
    fail(run, run.start(), "model_error")
    assert run.lease().task == "b"
    assert run.machine.next_deadline() == 2.0
    run.ask(m.Claim("w2"))
    run.now = 2.0
    run.ask(m.Tick())
    again = run.lease("w2")
    assert (again.task, again.attempt) == ("a", 2)
    fail(run, again, "model_error")
    assert run.machine.next_deadline() == 2.0 + 4.0


def test_no_task_rests_for_ever(bench: Make) -> None:
    run = bench(A, attempts=99, backoff=2.0)
    run.start()
    for _ in range(20):
        before = run.now
        fail(run, run.lease(), "model_error")
        due = run.machine.next_deadline()
        assert due is not None
        run.now = due
        run.ask(m.Tick())
    assert run.now - before == LONGEST_REST


def test_other_failures_need_no_rest(bench: Make) -> None:
    run = bench(A)
    fail(run, run.start(), "tests_failed")
    assert run.lease().attempt == 2


def test_a_task_that_rests_can_be_cancelled(bench: Make) -> None:
    run = bench(A, B)
    fail(run, run.start(), "model_error")
    run.ask(m.Cancel("a"))
    assert run.states()["a"] == "cancelled"
    assert run.machine.state.resting == {}


# --- what the next attempt is told -----------------------------------------------------------


def test_the_next_attempt_is_told_what_the_earlier_ones_did(bench: Make) -> None:
    run = bench(Task(id="a", writes=("x.py", "y.py")), attempts=5)
    lease = run.start()
    run.ask(m.Report(lease.token, "reason", 3, evidence="output"))
    run.write(lease, "x.py")
    fail(run, lease, "tests_failed")
    assert run.lease().before == (
        "its tests failed after 3 turns: no\nIt had written x.py, which was undone."
    )
    assert run.lease().evidence == "output"
    fail(run, run.lease(), "gave_up")
    assert run.lease().before == (
        "Attempt 1: its tests failed after 3 turns: no\n"
        "It had written x.py, which was undone.\n"
        "Attempt 2: it gave up: no"
    )
    assert run.lease().evidence == "output"


def test_only_the_newest_attempts_are_told_of_and_long_reasons_are_cut(bench: Make) -> None:
    run = bench(A, attempts=9)
    run.start()
    for _ in range(5):
        run.ask(m.GiveUp(run.lease().token, "gave_up", "x" * 5000 + "end"))
    before = run.lease().before
    assert before.startswith("Attempt 3:")
    assert before.endswith("xend")
    assert len(before) < 3500
    assert len([event for event in run.events if isinstance(event, AttemptEnded)]) == 5


def test_what_an_ended_attempt_had_spent_counts_and_nothing_else_of_it(bench: Make) -> None:
    run = bench(Task(id="a", writes=("x.py",)), tokens=100)
    lease = run.start()
    run.ask(m.Lost("w1", "died"))
    run.refused(m.Report(lease.token, "write", 1, m.Spent(30), (("x.py", 1),)))
    run.refused(m.GiveUp(lease.token, "error", "late", m.Spent(20)))
    run.refused(m.Report(lease.token, "write", 1))
    run.refused(m.Report(99, "write", 1, m.Spent(30)))
    assert run.machine.state.tokens == 50
    assert run.states() == {"a": "ready"}
    run.refused(m.Report(lease.token, "write", 1, m.Spent(50)))
    assert status(run) == ("limit", "tokens")


def test_what_has_been_paid_for_is_carried_out(bench: Make) -> None:
    run = bench(A, tokens=100)
    lease = run.start()
    assert run.ask(m.Report(lease.token, "write", 1, m.Spent(100))) == m.Done()
    run.submit(lease)
    assert run.states() == {"a": "succeeded"}
    assert status(run) == ("succeeded", "")
