"""The effects of a comparison: the primary outcome as a forest plot, all others as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from orchestrator.lab.compare import Contrast
from orchestrator.lab.outcomes import MEASURES
from orchestrator.ui.reporting.forest import Effect, forest, small, small_scale
from orchestrator.ui.reporting.markup import Child, Markup, tag
from orchestrator.ui.reporting.page import section, table
from orchestrator.ui.reporting.study import (
    Study,
    bounds,
    effect_text,
    is_better,
    neutral,
    p_text,
    text_of,
)
from orchestrator.ui.words import listed

_MANY = 60


def primary_effects(study: Study) -> Markup:
    """Return the forest plot of the primary outcome, and the same in figures."""
    measure = study.primary
    found = study.comparison.primary
    drawn = [one for one in found if one.effect is not None]
    charts = [_forest(study, list(rows)) for _, rows in groupby(drawn, key=lambda one: one.scale)]
    rows = [_figures(one) for one in found]
    baseline = study.comparison.arms[0].name
    return section(
        "effect", f"Effect on {measure.label}", *charts,
        tag("p", tag("span", "◆", class_="mark"), " a difference is shown (corrected p ≤ 0.05) · ",
            tag("span", "◇", class_="mark"), " none is shown · line: 95 % interval of this one "
            "comparison", class_="legend"),
        table(["arm", baseline, "this arm", "effect", "95 % interval", "p", "better", "pairs",
               "smallest effect seen"], rows, class_="numbers"),
        lead=f"Each arm against {baseline}. The primary outcome was fixed before the runs; p is "
        "corrected over all arms (Holm).",
    )  # fmt: skip


def _forest(study: Study, rows: Sequence[Contrast]) -> Markup:
    first = rows[0]
    measure = MEASURES[first.measure]
    baseline = study.comparison.arms[0].name
    less, more = f"← less than {baseline}", f"more than {baseline}"
    words = ("better", "worse") if measure.lower_is_better else ("worse", "better")
    kind = "ratio" if first.scale == "ratio" else "difference"
    unit = " in points" if first.scale == "rate" else ""
    told = ", ".join(f"{one.arm} {_told(one)}" for one in rows)
    return forest(
        [_effect(one) for one in rows],
        f"Forest plot: {measure.label}, {kind}{unit} to {baseline} with 95 % intervals: {told}",
        neutral=neutral(first), log=first.scale == "ratio", text=effect_text(first),
        sides=(f"{less}: {words[0]}", f"{more}: {words[1]} →"),
    )  # fmt: skip


def _effect(one: Contrast) -> Effect:
    assert one.effect is not None
    low, high = bounds(one)
    note = f"{one.arm} against {one.baseline}: {_told(one)}, p = {p_text(one)}"
    return Effect(one.arm, one.effect.estimate, low, high, strong=one.shown, note=note)


def _told(one: Contrast) -> str:
    if one.effect is None:
        return "nothing to compare"
    text, (low, high) = effect_text(one), bounds(one)
    estimate = text(one.effect.estimate) + (" points" if one.scale == "rate" else "")
    return estimate if low is None or high is None else f"{estimate} ({text(low)} to {text(high)})"


def _figures(one: Contrast) -> list[Child]:
    if one.effect is None or one.values is None:
        return [one.arm, "–", "–", "nothing to compare yet", "–", "–", "–", one.pairs, "–"]
    text, value, (low, high) = effect_text(one), text_of(MEASURES[one.measure]), bounds(one)
    interval = "unknown" if low is None or high is None else f"{text(low)} to {text(high)}"
    left_out = f" ({one.left_out} left out)" if one.left_out else ""
    return [
        one.arm, value(one.values[0]), value(one.values[1]), text(one.effect.estimate), interval,
        p_text(one), "–" if one.better is None else f"{one.better:.0%}",
        f"{one.pairs}{left_out}", _smallest(one),
    ]  # fmt: skip


def _smallest(one: Contrast) -> str:
    if one.smallest is None:
        return "–"
    seen = f"{100 * one.smallest:.0f} points" if one.scale == "rate" else f"{one.smallest:.0%}"
    return f"{seen}; {one.more:,} more for 10 %" if one.more and not one.shown else seen


def other_effects(study: Study) -> Markup:
    """Return all other outcomes: figures, and a small forest plot in each row."""
    telling = [one for one in study.comparison.secondary if not one.equal]
    shown = {one.measure for one in telling}
    same = [one.measure for one in study.comparison.secondary if one.measure not in shown]
    rows = list(_rows(telling))
    equal = listed([MEASURES[name].label for name in dict.fromkeys(same)], 40)
    baseline = study.comparison.arms[0].name
    return section(
        "others", "All other outcomes",
        table(["outcome", "arm", baseline, "this arm", "effect (95 %)", "less | more", "p",
               "verdict"], rows, tall=len(rows) > _MANY, class_="numbers many") if rows else None,
        tag("p", f"No difference at all in any trial: {equal}.", class_="quiet") if same else None,
        lead="For looking, not for deciding: p is corrected over all of these together. The "
        "dashed line is no effect; the rows of one outcome share a scale.",
    )  # fmt: skip


def _rows(telling: Sequence[Contrast]) -> Iterator[list[Child]]:
    for (name, _), group in groupby(telling, key=lambda one: (one.measure, one.scale)):
        rows = [one for one in group if one.effect is not None and one.values is not None]
        if not rows:
            continue
        effects = [_effect(one) for one in rows]
        start, log = neutral(rows[0]), rows[0].scale == "ratio"
        scale = small_scale(effects, start, log)
        value = text_of(MEASURES[name])
        for place, (one, effect) in enumerate(zip(rows, effects, strict=True)):
            assert one.values is not None
            label = MEASURES[name].label
            yield [
                tag("span", label, class_="again") if place else label, one.arm,
                value(one.values[0]), value(one.values[1]), _told(one),
                small(effect, scale, start), p_text(one), verdict(one),
            ]  # fmt: skip


def verdict(one: Contrast) -> Markup:
    """Return what a contrast says, in a word that is coloured too."""
    if not one.shown:
        return tag("span", "none shown", class_="quiet")
    if is_better(one):
        return tag("span", "better", class_="good")
    return tag("span", "worse", class_="bad")
