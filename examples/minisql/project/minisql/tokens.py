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
        raise NotImplementedError

    def describe(self) -> str:
        """Return the token as messages show it.

        Its kind and its text in quotes, for example ``keyword 'SELECT'`` or ``name 'id'``; the
        end of input is just ``end of input``.
        """
        raise NotImplementedError


#: Words that cannot be plain names, in upper case.
KEYWORDS: frozenset[str] = frozenset()

#: Operators and punctuation; one that begins with another stands before it.
SYMBOLS: tuple[str, ...] = ()


def is_keyword(word: str) -> bool:
    """Whether `word` is a keyword, in whatever case it is written."""
    raise NotImplementedError


def locate(text: str, offset: int) -> tuple[int, int]:
    r"""Return line and column, both from 1, of the character of `text` at `offset`.

    Lines end with ``\n``; the newline itself is the last column of its line.
    """
    raise NotImplementedError
