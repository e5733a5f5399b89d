"""Scalar functions."""

import pytest

import minisql
from minisql import functions, registry
from minisql.errors import SqlNameError, SqlTypeError
from minisql.functions import (
    absolute,
    coalesce,
    length,
    like,
    lower,
    nullif,
    replace,
    rounded,
    substr,
    trim,
    upper,
)


def test_upper_and_lower():
    assert upper("aBc é") == "ABC É"
    assert lower("aBc É") == "abc é"


def test_trim_takes_blanks_off_both_ends():
    assert trim("  a b\t\n") == "a b"


def test_length_counts_characters():
    assert length("naïve") == 5
    assert length("") == 0


def test_replace_replaces_all():
    assert replace("banana", "an", "o") == "booa"
    assert replace("banana", "a", "") == "bnn"


def test_replace_of_nothing_changes_nothing():
    assert replace("abc", "", "x") == "abc"


@pytest.mark.parametrize(
    ("start", "count", "part"),
    [
        (1, 2, "he"),
        (2, 3, "ell"),
        (4, 9, "lo"),
        (6, 1, ""),
        (-1, 1, "o"),
        (-3, 2, "ll"),
        (-9, 2, "he"),
        (0, 2, "he"),
        (2, 0, ""),
        (2, -1, ""),
    ],
)
def test_substr_counts_from_one_and_from_the_end(start, count, part):
    assert substr("hello", start, count) == part


def test_substr_without_count_goes_to_the_end():
    assert substr("hello", 3) == "llo"
    assert substr("hello", -2) == "lo"


@pytest.mark.parametrize(("value", "result"), [(-3, 3), (3, 3), (0, 0), (-2.5, 2.5)])
def test_absolute(value, result):
    assert absolute(value) == result


@pytest.mark.parametrize(
    ("value", "digits", "result"),
    [
        (2.4, 0, 2.0),
        (2.5, 0, 3.0),
        (-2.5, 0, -3.0),
        (-2.4, 0, -2.0),
        (2.345, 2, 2.35),
        (1.005, 2, 1.01),
        (7.5, 40, 7.5),
        (1 / 3, 99, 0.333333333333333),
        (14.0, -1, 10.0),
        (1e300, 2, 1e300),
    ],
)
def test_rounded_reals(value, digits, result):
    assert rounded(value, digits) == result
    assert isinstance(rounded(value, digits), float)


@pytest.mark.parametrize(
    ("value", "digits", "result"),
    [
        (1250, -2, 1300),
        (-1250, -2, -1300),
        (7, 3, 7),
        (4, -1, 0),
        (10**15, -15, 10**15),
        (10**15, -16, 10**15),
    ],
)
def test_rounded_integers_stay_integers(value, digits, result):
    assert rounded(value, digits) == result
    assert isinstance(rounded(value, digits), int)


def test_rounded_to_no_digits_by_default():
    assert rounded(1.75) == 2.0


def test_coalesce_takes_the_first_that_is_not_null():
    assert coalesce(None, 0, 1) == 0
    assert coalesce(False, True) is False
    assert coalesce(None, None) is None
    assert coalesce() is None


def test_nullif_is_null_for_equal_arguments():
    assert nullif(2, 2.0) is None
    assert nullif(2, 3) == 2
    assert nullif(2, None) == 2
    assert nullif(None, 2) is None


def test_nullif_refuses_different_types():
    with pytest.raises(SqlTypeError, match="cannot compare integer with text"):
        nullif(1, "1")


@pytest.mark.parametrize(
    ("text", "pattern", "fits"),
    [
        ("Grace", "gr%", True),
        ("Grace", "%ACE", True),
        ("Grace", "g_ace", True),
        ("Grace", "gr", False),
        ("Grace", "race", False),
        ("Grace", "Grace_", False),
        ("", "%", True),
        ("", "_", False),
        ("a.c", "a.c", True),
        ("abc", "a.c", False),
        ("a\nb", "a%b", True),
        ("a\nb", "a_b", True),
        ("a+(b", "a+(_", True),
    ],
)
def test_like(text, pattern, fits):
    assert like(text, pattern) is fits


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (upper, (None,)),
        (lower, (None,)),
        (trim, (None,)),
        (length, (None,)),
        (replace, (None, "a", "b")),
        (replace, ("a", None, "b")),
        (replace, ("a", "b", None)),
        (substr, (None, 1, 1)),
        (substr, ("a", None, 1)),
        (substr, ("a", 1, None)),
        (absolute, (None,)),
        (rounded, (None, 1)),
        (rounded, (1, None)),
        (like, (None, "a")),
        (like, ("a", None)),
    ],
)
def test_null_in_null_out(function, arguments):
    assert function(*arguments) is None


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (upper, (5,), "upper() needs text, not integer"),
        (lower, (True,), "lower() needs text, not boolean"),
        (trim, (1.5,), "trim() needs text, not real"),
        (length, (5,), "length() needs text, not integer"),
        (replace, (1, "a", "b"), "replace() needs text, not integer"),
        (replace, ("a", 1, "b"), "replace() needs text, not integer"),
        (replace, ("a", "b", 1), "replace() needs text, not integer"),
        (substr, (5, 1), "substr() needs text, not integer"),
        (substr, ("a", 1.0), "substr() needs an integer, not real"),
        (substr, ("a", True), "substr() needs an integer, not boolean"),
        (substr, ("a", 1, "2"), "substr() needs an integer, not text"),
        (absolute, ("a",), "abs() needs a number, not text"),
        (absolute, (True,), "abs() needs a number, not boolean"),
        (rounded, (False,), "round() needs a number, not boolean"),
        (rounded, (1.5, 1.0), "round() needs an integer, not real"),
        (like, (1, "a"), "like() needs text, not integer"),
        (like, ("a", 1), "like() needs text, not integer"),
    ],
)
def test_wrong_types_are_refused(function, arguments, message):
    with pytest.raises(SqlTypeError) as caught:
        function(*arguments)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("name", "attribute"),
    [
        ("abs", "absolute"),
        ("coalesce", "coalesce"),
        ("length", "length"),
        ("lower", "lower"),
        ("nullif", "nullif"),
        ("replace", "replace"),
        ("round", "rounded"),
        ("substr", "substr"),
        ("trim", "trim"),
        ("upper", "upper"),
    ],
)
def test_registered(name: str, attribute: str):
    assert registry.scalar(name) is getattr(functions, attribute)


def test_an_unknown_function_is_refused():
    with pytest.raises(SqlNameError, match=r"^no such function: soundex$"):
        registry.scalar("soundex")


def test_exported():
    assert minisql.like is like
