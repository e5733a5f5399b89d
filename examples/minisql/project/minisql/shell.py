"""A shell without a terminal: lines go in, text comes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from minisql.types import Result

HELP = """\
SQL statements end with a semicolon and may take several lines.
.help             this text
.mode MODE        how rows are shown: table, csv, list
.quit             leave
.schema [TABLE]   how a table, or every table, was created
.tables           names of the tables"""


class Engine(Protocol):
    """What a shell needs to know of an engine."""

    def run(self, sql: str) -> Sequence[Result]:
        """Carry out SQL text and return a result for each statement."""
        ...

    def table_names(self) -> Sequence[str]:
        """Return the names of the tables, sorted."""
        ...

    def schema(self, table: str) -> str:
        """Return the CREATE TABLE statement of a table."""
        ...


class Shell:
    """Reads lines, runs what is complete, answers with text.

    Args:
        engine: carries out the statements.

    Attributes:
        mode: how rows are shown, one of `formatter.MODES`; ``table`` at the start.
        done: whether ``.quit`` was given.
    """

    def __init__(self, engine: Engine) -> None:
        raise NotImplementedError

    @property
    def prompt(self) -> str:
        """``sql> `` before a new statement, ``...> `` inside one."""
        raise NotImplementedError

    def execute(self, line: str) -> str:
        """Take one line and return what is to be shown, without a newline at the end.

        A line that starts with a point, outside of a statement, is a command (`HELP` lists
        them; blanks around it do not matter). Any other line is SQL: what ends with a
        semicolon is run, statement by statement, and the texts of the results are joined by
        newlines, empty ones left out; the rest waits for the next line. The first error ends
        the line: its text, after ``error: ``, follows the results before it, and whatever
        else was on the line or waited is forgotten. The same goes for errors of commands.
        """
        raise NotImplementedError
