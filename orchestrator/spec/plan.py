"""Plans: the file that a user writes, or values built in code, read and checked as a whole.

`find` is the one way from a file to a plan; `load_plan` is `find` and raises what it found.
Everything wrong is collected, never only the first mistake: what the schema refuses is left
out, and what remains is still checked for meaning.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from orchestrator.core.limits import Limits
from orchestrator.core.task import Task
from orchestrator.errors import PlanError, Problem, RoleError
from orchestrator.spec import directories, overlapcheck, plancheck, scopecheck
from orchestrator.spec.findings import Finding, as_finding, errors, in_order
from orchestrator.spec.places import CodePlaces, FilePlaces, Places
from orchestrator.spec.plancheck import TaskList
from orchestrator.spec.plandata import (
    Draft,
    SandboxRules,
    is_plain,
    plan_to_data,
    read_draft,
    task_to_data,
    tidy,
)
from orchestrator.spec.schemacheck import Mistake, mistakes
from orchestrator.spec.yamldoc import Document, read_document, shown_path

if TYPE_CHECKING:
    from orchestrator.spec.roles import Role

Validate = Literal["region", "file"]
Place = Literal["cut", "live"]
Commit = Literal["none", "task", "run"]
MODES = ("solo", "uncontrolled", "locks", "shared", "worktree")
"""Coordination modes, as the plan's schema names them."""
COMMITS = ("none", "task", "run")
"""When a run commits to the user's repository, as the plan's schema names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A goal and the tasks that reach it.

    Attributes:
        name: shown to people.
        goal: what all tasks together are for; told to every agent.
        tasks: the tasks; ties between ready tasks are broken by this order.
        limits: what the run may spend.
        mode: coordination mode, one of `MODES`.
        validate: what makes a write stale, a change nearby or any change to the file.
        tests: where tests run, on a cut or in the shared tree itself; None: as the mode has it.
        commit: what is committed in the git repository: nothing, one commit per accepted task,
            or one at the end of the run; None: nothing.
        workspace: directory of the files that the agents work on; absolute.
        into: directory for a copy of the workspace to work on; absolute; None: work in place.
        roles: directory of role specs, looked at before the built-in ones; absolute.
        model: what answers for the agents, unless `run` is told otherwise.
        sandbox: what commands may do beyond the private copy in which they run.
        base: directory that relative paths are resolved against, those inside `model` as well.
        path: the plan's file; None when the plan was built in code.
        digest: SHA-256 of that file in hexadecimal.
        places: task id to ``file:line:column``, for later checks. Not part of the plan's value.
    """

    name: str
    goal: str = ""
    tasks: tuple[Task, ...] = ()
    limits: Limits = field(default_factory=Limits)
    mode: str = "shared"
    validate: Validate = "region"
    tests: Place | None = None
    commit: Commit | None = None
    workspace: Path | None = None
    into: Path | None = None
    roles: Path | None = None
    model: str = ""
    sandbox: SandboxRules = field(default_factory=SandboxRules)
    base: Path = field(default_factory=Path.cwd)
    path: Path | None = None
    digest: str = ""
    places: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        base = Path(self.base).absolute()
        object.__setattr__(self, "base", base)
        object.__setattr__(self, "tasks", tuple(tidy(task) for task in self.tasks))
        for key in ("workspace", "into", "roles"):
            value = getattr(self, key)
            if value is not None:
                object.__setattr__(self, key, base / value)

    def task(self, task_id: str) -> Task:
        """Return the task with this id.

        Raises:
            KeyError: there is none.
        """
        for task in self.tasks:
            if task.id == task_id:
                return task
        raise KeyError(task_id)

    def to_data(self) -> dict[str, Any]:
        """Return the plan as data that the plan schema allows, ready to be written as YAML."""
        return plan_to_data(self)

    def check(self, roles: Mapping[str, Role] | None = None) -> None:
        """Check a plan that was built in code.

        Args:
            roles: the roles by name; None: those of `roles` and the built-in ones.

        Raises:
            PlanError: the plan cannot run; all its mistakes are in `problems`.
        """
        _raise_errors(check_plan(self, roles), f"plan {self.name}")


def load_plan(path: str | Path) -> Plan:
    """Read and check a plan file.

    Args:
        path: the file.

    Raises:
        PlanError: the plan cannot run; all its mistakes are in `problems`.
    """
    plan, findings = find(path)
    _raise_errors(findings, shown_path(Path(path)))
    assert plan is not None  # there is a plan unless there is an error
    return plan


