"""What makes an OpenAPI document a role: known operations, file and command bounds, security.

The stock validator says whether a document is OpenAPI. The checks here say whether the runtime
can carry out what the document lists, and whether each operation is bounded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.core.scope import GlobError, Scope
from orchestrator.errors import nearest
from orchestrator.spec.arguments import Arguments, input_schema, read_arguments
from orchestrator.spec.globpattern import in_words, path_pattern
from orchestrator.spec.openapi import Pointer, Source, mapping
from orchestrator.spec.operations import METHODS, OPERATIONS, Kind, KnownOperation

_METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})


@dataclass(frozen=True, slots=True)
class Listed:
    """One operation as a role document lists it.

    Attributes:
        known: what the runtime can do under this name.
        description: what the model is told about it.
        schema: JSON Schema of all arguments together.
        files: the file bound; empty when it touches no files, or when the bound is wrong.
        place: where the bound is, or would be.
    """

    known: KnownOperation
    description: str
    schema: dict[str, Any]
    files: tuple[str, ...]
    place: Pointer


def read_operations(source: Source) -> list[Listed]:
    """Read all operations of a document; what is wrong with them goes to `source.problems`."""
    listed: list[Listed] = []
    names: dict[str, Pointer] = {}
    for pointer, shared in _operations(source):
        known = _name(source, pointer, names)
        if known is not None:
            listed.append(_read(source, pointer, shared, known))
        _check_security(source, pointer)
    if not names and not source.problems:
        source.problem(
            "the role lists no operation",
            ("paths",),
            f"add operations, for example {', '.join(list(OPERATIONS)[:3])}",
            "no-operations",
        )
    return listed


def common_bound(source: Source, listed: Sequence[Listed], kind: Kind) -> tuple[str, ...]:
    """Return the globs that all operations of a kind share; a problem when they differ."""
    bounds = [operation for operation in listed if operation.known.kind == kind and operation.files]
    for operation in bounds[1:]:
        first = bounds[0]
        if operation.files != first.files:
            source.problem(
                f"`{operation.known.name}` and `{first.known.name}` differ in `x-files`",
                operation.place,
                f"give both the same list; `{first.known.name}` has {list(first.files)}",
                "different-bounds",
                why=f"a role has one list of files that it may {kind}",
            )
    return bounds[0].files if bounds else ()


def _operations(source: Source) -> Iterator[tuple[Pointer, Pointer]]:
    """Yield where each operation is, and where the parameters are that its path shares."""
    for path in mapping(source.data.get("paths")):
        item, place = source.follow(source.data["paths"][path], ("paths", path))
        if "{" in path:
            source.problem(
                f"the path {path!r} has a path parameter",
                ("paths", path),
                "write a path without `{...}` and a query parameter instead",
                "not-a-query-parameter",
                why="a path parameter cannot hold the `/` of a file's path",
                key=True,
            )
        for method in item:
            if method in _METHODS:
                yield (*place, method), (*place, "parameters")


def _name(source: Source, pointer: Pointer, names: dict[str, Pointer]) -> KnownOperation | None:
    """Return what the runtime knows under the operation's name, if its name is known and new."""
    name = mapping(source.at(pointer)).get("operationId")
    place = (*pointer, "operationId")
    if not isinstance(name, str):
        source.problem(
            f"the operation {pointer[-1]} {pointer[-2]} has no operationId",
            pointer,
            f"add `operationId:` with one of {', '.join(OPERATIONS)}",
            "missing-operation-id",
            key=True,
        )
        return None
    if name in names:
        source.problem(
            f"the operation `{name}` is listed twice",
            place,
            f"remove one of the two; the first is at {source.document.where(names[name])}",
            "duplicate-operation",
        )
        return None
    names[name] = place
    if name not in OPERATIONS:
        near = nearest(name, OPERATIONS)
        source.problem(
            f"there is no operation `{name}`",
            place,
            f"write `{near}`" if near else f"use one of {', '.join(OPERATIONS)}",
            "unknown-operation",
            why="a role can only list what the runtime can carry out",
        )
    return OPERATIONS.get(name)


def _read(source: Source, pointer: Pointer, shared: Pointer, known: KnownOperation) -> Listed:
    """Read one operation whose name is known."""
    if pointer[-1] not in METHODS[known.kind]:
        source.problem(
            f"`{known.name}` is listed under {pointer[-1]}",
            pointer,
            f"list it under {' or '.join(METHODS[known.kind])}",
            "wrong-method",
            why="get reads, put, patch and delete write, post does everything else",
            key=True,
        )
    arguments = read_arguments(source, pointer, shared, known)
    files, place = _file_bound(source, pointer, arguments, known)
    _command_bound(source, arguments, known)
    description = _description(source, pointer, known)
    schema = input_schema(source, arguments, known)
    if files and known.files in schema["properties"]:
        _show_bound(schema["properties"][known.files], known, files)
    return Listed(known, description, schema, files, place)


def _description(source: Source, pointer: Pointer, known: KnownOperation) -> str:
    operation = mapping(source.at(pointer))
    parts = [operation.get("summary"), operation.get("description")]
    texts = [part.strip() for part in parts if isinstance(part, str) and part.strip()]
    if not texts:
        source.problem(
            f"`{known.name}` is not described",
            pointer,
            "add a `summary` and a `description`",
            "missing-description",
            why="they are all that a model knows about it",
            key=True,
        )
    if len(texts) == 2 and texts[0][-1] not in ".!?:":
        texts[0] += "."
    return "\n".join(texts)


