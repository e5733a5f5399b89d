"""Driving a run from the command line: start it, show it, end it on Ctrl-C, say how it ended."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn, TextIO

from orchestrator.core.messages import RunStatus
from orchestrator.runtime.results import RunResult
from orchestrator.runtime.run import Run
from orchestrator.ui import output
from orchestrator.ui.board import Board
from orchestrator.ui.failures import INTERRUPTED, Session
from orchestrator.ui.lines import Narrator
from orchestrator.ui.progress import Progress, choose_screen
from orchestrator.ui.record import Record, read_record
from orchestrator.ui.reporting.spans import send_run
from orchestrator.ui.signals import terminable
from orchestrator.ui.summary import Summary, summarise
from orchestrator.ui.words import count, place, run_name

Begin = Callable[[Progress], Run]

LAST_WORDS = 1.0
"""Seconds that the screen may take to end when the process leaves at once."""

_TONES: dict[RunStatus, str] = {
    "succeeded": "bold green",
    "failed": "bold red",
    "limit": "bold yellow",
    "interrupted": "bold yellow",
    "running": "bold",
}


@dataclass(frozen=True, slots=True)
class Show:
    """How a run is shown.

    Attributes:
        as_json: one JSON object on standard output at the end; progress goes to standard error.
        plain: plain lines also on a terminal.
    """

    as_json: bool = False
    plain: bool = False

    @property
    def stream(self) -> TextIO:
        """Where progress and the summary go."""
        return sys.stderr if self.as_json else sys.stdout


def drive(begin: Begin, show: Show, session: Session, board: Board | None = None) -> int:
    """Start a run, show it until it ends, and say how it ended.

    Args:
        begin: starts the run with the progress as its listener.
        session: told the run's directory, for whoever must report a bug.
        board: where the tasks of a run that goes on stand already.

    Returns:
        The exit code.
    """
    progress = Progress()
    with terminable():
        run = begin(progress)
        session.run_dir = run.folder.path
        for notice in run.notices:
            progress.tell(notice)
        try:
            try:
                _show(run, progress, show, board)
                run.finished()
            except KeyboardInterrupt:
                progress.tell("Interrupted: ending what runs. Press Ctrl-C again to leave at once.")
                run.halt("interrupted")
                run.finished()
            result = run.wait()
        except KeyboardInterrupt:
            _leave(run, progress)
        finally:
            progress.stop()
    if progress.failure is not None:
        session.note(progress.failure, "the progress display failed; the run did not")
    code = _conclude(result, show)
    _trace(result)
    return code


def _show(run: Run, progress: Progress, show: Show, board: Board | None) -> None:
    narrator = Narrator(board or Board(run.header))
    screen = choose_screen(show.stream, narrator, plain=show.plain)
    progress.start(narrator, screen, _opening(run, again=board is not None))


def _opening(run: Run, *, again: bool) -> str:
    header = run.header
    model = f", model {header.model}" if header.model else ""
    time = ", virtual time" if header.time == "virtual" else ""
    return (
        f"{'Going on with run' if again else 'Run'} {header.run} of {header.name}: "
        f"{count(len(header.tasks), 'task')}, {count(header.workers, 'worker')}, mode "
        f"{header.mode}{model}{time}. Log: {place(run.folder.path)}"
    )


def _leave(run: Run, progress: Progress) -> NoReturn:
    """End the process without waiting for anybody; the log holds all that was answered."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    progress.stop(LAST_WORDS)
    name = run_name(run.folder.path)
    output.complain(f"Left at once. Go on with: orchestrator resume {name}")
    os._exit(INTERRUPTED)


def _conclude(result: RunResult, show: Show) -> int:
    record = read_record(result.run_dir)
    with suppress(output.ReaderGoneError):  # the exit code and the JSON still say how it ended
        tell(record, show.stream, plain=show.plain, late=result.late)
        for notice in result.notices:
            output.say(notice, show.stream)
    if show.as_json:
        output.say_json(record.to_json())
    return result.exit_code


def _trace(result: RunResult) -> None:
    """Send the run to whoever listens to spans in this process; mostly nobody does."""
    try:
        send_run(result.run_dir)
    except Exception as error:  # what listens is not ours, and the run is none the worse
        kind = type(error).__name__
        output.complain(f"note: the run could not be sent as spans: {kind}: {error}")


def tell(record: Record, stream: TextIO, *, plain: bool, late: Sequence[str] = ()) -> None:
    """Print a run's summary, with a little colour on a terminal."""
    summary = summarise(record, late)
    if plain or not stream.isatty():
        output.say(summary.text(), stream)
    else:
        _tell_in_colour(record, summary, stream)


def _tell_in_colour(record: Record, summary: Summary, stream: TextIO) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream, highlight=False)
    console.print(Text(summary.headline, style=_TONES[record.status]))
    for paragraph in summary.paragraphs:
        console.print(Text(paragraph), soft_wrap=True)
