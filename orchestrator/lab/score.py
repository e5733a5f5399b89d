"""How far a plan's declarations were from what happened when it ran.

Each dimension is a number from 0 to 1, or None where there was nothing to judge:

=================  ================================================================================
writes precision   of the files that tasks declared to write, how many their accepted attempts wrote
writes recall      of the files that they wrote, how many had been declared
reads precision    of the files that they declared to read, how many they looked at or need
reads recall       of the files that they looked at or need, how many had been declared
edges precision    of the declared edges, how many something flowed along
edges recall       of the pairs of tasks between which something flowed, how many were ordered
harmony            1 - attempts that a conflict with another task's work touched / all attempts
no waiting         1 - time of tasks waiting for files and of finished work waiting / with work time
estimates          exp(-mean absolute log error), after a common factor is taken out
=================  ================================================================================

A task *needs* what its code depends on and what its tests reach, by the code graph of the result.
Figures are micro: sums over all tasks. Those of each task are beside them (`TaskScore`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from orchestrator.analysis.codegraph import CodeGraph, build
from orchestrator.analysis.footprints import Footprint, footprints
from orchestrator.core import events as e
from orchestrator.core.claims import Bounds
from orchestrator.core.machine import Machine
from orchestrator.core.rules import RoleBounds
from orchestrator.core.scope import Scope, is_plain
from orchestrator.core.task import Task
from orchestrator.errors import LogError, RoleError, UsageError, WorkspaceError
from orchestrator.lab.blame import Defect, Evidence, find_defects
from orchestrator.lab.contention import ancestors
from orchestrator.lab.dataflow import DataFlow, Flow
from orchestrator.lab.metrics import Meter, Metrics
from orchestrator.lab.runlog import RunLog, read_log
from orchestrator.lab.transactions import Transactions
from orchestrator.runtime.assembly import roles_of
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.header import load_manifest
from orchestrator.runtime.workspace import SharedTree


@dataclass(frozen=True, slots=True)
class Match:
    """Declared against observed, as sets of files or edges.

    Attributes:
        declared: what the plan says.
        actual: what happened.
    """

    declared: frozenset[str]
    actual: frozenset[str]

    @property
    def precision(self) -> float | None:
        """Part of what was declared that happened; None: nothing was declared."""
        return _part(len(self.declared & self.actual), len(self.declared))

    @property
    def recall(self) -> float | None:
        """Part of what happened that was declared; None: nothing happened."""
        return _part(len(self.declared & self.actual), len(self.actual))


@dataclass(frozen=True, slots=True)
class TaskScore:
    """Declared against observed of one accepted task.

    Attributes:
        writes: files that it might write, held or shared; those that it wrote.
        reads: files that it might read; those that it looked at or needs.
        seconds: what its accepted attempt took.
    """

    task: str
    writes: Match
    reads: Match
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return the score as JSON values."""
        return {
            "writes": _match_json(self.writes),
            "reads": _match_json(self.reads),
            "seconds": round(self.seconds, 6),
        }


@dataclass(frozen=True, slots=True)
class Score:
    """What became of a plan's declarations.

    Attributes:
        tasks: the tasks, those added while running included, in plan order.
        scores: those of the tasks that were accepted.
        used: declared edges along which something flowed, with the files.
        unused: the others between accepted tasks; the waiting task last.
        flows: all that flowed.
        defects: what is wrong with the plan, with what came of it; the costliest first.
        dimensions: name to figure.
        notes: what could not be judged, and why.
    """

    run: str
    name: str
    tasks: tuple[Task, ...]
    scores: Mapping[str, TaskScore]
    footprints: Mapping[str, Footprint]
    used: Mapping[tuple[str, str], tuple[str, ...]]
    unused: tuple[tuple[str, str], ...]
    flows: tuple[Flow, ...]
    defects: tuple[Defect, ...]
    dimensions: Mapping[str, float | None]
    metrics: Metrics
    notes: tuple[str, ...] = ()

    @property
    def missing(self) -> tuple[tuple[str, str], ...]:
        """Edges that the plan lacks: who must come first, who must wait."""
        pairs = (one.tasks for one in self.defects if len(one.tasks) == 2)
        return tuple(dict.fromkeys((first, second) for first, second in pairs))

    def to_json(self) -> dict[str, Any]:
        """Return the score as ``score --json`` prints it."""
        return {
            "run": self.run,
            "plan": self.name,
            "dimensions": {
                name: None if value is None else round(value, 4)
                for name, value in self.dimensions.items()
            },
            "tasks": {name: score.to_json() for name, score in self.scores.items()},
            "edges": {
                "used": [
                    {"from": first, "to": second, "files": list(files)}
                    for (first, second), files in self.used.items()
                ],
                "unused": [{"from": first, "to": second} for first, second in self.unused],
                "missing": [{"from": first, "to": second} for first, second in self.missing],
            },
            "defects": [defect.to_json() for defect in self.defects],
            "notes": list(self.notes),
        }


