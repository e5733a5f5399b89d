"""Tables and their constraints."""

import pytest

import minisql
from minisql.errors import SqlConstraintError, SqlNameError, SqlTypeError
from minisql.storage import Database, Table
from minisql.types import ColumnDef, SqlType

COLUMNS = (
    ColumnDef("id", SqlType.INTEGER, primary_key=True),
    ColumnDef("name", SqlType.TEXT, not_null=True, default="?"),
    ColumnDef("mail", SqlType.TEXT, unique=True),
)
ADA, BOB = (1, "Ada", "a@x"), (2, "Bob", None)


def people(*rows) -> Table:
    table = Table("people", COLUMNS)
    table.insert(rows)
    return table


def contents(table: Table) -> list:
    return [row for _, row in table.rows()]


def test_a_new_table_is_empty():
    table = Table("people", COLUMNS)
    assert table.name == "people"
    assert table.columns == COLUMNS
    assert len(table) == 0
    assert contents(table) == []


def test_columns_by_name():
    table = people()
    assert table.column_names == ("id", "name", "mail")
    assert [table.position(name) for name in ("id", "name", "mail")] == [0, 1, 2]


def test_an_unknown_column_is_refused():
    with pytest.raises(SqlNameError, match=r"^no such column: age$"):
        people().position("age")


def test_two_columns_of_one_name_are_refused():
    columns = (ColumnDef("x", SqlType.TEXT), COLUMNS[0], ColumnDef("x", SqlType.REAL))
    with pytest.raises(SqlNameError, match=r"^duplicate column: x$"):
        Table("t", columns)


def test_two_primary_keys_are_refused():
    key = ColumnDef("key", SqlType.TEXT, primary_key=True)
    with pytest.raises(SqlConstraintError, match=r"^more than one primary key in t$"):
        Table("t", (COLUMNS[0], key))


def test_insert_adds_rows_in_order():
    table = people(ADA)
    assert table.insert([BOB, (3, "Cy", None)]) == 2
    assert list(table.rows()) == [(1, ADA), (2, BOB), (3, (3, "Cy", None))]
    assert len(table) == 3


def test_insert_coerces():
    assert contents(people((1.0, "Ada", None)))[0][0] == 1
    assert isinstance(contents(people((1.0, "Ada", None)))[0][0], int)


def test_insert_refuses_wrong_types():
    with pytest.raises(SqlTypeError, match="TEXT column cannot hold integer"):
        people((1, 2, None))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((None, "Cy", None), "people.id may not be NULL"),
        ((3, None, None), "people.name may not be NULL"),
        ((1, "Cy", None), "people.id must be unique: 1"),
        ((3, "Cy", "a@x"), "people.mail must be unique: a@x"),
    ],
)
def test_a_row_that_breaks_a_constraint_changes_nothing(row, message):
    table = people(ADA)
    with pytest.raises(SqlConstraintError) as caught:
        table.insert([BOB, row])
    assert str(caught.value) == message
    assert contents(table) == [ADA]


def test_rows_of_one_statement_are_checked_against_each_other():
    with pytest.raises(SqlConstraintError, match=r"people\.id must be unique: 2"):
        people(BOB, BOB)


def test_nulls_are_not_equal():
    assert len(people(BOB, (3, "Cy", None), (4, "Di", None))) == 3


def test_a_column_without_constraint_may_repeat():
    assert len(people(ADA, (2, "Ada", None))) == 2


def test_arrange_fills_in_defaults():
    table = people()
    assert table.arrange(("mail", "id"), ("m", 7)) == (7, "?", "m")
    assert table.arrange(("id",), (7,)) == (7, "?", None)


def test_arrange_without_columns_takes_all():
    assert people().arrange((), (1, "a", "b")) == (1, "a", "b")


@pytest.mark.parametrize(
    ("columns", "values", "message"),
    [
        ((), (1, 2), "2 values for 3 columns"),
        (("id",), (1, 2), "2 values for 1 columns"),
    ],
)
def test_arrange_refuses_wrong_numbers(columns, values, message):
    with pytest.raises(SqlTypeError, match=f"^{message}$"):
        people().arrange(columns, values)


