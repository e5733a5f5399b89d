"""Parts of a task: what a model that splits its task may give to others.

A part may not reach further than the whole. Its files and its role are checked by the machine
(`core.splitting`); here is what only a tool call can get wrong: its id, what it may read, and
the command that is to prove it done.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from orchestrator.core.task import Task
from orchestrator.runtime.context import Context
from orchestrator.runtime.gates import (
    OutsideScopeError,
    ToolRefusedError,
    shown,
    test_names,
    wanted_files,
)
from orchestrator.spec.roles import Role

_TASK_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}")
_NAMES = "{tests}"


def part_of(context: Context, role: Role, given: Mapping[str, Any]) -> Task:
    """Return the task that a model asked for.

    Args:
        context: the attempt at the whole.
        role: the role of the whole, which its parts keep.
        given: the part, as the schema of `split_task` has it.

    Raises:
        ToolRefusedError: it cannot be a task, or would be allowed more than the whole.
    """
    whole = context.task
    if not _TASK_ID.fullmatch(given["id"]):
        raise ToolRefusedError(
            f"{shown(given['id'])!r} cannot be the id of a task",
            "use at most 80 letters, digits, `_`, `-` and `.`, for example `parser-tests`",
        )
    wanted_files(given["writes"])
    return Task(
        id=given["id"],
        title=given["title"],
        instructions=given["instructions"],
        role=whole.role,
        depends_on=tuple(given.get("depends_on", ())),
        writes=tuple(given["writes"]),
        reads=_reads(context, given),
        tests=test_names(given.get("tests", ())),
        test=_test(whole, role, given),
    )


def _reads(context: Context, given: Mapping[str, Any]) -> tuple[str, ...]:
    if "reads" not in given:
        return context.task.reads
    bounds = context.files.bounds
    outside = wanted_files(given["reads"]).outside(
        bounds.reads.union(bounds.writes).union(bounds.shares)
    )
    if outside is not None:
        raise OutsideScopeError(
            outside,
            f"part {given['id']} reads {outside}, which you may not read yourself",
            "leave `reads` out: then it may read what your task may read",
        )
    return tuple(given["reads"])


def _test(whole: Task, role: Role, given: Mapping[str, Any]) -> str:
    """Return the test command of a part.

    It will run through the shell, and nobody asks again: so it is the one that the plan gave to
    the whole, or one that the role might run anyway, and then with every word quoted.
    """
    test: str | None = given.get("test")
    if test is None:
        return whole.test if _NAMES in whole.test and "tests" in given else ""
    if test in ("", whole.test):
        return test
    allowed = role.operation("run_command")
    try:
        words = shlex.split(test)
    except ValueError:
        words = []
    named = [word for word in words if word != _NAMES]
    if allowed and named and not allowed.check({"command": shlex.join(named)}):
        return " ".join(word if word == _NAMES else shlex.quote(word) for word in words)
    may = [f"`{whole.test}`, the test of your own task"] if whole.test else []
    may += ["a command that run_command takes, with `{tests}` where names go"] if allowed else []
    raise ToolRefusedError(
        f"part {given['id']} cannot be tested with {shown(test)!r}",
        f"give {' or '.join(may)}; or leave `test` out" if may else "leave `test` out",
    )
