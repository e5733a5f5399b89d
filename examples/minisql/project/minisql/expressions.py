"""From an expression to a function of a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from minisql.scope import Scope
from minisql.syntax_tree import (
    Expression,
)
from minisql.types import (
    Row,
    Value,
)

Evaluator: TypeAlias = Callable[[Row], Value]


def evaluate(expression: Expression, row: Row = (), scope: Scope | None = None) -> Value:
    """Return the value of `expression` for one row; without `scope` there are no columns.

    Raises:
        SqlError: as `compile_expression` and what it returns.
    """
    raise NotImplementedError


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
    raise NotImplementedError


def is_true(condition: Evaluator, row: Row) -> bool:
    """Whether a condition holds for a row: true, neither false nor unknown.

    Raises:
        SqlTypeError: the condition is not a boolean.
    """
    raise NotImplementedError
