"""Telling whoever works under a lease that it has ended, without anybody polling."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, runtime_checkable


@runtime_checkable
class Watchable(Protocol):
    """An interrupt that calls back when it is set."""

    def watch(self, call: Callable[[], None]) -> AbstractContextManager[None]:
        """Return a context manager within which `call` is called when the interrupt is set."""
        ...


class Interruption:
    """An interrupt (see `models.base.Interrupt`) that can also wake somebody who does not wait
    on it but on something else, such as the output of a command.

    Attributes:
        look: None: whoever waits for something else is woken. Otherwise nobody can wake them but
            the clock, and they look every so many seconds, by `wait`.
    """

    look: float | None = None

    def __init__(self) -> None:
        # An event is made when somebody waits: most attempts of quick tasks never do, and making
        # one takes longer than all the rest of handing out a task.
        self._event: threading.Event | None = None
        self._ended = False
        self._lock = threading.Lock()
        self._calls: list[Callable[[], None]] = []

    def set(self) -> None:
        """Interrupt. May be called from any thread, and more than once."""
        with self._lock:
            self._ended = True
            if self._event is not None:
                self._event.set()
            calls, self._calls = self._calls, []
            for call in calls:
                call()

    def is_set(self) -> bool:
        """Whether it was interrupted."""
        return self._ended

    def wait(self, timeout: float | None = None) -> bool:
        """Wait up to `timeout` seconds; True when it was interrupted."""
        with self._lock:
            if self._ended:
                return True
            if self._event is None:
                self._event = threading.Event()
        return self._event.wait(timeout)

    @contextmanager
    def watch(self, call: Callable[[], None]) -> Iterator[None]:
        """Have `call` called when the interruption comes, at once if it has come.

        Args:
            call: must be quick, must not raise, and must not touch this object. It is called
                at most once, by the thread that interrupts, and never after the block has ended.
        """
        with self._lock:
            if self._ended:
                call()
            else:
                self._calls.append(call)
        try:
            yield
        finally:
            with self._lock:
                self._calls = [other for other in self._calls if other is not call]


class Latch:
    """An event that is set once, and that a signal may interrupt.

    `threading.Event` will not do: an exception that a signal handler raises while it waits (Ctrl-C,
    or the end that a batch system asks for) may leave its inner lock released, and what is seen is
    "release unlocked lock". Taking a plain lock is one step of the interpreter.
    """

    def __init__(self) -> None:
        self._closed = threading.Lock()
        self._closed.acquire()
        self._mutex = threading.Lock()
        self._set = False

    def set(self) -> None:
        """Let everybody through. May be called more than once."""
        with self._mutex:
            if not self._set:
                self._set = True
                self._closed.release()

    def is_set(self) -> bool:
        """Whether it was set."""
        return self._set

    def wait(self, timeout: float | None = None) -> bool:
        """Wait up to `timeout` seconds; True when it was set."""
        seconds = -1 if timeout is None else max(0.0, timeout)
        if not self._set and self._closed.acquire(timeout=seconds):
            self._closed.release()
        return self._set
