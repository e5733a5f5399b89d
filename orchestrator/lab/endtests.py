"""The tests of all tasks, run once on the tree that a run has left.

That shows what a run's log cannot: whether what was accepted still holds. *Integration loss* is the
share of tasks that were accepted with passing tests less the share whose tests pass at the end. A
task that was accepted and is red at the end is a *cross-task break*: somebody's later write broke
it. One that was broken and mended in between is not seen, so their number is a lower bound.

The pass costs one run of each different test command, in a sandbox, one after another. It is
bounded: after so many seconds nothing is begun any more, and what depends on it is unknown. Trials
of one experiment often leave the very same files; `Memory` spares them the same runs.
"""

from __future__ import annotations

import shlex
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from threading import Lock

from orchestrator.core.task import Task
from orchestrator.lab.runlog import RunLog
from orchestrator.lab.testcounts import TestCounts, count_tests
from orchestrator.lab.transactions import Transactions
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.commands import Commands
from orchestrator.runtime.copies import Change, PrivateCopy
from orchestrator.runtime.sandboxed import sandboxed_commands
from orchestrator.runtime.scan import Entry
from orchestrator.runtime.workspace import SharedTree

SECONDS = 300.0
"""Seconds that the tests of all tasks may take together."""

COMMAND_SECONDS = 60.0
"""Seconds that one test command may take; a longer one has failed."""


@dataclass(frozen=True, slots=True)
class EndTest:
    """A test command on the final tree.

    Attributes:
        counts: tests that passed and failed; None: its output does not say.
    """

    command: str
    passed: bool
    counts: TestCounts | None


@dataclass(slots=True)
class Memory:
    """Results of test commands by final tree; may be shared by threads."""

    _known: dict[tuple[str, str], EndTest] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def get(self, tree: str, command: str) -> EndTest | None:
        """Return what a command gave on a tree; None: it was not run."""
        with self._lock:
            return self._known.get((tree, command))

    def put(self, tree: str, found: EndTest) -> None:
        """Keep what a command gave on a tree."""
        with self._lock:
            self._known[tree, found.command] = found


@dataclass(frozen=True, slots=True)
class EndTests:
    """The tests of all tasks at the end.

    Attributes:
        accepted: tasks with tests that were accepted.
        results: task to what its tests gave.
        missing: tasks whose tests were not run for want of time.
        runs: commands that were run for it.
        seconds: how long that took.
    """

    accepted: frozenset[str]
    results: Mapping[str, EndTest]
    missing: tuple[str, ...] = ()
    runs: int = 0
    seconds: float = 0.0

    @property
    def broken(self) -> tuple[str, ...] | None:
        """Tasks that were accepted and are red now; None: not all were run."""
        if self.accepted.intersection(self.missing):
            return None
        return tuple(
            name for name, end in self.results.items() if name in self.accepted and not end.passed
        )

    @property
    def integration_loss(self) -> float | None:
        """Share of tasks with tests that were accepted, less the share of those that still pass;
        None: not known, or no task has tests."""
        tasks = len(self.results) + len(self.missing)
        return None if self.broken is None or not tasks else len(self.broken) / tasks

    @property
    def tasks_green(self) -> float | None:
        """Share of tasks with tests whose tests pass, accepted or not."""
        if self.missing or not self.results:
            return None
        return sum(one.passed for one in self.results.values()) / len(self.results)

    @property
    def counts(self) -> TestCounts | None:
        """Single tests of all tasks, each command's once; None: some are not known."""
        found = [one.counts for one in {one.command: one for one in self.results.values()}.values()]
        known = [one for one in found if one is not None]
        if self.missing or not found or len(known) < len(found):
            return None
        return TestCounts(sum(one.passed for one in known), sum(one.failed for one in known))


def run_end_tests(
    log: RunLog,
    tasks: Sequence[Task],
    history: Transactions,
    entries: Mapping[str, Entry],
    *,
    seconds: float = SECONDS,
    memory: Memory | None = None,
    commands: Commands | None = None,
) -> EndTests:
    """Run the tests of all tasks on the final tree; the tree itself is only read.

    Args:
        log: of a run with a workspace.
        tasks: all its tasks.
        history: what each attempt read and wrote.
        entries: the files that were there at the start.
        seconds: time for all of them together.
        memory: what is known of earlier runs; None: nothing is.
        commands: runs the tests; None: as processes of this machine, in a sandbox.

    Raises:
        OrchestratorError: files are lost, or commands cannot be run.
    """
    changes = final_tree(history, entries)
    bench = _Bench(log, changes, memory or Memory(), time.monotonic() + seconds, commands)
    accepted = {one.key[0] for one in history.accepted()}
    tested = [task for task in tasks if task.test]
    began = time.monotonic()
    try:
        results = {task.id: bench.test(_command(task)) for task in tested}
    finally:
        bench.close()
    return EndTests(
        frozenset(task.id for task in tested if task.id in accepted),
        {name: end for name, end in results.items() if end is not None},
        tuple(name for name, end in results.items() if end is None),
        bench.runs,
        time.monotonic() - began,
    )


def final_tree(history: Transactions, entries: Mapping[str, Entry]) -> list[Change]:
    """Return what each file held at the end, for a copy to follow."""
    found: list[Change] = []
    for path in sorted({*entries, *history.versions}):
        versions = history.versions.get(path)
        if versions:
            found.append((path, versions[-1].digest))
        else:
            found.append((path, entries[path].digest, entries[path].executable))
    return found


def _command(task: Task) -> str:
    names = " ".join(shlex.quote(path) for path in task.tests)
    return task.test.replace("{tests}", names)


class _Bench:
    """A copy of the final tree to run commands in, made when the first is needed."""

    def __init__(
        self,
        log: RunLog,
        changes: Sequence[Change],
        memory: Memory,
        until: float,
        commands: Commands | None,
    ) -> None:
        self._log, self._changes, self._commands = log, changes, commands
        self._memory, self._until = memory, until
        self._digest = sha256(repr(list(changes)).encode()).hexdigest()
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._copy: PrivateCopy | None = None
        self.runs = 0

    def test(self, command: str) -> EndTest | None:
        """Run a test command, unless its result is known; None: the time is over."""
        known = self._memory.get(self._digest, command)
        if known is not None:
            return known
        left = self._until - time.monotonic()
        if left <= 0:
            return None
        copy, commands = self._open()
        self.runs += 1
        timeout = min(left, COMMAND_SECONDS)
        result = commands.run(command, copy.root, timeout=timeout, tmp=copy.tmp)
        copy.restore(list(copy.changed()))
        if result.timed_out and timeout < COMMAND_SECONDS:
            return None  # it may just have begun too late
        found = EndTest(command, result.exit_code == 0, count_tests(result.output))
        self._memory.put(self._digest, found)
        return found

    def _open(self) -> tuple[PrivateCopy, Commands]:
        if self._copy is None or self._commands is None:
            self._folder = tempfile.TemporaryDirectory(prefix="orchestrator-")
            folder = Path(self._folder.name)
            (folder / ".ignore").write_text("!*\n", encoding="utf-8")
            header = self._log.header
            tree = SharedTree(Path(header.workspace), BlobStore(self._log.folder.blobs))
            if self._commands is None:
                outputs = BlobStore(folder / "blobs", durable=False)
                self._commands = sandboxed_commands(header, tree, outputs, folder, (tree.root,))
            self._copy = PrivateCopy(folder / "tree", tree)
            self._copy.sync(self._changes)
        return self._copy, self._commands

    def close(self) -> None:
        """Remove the copy."""
        if self._folder is not None:
            self._folder.cleanup()
