"""All that is known of a run that has ended: its log, read by every measure once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.claims import Bounds
from orchestrator.core.history import History
from orchestrator.core.task import Task
from orchestrator.errors import OrchestratorError
from orchestrator.lab.check import check_run
from orchestrator.lab.conflicts import Conflicts, conflicts_of
from orchestrator.lab.declarations import Declarations, declarations_of
from orchestrator.lab.effectivescopes import all_tasks, effective_scopes
from orchestrator.lab.endtests import EndTests, Memory, run_end_tests
from orchestrator.lab.metrics import Meter, Metrics
from orchestrator.lab.runlog import RunLog, read_log
from orchestrator.lab.spending import Spending, spending_of
from orchestrator.lab.staleness import Staleness, staleness_of
from orchestrator.lab.timeidentity import TimeIdentity, time_identity
from orchestrator.lab.transactions import Transactions
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.header import load_manifest
from orchestrator.runtime.scan import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run, measured.

    Attributes:
        anomalies: how many `check` finds; None: they could not be looked for.
        staleness: None: the files that were there at the start are lost.
        declarations: None: the scopes are not known.
        ends: the tests of all tasks at the end; None: they were not run.
        notes: what could not be measured, and why.
    """

    log: RunLog
    history: History
    metrics: Metrics
    time: TimeIdentity
    spending: Spending
    conflicts: Conflicts
    anomalies: int | None
    staleness: Staleness | None
    declarations: Declarations | None
    ends: EndTests | None
    notes: tuple[str, ...]


def measure_run(run_dir: Path, *, retest: bool, seconds: float, memory: Memory | None) -> Measured:
    """Measure a run; see `outcomes.measure_outcome`.

    Raises:
        WorkspaceError: this is not the directory of a run.
        LogError: its log cannot be read.
    """
    log, notes = read_log(run_dir), list[str]()
    meter = Meter(log.header.tasks, log.header.workers)
    for event in log.events:
        meter.apply(event)
    tasks = all_tasks(log.header.tasks, log.events)
    scopes = effective_scopes(log.header, tasks)
    if scopes is None:
        notes.append("the roles cannot be read any more: what tasks might write is not known")
    entries, history = _entries(log, notes), Transactions(log.events)
    return Measured(
        log=log,
        history=meter.history,
        metrics=meter.metrics(),
        time=time_identity(log.header.tasks, log.header.workers, log.events),
        spending=spending_of(log.events),
        conflicts=_conflicts(log, scopes),
        anomalies=_anomalies(run_dir, notes),
        staleness=_staleness(log, entries),
        declarations=_declarations(tasks, scopes, history, entries),
        ends=_ends(log, tasks, history, entries, seconds, memory, notes) if retest else None,
        notes=tuple(notes),
    )


def _entries(log: RunLog, notes: list[str]) -> Mapping[str, Entry] | None:
    if not log.header.manifest:
        return {}
    try:
        return load_manifest(log.header.manifest, BlobStore(log.folder.blobs))
    except OrchestratorError as error:
        notes.append(f"the files at the start are not known: {error.what}")
        return None


def _conflicts(log: RunLog, scopes: Mapping[str, Bounds] | None) -> Conflicts:
    if scopes is None:
        return conflicts_of(log.events, None)
    known = dict[tuple[str, str], bool]()

    def may_write(task: str, path: str) -> bool:
        if (task, path) not in known:
            known[task, path] = scopes[task].may_write(path)
        return known[task, path]

    return conflicts_of(log.events, may_write)


def _anomalies(run_dir: Path, notes: list[str]) -> int | None:
    try:
        return len(check_run(run_dir).anomalies)
    except OrchestratorError as error:  # the run itself is none the worse
        notes.append(f"anomalies were not counted: {error.what}")
        return None


def _staleness(log: RunLog, entries: Mapping[str, Entry] | None) -> Staleness | None:
    if entries is None:
        return None
    return staleness_of(log.events, {path: entry.digest for path, entry in entries.items()})


def _declarations(
    tasks: list[Task],
    scopes: Mapping[str, Bounds] | None,
    history: Transactions,
    entries: Mapping[str, Entry] | None,
) -> Declarations | None:
    if scopes is None or entries is None:
        return None
    return declarations_of(tasks, scopes, history, entries)


def _ends(
    log: RunLog,
    tasks: list[Task],
    history: Transactions,
    entries: Mapping[str, Entry] | None,
    seconds: float,
    memory: Memory | None,
    notes: list[str],
) -> EndTests | None:
    if entries is None or not log.header.workspace:
        notes.append("the tests were not run again: there is no tree to run them on")
        return None
    try:
        found = run_end_tests(log, tasks, history, entries, seconds=seconds, memory=memory)
    except OrchestratorError as error:
        notes.append(f"the tests were not run again: {error.what}")
        return None
    if found.missing:
        listed = ", ".join(found.missing)
        notes.append(f"tests were not run again for want of time ({seconds:.0f} s): {listed}")
    return found
