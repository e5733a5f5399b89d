"""A first plan before it is written down: tasks, and why each of them waits for others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.analysis.decomposing.assembling import as_globs
from orchestrator.core.task import Task
from orchestrator.ui.starting.commands import ProjectTests

MOST = 12
"""Tasks of a first plan, unless a strategy was named: as many as one can look over."""

_MANY = 3
"""Files in a folder from which on a glob stands for all of them."""


@dataclass(frozen=True, slots=True)
class Sketch:
    """A first plan.

    Attributes:
        tasks: the tasks, dependencies first.
        command: what tests them.
        found: what there is, one sentence each.
        notes: what the reader should know of how the plan came about, one sentence each.
        reasons: (task, the task it waits for) to why.
    """

    tasks: tuple[Task, ...]
    command: ProjectTests
    found: tuple[str, ...]
    notes: tuple[str, ...] = ()
    reasons: Mapping[tuple[str, str], str] = field(default_factory=dict)


def fold(files: Iterable[str], everything: Iterable[str]) -> tuple[str, ...]:
    """Return globs for files: where a folder has several of them, one glob for its folder.

    A glob is taken only if it matches none of `everything` beside the files. It also covers files
    that are still to be made, so a task may split its own.

    Args:
        files: the files of a task.
        everything: all files of the workspace.
    """
    rest = set(files)
    others = set(everything) - rest
    found: list[str] = []
    for folder, ending in _places(rest):
        for deep in (True, False):
            inside = {path for path in rest if _lies(path, folder, ending, deep)}
            if len(inside) >= _MANY and not any(_lies(p, folder, ending, deep) for p in others):
                above = f"{as_globs([folder])[0]}/" if folder else ""
                found.append(f"{above}{'**/' if deep else ''}*{ending}")
                rest -= inside
                break
    return (*sorted(found), *as_globs(sorted(rest)))


def _places(files: Iterable[str]) -> list[tuple[str, str]]:
    """Return all folders and endings of files, folders from the top downwards."""
    found = set()
    for path in files:
        folder, _, name = path.rpartition("/")
        dot = name.rfind(".")
        if dot <= 0:
            continue
        words = folder.split("/") if folder else []
        found |= {("/".join(words[:depth]), name[dot:]) for depth in range(len(words) + 1)}
    return sorted(found, key=lambda place: (place[0].count("/") + bool(place[0]), place))


def _lies(path: str, folder: str, ending: str, deep: bool) -> bool:
    if not path.endswith(ending) or (folder and not path.startswith(f"{folder}/")):
        return False
    return deep or "/" not in path[len(folder) + 1 if folder else 0 :]


def some(names: Sequence[str], shown: int = 3) -> str:
    """Return names for a sentence, shortened in the end."""
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")
