"""The arguments of one operation: query parameters and JSON body, together one object.

A model sees one flat object of arguments. What a document may say about them is therefore
limited: no name twice, nothing that the runtime would not act on, everything that it needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.errors import nearest
from orchestrator.spec.openapi import Pointer, Source, check_schema, mapping
from orchestrator.spec.operations import KnownOperation, Schema

_JSON = "application/json"
_BODY_KEYWORDS = frozenset(
    {"type", "properties", "required", "additionalProperties", "title", "description", "examples"}
)


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of an operation.

    Attributes:
        name: its name.
        given: its schema, as the document has it.
        place: where that schema is.
        required: whether the document requires it.
        description: what the model is told about it.
        query: a query parameter; else a property of the body.
    """

    name: str
    given: Any
    place: Pointer
    required: bool
    description: str
    query: bool


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of one operation by name, in the order of the document.

    Attributes:
        by_name: the arguments.
        doubtful: names that a misspelt argument, or one that cannot be read, may stand for:
            what is wrong with it has been said, so it does not count as missing as well.
    """

    by_name: Mapping[str, Argument]
    doubtful: frozenset[str]


def read_arguments(
    source: Source, pointer: Pointer, shared: Pointer, known: KnownOperation
) -> Arguments:
    """Read the arguments of the operation at `pointer`, and check each of them.

    Args:
        source: the document; what is wrong is added to its problems.
        pointer: where the operation is.
        shared: where the parameters are that all operations of the same path have.
        known: what the runtime expects.
    """
    parameters = list(_parameters(source, shared, (*pointer, "parameters")))
    body = list(_body(source, (*pointer, "requestBody")))
    arguments: dict[str, Argument] = {}
    for argument in (*parameters, *body):
        if argument is None:
            continue
        if argument.name in arguments:
            source.problem(
                f"`{known.name}` has the argument `{argument.name}` twice",
                argument.place,
                "keep one of the two",
                "duplicate-argument",
                why="parameters and properties of the body together are one object to the model",
            )
            continue
        arguments[argument.name] = argument
        _check_known(source, argument, known)
    if None in parameters or None in body:
        return Arguments(arguments, frozenset(known.arguments))
    misspelt = {nearest(name, known.arguments) for name in arguments.keys() - known.arguments}
    doubtful = frozenset(name for name in known.arguments if name in misspelt)
    _check_required(source, pointer, Arguments(arguments, doubtful), known)
    return Arguments(arguments, doubtful)


def input_schema(source: Source, arguments: Arguments, known: KnownOperation) -> dict[str, Any]:
    """Return the arguments as one object schema that stands alone.

    What the runtime insists on is added where the document leaves it open.
    """
    properties: dict[str, Any] = {}
    for argument in arguments.by_name.values():
        try:
            given = source.inline(argument.given)
        except RecursionError as error:
            if source.broken:
                continue  # a reference in a circle has been reported as such
            source.problem(
                f"the schema of `{argument.name}` contains itself, through {str(error)!r}",
                argument.place,
                "write it out to the depth that is needed",
                "recursive-schema",
            )
            continue
        if not check_schema(source, given, argument.place):
            continue
        schema = {**known.arguments.get(argument.name, {}), **mapping(given)}
        if argument.description:
            schema["description"] = argument.description
        properties[argument.name] = schema
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name, found in arguments.by_name.items() if found.required],
        "additionalProperties": False,
    }


def _parameters(source: Source, *places: Pointer) -> Iterator[Argument | None]:
    """Yield the query parameters, those of the path first; None for one that cannot be read."""
    found: dict[tuple[str, Any], tuple[dict[str, Any], Pointer]] = {}
    for place in places:
        values = source.at(place)
        for index in range(len(values) if isinstance(values, list) else 0):
            parameter, where = source.follow(values[index], (*place, index))
            name = parameter.get("name")
            if isinstance(name, str):
                found[name, str(parameter.get("in"))] = parameter, where
            else:
                yield None
    for (name, kind), (parameter, where) in found.items():
        if kind != "query":
            source.problem(
                f"the parameter `{name}` is in: {kind}",
                (*where, "in"),
                "write `in: query`, and remove `{...}` from the path if it is there",
                "not-a-query-parameter",
                why="a path parameter cannot hold the `/` of a file's path, and a model sends "
                "neither headers nor cookies",
            )
        yield Argument(
            name,
            parameter.get("schema"),
            (*where, "schema"),
            parameter.get("required") is True,
            str(parameter.get("description", "")),
            query=True,
        )


def _body(source: Source, pointer: Pointer) -> Iterator[Argument | None]:
    """Yield the properties of the JSON body; None if there are others that cannot be read."""
    if source.at(pointer) is None:
        return
    body, where = source.follow(source.at(pointer), pointer)
    content = mapping(body.get("content"))
    if set(content) != {_JSON}:
        source.problem(
            f"the body is of type {', '.join(content) or 'none'}",
            (*where, "content"),
            f"give exactly one, `{_JSON}`",
            "not-json",
        )
        yield None
        return
    media = mapping(content[_JSON])
    schema, place = source.follow(media.get("schema"), (*where, "content", _JSON, "schema"))
    other = [key for key in schema if key not in _BODY_KEYWORDS and not key.startswith("x-")]
    if schema.get("type") != "object" or other:
        source.problem(
            "the body is not a plain object",
            (*place, *other[:1]),
            "write `type: object` with `properties` and `required`, and nothing else",
            "body-not-flat",
            why="its properties become arguments of the tool, beside the parameters",
        )
        yield None
    required = schema.get("required") if body.get("required") is True else None
    for name, given in mapping(schema.get("properties")).items():
        view, _ = source.follow(given, ())
        yield Argument(
            name,
            given,
            (*place, "properties", name),
            isinstance(required, list) and name in required,
            str(view.get("description", "")),
            query=False,
        )


def _check_known(source: Source, argument: Argument, known: KnownOperation) -> None:
    """Check that the runtime knows the argument, and takes every value that the document allows."""
    name = argument.name
    wanted = known.arguments.get(name)
    if wanted is None:
        near = nearest(name, known.arguments)
        source.problem(
            f"`{known.name}` has no argument `{name}`",
            argument.place,
            f"write `{near}`" if near else f"remove it; there are: {', '.join(known.arguments)}",
            "unknown-argument",
            why="nothing would act on it",
        )
        return
    _compare(source, f"`{name}` of `{known.name}`", argument.given, wanted, argument.place)


def _check_required(
    source: Source, pointer: Pointer, arguments: Arguments, known: KnownOperation
) -> None:
    """Check that everything is there without which the operation cannot be carried out."""
    for name in known.required:
        argument = arguments.by_name.get(name)
        if argument is None and name in arguments.doubtful:
            continue
        if argument is None:
            kind = "a query parameter" if name == known.files else "a property of the body"
            source.problem(
                f"`{known.name}` lacks the argument `{name}`",
                pointer,
                f"add {kind} `{name}` of type {known.arguments[name]['type']}, and require it",
                "missing-argument",
                key=True,
            )
        elif not argument.required:
            source.problem(
                f"`{name}` of `{known.name}` is optional",
                argument.place,
                "write `required: true` beside its name"
                if argument.query
                else f"write `required: true` in the requestBody and `required: [{name}]` in its "
                "schema",
                "argument-not-required",
                why="the operation cannot be carried out without it",
            )


def _compare(source: Source, what: str, given: Any, wanted: Schema, place: Pointer) -> None:
    """Check that a schema allows nothing that the runtime's own schema does not."""
    schema, place = source.follow(given, place)
    if not schema and "$ref" in mapping(given):
        return  # the reference itself has been reported
    expected = wanted["type"]
    stated = schema.get("type")
    if stated not in (expected, [expected]):
        source.problem(
            f"{what} has the type {stated}" if stated else f"{what} has no type",
            (*place, "type"),
            f"write `type: {expected}`",
            "wrong-type",
        )
        return
    _compare_values(source, what, schema, wanted, place)
    if "items" in wanted:
        inner = (*place, "items")
        _compare(source, f"an item of {what}", schema.get("items"), wanted["items"], inner)
    if "properties" in wanted:
        _compare_object(source, what, schema, wanted, place)