def score_run(run_dir: Path) -> Score:
    """Compare a run with its plan; it may still be going on.

    Args:
        run_dir: directory of the run.

    Raises:
        UsageError: no task was accepted yet.
        WorkspaceError: this is not the directory of a run.
        LogError: its log cannot be read.
    """
    log = read_log(run_dir)
    header, notes = log.header, list[str]()
    graph = _graph(header.workspace, notes)
    roles = _roles(log, notes)
    blobs = BlobStore(log.folder.blobs)
    entries = load_manifest(header.manifest, blobs) if header.manifest else {}
    tree = SharedTree(Path(header.workspace), blobs) if header.workspace else None

    def before(path: str) -> str | None:
        if tree is None or path not in entries:
            return None
        with suppress(LogError, WorkspaceError, OSError, UnicodeDecodeError):
            return tree.content(path, entries[path].digest).decode()
        return None

    return score_events(
        log.events, header.tasks, workers=header.workers, roles=roles, graph=graph, start=entries,
        before=before, run=header.run, name=header.name, notes=notes,
    )  # fmt: skip


def _graph(workspace: str, notes: list[str]) -> CodeGraph | None:
    if not workspace:
        notes.append("the run had no workspace, so nothing is known of its code")
        return None
    if not Path(workspace).is_dir():
        notes.append(f"{workspace} is gone: what code and tests need is not known")
        return None
    graph = build(Path(workspace))
    if not graph.modules:
        notes.append("no source code was found: what code and tests need is not known")
        return None
    return graph


def _roles(log: RunLog, notes: list[str]) -> dict[str, RoleBounds]:
    header = log.header
    try:
        roles = roles_of(header.tasks, Path(header.roles) if header.roles else None)
    except (RoleError, KeyError):
        notes.append("the roles cannot be read any more: scopes are taken as the plan has them")
        return {}
    return {r.name: RoleBounds(Scope(r.reads), Scope(r.writes)) for r in roles.values()}


def score_events(
    events: Sequence[e.Event],
    tasks: Sequence[Task],
    *,
    workers: int = 1,
    roles: Mapping[str, RoleBounds] | None = None,
    graph: CodeGraph | None = None,
    start: Iterable[str] = (),
    before: Callable[[str], str | None] = lambda path: None,
    run: str = "",
    name: str = "",
    notes: Sequence[str] = (),
) -> Score:
    """Compare what was recorded with what was planned.

    Args:
        events: what was recorded, in order.
        tasks: the plan's tasks.
        workers: worker threads.
        roles: file bounds by role name.
        graph: the code of the result; None: only the log counts.
        start: files that were there when the run began.
        before: returns the text that a file had then; None: there was none.
        run: the run's id.
        name: the plan's name.
        notes: what could not be judged.

    Raises:
        UsageError: no task was accepted.
    """
    meter = Meter(tasks, workers)
    for event in events:
        meter.apply(event)
    history, metrics = Transactions(events), meter.metrics()
    everyone = _everyone(tasks, events, meter.after)
    bounds = _bounds(everyone, roles or {})
    steps = {one.task.id: one for one in footprints(everyone, roles or {}, graph)}
    flow = DataFlow(everyone, bounds, steps, history, graph, before)
    if not flow.accepted:
        raise UsageError(
            "no task of this run was accepted",
            run,
            "what a plan declares is compared with what accepted attempts did",
            "score a run in which tasks succeeded",
        )
    flows = flow.flows()
    waits_for = ancestors(everyone)
    evidence = Evidence(events, metrics, history, flow, flows, waits_for, bounds)
    defects = find_defects(evidence)
    universe = frozenset(start).union(history.versions, graph.modules if graph else ())
    seconds = {task: (one.ended or 0.0) - one.started for task, one in flow.accepted.items()}
    scores = {
        task.id: _task_score(task, bounds[task.id], flow, steps[task.id], universe, seconds)
        for task in everyone
        if task.id in flow.accepted
    }
    used, unused = _edges(everyone, flow, flows)
    dimensions = {
        **_file_dimensions(scores.values()),
        "edges_precision": _part(len(used), len(used) + len(unused)),
        "edges_recall": _edges_recall(flows, waits_for),
        "harmony": _harmony(defects, metrics.attempts),
        "no_waiting": _no_waiting(metrics),
        "estimates": _estimates(everyone, seconds),
    }
    return Score(
        run, name, tuple(everyone), scores, steps, used, tuple(unused), tuple(flows),
        tuple(defects), dimensions, metrics, tuple(notes),
    )  # fmt: skip


