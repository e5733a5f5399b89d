"""From a SELECT to a tree of steps, each of which turns rows into rows.

The plan filters as early as it can: a condition on one table is tested while that table is
scanned, an equality between two tables becomes the key of a hash join.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Literal as OneOf
from typing import TypeAlias

from minisql import registry
from minisql.errors import SqlNameError, SqlTypeError
from minisql.plan import (
    Distinct,
    Filter,
    Group,
    Join,
    Limit,
    Node,
    OneRow,
    Project,
    Scan,
    Sort,
    all_of,
    output_column,
    scope_of,
)
from minisql.scope import Scope
from minisql.syntax_tree import (
    Binary,
    Call,
    Column,
    Expression,
    Literal,
    OrderItem,
    Select,
    SelectItem,
    Star,
    TableRef,
    columns_in,
    rewrite,
    to_sql,
    walk,
)

#: Gives the column names of a table, or raises SqlNameError.
Catalog: TypeAlias = Callable[[str], Sequence[str]]


def plan_select(select: Select, catalog: Catalog) -> Node:
    """Return the plan of a SELECT.

    From the inside out: scans and joins in the order of FROM, each with the conditions that
    can be tested there; `Group` when there is GROUP BY or an aggregate; a `Filter` for HAVING;
    `Sort`; `Project`; `Distinct`; `Limit`. Steps with nothing to do are left out.

    - All columns in the plan carry the name of their table, except in `Project.names`.
    - WHERE and the ON of inner joins are cut at their ANDs. Each part is tested as early as
      all its columns are there: in a `Filter` right on the scan, in the join (an equality
      between its two sides as keys, the others as its condition), or, when a left join stands
      in between, in a `Filter` above that join. The ON of a left join stays with that join.
    - In ORDER BY an integer is the place of an item of the list, from 1, and a plain name that
      is an alias of the list means that item. So does a plain name in GROUP BY, unless a
      column has that name.
    - After `Group`, keys and aggregates are columns named by `to_sql`, without a table unless
      the key is itself a column.
    - An item without alias is named by its column, or else by `to_sql` as it was written.

    Args:
        select: the query.
        catalog: gives the columns of a table.

    Raises:
        SqlNameError: an unknown or ambiguous column or table, two tables with one alias
            (``duplicate table: T``), a place in ORDER BY that is not there
            (``no item 3 in the list``), a column that is neither grouped by nor inside an
            aggregate (``column X must be in GROUP BY or inside an aggregate``).
        SqlTypeError: an aggregate in WHERE, ON, GROUP BY or inside an aggregate
            (``sum() is not allowed here``), one with other than one argument or with a star
            that is not ``count(*)`` (``wrong number of arguments for sum()``), a star without
            FROM (``* needs a FROM``).
    """
    node = _plan_from(select, catalog)
    scope = scope_of(node)
    items = _expand(select.items, scope)
    aliases = {item.alias: expr for item, expr in items if item.alias is not None}
    values = [_qualify(expr, scope) for _, expr in items]
    order = [_order_key(entry, values, aliases, scope) for entry in select.order_by]
    having = [] if select.having is None else [_qualify(select.having, scope)]
    keys = tuple(_group_key(key, aliases, scope) for key in select.group_by)
    calls = _aggregates([*values, *having, *(entry.expression for entry in order)])
    if keys or calls or having:
        node = Group(node, keys, calls)
        values = [_after_group(value, node) for value in values]
        having = [_after_group(condition, node) for condition in having]
        order = [replace(o, expression=_after_group(o.expression, node)) for o in order]
    node = _filtered(node, having)
    if order:
        node = Sort(node, tuple(order))
    node = Project(node, tuple(values), tuple(_heading(item, expr) for item, expr in items))
    if select.distinct:
        node = Distinct(node)
    if select.limit is not None or select.offset:
        node = Limit(node, select.limit, select.offset)
    return node


def conjuncts(condition: Expression | None) -> list[Expression]:
    """Return the parts of a condition that AND joins, from left to right; none for None."""
    match condition:
        case None:
            return []
        case Binary("AND", left, right):
            return conjuncts(left) + conjuncts(right)
        case _:
            return [condition]


# ---------------------------------------------------------------- FROM and WHERE


def _plan_from(select: Select, catalog: Catalog) -> Node:
    if select.source is None:
        return _filtered(OneRow(), [_condition(c, Scope()) for c in conjuncts(select.where)])
    scans = [_scan(ref, catalog) for ref in (select.source, *(j.table for j in select.joins))]
    aliases = [scan.alias for scan in scans]
    for alias in aliases:
        if aliases.count(alias) > 1:
            raise SqlNameError(f"duplicate table: {alias}")
    scopes = [scope_of(scan) for scan in scans]
    pending = [_condition(c, sum(scopes, Scope())) for c in conjuncts(select.where)]
    conditions: list[list[Expression]] = []
    for place, join in enumerate(select.joins, 2):
        reach = sum(scopes[:place], Scope())
        conditions.append([_condition(c, reach) for c in conjuncts(join.on)])
        if join.kind == "inner":
            pending += conditions[-1]
    node = _filtered(scans[0], _take(pending, scopes[0].tables()))
    for join, scan, own in zip(select.joins, scans[1:], conditions, strict=True):
        tables = scope_of(node).tables() | {scan.alias}
        if join.kind == "left":
            node = _filtered(_join(node, scan, own, "left"), _take(pending, tables))
        else:
            right = _filtered(scan, _take(pending, {scan.alias}))
            node = _join(node, right, _take(pending, tables), "inner")
    return node


def _scan(ref: TableRef, catalog: Catalog) -> Scan:
    return Scan(ref.name, ref.alias, tuple(catalog(ref.name)))


def _filtered(node: Node, conditions: Sequence[Expression]) -> Node:
    return Filter(node, all_of(conditions)) if conditions else node


def _tables(expression: Expression) -> set[str | None]:
    return {column.table for column in columns_in(expression)}


def _take(pending: list[Expression], tables: Iterable[str]) -> list[Expression]:
    """Move out of `pending` the conditions that need no more than `tables`."""
    reach = set(tables)
    taken = [condition for condition in pending if _tables(condition) <= reach]
    pending[:] = [condition for condition in pending if condition not in taken]
    return taken


def _join(
    left: Node, right: Node, conditions: Sequence[Expression], kind: OneOf["inner", "left"]
) -> Join:
    first, second = scope_of(left).tables(), scope_of(right).tables()
    keys: list[tuple[Expression, Expression]] = []
    others: list[Expression] = []
    for condition in conditions:
        match condition:
            case Binary("=", a, b) if _sides(a, b, first, second):
                keys.append((a, b))
            case Binary("=", a, b) if _sides(b, a, first, second):
                keys.append((b, a))
            case _:
                others.append(condition)
    left_keys, right_keys = tuple(a for a, _ in keys), tuple(b for _, b in keys)
    return Join(left, right, kind, left_keys, right_keys, all_of(others) if others else None)


def _sides(
    left: Expression, right: Expression, first: frozenset[str], second: frozenset[str]
) -> bool:
    """Whether `left` has columns of `first` only and `right` has columns of `second` only."""
    of_left, of_right = _tables(left), _tables(right)
    return bool(of_left) and of_left <= first and bool(of_right) and of_right <= second


# ---------------------------------------------------------------- lists, groups, order


def _qualify(expression: Expression, scope: Scope) -> Expression:
    def change(part: Expression) -> Expression | None:
        return scope.qualified(part) if isinstance(part, Column) else None

    return rewrite(expression, change)


def _condition(expression: Expression, scope: Scope) -> Expression:
    _refuse_aggregates(expression)
    return _qualify(expression, scope)


def _refuse_aggregates(expression: Expression) -> None:
    for part in walk(expression):
        if isinstance(part, Call) and registry.is_aggregate(part.name):
            raise SqlTypeError(f"{part.name}() is not allowed here")


def _aggregates(expressions: Iterable[Expression]) -> tuple[Call, ...]:
    """The different aggregate calls in `expressions`, in order."""
    found: dict[Call, None] = {}
    for part in (part for expression in expressions for part in walk(expression)):
        if isinstance(part, Call) and registry.is_aggregate(part.name):
            if len(part.arguments) != 1 and not (part.star and part.name == "count"):
                raise SqlTypeError(f"wrong number of arguments for {part.name}()")
            for argument in part.arguments:
                _refuse_aggregates(argument)
            found[part] = None
    return tuple(found)


def _expand(items: Iterable[SelectItem], scope: Scope) -> list[tuple[SelectItem, Expression]]:
    """The items with their expressions, stars replaced by what they stand for."""
    expanded: list[tuple[SelectItem, Expression]] = []
    for item in items:
        star = item.expression
        if not isinstance(star, Star):
            expanded.append((item, star))
            continue
        if not scope.fields:
            raise SqlTypeError("* needs a FROM")
        if star.table is not None and star.table not in scope.tables():
            raise SqlNameError(f"no such table: {star.table}")
        meant = [field for field in scope.fields if star.table in (None, field.table)]
        expanded += [(item, Column(field.name, field.table)) for field in meant]
    return expanded


def _heading(item: SelectItem, expression: Expression) -> str:
    if item.alias is not None:
        return item.alias
    return expression.name if isinstance(expression, Column) else to_sql(expression)


def _order_key(
    entry: OrderItem,
    values: Sequence[Expression],
    aliases: dict[str, Expression],
    scope: Scope,
) -> OrderItem:
    match entry.expression:
        case Literal(int(place)) if not isinstance(place, bool):
            if not 1 <= place <= len(values):
                raise SqlNameError(f"no item {place} in the list")
            return replace(entry, expression=values[place - 1])
        case Column(name, None) if name in aliases:
            return replace(entry, expression=_qualify(aliases[name], scope))
    return replace(entry, expression=_qualify(entry.expression, scope))


def _group_key(key: Expression, aliases: dict[str, Expression], scope: Scope) -> Expression:
    if isinstance(key, Column) and key.table is None and key.name in aliases:
        is_column = any(field.name == key.name for field in scope.fields)
        key = key if is_column else aliases[key.name]
    return _condition(key, scope)


def _after_group(expression: Expression, group: Group) -> Expression:
    """The same expression over the rows of the group instead of those of its source."""

    def change(part: Expression) -> Expression | None:
        if part in group.keys or part in group.calls:
            return output_column(part)
        if isinstance(part, Column):
            name = to_sql(part)
            raise SqlNameError(f"column {name} must be in GROUP BY or inside an aggregate")
        return None

    return rewrite(expression, change)