def find(path: str | Path) -> tuple[Plan | None, list[Finding]]:
    """Read a plan file and return everything worth saying about it. Never raises.

    Args:
        path: the file.

    Returns:
        The plan, None if a finding of severity error is among the findings; and the findings
        in the order of their places.
    """
    document = read_document(Path(path))
    found = [as_finding(problem) for problem in document.problems]
    if document.data is None:
        return None, found or [_empty(document)]
    wrong = mistakes(document.data)
    found += [_schema_finding(mistake, document) for mistake in wrong]
    if not isinstance(document.data, dict):
        return None, found
    draft = read_draft(document.data, {m.pointer for m in wrong if m.code != "repeated-entry"})
    base = Path(path).absolute().parent
    plan = _assemble(document, draft, base)
    places = FilePlaces(document, draft.rows)
    these = TaskList(tasks=draft.tasks, places=places, broken=frozenset(draft.broken))
    found += _check_meaning(plan, these, wrong)
    found += _needs_workspace(plan, places, "workspace" in document.data)
    found = in_order(found)
    return (None if errors(found) else plan), found


def check_plan(plan: Plan, roles: Mapping[str, Role] | None = None) -> list[Finding]:
    """Return everything worth saying about a plan, above all one that was built in code.

    Args:
        plan: the plan.
        roles: the roles by name; None: those of the plan's `roles` and the built-in ones.
    """
    places = CodePlaces(plan.tasks, plan.places)
    wrong = _schema_mistakes(plan)
    found = [_code_finding(mistake, places) for mistake in wrong]
    these = _usable(plan.tasks, places, _rows(wrong))
    return in_order(found + _check_meaning(plan, these, wrong, roles))


def check_tasks(
    tasks: Iterable[Task],
    *,
    existing: Iterable[Task] = (),
    roles: Mapping[str, Role] | None = None,
    mode: str = "shared",
    limits: Limits | None = None,
) -> list[Finding]:
    """Return everything worth saying about tasks that are added to others.

    Args:
        tasks: the new tasks.
        existing: the tasks that are there already; nothing is said about them alone.
        roles: the roles by name; None: roles are not checked.
        mode: the coordination mode.
        limits: the run's limits; None: the tasks' limits are not compared with them.
    """
    old, new = tuple(existing), tuple(tidy(task) for task in tasks)
    everything = (*old, *new)
    places = CodePlaces(everything)
    wrong = [
        replace(mistake, pointer=("tasks", row, *mistake.pointer))
        for row, task in enumerate(new, len(old))
        for mistake in mistakes(task_to_data(task), "task")
    ]
    these = _usable(everything, places, _rows(wrong))
    names = {task.id for task in new}
    said = _check_tasks(these, roles, mode, limits)
    return in_order(
        [_code_finding(mistake, places) for mistake in wrong]
        + [finding for finding in said if names.intersection(finding.tasks) or not finding.tasks]
    )


def _schema_mistakes(plan: Plan) -> list[Mistake]:
    """Return what the schema refuses in a plan that was built in code.

    Validating a task takes a hundred times as long as looking whether there is anything in it
    that the schema could refuse; plans of 100,000 plain tasks are made for measuring.
    """
    rows = [row for row, task in enumerate(plan.tasks) if row == 0 or not is_plain(task)]
    few = replace(plan, tasks=tuple(plan.tasks[row] for row in rows))
    return [_moved(mistake, rows) for mistake in mistakes(plan_to_data(few))]


def _moved(mistake: Mistake, rows: Sequence[int]) -> Mistake:
    match mistake.pointer:
        case ("tasks", int(row), *rest):
            return replace(mistake, pointer=("tasks", rows[row], *rest))
    return mistake


def _usable(tasks: Sequence[Task], places: Places, wrong: Collection[int]) -> TaskList:
    """Return the tasks, only the id left of those whose values would lead the checks astray."""
    usable = [Task(id=str(task.id)) if row in wrong else task for row, task in enumerate(tasks)]
    return TaskList(tasks=usable, places=places, broken=frozenset(wrong))


def _assemble(document: Document, draft: Draft, base: Path) -> Plan:
    path = document.path.absolute()
    name = base.name if path.stem == "plan" else path.stem
    starts = {
        task.id: document.where(("tasks", row))
        for task, row in zip(draft.tasks, draft.rows, strict=True)
    }
    return Plan(
        **{"name": name or "plan", **draft.values},
        tasks=tuple(draft.tasks),
        base=base,
        path=path,
        digest=document.digest,
        places=starts,
    )


