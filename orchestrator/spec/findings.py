"""A finding: one result of looking at a plan before it runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from orchestrator.errors import Problem

Severity = Literal["error", "warning", "info"]

_PLACE = re.compile(r"(?P<file>.*):(?P<line>[0-9]+):(?P<column>[0-9]+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class AddDependency:
    """An edit that cannot break a plan that runs: one more entry in a `depends_on`.

    Attributes:
        task: the task that will wait.
        on: the task that it will wait for.
    """

    task: str
    on: str

    def to_json(self) -> dict[str, str]:
        """Return the edit as `lint --json` prints it."""
        return {"op": "add-dependency", "task": self.task, "depends_on": self.on}


@dataclass(frozen=True, slots=True)
class Finding(Problem):
    """A problem with a weight.

    Attributes:
        severity: ``error``: the plan cannot run; ``warning``: it runs, but not as its author
            will expect; ``info``: worth knowing.
        witness: what shows it: a path, or an edge ``file:line -> file``; None when there is none.
        edit: what `lint --fix` does about it; None when that takes a person.
    """

    severity: Severity = "error"
    witness: str | None = None
    edit: AddDependency | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the finding as `lint --json` prints it; the key `edit` only if there is one."""
        found: dict[str, Any] = {
            "code": self.code,
            "severity": self.severity,
            "tasks": list(self.tasks),
            "where": self.where,
            "message": f"{self.what}: {self.why}" if self.why else self.what,
            "fix": self.fix,
            "witness": self.witness,
        }
        if self.edit is not None:
            found["edit"] = self.edit.to_json()
        return found


def as_finding(problem: Problem) -> Finding:
    """Return a problem as a finding of severity error."""
    if isinstance(problem, Finding):
        return problem
    return Finding(
        problem.what, problem.where, problem.why, problem.fix, problem.code, problem.tasks
    )


def errors(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that keep a plan from running."""
    return [finding for finding in findings if finding.severity == "error"]


def in_order(findings: Sequence[Finding]) -> list[Finding]:
    """Sort by place, and join findings that say the same about one place for several tasks.

    One wrong default is one mistake, however many tasks take it over.
    """
    joined: dict[Finding, list[str]] = {}
    for finding in findings:
        tasks = joined.setdefault(replace(finding, tasks=()), [])
        tasks.extend(task for task in finding.tasks if task not in tasks)
    result = [replace(finding, tasks=tuple(tasks)) for finding, tasks in joined.items()]
    return sorted(result, key=_position)


def _position(finding: Finding) -> tuple[str, int, int]:
    match = _PLACE.fullmatch(finding.where)
    if match is None:
        return "", 0, 0
    return match["file"], int(match["line"]), int(match["column"])
