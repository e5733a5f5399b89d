"""Agents that go round in circles: told once, then ended."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from orchestrator import Limits, Plan, Task, run
from orchestrator.core.events import AttemptEnded, Event, Reported
from orchestrator.models.base import (
    Briefing,
    Exchange,
    Interrupt,
    ToolCall,
    ToolResult,
    Turn,
)
from orchestrator.runtime.watching import Watch, gist


def turn(answer: str = "same", **given: Any) -> Exchange:
    return Exchange(Turn(calls=(ToolCall("id", "read_file", given),)), (ToolResult("id", answer),))


# --- the watch -------------------------------------------------------------------------------


def test_the_same_calls_with_the_same_answers_are_noticed() -> None:
    watch = Watch(repeats=2, unchanged=9)
    said = []
    for _ in range(5):
        watch.turn(turn(path="a"))
        said.append((bool(watch.nudge()), bool(watch.stuck())))
    assert said == [(False, False), (False, False), (True, False), (False, False), (False, True)]


@pytest.mark.parametrize("other", [turn(path="b"), turn("other", path="a"), Exchange(Turn("x"))])
def test_anything_new_begins_the_count_again(other: Exchange) -> None:
    watch = Watch(repeats=2, unchanged=9)
    for exchange in (turn(path="a"), turn(path="a"), other, turn(path="a"), turn(path="a")):
        watch.turn(exchange)
        assert not watch.nudge()


def test_turns_without_calls_are_not_its_business() -> None:
    watch = Watch(repeats=1, unchanged=9)
    for _ in range(9):
        watch.turn(Exchange(Turn("thinking")))
    assert not watch.nudge()


def test_tests_that_fail_in_the_same_way_are_noticed() -> None:
    watch = Watch(repeats=9, unchanged=2)
    said = []
    for seconds in (1, 2, 3, 4):
        watch.tested(False, f"1 failed in {seconds}.5s")
        said.append((bool(watch.nudge()), bool(watch.stuck())))
    assert said == [(False, False), (True, False), (False, False), (False, True)]


@pytest.mark.parametrize(("passed", "output"), [(True, "1 failed"), (False, "2 failed")])
def test_another_result_is_progress(passed: bool, output: str) -> None:
    watch = Watch(repeats=9, unchanged=2)
    watch.tested(False, "1 failed")
    watch.tested(passed, output)
    assert not watch.nudge()
    watch.tested(False, "1 failed")
    assert not watch.nudge()


def test_it_tells_again_when_it_happens_again() -> None:
    watch = Watch(repeats=9, unchanged=2)
    told = 0
    for output in ("a", "a", "b", "b"):
        watch.tested(False, output)
        told += bool(watch.nudge())
    assert told == 2


@pytest.mark.parametrize(
    "pair",
    [
        ("3 failed in 0.52s", "3 failed in 12.1s"),
        ("<A object at 0x7f00>", "<A object at 0x7f99>"),
        ("12:30:01 start", "12:31:59 start"),
        ("took 5 ms", "took 17 ms"),
    ],
)
def test_what_differs_from_run_to_run_is_no_progress(pair: tuple[str, str]) -> None:
    assert gist(pair[0]) == gist(pair[1])


def test_how_many_failed_does_matter() -> None:
    assert gist("3 failed") != gist("2 failed")


# --- in a run --------------------------------------------------------------------------------


class Stubborn:
    """A model that does the same thing for ever."""

    name = "stubborn"

    def __init__(self, tool: str, **given: Any) -> None:
        self.call = ToolCall("c", tool, given)
        self.heard: list[str] = []

    def next_turn(
        self, briefing: Briefing, history: Sequence[Exchange], interrupt: Interrupt
    ) -> Turn:
        if history:
            self.heard.append(history[-1].notice)
        return Turn(calls=(self.call,))

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("model", "words", "reason", "turns"),
    [
        (
            Stubborn("read_file", path="a.txt"),
            "the same tool calls 3 times in a row",
            "the same tool calls got the same answers 5 times in a row",
            5,
        ),
        (
            Stubborn("run_tests"),
            "The tests have failed in the same way 3 times in a row",
            "the tests failed in the same way 6 times in a row",
            6,
        ),
    ],
    ids=["calls", "tests"],
)
def test_an_agent_that_makes_no_progress_is_told_and_then_ended(
    tmp_path: Path, model: Stubborn, words: str, reason: str, turns: int
) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "a.txt").write_text("a\n")
    calls = reason.startswith("the same")
    limits = Limits(
        workers=1, attempts=1, repeats=2 if calls else 99, unchanged_tests=99 if calls else 3
    )
    task = Task(id="a", role="implementer", writes=("a.txt",), test="false")
    plan = Plan(name="p", tasks=(task,), workspace=Path("work"), limits=limits, base=tmp_path)
    told: list[Event] = []
    result = run(plan, model=model, listeners=[told.extend])
    assert result.tasks["a"].reason == reason
    (ended,) = [event for event in told if isinstance(event, AttemptEnded)]
    assert ended.cause == "no_progress"
    nudges = [notice for notice in model.heard if words in notice]
    assert len(nudges) == 1, model.heard
    reports = [event for event in told if isinstance(event, Reported)]
    assert max(report.turn for report in reports) == turns
    assert sum("no progress" in report.detail for report in reports) == 1
