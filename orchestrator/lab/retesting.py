"""Semantic conflicts: each task's tests pass with its own work, and fail with all of it together.

No reading or writing is wrong then: two pieces of work do not fit. The log has the evidence of
the first half only (the tests that each task passed), so the tests are run again: on the tree as
it is at the end and, where they fail there, on the trees in between, to find the accepted work
since which they fail.

A tree in between holds the work that had been accepted by then and nothing half-done. In files
that several tasks edit at once it may hold lines of those that were not accepted yet.
"""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.events import Added, Event
from orchestrator.core.task import Task
from orchestrator.lab.anomalies import Anomaly
from orchestrator.lab.transactions import FileVersion, Transaction, Transactions
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.commands import CommandResult, Commands
from orchestrator.runtime.copies import Change, PrivateCopy
from orchestrator.runtime.header import Header
from orchestrator.runtime.sandboxed import sandboxed_commands
from orchestrator.runtime.scan import Entry
from orchestrator.runtime.workspace import SharedTree

SECONDS = 600.0
"""Seconds that one run of a task's tests may take."""

_SHOWN = 160


@dataclass(frozen=True, slots=True)
class Retest:
    """What came of running the tests again.

    Attributes:
        anomalies: semantic conflicts.
        notes: tests that fail for another reason, or that could not be run.
        runs: how often tests were run.
    """

    anomalies: tuple[Anomaly, ...]
    notes: tuple[str, ...]
    runs: int


def retest(
    header: Header,
    events: Sequence[Event],
    entries: Mapping[str, Entry],
    tree: SharedTree,
    commands: Commands | None = None,
) -> Retest:
    """Run the tests of accepted tasks again, in a copy of the tree; the tree is only read.

    Args:
        header: of the run's log.
        events: what was recorded, in order.
        entries: the files that were there at the start.
        tree: the shared tree.
        commands: runs the tests; None: as processes of this machine, in a sandbox.

    Raises:
        WorkspaceError: files are lost.
    """
    added = [task for event in events if isinstance(event, Added) for task in event.tasks]
    known = {task.id: task for task in (*header.tasks, *added)}
    with _bench(header, tree, commands) as bench:
        again = _Again(Transactions(events), entries, bench)
        for number, one in enumerate(again.accepted, 1):
            task = known.get(one.key[0])
            if task is not None and task.test:
                again.judge(task, number)
    return Retest(tuple(again.anomalies), tuple(again.notes), again.runs)


@dataclass(frozen=True, slots=True)
class _Bench:
    copy: PrivateCopy
    commands: Commands


@contextmanager
def _bench(header: Header, tree: SharedTree, commands: Commands | None) -> Iterator[_Bench]:
    with tempfile.TemporaryDirectory(prefix="orchestrator-") as name:
        folder = Path(name)
        (folder / ".ignore").write_text("!*\n", encoding="utf-8")
        if commands is None:
            outputs = BlobStore(folder / "blobs", durable=False)  # a check leaves the run alone
            commands = sandboxed_commands(header, tree, outputs, folder, (tree.root,))
        yield _Bench(PrivateCopy(folder / "tree", tree), commands)


class _Again:
    """Tests run again on the trees after each acceptance; tree 0 is that of the start."""

    def __init__(self, history: Transactions, entries: Mapping[str, Entry], bench: _Bench) -> None:
        self.accepted = history.accepted()
        self.anomalies: list[Anomaly] = []
        self.notes: list[str] = []
        self.runs = 0
        self._history, self._entries, self._bench = history, entries, bench

    def judge(self, task: Task, number: int) -> None:
        """Run the tests of the task that was accepted as the `number`-th."""
        last = len(self.accepted)
        failed = self._test(task, last)
        if failed is None:
            return
        alone = self._test(task, number) if number < last else failed
        if alone is not None:
            self.notes.append(
                f"the tests of `{task.id}` fail on the tree with the work that had been accepted "
                "by then, its own included: they are unsteady, or need what was still going on"
            )
            return
        green, red = number, last
        while red - green > 1:
            middle = (green + red) // 2
            found = self._test(task, middle)
            green, red = (middle, red) if found is None else (green, middle)
            failed = found or failed
        self.anomalies.append(self._conflict(task, self.accepted[number - 1], red, failed))

    def _conflict(self, task: Task, own: Transaction, red: int, failed: CommandResult) -> Anomaly:
        breaker = self.accepted[red - 1]
        files = tuple(dict.fromkeys(write.path for write in breaker.writes))
        return Anomaly(
            "semantic conflict",
            (task.id, breaker.key[0]),
            files,
            breaker.ended or 0.0,
            f"The tests of `{task.id}` passed with its own work, accepted at {own.ended:.3g} s, "
            f"and fail since that of `{breaker.key[0]}` was accepted at {breaker.ended:.3g} s "
            f"(it wrote {', '.join(files) or 'nothing'}): {_last_line(failed)}.",
        )

    def _test(self, task: Task, number: int) -> CommandResult | None:
        """Run tests on one tree; None: they pass."""
        copy = self._bench.copy
        copy.sync(self._tree(number))
        names = " ".join(shlex.quote(path) for path in task.tests)
        command = task.test.replace("{tests}", names)
        self.runs += 1
        result = self._bench.commands.run(command, copy.root, timeout=SECONDS, tmp=copy.tmp)
        copy.restore(list(copy.changed()))
        return None if result.exit_code == 0 else result

    def _tree(self, number: int) -> list[Change]:
        """Return what each file held after some acceptances, for the copy to follow."""
        by_then = {one.key for one in self.accepted[:number]}
        until = self.accepted[number - 1].closed or 0
        found: list[Change] = []
        for path in dict.fromkeys((*self._entries, *self._history.versions)):
            version = self._held(path, by_then, until)
            if version is not None:
                found.append((path, version.digest))
            elif path in self._entries:
                found.append((path, self._entries[path].digest, self._entries[path].executable))
            else:
                found.append((path, None))
        return found

    def _held(self, path: str, by_then: set[tuple[str, int]], until: int) -> FileVersion | None:
        """Return the version that accepted work had left; None: that of the start."""
        held: FileVersion | None = None
        newest: FileVersion | None = None  # whether it counts or not
        lasting = {version.number for version in self._history.lasting(path)}
        for version in self._history.versions.get(path, ()):
            if version.undoes is not None:
                # Somebody's part was taken out of what was there: of this, if it was this.
                if held is not None and newest == held:
                    held = newest = version
                continue
            if version.number not in lasting:
                continue
            newest = version
            mine = version.author in by_then
            if mine or (not self._is_accepted(version) and version.seq <= until):
                held = version
        return held

    def _is_accepted(self, version: FileVersion) -> bool:
        return self._history.all[version.author].accepted


def _last_line(result: CommandResult) -> str:
    if result.timed_out:
        return f"ended after {result.seconds:.0f} s"
    lines = [line.strip() for line in result.output.splitlines() if line.strip()]
    line = lines[-1].strip("= ") if lines else f"exit code {result.exit_code}"
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"
