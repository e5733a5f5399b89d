"""What the next turn will take at most."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from orchestrator.models.anthropic import AnthropicModel
from orchestrator.models.base import (
    Briefing,
    Exchange,
    Interrupt,
    ToolCall,
    ToolResult,
    Turn,
    Usage,
)
from orchestrator.models.cost import Price, dollars
from orchestrator.models.estimate import FIRST_OUTPUT, OVERHEAD, against_limit, estimate
from orchestrator.models.scripted import ScriptedModel


class Own:
    """Somebody's own model, which says nothing about what it takes."""

    name = "own"

    def next_turn(
        self, briefing: Briefing, history: Sequence[Exchange], interrupt: Interrupt
    ) -> Turn:
        return Turn()

    def close(self) -> None:
        pass


def brief(text: str = "") -> Briefing:
    return Briefing("a", 1, 7, "system", text, ())


def told(usage: Usage, result: str = "") -> Exchange:
    return Exchange(Turn("text", (ToolCall("1", "t", {}),), usage), (ToolResult("1", result),))


def test_offline_models_reserve_nothing() -> None:
    assert estimate(ScriptedModel({}), brief("x" * 3000), []) == Usage()


def test_a_server_at_no_charge_is_estimated_all_the_same() -> None:
    model = Own()
    model.price = Price(0.0, 0.0)  # type: ignore[attr-defined]
    assert estimate(model, brief(), []).total > 0


def test_nothing_is_known_of_a_model_that_says_nothing_before_its_first_turn() -> None:
    assert estimate(Own(), brief("x" * 3000), []) == Usage()
    assert estimate(Own(), brief("x" * 3000), [told(Usage(input=9))]).total > 9


def test_a_model_may_say_that_it_is_offline() -> None:
    model = Own()
    model.offline = True  # type: ignore[attr-defined]
    assert estimate(model, brief(), []) == Usage()


def test_a_model_may_know_better() -> None:
    class Knows(Own):
        def estimate(self, briefing: Briefing, history: Sequence[Exchange]) -> Usage:
            return Usage(input=len(history))

    assert estimate(Knows(), brief(), [Exchange(Turn())]) == Usage(input=1)


@pytest.mark.parametrize("text", ["a" * 30_000, "中" * 10_000, '"\n' * 7_500])
def test_the_first_turn_is_a_third_of_the_bytes_that_are_sent(text: str) -> None:
    model = Own()
    model.price = None  # type: ignore[attr-defined]
    expected = estimate(model, brief(text), [])
    assert 10_000 <= expected.cache_write - OVERHEAD <= 10_100
    assert expected.output == FIRST_OUTPUT


def test_the_provider_s_own_count_is_built_on() -> None:
    usage = Usage(input=10, output=300, cache_read=5000, cache_write=700)
    expected = estimate(Own(), brief("x" * 90_000), [told(usage, "r" * 3000)])
    assert 7010 <= expected.cache_write <= 7050


def test_without_a_count_everything_is_measured_again() -> None:
    expected = estimate(Own(), brief("x" * 30_000), [told(Usage(), "r" * 3000)])
    assert expected.cache_write >= 11_000


def test_the_output_of_a_model_without_a_bound_is_twice_the_longest() -> None:
    history = [told(Usage(1, 900)), told(Usage(1, 100))]
    assert estimate(Own(), brief(), history).output == 1800
    assert estimate(Own(), brief(), history[1:]).output == FIRST_OUTPUT


def test_the_bound_of_a_reply_is_its_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "some key of no use")
    model = AnthropicModel("claude-sonnet-5-5", max_tokens=777)
    expected = estimate(model, brief(), [told(Usage(1, 2000))])
    assert expected.output == 777
    paid = dollars(model, Usage(input=expected.cache_write, output=777))
    reserved = dollars(model, expected)
    assert paid is not None
    assert reserved is not None
    assert reserved > paid


def test_what_was_in_the_cache_is_not_counted_against_the_limit() -> None:
    history = [told(Usage(10, 300, 5000, 700))]
    expected = estimate(Own(), brief(), history)
    assert against_limit(expected, history) == expected.total - 5700
    assert against_limit(expected, []) == expected.total
    assert against_limit(Usage(), history) == 0
