"""Plans: trees of steps, each of which turns rows into rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal as OneOf
from typing import TypeAlias

from minisql.scope import Scope
from minisql.syntax_tree import Call, Column, Expression, OrderItem


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
    raise NotImplementedError


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
    raise NotImplementedError


def all_of(conditions: Sequence[Expression]) -> Expression:
    """Return one or more conditions joined by AND, grouped to the left."""
    raise NotImplementedError


def output_column(expression: Expression) -> Column:
    """Return the column under which a `Group` gives a key or a call.

    A key that is a column stays as it is; all else is named by `to_sql`, without a table.
    """
    raise NotImplementedError
