"""What model tokens cost in US dollars."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.models.base import Model, Usage

CACHE_READ = 0.1
CACHE_WRITE = 1.25
"""Factors on the input price for tokens read from and written to the prompt cache (entries that
live five minutes). Source: the provider's page on prompt caching, November 2026."""

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """Prices of one model, in US dollars per million model tokens."""

    input: float
    output: float

    def of(self, usage: Usage) -> float:
        """Return what `usage` costs, in US dollars."""
        fresh = usage.input + CACHE_READ * usage.cache_read + CACHE_WRITE * usage.cache_write
        return (fresh * self.input + usage.output * self.output) / _MILLION


FREE = Price(0.0, 0.0)
"""The price of models that ask no provider."""


def dollars(model: Model, usage: Usage) -> float | None:
    """Return what `usage` of `model` costs, or None when its price is not known.

    A model tells its price in an attribute `price` (a `Price` or None). The attribute is not
    part of the protocol, so that a model written elsewhere need not think of it; its tokens
    are then counted and its dollars reported as unknown.
    """
    price = getattr(model, "price", None)
    return price.of(usage) if isinstance(price, Price) else None
