"""Seeded mistakes: one small, syntactically valid change to a Python source.

The changes are the classic mutation operators (a comparison, an arithmetic or a boolean
operator swapped, a constant off by one, a flag flipped, a `not` lost, a result dropped). Only
the span of the changed token differs from the original; layout and comments stay.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from random import Random

Place = tuple[int, int]
"""Line from 1, column from 0, in characters."""

_COMPARISONS: Mapping[str, str] = {
    "<": "<=",
    "<=": "<",
    ">": ">=",
    ">=": ">",
    "==": "!=",
    "!=": "==",
    "in": "not in",
    "not in": "in",
    "is": "is not",
    "is not": "is",
}
_ARITHMETIC: Mapping[str, str] = {"+": "-", "-": "+", "*": "+", "/": "*", "//": "*"}
_OPERATORS: Mapping[str, str] = {
    **_COMPARISONS,
    **_ARITHMETIC,
    **{f"{operator}=": f"{other}=" for operator, other in _ARITHMETIC.items()},
    "and": "or",
    "or": "and",
}
_TWO_WORDS = (("not", "in"), ("is", "not"))

# A while loop might not end once it is changed, error paths are rarely run, and Python 3.11
# gives wrong positions inside f-strings.
_SKIPPED = (ast.While, ast.Raise, ast.Assert, ast.ExceptHandler, ast.JoinedStr, ast.AnnAssign)
_RARELY_RUN = ("__repr__", "__str__", "__del__")

_NEWLINE = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class _Change:
    start: Place
    end: Place
    text: str


@lru_cache(maxsize=256)  # the oracle asks again at each of its turns; one answer takes 20 ms
def mutate(text: str, seed: int) -> str | None:
    """Return `text` with one mistake, or None when there is nothing to get wrong.

    The same text and seed give the same mistake. Function bodies are preferred to code at
    module level. Docstrings, annotations, code for type checkers and `__all__` stay.

    Args:
        text: Python source.
        seed: chooses among the possible mistakes.
    """
    try:
        source = _Source(text)
    except (SyntaxError, ValueError, tokenize.TokenError):
        return None
    random = Random(seed)
    for changes in (list(source.in_functions()), list(source.at_module_level())):
        random.shuffle(changes)
        for change in changes:
            changed = source.apply(change)
            if _is_python(changed):
                return changed
    return None


def _is_python(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True


class _Source:
    """A Python source with its syntax tree and its tokens."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tree = ast.parse(text)
        self._starts = [0, *(match.end() for match in _NEWLINE.finditer(text))]
        self._lines = [
            text[start:end]
            for start, end in zip(self._starts, [*self._starts[1:], len(text)], strict=True)
        ]
        self._tokens = [
            token
            for token in tokenize.generate_tokens(io.StringIO(text).readline)
            if token.type in (tokenize.OP, tokenize.NAME)
        ]

    def in_functions(self) -> Iterator[_Change]:
        """Yield the possible changes of code that is likely to run."""
        for function in _functions(self.tree):
            if function.name not in _RARELY_RUN:
                for statement in function.body:
                    yield from self._changes(statement)

    def at_module_level(self) -> Iterator[_Change]:
        """Yield the possible changes of assignments outside functions."""
        for statement in _statements(self.tree):
            if isinstance(statement, ast.Assign) and not _is_all(statement):
                yield from self._changes(statement)

    def apply(self, change: _Change) -> str:
        """Return the text with `change` made."""
        start, end = self._offset(change.start), self._offset(change.end)
        return self.text[:start] + change.text + self.text[end:]

    def _changes(self, node: ast.AST) -> Iterator[_Change]:
        if isinstance(node, _SKIPPED) or _is_scope(node) or _is_for_type_checkers(node):
            return
        yield from self._changes_here(node)
        for child in ast.iter_child_nodes(node):
            yield from self._changes(child)

    def _changes_here(self, node: ast.AST) -> Iterator[_Change]:
        match node:
            case ast.Compare(left=left, comparators=comparators):
                yield from self._swaps([left, *comparators])
            case ast.BoolOp(values=values):
                yield from self._swaps(values)
            case ast.BinOp(left=left, right=right) if not _has_text(left, right):
                yield from self._swaps([left, right])
            case ast.AugAssign(target=target, value=value) if not _has_text(value):
                yield from self._swaps([target, value])
            case ast.UnaryOp(op=ast.Not()):
                start = self._start(node)
                yield _Change(start, self._after_word(start), "")
            case ast.Constant(value=bool() as flag):
                yield self._replacement(node, str(not flag))
            case ast.Constant(value=int() as number):
                yield self._replacement(node, str(number + 1))
            case ast.Return(value=ast.expr() as value) if not _is_none(value):
                yield self._replacement(value, "None")

    def _swaps(self, operands: Sequence[ast.expr]) -> Iterator[_Change]:
        """Yield a swap of each operator between two neighbouring operands."""
        for left, right in pairwise(operands):
            found = self._operator(self._end(left), self._start(right))
            if found is not None:
                yield found

    def _operator(self, start: Place, end: Place) -> _Change | None:
        """Return the swap of the operator between two places; they may hold brackets too."""
        first = bisect_left(self._tokens, start, key=lambda token: token.start)
        last = bisect_left(self._tokens, end, key=lambda token: token.start)
        between = self._tokens[first:last]
        for index, token in enumerate(between):
            following = between[index + 1] if index + 1 < len(between) else token
            if (token.string, following.string) in _TWO_WORDS:
                words = f"{token.string} {following.string}"
                return _Change(token.start, following.end, _OPERATORS[words])
            if token.string in _OPERATORS:
                return _Change(token.start, token.end, _OPERATORS[token.string])
        return None

    def _replacement(self, node: ast.expr, text: str) -> _Change:
        return _Change(self._start(node), self._end(node), text)

    def _start(self, node: ast.expr) -> Place:
        return self._characters(node.lineno, node.col_offset)

    def _end(self, node: ast.expr) -> Place:
        return self._characters(node.end_lineno or node.lineno, node.end_col_offset or 0)

    def _after_word(self, start: Place) -> Place:
        """Return the place behind the `not` at `start` and the blanks that follow it."""
        line, column = start
        rest = self._lines[line - 1][column + len("not") :]
        return line, column + len("not") + len(rest) - len(rest.lstrip(" \t"))

    def _characters(self, line: int, column: int) -> Place:
        """Turn a column in bytes, as the syntax tree has it, into one in characters."""
        return line, len(self._lines[line - 1].encode()[:column].decode())

    def _offset(self, place: Place) -> int:
        line, column = place
        return self._starts[line - 1] + column


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yield the statements of the module and of the classes in it."""
    for statement in tree.body:
        yield statement
        if isinstance(statement, ast.ClassDef):
            yield from statement.body


def _is_scope(node: ast.AST) -> bool:
    """Whether `node` is a definition; functions are visited on their own."""
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)


def _is_for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def _is_all(statement: ast.Assign) -> bool:
    return any(
        isinstance(target, ast.Name) and target.id == "__all__" for target in statement.targets
    )


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def _has_text(*nodes: ast.expr) -> bool:
    """Whether an operand is a text: swapping its operator gives nonsense, not a mistake."""
    return any(
        isinstance(node, ast.JoinedStr)
        or (isinstance(node, ast.Constant) and isinstance(node.value, str))
        for node in nodes
    )
