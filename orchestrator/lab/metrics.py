"""What a run cost and how well it went, from its log alone.

Definitions (t0: first dispatch; t1: last task terminal; m: workers; times in seconds):

=================  ==============================================================================
makespan           t1 - t0; in a run that has not ended, up to its newest event
work               sum of the durations of accepted attempts
critical_path      longest path through the dependencies, with those durations
speedup            work / makespan
utilisation        time in which leases were held, without waits for files / (m * makespan)
refused_stale      writes that were refused because of what had changed since
conflicts          those of them that reached the model: neither merged nor found to be harmless
refused_scope      requests refused because they left the task's files
rework_seconds     time of attempts that were not accepted: undone, repeated or given up; and of
                   accepted ones after their work had been sent back (`lab.sentback`)
file_wait_seconds  time in which ready or running tasks waited for files that others held
=================  ==============================================================================

A run that goes on after an interrupt goes on in its own time: the pause between counts nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from orchestrator.core import events as e
from orchestrator.core.encoding import decode
from orchestrator.core.history import AttemptHistory, History
from orchestrator.core.states import TaskState
from orchestrator.core.task import Task
from orchestrator.lab.filewaits import FileWait, FileWaits
from orchestrator.lab.sentback import SentBack
from orchestrator.runtime.eventlog import SqliteLog
from orchestrator.runtime.header import unpack
from orchestrator.runtime.rundir import RunDir

_WRITES = frozenset({"write", "delete"})


@dataclass(frozen=True, slots=True)
class Conflict:
    """A stale write that was refused and had to be told to whoever wrote it.

    Attributes:
        paths: files that had changed.
        why: which they are and by whom they were changed.
    """

    task: str
    attempt: int
    paths: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """The figures of one run; see the module for their definitions.

    Attributes:
        critical_tasks: the tasks along the critical path.
        rebased: writes that were merged with what others had changed in the same file.
        attempts: attempts over all tasks.
        tokens: model tokens, ``input`` (cached ones included) and ``output``.
        usd: US dollars; None: some price is unknown.
        waits: each wait for files, in order of its end.
        clashes: each conflict, in order.
        provider_wait_seconds: time that attempts waited for the model's provider.
        submit_wait_seconds: time that finished attempts waited for those whose work they had
            read.
        commands: commands begun, test runs included.
    """

    makespan: float
    work: float
    critical_path: float
    critical_tasks: tuple[str, ...]
    speedup: float
    utilisation: float
    refused_stale: int
    refused_scope: int
    rebased: int
    attempts: int
    rework_seconds: float
    tokens: Mapping[str, int]
    usd: float | None
    waits: tuple[FileWait, ...] = ()
    clashes: tuple[Conflict, ...] = ()
    provider_wait_seconds: float = 0.0
    submit_wait_seconds: float = 0.0
    commands: int = 0

    @property
    def conflicts(self) -> int:
        """Stale writes whose refusal reached the model."""
        return len(self.clashes)

    @property
    def file_wait_seconds(self) -> float:
        """Time spent waiting for files, over all tasks."""
        return sum(wait.seconds for wait in self.waits)

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON values, times rounded to microseconds."""
        return {
            "makespan": round(self.makespan, 6),
            "work": round(self.work, 6),
            "critical_path": round(self.critical_path, 6),
            "critical_tasks": list(self.critical_tasks),
            "speedup": round(self.speedup, 4),
            "utilisation": round(self.utilisation, 4),
            "refused_stale": self.refused_stale,
            "refused_scope": self.refused_scope,
            "conflicts": self.conflicts,
            "rebased": self.rebased,
            "attempts": self.attempts,
            "rework_seconds": round(self.rework_seconds, 6),
            "file_waits": len(self.waits),
            "file_wait_seconds": round(self.file_wait_seconds, 6),
            "provider_wait_seconds": round(self.provider_wait_seconds, 6),
            "submit_wait_seconds": round(self.submit_wait_seconds, 6),
            "commands": self.commands,
            "tokens": dict(self.tokens),
            "usd": None if self.usd is None else round(self.usd, 6),
        }


def measure(run_dir: str | Path) -> Metrics:
    """Measure a run; it may still be going on.

    Args:
        run_dir: directory of the run.

    Raises:
        WorkspaceError: this is not the directory of a run.
        LogError: its log cannot be read.
    """
    with SqliteLog.reader(RunDir.open(Path(run_dir)).events) as log:
        header = unpack(log.header)
        rows = log.read()
        events = (decode(row.at, row.kind, row.task, row.attempt, row.body) for row in rows)
        return metrics_of(header.tasks, header.workers, events)


def metrics_of(tasks: Sequence[Task], workers: int, events: Iterable[e.Event]) -> Metrics:
    """Measure a run from its events.

    Args:
        tasks: the plan's tasks.
        workers: worker threads.
        events: what was recorded, in order.
    """
    meter = Meter(tasks, workers)
    for event in events:
        meter.apply(event)
    return meter.metrics()


