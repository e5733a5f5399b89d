"""Virtual time: real threads, files and tests, but nobody waits for what takes time.

In an experiment with offline models nearly all of the time is waiting: for models that think,
for tests that a real project would need minutes for. Here such a wait is a date on a virtual
clock. One worker is at work at a time; the clock stands still meanwhile, and moves on, at once,
to the next date when all of them wait. What happens at the same time happens in the order of the
workers' names. So a run of an hour takes as long as its tests take on this machine, does not
depend on how busy the machine is, and is the same function of its seed each time: it is a
conservative discrete-event simulation (Chandy and Misra 1979) whose processes are real.

It stands where the coordinator has its queue and its clock (`runtime.order.Order`). The one way
to let time pass is ``interrupt.wait(seconds)``; what a worker really does, takes none.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from heapq import heapify, heappop, heappush
from math import inf, nextafter
from pathlib import Path
from queue import Empty, SimpleQueue
from sys import float_info

from orchestrator.core.events import Event
from orchestrator.core.limits import ProviderLimits
from orchestrator.core.messages import Lost, Reply, Stop
from orchestrator.errors import Problem, UsageError
from orchestrator.models.base import Interrupt, Model
from orchestrator.models.recorded import RecordedModel
from orchestrator.models.recorded_text import steady
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.commands import CommandResult, Commands
from orchestrator.runtime.interruption import Interruption
from orchestrator.runtime.order import Asked, Mailbox
from orchestrator.runtime.remembering import RememberedCommands
from orchestrator.spec.plan import Plan

QUEUE_LOOK = 1.0
"""Virtual seconds between two looks of who waits for something else than the clock."""


@dataclass(order=True, slots=True)
class _Sleeper:
    """A worker that waits for a date; whoever is first by date and name goes first."""

    at: float
    name: str
    woken: threading.Event = field(default_factory=threading.Event, compare=False)


class VirtualTime:
    """Queue, clock and listener of a coordinator in a run whose time is virtual.

    Args:
        at: seconds that the run had already lasted, when it is resumed.
        remember: directory where results of commands are kept; None: each is run.
    """

    def __init__(self, at: float = 0.0, remember: Path | None = None) -> None:
        self._remember = remember
        self._now = self._last = at
        self._busy: set[str] = set()
        self._asked: dict[str, Asked] = {}
        self._answered: dict[str, Callable[[], None]] = {}
        self._outside: deque[Asked] = deque()
        self._sleepers: list[_Sleeper] = []
        self._changed = threading.Condition()

    @property
    def kept(self) -> bool:
        """Nothing is recorded: the coordinator looks itself at what is due."""
        return False

    # --- the queue --------------------------------------------------------------------------------

    def mailbox(self, name: str) -> Mailbox:
        """Return where `name` gets its answers; a worker is at work until it asks."""
        if name.startswith("call-"):  # a worker asks in passing, or a person: it counts as before
            return SimpleQueue()
        with self._changed:
            self._busy.add(name)
        return _Mailbox(self, name)

    def put(self, item: Asked) -> None:
        """Take in a request; from any thread."""
        name, request = item
        with self._changed:
            if isinstance(request, Lost):
                self._busy.discard(request.worker)
            if name in self._busy:
                self._busy.discard(name)
                self._asked[name] = item
            else:
                self._outside.append(item)
            self._changed.notify()

    def get(self, *, timeout: float | None = None) -> Asked:
        """Wait until all workers wait; return the first request, or move the clock.

        Args:
            timeout: virtual seconds.

        Raises:
            Empty: nobody asks before that.
        """
        with self._changed:
            end = inf if timeout is None else self._now + timeout
            while True:
                if self._outside:
                    return self._outside.popleft()
                if not self._busy:
                    if self._answered:
                        self._give(min(self._answered))
                    elif self._asked:
                        return self._asked.pop(min(self._asked))
                    elif self._sleepers and self._sleepers[0].at <= min(end, float_info.max):
                        self._wake(heappop(self._sleepers))
                    elif end < inf:
                        self._now = max(self._now, end)
                        raise Empty
                self._changed.wait()

    def get_nowait(self) -> Asked:
        """Requests are decided one by one, since an answer may lead to an earlier request.

        Raises:
            Empty: nobody from outside asks.
        """
        with self._changed:
            if self._outside:
                return self._outside.popleft()
            raise Empty

    # --- the clock --------------------------------------------------------------------------------

    def now(self) -> float:
        """Return the virtual time, in seconds; it rises, by very little, with every call."""
        with self._changed:
            self._last = max(self._now, nextafter(self._last, inf))
            return self._last

    def sleep(self, name: str, seconds: float, interrupt: Interruption) -> None:
        """Have `name` wait for virtual time to pass, or for its interrupt.

        Args:
            seconds: how long; `inf` waits for the interrupt alone.
        """
        sleeper = _Sleeper(self._now + seconds, name)
        with self._changed:
            heappush(self._sleepers, sleeper)
            self._busy.discard(name)
            self._changed.notify()
        with interrupt.watch(lambda: self._interrupted(sleeper)):
            sleeper.woken.wait()

    def _interrupted(self, sleeper: _Sleeper) -> None:
        with self._changed:
            if sleeper in self._sleepers:
                self._sleepers.remove(sleeper)
                heapify(self._sleepers)
                sleeper.at = self._now
                self._wake(sleeper)

    def _give(self, name: str) -> None:
        """Let a worker have its answer: it is at work until it asks again."""
        give = self._answered.pop(name)
        self._busy.add(name)
        give()

    def _wake(self, sleeper: _Sleeper) -> None:
        self._now = max(self._now, sleeper.at)
        self._busy.add(sleeper.name)
        sleeper.woken.set()

    def interruption(self, name: str) -> Callable[[], Interruption]:
        """Return what makes the interrupts of a worker's attempts."""
        return lambda: VirtualInterruption(self, name)

    def timed(
        self, commands: Commands, blobs: BlobStore, seconds: float | None, beside: str = ""
    ) -> Commands:
        """Return commands that take virtual time; see `TimedCommands`, `RememberedCommands`."""
        if self._remember is not None:
            commands = RememberedCommands(commands, blobs, self._remember, beside)
        return TimedCommands(commands, seconds)

    # --- the listener -----------------------------------------------------------------------------

    def heard(self, events: Sequence[Event]) -> None:
        """What was decided changes nothing here."""

    def answer(self, name: str, give: Callable[[], None]) -> None:
        """Have a worker get its answer when it is its turn.

        Args:
            give: puts the answer where the worker waits for it.
        """
        with self._changed:
            self._answered[name] = give


