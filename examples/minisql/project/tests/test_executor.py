"""Carrying out statements."""

import pytest

import minisql
from minisql.errors import SqlConstraintError, SqlError, SqlNameError, SqlTypeError
from minisql.executor import execute, rows_of, run
from minisql.plan import Distinct, Filter, Limit, OneRow, Scan, Sort
from minisql.storage import Database
from minisql.syntax_tree import Column, Delete, Literal, OrderItem

SETUP = """
    CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL, age INTEGER, town TEXT);
    INSERT INTO people VALUES
        (1, 'Ada', 36, 'London'), (2, 'Bob', NULL, 'York'), (3, 'Cy', 20, 'London'),
        (4, 'Di', 50, NULL);
    CREATE TABLE towns (name TEXT PRIMARY KEY, size REAL);
    INSERT INTO towns VALUES ('London', 9.5), ('York', 0.2), ('Bath', 0.1);
"""


@pytest.fixture
def database() -> Database:
    filled = Database()
    run(SETUP, filled)
    return filled


def query(database: Database, sql: str) -> list:
    return list(run(sql, database)[-1].rows)


def messages(database: Database, sql: str) -> list[str]:
    return [result.message for result in run(sql, database)]


def test_every_statement_has_a_result():
    sql = "CREATE TABLE t (a INT); INSERT INTO t VALUES (1), (2); SELECT a FROM t"
    results = run(sql, Database())
    assert [result.message for result in results] == ["table t created", "2 rows inserted", ""]
    assert results[2].rows == ((1,), (2,))


def test_a_text_with_a_mistake_is_not_begun():
    database = Database()
    with pytest.raises(SqlError):
        run("CREATE TABLE t (a INT); SELEC", database)
    assert database.table_names() == []


def test_statements_before_a_failing_one_stay_done():
    database = Database()
    with pytest.raises(SqlNameError):
        run("CREATE TABLE t (a INT); SELECT b FROM t", database)
    assert database.table_names() == ["t"]


def test_execute_takes_one_statement(database):
    assert execute(Delete("towns"), database).message == "3 rows deleted"


def test_create_and_drop(database):
    assert messages(
        database,
        "CREATE TABLE IF NOT EXISTS towns (a INT); CREATE TABLE IF NOT EXISTS t (a INT);"
        "DROP TABLE t; DROP TABLE IF EXISTS t; DROP TABLE IF EXISTS towns",
    ) == [
        "table towns already exists",
        "table t created",
        "table t dropped",
        "no table t",
        "table towns dropped",
    ]


def test_a_table_cannot_be_created_twice(database):
    with pytest.raises(SqlNameError, match="table towns already exists"):
        run("CREATE TABLE towns (a INT)", database)


def test_insert_with_columns_and_expressions(database):
    sql = "INSERT INTO people (name, id) VALUES (upper('e') || 've', 2 + 3)"
    assert messages(database, sql) == ["1 row inserted"]
    assert query(database, "SELECT * FROM people WHERE id = 5") == [(5, "Eve", None, None)]


def test_an_insert_is_all_or_nothing(database):
    with pytest.raises(SqlConstraintError, match=r"people\.id must be unique: 1"):
        run("INSERT INTO people (id, name) VALUES (9, 'x'), (1, 'y')", database)
    assert query(database, "SELECT count(*) FROM people") == [(4,)]


def test_insert_has_no_columns_to_read(database):
    with pytest.raises(SqlNameError, match="no such column: size"):
        run("INSERT INTO towns VALUES ('x', size)", database)


def test_update_some_rows(database):
    sql = "UPDATE people SET age = age + 1, town = 'Bath' WHERE age > 30"
    assert messages(database, sql) == ["2 rows updated"]
    assert query(database, "SELECT id, age, town FROM people") == [
        (1, 37, "Bath"),
        (2, None, "York"),
        (3, 20, "London"),
        (4, 51, "Bath"),
    ]


def test_update_all_rows_even_a_key(database):
    assert messages(database, "UPDATE people SET id = id + 1") == ["4 rows updated"]
    assert query(database, "SELECT id FROM people") == [(2,), (3,), (4,), (5,)]


def test_update_computes_from_the_old_row(database):
    run("UPDATE people SET id = age, age = id WHERE name = 'Ada'", database)
    assert query(database, "SELECT id, age FROM people WHERE name = 'Ada'") == [(36, 1)]


