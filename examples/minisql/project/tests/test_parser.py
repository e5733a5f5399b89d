"""From text to the syntax tree."""

import pytest

import minisql
from minisql.errors import SqlSyntaxError, SqlTypeError
from minisql.parser import parse, parse_expression
from minisql.syntax_tree import (
    Between,
    Binary,
    Call,
    Case,
    Column,
    CreateTable,
    Delete,
    DropTable,
    Explain,
    InList,
    Insert,
    IsNull,
    Join,
    Like,
    Literal,
    OrderItem,
    Select,
    SelectItem,
    Star,
    TableRef,
    Unary,
    Update,
    to_sql,
)
from minisql.types import ColumnDef, SqlType

A, B, C = Column("a"), Column("b"), Column("c")
ONE, TWO = Literal(1), Literal(2)
OPERATORS = [*"=<>+-*/%", "OR", "AND", "<>", "<=", ">=", "||"]
ITEM_A, T = SelectItem(A), TableRef("t", "t")


def statement(text: str):
    (only,) = parse(text)
    return only


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NULL", None),
        ("TRUE", True),
        ("false", False),
        ("12", 12),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("'it''s'", "it's"),
    ],
)
def test_literals(text, value):
    tree = parse_expression(text)
    assert tree == Literal(value)
    assert type(tree.value) is type(value)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a", A),
        ("t.a", Column("a", "t")),
        ('"T"."Two words"', Column("Two words", "T")),
        ("-a", Unary("-", A)),
        ("- -a", Unary("-", Unary("-", A))),
        ("NOT NOT a", Unary("NOT", Unary("NOT", A))),
        ("(a)", A),
        ("a IS NULL", IsNull(A)),
        ("a IS NOT NULL", IsNull(A, True)),
        ("a IN (1)", InList(A, (ONE,))),
        ("a NOT IN (1, b + 1)", InList(A, (ONE, Binary("+", B, ONE)), True)),
        ("a BETWEEN 1 AND 2", Between(A, ONE, TWO)),
        ("a NOT BETWEEN 1 AND 2", Between(A, ONE, TWO, True)),
        ("a LIKE 'x%'", Like(A, Literal("x%"))),
        ("a NOT LIKE b", Like(A, B, True)),
        ("a != b", Binary("<>", A, B)),
        ("f()", Call("f")),
        ("f(a, 1)", Call("f", (A, ONE))),
        ("count(*)", Call("count", star=True)),
        ("COUNT(DISTINCT a)", Call("count", (A,), distinct=True)),
    ],
)
def test_expressions(text, tree):
    assert parse_expression(text) == tree


@pytest.mark.parametrize("operator", OPERATORS)
def test_binary_operators(operator):
    assert parse_expression(f"a {operator} b") == Binary(operator, A, B)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a OR b AND c", Binary("OR", A, Binary("AND", B, C))),
        ("a AND b OR c", Binary("OR", Binary("AND", A, B), C)),
        ("NOT a AND b", Binary("AND", Unary("NOT", A), B)),
        ("NOT a = b", Unary("NOT", Binary("=", A, B))),
        ("a = b + c", Binary("=", A, Binary("+", B, C))),
        ("a + b * c", Binary("+", A, Binary("*", B, C))),
        ("-a * b", Binary("*", Unary("-", A), B)),
        ("(a + b) * c", Binary("*", Binary("+", A, B), C)),
        ("a BETWEEN 1 AND 2 AND b", Binary("AND", Between(A, ONE, TWO), B)),
        ("a + 1 IS NULL", IsNull(Binary("+", A, ONE))),
    ],
)
def test_precedence(text, tree):
    assert parse_expression(text) == tree


@pytest.mark.parametrize(
    ("first", "second"),
    [("-", "+"), ("+", "||"), ("/", "*"), ("*", "%"), ("AND", "AND"), ("OR", "OR")],
)
def test_operators_group_to_the_left(first, second):
    tree = Binary(second, Binary(first, A, B), C)
    assert parse_expression(f"a {first} b {second} c") == tree


def test_case():
    text = "CASE WHEN a THEN 1 WHEN b THEN 2 ELSE c END"
    assert parse_expression(text) == Case(((A, ONE), (B, TWO)), C)


def test_case_without_else():
    assert parse_expression("CASE WHEN a THEN 1 END") == Case(((A, ONE),), Literal(None))


def test_case_of_a_value_becomes_equalities():
    tree = Case(((Binary("=", A, ONE), B), (Binary("=", A, TWO), C)))
    assert parse_expression("CASE a WHEN 1 THEN b WHEN 2 THEN c END") == tree


