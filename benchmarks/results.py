"""Writes ``docs/results.md`` and ``docs/results.svg`` from the trials of the flagship experiment.

Nothing in the document is written by hand but its frame: tables, sentences and verdicts follow
from the figures, however many trials there are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cells import (
    MODES,
    Cell,
    Place,
    below,
    difference,
    places,
    pooled,
    pooled_ratio,
    ratio,
    shown,
    winners,
)
from groundwork import TEST, Ground
from published import beside, times
from resultsvg import picture

from orchestrator.lab.experiment import Experiment
from orchestrator.lab.statistics import Interval, wilson
from orchestrator.lab.trial import TrialResult
from orchestrator.ui.words import listed


@dataclass(frozen=True, slots=True)
class Setting:
    """How the experiment was run.

    Attributes:
        command: what runs it again.
        profile: of the synthetic agents.
        repeats: seeds that were asked for.
        grounds: the cases.
    """

    command: str
    profile: str
    repeats: int
    grounds: tuple[Ground, ...]


def write_results(
    results: Sequence[TrialResult],
    setting: Setting,
    experiment: Experiment,
    document: Path,
) -> None:
    """Write the document, and its picture beside it.

    Args:
        results: finished trials, lost ones included.
    """
    found = places(results, setting.grounds)
    figure = document.with_suffix(".svg")
    if found:
        figure.write_text(picture(found), encoding="utf-8")
    lines = [*_head(results, setting, experiment), *_ran(setting, experiment)]
    if found:
        lines += [*_wins(found, figure.name), *_tables(found), *_coupled(found), *_field(found)]
    lines += [*_assumed(setting, experiment), *_silent()]
    document.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


# --- what was run ---------------------------------------------------------------------------------


def _head(
    results: Sequence[TrialResult], setting: Setting, experiment: Experiment
) -> Iterator[str]:
    yield "# Which mode wins where"
    yield ""
    yield "<!-- Written by benchmarks/experiment.py from its trials; do not edit. -->"
    yield ""
    if not experiment.models:
        yield (
            "**The agents are synthetic.** No language model took part. They restore a reference "
            "solution, with the delays, gaps and mistakes of a profile, so these figures say how "
            "coordination behaves when agents behave like that. They are no evidence of how good "
            "any model is."
        )
        yield ""
    lost = sum(bool(one.failure) for one in results)
    counts = sorted({_repeats(results, case.name) for case in experiment.cases})
    number = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    text = (
        f"{len(results)} of {experiment.total} trials are done, {number} per cell"
        f" ({setting.repeats} asked for)"
    )
    if lost:
        text += f"; {lost} were lost to failures of their process and count nowhere below"
    yield f"{text}."
    if counts[0] < 20:
        yield ""
        yield (
            f"**This is a pilot.** With {number} per cell intervals are wide and most differences "
            "cannot be shown; read it as a specimen of the document, not as a result."
        )
    yield ""


def _repeats(results: Sequence[TrialResult], case: str) -> int:
    """Return the smallest number of trials of any arm of a case."""
    counts: dict[object, int] = {}
    for one in results:
        if one.case == case:
            counts[one.arm] = counts.get(one.arm, 0) + 1
    return min(counts.values(), default=0)


def _ran(setting: Setting, experiment: Experiment) -> Iterator[str]:
    yield "## What was run"
    yield ""
    yield "```"
    yield setting.command
    yield "```"
    yield ""
    yield "| case | version | tasks | interfaces that drift | decompositions: drifted calls that no order keeps apart |"  # noqa: E501
    yield "|---|---|---|---|---|"
    for one in setting.grounds:
        pairs = ", ".join(f"`{order}` {number}" for order, number in one.coupling.items())
        version = one.codebase.version or "this repository"
        yield (
            f"| {one.case} | {version} | {len(one.codebase.pieces)} | {len(one.drifted)} of "
            f"{one.possible} | {pairs} |"
        )
    yield ""
    yield (
        "The bodies of all functions were taken out; each task puts those of its files back. All "
        "decompositions of a codebase have the same tasks and start them in the same order. They "
        "differ in who waits for whom: `chain`, each task for the one before it; `modules`, for "
        "all that its files import; `interfaces`, only for what it uses of tasks whose files "
        "others need while importing; `flat`, for nothing. *Coupling* is the number of pairs of a "
        "drifted interface (a function whose last parameter bears a provisional name until the "
        "task that owns it is done) and another task "
        "that calls it without waiting for its owner."
    )
    yield ""
    yield (
        f"Modes: {', '.join(f'`{mode}`' for mode in experiment.modes)}; four workers (solo: one). "
        f"A task runs `{TEST.replace(' {tests}', ' …')}`: its own tests, where those that meet "
        "code which is not written yet are skipped. The judge is the whole suite of the codebase "
        "on the final tree (without two tests of simpy: test_rt compares real times, and "
        "test_version asks for an installed simpy). A trial "
        "*succeeds* when every task was accepted and the judge passes."
    )
    yield ""


# --- who wins -------------------------------------------------------------------------------------


def _wins(found: Sequence[Place], figure: str) -> Iterator[str]:
    yield "## Which mode wins where, as coupling rises"
    yield ""
    yield (
        "A mode is out where its success is shown to be below the best mode's (95 % interval of "
        "the difference); of the others the fastest wins, with all that are not shown to be "
        "slower. Not corrected for the number of looks."
    )
    yield ""
    yield "| coupling | place | wins | success | time | out, for success |"
    yield "|---|---|---|---|---|---|"
    for place in sorted(found, key=lambda one: (one.coupling, one.name)):
        won = winners(place)
        best = won[0]
        out = [m for m, cell in place.cells.items() if below(place, cell)]
        yield (
            f"| {place.coupling} | {place.name} | {_modes(won)} | {_percent(best.success)} | "
            f"{_minutes(best.makespan)} | {', '.join(out) or '–'} |"
        )
    yield ""
    yield from _sentences(found)
    yield ""
    yield f"![Success and time by coupling, per mode]({figure})"
    yield ""


def _sentences(found: Sequence[Place]) -> Iterator[str]:
    """Yield what the table says, in words that follow from it."""
    for label, chosen in _groups(found):
        if not chosen:
            continue
        wins = dict.fromkeys(MODES, 0)
        alone = dict(wins)
        for place in chosen:
            won = winners(place)
            for cell in won:
                wins[cell.mode] += 1
            if len(won) == 1:
                alone[won[0].mode] += 1
        ranked = sorted((mode for mode in MODES if wins[mode]), key=lambda mode: -wins[mode])
        parts = [
            f"{mode} wins at {wins[mode]} of {len(chosen)}"
            + (f" ({alone[mode]} alone)" if alone[mode] else "")
            for mode in ranked
        ]
        rates = ", ".join(
            f"{mode} {_rate(pooled(chosen, mode))}" for mode in MODES if _has(chosen, mode)
        )
        yield f"- {label} ({len(chosen)} places): {'; '.join(parts)}. Success: {rates}."
    for mode in MODES:
        text = _trend(found, mode)
        if text:
            yield f"- {text}"


def _groups(found: Sequence[Place]) -> list[tuple[str, list[Place]]]:
    coupled = sorted(one.coupling for one in found if one.coupling)
    middle = coupled[len(coupled) // 2] if coupled else 0
    return [
        ("No coupling", [one for one in found if not one.coupling]),
        (f"Coupling 1 to {middle - 1}", [one for one in found if 0 < one.coupling < middle]),
        (
            f"Coupling {middle} and more",
            [one for one in found if coupled and one.coupling >= middle],
        ),
    ]


def _trend(found: Sequence[Place], mode: str) -> str:
    """Say how a mode's success and its time against shared change from no to most coupling."""
    groups = [places for _, places in _groups(found) if places and _has(places, mode)]
    if len(groups) < 2:
        return ""
    first, last = groups[0], groups[-1]
    change = difference(pooled(first, mode), pooled(last, mode))
    assert change is not None
    word = {1: "rises", -1: "falls", 0: "is not shown to change"}[shown(change, 0.0)]
    text = (
        f"From no to most coupling the success of {mode} {word}: {_rate(pooled(first, mode))} to "
        f"{_rate(pooled(last, mode))}"
    )
    if mode != "shared":
        ratios = [
            pooled_ratio([(p.cells["shared"], p.cells[mode]) for p in group
                          if {"shared", mode} <= p.cells.keys()])
            for group in (first, last)
        ]  # fmt: skip
        if all(ratios):
            text += "; its time over that of shared goes from " + " to ".join(
                times(one) for one in ratios if one
            )
    return text + "."


