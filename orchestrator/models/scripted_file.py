"""Scripts as files: YAML, of which JSON is a part.

::

    lexer:                       # task id, or "*" for any other task
      - text: I write the lexer.
        calls:
          - {tool: write_file, input: {path: lexer.py, content: "x = 1\\n"}}
          - {tool: run_tests}
        usage: {input: 1200, output: 80}     # also cache_read, cache_write
        stop: tool_use                       # tool_use, end_turn, max_tokens, refusal
        delay: 0.5                           # seconds
      - calls: [{tool: submit, input: {summary: done}}]
    parser:
      1: [...]                   # turns of the first attempt
      2: [...]                   # turns of the second and all later ones

The file is read as a tree with positions, so that every mistake is told with its line and
column, and a key that is there twice is one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, get_args

import yaml

from orchestrator.errors import Problem, UsageError, nearest
from orchestrator.models.base import StopReason, ToolCall, Turn, Usage

_TURN_KEYS = ("text", "calls", "usage", "stop", "delay")
_CALL_KEYS = ("tool", "input")
_USAGE_KEYS = tuple(entry.name for entry in fields(Usage))
_STOPS: tuple[StopReason, ...] = get_args(StopReason)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a script: a turn and the seconds that it takes."""

    turn: Turn
    delay: float = 0.0


FileScript = dict[str, dict[int, list[Line]]]


