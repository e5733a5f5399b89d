"""Certificates: why no two tasks of a plan can collide, written so that it can be checked.

Two tasks are safe beside one another if Bernstein's conditions hold (A. J. Bernstein, "Analysis
of Programs for Parallel Processing", IEEE Transactions on Electronic Computers EC-15, 1966)::

    W(a) ∩ W(b) = ∅        W(a) ∩ R(b) = ∅        R(a) ∩ W(b) = ∅

W is what a task may write, R what it may read and what it needs by the code
(`analysis.footprints`); both over all paths, whether there are such files or not. A pair needs
no reason if one task must have succeeded before the other starts: along a path of dependencies
whose first task has `on_failure: skip` (one with `continue` may fail, and be tried again by a
person while the other runs).

Declared reads count as they are declared, because an agent may use them: a task with
``reads: ["**"]`` may look at what everybody else is writing, and no certificate can say that it
does not. `narrowed` returns the reads that can be certified.

The certificate is a JSON document, described in ``docs/certificate.md``. `analysis.verify`
checks it without any of the code that made it.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from orchestrator.analysis.codegraph import CodeGraph, build
from orchestrator.analysis.disjointness import reasons_for
from orchestrator.analysis.footprints import Footprint, footprints
from orchestrator.analysis.languages.registry import languages
from orchestrator.analysis.versioned import list_tree
from orchestrator.core.decision import listed
from orchestrator.core.rules import RoleBounds
from orchestrator.core.scope import Scope
from orchestrator.core.task import Task
from orchestrator.errors import UsageError
from orchestrator.spec.findings import Finding
from orchestrator.spec.plan import Plan
from orchestrator.spec.roles import Role, load_roles

FORMAT = "orchestrator certificate 1"
_SETTINGS = ("pyproject.toml", "setup.cfg", "setup.py", "tsconfig.json", "package.json")


@dataclass(frozen=True, slots=True)
class Certified:
    """The answer to the wish for a certificate.

    Attributes:
        certificate: the document; None: the plan cannot be certified.
        findings: why not, and what would help; empty when there is a certificate.
        unordered: pairs of tasks that may run at the same time.
        ordered: pairs of which one must have succeeded before the other starts.
    """

    certificate: dict[str, Any] | None
    findings: tuple[Finding, ...]
    unordered: int
    ordered: int


def certify(plan: Plan, graph: CodeGraph | None = None) -> Certified:
    """Make a certificate for a plan, or say why there is none.

    Args:
        plan: a plan read from a file.
        graph: the code of its workspace as it is now; None: it is analysed here.

    Raises:
        UsageError: the plan was built in code; there is no file that the certificate could name.
        RoleError: a role document is not valid.
        WorkspaceError: git governs the workspace and fails.
    """
    path = _file_of(plan)
    site, pairs = _Site.of(plan, graph), _Pairs(plan.tasks)
    findings = [*site.obstacles(), *_collisions(site, pairs)]
    document = None if findings else _document(path, site, pairs)
    return Certified(document, tuple(findings), len(pairs.unordered), len(pairs.ordered))


def claim(plan: Plan, graph: CodeGraph | None = None) -> dict[str, Any]:
    """Return the document that says that all unordered pairs are safe, true or not.

    For trying a verifier: it must refuse this whenever `certify` has findings. Arguments and
    errors as for `certify`.
    """
    return _document(_file_of(plan), _Site.of(plan, graph), _Pairs(plan.tasks))


def _file_of(plan: Plan) -> Path:
    if plan.path is None:
        raise UsageError(
            "this plan has no file",
            f"plan {plan.name}",
            "a certificate names the digest of a plan file",
            "write the plan to a file and load that",
        )
    return plan.path


def narrowed(plan: Plan, graph: CodeGraph | None = None) -> dict[str, tuple[str, ...]]:
    """Return, for each task whose declared reads cannot be certified, reads that can.

    They are the declared ones without what tasks that may run at the same time may write.

    Args:
        plan: the plan.
        graph: as for `certify`.
    """
    site, pairs = _Site.of(plan, graph), _Pairs(plan.tasks)
    return {task: reads for task, (reads, _) in _narrower(site, pairs).items()}


# --- what a certificate is about ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Site:
    """Roles, code and footprints of a plan."""

    plan: Plan
    roles: Mapping[str, Role]
    graph: CodeGraph | None
    prints: Mapping[str, Footprint]

    @classmethod
    def of(cls, plan: Plan, graph: CodeGraph | None) -> _Site:
        if graph is None and plan.workspace is not None:
            graph = build(plan.workspace)
        known = load_roles(plan.roles)
        roles = {name: known[name] for name in sorted({t.role for t in plan.tasks} - {""})}
        bounds = {
            name: RoleBounds(Scope(role.reads), Scope(role.writes)) for name, role in roles.items()
        }
        found = footprints(plan.tasks, bounds, graph)
        return cls(plan, roles, graph, {one.task.id: one for one in found})

    def obstacles(self) -> Iterator[Finding]:
        """Yield what keeps the needs of tasks from being derived."""
        if self.graph is None:
            return
        for problem in self.graph.problems:
            path = problem.where.partition(":")[0]
            users = tuple(
                name
                for name, one in self.prints.items()
                if one.writes.matches(path) or path in one.tests
            )
            if users and problem.code != "no-code":
                yield Finding(
                    f"{problem.what}, so nothing says what {path} depends on",
                    problem.where, problem.why, problem.fix, "uncertified-code", users,
                )  # fmt: skip

    def files(self) -> dict[str, str]:
        """Return the digests of all source files, and of other files that tasks need."""
        graph = self.graph
        if graph is None:
            return {}
        owners = languages()
        needed = {path for one in self.prints.values() for path in one.needs}
        found = {}
        for path in list_tree(graph.root).files:
            place = graph.root / path
            code = path in _SETTINGS or any(owner.owns(path) for owner in owners)
            if (code or path in needed) and place.is_file() and not place.is_symlink():
                found[path] = hashlib.sha256(place.read_bytes()).hexdigest()
        return found


class _Pairs:
    """Which tasks may run at the same time."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = {task.id: task for task in tasks}
        self._after: dict[str, list[str]] = {task.id: [] for task in tasks}
        for task in tasks:
            for name in task.depends_on:
                self._after[name].append(task.id)
        self.ordered: dict[tuple[str, str], tuple[str, ...]] = {}
        self.loose: set[frozenset[str]] = set()
        for task in tasks:
            for end, path in self._paths(task.id).items():
                if task.on_failure == "skip":
                    self.ordered[task.id, end] = path
                else:
                    self.loose.add(frozenset((task.id, end)))
        self.unordered = [
            (a, b)
            for a, b in combinations(self._tasks, 2)
            if (a, b) not in self.ordered and (b, a) not in self.ordered
        ]

    def _paths(self, start: str) -> dict[str, tuple[str, ...]]:
        """Return a shortest path to each task that waits for `start`."""
        found: dict[str, tuple[str, ...]] = {start: (start,)}
        todo = deque([start])
        while todo:
            here = todo.popleft()
            for after in self._after[here]:
                if after not in found:
                    found[after] = (*found[here], after)
                    todo.append(after)
        del found[start]
        return found