def _file_bound(
    source: Source, pointer: Pointer, arguments: Arguments, known: KnownOperation
) -> tuple[tuple[str, ...], Pointer]:
    """Return the file bound of an operation and its place, after checking that it is sound."""
    _misplaced_bounds(source, arguments, known)
    argument = arguments.by_name.get(known.files)
    if argument is None:
        if known.files not in ("", *known.required, *arguments.doubtful):
            source.problem(
                f"`{known.name}` has no file bound",
                pointer,
                f"add a query parameter `{known.files}` with `x-files: [globs]` in its schema",
                "missing-bound",
                why="every file operation says on which files",
                key=True,
            )
        return (), pointer
    if not argument.query:
        source.problem(
            f"`{argument.name}` of `{known.name}` is in the body",
            argument.place,
            "make it a query parameter",
            "not-a-query-parameter",
        )
    schema, place = source.follow(argument.given, argument.place)
    return _globs(source, schema.get("x-files"), (*place, "x-files"), known), (*place, "x-files")


def _misplaced_bounds(source: Source, arguments: Arguments, known: KnownOperation) -> None:
    """Report `x-files` where it does nothing: whoever wrote it believes that it does."""
    for argument in arguments.by_name.values():
        if argument.name not in known.arguments:
            continue
        schema, place = source.follow(argument.given, argument.place)
        beside = argument.query and "x-files" in mapping(source.at(argument.place[:-1]))
        if beside or ("x-files" in schema and argument.name != known.files):
            target = f"the schema of `{known.files}`" if known.files else ""
            source.problem(
                f"`x-files` has no effect here, on `{argument.name}` of `{known.name}`",
                (*(argument.place[:-1] if beside else place), "x-files"),
                f"move it into {target}" if target else "remove it",
                "misplaced-bound",
                key=True,
            )


def _globs(source: Source, globs: Any, place: Pointer, known: KnownOperation) -> tuple[str, ...]:
    if not isinstance(globs, list) or not globs or not all(isinstance(g, str) for g in globs):
        source.problem(
            f"`{known.files}` of `{known.name}` has no list of globs under `x-files`",
            place,
            'write `x-files: ["src/**"]`, or `x-files: ["**"]` for all files',
            "missing-bound",
            why="every file operation says on which files",
        )
        return ()
    good = True
    for index, glob in enumerate(globs):
        try:
            Scope([glob.removeprefix("!")])
        except GlobError as error:
            good = False
            source.problem(error.what, (*place, index), error.fix, "bad-glob")
    return tuple(globs) if good else ()


def _show_bound(schema: dict[str, Any], known: KnownOperation, files: tuple[str, ...]) -> None:
    """Tell the model about the file bound, in words and where possible as a pattern."""
    if files != ("**",):
        allowed = f"Allowed files: {in_words(files)}."
        schema["description"] = f"{schema.get('description', '')} {allowed}".lstrip()
    pattern = path_pattern(files) if known.files == "path" else None
    if pattern is not None and "pattern" in schema:
        schema["allOf"] = [*schema.get("allOf", ()), {"pattern": pattern}]
    elif pattern is not None:
        schema["pattern"] = pattern


def _command_bound(source: Source, arguments: Arguments, known: KnownOperation) -> None:
    """Check that an operation that starts commands says which."""
    argument = arguments.by_name.get(known.bounded)
    if argument is None:
        return
    schema, place = source.follow(argument.given, argument.place)
    if not schema.keys() & {"enum", "const", "pattern"}:
        source.problem(
            f"`{argument.name}` of `{known.name}` allows every command",
            place,
            "list the commands under `enum`, or describe them with `pattern`",
            "missing-bound",
        )


def _check_security(source: Source, pointer: Pointer) -> None:
    """Check that the security schemes and scopes that an operation names are defined."""
    place: Pointer = (*pointer, "security")
    if source.at(place) is None:
        place = ("security",)
    schemes = mapping(source.at(("components", "securitySchemes")))
    requirements = source.at(place)
    for index in range(len(requirements) if isinstance(requirements, list) else 0):
        for name, scopes in mapping(requirements[index]).items():
            where = (*place, index, name)
            if name in schemes:
                _check_scopes(source, name, scopes, where)
                continue
            near = nearest(name, schemes)
            source.once(
                f"the security scheme `{name}` is not defined",
                where,
                f"write `{near}`" if near else "define it in components.securitySchemes",
                "undefined-scheme",
            )


def _check_scopes(source: Source, name: str, scopes: Any, place: Pointer) -> None:
    """Check that the scopes that an operation names are defined by the scheme `name`."""
    defined = _scopes(source, name)
    if defined is None or not isinstance(scopes, list):
        return
    for index, scope in enumerate(scopes):
        if str(scope) not in defined:
            near = nearest(str(scope), defined)
            source.once(
                f"the scope `{scope}` is not defined by `{name}`",
                (*place, index),
                f"write `{near}`" if near else f"define it in the flows of `{name}`",
                "undefined-scope",
            )


def _scopes(source: Source, name: str) -> list[str] | None:
    """Return the scopes that a scheme defines; None for a kind that cannot define any.

    Only OAuth2 flows list their scopes in the document; for the other kinds OpenAPI 3.1 lets an
    operation name roles that are agreed on elsewhere.
    """
    place: Pointer = ("components", "securitySchemes", name)
    scheme, _ = source.follow(source.at(place), place)
    if scheme.get("type") != "oauth2":
        return None
    flows = mapping(scheme.get("flows"))
    return [scope for flow in flows.values() for scope in mapping(mapping(flow).get("scopes"))]
