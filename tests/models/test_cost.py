"""What model tokens cost."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from orchestrator.models.base import Briefing, Exchange, Interrupt, Turn, Usage
from orchestrator.models.cost import FREE, LongPrompt, Price, asks_no_provider, dollars
from orchestrator.models.scripted import ScriptedModel


def test_a_price_counts_each_kind_of_token() -> None:
    usage = Usage(input=1_000_000, output=2_000_000, cache_read=10_000_000, cache_write=4_000_000)
    assert Price(3.0, 15.0).of(usage) == pytest.approx(3 + 30 + 3 + 15)


def test_a_price_may_have_its_own_for_the_cache() -> None:
    price = Price(3.0, 15.0, cache_read=1.0, cache_write=2.0)
    assert price.of(Usage(cache_read=1_000_000, cache_write=1_000_000)) == pytest.approx(3.0)


def test_each_request_is_priced_on_its_own() -> None:
    class Tiered(ScriptedModel):
        def __init__(self) -> None:
            super().__init__({})
            self.price = Price(1.0, 0.0, long=LongPrompt(1_000_000, Price(5.0, 0.0)))

    half = Usage(input=1_000_000)
    assert dollars(Tiered(), half, half) == pytest.approx(2.0)
    assert dollars(Tiered(), Usage(input=2_000_000)) == pytest.approx(10.0)


def test_only_free_itself_says_that_a_model_asks_nobody() -> None:
    model = ScriptedModel({})
    assert asks_no_provider(model)
    model.price = Price(0.0, 0.0)
    assert not asks_no_provider(model)


def test_offline_models_are_free() -> None:
    assert dollars(ScriptedModel({}), Usage(input=1000)) == 0.0
    assert FREE.of(Usage(output=1)) == 0.0


def test_a_model_without_a_price_costs_nobody_knows_what() -> None:
    class Own:
        name = "own"

        def next_turn(
            self, briefing: Briefing, history: Sequence[Exchange], interrupt: Interrupt
        ) -> Turn:
            return Turn()

        def close(self) -> None:
            pass

    assert dollars(Own(), Usage(input=1)) is None