def _compare_values(
    source: Source, what: str, schema: Schema, wanted: Schema, place: Pointer
) -> None:
    """Check the values that a schema spells out against the runtime's schema."""
    from jsonschema import Draft202012Validator

    accepts = Draft202012Validator(wanted)
    choices = schema.get("enum")
    listed: list[tuple[Any, Pointer]] = [
        (schema[key], (*place, key)) for key in ("const", "default") if key in schema
    ]
    if isinstance(choices, list):
        listed += [(value, (*place, "enum", index)) for index, value in enumerate(choices)]
    for value, where in listed:
        if not accepts.is_valid(value):
            allowed = ", ".join(wanted.get("enum", ())) or wanted["type"]
            source.problem(
                f"{what} cannot be {value!r}",
                where,
                f"the operation takes: {allowed}",
                "wrong-value",
            )


def _compare_object(
    source: Source, what: str, schema: Schema, wanted: Schema, place: Pointer
) -> None:
    """Check the properties of an object that is an argument, or an item of one."""
    properties = mapping(schema.get("properties"))
    required = schema.get("required")
    for name in wanted["required"]:
        if name not in properties or not isinstance(required, list) or name not in required:
            source.problem(
                f"{what} lacks the required property `{name}`",
                place,
                f"add `{name}` to `properties` and to `required`",
                "missing-argument",
            )
    for name, given in properties.items():
        inner = (*place, "properties", name)
        if name in wanted["properties"]:
            _compare(source, f"`{name}` in {what}", given, wanted["properties"][name], inner)
            continue
        near = nearest(name, wanted["properties"])
        source.problem(
            f"{what} has no property `{name}`",
            inner,
            f"write `{near}`" if near else f"there are: {', '.join(wanted['properties'])}",
            "unknown-argument",
            key=True,
        )
    if schema.get("additionalProperties", False) is not False:
        source.problem(
            f"{what} is open to any property",
            (*place, "additionalProperties"),
            "write `additionalProperties: false`",
            "unknown-argument",
            why="nothing would act on them",
        )
