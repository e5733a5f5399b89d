"""Where the workers' time went: an identity that closes.

Of a run with m workers and makespan M, every second of every worker goes to one cause::

    m * M = working + commands + waiting (dependencies, files, provider, acceptance, merge queue,
            budget, approval) + between tasks + no ready work + stopped

=============  ================================================================================
working        an attempt waited for its model's next turn, or carried out its tool calls
commands       an attempt ran a command, its tests included
provider       an attempt waited for the model's provider; or a worker was idle while a task rested
               after a failure of the provider
files          an attempt waited for files that it had asked for; or a worker was idle while a
               ready task's files were held
dependencies   a worker was idle, and the tasks that were left waited for others to end
acceptance     a finished attempt waited for those whose unfinished work it had read
merge          a finished attempt waited for its turn in the merge queue, or was merged
budget         an attempt waited for what others had reserved of a limit
approval       a worker was idle, and only tasks that a person must approve were left
start          a worker was idle and a task was ready: its start was under way, or a limit of its
               role kept it back
none           a worker was idle, and all tasks that were left were running already
stopped        a worker was idle after a limit of the run was reached: nothing may start
=============  ================================================================================

Who is idle is known, which of several causes kept *this* idle worker is not: causes are handed out
in the order files, provider, start, then one of the rest. The sums over workers do not depend on
who gets which. The log says how long an attempt waited for the provider, not when: the wait is put
at the end of the turn that it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from orchestrator.core import events as e
from orchestrator.core.messages import Phase
from orchestrator.core.states import TaskState
from orchestrator.core.task import Task
from orchestrator.lab.filewaits import FileWaits
from orchestrator.lab.stateline import StateLine

Cause = Literal[
    "working",
    "commands",
    "provider",
    "files",
    "dependencies",
    "acceptance",
    "merge",
    "budget",
    "approval",
    "start",
    "none",
    "stopped",
]
"""What a worker's time went to; see the module."""

CAUSES: tuple[Cause, ...] = get_args(Cause)

QUEUED = "waits in the merge queue"  # the detail of a report, see `runtime.worktree`


@dataclass(frozen=True, slots=True)
class Stretch:
    """A worker's time that went to one cause. Times in seconds since the run began.

    Attributes:
        phase: of the attempt; None: the worker was idle.
        task: at which it worked; "": the worker was idle.
        lost: it belongs to an attempt that ended without being accepted.
    """

    worker: str
    begin: float
    end: float
    cause: Cause
    phase: Phase | None = None
    task: str = ""
    attempt: int = 0
    lost: bool = False

    @property
    def seconds(self) -> float:
        """How long it was."""
        return self.end - self.begin


@dataclass(frozen=True, slots=True)
class TimeIdentity:
    """The workers' time, without a rest.

    Attributes:
        workers: how many were meant to work at once.
        makespan: first dispatch to last task, in seconds.
        stretches: what each worker's time went to; no moment of a worker is in two.
    """

    workers: int
    makespan: float
    stretches: tuple[Stretch, ...]

    def by_cause(self) -> dict[Cause, float]:
        """Return seconds of all workers together, by cause."""
        found: dict[Cause, float] = dict.fromkeys(CAUSES, 0.0)
        for one in self.stretches:
            found[one.cause] += one.seconds
        return found

    def by_worker(self) -> dict[str, dict[Cause, float]]:
        """Return seconds by worker and cause. Each worker's sum is the makespan, unless one died
        and another took its place: theirs are then the makespan together."""
        found: dict[str, dict[Cause, float]] = {}
        for one in self.stretches:
            own = found.setdefault(one.worker, dict.fromkeys(CAUSES, 0.0))
            own[one.cause] += one.seconds
        return found

    @property
    def rest(self) -> float:
        """Seconds that the causes leave unexplained. Zero but for rounding, unless more workers
        were at work at once than the run was started with (a resume may raise the limit)."""
        return self.workers * self.makespan - sum(one.seconds for one in self.stretches)


def time_identity(tasks: Sequence[Task], workers: int, events: Iterable[e.Event]) -> TimeIdentity:
    """Say what the workers' time went to.

    Args:
        tasks: the plan's tasks.
        workers: worker threads.
        events: what was recorded, in order; the run may still be going on.
    """
    busy, idle = _Busy(), _Kept(tasks)
    for event in events:
        busy.apply(event)
        idle.apply(event)
    end = busy.close()
    stretches = [*busy.stretches(), *_idle(workers, busy.attempts, idle.moves(end), end)]
    begin = min((one.begin for one in busy.attempts), default=end)
    return TimeIdentity(workers, max(0.0, end - begin), tuple(stretches))


