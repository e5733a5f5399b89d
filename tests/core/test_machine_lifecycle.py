"""The life of tasks: claimed, done, failed, tried again, skipped; and the end of the run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from orchestrator.core import messages as m
from orchestrator.core.events import LeaseGranted
from orchestrator.core.task import OnFailure, Task

if TYPE_CHECKING:
    from tests.core.conftest import Bench

    Make = Callable[..., Bench]


def chain(*names: str) -> list[Task]:
    """Tasks that wait for one another, in this order."""
    return [Task(id=name, depends_on=names[n - 1 : n] if n else ()) for n, name in enumerate(names)]


def lose(bench: Bench, lease: m.Lease) -> None:
    """End an attempt without success."""
    assert bench.ask(m.GiveUp(lease.token, "gave_up", "no idea")) is None


def started(bench: Bench) -> list[str]:
    """Return tasks in the order of their starts."""
    return [event.task for event in bench.events if isinstance(event, LeaseGranted)]


# --- claiming ------------------------------------------------------------------------------


def test_a_lease_says_who_does_what_for_which_time(bench: Make) -> None:
    run = bench(Task(id="a"), files={"x.py": "x"})
    assert run.start("w7") == m.Lease("a", 1, 1, "w7", cut=1)
    assert run.states() == {"a": "running"}


def test_two_workers_never_get_the_same_task(bench: Make) -> None:
    run = bench(Task(id="a"))
    run.start("w1")
    assert run.ask(m.Claim("w2")) is None
    assert "w2" not in run.answers


def test_claiming_twice_is_claiming_once(bench: Make) -> None:
    run = bench(*chain("a", "b"))
    first = run.start("w1")
    for _ in range(3):
        run.ask(m.Claim("w2"))
    run.submit(first)
    assert [type(reply) for reply in run.answers["w2"]] == [m.Granted]


def test_parked_workers_are_served_in_the_order_in_which_they_came(bench: Make) -> None:
    run = bench(Task(id="gate"), *(Task(id=n, depends_on=("gate",)) for n in "abc"))
    gate = run.start("w1")
    run.ask(m.Claim("w3"))
    run.ask(m.Claim("w2"))
    run.submit(gate)
    assert [run.lease(w).task for w in ("w3", "w2", "w1")] == ["a", "b", "c"]


def test_an_accepted_submission_is_the_next_claim_as_well(bench: Make) -> None:
    run = bench(*chain("a", "b"))
    run.submit(run.start())
    assert run.lease().task == "b"


def test_tokens_rise_over_tasks_attempts_and_crashes(bench: Make) -> None:
    run = bench(Task(id="a"), Task(id="b"))
    tokens = [run.start("w1").token, run.start("w2").token]
    lose(run, run.lease("w1"))
    tokens.append(run.lease("w1").token)
    run.crash()
    run.ask(m.Resume())
    tokens += [run.start("w1").token, run.start("w2").token]
    assert tokens == sorted(set(tokens))


# --- the order of starts -----------------------------------------------------------------


def test_the_longest_remaining_path_starts_first(bench: Make) -> None:
    run = bench(
        Task(id="alone", estimate=50),
        Task(id="head", estimate=10),
        Task(id="tail", estimate=45, depends_on=("head",)),
    )
    run.submit(run.start())
    run.submit(run.lease())
    run.submit(run.lease())
    assert started(run) == ["head", "alone", "tail"]


def test_ties_start_in_plan_order(bench: Make) -> None:
    run = bench(*(Task(id=name) for name in ("z", "b", "a")))
    for worker in ("w1", "w2", "w3"):
        run.start(worker)
    assert started(run) == ["z", "b", "a"]


def test_priority_goes_before_rank(bench: Make) -> None:
    run = bench(Task(id="long", estimate=1000), Task(id="wanted", priority=1))
    assert run.start().task == "wanted"


def test_a_task_that_has_waited_longer_goes_first(bench: Make) -> None:
    """`old` is shorter than `young`, by less than the time that it has been ready longer."""
    run = bench(
        Task(id="gate", estimate=1, priority=1),
        Task(id="old", estimate=10),
        Task(id="young", estimate=100, depends_on=("gate",)),
    )
    gate = run.start()
    run.now = 95.0
    run.submit(gate)
    assert started(run) == ["gate", "old"]


def test_waiting_for_files_does_not_make_a_task_younger(bench: Make) -> None:
    run = bench(
        Task(id="holder", writes=("x",), priority=1),
        Task(id="old", writes=("x",), estimate=10),
        Task(id="young", approval=True, estimate=100),
    )
    holder = run.start("w1")
    run.ask(m.Claim("w2"))
    run.ask(m.Lost("w2", "it has seen that the files of `old` are taken"))
    assert run.machine.state.claims.blockers("old") == ("holder",)
    run.now = 95.0
    run.ask(m.Approve("young"))
    run.now = 200.0
    run.submit(holder)
    assert run.lease("w1").task == "old"


# --- failing -------------------------------------------------------------------------------


def test_a_failed_attempt_is_followed_by_another_that_knows_why(bench: Make) -> None:
    run = bench(Task(id="a"))
    lose(run, run.start())
    assert run.lease().attempt == 2
    assert run.lease().before == "it gave up: no idea"


def test_no_attempts_left_is_failed(bench: Make) -> None:
    run = bench(Task(id="a"), Task(id="b", attempts=1), attempts=2)
    lose(run, run.start("w1"))
    lose(run, run.lease("w1"))
    assert run.states() == {"a": "failed", "b": "running"}
    lose(run, run.lease("w1"))
    assert run.states() == {"a": "failed", "b": "failed"}
    assert run.answers["w1"][-1] == m.Stop("failed")


def test_what_failed_is_skipped_for_all_that_needs_it(bench: Make) -> None:
    run = bench(*chain("a", "b", "c"), Task(id="free"), attempts=1)
    lose(run, run.start())
    assert run.states() == {"a": "failed", "b": "skipped", "c": "skipped", "free": "running"}
    reasons = {name: r.reason for name, r in run.machine.state.records.items()}
    assert reasons["b"] == "a failed"
    assert reasons["c"] == "b skipped"


def test_on_failure_continue_lets_the_dependents_go(bench: Make) -> None:
    run = bench(Task(id="a", on_failure="continue"), Task(id="b", depends_on=("a",)), attempts=1)
    lose(run, run.start())
    assert run.lease().task == "b"
    run.submit(run.lease())
    assert run.answers["w1"][-1] == m.Stop("failed")


def test_on_failure_continue_skips_nobody_who_still_waits_for_others(bench: Make) -> None:
    run = bench(
        Task(id="a", on_failure="continue"),
        Task(id="x"),
        Task(id="both", depends_on=("a", "x")),
        attempts=1,
    )
    lose(run, run.start())
    assert run.states() == {"a": "failed", "x": "running", "both": "waiting"}
    run.submit(run.lease())
    assert run.lease().task == "both"


@pytest.mark.parametrize("on_failure", ["skip", "continue"])
def test_a_cancelled_task_never_releases_its_dependents(bench: Make, on_failure: OnFailure) -> None:
    run = bench(Task(id="a", on_failure=on_failure), Task(id="b", depends_on=("a",)))
    run.start()
    run.ask(m.Cancel("a", "not wanted"))
    assert run.states() == {"a": "cancelled", "b": "skipped"}


def test_a_skipped_task_never_releases_its_dependents(bench: Make) -> None:
    first, second, third = chain("a", "b", "c")
    second = Task(id="b", depends_on=("a",), on_failure="continue")
    run = bench(first, second, third, attempts=1)
    lose(run, run.start())
    assert run.states() == {"a": "failed", "b": "skipped", "c": "skipped"}


def test_a_dependency_that_is_named_twice_counts_once(bench: Make) -> None:
    run = bench(Task(id="a"), Task(id="b", depends_on=("a", "a")))
    run.submit(run.start())
    assert run.lease().task == "b"


# --- trying again ----------------------------------------------------------------------------


def test_retry_brings_back_what_was_skipped_for_it(bench: Make) -> None:
    run = bench(
        Task(id="a"), Task(id="x"), Task(id="b", depends_on=("a",)),
        Task(id="both", depends_on=("b", "x")), Task(id="end", depends_on=("both",)), attempts=1,
    )  # fmt: skip
    lose(run, run.start())
    lose(run, run.lease())
    assert set(run.states().values()) == {"failed", "skipped"}
    assert run.ask(m.Retry("a")) == m.Done()
    assert run.states() == {
        "a": "ready", "x": "failed", "b": "waiting", "both": "skipped", "end": "skipped",
    }  # fmt: skip
    assert run.ask(m.Retry("x")) == m.Done()
    assert run.states()["both"] == run.states()["end"] == "waiting"


def test_retry_of_a_task_whose_dependency_failed_says_what_to_retry(bench: Make) -> None:
    run = bench(*chain("a", "b"), Task(id="open", approval=True), attempts=1)
    lose(run, run.start())
    refused = run.refused(m.Retry("b"))
    assert refused.kind == "state"
    assert "a did not succeed" in refused.why
    assert "retry a first" in refused.fix


def test_a_retried_task_has_all_its_attempts_again(bench: Make) -> None:
    run = bench(Task(id="a"), Task(id="open", approval=True), attempts=2)
    lose(run, run.start())
    lose(run, run.lease())
    run.ask(m.Retry("a"))
    lose(run, run.lease())
    assert run.states()["a"] == "running"
    assert run.lease().attempt == 4


def test_a_task_that_was_skipped_once_starts_without_a_history(bench: Make) -> None:
    run = bench(*chain("a", "b"), Task(id="open", approval=True), attempts=1)
    lose(run, run.start())
    run.ask(m.Retry("a"))
    run.submit(run.lease())
    assert run.lease() == m.Lease("b", 1, 3, "w1", cut=1, before="")


def test_whoever_comes_to_depend_on_a_task_that_is_retried_does_not_wait_for_ever(
    bench: Make,
) -> None:
    run = bench(Task(id="a", on_failure="continue"), Task(id="open", approval=True), attempts=1)
    lose(run, run.start())
    run.ask(m.Retry("a"))
    again = run.lease()
    assert run.ask(m.Split(0, (Task(id="late", depends_on=("a",)),))) == m.Done()
    run.submit(again)
    assert run.lease().task == "late"


def test_a_retried_run_goes_on_after_resume(bench: Make) -> None:
    run = bench(*chain("a", "b"), attempts=1)
    lose(run, run.start())
    assert run.answers["w1"][-1] == m.Stop("failed")
    run.ask(m.Retry("a"))
    run.ask(m.Resume())
    run.submit(run.start())
    run.submit(run.lease())
    assert run.answers["w1"][-1] == m.Stop("succeeded")


# --- leases end ------------------------------------------------------------------------------


def by_giving_up(run: Bench, lease: m.Lease) -> None:
    run.ask(m.GiveUp(lease.token, "error", "no"))


def by_success(run: Bench, lease: m.Lease) -> None:
    run.submit(lease)


def by_cancelling(run: Bench, lease: m.Lease) -> None:
    run.ask(m.Cancel(lease.task))


def by_death(run: Bench, lease: m.Lease) -> None:
    run.ask(m.Lost(lease.worker, "died"))


def by_silence(run: Bench, lease: m.Lease) -> None:
    run.now += 600.0
    run.ask(m.Tick())


def by_turns(run: Bench, lease: m.Lease) -> None:
    assert isinstance(run.ask(m.Report(lease.token, turn=41)), m.Refused)


def by_halting(run: Bench, lease: m.Lease) -> None:
    run.ask(m.Halt("interrupted"))


def by_a_crash(run: Bench, lease: m.Lease) -> None:
    run.crash()
    run.ask(m.Resume())


ENDINGS = [
    by_giving_up, by_success, by_cancelling, by_death, by_silence, by_turns, by_halting, by_a_crash,
]  # fmt: skip


@pytest.mark.parametrize("end", ENDINGS, ids=lambda end: str(end.__name__))
def test_a_zombie_is_refused_whatever_it_asks(
    bench: Make, end: Callable[[Bench, m.Lease], None]
) -> None:
    run = bench(Task(id="a", writes=("x.py",)), Task(id="open", approval=True))
    lease = run.start()
    end(run, lease)
    token, recorded = lease.token, len(run.events)
    for request in (
        m.Renew(token), m.Report(token), m.Write(token, "x.py", 0, "late"),
        m.Delete(token, "x.py", 0), m.Submit(token), m.GiveUp(token, "error", "late"),
        m.Widen(token, ("y.py",)), m.Send(token, "all", "info", "late"), m.Note(token, "t", "late"),
        m.Split(token, (Task(id="late"),)),
        m.Overstep(token, "read_file", "secret.py", "why", "fix"),
    ):  # fmt: skip
        refused = run.refused(request)
        assert refused.kind == "lease_ended"
        assert refused.fix == "stop working on this task and claim again"
    assert len(run.events) == recorded
    assert run.digest("x.py") is None


@pytest.mark.parametrize("end", ENDINGS[:1] + ENDINGS[2:], ids=lambda end: str(end.__name__))
def test_the_worker_of_an_ended_lease_is_told(
    bench: Make, end: Callable[[Bench, m.Lease], None]
) -> None:
    run = bench(Task(id="a"), Task(id="open", approval=True))
    lease = run.start()
    before = len(run.events)
    end(run, lease)
    if end is by_a_crash:
        before = 0
    ended = [e for e in run.events[before:] if getattr(e, "token", 0) == lease.token]
    assert ended
    assert m.EndLease("w1", lease.token) in run.effects


def test_a_dead_worker_gives_back_its_task_and_is_answered_no_more(bench: Make) -> None:
    run = bench(Task(id="a"))
    run.start("w1")
    run.ask(m.Claim("w2"))
    run.ask(m.Lost("w2", "died in its sleep"))
    run.ask(m.Lost("w1", "died at work"))
    assert run.states() == {"a": "ready"}
    assert run.start("w3").before == "its worker died: died at work"
    assert "w2" not in run.answers


def test_what_a_person_or_a_limit_ends_does_not_use_up_attempts(bench: Make) -> None:
    run = bench(Task(id="a"), attempts=1)
    for _ in range(3):
        run.start()
        run.ask(m.Halt("interrupted"))
        assert run.states() == {"a": "ready"}
        run.ask(m.Resume())
    run.start()


# --- the end ---------------------------------------------------------------------------------


def test_everybody_who_waits_is_told_to_stop_at_the_end(bench: Make) -> None:
    run = bench(Task(id="a"))
    lease = run.start("w1")
    run.ask(m.Claim("w2"))
    run.ask(m.Claim("w3"))
    run.submit(lease)
    assert {w: replies[-1] for w, replies in run.answers.items()} == {
        w: m.Stop("succeeded") for w in ("w1", "w2", "w3")
    }
    run.ask(m.Claim("late"))
    assert run.answers["late"] == [m.Stop("succeeded")]


def test_a_run_without_tasks_succeeds_at_once(bench: Make) -> None:
    run = bench()
    run.ask(m.Claim("w1"))
    assert run.answers["w1"] == [m.Stop("succeeded")]


def test_halting_ends_all_leases_and_can_be_resumed(bench: Make) -> None:
    run = bench(*chain("a", "b"))
    first = run.start("w1")
    run.ask(m.Claim("w2"))
    run.ask(m.Halt("Ctrl-C"))
    assert run.answers["w2"] == [m.Stop("interrupted")]
    run.ask(m.Claim("w1"))
    assert run.answers["w1"][-1] == m.Stop("interrupted")
    assert run.refused(m.Submit(first.token)).kind == "lease_ended"
    run.ask(m.Resume())
    assert run.start("w1").task == "a"


@pytest.mark.parametrize("how", ["succeeded", "interrupted", "limit"])
def test_halting_a_run_that_has_ended_changes_nothing(bench: Make, how: str) -> None:
    run = bench(Task(id="a"), wall=100.0)
    lease = run.start()
    if how == "succeeded":
        run.submit(lease)
    elif how == "interrupted":
        run.ask(m.Halt("early"))
    else:
        run.now = 100.0
        run.ask(m.Tick())
    assert run.machine.state.status == how
    recorded = len(run.events)
    assert run.ask(m.Halt("late")) == m.Done()
    assert len(run.events) == recorded


def test_after_a_crash_only_what_succeeded_is_done(bench: Make) -> None:
    run = bench(*chain("a", "b", "c"))
    run.submit(run.start())
    run.crash()
    assert run.states() == {"a": "succeeded", "b": "running", "c": "waiting"}
    run.ask(m.Resume())
    assert run.states() == {"a": "succeeded", "b": "ready", "c": "waiting"}
    again = run.start()
    assert (again.task, again.attempt) == ("b", 2)
    assert again.before == ("the run was interrupted: the process that held the lease has ended")
