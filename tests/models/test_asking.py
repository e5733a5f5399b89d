"""Asking again while a failure may pass, through the gate, in time of its own."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from orchestrator.errors import ModelError
from orchestrator.models.admission import UNLIMITED, Pace
from orchestrator.models.anthropic_errors import BusyError
from orchestrator.models.asking import DOWN, RETRIES, Answer, ask, counted
from orchestrator.models.base import Briefing, Exchange, Interrupt, Turn, Usage
from orchestrator.models.gate import ProviderGate

BRIEF = Briefing("a", 1, 7, "system", "Do it.", ())
DONE = Turn("done", usage=Usage(10, 20, 30, 40))


@dataclass
class Seconds:
    """A clock and an interrupt: waiting moves the clock."""

    now: float = 100.0
    ends_at: float = float("inf")
    waits: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def is_set(self) -> bool:
        return self.now >= self.ends_at

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waits.append(timeout)
        self.now = min(self.now + timeout, self.ends_at)
        return self.is_set()

    def pause(self, condition: threading.Condition, seconds: float | None) -> None:
        self.wait(seconds)


@dataclass
class Own:
    """Somebody's own model: says what it was given to say, and asks no questions."""

    says: list[Turn | Exception]
    name: str = "own"
    asked: int = 0

    def next_turn(
        self, briefing: Briefing, history: Sequence[Exchange], interrupt: Interrupt
    ) -> Turn:
        self.asked += 1
        said = self.says.pop(0)
        if isinstance(said, Exception):
            raise said
        return said

    def close(self) -> None:
        pass


def passing(retry_after: float | None = None, **more: object) -> ModelError:
    return ModelError("it may pass", retryable=True, retry_after=retry_after, **more)


def asked(
    model: Own, seconds: Seconds, gate: ProviderGate | None = None, tokens: int = 0
) -> Answer:
    gate = gate or gate_in(seconds)
    return ask(model, BRIEF, [], seconds, gate, tokens=tokens)


def gate_in(seconds: Seconds, pace: Pace = UNLIMITED) -> ProviderGate:
    return ProviderGate(pace, clock=seconds, pause=seconds.pause)


def test_a_turn_and_what_it_took() -> None:
    assert asked(Own([DONE]), Seconds()) == Answer(DONE, (DONE.usage,), 0.0, 1)


def test_own_models_are_asked_again() -> None:
    seconds, model = Seconds(), Own([passing(), passing(), DONE])
    answer = asked(model, seconds)
    assert (answer.outcome, answer.tries, model.asked) == (DONE, 3, 3)
    assert answer.waited == pytest.approx(sum(seconds.waits))
    assert 0 < seconds.waits[0] <= 1
    assert 0 < seconds.waits[1] <= 2


def test_a_failure_that_stays_is_not_repeated() -> None:
    failure = ModelError("no such model")
    model = Own([failure])
    assert asked(model, Seconds()).outcome is failure


def test_tries_are_bounded() -> None:
    model = Own([passing() for _ in range(20)])
    answer = asked(model, Seconds())
    assert isinstance(answer.outcome, ModelError)
    assert model.asked == answer.tries == RETRIES + 1


def test_a_model_may_say_how_often() -> None:
    model = Own([passing() for _ in range(20)])
    model.retries = 2  # type: ignore[attr-defined]
    assert asked(model, Seconds()).tries == 3


@pytest.mark.parametrize("failure", [passing(5.0), BusyError("busy", retryable=True)])
def test_a_busy_provider_holds_back_everybody(failure: ModelError) -> None:
    seconds = Seconds()
    gate = gate_in(seconds)
    model = Own([failure] * (RETRIES + 1))
    asked(model, seconds, gate)
    assert gate.status().closed > 0


def test_other_failures_hold_back_nobody_else() -> None:
    seconds = Seconds()
    gate = gate_in(seconds)
    asked(Own([passing()] * (RETRIES + 1)), seconds, gate)
    assert gate.status().closed == 0


