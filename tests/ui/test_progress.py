"""The thread that shows what a run's listener hears."""

from __future__ import annotations

import io
from collections.abc import Sequence

from orchestrator.core import events as e
from orchestrator.core.task import Task
from orchestrator.runtime.header import Header
from orchestrator.ui.board import Board
from orchestrator.ui.lines import Line, Narrator
from orchestrator.ui.live import LiveScreen
from orchestrator.ui.output import ReaderGoneError
from orchestrator.ui.progress import PlainScreen, Progress, choose_screen

GRANTED = e.LeaseGranted(0.5, "a", 1, 1, "w1")
DONE = e.Succeeded(2.5, "a", 1, 1)


def narrator() -> Narrator:
    return Narrator(Board(Header(run="r", name="p", tasks=(Task(id="a"),))))


def shown(*batches: Sequence[e.Event]) -> list[str]:
    stream, speaker, progress = io.StringIO(), narrator(), Progress()
    for batch in batches[:1]:
        progress(batch)  # before anything is there to show it on
    progress.start(speaker, PlainScreen(stream, speaker), "opening")
    for batch in batches[1:]:
        progress(batch)
    progress.stop()
    assert progress.failure is None
    return stream.getvalue().splitlines()


def test_everything_heard_is_shown_in_order_before_it_stops() -> None:
    assert shown([GRANTED], [], [DONE]) == [
        "opening",
        "    0.5s  a  attempt 1 of 3 on w1: started",
        "    2.5s  a  attempt 1 of 3 on w1: succeeded in 2.0 s",
    ]


def test_plain_lines_have_no_escape_codes() -> None:
    assert not any("\x1b" in line for line in shown([GRANTED, DONE]))


def test_stopping_what_never_started_does_nothing() -> None:
    progress = Progress()
    progress([GRANTED])
    progress.stop()
    assert progress.failure is None


class BrokenScreen:
    """Fails at the first line, as a reader that has gone or as a mistake of ours."""

    every = 60.0

    def __init__(self, error: Exception) -> None:
        self.error, self.closed = error, False

    def show(self, lines: Sequence[Line]) -> None:
        if lines:
            raise self.error

    def tell(self, text: str) -> None:
        pass

    def draw(self, now: float) -> None:
        pass

    def close(self) -> None:
        self.closed = True


def drive(screen: BrokenScreen) -> Progress:
    progress = Progress()
    progress.start(narrator(), screen, "opening")
    for _ in range(3):
        progress([GRANTED])
    progress.tell("more")
    progress.stop()
    return progress


def test_a_reader_that_has_gone_is_no_failure() -> None:
    screen = BrokenScreen(ReaderGoneError())
    assert drive(screen).failure is None
    assert screen.closed


def test_a_mistake_in_drawing_is_kept_for_the_end() -> None:
    error = ValueError("a mistake")
    assert drive(BrokenScreen(error)).failure is error


class CountingScreen(BrokenScreen):
    """Draws without news at once, and stops its progress from within."""

    every = 0.0

    def __init__(self, progress: Progress) -> None:
        super().__init__(ValueError())
        self.progress, self.times = progress, list[float]()

    def show(self, lines: Sequence[Line]) -> None:
        pass

    def draw(self, now: float) -> None:
        self.times.append(now)
        if len(self.times) == 3:
            self.progress._queue.put(None)


def test_it_draws_without_news_in_the_run_s_own_time() -> None:
    ticks = iter(range(100_000, 200_000))
    progress = Progress(time=lambda: next(ticks) / 1000)
    progress([GRANTED])  # at 100 s of our time, 0.5 s of the run's
    screen = CountingScreen(progress)
    progress.start(narrator(), screen, "opening")
    assert progress._thread is not None
    progress._thread.join()
    progress.stop()
    before, *after = screen.times
    assert before == 0
    assert 0.5 < after[0] < after[1] < 1


def test_a_quiet_run_says_that_it_lives() -> None:
    stream, speaker = io.StringIO(), narrator()
    screen = PlainScreen(stream, speaker)
    screen.draw(1)
    speaker.apply([GRANTED])
    screen.draw(61)
    assert stream.getvalue().splitlines() == [
        "    1.0s     nothing is running",
        "   61.0s     still running: a",
    ]


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_the_live_screen_is_for_terminals_only(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    speaker = narrator()
    assert isinstance(choose_screen(Terminal(), speaker, plain=False), LiveScreen)
    assert isinstance(choose_screen(Terminal(), speaker, plain=True), PlainScreen)
    assert isinstance(choose_screen(io.StringIO(), speaker, plain=False), PlainScreen)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(choose_screen(Terminal(), speaker, plain=False), PlainScreen)
