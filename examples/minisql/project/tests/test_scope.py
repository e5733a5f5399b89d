"""Resolving names."""

import pytest

import minisql
from minisql.errors import SqlNameError
from minisql.scope import Field, Scope
from minisql.syntax_tree import Column

SCOPE = Scope((Field("id", "p"), Field("name", "p"), Field("id", "q"), Field("total")))


@pytest.mark.parametrize(
    ("column", "place"),
    [
        (Column("name"), 1),
        (Column("name", "p"), 1),
        (Column("id", "p"), 0),
        (Column("id", "q"), 2),
        (Column("total"), 3),
    ],
)
def test_a_column_has_a_place(column: Column, place: int):
    assert SCOPE.position(column) == place


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (Column("id"), "ambiguous column: id"),
        (Column("age"), "no such column: age"),
        (Column("name", "q"), "no such column: q.name"),
        (Column("total", "p"), "no such column: p.total"),
    ],
)
def test_names_that_do_not_fit_one_place_are_refused(column: Column, message: str):
    with pytest.raises(SqlNameError, match=f"^{message}$"):
        SCOPE.position(column)


def test_qualified_adds_the_table():
    assert SCOPE.qualified(Column("name")) == Column("name", "p")
    assert SCOPE.qualified(Column("id", "q")) == Column("id", "q")
    assert SCOPE.qualified(Column("total")) == Column("total")


def test_qualified_refuses_unknown_names():
    with pytest.raises(SqlNameError, match="no such column: age"):
        SCOPE.qualified(Column("age"))


def test_tables_are_those_with_a_place():
    assert SCOPE.tables() == {"p", "q"}
    assert Scope().tables() == set()


def test_scopes_add_up_in_order():
    left, right = Scope((Field("a", "x"),)), Scope((Field("b", "y"),))
    assert (left + right).fields == (Field("a", "x"), Field("b", "y"))


def test_exported():
    assert minisql.Scope is Scope
