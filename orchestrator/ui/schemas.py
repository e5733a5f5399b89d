"""The JSON Schema of an event, as ``events --json`` prints it, made from the events' own types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from orchestrator.core.events import KINDS, Event

Schema = dict[str, Any]

_PLAIN: Mapping[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}


def event_schema() -> Schema:
    """Return a schema (draft 2020-12) that every line of ``events --json`` fits."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "An event of a run, as one line of `orchestrator events RUN --json`",
        "oneOf": [{"$ref": f"#/$defs/{kind}"} for kind in KINDS],
        "$defs": {kind: _event(kind, cls) for kind, cls in KINDS.items()},
    }


def _event(kind: str, cls: type[Event]) -> Schema:
    schema = _object(cls)
    own = {
        "seq": {"type": "integer", "minimum": 1, "description": "number in the log"},
        "kind": {"const": kind},
    }
    schema["description"] = (cls.__doc__ or "").split("\n\n")[0]
    schema["properties"] = own | schema["properties"]
    schema["required"] = [*own, *schema["required"]]
    return schema


def _object(cls: type[Any]) -> Schema:
    """Return the schema of a dataclass; fields that have their default may be left out."""
    types = get_type_hints(cls)
    return {
        "type": "object",
        "properties": {field.name: _of(types[field.name]) for field in fields(cls)},
        "required": [field.name for field in fields(cls) if _must_be_there(field)],
        "additionalProperties": False,
    }


def _must_be_there(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _of(type_: Any) -> Schema:
    """Return the schema of one type, of the kinds that events use."""
    if type_ in _PLAIN:
        return {"type": _PLAIN[type_]}
    if type_ is NoneType:
        return {"type": "null"}
    if is_dataclass(type_):
        assert isinstance(type_, type)
        return _object(type_)
    arguments = get_args(type_)
    origin = get_origin(type_)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, UnionType):
        return {"anyOf": [_of(argument) for argument in arguments]}
    if origin is tuple:
        return _array(arguments)
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _of(arguments[1])}
    raise TypeError(f"no schema for {type_!r}")


def _array(arguments: Sequence[Any]) -> Schema:
    if arguments[-1] is Ellipsis:
        return {"type": "array", "items": _of(arguments[0])}
    size = len(arguments)
    items = [_of(argument) for argument in arguments]
    return {"type": "array", "prefixItems": items, "items": False, "minItems": size}
