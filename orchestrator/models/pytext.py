"""A Python source with its syntax tree, whose text is changed at exact places.

The rest of the text stays as it is to the last space: no code is ever written anew from a tree.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

_NEWLINE = re.compile(r"\r\n|\r|\n")
_OPENING, _CLOSING = ("(", "[", "{"), (")", "]", "}")


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """Puts `text` in the place of the characters from `start` up to `end`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Argument:
    """Where one argument of a call stands, brackets around it included."""

    start: int
    end: int


class PyText:
    """One source text.

    Args:
        text: Python source.

    Raises:
        SyntaxError: it is none (also for a null byte or brackets that do not match).
    """

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            self.tree = ast.parse(text)
        except (ValueError, RecursionError, MemoryError) as error:
            raise SyntaxError(str(error)) from error
        self._starts = [0, *(match.end() for match in _NEWLINE.finditer(text))]
        self._tokens: list[tuple[int, int, str]] | None = None

    def offset(self, line: int, column: int) -> int:
        """Return the place of a line (from 1) and a column in UTF-8 bytes, as trees have them."""
        start = self._starts[line - 1]
        end = self._starts[line] if line < len(self._starts) else len(self.text)
        return start + len(self.text[start:end].encode()[:column].decode())

    def start(self, node: ast.expr | ast.stmt | ast.arg | ast.keyword) -> int:
        """Return where a node begins; a decorated definition begins at its first decorator's
        line."""
        return self.offset(node.lineno, node.col_offset)

    def end(self, node: ast.expr | ast.stmt | ast.arg | ast.keyword) -> int:
        """Return where a node ends."""
        return self.offset(node.end_lineno or node.lineno, node.end_col_offset or 0)

    def line_start(self, line: int) -> int:
        """Return where a line (from 1) begins."""
        return self._starts[line - 1]

    def arguments(self, call: ast.Call) -> list[Argument]:
        """Return where the arguments of a call stand, in the order in which they are written.

        Empty when their places cannot be told, as for a call inside of an f-string.
        """
        tokens = self._all_tokens()
        first = bisect_left(tokens, (self.start(call), 0, ""))
        last = bisect_left(tokens, (self.end(call), 0, ""))
        inside = tokens[first:last]
        if not inside or inside[-1][2] != ")" or inside[0][0] != self.start(call):
            return []
        depth = 0
        for index in range(len(inside) - 1, -1, -1):
            depth += (inside[index][2] in _CLOSING) - (inside[index][2] in _OPENING)
            if depth == 0:
                return _split(inside[index + 1 : -1])
        return []

    def changed(self, edits: Iterable[Edit]) -> str:
        """Return the text with `edits` made, which must not overlap."""
        text, behind = [], 0
        for edit in sorted(edits):
            text += [self.text[behind : edit.start], edit.text]
            behind = edit.end
        return "".join([*text, self.text[behind:]])

    def _all_tokens(self) -> list[tuple[int, int, str]]:
        """Return start, end and string of the tokens that count."""
        if self._tokens is None:
            try:
                found = [
                    (
                        self._starts[token.start[0] - 1] + token.start[1],
                        self._starts[token.end[0] - 1] + token.end[1],
                        token.string,
                    )
                    for token in tokenize.generate_tokens(io.StringIO(self.text).readline)
                    if token.string.strip() and token.type != tokenize.COMMENT
                ]
            except (tokenize.TokenError, IndexError, SyntaxError):
                found = []
            self._tokens = found
        return self._tokens


@lru_cache(maxsize=512)
def parsed(text: str) -> PyText | None:
    """Return the source, or None when `text` is no Python. It is kept; nobody may change it."""
    try:
        return PyText(text)
    except SyntaxError:
        return None


def _split(tokens: list[tuple[int, int, str]]) -> list[Argument]:
    """Return what stands between the commas."""
    found: list[Argument] = []
    start, end, depth = -1, -1, 0
    for token_start, token_end, string in tokens:
        if string == "," and depth == 0:
            found.append(Argument(start, end))
            start = -1
            continue
        depth += (string in _OPENING) - (string in _CLOSING)
        start, end = (token_start if start < 0 else start), token_end
    return [*found, Argument(start, end)] if start >= 0 else found
