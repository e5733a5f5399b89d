"""Scalar functions. They get SQL values and return one.

Unless it says otherwise a function returns NULL when any argument is NULL, and raises
SqlTypeError (``upper() needs text, not integer``) for an argument of the wrong type.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Context, Decimal

from minisql.errors import SqlTypeError
from minisql.types import Value, compare, typeof

# Enough digits for any real; without it a long one could not be rounded at all.
_ROUNDING = Context(prec=400, rounding=ROUND_HALF_UP)


def upper(value: Value) -> Value:
    """Return text in upper case."""
    return None if value is None else _text(value, "upper").upper()


def lower(value: Value) -> Value:
    """Return text in lower case."""
    return None if value is None else _text(value, "lower").lower()


def trim(value: Value) -> Value:
    """Return text without blanks at its ends."""
    return None if value is None else _text(value, "trim").strip()


def length(value: Value) -> Value:
    """Return the number of characters of a text."""
    return None if value is None else len(_text(value, "length"))


def replace(value: Value, old: Value, new: Value) -> Value:
    """Return text with every `old` replaced by `new`; an empty `old` changes nothing."""
    if value is None or old is None or new is None:
        return None
    text, gone = _text(value, "replace"), _text(old, "replace")
    return text.replace(gone, _text(new, "replace")) if gone else text


def substr(value: Value, start: Value, count: Value = 1_000_000_000) -> Value:
    """Return at most `count` characters of a text, all to its end when not given.

    Args:
        value: the text.
        start: the first character, from 1; from -1 backwards it counts from the end; a start
            before the text means its first character.
        count: how many characters; nothing for a negative one.
    """
    if value is None or start is None or count is None:
        return None
    text, first = _text(value, "substr"), _integer(start, "substr")
    begin = max(first - 1 if first > 0 else len(text) + first if first < 0 else 0, 0)
    return text[begin : begin + max(_integer(count, "substr"), 0)]


def absolute(value: Value) -> Value:
    """Return a number without its sign (SQL: abs)."""
    return None if value is None else abs(_number(value, "abs"))


def rounded(value: Value, digits: Value = 0) -> Value:
    """Return a number rounded to `digits` decimals, halves away from zero (SQL: round).

    Negative `digits` round to tens, hundreds and so on; more than 15 either way count as 15.
    An integer stays one, a real stays one.
    """
    if value is None or digits is None:
        return None
    number, places = _number(value, "round"), _integer(digits, "round")
    unit = Decimal(1).scaleb(-min(max(places, -15), 15))
    result = Decimal(str(number)).quantize(unit, context=_ROUNDING)
    return int(result) if isinstance(number, int) else float(result)


def coalesce(*values: Value) -> Value:
    """Return the first argument that is not NULL; NULL when all are."""
    return next((value for value in values if value is not None), None)


def nullif(value: Value, other: Value) -> Value:
    """Return NULL when both arguments are equal, otherwise the first."""
    return None if compare(value, other) == 0 else value


def like(value: Value, pattern: Value) -> bool | None:
    """Whether a whole text fits a pattern, upper and lower case alike (SQL: LIKE).

    ``%`` stands for any run of characters, ``_`` for one, everything else for itself.
    """
    if value is None or pattern is None:
        return None
    wild = {"%": ".*", "_": "."}
    expression = "".join(wild.get(char) or re.escape(char) for char in _text(pattern, "like"))
    flags = re.IGNORECASE | re.DOTALL
    return re.fullmatch(expression, _text(value, "like"), flags) is not None


def _text(value: Value, function: str) -> str:
    if isinstance(value, str):
        return value
    raise SqlTypeError(f"{function}() needs text, not {typeof(value)}")


def _number(value: Value, function: str) -> int | float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise SqlTypeError(f"{function}() needs a number, not {typeof(value)}")


def _integer(value: Value, function: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise SqlTypeError(f"{function}() needs an integer, not {typeof(value)}")
