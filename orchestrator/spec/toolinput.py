"""Checking what a model sends to a tool, and saying it in sentences that it can act on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from orchestrator.core.paths import PathError, canonical
from orchestrator.core.scope import Scope
from orchestrator.errors import nearest
from orchestrator.spec.globpattern import in_words
from orchestrator.spec.operations import KnownOperation, Schema

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

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
        given = dict(given)
        sentences = self._path(given)
        refused = "path" if sentences else None
        errors = [*self._listed.iter_errors(given)]
        # The document has no names that the runtime lacks, but may well leave some out.
        errors += [e for e in self._least.iter_errors(given) if e.validator != _NAMES]
        for error in errors:
            if _argument(error) != refused:
                sentences.extend(self._sentences(error))
        sentences.extend(self._whole_command(given))
        return list(dict.fromkeys(sentences))

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


def _unknown(prefix: str, extra: str, known: Schema) -> str:
    near = nearest(extra, known)
    hint = f" Did you mean `{prefix}{near}`?" if near else ""
    return f"There is no argument `{prefix}{extra}`.{hint} There are: {', '.join(known) or 'none'}."


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
