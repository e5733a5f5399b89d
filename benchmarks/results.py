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
    ENOUGH,
    MODES,
    SAME,
    Cell,
    Place,
    below,
    independent,
    places,
    pooled,
    pooled_ratio,
    ratio,
    winners,
    with_anomalies,
)
from groundwork import TEST, Ground
from published import beside, times
from resultsvg import picture
from trends import sentences

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
    counts = sorted(_repeats(results, experiment))
    number = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    text = (
        f"{len(results)} of {experiment.total} trials are done, {number} per cell"
        f" ({setting.repeats} asked for)"
    )
    if lost:
        text += (
            f"; {lost} were lost to failures of their process: no success, and left out of all else"
        )
    yield f"{text}."
    if counts[0] < 20:
        yield ""
        yield (
            f"**This is a pilot.** With {number} per cell intervals are wide and most differences "
            "cannot be shown; read it as a specimen of the document, not as a result."
        )
    yield ""


def _repeats(results: Sequence[TrialResult], experiment: Experiment) -> set[int]:
    """Return how many trials arms have that were not lost; an arm may have none yet."""
    arms = {(case.name, arm): 0 for case in experiment.cases for arm in experiment.arms(case)}
    counts = dict.fromkeys((*arms, *((one.case, one.arm) for one in results)), 0)
    for one in results:
        counts[one.case, one.arm] += not one.failure
    return set(counts.values()) or {0}


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
        "that calls it without waiting for its owner. It counts what drifts from the start alone: "
        "with a profile that drafts, an interface may be provisional for a while anywhere, also "
        "where coupling is 0."
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
    yield (
        "The modes are bundles, not single factors ([modes](modes.md)). `shared`, `locks` and "
        "`solo` hold agents to the files of their task and run its tests on a private copy that is "
        "a consistent cut; only `shared` checks what was read, and tells agents what has changed. "
        "`worktree` tests on the branch and again on the merged result. `uncontrolled` refuses "
        "nothing, also no write to a neighbour's file, and runs tests in the shared tree itself "
        "(`tests: live`), as it stands when they begin, half done or not; what sets it apart from "
        "`locks` is not the locks alone."
    )
    yield ""


# --- who wins -------------------------------------------------------------------------------------


def _wins(found: Sequence[Place], figure: str) -> Iterator[str]:
    yield "## Which mode wins where, as coupling rises"
    yield ""
    yield (
        "A mode is beaten where it never succeeds; where its success is shown to be below the best "
        "mode's (95 % interval of the difference); or where another succeeds at least as often and "
        f"it is shown to be more than {SAME - 1:.0%} slower. Those that are not beaten stand here, "
        "the fastest first. That does not say that they are equal: each has its success beside it. "
        "Time is that of all trials; one that fails may end early. Not corrected for the number of "
        f"looks. Nothing is said with fewer than {ENOUGH} trials of a mode."
    )
    yield ""
    yield "| coupling | place | not beaten, with success | success of the first | time of the first | out, for success |"  # noqa: E501
    yield "|---|---|---|---|---|---|"
    for place in sorted(found, key=lambda one: (one.coupling, one.name)):
        won = winners(place)
        out = [
            mode for mode, cell in place.cells.items()
            if won and (not cell.successes or below(place, cell))
        ]  # fmt: skip
        success, time = (_percent(won[0].success), _minutes(won[0].makespan)) if won else "––"
        yield (
            f"| {place.coupling} | {place.name} | {_modes(won) or '–'} | {success} | {time} | "
            f"{', '.join(out) or '–'} |"
        )
    yield ""
    yield from sentences(found)
    yield ""
    yield f"![Success and time by coupling, per mode]({figure})"
    yield ""
    yield (
        "Lines in the picture: the 95 % interval of a success, the middle half of the times (the "
        "point is their geometric mean)."
    )
    yield ""


def _coupled(found: Sequence[Place]) -> Iterator[str]:
    yield "## All places together"
    yield ""
    yield (
        "Over these places, which were chosen. Trials of the same codebase and seed are much alike "
        "(solo does the same in every decomposition); so intervals of success count each codebase "
        "and seed once, and those of time go by seeds."
    )
    yield ""
    yield "| mode | trials | success | time over shared | accepted, suite red | rework | anomalies per trial |"  # noqa: E501
    yield "|---|---|---|---|---|---|---|"
    for mode in MODES:
        cells = [place.cells[mode] for place in found if mode in place.cells]
        if not cells:
            continue
        _, of = pooled(found, mode)
        over = pooled_ratio([(p.cells["shared"], p.cells[mode]) for p in found
                             if {"shared", mode} <= p.cells.keys()])  # fmt: skip
        ended = sum(len(one.trials) for one in cells)
        red = sum(one.broken * len(one.trials) for one in cells) / ended if ended else 0.0
        yield (
            f"| {mode} | {of} | {_percent(wilson(*independent(found, mode)))} | "
            f"{'1' if mode == 'shared' else times(over) if over else '–'} | {red:.1%} | "
            f"{_mean(cells, 'rework_share', '.1%')} | {_mean(cells, 'anomalies', '.2f')} |"
        )
    yield ""
    yield from _promised(found)


