"""The anthropic model over a transport that stands in for the network.

It shows what a local server does not: cache counts, errors inside a stream, odd headers.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from time import time as wall_clock
from typing import Any

import anthropic
import httpx2
import pytest

from orchestrator.errors import ModelError, UsageError
from orchestrator.models.anthropic import AnthropicModel
from orchestrator.models.asking import Answer, ask
from orchestrator.models.base import Briefing, Exchange, ToolSpec, Turn, Usage
from orchestrator.models.gate import ProviderGate

NEVER = threading.Event()
KEY = "sk-secret-0123456789"
BRIEF = Briefing("a", 1, 7, "system", "Do it.", (ToolSpec("t", "d", {"type": "object"}),))

Handler = Callable[[httpx2.Request], httpx2.Response]


@dataclass
class FakeTime:
    """A clock and an interrupt: waiting moves the clock and is written down."""

    now: float = 100.0
    waits: list[float] = field(default_factory=list)
    ends_after: int = 1000

    def __call__(self) -> float:
        return self.now

    def is_set(self) -> bool:
        return len(self.waits) >= self.ends_after

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waits.append(timeout)
        self.now += timeout
        return self.is_set()


def sse(*events: dict[str, Any]) -> bytes:
    return b"".join(
        f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events
    )


def start(**usage: int) -> dict[str, Any]:
    message: dict[str, Any] = {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "content": [],
        "model": "served",
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 1, **usage},
    }
    return {"type": "message_start", "message": message}


def text_block(text: str) -> tuple[dict[str, Any], ...]:
    block = {"type": "text", "text": ""}
    return (
        {"type": "content_block_start", "index": 0, "content_block": block},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": text},
        },
        {"type": "content_block_stop", "index": 0},
    )


def end(stop: str = "end_turn") -> tuple[dict[str, Any], ...]:
    delta = {"stop_reason": stop, "stop_sequence": None}
    return (
        {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 5}},
        {"type": "message_stop"},
    )


def stream_of(*events: dict[str, Any]) -> httpx2.Response:
    headers = {"content-type": "text/event-stream", "request-id": "req_7"}
    return httpx2.Response(200, headers=headers, content=sse(*events))


def failure(status: int, kind: str, message: str = "no", **headers: str) -> httpx2.Response:
    body = {"type": "error", "error": {"type": kind, "message": message}}
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.Response(status, headers={"request-id": "req_7", **headers}, json=body)


def good(**usage: int) -> httpx2.Response:
    return stream_of(start(**usage), *text_block("hello"), *end())


Served = Callable[..., AnthropicModel]


@pytest.fixture
def served() -> Iterator[Served]:
    """Return a function that makes a model which gets the given responses, one per request."""
    clients = []

    def make(*responses: httpx2.Response | Exception, **options: Any) -> AnthropicModel:
        queue = iter(responses)

        def handle(request: httpx2.Request) -> httpx2.Response:
            response = next(queue)
            if isinstance(response, Exception):
                raise response
            return response

        client = anthropic.Anthropic(
            api_key=KEY,
            max_retries=0,
            http_client=httpx2.Client(transport=httpx2.MockTransport(handle)),
        )
        clients.append(client)
        return AnthropicModel("m", client=client, **options)

    yield make
    for client in clients:
        client.close()


def gate_in(time: FakeTime) -> ProviderGate:
    return ProviderGate(clock=time, pause=lambda _, seconds: time.wait(seconds))


def answer_of(
    model: AnthropicModel, time: FakeTime | None = None, gate: ProviderGate | None = None
) -> Answer:
    """Ask as a worker does, in time of its own."""
    time = time or FakeTime()
    return ask(model, BRIEF, [], time, gate or gate_in(time))


def turn_of(model: AnthropicModel, time: FakeTime | None = None) -> Turn:
    outcome = answer_of(model, time).outcome
    assert isinstance(outcome, Turn)
    return outcome


def error_of(model: AnthropicModel, time: FakeTime | None = None) -> ModelError:
    outcome = answer_of(model, time).outcome
    assert isinstance(outcome, ModelError)
    return outcome


# -- replies ---------------------------------------------------------------------------------


def test_cache_counts_are_kept_apart(served: Served) -> None:
    model = served(good(cache_read_input_tokens=70, cache_creation_input_tokens=11))
    turn = model.next_turn(BRIEF, [], NEVER)
    usage = Usage(input=3, output=5, cache_read=70, cache_write=11)
    assert turn == Turn(text="hello", usage=usage, stop="end_turn", model="served")


def test_what_is_sent() -> None:
    requests = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        requests.append(json.loads(request.content))
        return good()

    transport = httpx2.MockTransport(handle)
    with anthropic.Anthropic(api_key=KEY, http_client=httpx2.Client(transport=transport)) as client:
        model = AnthropicModel("m", client=client, max_tokens=77)
        model.next_turn(BRIEF, [Exchange(Turn(text="one"))], NEVER)
    (body,) = requests
    assert (body["model"], body["max_tokens"], body["stream"]) == ("m", 77, True)
    assert body["system"][0]["cache_control"] == {"type": "ephemeral"}
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]


def test_the_usage_of_replies_that_came_to_nothing_is_counted(served: Served) -> None:
    cut = stream_of(start(cache_read_input_tokens=100), *text_block("hel"))
    answer = answer_of(served(cut, good()))
    assert answer.spent == (Usage(3, 1, cache_read=100), Usage(3, 5))


@pytest.mark.parametrize("stop", ["model_context_window_exceeded", "a new reason"])
def test_a_reply_that_cannot_be_used_is_paid_for(served: Served, stop: str) -> None:
    model = served(stream_of(start(), *text_block("hel"), *end(stop)))
    error = error_of(model)
    assert (error.retryable, error.spent) == (False, Usage(3, 5))


def test_a_stream_that_an_ended_lease_cuts_is_paid_for(served: Served) -> None:
    class EndsAtThirdLook(FakeTime):
        looks = 0

        def is_set(self) -> bool:
            self.looks += 1
            return self.looks > 2

    with pytest.raises(ModelError, match="lease ended") as caught:
        served(good()).next_turn(BRIEF, [], EndsAtThirdLook())
    assert caught.value.spent == Usage(3, 1)


def test_a_call_that_was_never_answered_has_no_usage(served: Served) -> None:
    assert error_of(served(failure(400, "invalid_request_error"))).spent is None


# -- failures --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind", "what"),
    [
        (400, "invalid_request_error", "cannot use the request"),
        (401, "authentication_error", "does not accept the key"),
        (402, "billing_error", "cannot pay"),
        (403, "permission_error", "may not use this"),
        (404, "not_found_error", "no such model"),
        (413, "request_too_large", "too large"),
        (418, "teapot_error", "cannot use the request"),
    ],
)
def test_failures_that_stay(served: Served, status: int, kind: str, what: str) -> None:
    error = error_of(served(failure(status, kind, "the reason")))
    assert not error.retryable
    assert what in error.what
    assert error.where == "anthropic:m, request req_7"
    assert error.why == f"status {status}: the reason"
    assert error.fix


def test_a_prompt_that_is_too_long_is_told_as_such(served: Served) -> None:
    too_long = failure(400, "invalid_request_error", "prompt is too long: 210000 tokens")
    assert "context window" in error_of(served(too_long)).what


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
def test_failures_that_may_pass(served: Served, status: int) -> None:
    time = FakeTime()
    turn = turn_of(served(failure(status, "some_error"), good()), time)
    assert turn.text == "hello"
    assert len(time.waits) == 1
    assert 0 < time.waits[0] <= 1.0


@pytest.mark.parametrize("kind", ["overloaded_error", "rate_limit_error", "api_error"])
def test_an_error_inside_a_stream_may_pass(served: Served, kind: str) -> None:
    error = {"type": "error", "error": {"type": kind, "message": "busy"}}
    time = FakeTime()
    broken = stream_of(start(), error)
    assert turn_of(served(broken, good()), time).text == "hello"


def test_an_invalid_request_inside_a_stream_stays(served: Served) -> None:
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}
    assert not error_of(served(stream_of(start(), error))).retryable


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        (httpx2.ConnectError("refused"), "connection to the provider broke"),
        (httpx2.RemoteProtocolError("cut"), "connection to the provider broke"),
        (httpx2.ReadTimeout("slow"), "fell silent"),
        (httpx2.ConnectTimeout("slow"), "fell silent"),
    ],
)
def test_broken_connections_may_pass(served: Served, broken: Exception, what: str) -> None:
    assert what in error_of(served(broken, retries=0)).what
    time = FakeTime()
    assert turn_of(served(broken, good()), time).text == "hello"


def test_a_stream_that_is_not_json_may_pass(served: Served) -> None:
    headers = {"content-type": "text/event-stream"}
    junk = httpx2.Response(200, headers=headers, content=b"event: message_start\ndata: {junk\n\n")
    error = error_of(served(junk, retries=0))
    assert error.retryable
    assert "cannot be read" in error.what


def test_the_wait_doubles_with_chance_and_has_a_bound(served: Served) -> None:
    time = FakeTime()
    error = error_of(served(*[failure(500, "api_error")] * 10, retries=9), time)
    assert error.retryable
    assert len(time.waits) == 9
    for number, wait in enumerate(time.waits):
        full = min(60.0, 2.0**number)
        assert 0 < wait <= full
    assert time.waits[-1] > 1


def test_the_same_seed_waits_the_same(served: Served) -> None:
    def waits() -> list[float]:
        time = FakeTime()
        error_of(served(*[failure(500, "api_error")] * 4, retries=3), time)
        return time.waits

    assert waits() == waits()


@pytest.mark.parametrize(
    ("headers", "low", "high"),
    [
        ({"retry_after": "7"}, 7.0, 7.7),
        ({"retry_after_ms": "250"}, 0.25, 0.275),
        ({"retry_after": "the date in 40 s"}, 30.0, 44.0),
        ({"retry_after": "soon"}, 0.0, 1.0),
        ({"retry_after": "-3"}, 0.0, 1.0),
    ],
)
def test_retry_after_is_honoured(
    served: Served, headers: dict[str, str], low: float, high: float
) -> None:
    time = FakeTime()
    if "date" in headers.get("retry_after", ""):  # made now: tests before this one take time too
        headers = {"retry_after": formatdate(wall_clock() + 40, usegmt=True)}
    turn_of(served(failure(429, "rate_limit_error", **headers), good()), time)
    (wait,) = time.waits
    assert low <= wait <= high


def test_a_wait_beyond_all_patience_is_handed_up_at_once(served: Served) -> None:
    time = FakeTime()
    error = error_of(served(failure(429, "rate_limit_error", retry_after="3600")), time)
    assert (error.retryable, error.retry_after, time.waits) == (True, 3600.0, [])


def test_credentials_that_fail_on_the_way_are_told() -> None:
    def no_token(**options: bool) -> anthropic.AccessToken:
        raise anthropic.CredentialsError("the profile holds no token")

    with anthropic.Anthropic(credentials=no_token) as client:
        error = error_of(AnthropicModel("m", client=client))
    assert not error.retryable
    assert "the profile holds no token" in error.why


def test_no_message_holds_the_key(served: Served) -> None:
    for response in (
        failure(401, "authentication_error", f"bad key {KEY}"),
        httpx2.ConnectError(f"refused {KEY}"),
    ):
        error = error_of(served(response, retries=0))
        assert KEY not in f"{error} {error.problems}"
        assert "[secret removed]" in error.why


# -- lease and gate --------------------------------------------------------------------------


def test_an_ended_lease_ends_the_wait(served: Served) -> None:
    time = FakeTime(ends_after=1)
    error = error_of(served(failure(500, "api_error")), time)
    assert (error.retryable, len(time.waits)) == (False, 1)
    assert "lease ended" in error.what


def test_an_ended_lease_sends_nothing(served: Served) -> None:
    time = FakeTime(ends_after=0)
    assert "lease ended" in error_of(served(), time).what


def test_a_lease_that_ends_inside_a_stream_ends_the_reading(served: Served) -> None:
    class EndsAtSecondLook(FakeTime):
        looks = 0

        def is_set(self) -> bool:
            self.looks += 1
            return self.looks > 1

    time = EndsAtSecondLook()
    assert "lease ended" in error_of(served(good()), time).what


def test_a_complete_reply_is_returned_though_the_lease_has_ended(served: Served) -> None:
    ended = threading.Event()

    def handle(request: httpx2.Request) -> httpx2.Response:
        ended.set()
        body = start()["message"] | {"content": [{"type": "text", "text": "late"}]}
        return httpx2.Response(200, json=body | {"stop_reason": "end_turn"})

    transport = httpx2.MockTransport(handle)
    with anthropic.Anthropic(api_key=KEY, http_client=httpx2.Client(transport=transport)) as client:
        model = AnthropicModel("m", client=client, stream=False)
        assert model.next_turn(BRIEF, [], ended).text == "late"


@pytest.mark.parametrize(("status", "shared"), [(429, True), (529, True), (500, False)])
def test_a_busy_provider_holds_back_everybody(served: Served, status: int, shared: bool) -> None:
    time = FakeTime()
    gate = gate_in(time)
    assert answer_of(served(failure(status, "some_error"), retries=0), time, gate).tries == 1
    other = answer_of(served(good()), time, gate)
    assert (other.waited > 0) is shared


# -- before anything starts ------------------------------------------------------------------


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment without credentials."""
    for name in ("API_KEY", "AUTH_TOKEN", "BASE_URL", "PROFILE", "CUSTOM_HEADERS", "CONFIG_DIR"):
        monkeypatch.delenv(f"ANTHROPIC_{name}", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return monkeypatch


def test_no_key_names_the_offline_models(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs an API key") as caught:
        AnthropicModel.from_options("", {}, tmp_path)
    assert "ANTHROPIC_API_KEY" in caught.value.fix
    assert "oracle:DIR" in caught.value.fix
    assert "scripted:FILE" in caught.value.fix


def test_a_local_server_needs_a_key_too(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:1")
    with pytest.raises(UsageError, match="no request leaves without a key") as caught:
        AnthropicModel()
    assert "any word" in caught.value.fix


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ANTHROPIC_API_KEY", KEY),
        ("ANTHROPIC_AUTH_TOKEN", KEY),
        ("ANTHROPIC_CUSTOM_HEADERS", f"X-Api-Key: {KEY}"),
    ],
)
def test_credentials_in_the_environment(bare: pytest.MonkeyPatch, name: str, value: str) -> None:
    bare.setenv(name, value)
    AnthropicModel().close()


def test_a_stored_profile_that_cannot_be_read_is_told(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("ANTHROPIC_PROFILE", "nowhere")
    with pytest.raises(UsageError, match="stored credentials"):
        AnthropicModel()


def test_credentials_of_a_workload_are_enough(bare: pytest.MonkeyPatch) -> None:
    for name in ("IDENTITY_TOKEN", "FEDERATION_RULE_ID", "ORGANIZATION_ID"):
        bare.setenv(f"ANTHROPIC_{name}", KEY)
    AnthropicModel().close()


def test_an_address_that_is_none(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("ANTHROPIC_BASE_URL", "localhost:8000")
    with pytest.raises(UsageError, match="not the address of a server"):
        AnthropicModel()


def test_a_closed_model_says_so(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("ANTHROPIC_API_KEY", KEY)
    model = AnthropicModel()
    model.close()
    model.close()
    with pytest.raises(ModelError, match="is closed"):
        model.next_turn(BRIEF, [], NEVER)


def test_a_client_that_was_given_stays_open() -> None:
    with anthropic.Anthropic(api_key=KEY) as client:
        AnthropicModel("m", client=client).close()
        assert not client.is_closed()
    assert client.is_closed()
