"""The anthropic model and its SDK against a real server on a real socket."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from llmock.pytest_plugin import LLMock
from llmock.scenarios import Match, Reply
from llmock.scenarios import ToolCall as ScriptedCall

from orchestrator.errors import ModelError
from orchestrator.models import asking
from orchestrator.models.admission import Pace
from orchestrator.models.anthropic import AnthropicModel
from orchestrator.models.base import (
    Briefing,
    Exchange,
    ToolCall,
    ToolResult,
    ToolSpec,
    Turn,
    Usage,
)
from orchestrator.models.gate import ProviderGate, gate_for
from orchestrator.runtime.interruption import Interruption

NEVER = threading.Event()


def tool(name: str, *arguments: str) -> ToolSpec:
    properties = {argument: {"type": "string"} for argument in arguments}
    schema = {"type": "object", "properties": properties, "required": list(arguments)}
    return ToolSpec(name, f"{name} of the workspace", schema)


TOOLS = (tool("write_file", "path", "content"), tool("run_tests"), tool("submit", "summary"))
BRIEF = Briefing("a", 1, 3, "You are an implementer.", "Write answer.py.", TOOLS)
TEST = "from answer import answer\n\n\ndef test_answer():\n    assert answer() == 42\n"


@pytest.fixture
def model(llmock: LLMock) -> Iterator[AnthropicModel]:
    """The model as the command line makes it, pointed at the server by the environment."""
    made = AnthropicModel.from_options("claude-sonnet-5-5", {}, Path())
    yield made
    made.close()


@dataclass
class FakeTime:
    """A clock and an interrupt: waiting moves the clock, takes no time and is written down."""

    now: float = 0.0
    waits: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def is_set(self) -> bool:
        return False

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waits.append(timeout)
        self.now += timeout
        return False


def ask(time: FakeTime | None = None, **options: Any) -> Turn:
    """Ask a new model for one turn."""
    model = AnthropicModel("claude-sonnet-5-5", **options)
    try:
        return asked(model, time)
    finally:
        model.close()


def asked(model: AnthropicModel, time: FakeTime | None = None) -> Turn:
    """Ask as a worker does, in time of its own."""
    time = time or FakeTime()
    gate = ProviderGate(clock=time, pause=lambda _, seconds: time.wait(seconds))
    outcome = asking.ask(model, BRIEF, [], time, gate).outcome
    if isinstance(outcome, ModelError):
        raise outcome
    return outcome


def carry_out(call: ToolCall, folder: Path) -> ToolResult:
    """Write real files and run a real pytest."""
    if call.name == "write_file":
        (folder / call.input["path"]).write_text(call.input["content"])
        return ToolResult(call.id, "written")
    if call.name == "run_tests":
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_answer.py"]
        environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        verdict = "PASSED" if done.returncode == 0 else "FAILED"
        return ToolResult(call.id, f"{verdict}\n{done.stdout}")
    return ToolResult(call.id, "submitted")


def play(model: AnthropicModel, folder: Path) -> list[Exchange]:
    """A tool loop in its smallest form."""
    history: list[Exchange] = []
    while not history or history[-1].turn.calls:
        turn = model.next_turn(BRIEF, history, NEVER)
        history.append(Exchange(turn, tuple(carry_out(call, folder) for call in turn.calls)))
    return history


@pytest.mark.slow
def test_a_tool_loop_with_real_files_and_real_tests(
    llmock: LLMock, model: AnthropicModel, tmp_path: Path
) -> None:
    (tmp_path / "test_answer.py").write_text(TEST)
    wrong, right = (f"def answer():\n    return {number}\n" for number in (41, 42))
    for text in (wrong, right):
        llmock.call_tool("write_file", {"path": "answer.py", "content": text}, text="Writing.")
        llmock.call_tool("run_tests")
    llmock.call_tool("submit", {"summary": "It answers 42."})
    llmock.reply("Done.")
    history = play(model, tmp_path)
    verdicts = [
        result.content.splitlines()[0]
        for exchange in history
        for call, result in zip(exchange.turn.calls, exchange.results, strict=True)
        if call.name == "run_tests"
    ]
    assert verdicts == ["FAILED", "PASSED"]
    assert (tmp_path / "answer.py").read_text() == right
    assert history[-1].turn.text == "Done."
    assert all(exchange.turn.usage.output > 0 for exchange in history)
    llmock.assert_resilient(strict=True)


@pytest.mark.parametrize("stream", [True, False])
def test_text_calls_and_usage(llmock: LLMock, stream: bool) -> None:
    call = ScriptedCall("write_file", {"path": "ä.py", "content": "x = '€'\n" * 20})
    llmock.add(Reply(text="I write two files.", tool_calls=(call, ScriptedCall("run_tests"))))
    turn = ask(stream=stream)
    assert turn.text == "I write two files."
    assert [(made.name, made.input) for made in turn.calls] == [
        ("write_file", call.arguments),
        ("run_tests", {}),
    ]
    assert (turn.stop, turn.model) == ("tool_use", "claude-sonnet-5-5")
    assert turn.usage.input > 0
    assert turn.usage.output > 0
    assert llmock.last_request.stream is stream


def test_the_key_goes_out_and_the_history_comes_along(
    llmock: LLMock, model: AnthropicModel
) -> None:
    llmock.call_tool("submit", {"summary": "x"}).reply("fine")
    first = model.next_turn(BRIEF, [], NEVER)
    results = (ToolResult(first.calls[0].id, "no", is_error=True),)
    model.next_turn(BRIEF, [Exchange(first, results, notice="Read it again.")], NEVER)
    body: Any = llmock.last_request.body
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    result, notice = body["messages"][2]["content"]
    assert (result["tool_use_id"], result["is_error"]) == (first.calls[0].id, True)
    assert notice["text"] == "Read it again."


def test_a_rate_limit_is_waited_out(llmock: LLMock, model: AnthropicModel) -> None:
    llmock.rate_limit(times=2, retry_after=0.05).reply("at last")
    assert asked(model).text == "at last"
    assert [record.status for record in llmock.requests] == [429, 429, 200]
    llmock.assert_resilient(strict=True)


@pytest.mark.parametrize("status", [500, 503, 529])
def test_a_provider_that_fails_is_asked_again(
    llmock: LLMock, model: AnthropicModel, status: int
) -> None:
    llmock.fail(status, times=2, retry_after=0.05).reply("at last")
    assert asked(model).text == "at last"
    assert len(llmock.requests) == 3
    llmock.assert_resilient()


def test_after_all_retries_the_failure_is_told(llmock: LLMock) -> None:
    llmock.outage()
    time = FakeTime()
    with pytest.raises(ModelError, match="status 503") as caught:
        ask(time, retries=3)
    assert caught.value.retryable
    assert len(llmock.requests) == 4
    assert len(time.waits) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_request_that_cannot_succeed_is_not_repeated(llmock: LLMock, status: int) -> None:
    llmock.fail(status)
    with pytest.raises(ModelError, match=f"status {status}") as caught:
        ask()
    assert not caught.value.retryable
    assert "llmock-test-key" not in str(caught.value)
    llmock.assert_resilient(strict=True)


@pytest.mark.parametrize("after", [1, 2, 4])
@pytest.mark.parametrize("fault", ["disconnect", "truncate", "corrupt"])
def test_a_broken_stream_is_never_taken_for_an_answer(
    llmock: LLMock, fault: str, after: int
) -> None:
    llmock.call_tool("write_file", {"path": "a.py", "content": "x = 1\n" * 30}, times=2)
    getattr(llmock, fault)(after_chunks=after)
    time = FakeTime()
    turn = ask(time)
    assert [call.input["content"] for call in turn.calls] == ["x = 1\n" * 30]
    assert len(llmock.requests) == 2
    assert len(time.waits) == 1
    llmock.assert_resilient()


def test_a_stream_that_stalls_is_given_up_and_asked_again(llmock: LLMock) -> None:
    llmock.stall(after_chunks=2, seconds=5.0).reply("one", times=2)
    assert ask(timeout=0.1).text == "one"
    assert len(llmock.requests) == 2


def test_malformed_tool_arguments_are_asked_for_again(llmock: LLMock) -> None:
    llmock.call_tool("submit", {"summary": "all done"}, times=2).break_tool_call()
    turn = ask()
    assert turn.calls[0].input == {"summary": "all done"}
    assert len(llmock.requests) == 2


def test_malformed_tool_arguments_for_ever_are_a_failure(llmock: LLMock) -> None:
    llmock.break_tool_call(times=None)
    with pytest.raises(ModelError, match="are not a JSON object") as caught:
        ask(retries=2)
    assert caught.value.retryable


def test_an_unknown_tool_is_passed_on(llmock: LLMock, model: AnthropicModel) -> None:
    llmock.break_tool_call("unknown_tool")
    (call,) = asked(model).calls
    assert call.name == "llmock_unknown_tool"


@pytest.mark.parametrize("stream", [True, False])
def test_a_refusal(llmock: LLMock, stream: bool) -> None:
    llmock.add(Reply(text="I will not.", finish_reason="content_filter"))
    turn = ask(stream=stream)
    assert (turn.stop, turn.text, turn.calls) == ("refusal", "I will not.", ())


@pytest.mark.parametrize("stream", [True, False])
def test_max_tokens_drops_the_call_that_was_cut(llmock: LLMock, stream: bool) -> None:
    call = ScriptedCall("write_file", {"path": "a.py", "content": "x"})
    llmock.add(Reply(text="Writing.", tool_calls=(call,), finish_reason="length"))
    llmock.break_tool_call()
    turn = ask(stream=stream)
    assert (turn.stop, turn.text, turn.calls) == ("max_tokens", "Writing.", ())


def test_many_threads_share_one_client(llmock: LLMock) -> None:
    models = {}
    for number in range(4):
        name = f"claude-test-{number}"
        llmock.add(Reply(text=f"for {name}", times=None, match=Match(model=name)))
        models[name] = AnthropicModel.from_options(name, {}, Path())
    with ThreadPoolExecutor(16) as pool:
        names = [name for name in models for _ in range(10)]
        turns: list[Turn] = list(
            pool.map(lambda name: models[name].next_turn(BRIEF, [], NEVER), names)
        )
    for model in models.values():
        model.close()
    assert [turn.text for turn in turns] == [f"for {name}" for name in names]
    assert all(turn.usage != Usage() for turn in turns)


# -- the gate over a real server -------------------------------------------------------------


class AtGate(Interruption):
    """An interrupt that tells when its thread stands at the gate."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived = threading.Event()

    def watch(self, call: Callable[[], None]) -> AbstractContextManager[None]:
        self.arrived.set()
        return super().watch(call)


