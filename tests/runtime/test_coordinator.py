"""The thread that owns the state: order of log and answers, failures, many callers, ends."""

from __future__ import annotations

import math
import os
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from orchestrator import Context, Limits, Plan, Task, resume, run
from orchestrator.core.encoding import decode
from orchestrator.core.events import Event, Noted
from orchestrator.core.invariants import check, fingerprint
from orchestrator.core.machine import Machine
from orchestrator.core.messages import (
    Approve,
    Cancel,
    Claim,
    Done,
    Granted,
    Lease,
    Note,
    Observe,
    Refused,
    Reject,
    Reply,
    Request,
    Retry,
    Split,
    Stop,
    Tick,
    Write,
)
from orchestrator.core.rules import Rules
from orchestrator.core.states import TaskState
from orchestrator.errors import InternalError, LogError, RunStopped, WorkspaceError
from orchestrator.runtime.clock import ManualClock
from orchestrator.runtime.coordinator import Coordinator, Found
from orchestrator.runtime.eventlog import MemoryLog, Row
from orchestrator.runtime.interruption import Interruption
from orchestrator.runtime.run import start
from orchestrator.runtime.worker import FunctionWork, Worker

Work = Callable[[Context], object]


def machine(*tasks: Task, **limits: Any) -> Machine:
    return Machine(tasks, Rules(limits=Limits(**limits)))


def prepare(lease: Lease, ask: Callable[[Request], Reply], interrupt: Interruption) -> Context:
    return Context(Task(id=lease.task), lease, ask, interrupt)


def begin(coordinator: Coordinator, work: Work, workers: int = 2) -> None:
    """Start workers whose tasks are done by a function and need no files."""
    coordinator.start(workers, lambda name: Worker(name, coordinator, prepare, FunctionWork(work)))


def alone(coordinator: Coordinator) -> None:
    """Start a coordinator without workers: the test asks."""
    coordinator.start(0, lambda name: Worker(name, coordinator, prepare, FunctionWork(print)))


def finish(coordinator: Coordinator) -> None:
    assert coordinator.finished.wait(20)
    assert coordinator.close() == []


class FailingLog(MemoryLog):
    """A log whose disk is full at the n-th commit."""

    def __init__(self, good: int) -> None:
        super().__init__()
        self.good = good

    def append(self, rows: Sequence[Row]) -> int:
        if self.good == 0:
            raise LogError("the disk is full", "events.db")
        self.good -= 1
        return super().append(rows)


# --- the log comes first ------------------------------------------------------------------------


@pytest.mark.parametrize("good", [0, 1, 2, 3, 5, 8])
def test_when_the_log_fails_nobody_hangs_and_nothing_that_was_answered_is_missing(
    good: int,
) -> None:
    answered: list[str] = []

    def work(context: Context) -> None:
        for number in range(3):
            title = f"{context.task.id}{number}"
            if context.note(title, "x") == Done():
                answered.append(title)

    log = FailingLog(good)
    coordinator = Coordinator(machine(*(Task(id=f"t{n}") for n in range(4))), log)
    begin(coordinator, work)
    finish(coordinator)
    assert isinstance(coordinator.error, LogError)
    logged = {
        event.title
        for r in log.read()
        if isinstance(event := decode(r.at, r.kind, r.task, r.attempt, r.body), Noted)
    }
    assert set(answered) <= logged
    assert isinstance(coordinator.call(Tick()), Stop)


def test_a_run_whose_log_failed_raises_that_error_and_can_be_resumed(tmp_path: Path) -> None:
    def fail_late(events: Sequence[Event]) -> None:
        raise OSError("the terminal is gone")

    plan = Plan(name="p", tasks=(Task(id="a"), Task(id="b", depends_on=("a",))))
    with pytest.raises(RunStopped, match="OSError: the terminal is gone") as caught:
        run(plan, work=lambda c: None, run_dir=tmp_path / "run", listeners=[fail_late])
    assert "fail_late" in caught.value.where
    assert "must not raise" in caught.value.why
    assert resume(tmp_path / "run", work=lambda c: None).status == "succeeded"


@pytest.mark.parametrize("error", [ValueError("oops"), SystemExit("oops"), KeyboardInterrupt()])
def test_whatever_a_listener_raises_ends_the_run_with_a_word(error: BaseException) -> None:
    def listen(events: Sequence[Event]) -> None:
        raise error

    coordinator = Coordinator(machine(Task(id="a")), MemoryLog(), listeners=[listen])
    begin(coordinator, lambda c: None)
    finish(coordinator)
    assert isinstance(coordinator.error, RunStopped)
    assert type(error).__name__ in coordinator.error.what


