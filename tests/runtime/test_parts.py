"""Parts of a task: what a model may give to others is no more than what it has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.core.task import Task
from orchestrator.runtime.tools import Toolbox
from orchestrator.spec.operations import OPERATIONS
from orchestrator.spec.roles import Operation
from orchestrator.spec.toolinput import InputCheck

Make = Callable[..., Any]

PART = {"id": "part", "title": "A part", "instructions": "Do it.", "writes": ["src/b.py"]}
PLAIN = r"^(check|lint)( (?!/)[-\w./]+)*$"


def task(name: str, **more: Any) -> Task:
    given: dict[str, Any] = {"role": "any", "writes": ("**",)}
    return Task(id=name, **given | more)


def bounded(desk: Any, *, commands: bool = True) -> Any:
    """Return an agent whose role may run commands like `PLAIN` and no others, or none at all."""
    agent = desk.agent("w1")
    others = tuple(known for known in desk.role.operations if known.name != "run_command")
    known = OPERATIONS["run_command"]
    schema = {**known.schema, "properties": {"command": {"type": "string", "pattern": PLAIN}}}
    free = desk.role.operation("run_command")
    mine = Operation(free.name, free.kind, free.tool, (), InputCheck(known, schema, ()))
    role = replace(desk.role, operations=(*others, mine) if commands else others)
    agent.toolbox = Toolbox(role, desk.coordinator.notes)
    return agent


@pytest.mark.parametrize(
    ("test", "kept"),
    [
        ("", ""),
        ("make -s test | tail; true", "make -s test | tail; true"),  # that of the whole
        ("check -q src", "check -q src"),
        ("check -q {tests}", "check -q {tests}"),
        ("check 'src/a.py'", "check src/a.py"),
        ("check src#x", None),
        ("check src; rm -r src", None),
        ("check $(id)", None),
        ("check --x={tests}", None),
        ("check '{tests}; id'", None),
        ("sh -c check", None),
        ("{tests}", None),
        ("check 'src", None),
        ("check\nid", "check id"),
        (" ", None),
    ],
)
def test_a_part_is_tested_by_what_its_role_may_run(
    office: Make, test: str, kept: str | None
) -> None:
    made = task("a", writes=("src/**",), test="make -s test | tail; true")
    desk = office(made)
    agent = bounded(desk)
    given = {"tasks": [{**PART, "test": test, "tests": ["t.py"]}], "reason": "x"}
    if kept is None:
        text = agent.no("split_task", **given)
        assert "part part cannot be tested with" in text
        assert "give `make -s test | tail; true`, the test of your own task or a command" in text
        assert set(desk.machine.state.records) == {"a"}
    else:
        agent.ok("split_task", **given)
        assert desk.machine.state.graph.task("part").test == kept


def test_a_part_may_read_no_more_than_the_whole(office: Make) -> None:
    desk = office(task("a", writes=("src/**",), reads=("docs/**",)))
    agent = desk.agent("w1")
    for reads in (["**"], ["docs/**", "a.txt"]):
        given = {"tasks": [{**PART, "reads": reads}], "reason": "x"}
        assert "which you may not read yourself" in agent.no("split_task", **given)
    second = {**PART, "id": "second", "reads": ["src/b.py", "docs/x"]}
    agent.ok("split_task", tasks=[PART, second], reason="x")
    graph = desk.machine.state.graph
    assert graph.task("part").reads == ("docs/**",)
    assert graph.task("second").reads == ("src/b.py", "docs/x")


def test_a_role_without_commands_tests_its_parts_as_the_whole_is_tested(office: Make) -> None:
    made = task("a", writes=("src/**",), test="check {tests}")
    agent = bounded(office(made), commands=False)
    given = {"tasks": [{**PART, "test": "check src"}], "reason": "x"}
    text = agent.no("split_task", **given)
    assert text.endswith("give `check {tests}`, the test of your own task; or leave `test` out.")
    agent.ok("split_task", tasks=[{**PART, "test": "check {tests}"}], reason="x")


def test_many_globs_or_long_ones_are_refused(office: Make) -> None:
    agent = office(task("a")).agent("w1")
    for globs in (["a"] * 101, ["x" * 401], ["**/" * 13 + "x"]):
        given = {"tasks": [{**PART, "writes": globs}], "reason": "x"}
        assert "globs of at most" in agent.no("split_task", **given)
        assert "globs of at most" in agent.no("widen_scope", globs=globs, reason="x")
    assert "globs of at most" in agent.no("list_files", glob="**/" * 13 + "x")
