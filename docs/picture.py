"""Makes docs/run.svg: the screen of a real run, halfway, and what it says at its end.

    python docs/picture.py

The example minisql is run in a temporary directory, with a model that knows the solution, takes
its time and makes mistakes. What the run's listener heard is then drawn by the same code that
draws on a terminal.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console, Group
from rich.text import Text

from orchestrator.core.events import Event, Succeeded
from orchestrator.runtime.run import start
from orchestrator.spec.plan import load_plan
from orchestrator.ui.board import Board
from orchestrator.ui.lines import Narrator
from orchestrator.ui.live import picture, spoken
from orchestrator.ui.record import read_record
from orchestrator.ui.summary import summarise

ROOT = Path(__file__).resolve().parent.parent
PLAN = Path("examples/minisql/plan.yaml")
LEFT_OUT = shutil.ignore_patterns("out", ".orchestrator", "__pycache__", ".pytest_cache")
WIDTH, HEIGHT = 104, 40
OPTIONS = {"latency": "0.3-1.5", "mistakes": "0.4"}
LEADING = re.compile(r'x="([\d.]+)" (y="[\d.]+") textLength="([\d.]+)"([^>]*)>((?:&#160;)+)')
COLUMN = 12.2  # width of a character in rich's pictures
SHOWN = {"good", "bad", "warn"}


def main() -> None:
    """Run the example, and write the picture beside this file."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), highlight=False)
    options = "".join(f" -M {key}={value}" for key, value in OPTIONS.items())
    console.print(Text(f"$ orchestrator run {PLAN}{options}", style="bold"))
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / PLAN.parent, folder / PLAN.parent, ignore=LEFT_OUT)
        os.chdir(folder)
        heard: list[Event] = []
        run = start(
            load_plan(PLAN), options=OPTIONS, durability="normal", listeners=(heard.extend,)
        )
        run.wait()
        draw_halfway(console, Board(run.header), heard)
        draw_end(console, run.folder.path)
        os.chdir(ROOT)
    svg = console.export_svg(title="orchestrator run", unique_id="run")
    svg = LEADING.sub(unpad, svg)  # some viewers drop spaces at the start of a text
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)  # nothing is fetched
    (ROOT / "docs" / "run.svg").write_text(svg, encoding="utf-8")


def unpad(found: re.Match[str]) -> str:
    """Return the beginning of a text element with its position in place of leading spaces."""
    x, y, length, more, spaces = found.groups()
    shift = COLUMN * len(spaces) / len("&#160;")
    moved = f'x="{float(x) + shift:.1f}" {y} textLength="{float(length) - shift:.1f}"'
    return f"{moved}{more}>"


def draw_halfway(console: Console, board: Board, heard: Sequence[Event]) -> None:
    """Draw the screen as it was when half of the tasks had succeeded."""
    narrator = Narrator(board)
    half = len(board.header.tasks) // 2
    done, lines = 0, []
    for number, event in enumerate(heard):
        lines += narrator.apply([event])
        done += isinstance(event, Succeeded)
        following = heard[number + 1].at if number + 1 < len(heard) else event.at
        if done == half and following > event.at + 0.2:
            break
    told = [spoken(line, narrator.width) for line in lines if line.tone in SHOWN]
    console.print(Group(*told))
    console.print(picture(board, board.history.now + 0.1, WIDTH, HEIGHT))


def draw_end(console: Console, run_dir: Path) -> None:
    """Print the summary."""
    console.print(Text("\n⋮\n", style="dim"))
    summary = summarise(read_record(run_dir))
    console.print(Text(summary.headline, style="bold green"))
    for paragraph in summary.paragraphs:
        console.print(Text(paragraph))


if __name__ == "__main__":
    main()
