"""What tasks declared to read and write against what their accepted attempts read and wrote.

By the log alone, unlike `lab.score`, which also knows what code and tests need. Files that a task
may write are no declared reads: it reads them to edit them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.core.claims import Bounds
from orchestrator.core.scope import is_plain
from orchestrator.core.task import Task
from orchestrator.lab.transactions import Transaction, Transactions


@dataclass(frozen=True, slots=True)
class Declarations:
    """Precision and recall of declared scopes, sums over accepted tasks; None: nothing to judge.

    Attributes:
        writes_precision: of the files that tasks might write, how many they wrote.
        writes_recall: of the files that they wrote, how many they might write.
        reads_precision: of the files that they might read, how many they looked at.
        reads_recall: of the files that they looked at, how many they might read.
    """

    writes_precision: float | None
    writes_recall: float | None
    reads_precision: float | None
    reads_recall: float | None


@dataclass(slots=True)
class _Sums:
    declared: int = 0
    actual: int = 0
    both: int = 0

    def add(self, declared: frozenset[str], actual: frozenset[str]) -> None:
        self.declared += len(declared)
        self.actual += len(actual)
        self.both += len(declared & actual)

    @property
    def precision(self) -> float | None:
        return self.both / self.declared if self.declared else None

    @property
    def recall(self) -> float | None:
        return self.both / self.actual if self.actual else None


def declarations_of(
    tasks: Sequence[Task],
    bounds: Mapping[str, Bounds],
    history: Transactions,
    start: Iterable[str],
) -> Declarations:
    """Compare declared scopes with what happened.

    Args:
        tasks: all tasks.
        bounds: effective scopes by task.
        history: what each attempt read and wrote.
        start: files that were there when the run began.
    """
    universe = frozenset(start).union(history.versions)
    accepted = {one.key[0]: one for one in history.accepted()}
    writes, reads = _Sums(), _Sums()
    for task in tasks:
        if task.id not in accepted:
            continue
        may = _may_write(task, bounds[task.id], universe)
        wrote, looked = _did(accepted[task.id])
        writes.add(may, wrote)
        readable = frozenset(path for path in universe if bounds[task.id].reads.matches(path))
        reads.add(readable - may, looked - may - wrote)
    return Declarations(writes.precision, writes.recall, reads.precision, reads.recall)


def _may_write(task: Task, bounds: Bounds, universe: frozenset[str]) -> frozenset[str]:
    named = {glob.strip("/") for glob in (*task.writes, *task.shares) if is_plain(glob)}
    # A plain entry that matches nothing names a file that should have come into being.
    absent = {
        glob
        for glob in named
        if not any(path == glob or path.startswith(f"{glob}/") for path in universe)
    }
    return frozenset(path for path in universe if bounds.may_write(path)) | absent


def _did(one: Transaction) -> tuple[frozenset[str], frozenset[str]]:
    wrote = frozenset(write.path for write in one.writes)
    return wrote, frozenset(read.path for read in one.looks())
