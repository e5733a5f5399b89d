"""A shell without a terminal: lines go in, text comes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from minisql.errors import SqlError
from minisql.formatter import MODES, format_result
from minisql.lexer import split_statements
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
        self.mode = MODES[0]
        self.done = False
        self._engine = engine
        self._pending = ""

    @property
    def prompt(self) -> str:
        """``sql> `` before a new statement, ``...> `` inside one."""
        return "...> " if self._pending else "sql> "

    def execute(self, line: str) -> str:
        """Take one line and return what is to be shown, without a newline at the end.

        A line that starts with a point, outside of a statement, is a command (`HELP` lists
        them; blanks around it do not matter). Any other line is SQL: what ends with a
        semicolon is run, statement by statement, and the texts of the results are joined by
        newlines, empty ones left out; the rest waits for the next line. The first error ends
        the line: its text, after ``error: ``, follows the results before it, and whatever
        else was on the line or waited is forgotten. The same goes for errors of commands.
        """
        if not self._pending and line.strip().startswith("."):
            return self._guarded(self._command, [line.strip()])
        statements, rest = split_statements(f"{self._pending}{line}\n")
        self._pending = rest if rest.strip() else ""
        return self._guarded(self._sql, statements)

    def _guarded(self, answer: Callable[[str], str], parts: Sequence[str]) -> str:
        """Answer commands or statements in order, up to the first error."""
        texts: list[str] = []
        for part in parts:
            try:
                text = answer(part)
            except SqlError as error:
                self._pending = ""
                return "\n".join([*texts, f"error: {error}"])
            if text:
                texts.append(text)
        return "\n".join(texts)

    def _sql(self, statement: str) -> str:
        results = self._engine.run(statement)
        return "\n".join(format_result(result, self.mode) for result in results)

    def _command(self, line: str) -> str:
        """Run a command: its text, "" for ``.mode`` and ``.quit``."""
        match line.split():
            case [".help"]:
                return HELP
            case [".mode", mode] if mode in MODES:
                self.mode = mode
                return ""
            case [".mode", mode]:
                raise SqlError(f"no such mode: {mode} ({', '.join(MODES)})")
            case [".quit"]:
                self.done = True
                return ""
            case [".schema", table]:
                return self._engine.schema(table)
            case [".schema"]:
                return "\n".join(map(self._engine.schema, self._engine.table_names()))
            case [".tables"]:
                return "\n".join(self._engine.table_names())
        raise SqlError(f"no such command: {line} (try .help)")