def read_script(path: Path) -> FileScript:
    """Read a script.

    Raises:
        UsageError: the file is not there or cannot be read, or it has mistakes; all of them
            are told, each with file:line:column.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the script {path} cannot be read",
            why=str(error),
            fix="give a YAML or JSON file: scripted:FILE",
        ) from error
    if path.suffix == ".json":
        # JSON may be indented with tabs, YAML may not; inside JSON texts there are none.
        text = text.replace("\t", " ")
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        why = str(error)
        raise UsageError(f"the script {path} is not YAML", why=why, fix="correct it") from error
    reader = _Reader(str(path))
    script = reader.script(root)
    if reader.problems:
        count = len(reader.problems)
        raise UsageError(
            f"the script {path} has {count} mistake{'s' if count > 1 else ''}",
            problems=reader.problems,
        )
    return script


class _Reader:
    """Turns the tree into a script and collects the mistakes on the way."""

    def __init__(self, file: str) -> None:
        self._file = file
        self.problems: list[Problem] = []

    def script(self, root: yaml.Node | None) -> FileScript:
        if root is None:
            self.problems.append(Problem("the script is empty", self._file, fix="add task ids"))
            return {}
        script = {}
        for task, (_, node) in self._mapping(root, "task ids with turns").items():
            script[task] = self._attempts(node)
        return script

    def _attempts(self, node: yaml.Node) -> dict[int, list[Line]]:
        if not isinstance(node, yaml.MappingNode):
            return {1: self._lines(node)}
        attempts = {}
        for word, (key, lines) in self._mapping(node, "attempts with turns").items():
            if not word.isdecimal() or int(word) < 1:
                self._mistake(key, f"{word!r} is not the number of an attempt", "count from 1")
                continue
            attempts[int(word)] = self._lines(lines)
        return attempts

    def _lines(self, node: yaml.Node) -> list[Line]:
        return [self._line(turn) for turn in self._list(node, "a list of turns")]

    def _line(self, node: yaml.Node) -> Line:
        entries = self._known(node, "a turn", _TURN_KEYS)
        turn, delay = Turn(), 0.0
        if "calls" in entries:
            calls = [self._call(call) for call in self._list(entries["calls"], "a list of calls")]
            turn = replace(turn, calls=tuple(calls), stop="tool_use" if calls else "end_turn")
        if "text" in entries:
            turn = replace(turn, text=self._text(entries["text"]))
        if "usage" in entries:
            turn = replace(turn, usage=self._usage(entries["usage"]))
        if "stop" in entries:
            turn = replace(turn, stop=self._stop(entries["stop"]))
        if "delay" in entries:
            delay = self._number(entries["delay"], "seconds, 0 or more", whole=False)
        return Line(turn, delay)

    def _call(self, node: yaml.Node) -> ToolCall:
        entries = self._known(node, "a call", _CALL_KEYS)
        if isinstance(node, yaml.MappingNode) and "tool" not in entries:
            self._mistake(node, "a call without a tool", "add `tool: NAME`")
        tool = self._text(entries["tool"]) if "tool" in entries else ""
        arguments = self._value(entries["input"]) if "input" in entries else {}
        if not isinstance(arguments, dict):
            self._mistake(entries["input"], "the input of a call is not a mapping", "name: value")
            arguments = {}
        return ToolCall("", tool, arguments)

    def _usage(self, node: yaml.Node) -> Usage:
        entries = self._known(node, "usage", _USAGE_KEYS)
        expected = "a whole number of model tokens, 0 or more"
        return Usage(
            **{
                key: int(self._number(value, expected, whole=True))
                for key, value in entries.items()
            }
        )

    def _stop(self, node: yaml.Node) -> StopReason:
        word = self._text(node)
        for stop in _STOPS:
            if word == stop:
                return stop
        self._mistake(node, f"{word!r} is not a reason to stop", f"one of {', '.join(_STOPS)}")
        return "end_turn"

    def _text(self, node: yaml.Node) -> str:
        value = self._value(node)
        if isinstance(value, str):
            return value
        self._mistake(node, f"{value!r} is not a text", "put it in quotes")
        return ""

    def _number(self, node: yaml.Node, expected: str, *, whole: bool) -> float:
        value = self._value(node)
        right = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if right and 0 <= value < float("inf"):
            return float(value)
        self._mistake(node, f"{value!r} is not {expected}", f"give {expected}")
        return 0.0

    def _value(self, node: yaml.Node) -> Any:
        """Return the value of `node`, which must be one that JSON has too."""
        try:
            value = yaml.SafeLoader("").construct_object(node, deep=True)
        except (yaml.YAMLError, ValueError) as error:
            self._mistake(node, "a value that cannot be read", "correct it", str(error))
            return None
        return self._json(node, value)

    def _json(self, node: yaml.Node, value: Any) -> Any:
        if isinstance(value, str):
            # JSON writes characters beyond the first 65,536 as two halves; YAML leaves them so.
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if isinstance(value, list):
            return [self._json(node, item) for item in value]
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return {key: self._json(node, item) for key, item in value.items()}
        if value is None or isinstance(value, bool | int | float):
            return value
        self._mistake(node, f"{value!r} is not a value that JSON has", "put it in quotes")
        return None

    def _known(self, node: yaml.Node, what: str, keys: tuple[str, ...]) -> Mapping[str, yaml.Node]:
        """Return the entries of a mapping that may have just these keys."""
        known = {}
        for word, (key, value) in self._mapping(node, f"{what}: a mapping").items():
            if word in keys:
                known[word] = value
                continue
            guess = nearest(word, keys)
            hint = f"did you mean {guess!r}? " if guess else ""
            self._mistake(key, f"{what} has no {word!r}", f"{hint}Known: {', '.join(keys)}")
        return known

    def _mapping(self, node: yaml.Node, expected: str) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """Return the entries of a mapping, keys as they are written."""
        if not isinstance(node, yaml.MappingNode):
            self._mistake(node, f"expected {expected}", "write `key: value` entries")
            return {}
        entries: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for key, value in node.value:
            word = str(key.value)
            if word in entries:
                self._mistake(key, f"{word!r} is there twice", "keep one of them")
            entries[word] = (key, value)
        return entries

    def _list(self, node: yaml.Node, expected: str) -> list[yaml.Node]:
        if isinstance(node, yaml.SequenceNode):
            return list(node.value)
        self._mistake(node, f"expected {expected}", "write `- ` entries")
        return []

    def _mistake(self, node: yaml.Node, what: str, fix: str, why: str = "") -> None:
        mark = node.start_mark
        where = f"{self._file}:{mark.line + 1}:{mark.column + 1}"
        self.problems.append(Problem(what, where, why, fix, code="bad-script"))
