"""Before models are paid for: what it will cost, and the question whether to go on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import click

from orchestrator.errors import UsageError
from orchestrator.lab.costing import TURNS, Forecast, Range, foresee, paid_models
from orchestrator.lab.experiment import Experiment, Trial
from orchestrator.lab.trial import TrialResult
from orchestrator.lab.trialruns import Approval
from orchestrator.models.prices import packaged
from orchestrator.ui.output import complain
from orchestrator.ui.words import count, listed, short


def approval(experiment: Experiment, *, yes: bool) -> Approval:
    """Return what asks before trials are paid for; see `trialruns.conduct`.

    Nothing is said or asked when all models that are to run work offline. What is returned
    raises `UsageError` where nobody can be asked, and ends the command when the answer is no.

    Args:
        yes: say what it will cost, and do not ask.
    """

    def approve(waiting: Sequence[Trial], known: Sequence[TrialResult]) -> None:
        forecast = foresee(waiting, known, paid_models(experiment)) if waiting else None
        if forecast is None:
            return
        for line in in_words(forecast):
            complain(line)
        if yes:
            return
        if sys.stdin is None or not sys.stdin.isatty():  # None: it was closed
            raise UsageError(
                "nothing was run, because it costs money and nobody can be asked",
                "compare",
                "standard input is no terminal",
                "say --yes if the estimate above is what you want to spend",
            )
        if not click.confirm("Go on?", default=False, err=True):
            complain("Nothing was run.")
            raise click.exceptions.Exit(1)

    return approve


def in_words(forecast: Forecast) -> list[str]:
    """Return what trials will cost, and where that comes from."""
    trials = count(forecast.trials, "trial")
    tokens = _range(forecast.tokens, lambda value: short(round(value)))
    text = f"Estimate for {trials} with {listed(forecast.models)}: {tokens} model tokens"
    if len(forecast.unpriced) < len(forecast.models):
        text += f", {_range(forecast.usd, lambda value: f'{value:,.2f}')} US dollars"
        text += f" (prices as of {packaged().dated})"
    lines = [text + "."]
    if forecast.unpriced:
        lines.append(
            f"The price of {listed(forecast.unpriced)} is not known: what it costs in dollars "
            "is not either. Give -M price_input=… and -M price_output=…, or -M prices=FILE."
        )
    guessed = forecast.trials - forecast.measured
    if forecast.measured:
        lines.append(f"By finished trials of the same cases: {count(forecast.measured, 'trial')}.")
    if guessed:
        lines.append(
            f"Guessed from the plans, with {TURNS[0]} to {TURNS[1]} turns per task and one "
            f"attempt: {count(guessed, 'trial')}. No trial takes more than its plan's limits of "
            "tokens and dollars."
        )
    return lines


def _range(value: Range, form: Callable[[float], str]) -> str:
    low, high = form(value.low), form(value.high)
    return low if low == high else f"{low} to {high}"
