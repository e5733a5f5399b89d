"""The strategy `model`: a planner looks, proposes, is told what is wrong, proposes again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from orchestrator.analysis.codegraph import CodeGraph, build
from orchestrator.analysis.decompose import Decomposition, Options, decompose
from orchestrator.errors import ModelError, PlanError
from orchestrator.models.base import Briefing, Exchange, Interrupt, ToolCall, Turn
from orchestrator.models.scripted import ScriptedModel

Tree = Callable[[Mapping[str, str]], Path]

STUB = "raise NotImplementedError"
FILES = {
    "pkg/__init__.py": "",
    "pkg/base.py": f"class Base:\n    def run(self):\n        {STUB}\n",
    "pkg/one.py": f"from pkg.base import Base\nclass One(Base):\n  def go(self):\n    {STUB}\n",
    "pkg/two.py": f"def two():\n    {STUB}\n",
    "tests/test_one.py": "from pkg.one import One\ndef test_go():\n    One().go()\n",
}
GOOD = [
    {"id": "base", "files": ["pkg/base.py"], "title": "Ground", "role": "architect"},
    {"id": "one", "files": ["pkg/one.py"], "depends_on": ["base"], "instructions": "Mind go."},
    {"id": "two", "files": ["pkg/two.py"]},
]


def proposal(tasks: Sequence[Mapping[str, Any]]) -> Turn:
    return Turn(calls=(ToolCall("", "propose_plan", {"tasks": list(tasks)}),))


class Listening:
    """Plays a script and keeps what it was told."""

    def __init__(self, *turns: Turn) -> None:
        self.name = "scripted"
        self.history: Sequence[Exchange] = ()
        self.briefing: Briefing | None = None
        self._script = ScriptedModel({"plan": turns})

    def next_turn(
        self, briefing: Briefing, history: Sequence[Exchange], interrupt: Interrupt
    ) -> Turn:
        self.briefing, self.history = briefing, history
        return self._script.next_turn(briefing, history, interrupt)

    def close(self) -> None:
        self._script.close()

    def told(self) -> list[str]:
        return [result.content for exchange in self.history for result in exchange.results]


def planned(graph: CodeGraph, model: Listening, attempts: int = 4) -> Decomposition:
    return decompose(graph, "model", Options(model=model, attempts=attempts))


@pytest.fixture
def graph(tree: Tree) -> CodeGraph:
    return build(tree(FILES))


def test_a_clean_proposal_becomes_a_plan_with_tests_and_reads_added(graph: CodeGraph) -> None:
    made = planned(graph, Listening(proposal(GOOD)))
    assert [task.id for task in made.plan.tasks] == ["base", "one", "two"]
    one = made.plan.task("one")
    assert one.depends_on == ("base",)
    assert one.tests == ("tests/test_one.py",)
    assert set(one.reads) == {"pkg/base.py", "pkg/one.py", "tests/test_one.py"}
    assert "Mind go." in one.instructions
    assert made.plan.task("base").role == "architect"
    assert made.plan.task("base").title == "Ground"
    assert "in 1 attempts" in made.notes[0]


def test_the_planner_sees_the_code_graph_through_its_tools(graph: CodeGraph) -> None:
    looking = [
        ToolCall("", "list_modules", {}),
        ToolCall("", "dependencies_of", {"path": "pkg/one.py"}),
        ToolCall("", "dependencies_of", {"path": "pkg/base.py"}),
        ToolCall("", "tests_of", {"path": "pkg/base.py"}),
        ToolCall("", "read_file", {"path": "pkg/two.py", "start_line": 2}),
        ToolCall("", "read_file", {"path": "pkg/none.py"}),
        ToolCall("", "read_file", {}),
        ToolCall("", "write_file", {"path": "pkg/two.py"}),
    ]
    model = Listening(Turn(calls=tuple(looking)), proposal(GOOD))
    planned(graph, model)
    modules, one, base, tests, text, unknown, no_path, no_tool = model.told()
    assert "pkg/one.py: to do; 1 functions, 1 without a body; 0 files depend on it" not in modules
    assert "pkg/one.py: to do; 1 functions, 1 without a body" in modules
    assert "pkg/__init__.py: nothing to do" in modules
    assert "depends on pkg/base.py (hard)" in one
    assert "is needed by pkg/one.py (hard)" in base
    assert tests == "tests/test_one.py"
    assert text == f"    {STUB}\n"
    assert "pkg/none.py" in unknown
    assert "`path` is missing" in no_path
    assert "there is no tool write_file" in no_tool
    assert model.briefing is not None
    assert "pkg/two.py: 1 functions" in model.briefing.opening


def test_what_is_wrong_is_told_until_it_is_mended(graph: CodeGraph) -> None:
    twice = [*GOOD, {"id": "three", "files": ["pkg/two.py", "pkg/three.py"]}]
    unordered = [{**task, "depends_on": []} for task in GOOD]
    circle = [{**GOOD[0], "depends_on": ["one"]}, *GOOD[1:]]
    bad_names = [{"id": "x y", "files": []}]
    turns = [proposal(twice), proposal(unordered), proposal(circle), proposal(bad_names)]
    model = Listening(*turns, proposal(GOOD))
    made = planned(graph, model, attempts=5)
    first, second, third, fourth = model.told()
    assert "pkg/two.py: two and three both write it" in first
    assert "pkg/three.py is not to be done" in first
    assert "4 proposals are left" in first
    assert "pkg/one.py needs pkg/base.py while it is imported" in second
    assert "add base to the depends_on of one" in second
    assert "wait for one another" in third
    assert "tasks/0/id" in fourth
    assert "tasks/0/files" in fourth
    assert "in 5 attempts" in made.notes[0]


def test_findings_of_the_plan_checks_are_fed_back_too(graph: CodeGraph) -> None:
    outside = [{**GOOD[0], "role": "integrator"}, *GOOD[1:]]
    seen = []

    def check(plan: Any) -> Any:
        from orchestrator.spec.findings import Finding

        seen.append(plan)
        refused = plan.task("base").role == "integrator"
        return [Finding("not by an integrator", "base", code="test")] if refused else []

    model = Listening(proposal(outside), proposal(GOOD))
    decompose(graph, "model", Options(model=model, check=check))
    assert len(seen) == 2
    assert "not by an integrator" in model.told()[0]


def test_when_attempts_run_out_the_last_findings_are_the_error(graph: CodeGraph) -> None:
    model = Listening(proposal(GOOD[:2]), proposal(GOOD[:1]))
    with pytest.raises(PlanError) as caught:
        planned(graph, model, attempts=2)
    assert {problem.where for problem in caught.value.problems} == {"pkg/one.py", "pkg/two.py"}


def test_a_planner_that_only_talks_is_reminded_and_then_fails(graph: CodeGraph) -> None:
    model = Listening(*[Turn(text="Let me think.")] * 70)
    with pytest.raises(PlanError, match="no plan that can be used"):
        planned(graph, model)
    assert "Call propose_plan" in model.history[0].notice


def test_a_failing_provider_is_not_hidden(graph: CodeGraph) -> None:
    with pytest.raises(ModelError, match="script has ended"):
        planned(graph, Listening())
