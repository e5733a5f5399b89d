"""Working with trees: parts, columns, rewriting, printing."""

import pytest

import minisql
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
    children,
    columns_in,
    rewrite,
    to_sql,
    walk,
)

A, B, C, D = Column("a"), Column("b"), Column("c", "t"), Column("d")
ONE = Literal(1)
OPERATORS = [*"=<>+-*/%", "OR", "AND", "<>", "<=", ">=", "||"]

PARTS = [
    (ONE, ()),
    (C, ()),
    (Unary("-", A), (A,)),
    (Binary("+", A, B), (A, B)),
    (IsNull(A, True), (A,)),
    (InList(A, (B, C), True), (A, B, C)),
    (Between(A, B, C, True), (A, B, C)),
    (Like(A, B, True), (A, B)),
    (Case(((A, B), (C, D)), ONE), (A, B, C, D, ONE)),
    (Call("count", (A, B), distinct=True), (A, B)),
    (Call("count", star=True), ()),
]


@pytest.mark.parametrize(("tree", "parts"), PARTS)
def test_children_are_the_direct_parts(tree, parts):
    assert children(tree) == parts


def test_walk_gives_a_whole_before_its_parts():
    inner = Unary("NOT", B)
    tree = Binary("AND", IsNull(A), inner)
    assert list(walk(tree)) == [tree, IsNull(A), A, inner, B]


def test_columns_in_order_and_once():
    tree = Binary("+", Call("f", (C, A)), Binary("*", A, ONE))
    assert columns_in(tree) == (C, A)


@pytest.mark.parametrize(("tree", "parts"), PARTS)
def test_rewrite_keeps_what_nobody_changes(tree, parts):
    assert rewrite(tree, lambda part: None) == tree


@pytest.mark.parametrize(
    ("tree", "changed"),
    [
        (Unary("-", A), Unary("-", D)),
        (Binary("+", A, A), Binary("+", D, D)),
        (IsNull(A, True), IsNull(D, True)),
        (InList(A, (B, A)), InList(D, (B, D))),
        (Between(A, A, A, True), Between(D, D, D, True)),
        (Like(B, A), Like(B, D)),
        (Case(((A, B), (B, A)), A), Case(((D, B), (B, D)), D)),
        (Call("f", (A,), distinct=True), Call("f", (D,), distinct=True)),
    ],
)
def test_rewrite_replaces_every_occurrence(tree, changed):
    assert rewrite(tree, lambda part: D if part == A else None) == changed


def test_rewrite_does_not_look_into_what_it_put_in():
    wrapped = rewrite(A, lambda part: Unary("-", A) if part == A else None)
    assert wrapped == Unary("-", A)


def test_rewrite_asks_for_the_whole_first():
    tree = Unary("-", A)
    assert rewrite(tree, lambda part: B if part == tree else D) == B


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "NULL"),
        (True, "TRUE"),
        (False, "FALSE"),
        (12, "12"),
        (1.5, "1.5"),
        ("it's", "'it''s'"),
        ("", "''"),
    ],
)
def test_literals_as_sql(value, text):
    assert to_sql(Literal(value)) == text


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        (C, "t.c"),
        (Column("Big"), '"Big"'),
        (Column("two words", "T"), '"T"."two words"'),
        (Column("select"), '"select"'),
        (Column('a"b'), '"a""b"'),
        (Column("2x"), '"2x"'),
        (Column("_x2"), "_x2"),
        (Unary("-", ONE), "-1"),
        (Unary("NOT", A), "NOT a"),
        (IsNull(A), "a IS NULL"),
        (IsNull(A, True), "a IS NOT NULL"),
        (InList(A, (ONE, B)), "a IN (1, b)"),
        (InList(A, (ONE,), True), "a NOT IN (1)"),
        (Between(A, ONE, B), "a BETWEEN 1 AND b"),
        (Between(A, ONE, B, True), "a NOT BETWEEN 1 AND b"),
        (Like(A, Literal("x%")), "a LIKE 'x%'"),
        (Like(A, B, True), "a NOT LIKE b"),
        (Case(((A, ONE),)), "CASE WHEN a THEN 1 END"),
        (Case(((A, B), (B, A)), ONE), "CASE WHEN a THEN b WHEN b THEN a ELSE 1 END"),
        (Call("f"), "f()"),
        (Call("f", (A, ONE)), "f(a, 1)"),
        (Call("count", star=True), "count(*)"),
        (Call("count", (A,), distinct=True), "count(DISTINCT a)"),
    ],
)
def test_expressions_as_sql(tree, text):
    assert to_sql(tree) == text


@pytest.mark.parametrize("operator", OPERATORS)
def test_binary_operators_as_sql(operator):
    assert to_sql(Binary(operator, A, B)) == f"a {operator} b"


def test_no_parentheses_where_an_operator_binds_tighter():
    product = Binary("*", A, Unary("-", B))
    comparison = Binary("<", Binary("+", product, ONE), B)
    tree = Binary("OR", Binary("AND", Unary("NOT", A), comparison), IsNull(A))
    assert to_sql(tree) == "NOT a AND a * -b + 1 < b OR a IS NULL"


def test_no_parentheses_on_the_left_of_the_same_level():
    assert to_sql(Binary("-", Binary("+", A, B), ONE)) == "a + b - 1"
    assert to_sql(Binary("AND", Binary("AND", A, B), ONE)) == "a AND b AND 1"
    assert to_sql(Binary("%", Binary("*", A, B), ONE)) == "a * b % 1"


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        (Binary("-", A, Binary("-", B, ONE)), "a - (b - 1)"),
        (Binary("*", Binary("+", A, B), ONE), "(a + b) * 1"),
        (Binary("/", A, Binary("*", B, ONE)), "a / (b * 1)"),
        (Binary("AND", Binary("OR", A, B), ONE), "(a OR b) AND 1"),
        (Binary("AND", A, Unary("NOT", B)), "a AND NOT b"),
        (Binary("=", Unary("NOT", A), B), "(NOT a) = b"),
        (Binary("=", Binary("=", A, B), ONE), "(a = b) = 1"),
        (Binary("=", A, Binary("<", B, ONE)), "a = (b < 1)"),
        (Binary("=", IsNull(A), B), "(a IS NULL) = b"),
        (Unary("-", Unary("-", ONE)), "-(-1)"),
        (Unary("-", Binary("*", A, B)), "-(a * b)"),
        (Unary("NOT", Binary("=", A, B)), "NOT (a = b)"),
        (IsNull(Binary("=", A, B)), "(a = b) IS NULL"),
        (IsNull(Binary("+", A, B)), "a + b IS NULL"),
        (Between(A, Binary("+", B, ONE), Like(A, B)), "a BETWEEN b + 1 AND (a LIKE b)"),
        (Between(A, IsNull(B), ONE), "a BETWEEN (b IS NULL) AND 1"),
        (Like(A, InList(B, (ONE,))), "a LIKE (b IN (1))"),
        (InList(A, (Binary("OR", A, B),)), "a IN (a OR b)"),
        (Like(A, Binary("||", B, ONE)), "a LIKE b || 1"),
    ],
)
def test_parentheses_where_the_tree_would_be_another(tree, text):
    assert to_sql(tree) == text


def test_trees_can_be_keys():
    assert {Binary("+", A, ONE): 1}[Binary("+", Column("a"), Literal(1))] == 1


def test_exported():
    assert minisql.to_sql is to_sql
