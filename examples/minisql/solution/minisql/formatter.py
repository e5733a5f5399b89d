"""Results as text."""

from __future__ import annotations

from collections.abc import Sequence

from minisql.errors import SqlError
from minisql.types import Result, Row, Value, counted

#: Ways to show the rows of a query.
MODES: tuple[str, ...] = ("table", "csv", "list")


def format_value(value: Value) -> str:
    """Return `value` as a person reads it.

    NULL is ``NULL``, booleans are ``true`` and ``false``, a real without a fraction keeps one
    zero (``2.0``), other reals have at most six significant digits (``0.333333``).
    """
    match value:
        case None:
            return "NULL"
        case bool():
            return str(value).lower()
        case float() if not value.is_integer():
            return f"{value:.6g}"
        case _:
            return str(value)


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
    texts = [[_cut(format_value(value), width) for value in row] for row in rows]
    heading = [_cut(column, width) for column in columns]
    widths = [max(map(len, cells)) for cells in zip(heading, *texts, strict=True)]
    numeric = [_is_numeric([row[place] for row in rows]) for place in range(len(columns))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            f" {cell:>{size}} " if right else f" {cell:<{size}} "
            for cell, size, right in zip(cells, widths, numeric, strict=True)
        ]
        return "|".join(padded).rstrip()

    rule = "+".join("-" * (size + 2) for size in widths)
    return "\n".join([line(heading), rule, *map(line, texts), f"({counted(len(rows), 'row')})"])


def format_csv(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """Return rows as comma-separated values, the headings first.

    NULL is an empty cell. A cell with a comma, a double quote or a line break in it is put in
    double quotes, double quotes inside it doubled.
    """
    cells = [["" if value is None else format_value(value) for value in row] for row in rows]
    return "\n".join(",".join(map(_quoted, line)) for line in [list(columns), *cells])


def format_list(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """Return rows as lines ``name = value``, names right-aligned, a blank line between rows."""
    size = max(map(len, columns))
    return "\n\n".join(
        "\n".join(
            f"{name:>{size}} = {format_value(value)}"
            for name, value in zip(columns, row, strict=True)
        )
        for row in rows
    )


def format_result(result: Result, mode: str = "table") -> str:
    """Return a result as text: a query's rows in the given mode, otherwise its message.

    Raises:
        SqlError: ``no such mode: MODE (table, csv, list)``.
    """
    if mode not in MODES:
        raise SqlError(f"no such mode: {mode} ({', '.join(MODES)})")
    if not result.columns:
        return result.message
    shown = {"table": format_table, "csv": format_csv, "list": format_list}[mode]
    return shown(result.columns, result.rows)


def _cut(text: str, width: int) -> str:
    line = " ".join(text.splitlines())
    return line if len(line) <= width else line[: width - 1] + "…"


def _is_numeric(values: Sequence[Value]) -> bool:
    present = [value for value in values if value is not None]
    return bool(present) and not any(isinstance(value, bool | str) for value in present)


def _quoted(cell: str) -> str:
    special = any(char in cell for char in ',"\n')
    return '"' + cell.replace('"', '""') + '"' if special else cell