@pytest.mark.parametrize(
    "text",
    [
        "a - (b - c) * -t.d",
        "NOT (a OR b) AND c = 1 OR (a = b) = TRUE",
        "a NOT IN (1, -2.5, 'x''y') AND b IS NOT NULL",
        "a || 'x' LIKE b AND c NOT BETWEEN a % 2 AND 3",
        "CASE WHEN a < 1 THEN NULL ELSE f(a, count(*)) END",
        'sum(DISTINCT "T"."select") / (2 / 3)',
    ],
)
def test_what_to_sql_writes_parses_to_the_same_tree(text):
    assert to_sql(parse_expression(text)) == text


def test_the_shortest_select():
    assert statement("SELECT a") == Select(items=(ITEM_A,))


def test_a_full_select():
    text = """
        SELECT DISTINCT a AS x, count(*) n, 1 FROM t AS s WHERE a = 1 GROUP BY a, b
        HAVING b ORDER BY x DESC, a ASC, b LIMIT 10 OFFSET 5
    """
    assert statement(text) == Select(
        items=(
            SelectItem(A, "x"),
            SelectItem(Call("count", star=True), "n"),
            SelectItem(ONE),
        ),
        source=TableRef("t", "s"),
        where=Binary("=", A, ONE),
        group_by=(A, B),
        having=B,
        order_by=(OrderItem(Column("x"), True), OrderItem(A), OrderItem(B)),
        limit=10,
        offset=5,
        distinct=True,
    )


def test_stars():
    items = (SelectItem(Star()), SelectItem(Star("t")), SelectItem(Column("a", "t")))
    assert statement("SELECT *, t.*, t.a FROM t") == Select(items=items, source=T)


def test_a_table_without_alias_is_called_as_it_is():
    assert statement("SELECT a FROM t").source == TableRef("t", "t")
    assert statement("SELECT a FROM t s").source == TableRef("t", "s")


@pytest.mark.parametrize(
    ("text", "join"),
    [
        (", u", Join(TableRef("u", "u"))),
        ("JOIN u ON a", Join(TableRef("u", "u"), A)),
        ("INNER JOIN u ON a", Join(TableRef("u", "u"), A)),
        ("INNER JOIN u AS v ON a = b", Join(TableRef("u", "v"), Binary("=", A, B))),
        ("LEFT JOIN u ON a", Join(TableRef("u", "u"), A, "left")),
        ("LEFT OUTER JOIN u v ON a", Join(TableRef("u", "v"), A, "left")),
    ],
)
def test_joins(text, join):
    assert statement(f"SELECT a FROM t {text}") == Select(items=(ITEM_A,), source=T, joins=(join,))


def test_several_joins_stay_in_order():
    select = statement("SELECT a FROM t, u LEFT JOIN v ON a JOIN w ON b WHERE c")
    assert [(join.table.name, join.kind) for join in select.joins] == [
        ("u", "inner"),
        ("v", "left"),
        ("w", "inner"),
    ]
    assert select.where == C


def test_explain():
    assert statement("EXPLAIN SELECT a") == Explain(Select(items=(ITEM_A,)))


def test_create_table():
    text = """
        CREATE TABLE t (
            id INTEGER PRIMARY KEY, a varchar(20) NOT NULL UNIQUE, b REAL DEFAULT 1.5,
            c bool DEFAULT TRUE UNIQUE, d INT DEFAULT -1 NOT NULL, e real DEFAULT -2.5
        )
    """
    assert statement(text) == CreateTable(
        "t",
        (
            ColumnDef("id", SqlType.INTEGER, primary_key=True),
            ColumnDef("a", SqlType.TEXT, not_null=True, unique=True),
            ColumnDef("b", SqlType.REAL, default=1.5),
            ColumnDef("c", SqlType.BOOLEAN, unique=True, default=True),
            ColumnDef("d", SqlType.INTEGER, not_null=True, default=-1),
            ColumnDef("e", SqlType.REAL, default=-2.5),
        ),
    )


def test_create_and_drop_with_conditions():
    columns = (ColumnDef("a", SqlType.INTEGER),)
    assert statement("CREATE TABLE IF NOT EXISTS t (a int)") == CreateTable("t", columns, True)
    assert statement("CREATE TABLE t (a int)").if_not_exists is False
    assert statement("DROP TABLE IF EXISTS t") == DropTable("t", True)
    assert statement("DROP TABLE t") == DropTable("t", False)


def test_an_unknown_type_is_refused():
    with pytest.raises(SqlTypeError, match="no such type: blob"):
        parse("CREATE TABLE t (a blob)")


def test_insert():
    text = "INSERT INTO t (a, b) VALUES (1, 2), (1 + 2, NULL)"
    rows = ((ONE, TWO), (Binary("+", ONE, TWO), Literal(None)))
    assert statement(text) == Insert("t", ("a", "b"), rows)
    assert statement("INSERT INTO t VALUES (1)") == Insert("t", (), ((ONE,),))


