"""Coordination modes: how agents are kept out of one another's way, everything else equal.

A mode is one small class behind the `Mode` protocol. What it decides about requests it says in
the machine's `Rules`; what it decides about threads, in `workers`; what its attempts do with
files, in `handling`. Modes of other packages are found by the entry point group
``orchestrator.modes``; how to write one is told in ``docs/modes.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from orchestrator.core.limits import Limits
from orchestrator.core.rules import Rules
from orchestrator.errors import UsageError, nearest
from orchestrator.runtime.handling import IN_PLACE, Handling, InPlace
from orchestrator.runtime.workspace import Entry, SharedTree
from orchestrator.runtime.worktree import Branches

GROUP = "orchestrator.modes"
"""Entry points under which other packages offer modes."""

Place = Literal["cut", "live"]
"""Where tests run: on a consistent cut of the workspace, or in the shared tree itself."""

VALIDATIONS = ("region", "file")
"""What makes a write stale."""

ONE_TREE = (
    "- Other agents change other files while you work. When a file that you have read changes, you "
    "are told. A write that is based on an older version is refused and shows you what changed."
)
_LOCKED = (
    "- Other agents change other files while you work. The files that you may write are held for "
    "you; those that you only read may change, and nobody tells you."
)
_FREE = (
    "- Other agents work in the same files at the same time, and nothing keeps you apart: keep to "
    "the files of your task. Whoever writes a file last wins."
)
_BRANCHED = (
    "- Other agents work on branches of their own, as you do: you do not see their work. `submit` "
    "merges yours with what was accepted meanwhile and runs the tests on the result. After a "
    "merge conflict your files hold both versions between conflict markers."
)


@dataclass(frozen=True, slots=True)
class Ground:
    """What a mode's handling of files is made from.

    Attributes:
        folder: the run's directory.
        tree: the shared tree.
        start: the files that were there when the run began.
        limits: what the run may spend.
    """

    folder: Path
    tree: SharedTree
    start: Mapping[str, Entry]
    limits: Limits


@runtime_checkable
class Mode(Protocol):
    """How agents are coordinated.

    Attributes:
        name: as written in plans and on the command line.
        tests: where tests may run; the first is what holds unless the run says otherwise.
        manners: what agents are told about working beside others, as items of a list.
        at_once: whether writes are asked for when they are made, not when the work is handed in.
    """

    name: str
    tests: tuple[Place, ...]
    manners: str
    at_once: bool

    def rules(self, limits: Limits) -> Rules:
        """Return what the machine enforces in this mode."""
        ...

    def workers(self, asked: int) -> int:
        """Return the number of worker threads when the user asked for `asked`."""
        ...

    def handling(self, ground: Ground) -> Handling:
        """Return what handles the files of a run's attempts. Called once per run with files.

        Raises:
            OrchestratorError: the mode cannot work here.
        """
        ...


class Shared:
    """Agents share one tree; write scopes are held exclusively, and what an attempt has read
    must still be current when it writes."""

    name = "shared"
    tests: tuple[Place, ...] = ("cut", "live")
    manners = ONE_TREE
    at_once = True

    def rules(self, limits: Limits) -> Rules:
        """Everything is enforced."""
        return Rules(limits=limits)

    def workers(self, asked: int) -> int:
        """As many as asked."""
        return asked

    def handling(self, ground: Ground) -> Handling:
        """Attempts write into the shared tree."""
        return IN_PLACE


class Solo(Shared):
    """One agent does the tasks one after another: the baseline."""

    name = "solo"

    def rules(self, limits: Limits) -> Rules:
        """Nobody else is there to be kept away."""
        return Rules(exclusive=False, validate_reads=False, limits=limits)

    def workers(self, asked: int) -> int:
        """One, whatever was asked."""
        return 1


class Locks(Shared):
    """Agents share one tree; write scopes are held exclusively, and that is all: file locks."""

    name = "locks"
    manners = _LOCKED

    def rules(self, limits: Limits) -> Rules:
        """What an attempt has read may have changed when it writes."""
        return Rules(validate_reads=False, limits=limits)

    def handling(self, ground: Ground) -> Handling:
        """A lock says nothing about what others do to files that one reads."""
        return InPlace(news=False)


class Uncontrolled(Shared):
    """Agents share one tree and keep to their tasks because they are told to: no claims, no
    checks, the last writer wins, as in most tools that work in a shared directory."""

    name = "uncontrolled"
    tests: tuple[Place, ...] = ("live", "cut")
    manners = _FREE

    def rules(self, limits: Limits) -> Rules:
        """Nothing but the limits is enforced."""
        return Rules(
            exclusive=False, validate_reads=False, check_base=False, bounded=False, limits=limits
        )

    def handling(self, ground: Ground) -> Handling:
        """Each read sees the tree as it stands, whoever is at work there."""
        return InPlace(news=False, fresh=True)


class Worktree(Shared):
    """Each attempt works on a git branch of its own; a merge queue tests and accepts the merged
    results one after another."""

    name = "worktree"
    tests: tuple[Place, ...] = ("cut",)
    manners = _BRANCHED
    at_once = False

    def rules(self, limits: Limits) -> Rules:
        """Branches need no claims, and reads are checked by the tests of the merged result."""
        return Rules(exclusive=False, validate_reads=False, limits=limits)

    def handling(self, ground: Ground) -> Handling:
        """Writes stay in the attempt's branch until they are merged.

        Raises:
            UsageError: git is missing or too old.
        """
        return Branches.open(
            ground.folder / "worktree.git", ground.tree, ground.start, ground.limits.lease
        )


MODES: Mapping[str, Mode] = {
    mode.name: mode for mode in (Shared(), Solo(), Locks(), Uncontrolled(), Worktree())
}
"""The modes of this package."""


def mode_names() -> tuple[str, ...]:
    """Return the names of all modes that there are, those of other packages last."""
    others = sorted(point.name for point in entry_points(group=GROUP))
    return tuple(dict.fromkeys((*MODES, *others)))


def find_mode(name: str) -> Mode:
    """Return the mode with this name.

    Raises:
        UsageError: there is no such mode, or the package that offers it cannot be used.
    """
    if name in MODES:
        return MODES[name]
    for point in entry_points(group=GROUP, name=name):
        return _loaded(name, point.value, point.load)
    names = mode_names()
    raise UsageError(
        f"mode {name!r} is not available",
        "--mode, or `mode` in the plan",
        f"there are the modes {', '.join(names)}",
        f"use --mode {nearest(name, names) or 'shared'}",
    )


def _loaded(name: str, value: str, load: Callable[[], object]) -> Mode:
    """Return the mode that an entry point names: a class, or an object."""
    try:
        found = load()
        mode = found() if isinstance(found, type) else found
    except Exception as error:  # somebody else's code
        raise _broken(name, value, f"{type(error).__name__}: {error}") from error
    if not isinstance(mode, Mode):
        raise _broken(name, value, "what it names lacks something that a mode has")
    return mode


def _broken(name: str, value: str, why: str) -> UsageError:
    return UsageError(
        f"mode {name!r} cannot be used",
        f"entry point {name} = {value}",
        why,
        "mend or remove the package that offers it (see docs/modes.md), or use another mode",
    )


def choose_validation(asked: str) -> str:
    """Return what makes a write stale.

    Raises:
        UsageError: it is neither ``region`` nor ``file``.
    """
    if asked in VALIDATIONS:
        return asked
    raise UsageError(
        f"writes cannot be validated by {asked!r}",
        "--validate, or `validate` in the plan",
        "a write is stale when the regions that it touches have changed, or when the file has",
        f"use --validate {nearest(asked, VALIDATIONS) or VALIDATIONS[0]}",
    )


def choose_tests(mode: Mode, asked: str = "") -> Place:
    """Return where tests run in this mode.

    Args:
        asked: ``cut`` or ``live``; empty: what the mode does by itself.

    Raises:
        UsageError: the mode cannot do that.
    """
    if not asked:
        return mode.tests[0]
    for place in mode.tests:
        if place == asked:
            return place
    raise UsageError(
        f"tests cannot run {asked!r} in mode {mode.name}",
        "--tests, or `tests` in the plan",
        "in mode worktree they run on the merged result"
        if mode.name == "worktree"
        else f"it has {' and '.join(mode.tests)}",
        f"use --tests {nearest(asked, mode.tests) or mode.tests[0]}, or leave it out",
    )
