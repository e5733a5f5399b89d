"""What the JSON Schema of plans finds, said in sentences for people.

The schema is the one source of which keys there are and what they may hold: the loader, plans
built in code, editors and the plan reference all use it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import entry_points
from importlib.resources import files
from typing import Any, Literal

from orchestrator.errors import nearest

Part = Literal["plan", "task"]
Pointer = tuple[str | int, ...]

_TYPES = {
    "array": "a list",
    "object": "a mapping",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "empty",
}
_LOOKS_BOOLEAN = {"yes": "true", "no": "false", "on": "true", "off": "false", "y": "true"}


@dataclass(frozen=True, slots=True)
class Mistake:
    """One place where data does not fit the schema.

    Attributes:
        pointer: keys and indices from the top to the value.
        what: the mistake, in a sentence.
        fix: what to do.
        code: stable short name.
        on_key: the last key is at fault, not its value.
    """

    pointer: Pointer
    what: str
    fix: str
    code: str
    on_key: bool = False


_MODES = "orchestrator.modes"  # entry points: see `runtime.modes`


@cache
def plan_schema() -> Mapping[str, Any]:
    """Return the JSON Schema (draft 2020-12) of plans; it knows the modes of other packages."""
    text = (files("orchestrator.spec") / "plan.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    schema["properties"]["mode"]["enum"] += [p.name for p in entry_points(group=_MODES)]
    return schema


@cache
def _validator(part: Part) -> Any:
    from jsonschema import Draft202012Validator

    schema = plan_schema()
    return Draft202012Validator(_inline(schema if part == "plan" else {"$ref": "#/$defs/task"}))


def _inline(part: Any) -> Any:
    """Return a part of the schema with its references replaced by what they refer to.

    The library looks each reference up again for every value, which is most of the time that a
    plan of ten thousand tasks takes. No part of the schema contains itself.
    """
    if isinstance(part, list):
        return [_inline(inner) for inner in part]
    if not isinstance(part, dict):
        return part
    own = {key: _inline(inner) for key, inner in part.items() if key not in {"$ref", "$defs"}}
    if "$ref" not in part:
        return own
    target: Any = plan_schema()
    for step in part["$ref"].removeprefix("#/").split("/"):
        target = target[step]
    return {**_inline(target), **own}


def mistakes(data: Any, part: Part = "plan") -> list[Mistake]:
    """Return everything in `data` that the schema of a plan, or of one task, does not allow."""
    found: dict[Mistake, None] = {}
    misspelt: set[Pointer] = set()
    for error in _validator(part).iter_errors(data):
        for mistake in _SAY.get(error.validator, _other)(error):
            found.setdefault(mistake)
            if mistake.code == "unknown-key" and (meant := _meant(error, mistake)):
                misspelt.add((*mistake.pointer[:-1], meant))
    # A misspelt required key is one mistake, not an unknown and a missing one.
    return [
        mistake
        for mistake in found
        if mistake.code != "missing-key" or mistake.pointer not in misspelt
    ]


def _meant(error: Any, mistake: Mistake) -> str | None:
    free = [key for key in error.schema["properties"] if key not in error.instance]
    return _nearest(str(mistake.pointer[-1]), tuple(free))


@lru_cache(maxsize=4096)
def _nearest(word: str, known: tuple[str, ...]) -> str | None:
    """`errors.nearest`, which is slow for a mistake that every task of a big plan repeats."""
    return nearest(word, known)


def _name(path: Iterable[str | int]) -> str:
    """Return how a sentence names the value at a path."""
    *outer, last = ("", *path)
    if isinstance(last, int):
        return f"entry {last + 1} of {_name(outer[1:])}"
    return f"`{last}`" if last else "the plan"


def _owner(error: Any) -> str:
    """Return how a sentence names a mapping: a task by its id, if it has one."""
    path, task = tuple(error.absolute_path), error.instance.get("id")
    if path[:1] == ("tasks",) and isinstance(task, str):
        return f"the task `{task}`"
    return _name(path)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return f"the text {_shown(value)}"
    if isinstance(value, bool | int | float):
        return _shown(value)
    return {dict: "a mapping", list: "a list", type(None): "empty"}.get(type(value), "something")


def _type(error: Any) -> Iterator[Mistake]:
    value, wanted = error.instance, error.validator_value
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    what = f"{_name(error.absolute_path)} must be {' or '.join(_TYPES[name] for name in names)}"
    yield Mistake(
        tuple(error.absolute_path),
        f"{what}, not {_kind(value)}",
        _type_fix(value, names[0]) if len(names) == 1 else error.schema["patternErrorMessage"],
        "wrong-type",
    )


def _type_fix(value: Any, wanted: str) -> str:
    if value is None:
        return "give it a value, or remove the key"
    if wanted == "array":
        if isinstance(value, str):
            return f"write it as a list: [{_shown(value)}]"
        return "write it as a list, each entry on a line that begins with `- `"
    if wanted == "object":
        return "write it as lines of `key: value`"
    if wanted == "string":
        if isinstance(value, dict | list):
            return 'put it in quotation marks; `{tests}` alone, for example, is "{tests}"'
        return f'put it in quotation marks: "{_shown(value)}"'
    if wanted == "boolean":
        meant = _LOOKS_BOOLEAN.get(str(value).lower())
        return f"write {meant}" if meant else "write true or false"
    return f"write {_TYPES[wanted]}, without quotation marks or separators"


def _required(error: Any) -> Iterator[Mistake]:
    for key in error.validator_value:
        if key not in error.instance:
            example = error.schema["properties"][key]
            value = example.get("const", example.get("examples", ["..."])[0])
            yield Mistake(
                (*error.absolute_path, key),
                f"{_owner(error)} has no `{key}`",
                f"add `{key}: {value}`",
                "missing-key",
            )


def _unknown_key(error: Any) -> Iterator[Mistake]:
    known = error.schema["properties"]
    for key in error.instance:
        if key not in known:
            guess = _nearest(key, tuple(known))
            yield Mistake(
                (*error.absolute_path, key),
                f"{_owner(error)} has no key `{key}`",
                f"did you mean `{guess}`?" if guess else f"known keys: {', '.join(known)}",
                "unknown-key",
                on_key=True,
            )


def _choice(error: Any) -> Iterator[Mistake]:
    constant = error.validator == "const"
    known = [error.validator_value] if constant else error.validator_value
    shown = ", ".join(str(value) for value in known)
    guess = None
    if isinstance(error.instance, str) and not constant:
        guess = nearest(error.instance, known)
    yield Mistake(
        tuple(error.absolute_path),
        f"{_name(error.absolute_path)} must be {shown if len(known) == 1 else f'one of {shown}'}, "
        f"not {_shown(error.instance)}",
        f"did you mean `{guess}`?" if guess else f"write {known[0]}, without quotation marks",
        "unknown-version" if constant else "unknown-value",
    )


def _range(error: Any) -> Iterator[Mistake]:
    bound = error.validator_value
    rule = {
        "minimum": f"at least {bound:,}",
        "maximum": f"at most {bound:,}",
        "exclusiveMinimum": f"more than {bound:,}",
    }[error.validator]
    yield Mistake(
        tuple(error.absolute_path),
        f"{_name(error.absolute_path)} must be {rule}, not {_shown(error.instance)}",
        f"write a number that is {rule}, or remove the key",
        "out-of-range",
    )


def _text(error: Any) -> Iterator[Mistake]:
    name, message = _name(error.absolute_path), error.schema.get("patternErrorMessage")
    if error.validator == "minLength":
        what, fix = f"{name} is empty text", "give it a value, or remove it"
    elif error.validator == "maxLength":
        longest = f"{error.validator_value} characters"
        what, fix = f"{name} is longer than {longest}", f"use at most {longest}"
    else:
        what, fix = f"{name} cannot be {_shown(error.instance)}", message or "write it differently"
    yield Mistake(tuple(error.absolute_path), what, fix, "bad-text")


def _repeated(error: Any) -> Iterator[Mistake]:
    seen: list[Any] = []
    for index, value in enumerate(error.instance):
        if value in seen:
            yield Mistake(
                (*error.absolute_path, index),
                f"{_name(error.absolute_path)} names {_shown(value)} twice",
                "remove one of the two",
                "repeated-entry",
            )
        seen.append(value)


def _no_entries(error: Any) -> Iterator[Mistake]:
    name = _name(error.absolute_path)
    yield Mistake(
        tuple(error.absolute_path),
        f"{name} is an empty list",
        f"add at least one entry to {name}",
        "no-tasks" if tuple(error.absolute_path) == ("tasks",) else "empty-list",
    )


def _other(error: Any) -> Iterator[Mistake]:
    yield Mistake(
        tuple(error.absolute_path),
        f"{_name(error.absolute_path)} does not fit the schema: {error.message}",
        "see `orchestrator schema plan`",
        "schema",
    )


_SAY: dict[str, Callable[[Any], Iterator[Mistake]]] = {
    "type": _type,
    "required": _required,
    "additionalProperties": _unknown_key,
    "const": _choice,
    "enum": _choice,
    "minimum": _range,
    "maximum": _range,
    "exclusiveMinimum": _range,
    "pattern": _text,
    "minLength": _text,
    "maxLength": _text,
    "uniqueItems": _repeated,
    "minItems": _no_entries,
}
