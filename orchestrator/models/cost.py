"""What model tokens cost in US dollars."""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.models.base import Model, Usage

CACHE_READ = 0.1
CACHE_WRITE = 1.25
"""Factors on the input price for tokens read from and written to the prompt cache (entries that
live five minutes), where a price does not give its own. Source:
https://platform.claude.com/docs/en/about-claude/pricing, 2026-10-24."""

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """Prices of one model, in US dollars per million model tokens.

    Attributes:
        input: of input that is not in the cache.
        output: of output.
        cache_read: of input read from the cache; None: a tenth of `input`.
        cache_write: of input written to the cache; None: 1.25 times `input`.
        long: prices of requests with a longer prompt.
    """

    input: float
    output: float
    cache_read: float | None = field(default=None, kw_only=True)
    cache_write: float | None = field(default=None, kw_only=True)
    long: LongPrompt | None = field(default=None, kw_only=True)

    def of(self, usage: Usage) -> float:
        """Return what one request with this `usage` costs, in US dollars."""
        prompt = usage.input + usage.cache_read + usage.cache_write
        if self.long is not None and prompt > self.long.above:
            return self.long.price.of(usage)
        read = CACHE_READ * self.input if self.cache_read is None else self.cache_read
        write = CACHE_WRITE * self.input if self.cache_write is None else self.cache_write
        dollars = usage.input * self.input + usage.output * self.output
        return (dollars + usage.cache_read * read + usage.cache_write * write) / _MILLION


@dataclass(frozen=True, slots=True)
class LongPrompt:
    """Prices of requests whose prompt is longer than `above` model tokens, cached or not."""

    above: int
    price: Price


FREE = Price(0.0, 0.0)
"""The price of models that ask no provider. It is this object that says so: a server of one's
own at no charge has ``Price(0.0, 0.0)``, its tokens are estimated and its limits are kept."""


def asks_no_provider(model: Model) -> bool:
    """Whether the model works offline: its optional attribute `offline` says so, or, where it has
    none, its `price` is `FREE` itself."""
    return bool(getattr(model, "offline", getattr(model, "price", None) is FREE))


def dollars(model: Model, *usages: Usage) -> float | None:
    """Return what requests to `model` cost together, or None when its price is not known.

    A model tells its price in an attribute `price` (a `Price` or None). The attribute is not
    part of the protocol, so that a model written elsewhere need not think of it; its tokens
    are then counted and its dollars reported as unknown.

    Args:
        model: what was asked.
        usages: one for each request.
    """
    price = getattr(model, "price", None)
    return sum(map(price.of, usages), 0.0) if isinstance(price, Price) else None