def test_a_failing_update_changes_nothing(database):
    with pytest.raises(SqlTypeError):
        run("UPDATE people SET age = 1, town = 5", database)
    assert query(database, "SELECT max(age) FROM people") == [(50,)]


def test_update_of_an_unknown_column(database):
    with pytest.raises(SqlNameError, match="no such column: size"):
        run("UPDATE people SET size = 1", database)


def test_delete_some_rows(database):
    assert messages(database, "DELETE FROM people WHERE people.town = 'London'") == [
        "2 rows deleted"
    ]
    assert query(database, "SELECT id FROM people") == [(2,), (4,)]


def test_delete_leaves_what_is_unknown(database):
    assert messages(database, "DELETE FROM people WHERE age < 100") == ["3 rows deleted"]
    assert query(database, "SELECT name FROM people") == [("Bob",)]


def test_delete_nothing(database):
    assert messages(database, "DELETE FROM people WHERE FALSE") == ["0 rows deleted"]


def test_select_without_from(database):
    (result,) = run("SELECT 1 + 1 AS two, 'x'", database)
    assert result.columns == ("two", "'x'")
    assert result.rows == ((2, "x"),)
    assert result.message == ""


def test_select_star(database):
    (result,) = run("SELECT * FROM towns", database)
    assert result.columns == ("name", "size")
    assert result.rows == (("London", 9.5), ("York", 0.2), ("Bath", 0.1))


def test_a_query_without_rows_still_has_columns(database):
    (result,) = run("SELECT name FROM towns WHERE size > 100", database)
    assert result.columns == ("name",)
    assert result.rows == ()


def test_where_keeps_what_is_true(database):
    assert query(database, "SELECT id FROM people WHERE age > 30") == [(1,), (4,)]
    assert query(database, "SELECT id FROM people WHERE NOT age > 30") == [(3,)]
    assert query(database, "SELECT id FROM people WHERE age IS NULL") == [(2,)]


def test_order_by_puts_nulls_first(database):
    assert query(database, "SELECT age FROM people ORDER BY age") == [(None,), (20,), (36,), (50,)]
    assert query(database, "SELECT age FROM people ORDER BY 1 DESC")[-1] == (None,)


def test_order_by_several_keys(database):
    assert query(database, "SELECT town, name FROM people ORDER BY town DESC, name") == [
        ("York", "Bob"),
        ("London", "Ada"),
        ("London", "Cy"),
        (None, "Di"),
    ]
    assert query(database, "SELECT id FROM people ORDER BY town, id DESC") == [
        (4,),
        (3,),
        (1,),
        (2,),
    ]


def test_equal_rows_keep_their_order(database):
    assert query(database, "SELECT id FROM people ORDER BY TRUE DESC") == [(1,), (2,), (3,), (4,)]


def test_limit_and_offset(database):
    sql = "SELECT id FROM people ORDER BY id"
    assert query(database, f"{sql} LIMIT 2") == [(1,), (2,)]
    assert query(database, f"{sql} LIMIT 2 OFFSET 1") == [(2,), (3,)]
    assert query(database, f"{sql} OFFSET 3") == [(4,)]
    assert query(database, f"{sql} LIMIT 0") == []


def test_distinct(database):
    assert query(database, "SELECT DISTINCT town FROM people") == [("London",), ("York",), (None,)]


def test_distinct_tells_true_from_one(database):
    run("CREATE TABLE f (a BOOL); INSERT INTO f VALUES (TRUE), (FALSE), (TRUE)", database)
    sql = "SELECT DISTINCT CASE WHEN a THEN a ELSE 1 END FROM f"
    assert query(database, sql) == [(True,), (1,)]


def test_aggregates_of_a_table(database):
    sql = "SELECT count(*), count(age), sum(age), min(name), max(age), avg(age) FROM people"
    assert query(database, sql) == [(4, 3, 106, "Ada", 50, 106 / 3)]


def test_aggregates_of_no_rows(database):
    sql = "SELECT count(*), sum(age) FROM people WHERE FALSE"
    assert query(database, sql) == [(0, None)]
    assert query(database, f"{sql} GROUP BY town") == []


def test_group_by(database):
    sql = "SELECT town, count(*), sum(age) FROM people GROUP BY town"
    assert query(database, sql) == [("London", 2, 56), ("York", 1, None), (None, 1, 50)]


