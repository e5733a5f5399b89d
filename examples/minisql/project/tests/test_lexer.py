"""From text to tokens."""

import pytest

import minisql
from minisql.errors import SqlSyntaxError
from minisql.lexer import split_statements, tokenize
from minisql.tokens import Token, TokenKind

KEYWORD, NAME, INTEGER, REAL, STRING, SYMBOL, END = TokenKind


def words(text: str) -> list[tuple[TokenKind, str]]:
    """Kinds and texts without the end."""
    return [(token.kind, token.text) for token in tokenize(text)[:-1]]


def test_a_statement():
    assert words("SELECT name FROM t WHERE id=1;") == [
        (KEYWORD, "SELECT"),
        (NAME, "name"),
        (KEYWORD, "FROM"),
        (NAME, "t"),
        (KEYWORD, "WHERE"),
        (NAME, "id"),
        (SYMBOL, "="),
        (INTEGER, "1"),
        (SYMBOL, ";"),
    ]


def test_case_does_not_matter():
    assert words("select Name") == [(KEYWORD, "SELECT"), (NAME, "name")]


def test_names_may_have_digits_and_underscores():
    assert words("_a1 b_2 é") == [(NAME, "_a1"), (NAME, "b_2"), (NAME, "é")]


def test_a_keyword_inside_a_name_is_none():
    assert words("selected order_by") == [(NAME, "selected"), (NAME, "order_by")]


def test_quoted_names_stay_as_written():
    assert words('"Select" "a ""b"""') == [(NAME, "Select"), (NAME, 'a "b"')]


def test_strings_double_their_quotes():
    assert words("'it''s' '' ''''") == [(STRING, "it's"), (STRING, ""), (STRING, "'")]


def test_strings_may_hold_anything():
    assert words("'-- /* ; \" \n'") == [(STRING, '-- /* ; " \n')]


@pytest.mark.parametrize("number", ["0", "12", "007"])
def test_integers(number: str):
    assert words(number) == [(INTEGER, number)]


@pytest.mark.parametrize("number", ["1.5", ".5", "2.", "1e3", "1E+3", "1.5e-3", ".5e1", "2.e0"])
def test_reals(number: str):
    assert words(number) == [(REAL, number)]


def test_a_sign_is_not_part_of_a_number():
    assert words("-1") == [(SYMBOL, "-"), (INTEGER, "1")]


def test_two_character_symbols_are_read_whole():
    symbols = ["<>", "!=", "<=", ">=", "||", "<", ">"]
    assert words("a".join(symbols))[::2] == [(SYMBOL, symbol) for symbol in symbols]
    assert words("<=>=<>") == [(SYMBOL, symbol) for symbol in ("<=", ">=", "<>")]


def test_single_symbols():
    assert words("=+-*/%(),.;") == [(SYMBOL, char) for char in "=+-*/%(),.;"]


def test_comments_separate():
    assert words("a -- b ' c\nd/* e\n; */f/**/g") == [(NAME, name) for name in "adfg"]


def test_a_comment_may_end_the_text():
    assert words("a -- b") == [(NAME, "a")]


def test_the_end_is_at_the_end_of_the_text():
    assert tokenize("") == [Token(END, "", 1, 1)]
    assert tokenize("a\n ")[-1] == Token(END, "", 2, 2)


def test_places():
    assert tokenize("a 'b\nc'\n  d.e")[:-1] == [
        Token(NAME, "a", 1, 1),
        Token(STRING, "b\nc", 1, 3),
        Token(NAME, "d", 3, 3),
        Token(SYMBOL, ".", 3, 4),
        Token(NAME, "e", 3, 5),
    ]


@pytest.mark.parametrize("text", ['"Ab"', "AND", "1.5", "12", "'x'"])
def test_places_of_every_kind(text: str):
    token = tokenize(f"\n   {text}")[0]
    assert (token.line, token.column) == (2, 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a 'b", "line 1, column 3: unterminated string"),
        ("'it''s", "line 1, column 1: unterminated string"),
        ('a\n "b', "line 2, column 2: unterminated quoted name"),
        ("a /* b", "line 1, column 3: unterminated comment"),
        ("a\n12ab", "line 2, column 1: malformed number '12ab'"),
        ("1.2.3", "line 1, column 1: malformed number '1.2.3'"),
        ("1e", "line 1, column 1: malformed number '1e'"),
        (".5x", "line 1, column 1: malformed number '.5x'"),
        ("a ? b", "line 1, column 3: unexpected character '?'"),
        ("!", "line 1, column 1: unexpected character '!'"),
    ],
)
def test_mistakes_are_told_with_their_place(text: str, message: str):
    with pytest.raises(SqlSyntaxError) as caught:
        tokenize(text)
    assert str(caught.value) == message


def test_split_cuts_at_semicolons():
    assert split_statements(" a ;\nb; c") == (["a", "b"], " c")


def test_split_of_an_incomplete_text_is_all_rest():
    assert split_statements("select 1\n") == ([], "select 1\n")


def test_split_leaves_empty_statements_out():
    assert split_statements(";; a ; ;") == (["a"], "")


def test_split_of_nothing():
    assert split_statements("") == ([], "")


@pytest.mark.parametrize("text", ["'a;b'", "'it'';s'", '"a;b"', "-- a;\nb", "/* a;\n; */ b"])
def test_split_does_not_cut_inside(text: str):
    assert split_statements(f"{text}; c") == ([text], " c")


@pytest.mark.parametrize("text", ["'a; b", '"a; b', "/* a; b", "-- a; b"])
def test_split_waits_for_what_is_open(text: str):
    assert split_statements(text) == ([], text)


def test_exported():
    assert minisql.tokenize is tokenize
    assert minisql.split_statements is split_statements
