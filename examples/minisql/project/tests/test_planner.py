"""From a SELECT to a plan."""

import pytest

import minisql
from minisql.errors import SqlNameError, SqlTypeError
from minisql.plan import Limit, explain, scope_of
from minisql.planner import conjuncts, plan_select
from minisql.syntax_tree import (
    Binary,
    Call,
    Column,
    IsNull,
    Join,
    Literal,
    OrderItem,
    Select,
    SelectItem,
    Star,
    TableRef,
    Unary,
)

TABLES = {"people": ("id", "name", "town"), "towns": ("name", "size"), "pets": ("id", "owner")}
PEOPLE, TOWNS, PETS = TableRef("people", "p"), TableRef("towns", "t"), TableRef("pets", "pets")
ID, TOWN, SIZE = Column("id"), Column("town"), Column("size")
ID_OF_P = Column("id", "p")
P_NAME, T_NAME = Column("name", "p"), Column("name", "t")
OWNER, PET = Column("owner"), Column("id", "pets")
ONE, TWO = Literal(1), Literal(2)
COUNT = Call("count", star=True)
SAME_TOWN = Binary("=", TOWN, T_NAME)


def catalog(name: str):
    if name not in TABLES:
        raise SqlNameError(f"no such table: {name}")
    return TABLES[name]


def plan(*items, source=PEOPLE, **parts):
    """Plan a SELECT; items are expressions or SelectItems, * when there are none."""
    listed = tuple(i if isinstance(i, SelectItem) else SelectItem(i) for i in items or [Star()])
    return plan_select(Select(items=listed, source=source, **parts), catalog)


def lines(*items, **parts) -> list[str]:
    return explain(plan(*items, **parts)).splitlines()


def below_project(*joins: Join, where=None) -> list[str]:
    """The plan of SELECT 1 over people and some joins, without its first step."""
    return [line[2:] for line in lines(ONE, joins=joins, where=where)[1:]]


def both(*conditions):
    first, second = conditions
    return Binary("AND", first, second)


def more(column: Column, value: int = 1):
    return Binary(">", column, Literal(value))


def test_conjuncts_are_cut_at_and():
    a, b, c = more(ID, 1), more(ID, 2), Binary("OR", ID, ID)
    assert conjuncts(both(both(a, b), c)) == [a, b, c]
    assert conjuncts(both(a, both(b, c))) == [a, b, c]
    assert conjuncts(a) == [a]
    assert conjuncts(None) == []


def test_select_without_from():
    assert lines(ONE, source=None) == ["project 1", "  one row"]


def test_select_without_from_can_have_a_condition():
    assert lines(ONE, source=None, where=Literal(False)) == [
        "project 1",
        "  filter FALSE",
        "    one row",
    ]


def test_columns_get_their_table():
    assert lines(ID, Unary("-", ID)) == ["project p.id, -p.id", "  scan people as p"]


def test_a_star_is_all_columns():
    node = plan()
    assert explain(node).splitlines()[0] == "project p.id, p.name, p.town"
    assert [field.name for field in scope_of(node).fields] == ["id", "name", "town"]


def test_the_star_of_one_table():
    joins = (Join(TOWNS), Join(PETS))
    assert lines(Star("t"), ID_OF_P, joins=joins)[0] == "project t.name, t.size, p.id"


def test_names_of_the_result():
    items = [
        SelectItem(ID),
        SelectItem(P_NAME),
        SelectItem(ID, "x"),
        SelectItem(Binary("+", ID, ONE)),
        SelectItem(Call("count", (P_NAME,), distinct=True), "n"),
        SelectItem(COUNT),
    ]
    fields = scope_of(plan(*items, group_by=(ID, P_NAME))).fields
    names = ["id", "name", "x", "id + 1", "n", "count(*)"]
    assert [field.name for field in fields] == names
    assert {field.table for field in fields} == {None}


def test_where_is_tested_while_scanning():
    assert lines(ID, where=both(more(ID), IsNull(TOWN))) == [
        "project p.id",
        "  filter p.id > 1 AND p.town IS NULL",
        "    scan people as p",
    ]


def test_an_equality_of_two_tables_is_a_hash_join():
    assert below_project(Join(TOWNS, SAME_TOWN)) == [
        "hash inner join on p.town = t.name",
        "  scan people as p",
        "  scan towns as t",
    ]


def test_the_sides_of_an_equality_are_put_in_order():
    turned = Binary("=", T_NAME, TOWN)
    assert below_project(Join(TOWNS, turned))[0] == "hash inner join on p.town = t.name"


def test_expressions_can_be_keys():
    on = Binary("=", Binary("+", ID_OF_P, ONE), Unary("-", SIZE))
    assert below_project(Join(TOWNS, on))[0] == "hash inner join on p.id + 1 = -t.size"


