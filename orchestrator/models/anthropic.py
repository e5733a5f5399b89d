"""Models behind the Messages API, through the anthropic SDK.

The SDK sends and receives, once for each turn asked for. It is told not to try again, because it
cannot be stopped: it sleeps through a `retry-after` whatever happens to the lease. Who asks
again, and when, is `models.asking`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from orchestrator.errors import ModelError, Problem, UsageError
from orchestrator.models.admission import UNLIMITED, Pace
from orchestrator.models.anthropic_errors import explain
from orchestrator.models.asking import RETRIES, lease_ended
from orchestrator.models.base import Briefing, Exchange, Interrupt, Turn, Usage
from orchestrator.models.cost import Price
from orchestrator.models.messages_api import Reply, to_request
from orchestrator.models.options import Options
from orchestrator.models.prices import find_price

if TYPE_CHECKING:
    from anthropic import Anthropic

DEFAULT_MODEL = "claude-sonnet-5-5"
MAX_TOKENS = 8192
LONGEST_WHOLE_REPLY = 21_333
"""Model tokens. The SDK refuses longer replies without streaming: they may take over ten minutes,
longer than connections live."""

STREAM_TIMEOUT = 120.0
WHOLE_TIMEOUT = 600.0
"""Seconds of silence after which a connection counts as dead. A stream says something, if only
a ping, every few seconds; a whole reply says nothing until it is there."""

_KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
_KEY_HEADERS = ("authorization:", "x-api-key:")


class AnthropicModel:
    """A model behind the Messages API; one client for all threads.

    Args:
        model: the provider's name of the model.
        max_tokens: longest reply, in model tokens.
        retries: further tries after a failure that may pass, for who asks (`models.asking`).
        timeout: seconds of silence after which a connection counts as dead; None: 120 when
            streaming, else 600.
        stream: receive replies piece by piece, so that an ended lease ends them early.
        price: what the model costs; None: what the price list says (`models.prices`).
        pace: how fast the provider may be asked, for the gate that is built for the model.
        client: a ready client (another cloud, a proxy). It is left open by `close`. None: one
            is built from the SDK's own environment variables.

    Raises:
        UsageError: no client is given and the environment holds no credentials.
    """

    real_time = True
    """Its answers take real time, whatever a run's clock says."""

    OPTIONS: ClassVar[Mapping[str, str]] = {
        "max_tokens": "longest reply, in model tokens",
        "retries": "further tries after a failure that may pass",
        "timeout": "seconds of silence after which a connection counts as dead",
        "stream": "true or false",
        "price_input": "US dollars per million input tokens",
        "price_output": "US dollars per million output tokens",
        "prices": "a file of prices",
        "concurrency": "requests under way at the same time",
        "rpm": "requests per minute",
        "tpm": "model tokens per minute",
    }

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        *,
        max_tokens: int = MAX_TOKENS,
        retries: int = RETRIES,
        timeout: float | None = None,
        stream: bool = True,
        price: Price | None = None,
        pace: Pace = UNLIMITED,
        client: Anthropic | None = None,
    ) -> None:
        if client is None:
            check_environment()
        self.name = f"anthropic:{model}"
        self.price = price or find_price(model)
        self.pace = pace
        self.max_tokens = max_tokens
        self.retries = retries
        self._model = model
        self._timeout = timeout or (STREAM_TIMEOUT if stream else WHOLE_TIMEOUT)
        self._stream = stream
        self._lock = threading.Lock()
        self._client = client
        self._owns_client = client is None
        self._closed = False

    @classmethod
    def from_options(cls, argument: str, options: Mapping[str, str], base: Path) -> AnthropicModel:
        """Build the model from the text of a command line.

        Args:
            argument: the provider's name of the model; empty: the default.
            options: see `OPTIONS`.
            base: the directory that a relative file of prices begins at.

        Raises:
            UsageError: a wrong option, a file of prices with mistakes, or no credentials.
        """
        read = Options("anthropic", options, cls.OPTIONS)
        stream = read.flag("stream", default=True)
        max_tokens = read.whole("max_tokens", MAX_TOKENS, low=1)
        retries = read.whole("retries", RETRIES, high=10)
        timeout = read.number("timeout", STREAM_TIMEOUT if stream else WHOLE_TIMEOUT, low=0.001)
        price = _price(read)
        pace = Pace(*(_limit(read, key) for key in ("concurrency", "rpm", "tpm")))
        if not stream and max_tokens > LONGEST_WHOLE_REPLY:
            read.problems.append(
                Problem(
                    f"max_tokens={max_tokens} is too much without streaming",
                    where=f"-M max_tokens={max_tokens}",
                    why="so long a reply may take longer than a connection lives",
                    fix=f"leave stream=false out, or stay at {LONGEST_WHOLE_REPLY} or below",
                    code="bad-option",
                )
            )
        read.check()
        model = argument or DEFAULT_MODEL
        if price is None and "prices" in read:
            price = find_price(model, base / options["prices"])
        return cls(
            model,
            max_tokens=max_tokens,
            retries=retries,
            timeout=timeout,
            stream=stream,
            price=price,
            pace=pace,
        )

    def next_turn(
        self, briefing: Briefing, history: Sequence[Exchange], interrupt: Interrupt
    ) -> Turn:
        """Ask the provider for the next turn, once.

        A reply that is complete when the lease ends is returned all the same: it is paid for,
        and whoever asked can record what it cost.

        Raises:
            ModelError: see `Model`; `spent` is the usage of a reply that came to nothing.
        """
        if interrupt.is_set():
            raise lease_ended()
        reply = Reply()
        try:
            self._ask(to_request(briefing, history), reply, interrupt)
            return reply.turn()
        except ModelError as failure:
            spent = reply.usage if reply.usage != Usage() else None
            if interrupt.is_set():
                ended = lease_ended()
                ended.spent = spent
                raise ended from failure
            failure.spent = spent
            raise

    def close(self) -> None:
        """Close the connections, unless the client was given."""
        with self._lock:
            self._closed = True
            client, self._client = self._client, None
        if client is not None and self._owns_client:
            client.close()

    def _ask(self, request: Mapping[str, Any], reply: Reply, interrupt: Interrupt) -> None:
        """Send `request` once and fill `reply`; stop reading when the lease ends."""
        import anthropic
        import httpx2

        client = self._connected()
        arguments = {
            **request,
            "model": self._model,
            "max_tokens": self.max_tokens,
            "timeout": self._timeout,
        }
        try:
            if not self._stream:
                reply.take(client.messages.create(stream=False, **arguments))
                return
            with client.messages.create(stream=True, **arguments) as events:
                for event in events:
                    reply.feed(event)
                    if interrupt.is_set() and reply.stop is None:
                        raise lease_ended()
        # A broken stream surfaces as an error of the HTTP library or of the JSON parser.
        except (anthropic.AnthropicError, httpx2.HTTPError, ValueError) as error:
            raise explain(error, self._model, client) from error

    def _connected(self) -> Anthropic:
        with self._lock:
            if self._closed:
                raise ModelError(
                    f"model {self.name} is closed",
                    why="its run has ended",
                    fix="create the model anew for another run",
                )
            if self._client is None:
                import anthropic

                self._client = anthropic.Anthropic(max_retries=0)
            return self._client


