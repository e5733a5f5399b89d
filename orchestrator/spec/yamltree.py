"""The tree of a YAML document: plain values, each with its place.

The parser's events are put together here one at a time and without recursion: PyYAML's C
composer overflows the stack on deep nesting and takes the process with it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from orchestrator.errors import Problem

MAX_DEPTH = 100
"""Collections inside one another, aliases followed."""

MAX_VALUES = 1_000_000
"""Values that aliases and merge keys may make of a file beyond ten times what is written."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_SCALARS: dict[str, Any] = {
    f"{_TAG}int": int,
    f"{_TAG}float": (int, float),
    f"{_TAG}bool": bool,
    f"{_TAG}null": type(None),
}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
}


@dataclass(slots=True, eq=False)
class Node:
    """A value, its place (counted from 0) and what is inside it."""

    line: int
    column: int
    data: Any = None
    entries: dict[str, tuple[Node, Node]] | None = None
    items: list[Node] | None = None
    text: str | None = None
    merge: bool = False
    open: bool = False
    size: int = 1
    depth: int = 0


class _StopError(Exception):
    """Reading must stop here."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.what)
        self.problem = problem


def compose(text: str, file: str) -> tuple[Node | None, list[Problem]]:
    """Build the tree of one YAML document.

    Args:
        text: the document.
        file: how its places name the file.

    Returns:
        The topmost node, or None when there is none or the text is not YAML; and the problems.
    """
    composer = _Composer(file)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            composer.take(event)
    except yaml.YAMLError as error:
        return None, [*composer.problems, _syntax_problem(error, text, file)]
    except _StopError as stop:
        return None, [*composer.problems, stop.problem]
    return composer.root, composer.problems


class _Composer:
    """Builds the tree of one document from parser events, one at a time."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.root: Node | None = None
        self.broken = False
        self._documents = 0
        self._anchors: dict[str, Node] = {}
        self._stack: list[tuple[Node, list[Node]]] = []
        self._written = 0
        self._copied = 0

    def take(self, event: Any) -> None:
        """Take the next event of the parser."""
        if isinstance(event, yaml.ScalarEvent):
            self._add(event, self._scalar(event))
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._open(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            node, children = self._stack.pop()
            if node.entries is not None:
                self._finish_mapping(node, children)
            else:
                node.items = children
                node.data = [child.data for child in children]
                self._measure(node, children)
            node.open = False
            self._attach(node)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise _StopError(
                    Problem(
                        "the file holds more than one YAML document",
                        self._place(*_mark(event)),
                        fix="remove this `---` line and what follows, or make it a file of its own",
                        code="yaml-syntax",
                    )
                )

    def _add(self, event: Any, node: Node) -> None:
        if event.anchor:
            self._anchors[event.anchor] = node
        self._written += 1
        self._attach(node)

    def _attach(self, node: Node) -> None:
        if self._stack:
            self._stack[-1][1].append(node)
        else:
            self.root = node

    def _alias(self, event: Any) -> None:
        place = self._place(*_mark(event))
        node = self._anchors.get(event.anchor)
        if node is None:
            raise _StopError(
                Problem(
                    f"the alias `*{event.anchor}` names no anchor above it",
                    place,
                    fix=f'for a glob write "*{event.anchor}" in quotation marks; '
                    f"for an alias put `&{event.anchor}` before the value that it repeats",
                    code="yaml-syntax",
                )
            )
        if node.open:
            raise _StopError(
                Problem(
                    f"the value `&{event.anchor}` contains itself",
                    place,
                    fix="write the value out instead of using the alias here",
                    code="yaml-syntax",
                )
            )
        self._attach(node)

    def _open(self, event: Any) -> None:
        line, column = _mark(event)
        node = Node(line, column, open=True)
        if isinstance(event, yaml.MappingStartEvent):
            node.entries = {}
        if event.tag not in {None, f"{_TAG}{'seq' if node.entries is None else 'map'}"}:
            self._unknown_tag(event)
        if event.anchor:
            self._anchors[event.anchor] = node
        self._written += 1
        self._stack.append((node, []))
        if len(self._stack) > MAX_DEPTH:
            raise self._too_deep(node)

    def _scalar(self, event: Any) -> Node:
        line, column = _mark(event)
        text: str = event.value
        node = Node(line, column, text=text, data=text)
        tag = event.tag
        if tag is None:
            if event.implicit[0]:
                node.data = _plain_value(text)
                node.merge = text == "<<"
        elif tag == f"{_TAG}str" or tag == "!":  # "!" means: not what it looks like, but text
            pass
        elif tag in _SCALARS and isinstance(value := _plain_value(text), _SCALARS[tag]):
            node.data = value
        else:
            self._unknown_tag(event)
        return node

    def _unknown_tag(self, event: Any) -> None:
        shown = event.tag.replace(_TAG, "!!")
        self.problems.append(
            Problem(
                f"the YAML tag `{shown}` means nothing here",
                self._place(*_mark(event)),
                why="a word that begins with `!` and has no quotation marks is a tag",
                fix='put the text in quotation marks, as in "!docs/**", or remove the tag',
                code="yaml-tag",
            )
        )

    def _finish_mapping(self, node: Node, children: list[Node]) -> None:
        entries: dict[str, tuple[Node, Node]] = {}
        merged: dict[int, Node] = {}
        for name, value in zip(children[::2], children[1::2], strict=True):
            if name.text is None:
                self._problem(
                    name,
                    "a key must be text, and this one is a list or a mapping",
                    'put quotation marks around it if it is text, as in "{tests}": ...',
                    "yaml-key",
                )
            elif name.merge:
                merged |= {id(source): source for source in self._merge_sources(value)}
            elif name.text in entries:
                first = entries[name.text][0]
                self._problem(
                    name,
                    f"the key `{name.text}` is here twice",
                    "remove one of the two; the first is at "
                    + self._place(first.line, first.column),
                    "duplicate-key",
                )
            else:
                entries[name.text] = (name, value)
        for source in merged.values():
            self._copied += len(source.entries or {})
            self._check_size(node, self._copied)
            for text, entry in (source.entries or {}).items():
                entries.setdefault(text, entry)
        node.entries = entries
        node.data = {text: value.data for text, (_, value) in entries.items()}
        self._measure(node, [value for _, value in entries.values()])

    def _merge_sources(self, value: Node) -> list[Node]:
        sources = [value] if value.items is None else value.items
        good = [source for source in sources if source.entries is not None]
        if len(good) < len(sources):
            self._problem(
                value,
                "`<<` takes a mapping or a list of mappings",
                "write `<<: *name`, where `&name` stands before a mapping",
                "yaml-merge",
            )
        return good

    def _measure(self, node: Node, children: Sequence[Node]) -> None:
        node.size = 1 + sum(child.size for child in children)
        node.depth = 1 + max((child.depth for child in children), default=0)
        if node.depth > MAX_DEPTH:
            raise self._too_deep(node)
        self._check_size(node, node.size)

    def _check_size(self, node: Node, size: int) -> None:
        if size > MAX_VALUES and size > 10 * self._written:
            raise _StopError(
                Problem(
                    f"the aliases in this value expand to more than {MAX_VALUES:,} values",
                    self._place(node.line, node.column),
                    fix="use fewer aliases inside values that are themselves aliased",
                    code="yaml-too-large",
                )
            )

    def _too_deep(self, node: Node) -> _StopError:
        return _StopError(
            Problem(
                f"values are nested more than {MAX_DEPTH} deep",
                self._place(node.line, node.column),
                fix="use a flatter structure; brackets that are never closed also lead here",
                code="yaml-too-deep",
            )
        )

    def _problem(self, node: Node, what: str, fix: str, code: str) -> None:
        self.problems.append(Problem(what, self._place(node.line, node.column), fix=fix, code=code))

    def _place(self, line: int, column: int) -> str:
        return f"{self.file}:{line + 1}:{column + 1}"


def _mark(event: Any) -> tuple[int, int]:
    return event.start_mark.line, event.start_mark.column


def _plain_value(text: str) -> Any:
    """Return what a scalar without quotation marks stands for (YAML 1.2, section 10.3.2)."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in "+-.0123456789":
        try:
            if _INT.fullmatch(text):
                return int(text, 0) if text[:2] in {"0o", "0x"} else int(text)
            if _FLOAT.fullmatch(text):
                number = float(text)
                return number if math.isfinite(number) else text
        except ValueError:  # more digits than Python converts
            return text
    return text


_HINTS = (
    ("scanning an alias", 'a word that begins with `*` needs quotation marks, as in "**/*.py"'),
    ("mapping values are not allowed", "put text that contains `: ` in quotation marks"),
    ("found character that cannot start", "indent with spaces, never tabs; text that begins with"
     " `@`, `%` or a backquote needs quotation marks"),
    ("flow node", "check that something follows here, and that every bracket is closed"),
    ("flow sequence", "check that the list has its closing `]` and a comma between entries"),
    ("flow mapping", "check that the mapping has its closing `}` and a comma between entries"),
    ("quoted scalar", "check the quotation marks; inside double ones write a backslash as `\\\\`"),
    ("block mapping", "check that the keys of one mapping are indented alike"),
    ("block collection", "check that the entries of one list are indented alike"),
    ("tag", 'text that begins with `!` needs quotation marks, as in "!docs/**"'),
)  # fmt: skip


def _syntax_problem(error: yaml.YAMLError, text: str, file: str) -> Problem:
    context = getattr(error, "context", None) or ""
    what = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    begin, mark = getattr(error, "context_mark", None), getattr(error, "problem_mark", None)
    if "scanning an alias" in context:  # the star is the mistake, not what follows it
        mark = begin
    if mark is not None:
        place = f"{file}:{mark.line + 1}:{mark.column + 1}"
    else:  # a ReaderError knows only how many characters (in C: bytes) went before
        position = int(getattr(error, "position", 0) or 0)
        before = text.encode()[:position].decode("utf-8", "replace")
        place = f"{file}:{before.count(chr(10)) + 1}:{len(before.rpartition(chr(10))[2]) + 1}"
    why = f"found {context}" if context else ""
    if why and begin is not None and begin is not mark:
        why += f" that begins at {file}:{begin.line + 1}:{begin.column + 1}"
    fixes = [fix for sign, fix in _HINTS if sign in f"{context} {what}"]
    return Problem(
        f"this is not valid YAML: {what}",
        place,
        why=why,
        fix=fixes[0] if fixes else "correct the syntax here or just above",
        code="yaml-syntax",
    )
