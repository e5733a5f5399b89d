"""What an agent is told at the start of an attempt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.core.messages import Granted
from orchestrator.core.task import Task
from orchestrator.models.base import Briefing
from orchestrator.runtime.briefing import make_briefer, seed_of

Make = Callable[..., Any]
FILES = {"src/a.py": "a", "src/b.py": "b", "src/test_a.py": "t", "shared": "s"}


def brief(desk: Any, granted: Granted | None = None, goal: str = "Everything works.") -> Briefing:
    """Return the briefing of the next attempt."""
    agent = desk.agent("w1", granted)
    return make_briefer(goal, {"any": desk.role}, 7)(agent.context)


def task(**more: Any) -> Task:
    return Task(id="a", role="any", **{"writes": ("src/**",)} | more)


def test_an_agent_is_told_goal_task_files_and_when_it_is_done(office: Make) -> None:
    made = task(
        title="The first module", instructions="Write {a}.", shares=("shared",), reads=("docs/**",),
        tests=("t.py", "u.py"), test="check {tests}",
    )  # fmt: skip
    told = brief(office(made, files=FILES))
    for words in (
        "# Goal of the whole plan\nEverything works.",
        "# Your task: The first module (a)\nWrite {a}.",
        "You may write: src/**",
        "You share with other tasks: shared (change only the lines that are yours",
        "You may read: docs/**",
        "These files of yours exist already: shared, src/a.py, src/b.py, src/test_a.py",
        "This command passes in a fresh state of the workspace: check t.py u.py",
    ):
        assert words in told.opening
    assert 'role "any"' in told.system
    assert "You do anything." in told.system
    assert (told.task, told.attempt) == ("a", 1)
    assert "This is attempt" not in told.opening


def test_what_is_left_out_is_said_too(office: Make) -> None:
    told = brief(office(task(writes=()), files=FILES), goal="  ")
    for words in (
        "(none is given)",
        "# Your task: a (a)\nMake the tests of this task pass.",
        "You may write: nothing",
        "These files of yours exist already: nothing",
        "There is no test command",
    ):
        assert words in told.opening
    assert "share" not in told.opening.partition("# Files")[2].partition("#")[0]
    assert (told.writes, told.files) == ((), ())
    assert not told.allows("src/a.py")


def test_the_role_bounds_what_the_task_may_write(office: Make) -> None:
    desk = office(task(), files=FILES, role_writes=("**", "!**/test_*.py"))
    told = brief(desk)
    assert told.files == ("src/a.py", "src/b.py")
    assert told.allows("src/new.py")
    assert not told.allows("src/test_a.py")
    assert not told.allows("shared")
    assert {tool.name for tool in told.tools} >= {"read_file", "submit"}


@pytest.mark.parametrize(("keep", "words"), [(False, "was undone"), (True, "still stands")])
def test_the_next_attempt_is_told_how_the_one_before_ended(
    office: Make, keep: bool, words: str
) -> None:
    desk = office(task(keep=keep), files=FILES)
    first = desk.agent("w1")
    first.context.write("src/a.py", "wrong")
    ending = first.use("give_up", reason="the parser is missing").ending
    told = brief(desk, ending)
    assert told.attempt == 2
    assert "# This is attempt 2\nWhat earlier attempts tried, and how they ended:\n" in told.opening
    assert "it gave up: the parser is missing" in told.opening
    assert words in told.opening
    assert (desk.text("src/a.py") == "wrong") is keep


def test_a_long_ending_is_cut(office: Make) -> None:
    desk = office(task(), files=FILES)
    ending = desk.agent("w1").use("give_up", reason="x" * 9000).ending
    assert "x" * 1000 in (opening := brief(desk, ending).opening)
    assert "x" * 2001 not in opening


def test_seeds_differ_by_attempt_and_repeat_by_run() -> None:
    seeds = [seed_of(run, task, n) for run in (1, 2) for task in ("a", "b") for n in (1, 2)]
    assert len(set(seeds)) == 8
    assert seeds[0] == seed_of(1, "a", 1)
    assert all(0 <= seed < 1 << 64 for seed in seeds)
