"""Names in reach of an expression, and where in a row their values stand."""

from __future__ import annotations

from dataclasses import dataclass

from minisql.syntax_tree import Column


@dataclass(frozen=True, slots=True)
class Field:
    """One place of a row: the column's name, and the name or alias of its table if any."""

    name: str
    table: str | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """The places of a row, in order."""

    fields: tuple[Field, ...] = ()

    def position(self, column: Column) -> int:
        """Return the place of `column` in the row, from 0.

        A column without a table's name fits any table.

        Raises:
            SqlNameError: ``no such column: t.x``, or ``ambiguous column: x`` when it fits more
                than one place.
        """
        raise NotImplementedError

    def qualified(self, column: Column) -> Column:
        """Return `column` with the name of the table that it belongs to.

        Raises:
            SqlNameError: as `position`.
        """
        raise NotImplementedError

    def tables(self) -> frozenset[str]:
        """Return the names of the tables that have a place here."""
        raise NotImplementedError

    def __add__(self, other: Scope) -> Scope:
        """Return the scope of rows of this scope, each followed by a row of `other`."""
        raise NotImplementedError
