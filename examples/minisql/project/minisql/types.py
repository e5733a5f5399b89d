"""Values and their types, comparison, three-valued logic, results.

NULL is None. Booleans are not numbers here, although Python's are.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

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
        raise NotImplementedError

    @property
    def is_unique(self) -> bool:
        """Whether no two rows may have the same value here (NULLs aside)."""
        raise NotImplementedError


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


def type_named(name: str) -> SqlType:
    """Return the type that `name` means, in whatever case it is written.

    ``int``, ``integer``, ``bigint``; ``real``, ``float``, ``double``; ``text``, ``varchar``,
    ``string``; ``boolean``, ``bool``.

    Raises:
        SqlTypeError: ``no such type: NAME``.
    """
    raise NotImplementedError


def type_of(value: Value) -> SqlType | None:
    """Return the type of `value`; None for NULL."""
    raise NotImplementedError


def typeof(value: Value) -> str:
    """Return the name of the value's type in lower case, ``null`` for NULL (SQL: typeof)."""
    raise NotImplementedError


def coerce(value: Value, kind: SqlType) -> Value:
    """Return `value` as a column of type `kind` stores it.

    NULL stays NULL. An INTEGER column takes integers, and reals without a fraction; a REAL
    column takes integers and reals and stores reals; TEXT takes text, BOOLEAN takes booleans.

    Raises:
        SqlTypeError: ``INTEGER column cannot hold text`` and the like, with `typeof(value)`.
    """
    raise NotImplementedError


def compare(left: Value, right: Value) -> int | None:
    """Return -1, 0 or 1 as `left` is less than, equal to or greater than `right`.

    None when either is NULL. Integers and reals compare as numbers, text with text by code
    points, booleans with booleans (false is less).

    Raises:
        SqlTypeError: ``cannot compare integer with text`` and the like.
    """
    raise NotImplementedError


def sort_key(value: Value) -> tuple[int, float | str]:
    """Return a key that orders values of all types, and tells different values apart.

    NULL first, then booleans (false before true), numbers, text. An integer and a real of the
    same size have equal keys; true and 1 have not.
    """
    raise NotImplementedError


def as_truth(value: Value) -> bool | None:
    """Return `value` as a truth value: true, false, or None for NULL (unknown).

    Raises:
        SqlTypeError: ``expected a boolean, not integer`` and the like.
    """
    raise NotImplementedError


def logical_and(left: bool | None, right: bool | None) -> bool | None:
    """Return AND in three-valued logic: false wins over unknown, unknown over true."""
    raise NotImplementedError


def logical_or(left: bool | None, right: bool | None) -> bool | None:
    """Return OR in three-valued logic: true wins over unknown, unknown over false."""
    raise NotImplementedError


def logical_not(value: bool | None) -> bool | None:
    """Return NOT in three-valued logic: the opposite, unknown for unknown."""
    raise NotImplementedError


def counted(number: int, noun: str) -> str:
    """Return a number and a noun that takes an s: ``1 row``, ``0 rows``, ``2 rows``."""
    raise NotImplementedError
