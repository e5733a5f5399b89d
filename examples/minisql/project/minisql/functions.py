"""Scalar functions. They get SQL values and return one.

Unless it says otherwise a function returns NULL when any argument is NULL, and raises
SqlTypeError (``upper() needs text, not integer``) for an argument of the wrong type.
"""

from __future__ import annotations

from minisql.types import Value


def upper(value: Value) -> Value:
    """Return text in upper case."""
    raise NotImplementedError


def lower(value: Value) -> Value:
    """Return text in lower case."""
    raise NotImplementedError


def trim(value: Value) -> Value:
    """Return text without blanks at its ends."""
    raise NotImplementedError


def length(value: Value) -> Value:
    """Return the number of characters of a text."""
    raise NotImplementedError


def replace(value: Value, old: Value, new: Value) -> Value:
    """Return text with every `old` replaced by `new`; an empty `old` changes nothing."""
    raise NotImplementedError


def substr(value: Value, start: Value, count: Value = 1_000_000_000) -> Value:
    """Return at most `count` characters of a text, all to its end when not given.

    Args:
        value: the text.
        start: the first character, from 1; from -1 backwards it counts from the end; a start
            before the text means its first character.
        count: how many characters; nothing for a negative one.
    """
    raise NotImplementedError


def absolute(value: Value) -> Value:
    """Return a number without its sign (SQL: abs)."""
    raise NotImplementedError


def rounded(value: Value, digits: Value = 0) -> Value:
    """Return a number rounded to `digits` decimals, halves away from zero (SQL: round).

    Negative `digits` round to tens, hundreds and so on; more than 15 either way count as 15.
    An integer stays one, a real stays one.
    """
    raise NotImplementedError


def coalesce(*values: Value) -> Value:
    """Return the first argument that is not NULL; NULL when all are."""
    raise NotImplementedError


def nullif(value: Value, other: Value) -> Value:
    """Return NULL when both arguments are equal, otherwise the first."""
    raise NotImplementedError


def like(value: Value, pattern: Value) -> bool | None:
    """Whether a whole text fits a pattern, upper and lower case alike (SQL: LIKE).

    ``%`` stands for any run of characters, ``_`` for one, everything else for itself.
    """
    raise NotImplementedError
