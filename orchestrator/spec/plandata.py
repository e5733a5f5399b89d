"""Plans as plain data: from what the schema allows to values, and back."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.core.limits import Budget, Limits, ProviderLimits
from orchestrator.core.task import Task
from orchestrator.spec.durations import format_duration, parse_duration
from orchestrator.spec.schemacheck import Pointer

if TYPE_CHECKING:
    from orchestrator.spec.plan import Plan

DEFAULT_ROLE = "implementer"
"""Role of a task in a plan file that names none, neither itself nor in `defaults`."""

_LISTS = ("depends_on", "writes", "reads", "shares", "tests")
_TASK_LIMITS = {
    "turns": "turns",
    "attempts": "attempts",
    "tokens": "tokens",
    "usd": "usd",
    "commands": "commands",
    "wall": "seconds",
}
_DURATIONS = {"wall", "lease", "estimate", "seconds", "backoff"}
_PLAIN = ("name", "goal", "model", "mode", "validate", "tests", "commit")
_PATHS = ("workspace", "into", "roles")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_DEFAULTS = tuple(
    (entry.name, entry.default) for entry in fields(Task) if entry.name not in ("id", "depends_on")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxRules:
    """What commands may do beyond the private copy in which they run.

    Attributes:
        network: whether they may use the network.
        read: files and directories outside the workspace that they may read, as written.
    """

    network: bool = False
    read: tuple[str, ...] = ()


@dataclass(slots=True)
class Draft:
    """What could be read of a plan file.

    Attributes:
        values: arguments of `Plan`, but for the tasks; what was wrong is left out.
        tasks: the tasks that have at least an id.
        rows: for each of them its index in the file.
        broken: indices (in `tasks`) of tasks that were understood only in part.
    """

    values: dict[str, Any] = field(default_factory=dict)
    tasks: list[Task] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    broken: set[int] = field(default_factory=set)


def read_draft(data: Mapping[str, Any], wrong: Collection[Pointer]) -> Draft:
    """Read a plan, leaving out what the schema refuses.

    Args:
        data: the plan file's value.
        wrong: where it does not fit the schema.
    """
    around = (pointer[:length] for pointer in wrong for length in range(1, len(pointer) + 1))
    sieve = _Sieve(frozenset(wrong), frozenset(around))
    top, draft = sieve.good(data), Draft()
    draft.values = {key: top[key] for key in _PLAIN if key in top}
    draft.values |= {key: Path(top[key]) for key in _PATHS if key in top}
    draft.values["limits"] = _limits(top.get("limits", {}))
    draft.values["sandbox"] = SandboxRules(**_tuples(top.get("sandbox", {})))
    defaults = top.get("defaults", {})
    rows = data.get("tasks")
    for row, entry in enumerate(rows if isinstance(rows, list) else ()):
        if isinstance(entry, dict) and isinstance(entry.get("id"), str):
            if ("defaults",) in sieve.around or ("tasks", row) in sieve.around:
                draft.broken.add(len(draft.tasks))
            own = sieve.good(entry, "tasks", row)
            draft.tasks.append(_read_task(entry["id"], own, defaults))
            draft.rows.append(row)
    return draft


@dataclass(frozen=True, slots=True)
class _Sieve:
    """Lets through what fits the schema.

    Attributes:
        wrong: where something does not fit.
        around: the same places and all that contain them.
    """

    wrong: frozenset[Pointer]
    around: frozenset[Pointer]

    def good(self, value: Any, *pointer: str | int) -> dict[str, Any]:
        """Return the keys of a mapping whose values fit; nothing if it is no mapping."""
        result: dict[str, Any] = {}
        for key, inner in value.items() if isinstance(value, dict) else ():
            where = (*pointer, key)
            if where not in self.around:
                result[key] = inner
            elif where not in self.wrong and isinstance(inner, dict):
                result[key] = self.good(inner, *where)
        return result


def _limits(values: Mapping[str, Any]) -> Limits:
    found = _seconds(values)
    roles = found.get("roles", {}).items()
    found["roles"] = {name: Budget(**_seconds(budget)) for name, budget in roles}
    found["provider"] = ProviderLimits(**_seconds(found.get("provider", {})))
    return Limits(**found)


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(value) if isinstance(value, list) else value for k, value in values.items()}


def _read_task(task_id: str, own: Mapping[str, Any], defaults: Mapping[str, Any]) -> Task:
    merged = {"role": DEFAULT_ROLE, **defaults, **own, "id": task_id}
    limits = _seconds({**defaults.get("limits", {}), **own.get("limits", {})})
    merged.pop("limits", None)
    if "test" not in own and not merged.get("tests") and "{tests}" in merged.get("test", ""):
        merged["test"] = ""  # a default for tasks that have test files; this one has none
    values = _seconds(merged) | {_TASK_LIMITS[key]: value for key, value in limits.items()}
    return tidy(Task(**values))


def tidy(task: Task) -> Task:
    """Return the task with its lists as tuples, whoever built it."""
    lists: dict[str, Any] = {
        key: tuple(value) for key in _LISTS if isinstance(value := getattr(task, key), list)
    }
    return replace(task, **lists) if lists else task


def is_plain(task: Task) -> bool:
    """Whether a task has nothing but a good id and dependencies, which the schema must accept."""
    needs = task.depends_on
    return (
        all(getattr(task, name) is value for name, value in _DEFAULTS)
        and isinstance(task.id, str)
        and _ID.fullmatch(task.id) is not None
        and all(type(name) is str and _ID.fullmatch(name) for name in needs)
        and len(set(needs)) == len(needs)
    )


def _seconds(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values with durations in seconds, and whole numbers as such."""
    result = {}
    for key, value in values.items():
        if key in _DURATIONS:
            result[key] = parse_duration(value)
        elif isinstance(value, float) and key != "usd":
            result[key] = int(value)  # 4.0 is a whole number to JSON Schema
        else:
            result[key] = value
    return result


def plan_to_data(plan: Plan) -> dict[str, Any]:
    """Return a plan as data that the schema allows, defaults left out."""
    data: dict[str, Any] = {"version": 1, "name": plan.name}
    for key in ("goal", *_PATHS, "model", "mode", "validate", "tests", "commit"):
        value = getattr(plan, key)
        if value not in (None, ""):
            data[key] = str(value) if key in _PATHS else value
    data["limits"] = _changed(plan.limits, Limits())
    data["sandbox"] = _changed(plan.sandbox, SandboxRules())
    data["tasks"] = [task_to_data(task) for task in plan.tasks]
    return {key: value for key, value in data.items() if value != {}}


def task_to_data(task: Task) -> dict[str, Any]:
    """Return a task as data that the schema allows, defaults left out."""
    data = {"id": task.id, **_changed(task, Task(id=""))}
    limits = {key: data.pop(name) for key, name in _TASK_LIMITS.items() if name in data}
    return {**data, "limits": limits} if limits else data


def _changed(value: Any, default: Any) -> dict[str, Any]:
    changed = {}
    for name in (entry.name for entry in fields(value)):
        inner = getattr(value, name)
        if inner == getattr(default, name):
            continue
        if isinstance(inner, tuple | list):
            inner = list(inner)
        elif isinstance(inner, ProviderLimits):
            inner = _changed(inner, ProviderLimits())
        elif name == "roles" and isinstance(inner, Mapping):
            inner = {role: _changed(budget, Budget()) for role, budget in inner.items()}
        elif isinstance(inner, Mapping):
            inner = dict(inner)
        elif name in _DURATIONS and isinstance(inner, int | float):
            inner = format_duration(inner)
        changed[name] = inner
    return changed
