"""Computing expressions."""

import pytest

import minisql
from minisql.errors import SqlNameError, SqlTypeError
from minisql.expressions import compile_expression, evaluate, is_true
from minisql.scope import Field, Scope
from minisql.syntax_tree import (
    Between,
    Binary,
    Call,
    Case,
    Column,
    InList,
    IsNull,
    Like,
    Literal,
    Unary,
)

SCOPE = Scope((Field("a", "t"), Field("b", "t"), Field("a", "u")))
NULL = Literal(None)


def binary(operator: str, left, right):
    return evaluate(Binary(operator, Literal(left), Literal(right)))


def test_a_literal_is_its_value():
    assert evaluate(Literal("x")) == "x"


def test_columns_come_from_the_row():
    row = (1, 2, 3)
    assert evaluate(Column("b"), row, SCOPE) == 2
    assert evaluate(Column("a", "u"), row, SCOPE) == 3


def test_a_compiled_expression_serves_many_rows():
    double = compile_expression(Binary("*", Column("b"), Literal(2)), SCOPE)
    assert [double((0, value, 0)) for value in (1, 2, None)] == [2, 4, None]


@pytest.mark.parametrize(
    ("column", "message"),
    [(Column("a"), "ambiguous column: a"), (Column("x"), "no such column: x")],
)
def test_names_are_resolved_when_compiling(column, message):
    with pytest.raises(SqlNameError, match=f"^{message}$"):
        compile_expression(Unary("-", column), SCOPE)


def test_without_scope_there_are_no_columns():
    with pytest.raises(SqlNameError, match="no such column: a"):
        evaluate(Column("a"))


@pytest.mark.parametrize(
    ("left", "operator", "right", "result"),
    [
        (7, "+", 2, 9),
        (7, "-", 2, 5),
        (7, "*", 2, 14),
        (7, "/", 2, 3),
        (-7, "/", 2, -3),
        (7, "/", -2, -3),
        (-7, "/", -2, 3),
        (7, "%", 2, 1),
        (-7, "%", 2, -1),
        (7, "%", -2, 1),
        (-7, "%", -2, -1),
        (10**20 + 1, "/", 1, 10**20 + 1),
        (7.0, "/", 2, 3.5),
        (7, "/", 2.0, 3.5),
        (7.5, "%", 2, 1.5),
        (-7.5, "%", 2, -1.5),
        (0.5, "+", 1, 1.5),
        ("ab", "||", "cd", "abcd"),
    ],
)
def test_arithmetic(left, operator, right, result):
    assert binary(operator, left, right) == result
    assert type(binary(operator, left, right)) is type(result)


@pytest.mark.parametrize(("left", "right"), [(1, 0), (0, 0), (1.5, 0), (1, 0.0)])
@pytest.mark.parametrize("operator", ["/", "%"])
def test_division_by_zero_is_null(operator, left, right):
    assert binary(operator, left, right) is None


@pytest.mark.parametrize("operator", [*"+-*/%=<>", "||", "<>", "<=", ">="])
def test_null_makes_null(operator):
    value = "a" if operator == "||" else 1
    assert binary(operator, None, value) is None
    assert binary(operator, value, None) is None


@pytest.mark.parametrize(
    ("left", "operator", "right", "message"),
    [
        ("a", "+", 1, "cannot compute text + integer"),
        (1, "-", "a", "cannot compute integer - text"),
        (True, "*", 2, "cannot compute boolean * integer"),
        (1.5, "/", False, "cannot compute real / boolean"),
        ("a", "%", "b", "cannot compute text % text"),
        ("a", "||", 1, "cannot compute text || integer"),
        (1, "||", "a", "cannot compute integer || text"),
        (1, "||", 2, "cannot compute integer || integer"),
    ],
)
def test_arithmetic_refuses_wrong_types(left, operator, right, message):
    with pytest.raises(SqlTypeError) as caught:
        binary(operator, left, right)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("operator", "less", "equal", "greater"),
    [
        ("=", False, True, False),
        ("<>", True, False, True),
        ("<", True, False, False),
        ("<=", True, True, False),
        (">", False, False, True),
        (">=", False, True, True),
    ],
)
def test_comparisons(operator, less, equal, greater):
    assert binary(operator, 1, 2) is less
    assert binary(operator, "b", "b") is equal
    assert binary(operator, 2.5, 2) is greater


def test_comparisons_refuse_different_types():
    with pytest.raises(SqlTypeError, match="cannot compare integer with text"):
        binary("=", 1, "1")


@pytest.mark.parametrize(
    ("left", "right", "both", "either"),
    [
        (True, True, True, True),
        (True, False, False, True),
        (False, False, False, False),
        (True, None, None, True),
        (None, False, False, None),
    ],
)
def test_and_and_or(left, right, both, either):
    assert binary("AND", left, right) is both
    assert binary("OR", left, right) is either


@pytest.mark.parametrize("operator", ["AND", "OR"])
@pytest.mark.parametrize(("left", "right"), [(1, True), (True, "x")])
def test_and_and_or_take_booleans_only(operator, left, right):
    with pytest.raises(SqlTypeError, match="expected a boolean"):
        binary(operator, left, right)