def _check_meaning(
    plan: Plan,
    these: TaskList,
    wrong: Sequence[Mistake],
    roles: Mapping[str, Role] | None = None,
) -> list[Finding]:
    places = these.places
    found = directories.check_directories(places, plan.workspace, plan.into, plan.roles)
    if roles is None and any(task.role for task in these.tasks):
        roles, trouble = _load_roles(plan.roles)
        found += trouble
    clear = all(mistake.pointer[:1] != ("limits",) for mistake in wrong)
    found += _check_tasks(these, roles, plan.mode, plan.limits if clear else None)
    found += directories.check_tests(these, plan.workspace)
    return found


def _check_tasks(
    these: TaskList, roles: Mapping[str, Role] | None, mode: str, limits: Limits | None
) -> list[Finding]:
    found = [
        *plancheck.check_ids(these),
        *plancheck.check_dependencies(these),
        *plancheck.check_test_commands(these),
        *scopecheck.check_globs(these),
        *scopecheck.check_scopes(these, {} if roles is None else roles),
    ]
    if roles is not None:
        found += scopecheck.check_roles(these, roles)
    if limits is not None:
        found += plancheck.check_limits(these, limits)
    waits_for = plancheck.edges(these)
    order = plancheck.order(waits_for)
    if order is None:
        found += plancheck.check_cycles(these, waits_for)
    else:
        found += overlapcheck.check_overlaps(these, waits_for, order, mode)
    return found


def _load_roles(directory: Path | None) -> tuple[Mapping[str, Role] | None, list[Finding]]:
    """Return the roles; or None and why, so that tasks are not blamed for it."""
    from orchestrator.spec.roles import load_roles

    if directory is not None and not directory.is_dir():
        return None, []  # said by check_directories
    try:
        return load_roles(directory), []
    except RoleError as error:
        return None, [as_finding(problem) for problem in error.problems]


def _needs_workspace(plan: Plan, places: Places, named: bool) -> list[Finding]:
    writers = tuple(task.id for task in plan.tasks if task.writes or task.shares)
    if named or not writers:
        return []
    return [
        Finding(
            "the plan has no `workspace`",
            places.plan(),
            "its tasks write files, and these must be somewhere",
            "add `workspace: DIRECTORY`; it is relative to the directory of the plan file",
            "missing-workspace",
        )
    ]


def _empty(document: Document) -> Finding:
    return Finding(
        "the plan file is empty",
        shown_path(document.path),
        fix="begin with `version: 1`, `workspace: DIRECTORY` and a list `tasks:`",
        code="empty-file",
    )


def _schema_finding(mistake: Mistake, document: Document) -> Finding:
    place = document.where(mistake.pointer, key=mistake.on_key)
    task = _task_id(document.data, mistake.pointer)
    return Finding(
        mistake.what, place, "", mistake.fix, mistake.code, () if task is None else (task,)
    )


def _task_id(data: Any, pointer: Sequence[str | int]) -> str | None:
    match pointer:
        case ["tasks", int(row), *_]:
            task = data["tasks"][row]
            name = task.get("id") if isinstance(task, dict) else None
            return name if isinstance(name, str) else None
    return None


def _rows(wrong: Iterable[Mistake]) -> set[int]:
    """Return the indices of the tasks in which something is wrong."""
    pointers = [mistake.pointer for mistake in wrong if mistake.pointer[:1] == ("tasks",)]
    return {row for pointer in pointers for row in pointer[1:2] if isinstance(row, int)}


def _code_finding(mistake: Mistake, places: CodePlaces) -> Finding:
    tasks: tuple[str, ...] = ()
    place = places.plan(*mistake.pointer)
    match mistake.pointer:
        case ("tasks", int(row), *rest):
            place, tasks = places.task(row, *rest), (str(places.tasks[row].id),)
    return Finding(mistake.what, place, "", mistake.fix, mistake.code, tasks)


def _raise_errors(findings: Sequence[Finding], where: str) -> None:
    wrong: list[Problem] = list(errors(findings))
    if wrong:
        count = f"{len(wrong)} mistakes" if len(wrong) > 1 else "a mistake"
        raise PlanError(f"the plan has {count}", where, problems=wrong)
