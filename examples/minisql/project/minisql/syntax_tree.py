"""The syntax tree: what the parser builds and the planner reads.

All nodes are immutable and compare by value, so they can be keys of a dictionary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal as OneOf
from typing import TypeAlias

from minisql.types import ColumnDef, Value

# ---------------------------------------------------------------- expressions


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant; NULL is ``Literal(None)``."""

    value: Value


@dataclass(frozen=True, slots=True)
class Column:
    """A column by name, with its table's name or alias when it was given."""

    name: str
    table: str | None = None


@dataclass(frozen=True, slots=True)
class Unary:
    """``-`` or ``NOT`` before an operand."""

    operator: str
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary:
    """OR, AND, ``= <> < <= > >=``, ``+ - ||``, ``* / %``."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class IsNull:
    """``operand IS [NOT] NULL``."""

    operand: Expression
    negated: bool = False


@dataclass(frozen=True, slots=True)
class InList:
    """``operand [NOT] IN (items)``."""

    operand: Expression
    items: tuple[Expression, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Between:
    """``operand [NOT] BETWEEN low AND high``, both ends included."""

    operand: Expression
    low: Expression
    high: Expression
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Like:
    """``operand [NOT] LIKE pattern``."""

    operand: Expression
    pattern: Expression
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """``CASE WHEN condition THEN value … [ELSE default] END``; no ELSE is ELSE NULL."""

    branches: tuple[tuple[Expression, Expression], ...]
    default: Expression = Literal(None)


@dataclass(frozen=True, slots=True)
class Call:
    """A function call; `star` for ``count(*)``, which has no arguments."""

    name: str
    arguments: tuple[Expression, ...] = ()
    distinct: bool = False
    star: bool = False


Expression: TypeAlias = (
    Literal | Column | Unary | Binary | IsNull | InList | Between | Like | Case | Call
)

# ---------------------------------------------------------------- statements


@dataclass(frozen=True, slots=True)
class Star:
    """``*`` or ``table.*`` in the list of a SELECT."""

    table: str | None = None


@dataclass(frozen=True, slots=True)
class SelectItem:
    """One entry of the list of a SELECT."""

    expression: Expression | Star
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class TableRef:
    """A table in FROM; `alias` is its own name when none was given."""

    name: str
    alias: str


@dataclass(frozen=True, slots=True)
class Join:
    """A further table in FROM; `on` is None for a comma."""

    table: TableRef
    on: Expression | None = None
    kind: OneOf["inner", "left"] = "inner"


@dataclass(frozen=True, slots=True)
class OrderItem:
    """One entry of ORDER BY."""

    expression: Expression
    descending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Select:
    """``SELECT [DISTINCT] items [FROM source joins] [WHERE] [GROUP BY] [HAVING] …``."""

    items: tuple[SelectItem, ...]
    source: TableRef | None = None
    joins: tuple[Join, ...] = ()
    where: Expression | None = None
    group_by: tuple[Expression, ...] = ()
    having: Expression | None = None
    order_by: tuple[OrderItem, ...] = ()
    limit: int | None = None
    offset: int = 0
    distinct: bool = False


@dataclass(frozen=True, slots=True)
class Explain:
    """``EXPLAIN SELECT …``."""

    select: Select


@dataclass(frozen=True, slots=True)
class CreateTable:
    """``CREATE TABLE [IF NOT EXISTS] name (columns)``."""

    name: str
    columns: tuple[ColumnDef, ...]
    if_not_exists: bool = False


@dataclass(frozen=True, slots=True)
class DropTable:
    """``DROP TABLE [IF EXISTS] name``."""

    name: str
    if_exists: bool = False


@dataclass(frozen=True, slots=True)
class Insert:
    """``INSERT INTO table [(columns)] VALUES (…), …``; no columns: all, in order."""

    table: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Expression, ...], ...]


@dataclass(frozen=True, slots=True)
class Update:
    """``UPDATE table SET column = expression, … [WHERE]``."""

    table: str
    assignments: tuple[tuple[str, Expression], ...]
    where: Expression | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """``DELETE FROM table [WHERE]``."""

    table: str
    where: Expression | None = None


Statement: TypeAlias = Select | Explain | CreateTable | DropTable | Insert | Update | Delete

# ---------------------------------------------------------------- working with trees


def children(expression: Expression) -> tuple[Expression, ...]:
    """Return the direct parts of `expression`, from left to right as they are written."""
    raise NotImplementedError


def walk(expression: Expression) -> Iterator[Expression]:
    """Yield `expression` and all its parts, each before its own parts, from left to right."""
    raise NotImplementedError


def columns_in(expression: Expression) -> tuple[Column, ...]:
    """Return the columns that `expression` mentions, in order, each once."""
    raise NotImplementedError


def rewrite(
    expression: Expression, change: Callable[[Expression], Expression | None]
) -> Expression:
    """Return `expression` with parts replaced.

    Args:
        expression: the tree; it stays as it is.
        change: asked for every part, a whole before its parts. What it returns stands in the
            part's place and is not looked into again; None keeps the part and looks into it.
    """
    raise NotImplementedError


def to_sql(expression: Expression) -> str:
    """Return `expression` as SQL text that parses to the same tree.

    Keywords in upper case, one space around binary operators, ``, `` between arguments, and
    parentheses only where the tree would be another one without them (comparisons do not
    chain, binary operators group to the left, and a minus or NOT puts an operator or a minus
    below it in parentheses). Text in single quotes, quotes inside doubled; NULL, TRUE, FALSE.
    A name in double quotes unless the lexer would read the bare word as the same name.
    """
    raise NotImplementedError
