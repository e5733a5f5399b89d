"""Briefing and history as a request; a reply as a turn."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest

from orchestrator.errors import ModelError
from orchestrator.models.base import (
    Briefing,
    Exchange,
    ToolCall,
    ToolResult,
    ToolSpec,
    Turn,
    Usage,
)
from orchestrator.models.messages_api import GO_ON, NOT_CARRIED_OUT, Reply, to_request

MARK = {"type": "ephemeral"}
SCHEMA = MappingProxyType({"type": "object", "required": ("path",)})


def briefing(system: str = "You are an implementer.", tools: int = 2) -> Briefing:
    specs = tuple(ToolSpec(f"tool_{number}", "does", SCHEMA) for number in range(tools))
    return Briefing("a", 1, 1, system, "Do it.", specs)


def called(number: int, notice: str = "") -> Exchange:
    call = ToolCall(f"id{number}", "tool_0", MappingProxyType({"path": f"{number}.py"}))
    result = ToolResult(call.id, f"result {number}", is_error=number == 2)
    return Exchange(Turn(f"text {number}", (call,), stop="tool_use"), (result,), notice)


def events(value: Any) -> Any:
    """Return JSON as objects with attributes, as the SDK's models are."""
    if isinstance(value, Mapping):
        return SimpleNamespace(**{key: events(item) for key, item in value.items()})
    return [events(item) for item in value] if isinstance(value, list) else value


def message(*content: dict[str, Any], stop: str | None = "tool_use") -> Any:
    usage = {"input_tokens": 5, "output_tokens": 2, "cache_read_input_tokens": None}
    whole = events({"model": "m", "usage": usage, "stop_reason": stop, "content": list(content)})
    for block, original in zip(whole.content, content, strict=True):
        if "input" in original:
            block.input = original["input"]
    return whole


def whole_reply(*content: dict[str, Any], stop: str | None = "tool_use") -> Reply:
    reply = Reply()
    reply.take(message(*content, stop=stop))
    return reply


def streamed_call(partial_json: str, stop: str) -> Reply:
    reply = Reply()
    start = {"type": "tool_use", "id": "1", "name": "write_file", "input": {}}
    delta = {"type": "input_json_delta", "partial_json": partial_json}
    for event in (
        {"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 9}}},
        {"type": "content_block_start", "index": 0, "content_block": start},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": stop},
            "usage": {"output_tokens": 4, "input_tokens": None},
        },
        {"type": "message_stop"},
    ):
        reply.feed(events(event))
    return reply


TEXT = {"type": "text", "text": "hello"}
CALL = {"type": "tool_use", "id": "1", "name": "read_file", "input": {"path": "a.py"}}


# -- request ---------------------------------------------------------------------------------


def test_the_first_request() -> None:
    tool = {"description": "does", "input_schema": {"type": "object", "required": ["path"]}}
    assert to_request(briefing(), []) == {
        "system": [{"type": "text", "text": "You are an implementer.", "cache_control": MARK}],
        "tools": [{"name": "tool_0", **tool}, {"name": "tool_1", **tool}],
        "messages": [
            {
                "role": "user",
                "content": [{"type": "text", "text": "Do it.", "cache_control": MARK}],
            }
        ],
    }


def test_without_a_system_prompt_the_last_tool_carries_the_mark() -> None:
    request = to_request(briefing(system=" "), [])
    assert "system" not in request
    assert [tool.get("cache_control") for tool in request["tools"]] == [None, MARK]


def test_without_tools_none_are_sent() -> None:
    assert "tools" not in to_request(briefing(tools=0), [])


def test_a_history_becomes_alternating_messages() -> None:
    messages = to_request(briefing(), [called(1), called(2, notice="b.py changed")])["messages"]
    assert [entry["role"] for entry in messages] == ["user", "assistant"] * 2 + ["user"]
    assert messages[1]["content"] == [
        {"type": "text", "text": "text 1"},
        {"type": "tool_use", "id": "id1", "name": "tool_0", "input": {"path": "1.py"}},
    ]
    assert messages[4]["content"] == [
        {"type": "tool_result", "tool_use_id": "id2", "content": "result 2", "is_error": True},
        {"type": "text", "text": "b.py changed", "cache_control": MARK},
    ]


def test_the_last_two_user_messages_carry_marks_and_never_more_than_four_blocks() -> None:
    request = to_request(briefing(), [called(number) for number in range(9)])
    marked = [
        index
        for index, entry in enumerate(request["messages"])
        if any("cache_control" in block for block in entry["content"])
    ]
    assert marked == [16, 18]


def test_the_request_only_grows_at_its_end() -> None:
    def unmarked(request: dict[str, Any]) -> list[Any]:
        for entry in request["messages"]:
            entry["content"][-1].pop("cache_control", None)
        return list(request["messages"])

    history = [called(number) for number in range(4)]
    shorter = unmarked(to_request(briefing(), history[:3]))
    assert unmarked(to_request(briefing(), history))[: len(shorter)] == shorter


def test_an_empty_turn_leaves_no_empty_message() -> None:
    messages = to_request(briefing(), [Exchange(Turn(text=" \n"), notice="Use a tool.")])[
        "messages"
    ]
    assert len(messages) == 1
    assert [block["text"] for block in messages[0]["content"]] == ["Do it.", "Use a tool."]


def test_a_request_never_ends_with_the_model() -> None:
    messages = to_request(briefing(), [Exchange(Turn(text="done"))])["messages"]
    assert messages[-1]["role"] == "user"
    assert messages[-1]["content"][0]["text"] == GO_ON
    nothing = Briefing("a", 1, 1, "", "", ())
    assert to_request(nothing, [])["messages"][0]["content"][0]["text"] == GO_ON


