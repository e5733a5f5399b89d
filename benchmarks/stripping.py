"""Takes function bodies out of a Python package, and leaves it importable.

A body is replaced by ``raise NotImplementedError``; signature, decorators and docstring stay.
Functions that run while the package or its tests are imported keep their bodies: which those
are is found by importing everything under a profile hook, not guessed.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_BODY = b"raise NotImplementedError"

# Imports each module named on the command line and prints the functions of `root` that ran.
_WATCH = """
import importlib, json, os, sys
root, *names = sys.argv[1:]
ran = set()
def watch(frame, event, arg):
    code = frame.f_code
    if event == "call" and code.co_filename.startswith(root):
        ran.add((os.path.relpath(code.co_filename, root), code.co_firstlineno))
sys.setprofile(watch)
failed = {}
for name in names:
    try:
        importlib.import_module(name)
    except BaseException as error:
        failed[name] = repr(error)
sys.setprofile(None)
print(json.dumps({"ran": sorted(ran), "failed": failed}))
"""


def ran_while_importing(root: Path, folder: str, names: list[str]) -> set[tuple[str, int]]:
    """Return path and first line of the functions that run while modules are imported.

    Args:
        root: the project.
        folder: where modules are imported from, relative to it.
        names: dotted names of the modules.

    Raises:
        RuntimeError: the interpreter that imports them ended.
    """
    place = (root / folder).resolve()
    done = subprocess.run(
        [sys.executable, "-B", "-c", _WATCH, str(root.resolve()), *names],
        cwd=place, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{root} cannot be imported: {done.stderr.strip()}")
    said = json.loads(done.stdout.strip().rpartition("\n")[2])
    return {(path, line) for path, line in said["ran"]}


def module_names(root: Path, folder: str, package: str) -> list[str]:
    """Return the dotted names of a package's modules, what would run as a program left out."""
    base = root / folder
    found = []
    for file in sorted((base / package).rglob("*.py")):
        words = file.relative_to(base).with_suffix("").parts
        words = words[:-1] if words[-1] == "__init__" else words
        if words[-1] != "__main__" and "tests" not in words:
            found.append(".".join(words))
    return found


def strip(root: Path, folder: str, package: str) -> int:
    """Strip the bodies of a package's functions, in place; return how many.

    Args:
        root: the project; its tests are left alone.
        folder: where the package is imported from, relative to `root`.
        package: its name.
    """
    kept = ran_while_importing(root, folder, module_names(root, folder, package))
    count = 0
    for file in sorted((root / folder / package).rglob("*.py")):
        path = file.relative_to(root).as_posix()
        if "tests" in file.parts:
            continue
        text = file.read_bytes()
        stripped, number = stripped_text(text, {line for name, line in kept if name == path})
        if number:
            file.write_bytes(stripped)
            count += number
    return count


def stripped_text(text: bytes, kept: set[int]) -> tuple[bytes, int]:
    """Return a source text without its functions' bodies, and how many were taken out.

    Args:
        text: Python source in UTF-8.
        kept: first lines (decorators included) of functions that keep their bodies.
    """
    lines = text.splitlines(keepends=True)
    found = list(_bodies(ast.parse(text).body, kept))
    for first, last in reversed(found):
        at, start = first.lineno - 1, first.col_offset
        rest = lines[(last.end_lineno or 0) - 1][last.end_col_offset or 0 :]
        lines[at : last.end_lineno] = [lines[at][:start] + _BODY + rest]
    return b"".join(lines), len(found)


def _bodies(body: list[ast.stmt], kept: set[int]) -> Iterator[tuple[ast.stmt, ast.stmt]]:
    """Yield first and last statement of each body to be taken out, in order."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            rest = node.body[1:] if ast.get_docstring(node, clean=False) else node.body
            if rest and first not in kept and not _is_empty(rest):
                yield rest[0], rest[-1]
            continue
        for field in ("body", "orelse", "handlers", "finalbody"):
            inner = getattr(node, field, [])
            for one in inner if isinstance(inner, list) else []:
                yield from _bodies([one] if isinstance(one, ast.stmt) else one.body, kept)


def _is_empty(body: list[ast.stmt]) -> bool:
    """Whether there is nothing to take out: ``pass``, ``...``, NotImplementedError."""
    (first, *more) = body
    if more:
        return False
    if isinstance(first, ast.Raise) and first.exc is not None:
        return "NotImplementedError" in ast.unparse(first.exc)
    return isinstance(first, ast.Pass) or (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    )
