"""Aggregate functions."""

import pytest

import minisql
from minisql import registry
from minisql.aggregates import (
    Aggregate,
    Average,
    Count,
    Distinct,
    Maximum,
    Minimum,
    Sum,
    create,
)
from minisql.errors import SqlNameError, SqlTypeError


def total(aggregate: Aggregate, *values):
    for value in values:
        aggregate.add(value)
    return aggregate.result()


def test_count_passes_over_nulls():
    assert total(Count(), 1, None, "a", False, None) == 3


def test_count_of_nothing_is_zero():
    assert total(Count()) == 0
    assert total(Count(), None) == 0


def test_sum_of_integers_is_an_integer():
    result = total(Sum(), 1, 2, None, 4)
    assert result == 7
    assert isinstance(result, int)


def test_sum_with_a_real_is_a_real():
    assert total(Sum(), 1, 0.5) == 1.5
    assert isinstance(total(Sum(), 1, 2.0), float)


@pytest.mark.parametrize("aggregate", [Sum, Average, Minimum, Maximum])
def test_aggregates_of_nothing_are_null(aggregate):
    assert total(aggregate()) is None
    assert total(aggregate(), None, None) is None


@pytest.mark.parametrize("aggregate", [Sum, Average])
@pytest.mark.parametrize(("value", "name"), [("a", "text"), (True, "boolean")])
def test_only_numbers_add_up(aggregate, value, name):
    with pytest.raises(SqlTypeError, match=f"^cannot add {name}$"):
        total(aggregate(), value)


def test_average_is_a_real_and_passes_over_nulls():
    assert total(Average(), 1, None, 2) == 1.5
    assert isinstance(total(Average(), 2, 2), float)


def test_minimum_and_maximum_of_numbers():
    assert total(Minimum(), 3, None, 1.5, 2) == 1.5
    assert total(Maximum(), 3, None, 1.5, 4, 2) == 4


def test_minimum_and_maximum_of_text():
    assert total(Minimum(), "b", "a", "c") == "a"
    assert total(Maximum(), "b", "c", "a") == "c"


def test_the_first_of_equal_values_is_kept():
    assert isinstance(total(Minimum(), 1, 1.0), int)
    assert isinstance(total(Maximum(), 1, 1.0), int)


@pytest.mark.parametrize("aggregate", [Minimum, Maximum])
def test_values_of_different_types_have_no_order(aggregate):
    with pytest.raises(SqlTypeError, match="cannot compare"):
        total(aggregate(), 1, "a")


def test_distinct_passes_each_value_once():
    assert total(Distinct(Sum()), 2, 3, 2, 2.0, 3) == 5
    assert total(Distinct(Count()), "a", None, "b", "a", None) == 2


def test_distinct_tells_true_from_one():
    assert total(Distinct(Count()), True, 1) == 2


@pytest.mark.parametrize(
    ("name", "kind"),
    [("avg", Average), ("count", Count), ("max", Maximum), ("min", Minimum), ("sum", Sum)],
)
def test_registered(name, kind):
    assert registry.aggregate(name) is kind
    assert registry.is_aggregate(name) is True
    assert type(create(name)) is kind


def test_scalar_functions_are_no_aggregates():
    assert registry.is_aggregate("upper") is False
    with pytest.raises(SqlNameError, match=r"^no such function: median$"):
        create("median")


def test_create_can_leave_repetitions_out():
    assert total(create("sum", distinct=True), 2, 2, 3) == 5
    assert total(create("sum"), 2, 2, 3) == 7
    assert total(create("count", True), 2, 2) == 1


def test_every_aggregate_starts_afresh():
    assert total(create("count"), 1) == 1
    assert total(create("count"), 1) == 1


def test_exported():
    assert minisql.Aggregate is Aggregate