# --- collisions ---------------------------------------------------------------------------------


def _collisions(site: _Site, pairs: _Pairs) -> Iterator[Finding]:
    """Yield what keeps pairs from being safe: of writes one finding for each file, of needs one
    for each pair, of declared reads one for each task."""
    together: dict[str, list[tuple[str, str]]] = {}
    needs: list[Finding] = []
    for a, b in pairs.unordered:
        one, other = site.prints[a], site.prints[b]
        loose = frozenset((a, b)) in pairs.loose
        path = one.writes.overlap(other.writes)
        if path is not None:
            together.setdefault(path, []).append((a, b))
        for reader, writer in ((one, other), (other, one)):
            found = next((path for path in reader.needs if writer.writes.matches(path)), None)
            if found is not None:
                needs.append(_needs_unfinished(site, reader, writer, found, loose))
    yield from (_both_write(site, pairs, path, who) for path, who in together.items())
    yield from needs
    for task, (reads, writers) in _narrower(site, pairs).items():
        yield _may_look(site, task, reads, writers)


def _both_write(site: _Site, pairs: _Pairs, path: str, who: Sequence[tuple[str, str]]) -> Finding:
    a, b = who[0]
    names = [task.id for task in site.plan.tasks if any(task.id in pair for pair in who)]
    loose = frozenset((a, b)) in pairs.loose
    waiting = f"add `depends_on: [{a}]` to `{b}`, or let one of them alone write it"
    alone = "let one task alone write it, before or after the others"
    shared = all(Scope(site.prints[name].task.shares).matches(path) for name in names)
    return Finding(
        f"{listed(f'`{name}`' for name in names)} may write `{path}` at the same time",
        site.plan.places.get(b, f"task {b}"),
        _why_together(len(names), len(who), shared) if not loose else _loosely(a, b),
        _LOOSE_FIX if loose else waiting if len(names) == 2 else alone,
        "uncertified-writes", tuple(names), witness=path,
    )  # fmt: skip


def _why_together(tasks: int, pairs: int, shared: bool) -> str:
    if shared:
        return "edits of a shared file can be refused as stale before they are merged"
    if tasks == 2:
        return "neither waits for the other"
    return f"{pairs} pairs of them do not wait for one another"


def _needs_unfinished(
    site: _Site, reader: Footprint, writer: Footprint, path: str, loose: bool
) -> Finding:
    a, b = reader.task.id, writer.task.id
    return Finding(
        f"`{a}` needs `{path}` by its code or its tests, and `{b}` may write it",
        site.plan.places.get(a, f"task {a}"),
        _loosely(b, a) if loose else "neither waits for the other",
        _LOOSE_FIX if loose else f"add `depends_on: [{b}]` to `{a}`, or take what both need out "
        "into a task before both",
        "uncertified-needs", (a, b), witness=path,
    )  # fmt: skip


