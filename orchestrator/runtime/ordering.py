"""Deciding requests in a recorded order.

A run is a function of the order in which its requests are decided, of their times, and of what
models and commands answer. Models give the recorded answers (`models.recorded`); this gives the
order and the times. It stands where the coordinator has its queue and its clock: whoever asks
out of turn waits, and what the clock or a person did is done again when its turn comes.

Nothing can hang: as long as all that was decided led to the recorded events, the state is the
recorded one, so whoever is next is at work and will ask. When an event is another, the order is
given up, and everybody is served as they come.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import inf, nextafter
from queue import Empty, SimpleQueue
from threading import Condition
from time import monotonic

from orchestrator.core.events import KINDS, AttemptEnded, Event, LeaseGranted, Succeeded
from orchestrator.core.messages import Claim, Renew, Request
from orchestrator.errors import RunStopped, UsageError
from orchestrator.models.base import Model
from orchestrator.models.recorded import RecordedModel
from orchestrator.runtime.eventlog import SqliteLog
from orchestrator.runtime.header import Header, unpack
from orchestrator.runtime.order import Asked, Mailbox
from orchestrator.runtime.recordedsteps import Fact, Turn, last_waiting, turns_of
from orchestrator.runtime.rundir import RunDir

_ORDERED = frozenset({"solo", "shared", "locks"})
"""Modes in which what an attempt sees follows from the order of requests alone. In the others it
reads what stands in the tree at the moment, or merges what git holds, which no log tells."""

_KIND = {cls: kind for kind, cls in KINDS.items()}


class RecordedOrder:
    """The coordinator's queue, clock and listener in a run that keeps a recorded order.

    Args:
        turns: what was recorded.
        stop: end the run when the order cannot be kept; otherwise it goes on without.

    Attributes:
        parted: where and why the order was given up; "" as long as it is kept.
    """

    def __init__(self, turns: Sequence[Turn], *, stop: bool = False) -> None:
        self.parted = ""
        self._turns, self._stop = turns, stop
        self._settled = last_waiting(turns)
        self._next = 0
        self._held: list[Asked] = []
        self._out: deque[Asked] = deque()
        self._expected: tuple[Fact, ...] = ()
        self._seq = 0
        self._live: dict[int, tuple[str, int]] = {}  # token to task and attempt
        self._free = False
        self._at = self._last = self._freed = 0.0
        self._changed = Condition()

    @property
    def kept(self) -> bool:
        """Whether the order is still kept, the clock's turns in it included."""
        return not self._free

    # --- the queue --------------------------------------------------------------------------------

    def mailbox(self, name: str) -> Mailbox:
        """Return where `name` gets its answers."""
        return SimpleQueue()

    def put(self, item: Asked) -> None:
        """Take in a request; from any thread."""
        with self._changed:
            self._held.append(item)
            self._changed.notify()

    def get(self, timeout: float | None = None) -> Asked:
        """Wait for the request that is next in the recorded order.

        Args:
            timeout: seconds, once the order has been given up or has come to its end; before
                that, time is as recorded.

        Raises:
            Empty: nothing came in time.
            RunStopped: the recorded order cannot be kept, and was to be kept at any price.
        """
        with self._changed:
            while not self._free and not self._out:
                self._let_in()
                if not self._free and not self._out:
                    self._changed.wait()
            if self.parted and self._stop:
                raise _not_kept(self.parted)
            if self._out:
                return self._out.popleft()
            if not self._changed.wait_for(lambda: self._held, timeout):
                raise Empty
            return self._held.pop(0)

    def get_nowait(self) -> Asked:
        """Return a request that is decided together with those before it.

        Raises:
            Empty: there is none.
        """
        with self._changed:
            if self._out:
                return self._out.popleft()
            if self._free and self._held:
                return self._held.pop(0)
            raise Empty

    def _let_in(self) -> None:
        """Move what is to be decided next from those held to those out, if it is there."""
        for index, item in enumerate(self._held):
            if self._is_outside_the_order(item):
                del self._held[index]
                self._out.append(item)
                self._free = self._free or item[1] is None
                self._expected = ()
                if self._next < len(self._turns):
                    self._seq = self._turns[self._next].seq
                return
        if self._next == len(self._turns):
            self._open()
            return
        turn = self._turns[self._next]
        if turn.stop:
            self._part(f"at event {turn.seq}: {turn.stop}")
            return
        found = self._find(turn)
        if found is None:
            return
        if found in self._held:
            self._held.remove(found)
        self._out.append(found)
        self._at = max(self._at, turn.at)
        self._expected, self._seq = turn.facts, turn.seq
        self._next += 1

    def _find(self, turn: Turn) -> Asked | None:
        """Return the request whose turn it is; None: it has not come yet."""
        ticket = turn.ticket
        if ticket.request is not None:
            return "", ticket.request
        for item in self._held:
            sender, request = item
            if isinstance(request, Claim):
                if ticket.worker in (sender, "*"):
                    return item
            elif ticket.attempt is not None and self._attempt_of(request) == ticket.attempt:
                if turn.facts[0][0] == "renewed" and not isinstance(request, Renew):
                    return "", Renew(_token(request))  # a sign of life that came by the clock
                return item
        return None

    def _attempt_of(self, request: Request | None) -> tuple[str, int] | None:
        return self._live.get(_token(request))

    def _is_outside_the_order(self, item: Asked) -> bool:
        """Whether a request is decided when it comes: it was not recorded, or left no event."""
        sender, request = item
        if request is None or not sender or sender.startswith("call-"):
            return True
        if isinstance(request, Claim):
            return self._next >= self._settled
        return self._attempt_of(request) is None

    # --- the clock --------------------------------------------------------------------------------

    def now(self) -> float:
        """Return the recorded time of what is being decided; it rises with every call."""
        with self._changed:
            at = self._at + monotonic() - self._freed if self._free else self._at
            self._last = max(at, nextafter(self._last, inf))
            return self._last

    # --- the listener -----------------------------------------------------------------------------

    def heard(self, events: Sequence[Event]) -> None:
        """Compare what was decided with what was recorded; called after each batch."""
        with self._changed:
            for event in events:
                if isinstance(event, LeaseGranted):
                    self._live[event.token] = (event.task, event.attempt)
                elif isinstance(event, Succeeded | AttemptEnded):
                    self._live.pop(event.token, None)
            if self._free:
                return
            if not events and self._expected and self._turns[self._next - 1].ticket.attempt:
                self._next -= 1  # refused without a trace, then and now: its turn is still to come
                return
            facts = [(_KIND[type(event)], event.task, event.attempt) for event in events]
            for offset, fact in enumerate(facts):
                recorded = self._expected[offset] if offset < len(self._expected) else None
                if fact != recorded:
                    self._part(_difference(self._seq + offset, recorded, fact))
                    return
            if len(facts) < len(self._expected):
                at = len(facts)
                self._part(_difference(self._seq + at, self._expected[at], None))

    def _part(self, where: str) -> None:
        self.parted = where
        self._open()

    def _open(self) -> None:
        """From now on everybody is served as they come, and time goes on by itself."""
        self._free, self._freed = True, monotonic()


