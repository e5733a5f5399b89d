"""What the tables of the flagship experiment say about coupling, in words that follow from them.

Only what is comparable is compared: the same codebases with little and much coupling, and the same
decompositions with few and many interfaces drifting.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cells import MODES, Place, difference, independent, pooled, pooled_ratio, shown, winners
from published import times

from orchestrator.lab.statistics import Interval
from orchestrator.ui.words import listed


def sentences(found: Sequence[Place]) -> Iterator[str]:
    """Yield what the table says, in words that follow from it."""
    for label, chosen in _groups(found):
        if not chosen:
            continue
        decided = [won for place in chosen if (won := winners(place))]
        among = {mode: sum(mode in {one.mode for one in won} for won in decided) for mode in MODES}
        alone = {
            mode: sum([one.mode for one in won] == [mode] for won in decided) for mode in MODES
        }
        parts = [
            f"{mode} at {among[mode]}" + (f" ({alone[mode]} alone)" if alone[mode] else "")
            for mode in sorted((mode for mode in MODES if among[mode]), key=lambda m: -among[m])
        ]
        rates = ", ".join(
            f"{mode} {_rate(pooled(chosen, mode))}" for mode in MODES if _has(chosen, mode)
        )
        said = f"not beaten are {', '.join(parts)} of {len(decided)}" if decided else "none decided"
        yield f"- {label} ({len(chosen)} places): {said}. Success: {rates}."
    for mode in MODES:
        yield from (f"- {text}" for text in (_trend(found, mode), _drifting(found, mode)) if text)


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
    """Say how a mode's success and its time against shared change from no to most coupling, on
    the codebases that have both."""
    parts = _groups([place for place in found if mode in place.cells])
    least, most = parts[0][1], parts[-1][1]
    both = {one.codebase for one in least} & {one.codebase for one in most}
    first, last = ([one for one in part if one.codebase in both] for part in (least, most))
    change = difference(independent(first, mode), independent(last, mode))
    if change is None:
        return ""
    text = (
        f"From no to most coupling ({listed(sorted(both))}) the success of {mode} {_moves(change)}:"
        f" {_rate(pooled(first, mode))} to {_rate(pooled(last, mode))}"
    )
    if mode != "shared":
        ratios = [
            pooled_ratio([(p.cells["shared"], p.cells[mode]) for p in group if "shared" in p.cells])
            for group in (first, last)
        ]
        if all(ratios):
            text += "; its time over that of shared goes from " + " to ".join(
                times(one) for one in ratios if one
            )
    return text + "."


def _drifting(found: Sequence[Place], mode: str) -> str:
    """Say how a mode's success changes with the share of drift, all else equal."""
    able = [one for one in found if one.coupling and mode in one.cells]
    levels: dict[tuple[str, str], list[Place]] = {}
    for one in sorted(able, key=lambda one: one.coupling):
        levels.setdefault((one.codebase, one.order), []).append(one)
    several = [group for group in levels.values() if len(group) > 1]
    first, last = [group[0] for group in several], [group[-1] for group in several]
    change = difference(independent(first, mode), independent(last, mode))
    if change is None:
        return ""
    return (
        f"In the same decompositions ({listed(sorted(one.name for one in first))}), with more "
        f"interfaces drifting, the success of {mode} {_moves(change)}: "
        f"{_rate(pooled(first, mode))} to {_rate(pooled(last, mode))}."
    )


def _moves(change: Interval) -> str:
    return {1: "rises", -1: "falls", 0: "is not shown to change"}[shown(change, 0.0)]


def _has(chosen: Sequence[Place], mode: str) -> bool:
    return any(mode in place.cells for place in chosen)


def _rate(counts: tuple[int, int]) -> str:
    won, of = counts
    return f"{won / of:.1%}" if of else "–"
