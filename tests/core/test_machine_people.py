"""What people ask for, and what agents say to one another."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from orchestrator.core import messages as m
from orchestrator.core.people import MAILBOX
from orchestrator.core.rules import RoleBounds
from orchestrator.core.scope import Scope
from orchestrator.core.task import Task

if TYPE_CHECKING:
    from tests.core.conftest import Bench

    Make = Callable[..., Bench]

ANYTHING = RoleBounds(reads=Scope(["**"]), writes=Scope(["**"]))
ROLES = {"coder": ANYTHING, "tester": ANYTHING}


# --- approval ------------------------------------------------------------------------------


def test_a_task_that_needs_approval_is_held_until_a_person_lets_it_go(bench: Make) -> None:
    run = bench(Task(id="a"), Task(id="b", depends_on=("a",), approval=True))
    assert run.states() == {"a": "ready", "b": "waiting"}
    run.submit(run.start())
    assert run.states()["b"] == "held"
    assert run.ask(m.Approve("b", "Ada")) == m.Done()
    assert run.lease().task == "b"


def test_a_held_task_at_the_start_is_held(bench: Make) -> None:
    run = bench(Task(id="a", approval=True))
    run.ask(m.Claim("w1"))
    assert run.states() == {"a": "held"}
    assert run.answers == {}


def test_a_rejected_task_and_its_dependents_are_skipped(bench: Make) -> None:
    run = bench(Task(id="a", approval=True), Task(id="b", depends_on=("a",)))
    run.ask(m.Claim("w1"))
    assert run.ask(m.Reject("a", "too dear")) == m.Done()
    assert run.states() == {"a": "skipped", "b": "skipped"}
    assert run.machine.state.records["a"].reason == "rejected: too dear"
    assert run.answers["w1"] == [m.Stop("failed")]


def test_approval_is_asked_for_again_after_a_retry(bench: Make) -> None:
    run = bench(Task(id="a", approval=True), Task(id="open", approval=True))
    run.ask(m.Reject("a"))
    run.ask(m.Retry("a"))
    assert run.states()["a"] == "held"


def test_what_is_approved_stays_so_for_the_next_attempt(bench: Make) -> None:
    run = bench(Task(id="a", approval=True))
    run.ask(m.Approve("a"))
    run.ask(m.GiveUp(run.start().token, "gave_up", ""))
    assert run.lease().attempt == 2


def test_a_stopped_run_takes_a_persons_word(bench: Make) -> None:
    run = bench(Task(id="a", approval=True))
    run.ask(m.Halt("evening"))
    assert run.ask(m.Approve("a")) == m.Done()
    run.ask(m.Claim("w1"))
    assert run.answers["w1"] == [m.Stop("interrupted")]
    run.ask(m.Resume())
    assert run.start().task == "a"


# --- cancel --------------------------------------------------------------------------------


def test_cancelling_a_running_task_ends_its_lease_and_undoes_its_writes(bench: Make) -> None:
    run = bench(Task(id="a", writes=("x.py",)), Task(id="b", depends_on=("a",)), Task(id="c"))
    lease = run.start()
    run.write(lease, "x.py")
    assert run.ask(m.Cancel("a", "changed my mind")) == m.Done()
    assert run.states() == {"a": "cancelled", "b": "skipped", "c": "ready"}
    assert m.EndLease("w1", lease.token) in run.effects
    assert run.machine.state.records["a"].reason == "changed my mind"
    assert run.digest("x.py") is None
    assert run.refused(m.Submit(lease.token)).kind == "lease_ended"


def test_cancelling_a_task_that_waits_for_files_wakes_whoever_waits_behind_it(
    bench: Make,
) -> None:
    run = bench(Task(id="a", writes=("x",)), Task(id="b", writes=("x",)), Task(id="c"))
    run.start("w1")
    run.start("w2")
    assert run.machine.state.claims.is_blocked("b")
    run.ask(m.Cancel("b"))
    assert run.states() == {"a": "running", "b": "cancelled", "c": "running"}
    run.submit(run.lease("w1"))
    assert run.states()["b"] == "cancelled"


def test_a_cancelled_task_can_be_retried(bench: Make) -> None:
    run = bench(Task(id="a"), Task(id="b", depends_on=("a",)), Task(id="c"))
    run.ask(m.Cancel("a"))
    run.ask(m.Retry("a"))
    assert run.states() == {"a": "ready", "b": "waiting", "c": "ready"}


@pytest.mark.parametrize("ask", [m.Approve, m.Reject, m.Cancel, m.Retry])
def test_an_unknown_task_is_refused_with_the_nearest_known_one(
    bench: Make, ask: Callable[[str], m.Request]
) -> None:
    run = bench(Task(id="lexer"), Task(id="parser"))
    refused = run.refused(ask("lexr"))
    assert refused.kind == "unknown"
    assert refused.fix == "did you mean lexer?"
    assert "lists the tasks" in run.refused(ask("quite different")).fix


# --- mail ------------------------------------------------------------------------------------


def mail(run: Bench, lease: m.Lease) -> list[str]:
    """Report, and return the texts of the messages that come with the answer."""
    reply = run.ask(m.Report(lease.token))
    assert isinstance(reply, m.Done)
    return [message.text for message in reply.mail]


def talk(run: Bench) -> tuple[m.Lease, m.Lease, m.Lease]:
    return run.start("w1"), run.start("w2"), run.start("w3")


CREW = (
    Task(id="a", role="coder"), Task(id="b", role="coder"), Task(id="c", role="tester"),
)  # fmt: skip


def test_mail_goes_to_a_task_a_role_or_all_and_never_back(bench: Make) -> None:
    run = bench(*CREW, roles=ROLES)
    a, b, c = talk(run)
    for to in ("task:c", "role:coder", "all"):
        assert run.ask(m.Send(a.token, to, "info", to)) == m.Done()
    assert mail(run, a) == []
    assert mail(run, b) == ["role:coder", "all"]
    assert mail(run, c) == ["task:c", "all"]


def test_mail_says_who_sent_it(bench: Make) -> None:
    run = bench(*CREW, roles=ROLES)
    a, b, _ = talk(run)
    run.ask(m.Send(a.token, "task:b", "question", "why?"))
    assert run.ask(m.Report(b.token)) == m.Done(mail=(m.Mail("task:a", "question", "why?"),))


def test_mail_is_delivered_once(bench: Make) -> None:
    run = bench(*CREW, roles=ROLES)
    a, b, _ = talk(run)
    run.ask(m.Send(a.token, "all", "info", "one"))
    assert mail(run, b) == ["one"]
    assert mail(run, b) == []
    run.ask(m.Send(a.token, "all", "info", "two"))
    assert mail(run, b) == ["two"]


def test_mail_waits_for_a_task_that_does_not_run_yet(bench: Make) -> None:
    run = bench(Task(id="a"), Task(id="later", depends_on=("a",)))
    a = run.start()
    run.ask(m.Send(a.token, "task:later", "info", "mind the gap"))
    run.submit(a)
    assert mail(run, run.lease()) == ["mind the gap"]


def test_a_new_attempt_is_told_again_what_the_last_one_was_told(bench: Make) -> None:
    """It is another conversation and knows nothing of it."""
    run = bench(*CREW, roles=ROLES)
    a, b, _ = talk(run)
    run.ask(m.Send(a.token, "task:b", "info", "one"))
    assert mail(run, b) == ["one"]
    run.ask(m.GiveUp(b.token, "gave_up", ""))
    assert mail(run, run.lease("w2")) == ["one"]


@pytest.mark.parametrize("to", ["task:nobody", "role:boss", "a", "", "all:", "everybody"])
def test_mail_to_nobody_is_refused(bench: Make, to: str) -> None:
    run = bench(*CREW, roles=ROLES)
    a, _, _ = talk(run)
    refused = run.refused(m.Send(a.token, to, "info", "text"))
    assert refused.kind == "unknown"
    assert "task:ID, role:NAME or all" in refused.fix


def test_a_mailbox_is_full_some_time(bench: Make) -> None:
    run = bench(*CREW, roles=ROLES)
    a, b, _ = talk(run)
    for n in range(MAILBOX):
        assert run.ask(m.Send(a.token, "all", "info", str(n))) == m.Done()
    refused = run.refused(m.Send(b.token, "all", "info", "one too many"))
    assert refused.kind == "invalid"
    assert refused.fix == "write a note instead"
    assert run.ask(m.Send(b.token, "task:a", "info", "still possible")) == m.Done()


def test_notes_are_kept_in_order_with_their_author(bench: Make) -> None:
    run = bench(*CREW, roles=ROLES)
    a, b, _ = talk(run)
    assert run.ask(m.Note(a.token, "one", "first")) == m.Done()
    assert run.ask(m.Note(b.token, "two", "second")) == m.Done()
    assert run.machine.state.notes == [("a", "one", "first"), ("b", "two", "second")]