def test_a_call_without_a_result_gets_one_and_an_empty_result_says_so() -> None:
    calls = (ToolCall("1", "t", {}), ToolCall("2", "t", {}))
    messages = to_request(briefing(), [Exchange(Turn(calls=calls), (ToolResult("2", ""),))])
    first, second = messages["messages"][-1]["content"]
    assert (first["content"], first["is_error"]) == (NOT_CARRIED_OUT, True)
    assert second["content"] == "(no output)"


# -- reply -----------------------------------------------------------------------------------


def test_a_whole_reply() -> None:
    turn = whole_reply(TEXT, CALL, TEXT).turn()
    assert turn == Turn(
        text="hellohello",
        calls=(ToolCall("1", "read_file", {"path": "a.py"}),),
        usage=Usage(input=5, output=2),
        stop="tool_use",
        model="m",
    )


def test_a_streamed_reply_takes_running_totals() -> None:
    turn = streamed_call('{"path": "a.py"}', "tool_use").turn()
    assert turn.calls == (ToolCall("1", "write_file", {"path": "a.py"}),)
    assert turn.usage == Usage(input=9, output=4)


@pytest.mark.parametrize("thought", [{"type": "thinking", "thinking": "x"}, {"type": "new_kind"}])
def test_other_blocks_are_passed_over(thought: dict[str, Any]) -> None:
    assert whole_reply(thought, TEXT, stop="end_turn").turn().text == "hello"


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        ("end_turn", "end_turn"),
        ("stop_sequence", "end_turn"),
        ("max_tokens", "max_tokens"),
        ("refusal", "refusal"),
    ],
)
def test_stop_reasons(stop: str, expected: str) -> None:
    assert whole_reply(TEXT, stop=stop).turn().stop == expected


def test_calls_count_more_than_the_word_for_stopping() -> None:
    assert whole_reply(CALL, stop="end_turn").turn().stop == "tool_use"


@pytest.mark.parametrize(
    ("stop", "what", "retryable"),
    [
        (None, "ended before the model had finished", True),
        ("tool_use", "announced tool calls and made none", True),
        ("model_context_window_exceeded", "outgrown the model's context window", False),
        ("pause_turn", "has no answer here: 'pause_turn'", False),
        ("new_reason", "has no answer here: 'new_reason'", False),
    ],
)
def test_replies_that_are_no_turn(stop: str | None, what: str, retryable: bool) -> None:
    with pytest.raises(ModelError, match=what) as caught:
        whole_reply(TEXT, stop=stop).turn()
    assert caught.value.retryable is retryable


@pytest.mark.parametrize("arguments", ['{"path": "a.py", "con', "[1]", '"text"', "{'a': 1}"])
def test_arguments_that_are_no_object_are_a_failure_that_may_pass(arguments: str) -> None:
    with pytest.raises(ModelError, match="call of 'write_file' are not a JSON object") as caught:
        streamed_call(arguments, "tool_use").turn()
    assert caught.value.retryable


def test_a_call_without_arguments_streams_none() -> None:
    assert streamed_call("", "tool_use").turn().calls == (ToolCall("1", "write_file", {}),)


@pytest.mark.parametrize("arguments", ['{"path": "a.py", "con', '{"path": "a.py"}', ""])
def test_after_max_tokens_the_last_call_is_dropped(arguments: str) -> None:
    turn = streamed_call(arguments, "max_tokens").turn()
    assert (turn.calls, turn.stop, turn.usage.output) == ((), "max_tokens", 4)


def test_after_max_tokens_the_calls_before_the_last_block_stay() -> None:
    turn = whole_reply(CALL, {**CALL, "id": "2"}, stop="max_tokens").turn()
    assert [call.id for call in turn.calls] == ["1"]
    assert whole_reply(CALL, TEXT, stop="max_tokens").turn().calls != ()


def test_a_refusal_calls_nothing_and_gives_its_explanation() -> None:
    reply = Reply()
    whole = message(CALL, stop="refusal")
    whole.stop_details = events({"explanation": "not allowed"})
    reply.take(whole)
    turn = reply.turn()
    assert (turn.calls, turn.text, turn.stop) == ((), "not allowed", "refusal")


@pytest.mark.parametrize(
    "event",
    [
        {"type": "message_start"},
        {"type": "content_block_delta", "index": 7, "delta": {"type": "text_delta", "text": "x"}},
        {"type": "message_delta", "delta": None, "usage": {}},
        {},
    ],
)
def test_events_that_do_not_fit_are_a_failure_that_may_pass(event: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="does not fit the protocol") as caught:
        Reply().feed(events(event))
    assert caught.value.retryable


def test_a_whole_reply_that_does_not_fit() -> None:
    with pytest.raises(ModelError, match="does not fit the protocol"):
        Reply().take(events({"model": "m"}))


def test_thoughts_are_given_back_verbatim_and_in_their_place() -> None:
    thought = {"type": "thinking", "thinking": "hm", "signature": "seal"}
    hidden = {"type": "redacted_thinking", "data": "sealed"}
    call = {"type": "tool_use", "id": "1", "name": "tool_0", "input": {"path": "a.py"}}
    turn = whole_reply(thought, hidden, TEXT, call).turn()
    assert turn.blocks == (thought, hidden, TEXT, call)
    (_, said, _) = to_request(briefing(), [Exchange(turn)])["messages"]
    assert said == {"role": "assistant", "content": [thought, hidden, TEXT, call]}


def test_a_turn_without_thoughts_is_made_from_its_parts() -> None:
    assert whole_reply(TEXT, stop="end_turn").turn().blocks == ()
