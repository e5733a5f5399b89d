"""OpenAPI 3.1 documents: references, the stock validator, and a place for every problem.

The stock validator (openapi-spec-validator) leaves three things to us: it raises on a reference
that leads nowhere, it fetches references to other files and to the network, and it raises
plain Python errors from its second pass when the first has already found the document
ill-formed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from orchestrator.errors import Problem
from orchestrator.spec.yamldoc import Document

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

Pointer = tuple[str | int, ...]

ANNOTATIONS = frozenset(
    {"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"}
)
"""Schema keywords that restrict nothing."""

_DOCUMENT_ONLY = frozenset({"example", "xml", "externalDocs", "discriminator"})
_NAMED = frozenset({"properties", "patternProperties", "$defs", "dependentSchemas"})
_VALUES = frozenset({"const", "default", "enum", "examples"})
_OURS = frozenset({"DuplicateOperationIDError", "UnresolvableParameterError"})
"""Findings of the stock validator that have no place; `rolecheck` reports them with theirs."""

_FIXES = {
    "format": "correct it; a regular expression is best put between single quotation marks",
    "required": "add it",
    "additionalProperties": "remove it or correct its spelling; extensions begin with `x-`",
    "unevaluatedProperties": "remove it or correct its spelling; extensions begin with `x-`",
}


class Source:
    """A document under examination, and the problems found so far.

    Attributes:
        document: the file.
        data: its value; empty when that is not a mapping.
        problems: what is wrong with it.
        broken: some reference leads nowhere, so not every value is known.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self.data: Mapping[str, Any] = mapping(document.data)
        self.problems: list[Problem] = list(document.problems)
        self.broken = False

    def problem(
        self, what: str, pointer: Pointer, fix: str, code: str, *, why: str = "", key: bool = False
    ) -> None:
        """Note a problem at the value, or with `key` at the key, to which `pointer` leads."""
        where = self.document.where(pointer, key=key)
        self.problems.append(Problem(what, where, why, fix, code))

    def once(self, what: str, pointer: Pointer, fix: str, code: str) -> None:
        """Note a problem, unless it has been noted at the same place before."""
        problem = Problem(what, self.document.where(pointer), "", fix, code)
        if problem not in self.problems:
            self.problems.append(problem)

    def at(self, pointer: Pointer) -> Any:
        """Return the value to which `pointer` leads, or None."""
        found = _at(self.data, pointer)
        return found[0] if found else None

    def target(self, reference: str) -> tuple[Any, Pointer] | None:
        """Return the value that a local reference names and its pointer, or None."""
        if reference == "#":
            return self.data, ()
        if not reference.startswith("#/"):
            return None
        value: Any = self.data
        pointer: Pointer = ()
        for part in reference[2:].split("/"):
            step = part.replace("~1", "/").replace("~0", "~")
            if isinstance(value, Mapping) and step in value:
                value, pointer = value[step], (*pointer, step)
            elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
                value, pointer = value[int(step)], (*pointer, int(step))
            else:
                return None
        return value, pointer

    def follow(self, value: Any, pointer: Pointer) -> tuple[dict[str, Any], Pointer]:
        """Return what `value` stands for, references resolved one level deep, and its place.

        Keywords beside a reference are joined with what it names. Where a reference leads
        nowhere, or in a circle, the result is empty.
        """
        beside: dict[str, Any] = {}
        for _ in range(50):
            current = mapping(value)
            if "$ref" not in current:
                return {**current, **beside}, pointer
            beside = {**{k: v for k, v in current.items() if k != "$ref"}, **beside}
            found = self.target(str(current["$ref"]))
            if found is None:
                return {}, pointer
            value = found[0]
            pointer = pointer if beside else found[1]
        return {}, pointer

    def inline(self, schema: Any, seen: tuple[str, ...] = ()) -> Any:
        """Return a schema that stands alone: references put in, extensions left out.

        Raises:
            RecursionError: the schema contains itself.
        """
        if isinstance(schema, list):
            return [self.inline(item, seen) for item in schema]
        if not isinstance(schema, Mapping):
            return schema
        own: dict[str, Any] = {}
        for key, value in schema.items():
            if key in _VALUES:
                own[key] = value
            elif key in _NAMED:
                own[key] = {name: self.inline(sub, seen) for name, sub in mapping(value).items()}
            elif key != "$ref" and key not in _DOCUMENT_ONLY and not key.startswith("x-"):
                own[key] = self.inline(value, seen)
        if "properties" in own:
            own.setdefault("additionalProperties", False)
        if "$ref" not in schema:
            return own
        reference = str(schema["$ref"])
        if reference in seen:
            raise RecursionError(reference)
        found = self.target(reference)
        named = self.inline(found[0] if found else {}, (*seen, reference))
        if isinstance(named, dict) and own.keys() <= ANNOTATIONS:
            return {**named, **own}
        return {"allOf": [named], **own}


def mapping(value: Any) -> Mapping[str, Any]:
    """Return `value` if it is a mapping, else an empty one: the stock validator reports it."""
    return value if isinstance(value, Mapping) else {}