def test_the_pause_that_was_asked_for_is_kept() -> None:
    seconds = Seconds()
    answer = asked(Own([passing(20.0), DONE]), seconds)
    assert answer.outcome == DONE
    assert 20.0 <= answer.waited == seconds.now - 100.0 <= 22.0


def test_a_provider_that_is_down_ends_the_attempt_and_holds_back_the_rest_for_a_while() -> None:
    seconds = Seconds()
    gate = gate_in(seconds)
    failure = passing(10 * DOWN)
    answer = asked(Own([failure]), seconds, gate)
    assert (answer.outcome, answer.tries) == (failure, 1)
    assert DOWN <= gate.status().closed <= 1.1 * DOWN


def test_what_failed_calls_took_is_kept_apart() -> None:
    lost = Usage(input=7, cache_read=100)
    answer = asked(Own([passing(spent=lost), DONE]), Seconds())
    assert answer.spent == (lost, DONE.usage)
    assert answer.usage == Usage(17, 20, 130, 40)


def test_what_the_last_failure_took_is_kept_too() -> None:
    lost = Usage(input=7)
    answer = asked(Own([ModelError("no", spent=lost)]), Seconds())
    assert (answer.spent, answer.tries) == ((lost,), 1)


@pytest.mark.parametrize("failure", [passing(), passing(50.0)])
def test_an_ended_lease_ends_all_waiting(failure: ModelError) -> None:
    seconds = Seconds(ends_at=100.01)
    model = Own([failure, DONE])
    answer = asked(model, seconds)
    assert isinstance(answer.outcome, ModelError)
    assert "lease ended" in answer.outcome.what
    assert not answer.outcome.retryable
    assert (model.asked, seconds.now) == (1, 100.01)
    assert answer.waited == pytest.approx(0.01)


def test_an_ended_lease_sends_nothing() -> None:
    model = Own([DONE])
    answer = asked(model, Seconds(ends_at=0.0))
    assert (answer.tries, model.asked) == (0, 0)


def test_a_turn_that_is_complete_when_the_lease_ends_is_kept() -> None:
    seconds = Seconds()

    class Late(Own):
        def next_turn(
            self, briefing: Briefing, history: Sequence[Exchange], interrupt: Interrupt
        ) -> Turn:
            seconds.ends_at = 0.0
            return DONE

    assert asked(Late([]), seconds).outcome == DONE


def test_the_gate_is_told_what_counts() -> None:
    seconds = Seconds()
    gate = gate_in(seconds, Pace(tokens_per_minute=100))
    asked(Own([DONE]), seconds, gate, tokens=100)
    assert counted(DONE.usage) == 70
    asked(Own([DONE]), seconds, gate, tokens=30)
    assert seconds.waits == []
    asked(Own([DONE]), seconds, gate, tokens=1)
    assert seconds.waits == [60.0]


def test_a_refused_request_took_nothing_and_one_of_unknown_size_what_was_expected() -> None:
    seconds = Seconds()
    gate = gate_in(seconds, Pace(tokens_per_minute=100))
    model = Own([passing(0.0), passing(), DONE])
    answer = asked(model, seconds, gate, tokens=50)
    assert answer.tries == 3
    assert seconds.now < 110
    asked(Own([DONE]), seconds, gate, tokens=31)
    assert seconds.now >= 160


def test_what_a_model_breaks_with_passes_through_and_leaves_the_gate_free() -> None:
    seconds = Seconds()
    gate = gate_in(seconds, Pace(concurrent=1))
    with pytest.raises(ZeroDivisionError):
        asked(Own([ZeroDivisionError()]), seconds, gate)
    assert asked(Own([DONE]), seconds, gate).waited == 0.0


def test_the_same_seed_waits_the_same() -> None:
    def waits() -> list[float]:
        seconds = Seconds()
        asked(Own([passing(), passing(), BusyError("busy", retryable=True), DONE]), seconds)
        return seconds.waits

    assert waits() == waits()
