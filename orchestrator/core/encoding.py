"""Events and tasks as JSON: the form that they have in the event log.

A body holds the fields that have no default, then those that differ from theirs. So a field
that is added later, with a default, leaves older logs readable and newer ones small.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

import msgspec

from orchestrator.core.events import KINDS, Event
from orchestrator.core.limits import limits_from_json
from orchestrator.core.messages import Reads, Spent
from orchestrator.core.task import Task
from orchestrator.errors import LogError

Row = tuple[float, str, str, int, str]
"""One event in the log: at, kind, task, attempt, body (JSON)."""

_COLUMNS = ("at", "task", "attempt")
_to_json = msgspec.json.Encoder().encode  # thirty times faster than json, on the hottest path


def _tasks_to_json(tasks: tuple[Task, ...]) -> list[dict[str, Any]]:
    return [task_to_json(task) for task in tasks]


def _reads_from_json(pairs: list[list[Any]]) -> Reads:
    return tuple((str(path), int(number)) for path, number in pairs)


_WRITE: Mapping[str, Callable[[Any], Any]] = {"tasks": _tasks_to_json}
_READ: Mapping[str, Callable[[Any], Any]] = {
    "spent": lambda value: Spent(**value),
    "limits": limits_from_json,
    "expects": lambda value: Spent(**value),
    "tasks": lambda value: tuple(task_from_json(task) for task in value),
    "reads": _reads_from_json,
    "globs": tuple,
    "paths": tuple,
    "by": tuple,
    "before": tuple,
    "mixed": tuple,
}


@dataclass(frozen=True, slots=True)
class _Codec:
    """How the body of one kind of event is written: required fields, then those that differ
    from their default."""

    kind: str
    required: tuple[str, ...]
    optional: tuple[tuple[str, Any], ...]

    def body(self, event: Any) -> dict[str, Any]:
        body = {name: getattr(event, name) for name in self.required}
        for name, default in self.optional:
            value = getattr(event, name)
            if value != default:
                body[name] = value
        for name in body.keys() & _WRITE.keys():
            body[name] = _WRITE[name](body[name])
        return body


def _codec(kind: str, cls: type[Any]) -> _Codec:
    own = [field for field in fields(cls) if field.name not in _COLUMNS]
    return _Codec(
        kind,
        tuple(field.name for field in own if field.default is MISSING),
        tuple((field.name, field.default) for field in own if field.default is not MISSING),
    )


_CODECS: dict[type[Any], _Codec] = {cls: _codec(kind, cls) for kind, cls in KINDS.items()}


def encode(event: Event) -> Row:
    """Return the event as a row of the log."""
    codec = _CODECS[type(event)]
    try:
        body = _to_json(codec.body(event))
    except UnicodeEncodeError:  # half a surrogate pair, which a model or a file name can hold
        text = json.dumps(codec.body(event), default=asdict, ensure_ascii=False)
        body = text.encode(errors="replace")
    return event.at, codec.kind, event.task, event.attempt, body.decode()


def decode(at: float, kind: str, task: str, attempt: int, body: str) -> Event:
    """Return the event that a row of the log holds.

    Raises:
        LogError: a kind or a body that this version does not know.
    """
    try:
        values = msgspec.json.decode(body)
        for name in values.keys() & _READ.keys():
            values[name] = _READ[name](values[name])
        return KINDS[kind](at, task, attempt, **values)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise LogError(
            f"event of kind {kind!r} cannot be read",
            where=f"task {task or '-'}, {at:.3f} s",
            why=f"{type(error).__name__}: {error}",
            fix="read the log with the version that wrote it (see `orchestrator status`)",
        ) from None


_TASK_DEFAULTS = tuple((f.name, f.default) for f in fields(Task) if f.name != "id")


def task_to_json(task: Task) -> dict[str, Any]:
    """Return a task as JSON values, defaults left out."""
    found: dict[str, Any] = {"id": task.id}
    for name, default in _TASK_DEFAULTS:
        value = getattr(task, name)
        if value is not default and value != default:
            found[name] = list(value) if isinstance(value, tuple) else value
    return found


def task_from_json(values: Mapping[str, Any]) -> Task:
    """Return the task that `task_to_json` wrote."""
    given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return Task(**given)
