"""Tables in memory, with their constraints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from minisql.types import ColumnDef, Row, Value


class Table:
    """Rows of one table. Each row has a number that it keeps for life, from 1.

    A statement that breaks a constraint changes nothing at all.

    Args:
        name: name of the table.
        columns: its columns, at least one.

    Raises:
        SqlNameError: ``duplicate column: NAME``.
        SqlConstraintError: ``more than one primary key in NAME``.
    """

    def __init__(self, name: str, columns: Sequence[ColumnDef]) -> None:
        raise NotImplementedError

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        raise NotImplementedError

    def position(self, column: str) -> int:
        """Return the place of a column in the rows, from 0.

        Raises:
            SqlNameError: ``no such column: COLUMN``.
        """
        raise NotImplementedError

    def rows(self) -> Iterator[tuple[int, Row]]:
        """Yield number and content of each row, oldest first.

        The table may be changed meanwhile; the rows are those of the first step.
        """
        raise NotImplementedError

    def __len__(self) -> int:
        """Return the number of rows."""
        raise NotImplementedError

    def arrange(self, columns: Sequence[str], values: Sequence[Value]) -> Row:
        """Return a full row from values for some columns.

        Args:
            columns: columns in the order of `values`; none means all, in order.
            values: one value for each; every other column gets its default.

        Raises:
            SqlNameError: a column is unknown, or given twice (``duplicate column: NAME``).
            SqlTypeError: ``2 values for 3 columns``.
        """
        raise NotImplementedError

    def insert(self, rows: Iterable[Row]) -> int:
        """Add full rows, all or none, and return how many.

        Raises:
            SqlTypeError: a value does not fit its column (`types.coerce`).
            SqlConstraintError: ``NAME.COLUMN may not be NULL`` or
                ``NAME.COLUMN must be unique: VALUE``.
        """
        raise NotImplementedError

    def update(self, changes: Mapping[int, Row]) -> int:
        """Replace rows by number, all or none, and return how many.

        Only the rows as they stand afterwards have to satisfy the constraints, so values may
        be exchanged between rows.

        Raises:
            SqlTypeError: as `insert`.
            SqlConstraintError: as `insert`.
        """
        raise NotImplementedError

    def delete(self, numbers: Iterable[int]) -> int:
        """Remove rows by number and return how many; their numbers are not used again."""
        raise NotImplementedError


class Database:
    """Tables by name."""

    def __init__(self) -> None:
        raise NotImplementedError

    def create(self, name: str, columns: Sequence[ColumnDef], if_not_exists: bool = False) -> bool:
        """Create a table.

        Args:
            name: its name.
            columns: its columns.
            if_not_exists: whether a table of that name is left alone instead of an error.

        Returns:
            Whether a table was created.

        Raises:
            SqlNameError: ``table NAME already exists``.
        """
        raise NotImplementedError

    def drop(self, name: str, if_exists: bool = False) -> bool:
        """Remove a table.

        Args:
            name: its name.
            if_exists: whether a missing table is no error.

        Returns:
            Whether a table was removed.

        Raises:
            SqlNameError: ``no such table: NAME``.
        """
        raise NotImplementedError

    def table(self, name: str) -> Table:
        """Return a table.

        Raises:
            SqlNameError: ``no such table: NAME``.
        """
        raise NotImplementedError

    def table_names(self) -> list[str]:
        """Return the names of all tables, sorted."""
        raise NotImplementedError
