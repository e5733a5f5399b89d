"""What every model must do, whatever answers behind it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from orchestrator.errors import ModelError
from orchestrator.models.base import (
    Briefing,
    Exchange,
    Model,
    ToolCall,
    ToolResult,
    ToolSpec,
    Turn,
    Usage,
)
from orchestrator.models.cost import dollars
from orchestrator.models.recorded import RecordedModel
from orchestrator.models.recorded_run import RecordedAttempt, Recording
from orchestrator.models.registry import create_model

NEVER = threading.Event()
NAMES = ("scripted", "oracle", "simulated", "recorded", "anthropic")
STOPS = ("tool_use", "end_turn", "max_tokens", "refusal")


@dataclass(frozen=True)
class Case:
    """One implementation under test.

    Attributes:
        model: the model.
        repeats: whether the same question gets the very same answer.
        priced: whether its tokens cost something.
    """

    model: Model
    repeats: bool = True
    priced: bool = False


def tool(name: str, *arguments: str) -> ToolSpec:
    properties = {argument: {"type": "string"} for argument in arguments}
    schema = {"type": "object", "properties": properties, "required": list(arguments)}
    return ToolSpec(name, f"{name} of the workspace", schema)


BRIEF = Briefing(
    task="a",
    attempt=1,
    seed=11,
    system="You are an implementer.",
    opening="Write a.py.",
    tools=(
        tool("read_file", "path"),
        tool("write_file", "path", "content"),
        tool("run_tests"),
        tool("submit", "summary"),
    ),
    writes=("a.py",),
    files=("a.py",),
    allows=lambda path: path == "a.py",
)


def scripted(request: pytest.FixtureRequest, folder: Path) -> Case:
    turn = {"text": "x", "calls": [{"tool": "run_tests"}, {"tool": "submit"}], "delay": 0.001}
    (folder / "script.json").write_text(json.dumps({"*": [turn] * 5}))
    return Case(create_model("scripted:script.json", {}, folder))


def oracle(request: pytest.FixtureRequest, folder: Path) -> Case:
    (folder / "solution").mkdir()
    (folder / "solution" / "a.py").write_text("def f(a):\n    return a + 1\n")
    options = {"mistakes": "0.5", "latency": "0-0.002"}
    return Case(create_model("oracle:solution", options, folder))


def profiled(request: pytest.FixtureRequest, folder: Path) -> Case:
    (folder / "solution").mkdir()
    (folder / "solution" / "a.py").write_text("def f(a):\n    return a + 1\n")
    options = {"profile": "hasty", "thinking": "0.001", "speed": "0"}
    return Case(create_model("oracle:solution", options, folder), priced=True)


def simulated(request: pytest.FixtureRequest, folder: Path) -> Case:
    return Case(create_model("simulated", {"thinking": "0.001"}, folder), priced=True)


def anthropic(request: pytest.FixtureRequest, folder: Path) -> Case:
    request.getfixturevalue("llmock")
    return Case(create_model("anthropic", {}, folder), repeats=False, priced=True)


def anthropic_whole(request: pytest.FixtureRequest, folder: Path) -> Case:
    request.getfixturevalue("llmock")
    model = create_model("anthropic", {"stream": "false"}, folder)
    return Case(model, repeats=False, priced=True)


def recorded(request: pytest.FixtureRequest, folder: Path) -> Case:
    calls = (ToolCall("1", "run_tests", {}), ToolCall("2", "submit", {"summary": "x"}))
    attempts = {}
    for task in ("a", *(f"task{number}" for number in range(32))):
        attempts[task, 1] = RecordedAttempt(
            {
                number: Turn("x", tuple(replace(c, id=f"{task}.{number}.{c.id}") for c in calls),
                             Usage(5, 1), "tool_use")
                for number in range(1, 6)
            }
        )  # fmt: skip
    return Case(RecordedModel(Recording(folder, "r", attempts, {Usage(5, 1): 0.0})))


@pytest.fixture(
    params=[scripted, oracle, profiled, simulated, recorded, anthropic, anthropic_whole],
    ids=lambda make: make.__name__,
)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    """Each implementation in turn."""
    make: Callable[[pytest.FixtureRequest, Path], Case] = request.param
    made = make(request, tmp_path)
    yield made
    made.model.close()


def answered(turn: Turn) -> Exchange:
    return Exchange(turn, tuple(ToolResult(call.id, "PASSED") for call in turn.calls))


def play(model: Model, turns: int) -> list[Exchange]:
    history: list[Exchange] = []
    for _ in range(turns):
        history.append(answered(model.next_turn(BRIEF, history, NEVER)))
    return history


def test_it_is_a_model(case: Case) -> None:
    assert isinstance(case.model, Model)
    assert case.model.name.partition(":")[0] in NAMES


def test_turns_are_well_formed(case: Case) -> None:
    for exchange in play(case.model, 3):
        turn = exchange.turn
        assert turn.stop in STOPS
        assert (turn.stop == "tool_use") == bool(turn.calls)
        usage = turn.usage
        assert min(usage.input, usage.output, usage.cache_read, usage.cache_write) >= 0
        assert usage.total >= usage.output


def test_call_ids_are_unique(case: Case) -> None:
    ids = [call.id for exchange in play(case.model, 3) for call in exchange.turn.calls]
    assert ids
    assert all(ids)
    assert len(set(ids)) == len(ids)


def test_inputs_are_json(case: Case) -> None:
    for exchange in play(case.model, 3):
        for call in exchange.turn.calls:
            assert json.loads(json.dumps(dict(call.input))) == call.input


def test_the_same_history_gives_the_same_turn(case: Case) -> None:
    history = play(case.model, 2)
    for length in range(2):
        first, second = (case.model.next_turn(BRIEF, history[:length], NEVER) for _ in range(2))
        if case.repeats:
            assert first == second == history[length].turn
        else:
            assert first.text == second.text
            assert [call.input for call in first.calls] == [call.input for call in second.calls]


def test_the_arguments_are_left_alone(case: Case) -> None:
    history = play(case.model, 2)
    copy = [replace(exchange) for exchange in history]
    case.model.next_turn(BRIEF, history, NEVER)
    assert history == copy


def test_an_ended_lease_is_an_end(case: Case) -> None:
    ended = threading.Event()
    ended.set()
    with pytest.raises(ModelError) as caught:
        case.model.next_turn(BRIEF, [], ended)
    assert not caught.value.retryable


def test_many_threads_at_once(case: Case) -> None:
    briefs = [replace(BRIEF, task=f"task{number}", seed=number) for number in range(32)]

    def first_turn(brief: Briefing) -> Turn:
        return case.model.next_turn(brief, [], NEVER)

    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(first_turn, briefs))
    assert all(turn.calls for turn in together)
    ids = [call.id for turn in together for call in turn.calls]
    assert len(set(ids)) == len(ids)
    if case.repeats:
        assert together == [first_turn(brief) for brief in briefs]


def test_closing_twice_is_closing_once(case: Case) -> None:
    case.model.close()
    case.model.close()


def test_the_price_is_known_or_said_not_to_be(case: Case) -> None:
    cost = dollars(case.model, play(case.model, 1)[0].turn.usage)
    assert cost is not None
    assert (cost > 0) == case.priced
