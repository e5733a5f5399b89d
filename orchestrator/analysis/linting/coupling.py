"""Dependencies that the plan forgets, has the wrong way round, or has without need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from orchestrator.analysis.codegraph import Strength
from orchestrator.analysis.linting.ground import Ground, capped
from orchestrator.analysis.linting.needs import Need, reachable
from orchestrator.core.glob import is_plain
from orchestrator.core.task import Task
from orchestrator.spec.findings import AddDependency, Finding, Severity
from orchestrator.spec.scopecheck import scope_of

Needs = Mapping[tuple[str, str], Need]

_WHEN = {
    Strength.HARD: "needed while it is imported",
    Strength.CALL: "used when it runs",
    Strength.LAZY: "imported when it runs",
    Strength.TYPING: "for its type annotations only",
    Strength.OBSERVED: "called while the program ran",
}


def check_missing(ground: Ground, needs: Needs) -> list[Finding]:
    """Find tasks that need one another's files and may run at once."""
    found = []
    for (task, on), need in needs.items():
        if not ground.order.unordered(task, on):
            continue
        back = needs.get((on, task))
        if back is None or need.rank < back.rank:
            found.append(_missing(ground, need))
        elif need.rank == back.rank and ground.these.index[task] < ground.these.index[on]:
            found.append(_mutual(ground, need, back))
    return capped(found, ground.these)


def _missing(ground: Ground, need: Need) -> Finding:
    noted = need.strength is Strength.TYPING
    fix = f"add `depends_on: [{need.on}]` to `{need.task}`"
    if noted:
        fix = f"nothing, unless `{need.on}` will change these types; then {fix}"
    return Finding(
        f"`{need.task}` needs `{need.on}` and does not wait for it",
        ground.place(need.task, "depends_on"),
        _reason(need),
        fix,
        "missing-dependency",
        (need.task, need.on),
        _severity(ground, need),
        need.witness,
        None if noted else AddDependency(need.task, need.on),
    )


def _severity(ground: Ground, need: Need) -> Severity:
    if need.strength is Strength.TYPING:
        return "info"
    return ground.weight("error" if need.breaks else "warning")


def _reason(need: Need) -> str:
    if need.source == need.target:
        return f"its test file `{need.source}` is written by `{need.on}`"
    kind = "its test " if need.test else ""
    when = _WHEN[need.strength]
    if need.breaks:
        when = "and importing it calls what is not written yet"
    return f"{kind}`{need.source}` depends on `{need.target}`, {when}"


def _mutual(ground: Ground, need: Need, back: Need) -> Finding:
    return Finding(
        f"`{need.task}` and `{need.on}` need one another and may run at once",
        ground.place(need.task),
        f"{_reason(need)}; and of `{need.on}`, {_reason(back)}",
        "make them one task, or move what both need into a task before both",
        "missing-dependency",
        (need.task, need.on),
        _severity(ground, need),
        need.witness,
    )


def check_backwards(ground: Ground, needs: Needs) -> list[Finding]:
    """Find tasks that are done before what they need, though nothing asks for that order.

    Where the code of several tasks needs one another in a circle, some need must point
    backwards; it is no mistake unless a stronger one of the circle could have been kept.
    """
    found = []
    for (task, on), need in needs.items():
        if need.strength is Strength.TYPING or not ground.order.before(task, on):
            continue
        if task not in reachable(needs, on, need.strength):
            found.append(
                Finding(
                    f"`{task}` is done before `{on}`, which it needs",
                    ground.place(on, "depends_on"),
                    _reason(need),
                    _turn_round(ground, task, on),
                    "backward-dependency",
                    (task, on),
                    "error" if need.breaks else "warning",
                    need.witness,
                )
            )
    return capped(found, ground.these)


def _turn_round(ground: Ground, task: str, on: str) -> str:
    direct = task in ground.order.waits_for[on]
    through = next(
        (name for name in ground.order.waits_for[on] if ground.order.before(task, name)), ""
    )
    cut = f"`{task}`" if direct else f"`{through}`, which waits for `{task}`,"
    return f"take {cut} out of the `depends_on` of `{on}`, and add `{on}` to that of `{task}`"


def check_needless(ground: Ground, needs: Needs) -> list[Finding]:
    """Find dependencies that others imply, and those that no flow of data supports.

    The second can be told only of tasks whose files are all written: a stub may come to need
    anything.
    """
    found: list[Finding] = []
    for task in ground.tasks:
        for entry, on in enumerate(task.depends_on):
            others = (name for name in task.depends_on if name != on)
            by = next((name for name in others if ground.order.before(on, name)), None)
            if by is not None:
                found.append(_implied(ground, task, entry, on, by))
            elif (
                _told(ground, task.id)
                and _told(ground, on)
                and not _linked(ground, needs, task, on)
            ):
                found.append(_unsupported(ground, task, entry, on))
    return capped(found, ground.these)


def _implied(ground: Ground, task: Task, entry: int, on: str, by: str) -> Finding:
    return Finding(
        f"`{task.id}` waits for `{on}` twice over",
        ground.place(task.id, "depends_on", entry),
        f"it waits for `{by}`, which waits for `{on}`",
        f"nothing, or take `{on}` out of the `depends_on` of `{task.id}`",
        "implied-dependency",
        (task.id, on),
        "info",
        f"{task.id} -> {by} -> {on}",
    )


def _unsupported(ground: Ground, task: Task, entry: int, on: str) -> Finding:
    return Finding(
        f"nothing in the code says why `{task.id}` waits for `{on}`",
        ground.place(task.id, "depends_on", entry),
        "neither's files or tests use the other's, and their scopes do not meet",
        f"take `{on}` out of the `depends_on` of `{task.id}`, unless you know why it must wait",
        "needless-dependency",
        (task.id, on),
        "info",
    )


def _told(ground: Ground, task: str) -> bool:
    """Whether the code of a task is all there, so that what it does not name it does not need."""
    own = ground.these.tasks[ground.these.index[task]]
    files = ground.held[task]
    sources = [path for path in files if path in ground.graph.modules]
    plain = [glob for glob in own.writes if is_plain(glob)]
    missing = any(glob.rstrip("/") not in files and not _holds(files, glob) for glob in plain)
    return (
        bool(sources)
        and not missing
        and not any(ground.graph.modules[path].stubs for path in sources)
    )


def _holds(files: Sequence[str], glob: str) -> bool:
    return any(path.startswith(f"{glob.rstrip('/')}/") for path in files)


def _linked(ground: Ground, needs: Needs, task: Task, on: str) -> bool:
    """Whether data may flow between two tasks."""
    if (task.id, on) in needs or (on, task.id) in needs:
        return True
    other = ground.these.tasks[ground.these.index[on]]
    mine, theirs = (scope_of((*one.writes, *one.shares)) for one in (task, other))
    if mine is None or theirs is None or mine.overlaps(theirs):
        return True
    reads = scope_of(task.reads) if "**" not in task.reads else None
    if reads is not None and reads.overlaps(theirs):
        return True
    return on in set(_reached(ground, task.id)) or task.id in set(_reached(ground, on))


def _reached(ground: Ground, task: str) -> Iterator[str]:
    """Yield the tasks whose files the tests of a task reach."""
    for test in ground.tests[task]:
        for path in ground.graph.reached_by(test):
            yield from ground.writers.get(path, ())
