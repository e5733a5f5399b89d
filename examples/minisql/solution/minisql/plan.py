"""Plans: trees of steps, each of which turns rows into rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Literal as OneOf
from typing import TypeAlias

from minisql.scope import Field, Scope
from minisql.syntax_tree import Binary, Call, Column, Expression, OrderItem, to_sql


@dataclass(frozen=True, slots=True)
class OneRow:
    """A single row without columns: what SELECT without FROM reads."""


@dataclass(frozen=True, slots=True)
class Scan:
    """All rows of a table."""

    table: str
    alias: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """The rows of `source` for which `condition` is true."""

    source: Node
    condition: Expression


@dataclass(frozen=True, slots=True)
class Join:
    """Each row of `left` followed by each row of `right` that belongs to it.

    Rows belong together when their keys are equal, none of them NULL, and `condition` is true
    of the pair. Without keys every pair is looked at. A ``left`` join keeps a row of `left`
    that no row belongs to, followed by NULLs.
    """

    left: Node
    right: Node
    kind: OneOf["inner", "left"] = "inner"
    left_keys: tuple[Expression, ...] = ()
    right_keys: tuple[Expression, ...] = ()
    condition: Expression | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """One row for each group of rows with equal keys: the keys, then the aggregate `calls`.

    Without keys there is exactly one group, even of no rows.
    """

    source: Node
    keys: tuple[Expression, ...]
    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Sort:
    """The rows of `source` in order; equal ones stay in the order they came in."""

    source: Node
    order: tuple[OrderItem, ...]


@dataclass(frozen=True, slots=True)
class Project:
    """One value for each expression, under the given names."""

    source: Node
    expressions: tuple[Expression, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Distinct:
    """The rows of `source` without repetitions, the first one kept."""

    source: Node


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` rows (None: all) after the first `offset`."""

    source: Node
    count: int | None
    offset: int = 0


Node: TypeAlias = OneRow | Scan | Filter | Join | Group | Sort | Project | Distinct | Limit


def scope_of(node: Node) -> Scope:
    """Return the scope of the rows that a step gives."""
    match node:
        case OneRow():
            return Scope()
        case Scan(_, alias, columns):
            return Scope(tuple(Field(column, alias) for column in columns))
        case Join(left, right):
            return scope_of(left) + scope_of(right)
        case Group(_, keys, calls):
            columns_of = map(output_column, (*keys, *calls))
            return Scope(tuple(Field(column.name, column.table) for column in columns_of))
        case Project(_, _, names):
            return Scope(tuple(Field(name) for name in names))
        case Filter(source) | Sort(source) | Distinct(source) | Limit(source):
            return scope_of(source)


def explain(node: Node) -> str:
    """Return a plan as text: one step a line, what it reads from below it, indented by two.

    ::

        limit 10 offset 5
        distinct
        project id, upper(name)
        sort by people.id DESC, people.name
        group by people.city: count(*), sum(people.age)
        hash left join on people.city = towns.name where people.age > towns.limit
        nested-loop inner join where a.x < b.y
        filter people.age > 30
        scan people as p
        one row

    A scan without alias of its own has no ``as``; a join without condition no ``where``;
    several keys are joined by AND; without keys or calls of a group that part is left out
    (``group: count(*)``, ``group by people.city``). `Project` shows its expressions.
    """
    lines = [_describe(node)]
    for source in _sources(node):
        lines += ["  " + line for line in explain(source).splitlines()]
    return "\n".join(lines)


def all_of(conditions: Sequence[Expression]) -> Expression:
    """Return one or more conditions joined by AND, grouped to the left."""
    return reduce(lambda left, right: Binary("AND", left, right), conditions)


def output_column(expression: Expression) -> Column:
    """Return the column under which a `Group` gives a key or a call.

    A key that is a column stays as it is; all else is named by `to_sql`, without a table.
    """
    return expression if isinstance(expression, Column) else Column(to_sql(expression))


def _sources(node: Node) -> tuple[Node, ...]:
    match node:
        case OneRow() | Scan():
            return ()
        case Join(left, right):
            return (left, right)
        case _:
            return (node.source,)


def _describe(node: Node) -> str:
    match node:
        case OneRow():
            return "one row"
        case Scan(table, alias):
            return f"scan {table}" + (f" as {alias}" if alias != table else "")
        case Filter(_, condition):
            return f"filter {to_sql(condition)}"
        case Join():
            return _describe_join(node)
        case Group(_, keys, calls):
            by = " by " + _listed(keys) if keys else ""
            return f"group{by}" + (f": {_listed(calls)}" if calls else "")
        case Sort(_, order):
            entries = [to_sql(o.expression) + (" DESC" if o.descending else "") for o in order]
            return f"sort by {', '.join(entries)}"
        case Project(_, expressions):
            return f"project {_listed(expressions)}"
        case Distinct():
            return "distinct"
        case Limit(_, count, offset):
            parts = [] if count is None else [f"limit {count}"]
            return " ".join([*parts, f"offset {offset}"] if offset else parts)


def _describe_join(join: Join) -> str:
    pairs = zip(join.left_keys, join.right_keys, strict=True)
    keys: list[Expression] = [Binary("=", left, right) for left, right in pairs]
    on = f" on {to_sql(all_of(keys))}" if keys else ""
    where = f" where {to_sql(join.condition)}" if join.condition is not None else ""
    return f"{'hash' if keys else 'nested-loop'} {join.kind} join{on}{where}"


def _listed(expressions: Iterable[Expression]) -> str:
    return ", ".join(map(to_sql, expressions))