def check_environment() -> None:
    """Check what the SDK will find in the environment: an address and credentials.

    Without this the SDK builds a client all the same, and only the first request fails.

    Raises:
        UsageError: the address is not one, or there are no credentials.
    """
    address = os.environ.get("ANTHROPIC_BASE_URL", "")
    if address and not address.startswith(("http://", "https://")):
        raise UsageError(
            "ANTHROPIC_BASE_URL is not the address of a server",
            where="environment",
            fix="let it begin with http:// or https://, or unset it",
        )
    headers = os.environ.get("ANTHROPIC_CUSTOM_HEADERS", "").lower()
    if any(os.environ.get(name) for name in _KEYS) or any(word in headers for word in _KEY_HEADERS):
        return
    # Slow (about a second), but only on the way to an error or to a stored profile.
    import anthropic

    try:
        with anthropic.Anthropic(max_retries=0) as client:
            found = getattr(client, "credentials", None) is not None
    except (anthropic.AnthropicError, ValueError) as error:
        raise UsageError(
            f"the stored credentials for model anthropic cannot be used: {error}",
            fix=_no_key_fix(),
        ) from error
    if not found:
        raise UsageError(
            "model anthropic needs an API key and none is set",
            where="environment",
            why=_no_key_why(),
            fix=_no_key_fix(),
        )


def _no_key_why() -> str:
    if os.environ.get("ANTHROPIC_BASE_URL"):
        return "ANTHROPIC_BASE_URL is set, but no request leaves without a key, whatever the server"
    return "neither ANTHROPIC_API_KEY nor ANTHROPIC_AUTH_TOKEN nor a stored profile was found"


def _no_key_fix() -> str:
    local = os.environ.get("ANTHROPIC_BASE_URL")
    key = "any word if your server does not check it" if local else "your key"
    return (
        f"set ANTHROPIC_API_KEY ({key}), or take a model that works offline: "
        "oracle:DIR (restores a reference solution), scripted:FILE (plays turns from a file)"
    )


def _price(read: Options) -> Price | None:
    keys = ("price_input", "price_output")
    missing = [key for key in keys if key not in read]
    for key in keys:
        if key not in missing and missing:
            read.problems.append(
                Problem(
                    f"option {key!r} is given without {missing[0]!r}",
                    where=f"-M {key}={read.given[key]}",
                    why="half a price gives wrong dollars",
                    fix=f"give {missing[0]} too, or neither",
                    code="bad-option",
                )
            )
    prices = [read.number(key, 0.0) for key in keys]
    return None if missing else Price(prices[0], prices[1])


def _limit(read: Options, key: str) -> int | None:
    return read.whole(key, 1, low=1) if key in read else None