def _has(chosen: Sequence[Place], mode: str) -> bool:
    return any(mode in place.cells for place in chosen)


def _coupled(found: Sequence[Place]) -> Iterator[str]:
    yield "## All places together"
    yield ""
    yield "| mode | trials | success | time over shared | accepted, suite red | rework | anomalies per trial |"  # noqa: E501
    yield "|---|---|---|---|---|---|---|"
    for mode in MODES:
        cells = [place.cells[mode] for place in found if mode in place.cells]
        if not cells:
            continue
        won, of = pooled(found, mode)
        over = pooled_ratio([(p.cells["shared"], p.cells[mode]) for p in found
                             if {"shared", mode} <= p.cells.keys()])  # fmt: skip
        red = sum(one.broken * len(one.trials) for one in cells) / of
        yield (
            f"| {mode} | {of} | {_percent(wilson(won, of))} | "
            f"{'1' if mode == 'shared' else times(over) if over else '–'} | {red:.1%} | "
            f"{_mean(cells, 'rework_share', '.1%')} | {_mean(cells, 'anomalies', '.2f')} |"
        )
    yield ""


# --- tables ---------------------------------------------------------------------------------------


def _tables(found: Sequence[Place]) -> Iterator[str]:
    yield "## Every cell"
    yield ""
    yield (
        "Success with its Wilson interval; time: virtual minutes from the first dispatch to the "
        "last task, geometric mean, failed trials included; over shared: ratio paired by seed, "
        "with its t interval; refused: writes refused as stale, those that reached the agent in "
        "brackets; suite red: all tasks accepted, yet the judge fails; merges: textual conflicts. "
        "Means per trial; tokens and dollars per accepted task."
    )
    for place in found:
        yield ""
        yield f"### {place.name} (coupling {place.coupling})"
        yield ""
        yield (
            "| mode | n | success | time | over shared | rework | refused | suite red | semantic "
            "conflicts | anomalies | merges | tokens | dollars |"
        )
        yield "|" + "---|" * 13
        for cell in place.cells.values():
            yield _row(place, cell)
    yield ""


