"""Carries out statements."""

from __future__ import annotations

from collections.abc import Iterator

from minisql.plan import (
    Node,
)
from minisql.storage import Database
from minisql.syntax_tree import (
    Statement,
)
from minisql.types import Result, Row


def run(sql: str, database: Database) -> list[Result]:
    """Carry out all statements of a text in order and return a result for each.

    The whole text is parsed before the first statement is carried out.

    Raises:
        SqlError: the text is wrong, or a statement failed; those before it stay done.
    """
    raise NotImplementedError


def execute(statement: Statement, database: Database) -> Result:
    """Carry out one statement.

    A query gives columns and rows; EXPLAIN gives one column ``plan``, one line of the plan a
    row. The others give a message: ``table t created``, ``table t already exists``,
    ``table t dropped``, ``no table t`` (for IF EXISTS), ``2 rows inserted``,
    ``1 row updated``, ``0 rows deleted``.

    UPDATE computes all values from the rows as they were before it.

    Raises:
        SqlError: the statement failed; it has changed nothing.
    """
    raise NotImplementedError


def rows_of(node: Node, database: Database) -> Iterator[Row]:
    """Yield the rows that a plan gives.

    Raises:
        SqlError: a value has the wrong type for what is done with it.
    """
    raise NotImplementedError
