"""Plans: what their steps give, and how they are shown."""

import pytest

import minisql
from minisql.plan import (
    Distinct,
    Filter,
    Group,
    Join,
    Limit,
    OneRow,
    Project,
    Scan,
    Sort,
    all_of,
    explain,
    output_column,
    scope_of,
)
from minisql.scope import Field
from minisql.syntax_tree import Binary, Call, Column, Literal, OrderItem, Unary

P, T = Scan("people", "p", ("id", "name")), Scan("towns", "towns", ("id",))
P_ID, P_NAME, T_ID = Column("id", "p"), Column("name", "p"), Column("id", "towns")
COUNT, SUM = Call("count", star=True), Call("sum", (P_ID,))
P_FIELDS = (Field("id", "p"), Field("name", "p"))
CONDITION = Binary(">", P_ID, Literal(1))


def test_a_scan_gives_its_columns_under_its_alias():
    assert scope_of(P).fields == P_FIELDS


def test_one_row_gives_no_columns():
    assert scope_of(OneRow()).fields == ()


def test_a_join_gives_both_sides_in_order():
    assert scope_of(Join(P, T)).fields == (*P_FIELDS, Field("id", "towns"))


@pytest.mark.parametrize(
    "node",
    [Filter(P, CONDITION), Sort(P, (OrderItem(P_ID),)), Distinct(P), Limit(P, 1)],
)
def test_steps_that_only_choose_or_order_keep_the_columns(node):
    assert scope_of(node).fields == P_FIELDS


def test_a_group_gives_its_keys_then_its_calls():
    key = Binary("+", P_ID, Literal(1))
    assert scope_of(Group(P, (P_NAME, key), (COUNT, SUM))).fields == (
        Field("name", "p"),
        Field("p.id + 1"),
        Field("count(*)"),
        Field("sum(p.id)"),
    )


def test_a_projection_gives_its_names():
    node = Project(P, (P_ID, COUNT), ("x", "count(*)"))
    assert scope_of(node).fields == (Field("x"), Field("count(*)"))


def test_the_column_of_a_key_or_call():
    assert output_column(P_ID) == P_ID
    assert output_column(COUNT) == Column("count(*)")


def test_all_of_joins_by_and_to_the_left():
    a, b, c = Column("a"), Column("b"), Column("c")
    assert all_of([a]) == a
    assert all_of([a, b, c]) == Binary("AND", Binary("AND", a, b), c)


@pytest.mark.parametrize(
    ("node", "line"),
    [
        (P, "scan people as p"),
        (T, "scan towns"),
        (OneRow(), "one row"),
        (Filter(P, CONDITION), "filter p.id > 1"),
        (Join(P, T), "nested-loop inner join"),
        (Join(P, T, "left", condition=CONDITION), "nested-loop left join where p.id > 1"),
        (Join(P, T, "inner", (P_ID,), (T_ID,)), "hash inner join on p.id = towns.id"),
        (
            Join(P, T, "left", (P_ID, P_NAME), (T_ID, Literal(2)), CONDITION),
            "hash left join on p.id = towns.id AND p.name = 2 where p.id > 1",
        ),
        (Group(P, (), (COUNT,)), "group: count(*)"),
        (Group(P, (P_ID, P_NAME), ()), "group by p.id, p.name"),
        (Group(P, (P_ID,), (COUNT, SUM)), "group by p.id: count(*), sum(p.id)"),
        (Sort(P, (OrderItem(P_ID, True), OrderItem(P_NAME))), "sort by p.id DESC, p.name"),
        (Project(P, (P_ID, Unary("-", P_ID)), ("x", "y")), "project p.id, -p.id"),
        (Distinct(P), "distinct"),
        (Limit(P, 10), "limit 10"),
        (Limit(P, 0), "limit 0"),
        (Limit(P, 10, 5), "limit 10 offset 5"),
        (Limit(P, None, 5), "offset 5"),
    ],
)
def test_every_step_is_one_line(node, line):
    assert explain(node).splitlines()[0] == line


def test_explain_indents_what_is_read_from():
    node = Limit(Join(Filter(P, CONDITION), Distinct(T)), 3)
    assert explain(node).splitlines() == [
        "limit 3",
        "  nested-loop inner join",
        "    filter p.id > 1",
        "      scan people as p",
        "    distinct",
        "      scan towns",
    ]


def test_exported():
    assert minisql.explain is explain
