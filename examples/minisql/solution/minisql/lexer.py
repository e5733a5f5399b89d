"""From SQL text to tokens."""

from __future__ import annotations

import re

from minisql.errors import SqlSyntaxError
from minisql.tokens import SYMBOLS, Token, TokenKind, is_keyword, locate

_TOKEN = re.compile(
    r"""
      (?P<space>   \s+ | --[^\n]* | /\*.*?\*/ )
    | (?P<REAL>    (?: (?:\d+\.\d*|\.\d+) (?:[eE][+-]?\d+)? | \d+[eE][+-]?\d+ ) (?![\w.]) )
    | (?P<INTEGER> \d+ (?![\w.]) )
    | (?P<NAME>    [^\W\d]\w* )
    | (?P<quoted>  "(?:[^"]|"")++" )
    | (?P<STRING>  '(?:[^']|'')*+' )
    | (?P<broken>  ['"] | /\* | \.?\d[\w.]* )
    | (?P<SYMBOL>  """
    + "|".join(map(re.escape, SYMBOLS))
    + r""" )
    | (?P<other>   . )
    """,
    re.VERBOSE | re.DOTALL,
)

_UNTERMINATED = {"'": "string", '"': "quoted name", "/*": "comment"}

_PIECE = re.compile(
    r"""'(?:[^']|'')*'?|"[^"]*"?|--[^\n]*|/\*.*?(?:\*/|\Z)|(?P<end>;)|.""", re.DOTALL
)


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
    tokens = [_token(match, text) for match in _TOKEN.finditer(text) if match["space"] is None]
    return [*tokens, Token(TokenKind.END, "", *locate(text, len(text)))]


def split_statements(text: str) -> tuple[list[str], str]:
    """Cut `text` at the semicolons outside of strings, quoted names and comments.

    Returns:
        The complete statements without blanks around them and without their semicolon, empty
        ones left out; and the rest after the last semicolon, as it is written.
    """
    ends = [match.start() for match in _PIECE.finditer(text) if match["end"]]
    starts = [0, *(end + 1 for end in ends)]
    pieces = [text[start:end].strip() for start, end in zip(starts, ends, strict=False)]
    return [piece for piece in pieces if piece], text[starts[-1] :]


def _token(match: re.Match[str], text: str) -> Token:
    group, word = str(match.lastgroup), match[0]
    line, column = locate(text, match.start())
    match group:
        case "broken":
            unterminated = _UNTERMINATED.get(word)
            problem = f"unterminated {unterminated}" if unterminated else ""
            raise SqlSyntaxError(problem or f"malformed number {word!r}", line, column)
        case "other":
            raise SqlSyntaxError(f"unexpected character {word!r}", line, column)
        case "NAME" if is_keyword(word):
            return Token(TokenKind.KEYWORD, word.upper(), line, column)
        case "NAME":
            return Token(TokenKind.NAME, word.lower(), line, column)
        case "quoted":
            return Token(TokenKind.NAME, word[1:-1].replace('""', '"'), line, column)
        case "STRING":
            return Token(TokenKind.STRING, word[1:-1].replace("''", "'"), line, column)
        case _:
            return Token(TokenKind[group], word, line, column)
