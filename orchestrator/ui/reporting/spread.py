"""The trials behind the means: every one as a dot, cost against success, and case by case."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import fmean

from orchestrator.lab.experiment import Arm
from orchestrator.lab.outcomes import Measure
from orchestrator.lab.trial import TrialResult
from orchestrator.ui.reporting.dots import Group, dots
from orchestrator.ui.reporting.markup import Child, Markup, join, tag
from orchestrator.ui.reporting.page import section, table
from orchestrator.ui.reporting.pareto import Point, pareto, pareto_front
from orchestrator.ui.reporting.sentences import quoted
from orchestrator.ui.reporting.study import Study, text_of
from orchestrator.ui.words import count, listed

_MANY = 60


def every_trial(study: Study) -> Markup:
    """Return a dot for every trial, a chart per case."""
    measure = study.shown
    cases = study.comparison.cases
    drawn = list[Markup]()
    groups = {
        case: [_group(name, study.of(arm, case), measure) for arm, name in study.names.items()]
        for case in cases
    }
    log = measure.scale == "ratio" and any(_wide(one) for one in groups.values())
    for case in cases:
        heading = tag("h3", case) if len(cases) > 1 else None
        drawn.append(tag("div", heading, _dots(case, groups[case], measure, log, len(cases) > 1)))
    unknown = sum(1 for one in study.results if one.figure(measure.name) is None)
    missing = (
        f" Not drawn, but in the table below: {count(unknown, 'trial')} without this figure."
        if unknown
        else ""
    )
    return section(
        "dots", f"Every trial: {measure.label}",
        tag("div", *drawn, class_="two" if len(cases) > 1 else None),
        tag("p", tag("span", "●", class_="mark"), " a trial that succeeded · ",
            tag("span", "✕", class_="bad"), " one that did not · ",
            tag("span", "|", class_="accent"), " median of all of them", class_="legend"),
        lead="Dots that would cover one another are moved up or down; only left and right mean "
        f"anything. Each case has its own scale.{missing}",
    )  # fmt: skip


def _dots(case: str, groups: Sequence[Group], measure: Measure, log: bool, narrow: bool) -> Markup:
    told = "; ".join(
        f"{one.label} {_range(one.values, measure)}, {len(one.failed)} not succeeded"
        for one in groups
    )
    return dots(groups, f"Every trial of {case} by {measure.label}: {told}", log=log,
                text=text_of(measure), times=measure.unit == "s", narrow=narrow)  # fmt: skip


def _group(name: str, trials: Sequence[TrialResult], measure: Measure) -> Group:
    known = [(value, one) for one in trials if (value := one.figure(measure.name)) is not None]
    text = text_of(measure)
    return Group(
        name,
        [value for value, _ in known],
        [f"seed {one.seed}: {text(value)}{'' if one.success else ', ' + state(one)}"
         for value, one in known],
        frozenset(place for place, (_, one) in enumerate(known) if not one.success),
    )  # fmt: skip


def _wide(groups: Sequence[Group]) -> bool:
    """Whether the values span so much that ratios show more than differences."""
    values = [value for group in groups for value in group.values]
    return bool(values) and min(values) > 0 and max(values) / min(values) > 10


def _range(values: Sequence[float], measure: Measure) -> str:
    if not values:
        return "unknown"
    text = text_of(measure)
    return f"{text(min(values))} to {text(max(values))}"


def state(one: TrialResult) -> str:
    """Return how a trial ended, in a word or two."""
    if one.failure:
        return "lost"
    if one.judged is False and one.figures.get("success"):
        return "judged not to work"
    return one.status


def cost_and_success(study: Study) -> Markup:
    """Return what each arm costs against how often it succeeds."""
    measure = study.cost()
    text = text_of(measure)
    points = [
        Point(one.name, one.means[measure.name], one.success.estimate, one.success.low,
              one.success.high, f"{one.name}: {text(one.means[measure.name])}, "
              f"{one.success.estimate:.0%} of {one.trials} trials succeeded")
        for one in study.comparison.arms
        if measure.name in one.means
    ]  # fmt: skip
    front = [one.label for one in pareto_front(points)]
    beaten = [one.label for one in points if one.label not in front]
    said = f"No arm is both cheaper and more often successful than {_named(front)}."
    if beaten:
        said += f" Beaten in both by the means: {_named(beaten)}."
    free = "" if measure.name != "makespan" else " Dollars and model tokens were free or unknown."
    told = "; ".join(point.note for point in points)
    return section(
        "pareto", f"Cost against success: {measure.label}",
        pareto(points, f"Mean {measure.label} of a trial against rate of success: {told}",
               cost=f"mean {measure.label} of a trial: less is better", gain="success",
               cost_text=text, gain_text=lambda value: f"{value:.0%}", within=(0.0, 1.0),
               times=measure.unit == "s"),
        tag("p", tag("span", "●", class_="mark"), " on the front · ",
            tag("span", "○", class_="mark"), " beaten · upright line: 95 % interval of success",
            class_="legend"),
        lead=f"{said}{free} Trials that did not succeed count, with what they cost.",
    )  # fmt: skip


def _named(arms: Sequence[str]) -> str:
    return listed([quoted(one) for one in arms])


def case_table(study: Study) -> Markup:
    """Return success and the primary outcome, case by case."""
    measure = study.shown
    rows = list(_cases(study, measure))
    return section(
        "cases", "Case by case",
        table(["case", "arm", "succeeded", f"{measure.label} ({mean_name(measure)})",
               "of the baseline"], rows, tall=len(rows) > _MANY, class_="numbers many"),
        lead="An effect that goes one way in one case and the other way in the next is not an "
        "effect of the arm alone.",
    )  # fmt: skip


def _cases(study: Study, measure: Measure) -> Iterator[list[Child]]:
    text = text_of(measure)
    for case in study.comparison.cases:
        label: Child = case
        base = _mean(study, study.baseline, case, measure)
        for arm, name in study.names.items():
            trials = study.of(arm, case)
            if not trials:
                continue
            value = _mean(study, arm, case, measure)
            against = f"×{value / base:.3g}" if value is not None and base else "–"
            yield [label, name, f"{sum(one.success for one in trials)} of {len(trials)}",
                   "–" if value is None else text(value),
                   "1" if arm == study.baseline else against]  # fmt: skip
            label = tag("span", case, class_="again")


def mean_name(measure: Measure) -> str:
    """Return how the trials of a case are made one figure."""
    return "geometric mean" if measure.scale == "ratio" else "mean"


def _mean(study: Study, arm: Arm, case: str, measure: Measure) -> float | None:
    values = [
        value for one in study.of(arm, case) if (value := one.figure(measure.name)) is not None
    ]
    if not values:
        return None
    if measure.scale == "ratio" and min(values) > 0:
        return math.exp(fmean(math.log(value) for value in values))
    return fmean(values)


def failures(study: Study) -> Markup | None:
    """Return all trials that did not succeed, each with what is known of why."""
    names = study.names
    rows: list[list[Child]] = [
        [one.name, one.case, names.get(one.arm, "–"), one.seed, state(one), why(one)]
        for one in study.results
        if not one.success
    ]
    if not rows:
        return None
    return join([
        tag("h3", f"{len(rows)} of {len(study.results)} trials did not succeed"),
        table(["trial", "case", "arm", "seed", "ended", "why"], rows, tall=len(rows) > 20,
              class_="numbers many names"),
    ])  # fmt: skip


def why(one: TrialResult) -> str:
    """Return why a trial did not succeed."""
    if one.failure:
        return one.failure
    by_state: dict[str, list[str]] = {}
    for task in one.tasks:
        if task.state != "succeeded":
            by_state.setdefault(task.state, []).append(task.task)
    said = [f"{state}: {listed(names, 4)}" for state, names in by_state.items()]
    if one.judged is False:
        said.append(f"the judge failed: {one.judge}")
    return "; ".join(said) or "it ended before its tasks did"
