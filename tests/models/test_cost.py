"""What model tokens cost."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from orchestrator.models.base import Briefing, Exchange, Interrupt, Turn, Usage
from orchestrator.models.cost import FREE, Price, dollars
from orchestrator.models.scripted import ScriptedModel


def test_a_price_counts_each_kind_of_token() -> None:
    usage = Usage(input=1_000_000, output=2_000_000, cache_read=10_000_000, cache_write=4_000_000)
    assert Price(3.0, 15.0).of(usage) == pytest.approx(3 + 30 + 3 + 15)


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
