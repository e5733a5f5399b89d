"""Limits: silence, time, turns, model tokens, dollars."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from orchestrator.core import messages as m
from orchestrator.core.events import AttemptEnded, LimitReached
from orchestrator.core.limits import Limits
from orchestrator.core.machine import Machine
from orchestrator.core.rules import Rules
from orchestrator.core.task import Task

if TYPE_CHECKING:
    from tests.core.conftest import Bench

    Make = Callable[..., Bench]


def ended(run: Bench) -> list[tuple[str, str]]:
    """Return task and cause of each attempt that has ended without success."""
    return [(event.task, event.cause) for event in run.events if isinstance(event, AttemptEnded)]


def ring(run: Bench) -> None:
    """Sleep until the machine wants to be woken."""
    due = run.machine.next_deadline()
    assert due is not None
    run.now = due
    run.ask(m.Tick())


# --- silence ---------------------------------------------------------------------------------


def test_a_silent_worker_loses_its_lease(bench: Make) -> None:
    run = bench(Task(id="a"), lease=100.0)
    run.start()
    run.now = 99.9
    run.ask(m.Tick())
    assert ended(run) == []
    ring(run)
    assert run.now == 100.0
    assert ended(run) == [("a", "lease_expired")]
    assert run.states() == {"a": "ready"}


@pytest.mark.parametrize(
    "sign",
    [
        lambda token: m.Renew(token),
        lambda token: m.Report(token),
        lambda token: m.Write(token, "x.py", 0, "x"),
        lambda token: m.Send(token, "all", "info", "hello"),
        lambda token: m.Note(token, "t", "hello"),
        lambda token: m.Widen(token, ("y.py",)),
        lambda token: m.Write(token, "beyond.py", 0, "refused"),
        lambda token: m.Widen(token, ()),
        lambda token: m.Submit(token, passed=False),
        lambda token: m.Split(token, ()),
    ],
    ids=[
        "renew", "report", "write", "send", "note", "widen", "refused write", "refused widen",
        "refused submit", "refused split",
    ],
)  # fmt: skip
def test_whatever_a_worker_asks_shows_that_it_lives(
    bench: Make, sign: Callable[[int], m.Request]
) -> None:
    run = bench(Task(id="a", writes=("x.py",), test="run"), lease=100.0)
    lease = run.start()
    run.now = 60.0
    run.ask(sign(lease.token))
    assert run.machine.next_deadline() == 160.0
    run.now = 159.0
    run.ask(m.Tick())
    assert ended(run) == []
    ring(run)
    assert ended(run) == [("a", "lease_expired")]


def test_only_the_silent_one_loses_its_lease(bench: Make) -> None:
    run = bench(Task(id="a"), Task(id="b"), lease=100.0)
    run.start("w1")
    busy = run.start("w2")
    run.now = 50.0
    run.ask(m.Renew(busy.token))
    ring(run)
    assert ended(run) == [("a", "lease_expired")]
    assert run.machine.next_deadline() == 150.0


def test_there_is_nothing_to_wake_for_when_nobody_works(bench: Make) -> None:
    run = bench(Task(id="a"), lease=100.0)
    assert run.machine.next_deadline() is None
    lease = run.start()
    run.submit(lease)
    assert run.machine.next_deadline() is None


# --- limits of an attempt --------------------------------------------------------------------


def test_an_attempt_has_its_own_time_however_lively_it_is(bench: Make) -> None:
    run = bench(Task(id="a", seconds=150.0), lease=100.0)
    lease = run.start()
    run.now = 90.0
    run.ask(m.Renew(lease.token))
    ring(run)
    assert run.now == 150.0
    assert ended(run) == [("a", "limit")]
    assert run.start().before == "a limit ended it: the attempt's time was up"
    assert run.machine.next_deadline() == 250.0


@pytest.mark.parametrize(("own", "allowed"), [(None, 3), (2, 2), (5, 5)])
def test_turns_are_counted_per_attempt(bench: Make, own: int | None, allowed: int) -> None:
    run = bench(Task(id="a", turns=own), turns=3)
    for _ in range(2):
        lease = run.start()
        for turn in range(1, allowed + 1):
            assert run.ask(m.Report(lease.token, turn=turn)) == m.Done()
        assert run.refused(m.Report(lease.token, turn=allowed + 1)).kind == "lease_ended"
    assert ended(run) == [("a", "limit"), ("a", "limit")]
    assert run.machine.state.records["a"].reason == f"{allowed} turns were not enough"


def test_a_report_without_a_turn_does_not_turn_the_count_back(bench: Make) -> None:
    run = bench(Task(id="a"))
    lease = run.start()
    run.ask(m.Report(lease.token, "reason", turn=7))
    run.ask(m.Report(lease.token, "test"))
    attempt = run.machine.state.live[lease.token]
    assert (attempt.phase, attempt.turn) == ("test", 7)


def test_model_tokens_are_counted_over_all_attempts(bench: Make) -> None:
    run = bench(Task(id="a", tokens=100), Task(id="free"))
    lease = run.start()
    assert run.ask(m.Report(lease.token, spent=m.Spent(30, 20, 5, 4))) == m.Done()
    run.ask(m.GiveUp(lease.token, "gave_up", "", m.Spent(40)))
    again = run.lease()
    assert run.machine.state.ledger.task("a").tokens == 99
    assert run.refused(m.Report(again.token, spent=m.Spent(1))).kind == "lease_ended"
    assert ended(run)[-1] == ("a", "limit")


# --- limits of the run -----------------------------------------------------------------------


def spend(run: Bench, lease: m.Lease, spent: m.Spent) -> m.Reply | None:
    return run.ask(m.Report(lease.token, spent=spent))


def test_when_a_limit_is_reached_everything_ends_and_can_be_resumed(bench: Make) -> None:
    run = bench(Task(id="a"), Task(id="b"), Task(id="c"), tokens=100, attempts=1)
    a, b = run.start("w1"), run.start("w2")
    assert spend(run, a, m.Spent(60, 39)) == m.Done()
    assert isinstance(spend(run, b, m.Spent(1)), m.Refused)
    assert run.states() == {"a": "ready", "b": "ready", "c": "ready"}
    assert ended(run) == [("a", "limit"), ("b", "limit")]
    assert run.refused(m.Submit(a.token)).kind == "lease_ended"
    run.ask(m.Claim("w1"))
    assert run.answers["w1"][-1] == m.Stop("limit")
    assert [e.limit for e in run.events if isinstance(e, LimitReached)] == ["tokens"]


def test_a_limit_that_is_still_reached_ends_a_resumed_run_at_once(bench: Make) -> None:
    run = bench(Task(id="a"), tokens=100)
    spend(run, run.start(), m.Spent(100))
    run.ask(m.Resume())
    run.ask(m.Claim("w1"))
    assert run.answers["w1"][-1] == m.Stop("limit")


def test_with_a_higher_limit_the_run_goes_on(bench: Make) -> None:
    task = Task(id="a")
    run = bench(task, tokens=100)
    spend(run, run.start(), m.Spent(100))
    roomier = Machine([task], Rules(limits=Limits(tokens=200)))
    roomier.fold(run.events)
    roomier.handle(0.0, m.Resume())
    effects = roomier.handle(0.0, m.Claim("w1")).effects
    assert effects == (
        m.Answer(
            "w1",
            m.Granted(
                m.Lease("a", 2, 2, "w1", 1, "a limit ended it: the run reached its limit of tokens")
            ),
        ),
    )


def test_dollars(bench: Make) -> None:
    run = bench(Task(id="a"), usd=1.0)
    lease = run.start()
    assert spend(run, lease, m.Spent(usd=0.75)) == m.Done()
    assert isinstance(spend(run, lease, m.Spent(usd=0.25)), m.Refused)
    assert run.machine.state.limit == "usd"


def test_what_is_known_to_be_spent_counts_though_a_price_is_unknown(bench: Make) -> None:
    run = bench(Task(id="a"), usd=1.0)
    lease = run.start()
    assert spend(run, lease, m.Spent(10, usd=None)) == m.Done()
    assert run.machine.state.usd is None
    assert spend(run, lease, m.Spent(usd=0.75)) == m.Done()
    assert run.machine.state.usd is None
    assert isinstance(spend(run, lease, m.Spent(usd=0.25)), m.Refused)
    assert run.machine.state.limit == "usd"


def test_what_is_spent_while_giving_up_counts(bench: Make) -> None:
    run = bench(Task(id="a"), Task(id="b"), tokens=100)
    lease = run.start()
    run.ask(m.GiveUp(lease.token, "model_error", "", m.Spent(100)))
    assert run.answers["w1"][-1] == m.Stop("limit")


def test_wall_time_ends_the_run(bench: Make) -> None:
    run = bench(Task(id="a"), wall=300.0, lease=100.0)
    lease = run.start()
    for _ in range(3):
        run.now += 90.0
        run.ask(m.Renew(lease.token))
    assert run.machine.next_deadline() == 300.0
    ring(run)
    assert run.machine.state.status == "limit"
    assert run.machine.next_deadline() is None


def test_wall_time_wakes_a_run_that_waits_for_a_person(bench: Make) -> None:
    run = bench(Task(id="a", approval=True), wall=300.0)
    run.ask(m.Claim("w1"))
    ring(run)
    assert run.answers["w1"] == [m.Stop("limit")]


def test_a_run_that_has_ended_reaches_no_limit(bench: Make) -> None:
    run = bench(Task(id="a"), wall=300.0)
    run.submit(run.start())
    run.now = 400.0
    run.ask(m.Tick())
    assert run.machine.state.status == "succeeded"
    assert run.machine.state.limit == ""


def test_a_limit_reached_by_the_last_task_does_not_make_it_undone(bench: Make) -> None:
    run = bench(Task(id="a"), tokens=10)
    lease = run.start()
    spend(run, lease, m.Spent(9))
    run.submit(lease)
    assert run.machine.state.status == "succeeded"