# --- attempts ---------------------------------------------------------------------------------


@dataclass(slots=True)
class _Attempt:
    """One attempt, cut into what it did and waited for."""

    task: str
    number: int
    worker: str
    begin: float
    since: float
    end: float = 0.0
    phase: Phase = "reason"
    cause: Cause = "working"
    waits: Cause | None = None
    lost: bool = False
    parts: list[tuple[float, float, Cause, Phase]] = field(default_factory=list)

    def cut(self, at: float, waited: float = 0.0) -> None:
        """End what it did or waited for until now, the last seconds of it for the provider."""
        middle = max(self.since, at - waited)
        if middle > self.since:
            self.parts.append((self.since, middle, self.waits or self.cause, self.phase))
        if at > middle:
            self.parts.append((middle, at, "provider", self.phase))
        self.since, self.waits = at, None


class _Busy:
    """Takes in events: what attempts did."""

    def __init__(self) -> None:
        self.attempts: list[_Attempt] = []
        self._live: dict[str, _Attempt] = {}  # by task
        self._now = self._terminal = 0.0

    def apply(self, event: e.Event) -> None:
        self._now = max(self._now, event.at)
        if isinstance(event, e.LeaseGranted):
            made = _Attempt(event.task, event.attempt, event.worker, event.at, event.at)
            self.attempts.append(made)
            self._live[event.task] = made
            return
        if isinstance(event, e.Succeeded | e.AttemptEnded | e.Skipped | e.Cancelled):
            self._terminal = event.at
        attempt = self._live.get(event.task)
        if attempt is not None and attempt.number == event.attempt:
            self._of(attempt, event)

    def _of(self, attempt: _Attempt, event: e.Event) -> None:
        match event:
            case e.Reported():
                attempt.cut(event.at, event.waited)
                attempt.phase = event.phase
                attempt.cause = "commands" if event.commands else "working"
                if event.detail == QUEUED:
                    attempt.cause = "merge"
            case e.WidenWaits():
                self._wait(attempt, event.at, "files")
            case e.SubmitWaits():
                self._wait(attempt, event.at, "acceptance")
            case e.BudgetWaits():
                self._wait(attempt, event.at, "budget")
            case e.Widened() | e.RequestRefused():
                attempt.cut(event.at)
                attempt.cause = "working" if attempt.cause == "merge" else attempt.cause
            case e.Wrote() if attempt.cause == "merge":
                attempt.cut(event.at)
                attempt.cause = "working"
            case e.Succeeded() | e.AttemptEnded():
                attempt.cut(event.at)
                attempt.end, attempt.lost = event.at, isinstance(event, e.AttemptEnded)
                del self._live[event.task]
            case _:
                pass

    def _wait(self, attempt: _Attempt, at: float, cause: Cause) -> None:
        attempt.cut(at)
        attempt.waits = cause

    def close(self) -> float:
        """End what is still open; return when the makespan ends."""
        end = self._now if self._live else self._terminal
        for attempt in self._live.values():
            attempt.cut(end)
            attempt.end = end
        return end

    def stretches(self) -> Iterator[Stretch]:
        for one in self.attempts:
            for begin, end, cause, phase in one.parts:
                yield Stretch(
                    one.worker, begin, end, cause, phase, one.task, one.number, one.lost
                )  # fmt: skip


# --- idle workers -----------------------------------------------------------------------------

_Keeper = Literal["blocked", "resting", "ready", "waiting", "held", "limit"]
_Move = tuple[float, _Keeper, int]

_COUNTED: dict[TaskState, _Keeper] = {
    TaskState.READY: "ready",
    TaskState.WAITING: "waiting",
    TaskState.HELD: "held",
}


