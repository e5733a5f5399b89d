"""Which files change together, by git's history: a sign of coupling that no import shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from orchestrator.analysis.versioned import governed_by_git, run_git
from orchestrator.errors import WorkspaceError

COMMITS = 2_000
"""Commits looked at, latest first."""

_WIDEST = 30  # files; a commit that changes more is a sweep (a rename, a formatter), not coupling
_LEAST = 3  # commits together, before two files are said to change together
_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class CoChange:
    """Two files that are often changed together.

    Attributes:
        one: path that comes first in order.
        other: the other path.
        together: commits that changed both.
        share: `together` over the commits of the file that has fewer, 0 to 1.
    """

    one: str
    other: str
    together: int
    share: float


def co_changes(root: Path, paths: Collection[str]) -> tuple[CoChange, ...]:
    """Return the pairs of files that change together, by falling share.

    Args:
        root: the directory.
        paths: the files that matter.

    Returns:
        Nothing when git does not govern the directory, or it has no commits.
    """
    if not governed_by_git(root):
        return ()
    try:
        text = run_git(
            root, "log", f"-n{COMMITS}", "--no-merges", "--no-renames", "--relative",
            "--name-only", "-z", "--format=%x01",
        )  # fmt: skip
    except WorkspaceError:  # a repository without a commit
        return ()
    known = frozenset(paths)
    alone: Counter[str] = Counter()
    both: Counter[tuple[str, str]] = Counter()
    for commit in text.split("\x01")[1:]:
        changed = sorted({name.lstrip("\n") for name in commit.split("\0")} & known)
        if len(changed) <= _WIDEST:
            alone.update(changed)
            both.update(combinations(changed, 2))
    found = (
        CoChange(one, other, together, together / min(alone[one], alone[other]))
        for (one, other), together in both.items()
        if together >= _LEAST
    )
    return tuple(
        sorted(
            (pair for pair in found if pair.share >= _SHARE),
            key=lambda pair: (-pair.share, -pair.together, pair.one, pair.other),
        )
    )