class BrokenFiles:
    """A tree on a disk that fails."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def materialise(self, path: str, digest: str | None, expected: str | None) -> Found | None:
        raise self.error

    def without(self, history: Any, token: int) -> str | None:
        raise self.error


@pytest.mark.parametrize(
    ("raised", "seen"),
    [
        (WorkspaceError("no space", "work", "full", "free some"), RunStopped),
        (LogError("a blob is lost"), LogError),
        (ZeroDivisionError("a bug"), InternalError),
    ],
)
def test_a_disk_that_fails_stops_the_run(raised: Exception, seen: type[Exception]) -> None:
    def work(context: Context) -> None:
        context._ask(Write(context.lease.token, "a", 0, "digest"))

    log = MemoryLog()
    made = machine(Task(id="a", writes=("a",)))
    coordinator = Coordinator(made, log, files=BrokenFiles(raised))
    begin(coordinator, work)
    finish(coordinator)
    assert isinstance(coordinator.error, seen)
    assert [record.kind for record in log.read()] == ["granted", "wrote"]


# --- many callers -------------------------------------------------------------------------------


def test_the_same_request_from_many_threads_is_answered_to_each() -> None:
    tasks = [Task(id="held", approval=True), Task(id="other", approval=True)]
    coordinator = Coordinator(machine(*tasks), MemoryLog())
    alone(coordinator)
    request, replies = Approve("held", "me"), list[Reply]()
    gate = threading.Barrier(16)

    def call() -> None:
        gate.wait(20)
        replies.append(coordinator.call(request))

    threads = [threading.Thread(target=call) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(replies) == 16
    assert replies.count(Done()) == 1
    assert sum(isinstance(reply, Refused) for reply in replies) == 15
    coordinator.close()


def test_people_approve_reject_cancel_retry_and_add_while_it_runs() -> None:
    failed = threading.Event()

    def work(context: Context) -> None:
        if context.task.id == "weak" and not failed.is_set():
            failed.set()
            raise ValueError("once")

    tasks = (
        Task(id="held", approval=True),
        Task(id="after", depends_on=("held",)),
        Task(id="turned-down", approval=True),
        Task(id="weak"),
        Task(id="after-weak", depends_on=("weak",)),
        Task(id="unwanted", approval=True),
    )
    log = MemoryLog()
    made = machine(*tasks, attempts=1)
    coordinator = Coordinator(made, log)
    begin(coordinator, work)
    while coordinator.snapshot().counts[TaskState.SKIPPED] < 1:
        coordinator.call(Tick())
    replies: dict[str, Reply] = {}
    wanted: dict[str, Request] = {
        "reject": Reject("turned-down", "no"),
        "cancel": Cancel("unwanted"),
        "retry": Retry("weak"),
        "add": Split(0, (Task(id="new", depends_on=("held",)),)),
        "again": Split(0, (Task(id="held"),)),
        "nobody": Cancel("nobody"),
    }
    threads = [
        threading.Thread(target=lambda k=key, r=request: replies.update({k: coordinator.call(r)}))
        for key, request in wanted.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert {key: isinstance(reply, Refused) for key, reply in replies.items()} == {
        "reject": False, "cancel": False, "retry": False, "add": False,
        "again": True, "nobody": True,
    }  # fmt: skip
    assert coordinator.call(Approve("held")) == Done()
    finish(coordinator)
    counts = coordinator.snapshot().counts
    assert {str(state): number for state, number in counts.items() if number} == {
        "succeeded": 5,
        "skipped": 1,
        "cancelled": 1,
    }
    assert check(made) == []
    again = machine(*tasks, attempts=1)
    again.fold(decode(r.at, r.kind, r.task, r.attempt, r.body) for r in log.read())
    assert fingerprint(again.state) == fingerprint(made.state)


def test_a_snapshot_is_of_one_moment() -> None:
    stop = threading.Event()
    wrong: list[object] = []
    tasks = [Task(id=f"t{n}") for n in range(60)]
    coordinator = Coordinator(machine(*tasks), MemoryLog())

    def look() -> None:
        while not stop.is_set():
            seen = coordinator.snapshot()
            if sum(seen.counts.values()) != 60:
                wrong.append(seen)
            if seen.counts[TaskState.RUNNING] != len(seen.running):
                wrong.append(seen)

    watcher = threading.Thread(target=look)
    watcher.start()
    begin(coordinator, lambda c: c.report(), workers=4)
    finish(coordinator)
    stop.set()
    watcher.join()
    assert wrong == []
    last = coordinator.snapshot()
    assert (last.status, last.running, last.cut, last.tokens, last.usd) == (
        "succeeded", {}, 1, 0, 0.0,
    )  # fmt: skip


# --- closing ------------------------------------------------------------------------------------


def test_what_was_asked_before_the_end_is_still_done() -> None:
    busy, go_on = threading.Event(), threading.Event()

    def listen(events: Sequence[Event]) -> None:
        if not busy.is_set():
            busy.set()
            assert go_on.wait(20)

    log = MemoryLog()
    coordinator = Coordinator(machine(Task(id="a")), log, listeners=[listen])
    alone(coordinator)
    coordinator.post(Observe("one", "digest"))
    assert busy.wait(20)
    coordinator.post(Observe("two", "digest"))
    closing = threading.Thread(target=coordinator.close)
    closing.start()
    while coordinator._requests.qsize() < 2:  # both wait: what was posted, and the end
        pass
    go_on.set()
    closing.join(20)
    assert [record.kind for record in log.read()] == ["outside", "outside"]


def test_closing_twice_and_asking_after_it_does_no_harm() -> None:
    coordinator = Coordinator(machine(Task(id="a")), MemoryLog())
    begin(coordinator, lambda c: None)
    ask = coordinator.connect("somebody")
    finish(coordinator)
    assert coordinator.close() == []
    assert ask(Claim("somebody")) == Stop("succeeded")
    assert coordinator.call(Cancel("a")) == Stop("succeeded")
    coordinator.halt("too late")


def test_a_waiting_worker_is_told_to_stop_at_the_end() -> None:
    coordinator = Coordinator(machine(Task(id="a")), MemoryLog())
    alone(coordinator)
    first, second = coordinator.connect("one"), coordinator.connect("two")
    granted = first(Claim("one"))
    assert isinstance(granted, Granted)
    replies: list[Reply] = []
    parked = threading.Thread(target=lambda: replies.append(second(Claim("two"))))
    parked.start()
    while parked.is_alive() and not coordinator._machine._desk.parked:
        coordinator.call(Tick())
    coordinator.close()
    parked.join(20)
    assert replies == [Stop("running")]


# --- time ---------------------------------------------------------------------------------------


def test_a_lease_ends_though_requests_never_cease() -> None:
    clock = ManualClock()
    rounds: list[int] = []
    coordinator: Coordinator

    def listen(events: Sequence[Event]) -> None:
        rounds.append(len(events))
        clock.advance(1.0)
        if len(rounds) < 200:  # there is always another request in the queue
            coordinator.post(Note(2, "still", "here"))

    log = MemoryLog()
    made = machine(Task(id="silent"), Task(id="busy"), lease=50.0, attempts=1)
    coordinator = Coordinator(made, log, clock, listeners=[listen])
    alone(coordinator)
    silent, busy = coordinator.connect("one"), coordinator.connect("two")
    assert isinstance(silent(Claim("one")), Granted)
    assert isinstance(busy(Claim("two")), Granted)
    while len(rounds) < 200:
        coordinator.call(Cancel("nobody"))
    coordinator.close()
    ended = [(r.task, r.at) for r in log.read() if r.kind == "ended"]
    assert ended[0][0] == "silent"
    assert 50.0 <= ended[0][1] < 60.0


def test_a_lease_may_be_without_end() -> None:
    made = machine(Task(id="a"), lease=math.inf, wall=1e300)
    coordinator = Coordinator(made, MemoryLog())
    begin(coordinator, lambda c: c.report())
    finish(coordinator)
    assert coordinator.error is None
    assert coordinator.snapshot().status == "succeeded"


# --- whole runs ---------------------------------------------------------------------------------


def test_an_interrupt_of_the_waiting_thread_leaves_a_run_that_can_be_resumed(
    tmp_path: Path,
) -> None:
    def work(context: Context) -> None:
        if context.task.id == "b":
            os.kill(os.getpid(), signal.SIGINT)
            assert context.interrupt.wait(20)

    plan = Plan(name="p", tasks=(Task(id="a"), Task(id="b", depends_on=("a",))))
    with pytest.raises(KeyboardInterrupt):
        run(plan, work=work, run_dir=tmp_path / "run")
    again = resume(tmp_path / "run", work=lambda c: None)
    assert again.status == "succeeded"
    assert again.tasks["a"].attempts == 1
    assert [a.outcome for a in again.history.tasks["b"].attempts] == ["interrupted", "succeeded"]


def test_waiting_twice_gives_the_same_result(tmp_path: Path) -> None:
    live = start(Plan(name="p", tasks=(Task(id="a"),)), work=lambda c: None, run_dir=tmp_path / "r")
    assert live.finished(20)
    assert live.wait() == live.wait()


def test_the_last_attempt_to_fail_leaves_a_shared_file_too(tmp_path: Path) -> None:
    work_dir = tmp_path / "work"
    work_dir.mkdir()
    wrote, other_done = threading.Event(), threading.Event()
    lines = "".join(f"line {n}\n" for n in range(20))

    def work(context: Context) -> None:
        text = context.read("shared") or ""
        if context.task.id == "good":
            assert wrote.wait(20)
            context.write("shared", text.replace("line 9\n", "good\n"))
            other_done.set()
            return
        context.write("shared", text.replace("line 3\n", "bad\n"))
        wrote.set()
        assert other_done.wait(20)
        while live.coordinator.snapshot().counts[TaskState.SUCCEEDED] < 1:
            assert context.report()
        raise ValueError("the last to end")

    for number in range(5):
        (work_dir / "shared").write_text(lines)
        wrote.clear()
        other_done.clear()
        plan = Plan(
            name="p",
            tasks=tuple(
                Task(id=n, shares=("shared",), reads=(), role="implementer")
                for n in ("bad", "good")
            ),
            workspace=work_dir,
            base=tmp_path,
            limits=Limits(attempts=1, workers=2),
        )
        live = start(plan, work=work, run_dir=tmp_path / f"{number}", durability="normal")
        assert live.wait().status == "failed"
        assert (work_dir / "shared").read_text() == lines.replace("line 9\n", "good\n")
