"""Values and their types, comparison, three-valued logic, results.

NULL is None. Booleans are not numbers here, although Python's are.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from minisql.errors import SqlTypeError

Value: TypeAlias = int | float | str | bool | None
Row: TypeAlias = tuple[Value, ...]


class SqlType(Enum):
    """Type of a column; the value is its name in SQL."""

    INTEGER = "INTEGER"
    REAL = "REAL"
    TEXT = "TEXT"
    BOOLEAN = "BOOLEAN"


@dataclass(frozen=True, slots=True)
class ColumnDef:
    """A column as CREATE TABLE declares it.

    Attributes:
        name: its name.
        type: its type.
        not_null: declared NOT NULL.
        unique: declared UNIQUE.
        primary_key: declared PRIMARY KEY, which implies both of the above.
        default: value for rows that give none.
    """

    name: str
    type: SqlType
    not_null: bool = False
    unique: bool = False
    primary_key: bool = False
    default: Value = None

    @property
    def is_required(self) -> bool:
        """Whether the column refuses NULL."""
        return self.not_null or self.primary_key

    @property
    def is_unique(self) -> bool:
        """Whether no two rows may have the same value here (NULLs aside)."""
        return self.unique or self.primary_key


@dataclass(frozen=True, slots=True)
class Result:
    """What one statement gives.

    Attributes:
        columns: headings of a query; empty for every other statement.
        rows: rows of a query.
        message: what was done, for statements that are not queries.
    """

    columns: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    message: str = ""


_TYPE_NAMES = {
    SqlType.INTEGER: ("int", "integer", "bigint"),
    SqlType.REAL: ("real", "float", "double"),
    SqlType.TEXT: ("text", "varchar", "string"),
    SqlType.BOOLEAN: ("boolean", "bool"),
}


def type_named(name: str) -> SqlType:
    """Return the type that `name` means, in whatever case it is written.

    ``int``, ``integer``, ``bigint``; ``real``, ``float``, ``double``; ``text``, ``varchar``,
    ``string``; ``boolean``, ``bool``.

    Raises:
        SqlTypeError: ``no such type: NAME``.
    """
    for kind, names in _TYPE_NAMES.items():
        if name.lower() in names:
            return kind
    raise SqlTypeError(f"no such type: {name}")


def type_of(value: Value) -> SqlType | None:
    """Return the type of `value`; None for NULL."""
    match value:
        case None:
            return None
        case bool():
            return SqlType.BOOLEAN
        case int():
            return SqlType.INTEGER
        case float():
            return SqlType.REAL
        case _:
            return SqlType.TEXT


def typeof(value: Value) -> str:
    """Return the name of the value's type in lower case, ``null`` for NULL (SQL: typeof)."""
    kind = type_of(value)
    return "null" if kind is None else kind.value.lower()


def coerce(value: Value, kind: SqlType) -> Value:
    """Return `value` as a column of type `kind` stores it.

    NULL stays NULL. An INTEGER column takes integers, and reals without a fraction; a REAL
    column takes integers and reals and stores reals; TEXT takes text, BOOLEAN takes booleans.

    Raises:
        SqlTypeError: ``INTEGER column cannot hold text`` and the like, with `typeof(value)`.
    """
    actual = type_of(value)
    if actual is None or actual is kind:
        return value
    if kind is SqlType.REAL and isinstance(value, int) and actual is SqlType.INTEGER:
        return float(value)
    if kind is SqlType.INTEGER and isinstance(value, float) and value.is_integer():
        return int(value)
    raise SqlTypeError(f"{kind.value} column cannot hold {typeof(value)}")


def compare(left: Value, right: Value) -> int | None:
    """Return -1, 0 or 1 as `left` is less than, equal to or greater than `right`.

    None when either is NULL. Integers and reals compare as numbers, text with text by code
    points, booleans with booleans (false is less).

    Raises:
        SqlTypeError: ``cannot compare integer with text`` and the like.
    """
    if left is None or right is None:
        return None
    first, second = sort_key(left), sort_key(right)
    if first[0] != second[0]:
        raise SqlTypeError(f"cannot compare {typeof(left)} with {typeof(right)}")
    return (first > second) - (first < second)


def sort_key(value: Value) -> tuple[int, float | str]:
    """Return a key that orders values of all types, and tells different values apart.

    NULL first, then booleans (false before true), numbers, text. An integer and a real of the
    same size have equal keys; true and 1 have not.
    """
    match value:
        case None:
            return (0, 0)
        case bool():
            return (1, int(value))
        case str():
            return (3, value)
        case _:
            return (2, value)


def as_truth(value: Value) -> bool | None:
    """Return `value` as a truth value: true, false, or None for NULL (unknown).

    Raises:
        SqlTypeError: ``expected a boolean, not integer`` and the like.
    """
    if value is None or isinstance(value, bool):
        return value
    raise SqlTypeError(f"expected a boolean, not {typeof(value)}")


def logical_and(left: bool | None, right: bool | None) -> bool | None:
    """Return AND in three-valued logic: false wins over unknown, unknown over true."""
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def logical_or(left: bool | None, right: bool | None) -> bool | None:
    """Return OR in three-valued logic: true wins over unknown, unknown over false."""
    return logical_not(logical_and(logical_not(left), logical_not(right)))


def logical_not(value: bool | None) -> bool | None:
    """Return NOT in three-valued logic: the opposite, unknown for unknown."""
    return None if value is None else not value


def counted(number: int, noun: str) -> str:
    """Return a number and a noun that takes an s: ``1 row``, ``0 rows``, ``2 rows``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
