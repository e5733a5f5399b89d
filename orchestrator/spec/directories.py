"""Whether the directories and test files that a plan names are there."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from orchestrator.core.glob import escape
from orchestrator.core.paths import PathError, canonical
from orchestrator.core.scope import Scope
from orchestrator.core.scopeindex import ScopeIndex
from orchestrator.spec.findings import Finding
from orchestrator.spec.places import Places
from orchestrator.spec.plancheck import TaskList
from orchestrator.spec.scopecheck import scope_of


def check_directories(
    places: Places, workspace: Path | None, into: Path | None, roles: Path | None
) -> list[Finding]:
    """Find directories that are missing, are files, or lie inside one another.

    Args:
        places: where the plan stands.
        workspace: absolute path, or None when the plan names none; and so on.
        into: where a copy of the workspace will be made.
        roles: the directory of role specs.
    """
    found = []
    for key, path in (("workspace", workspace), ("roles", roles)):
        kind = _kind(path) if path is not None else "directory"
        if kind != "directory":
            what = f"`{key}` is a {kind}, not a directory" if kind else f"`{key}` does not exist"
            found.append(
                Finding(
                    what,
                    places.plan(key),
                    f"it stands for {path}",
                    f"create the directory, or correct `{key}`; "
                    "it is relative to the directory of the plan file",
                    f"{key}-not-a-directory" if kind else f"missing-{key}",
                )
            )
    if into is not None:
        found.extend(_check_into(places, workspace, into))
    return found


def _check_into(places: Places, workspace: Path | None, into: Path) -> Iterator[Finding]:
    kind = _kind(into)
    if kind not in {None, "directory"}:
        yield Finding(
            f"`into` is a {kind}, not a directory",
            places.plan("into"),
            f"it stands for {into}",
            "name a directory; it is created when it is missing",
            "into-not-a-directory",
        )
    if workspace is None:
        yield Finding(
            "`into` needs a `workspace` to copy",
            places.plan("into", key=True),
            fix="add `workspace`, or remove `into`",
            code="missing-workspace",
        )
        return
    source, target = _real(workspace), _real(into)
    if source == target:
        what = "`into` and `workspace` are the same directory"
    elif source in target.parents:
        what = "`into` lies inside `workspace`"
    elif target in source.parents:
        what = "`workspace` lies inside `into`"
    else:
        return
    yield Finding(
        what,
        places.plan("into"),
        f"a copy of {source} cannot be made at {target}",
        "choose a directory beside the workspace, such as `./out`",
        "nested-directories",
    )


def check_tests(these: TaskList, workspace: Path | None) -> list[Finding]:
    """Find test files that are no workspace paths (error), or that nobody makes (warning)."""
    found = []
    root = workspace if workspace is not None and _kind(workspace) == "directory" else None
    exists: dict[str, bool] = {}
    made = _Made(these)
    for position, task in these.whole():
        for entry, test in enumerate(task.tests):
            place = these.places.task(position, "tests", entry)
            try:
                path = canonical(test.partition("::")[0])
            except PathError as error:
                found.append(Finding(error.what, place, "", error.fix, "bad-path", (task.id,)))
                continue
            if root is None:
                continue
            if path not in exists:
                exists[path] = _kind(root / path) is not None or made(path)
            if not exists[path]:
                found.append(
                    Finding(
                        f"the workspace has no `{path}`, and no task writes it",
                        place,
                        fix="correct the path, or let a task write the file",
                        code="missing-tests",
                        tasks=(task.id,),
                        severity="warning",
                    )
                )
    return found


class _Made:
    """Says whether some task may write a path; built when it is first asked."""

    def __init__(self, these: TaskList) -> None:
        self._these = these
        self._index: ScopeIndex | None = None

    def __call__(self, path: str) -> bool:
        if self._index is None:
            self._index = ScopeIndex()
            scopes = {globs for task in self._these.tasks for globs in (task.writes, task.shares)}
            for number, globs in enumerate(sorted(scopes)):
                if (scope := scope_of(globs)) is not None:
                    self._index.add(str(number), scope)
        return bool(self._index.overlapping(Scope((escape(path),))))


def _kind(path: Path) -> str | None:
    """Return what is at `path`; None when nothing is, or nothing that can be reached."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return None
    if stat.S_ISDIR(mode):
        return "directory"
    return "file" if stat.S_ISREG(mode) else "special file"


def _real(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):
        return path
