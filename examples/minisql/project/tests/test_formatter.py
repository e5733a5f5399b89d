"""Results as text."""

import pytest

import minisql
from minisql.errors import SqlError
from minisql.formatter import (
    MODES,
    format_csv,
    format_list,
    format_result,
    format_table,
    format_value,
)
from minisql.types import Result


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "NULL"),
        (True, "true"),
        (False, "false"),
        (12, "12"),
        (-1234567, "-1234567"),
        (2.0, "2.0"),
        (1234567.0, "1234567.0"),
        (2.5, "2.5"),
        (1 / 3, "0.333333"),
        (123456.789, "123457"),
        ("text", "text"),
        ("", ""),
    ],
)
def test_values(value, text):
    assert format_value(value) == text


def test_a_table():
    rows = [(1, "Ada"), (12, None)]
    assert format_table(["id", "name"], rows).splitlines() == [
        " id | name",
        "----+------",
        "  1 | Ada",
        " 12 | NULL",
        "(2 rows)",
    ]


def test_headings_can_be_wider_than_values():
    assert format_table(["number", "x"], [(1, "abc")]).splitlines() == [
        " number | x",
        "--------+-----",
        "      1 | abc",
        "(1 row)",
    ]


def test_headings_of_numbers_are_right_aligned():
    assert format_table(["n"], [(100,), (2.5,)]).splitlines() == [
        "   n",
        "-----",
        " 100",
        " 2.5",
        "(2 rows)",
    ]


def test_nulls_do_not_make_a_column_less_numeric():
    assert format_table(["n"], [(None,), (7,)]).splitlines()[3] == "    7"


@pytest.mark.parametrize("other", ["longer", True])
def test_a_mixed_column_is_left_aligned(other):
    assert format_table(["n"], [(7,), (other,)]).splitlines()[2] == " 7"


def test_a_column_of_nulls_is_left_aligned():
    assert format_table(["heading"], [(None,)]).splitlines()[2] == " NULL"


def test_an_empty_table():
    assert format_table(["id", "name"], []).splitlines() == [
        " id | name",
        "----+------",
        "(0 rows)",
    ]


def test_long_values_are_cut():
    table = format_table(["abcdef"], [("abcde",), ("abcdef",), ("abcdefg",)], width=5)
    assert table.splitlines() == [
        " abcd…",
        "-------",
        " abcde",
        " abcd…",
        " abcd…",
        "(3 rows)",
    ]


def test_the_usual_width_is_forty():
    lines = format_table(["x"], [("a" * 40,), ("a" * 41,)]).splitlines()
    assert lines[2:4] == [" " + "a" * 40, " " + "a" * 39 + "…"]


def test_line_breaks_become_blanks():
    assert format_table(["x"], [("a\nb\r\nc",)]).splitlines()[2] == " a b c"


def test_csv():
    rows = [(1, None, True), (2, "a,b", 1.5), (3, 'say "hi"', 2.0), (4, "a\nb", 0)]
    assert format_csv(["id", "a b", "x,y"], rows) == (
        'id,a b,"x,y"\n1,,true\n2,"a,b",1.5\n3,"say ""hi""",2.0\n4,"a\nb",0'
    )


def test_csv_without_rows_is_its_headings():
    assert format_csv(["a", "b"], []) == "a,b"


def test_a_list():
    rows = [(1, "Ada"), (2, None)]
    expected = "  id = 1\nname = Ada\n\n  id = 2\nname = NULL"
    assert format_list(["id", "name"], rows) == expected


def test_the_modes():
    assert MODES == ("table", "csv", "list")


def test_a_result_in_every_mode():
    result = Result(("a",), ((1,),))
    assert format_result(result) == format_table(["a"], [(1,)])
    assert format_result(result, "table") == format_table(["a"], [(1,)])
    assert format_result(result, "csv") == "a\n1"
    assert format_result(result, "list") == "a = 1"


@pytest.mark.parametrize("mode", MODES)
def test_a_message_is_shown_as_it_is(mode: str):
    assert format_result(Result(message="1 row inserted"), mode) == "1 row inserted"


def test_an_unknown_mode_is_refused():
    with pytest.raises(SqlError) as caught:
        format_result(Result(("a",), ()), "html")
    assert str(caught.value) == "no such mode: html (table, csv, list)"


def test_exported():
    assert minisql.format_result is format_result
