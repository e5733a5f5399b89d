"""Tasks that declare to read what a task beside them writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from orchestrator.analysis.linting.ground import Ground, capped, listed
from orchestrator.analysis.linting.needs import Need
from orchestrator.core.glob import is_plain
from orchestrator.core.scopeindex import ScopeIndex
from orchestrator.core.task import Task
from orchestrator.spec.findings import AddDependency, Finding
from orchestrator.spec.scopecheck import scope_of

EVERYTHING = "**"


def check_reads(ground: Ground, needs: Mapping[tuple[str, str], Need]) -> list[Finding]:
    """Find declared reads of files that an unordered task writes.

    A file that is named is meant to be read: a warning. A glob says what may be read: one note
    per task. The whole workspace, which is the default, says nothing.
    """
    index = ScopeIndex()
    for task in ground.tasks:
        scope = scope_of(task.writes) if task.writes else None
        if scope is not None:
            index.add(task.id, scope)
    found = []
    for task in ground.tasks:
        if EVERYTHING in task.reads or not task.reads:
            continue
        named = list(_named(ground, needs, index, task))
        said = {other for finding in named for other in finding.tasks}
        found += [*named, *_allowed(ground, needs, index, task, said)]
    return capped(found, ground.these)


def _meets(
    ground: Ground, needs: Mapping[tuple[str, str], Need], index: ScopeIndex, task: Task,
    globs: tuple[str, ...],
) -> list[str]:  # fmt: skip
    """Return the unordered tasks that write what the globs hold, but for those told elsewhere."""
    scope = scope_of(globs)
    return [
        other
        for other in (index.overlapping(scope) if scope is not None else ())
        if ground.order.unordered(task.id, other)
        and (task.id, other) not in needs
        and (other, task.id) not in needs
    ]


def _named(
    ground: Ground, needs: Mapping[tuple[str, str], Need], index: ScopeIndex, task: Task
) -> Iterator[Finding]:
    reads = scope_of(task.reads)
    for entry, glob in enumerate(task.reads):
        name = glob.rstrip("/")
        # A directory says what may be read, as a glob does.
        if glob.startswith("!") or not is_plain(glob) or not _is_file(ground, name):
            continue
        if reads is None or not reads.matches(name):
            continue
        for other in _meets(ground, needs, index, task, (glob,)):
            yield Finding(
                f"`{task.id}` reads `{glob}`, which `{other}` may be writing",
                ground.place(task.id, "reads", entry),
                "neither waits for the other",
                f"add `depends_on: [{other}]` to `{task.id}`, or take the file out of `reads`",
                "read-write",
                (task.id, other),
                ground.weight("warning"),
                name,
                AddDependency(task.id, other),
            )


def _is_file(ground: Ground, name: str) -> bool:
    return (
        name in ground.graph.modules or name in ground.graph.data or "." in name.rpartition("/")[2]
    )


def _allowed(
    ground: Ground, needs: Mapping[tuple[str, str], Need], index: ScopeIndex, task: Task,
    said: set[str],
) -> Iterator[Finding]:  # fmt: skip
    others = [name for name in _meets(ground, needs, index, task, task.reads) if name not in said]
    if not others:
        return
    scope, written = scope_of(task.reads), scope_of(ground.these.tasks[
        ground.these.index[others[0]]].writes)  # fmt: skip
    witness = scope.overlap(written) if scope is not None and written is not None else None
    yield Finding(
        f"`{task.id}` may read files that {listed(others)} may be writing",
        ground.place(task.id, "reads"),
        "no order stands between them; what it has read may change under it",
        f"name just the files that `{task.id}` needs, or let it wait for their authors",
        "read-write",
        (task.id, *others),
        "info",
        witness,
    )