def test_update():
    text = "UPDATE t SET a = 1, b = a + 1 WHERE c"
    assert statement(text) == Update("t", (("a", ONE), ("b", Binary("+", A, ONE))), C)
    assert statement("UPDATE t SET a = 1") == Update("t", (("a", ONE),))


def test_delete():
    assert statement("DELETE FROM t WHERE a") == Delete("t", A)
    assert statement("DELETE FROM t") == Delete("t")


def test_several_statements():
    assert parse(";DELETE FROM t;; DELETE FROM u;") == (Delete("t"), Delete("u"))
    assert parse("DELETE FROM t; DELETE FROM u") == (Delete("t"), Delete("u"))


@pytest.mark.parametrize("text", ["", " ; ; ", "-- nothing"])
def test_no_statement(text: str):
    assert parse(text) == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("foo", "line 1, column 1: expected a statement, found name 'foo'"),
        ("SELECT", "line 1, column 7: expected an expression, found end of input"),
        ("SELECT a\nFROM 1", "line 2, column 6: expected a table, found integer '1'"),
        ("SELECT a AS 1", "line 1, column 13: expected an alias, found integer '1'"),
        ("SELECT t. FROM t", "line 1, column 11: expected a column, found keyword 'FROM'"),
        ("SELECT a GROUP a", "line 1, column 16: expected BY, found name 'a'"),
        ("SELECT a LIMIT 'x'", "line 1, column 16: expected an integer, found string 'x'"),
        ("SELECT a LIMIT 1.5", "line 1, column 16: expected an integer, found real number '1.5'"),
        ("SELECT a b c", "line 1, column 12: expected end of statement, found name 'c'"),
        ("SELECT a FROM t JOIN u", "line 1, column 23: expected ON, found end of input"),
        ("SELECT a FROM t LEFT u", "line 1, column 22: expected JOIN, found name 'u'"),
        ("SELECT (a", "line 1, column 10: expected ), found end of input"),
        ("SELECT f(a", "line 1, column 11: expected ), found end of input"),
        ("SELECT count(*", "line 1, column 15: expected ), found end of input"),
        ("SELECT a NOT b", "line 1, column 14: expected IN, LIKE or BETWEEN, found name 'b'"),
        ("SELECT a IS 1", "line 1, column 13: expected NULL, found integer '1'"),
        ("SELECT a IN 1", "line 1, column 13: expected (, found integer '1'"),
        ("SELECT a IN (1", "line 1, column 15: expected ), found end of input"),
        ("SELECT a BETWEEN 1 OR 2", "line 1, column 20: expected AND, found keyword 'OR'"),
        ("SELECT CASE ELSE 1 END", "line 1, column 13: expected an expression, "),
        ("SELECT CASE a END", "line 1, column 15: expected WHEN, found keyword 'END'"),
        ("SELECT CASE WHEN a END", "line 1, column 20: expected THEN, found keyword 'END'"),
        ("SELECT CASE WHEN a THEN b", "line 1, column 26: expected END, found end of input"),
        ("INSERT t", "line 1, column 8: expected INTO, found name 't'"),
        ("INSERT INTO t (a) (1)", "line 1, column 19: expected VALUES, found symbol '('"),
        ("INSERT INTO t (1)", "line 1, column 16: expected a name, found integer '1'"),
        ("UPDATE t a = 1", "line 1, column 10: expected SET, found name 'a'"),
        ("UPDATE t SET a 1", "line 1, column 16: expected =, found integer '1'"),
        ("UPDATE t SET 1", "line 1, column 14: expected a column, found integer '1'"),
        ("DELETE t", "line 1, column 8: expected FROM, found name 't'"),
        ("DROP t", "line 1, column 6: expected TABLE, found name 't'"),
        ("DROP TABLE IF t", "line 1, column 15: expected EXISTS, found name 't'"),
        ("CREATE t", "line 1, column 8: expected TABLE, found name 't'"),
        ("CREATE TABLE t (a", "line 1, column 18: expected a type, found end of input"),
        ("CREATE TABLE t (a int NOT", "line 1, column 26: expected NULL, found end of input"),
        ("CREATE TABLE t (a int PRIMARY", "line 1, column 30: expected KEY, found end of input"),
        ("CREATE TABLE t (a int DEFAULT -x)", "line 1, column 32: expected a number, "),
        ("EXPLAIN DELETE", "line 1, column 9: expected SELECT, found keyword 'DELETE'"),
    ],
)
def test_mistakes_are_told_with_their_place(text: str, message: str):
    with pytest.raises(SqlSyntaxError) as caught:
        parse(text)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("text", ["a b", "a;", "a = b = c", "", "a,"])
def test_an_expression_is_the_whole_text(text: str):
    with pytest.raises(SqlSyntaxError):
        parse_expression(text)


def test_exported():
    assert minisql.parse is parse
    assert minisql.parse_expression is parse_expression