class _Mailbox:
    """Where a worker gets its answers."""

    def __init__(self, time: VirtualTime, name: str) -> None:
        self._time, self._name = time, name
        self._replies: SimpleQueue[Reply] = SimpleQueue()
        self.get: Callable[[], Reply] = self._replies.get

    def put(self, reply: Reply) -> None:
        """Give an answer when it is the worker's turn; whoever is told to stop has none."""
        if isinstance(reply, Stop):
            self._replies.put(reply)
        else:
            self._time.answer(self._name, lambda: self._replies.put(reply))


class VirtualInterruption(Interruption):
    """An interrupt on which one waits in virtual time.

    Args:
        time: of the run.
        name: of the worker.
    """

    look: float | None = QUEUE_LOOK

    def __init__(self, time: VirtualTime, name: str) -> None:
        super().__init__()
        self._time, self._name = time, name

    def wait(self, timeout: float | None = None) -> bool:
        """Wait up to `timeout` virtual seconds; True when it was interrupted."""
        if not self.is_set() and (timeout is None or timeout > 0):
            self._time.sleep(self._name, inf if timeout is None else timeout, self)
        return self.is_set()


class TimedCommands:
    """Commands that are really run, and take virtual time.

    Args:
        commands: what runs them.
        seconds: what each takes; None: as long as it really took.
    """

    def __init__(self, commands: Commands, seconds: float | None) -> None:
        self._commands, self._seconds = commands, seconds

    def run(
        self,
        command: str | Sequence[str],
        cwd: Path,
        *,
        timeout: float,
        tmp: Path | None = None,
        interrupt: Interrupt | None = None,
    ) -> CommandResult:
        """Run a command to its end; see `Commands.run`."""
        result = self._commands.run(command, cwd, timeout=timeout, tmp=tmp, interrupt=interrupt)
        if self._seconds is not None:
            # How long it really took must not be told either: an agent could go by it.
            result = replace(result, seconds=self._seconds, output=steady(result.output))
        if interrupt is not None:
            interrupt.wait(result.seconds)
        return result


def virtual_time(
    time: str,
    command_seconds: float | None,
    model: Model | None,
    plan: Plan,
    remember: str | Path | None = None,
) -> VirtualTime | None:
    """Return the virtual time of a run that is about to begin; None: its time is real.

    Args:
        time: ``real`` or ``virtual``.
        command_seconds: what a command is to take.
        model: what answers for the agents; None: a task function.
        plan: what is to be done.
        remember: directory where results of commands are kept; None: each is run.

    Raises:
        UsageError: the run cannot be had in this way; every mistake is in `problems`.
    """
    problems = list(_problems(time, command_seconds, model, plan))
    if remember is not None and command_seconds is None:
        problems.append(
            Problem(
                "results of commands cannot be remembered here", "--remember",
                "how long a command took is not the same again", "say --command-seconds N too",
            )
        )  # fmt: skip
    if problems:
        raise UsageError("this run cannot have the time that was asked for", problems=problems)
    if time != "virtual":
        return None
    return VirtualTime(remember=Path(remember).absolute() if remember is not None else None)


def _problems(
    time: str, command_seconds: float | None, model: Model | None, plan: Plan
) -> Iterator[Problem]:
    where = "--time virtual"
    fix = "leave it out, or use an offline model such as oracle:DIR"
    if command_seconds is not None and (time != "virtual" or not 0 <= command_seconds < inf):
        yield Problem(
            f"commands cannot take {command_seconds:g} seconds", "--command-seconds",
            "it is the virtual time that a command takes, zero or more",
            "give zero or more" if time == "virtual" else "add --time virtual",
        )  # fmt: skip
    if time not in ("real", "virtual"):
        yield Problem(f"there is no time {time!r}", "--time", fix="say real or virtual")
    if time != "virtual":
        return
    if model is not None and getattr(model, "real_time", False):
        why = "its answers take real time, which a virtual clock would not count"
        yield Problem(f"model {model.name} cannot run in virtual time", where, why, fix)
    if isinstance(model, RecordedModel):
        why = "a recorded run has its own times"
        yield Problem("a recording cannot run in virtual time", where, why, fix)
    if plan.limits.provider != ProviderLimits():
        why = "who waits there waits in real time"
        fix = "take `limits.provider` out of the plan, or leave virtual time out"
        yield Problem("the gate to the provider cannot have limits", where, why, fix)
    held = [task.id for task in plan.tasks if task.approval]
    if held:
        yield Problem(
            f"task {held[0]} waits for a person, who lives in real time", where,
            "the clock would move on to the end of the run before anybody could approve",
            "take `approval` out of the plan, or leave virtual time out",
        )  # fmt: skip
