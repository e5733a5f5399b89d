"""A first plan for code whose graph is not known: one task per folder at the top."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from orchestrator.analysis.decomposing.assembling import as_globs
from orchestrator.analysis.decomposing.naming import tidy
from orchestrator.core.scope import Scope
from orchestrator.core.task import Task
from orchestrator.ui.starting.commands import ProjectTests
from orchestrator.ui.starting.sketch import MOST, Sketch
from orchestrator.ui.words import count, listed

_FOUND_TESTS = frozenset({"test", "tests", "spec", "specs", "__tests__"})
_OWN_STEP = 4.0  # seconds per file, for the order of tasks only
_LONGEST = 3600.0
_TOP = "top"


def sketch_folders(
    root: Path, files: Sequence[str], command: ProjectTests, may_write: Scope
) -> Sketch | None:
    """Return a first plan by folders, or None if there is no text that a task could change.

    Args:
        root: the directory.
        files: its files, with ``/``.
        command: what tests it.
        may_write: what the role of the tasks may write.
    """
    grouped = _grouped([path for path in files if may_write.matches(path)])
    made = dict(_tasks(root, grouped, command))
    if not made:
        return None
    kinds = _endings(files)
    found = (
        f"{count(len(files), 'file')} ({listed(kinds, 3)}), and nothing that the code graph "
        f"reads (Python, TypeScript, JavaScript), so the plan has "
        f"{count(len(made), 'task')}, one per folder",
    )
    notes = [
        "no task waits for another, because it is not known what depends on what; write "
        "`depends_on` where one must"
    ]
    aside = sorted(set(grouped) - set(made) - {""})
    if aside:
        notes.append(f"no task has {listed(aside, 6)}: no text there that the role may change")
    return Sketch(tuple(made.values()), command, found, tuple(notes))


def _grouped(files: Sequence[str]) -> dict[str, list[str]]:
    """Return files by the folder that a task is made from; "" is the top itself.

    While everything lies in one folder, its own folders count. Of many the largest are kept, and
    small ones are left to the person.
    """
    folder = ""
    while True:
        groups: dict[str, list[str]] = {}
        for path in files:
            rest = path[len(folder) :]
            first, slash, _ = rest.partition("/")
            if slash and not first.startswith(".") and first not in _FOUND_TESTS:
                groups.setdefault(f"{folder}{first}", []).append(path)
            elif not slash and not first.startswith("."):
                groups.setdefault(folder.rstrip("/"), []).append(path)
        inner = [name for name in groups if name not in ("", folder.rstrip("/"))]
        if len(inner) != 1 or set(groups) != set(inner):
            break
        folder, files = f"{inner[0]}/", groups[inner[0]]
    return groups


def _tasks(
    root: Path, groups: Mapping[str, Sequence[str]], command: ProjectTests
) -> Iterator[tuple[str, Task]]:
    chosen = sorted(groups, key=lambda name: (-len(groups[name]), name))
    deeper = {name for name in groups if any(o.startswith(f"{name}/") for o in groups)} | {""}
    used: set[str] = set()
    if len(groups) > 1:
        chosen = [name for name in chosen if name not in deeper]
    for folder in sorted(chosen[:MOST]):
        endings = _text_endings(root, groups[folder])
        if not endings:
            continue
        above = f"{as_globs([folder])[0]}/**/" if folder else ""
        task_id = tidy(folder.rpartition("/")[2]) if folder else _TOP
        while task_id in used:
            task_id += "-2"
        used.add(task_id)
        place = folder or "the top folder"
        yield (
            folder,
            Task(
                id=task_id,
                title=f"Work on {place}",
                instructions=(
                    f"Bring the goal about in {place}. Read before you change; change what the\n"
                    "goal asks for, and leave the rest as it is.\n"
                ),
                role="implementer",
                writes=tuple(f"{above}*{ending}" for ending in endings),
                test="" if command.by_file else command.text,
                estimate=min(60.0 + _OWN_STEP * len(groups[folder]), _LONGEST),
            ),
        )


def _text_endings(root: Path, files: Sequence[str]) -> list[str]:
    """Return the endings of files that hold text, commonest first; agents change text only."""
    counts: dict[str, int] = {}
    broken: set[str] = set()
    for path in files:
        ending = Path(path).suffix
        if not ending or ending in broken:
            continue
        if _is_text(root / path):
            counts[ending] = counts.get(ending, 0) + 1
        else:
            broken.add(ending)
    kept = [ending for ending in counts if ending not in broken and ending.isprintable()]
    return list(as_globs(sorted(kept, key=lambda ending: (-counts[ending], ending))))


def _is_text(path: Path) -> bool:
    try:
        return "\0" not in path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return False


def _endings(files: Sequence[str]) -> list[str]:
    counts: dict[str, int] = {}
    for path in files:
        ending = Path(path).suffix or "without an ending"
        counts[ending] = counts.get(ending, 0) + 1
    return sorted(counts, key=lambda ending: (-counts[ending], ending))