def _may_look(
    site: _Site, task: str, reads: tuple[str, ...], writers: Mapping[str, str]
) -> Finding:
    path = next(iter(writers.values()))
    written = ", ".join(f'"{glob}"' for glob in reads)
    return Finding(
        f"`{task}` may read `{path}` while it is being written",
        site.plan.places.get(task, f"task {task}"),
        f"its `reads` hold files of tasks that may run at the same time ({listed(writers)})",
        f"narrow it to `reads: [{written}]`; `lint --certificate FILE --narrow PLAN` does that",
        "uncertified-reads", (task, *writers), witness=path,
    )  # fmt: skip


_LOOSE_FIX = "set `on_failure: skip` on the earlier task, or cut their files apart"


def _loosely(a: str, b: str) -> str:
    return (
        f"one comes before the other, but need not succeed (`on_failure: continue`): tried again "
        f"by a person, it may run beside the other ({a}, {b})"
    )


def _narrower(site: _Site, pairs: _Pairs) -> dict[str, tuple[tuple[str, ...], dict[str, str]]]:
    """Return reads that can be certified, and whom they shut out, with a path of each.

    Only for tasks whose declared reads cannot be certified; in the order of the plan.
    """
    rivals: dict[str, dict[str, str]] = {}
    for a, b in pairs.unordered:
        for reader, writer in ((a, b), (b, a)):
            path = site.prints[reader].reads.overlap(site.prints[writer].writes)
            if path is not None:
                rivals.setdefault(reader, {})[writer] = path
    found = {}
    for task in (task for task in site.plan.tasks if task.id in rivals):
        reads = site.prints[task.id].reads
        written = (
            glob
            for writer in rivals[task.id]
            for globs in (site.prints[writer].task.writes, site.prints[writer].task.shares)
            for glob in globs
            if not glob.startswith("!") and Scope((glob,)).overlaps(reads)
        )
        found[task.id] = _without(task.reads, tuple(dict.fromkeys(written))), rivals[task.id]
    return found


def _without(reads: Sequence[str], shut: tuple[str, ...]) -> tuple[str, ...]:
    """Return reads that hold nothing of `shut`, written as shortly as that goes."""
    rest = Scope(shut)
    kept = [
        glob for glob in reads if glob.startswith("!") or Scope((glob,)).outside(rest) is not None
    ]
    if all(glob.startswith("!") for glob in kept):
        return ()
    left = Scope(kept)
    return (*kept, *(f"!{glob}" for glob in shut if left.overlaps(Scope((glob,)))))


# --- the document -------------------------------------------------------------------------------


def plan_digest(path: Path) -> str:
    """Return the digest of what a plan file says, whatever its formatting.

    Every scalar counts as its text, so ``60s`` and ``1m`` are different plans.
    """
    import yaml

    return _digest(yaml.load(path.read_bytes(), yaml.BaseLoader))


def _digest(data: Any) -> str:
    text = json.dumps(data, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _document(path: Path, site: _Site, pairs: _Pairs) -> dict[str, Any]:
    certificate: dict[str, Any] = {
        "format": FORMAT,
        "plan": plan_digest(path),
        "roles": {
            name: {
                "digest": role.digest, "reads": list(role.reads), "writes": list(role.writes),
            }
            for name, role in site.roles.items()
        },
        "files": site.files(),
        "tasks": [_task(one) for one in site.prints.values()],
        "ordered": [{"path": list(path)} for path in pairs.ordered.values()],
        "unordered": [
            _reasons(site.prints[a].task, site.prints[b].task) for a, b in pairs.unordered
        ],
    }  # fmt: skip
    return {**certificate, "seal": _digest(certificate)}


def _task(one: Footprint) -> dict[str, Any]:
    task = one.task
    return {
        "id": task.id,
        "role": task.role,
        "depends_on": list(task.depends_on),
        "on_failure": task.on_failure,
        "writes": list(task.writes),
        "shares": list(task.shares),
        "reads": list(task.reads),
        "tests": list(one.tests),
        "derived": list(one.needs),
    }


def _reasons(a: Task, b: Task) -> dict[str, Any]:
    """Return why two tasks are safe beside one another; that they are has been decided."""
    writes_a, writes_b = (a.writes, a.shares), (b.writes, b.shares)
    return {
        "tasks": [a.id, b.id],
        "writes_writes": list(reasons_for(writes_a, writes_b)),
        "writes_reads": list(reasons_for(writes_a, (b.reads,))),
        "reads_writes": list(reasons_for((a.reads,), writes_b)),
    }


def with_reads(plan: Plan, reads: Mapping[str, tuple[str, ...]]) -> Plan:
    """Return the plan with other reads for some of its tasks."""
    tasks = (replace(task, reads=reads.get(task.id, task.reads)) for task in plan.tasks)
    return replace(plan, tasks=tuple(tasks))
