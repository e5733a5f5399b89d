"""A model that takes turns, time and tokens, and writes nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

from orchestrator import Limits, Plan, Task, measure, run
from orchestrator.models.base import Briefing, Exchange, ToolResult, ToolSpec
from orchestrator.models.behaviour import Load, Profile
from orchestrator.models.simulated import SimulatedModel

TOOLS = ("read_file", "list_files", "submit", "give_up")


def model(**figures: float) -> SimulatedModel:
    return SimulatedModel(Profile("t", Load(**figures), {}))  # type: ignore[arg-type]


def briefing(seed: int = 1, tools: Iterable[str] = TOOLS, task: str = "a") -> Briefing:
    specs = tuple(ToolSpec(name, "", {"type": "object"}) for name in tools)
    return Briefing(task, 1, seed, "system", "opening", specs, files=("a.py",))


def play(simulated: SimulatedModel, brief: Briefing, accepts: bool = True) -> list[Exchange]:
    history: list[Exchange] = []
    while len(history) < 200:
        turn = simulated.next_turn(brief, history, threading.Event())
        names = [call.name for call in turn.calls]
        results = tuple(ToolResult(call.id, "x", not accepts) for call in turn.calls)
        history.append(Exchange(turn, results))
        if "give_up" in names or (accepts and "submit" in names):
            break
    return history


def last(history: list[Exchange]) -> str:
    return history[-1].turn.calls[-1].name


def test_the_number_of_turns_is_seeded_around_its_median() -> None:
    simulated = model(turns=8.0, turns_spread=0.5)
    lengths = [len(play(simulated, briefing(seed))) for seed in range(60)]
    assert 7 <= median(lengths) <= 9
    assert min(lengths) < 5 < 14 < max(lengths)
    assert len(play(simulated, briefing(3))) == lengths[3]


def test_no_two_turns_in_a_row_are_the_same() -> None:
    for tools in (TOOLS, ("list_files", "submit"), ("read_file", "submit")):
        history = play(model(turns=9.0), briefing(tools=tools))
        said = [
            [(call.name, dict(call.input)) for call in exchange.turn.calls] for exchange in history
        ]
        assert all(before != after for before, after in pairwise(said))


def test_tokens_and_failures_are_seeded() -> None:
    usages = [exchange.turn.usage for exchange in play(model(added=700, output=200), briefing())]
    assert [usage.output for usage in usages] == [200] * len(usages)
    assert [usage.input for usage in usages[1:]] == [700] * (len(usages) - 1)
    assert usages[-1].cache_read == usages[0].input + 700 * (len(usages) - 2)
    ends = [last(play(model(failures=0.3), briefing(seed))) for seed in range(80)]
    assert 12 < ends.count("give_up") < 36


def test_what_is_not_accepted_is_given_up() -> None:
    history = play(model(turns=2.0), briefing(), accepts=False)
    assert [exchange.turn.calls[0].name for exchange in history[1:]] == [
        *("submit", "submit", "give_up")
    ]


@pytest.mark.slow
def test_a_run_of_load(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "a.txt").write_text("a\n")
    tasks = tuple(
        Task(id=name, role="implementer", writes=(f"{name}.py",), reads=("**",)) for name in "abc"
    )
    plan = Plan(
        name="p", tasks=tasks, workspace=tmp_path / "work", base=tmp_path, into=tmp_path / "out",
        limits=Limits(workers=2),
    )  # fmt: skip
    load = Profile("t", Load(thinking=6.0, spread=1.0, price="claude-sonnet-5-5"), {})
    result = run(plan, model=SimulatedModel(load), seed=4, time="virtual", durability="normal")
    assert result.status == "succeeded"
    assert [path.name for path in (tmp_path / "out").iterdir() if path.is_file()] == ["a.txt"]
    assert (measure(result.run_dir).usd or 0.0) > 0.01