@pytest.mark.parametrize(
    ("columns", "message"),
    [(("id", "age"), "no such column: age"), (("id", "id"), "duplicate column: id")],
)
def test_arrange_refuses_wrong_names(columns, message):
    with pytest.raises(SqlNameError, match=f"^{message}$"):
        people().arrange(columns, (1, 2))


def test_update_replaces_rows_in_their_place():
    table = people(ADA, BOB)
    assert table.update({1: (1, "Eve", "e@x")}) == 1
    assert list(table.rows()) == [(1, (1, "Eve", "e@x")), (2, BOB)]


def test_update_may_exchange_unique_values():
    table = people(ADA, BOB)
    assert table.update({1: (2, "Ada", "a@x"), 2: (1, "Bob", None)}) == 2
    assert contents(table) == [(2, "Ada", "a@x"), (1, "Bob", None)]


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ((9, "Bob", None), SqlConstraintError),
        ((2, None, None), SqlConstraintError),
        (("x", "Bob", None), SqlTypeError),
    ],
)
def test_an_update_that_fails_changes_nothing(row, error):
    table = people(ADA, BOB)
    with pytest.raises(error):
        table.update({1: (9, "Eve", None), 2: row})
    assert contents(table) == [ADA, BOB]


def test_delete_removes_rows_by_number():
    table = people(ADA, BOB, (3, "Cy", None))
    assert table.delete([1, 3]) == 2
    assert list(table.rows()) == [(2, BOB)]


def test_delete_of_unknown_numbers_is_nothing():
    table = people(ADA)
    assert table.delete([7]) == 0
    assert contents(table) == [ADA]


def test_numbers_are_not_used_again():
    table = people(ADA, BOB)
    table.delete([2])
    table.insert([BOB])
    assert [number for number, _ in table.rows()] == [1, 3]


def test_a_deleted_value_is_free_again():
    table = people(ADA)
    table.delete([1])
    assert table.insert([ADA]) == 1


def test_rows_can_be_read_while_the_table_changes():
    table = people(ADA, BOB)
    for number, _ in table.rows():
        table.delete([number])
    assert len(table) == 0


def test_a_database_creates_and_finds_tables():
    database = Database()
    assert database.create("people", COLUMNS) is True
    assert database.table("people").columns == COLUMNS
    assert database.table("people").name == "people"


def test_a_table_is_the_same_every_time():
    database = Database()
    database.create("people", COLUMNS)
    database.table("people").insert([ADA])
    assert contents(database.table("people")) == [ADA]


def test_a_table_cannot_be_created_twice():
    database = Database()
    database.create("people", COLUMNS)
    with pytest.raises(SqlNameError, match=r"^table people already exists$"):
        database.create("people", COLUMNS)


def test_if_not_exists_leaves_the_table_alone():
    database = Database()
    assert database.create("people", COLUMNS, if_not_exists=True) is True
    database.table("people").insert([ADA])
    assert database.create("people", COLUMNS[:1], if_not_exists=True) is False
    assert contents(database.table("people")) == [ADA]


def test_drop_removes_a_table():
    database = Database()
    database.create("people", COLUMNS)
    assert database.drop("people") is True
    assert database.table_names() == []


@pytest.mark.parametrize("action", [Database.drop, Database.table])
def test_an_unknown_table_is_refused(action):
    with pytest.raises(SqlNameError, match=r"^no such table: people$"):
        action(Database(), "people")


def test_drop_if_exists():
    database = Database()
    assert database.drop("people", if_exists=True) is False
    database.create("people", COLUMNS)
    assert database.drop("people", if_exists=True) is True


def test_table_names_are_sorted():
    database = Database()
    for name in ("b", "c", "a"):
        database.create(name, COLUMNS)
    assert database.table_names() == ["a", "b", "c"]


def test_exported():
    assert minisql.Database is Database
    assert minisql.Table is Table
