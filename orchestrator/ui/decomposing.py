"""`decompose`: a directory of code with something to be done in it, cut into a plan."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.analysis.codegraph import CodeGraph, build
from orchestrator.analysis.decompose import Decomposition, Options, decompose
from orchestrator.analysis.decomposing.writing import to_yaml
from orchestrator.analysis.lint import lint
from orchestrator.analysis.parallelism import parallelism_of
from orchestrator.analysis.tracing import recall, trace
from orchestrator.models.registry import create_model
from orchestrator.spec.findings import Finding
from orchestrator.spec.plan import Plan, check_plan
from orchestrator.ui.files import write_text
from orchestrator.ui.output import complain, say
from orchestrator.ui.words import count, duration

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of `decompose` beside what a decomposition needs.

    Attributes:
        strategy: how to cut.
        options: what the decomposition needs; its `model` is left to `model` here.
        output: file to write the plan to; None: standard output.
        model: the planner of the strategy `model`, as on the command line; empty: none.
        model_options: its options, as text.
        trace: command to run and record; what it calls counts as depended upon.
        language: as in `codegraph.build`.
        cache: directory of the code graph's cache; None: none is kept.
    """

    strategy: str
    options: Options = field(default_factory=Options)
    output: Path | None = None
    model: str = ""
    model_options: tuple[tuple[str, str], ...] = ()
    trace: str = ""
    language: str = "auto"
    cache: Path | None = None


def show_decomposition(root: Path, asked: Asked) -> int:
    """Cut what is to be done in a directory into a plan, write it, say how it looks.

    Returns:
        The exit code: 1 if lint finds an error in the plan.

    Raises:
        UsageError: no such directory, strategy or file; nothing to do.
        PlanError: the planner's proposals were all refused.
        ModelError: the planner's provider failed.
        WorkspaceError: the plan cannot be written.
    """
    graph = build(root, cache=asked.cache, language=asked.language)
    for problem in graph.problems[:_SHOWN]:
        complain(f"{problem.where}: {problem.what}")
    share = None
    if asked.trace:
        seen = trace(root, asked.trace)
        share = recall(graph, seen).share
        graph = graph.with_observed(seen.calls)
    made = _cut(graph, asked, share)
    place = asked.output or Path.cwd() / "plan.yaml"
    text = to_yaml(made, place)
    if asked.output is None:
        say(text.rstrip("\n"))
    else:
        write_text(asked.output, text)
    found = [*check_plan(made.plan), *lint(made.plan, graph)]
    _tell(made, found, asked.output)
    return 1 if any(finding.severity == "error" for finding in found) else 0


def _cut(graph: CodeGraph, asked: Asked, share: float | None) -> Decomposition:
    if not asked.model:
        return decompose(graph, asked.strategy, asked.options, recall=share)
    model = create_model(asked.model, dict(asked.model_options), Path.cwd())

    def check(plan: Plan) -> list[Finding]:
        return [*check_plan(plan), *lint(plan, graph)]

    try:
        options = replace(asked.options, model=model, check=check)
        return decompose(graph, asked.strategy, options, recall=share)
    finally:
        model.close()


def _tell(made: Decomposition, found: list[Finding], output: Path | None) -> None:
    parallel = parallelism_of(made.plan.tasks)
    where = f"{output}: " if output else ""
    complain(
        f"{where}{count(parallel.tasks, 'task')} for {made.why}; work {duration(parallel.work)}, "
        f"critical path {duration(parallel.span)}, at most {parallel.width} at once."
    )
    for note in made.notes:
        complain(f"Note: {note}.")
    wrong = [finding for finding in found if finding.severity == "error"]
    for finding in wrong[:_SHOWN]:
        complain(f"{finding.where}: {finding.what} [{finding.code}]")
    warnings = sum(finding.severity == "warning" for finding in found)
    complain(f"Lint: {count(len(wrong), 'error')}, {count(warnings, 'warning')}.")