@pytest.mark.parametrize(
    ("on", "line"),
    [
        (Binary("<", TOWN, T_NAME), "p.town < t.name"),
        (Binary("=", Binary("+", ID_OF_P, SIZE), ONE), "p.id + t.size = 1"),
        (Binary("=", ONE, Binary("+", ID_OF_P, SIZE)), "1 = p.id + t.size"),
        (Binary("=", ID_OF_P, Binary("+", ID_OF_P, SIZE)), "p.id = p.id + t.size"),
        (Binary("=", Binary("+", ID_OF_P, SIZE), SIZE), "p.id + t.size = t.size"),
    ],
)
def test_other_conditions_are_tested_pair_by_pair(on, line):
    assert below_project(Join(TOWNS, on)) == [
        f"nested-loop inner join where {line}",
        "  scan people as p",
        "  scan towns as t",
    ]


def test_several_keys_and_a_condition():
    second = Binary("=", SIZE, ID_OF_P)
    on = both(both(SAME_TOWN, second), Binary("<", ID_OF_P, SIZE))
    assert below_project(Join(TOWNS, on))[0] == (
        "hash inner join on p.town = t.name AND p.id = t.size where p.id < t.size"
    )


def test_where_joins_tables_with_a_comma():
    assert below_project(Join(TOWNS), where=SAME_TOWN)[0] == "hash inner join on p.town = t.name"


def test_without_condition_every_pair_is_taken():
    assert below_project(Join(TOWNS))[0] == "nested-loop inner join"


def test_conditions_on_one_table_go_down_to_its_scan():
    on = both(SAME_TOWN, more(SIZE, 2))
    assert below_project(Join(TOWNS, on), where=both(more(SIZE, 3), more(ID, 4))) == [
        "hash inner join on p.town = t.name",
        "  filter p.id > 4",
        "    scan people as p",
        "  filter t.size > 3 AND t.size > 2",
        "    scan towns as t",
    ]


def test_a_condition_of_the_first_table_in_on_goes_down_too():
    assert below_project(Join(TOWNS, more(ID)))[1:] == [
        "  filter p.id > 1",
        "    scan people as p",
        "  scan towns as t",
    ]


def test_a_condition_waits_for_its_last_table():
    where = Binary("=", OWNER, ID_OF_P)
    assert below_project(Join(TOWNS), Join(PETS), where=where) == [
        "hash inner join on p.id = pets.owner",
        "  nested-loop inner join",
        "    scan people as p",
        "    scan towns as t",
        "  scan pets",
    ]


def test_the_condition_of_a_left_join_stays_there():
    on = both(both(SAME_TOWN, more(SIZE, 2)), more(ID, 3))
    assert below_project(Join(TOWNS, on, "left")) == [
        "hash left join on p.town = t.name where t.size > 2 AND p.id > 3",
        "  scan people as p",
        "  scan towns as t",
    ]


def test_where_on_the_right_of_a_left_join_is_tested_above_it():
    where = both(IsNull(SIZE), more(ID))
    assert below_project(Join(TOWNS, SAME_TOWN, "left"), where=where) == [
        "filter t.size IS NULL",
        "  hash left join on p.town = t.name",
        "    filter p.id > 1",
        "      scan people as p",
        "    scan towns as t",
    ]


def test_an_inner_join_above_a_left_join():
    joins = Join(TOWNS, SAME_TOWN, "left"), Join(PETS, Binary("=", OWNER, SIZE))
    assert below_project(*joins, where=more(PET)) == [
        "hash inner join on t.size = pets.owner",
        "  hash left join on p.town = t.name",
        "    scan people as p",
        "    scan towns as t",
        "  filter pets.id > 1",
        "    scan pets",
    ]


def test_on_sees_only_the_tables_so_far():
    with pytest.raises(SqlNameError, match=r"^no such column: owner$"):
        plan(ONE, joins=(Join(TOWNS, more(OWNER)), Join(PETS)))


def test_two_tables_with_one_alias_are_refused():
    with pytest.raises(SqlNameError, match=r"^duplicate table: p$"):
        plan(ONE, joins=(Join(TOWNS), Join(TableRef("pets", "p"))))


def test_a_table_may_be_joined_to_itself():
    node = plan(ONE, joins=(Join(TableRef("people", "q")),))
    assert explain(node).splitlines()[-1] == "    scan people as q"


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"source": TableRef("cats", "c")}, "no such table: cats"),
        ({"where": more(SIZE)}, "no such column: size"),
        ({"joins": (Join(TOWNS),), "where": IsNull(Column("name"))}, "ambiguous column: name"),
        ({"order_by": (OrderItem(SIZE),)}, "no such column: size"),
        ({"group_by": (SIZE,)}, "no such column: size"),
        ({"order_by": (OrderItem(Literal(2)),)}, "no item 2 in the list"),
        ({"order_by": (OrderItem(Literal(0)),)}, "no item 0 in the list"),
    ],
)
def test_names_that_are_not_there_are_refused(parts, message):
    with pytest.raises(SqlNameError, match=f"^{message}$"):
        plan(ONE, **parts)


def test_a_star_of_an_unknown_table_is_refused():
    with pytest.raises(SqlNameError, match=r"^no such table: x$"):
        plan(Star("x"))


def test_a_star_needs_tables():
    with pytest.raises(SqlTypeError, match=r"^\* needs a FROM$"):
        plan(Star(), source=None)