def _row(place: Place, cell: Cell) -> str:
    shared = place.cells.get("shared")
    over = ratio(shared, cell) if shared and cell is not shared else None
    tokens, usd = cell.per_task("tokens"), cell.per_task("usd")
    one = [cell]
    values = [
        cell.mode,
        str(len(cell.trials)),
        _percent(cell.success),
        _minutes(cell.makespan),
        times(over) if over else "1" if cell is shared else "–",
        _mean(one, "rework_share", ".1%"),
        f"{_mean(one, 'refused_stale', '.1f')} ({_mean(one, 'conflicts', '.1f')})",
        f"{cell.broken:.0%}",
        _mean(one, "semantic_conflicts", ".2f"),
        _mean(one, "anomalies", ".2f"),
        _mean(one, "merge_conflicts", ".2f"),
        "–" if tokens is None else f"{tokens:,.0f}",
        "–" if usd is None else f"{usd:.3f}",
    ]
    return f"| {' | '.join(values)} |"


def _mean(cells: Sequence[Cell], name: str, form: str) -> str:
    found = [(value, len(one.trials)) for one in cells if (value := one.mean(name)) is not None]
    number = sum(weight for _, weight in found)
    return format(sum(value * weight for value, weight in found) / number, form) if number else "–"


def _percent(rate: Interval) -> str:
    return f"{rate.estimate:.0%} ({rate.low * 100:.0f}–{rate.high * 100:.0f})"


def _rate(counts: tuple[int, int]) -> str:
    won, of = counts
    return f"{won / of:.1%}" if of else "–"


def _minutes(seconds: float) -> str:
    return "–" if math.isnan(seconds) else f"{seconds / 60:.1f} min"


def _modes(cells: Sequence[Cell]) -> str:
    return listed([cell.mode for cell in cells])


# --- what it means --------------------------------------------------------------------------------


def _field(found: Sequence[Place]) -> Iterator[str]:
    yield "## Beside published figures"
    yield ""
    yield (
        "Those are of language models on other tasks; agreement means that the direction (or the "
        "size, where one is named) is the same, not that one explains the other."
    )
    yield ""
    yield "| source | published | here | verdict |"
    yield "|---|---|---|---|"
    for one in beside(found):
        yield f"| {one.source} | {one.figure} | {one.here} | {one.verdict} |"
    yield ""


def _assumed(setting: Setting, experiment: Experiment) -> Iterator[str]:
    yield "## What is assumed"
    yield ""
    if experiment.models:
        yield f"- The agents are {listed(list(experiment.models))}; time is real."
    else:
        yield (
            f"- Agents behave as profile `{setting.profile}` says: [agents.md](agents.md) has "
            "each of its figures with its source, or says that it is assumed. They know the "
            "solution, so no task is too hard for them; what they get wrong is drawn from a seed."
        )
        yield (
            "- They call functions of other files as the text that they have read declares them. "
            "That is the one way in which tasks depend on one another here."
        )
        yield (
            f"- Time is virtual: thinking as the profile says, {experiment.command_seconds:g} s "
            "for every test run. Files, tests, merges and the coordinator are real."
        )
        yield "- Dollars are those that the tokens would cost with the profile's price."
    yield (
        "- Nobody mends what others broke once it is accepted: the plans have no integration task."
    )
    yield ""


def _silent() -> Iterator[str]:
    yield "## What it does not show"
    yield ""
    yield "- How real models compare; run it with `--models` for that."
    yield "- Anything about codebases in general: the claim is about these cases."
    yield (
        "- Coupling by meaning. Only signatures drift, one way, and each at most once; a change of "
        "behaviour behind the same signature does not occur."
    )
    yield "- More than four workers, larger trees, plans with more than a handful of tasks."
    yield (
        "- Context. A single agent that does everything runs out of it; a synthetic one does not, "
        "so solo is flattered."
    )
