"""The coordinator thread: the only writer of a run's state.

Workers ask through one queue and are answered through a queue of their own. For every batch of
requests that has come in, the coordinator

1. lets the machine decide each of them (the mutex is held for that alone),
2. appends all events to the log, in one commit,
3. carries out the effects,
4. answers.

So whatever has been answered is on disk, and nothing is done that is not recorded. Nothing
polls: the coordinator sleeps until a request comes or the next lease would end.

It also spawns the worker threads, replaces one that died, and joins them at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from queue import Empty, SimpleQueue
from threading import TIMEOUT_MAX, Lock, Thread
from typing import Protocol

from orchestrator.core.claims import Bounds
from orchestrator.core.encoding import encode
from orchestrator.core.events import Event
from orchestrator.core.files import Version
from orchestrator.core.machine import Machine, Step
from orchestrator.core.messages import (
    Answer,
    Effect,
    EndLease,
    Halt,
    Lost,
    Materialise,
    Observe,
    Refused,
    Reply,
    Request,
    RunStatus,
    Stop,
    Tick,
    Undo,
    Unmerge,
)
from orchestrator.core.states import TaskState
from orchestrator.core.task import Task
from orchestrator.errors import InternalError, OrchestratorError, RunStopped, WorkspaceError
from orchestrator.runtime.clock import Clock, SystemClock
from orchestrator.runtime.eventlog import EventLog
from orchestrator.runtime.interruption import Latch
from orchestrator.runtime.order import Asked, Mailbox, Order
from orchestrator.runtime.redaction import admit
from orchestrator.secrets import Redactor

BATCH = 64
"""Requests per commit at most: nobody's answer waits long for the others'. With 500 workers that
wait 50 ms each, 256 gave 51 % of the ideal throughput, 64 gave 81 %, 8 gave 72 %."""

Listener = Callable[[Sequence[Event]], None]

_calls = count()


@dataclass(frozen=True, slots=True)
class Found:
    """What stands in the place of a version: somebody outside has put it there.

    Attributes:
        digest: its content, which was kept; None: nothing that can be read as a file.
    """

    digest: str | None


class Files(Protocol):
    """Where the coordinator makes the directory that users see follow the file map."""

    def materialise(self, path: str, digest: str | None, expected: str | None) -> Found | None:
        """Put a version in place; None when done. If what is there is not `expected`, keep it
        and return it instead."""
        ...

    def without(self, history: Sequence[Version], token: int) -> str | None:
        """Return the digest of a file's content without what the lease `token` wrote."""
        ...