def test_order_limit_distinct():
    order = (OrderItem(TOWN, True), OrderItem(Unary("-", ID)))
    assert lines(ID, order_by=order, limit=10, offset=5, distinct=True) == [
        "limit 10 offset 5",
        "  distinct",
        "    project p.id",
        "      sort by p.town DESC, -p.id",
        "        scan people as p",
    ]


@pytest.mark.parametrize(
    ("parts", "line"),
    [({"limit": 0}, "limit 0"), ({"offset": 1}, "offset 1"), ({"limit": 2}, "limit 2")],
)
def test_limit_or_offset_alone(parts, line):
    assert lines(ID, **parts)[0] == line


def test_no_limit_where_there_is_none():
    assert not isinstance(plan(ID, offset=0), Limit)


def test_order_by_place():
    order = (OrderItem(TWO), OrderItem(ONE, True))
    assert lines(ID, TOWN, order_by=order)[1] == "  sort by p.town, p.id DESC"


def test_order_by_alias():
    item = SelectItem(Unary("-", ID), "x")
    assert lines(item, order_by=(OrderItem(Column("x")),))[1] == "  sort by -p.id"


def test_an_alias_wins_over_a_column_in_order_by():
    item = SelectItem(ID, "town")
    assert lines(item, order_by=(OrderItem(TOWN),))[1] == "  sort by p.id"


def test_a_qualified_name_in_order_by_is_no_alias():
    item = SelectItem(ID, "town")
    assert lines(item, order_by=(OrderItem(Column("town", "p")),))[1] == "  sort by p.town"


def test_an_aggregate_makes_one_group():
    assert lines(COUNT, Call("sum", (ID,))) == [
        'project "count(*)", "sum(p.id)"',
        "  group: count(*), sum(p.id)",
        "    scan people as p",
    ]


def test_group_by_with_everything():
    doubled = Binary("*", ID, TWO)
    top = Binary("+", Call("max", (doubled,)), ONE)
    order = (OrderItem(COUNT, True), OrderItem(TOWN))
    having = more(Call("min", (ID,)))
    grouped = {"group_by": (TOWN,), "having": having, "order_by": order, "where": more(ID, 9)}
    assert lines(TOWN, top, **grouped) == [
        'project p.town, "max(p.id * 2)" + 1',
        '  sort by "count(*)" DESC, p.town',
        '    filter "min(p.id)" > 1',
        "      group by p.town: max(p.id * 2), min(p.id), count(*)",
        "        filter p.id > 9",
        "          scan people as p",
    ]


def test_equal_aggregates_are_computed_once():
    qualified = Call("sum", (ID_OF_P,))
    assert lines(Call("sum", (ID,)), qualified)[1] == "  group: sum(p.id)"


def test_an_expression_can_be_a_key():
    key = Binary("+", ID, ONE)
    assert lines(key, Unary("-", key), group_by=(key,))[:2] == [
        'project "p.id + 1", -"p.id + 1"',
        "  group by p.id + 1",
    ]


def test_group_by_alias():
    item = SelectItem(Unary("-", ID), "x")
    assert lines(item, group_by=(Column("x"),))[1] == "  group by -p.id"


def test_a_column_wins_over_an_alias_in_group_by():
    item = SelectItem(Call("max", (ID,)), "town")
    assert lines(item, group_by=(TOWN,))[1] == "  group by p.town: max(p.id)"


def test_a_qualified_name_in_group_by_is_no_alias():
    item = SelectItem(ID, "x")
    with pytest.raises(SqlNameError, match=r"^no such column: p\.x$"):
        plan(item, group_by=(Column("x", "p"),))


def test_having_alone_makes_one_group():
    assert lines(ONE, having=Literal(True))[1:3] == ["  filter TRUE", "    group"]


@pytest.mark.parametrize(
    "parts",
    [
        {"group_by": (ID,)},
        {"having": more(COUNT)},
        {"order_by": (OrderItem(COUNT),)},
    ],
)
def test_a_column_must_be_grouped_or_aggregated(parts):
    with pytest.raises(SqlNameError) as caught:
        plan(TOWN, **parts)
    assert str(caught.value) == "column p.town must be in GROUP BY or inside an aggregate"


@pytest.mark.parametrize(
    ("items", "parts"),
    [
        ([ONE], {"where": more(Call("sum", (ID,)))}),
        ([ONE], {"group_by": (Call("sum", (ID,)),)}),
        ([ONE], {"joins": (Join(PETS, more(Call("sum", (OWNER,)))),)}),
        ([Call("max", (Call("sum", (ID,)),))], {}),
    ],
)
def test_aggregates_in_the_wrong_place_are_refused(items, parts):
    with pytest.raises(SqlTypeError) as caught:
        plan(*items, **parts)
    assert str(caught.value) == "sum() is not allowed here"


@pytest.mark.parametrize(
    "call", [Call("sum"), Call("sum", (ID, ID)), Call("sum", star=True), Call("count", (ID, ID))]
)
def test_aggregates_take_one_argument(call):
    with pytest.raises(SqlTypeError) as caught:
        plan(call)
    assert str(caught.value) == f"wrong number of arguments for {call.name}()"


def test_exported():
    assert minisql.plan_select is plan_select
