"""Roles: what an agent may do, read from OpenAPI 3.1 documents.

Each operation of a role document becomes one tool of the model. A role can do nothing that its
document does not list: there are no tools but these, their arguments are checked against the
document's schemas, and files are bounded by its `x-files`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from orchestrator.errors import Problem, RoleError
from orchestrator.models.base import ToolSpec
from orchestrator.spec.openapi import Source, check_document, mapping
from orchestrator.spec.operations import Kind
from orchestrator.spec.rolecheck import Listed, common_bound, read_operations
from orchestrator.spec.toolinput import InputCheck
from orchestrator.spec.yamldoc import read_document, shown_path

SUFFIXES = frozenset({".yaml", ".yml", ".json"})
"""Endings of the files in a directory of roles that are read; the others are left alone."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a role.

    Attributes:
        name: its `operationId`.
        kind: whether it reads files, writes a file, starts a command or only coordinates.
        tool: the operation as the model sees it.
        files: globs of the files that it may touch; empty when it touches none.
    """

    name: str
    kind: Kind
    tool: ToolSpec
    files: tuple[str, ...]
    _check: InputCheck = field(repr=False, compare=False)

    def check(self, given: Any) -> list[str]:
        """Check the arguments of a call. May be called from several threads at once.

        Args:
            given: what the model sent.

        Returns:
            Sentences for the model: what is wrong and what is allowed; none when all is well.
        """
        return self._check(given)


@dataclass(frozen=True, slots=True)
class Role:
    """A named set of operations and file bounds.

    Attributes:
        name: `info.title` of the document.
        summary: `info.summary`: one line for people; may be empty.
        description: `info.description`: what the agent is told about its part.
        operations: what it may do, in the order of the document.
        reads: globs of the files that it may read; none when it reads no files.
        writes: globs of the files that it may write; none when it writes no files.
        path: the document.
        digest: SHA-256 of the document in hexadecimal.
    """

    name: str
    summary: str
    description: str
    operations: tuple[Operation, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    path: Path
    digest: str

    @property
    def tools(self) -> tuple[ToolSpec, ...]:
        """The operations as the model sees them."""
        return tuple(operation.tool for operation in self.operations)

    def operation(self, name: str) -> Operation | None:
        """Return the operation of that name, or None when the role does not have it."""
        return next((found for found in self.operations if found.name == name), None)


class Roles(Mapping[str, Role]):
    """Roles by name. A document is checked when its role is asked for, and then kept."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = dict(files)
        self._loaded: dict[str, Role] = {}

    def __getitem__(self, name: str) -> Role:
        """Return the role.

        Raises:
            KeyError: there is no role of that name.
            RoleError: its document is not a valid role.
        """
        if name not in self._loaded:
            path = self._files[name]
            builtin = path.parent == builtin_directory()
            self._loaded[name] = _load_builtin(path) if builtin else load_role(path)
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self._files

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def builtin_directory() -> Path:
    """Return the directory of the roles that come with this package."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "roles"
    return installed if installed.is_dir() else package.parent / "roles"


def load_roles(directory: Path | None = None) -> Roles:
    """Return the roles of a directory and, under the names that it leaves free, the built-in ones.

    Args:
        directory: where role documents are (``.yaml``, ``.yml``, ``.json``; not below it); None:
            the built-in ones alone.

    Raises:
        RoleError: the directory cannot be read, a document has no name, or two have the same.
            What else is wrong with a document is raised when its role is asked for.
    """
    builtin = {path.stem: path for path in _documents(builtin_directory())}
    return Roles(builtin if directory is None else {**builtin, **_named(directory)})


def load_role(path: Path) -> Role:
    """Read a role document and check it.

    Raises:
        RoleError: it is not a valid role; every mistake is in `problems`.
    """
    source = Source(read_document(path))
    listed: list[Listed] = []
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    if check_document(source):
        _check_title(source)
        listed = read_operations(source)
        reads = common_bound(source, listed, "read")
        writes = common_bound(source, listed, "write")
    if source.problems:
        raise _role_error(path, source.problems)
    info = mapping(source.data["info"])
    summary = str(info.get("summary", ""))
    return Role(
        name=info["title"],
        summary=summary,
        description=str(info.get("description", summary)).strip(),
        operations=tuple(_operation(found) for found in listed),
        reads=reads,
        writes=writes,
        path=path,
        digest=source.document.digest,
    )


@cache
def _load_builtin(path: Path) -> Role:
    return load_role(path)


def _operation(listed: Listed) -> Operation:
    known = listed.known
    tool = ToolSpec(known.name, listed.description, listed.schema)
    check = InputCheck(known, listed.schema, listed.files)
    return Operation(known.name, known.kind, tool, listed.files, check)


def _check_title(source: Source) -> None:
    title = mapping(source.data.get("info")).get("title")
    if isinstance(title, str) and (not title.strip() or title != " ".join(title.split())):
        source.problem(
            f"the title {title!r} cannot be the name of a role",
            ("info", "title"),
            "write a short name, for example `title: implementer`",
            "bad-title",
            why="plans name the role by it",
        )


def _documents(directory: Path) -> list[Path]:
    """Return the role documents of a directory, in the order of their names."""
    return sorted(
        path
        for path in directory.iterdir()
        if path.suffix in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )


def _named(directory: Path) -> dict[str, Path]:
    """Return the documents of a directory by the name of their role."""
    try:
        documents = _documents(directory)
    except OSError as error:
        raise RoleError(
            f"the directory of roles cannot be read: {error.strerror}",
            shown_path(directory),
            fix="correct `roles:` in the plan, or leave it out to use the built-in roles",
        ) from error
    named: dict[str, Path] = {}
    problems: list[Problem] = []
    for path in documents:
        source = Source(read_document(path))
        title = mapping(source.data.get("info")).get("title")
        if not isinstance(title, str):
            before = len(source.problems)
            if check_document(source) and len(source.problems) == before:
                source.problem("the role has no name", ("info",), "add `title:`", "missing-title")
            problems += source.problems
        elif title in named:
            source.problem(
                f"there are two roles `{title}`",
                ("info", "title"),
                f"rename one of them; the other is {shown_path(named[title])}",
                "duplicate-role",
            )
            problems += source.problems
        else:
            named[title] = path
    if problems:
        raise _role_error(directory, problems)
    return named


def _role_error(path: Path, problems: list[Problem]) -> RoleError:
    count = f"{len(problems)} mistakes" if len(problems) > 1 else "a mistake"
    kind = "directory of roles" if path.is_dir() else "role"
    return RoleError(
        f"this {kind} has {count}", shown_path(path), problems=sorted(problems, key=_position)
    )


def _position(problem: Problem) -> tuple[str, int, int]:
    match = re.fullmatch(r"(.*?):(\d+):(\d+)", problem.where, re.DOTALL)
    return (match[1], int(match[2]), int(match[3])) if match else (problem.where, 0, 0)
