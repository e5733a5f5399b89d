"""The syntax tree: what the parser builds and the planner reads.

All nodes are immutable and compare by value, so they can be keys of a dictionary.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal as OneOf
from typing import TypeAlias

from minisql.tokens import is_keyword
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
    parts: list[Expression] = []

    def keep(part: Expression) -> Expression:
        parts.append(part)
        return part

    _rebuild(expression, keep)
    return tuple(parts)


def walk(expression: Expression) -> Iterator[Expression]:
    """Yield `expression` and all its parts, each before its own parts, from left to right."""
    yield expression
    for part in children(expression):
        yield from walk(part)


def columns_in(expression: Expression) -> tuple[Column, ...]:
    """Return the columns that `expression` mentions, in order, each once."""
    return tuple(dict.fromkeys(part for part in walk(expression) if isinstance(part, Column)))


def rewrite(
    expression: Expression, change: Callable[[Expression], Expression | None]
) -> Expression:
    """Return `expression` with parts replaced.

    Args:
        expression: the tree; it stays as it is.
        change: asked for every part, a whole before its parts. What it returns stands in the
            part's place and is not looked into again; None keeps the part and looks into it.
    """
    changed = change(expression)
    if changed is not None:
        return changed
    return _rebuild(expression, lambda part: rewrite(part, change))


def to_sql(expression: Expression) -> str:
    """Return `expression` as SQL text that parses to the same tree.

    Keywords in upper case, one space around binary operators, ``, `` between arguments, and
    parentheses only where the tree would be another one without them (comparisons do not
    chain, binary operators group to the left, and a minus or NOT puts an operator or a minus
    below it in parentheses). Text in single quotes, quotes inside doubled; NULL, TRUE, FALSE.
    A name in double quotes unless the lexer would read the bare word as the same name.
    """
    match expression:
        case Literal(value):
            return _literal(value)
        case Column(name, table):
            return _name(name) if table is None else f"{_name(table)}.{_name(name)}"
        case Unary(operator, operand):
            sign = "NOT " if operator == "NOT" else operator
            return sign + _wrapped(operand, _ATOM)
        case Binary(operator, left, right):
            level = _LEVELS[operator]
            first = _wrapped(left, level + (level == _COMPARISON))
            return f"{first} {operator} {_wrapped(right, level + 1)}"
        case Case(branches, default):
            whens = [f"WHEN {to_sql(when)} THEN {to_sql(then)}" for when, then in branches]
            otherwise = [] if default == Literal(None) else [f"ELSE {to_sql(default)}"]
            return " ".join(["CASE", *whens, *otherwise, "END"])
        case Call(name, arguments, distinct, star):
            inside = "*" if star else ", ".join(map(to_sql, arguments))
            return f"{_name(name)}({'DISTINCT ' if distinct else ''}{inside})"
        case _:
            return _predicate(expression)


_PLAIN_NAME = re.compile(r"[^\W\d]\w*")
_NOT, _COMPARISON, _MINUS, _ATOM = 3, 4, 7, 8
_LEVELS = {
    "OR": 1,
    "AND": 2,
    **dict.fromkeys(("=", "<>", "<", "<=", ">", ">="), _COMPARISON),
    **dict.fromkeys(("+", "-", "||"), 5),
    **dict.fromkeys(("*", "/", "%"), 6),
}


def _level(expression: Expression) -> int:
    """How tightly the outermost operator of `expression` binds."""
    match expression:
        case Binary(operator):
            return _LEVELS[operator]
        case IsNull() | InList() | Between() | Like():
            return _COMPARISON
        case Unary("NOT"):
            return _NOT
        case Unary():
            return _MINUS
        case _:
            return _ATOM


def _wrapped(expression: Expression, level: int) -> str:
    text = to_sql(expression)
    return f"({text})" if _level(expression) < level else text


def _predicate(expression: IsNull | InList | Between | Like) -> str:
    operand = _wrapped(expression.operand, _COMPARISON + 1)
    negation = "NOT " if expression.negated else ""
    match expression:
        case IsNull():
            return f"{operand} IS {negation}NULL"
        case InList(_, items):
            return f"{operand} {negation}IN ({', '.join(map(to_sql, items))})"
        case Between(_, low, high):
            ends = f"{_wrapped(low, _COMPARISON + 1)} AND {_wrapped(high, _COMPARISON + 1)}"
            return f"{operand} {negation}BETWEEN {ends}"
        case Like(_, pattern):
            return f"{operand} {negation}LIKE {_wrapped(pattern, _COMPARISON + 1)}"


def _name(name: str) -> str:
    plain = _PLAIN_NAME.fullmatch(name) and name == name.lower() and not is_keyword(name)
    return name if plain else '"' + name.replace('"', '""') + '"'


def _literal(value: Value) -> str:
    match value:
        case None:
            return "NULL"
        case bool():
            return str(value).upper()
        case str():
            return "'" + value.replace("'", "''") + "'"
        case _:
            return str(value)


def _rebuild(expression: Expression, part: Callable[[Expression], Expression]) -> Expression:
    """The same node over `part` of each of its direct parts, taken from left to right."""
    match expression:
        case Unary(operator, operand):
            return Unary(operator, part(operand))
        case Binary(operator, left, right):
            return Binary(operator, part(left), part(right))
        case IsNull(operand, negated):
            return IsNull(part(operand), negated)
        case InList(operand, items, negated):
            return InList(part(operand), tuple(map(part, items)), negated)
        case Between(operand, low, high, negated):
            return Between(part(operand), part(low), part(high), negated)
        case Like(operand, pattern, negated):
            return Like(part(operand), part(pattern), negated)
        case Case(branches, default):
            pairs = tuple((part(when), part(then)) for when, then in branches)
            return Case(pairs, part(default))
        case Call(name, arguments, distinct, star):
            return Call(name, tuple(map(part, arguments)), distinct, star)
        case _:
            return expression
