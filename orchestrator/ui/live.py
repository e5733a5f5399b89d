"""The live screen: a table of what runs and waits, a bar, and finished tasks scrolling past."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from orchestrator.core.states import TaskState
from orchestrator.ui.board import Board
from orchestrator.ui.lines import Line, Narrator, Tone
from orchestrator.ui.words import clock, count, listed, short

_STYLES: dict[Tone, str] = {
    "start": "cyan",
    "good": "green",
    "bad": "red",
    "warn": "yellow",
    "quiet": "dim",
}
_MARKS: dict[Tone, str] = {"start": "▸", "good": "✓", "bad": "✗", "warn": "!", "quiet": "·"}
_HIDDEN: frozenset[Tone] = frozenset({"start", "quiet"})
"""News that the table shows anyway."""

_BAR = 30
_FRAME = 8  # lines that are not rows: titles, bar, counts, what is to go, a margin
_WIDEST = 120
_INDENT = "   "
_LEAST_ROWS = 3
_NARROW, _WIDE = 76, 104


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table."""

    mark: str
    style: str
    task: str
    role: str = ""
    worker: str = ""
    attempt: str = ""
    turn: str = ""
    phase: str = ""
    tokens: str = ""
    time: str = ""


class LiveScreen:
    """Draws on a terminal.

    Args:
        stream: the terminal.
        narrator: its board is drawn.
    """

    every = 1 / 8

    def __init__(self, stream: TextIO, narrator: Narrator) -> None:
        self._board = narrator.board
        self._narrator = narrator
        self._console = Console(file=stream, highlight=False)
        self._lines: list[Text] = []
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def show(self, lines: Sequence[Line]) -> None:
        """Keep the lines that the table does not tell, to be printed above it with the next
        picture: a terminal takes eight pictures a second, a run may have hundreds of lines."""
        width = self._narrator.width
        self._lines += [spoken(line, width) for line in lines if line.tone not in _HIDDEN]

    def tell(self, text: str) -> None:
        """Print the message above the table."""
        self._lines.append(Text(text))

    def draw(self, now: float) -> None:
        """Draw the table as it is now."""
        if not self._live.is_started:
            self._live.start()
        size = self._console.size
        self._live.update(picture(self._board, now, size.width, size.height))
        self._print()
        self._live.refresh()

    def close(self) -> None:
        """Take the table away and give the cursor back."""
        self._live.update(Text(""))
        self._print()
        self._live.stop()

    def _print(self) -> None:
        lines, self._lines = self._lines, []
        if lines:
            self._console.print(Group(*lines))


def spoken(line: Line, width: int) -> Text:
    """Return a line with its mark and colours."""
    style = _STYLES[line.tone]
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{clock(line.at):>8} ", style="dim")
    text.append(f"{_MARKS[line.tone]} ", style=style)
    if line.task:
        text.append(f"{line.task:<{min(width, 28)}}  ", style="bold")
    text.append(line.text, style=style if line.tone in ("bad", "warn") else "")
    return text


def picture(board: Board, now: float, width: int, height: int) -> RenderableType:
    """Return the table, the bar and the counts.

    Args:
        now: seconds since the run began.
        width: columns of the terminal.
        height: its lines.
    """
    room = max(_LEAST_ROWS, height - _FRAME)
    rows = list(_rows(board, now))
    shown = rows if len(rows) <= room else rows[: room - 1]
    parts: list[RenderableType] = [Text(""), _table(shown, width)]
    if len(shown) < len(rows):
        parts.append(Text(f"{_INDENT}… and {len(rows) - len(shown)} more", style="dim"))
    parts += [_bar(board, now, width), _counts(board), _to_go(board, now)]
    return Group(*parts)


def _rows(board: Board, now: float) -> Iterator[Row]:
    """Yield what is worth a row: what runs, what waits for files or a person, what is ready."""
    running = board.among(TaskState.RUNNING)
    running.sort(key=lambda name: board.task(name).attempts[-1].started)
    for name in running:
        yield _running(board, name, now)
    blocked = board.blocked()
    for name, by in blocked.items():
        role = board.task(name).task.role
        wait = f"waits for files that {listed(by, 2)} {'holds' if len(by) == 1 else 'hold'}"
        yield Row("◌", "yellow", name, role, phase=wait)
    for name in board.among(TaskState.HELD):
        wait = "waits for a person's approval"
        yield Row("◌", "magenta", name, board.task(name).task.role, phase=wait)
    for name in board.among(TaskState.READY):
        if name not in blocked:
            yield Row("○", "dim", name, board.task(name).task.role, phase="ready")


