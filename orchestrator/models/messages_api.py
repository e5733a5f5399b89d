"""The Messages API as values: a briefing and its history become a request, a reply becomes a turn.

Nothing here talks to a server. Replies are read by hand instead of through the SDK's message
stream, because that one parses the arguments of a tool call leniently: a call whose JSON was
cut in the middle would arrive as a smaller, well-formed call.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from orchestrator.errors import ModelError
from orchestrator.models.base import Briefing, Exchange, StopReason, ToolCall, Turn, Usage

GO_ON = "Go on: use a tool, or submit when the task is done."
NOT_CARRIED_OUT = "This call was not carried out."
NO_OUTPUT = "(no output)"

_CACHED = {"type": "ephemeral"}
_STOPS: Mapping[str, StopReason] = {
    "tool_use": "tool_use",
    "end_turn": "end_turn",
    "stop_sequence": "end_turn",
    "max_tokens": "max_tokens",
    "refusal": "refusal",
}
_USAGE_FIELDS = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cache_read": "cache_read_input_tokens",
    "cache_write": "cache_creation_input_tokens",
}

Message = dict[str, Any]


# -- request ---------------------------------------------------------------------------------


def to_request(briefing: Briefing, history: Sequence[Exchange]) -> dict[str, Any]:
    """Return the arguments `system`, `tools` and `messages` of a request.

    Cache marks stand where the unchanging part ends (tools and system prompt) and on the last
    two user messages: the last one stores what this turn added, the one before it is where
    the turn before this one stored its own, so it is found there whatever was added since.
    """
    messages = _messages(briefing, history)
    users = [message for message in messages if message["role"] == "user"]
    for message in users[-2:]:
        message["content"][-1]["cache_control"] = _CACHED
    request: dict[str, Any] = {"messages": messages}
    tools: list[dict[str, Any]] = [
        {
            "name": tool.name,
            "description": tool.description,
            "input_schema": _plain(tool.input_schema),
        }
        for tool in briefing.tools
    ]
    if tools:
        request["tools"] = tools
    if briefing.system.strip():
        request["system"] = [{"type": "text", "text": briefing.system, "cache_control": _CACHED}]
    elif tools:
        tools[-1]["cache_control"] = _CACHED
    return request


def _messages(briefing: Briefing, history: Sequence[Exchange]) -> list[Message]:
    messages: list[Message] = []
    _say(messages, "user", [_text(briefing.opening)] if briefing.opening.strip() else [])
    for exchange in history:
        _say(messages, "assistant", _assistant_blocks(exchange.turn))
        _say(messages, "user", _user_blocks(exchange))
    if not messages or messages[-1]["role"] == "assistant":
        # A request must end with the user, or the model would be asked to go on with its own
        # last sentence.
        _say(messages, "user", [_text(GO_ON)])
    return messages


def _say(messages: list[Message], role: str, blocks: list[dict[str, Any]]) -> None:
    """Add `blocks`; nothing at all when there are none, since the API refuses empty messages."""
    if not blocks:
        return
    if messages and messages[-1]["role"] == role:
        messages[-1]["content"].extend(blocks)
    else:
        messages.append({"role": role, "content": blocks})


def _assistant_blocks(turn: Turn) -> list[dict[str, Any]]:
    if turn.blocks:
        return [_plain(block) for block in turn.blocks]
    blocks = [_text(turn.text)] if turn.text.strip() else []
    blocks += [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": _plain(call.input)}
        for call in turn.calls
    ]
    return blocks


def _user_blocks(exchange: Exchange) -> list[dict[str, Any]]:
    results = {result.call_id: result for result in exchange.results}
    blocks = []
    for call in exchange.turn.calls:
        # The API refuses a history in which a call has no result.
        result = results.get(call.id)
        block: dict[str, Any] = {"type": "tool_result", "tool_use_id": call.id}
        block["content"] = (result.content or NO_OUTPUT) if result else NOT_CARRIED_OUT
        if result is None or result.is_error:
            block["is_error"] = True
        blocks.append(block)
    if exchange.notice.strip():
        blocks.append(_text(exchange.notice))
    return blocks


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _plain(value: Any) -> Any:
    """Return `value` with only the containers that JSON encoders know."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


# -- reply -----------------------------------------------------------------------------------


@dataclass(slots=True)
class _Block:
    """One content block under construction; `text` of a tool call is its arguments as JSON.

    `seal` is what a provider puts on a thought so that it knows it again.
    """

    kind: str
    text: str = ""
    id: str = ""
    name: str = ""
    seal: str = ""

    def wire(self) -> dict[str, Any] | None:
        """Return the block as it is given back; None if it is nothing to give back."""
        if self.kind == "thinking":
            return {"type": "thinking", "thinking": self.text, "signature": self.seal}
        if self.kind == "redacted_thinking":
            return {"type": "redacted_thinking", "data": self.seal}
        if self.kind == "text" and self.text.strip():
            return _text(self.text)
        arguments = _arguments(self.text) if self.kind == "tool_use" else None
        if arguments is None:
            return None
        return {"type": "tool_use", "id": self.id, "name": self.name, "input": arguments}


