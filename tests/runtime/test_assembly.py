"""What a run needs before it begins, and who closes the model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from orchestrator import Plan, Task, resume, run
from orchestrator.errors import PlanError, UsageError
from orchestrator.models.base import Briefing, Exchange, Interrupt, ToolCall, Turn
from orchestrator.runtime.assembly import Actor


class Closing:
    """A model that hands in at once and counts how often it is closed."""

    name = "closing"

    def __init__(self) -> None:
        self.closed = 0

    def next_turn(
        self, briefing: Briefing, history: Sequence[Exchange], interrupt: Interrupt
    ) -> Turn:
        return Turn(calls=(ToolCall("c", "submit", {"summary": "done"}),))

    def close(self) -> None:
        self.closed += 1


def plan(tmp_path: Path, *tasks: Task, files: bool = True) -> Plan:
    work = tmp_path / "work"
    if files:
        work.mkdir()
        (work / "a.txt").write_text("a\n")
    return Plan(name="p", tasks=tasks, workspace=work if files else None, base=tmp_path)


AGENT = Task(id="a", role="implementer", writes=("a.txt",))


def test_all_that_is_missing_is_said_before_anything_is_touched(tmp_path: Path) -> None:
    made = plan(tmp_path, Task(id="a"), Task(id="b", test="make check"), files=False)
    with pytest.raises(PlanError, match="cannot be done in this way") as caught:
        run(made, model=Closing())
    said = [(problem.where, problem.what) for problem in caught.value.problems]
    assert said == [
        ("workspace", "agents need files to work on"),
        ("task a", "the task has no role"),
        ("task b", "the task has a test"),
        ("task b", "the task has no role"),
    ]
    assert all(problem.fix for problem in caught.value.problems)
    with pytest.raises(PlanError, match="no workspace to run it in"):
        run(made, work=lambda context: None)
    assert list(tmp_path.iterdir()) == []


def test_a_run_of_functions_cannot_go_on_with_a_model_that_it_has_no_roles_for(
    tmp_path: Path,
) -> None:
    made = plan(tmp_path, Task(id="a"), files=False)
    first = run(made, work=lambda context: None, run_dir=tmp_path / "run")
    with pytest.raises(PlanError, match="the task has no role"):
        resume(first.run_dir, model=Closing())
    assert resume(first.run_dir, work=lambda context: None).status == "succeeded"


def test_a_model_that_was_given_is_not_closed(tmp_path: Path) -> None:
    model = Closing()
    first = run(plan(tmp_path, AGENT), model=model)
    assert (first.status, first.model) == ("succeeded", "closing")
    assert resume(first.run_dir, model=model).status == "succeeded"
    assert model.closed == 0


@pytest.mark.parametrize("made", [True, False])
def test_a_model_that_was_made_here_is_closed_here(made: bool) -> None:
    model = Closing()
    Actor("closing", model, made=made).close()
    assert model.closed == made


def test_a_model_given_by_name_wins_over_the_plans(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="orakel"):
        run(plan(tmp_path, AGENT), model="orakel:x")
