"""Whose fault a conflict was: each is laid on a named defect of the plan, with the edit that
mends it.

Codes of defects:

===================  =============================================================================
missing-edge         one task used what another was still writing, and neither waits for the other
overlapping-writes   two tasks that do not wait for each other hold the same files
narrow-scope         a task needed to write files that the plan did not give it
===================  =============================================================================

An incident between tasks that wait for each other is no defect of the plan and is left out; so is
a stale write that the run merged by itself. An edge that mends is drawn in the direction in which
the run went: from the task that was accepted first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from orchestrator.core import events as e
from orchestrator.core.claims import Bounds
from orchestrator.lab.dataflow import DataFlow, Flow
from orchestrator.lab.metrics import Metrics
from orchestrator.lab.transactions import Transactions

Kind = Literal[
    "refused write",
    "refused submission",
    "file wait",
    "submit wait",
    "conflict",
    "failed test",
    "refused scope",
    "widened",
    "unordered use",
]
Code = Literal["missing-edge", "overlapping-writes", "narrow-scope"]

_WEIGHT: dict[Kind, float] = {"unordered use": 0.0}  # nothing happened: the order was luck


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that went wrong in a run, or went well by luck.

    Attributes:
        task: who suffered from it.
        other: whose work it came from; "" for none.
        at: when, in seconds since the run began.
        seconds: what it cost in waiting.
    """

    kind: Kind
    task: str
    other: str
    files: tuple[str, ...]
    at: float
    seconds: float = 0.0

    @property
    def harmful(self) -> bool:
        """Whether it cost something."""
        return _WEIGHT.get(self.kind, 1.0) > 0


@dataclass(frozen=True, slots=True)
class Defect:
    """What is wrong with the plan.

    Attributes:
        tasks: who must come first, and who must wait; or the one task concerned.
        files: the files concerned.
        incidents: what came of it.
        what: the defect in words.
        fix: the edit in words.
    """

    code: Code
    tasks: tuple[str, ...]
    files: tuple[str, ...]
    incidents: tuple[Incident, ...]
    what: str
    fix: str

    @property
    def seconds(self) -> float:
        """What it cost in waiting."""
        return sum(incident.seconds for incident in self.incidents)

    def to_json(self) -> dict[str, Any]:
        """Return the defect as JSON values."""
        return {
            "code": self.code,
            "tasks": list(self.tasks),
            "files": list(self.files),
            "message": self.what,
            "fix": self.fix,
            "incidents": [
                {
                    "kind": one.kind,
                    "task": one.task,
                    "other": one.other or None,
                    "files": list(one.files),
                    "at": round(one.at, 6),
                    "seconds": round(one.seconds, 6),
                }
                for one in self.incidents
            ],
        }


@dataclass(frozen=True, slots=True)
class Evidence:
    """What defects are found from.

    Attributes:
        before: task to all tasks that it waits for, by the plan.
        bounds: effective scopes by task.
    """

    events: Sequence[e.Event]
    metrics: Metrics
    history: Transactions
    flow: DataFlow
    flows: Sequence[Flow]
    before: Mapping[str, frozenset[str]]
    bounds: Mapping[str, Bounds]

    def unordered(self, one: str, other: str) -> bool:
        """Whether neither of two tasks waits for the other."""
        return (
            one != other
            and one in self.before
            and other in self.before
            and other not in self.before[one]
            and one not in self.before[other]
        )

    def in_order(self, one: str, other: str) -> tuple[str, str]:
        """Return two tasks, the one that was accepted first first."""
        ends = {task: done.closed or 0 for task, done in self.flow.accepted.items()}
        late = float("inf")
        return (one, other) if ends.get(one, late) <= ends.get(other, late) else (other, one)


def find_defects(evidence: Evidence) -> list[Defect]:
    """Return the defects of the plan that the run showed, the costliest first."""
    grouped: dict[tuple[Code, tuple[str, ...]], list[Incident]] = {}
    for incident in incidents(evidence):
        grouped.setdefault(_defect_of(evidence, incident), []).append(incident)
    found = [_described(evidence, *key, tuple(group)) for key, group in grouped.items()]
    return sorted(
        found,
        key=lambda one: (
            not any(i.harmful for i in one.incidents),
            -one.seconds,
            -len(one.incidents),
            one.tasks,
        ),
    )


