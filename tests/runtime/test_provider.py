"""Runs whose model asks a provider: the gate for all workers, what is recorded of it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from orchestrator import Limits, Plan, Task, run
from orchestrator.core.events import AttemptEnded, Event, Reported
from orchestrator.core.limits import ProviderLimits
from orchestrator.errors import ModelError
from orchestrator.lab.metrics import measure
from orchestrator.models.base import Briefing, Exchange, Interrupt, ToolCall, Turn, Usage
from orchestrator.models.cost import Price

SUBMIT = Turn(calls=(ToolCall("c", "submit", {"summary": "done"}),), usage=Usage(10, 5))


class Provider:
    """A model that counts who asks at the same time, and refuses when it is told to."""

    name = "provider"

    def __init__(self, refusals: int = 0, *, spent: Usage | None = None) -> None:
        self.refusals, self.spent = refusals, spent
        self.asked = self.now = self.most = 0
        self.price: Price | None = None
        self._lock = threading.Lock()

    def next_turn(
        self, briefing: Briefing, history: Sequence[Exchange], interrupt: Interrupt
    ) -> Turn:
        with self._lock:
            self.asked += 1
            self.now += 1
            self.most = max(self.most, self.now)
            refused = self.asked <= self.refusals
        interrupt.wait(0.02)
        with self._lock:
            self.now -= 1
        if refused:
            raise ModelError("busy", retryable=True, retry_after=0.05, spent=self.spent)
        return SUBMIT

    def close(self) -> None:
        pass


def plan(tmp_path: Path, count: int, limits: Limits) -> Plan:
    (tmp_path / "work").mkdir()
    tasks = tuple(Task(id=f"t{n}", role="implementer", writes=(f"{n}.txt",)) for n in range(count))
    return Plan(name="p", tasks=tasks, workspace=Path("work"), limits=limits, base=tmp_path)


def test_no_more_requests_at_the_same_time_than_the_plan_allows(tmp_path: Path) -> None:
    limits = Limits(workers=4, provider=ProviderLimits(concurrent=2))
    model = Provider()
    result = run(plan(tmp_path, 8, limits), model=model)
    assert result.status == "succeeded"
    assert model.most == 2
    assert measure(result.run_dir).provider_wait_seconds > 0


def test_without_a_limit_all_workers_ask_at_once(tmp_path: Path) -> None:
    model = Provider()
    model.next_turn = _together(model, 3)  # type: ignore[method-assign]
    assert run(plan(tmp_path, 3, Limits(workers=3)), model=model).status == "succeeded"


def _together(model: Provider, workers: int):  # type: ignore[no-untyped-def]
    meeting = threading.Barrier(workers, timeout=20)

    def next_turn(briefing: Briefing, history: Sequence[Exchange], interrupt: Interrupt) -> Turn:
        meeting.wait()
        return SUBMIT

    return next_turn


def test_a_refusal_makes_the_attempt_wait_and_not_fail(tmp_path: Path) -> None:
    told: list[Event] = []
    model = Provider(refusals=2)
    result = run(plan(tmp_path, 1, Limits(workers=1)), model=model, listeners=[told.extend])
    assert result.status == "succeeded"
    assert result.tasks["t0"].attempts == 1
    assert model.asked == 3
    waited = [event.waited for event in told if isinstance(event, Reported) and event.waited]
    assert len(waited) == 1
    assert waited[0] >= 0.05
    assert measure(result.run_dir).provider_wait_seconds == waited[0]


def test_what_a_refused_request_took_is_counted(tmp_path: Path) -> None:
    model = Provider(refusals=1, spent=Usage(100, 7))
    result = run(plan(tmp_path, 1, Limits(workers=1)), model=model)
    assert measure(result.run_dir).tokens == {"input": 110, "output": 12}


def test_a_provider_that_never_answers_ends_the_attempt_with_what_it_took(tmp_path: Path) -> None:
    told: list[Event] = []
    model = Provider(refusals=99, spent=Usage(100, 0))
    model.retries = 1  # type: ignore[attr-defined]
    limits = Limits(workers=1, attempts=1)
    result = run(plan(tmp_path, 1, limits), model=model, listeners=[told.extend])
    assert result.status == "failed"
    (ended,) = [event for event in told if isinstance(event, AttemptEnded)]
    assert (ended.cause, ended.spent.tokens) == ("model_error", 200)


def test_whoever_starts_the_run_hears_that_the_price_is_unknown(tmp_path: Path) -> None:
    from orchestrator.runtime.run import start

    live = start(plan(tmp_path, 1, Limits(workers=1, usd=5.0)), model=Provider())
    try:
        assert any("price" in notice for notice in live.notices)
    finally:
        live.wait()


def test_no_more_tokens_than_allowed_whatever_the_workers_do(tmp_path: Path) -> None:
    model = Provider()
    model.max_tokens = 50  # type: ignore[attr-defined]
    model.price = Price(1.0, 1.0)
    limits = Limits(workers=4, tokens=12_000, usd=1.0)
    result = run(plan(tmp_path, 8, limits), model=model)
    spent = measure(result.run_dir).tokens
    assert sum(spent.values()) == 15 * model.asked <= 12_000
    assert result.status in ("succeeded", "limit")
