"""Which Python functions have no body yet."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from orchestrator.analysis.codemodel import StubKind, Symbol

_NO_BODY_BY_INTENTION = {"abstractmethod", "abstractproperty", "overload"}
# A quote before the mark could begin a string that holds it.
_TODO = re.compile(rb"^[^'\"#\n]*#\s*(?:TODO|FIXME|XXX)\b", re.MULTILINE)


def last_name(node: ast.expr) -> str:
    """Return the last part of a dotted name, of a call or of a subscript of one; else empty."""
    while isinstance(node, ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def has_docstring(body: Sequence[ast.stmt]) -> bool:
    """Whether a body begins with a docstring."""
    first = body[0] if body else None
    return (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    )


def stub_kind(function: ast.FunctionDef | ast.AsyncFunctionDef, *, protocol: bool) -> StubKind:
    """Return what stands in place of a function's body; empty when it has one, or needs none.

    Args:
        protocol: whether the function is a method of a protocol.
    """
    if protocol or any(last_name(one) in _NO_BODY_BY_INTENTION for one in function.decorator_list):
        return ""
    body = function.body[1:] if has_docstring(function.body) else function.body
    if not body:
        return "pass"
    if len(body) > 1:
        return ""
    (only,) = body
    if isinstance(only, ast.Pass):
        return "pass"
    if isinstance(only, ast.Raise) and only.exc is not None:
        return "raise" if last_name(only.exc) == "NotImplementedError" else ""
    if isinstance(only, ast.Expr) and isinstance(only.value, ast.Constant):
        return "ellipsis" if only.value.value is ... else ""
    return ""


def mark_todos(
    symbols: list[Symbol], source: bytes, texts: Sequence[tuple[int, int]]
) -> list[Symbol]:
    """Return the symbols, those functions marked that hold a TODO comment of their own.

    Args:
        symbols: of the file.
        source: its bytes.
        texts: first and last line of strings over several lines.
    """
    marked = list(symbols)
    for line in _todo_lines(source, texts):
        inside = [
            (symbol.first, number)
            for number, symbol in enumerate(symbols)
            if symbol.kind == "function" and symbol.first <= line <= symbol.last
        ]
        if inside and not marked[max(inside)[1]].stub:
            number = max(inside)[1]
            marked[number] = replace(marked[number], stub="todo")
    return marked


def _todo_lines(source: bytes, texts: Sequence[tuple[int, int]]) -> Iterator[int]:
    """Yield the lines with such a comment, those inside strings left out."""
    for found in _TODO.finditer(source):
        line = source.count(b"\n", 0, found.start()) + 1
        if not any(first <= line <= last for first, last in texts):
            yield line
