"""From SQL text to tokens."""

from __future__ import annotations

from minisql.tokens import Token


def tokenize(text: str) -> list[Token]:
    """Return the tokens of `text`; the last one is of kind END, at the end of the text.

    Blanks and comments (``-- to the end of the line``, ``/* … */``) separate tokens. Keywords
    are put in upper case, names in lower case. A name in double quotes stays as it is written
    and is never a keyword. A quote inside quotes is written twice. Reals have a point or an
    exponent: ``1.5``, ``.5``, ``2.``, ``1e3``.

    Raises:
        SqlSyntaxError: with line and column where the token starts: ``unterminated string``,
            ``unterminated quoted name``, ``unterminated comment``, ``malformed number '12ab'``,
            ``unexpected character '?'``.
    """
    raise NotImplementedError


def split_statements(text: str) -> tuple[list[str], str]:
    """Cut `text` at the semicolons outside of strings, quoted names and comments.

    Returns:
        The complete statements without blanks around them and without their semicolon, empty
        ones left out; and the rest after the last semicolon, as it is written.
    """
    raise NotImplementedError
