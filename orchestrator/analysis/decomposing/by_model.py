"""The strategy `model`: a planner agent looks at the code graph and proposes the cut.

It has read-only tools and one to propose. A proposal is made into a plan and checked like any
other; what is wrong goes back to it, until the plan is clean or its attempts run out. It decides
the cut alone: tests, reads and estimates follow from the code graph, as for every strategy.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from graphlib import CycleError
from typing import Any

from orchestrator.analysis.decomposing.cut import Cut, Part, ancestors, topological, without_implied
from orchestrator.analysis.decomposing.planner_tools import TOOLS, Tools
from orchestrator.analysis.decomposing.survey import Survey
from orchestrator.errors import PlanError, Problem, UsageError
from orchestrator.models.base import Briefing, Exchange, Model, ToolCall, ToolResult, Turn
from orchestrator.spec.findings import Finding

TURNS = 60
"""Turns after which a planner has failed."""

TASK = "plan"
"""The id under which a planner's turns are asked for."""

_SHOWN = 20  # findings that a planner is told at a time
_SYSTEM = """\
You plan work on one codebase for several agents who work at the same time on the same files. You
do not write code. Look at the code graph with the tools, then call propose_plan.

A good plan keeps the agents apart and busy:
- each file that is to be done is written by exactly one task;
- a task waits only for tasks whose files its own need while they are imported (strength hard);
  what is merely called may be written at the same time, its signatures are there;
- no task is much larger than the others, and no chain of tasks is long;
- files that need one another in a circle are one task.

Tests, readable files and estimates are added to your plan by the program. If your proposal is
refused, the answer says what is wrong: mend that and propose the whole plan again.
"""

Check = Callable[[Cut], Sequence[Finding]]


def propose(
    survey: Survey,
    model: Model,
    check: Check,
    attempts: int = 4,
    tasks: int | None = None,
    seed: int = 0,
) -> Cut:
    """Have a model propose a cut until it is clean.

    Args:
        survey: the ground.
        model: the planner.
        check: finds what is wrong with the plan that a cut makes.
        attempts: proposals that it may make.
        tasks: number of tasks that are wanted; None: as the planner likes.
        seed: handed to the model.

    Raises:
        PlanError: no proposal was clean; what was wrong with the last one is in `problems`.
        ModelError: the provider failed.
    """
    briefing = Briefing(TASK, 1, seed, _SYSTEM, _opening(survey, tasks), TOOLS)
    desk = _Desk(survey, check, attempts)
    history: list[Exchange] = []
    interrupt = threading.Event()
    while len(history) < TURNS and desk.left:
        turn = model.next_turn(briefing, tuple(history), interrupt)
        results = tuple(desk.answer(call) for call in turn.calls)
        if desk.accepted is not None:
            notes = (f"proposed by {turn.model or model.name} in {desk.proposals} attempts",)
            return replace(desk.accepted, notes=notes)
        history.append(Exchange(turn, results, _notice(turn, desk)))
    raise PlanError(
        "the planner made no plan that can be used",
        f"--strategy model, {model.name}",
        f"{desk.proposals} proposals in {len(history)} turns",
        "try again, give another model, or use a strategy that needs none, for example hard",
        desk.wrong,
    )


def _opening(survey: Survey, tasks: int | None) -> str:
    lines = [f"To do: {survey.goal.why}. The files, with functions to be written and seconds:"]
    for path in survey.files:
        count = len(survey.symbols(path))
        lines.append(f"- {path}: {count} functions, about {survey.seconds([path]):.0f} s")
    if tasks is not None:
        lines.append(f"Make {tasks} tasks, if the code allows it.")
    return "\n".join(lines)


def _notice(turn: Turn, desk: _Desk) -> str:
    if turn.calls:
        return ""
    return f"Nothing was proposed. Call propose_plan; {desk.left} proposals are left."


_COLLIDING = frozenset(("overlap", "missing-dependency", "backward-dependency", "read-write"))
"""Warnings that a proposal may not have: they are about what makes tasks collide."""


