"""The words of the language: kinds of tokens, keywords, symbols, places in a text."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class TokenKind(Enum):
    """What sort of word a token is; the value is how messages call it."""

    KEYWORD = "keyword"
    NAME = "name"
    INTEGER = "integer"
    REAL = "real number"
    STRING = "string"
    SYMBOL = "symbol"
    END = "end of input"


@dataclass(frozen=True, slots=True)
class Token:
    """One word of SQL text.

    Attributes:
        kind: what sort of word it is.
        text: a keyword in upper case, a name in lower case (as written when it was quoted), a
            string without its quotes, a number or symbol as written, "" at the end of input.
        line: line where it starts, from 1.
        column: column where it starts, from 1.
    """

    kind: TokenKind
    text: str
    line: int = 1
    column: int = 1

    def matches(self, *texts: str) -> bool:
        """Whether this is a keyword or symbol with one of the given texts.

        A name, number or string never matches, whatever its text.
        """
        return self.kind in (TokenKind.KEYWORD, TokenKind.SYMBOL) and self.text in texts

    def describe(self) -> str:
        """Return the token as messages show it.

        Its kind and its text in quotes, for example ``keyword 'SELECT'`` or ``name 'id'``; the
        end of input is just ``end of input``.
        """
        shown = "" if self.kind is TokenKind.END else f" {self.text!r}"
        return f"{self.kind.value}{shown}"


_KEYWORDS = """
    AND AS ASC BETWEEN BY CASE CREATE DEFAULT DELETE DESC DISTINCT DROP ELSE END EXISTS EXPLAIN
    FALSE FROM GROUP HAVING IF IN INNER INSERT INTO IS JOIN KEY LEFT LIKE LIMIT NOT NULL OFFSET
    ON OR ORDER OUTER PRIMARY SELECT SET TABLE THEN TRUE UNIQUE UPDATE VALUES WHEN WHERE
"""

#: Words that cannot be plain names, in upper case.
KEYWORDS: frozenset[str] = frozenset(_KEYWORDS.split())

#: Operators and punctuation; one that begins with another stands before it.
SYMBOLS: tuple[str, ...] = (
    *("<>", "!=", "<=", ">=", "||"),
    *("=", "<", ">", "+", "-", "*", "/", "%", "(", ")", ",", ".", ";"),
)


def is_keyword(word: str) -> bool:
    """Whether `word` is a keyword, in whatever case it is written."""
    return word.upper() in KEYWORDS


def locate(text: str, offset: int) -> tuple[int, int]:
    r"""Return line and column, both from 1, of the character of `text` at `offset`.

    Lines end with ``\n``; the newline itself is the last column of its line.
    """
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)
