"""The engine as its users see it."""

from __future__ import annotations

from minisql.executor import run
from minisql.storage import Database
from minisql.syntax_tree import Column, Literal, to_sql
from minisql.types import ColumnDef, Result, Row


class Engine:
    """A database and the language to talk to it."""

    def __init__(self) -> None:
        self.database = Database()

    def run(self, sql: str) -> list[Result]:
        """Carry out all statements of a text and return a result for each.

        Raises:
            SqlError: the text is wrong, or a statement failed; those before it stay done.
        """
        return run(sql, self.database)

    def query(self, sql: str) -> list[Row]:
        """Carry out a text and return the rows of its last statement; none for no statement.

        Raises:
            SqlError: as `run`.
        """
        results = self.run(sql)
        return list(results[-1].rows) if results else []

    def table_names(self) -> list[str]:
        """Return the names of the tables, sorted."""
        return self.database.table_names()

    def schema(self, table: str) -> str:
        """Return the statement that creates a table, for example
        ``CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE DEFAULT 'x');``.

        The constraints stand in the order of the example; a default of NULL is not shown.

        Raises:
            SqlNameError: there is no such table.
        """
        columns = ", ".join(map(_declaration, self.database.table(table).columns))
        return f"CREATE TABLE {to_sql(Column(table))} ({columns});"


def _declaration(column: ColumnDef) -> str:
    parts = [to_sql(Column(column.name)), column.type.value]
    parts += ["PRIMARY KEY"] if column.primary_key else []
    parts += ["NOT NULL"] if column.not_null else []
    parts += ["UNIQUE"] if column.unique else []
    parts += [] if column.default is None else ["DEFAULT " + to_sql(Literal(column.default))]
    return " ".join(parts)
