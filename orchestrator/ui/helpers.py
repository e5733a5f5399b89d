"""`roles`, `scope overlaps` and `schema`."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from orchestrator.errors import Problem, RoleError, UsageError
from orchestrator.ui.output import say, say_json


def show_roles(directory: Path | None, *, as_json: bool) -> None:
    """Print the roles of a directory and the built-in ones.

    Raises:
        RoleError: some of them are not valid; all their mistakes are in `problems`.
    """
    from orchestrator.spec.roles import Role, load_roles

    roles = load_roles(directory)
    loaded: list[Role] = []
    problems: list[Problem] = []
    for name in sorted(roles):
        try:
            loaded.append(roles[name])
        except RoleError as error:
            problems += error.problems
    if problems:
        raise RoleError("some roles have mistakes", str(directory or ""), problems=problems)
    if as_json:
        say_json([_role_json(role) for role in loaded])
        return
    for role in loaded:
        for line in _role_lines(role):
            say(line)


def _role_json(role: Any) -> dict[str, Any]:
    return {
        "name": role.name,
        "summary": role.summary,
        "operations": [
            {"name": operation.name, "kind": operation.kind, "files": list(operation.files)}
            for operation in role.operations
        ],
        "reads": list(role.reads),
        "writes": list(role.writes),
        "path": str(role.path),
        "digest": role.digest,
    }


def _role_lines(role: Any) -> Iterator[str]:
    yield f"{role.name}: {role.summary}" if role.summary else role.name
    operations = ", ".join(operation.name for operation in role.operations)
    for title, text in (
        ("operations", operations),
        ("reads", ", ".join(role.reads) or "no files"),
        ("writes", ", ".join(role.writes) or "no files"),
    ):
        yield from textwrap.wrap(
            text,
            width=96,
            initial_indent=f"  {title:<10}  ",
            subsequent_indent=" " * 14,
            break_long_words=False,
            break_on_hyphens=False,
        )


def show_overlap(a: str, b: str) -> int:
    """Print whether some path matches both globs, and which; return the exit code.

    Raises:
        UsageError: one of the texts is not a glob, or both are not.
    """
    from orchestrator.core.scope import GlobError, Scope, witness

    problems = []
    for name, glob in (("A", a), ("B", b)):
        try:
            Scope((glob,))
            if glob.startswith("!"):
                witness(glob, "**")  # refuses exclusions, and says what to write instead
        except GlobError as error:
            problems.append(Problem(error.what, name, fix=error.fix, code="bad-glob"))
    if problems:
        first = problems[0]
        what = first.what if len(problems) == 1 else "neither is a glob"
        where, fix = (first.where, first.fix) if len(problems) == 1 else ("", "")
        raise UsageError(what, where, fix=fix, problems=problems[1:] and problems)
    found = witness(a, b)
    say("no" if found is None else f"yes {found}")
    return 1 if found is None else 0


def show_schema(what: str) -> None:
    """Print a JSON Schema: of plan files, or of events."""
    if what == "plan":
        from importlib.resources import files

        text = (files("orchestrator.spec") / "plan.schema.json").read_text(encoding="utf-8")
        say(text.rstrip("\n"))
    else:
        from orchestrator.ui.schemas import event_schema

        say_json(event_schema())