def incidents(evidence: Evidence) -> list[Incident]:
    """Return what went wrong, in order of time."""
    found = [
        *_stale_writes(evidence),
        *_waits(evidence),
        *_from_events(evidence),
        *_failed_tests(evidence),
        *_lucky(evidence),
    ]
    return sorted(found, key=lambda one: one.at)


def _stale_writes(evidence: Evidence) -> Iterator[Incident]:
    """Refused writes that reached the agent."""
    clashes = {(c.task, c.attempt, c.paths, c.why) for c in evidence.metrics.clashes}
    for event in evidence.events:
        match event:
            case e.RequestRefused(refusal="stale"):
                key = (event.task, event.attempt, event.paths, event.why)
                if event.request != "submit" and key not in clashes:
                    continue
                kind: Kind = "refused submission" if event.request == "submit" else "refused write"
                for other, paths in _changed_by(evidence, event).items():
                    if evidence.unordered(event.task, other):
                        yield Incident(kind, event.task, other, paths, event.at)
            case _:
                pass


def _changed_by(evidence: Evidence, event: e.RequestRefused) -> dict[str, tuple[str, ...]]:
    """Return who had changed the files of a stale request, files that they share left out."""
    found: dict[str, list[str]] = {}
    for path in event.paths:
        versions = [v for v in evidence.history.versions.get(path, ()) if v.at <= event.at]
        by = next((v.author[0] for v in reversed(versions) if v.author[0] != event.task), "")
        if by in evidence.bounds and not evidence.flow.shared(event.task, by, path):
            found.setdefault(by, []).append(path)
    return {by: tuple(paths) for by, paths in found.items()}


def _waits(evidence: Evidence) -> Iterator[Incident]:
    ends = _wait_ends(evidence.events)
    for wait in evidence.metrics.waits:
        for other in wait.by:
            if evidence.unordered(wait.task, other):
                files = _overlap(evidence, wait.task, other)
                at = ends.get((wait.task, other), 0.0)
                yield Incident("file wait", wait.task, other, files, at, wait.seconds)


def _wait_ends(events: Iterable[e.Event]) -> dict[tuple[str, str], float]:
    """Return when each task began to wait for another's files, last."""
    return {
        (event.task, other): event.at
        for event in events
        if isinstance(event, e.Blocked | e.WidenWaits)
        for other in event.by
    }


def _overlap(evidence: Evidence, one: str, other: str) -> tuple[str, ...]:
    mine, theirs = evidence.bounds[one], evidence.bounds[other]
    pairs = (
        (mine.writes, theirs.writes), (mine.shares, theirs.writes), (mine.writes, theirs.shares),
    )  # fmt: skip
    written = {*evidence.flow.written.get(one, ()), *evidence.flow.written.get(other, ())}
    found = {p for a, b in pairs for p in written if a.matches(p) and b.matches(p)}
    witnesses = {path for a, b in pairs if (path := a.overlap(b)) is not None}
    return tuple(sorted(found or witnesses))


def _from_events(evidence: Evidence) -> Iterator[Incident]:
    waiting: dict[str, e.SubmitWaits] = {}
    for event in evidence.events:
        match event:
            case e.SubmitWaits():
                waiting[event.task] = event
            case e.Succeeded() | e.AttemptEnded() | e.RequestRefused(request="submit"):
                if event.task in waiting:
                    yield from _submit_waits(evidence, waiting.pop(event.task), event.at)
                if isinstance(event, e.AttemptEnded) and event.cause == "conflict":
                    for other in evidence.bounds:
                        if evidence.unordered(event.task, other) and other in event.reason.split():
                            files = _read_of(evidence, event.task, event.attempt, other)
                            yield Incident("conflict", event.task, other, files, event.at)
            case e.RequestRefused(refusal="scope", path=path) if path:
                yield Incident("refused scope", event.task, "", (path,), event.at)
            case e.Widened():
                yield Incident("widened", event.task, "", event.globs, event.at)
            case _:
                pass