@dataclass(slots=True)
class Reply:
    """One reply of the Messages API while it arrives.

    What it holds is the server's word, which may be cut short at any point: `turn` says
    whether it amounts to a turn. `usage` is right even when it does not.
    """

    usage: Usage = field(default_factory=Usage)
    model: str = ""
    stop: str | None = None
    explanation: str = ""
    blocks: dict[int, _Block] = field(default_factory=dict)

    def feed(self, event: Any) -> None:
        """Take one event of a stream (a `RawMessageStreamEvent`).

        Raises:
            ModelError: retryable, when the event does not fit the protocol. Servers that
                speak the API leave out fields, and the SDK does not check them.
        """
        try:
            self._feed(event)
        except (AttributeError, KeyError, TypeError) as error:
            raise _broken("a piece of the stream does not fit the protocol") from error

    def take(self, message: Any) -> None:
        """Take a whole message (a `Message`).

        Raises:
            ModelError: retryable, when the message does not fit the protocol.
        """
        try:
            self._start(message)
            for index, content in enumerate(message.content):
                block = self.blocks[index] = _block(content)
                if block.kind == "tool_use":
                    block.text = json.dumps(content.input)
            self._finish(message)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise _broken("the reply does not fit the protocol") from error

    def turn(self) -> Turn:
        """Return the turn that the reply amounts to.

        Raises:
            ModelError: retryable, when the reply is cut or its tool arguments are not JSON;
                not retryable, when the model stopped for a reason that this program has no
                answer to.
        """
        stop = self._stop_reason()
        text = "".join(block.text for block in self._ordered() if block.kind == "text")
        calls = () if stop == "refusal" else self._calls(cut=stop == "max_tokens")
        if stop == "refusal":
            text = text or self.explanation
        elif calls and stop == "end_turn":
            stop = "tool_use"
        elif stop == "tool_use" and not calls:
            raise _broken("the model announced tool calls and made none")
        return Turn(text, calls, self.usage, stop, self.model, self._thoughtful(calls))

    def _thoughtful(self, calls: tuple[ToolCall, ...]) -> tuple[dict[str, Any], ...]:
        """Return all blocks in the provider's form if there are thoughts among them."""
        if not any(block.kind.endswith("thinking") for block in self.blocks.values()):
            return ()
        kept = {call.id for call in calls}
        wires = [block.wire() for block in self._ordered()]
        return tuple(
            wire for wire in wires if wire and (wire["type"] != "tool_use" or wire["id"] in kept)
        )

    def _feed(self, event: Any) -> None:
        if event.type == "message_start":
            self._start(event.message)
        elif event.type == "content_block_start":
            self.blocks[event.index] = _block(event.content_block)
        elif event.type == "content_block_delta":
            if event.delta.type == "text_delta":
                self.blocks[event.index].text += event.delta.text
            elif event.delta.type == "input_json_delta":
                self.blocks[event.index].text += event.delta.partial_json
            elif event.delta.type == "thinking_delta":
                self.blocks[event.index].text += event.delta.thinking
            elif event.delta.type == "signature_delta":
                self.blocks[event.index].seal += event.delta.signature
        elif event.type == "message_delta":
            self._finish(event.delta)
            self.usage = _merged(self.usage, event.usage)

    def _start(self, message: Any) -> None:
        self.model = message.model or ""
        self.usage = _merged(self.usage, message.usage)

    def _finish(self, ending: Any) -> None:
        self.stop = ending.stop_reason
        details = getattr(ending, "stop_details", None)
        self.explanation = getattr(details, "explanation", None) or ""

    def _ordered(self) -> list[_Block]:
        return [self.blocks[index] for index in sorted(self.blocks)]

    def _stop_reason(self) -> StopReason:
        if self.stop is None:
            raise _broken("the reply ended before the model had finished")
        if self.stop == "model_context_window_exceeded":
            raise ModelError(
                "the task's history has outgrown the model's context window",
                why="asking again would send the same text",
                fix="cut the task into smaller ones, or lower its limit of turns",
            )
        if self.stop not in _STOPS:
            raise ModelError(
                f"the model stopped for a reason that has no answer here: {self.stop!r}",
                why="this program uses no tools that run on the provider's side",
                fix="use another model or server",
            )
        return _STOPS[self.stop]

    def _calls(self, *, cut: bool) -> tuple[ToolCall, ...]:
        """Return the tool calls; after a cut, without the last block, which is the one cut."""
        blocks = self._ordered()
        whole = blocks[:-1] if cut else blocks
        calls = []
        for block in whole:
            if block.kind != "tool_use":
                continue
            arguments = _arguments(block.text)
            if arguments is not None:
                calls.append(ToolCall(block.id, block.name, arguments))
            elif not cut:
                raise _broken(f"the arguments of a call of {block.name!r} are not a JSON object")
        return tuple(calls)


def add(one: Usage, other: Usage) -> Usage:
    """Return the sum of two usages."""
    return Usage(
        one.input + other.input,
        one.output + other.output,
        one.cache_read + other.cache_read,
        one.cache_write + other.cache_write,
    )


def _block(content: Any) -> _Block:
    if content.type == "tool_use":
        return _Block("tool_use", id=content.id, name=content.name)
    if content.type == "text":
        return _Block("text", content.text or "")
    if content.type == "thinking":
        seal = getattr(content, "signature", None)
        return _Block("thinking", content.thinking or "", seal=seal or "")
    if content.type == "redacted_thinking":
        return _Block("redacted_thinking", seal=content.data)
    return _Block(content.type)


def _arguments(text: str) -> dict[str, Any] | None:
    """Return a call's arguments; a call without arguments streams no JSON at all."""
    if not text.strip():
        return {}
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _merged(usage: Usage, reported: Any) -> Usage:
    """Return `usage` with the counts that `reported` has; they are running totals."""
    counts = {ours: getattr(reported, theirs, None) for ours, theirs in _USAGE_FIELDS.items()}
    return replace(usage, **{ours: count for ours, count in counts.items() if count is not None})


def _broken(what: str) -> ModelError:
    return ModelError(
        what,
        why="a part of an answer must not be taken for the answer",
        fix="ask again; if it keeps happening, look at the server or the proxy in between",
        retryable=True,
    )