@pytest.mark.parametrize("status", [429, 529])
def test_a_refusal_makes_all_workers_wait(
    llmock: LLMock, model: AnthropicModel, status: int
) -> None:
    llmock.fail(status, times=1, retry_after=0.1).reply("at last", times=None)
    gate = ProviderGate()
    with ThreadPoolExecutor(4) as pool:
        interrupts = [AtGate() for _ in range(4)]
        first = pool.submit(asking.ask, model, BRIEF, [], interrupts[0], gate)
        assert interrupts[0].arrived.wait(5)
        others = [
            pool.submit(asking.ask, model, BRIEF, [], interrupt, gate)
            for interrupt in interrupts[1:]
        ]
        for interrupt in interrupts[1:]:
            assert interrupt.arrived.wait(5)
        assert [record.status for record in llmock.requests] == [status]
        answers = [future.result(10) for future in (first, *others)]
    assert [answer.outcome.text for answer in answers if isinstance(answer.outcome, Turn)] == [
        "at last"
    ] * 4
    assert [answer.tries for answer in answers] == [2, 1, 1, 1]
    assert answers[0].waited >= 0.1
    assert all(answer.waited > 0 for answer in answers)
    assert [record.status for record in llmock.requests] == [status, 200, 200, 200, 200]
    llmock.assert_resilient(strict=True)


@pytest.mark.parametrize("status", [429, 529])
def test_an_ended_lease_ends_the_wait(llmock: LLMock, model: AnthropicModel, status: int) -> None:
    llmock.fail(status, times=1, retry_after=60)
    gate, interrupt = ProviderGate(), AtGate()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(asking.ask, model, BRIEF, [], interrupt, gate)
        assert interrupt.arrived.wait(5)
        interrupt.set()
        answer = waiting.result(5)
    assert isinstance(answer.outcome, ModelError)
    assert "lease ended" in answer.outcome.what
    assert (len(llmock.requests), answer.tries) == (1, 1)
    assert 6 < gate.status().closed <= 66


def test_no_more_at_once_than_the_provider_allows(llmock: LLMock) -> None:
    llmock.reply("one", times=None)
    model = AnthropicModel.from_options("claude-sonnet-5-5", {"concurrency": "2"}, Path())
    gate = gate_for(model)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: asking.ask(model, BRIEF, [], NEVER, gate), range(16)))
    model.close()
    assert all(isinstance(answer.outcome, Turn) for answer in answers)
    assert (gate.pace, gate.status().under_way) == (Pace(concurrent=2), 0)