def test_group_by_having_order(database):
    sql = """
        SELECT coalesce(town, '-') AS t, count(*) AS n FROM people GROUP BY t
        HAVING min(age) > 10 ORDER BY n DESC, t LIMIT 5
    """
    assert query(database, sql) == [("London", 2), ("-", 1)]


def test_group_by_two_keys(database):
    sql = "SELECT age > 30, town, count(*) FROM people GROUP BY age > 30, town ORDER BY 3, 1, 2"
    assert query(database, sql) == [
        (None, "York", 1),
        (False, "London", 1),
        (True, None, 1),
        (True, "London", 1),
    ]


def test_count_distinct(database):
    assert query(database, "SELECT count(DISTINCT town), count(town) FROM people") == [(2, 3)]


def test_inner_join(database):
    sql = "SELECT p.id, t.size FROM people p JOIN towns t ON p.town = t.name"
    assert query(database, sql) == [(1, 9.5), (2, 0.2), (3, 9.5)]


def test_left_join_keeps_what_has_no_partner(database):
    sql = "SELECT t.name, p.id FROM towns t LEFT JOIN people p ON p.town = t.name AND p.age > 30"
    assert query(database, sql) == [("London", 1), ("York", None), ("Bath", None)]


def test_left_join_with_several_partners(database):
    sql = "SELECT t.name, p.id FROM towns t LEFT JOIN people p ON p.town = t.name"
    assert query(database, sql) == [("London", 1), ("London", 3), ("York", 2), ("Bath", None)]


def test_null_keys_have_no_partner(database):
    sql = "SELECT a.id FROM people a JOIN people b ON a.town = b.town AND a.age = b.age"
    assert query(database, sql) == [(1,), (3,)]
    sql = "SELECT a.id, b.id FROM people a LEFT JOIN people b ON a.age = b.age WHERE a.age IS NULL"
    assert query(database, sql) == [(2, None)]


def test_join_by_any_condition(database):
    sql = "SELECT a.id, b.id FROM people a, people b WHERE a.age < b.age"
    assert query(database, sql) == [(1, 4), (3, 1), (3, 4)]
    sql = "SELECT a.id, b.id FROM people a LEFT JOIN people b ON a.age < b.age"
    assert query(database, sql) == [(1, 4), (2, None), (3, 1), (3, 4), (4, None)]


def test_every_pair(database):
    assert query(database, "SELECT count(*) FROM people, towns") == [(12,)]


def test_three_tables(database):
    sql = """
        SELECT a.name, b.name FROM people a JOIN towns t ON a.town = t.name
        JOIN people b ON b.town = t.name AND b.id > a.id WHERE t.size > 1
    """
    assert query(database, sql) == [("Ada", "Cy")]


def test_where_after_a_left_join(database):
    sql = """
        SELECT t.name FROM towns t LEFT JOIN people p ON p.town = t.name WHERE p.id IS NULL
    """
    assert query(database, sql) == [("Bath",)]


def test_a_condition_must_be_a_boolean(database):
    with pytest.raises(SqlTypeError, match="expected a boolean, not integer"):
        run("SELECT id FROM people WHERE age", database)


def test_an_unknown_table(database):
    for sql in ("SELECT 1 FROM x", "DELETE FROM x", "UPDATE x SET a = 1", "DROP TABLE x"):
        with pytest.raises(SqlNameError, match="no such table: x"):
            run(sql, database)


def test_explain(database):
    (result,) = run("EXPLAIN SELECT name FROM people WHERE age > 30", database)
    assert result.columns == ("plan",)
    assert result.rows == (
        ("project people.name",),
        ("  filter people.age > 30",),
        ("    scan people",),
    )


def test_steps_can_be_run_alone(database):
    scan = Scan("towns", "towns", ("name", "size"))
    by_size = Sort(scan, (OrderItem(Column("size")),))
    assert list(rows_of(OneRow(), database)) == [()]
    assert list(rows_of(Filter(scan, Literal(None)), database)) == []
    assert list(rows_of(Limit(by_size, None, 1), database)) == [("York", 0.2), ("London", 9.5)]
    assert len(list(rows_of(Distinct(scan), database))) == 3


def test_exported():
    assert minisql.execute is execute
    assert minisql.run is run
