"""YAML files that people write, read so that every value knows its place.

Plain ``yaml.safe_load`` is not enough here: it keeps the last of two equal keys without a word,
turns ``no`` into false, and forgets where a value stood. So the parser's events are put together
here, without recursion (the C composer overflows the stack on deep nesting and takes the
process with it), into plain Python values beside an index of places.

Scalars follow the YAML 1.2 core schema: only ``true`` and ``false`` are booleans, ``1e3`` is a
number, dates are text. What JSON cannot hold (``.inf``, ``.nan``) stays text, and so do all
keys: ``200:`` is the key ``"200"``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.errors import Problem
from orchestrator.spec.yamltree import Node, compose


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML file.

    Attributes:
        path: the file as it was asked for.
        text: its contents.
        data: its value: dict, list, str, int, float, bool or None. Values under an alias are
            shared, so treat it as read-only.
        problems: why it cannot be read, or what is wrong with it as YAML (syntax, equal keys).
        digest: SHA-256 of its bytes in hexadecimal; empty when they could not be read.
    """

    path: Path
    text: str
    data: Any
    problems: tuple[Problem, ...]
    digest: str
    _root: Node | None = field(default=None, repr=False, compare=False)

    def where(self, pointer: Sequence[str | int], *, key: bool = False) -> str:
        """Return the place of a value as ``file:line:column``, counted from 1.

        Args:
            pointer: keys and indices from the top. Where one does not exist, the place is that
                of the last value that does.
            key: the place of the last key instead of its value.
        """
        shown = shown_path(self.path)
        node = self._root
        if node is None:
            return shown
        for depth, step in enumerate(pointer):
            if node.entries is not None and step in node.entries:
                name, value = node.entries[str(step)]
                node = name if key and depth == len(pointer) - 1 else value
            elif node.items is not None and isinstance(step, int) and step < len(node.items):
                node = node.items[step]
            else:
                break
        return f"{shown}:{node.line + 1}:{node.column + 1}"


def shown_path(path: Path) -> str:
    """Return `path` as people want to read it: from the current directory when it is below."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def read_document(path: Path) -> Document:
    """Read a YAML file. Never raises for what is in it, nor for a file that cannot be read.

    Args:
        path: the file.

    Returns:
        The document; whatever is wrong is in its `problems`.
    """
    try:
        raw = path.read_bytes()
    except (OSError, ValueError) as error:
        return Document(path, "", None, (_unreadable(path, error),), "")
    digest = hashlib.sha256(raw).hexdigest()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return Document(path, "", None, (_not_utf8(path, raw, error),), digest)
    return parse_document(text, path, digest)


def parse_document(text: str, path: Path, digest: str = "") -> Document:
    """Read YAML from a string, as if it were the contents of `path`."""
    root, problems = compose(text, shown_path(path))
    data = None if root is None else root.data
    return Document(path, text, data, tuple(problems), digest, root)


def _unreadable(path: Path, error: OSError | ValueError) -> Problem:
    shown = shown_path(path)
    if isinstance(error, FileNotFoundError):
        what, code = "there is no such file", "missing-file"
        fix = "check the path; relative paths start at the current directory"
    elif isinstance(error, IsADirectoryError):
        what, code = "this is a directory, not a file", "not-a-file"
        fix = "name the YAML file inside it"
    else:
        reason = getattr(error, "strerror", None) or str(error)
        what, code = f"the file cannot be read: {reason}", "unreadable-file"
        fix = "check the path and its permissions"
    return Problem(what, shown, fix=fix, code=code)


def _not_utf8(path: Path, raw: bytes, error: UnicodeDecodeError) -> Problem:
    before = raw[: error.start]
    line = before.count(b"\n") + 1
    column = len(before.rpartition(b"\n")[2].decode("utf-8", "replace")) + 1
    return Problem(
        "the file is not UTF-8 text",
        f"{shown_path(path)}:{line}:{column}",
        why=f"the byte 0x{raw[error.start]:02x} cannot stand here",
        fix="save the file with the encoding UTF-8",
        code="not-utf8",
    )
