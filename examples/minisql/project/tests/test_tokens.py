"""Tokens, keywords, symbols, places."""

import pytest

import minisql
from minisql.tokens import KEYWORDS, SYMBOLS, Token, TokenKind, is_keyword, locate


def test_a_keyword_matches_one_of_several_texts():
    assert Token(TokenKind.KEYWORD, "AND").matches("OR", "AND")


def test_a_symbol_matches_its_text():
    assert Token(TokenKind.SYMBOL, "(").matches("(")


def test_a_keyword_does_not_match_another_text():
    assert Token(TokenKind.KEYWORD, "AND").matches("OR", "NOT") is False


@pytest.mark.parametrize(
    "kind", [TokenKind.NAME, TokenKind.STRING, TokenKind.INTEGER, TokenKind.END]
)
def test_other_kinds_never_match(kind: TokenKind):
    assert Token(kind, "AND").matches("AND") is False


def test_describe_gives_kind_and_text():
    assert Token(TokenKind.KEYWORD, "SELECT").describe() == "keyword 'SELECT'"
    assert Token(TokenKind.NAME, "id").describe() == "name 'id'"
    assert Token(TokenKind.REAL, "1.5").describe() == "real number '1.5'"


def test_describe_of_the_end_has_no_text():
    assert Token(TokenKind.END, "").describe() == "end of input"


def test_tokens_compare_with_their_place():
    assert Token(TokenKind.NAME, "a") == Token(TokenKind.NAME, "a", 1, 1)
    assert Token(TokenKind.NAME, "a") != Token(TokenKind.NAME, "a", 1, 2)


def test_the_keywords_are_those_of_the_language():
    words = (
        "AND AS ASC BETWEEN BY CASE CREATE DEFAULT DELETE DESC DISTINCT DROP ELSE END EXISTS "
        "EXPLAIN FALSE FROM GROUP HAVING IF IN INNER INSERT INTO IS JOIN KEY LEFT LIKE LIMIT "
        "NOT NULL OFFSET ON OR ORDER OUTER PRIMARY SELECT SET TABLE THEN TRUE UNIQUE UPDATE "
        "VALUES WHEN WHERE"
    )
    assert sorted(KEYWORDS) == words.split()


@pytest.mark.parametrize("word", ["select", "SELECT", "Select"])
def test_keywords_are_known_in_any_case(word: str):
    assert is_keyword(word) is True


@pytest.mark.parametrize("word", ["selects", "count", "integer", ""])
def test_other_words_are_not_keywords(word: str):
    assert is_keyword(word) is False


def test_the_symbols_are_those_of_the_language():
    assert set(SYMBOLS) == {*"=<>+-*/%(),.;", "<>", "!=", "<=", ">=", "||"}


def test_a_symbol_stands_after_those_that_begin_with_it():
    for place, symbol in enumerate(SYMBOLS):
        assert not any(later.startswith(symbol) for later in SYMBOLS[place + 1 :])


@pytest.mark.parametrize(
    ("offset", "place"),
    [(0, (1, 1)), (1, (1, 2)), (2, (1, 3)), (3, (2, 1)), (4, (3, 1)), (6, (3, 3))],
)
def test_locate_counts_lines_and_columns_from_one(offset: int, place: tuple[int, int]):
    assert locate("ab\n\ncd", offset) == place


def test_an_empty_first_line_counts():
    assert locate("\nab", 1) == (2, 1)
    assert locate("\nab", 0) == (1, 1)


def test_exported():
    assert minisql.Token is Token
    assert minisql.TokenKind is TokenKind