def _running(board: Board, name: str, now: float) -> Row:
    task = board.task(name)
    attempt = task.attempts[-1]
    doing = f"{attempt.phase}: {attempt.detail}" if attempt.detail else attempt.phase
    return Row(
        mark="●",
        style="cyan",
        task=name,
        role=task.task.role,
        worker=attempt.worker,
        attempt=f"{attempt.number}/{board.attempts_allowed(name)}",
        turn=str(attempt.turn or ""),
        phase=doing,
        tokens=short(task.input + task.output),
        time=clock(now - attempt.started),
    )


def _table(rows: Sequence[Row], width: int) -> Table:
    narrow, wide = width < _NARROW, width >= _WIDE
    table = Table(
        box=None, width=min(width, _WIDEST), padding=(0, 1), pad_edge=False, header_style="dim"
    )
    table.add_column("", width=1)
    table.add_column("task", no_wrap=True, overflow="ellipsis", ratio=3, min_width=8)
    if wide:
        table.add_column("role", no_wrap=True, overflow="ellipsis", width=12)
    if not narrow:
        table.add_column("worker", no_wrap=True, width=6)
    table.add_column("attempt", no_wrap=True, justify="right", width=7)
    if not narrow:
        table.add_column("turn", no_wrap=True, justify="right", width=4)
    table.add_column("phase", no_wrap=True, overflow="ellipsis", ratio=5, min_width=10)
    if not narrow:
        table.add_column("tokens", no_wrap=True, justify="right", width=6)
    table.add_column("time", no_wrap=True, justify="right", width=7)
    for row in rows:
        cells = [Text(row.mark, row.style), Text(row.task, "bold" if row.time else "")]
        cells += [Text(row.role, "dim")] if wide else []
        cells += [] if narrow else [Text(row.worker)]
        cells += [Text(row.attempt)]
        cells += [] if narrow else [Text(row.turn)]
        cells += [Text(row.phase, "" if row.time else row.style)]
        cells += [] if narrow else [Text(row.tokens, "dim")]
        table.add_row(*cells, Text(row.time))
    return table


def _bar(board: Board, now: float, width: int) -> Text:
    counts, total = board.counts(), len(board.history.tasks)
    lost = counts[TaskState.FAILED] + counts[TaskState.SKIPPED] + counts[TaskState.CANCELLED]
    parts = (
        (counts[TaskState.SUCCEEDED], "green"),
        (lost, "red"),
        (counts[TaskState.RUNNING], "cyan"),
    )
    size = min(_BAR, max(10, width - 40))
    text = Text(_INDENT, no_wrap=True, overflow="ellipsis")
    done = cells = 0
    for number, style in parts:
        done += number
        upto = round(size * done / total) if total else size
        text.append("━" * (upto - cells), style=style)
        cells = upto
    text.append("━" * (size - cells), style="bright_black")
    text.append(f"  {counts[TaskState.SUCCEEDED]} of {count(total, 'task')}", style="bold")
    text.append(f"   {clock(now)}")
    tokens = sum(task.input + task.output for task in board.history.tasks.values())
    if tokens:
        text.append(f"   {short(tokens)} tokens", style="dim")
    return text


def _counts(board: Board) -> Text:
    counts, blocked = board.counts(), len(board.blocked())
    parts = [
        (counts[TaskState.RUNNING], "running", "cyan"),
        (counts[TaskState.READY] - blocked, "ready", ""),
        (blocked, "waiting for files", "yellow"),
        (counts[TaskState.HELD], "held", "magenta"),
        (counts[TaskState.WAITING], "waiting for other tasks", ""),
        (counts[TaskState.FAILED], "failed", "red"),
        (counts[TaskState.SKIPPED], "skipped", "red"),
        (counts[TaskState.CANCELLED], "cancelled", "red"),
    ]
    text = Text(_INDENT, no_wrap=True, overflow="ellipsis")
    text.append_text(
        Text(" · ", "dim").join(Text(f"{n} {word}", style) for n, word, style in parts if n)
    )
    return text


def _to_go(board: Board, now: float) -> Text:
    """How long it will take at least, and along which tasks."""
    text = Text(_INDENT, style="dim", no_wrap=True, overflow="ellipsis")
    ahead = board.ahead()
    if not ahead.path:
        return text
    left = ahead.seconds - (now - board.history.now) * ahead.measured
    when = f"at least {clock(left)} to go" if left > 0 else "nearly done"
    by = "" if ahead.measured else " by the plan's estimates"
    return text.append(f"{when}{by}: {' → '.join(ahead.path)}")