def check_document(source: Source) -> bool:
    """Check that the document is OpenAPI 3.1.

    Returns:
        Whether it makes sense to look at its operations: it is a mapping of the right version.
    """
    data = source.document.data
    if data is None:
        if not source.problems:
            source.problem("the file is empty", (), "write a role document", "not-openapi")
        return False
    version = mapping(data).get("openapi")
    if version is None:
        source.problem(
            "this is not an OpenAPI document",
            (),
            "begin it with `openapi: 3.1.0`; files that are no role belong elsewhere",
            "not-openapi",
        )
        return False
    if not (isinstance(version, str) and version.startswith("3.1.")):
        source.problem(
            f"the OpenAPI version is {version!r}",
            ("openapi",),
            "write `openapi: 3.1.0`",
            "wrong-openapi",
            why="roles are OpenAPI 3.1 documents",
        )
        return False
    if _check_references(source):
        _check_stock(source)
    return True


def nodes(value: Any, pointer: Pointer = ()) -> Iterator[tuple[Pointer, Any]]:
    """Yield every value of a document with its pointer, outermost first."""
    yield pointer, value
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from nodes(item, (*pointer, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from nodes(item, (*pointer, index))


def _check_references(source: Source) -> bool:
    before = len(source.problems)
    for pointer, value in nodes(source.data):
        reference = value.get("$ref") if isinstance(value, Mapping) else None
        if not isinstance(reference, str):
            continue
        place = (*pointer, "$ref")
        found = source.target(reference)
        if not reference.startswith("#"):
            source.problem(
                f"the reference {reference!r} leads out of this file",
                place,
                "put what it names under `components` and refer to it as `#/components/...`",
                "remote-reference",
                why="a role is one file that nothing outside can change",
            )
        elif found is None:
            source.problem(
                f"the reference {reference!r} leads nowhere",
                place,
                "correct it, or add what it names; the form is `#/components/KIND/NAME`",
                "broken-reference",
            )
        elif _in_circle(source, reference, pointer):
            source.problem(
                f"the reference {reference!r} leads in a circle",
                place,
                "refer to something that is written out",
                "broken-reference",
            )
    source.broken = len(source.problems) > before
    return not source.broken


def _in_circle(source: Source, reference: str, pointer: Pointer) -> bool:
    """Whether following the reference at `pointer`, and the one that it names, leads back."""
    seen: set[Pointer] = set()
    found = source.target(reference)
    while found is not None and found[1] not in seen:
        seen.add(found[1])
        following = mapping(found[0]).get("$ref")
        found = source.target(following) if isinstance(following, str) else None
    return pointer in seen


def check_schema(source: Source, schema: Any, pointer: Pointer) -> bool:
    """Check that a schema is JSON Schema; the stock validator does not look into request bodies.

    Returns:
        Whether it is.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    dialect = Draft202012Validator(
        Draft202012Validator.META_SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    error = best_match(dialect.iter_errors(schema))
    if error is not None and not any(error.message in found.what for found in source.problems):
        _report(source, error, (*pointer, *error.absolute_path))
    return error is None


def _check_stock(source: Source) -> None:
    from openapi_spec_validator import OpenAPIV31SpecValidator

    found: list[ValidationError] = []
    try:
        for error in OpenAPIV31SpecValidator(dict(source.data)).iter_errors():
            found.append(error)  # noqa: PERF402 - what was found before it raises is kept
    except Exception as failure:  # its second pass trusts what its first pass has refused
        if not found:
            source.problem(
                f"the OpenAPI validator cannot read this document: {str(failure)[:200]}",
                (),
                "look for a value of the wrong type",
                "not-openapi",
            )
    precise = {tuple(error.absolute_path) for error in found if not error.context}
    for error in found:
        if type(error).__name__ in _OURS:
            continue
        if error.context and tuple(error.absolute_path) in precise:
            continue  # "matches none of these" says less than the reason found beside it
        _report(source, error, _place(source, error))


def _report(source: Source, error: ValidationError, pointer: Pointer) -> None:
    source.problem(
        f"not valid OpenAPI 3.1: {_shorten(error.message)}",
        pointer,
        _FIXES.get(str(error.validator), "correct it; see https://spec.openapis.org/oas/v3.1"),
        "not-openapi",
    )


def _place(source: Source, error: ValidationError) -> Pointer:
    """Return where the error is; the validator's second pass counts from the schema it is in."""
    path: Pointer = tuple(error.absolute_path)
    if _at(source.data, path) == (error.instance,):
        return path
    for pointer, _ in nodes(source.data):
        if pointer[-1:] != ("schema",) and pointer[-2:-1] != ("schemas",):
            continue
        for tail in (path, (*path, "default")):
            if tail and _at(source.data, (*pointer, *tail)) == (error.instance,):
                return (*pointer, *tail)
    return path


def _at(value: Any, pointer: Pointer) -> tuple[Any] | tuple[()]:
    """Return the value to which the pointer leads, in a tuple of one, or an empty tuple."""
    for step in pointer:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return ()
    return (value,)


def _shorten(text: str, limit: int = 200) -> str:
    return text if len(text) <= limit else f"{text[: limit - 60]} ... {text[-55:]}"
