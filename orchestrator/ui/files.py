"""Files that a command writes where it was told to."""

from __future__ import annotations

from pathlib import Path

from orchestrator.errors import UsageError, WorkspaceError


def write_text(path: Path, text: str, *, what: str = "the file", lossy: bool = False) -> None:
    """Write a file.

    Args:
        path: where.
        text: what.
        what: what the file is, for people.
        lossy: put a question mark for what UTF-8 cannot hold (half of a surrogate pair).

    Raises:
        WorkspaceError: it cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8", errors="replace" if lossy else "strict")
    except OSError as error:
        raise WorkspaceError(
            f"{what} cannot be written",
            str(path),
            error.strerror or str(error),
            "name a file in a directory that exists and is writable",
        ) from error


def check_beside(copy: Path, plan: Path, *, what: str, option: str, suffix: str) -> None:
    """Check that a changed copy of a plan stands beside the plan, and not in its place.

    Args:
        copy: where it is to be written.
        plan: the plan.
        what: what the copy is called, for example ``the mended plan``.
        option: the option that names it.
        suffix: of a name that would do, for example ``.mended.yaml``.

    Raises:
        UsageError: it does not.
    """
    good = plan.with_suffix(suffix)
    if copy.absolute().parent.resolve() != plan.absolute().parent.resolve():
        raise UsageError(
            f"{what} would be in another directory than the plan",
            f"{option} {copy}",
            "relative paths in a plan are relative to its directory",
            f"write it beside the plan, as in {good}",
        )
    if copy.exists() and copy.samefile(plan):
        raise UsageError(
            f"{what} would replace the plan",
            f"{option} {copy}",
            "its comments and formatting would be lost",
            f"name another file, as in {good}",
        )
