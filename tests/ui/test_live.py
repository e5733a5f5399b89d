"""The live screen, drawn into a recording console."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from rich.console import Console

from orchestrator.core import events as e
from orchestrator.core.messages import Spent
from orchestrator.core.task import Task
from orchestrator.runtime.header import Header
from orchestrator.ui.board import Board
from orchestrator.ui.lines import Line, Narrator
from orchestrator.ui.live import LiveScreen, picture, spoken


def board_of(tasks: list[Task], *events: e.Event, workers: int = 4) -> Board:
    board = Board(Header(run="r", name="p", tasks=tuple(tasks), workers=workers))
    for event in events:
        board.apply(event)
    return board


def drawn(board: Board, now: float, width: int = 100, height: int = 30) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, color_system=None)
    with console.capture() as capture:
        console.print(picture(board, now, width, height))
    return [line.rstrip() for line in capture.get().splitlines()]


def granted(at: float, task: str, worker: str = "w1") -> e.LeaseGranted:
    return e.LeaseGranted(at, task, 1, 1, worker)


def busy(count: int, running: int) -> Board:
    tasks = [Task(id=f"task_{number:03d}", role="implementer") for number in range(count)]
    grants = [granted(n / 10, f"task_{n:03d}", f"w{n + 1}") for n in range(running)]
    return board_of(tasks, *grants, workers=max(1, running))


def test_a_running_task_has_all_its_figures() -> None:
    board = board_of(
        [Task(id="lexer", role="implementer")],
        granted(1, "lexer", "w2"),
        e.Reported(2, "lexer", 1, 1, "write", 4, Spent(12_000, 300), detail="edit_file"),
    )
    row = next(line for line in drawn(board, 4.2, width=110) if "lexer" in line)
    assert row.split() == [
        "●", "lexer", "implementer", "w2", "1/3", "4", "write:", "edit_file", "12.3k", "3.2s",
    ]  # fmt: skip


def test_tasks_that_wait_say_for_what() -> None:
    tasks = [Task(id="a"), Task(id="b"), Task(id="c", approval=True), Task(id="d")]
    board = board_of(tasks, granted(0, "a"), e.Blocked(0, "b", 0, ("a",)))
    rows = [" ".join(line.split()) for line in drawn(board, 1)]
    assert "◌ b waits for files that a holds" in rows
    assert "◌ c waits for a person's approval" in rows
    assert "○ d ready" in rows
    assert "1 running · 1 ready · 1 waiting for files · 1 held" in rows


def test_the_bar_counts_what_has_succeeded() -> None:
    tasks = [Task(id="a"), Task(id="b"), Task(id="c", depends_on=("b",))]
    board = board_of(
        tasks, granted(0, "a"), e.Succeeded(1, "a", 1, 1), granted(1, "b"),
        e.AttemptEnded(2, "b", 1, 1, "gave_up", "no", "failed", True),
        e.Skipped(2, "c", 0, "b failed"),
    )  # fmt: skip
    lines = drawn(board, 2)
    assert any("1 of 3 tasks   2.0s" in line for line in lines)
    assert any("1 failed · 1 skipped" in line for line in lines)


def test_what_is_to_go_is_told_with_its_path() -> None:
    tasks = [Task(id="a", estimate=10), Task(id="b", estimate=20, depends_on=("a",))]
    before = drawn(board_of(tasks, workers=1), 0)
    assert before[-1].strip() == "at least 30.0s to go by the plan's estimates: a → b"
    board = board_of(tasks, granted(0, "a"), e.Succeeded(5, "a", 1, 1), granted(5, "b"), workers=1)
    assert drawn(board, 8)[-1].strip() == "at least 7.0s to go: b"
    assert drawn(board, 16)[-1].strip() == "nearly done: b"


@pytest.mark.parametrize(("count", "running"), [(4, 4), (64, 64), (500, 64), (500, 4), (1, 0)])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 50), (60, 20), (40, 10), (200, 60)])
def test_the_picture_fits_the_terminal(count: int, running: int, width: int, height: int) -> None:
    lines = drawn(busy(count, running), 5, width, height)
    assert len(lines) < height
    assert max(len(line) for line in lines) <= width
    assert any(f"0 of {count} task" in line for line in lines)


def test_what_does_not_fit_is_counted_and_running_tasks_come_first() -> None:
    lines = drawn(busy(500, 64), 5, 80, 24)
    rows = [line for line in lines if "task_" in line and line.startswith("●")]
    assert [row.split()[1] for row in rows] == [f"task_{n:03d}" for n in range(len(rows))]
    assert any(f"… and {500 - len(rows)} more" in line for line in lines)


def test_a_narrow_terminal_keeps_task_phase_and_time() -> None:
    header = next(line for line in drawn(busy(4, 4), 5, 60) if "task" in line)
    assert header.split() == ["task", "attempt", "phase", "time"]
    header = next(line for line in drawn(busy(4, 4), 5, 80) if "worker" in line)
    assert header.split() == ["task", "worker", "attempt", "turn", "phase", "tokens", "time"]


def test_a_plan_without_tasks_can_be_drawn() -> None:
    assert any("0 of 0 tasks" in line for line in drawn(board_of([]), 0))


def test_a_line_has_a_mark_for_its_tone() -> None:
    line = spoken(Line(3.2, "lexer", "attempt 1: failed", "bad"), 8)
    assert line.plain == "    3.2s ✗ lexer     attempt 1: failed"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[LiveScreen, Terminal]]:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    stream = Terminal()
    made = LiveScreen(stream, Narrator(busy(4, 2)))
    yield made, stream
    made.close()


def test_news_stays_above_the_picture(screen: tuple[LiveScreen, Terminal]) -> None:
    live, stream = screen
    live.tell("Run r of p")
    live.show(
        [
            Line(0.1, "task_000", "attempt 1: started", "start"),
            Line(0.5, "task_000", "attempt 1: succeeded", "good"),
        ]
    )
    assert stream.getvalue() == ""
    live.draw(1)
    text = stream.getvalue()
    assert text.index("Run r of p") < text.index("attempt 1: succeeded") < text.rindex("task_001")
    assert "started" not in text


def test_a_long_line_is_cut_a_long_message_is_not(screen: tuple[LiveScreen, Terminal]) -> None:
    live, stream = screen
    live.tell("Log: " + "m" * 200)
    live.show([Line(0.5, "task_000", "wrote " + "x" * 200, "good")])
    live.draw(1)
    assert stream.getvalue().count("m" * 80) == 2
    assert "xxx…\n" in stream.getvalue()


def test_the_cursor_comes_back(screen: tuple[LiveScreen, Terminal]) -> None:
    live, stream = screen
    live.draw(1)
    live.show([Line(2, "task_000", "the end", "bad")])
    live.close()
    text = stream.getvalue()
    assert "the end" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_no_colour_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    live = LiveScreen(stream, Narrator(busy(4, 2)))
    live.draw(1)
    live.close()
    assert "\x1b[3" not in stream.getvalue()
    assert "\x1b[9" not in stream.getvalue()