def _everyone(
    tasks: Sequence[Task], events: Iterable[e.Event], after: Mapping[str, Iterable[str]]
) -> list[Task]:
    """Return all tasks, each with all that it waited for in the end."""
    added = [task for event in events if isinstance(event, e.Added) for task in event.tasks]
    return [replace(task, depends_on=tuple(after[task.id])) for task in (*tasks, *added)]


def _bounds(tasks: Sequence[Task], roles: Mapping[str, RoleBounds]) -> dict[str, Bounds]:
    state = Machine(tasks, roles=roles).state
    return {task.id: state.bounds(task) for task in tasks}


def _task_score(
    task: Task,
    bounds: Bounds,
    flow: DataFlow,
    footprint: Footprint,
    universe: frozenset[str],
    seconds: Mapping[str, float],
) -> TaskScore:
    wrote = frozenset(flow.written[task.id])
    named = {glob.strip("/") for glob in (*task.writes, *task.shares) if is_plain(glob)}
    # A plain entry that matches nothing names a file that should have come into being.
    absent = {glob for glob in named if not any(_below(path, glob) for path in universe)}
    may = frozenset(path for path in universe if bounds.may_write(path)) | absent
    looked = frozenset(flow.seen[task.id]).union(footprint.needs) - wrote
    read = frozenset(path for path in universe if bounds.reads.matches(path)) - may
    return TaskScore(
        task.id, Match(may, wrote), Match(read, looked - (may - wrote)), seconds[task.id]
    )


def _below(path: str, glob: str) -> bool:
    return path == glob or path.startswith(f"{glob}/")


def _edges(
    tasks: Iterable[Task], flow: DataFlow, flows: Iterable[Flow]
) -> tuple[dict[tuple[str, str], tuple[str, ...]], list[tuple[str, str]]]:
    """Return the declared edges between accepted tasks that were used, and those that were not."""
    files: dict[tuple[str, str], set[str]] = {}
    for one in flows:
        files.setdefault((one.source, one.target), set()).update(one.files)
    used: dict[tuple[str, str], tuple[str, ...]] = {}
    unused: list[tuple[str, str]] = []
    for task in tasks:
        for first in task.depends_on:
            if task.id not in flow.accepted or first not in flow.accepted:
                continue
            if found := files.get((first, task.id)):
                used[first, task.id] = tuple(sorted(found))
            else:
                unused.append((first, task.id))
    return used, unused


def _edges_recall(flows: Iterable[Flow], before: Mapping[str, frozenset[str]]) -> float | None:
    pairs = {(one.source, one.target) for one in flows if one.direct}
    ordered = sum(first in before[second] for first, second in pairs)
    return _part(ordered, len(pairs))


def _file_dimensions(scores: Iterable[TaskScore]) -> dict[str, float | None]:
    listed = list(scores)
    return {
        f"{what}_{name}": value
        for what in ("writes", "reads")
        for name, value in _micro([getattr(score, what) for score in listed])
    }


def _micro(matches: Sequence[Match]) -> Iterator[tuple[str, float | None]]:
    both = sum(len(match.declared & match.actual) for match in matches)
    yield "precision", _part(both, sum(len(match.declared) for match in matches))
    yield "recall", _part(both, sum(len(match.actual) for match in matches))


def _harmony(defects: Iterable[Defect], attempts: int) -> float | None:
    incidents = (one for defect in defects for one in defect.incidents if one.harmful)
    struck = {(one.task, one.at) for one in incidents}
    return None if not attempts else max(0.0, 1 - len(struck) / attempts)


def _no_waiting(metrics: Metrics) -> float | None:
    waited = metrics.file_wait_seconds + metrics.submit_wait_seconds
    return None if not metrics.work else metrics.work / (metrics.work + waited)


def _estimates(tasks: Iterable[Task], seconds: Mapping[str, float]) -> float | None:
    errors = [
        math.log(seconds[task.id] / task.estimate)
        for task in tasks
        if seconds.get(task.id, 0.0) > 0
    ]
    if len(errors) < 2:
        return None
    middle = median(errors)
    return math.exp(-sum(abs(one - middle) for one in errors) / len(errors))


def _part(some: int, whole: int) -> float | None:
    return some / whole if whole else None


def _match_json(match: Match) -> dict[str, Any]:
    return {
        "precision": match.precision,
        "recall": match.recall,
        "undeclared": sorted(match.actual - match.declared),
        "unused": sorted(match.declared - match.actual),
    }
