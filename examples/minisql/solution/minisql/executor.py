"""Carries out statements."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from minisql import aggregates
from minisql.expressions import Evaluator, compile_expression, evaluate, is_true
from minisql.parser import parse
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
    explain,
    scope_of,
)
from minisql.planner import Catalog, plan_select
from minisql.scope import Field, Scope
from minisql.storage import Database, Table
from minisql.syntax_tree import (
    CreateTable,
    Delete,
    DropTable,
    Explain,
    Expression,
    Insert,
    Literal,
    Select,
    Statement,
    Update,
)
from minisql.types import Result, Row, counted, sort_key


def run(sql: str, database: Database) -> list[Result]:
    """Carry out all statements of a text in order and return a result for each.

    The whole text is parsed before the first statement is carried out.

    Raises:
        SqlError: the text is wrong, or a statement failed; those before it stay done.
    """
    return [execute(statement, database) for statement in parse(sql)]


def execute(statement: Statement, database: Database) -> Result:
    """Carry out one statement.

    A query gives columns and rows; EXPLAIN gives one column ``plan``, one line of the plan a
    row. The others give a message: ``table t created``, ``table t already exists``,
    ``table t dropped``, ``no table t`` (for IF EXISTS), ``2 rows inserted``,
    ``1 row updated``, ``0 rows deleted``.

    UPDATE computes all values from the rows as they were before it.

    Raises:
        SqlError: the statement failed; it has changed nothing.
    """
    match statement:
        case Select():
            return _select(statement, database)
        case Explain(select):
            text = explain(plan_select(select, _catalog(database)))
            return Result(("plan",), tuple((line,) for line in text.splitlines()))
        case CreateTable(name, columns, if_not_exists):
            created = database.create(name, columns, if_not_exists)
            return Result(message=f"table {name} {'created' if created else 'already exists'}")
        case DropTable(name, if_exists):
            dropped = database.drop(name, if_exists)
            return Result(message=f"table {name} dropped" if dropped else f"no table {name}")
        case Insert():
            return _done(_insert(statement, database), "inserted")
        case Update():
            return _done(_update(statement, database), "updated")
        case Delete(name, where):
            table = database.table(name)
            numbers = [number for number, _ in _matching(table, where)]
            return _done(table.delete(numbers), "deleted")


def rows_of(node: Node, database: Database) -> Iterator[Row]:
    """Yield the rows that a plan gives.

    Raises:
        SqlError: a value has the wrong type for what is done with it.
    """
    match node:
        case OneRow():
            return iter([()])
        case Scan(table):
            return (row for _, row in database.table(table).rows())
        case Filter(source, condition):
            test = compile_expression(condition, scope_of(source))
            return (row for row in rows_of(source, database) if is_true(test, row))
        case Join():
            return _join(node, database)
        case Group():
            return _group(node, database)
        case Sort():
            return iter(_sorted(node, database))
        case Project(source, expressions):
            values = _compiled(expressions, scope_of(source))
            return (_values(values, row) for row in rows_of(source, database))
        case Distinct(source):
            return _distinct(rows_of(source, database))
        case Limit(source, number, offset):
            stop = None if number is None else offset + number
            return islice(rows_of(source, database), offset, stop)


# ---------------------------------------------------------------- statements


def _done(number: int, verb: str) -> Result:
    return Result(message=f"{counted(number, 'row')} {verb}")


def _catalog(database: Database) -> Catalog:
    return lambda name: database.table(name).column_names


def _select(select: Select, database: Database) -> Result:
    plan = plan_select(select, _catalog(database))
    columns = tuple(field.name for field in scope_of(plan).fields)
    return Result(columns, tuple(rows_of(plan, database)))


def _insert(insert: Insert, database: Database) -> int:
    table = database.table(insert.table)
    rows = [[evaluate(value) for value in values] for values in insert.rows]
    return table.insert([table.arrange(insert.columns, row) for row in rows])


def _update(update: Update, database: Database) -> int:
    table = database.table(update.table)
    places = [table.position(column) for column, _ in update.assignments]
    values = _compiled([value for _, value in update.assignments], _scope(table))
    changes: dict[int, Row] = {}
    for number, row in _matching(table, update.where):
        changed = list(row)
        for place, value in zip(places, values, strict=True):
            changed[place] = value(row)
        changes[number] = tuple(changed)
    return table.update(changes)


def _scope(table: Table) -> Scope:
    return Scope(tuple(Field(column, table.name) for column in table.column_names))


def _matching(table: Table, where: Expression | None) -> Iterator[tuple[int, Row]]:
    if where is None:
        return table.rows()
    test = compile_expression(where, _scope(table))
    return ((number, row) for number, row in table.rows() if is_true(test, row))


# ---------------------------------------------------------------- steps of a plan


def _compiled(expressions: Iterable[Expression], scope: Scope) -> list[Evaluator]:
    return [compile_expression(expression, scope) for expression in expressions]


def _values(evaluators: Iterable[Evaluator], row: Row) -> Row:
    return tuple(evaluator(row) for evaluator in evaluators)


def _identity(values: Row) -> tuple[object, ...]:
    """Equal for rows that SQL does not tell apart, and only for them."""
    return tuple(map(sort_key, values))


def _distinct(rows: Iterable[Row]) -> Iterator[Row]:
    seen: set[tuple[object, ...]] = set()
    for row in rows:
        identity = _identity(row)
        if identity not in seen:
            seen.add(identity)
            yield row


def _join(join: Join, database: Database) -> Iterator[Row]:
    left_scope, right_scope = scope_of(join.left), scope_of(join.right)
    left_keys = _compiled(join.left_keys, left_scope)
    right_keys = _compiled(join.right_keys, right_scope)
    condition = compile_expression(join.condition or Literal(True), left_scope + right_scope)
    buckets: dict[tuple[object, ...], list[Row]] = {}
    for row in rows_of(join.right, database):
        buckets.setdefault(_identity(_values(right_keys, row)), []).append(row)
    nothing: Row = (None,) * len(right_scope.fields)
    for row in rows_of(join.left, database):
        key = _values(left_keys, row)
        near = [] if None in key else buckets.get(_identity(key), [])
        pairs = [row + other for other in near if is_true(condition, row + other)]
        yield from pairs or ([row + nothing] if join.kind == "left" else [])


def _group(group: Group, database: Database) -> Iterator[Row]:
    scope = scope_of(group.source)
    keys = _compiled(group.keys, scope)
    # count(*) counts rows: it is given a value that is never NULL.
    inputs = _compiled(
        [call.arguments[0] if call.arguments else Literal(True) for call in group.calls], scope
    )

    def fresh() -> list[aggregates.Aggregate]:
        return [aggregates.create(call.name, call.distinct) for call in group.calls]

    groups: dict[tuple[object, ...], tuple[Row, list[aggregates.Aggregate]]] = {}
    if not keys:
        groups[()] = ((), fresh())
    for row in rows_of(group.source, database):
        key = _values(keys, row)
        _, members = groups.setdefault(_identity(key), (key, fresh()))
        for member, value in zip(members, inputs, strict=True):
            member.add(value(row))
    for key, members in groups.values():
        yield key + tuple(member.result() for member in members)


def _sorted(sort: Sort, database: Database) -> list[Row]:
    rows = list(rows_of(sort.source, database))
    scope = scope_of(sort.source)
    # From the last key to the first: each pass keeps the order of the one before among equals.
    for item in reversed(sort.order):
        value = compile_expression(item.expression, scope)
        rows.sort(key=lambda row: sort_key(value(row)), reverse=item.descending)
    return rows
