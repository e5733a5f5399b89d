"""What trials will cost: by finished ones, or guessed from their plans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import pytest

from orchestrator.core.limits import Limits
from orchestrator.core.task import Task
from orchestrator.lab.costing import ADDED, OUTPUT, TURNS, Range, foresee, paid_models
from orchestrator.lab.experiment import Arm, Case, Experiment, Trial
from orchestrator.lab.outcomes import TaskOutcome
from orchestrator.lab.trial import TrialResult
from orchestrator.models.base import Briefing, Exchange, Interrupt, Turn
from orchestrator.models.cost import Price
from orchestrator.spec.plan import Plan

PRICE = Price(10.0, 50.0)  # a token read from the cache costs 1 per million, one written 12.5


@dataclass
class Paid:
    """A model that somebody is paid for; it is never asked here."""

    name: str = "paid"
    price: Price | None = PRICE
    max_tokens: int = 1000

    def next_turn(
        self, briefing: Briefing, history: Sequence[Exchange], interrupt: Interrupt
    ) -> Turn:
        raise AssertionError("estimates cost nothing")

    def close(self) -> None:
        """There is nothing to close."""


PLAN = Plan(
    name="p",
    goal="Do it.",
    tasks=(Task(id="one", role="implementer"), Task(id="two", role="implementer")),
)


def trial(model: str = "m", case: str = "c", seed: int = 0, plan: Plan = PLAN) -> Trial:
    return Trial(f"{case}-{model}-{seed}", case, Arm("", "shared", model, 2), seed, plan)


def result(sent: int, said: int, usd: float | None, model: str = "m") -> TrialResult:
    values = dict.fromkeys((field.name for field in fields(TaskOutcome)), 0)
    task = TaskOutcome(**{**values, "task": "one", "state": "succeeded"})  # type: ignore[arg-type]
    return TrialResult(
        "done", "c", trial(model).arm, 9, "succeeded", figures={"usd": usd},
        tasks=(replace(task, input=sent, output=said), task),
    )  # fmt: skip


def test_offline_models_cost_nothing() -> None:
    assert foresee([trial()], [], {}) is None
    assert foresee([], [result(100, 10, 1.0)], {("c", "", "m"): Paid()}) is None


def test_finished_trials_of_the_case_tell_what_the_others_take() -> None:
    paid = {("c", "", "m"): Paid(), ("d", "", "m"): Paid()}
    known = [result(1000, 100, 0.5), result(3000, 200, 0.75)]
    found = foresee([trial(seed=1), trial(seed=2)], known, paid)
    assert found is not None
    assert (found.trials, found.measured, found.models) == (2, 2, ("paid",))
    assert found.tokens == Range(2 * 1100, 2 * 3200)
    assert found.usd == Range(1.0, 1.5)
    other = foresee([trial(case="d")], known, paid)
    assert other is not None
    assert other.measured == 0


def test_another_models_tokens_are_taken_at_this_ones_price() -> None:
    paid = {("c", "", "m"): Paid("first"), ("c", "", "n"): Paid("second")}
    found = foresee([trial("n")], [result(1_000_000, 100_000, 99.0)], paid)
    assert found is not None
    # 5 for the output; 1 if all input is read from the cache, 12.5 if all is written to it.
    assert found.usd == Range(6.0, 17.5)


def test_tokens_of_offline_models_are_no_measure() -> None:
    found = foresee([trial()], [result(5, 5, 0.0, "oracle")], {("c", "", "m"): Paid()})
    assert found is not None
    assert found.measured == 0


def test_a_plan_tells_what_can_be_guessed() -> None:
    paid = {("c", "", "m"): Paid()}
    found = foresee([trial()], [], paid)
    double = foresee([trial(seed=1), trial(seed=2)], [], paid)
    assert found is not None
    assert double is not None
    assert double.usd == found.usd + found.usd
    few, many = TURNS
    tasks = len(PLAN.tasks)
    grown = [sum(ADDED * turn for turn in range(turns)) for turns in TURNS]
    assert found.tokens.low > tasks * (few * OUTPUT[0] + grown[0])
    assert found.tokens.high > tasks * (many * OUTPUT[1] + grown[1])
    assert found.usd.low < found.usd.high
    short = replace(PLAN, limits=Limits(turns=1))
    least = foresee([trial(plan=short)], [], paid)
    assert least is not None
    assert least.tokens.high - least.tokens.low == tasks * (OUTPUT[1] - OUTPUT[0])


def test_instructions_are_part_of_what_is_sent() -> None:
    paid = {("c", "", "m"): Paid()}
    told = replace(
        PLAN,
        tasks=(
            Task(id="one", role="implementer", instructions="Do that. " * 1000),
            Task(id="two", role="implementer"),
        ),
    )
    short, long = foresee([trial()], [], paid), foresee([trial(plan=told)], [], paid)
    assert short is not None
    assert long is not None
    assert long.tokens.low - short.tokens.low == pytest.approx(TURNS[0] * 3000, rel=0.01)


def test_limits_of_a_run_bound_what_it_can_take() -> None:
    limited = replace(PLAN, limits=Limits(tokens=100, usd=0.01))
    found = foresee(
        [trial(plan=limited), trial(plan=limited, seed=1)], [], {("c", "", "m"): Paid()}
    )
    assert found is not None
    assert found.tokens == Range(200, 200)
    assert found.usd == Range(0.02, 0.02)


def test_an_unknown_price_leaves_dollars_unknown() -> None:
    paid = {("c", "", "m"): Paid(price=None), ("c", "", "n"): Paid("known")}
    found = foresee([trial("m"), trial("n")], [], paid)
    alone = foresee([trial("n")], [], paid)
    assert found is not None
    assert alone is not None
    assert found.unpriced == ("paid",)
    assert found.tokens == alone.tokens + alone.tokens
    assert found.usd == alone.usd


def test_which_models_of_an_experiment_are_paid_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "none")
    (tmp_path / "script.yaml").write_text("one: [{calls: []}]\n")
    plan = replace(PLAN, base=tmp_path, model="scripted:script.yaml")
    cases = (Case("c", {"": plan}),)
    assert paid_models(Experiment(cases=cases)) == {}
    models = (f"scripted:{tmp_path}/script.yaml", "anthropic:claude-haiku-4-5")
    found = paid_models(Experiment(cases=cases, models=models))
    assert list(found) == [("c", "", "anthropic:claude-haiku-4-5")]