class Member(Protocol):
    """A worker thread, as the coordinator sees it."""

    name: str

    def start(self) -> None:
        """Begin to claim."""
        ...

    def end_lease(self, token: int) -> None:
        """Stop waiting on behalf of this lease."""
        ...

    def join(self, timeout: float | None = None) -> None:
        """Wait for the thread's end."""
        ...

    def is_alive(self) -> bool:
        """Whether the thread still runs."""
        ...


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run at one moment.

    Attributes:
        at: seconds since the run began.
        counts: tasks per state.
        running: running task to its worker.
        cut: newest version number of the workspace.
        tokens: model tokens spent.
        usd: dollars spent; None: some price is unknown.
    """

    at: float
    status: RunStatus
    counts: dict[TaskState, int]
    running: dict[str, str]
    cut: int
    tokens: int
    usd: float | None


class Coordinator:
    """Owns the machine, and with it the task graph, behind one mutex.

    Args:
        machine: what decides.
        log: where events are recorded; closed by its owner, after `close`.
        clock: tells the time of each request.
        files: the directory to keep in step; None: a run without files.
        listeners: called from the coordinator's thread with the events of each commit; they
            must be quick and must not raise.
        redactor: takes secrets out of what is asked, before it is decided.
        order: in place of the clock, and of the order in which requests come.
    """

    def __init__(
        self,
        machine: Machine,
        log: EventLog,
        clock: Clock | None = None,
        files: Files | None = None,
        listeners: Sequence[Listener] = (),
        redactor: Redactor | None = None,
        order: Order | None = None,
    ) -> None:
        self._redactor = redactor or Redactor()
        self._machine, self._log, self._files = machine, log, files
        self._order = order
        self._clock = order or clock or SystemClock()
        self._listeners = (*listeners, order.heard) if order else tuple(listeners)
        self._mutex = Lock()
        self._requests: Order | SimpleQueue[Asked] = order or SimpleQueue()
        self._cuts: dict[str, int] = {}  # whoever asks to the cut of their last answer
        self._replies: dict[str, Mailbox] = {}
        self._members: dict[str, Member] = {}
        self._spawn: Callable[[str], Member] | None = None
        self._spawned = 0
        self._closing = self._ended = False
        self._thread = Thread(target=self._serve, name="coordinator", daemon=True)
        self.finished = Latch()
        self.error: BaseException | None = None

    # --- for workers and people ---------------------------------------------------------------

    def connect(self, name: str) -> Callable[[Request], Reply]:
        """Return the function by which `name` asks and is answered.

        One request at a time per name; the call returns when the answer is there, and answers
        `Stop` for ever once the coordinator has ended.
        """
        replies: Mailbox = self._order.mailbox(name) if self._order else SimpleQueue()
        self._replies[name] = replies
        post, receive = self._requests.put, replies.get

        def ask(request: Request) -> Reply:
            if self._ended:
                return Stop(self._machine.state.status)
            post((name, request))
            return receive()

        return ask

    def call(self, request: Request) -> Reply:
        """Ask once, from any thread that is not a worker: approve, cancel, retry, add tasks."""
        name = f"call-{next(_calls)}"
        ask = self.connect(name)
        try:
            return ask(request)
        finally:
            self._replies.pop(name, None)

    def post(self, request: Request) -> None:
        """Ask without waiting for an answer."""
        self._requests.put(("", request))

    def snapshot(self) -> Snapshot:
        """Return where the run stands."""
        with self._mutex:
            state = self._machine.state
            running = {a.lease.task: a.lease.worker for a in state.live.values()}
            return Snapshot(
                self._clock.now(), state.status, dict(state.counts), running,
                state.files.cut, state.tokens, state.usd,
            )  # fmt: skip

    def changes(self, after: int, worker: str = "") -> tuple[int, dict[str, Version]]:
        """Return a cut and what has changed since cut `after`: the newest cut, or the one at which
        the last request of `worker` was decided, so that what it sees follows from the log."""
        with self._mutex:
            files = self._machine.state.files
            until = self._cuts.get(worker, files.cut)
            return until, files.changes(after, until)

    def look(self, worker: str, request: Observe) -> Reply:
        """Have a file looked at; the worker sees the newest cut until it asks again."""
        self._cuts.pop(worker, None)
        return self.call(request)

    def assignment(self, task: str) -> tuple[Task, Bounds]:
        """Return a task, one that was added while running included, and its effective scopes."""
        with self._mutex:
            found = self._machine.state.graph.task(task)
            return found, self._machine.state.bounds(found)

    def rank(self, task: str) -> float:
        """Return a task's longest remaining path by estimates, in seconds."""
        with self._mutex:
            return self._machine.state.graph.rank(task)

    def notes(self) -> list[tuple[str, str, str]]:
        """Return the shared notes: task, title, text."""
        with self._mutex:
            return list(self._machine.state.notes)

    # --- life -----------------------------------------------------------------------------------

    def start(self, workers: int, spawn: Callable[[str], Member]) -> None:
        """Start the coordinator's thread, which spawns `workers` worker threads."""
        self._spawn = spawn
        for _ in range(workers):
            self._add_member()
        self._thread.start()

    def halt(self, why: str) -> None:
        """End the run now, resumable; returns at once."""
        self.post(Halt(why))

    def close(self, deadline: float = 5.0) -> list[str]:
        """Join the workers and end the coordinator's thread.

        Args:
            deadline: seconds to wait for workers that are still busy.

        Returns:
            Names of the workers that have not come back. Their leases have ended, so whatever
            they still ask is refused.
        """
        clock = SystemClock()  # that of the run may stand still
        for member in tuple(self._members.values()):
            member.join(max(0.0, deadline - clock.now()))
        late = [member.name for member in self._members.values() if member.is_alive()]
        self._requests.put(("", None))
        if self._thread.is_alive():
            self._thread.join()
        return late

    def lost(self, name: str, why: str) -> None:
        """A worker thread says with its last breath that it dies."""
        self.post(Lost(name, why))

    def _add_member(self) -> Member:
        assert self._spawn is not None
        self._spawned += 1
        member = self._spawn(f"w{self._spawned}")
        self._members[member.name] = member
        return member

    # --- the thread -----------------------------------------------------------------------------

    def _serve(self) -> None:
        try:
            for member in tuple(self._members.values()):
                member.start()
            while (batch := self._receive()) is not None:
                self._step(batch)
        except WorkspaceError as error:
            self.error = RunStopped(error.what, error.where, error.why, error.fix)
        except OrchestratorError as error:
            self.error = error
        except BaseException as error:  # whatever it is, nobody may be left waiting without a word
            self.error = InternalError(
                f"the coordinator failed: {type(error).__name__}: {error}",
                "runtime/coordinator.py",
                "this is a bug of the program, not of the plan",
                "report it with the run's events.db; `resume` goes on from the last commit",
            )
            self.error.__cause__ = error
        finally:
            self._end()

    def _receive(self) -> list[tuple[str, Request]] | None:
        """Wait for requests; None once we are told to end and nothing is left to be answered."""
        batch: list[tuple[str, Request]] = []
        due = self._machine.next_deadline()
        try:
            sender, request = self._first(due)
            while True:
                if request is None:
                    self._closing = True
                else:
                    batch.append((sender, request))
                    if len(batch) == BATCH:
                        break
                sender, request = self._requests.get_nowait()
        except Empty:
            pass
        if self._closing:
            return batch or None
        # Last, so that whoever asked in time is heard first; and also when the queue never empties.
        ours = self._order is None or not self._order.kept
        if not batch or (ours and due is not None and due <= self._clock.now()):
            batch.append(("", Tick()))
        return batch

    def _first(self, due: float | None) -> tuple[str, Request | None]:
        if self._closing:
            return self._requests.get_nowait()
        if due is None:
            return self._requests.get()
        seconds = max(0.0, due - self._clock.now())
        return self._requests.get(timeout=min(seconds, TIMEOUT_MAX))

    def _step(self, batch: list[tuple[str, Request]]) -> None:
        told: list[Event] = []
        answers: list[tuple[str, Reply, int]] = []
        pending = batch
        while pending:
            steps = self._decide(pending, told)
            # What effects lead to is asked before anybody is answered.
            pending = []
            for sender, step, cut in steps:
                for effect in step.effects:
                    if type(effect) is Answer:
                        answers.append((effect.worker, effect.reply, cut))
                    elif follow := self._carry_out(effect):
                        pending.append(("", follow))
                if step.reply is not None:
                    answers.append((sender, step.reply, cut))
        for worker, reply, cut in answers:
            replies = self._replies.get(worker)
            if replies is not None:
                self._cuts[worker] = cut
                replies.put(reply)
        self._tell(batch, told)

    def _decide(
        self, batch: list[tuple[str, Request]], told: list[Event]
    ) -> list[tuple[str, Step, int]]:
        """Have the machine decide a batch, and record what it decides.

        Returns:
            For each request who asked, what came of it, and the cut as of then.
        """
        steps: list[tuple[str, Step, int]] = []
        events: list[Event] = []
        for sender, request in batch:
            asked = admit(request, self._redactor)
            step = Step((), (), asked) if isinstance(asked, Refused) else self._handle(asked)
            steps.append((sender, step, self._machine.state.files.cut))
            events.extend(step.events)
        if events:
            self._log.append([encode(event) for event in events])
            told += events
        return steps

    def _handle(self, request: Request) -> Step:
        """Have a request decided, and at once what it leaves to be undone: whoever is granted a
        task next finds the files without what ended attempts wrote, and the order of events
        depends on nothing but the order of requests."""
        at = self._clock.now()
        with self._mutex:
            step = self._machine.handle(at, request)
        for effect in step.effects:
            if type(effect) is Unmerge and self._files is not None:
                more = self._handle(self._undo(effect))
                events, effects = step.events + more.events, step.effects + more.effects
                step = Step(events, effects, step.reply)
        return step

    def _tell(self, batch: list[tuple[str, Request]], events: list[Event]) -> None:
        for listener in self._listeners:
            try:
                listener(events)
            except BaseException as error:
                raise _listener_failed(listener, error) from error
        for _, request in batch:
            if type(request) is Lost:
                self._replace(request.worker)
        if self._machine.state.status != "running":
            self.finished.set()

    def _carry_out(self, effect: Effect) -> Request | None:
        """Do what the machine asks for; return what must be asked because of it."""
        if isinstance(effect, EndLease):
            member = self._members.get(effect.worker)
            if member:
                member.end_lease(effect.token)
        elif self._files is None:
            return None
        elif isinstance(effect, Materialise):
            found = self._files.materialise(effect.path, effect.digest, effect.expected)
            if found is not None:
                return Observe(effect.path, found.digest)
        return None

    def _undo(self, effect: Unmerge) -> Undo:
        """Take an ended attempt's lines out of a file that others have edited since."""
        assert self._files is not None
        history = self._machine.state.files.history(effect.path)
        digest = self._files.without(history, effect.token)
        number = history[-1].number
        return Undo(effect.task, effect.attempt, effect.token, effect.path, number, digest)

    def _replace(self, name: str) -> None:
        self._members.pop(name, None)
        self._replies.pop(name, None)
        if self._machine.state.status == "running" and self._spawn is not None:
            self._add_member().start()

    def _end(self) -> None:
        """Nobody is left waiting: whoever asks from now on is told to stop."""
        self._ended = True
        stop = Stop(self._machine.state.status)
        for replies in tuple(self._replies.values()):
            replies.put(stop)
        for member in tuple(self._members.values()):
            member.end_lease(-1)
        self.finished.set()


def _listener_failed(listener: Listener, error: BaseException) -> RunStopped:
    return RunStopped(
        f"a listener failed: {type(error).__name__}: {error}",
        getattr(listener, "__qualname__", repr(listener)),
        "listeners are called by the coordinator itself and must not raise",
        "mend the listener, then resume the run; nothing that was accepted is lost",
    )
