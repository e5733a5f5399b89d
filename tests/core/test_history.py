"""What the log tells people about each task and attempt."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from orchestrator.core import messages as m
from orchestrator.core.history import History
from orchestrator.core.states import TaskState
from orchestrator.core.task import Task

if TYPE_CHECKING:
    from tests.core.conftest import Bench

    Make = Callable[..., Bench]


def told(run: Bench, *tasks: Task) -> History:
    history = History(tasks)
    for event in run.events:
        history.apply(event)
    return history


def test_before_anything_happens_everything_waits() -> None:
    history = History((Task(id="a"),))
    assert history.status == "running"
    assert history.first is None
    assert history.tasks["a"].last is None
    assert history.tasks["a"].files == ()
    assert history.tasks["a"].turns == 0


def test_an_attempt_has_its_times_its_worker_and_its_outcome(bench: Make) -> None:
    task = Task(id="a", writes=("x.py", "y.py"))
    run = bench(task)
    run.now = 2.0
    lease = run.start("w3")
    run.now = 3.0
    run.write(lease, "y.py")
    run.write(lease, "x.py")
    run.write(lease, "y.py", "again")
    run.now = 5.0
    run.ask(m.Submit(lease.token, 4, evidence="proof", summary="done"))
    history = told(run, task)
    last = history.tasks["a"].last
    assert last is not None
    assert (last.number, last.worker, last.started, last.ended) == (1, "w3", 2.0, 5.0)
    assert (last.outcome, last.evidence) == ("succeeded", "proof")
    assert history.tasks["a"].state is TaskState.SUCCEEDED
    assert history.tasks["a"].files == ("y.py", "x.py")
    assert (history.first, history.now, history.status) == (2.0, 5.0, "succeeded")


def test_the_files_of_a_lost_attempt_do_not_count(bench: Make) -> None:
    task = Task(id="a", writes=("x.py",), attempts=1)
    run = bench(task)
    lease = run.start()
    run.write(lease, "x.py")
    run.ask(m.GiveUp(lease.token, "tests_failed", "2 of 3 failed"))
    found = told(run, task).tasks["a"]
    assert found.files == ()
    assert found.last is not None
    assert (found.last.outcome, found.last.reason) == ("tests_failed", "2 of 3 failed")
    assert (found.state, found.reason) == (TaskState.FAILED, "2 of 3 failed")


def test_turns_and_costs_add_up_over_attempts(bench: Make) -> None:
    task = Task(id="a")
    run = bench(task)
    lease = run.start()
    run.ask(m.Report(lease.token, "reason", 1, transcript="t0", detail="thinking"))
    run.ask(m.Report(lease.token, "write", 1, m.Spent(10, 5, 3, 2, 0.25), detail="edit_file"))
    run.ask(m.Report(lease.token, "reason", 2, transcript="t1"))
    run.ask(m.Report(lease.token, "test"))
    run.ask(m.GiveUp(lease.token, "gave_up", "", m.Spent(1, 1, usd=0.5)))
    again = run.lease()
    run.ask(m.Report(again.token, "test", 1, m.Spent(1)))
    found = told(run, task).tasks["a"]
    assert [(a.turn, a.phase, a.transcripts) for a in found.attempts] == [
        (2, "test", ["t0", "t1"]), (1, "test", []),
    ]  # fmt: skip
    assert (found.turns, found.input, found.output, found.usd) == (3, 17, 6, 0.75)
    assert found.state is TaskState.RUNNING


def test_one_unknown_price_makes_the_sum_unknown(bench: Make) -> None:
    task = Task(id="a")
    run = bench(task)
    lease = run.start()
    run.ask(m.Report(lease.token, spent=m.Spent(1, usd=None)))
    run.ask(m.Report(lease.token, spent=m.Spent(1, usd=1.0)))
    found = told(run, task).tasks["a"]
    assert (found.usd, found.input) == (None, 2)


def test_who_waits_for_whose_files(bench: Make) -> None:
    tasks = (Task(id="a", writes=("x",)), Task(id="b", writes=("x",)))
    run = bench(*tasks)
    lease = run.start("w1")
    run.ask(m.Claim("w2"))
    assert told(run, *tasks).tasks["b"].blocked_by == ("a",)
    run.submit(lease)
    assert told(run, *tasks).tasks["b"].blocked_by == ()


def test_skipped_cancelled_and_retried_tasks_say_why(bench: Make) -> None:
    tasks = (Task(id="a"), Task(id="b", depends_on=("a",)), Task(id="open", approval=True))
    run = bench(*tasks)
    run.ask(m.Cancel("a", "not now"))
    history = told(run, *tasks)
    assert (history.tasks["a"].state, history.tasks["a"].reason) == ("cancelled", "not now")
    assert (history.tasks["b"].state, history.tasks["b"].reason) == ("skipped", "a cancelled")
    run.ask(m.Retry("a"))
    history = told(run, *tasks)
    assert (history.tasks["a"].state, history.tasks["a"].reason) == ("waiting", "")
    assert (history.tasks["b"].state, history.tasks["b"].reason) == ("waiting", "")


def test_added_tasks_are_told_of_too(bench: Make) -> None:
    run = bench(Task(id="a"))
    run.start()
    run.ask(m.Split(0, (Task(id="new", title="New"),)))
    history = told(run, Task(id="a"))
    assert history.tasks["new"].task.title == "New"


def test_a_run_that_goes_on_runs(bench: Make) -> None:
    run = bench(Task(id="a"))
    run.start()
    run.ask(m.Halt("Ctrl-C"))
    history = told(run, Task(id="a"))
    assert (history.status, history.why) == ("interrupted", "Ctrl-C")
    run.ask(m.Resume())
    assert told(run, Task(id="a")).status == "running"


def test_refusals_are_counted_by_kind(bench: Make) -> None:
    tasks = (Task(id="a", shares=("s",)), Task(id="b", shares=("s",)))
    run = bench(*tasks)
    a, b = run.start("w1"), run.start("w2")
    run.write(a, "s")
    run.refused(m.Write(b.token, "s", 0, "mine"))
    run.refused(m.Write(b.token, "t", 0, "mine"))
    run.refused(m.Submit(b.token, reads=(("s", 0),)))
    history = told(run, *tasks)
    assert (history.refused_stale, history.refused_scope) == (1, 1)
