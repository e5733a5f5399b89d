"""The whole engine: text in, text out."""

import io

import pytest

import minisql
from minisql.__main__ import main
from minisql.engine import Engine
from minisql.errors import SqlConstraintError, SqlError, SqlNameError

SHOP = """
    CREATE TABLE products (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, price REAL, stock INT DEFAULT 0
    );
    CREATE TABLE sales (product INTEGER NOT NULL, amount INTEGER NOT NULL, day TEXT);
    INSERT INTO products VALUES
        (1, 'tea', 4.5, 10), (2, 'coffee', 7, 3), (3, 'sugar', NULL, 0), (4, 'milk', 1.25, 20);
    INSERT INTO sales VALUES
        (1, 2, 'mon'), (2, 1, 'mon'), (1, 3, 'tue'), (4, 6, 'tue'), (2, 2, 'wed'), (1, 1, NULL);
"""


@pytest.fixture
def shop() -> Engine:
    engine = Engine()
    engine.run(SHOP)
    return engine


def session(*lines: str, prompts: bool = False) -> str:
    output = io.StringIO()
    main(lines, output, prompts)
    return output.getvalue()


def test_turnover_by_product(shop: Engine):
    assert shop.query(
        """
        SELECT p.name, sum(s.amount) AS pieces, sum(s.amount * p.price) AS turnover
        FROM sales s JOIN products p ON p.id = s.product
        GROUP BY p.name HAVING sum(s.amount) > 3 ORDER BY turnover DESC
        """
    ) == [("tea", 6, 27.0), ("milk", 6, 7.5)]


def test_what_was_never_sold(shop: Engine):
    assert shop.query(
        """
        SELECT p.name, coalesce(p.price, 0.0) FROM products p
        LEFT JOIN sales s ON s.product = p.id WHERE s.product IS NULL
        """
    ) == [("sugar", 0.0)]


def test_days_by_number_of_sales(shop: Engine):
    assert shop.query(
        """
        SELECT CASE day WHEN 'mon' THEN 'Monday' WHEN 'tue' THEN 'Tuesday' ELSE 'later' END AS d,
            count(*) FROM sales GROUP BY d ORDER BY 2 DESC, 1
        """
    ) == [("Monday", 2), ("Tuesday", 2), ("later", 2)]


def test_pairs_sold_on_one_day(shop: Engine):
    assert shop.query(
        """
        SELECT DISTINCT a.day, p.name || ' and ' || q.name
        FROM sales a JOIN sales b ON a.day = b.day AND a.product < b.product
        JOIN products p ON p.id = a.product, products q
        WHERE q.id = b.product ORDER BY a.day
        """
    ) == [("mon", "tea and coffee"), ("tue", "tea and milk")]


def test_a_sale_changes_the_stock(shop: Engine):
    shop.run("UPDATE products SET stock = stock - 3 WHERE name LIKE 'T%' OR stock BETWEEN 1 AND 3")
    assert shop.query("SELECT name, stock FROM products WHERE stock IN (0, 7) ORDER BY id") == [
        ("tea", 7),
        ("coffee", 0),
        ("sugar", 0),
    ]


def test_a_broken_constraint_changes_nothing(shop: Engine):
    with pytest.raises(SqlConstraintError, match=r"products\.name must be unique: tea"):
        shop.run("UPDATE products SET name = 'tea' WHERE id > 1")
    assert shop.query("SELECT count(DISTINCT name) FROM products") == [(4,)]


def test_the_plan_of_a_join(shop: Engine):
    plan = shop.query(
        "EXPLAIN SELECT p.name FROM sales s JOIN products p ON p.id = s.product "
        "WHERE s.day = 'mon' AND p.price > 5 LIMIT 1"
    )
    assert [line for (line,) in plan] == [
        "limit 1",
        "  project p.name",
        "    hash inner join on s.product = p.id",
        "      filter s.day = 'mon'",
        "        scan sales as s",
        "      filter p.price > 5",
        "        scan products as p",
    ]


def test_run_gives_a_result_for_each_statement():
    assert [result.message for result in Engine().run("SELECT 1; CREATE TABLE t (a INT)")] == [
        "",
        "table t created",
    ]


def test_query_gives_the_rows_of_the_last_statement():
    engine = Engine()
    assert engine.query("SELECT 1; SELECT 2") == [(2,)]
    assert engine.query("SELECT 1; CREATE TABLE t (a INT)") == []
    assert engine.query("") == []


def test_engines_do_not_share_tables(shop: Engine):
    assert shop.table_names() == ["products", "sales"]
    assert Engine().table_names() == []


def test_the_schema_of_a_table(shop: Engine):
    assert shop.schema("products") == (
        "CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, price REAL, "
        "stock INTEGER DEFAULT 0);"
    )


def test_a_schema_creates_the_same_table_again():
    schema = (
        'CREATE TABLE "My table" ("select" TEXT UNIQUE, b BOOLEAN DEFAULT FALSE, '
        "c REAL NOT NULL DEFAULT -1.5, d TEXT DEFAULT 'it''s');"
    )
    engine = Engine()
    engine.run(schema)
    assert engine.schema("My table") == schema


def test_the_schema_of_an_unknown_table():
    with pytest.raises(SqlNameError, match="no such table: x"):
        Engine().schema("x")


def test_a_session():
    assert session(
        "CREATE TABLE t (id INT, name TEXT);\n",
        "INSERT INTO t\n",
        "  VALUES (1, 'one'), (2, NULL);\n",
        "SELECT * FROM t ORDER BY id DESC;\n",
        "SELECT nothing FROM t;\n",
        ".tables\n",
        ".mode csv\n",
        "SELECT id / 2, name FROM t WHERE name IS NOT NULL;\n",
    ).splitlines() == [
        "table t created",
        "2 rows inserted",
        " id | name",
        "----+------",
        "  2 | NULL",
        "  1 | one",
        "(2 rows)",
        "error: no such column: nothing",
        "t",
        "id / 2,name",
        "0,one",
    ]


def test_a_session_ends_with_quit():
    assert session("SELECT 1;\n", ".quit\n", "SELECT 2;\n").splitlines()[2:] == [" 1", "(1 row)"]


def test_prompts_are_written_before_each_line():
    answer = "sql> ...> error: no such table: t\nsql> "
    assert session("SELECT 1\n", "FROM t;\n", prompts=True) == answer
    assert session(".quit\n", prompts=True) == "sql> "


def test_no_prompts_unless_asked_for():
    output = io.StringIO()
    main([".mode csv\n"], output)
    assert output.getvalue() == ""


@pytest.mark.parametrize("name", sorted(minisql.EXPORTS))
def test_every_export_is_there(name: str):
    assert getattr(minisql, name).__module__ == minisql.EXPORTS[name]


def test_the_package_lists_its_exports():
    assert dir(minisql) == sorted(minisql.EXPORTS)
    assert {"Engine", "Shell", "parse", "run", "tokenize"} <= set(dir(minisql))


def test_an_unknown_export_is_refused():
    with pytest.raises(AttributeError, match="module 'minisql' has no attribute 'frob'"):
        _ = minisql.frob


def test_every_error_is_an_sql_error(shop: Engine):
    for sql in ("SELEC", "SELECT 'a", "SELECT x", "SELECT 1 + 'a'", "INSERT INTO sales VALUES (1)"):
        with pytest.raises(SqlError):
            shop.run(sql)
