"""`simulate`: how long a plan will take, without a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.errors import UsageError
from orchestrator.lab.durations import Lognormal
from orchestrator.lab.fitting import Fit, fit
from orchestrator.lab.simulate import Forecast, Setting, Simulation, simulate
from orchestrator.lab.speedupsvg import to_svg
from orchestrator.lab.virtualrun import Provider
from orchestrator.ui.files import write_text
from orchestrator.ui.linting import load_and_warn
from orchestrator.ui.output import say, say_json
from orchestrator.ui.reading import find
from orchestrator.ui.words import count, duration, place

_BAR = 40  # columns of the longest bar
_AS_GOOD = 0.05  # part that a median may be longer than the best, with fewer workers
_TIMES = {
    "working": "working",
    "rework": "rework",
    "provider": "provider",
    "files": "files",
    "rest": "rest",
    "dependencies": "depend.",
    "no_work": "no work",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for on the command line.

    Attributes:
        workers: numbers of workers, as written: ``1,2,4,8``.
        earlier: runs to learn durations from.
        sigma: spread of durations; None: what the runs say, or the usual one.
        failing: probability that an attempt fails; None: the same.
        plot: file for a picture.
    """

    workers: str = "1,2,4,8"
    runs: int = 1000
    seed: int = 0
    earlier: Sequence[str] = ()
    sigma: float | None = None
    failing: float | None = None
    plot: Path | None = None
    as_json: bool = False


def show_simulation(path: Path, wanted: Wanted) -> None:
    """Simulate a plan and print what is to be expected.

    Raises:
        PlanError: the plan cannot run.
        UsageError: the numbers make no sense, or there is no such run.
        WorkspaceError: the picture cannot be written.
    """
    plan = load_and_warn(path)
    limited = Setting.of(plan).provider
    folders = [find(run).path for run in wanted.earlier]
    learnt = fit(folders, without_waiting=limited.limits) if folders else None
    durations = _durations(learnt, wanted)
    simulation = simulate(
        plan,
        workers=_numbers(wanted.workers),
        runs=wanted.runs,
        seed=wanted.seed,
        durations=durations,
        provider=_provider(limited, learnt),
    )
    if wanted.plot is not None:
        write_text(wanted.plot, to_svg(simulation))
    if wanted.as_json:
        asked = {"sigma": durations.curve.sigma, "failing": durations.failing}
        said = {"durations": learnt.to_json() if learnt else asked}
        say_json({**simulation.to_json(), **said})
        return
    for line in _lines(simulation, durations, learnt, limited, wanted):
        say(line)


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in dict.fromkeys(text.split(","))]
    except ValueError:
        raise UsageError(
            f"{text!r} is not a list of numbers", "--workers", fix="write for example 1,2,4,8"
        ) from None


def _durations(learnt: Fit | None, wanted: Wanted) -> Lognormal:
    found = learnt.durations if learnt else Lognormal()
    if wanted.failing is not None:
        if not 0 <= wanted.failing < 1:
            what = f"{wanted.failing:g} is not a probability of failing"
            raise UsageError(what, "--failing", fix="give a number from 0 to less than 1")
        found = replace(found, failing=wanted.failing)
    if wanted.sigma is not None:
        if not 0 <= wanted.sigma <= 3:
            what = f"{wanted.sigma:g} is not a spread"
            raise UsageError(what, "--sigma", fix="give a number from 0 (none) to 3")
        known = {name: replace(one, sigma=wanted.sigma) for name, one in found.known.items()}
        found = replace(found, known=known, curve=replace(found.curve, sigma=wanted.sigma))
    return found


def _provider(limited: Provider, learnt: Fit | None) -> Provider:
    if learnt is None or not learnt.turns:
        return limited
    return replace(limited, turns=learnt.turns, tokens=learnt.tokens or limited.tokens)


# --- in words ---------------------------------------------------------------------------------


def _lines(
    simulation: Simulation,
    durations: Lognormal,
    learnt: Fit | None,
    limited: Provider,
    wanted: Wanted,
) -> Iterator[str]:
    forecasts = simulation.forecasts
    yield _headline(simulation)
    yield _source(durations, learnt)
    if limited.limits:
        yield f"The provider's limits are simulated, with {limited.turns} turns per attempt."
    yield ""
    yield from _forecast_lines(forecasts)
    yield ""
    yield from _time_lines(forecasts)
    yield ""
    path = " → ".join(simulation.critical_path)
    yield (
        f"{'By the usual durations' if learnt else 'By the estimates'} alone: work "
        f"{duration(simulation.work)}, critical path {duration(forecasts[0].bounds.span)} ({path})."
    )
    yield from _bound_lines(forecasts)
    yield ""
    yield from _bars(simulation)
    yield from _warnings(forecasts)
    if wanted.plot is not None:
        yield f"Picture: {place(wanted.plot)}"


