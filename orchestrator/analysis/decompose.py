"""Cut a goal into a plan: code graph and goal in, tasks out.

::

    made = decompose(build(Path("project")), "hard")
    made.plan                       # ready to be checked, written, run
    to_yaml(made, Path("plan.yaml"))

A strategy decides the cut: who writes what, who waits for whom (`decomposing/cut.py`). All else
follows from the cut and the code graph. The same input gives the same plan. What the strategies
are worth: ``docs/decompositions.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.analysis.codegraph import CodeGraph
from orchestrator.analysis.decomposing.assembling import tasks_of
from orchestrator.analysis.decomposing.by_group import communities, packages, random, solo
from orchestrator.analysis.decomposing.by_module import hard, interfaces, modules
from orchestrator.analysis.decomposing.critical_path import critical_path
from orchestrator.analysis.decomposing.cut import Cut, Piece
from orchestrator.analysis.decomposing.survey import Survey
from orchestrator.analysis.decomposing.testing import test_command
from orchestrator.analysis.goals import find_goal
from orchestrator.core.limits import Limits
from orchestrator.errors import UsageError, nearest
from orchestrator.models.base import Model
from orchestrator.spec.findings import Finding
from orchestrator.spec.plan import Plan, check_plan

Check = Callable[[Plan], Sequence[Finding]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is asked of a decomposition.

    Attributes:
        files: paths and globs of what is to be done; empty: whatever lacks its body.
        failing: pytest command whose failing tests say what is to be done.
        goal: what the agents are told all tasks are for; empty: said by how it was found.
        test: command that runs ``{tests}``; empty: pytest, as far as the code is Python.
        tasks: number of tasks, for the strategies that have one; None: their own choice.
        seed: of the strategy `random`.
        workers: how many work at the same time.
        model: the planner of the strategy `model`.
        attempts: plans that the planner may propose before it has failed.
        check: what a proposed plan must pass; None: the checks of `spec.plan`.
    """

    files: tuple[str, ...] = ()
    failing: str = ""
    goal: str = ""
    test: str = ""
    tasks: int | None = None
    seed: int = 0
    workers: int = 4
    model: Model | None = None
    attempts: int = 4
    check: Check = check_plan


@dataclass(frozen=True, slots=True)
class Decomposition:
    """A plan, and how it came about.

    Attributes:
        plan: the plan; its paths are absolute.
        strategy: how it was made.
        why: what is to be done, and how that was found.
        notes: what its reader should know.
        pieces: task to the region that it edits, for tasks that share a file.
        recall: the code graph's share of observed calls, or None if it was not measured.
    """

    plan: Plan
    strategy: str
    why: str
    notes: tuple[str, ...] = ()
    pieces: Mapping[str, Piece] = field(default_factory=dict)
    recall: float | None = None


Strategy = Callable[[Survey, Options], Cut]

_COUNTED = {"communities", "critical-path", "random"}
"""Strategies that can be told a number of tasks."""


def _by_model(survey: Survey, options: Options) -> Cut:
    from orchestrator.analysis.decomposing.by_model import propose

    if options.model is None:
        raise UsageError(
            "strategy model needs a model",
            "--model",
            "a planner agent proposes the plan",
            "name one, for example --model anthropic",
        )

    def check(cut: Cut) -> Sequence[Finding]:
        return options.check(_plan(survey, cut, options))

    return propose(survey, options.model, check, options.attempts, options.tasks, options.seed)


STRATEGIES: Mapping[str, Strategy] = {
    "modules": lambda survey, options: modules(survey),
    "hard": lambda survey, options: hard(survey),
    "packages": lambda survey, options: packages(survey),
    "communities": lambda survey, options: communities(survey, options.tasks),
    "interfaces": lambda survey, options: interfaces(survey),
    "critical-path": lambda survey, options: critical_path(survey, options.workers, options.tasks),
    "solo": lambda survey, options: solo(survey),
    "random": lambda survey, options: random(survey, options.seed, options.tasks),
    "model": _by_model,
}
"""All strategies, by the name that the command line gives them."""


def decompose(
    graph: CodeGraph, strategy: str, options: Options | None = None, *, recall: float | None = None
) -> Decomposition:
    """Cut what is to be done in a directory into a plan.

    Args:
        graph: the code graph of the directory; observed edges count where it has them.
        strategy: one of `STRATEGIES`.
        options: what is asked; None: the defaults.
        recall: the graph's share of the calls that a trace has seen, to be told with the plan.

    Raises:
        UsageError: no such strategy, nothing to do, or options that do not fit.
        PlanError: the planner's proposals were all refused.
        ModelError: the planner's provider failed.
    """
    options = options or Options()
    _check(strategy, options)
    goal = find_goal(graph, files=options.files, failing=options.failing)
    survey = Survey(graph, goal)
    cut = STRATEGIES[strategy](survey, options) if survey.files else Cut(())
    notes = list(cut.notes)
    if graph.problems:
        notes.append(f"{len(graph.problems)} files could not be analysed and are in no task")
    if not survey.tests:
        notes.append("there are no tests that could decide")
    return Decomposition(
        _plan(survey, cut, options),
        strategy,
        goal.why,
        tuple(notes),
        {part.name: part.piece for part in cut.parts if part.piece},
        recall,
    )


def _check(strategy: str, options: Options) -> None:
    if strategy not in STRATEGIES:
        guess = nearest(strategy, STRATEGIES)
        raise UsageError(
            f"there is no strategy {strategy!r}",
            "--strategy",
            fix=(f"did you mean {guess}? " if guess else "")
            + f"strategies: {', '.join(STRATEGIES)}",
        )
    if options.tasks is not None and strategy not in _COUNTED | {"model"}:
        raise UsageError(
            f"strategy {strategy} finds the number of tasks itself",
            "--tasks",
            fix=f"leave it out, or use {', '.join(sorted(_COUNTED))}",
        )
    if (options.tasks is not None and options.tasks < 1) or options.workers < 1:
        raise UsageError("numbers of tasks and workers begin with 1", "--tasks, --workers")


def _plan(survey: Survey, cut: Cut, options: Options) -> Plan:
    root = survey.graph.root.resolve()
    command = options.test or test_command(survey.graph)
    return Plan(
        name=root.name or "plan",
        goal=options.goal or f"Finish what is missing in {root.name}: {survey.goal.why}.",
        tasks=tasks_of(survey, cut, command),
        limits=Limits(workers=options.workers),
        workspace=root,
        base=root.parent,
    )
