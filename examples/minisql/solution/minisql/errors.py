"""Everything that minisql raises on purpose."""

from __future__ import annotations


class SqlError(Exception):
    """Root of all errors of this package.

    Args:
        message: what is wrong, for whoever wrote the SQL text.
        line: line of the text, from 1; 0 when there is no place.
        column: column of the text, from 1; 0 when there is no place.
    """

    def __init__(self, message: str, line: int = 0, column: int = 0) -> None:
        self.message, self.line, self.column = message, line, column
        super().__init__(f"line {line}, column {column}: {message}" if line else message)


class SqlSyntaxError(SqlError):
    """The text is not SQL as this engine knows it."""


class SqlTypeError(SqlError):
    """A value has the wrong type, or a function the wrong arguments."""


class SqlNameError(SqlError):
    """A table, column or function is unknown, ambiguous or already there."""


class SqlConstraintError(SqlError):
    """A row breaks NOT NULL, UNIQUE or PRIMARY KEY."""
