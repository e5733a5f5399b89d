"""Lint: what can be said about a plan before it runs, from the plan and from its code.

`spec.plan` finds what is wrong with a plan as it stands. Here the code in its workspace is asked
as well: does the order of the tasks fit what their files and tests depend on? The answer is as
good as the code graph, which sees what is there: stubs will import more when they are written.

Two tasks that may run at once are safe by Bernstein's conditions (1966): neither writes what the
other writes or reads. Writes are what the plan declares, reads are declared or derived from the
code. Files under `shares` are edited together on purpose, and validated by region.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.analysis.codegraph import CodeGraph, build
from orchestrator.analysis.linting import coupling, coverage, hubs, reading, size
from orchestrator.analysis.linting.ground import Ground, stand
from orchestrator.analysis.linting.needs import needs_of
from orchestrator.analysis.parallelism import Parallelism, parallelism_of
from orchestrator.errors import OrchestratorError
from orchestrator.spec.findings import Finding, in_order
from orchestrator.spec.places import CodePlaces, FilePlaces, Places
from orchestrator.spec.plan import Plan, find
from orchestrator.spec.plancheck import TaskList
from orchestrator.spec.yamldoc import read_document


@dataclass(frozen=True, slots=True)
class Report:
    """What lint has to say about a plan file.

    Attributes:
        plan: the plan; None if it cannot run.
        findings: by place.
        parallel: what its dependencies allow; None without a plan.
        code: source files that were looked at; None: none could be.
        left_out: problems of source files, which were left out.
    """

    plan: Plan | None
    findings: tuple[Finding, ...]
    parallel: Parallelism | None
    code: int | None = None
    left_out: tuple[str, ...] = ()


def lint_file(path: str | Path, *, cache: Path | None = None) -> Report:
    """Read a plan file and say everything about it. Raises nothing for what is in it.

    Args:
        path: the file.
        cache: directory for what was learnt of the code; None: no cache.
    """
    plan, found = find(path)
    if plan is None:
        return Report(None, tuple(found), None)
    parallel = parallelism_of(plan.tasks)
    try:
        graph = _graph(plan, cache)
    except OrchestratorError as error:
        note = _no_code(plan, error)
        return Report(plan, tuple(in_order([*found, *lint(plan, None, parallel), note])), parallel)
    said = tuple(in_order([*found, *lint(plan, graph, parallel)]))
    if graph is None:
        return Report(plan, said, parallel)
    left_out = tuple(str(problem).partition("\n")[0] for problem in graph.problems)
    return Report(plan, said, parallel, len(graph.modules), left_out)


def _graph(plan: Plan, cache: Path | None) -> CodeGraph | None:
    """Return the code of a plan's workspace; None when it has none or tasks write nothing."""
    if plan.workspace is None or not any(task.writes or task.shares for task in plan.tasks):
        return None
    return build(plan.workspace, cache=cache)


def _no_code(plan: Plan, error: OrchestratorError) -> Finding:
    return Finding(
        "the code in the workspace could not be read",
        str(plan.workspace),
        f"{error.what}; the plan was checked without it",
        error.fix,
        "code-not-read",
        severity="info",
    )


def lint(
    plan: Plan, graph: CodeGraph | None = None, parallel: Parallelism | None = None
) -> list[Finding]:
    """Return what the code and the shape of a plan say about it, beyond `spec.plan.check_plan`.

    Args:
        plan: a plan that can run.
        graph: the code in its workspace; None: only the shape is looked at.
        parallel: what its dependencies allow, if that is known already.
    """
    parallel = parallel or parallelism_of(plan.tasks)
    these = TaskList(tasks=plan.tasks, places=_places(plan))
    workers = plan.limits.workers
    ground = None
    if graph is not None and graph.modules:
        ground = stand(these, graph, plan.mode, workers)
    found = [
        *size.check_sizes(these, ground),
        *size.check_depth(these, parallel, workers, plan.mode),
    ]
    return in_order(found + (_of_code(ground) if ground is not None else []))


def _of_code(ground: Ground) -> list[Finding]:
    needs = needs_of(ground)
    return [
        *coupling.check_missing(ground, needs),
        *coupling.check_backwards(ground, needs),
        *coupling.check_needless(ground, needs),
        *reading.check_reads(ground, needs),
        *coverage.check_stubs(ground),
        *coverage.check_tests(ground),
        *coverage.check_reach(ground, needs),
        *hubs.check_hubs(ground),
    ]


def _places(plan: Plan) -> Places:
    """Return where the parts of a plan stand; in its file, if that still is what was read."""
    if plan.path is not None:
        document = read_document(plan.path)
        rows = document.data.get("tasks") if isinstance(document.data, dict) else None
        named = [row.get("id") for row in rows or () if isinstance(row, dict)]
        if document.digest == plan.digest and named == [task.id for task in plan.tasks]:
            return FilePlaces(document, range(len(plan.tasks)))
    return CodePlaces(plan.tasks, plan.places)


def accused(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings that ask for a change: errors and warnings."""
    return [finding for finding in findings if finding.severity != "info"]
