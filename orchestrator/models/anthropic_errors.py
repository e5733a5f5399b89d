"""What the anthropic SDK raises, told as a `ModelError` to whoever must act.

Only the provider's own message and the request's id are passed on. Headers are not: they
carry the key. Messages may repeat it, so secrets are taken out of all texts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from orchestrator.errors import ModelError
from orchestrator.secrets import Redactor, secret_values

if TYPE_CHECKING:
    from anthropic import Anthropic, APIStatusError

_RETRYABLE_STATUS = (408, 409, 429)
_RETRYABLE_KINDS = ("rate_limit_error", "overloaded_error", "api_error", "timeout_error")
_BUSY_KINDS = ("rate_limit_error", "overloaded_error")
_BUSY_STATUS = (429, 529)
_SERVER_ERROR = 500

_ADVICE: Mapping[int, tuple[str, str]] = {
    400: ("the provider cannot use the request", "read its message; asking again cannot help"),
    401: ("the provider does not accept the key", "check ANTHROPIC_API_KEY"),
    402: ("the account cannot pay", "check the account's billing at the provider"),
    403: ("the key may not use this", "use a key with access, or another model"),
    404: (
        "the provider has no such model or address",
        "check the model's name (anthropic:MODEL) and ANTHROPIC_BASE_URL",
    ),
    413: ("the request is too large", "cut the task into smaller ones"),
}
_TOO_LONG = ("prompt is too long", "context length", "context window")


class BusyError(ModelError):
    """The provider has too much to do; other threads that ask it now make it worse."""


def explain(error: Exception, model: str, client: Anthropic) -> ModelError:
    """Return `error` as a `ModelError`.

    Args:
        error: what the SDK, its HTTP library or the JSON parser raised.
        model: the provider's name of the model.
        client: the client that was used; its credentials are removed from all messages.
    """
    import anthropic
    import httpx2

    hide = _hider(client)
    where = hide(f"anthropic:{model}")
    if isinstance(error, anthropic.APIStatusError):
        return _from_status(error, where, hide)
    if isinstance(error, anthropic.APITimeoutError | httpx2.TimeoutException):
        return _passing("the provider fell silent", where, "no reply came in time")
    if isinstance(error, anthropic.APIConnectionError | httpx2.HTTPError):
        cause = error.__cause__ or error
        server = f"{client.base_url.host}:{client.base_url.port or 443}"
        why = hide(f"{type(cause).__name__} at {server}: {cause}")
        return _passing("the connection to the provider broke", where, why)
    if isinstance(error, anthropic.APIError | ValueError):
        return _passing("the reply cannot be read", where, hide(f"{type(error).__name__}: {error}"))
    return ModelError(
        "the anthropic SDK gave up",
        where=where,
        why=hide(f"{type(error).__name__}: {error}"),
        fix="check the credentials that the SDK found",
    )


def _from_status(error: APIStatusError, where: str, hide: Callable[[str], str]) -> ModelError:
    status, kind = error.status_code, error.type
    said = error.api_message or kind or "no message"
    place = f"{where}, request {hide(error.request_id)}" if error.request_id else where
    why = hide(f"status {status}: {said}")
    retry_after = _retry_after(error)
    if status in _BUSY_STATUS or kind in _BUSY_KINDS:
        what = f"the provider is busy ({kind or status})"
        return _passing(what, place, why, retry_after, BusyError)
    if status >= _SERVER_ERROR or status in _RETRYABLE_STATUS or kind in _RETRYABLE_KINDS:
        return _passing("the provider failed", place, why, retry_after)
    what, fix = _ADVICE.get(status, _ADVICE[400])
    if any(words in said.lower() for words in _TOO_LONG):
        what = "the task's history has outgrown the model's context window"
        fix = "cut the task into smaller ones, or lower its limit of turns"
    return ModelError(what, where=place, why=why, fix=fix)


def _passing(
    what: str,
    where: str,
    why: str,
    retry_after: float | None = None,
    error: type[ModelError] = ModelError,
) -> ModelError:
    return error(
        what,
        where=where,
        why=why,
        fix="ask again later; it may pass",
        retryable=True,
        retry_after=retry_after,
    )


def _retry_after(error: APIStatusError) -> float | None:
    """Return the seconds that the provider asked to wait: a number, or a date from now."""
    headers = error.response.headers
    text = headers.get("retry-after", "").strip()
    try:
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
        return max(0.0, float(text)) if text else None
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _hider(client: Anthropic) -> Callable[[str], str]:
    """Return a function that takes the client's credentials out of a text, and all that looks
    like some."""
    sent = {name: value for name, value in client.default_headers.items() if isinstance(value, str)}
    sent["AUTHORIZATION_KEY"] = sent.pop("Authorization", "")
    own = {"API_KEY": client.api_key or "", "AUTH_TOKEN": client.auth_token or ""}
    return Redactor(secret_values({**sent, **own, "address": str(client.base_url)})).text
