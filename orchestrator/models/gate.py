"""The one gate to the provider, for all workers: threads wait here until they may ask.

Who may ask, and when, is decided in `models.admission`; here threads wait for it. Each waits on
a condition of its own, so that a change wakes nobody but those that it concerns. Only the first
in line keeps an eye on the clock: it waits until the moment from which on it may go.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from random import Random
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from orchestrator.models.admission import UNLIMITED, Admission, Pace
from orchestrator.models.base import Interrupt, Model
from orchestrator.models.cost import asks_no_provider

Pause = Callable[[threading.Condition, float | None], object]


@runtime_checkable
class _Watchable(Protocol):
    """An interrupt that calls back when it is set."""

    def watch(self, call: Callable[[], None]) -> AbstractContextManager[None]: ...


@dataclass(frozen=True, slots=True)
class GateStatus:
    """A gate at one moment, for people.

    Attributes:
        waiting: keys of those that wait, in order of coming.
        under_way: requests that are under way.
        closed: seconds for which nobody asks, because the provider refused; 0: it is open.
    """

    waiting: tuple[str, ...]
    under_way: int
    closed: float


class Entry:
    """The right to ask the provider once; it ends with `leave` or `refused`, whichever is first.

    As a context manager it ends at the latest with its block.

    Attributes:
        waited: seconds that were spent waiting for it.
    """

    __slots__ = ("_gate", "_number", "_over", "waited")

    def __init__(self, gate: ProviderGate, number: int, waited: float) -> None:
        self._gate, self._number, self._over = gate, number, False
        self.waited = waited

    def leave(self, tokens: int | None = None) -> None:
        """End: the provider has answered.

        Args:
            tokens: model tokens that count against the limit; the difference from what was
                expected is given back. None: as expected.
        """
        if not self._over:
            self._over = True
            self._gate._left(self._number, tokens)

    def refused(self, retry_after: float | None = None) -> None:
        """End: the provider has too much to do. Everybody waits, then one tries first.

        Args:
            retry_after: seconds that the provider asked to wait; None: it said nothing.
        """
        if not self._over:
            self._over = True
            self._gate._refused(self._number, retry_after)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leave()


class ProviderGate:
    """Lets threads through to the provider, one for each request.

    A gate may be shared by several runs of one process that ask the same provider.

    Args:
        pace: the limits.
        clock: returns seconds that never go backwards.
        seed: of the chance in pauses.
        pause: waits on a condition for at most so many seconds (None: until it is notified); a
            clock that is not the system's brings its own.
    """

    def __init__(
        self,
        pace: Pace = UNLIMITED,
        *,
        clock: Callable[[], float] = time.monotonic,
        seed: int = 0,
        pause: Pause = threading.Condition.wait,
    ) -> None:
        self.pace = pace
        self.clock = clock
        self._pause = pause
        self._random = Random(f"gate/{seed}")
        self._lock = threading.Lock()
        self._admission = Admission(pace)
        self._sleepers: dict[int, threading.Condition] = {}
        self._due: tuple[int, float] | None = None  # who is next, and when

    def enter(
        self,
        key: str,
        *,
        rank: float = 0.0,
        tokens: int = 0,
        interrupt: Interrupt | None = None,
    ) -> Entry | None:
        """Wait until the provider may be asked.

        Args:
            key: who asks: the task's id.
            rank: the task's upward rank, in seconds; higher goes first.
            tokens: model tokens that the request is expected to take.
            interrupt: ends the wait. One that has a method `watch` (see
                `runtime.interruption`) ends it at once; another is looked at when the wait is
                over anyway.

        Returns:
            None when it was interrupted; nothing may be asked then.
        """
        if interrupt is not None and interrupt.is_set():
            return None
        with self._lock:
            came = self.clock()
            number = self._admission.arrive(came, key, rank, tokens)
            self._go_on()
            if not self._admission.is_waiting(number):
                return Entry(self, number, 0.0)
        try:
            self._wait(number, interrupt)
        except BaseException:  # such as a keyboard interrupt: nobody must wait for this one
            self._withdraw(number)
            raise
        if interrupt is not None and interrupt.is_set():
            self._withdraw(number)
            return None
        return Entry(self, number, self.clock() - came)

    def slow(self, seconds: float) -> None:
        """Let nobody through for `seconds`, then one first; a longer pause stays in force."""
        with self._lock:
            self._admission.slow(self.clock(), seconds)
            self._go_on()

    def status(self) -> GateStatus:
        """Return who waits, and how long the gate stays closed."""
        with self._lock:
            waiting = tuple(one.key for one in self._admission.waiting)
            closed = max(0.0, self._admission.opens_at - self.clock())
            return GateStatus(waiting, self._admission.under_way, closed)

    def _wait(self, number: int, interrupt: Interrupt | None) -> None:
        """Wait until this request is let through or interrupted."""
        woken = threading.Condition(self._lock)

        def wake() -> None:
            with self._lock:
                woken.notify()

        # The interrupt has a lock of its own: it is never taken while ours is held.
        with _watching(interrupt, wake), self._lock:
            self._sleepers[number] = woken
            try:
                while self._admission.is_waiting(number):
                    if interrupt is not None and interrupt.is_set():
                        break
                    self._pause(woken, self._rest(number))
                    self._go_on()
            finally:
                del self._sleepers[number]

    def _rest(self, number: int) -> float | None:
        """Return the seconds until this request must look at the clock; None: it need not."""
        if self._due is None or self._due[0] != number or self._due[1] == math.inf:
            return None
        return max(0.0, self._due[1] - self.clock())

    def _go_on(self) -> None:
        """Let through whoever may go now, and wake whoever has to know."""
        woken = list(self._admission.admit(self.clock()))
        due = self._admission.due()
        if due is not None and due != self._due:
            woken.append(due[0])
        self._due = due
        for number in woken:
            if number in self._sleepers:
                self._sleepers[number].notify()

    def _withdraw(self, number: int) -> None:
        with self._lock:
            self._admission.withdraw(number)
            self._go_on()

    def _left(self, number: int, tokens: int | None) -> None:
        with self._lock:
            self._admission.leave(number, tokens)
            self._go_on()

    def _refused(self, number: int, retry_after: float | None) -> None:
        with self._lock:
            self._admission.refuse(self.clock(), number, retry_after, self._random.random())
            self._go_on()


def gate_for(
    model: Model,
    pace: Pace = UNLIMITED,
    *,
    clock: Callable[[], float] = time.monotonic,
    seed: int = 0,
) -> ProviderGate:
    """Return the gate for a run's model.

    Args:
        model: its optional attribute `pace` (``-M concurrency=…`` and so on) wins over `pace`.
            A model that asks no provider is never held back.
        pace: the plan's limits.
        clock: returns seconds that never go backwards.
        seed: of the chance in pauses.
    """
    if asks_no_provider(model):
        return ProviderGate(clock=clock, seed=seed)
    own = getattr(model, "pace", None)
    both = own.over(pace) if isinstance(own, Pace) else pace
    return ProviderGate(both, clock=clock, seed=seed)


def _watching(
    interrupt: Interrupt | None, call: Callable[[], None]
) -> AbstractContextManager[None]:
    return interrupt.watch(call) if isinstance(interrupt, _Watchable) else nullcontext()
