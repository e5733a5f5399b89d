"""A run in virtual time: the machine of a real run, with workers that are numbers.

There is no second scheduler here. Virtual workers claim, are granted leases, submit or give up by
the same requests as real ones, and `core.machine` decides who starts what, who waits for whose
files, who rests and who is skipped. Only the clock is ours: a heap of the times at which somebody
has something to say.

What is left out: which files are read and written (so no write is refused and no submission
waits; runs that a simulation is fitted from have that in their durations), a person's approval
(given at once), and limits of tokens, turns, commands, dollars and of the run's wall time. A lease
never falls silent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from heapq import heappop, heappush
from typing import Literal

from orchestrator.core import messages as m
from orchestrator.core.machine import Machine
from orchestrator.core.rules import Rules
from orchestrator.core.states import TaskState
from orchestrator.core.task import Task
from orchestrator.lab.durations import Luck, Outcome
from orchestrator.models.admission import UNLIMITED, Admission, Pace

Next = Literal["ask", "answered", "done"]
"""What an attempt does at its next moment."""


@dataclass(slots=True)
class Spent:
    """Where the workers' time goes, in seconds over all workers. Adds up to workers x makespan.

    Attributes:
        working: attempts that were accepted.
        rework: attempts that were not.
        provider: attempts that waited for the model's provider.
        files: idle while a ready task waited for files that others held.
        rest: idle while a task rested after a failure of the provider.
        dependencies: idle while a task waited for others to succeed.
        no_work: idle with fewer tasks left than workers.
    """

    working: float = 0.0
    rework: float = 0.0
    provider: float = 0.0
    files: float = 0.0
    rest: float = 0.0
    dependencies: float = 0.0
    no_work: float = 0.0

    def add(self, other: Spent) -> None:
        """Add the times of another run."""
        for entry in fields(self):
            name = entry.name
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(frozen=True, slots=True)
class Stretch:
    """One attempt on the time axis, in seconds since the run began."""

    task: str
    attempt: int
    start: float
    end: float
    accepted: bool


@dataclass(frozen=True, slots=True)
class Played:
    """How one simulated run went.

    Attributes:
        makespan: seconds from the first dispatch to the last end.
        stretches: the attempts, in order of their ends.
    """

    status: m.RunStatus
    makespan: float
    spent: Spent
    stretches: tuple[Stretch, ...]


@dataclass(frozen=True, slots=True)
class Provider:
    """How attempts use the model's provider; without limits it makes no difference.

    Attributes:
        pace: what all workers together may ask.
        turns: model turns of an attempt.
        share: part of an attempt's working time that the model takes, 0 to 1.
        tokens: model tokens of a turn.
    """

    pace: Pace = UNLIMITED
    turns: int = 8
    share: float = 0.8
    tokens: int = 8_000

    @property
    def limits(self) -> bool:
        """Whether anything is limited."""
        return self.pace != UNLIMITED


@dataclass(slots=True)
class _Job:
    """An attempt under way.

    Attributes:
        turns: model turns that are left.
        number: of its request at the provider's gate; 0: it has none there.
        asked: when it made that request; None: it does not wait.
        waited: seconds that it has waited for the provider.
    """

    lease: m.Lease
    start: float
    outcome: Outcome
    turns: int = 0
    number: int = 0
    asked: float | None = None
    waited: float = 0.0


@dataclass(slots=True)
class VirtualRun:
    """One run in virtual time; `play` it once.

    Attributes:
        machine: as it stands before the first request.
        workers: how many there are.
        luck: how attempts go.
        provider: how attempts use the model's provider.
    """

    machine: Machine
    workers: int
    luck: Luck
    provider: Provider = Provider()
    _agenda: list[tuple[float, int, Next, int]] = field(default_factory=list)
    _jobs: dict[int, _Job] = field(default_factory=dict)
    _numbers: dict[int, int] = field(default_factory=dict)  # at the gate, to the lease's token
    _entries: int = 0
    _spent: Spent = field(default_factory=Spent)
    _stretches: list[Stretch] = field(default_factory=list)
    _gate: Admission | None = None

    def play(self) -> Played:
        """Run to the end."""
        if self.provider.limits:
            self._gate = Admission(self.provider.pace)
        state, now = self.machine.state, 0.0
        for number in range(self.workers):
            self._request(0.0, m.Claim(f"w{number + 1}"))
        while state.status == "running":
            own, tick = self._next_own(), self.machine.next_deadline()
            at = min(own, math.inf if tick is None else tick)
            if at == math.inf:
                break  # nobody has anything to say any more: a task nobody may start
            self._idle(at - now)
            now = max(at, now)
            if own <= at:
                self._moment(now)
            else:
                self._request(now, m.Tick())
        end = max((one.end for one in self._stretches), default=0.0)
        return Played(state.status, end, self._spent, tuple(self._stretches))

    def _next_own(self) -> float:
        while self._agenda and self._agenda[0][3] not in self._jobs:
            heappop(self._agenda)  # its lease has ended
        at = self._agenda[0][0] if self._agenda else math.inf
        if self._gate is not None and (due := self._gate.due()) is not None:
            at = min(at, due[1])
        return at

    def _idle(self, seconds: float) -> None:
        """Say why workers had nothing to do for a while."""
        state, spent = self.machine.state, self._spent
        idle = self.workers - len(state.live)
        if not idle or seconds <= 0:
            return
        resting = len(state.resting)
        waiting = state.counts[TaskState.READY] - resting - len(state.aside)
        for name, tasks in (
            ("files", waiting),
            ("rest", resting),
            ("dependencies", state.counts[TaskState.WAITING]),
            ("no_work", idle),
        ):
            part = min(idle, max(tasks, 0))
            setattr(spent, name, getattr(spent, name) + part * seconds)
            idle -= part

    # --- what workers do ----------------------------------------------------------------------

    def _moment(self, now: float) -> None:
        if self._agenda and self._agenda[0][0] <= now:
            _, _, what, token = heappop(self._agenda)
            job = self._jobs[token]
            if what == "done":
                self._end(now, token, job)
            elif what == "ask":
                self._ask(now, token, job)
            else:
                self._leave_gate(job)
                own = job.outcome.seconds * (1 - self.provider.share) / self.provider.turns
                self._later(now + own, "ask" if job.turns else "done", token)
        self._admit(now)

    def _ask(self, now: float, token: int, job: _Job) -> None:
        assert self._gate is not None
        job.turns, job.asked = job.turns - 1, now
        rank = self.machine.state.graph.rank(job.lease.task)
        job.number = self._gate.arrive(now, job.lease.task, rank, self.provider.tokens)
        self._numbers[job.number] = token

    def _admit(self, now: float) -> None:
        """Let those ask the provider who may, and note how long they have waited."""
        for number in self._gate.admit(now) if self._gate is not None else ():
            token = self._numbers[number]
            job = self._jobs[token]
            job.waited += now - (job.asked or 0.0)
            job.asked = None
            takes = job.outcome.seconds * self.provider.share / self.provider.turns
            self._later(now + takes, "answered", token)

    def _leave_gate(self, job: _Job) -> None:
        if self._gate is None or not job.number:
            return
        if job.asked is not None:
            self._gate.withdraw(job.number)
        else:
            self._gate.leave(job.number)
        del self._numbers[job.number]
        job.number = 0

    def _later(self, at: float, what: Next, token: int) -> None:
        self._entries += 1
        heappush(self._agenda, (at, self._entries, what, token))

    def _end(self, now: float, token: int, job: _Job) -> None:
        cause = job.outcome.cause
        if cause is None:
            self._request(now, m.Submit(token, self.machine.state.files.cut))
        else:
            self._request(now, m.GiveUp(token, cause, "simulated"))

    def _request(self, now: float, request: m.Request) -> None:
        step = self.machine.handle(now, request)
        if isinstance(request, m.Submit):
            self._leave(now, request.token, accepted=True)
        back: list[str] = []
        for effect in step.effects:
            if isinstance(effect, m.EndLease):
                self._leave(now, effect.token, accepted=False)
                if not (isinstance(request, m.GiveUp) and request.token == effect.token):
                    back.append(effect.worker)  # ended by the machine: the worker claims again
            elif isinstance(effect, m.Answer) and isinstance(effect.reply, m.Granted):
                self._begin(now, effect.reply.lease)
        for worker in back:
            self._request(now, m.Claim(worker))

    def _begin(self, now: float, lease: m.Lease) -> None:
        outcome = self.luck.next(self.machine.state.records[lease.task].task)
        job = self._jobs[lease.token] = _Job(lease, now, outcome)
        if self._gate is None:
            self._later(now + outcome.seconds, "done", lease.token)
        else:
            job.turns = self.provider.turns
            self._later(now, "ask", lease.token)

    def _leave(self, now: float, token: int, *, accepted: bool) -> None:
        job = self._jobs.pop(token)
        if job.asked is not None:
            job.waited += now - job.asked
        self._leave_gate(job)
        worked = now - job.start - job.waited
        self._spent.provider += job.waited
        if accepted:
            self._spent.working += worked
        else:
            self._spent.rework += worked
        lease = job.lease
        self._stretches.append(Stretch(lease.task, lease.attempt, job.start, now, accepted))


def patient(task: Task) -> Task:
    """Return a task as a simulation knows it: approved at once."""
    return replace(task, approval=False) if task.approval else task


def lenient(rules: Rules) -> Rules:
    """Return rules under which no virtual worker falls silent, and no run is cut short."""
    return replace(rules, limits=replace(rules.limits, lease=math.inf, wall=None))
