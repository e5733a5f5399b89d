"""From an expression to a function of a row."""

from __future__ import annotations

import inspect
import math
import operator
from collections.abc import Callable, Sequence
from typing import TypeAlias

from minisql import registry
from minisql.errors import SqlTypeError
from minisql.functions import like
from minisql.scope import Scope
from minisql.syntax_tree import (
    Between,
    Binary,
    Call,
    Case,
    Column,
    Expression,
    InList,
    IsNull,
    Like,
    Literal,
    Unary,
)
from minisql.types import (
    Row,
    Value,
    as_truth,
    compare,
    logical_and,
    logical_not,
    logical_or,
    typeof,
)

Evaluator: TypeAlias = Callable[[Row], Value]


def evaluate(expression: Expression, row: Row = (), scope: Scope | None = None) -> Value:
    """Return the value of `expression` for one row; without `scope` there are no columns.

    Raises:
        SqlError: as `compile_expression` and what it returns.
    """
    return compile_expression(expression, scope or Scope())(row)


def compile_expression(expression: Expression, scope: Scope) -> Evaluator:
    """Return a function that computes `expression` from a row of `scope`.

    - Arithmetic and ``||`` with a NULL give NULL. ``+ - * / %`` take numbers; ``/`` of two
      integers is cut towards zero and ``%`` has the sign of its left side, so that
      ``a = a / b * b + a % b``; a division by zero gives NULL. ``||`` takes text.
    - Comparisons are those of `types.compare`, unknown (NULL) when a side is NULL.
    - AND, OR, NOT are three-valued and take booleans only.
    - ``x IN (…)`` is true when an item equals x, else unknown when x or an item is NULL, else
      false. ``x BETWEEN a AND b`` is ``x >= a AND x <= b``. Negated forms are NOT of it.
    - CASE takes the first branch whose condition is true (not unknown); only the branch taken
      is computed.

    Raises:
        SqlNameError: an unknown or ambiguous column, an unknown function.
        SqlTypeError: a wrong number of arguments (``wrong number of arguments for upper()``),
            or an aggregate, which has no value for one row (``sum() is not allowed here``).
            The function returned raises it for values of the wrong type:
            ``cannot compute text + integer``, ``cannot compute - of text``.
    """

    def part(inner: Expression) -> Evaluator:
        return compile_expression(inner, scope)

    match expression:
        case Literal(value):
            return lambda row: value
        case Column():
            return operator.itemgetter(scope.position(expression))
        case Unary(name, operand):
            return _unary(name, part(operand))
        case Binary(name, left, right):
            return _binary(name, part(left), part(right))
        case IsNull(operand, negated):
            inner = part(operand)
            return lambda row: (inner(row) is None) is not negated
        case InList(operand, items, negated):
            return _negated(_in(part(operand), [part(item) for item in items]), negated)
        case Between(operand, low, high, negated):
            both = Binary("AND", Binary(">=", operand, low), Binary("<=", operand, high))
            return _negated(part(both), negated)
        case Like(operand, pattern, negated):
            text, form = part(operand), part(pattern)
            return _negated(lambda row: like(text(row), form(row)), negated)
        case Case(branches, default):
            pairs = [(part(when), part(then)) for when, then in branches]
            return _case(pairs, part(default))
        case Call(name, arguments):
            return _call(name, [part(argument) for argument in arguments])


def is_true(condition: Evaluator, row: Row) -> bool:
    """Whether a condition holds for a row: true, neither false nor unknown.

    Raises:
        SqlTypeError: the condition is not a boolean.
    """
    return as_truth(condition(row)) is True


def _unary(name: str, operand: Evaluator) -> Evaluator:
    if name == "NOT":
        return _negated(operand, True)

    def negative(row: Row) -> Value:
        value = operand(row)
        if value is None:
            return None
        if isinstance(value, bool | str):
            raise SqlTypeError(f"cannot compute - of {typeof(value)}")
        return -value

    return negative


def _negated(inner: Evaluator, negated: bool) -> Evaluator:
    return (lambda row: logical_not(as_truth(inner(row)))) if negated else inner


_COMPARISONS: dict[str, Callable[[int], bool]] = {
    "=": lambda sign: sign == 0,
    "<>": lambda sign: sign != 0,
    "<": lambda sign: sign == -1,
    "<=": lambda sign: sign != 1,
    ">": lambda sign: sign == 1,
    ">=": lambda sign: sign != -1,
}


def _binary(name: str, left: Evaluator, right: Evaluator) -> Evaluator:
    if name in ("AND", "OR"):
        logical = logical_and if name == "AND" else logical_or
        return lambda row: logical(as_truth(left(row)), as_truth(right(row)))
    if name not in _COMPARISONS:
        return lambda row: _arithmetic(name, left(row), right(row))
    holds = _COMPARISONS[name]

    def compared(row: Row) -> Value:
        sign = compare(left(row), right(row))
        return None if sign is None else holds(sign)

    return compared


def _arithmetic(name: str, left: Value, right: Value) -> Value:
    if left is None or right is None:
        return None
    if name == "||" and isinstance(left, str) and isinstance(right, str):
        return left + right
    if name == "||" or isinstance(left, bool | str) or isinstance(right, bool | str):
        raise SqlTypeError(f"cannot compute {typeof(left)} {name} {typeof(right)}")
    match name:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case _:
            return _divide(name, left, right)


def _divide(name: str, left: int | float, right: int | float) -> Value:
    if right == 0:
        return None
    if isinstance(left, float) or isinstance(right, float):
        return left / right if name == "/" else math.fmod(left, right)
    # Not int(left / right): that would lose the digits of large integers.
    quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
    return quotient if name == "/" else left - quotient * right


def _in(operand: Evaluator, items: Sequence[Evaluator]) -> Evaluator:
    def found(row: Row) -> Value:
        value = operand(row)
        signs = [compare(value, item(row)) for item in items]
        if 0 in signs:
            return True
        return None if None in signs else False

    return found


def _case(branches: Sequence[tuple[Evaluator, Evaluator]], default: Evaluator) -> Evaluator:
    def chosen(row: Row) -> Value:
        for when, then in branches:
            if is_true(when, row):
                return then(row)
        return default(row)

    return chosen


def _call(name: str, arguments: Sequence[Evaluator]) -> Evaluator:
    if registry.is_aggregate(name):
        raise SqlTypeError(f"{name}() is not allowed here")
    function = registry.scalar(name)
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError:
        raise SqlTypeError(f"wrong number of arguments for {name}()") from None
    return lambda row: function(*(argument(row) for argument in arguments))