class _Kept:
    """Takes in events: what kept tasks that were not running from being started."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._states, self._waits = StateLine(tasks), FileWaits()
        self._moves: list[_Move] = []
        self._resting: set[str] = set()
        self._limited = False

    def apply(self, event: e.Event) -> None:
        self._states.apply(event)
        self._waits.apply(event)
        match event:
            case e.AttemptEnded() if event.rests > event.at and event.then == "ready":
                self._resting.add(event.task)
                self._moves.append((event.at, "resting", 1))
            case e.LeaseGranted() | e.Rested() | e.Cancelled() | e.Skipped():
                if event.task in self._resting:
                    self._resting.discard(event.task)
                    self._moves.append((event.at, "resting", -1))
            case e.LimitReached(role=""):
                self._limit(event.at, True)
            case e.Resumed():
                self._limit(event.at, False)
            case _:
                pass

    def _limit(self, at: float, reached: bool) -> None:
        if reached != self._limited:
            self._moves.append((at, "limit", 1 if reached else -1))
        self._limited = reached

    def moves(self, end: float) -> list[_Move]:
        """Return when how many tasks were kept by what, up to `end`."""
        found = list(self._moves)
        waits = [
            (one.begin, one.begin + one.seconds) for one in self._waits.found if not one.running
        ]
        for begin, until in (*waits, *((since, end) for _, since in self._waits.blocked())):
            found += [(begin, "blocked", 1), (until, "blocked", -1)]
        for states in self._states.changes.values():
            for number, (at, state) in enumerate(states):
                kept = _COUNTED.get(state)
                if kept is not None:
                    until = states[number + 1][0] if number + 1 < len(states) else end
                    found += [(at, kept, 1), (until, kept, -1)]
        return found


def _idle(
    workers: int, attempts: Sequence[_Attempt], moves: Iterable[_Move], end: float
) -> Iterator[Stretch]:
    """Yield what idle workers were kept by, up to `end`."""
    if not attempts:
        return
    lanes = dict.fromkeys(f"w{number + 1}" for number in range(workers))
    sweep = _Sweep(workers, (*lanes, *(one.worker for one in attempts)), attempts[0].begin)
    steps = [step for step in moves if step[0] <= end]
    shifts = [(one.begin, one.worker, 1) for one in attempts]
    shifts += [(one.end, one.worker, -1) for one in attempts]
    times = {step[0] for step in steps} | {shift[0] for shift in shifts} | {end}
    moves_at: dict[float, list[_Move]] = {}
    for step in steps:
        moves_at.setdefault(step[0], []).append(step)
    shifts_at: dict[float, list[tuple[float, str, int]]] = {}
    for shift in shifts:
        shifts_at.setdefault(shift[0], []).append(shift)
    for at in sorted(times):
        sweep.until(at)
        for _, kept, by in moves_at.get(at, ()):
            sweep.kept[kept] += by
        for _, worker, by in shifts_at.get(at, ()):
            sweep.busy[worker] += by
    yield from sweep.close()


class _Sweep:
    """Goes through a run from one change to the next, and says what each idle worker waits for."""

    def __init__(self, workers: int, lanes: Iterable[str], begin: float) -> None:
        self.busy = dict.fromkeys(lanes, 0)
        self.kept: dict[_Keeper, int] = dict.fromkeys(get_args(_Keeper), 0)
        self._workers, self._now = workers, begin
        self._open: dict[str, Stretch] = {}
        self._done: list[Stretch] = []

    def until(self, at: float) -> None:
        """Nothing changes up to `at`."""
        if at <= self._now:
            return
        running = sum(self.busy.values())
        lanes = [worker for worker, busy in self.busy.items() if not busy]
        free = lanes[: max(0, self._workers - running)]
        causes = self._causes(len(free))
        for worker, cause in zip(free, causes, strict=True):
            known = self._open.get(worker)
            if known and (known.cause, known.end) == (cause, self._now):
                self._open[worker] = Stretch(worker, known.begin, at, cause)
                continue
            if known:
                self._done.append(known)
            self._open[worker] = Stretch(worker, self._now, at, cause)
        self._now = at

    def _causes(self, free: int) -> list[Cause]:
        if self.kept["limit"]:
            return ["stopped"] * free
        kept = self.kept
        blocked, resting = kept["blocked"], kept["resting"]
        ready = max(0, kept["ready"] - blocked - resting)
        rest: Cause = "none"
        if kept["waiting"]:
            rest = "dependencies"
        elif kept["held"]:
            rest = "approval"
        number: tuple[tuple[Cause, int], ...] = (
            ("files", blocked),
            ("provider", resting),
            ("start", ready),
            (rest, free),
        )
        return [cause for cause, times in number for _ in range(times)][:free]

    def close(self) -> list[Stretch]:
        """Return all that was found."""
        return [*self._done, *self._open.values()]