class Meter:
    """Takes in the events of a run, one at a time.

    Args:
        tasks: the plan's tasks.
        workers: worker threads.

    Attributes:
        history: what happened per task and attempt.
        after: task to the tasks that it waits for, in the order of the plan.
    """

    def __init__(self, tasks: Sequence[Task], workers: int) -> None:
        self.history = History(tuple(tasks))
        self._workers = workers
        self.after = {task.id: dict.fromkeys(task.depends_on) for task in tasks}
        self._waits = FileWaits()
        self._stale = StaleRefusals()
        self._clashes: list[Conflict] = []
        self._rebased = 0
        self._back = SentBack()
        self._commands = 0
        self._provider = 0.0  # seconds
        self._submitting: dict[str, float] = {}
        self._submit_waits = 0.0
        self._terminal = 0.0

    def apply(self, event: e.Event) -> None:
        """Take in one event."""
        self.history.apply(event)
        self._waits.apply(event)
        self._back.apply(event)
        self._clashes += self._stale.apply(event)
        match event:
            case e.Added():
                self._add(event)
            case e.Wrote():
                self._rebased += event.rebased
            case e.Reported():
                self._commands += event.commands
                self._provider += event.waited
            case e.SubmitWaits():
                self._submitting[event.task] = event.at
            case e.RequestRefused(request="submit"):
                self._end_submit_wait(event)
            case e.Succeeded() | e.AttemptEnded() | e.Skipped() | e.Cancelled():
                self._terminal = event.at
                self._end_submit_wait(event)
            case _:
                pass

    def metrics(self) -> Metrics:
        """Return the figures so far."""
        history = self.history
        attempts = [attempt for task in history.tasks.values() for attempt in task.attempts]
        taken = dict(self._accepted())
        work, makespan = sum(taken.values()), self._makespan()
        lost = [a for a in attempts if a.outcome not in ("running", "succeeded")]
        span, path = longest_path(self.after, taken)
        busy = sum(self._seconds(attempt) for attempt in attempts) - self._waits.inside
        dollars = [task.usd for task in history.tasks.values()]
        return Metrics(
            makespan=makespan,
            work=work,
            critical_path=span,
            critical_tasks=path,
            speedup=work / makespan if makespan else 0.0,
            utilisation=busy / (self._workers * makespan) if makespan else 0.0,
            refused_stale=history.refused_stale,
            refused_scope=history.refused_scope,
            rebased=self._rebased,
            attempts=len(attempts),
            rework_seconds=sum(self._seconds(attempt) for attempt in lost) + self._back.seconds,
            tokens={
                "input": sum(task.input for task in history.tasks.values()),
                "output": sum(task.output for task in history.tasks.values()),
            },
            usd=None if None in dollars else sum(usd for usd in dollars if usd is not None),
            waits=tuple(self._waits.found),
            clashes=tuple(self._clashes),
            provider_wait_seconds=self._provider,
            submit_wait_seconds=self._submit_waits,
            commands=self._commands,
        )

    def _end_submit_wait(self, event: e.Event) -> None:
        since = self._submitting.pop(event.task, event.at)
        self._submit_waits += event.at - since

    def _add(self, event: e.Added) -> None:
        new = {task.id: dict.fromkeys(task.depends_on) for task in event.tasks}
        self.after.update(new)
        for name in event.before:
            self.after[name].update(dict.fromkeys(new))

    def _accepted(self) -> Iterator[tuple[str, float]]:
        for name, task in self.history.tasks.items():
            if task.state is TaskState.SUCCEEDED and task.last:
                yield name, self._seconds(task.last)

    def _seconds(self, attempt: AttemptHistory) -> float:
        end = self.history.now if attempt.ended is None else attempt.ended
        return end - attempt.started

    def _makespan(self) -> float:
        history = self.history
        if history.first is None:
            return 0.0
        live = any(task.state is TaskState.RUNNING for task in history.tasks.values())
        return max(0.0, (history.now if live else self._terminal) - history.first)


def longest_path(
    after: Mapping[str, Iterable[str]], seconds: Mapping[str, float]
) -> tuple[float, tuple[str, ...]]:
    """Return the length of the longest path through tasks, and the tasks along it.

    Args:
        after: task to the tasks that it waits for; without cycles.
        seconds: how long each takes; a task that is not listed takes no time and is not named.
    """
    length: dict[str, float] = {}
    before: dict[str, str | None] = {}
    for name in TopologicalSorter(after).static_order():
        longest = max(after[name], key=lambda other: length[other], default=None)
        before[name] = longest
        length[name] = seconds.get(name, 0.0) + (length[longest] if longest else 0.0)
    end = here = max(length, key=lambda name: length[name], default=None)
    path = []
    while here is not None:
        path.append(here)
        here = before[here]
    named = tuple(name for name in reversed(path) if name in seconds)
    return (length[end] if end else 0.0), named


class StaleRefusals:
    """Tells which refusals of stale writes reached whoever had asked for the write.

    The worker's runtime merges what it can and asks again at once, before the attempt reports
    anything else. So a refusal reached the model unless, before the attempt's next report, a
    write was accepted that answers it: merged onto the file that had changed, or made after what
    had changed was found to read the same.
    """

    def __init__(self) -> None:
        self._open: dict[tuple[str, int], list[e.RequestRefused]] = {}

    def apply(self, event: e.Event) -> list[Conflict]:
        """Take in one event; return the conflicts that it settles."""
        key = (event.task, event.attempt)
        match event:
            case e.RequestRefused(request="merge", refusal="stale"):
                return [Conflict(event.task, event.attempt, event.paths, event.why)]
            case e.RequestRefused(refusal="stale") if event.request in _WRITES:
                self._open.setdefault(key, []).append(event)
            case e.Wrote() if key in self._open:
                self._open[key] = [r for r in self._open[key] if not _answers(event, r)]
            case e.Reported() | e.Succeeded() | e.AttemptEnded():
                return [
                    Conflict(refused.task, refused.attempt, refused.paths, refused.why)
                    for refused in self._open.pop(key, ())
                ]
            case _:
                pass
        return []


def _answers(wrote: e.Wrote, refused: e.RequestRefused) -> bool:
    known = {path for path, _ in wrote.reads}
    return wrote.path == refused.path and all(
        wrote.rebased if path == wrote.path else path in known for path in refused.paths
    )
