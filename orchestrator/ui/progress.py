"""Progress of a run that lives: taken in by the coordinator's thread, shown by one of its own.

A listener must be quick and must not raise, so all that it does is to put the events on a queue.
Whatever goes wrong with the screen, the run goes on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import Protocol, TextIO

from orchestrator.core.events import Event
from orchestrator.core.states import TaskState
from orchestrator.ui.board import Board
from orchestrator.ui.lines import Line, Narrator
from orchestrator.ui.output import ReaderGoneError, say
from orchestrator.ui.words import listed

QUIET = 60.0
"""Seconds without news after which plain progress says that the run still lives."""

SHARE = 0.1
"""Part of one processor that drawing may take: big pictures are drawn less often."""


class Screen(Protocol):
    """Where progress is shown. Used by one thread at a time.

    Attributes:
        every: seconds from one picture to the next; from `QUIET` on: seconds without news.
    """

    every: float

    def show(self, lines: Sequence[Line]) -> None:
        """Show lines that stay."""
        ...

    def tell(self, text: str) -> None:
        """Show a message about the run."""
        ...

    def draw(self, now: float) -> None:
        """Bring the picture up to date; `now` is in seconds since the run began."""
        ...

    def close(self) -> None:
        """Take the picture away; the lines stay."""
        ...


class PlainScreen:
    """One line per event, without colours: for files, pipes, notebooks.

    Args:
        stream: where the lines go.
        narrator: knows how wide the column of tasks is.
    """

    every = QUIET

    def __init__(self, stream: TextIO, narrator: Narrator) -> None:
        self._stream, self._narrator = stream, narrator

    def show(self, lines: Sequence[Line]) -> None:
        """Write the lines."""
        for line in lines:
            say(line.plain(self._narrator.width), self._stream)

    def tell(self, text: str) -> None:
        """Write the message."""
        say(text, self._stream)

    def draw(self, now: float) -> None:
        """Say now and then that the run still lives."""
        running = self._narrator.board.among(TaskState.RUNNING)
        text = f"still running: {listed(running)}" if running else "nothing is running"
        say(Line(now, "", text, "quiet").plain(self._narrator.width), self._stream)

    def close(self) -> None:
        """Nothing to take away."""


class SilentScreen:
    """Shows nothing."""

    every = QUIET

    def show(self, lines: Sequence[Line]) -> None:
        """Do nothing."""

    def tell(self, text: str) -> None:
        """Do nothing."""

    def draw(self, now: float) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class _News:
    came: float
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class _Message:
    text: str


class Progress:
    """A listener of a run, and the thread that shows what it hears.

    It can listen before there is anything to show it on.

    Args:
        time: the time in seconds, from any beginning.

    Attributes:
        failure: why drawing ended early; None if it did not.
    """

    def __init__(self, time: Callable[[], float] = monotonic) -> None:
        self._time = time
        self._queue: SimpleQueue[_News | _Message | None] = SimpleQueue()
        self._thread: Thread | None = None
        self._screen: Screen = SilentScreen()
        self._began: float | None = None
        self.failure: Exception | None = None

    def __call__(self, events: Sequence[Event]) -> None:
        """Take in the events of one commit."""
        if events:
            self._queue.put(_News(self._time(), tuple(events)))

    def tell(self, text: str) -> None:
        """Show a message about the run."""
        self._queue.put(_Message(text))

    def start(self, narrator: Narrator, screen: Screen, opening: str) -> None:
        """Begin to show, with the message `opening` before all that has been heard so far."""
        self._screen = screen
        work = (narrator, opening)
        self._thread = Thread(target=self._run, args=work, name="progress", daemon=True)
        self._thread.start()

    def stop(self, timeout: float | None = None) -> None:
        """Show what has been heard until now, then end; wait for that `timeout` seconds at most."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(timeout)
            self._thread = None

    def _run(self, narrator: Narrator, opening: str) -> None:
        try:
            self._screen.tell(opening)
            self._show(narrator)
        except ReaderGoneError:
            self._forget()
        except Exception as error:  # a mistake in drawing must not cost anybody their run
            self.failure = error
            self._forget()
        try:
            self._screen.close()
        except Exception as error:
            self.failure = self.failure or error

    def _show(self, narrator: Narrator) -> None:
        screen = self._screen
        screen.show(narrator.first())
        due = self._time() + screen.every
        while True:
            now = self._time()
            if now >= due:
                screen.draw(self._run_time(narrator.board))
                ended = self._time()
                due = ended + max(screen.every, (ended - now) / SHARE)
            try:
                item = self._queue.get(timeout=max(0.0, due - self._time()))
            except Empty:
                continue
            if item is None:
                return
            if isinstance(item, _Message):
                screen.tell(item.text)
                continue
            screen.show(self._take_in(narrator, item))
            if screen.every >= QUIET:
                due = self._time() + screen.every

    def _take_in(self, narrator: Narrator, news: _News) -> list[Line]:
        began = news.came - max(event.at for event in news.events)
        self._began = began if self._began is None else min(self._began, began)
        return narrator.apply(news.events)

    def _run_time(self, board: Board) -> float:
        """Seconds since the run began, in the run's own time."""
        if self._began is None:
            return board.history.now
        return max(board.history.now, self._time() - self._began)

    def _forget(self) -> None:
        """Let what comes from now on pass, until the end."""
        while self._queue.get() is not None:
            pass


def choose_screen(stream: TextIO, narrator: Narrator, *, plain: bool) -> Screen:
    """Return the live screen on a terminal that can show it, plain lines anywhere else.

    Args:
        stream: where progress goes.
        plain: plain lines in any case.
    """
    if plain or not _is_terminal(stream):
        return PlainScreen(stream, narrator)
    from orchestrator.ui.live import LiveScreen

    return LiveScreen(stream, narrator)


def _is_terminal(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "")
