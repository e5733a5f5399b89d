"""Values, comparison, three-valued logic."""

import pytest

import minisql
from minisql import registry
from minisql.errors import SqlTypeError
from minisql.types import (
    ColumnDef,
    Result,
    SqlType,
    as_truth,
    coerce,
    compare,
    counted,
    logical_and,
    logical_not,
    logical_or,
    sort_key,
    type_named,
    type_of,
    typeof,
)

VALUES = [
    (None, None, "null"),
    (True, SqlType.BOOLEAN, "boolean"),
    (0, SqlType.INTEGER, "integer"),
    (2.5, SqlType.REAL, "real"),
    ("", SqlType.TEXT, "text"),
]


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        ("int integer bigint INT Integer", SqlType.INTEGER),
        ("real float double REAL", SqlType.REAL),
        ("text varchar string VarChar", SqlType.TEXT),
        ("boolean bool BOOL", SqlType.BOOLEAN),
    ],
)
def test_types_have_several_names(names: str, kind: SqlType):
    assert {type_named(name) for name in names.split()} == {kind}


def test_an_unknown_type_is_refused():
    with pytest.raises(SqlTypeError, match=r"^no such type: Blob$"):
        type_named("Blob")


@pytest.mark.parametrize(("value", "kind", "name"), VALUES)
def test_every_value_has_a_type_and_its_name(value, kind, name):
    assert type_of(value) is kind
    assert typeof(value) == name


@pytest.mark.parametrize(
    ("value", "kind", "stored"),
    [
        (7, SqlType.INTEGER, 7),
        (7.0, SqlType.INTEGER, 7),
        (7, SqlType.REAL, 7.0),
        (7.5, SqlType.REAL, 7.5),
        ("7", SqlType.TEXT, "7"),
        (False, SqlType.BOOLEAN, False),
    ],
)
def test_coerce_keeps_what_fits(value, kind, stored):
    assert coerce(value, kind) == stored
    assert type(coerce(value, kind)) is type(stored)


@pytest.mark.parametrize("kind", list(SqlType))
def test_null_fits_every_type(kind: SqlType):
    assert coerce(None, kind) is None


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        ("7", SqlType.INTEGER, "INTEGER column cannot hold text"),
        (7.5, SqlType.INTEGER, "INTEGER column cannot hold real"),
        (True, SqlType.INTEGER, "INTEGER column cannot hold boolean"),
        (True, SqlType.REAL, "REAL column cannot hold boolean"),
        ("1.0", SqlType.REAL, "REAL column cannot hold text"),
        (7, SqlType.TEXT, "TEXT column cannot hold integer"),
        (1, SqlType.BOOLEAN, "BOOLEAN column cannot hold integer"),
        (1.0, SqlType.BOOLEAN, "BOOLEAN column cannot hold real"),
    ],
)
def test_coerce_refuses_what_does_not_fit(value, kind, message):
    with pytest.raises(SqlTypeError, match=f"^{message}$"):
        coerce(value, kind)


@pytest.mark.parametrize(
    ("left", "right", "sign"),
    [
        (1, 2, -1),
        (2, 2.0, 0),
        (2.5, 2, 1),
        ("a", "b", -1),
        ("a", "B", 1),
        ("a", "a", 0),
        (False, True, -1),
        (True, True, 0),
        (True, False, 1),
    ],
)
def test_compare_gives_a_sign(left, right, sign):
    assert compare(left, right) == sign


@pytest.mark.parametrize(("left", "right"), [(None, 1), ("a", None), (None, None)])
def test_compare_with_null_is_unknown(left, right):
    assert compare(left, right) is None


@pytest.mark.parametrize(
    ("left", "right", "message"),
    [
        (1, "1", "cannot compare integer with text"),
        (True, 1, "cannot compare boolean with integer"),
        ("a", 1.5, "cannot compare text with real"),
    ],
)
def test_compare_refuses_different_types(left, right, message):
    with pytest.raises(SqlTypeError, match=f"^{message}$"):
        compare(left, right)


def test_sort_key_orders_all_types():
    values = ["b", 2, None, True, "a", 1.5, False, -1]
    assert sorted(values, key=sort_key) == [None, False, True, -1, 1.5, 2, "a", "b"]


def test_sort_key_tells_values_apart():
    assert len({sort_key(value) for value in [None, False, 0, "", True, 1, "1"]}) == 7


def test_sort_key_of_equal_numbers_is_equal():
    assert sort_key(2) == sort_key(2.0)


@pytest.mark.parametrize("value", [True, False, None])
def test_as_truth_passes_truth_values(value):
    assert as_truth(value) is value


@pytest.mark.parametrize(("value", "name"), [(1, "integer"), ("x", "text"), (0.0, "real")])
def test_as_truth_refuses_the_rest(value, name):
    with pytest.raises(SqlTypeError, match=f"^expected a boolean, not {name}$"):
        as_truth(value)


@pytest.mark.parametrize(
    ("left", "right", "both", "either"),
    [
        (True, True, True, True),
        (True, False, False, True),
        (True, None, None, True),
        (False, True, False, True),
        (False, False, False, False),
        (False, None, False, None),
        (None, True, None, True),
        (None, False, False, None),
        (None, None, None, None),
    ],
)
def test_and_and_or_are_three_valued(left, right, both, either):
    assert logical_and(left, right) is both
    assert logical_or(left, right) is either


@pytest.mark.parametrize(("value", "opposite"), [(True, False), (False, True), (None, None)])
def test_not_is_three_valued(value, opposite):
    assert logical_not(value) is opposite


@pytest.mark.parametrize(
    ("column", "required", "unique"),
    [
        (ColumnDef("a", SqlType.TEXT), False, False),
        (ColumnDef("a", SqlType.TEXT, not_null=True), True, False),
        (ColumnDef("a", SqlType.TEXT, unique=True), False, True),
        (ColumnDef("a", SqlType.TEXT, primary_key=True), True, True),
    ],
)
def test_a_primary_key_is_required_and_unique(column: ColumnDef, required: bool, unique: bool):
    assert column.is_required is required
    assert column.is_unique is unique


@pytest.mark.parametrize(("number", "text"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows")])
def test_counted_adds_an_s(number: int, text: str):
    assert counted(number, "row") == text


def test_typeof_is_registered():
    assert registry.scalar("typeof") is typeof


def test_exported():
    assert minisql.ColumnDef is ColumnDef
    assert minisql.Result is Result
    assert minisql.SqlType is SqlType