class _Desk:
    """Answers the planner's calls.

    Attributes:
        proposals: how many were made.
        left: how many it may still make.
        accepted: the cut that was clean; None: none was yet.
        wrong: what was wrong with the last proposal.
    """

    def __init__(self, survey: Survey, check: Check, attempts: int) -> None:
        self.proposals, self.left = 0, attempts
        self.accepted: Cut | None = None
        self.wrong: tuple[Problem, ...] = ()
        self._survey, self._check = survey, check

    @cached_property
    def _tools(self) -> Tools:
        return Tools(self._survey)

    def answer(self, call: ToolCall) -> ToolResult:
        """Carry out one call."""
        try:
            if call.name == "propose_plan":
                return ToolResult(call.id, self._propose(call.input), self.accepted is None)
            return ToolResult(call.id, self._tools.answer(call.name, call.input))
        except UsageError as error:
            return ToolResult(call.id, str(error), is_error=True)

    def _propose(self, given: Mapping[str, Any]) -> str:
        if not self.left or self.accepted is not None:
            return "No more proposals."
        self.proposals, self.left = self.proposals + 1, self.left - 1
        cut, wrong = read_proposal(self._survey, given)
        if not wrong:
            found = self._check(cut)
            wrong = [one for one in found if one.severity == "error" or one.code in _COLLIDING]
        self.wrong = tuple(wrong)
        if not wrong:
            self.accepted = cut
            return "Accepted."
        more = f"\nand {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        said = "\n".join(str(problem) for problem in wrong[:_SHOWN])
        return f"Refused; {self.left} proposals are left.\n{said}{more}"


def read_proposal(survey: Survey, given: Mapping[str, Any]) -> tuple[Cut, list[Problem]]:
    """Return the cut that a proposal means, and what is wrong with it.

    Args:
        survey: the ground.
        given: the arguments of ``propose_plan``; their shape is checked here too.
    """
    rows, wrong = _rows(given)
    if wrong:
        return Cut(()), wrong
    parts = tuple(
        Part(
            name=row["id"],
            files=tuple(dict.fromkeys(row["files"])),
            waits_for=frozenset(row.get("depends_on", ())),
            role=row.get("role", ""),
            title=row.get("title", ""),
            advice=row.get("instructions", ""),
        )
        for row in rows
    )
    wrong = [*_ownership(survey, parts), *_names(parts)]
    if wrong:
        return Cut(()), wrong
    try:
        order = topological(parts)
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        return Cut(()), [Problem(f"tasks wait for one another: {circle}", code="cycle")]
    wrong = _hard_order(survey, order)
    return Cut(without_implied(order)), wrong


def _rows(given: Mapping[str, Any]) -> tuple[Sequence[dict[str, Any]], list[Problem]]:
    from jsonschema import Draft202012Validator

    schema = next(tool.input_schema for tool in TOOLS if tool.name == "propose_plan")
    wrong = [
        Problem(error.message, "/".join(map(str, error.absolute_path)), code="bad-shape")
        for error in Draft202012Validator(schema).iter_errors(dict(given))
    ]
    return ([] if wrong else given["tasks"]), wrong


def _ownership(survey: Survey, parts: Sequence[Part]) -> list[Problem]:
    """Find files that no task writes, that several write, and that are not to be done."""
    owners: dict[str, list[str]] = {path: [] for path in survey.files}
    wrong = []
    for part in parts:
        for path in part.files:
            if path in owners:
                owners[path].append(part.name)
            else:
                wrong.append(
                    Problem(f"{path} is not to be done", part.name, "", "leave it out", "not-to-do")
                )
    for path, names in owners.items():
        if len(names) != 1:
            what = "no task writes it" if not names else f"{' and '.join(names)} both write it"
            wrong.append(Problem(what, path, "", "give it to exactly one task", "ownership"))
    return wrong


def _names(parts: Sequence[Part]) -> list[Problem]:
    names = {part.name for part in parts}
    wrong = []
    if len(names) < len(parts):
        wrong.append(Problem("several tasks have one id", code="duplicate-id"))
    for part in parts:
        wrong += [
            Problem(f"there is no task {name}", part.name, code="unknown-dependency")
            for name in sorted(part.waits_for - names)
        ]
    return wrong


def _hard_order(survey: Survey, order: Sequence[Part]) -> list[Problem]:
    """Find tasks that do not wait for what their files need while they are imported."""
    from orchestrator.analysis.decomposing.survey import HARD

    above = ancestors(order)
    owner = {path: part.name for part in order for path in part.files}
    return [
        Problem(
            f"{path} needs {target} while it is imported",
            part.name,
            f"{owner[target]} writes it, and {part.name} does not wait for it",
            f"add {owner[target]} to the depends_on of {part.name}, or join the two",
            "missing-dependency",
            (part.name, owner[target]),
        )
        for part in order
        for path in part.files
        for target in sorted(survey.needs(HARD)[path])
        if owner[target] != part.name and owner[target] not in above[part.name]
    ]