def _headline(simulation: Simulation) -> str:
    shortest = min(one.median for one in simulation.forecasts)
    good = [one for one in simulation.forecasts if one.median <= shortest * (1 + _AS_GOOD)]
    best = min(good, key=lambda one: one.workers)
    low, high = best.interval(80)
    return (
        f"{simulation.name}, {count(simulation.tasks, 'task')}, mode {simulation.mode}: with "
        f"{count(best.workers, 'worker')} it will take {duration(best.median)}; of ten runs eight "
        f"take {duration(low)} to {duration(high)} ({best.runs:,} simulated runs, "
        f"seed {simulation.seed})."
    )


def _source(durations: Lognormal, learnt: Fit | None) -> str:
    odds = f"an attempt fails with probability {durations.failing:.2f}"
    curve = durations.curve
    if learnt is None:
        return f"Durations: lognormal around the estimates, sigma {curve.sigma:.2f}; {odds}."
    slope = "" if curve.power == 1 else f" ** {curve.power:.2f}"
    return (
        f"Durations: learnt from {count(learnt.samples, 'accepted attempt')} of "
        f"{count(learnt.runs, 'run')}; tasks that are new there take {curve.factor:.2f} x "
        f"estimate{slope}, sigma {curve.sigma:.2f}; {odds} "
        f"({learnt.failed} of {learnt.attempts} did; at most {learnt.failing_at_most:.2f})."
    )


def _forecast_lines(forecasts: Sequence[Forecast]) -> Iterator[str]:
    yield f"workers      median   {'80 % of runs':<25}  {'95 % of runs':<25}  speed-up  used"
    for one in forecasts:
        inner, outer = (
            f"{duration(low)} – {duration(high)}"
            for low, high in (one.interval(80), one.interval(95))
        )
        yield (
            f"{one.workers:>7}  {duration(one.median):>10}   {inner:<25}  {outer:<25}  "
            f"{one.speedup:>8.2f}  {one.utilisation:>4.0%}"
        )


def _time_lines(forecasts: Sequence[Forecast]) -> Iterator[str]:
    shown = {
        name: word
        for name, word in _TIMES.items()
        if any(one.spent[name] >= 0.0005 for one in forecasts) or name == "working"
    }
    yield "where the workers' time goes"
    yield "workers  " + "  ".join(f"{word:>8}" for word in shown.values())
    for one in forecasts:
        yield f"{one.workers:>7}  " + "  ".join(f"{one.spent[name]:>8.1%}" for name in shown)


def _bound_lines(forecasts: Sequence[Forecast]) -> Iterator[str]:
    yield "workers  work/workers  critical path    at least   Graham: at most"
    for one in forecasts:
        bounds = one.bounds
        yield (
            f"{one.workers:>7}  {duration(bounds.work_share):>12}  {duration(bounds.span):>13}  "
            f"{duration(bounds.lower):>10}  {duration(bounds.graham):>16}"
        )


def _warnings(forecasts: Sequence[Forecast]) -> Iterator[str]:
    least = min(one.succeeded for one in forecasts)
    if least == 0:
        yield "No simulated run succeeds; the times are those of runs that failed."
    elif least < 1:
        yield (
            f"{1 - least:.1%} of the simulated runs fail, because a task has no attempts left; "
            "the times are those of the others."
        )
    for one in forecasts:
        if one.over_wall:
            yield (
                f"With {count(one.workers, 'worker')} the plan's limit of wall time ends "
                f"{one.over_wall:.1%} of the runs; the times are those without it."
            )


def _bars(simulation: Simulation) -> Iterator[str]:
    """Draw speed-up over workers; dots go on to what no schedule can beat."""
    bounds = {one.workers: simulation.work / one.bounds.lower for one in simulation.forecasts}
    longest = max(*bounds.values(), *(one.speedup for one in simulation.forecasts), 1.0)
    yield "speed-up (work over makespan; dots: the bound without noise)"
    for one in simulation.forecasts:
        bar = "█" * round(one.speedup / longest * _BAR)
        dots = "·" * (round(bounds[one.workers] / longest * _BAR) - len(bar))
        yield f"{one.workers:>7}  {bar}{dots} {one.speedup:.2f} of {bounds[one.workers]:.2f}"
