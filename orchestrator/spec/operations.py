"""The operations that the runtime can carry out, and the arguments that each of them takes.

A role document chooses among these operations and may narrow their arguments (an `enum`, a
`pattern`, a required argument that is optional here); it cannot add operations or arguments,
because nothing would act on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["read", "write", "command", "coordinate"]
Schema = Mapping[str, Any]

METHODS: Mapping[Kind, tuple[str, ...]] = {
    "read": ("get",),
    "write": ("put", "patch", "delete"),
    "command": ("post",),
    "coordinate": ("get", "post"),
}
"""HTTP methods under which a role document may list an operation of each kind."""


@dataclass(frozen=True, slots=True)
class KnownOperation:
    """One operation that the runtime can carry out.

    Attributes:
        name: its `operationId`.
        kind: whether it reads files, writes a file, starts a command or only talks to the
            coordinator.
        arguments: JSON Schema of each argument, the least that the runtime insists on.
        required: the arguments without which it cannot be carried out.
        files: the argument that carries the file bound `x-files`; empty when there is none.
        bounded: the argument that needs an `enum` or a `pattern`; empty when there is none.
    """

    name: str
    kind: Kind
    arguments: Mapping[str, Schema]
    required: tuple[str, ...] = ()
    files: str = ""
    bounded: str = ""

    @property
    def schema(self) -> dict[str, Any]:
        """All arguments as one JSON Schema of type object."""
        return {
            "type": "object",
            "properties": dict(self.arguments),
            "required": list(self.required),
            "additionalProperties": False,
        }


_TEXT: Schema = {"type": "string"}
_SOME_TEXT: Schema = {"type": "string", "minLength": 1}
_LINE: Schema = {"type": "integer", "minimum": 1}
_TEXTS: Schema = {"type": "array", "items": _SOME_TEXT}
_PART: Schema = {
    "type": "object",
    "properties": {
        "id": _SOME_TEXT,
        "title": _SOME_TEXT,
        "instructions": _SOME_TEXT,
        "writes": {**_TEXTS, "minItems": 1},
        "reads": _TEXTS,
        "depends_on": _TEXTS,
        "tests": _TEXTS,
        "test": _TEXT,
    },
    "required": ["id", "title", "instructions", "writes"],
    "additionalProperties": False,
}

_ALL = (
    KnownOperation("list_files", "read", {"glob": _SOME_TEXT}, files="glob"),
    KnownOperation(
        "read_file",
        "read",
        {"path": _SOME_TEXT, "start_line": _LINE, "end_line": _LINE},
        ("path",),
        files="path",
    ),
    KnownOperation(
        "search_files",
        "read",
        {"pattern": _SOME_TEXT, "glob": _SOME_TEXT},
        ("pattern",),
        files="glob",
    ),
    KnownOperation(
        "write_file",
        "write",
        {"path": _SOME_TEXT, "content": _TEXT},
        ("path", "content"),
        files="path",
    ),
    KnownOperation(
        "edit_file",
        "write",
        {"path": _SOME_TEXT, "old": _SOME_TEXT, "new": _TEXT, "all": {"type": "boolean"}},
        ("path", "old", "new"),
        files="path",
    ),
    KnownOperation("delete_file", "write", {"path": _SOME_TEXT}, ("path",), files="path"),
    KnownOperation("run_tests", "command", {"tests": _TEXTS}),
    KnownOperation(
        "run_command", "command", {"command": _SOME_TEXT}, ("command",), bounded="command"
    ),
    KnownOperation("submit", "coordinate", {"summary": _TEXT}, ("summary",)),
    KnownOperation("give_up", "coordinate", {"reason": _SOME_TEXT}, ("reason",)),
    KnownOperation(
        "widen_scope",
        "coordinate",
        {"globs": {**_TEXTS, "minItems": 1}, "reason": _SOME_TEXT},
        ("globs", "reason"),
    ),
    KnownOperation(
        "send_message",
        "coordinate",
        {
            "to": {"type": "string", "pattern": r"^(all|task:.+|role:.+)$(?!\n)"},
            "kind": {
                "type": "string",
                "enum": ["question", "answer", "interface-changed", "blocked", "note"],
            },
            "text": _SOME_TEXT,
        },
        ("to", "kind", "text"),
    ),
    KnownOperation(
        "write_note", "coordinate", {"title": _SOME_TEXT, "text": _SOME_TEXT}, ("title", "text")
    ),
    KnownOperation("read_notes", "coordinate", {"query": _TEXT}),
    KnownOperation(
        "split_task",
        "coordinate",
        {"tasks": {"type": "array", "items": _PART, "minItems": 1}, "reason": _SOME_TEXT},
        ("tasks", "reason"),
    ),
)

OPERATIONS: Mapping[str, KnownOperation] = {operation.name: operation for operation in _ALL}
"""The operations by name."""
