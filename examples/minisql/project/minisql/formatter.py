"""Results as text."""

from __future__ import annotations

from collections.abc import Sequence

from minisql.types import Result, Row, Value

#: Ways to show the rows of a query.
MODES: tuple[str, ...] = ("table", "csv", "list")


def format_value(value: Value) -> str:
    """Return `value` as a person reads it.

    NULL is ``NULL``, booleans are ``true`` and ``false``, a real without a fraction keeps one
    zero (``2.0``), other reals have at most six significant digits (``0.333333``).
    """
    raise NotImplementedError


def format_table(columns: Sequence[str], rows: Sequence[Row], width: int = 40) -> str:
    """Return rows as a table with a count below it.

    ::

         id | name
        ----+------
          1 | Ada
        (1 row)

    Every cell has one blank on each side; a column of numbers (NULLs aside) is right-aligned,
    with its heading, every other one left-aligned; no line ends in blanks. A heading or value
    longer than `width` is cut to it, its last character being ``…``. Line breaks inside a
    value are shown as blanks. Without rows there are heading, rule and ``(0 rows)``.

    Args:
        columns: the headings.
        rows: the rows, each as long as `columns`.
        width: greatest width of a column, in characters.
    """
    raise NotImplementedError


def format_csv(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """Return rows as comma-separated values, the headings first.

    NULL is an empty cell. A cell with a comma, a double quote or a line break in it is put in
    double quotes, double quotes inside it doubled.
    """
    raise NotImplementedError


def format_list(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """Return rows as lines ``name = value``, names right-aligned, a blank line between rows."""
    raise NotImplementedError


def format_result(result: Result, mode: str = "table") -> str:
    """Return a result as text: a query's rows in the given mode, otherwise its message.

    Raises:
        SqlError: ``no such mode: MODE (table, csv, list)``.
    """
    raise NotImplementedError
