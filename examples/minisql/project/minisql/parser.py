"""From SQL text to the syntax tree, by recursive descent.

::

    expression     = or
    or             = and {OR and}
    and            = not {AND not}
    not            = NOT not | comparison
    comparison     = additive [("=" | "<>" | "!=" | "<" | "<=" | ">" | ">=") additive
                   | IS [NOT] NULL | [NOT] IN (expression, …)
                   | [NOT] BETWEEN additive AND additive | [NOT] LIKE additive]
    additive       = multiplicative {("+" | "-" | "||") multiplicative}
    multiplicative = unary {("*" | "/" | "%") unary}
    unary          = "-" unary | primary
    primary        = literal | (expression) | CASE … END | name([DISTINCT] …) | [name.]name
"""

from __future__ import annotations

from minisql.syntax_tree import (
    Expression,
    Statement,
)


def parse(text: str) -> tuple[Statement, ...]:
    """Return the statements of `text`, which semicolons separate; empty ones are left out.

    An operator ``!=`` becomes ``<>``; ``CASE x WHEN v THEN …`` becomes
    ``CASE WHEN x = v THEN …``; ``FROM a, b`` becomes an inner join without condition; a length
    after a type, as in ``varchar(20)``, is read and ignored.

    Raises:
        SqlSyntaxError: ``expected FROM, found name 'x'`` and the like, with line and column of
            the token found.
        SqlTypeError: a column has an unknown type.
    """
    raise NotImplementedError


def parse_expression(text: str) -> Expression:
    """Return the expression that `text` is, as a whole.

    Raises:
        SqlSyntaxError: as `parse`.
    """
    raise NotImplementedError
