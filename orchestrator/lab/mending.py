"""The plan as the run says that it should have been.

Edges are added where something flowed, or clashed, without one. Edges along which nothing flowed
are taken out, but stay in the text as comments: a run is one sample, and whoever reads the plan
decides. `reads` become what was looked at and what code and tests need. `writes` grow by what was
asked for; they never shrink, since what one run did not write another may have to.

No order that protected something is lost: an edge stays while the two tasks may write the same
files, or while something flowed between them by whatever way and no other path says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.core.scope import Scope
from orchestrator.core.task import Task
from orchestrator.lab.score import Score

MOST_READS = 40
"""Files that `reads` lists one by one; more are given by their folders."""


@dataclass(slots=True)
class Mend:
    """What changes for one task.

    Attributes:
        depends_on: what it should wait for.
        reads: what it should be allowed to read; None: as it is.
        writes: what it should hold.
        said: one line for each change.
    """

    depends_on: tuple[str, ...]
    writes: tuple[str, ...]
    reads: tuple[str, ...] | None = None
    said: list[str] = field(default_factory=list)


def mend(score: Score) -> dict[str, Mend]:
    """Return what should change, per task; tasks that should stay as they are included."""
    tasks = {task.id: task for task in score.tasks}
    mends = {name: Mend(task.depends_on, task.writes) for name, task in tasks.items()}
    _add_edges(score, mends)
    _drop_edges(score, tasks, mends)
    for name, change in mends.items():
        _mend_files(score, tasks[name], change)
    return mends


def _add_edges(score: Score, mends: Mapping[str, Mend]) -> None:
    added: list[tuple[str, str]] = []
    for defect in score.defects:
        if len(defect.tasks) != 2:
            continue
        first, second = defect.tasks
        change = mends[second]
        if waits(mends, second, first):
            continue
        if waits(mends, first, second):
            change.said.append(f"not added: {first}, which waits for {second}; {defect.what}")
            continue
        change.depends_on += (first,)
        added.append((first, second))
    for first, second in added:
        change = mends[second]
        whole = change.depends_on
        change.depends_on = tuple(name for name in whole if name != first)
        if not waits(mends, second, first):  # no other new edge says so as well
            change.depends_on = whole
            change.said.append(f"added: {first} ({_why(score, first, second)})")


def _why(score: Score, first: str, second: str) -> str:
    defect = next(d for d in score.defects if d.tasks == (first, second))
    kinds = dict.fromkeys(incident.kind for incident in defect.incidents)
    return f"{', '.join(kinds)}: {', '.join(defect.files[:4])}"


def _drop_edges(score: Score, tasks: Mapping[str, Task], mends: Mapping[str, Mend]) -> None:
    """Take out edges along which nothing flowed, one at a time, while every need stays met."""
    flows = {(flow.source, flow.target) for flow in score.flows}
    needs = {(before, after) for before, after in flows if waits(mends, after, before)}
    needs.update(_clashing(tasks, mends))
    for first, second in score.unused:
        change = mends[second]
        whole = change.depends_on
        change.depends_on = tuple(name for name in whole if name != first)
        if all(waits(mends, after, before) for before, after in needs):
            change.said.append(f"removed: {first} (nothing flowed along this edge)")
        else:
            change.depends_on = whole
            why = "nothing flowed along this edge, but it keeps others in order"
            change.said.append(f"kept: {first} ({why})")


def _clashing(tasks: Mapping[str, Task], mends: Mapping[str, Mend]) -> Iterable[tuple[str, str]]:
    """Yield pairs that are in order now and may write the same files, the first one first."""
    scopes = {name: (Scope(task.writes), Scope(task.shares)) for name, task in tasks.items()}
    for second in tasks:
        for first in tasks:
            (mine, ours), (theirs, all_) = scopes[second], scopes[first]
            if first != second and waits(mends, second, first):
                pairs = ((mine, theirs), (mine, all_), (ours, theirs))
                if any(a.globs and b.globs and a.overlaps(b) for a, b in pairs):
                    yield first, second


def waits(mends: Mapping[str, Mend], task: str, on: str) -> bool:
    """Whether a task would wait for another, directly or not."""
    seen, todo = {task}, [task]
    while todo:
        for name in mends[todo.pop()].depends_on:
            if name == on:
                return True
            if name in mends and name not in seen:
                seen.add(name)
                todo.append(name)
    return False


def _mend_files(score: Score, task: Task, change: Mend) -> None:
    own = Scope((*task.writes, *task.shares))
    for defect in score.defects:
        if defect.code == "narrow-scope" and defect.tasks == (task.id,):
            more = tuple(path for path in defect.files if not own.matches(path))
            if more:
                change.writes += more
                change.said.append(f"writes: added {', '.join(more)}, which it asked for")
    found = score.scores.get(task.id)
    if found is None or not _knows_code(score):
        return
    needed = found.reads.actual | set(score.footprints[task.id].tests)
    reads = _as_globs(sorted(needed - found.writes.declared))
    if Scope(reads) != Scope(task.reads) and set(reads) != set(task.reads):
        change.reads = reads
        was = json.dumps(list(task.reads), ensure_ascii=False)
        change.said.append(f"reads: were {was}; this is what was looked at or is needed")


def _knows_code(score: Score) -> bool:
    return any(step.needs or step.tests for step in score.footprints.values())


def _as_globs(paths: Sequence[str]) -> tuple[str, ...]:
    """Return paths as a list that a person can read."""
    if len(paths) <= MOST_READS:
        return tuple(paths)
    folders = dict.fromkeys(path.rpartition("/")[0] for path in paths)
    return tuple(f"{folder}/*" if folder else "*" for folder in folders)


def mended_text(data: Mapping[str, Any], mends: Mapping[str, Mend], run: str) -> str:
    """Return a plan file with the changes, each told in a comment above its task.

    Args:
        data: the plan, as read from its file.
        mends: what changes.
        run: the run that says so.
    """
    top = {key: value for key, value in data.items() if key != "tasks"}
    lines = [f"# Mended by what run {run} showed. Comments say what changed and why."]
    lines += [*_dumped(top).splitlines(), "tasks:"]
    for row in data["tasks"]:
        change = mends.get(row["id"])
        said = change.said if change else ()
        lines += [f"  # {row['id']}: {' '.join(line.split())}" for line in said]
        entry = _changed(row, change) if change else row
        lines += [f"  {line}".rstrip() for line in _dumped([entry]).splitlines()]
    return "\n".join([*lines, ""])


def _dumped(value: Any) -> str:
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes texts of several lines as such, and lists of names on one line."""

    def text(dumper: yaml.SafeDumper, data: str) -> yaml.ScalarNode:
        style = "|" if "\n" in data else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)

    def names(dumper: yaml.SafeDumper, data: list[Any]) -> yaml.SequenceNode:
        flow = all(isinstance(entry, str) for entry in data)
        return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=flow)

    Dumper.add_representer(str, text)
    Dumper.add_representer(list, names)
    # No aliases: values that the reader shares are written out where they stand.
    plain = json.loads(json.dumps(value))
    return yaml.dump(plain, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=100)


def _changed(row: Mapping[str, Any], change: Mend) -> dict[str, Any]:
    entry = dict(row)
    if change.depends_on or "depends_on" in entry:
        entry["depends_on"] = list(change.depends_on)
    if change.writes or "writes" in entry:
        entry["writes"] = list(change.writes)
    if change.reads is not None:
        entry["reads"] = list(change.reads)
    return entry