def _promised(found: Sequence[Place]) -> Iterator[str]:
    """Say whether mode shared kept its promise that there are no anomalies."""
    cells = [place.cells["shared"] for place in found if "shared" in place.cells]
    trials = [one for cell in cells for one in cell.trials]
    looked = [one for one in trials if one.figure("anomalies") is not None]
    if not trials:
        return
    broke = with_anomalies(looked)
    text = f"Mode shared promises no anomalies: {len(broke)} of {len(looked)} trials had any"
    if broke:
        text += f" ({', '.join(one.name for one in broke)})"
    if unknown := len(trials) - len(looked):
        text += f"; of {unknown} more it is not known"
    yield f"{text}."
    yield ""


# --- tables ---------------------------------------------------------------------------------------


def _tables(found: Sequence[Place]) -> Iterator[str]:
    yield "## Every cell"
    yield ""
    yield (
        "Success with its Wilson interval; time: virtual minutes from the first dispatch to the "
        "last task, geometric mean, failed trials included; over shared: ratio paired by seed, "
        "with its t interval; refused: writes refused as stale, those that reached the agent in "
        "brackets; suite red: all tasks accepted, yet the judge fails; semantic conflicts: "
        "clean merges that were red, and accepted tasks whose own tests are red at the end, also "
        "by tests that were skipped before; merges: textual conflicts. "
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
        f"{cell.number} ({len(cell.lost)} lost)" if cell.lost else str(cell.number),
        _percent(cell.success),
        _minutes(cell.makespan),
        times(over) if over else "1" if cell is shared else "–",
        _mean(one, "rework_share", ".1%"),
        f"{_mean(one, 'refused_stale', '.1f')} ({_mean(one, 'conflicts', '.1f')})",
        f"{cell.broken:.0%}" if cell.trials else "–",
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


def _minutes(seconds: float) -> str:
    return "–" if math.isnan(seconds) else f"{seconds / 60:.1f} min"


def _modes(cells: Sequence[Cell]) -> str:
    return listed([f"{one.mode} {one.success.estimate:.0%}" for one in cells])


# --- what it means --------------------------------------------------------------------------------


def _field(found: Sequence[Place]) -> Iterator[str]:
    yield "## Beside published figures"
    yield ""
    yield (
        "Those are of language models on other tasks; agreement means that the direction (or the "
        "size, where one is named) is the same, not that one explains the other. Success here is "
        "that of whole runs; there it is mostly a share of tests, or a score."
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
            "That is how tasks depend on one another here; besides, they meet in minisql's shared "
            "file, and an agent that oversteps writes a neighbour's."
        )
        yield (
            f"- Time is virtual: thinking as the profile says, {experiment.command_seconds:g} s "
            "for every test run. Files, tests, merges and the coordinator are real."
        )
        yield "- Dollars are those that the tokens would cost with the profile's price."
    yield (
        "- Nobody mends what others broke once it is accepted: the plans have no integration task."
    )
    yield (
        "- A test that meets unwritten code is skipped, so a task that is done early is tested by "
        "less. What it has wrong may then be accepted: the less a decomposition waits, the less "
        "tests see, also where coupling is 0."
    )
    yield ""


def _silent() -> Iterator[str]:
    yield "## What it does not show"
    yield ""
    yield "- How real models compare; run it with `--models` for that."
    yield "- Anything about codebases in general: the claim is about these cases."
    yield (
        "- Coupling apart from waiting. The less a decomposition waits, the more calls are "
        "unordered, the more tasks run at once, and the less their tests see."
    )
    yield (
        "- Coupling by meaning. Only names of last parameters drift; a change of behaviour behind "
        "the same signature does not occur."
    )
    yield "- More than four workers, larger trees, plans with more than a handful of tasks."
    yield (
        "- Context. A single agent that does everything runs out of it; a synthetic one does not, "
        "so solo is flattered."
    )
