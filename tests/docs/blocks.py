"""The code blocks of the documents, with the marks that stand before them.

A mark is an HTML comment directly before a block: `<!-- key: value -->`. docs/README.md says what
each means; `MARKS` is the list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]

MARKS = frozenset({"run", "needs", "file", "example"})
"""The keys that a mark may have."""

COUNTS = pytest.StashKey[str]()
"""Where the count of the blocks by kind is kept, for the end of the tests."""

COMMANDS = frozenset({"bash", "sh", "shell", "console"})
"""Info strings of blocks of commands."""

PROGRAMS = re.compile(r"(\$ )?(orchestrator|python3?|pip|make|git|sqlite3|\.venv/bin/\w+) ")
"""How a line of a block without an info string begins when it is a command."""

_MARK = re.compile(r"<!--\s*([a-z]+):\s*(.*?)\s*-->", re.DOTALL)
_COMMENT = re.compile(r"\s#\s.*$")
_EXIT = re.compile(r"exit code (\d+)(?! if)")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block.

    Attributes:
        document: path of the document in the repository.
        line: line of the fence, from 1.
        info: first word of the info string; empty when there is none.
        text: what stands between the fences.
        marks: what the comments before it say, by key.
        section: number of headings before it; blocks of one section belong together.
    """

    document: str
    line: int
    info: str
    text: str
    marks: Mapping[str, str]
    section: int

    @property
    def where(self) -> str:
        """The place, for a person."""
        return f"{self.document}:{self.line}"

    @property
    def kind(self) -> str:
        """What it is: commands, output, or the language."""
        if self.info in COMMANDS:
            return "commands"
        if self.info in ("", "text"):
            lines = [line for line in self.text.splitlines() if line.strip()]
            typed = bool(lines) and all(PROGRAMS.match(line) for line in lines)
            return "commands" if typed else "output"
        return {"yml": "yaml"}.get(self.info, self.info)


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a block.

    Attributes:
        text: as it stands there, without prompt and comment; may have several lines.
        code: the exit code that the document tells; 0 unless its comment says `exit code N`.
        output: lines that the block shows after it.
    """

    text: str
    code: int = 0
    output: tuple[str, ...] = ()


def documents() -> list[Path]:
    """The documents whose blocks are run."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@cache
def blocks_of(document: Path) -> tuple[Block, ...]:
    """Return the blocks of a document, in order.

    Raises:
        ValueError: a mark has a key that is not in `MARKS`.
    """
    marks: dict[str, str] = {}
    found, section = [], 0
    name = document.relative_to(ROOT).as_posix() if document.is_relative_to(ROOT) else document.name
    for token in MarkdownIt("commonmark").parse(document.read_text(encoding="utf-8")):
        line = token.map[0] + 1 if token.map else 0
        if token.type == "html_block":
            marks |= _marks(token.content, f"{name}:{line}")
            continue
        section += token.type == "heading_open"
        if token.type == "fence":
            info = (token.info.split() or [""])[0]
            found.append(Block(name, line, info, token.content, marks, section))
        marks = {}
    return tuple(found)


def _marks(comment: str, where: str) -> dict[str, str]:
    found = dict(_MARK.findall(comment))
    unknown = sorted(set(found) - MARKS)
    if unknown:
        raise ValueError(f"{where}: no such mark: {unknown}; there are {sorted(MARKS)}")
    return found


def commands_of(block: Block) -> list[Command]:
    """Return the commands of a block of commands, each with the output shown after it."""
    lines = block.text.splitlines()
    prompted = any(line.startswith("$ ") for line in lines)
    commands: list[Command] = []
    rest = iter(lines)
    for line in rest:
        if prompted and not line.startswith("$ "):
            last = commands.pop()
            commands.append(Command(last.text, last.code, (*last.output, line)))
        elif line.strip() and not line.lstrip().startswith("#"):
            commands.append(_command(line.removeprefix("$ "), rest))
    return commands


def _command(line: str, rest: Iterator[str]) -> Command:
    code = _EXIT.search(line)
    text = _COMMENT.sub("", line)
    while text.endswith("\\"):
        text = text[:-1] + _COMMENT.sub("", next(rest)).lstrip()
    here = re.search(r"<<\s*'?(\w+)'?", text)
    while here:
        line = next(rest)
        text += "\n" + line
        if line == here[1]:
            break
    return Command(text.rstrip(), int(code[1]) if code else 0)
