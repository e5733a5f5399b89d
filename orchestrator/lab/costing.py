"""What the trials that are still to be run will cost, before they do.

Tokens of a trial are those of finished trials of the same case with a model that was paid for;
where there is none they are guessed from the plan: tasks × turns × what a turn sends. Tokens of
offline models are made up, so they are no measure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.lab.experiment import Experiment, Trial
from orchestrator.lab.trial import TrialResult
from orchestrator.models.base import Briefing, Model, Usage
from orchestrator.models.cost import Price, asks_no_provider
from orchestrator.models.estimate import OVERHEAD, estimate
from orchestrator.models.registry import create_model
from orchestrator.spec.plan import Plan
from orchestrator.spec.roles import load_roles

TURNS = (3, 15)
"""Turns per task that are guessed, fewest and most; never more than the plan's limit."""

OUTPUT = (300, 1000)
"""Model tokens of output per turn that are guessed, fewest and most."""

ADDED = 1500
"""Model tokens that each turn adds to what the next one sends: the reply and what it was told."""

Key = tuple[str, str, str]
"""Of a model in an experiment: the case, the decomposition, the arm's model."""


@dataclass(frozen=True, slots=True)
class Range:
    """A figure that is not known exactly."""

    low: float = 0.0
    high: float = 0.0

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.high + other.high)

    def most(self, limit: float | None) -> Range:
        """Return the range without what is beyond a limit."""
        return self if limit is None else Range(min(self.low, limit), min(self.high, limit))


@dataclass(frozen=True, slots=True)
class Forecast:
    """What trials will take.

    Attributes:
        trials: how many of them ask a model that is paid for.
        measured: how many of those are estimated by finished trials; the others by their plans.
        models: the models that are paid for.
        unpriced: those of them whose price is not known.
        tokens: model tokens of all these trials.
        usd: US dollars of those whose price is known.
    """

    trials: int = 0
    measured: int = 0
    models: tuple[str, ...] = ()
    unpriced: tuple[str, ...] = ()
    tokens: Range = field(default_factory=Range)
    usd: Range = field(default_factory=Range)


def paid_models(experiment: Experiment) -> Mapping[Key, Model]:
    """Return the models of an experiment that ask a provider; they are closed.

    Raises:
        UsageError: a model cannot work as asked, without a key for example.
    """
    found: dict[Key, Model] = {}
    for case in experiment.cases:
        for label, plan in case.plans.items():
            for asked in experiment.models or ("",):
                base = Path.cwd() if asked else plan.base
                model = create_model(asked or plan.model, dict(experiment.options), base)
                model.close()
                if not asks_no_provider(model):
                    found[case.name, label, asked] = model
    return found


def foresee(
    waiting: Iterable[Trial], known: Sequence[TrialResult], paid: Mapping[Key, Model]
) -> Forecast | None:
    """Return what trials will take; None when nobody is paid for them.

    Args:
        waiting: the trials that are to run.
        known: finished trials of the same experiment.
        paid: the models that are paid for; see `paid_models`.
    """
    earlier = [
        (one, paid[key])
        for one in known
        if (key := (one.case, one.arm.plan, one.arm.model)) in paid and _tokens(one)
    ]
    total = Forecast()
    seen: dict[str, Model] = {}
    for trial in waiting:
        model = paid.get((trial.case, trial.arm.plan, trial.arm.model))
        if model is None:
            continue
        seen[model.name] = model
        same = [one for one in earlier if one[0].case == trial.case]
        tokens, usd = _measured(model, same) if same else _guessed(model, trial.plan)
        limits = trial.plan.limits
        total = Forecast(
            total.trials + 1,
            total.measured + bool(same),
            tokens=total.tokens + tokens.most(limits.tokens),
            usd=total.usd + usd.most(limits.usd),
        )
    if not seen:
        return None
    unpriced = tuple(name for name, model in seen.items() if _price(model) is None)
    return Forecast(
        total.trials, total.measured, tuple(seen), unpriced, total.tokens, total.usd
    )  # fmt: skip


def _measured(model: Model, earlier: Sequence[tuple[TrialResult, Model]]) -> tuple[Range, Range]:
    """Return tokens and dollars by earlier trials, of this very model if it has been asked."""
    own = [one for one, other in earlier if other.name == model.name]
    tokens = [_tokens(one) for one in own or (one for one, _ in earlier)]
    reach = Range(min(tokens), max(tokens))
    price = _price(model)
    charged = [usd for one in own if (usd := one.figures.get("usd")) is not None]
    if price is None:
        return reach, Range()
    if charged:
        return reach, Range(min(charged), max(charged))
    # Nobody knows how much of the input this model would read from its cache.
    costs = [
        price.of(usage)
        for one, _ in earlier
        for sent, said in (_usage(one),)
        for usage in (
            Usage(output=said, cache_read=sent),
            Usage(output=said, input=sent),
            Usage(output=said, cache_write=sent),
        )
    ]
    return reach, Range(min(costs), max(costs))


def _guessed(model: Model, plan: Plan) -> tuple[Range, Range]:
    """Return tokens and dollars by a plan: from few turns, cached, to many, not cached."""
    fewest, most = (min(turns, plan.limits.turns) for turns in TURNS)
    low, high = OUTPUT
    tokens, usd = Range(), Range()
    price = _price(model)
    for first in _briefings(model, plan):
        cached = [
            Usage(output=low, cache_read=first + ADDED * (turn - 1) if turn else 0,
                  cache_write=ADDED if turn else first)
            for turn in range(fewest)
        ]  # fmt: skip
        fresh = [Usage(output=high, input=first + ADDED * turn) for turn in range(most)]
        tokens += Range(sum(one.total for one in cached), sum(one.total for one in fresh))
        if price is not None:
            usd += Range(sum(map(price.of, cached)), sum(map(price.of, fresh)))
    return tokens, usd


def _briefings(model: Model, plan: Plan) -> list[int]:
    """Return the model tokens that the first turn of each task sends, about."""
    roles = load_roles(plan.roles)
    found = []
    for task in plan.tasks:
        role = roles[task.role]
        briefing = Briefing(
            task.id, 1, 0, role.description, f"{plan.goal}\n{task.title}\n{task.instructions}",
            role.tools,
        )  # fmt: skip
        turn = estimate(model, briefing, ())
        found.append(max(OVERHEAD, turn.total - turn.output))
    return found


def _price(model: Model) -> Price | None:
    price = getattr(model, "price", None)
    return price if isinstance(price, Price) else None


def _usage(one: TrialResult) -> tuple[int, int]:
    return sum(task.input for task in one.tasks), sum(task.output for task in one.tasks)


def _tokens(one: TrialResult) -> int:
    return sum(_usage(one))
