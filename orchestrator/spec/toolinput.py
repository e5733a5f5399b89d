"""Checking what a model sends to a tool, and saying it in sentences that it can act on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from orchestrator.core.paths import PathError, canonical
from orchestrator.core.scope import Scope
from orchestrator.errors import nearest
from orchestrator.spec.globpattern import in_words
from orchestrator.spec.operations import KnownOperation, Schema

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

TEXT_LIMIT = 20_000
"""Characters of one text of a call; what goes into a file may be longer."""

CALL_LIMIT = 12_000_000
"""Characters of all texts of a call together."""

VALUES_LIMIT = 5_000
"""Values in a call, those inside lists and objects included."""

DEPTH_LIMIT = 16
"""Lists and objects inside one another in a call."""

_CONTENTS = frozenset({"content", "old", "new"})  # the arguments that go into files
_TOLD = 12  # sentences at most: who sends a thousand mistakes mends none of them
_NUMBER_BITS = 1000  # Python refuses to print numbers of thousands of digits
_SURROGATE = re.compile("[\ud800-\udfff]")

_KINDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_NAMES = "additionalProperties"
_LIMITS = {
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "minItems": "must have at least {} entries",
    "maxItems": "must have at most {} entries",
}


class InputCheck:
    """Checks the arguments of one operation. Safe to call from several threads at once.

    Args:
        known: the operation as the runtime knows it.
        schema: the arguments as the role document has them.
        files: the file bound, as globs; empty when there is none.
    """

    def __init__(self, known: KnownOperation, schema: Schema, files: tuple[str, ...]) -> None:
        validator = _validator_class()
        self._known = known
        self._properties: Schema = schema["properties"]
        self._files = files
        self._scope = Scope(files)
        self._listed = validator(schema)
        self._least = validator(known.schema)
        command = self._properties.get(known.bounded, {}).get("pattern")
        self._command = re.compile(command) if isinstance(command, str) else None

    def __call__(self, given: Any) -> list[str]:
        """Return what is wrong with `given` and what would be right; nothing when all is well."""
        if not isinstance(given, Mapping):
            return [f"The arguments must be one object with: {', '.join(self._properties)}."]
        unbearable = _unbearable(given)
        if unbearable:
            return [unbearable]
        given = dict(given)
        found = dict.fromkeys(islice(self._mistakes(given), 4 * _TOLD))
        more = ["There is more that is not right; mend this first."] if len(found) > _TOLD else []
        return [*islice(found, _TOLD), *more]

    def _mistakes(self, given: dict[str, Any]) -> Iterator[str]:
        outside = self._path(given)
        yield from outside
        refused = "path" if outside else None
        # The document has no names that the runtime lacks, but may well leave some out.
        least = (e for e in self._least.iter_errors(given) if e.validator != _NAMES)
        for error in chain(self._listed.iter_errors(given), least):
            if _argument(error) != refused:
                yield from self._sentences(error)
        yield from self._whole_command(given)

    def _path(self, given: dict[str, Any]) -> list[str]:
        """Bring the path to its canonical form, and check the bound on that form."""
        path = given.get("path")
        if self._known.files != "path" or not isinstance(path, str):
            return []
        try:
            given["path"] = canonical(path)
        except PathError as error:
            return [f"`path`: {error.what}; {error.fix}."]
        if self._scope.matches(given["path"]):
            return []
        return [
            f"{_show(path)} is outside the files that this role may {self._known.kind}. "
            f"Allowed: {in_words(self._files)}."
        ]

    def _whole_command(self, given: Mapping[str, Any]) -> list[str]:
        """Check that the pattern describes the whole command, whether or not it is anchored."""
        command = given.get(self._known.bounded)
        if self._command is None or not isinstance(command, str) or not command:
            return []
        return [] if self._command.fullmatch(command) else [self._no_such_command(command)]

    def _no_such_command(self, command: str) -> str:
        schema = self._properties[self._known.bounded]
        refused = f"The command {_show(command)} is not allowed."
        if "pattern" in schema:
            text = f"{refused} Allowed: {schema.get('description', '')}"
            return f"{text} As a whole it must match {schema['pattern']}"
        return f"{refused} Allowed: {_join(schema.get('enum') or [schema.get('const')])}."

    def _sentences(self, error: ValidationError) -> Iterator[str]:
        """Yield one sentence for each mistake that `error` stands for."""
        name = _argument(error)
        prefix = f"{name}." if name else ""
        rule: Any = error.validator
        value: Any = error.validator_value
        given: Any = error.instance
        if rule == "required":
            for missing in value:
                if missing not in given:
                    yield self._missing(prefix + missing)
        elif rule == _NAMES and value is False:
            schema: Any = error.schema
            for extra in given:
                if extra not in schema["properties"]:
                    yield _unknown(prefix, str(extra), schema["properties"])
        elif name == self._known.bounded and rule in {"pattern", "enum", "const"}:
            yield self._no_such_command(given)
        else:
            yield _broken_rule(name, rule, value, given)

    def _missing(self, name: str) -> str:
        description = self._properties.get(name, {}).get("description", "")
        return f"`{name}` is missing. {description}".rstrip()


def _broken_rule(name: str, rule: str, value: Any, given: Any) -> str:
    """Return the sentence for a keyword of JSON Schema that the argument `name` breaks."""
    if rule == "type":
        kinds = [value] if isinstance(value, str) else value
        return (
            f"`{name}` must be {' or '.join(_KINDS[kind] for kind in kinds)}, not {_show(given)}."
        )
    if rule == "enum":
        return f"`{name}` must be one of {_join(value)}, not {_show(given)}."
    if rule in {"minLength", "minItems"} and value == 1:
        return f"`{name}` must not be empty."
    if rule in _LIMITS:
        return f"`{name}` {_LIMITS[rule].format(value)}, not {_show(given)}."
    if rule == "pattern":
        return f"`{name}` must match {value}, and {_show(given)} does not."
    return f"`{name}`: {_show(given)} breaks the rule {rule}: {_show(value)}."


def _unbearable(given: Mapping[str, Any]) -> str:
    """Say why a call cannot even be checked; "" when it can.

    What a model sends is data from outside: nesting would exhaust the stack of whoever walks
    over it, length the memory, and lone surrogates cannot be written to a log or a file.
    """
    total = values = 0
    rest: list[tuple[str, Any, int]] = [("", given, 0)]
    while rest:
        name, value, depth = rest.pop()
        values += 1
        if depth > DEPTH_LIMIT:
            return f"{_named(name)} is nested deeper than {DEPTH_LIMIT} levels: make it flat."
        if isinstance(value, str):
            total += len(value)
            problem = _bad_text(name, value)
        elif isinstance(value, Mapping | list | tuple):
            problem = ""
            if values + len(rest) + 2 * len(value) > VALUES_LIMIT:
                return f"The call has more than {VALUES_LIMIT} values: send less at a time."
            keys = value if isinstance(value, Mapping) else ()
            rest += [("a name", key, depth) for key in keys]
            inner = value.items() if isinstance(value, Mapping) else ((name, v) for v in value)
            rest += [(name or str(key), below, depth + 1) for key, below in inner]
        else:
            problem = _bad_scalar(name, value)
        if problem:
            return problem
        if total > CALL_LIMIT:
            return f"The call has more than {CALL_LIMIT} characters: send less at a time."
    return ""


def _bad_text(name: str, text: str) -> str:
    if len(text) > TEXT_LIMIT and name not in _CONTENTS:
        return (
            f"{_named(name)} has a text of {len(text)} characters; {TEXT_LIMIT} are allowed: "
            "shorten it."
        )
    if not text.isascii() and (found := _SURROGATE.search(text)):
        return (
            f"{_named(name)} has a character that cannot be stored, {found[0]!r} (lone "
            "surrogates are half a character): leave it out."
        )
    return ""


def _bad_scalar(name: str, value: object) -> str:
    if isinstance(value, int) and value.bit_length() > _NUMBER_BITS:
        return f"{_named(name)} holds a number that is too large: write a smaller one."
    if value is None or isinstance(value, int | float):
        return ""
    return f"{_named(name)} holds a {type(value).__name__}, which JSON does not have."


def _named(name: str) -> str:
    """Return how a message names an argument whose name the model chose."""
    return f"`{name}`" if name.isidentifier() and len(name) <= 80 else "An argument"


def _unknown(prefix: str, extra: str, known: Schema) -> str:
    plain = extra.isidentifier() and len(extra) <= 80
    near = nearest(extra, known) if plain else None
    hint = f" Did you mean `{prefix}{near}`?" if near else ""
    shown = f"`{prefix}{extra}`" if plain else _show(extra)
    return f"There is no argument {shown}.{hint} There are: {', '.join(known) or 'none'}."


def _argument(error: ValidationError) -> str:
    """Return the name of the argument, as in ``tasks[0].id``."""
    parts = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path]
    return "".join(parts).removeprefix(".")


def _show(value: Any, limit: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}..."


def _join(values: Any) -> str:
    return ", ".join(f"`{value}`" for value in values)


@cache
def _validator_class() -> Any:
    """Return a JSON Schema validator class to which 1.0 is no integer: it is no line number."""
    from jsonschema import Draft202012Validator, validators

    def whole(_: Any, value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool)

    checker = Draft202012Validator.TYPE_CHECKER.redefine("integer", whole)
    return validators.extend(  # type: ignore[no-untyped-call]
        Draft202012Validator, type_checker=checker
    )
