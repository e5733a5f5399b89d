"""Agents in every coordination mode: what they are told, and what their tools refuse."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from orchestrator import Limits, Plan, Task, run
from orchestrator.lab.check import check_run
from orchestrator.lab.metrics import measure
from orchestrator.lab.replay import replay
from orchestrator.models.base import Briefing, Exchange, Interrupt, ToolCall, Turn, Usage
from orchestrator.runtime.modes import MODES, Mode
from orchestrator.runtime.results import RunResult

pytestmark = pytest.mark.slow


@pytest.fixture(params=sorted(MODES))
def mode(request: pytest.FixtureRequest) -> Mode:
    found: Mode = MODES[request.param]
    return found


class Agent:
    """A model that writes where it may and where it may not, then hands in."""

    name = "agent"

    def __init__(self) -> None:
        self.briefings: list[Briefing] = []

    def next_turn(
        self, briefing: Briefing, history: Sequence[Exchange], interrupt: Interrupt
    ) -> Turn:
        """Write a file of its own and one of nobody's; then run the tests, then submit."""
        steps: list[list[tuple[str, dict[str, str]]]] = [
            [("read_file", {"path": f"src/{briefing.task}.txt"})],
            [
                ("write_file", {"path": f"src/{briefing.task}.txt", "content": "done\n"}),
                ("write_file", {"path": f"src/of-{briefing.task}.txt", "content": "more\n"}),
                ("write_file", {"path": "../out.txt", "content": "out\n"}),
            ],
            [("run_tests", {})],
            [("submit", {"summary": "done"})],
        ]
        if not history:
            self.briefings.append(briefing)
        calls = [ToolCall(f"c{n}", *call) for n, call in enumerate(steps[len(history)])]
        return Turn("", tuple(calls), Usage())

    def close(self) -> None:
        """Nothing to close."""


def of(tmp_path: Path, mode: Mode, agent: Agent) -> RunResult:
    work = tmp_path / "work"
    (work / "src").mkdir(parents=True)
    for name in "ab":
        (work / "src" / f"{name}.txt").write_text("old\n")
    tasks = tuple(
        Task(
            id=name, role="implementer", writes=(f"src/{name}.txt",), reads=("**",),
            test=f"grep -q done src/{name}.txt",
        )
        for name in "ab"
    )  # fmt: skip
    plan = Plan(
        name="p", tasks=tasks, workspace=work, base=tmp_path, mode=mode.name,
        limits=Limits(workers=2, attempts=1),
    )  # fmt: skip
    return run(plan, model=agent, durability="normal")  # type: ignore[arg-type]


def test_every_agent_is_told_its_own_files_and_how_its_mode_works(
    tmp_path: Path, mode: Mode
) -> None:
    agent = Agent()
    result = of(tmp_path, mode, agent)
    assert result.status == "succeeded", [task.reason for task in result.tasks.values()]
    for briefing in agent.briefings:
        own = f"src/{briefing.task}.txt"
        assert (briefing.writes[0], briefing.files) == (own, (own,))
        assert briefing.allows(own)
        assert not briefing.allows(f"src/of-{briefing.task}.txt")
        assert mode.manners in briefing.system
    again = replay(result.run_dir)
    assert (again.parting, again.problems) == (None, ())
    assert check_run(result.run_dir).anomalies == ()


def test_tools_refuse_what_the_mode_bounds(tmp_path: Path, mode: Mode) -> None:
    result = of(tmp_path, mode, Agent())
    bounded = mode.rules(Limits()).bounded
    more = sorted(path.name for path in (tmp_path / "work" / "src").iterdir())
    assert more == (["a.txt", "b.txt"] if bounded else ["a.txt", "b.txt", "of-a.txt", "of-b.txt"])
    assert not (tmp_path / "out.txt").exists()
    assert measure(result.run_dir).refused_scope == (4 if bounded else 2)