def _submit_waits(evidence: Evidence, waits: e.SubmitWaits, until: float) -> Iterator[Incident]:
    for other in waits.by:
        if evidence.unordered(waits.task, other):
            files = _read_of(evidence, waits.task, waits.attempt, other)
            # A wait for work on a file that both share: each edits its own part, and the plan
            # says that this is meant.
            if files:
                seconds = until - waits.at
                yield Incident("submit wait", waits.task, other, files, waits.at, seconds)


def _read_of(evidence: Evidence, task: str, attempt: int, other: str) -> tuple[str, ...]:
    """Return what an attempt had read of another task's writes, shared files left out."""
    one = evidence.history.all.get((task, attempt))
    if one is None:
        return ()
    theirs = {
        write.path
        for (name, _), tx in evidence.history.all.items()
        if name == other
        for write in tx.writes
    }
    return tuple(
        sorted(p for p in theirs & one.known.keys() if not evidence.flow.shared(task, other, p))
    )


def _failed_tests(evidence: Evidence) -> Iterator[Incident]:
    """Tests that failed before the files of an unordered task that they reach were done."""
    done = {task: one.ended or 0.0 for task, one in evidence.flow.accepted.items()}
    failed: dict[tuple[str, int], float] = {}
    for event in evidence.events:
        match event:
            case e.Reported(evidence=printed) if printed:
                failed[event.task, event.attempt] = event.at
            case e.AttemptEnded(cause="tests_failed"):
                failed[event.task, event.attempt] = event.at
            case _:
                pass
    for (task, _), at in failed.items():
        for other, end in done.items():
            if end < at or end > done.get(task, end) or not evidence.unordered(task, other):
                continue
            files = tuple(
                path
                for path in evidence.flow.written[other]
                if evidence.flow.exercised(task, path)
                and not evidence.flow.shared(task, other, path)
            )
            if files:
                yield Incident("failed test", task, other, files, at)


def _lucky(evidence: Evidence) -> Iterator[Incident]:
    """What a task used of another that it did not wait for, though nothing went wrong."""
    for flow in evidence.flows:
        if flow.direct and evidence.unordered(flow.target, flow.source):
            at = evidence.flow.accepted[flow.target].ended or 0.0
            yield Incident("unordered use", flow.target, flow.source, flow.files, at)


# --- what it says about the plan --------------------------------------------------------------


def _defect_of(evidence: Evidence, incident: Incident) -> tuple[Code, tuple[str, ...]]:
    if not incident.other:
        return "narrow-scope", (incident.task,)
    both = _overlap_exists(evidence, incident)
    code: Code = "overlapping-writes" if both else "missing-edge"
    if incident.kind in ("unordered use", "failed test") or code == "missing-edge":
        return code, (incident.other, incident.task)  # the data says who comes first
    return code, evidence.in_order(incident.other, incident.task)


def _overlap_exists(evidence: Evidence, incident: Incident) -> bool:
    one, other = evidence.bounds[incident.task], evidence.bounds[incident.other]
    return incident.kind == "file wait" or any(
        one.may_write(path) and other.may_write(path) for path in incident.files
    )


def _described(
    evidence: Evidence, code: Code, tasks: tuple[str, ...], found: tuple[Incident, ...]
) -> Defect:
    files = tuple(sorted({path for incident in found for path in incident.files}))
    named = ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
    if code == "narrow-scope":
        what = f"{tasks[0]} needed to write {named}, which the plan does not give it"
        fix = f"add {named} to `writes` of {tasks[0]}, or make it a task of its own"
        return Defect(code, tasks, files, found, what, fix)
    first, second = tasks
    fix = f"add `depends_on: [{first}]` to {second}"
    if code == "overlapping-writes":
        what = f"{first} and {second} both hold {named}, and neither waits for the other"
        fix += ", or list the files under `shares` in both, or let one task alone write them"
    else:
        what = f"{second} uses {named}, which {first} writes, and does not wait for it"
    return Defect(code, tasks, files, found, what, fix)
