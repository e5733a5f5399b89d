"""What the path and the text of a tool call must pass, and how a no is worded for a model.

Whatever is refused here raises `ToolRefusedError`.
"""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.core.decision import listed
from orchestrator.core.paths import PathError, canonical, leaves
from orchestrator.core.scope import GlobError, Scope
from orchestrator.runtime.context import Context

WRITE_LIMIT = 5_000_000
"""Bytes that one write may have."""


GLOB_LIMIT = 400
"""Characters of a glob that a model names."""

STARS_LIMIT = 12
"""`**` in such a glob. With each, comparing takes longer: 1,300 of them took over 16 s, during
which everybody waits for the coordinator."""

GLOBS_LIMIT = 100
"""Globs in one list."""

SHOWN = 120
"""Characters of a name or a path that a refusal repeats."""


class ToolRefusedError(Exception):
    """A tool says no.

    Attributes:
        why: what stands against it, for the model.
        fix: what it should do instead.
    """

    def __init__(self, why: str, fix: str) -> None:
        self.why, self.fix = why, fix
        super().__init__(why)


class OutsideScopeError(ToolRefusedError):
    """A call leaves the effective scope.

    Attributes:
        path: where it leads.
    """

    def __init__(self, path: str, why: str, fix: str) -> None:
        self.path = path
        super().__init__(why, fix)


def plain(path: str) -> str:
    """Return a path as the workspace knows it."""
    try:
        return canonical(path)
    except PathError as error:
        raise _no_place(path, error) from None


def test_names(tests: Iterable[str]) -> tuple[str, ...]:
    """Return names of test files, fit to stand in a command."""
    names = tuple(plain(path) for path in tests)
    for name in names:
        if name.startswith("-"):
            raise ToolRefusedError(
                f"{shown(name)!r} would be an option of the test command, not a file",
                "name test files only",
            )
    return names


def wanted_files(globs: Iterable[str]) -> Scope:
    """Return the files that globs of a model name."""
    globs = tuple(globs)
    if len(globs) > GLOBS_LIMIT or any(
        len(glob) > GLOB_LIMIT or glob.count("**") > STARS_LIMIT for glob in globs
    ):
        raise ToolRefusedError(
            f"at most {GLOBS_LIMIT} globs of at most {GLOB_LIMIT} characters, with at most "
            f"{STARS_LIMIT} `**` in each, are allowed",
            "name folders instead of single files, or ask for less at a time",
        )
    try:
        return Scope(globs)
    except GlobError as error:
        outside = next(filter(leaves, globs), "")
        raise _no_place(outside, error) from None


def _no_place(text: str, error: PathError | GlobError) -> ToolRefusedError:
    """Return the refusal of a text that names nothing in the workspace."""
    if leaves(text):
        return OutsideScopeError(shown(text), error.what, error.fix)
    return ToolRefusedError(error.what, error.fix)


def shown(text: object) -> str:
    """Return what a model sent as a text of bearable length, fit for a log and a screen."""
    if not isinstance(text, str):
        text = repr(text)
    beginning = text[:SHOWN]
    plain = beginning if beginning.isprintable() else repr(beginning)
    return plain if len(text) <= SHOWN else f"{plain}..."


def may_read(context: Context, path: str) -> bool:
    """Whether the attempt may read a file: what it may write, it may read."""
    bounds = context.files.bounds
    return bounds.reads.matches(path) or bounds.may_write(path)


def need_read(context: Context, path: str) -> None:
    """Refuse a file that the attempt may not read."""
    if not may_read(context, path):
        may = listed(context.files.bounds.reads.globs)
        why = f"{path} is outside the files that you may read"
        raise OutsideScopeError(path, why, f"keep to {may}")


def need_write(context: Context, path: str) -> None:
    """Refuse a file that the attempt may not write."""
    bounds = context.files.bounds
    if not bounds.may_write(path):
        may = listed((*bounds.writes.globs, *bounds.shares.globs))
        raise OutsideScopeError(
            path,
            f"{path} is outside the files that you may write",
            f"keep to {may}; if the task cannot be done without {path}, ask for it with "
            "widen_scope if you have that tool, else give up and say why",
        )
    _need_no_link(context, path)


def _need_no_link(context: Context, path: str) -> None:
    link = context.files.view.copy.obstacle(path)
    if link:
        raise OutsideScopeError(path, link, "work on the files that list_files shows")


def need_file(context: Context, path: str) -> None:
    """Refuse a file that is not there, and say what is there instead."""
    files = context.files
    if files.view.version(path).digest is not None:
        return
    if files.has_read(path):
        files.read(path)  # that it is gone is known from now on
    if any(other.startswith(f"{path}/") for other in files.view.paths()):
        raise ToolRefusedError(
            f"{path} is a directory", f"list_files with the glob {path} lists it"
        )
    _need_no_link(context, path)
    raise ToolRefusedError(f"{path} does not exist", "list_files shows what does")


def text_of(context: Context, path: str) -> str:
    """Return the text of a file as the attempt sees it."""
    need_file(context, path)
    data = context.files.view.copy.read(path) or b""
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ToolRefusedError(
            f"{path} is not text ({len(data)} bytes)", "leave it as it is"
        ) from None


def line_ends(text: str, old: str) -> str:
    """Say so when it is only for the line ends that a text does not occur."""
    if "\r\n" in text and old.replace("\r\n", "\n").replace("\n", "\r\n") in text:
        return ", whose lines end in \\r\\n, not in \\n"
    return ""


def encoded(content: str) -> bytes:
    """Return a text as the bytes of a file."""
    try:
        data = content.encode()
    except UnicodeEncodeError:
        raise ToolRefusedError(
            "the content has characters that cannot be stored (lone surrogates)", "leave them out"
        ) from None
    if len(data) > WRITE_LIMIT:
        raise ToolRefusedError(
            f"the content has {len(data)} bytes; {WRITE_LIMIT} are allowed in one write",
            "split it into several files",
        )
    return data