def recorded_order(model: Model | None, header: Header) -> RecordedOrder | None:
    """Return the recorded order that a run is to keep; None: none.

    Args:
        model: what answers for the agents.
        header: the run that is about to begin.

    Raises:
        UsageError: the order is to be kept, and this run is not the one that was recorded.
        LogError: the log of the recording cannot be read.
    """
    if not isinstance(model, RecordedModel) or model.order == "free":
        return None
    if header.mode not in _ORDERED:
        _refuse(model, f"mode {header.mode} has none")
        return None
    with SqliteLog.reader(RunDir.open(model.recording.directory).events) as log:
        other = unpack(log.header)
        differing = [
            f"{word} {now}, then {then}" if short else f"other {word}"
            for word, now, then, short in (
                ("mode", header.mode, other.mode, True),
                ("workers", header.workers, other.workers, True),
                ("validate", header.validate, other.validate, True),
                ("tasks", header.tasks, other.tasks, False),
                ("files at the start", header.manifest, other.manifest, False),
                ("roles", header.role_digests, other.role_digests, False),
            )
            if now != then
        ]
        if not differing:
            return RecordedOrder(turns_of(log.read()), stop=model.order == "recorded")
    _refuse(model, f"this run is not the one that was recorded: {'; '.join(differing)}")
    return None


def _refuse(model: RecordedModel, why: str) -> None:
    """Refuse a run that is to keep the recorded order and cannot."""
    if model.order == "recorded":
        raise UsageError(
            "the recorded order cannot be kept",
            f"model {model.name}, -M order=recorded",
            why,
            "run it as it was recorded, in mode solo, locks or shared, or leave the option out",
        )


def _token(request: Request | None) -> int:
    token = getattr(request, "token", 0)
    return token if isinstance(token, int) else 0


def _difference(seq: int, recorded: Fact | None, now: Fact | None) -> str:
    return f"at event {seq}: {_told(recorded)} in the recording, {_told(now)} now"


def _told(fact: Fact | None) -> str:
    if fact is None:
        return "nothing"
    kind, task, attempt = fact
    return f"{kind} (attempt {attempt} of {task})" if task else kind


def _not_kept(where: str) -> RunStopped:
    return RunStopped(
        "the recorded order could not be kept",
        where,
        "a test or a command ended otherwise than it did in the recording, or the program, the "
        "limits or the environment have changed since",
        "leave -M order=recorded out: the order is then kept as far as possible",
    )
