"""Tables in memory, with their constraints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from minisql.errors import SqlConstraintError, SqlNameError, SqlTypeError
from minisql.types import ColumnDef, Row, Value, coerce


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
        self.name = name
        self.columns = tuple(columns)
        self._rows: dict[int, Row] = {}
        self._next = 1
        names = self.column_names
        for column in names:
            if names.count(column) > 1:
                raise SqlNameError(f"duplicate column: {column}")
        if sum(column.primary_key for column in self.columns) > 1:
            raise SqlConstraintError(f"more than one primary key in {name}")
        self._unique = [place for place, column in enumerate(columns) if column.is_unique]

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(column.name for column in self.columns)

    def position(self, column: str) -> int:
        """Return the place of a column in the rows, from 0.

        Raises:
            SqlNameError: ``no such column: COLUMN``.
        """
        if column not in self.column_names:
            raise SqlNameError(f"no such column: {column}")
        return self.column_names.index(column)

    def rows(self) -> Iterator[tuple[int, Row]]:
        """Yield number and content of each row, oldest first.

        The table may be changed meanwhile; the rows are those of the first step.
        """
        yield from list(self._rows.items())

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._rows)

    def arrange(self, columns: Sequence[str], values: Sequence[Value]) -> Row:
        """Return a full row from values for some columns.

        Args:
            columns: columns in the order of `values`; none means all, in order.
            values: one value for each; every other column gets its default.

        Raises:
            SqlNameError: a column is unknown, or given twice (``duplicate column: NAME``).
            SqlTypeError: ``2 values for 3 columns``.
        """
        names = tuple(columns) or self.column_names
        if len(names) != len(values):
            raise SqlTypeError(f"{len(values)} values for {len(names)} columns")
        row = [column.default for column in self.columns]
        seen: set[str] = set()
        for name, value in zip(names, values, strict=True):
            if name in seen:
                raise SqlNameError(f"duplicate column: {name}")
            seen.add(name)
            row[self.position(name)] = value
        return tuple(row)

    def insert(self, rows: Iterable[Row]) -> int:
        """Add full rows, all or none, and return how many.

        Raises:
            SqlTypeError: a value does not fit its column (`types.coerce`).
            SqlConstraintError: ``NAME.COLUMN may not be NULL`` or
                ``NAME.COLUMN must be unique: VALUE``.
        """
        stored = [self._stored(row) for row in rows]
        after = self._rows | dict(enumerate(stored, self._next))
        self._check_unique(after)
        self._rows = after
        self._next += len(stored)
        return len(stored)

    def update(self, changes: Mapping[int, Row]) -> int:
        """Replace rows by number, all or none, and return how many.

        Only the rows as they stand afterwards have to satisfy the constraints, so values may
        be exchanged between rows.

        Raises:
            SqlTypeError: as `insert`.
            SqlConstraintError: as `insert`.
        """
        after = self._rows | {number: self._stored(row) for number, row in changes.items()}
        self._check_unique(after)
        self._rows = after
        return len(changes)

    def delete(self, numbers: Iterable[int]) -> int:
        """Remove rows by number and return how many; their numbers are not used again."""
        gone = set(numbers)
        kept = {number: row for number, row in self._rows.items() if number not in gone}
        removed = len(self._rows) - len(kept)
        self._rows = kept
        return removed

    def _stored(self, row: Row) -> Row:
        for column, value in zip(self.columns, row, strict=True):
            if value is None and column.is_required:
                raise SqlConstraintError(f"{self.name}.{column.name} may not be NULL")
        pairs = zip(row, self.columns, strict=True)
        return tuple(coerce(value, column.type) for value, column in pairs)

    def _check_unique(self, rows: Mapping[int, Row]) -> None:
        for place in self._unique:
            seen: set[Value] = set()
            for row in rows.values():
                value = row[place]
                if value in seen:
                    name = f"{self.name}.{self.columns[place].name}"
                    raise SqlConstraintError(f"{name} must be unique: {value}")
                if value is not None:
                    seen.add(value)


class Database:
    """Tables by name."""

    def __init__(self) -> None:
        self._tables: dict[str, Table] = {}

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
        if name in self._tables:
            if if_not_exists:
                return False
            raise SqlNameError(f"table {name} already exists")
        self._tables[name] = Table(name, columns)
        return True

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
        if if_exists and name not in self._tables:
            return False
        del self._tables[self.table(name).name]
        return True

    def table(self, name: str) -> Table:
        """Return a table.

        Raises:
            SqlNameError: ``no such table: NAME``.
        """
        if name not in self._tables:
            raise SqlNameError(f"no such table: {name}")
        return self._tables[name]

    def table_names(self) -> list[str]:
        """Return the names of all tables, sorted."""
        return sorted(self._tables)
