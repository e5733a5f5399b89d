"""The directory of a run: its event log, its blobs, its private copies."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Collection, Iterable
from pathlib import Path

from orchestrator.errors import Problem, UsageError, WorkspaceError, nearest

STATE = ".orchestrator"
"""Folder for what is ours, beside a plan and in a workspace."""

_SHOWN = 5  # runs that an error names


class RunDir:
    """The directory of one run.

    Args:
        path: the directory; its last part is the run's id unless the user chose another.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    @property
    def events(self) -> Path:
        """The event log."""
        return self.path / "events.db"

    @property
    def blobs(self) -> Path:
        """The contents."""
        return self.path / "blobs"

    @property
    def control(self) -> Path:
        """Where a live run says how to reach it."""
        return self.path / "control.json"

    @property
    def copies(self) -> Path:
        """The private copies of the workers."""
        return self.path / "copies"

    @classmethod
    def create(cls, path: Path) -> RunDir:
        """Make the directory of a new run.

        Args:
            path: absent, or an empty directory.

        Raises:
            WorkspaceError: it holds something, or it cannot be made; nothing was overwritten.
        """
        run = cls(path)
        if _holds_something(run.path):
            raise _taken(run)
        if run.path.parent.name == "runs" and run.path.parent.parent.name == STATE:
            make_state_folder(run.path.parent.parent.parent)
        try:
            run.path.mkdir(parents=True, exist_ok=True)
            # The directory may lie inside a workspace: no tool must take it for part of it.
            _ignore_all(run.path)
            run.blobs.mkdir()
            run.copies.mkdir()
            # Linters and search tools heed the ignore files of all folders above. In a private
            # copy they would find nothing and report success; `.ignore` overrules `.gitignore`.
            (run.copies / ".ignore").write_text("!*\n", encoding="utf-8")
        except OSError as error:
            raise _unwritable(run.path, error) from error
        return run

    def discard(self) -> None:
        """Remove the directory of a run that has not begun: one without an event log."""
        if self.events.exists():
            return
        shutil.rmtree(self.path, ignore_errors=True)
        runs, state = self.path.parent, self.path.parent.parent
        if state.name == STATE and not _holds_something(runs):
            runs.rmdir()
            if [entry.name for entry in state.iterdir()] == [".gitignore"]:
                shutil.rmtree(state, ignore_errors=True)

    def remove_copies(self, late: Collection[str] = ()) -> None:
        """Remove the private copies, but for those that the workers `late` may still use."""
        for copy in self.copies.iterdir():
            if copy.is_dir() and copy.name.removesuffix(".tmp") not in late:
                shutil.rmtree(copy, ignore_errors=True)

    @classmethod
    def open(cls, path: Path) -> RunDir:
        """Return the directory of a run that was started before.

        Raises:
            WorkspaceError: there is no event log in it.
        """
        run = cls(path)
        if not run.events.is_file():
            raise WorkspaceError(
                "this is not the directory of a run",
                str(run.path),
                "it holds no events.db",
                "give a run's id, or the directory that `run` named at its start",
            )
        return run


def new_run_id() -> str:
    """Return a new id: UTC time, so that ids sort by age, and six random digits."""
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"


def make_state_folder(base: Path) -> Path:
    """Make the folder for what is ours in `base`, hidden from git, and return it.

    Raises:
        WorkspaceError: it cannot be made.
    """
    folder = base / STATE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / ".gitignore").exists():
            _ignore_all(folder)
    except OSError as error:
        raise _unwritable(folder, error) from error
    return folder


def find_run(text: str, base: Path, plans: Iterable[Path] = ()) -> Path:
    """Find the directory of a run.

    Args:
        text: the directory, its event log, the run's id, or an unmistakable beginning of the id.
        base: directory that a relative path starts from.
        plans: further directories to look for ids in, those of plans.

    Raises:
        UsageError: there is none, or several begin so; the runs that may be meant are named.
    """
    place = base / Path(text).expanduser()
    if place.name == "events.db" and place.is_file():
        return place.parent.absolute()
    if (place / "events.db").is_file():
        return place.absolute()
    runs = _runs([base, Path.cwd(), *plans])
    if text in runs:
        return runs[text]
    begun = sorted(name for name in runs if text and name.startswith(text))
    if len(begun) == 1:
        return runs[begun[0]]
    if begun:
        raise UsageError(
            f"{len(begun)} runs begin with {text!r}",
            fix="say more of the id",
            problems=[Problem(name, str(runs[name])) for name in begun[-_SHOWN:]],
        )
    raise _unknown(text, base, runs)


def _unknown(text: str, base: Path, runs: dict[str, Path]) -> UsageError:
    if not runs:
        return UsageError(
            f"there is no run {text!r}",
            str(base),
            f"there are no runs in {base / STATE / 'runs'}",
            "give the directory of the run, or start one",
        )
    close = nearest(text, runs)
    latest = sorted(runs, reverse=True)[:_SHOWN]
    return UsageError(
        f"there is no run {text!r}",
        str(base),
        f"the latest runs are {', '.join(latest)}",
        f"did you mean {close}?" if close else "give one of these, or the directory of the run",
    )


def _runs(bases: Iterable[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for base in bases:
        for log in sorted((base / STATE / "runs").glob("*/events.db")):
            found.setdefault(log.parent.name, log.parent.absolute())
    return found


def _holds_something(path: Path) -> bool:
    try:
        return any(path.iterdir())
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _unwritable(path, error) from error


def _ignore_all(folder: Path) -> None:
    (folder / ".gitignore").write_text("*\n", encoding="utf-8")


def _taken(run: RunDir) -> WorkspaceError:
    if run.events.exists():
        return WorkspaceError(
            "the run directory holds a run already",
            str(run.path),
            "each run has a log of its own",
            "resume that run, or choose another directory with --run-dir",
        )
    names = sorted(entry.name for entry in run.path.iterdir())
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    begun = {"blobs", "copies"}.issubset(names)
    return WorkspaceError(
        "the run directory is not empty, and holds no run",
        str(run.path),
        "a run that was ended before it had begun left it, without a log (events.db)"
        if begun
        else f"nothing there is overwritten: {', '.join(names[:_SHOWN])}{more}",
        "remove it, or choose another directory with --run-dir"
        if begun
        else "choose a directory that is absent or empty with --run-dir",
    )


def _unwritable(path: Path, error: OSError) -> WorkspaceError:
    return WorkspaceError(
        "the directory cannot be made",
        str(path),
        error.strerror or str(error),
        "make the directory above it writable, or choose another with --run-dir",
    )
