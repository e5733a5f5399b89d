"""A task as the coordinator knows it: one node of the plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

OnFailure = Literal["skip", "continue"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One node of the plan, done by one worker at a time.

    Scopes are lists of globs in the syntax of ``core.scope``; they are what the plan says,
    before the role's bounds are applied.

    Attributes:
        id: unique name; letters, digits, ``_``, ``-``, ``.``.
        title: one line for people.
        instructions: what the agent is told to do.
        role: name of the role that does it; may be empty when a task function does the work.
        depends_on: ids of the tasks that must succeed first.
        writes: files that the task may change, held exclusively while it runs.
        reads: files that the task may read.
        shares: files that several running tasks may edit at once, validated by region.
        tests: test files, put in place of ``{tests}`` in `test`.
        test: command that decides whether the task is done; empty: no test.
        estimate: expected duration in seconds, for critical-path order and simulation.
        priority: higher starts earlier among tasks that are ready.
        approval: the task is held until a person approves it.
        on_failure: what happens to dependents when this task fails.
        keep: keep the writes of a failed attempt instead of undoing them.
        attempts: attempts allowed; None: the run's limit.
        turns: model turns allowed per attempt; None: the run's limit.
        tokens: model tokens allowed over all attempts; None: no limit of its own.
        usd: US dollars allowed over all attempts; None: no limit of its own.
        commands: commands allowed over all attempts, test runs included; None: no limit.
        seconds: wall time allowed per attempt; None: no limit of its own.
    """

    id: str
    title: str = ""
    instructions: str = ""
    role: str = ""
    depends_on: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ("**",)
    shares: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    test: str = ""
    estimate: float = 60.0
    priority: int = 0
    approval: bool = False
    on_failure: OnFailure = "skip"
    keep: bool = False
    attempts: int | None = None
    turns: int | None = None
    tokens: int | None = None
    usd: float | None = None
    commands: int | None = None
    seconds: float | None = None
