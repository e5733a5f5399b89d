"""Puts region markers into a file that several tasks share, so that the oracle can find its part.

The oracle knows a task's part of a shared file by markers that bear the task's id. The plan knows
it by functions. The markers are comments, put around the same functions in both trees.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from orchestrator.analysis.decomposing.cut import Piece


def mark_regions(pieces: Mapping[str, Piece], *trees: Path) -> None:
    """Mark the region of each task in each tree.

    Args:
        pieces: task to the functions that it writes of a file.
        trees: directories that hold the same files, with and without bodies.
    """
    files: dict[str, dict[str, Piece]] = {}
    for task, piece in pieces.items():
        files.setdefault(piece.path, {})[task] = piece
    for path, tasks in files.items():
        for tree in trees:
            file = tree / path
            file.write_bytes(marked(file.read_bytes(), tasks))


def marked(text: bytes, tasks: Mapping[str, Piece]) -> bytes:
    """Return a source text with a region around the functions of each task."""
    lines = text.splitlines(keepends=True)
    spans = _spans(ast.parse(text).body)
    before: dict[int, str] = {}
    after: dict[int, str] = {}
    for task, piece in tasks.items():
        tops = {_top(symbol.name, piece.within) for symbol in piece.symbols}
        found = [spans[name] for name in tops]
        before[min(first for first, _ in found)] = task
        after[max(last for _, last in found)] = task
    made: list[bytes] = []
    for number, line in enumerate(lines, 1):
        if number in before:
            made.append(f"# region: {before[number]}\n".encode())
        made.append(line if line.endswith(b"\n") else line + b"\n")
        if number in after:
            made.append(f"# endregion: {after[number]}\n".encode())
    return b"".join(made)


def _top(name: str, within: str) -> str:
    depth = within.count(".") + 1 if within else 0
    return ".".join(name.split(".")[: depth + 1])


def _spans(body: Iterable[ast.stmt], outer: str = "") -> dict[str, tuple[int, int]]:
    """Return first and last line of each class and function, by the code graph's names.

    The second function of a name is ``name#2``, and so on.
    """
    found: dict[str, tuple[int, int]] = {}
    for node in _definitions(body):
        name, number = f"{outer}{node.name}", 1
        while name in found:
            number += 1
            name = f"{outer}{node.name}#{number}"
        first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
        found[name] = first, node.end_lineno or node.lineno
        if isinstance(node, ast.ClassDef):
            found |= _spans(node.body, f"{name}.")
    return found


def _definitions(
    body: Iterable[ast.stmt],
) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield what a body defines, under conditions too, in order."""
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
        elif isinstance(node, ast.If | ast.Try | ast.With):
            for inner in ("body", "orelse", "finalbody"):
                yield from _definitions(getattr(node, inner, []))
