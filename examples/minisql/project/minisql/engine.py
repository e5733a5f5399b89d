"""The engine as its users see it."""

from __future__ import annotations

from minisql.types import Result, Row


class Engine:
    """A database and the language to talk to it."""

    def __init__(self) -> None:
        raise NotImplementedError

    def run(self, sql: str) -> list[Result]:
        """Carry out all statements of a text and return a result for each.

        Raises:
            SqlError: the text is wrong, or a statement failed; those before it stay done.
        """
        raise NotImplementedError

    def query(self, sql: str) -> list[Row]:
        """Carry out a text and return the rows of its last statement; none for no statement.

        Raises:
            SqlError: as `run`.
        """
        raise NotImplementedError

    def table_names(self) -> list[str]:
        """Return the names of the tables, sorted."""
        raise NotImplementedError

    def schema(self, table: str) -> str:
        """Return the statement that creates a table, for example
        ``CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE DEFAULT 'x');``.

        The constraints stand in the order of the example; a default of NULL is not shown.

        Raises:
            SqlNameError: there is no such table.
        """
        raise NotImplementedError