@pytest.mark.parametrize(("value", "result"), [(True, False), (False, True), (None, None)])
def test_not(value, result):
    assert evaluate(Unary("NOT", Literal(value))) is result


def test_not_takes_booleans_only():
    with pytest.raises(SqlTypeError, match="expected a boolean, not integer"):
        evaluate(Unary("NOT", Literal(0)))


@pytest.mark.parametrize(("value", "result"), [(2, -2), (-1.5, 1.5), (None, None)])
def test_minus(value, result):
    assert evaluate(Unary("-", Literal(value))) == result


@pytest.mark.parametrize(("value", "name"), [("a", "text"), (True, "boolean")])
def test_minus_takes_numbers_only(value, name):
    with pytest.raises(SqlTypeError, match=f"^cannot compute - of {name}$"):
        evaluate(Unary("-", Literal(value)))


@pytest.mark.parametrize(("value", "is_null"), [(None, True), (0, False), ("", False)])
def test_is_null(value, is_null):
    assert evaluate(IsNull(Literal(value))) is is_null
    assert evaluate(IsNull(Literal(value), negated=True)) is not is_null


@pytest.mark.parametrize(
    ("value", "items", "result"),
    [
        (2, (1, 2.0), True),
        (3, (1, 2), False),
        (2, (None, 2), True),
        (3, (None, 2), None),
        (None, (1, 2), None),
    ],
)
def test_in(value, items, result):
    literals = tuple(map(Literal, items))
    opposite = None if result is None else not result
    assert evaluate(InList(Literal(value), literals)) is result
    assert evaluate(InList(Literal(value), literals, negated=True)) is opposite


@pytest.mark.parametrize(
    ("value", "low", "high", "result"),
    [
        (1, 1, 3, True),
        (3, 1, 3, True),
        (0, 1, 3, False),
        (4, 1, 3, False),
        (0, 1, None, False),
        (2, 1, None, None),
        (None, 1, 3, None),
    ],
)
def test_between(value, low, high, result):
    parts = [Literal(value), Literal(low), Literal(high)]
    opposite = None if result is None else not result
    assert evaluate(Between(*parts)) is result
    assert evaluate(Between(*parts, negated=True)) is opposite


@pytest.mark.parametrize(
    ("text", "pattern", "result"), [("Ada", "a%", True), ("Ada", "d%", False), ("Ada", None, None)]
)
def test_like(text, pattern, result):
    opposite = None if result is None else not result
    assert evaluate(Like(Literal(text), Literal(pattern))) is result
    assert evaluate(Like(Literal(text), Literal(pattern), negated=True)) is opposite


@pytest.mark.parametrize(
    ("first", "second", "result"),
    [(True, True, 1), (False, True, 2), (None, True, 2), (None, False, 3)],
)
def test_case_takes_the_first_true_branch(first, second, result):
    branches = ((Literal(first), Literal(1)), (Literal(second), Literal(2)))
    assert evaluate(Case(branches, Literal(3))) == result


def test_case_without_else_is_null():
    assert evaluate(Case(((Literal(False), Literal(1)),))) is None


def test_case_computes_only_the_branch_it_takes():
    broken = Unary("-", Literal("x"))
    branches = ((Literal(False), broken), (Literal(True), Literal(2)), (Literal(True), broken))
    assert evaluate(Case(branches, broken)) == 2


def test_calls():
    assert evaluate(Call("upper", (Literal("a"),))) == "A"
    assert evaluate(Call("coalesce", (NULL, Column("b"), Literal(1))), (0, 5, 0), SCOPE) == 5
    assert evaluate(Call("substr", (Literal("hello"), Literal(2), Literal(3)))) == "ell"


def test_an_unknown_function_is_refused():
    with pytest.raises(SqlNameError, match="no such function: soundex"):
        compile_expression(Call("soundex", (NULL,)), SCOPE)


def test_an_aggregate_has_no_value_for_one_row():
    with pytest.raises(SqlTypeError) as caught:
        compile_expression(Call("sum", (NULL,)), SCOPE)
    assert str(caught.value) == "sum() is not allowed here"


@pytest.mark.parametrize("arguments", [(), (NULL, NULL)])
def test_a_wrong_number_of_arguments_is_refused(arguments):
    with pytest.raises(SqlTypeError) as caught:
        compile_expression(Call("upper", arguments), SCOPE)
    assert str(caught.value) == "wrong number of arguments for upper()"


@pytest.mark.parametrize(
    ("condition", "holds"), [(Literal(True), True), (Literal(False), False), (NULL, False)]
)
def test_is_true_is_neither_false_nor_unknown(condition, holds):
    assert is_true(compile_expression(condition, Scope()), ()) is holds


def test_is_true_takes_booleans_only():
    with pytest.raises(SqlTypeError, match="expected a boolean, not integer"):
        is_true(compile_expression(Literal(1), Scope()), ())


def test_exported():
    assert minisql.evaluate is evaluate
