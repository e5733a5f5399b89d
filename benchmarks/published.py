"""Published figures beside those of the experiment: do they agree?

Each line is computed: what was published is written here, whether it agrees follows from the
figures. *Agrees* and *disagrees* need an interval that leaves no doubt: about the direction, or,
where a size is compared, about lying in the published range or outside of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cells import Place, difference, independent, pooled, pooled_ratio, ratio, shown

from orchestrator.lab.statistics import Interval, wilson

_FEW = "too few trials to say"


@dataclass(frozen=True, slots=True)
class Beside:
    """One published figure, what was found here, and a verdict with its reason."""

    source: str
    figure: str
    here: str
    verdict: str


def beside(places: Sequence[Place]) -> list[Beside]:
    """Return the comparisons for which there are trials, then what cannot be compared."""
    found = [one for make in _COMPUTED if (one := make(places)) is not None]
    return [*found, *_NOT_COMPARABLE]


def points(interval: Interval) -> str:
    """Return a difference of rates in points, with its interval."""
    return (
        f"{interval.estimate * 100:+.1f} points ({interval.low * 100:+.1f} to "
        f"{interval.high * 100:+.1f})"
    )


def times(interval: Interval) -> str:
    """Return a ratio with its interval."""
    if math.isnan(interval.low):
        return f"{interval.estimate:.2f}"
    return f"{interval.estimate:.2f} ({interval.low:.2f} to {interval.high:.2f})"


def _verdict(direction: int, why: str = "") -> str:
    word = {1: "agrees", -1: "disagrees", 0: "no difference shown"}[direction]
    return f"{word}{f': {why}' if why else ''}"


def _within(found: Interval, low: float, high: float) -> str:
    """Say whether a figure lies in a published range."""
    if found.high < low or found.low > high:
        return f"disagrees: {'less' if found.high < low else 'more'} here"
    if found.low >= low and found.high <= high:
        return "agrees"
    return "no difference shown: the interval holds figures inside and outside of that range"


def _storm(places: Sequence[Place]) -> Beside | None:
    found = difference(independent(places, "worktree"), independent(places, "shared"))
    if found is None:
        return None
    return Beside(
        "STORM against CAID's worktrees (arXiv 2605.20563)",
        "validated shared tree above worktrees: +18.7 points on Commit0-Lite, +1.4 on PaperBench",
        f"success, shared − worktree: {points(found)}",
        _verdict(shown(found, 0.0)),
    )


def _caid(places: Sequence[Place]) -> Beside | None:
    rates = {mode: pooled(places, mode) for mode in ("uncontrolled", "solo", "worktree")}
    if not all(number for _, number in rates.values()):
        return None
    lower, upper = (
        difference(independent(places, first), independent(places, second))
        for first, second in (("uncontrolled", "solo"), ("solo", "worktree"))
    )
    said = ", ".join(f"{mode} {won / of:.1%}" for mode, (won, of) in rates.items())
    first, second = shown(lower, 0.0), shown(upper, 0.0)
    direction = 1 if first == second == 1 else -1 if -1 in (first, second) else 0
    parts = {1: "as published", 0: "not shown", -1: "the other way round"}
    return Beside(
        "CAID, isolation ablation (arXiv 2603.21489)",
        "shared directory with instructions 55.5 < single agent 57.2 < worktree 63.3",
        f"success: {said}",
        _verdict(
            direction,
            f"instructions < single {parts[first]}, single < worktree {parts[second]}. A single "
            "synthetic agent never runs out of context, which is what helps division there",
        ),
    )


def _crdt_conflicts(places: Sequence[Place]) -> Beside | None:
    cells = [place.cells["shared"] for place in places if "shared" in place.cells]
    number = sum(len(one.trials) for one in cells)
    if not number:
        return None
    broken = sum(round(one.broken * len(one.trials)) for one in cells)
    rate = broken / number
    of = independent(places, "shared")[1]
    bounds = wilson(rate * of, of)
    verdict = _within(bounds, 0.05, 0.10)
    return Beside(
        "CodeCRDT (arXiv 2510.18893)",
        "5 to 10 % semantic conflicts (a preliminary inspection) with zero merge failures",
        f"mode shared: {rate:.1%} of {number} trials had every task accepted and a red suite; "
        "there are no merges",
        f"{verdict}. Here a run counts once, however many conflicts it has",
    )


def _crdt_speed(places: Sequence[Place]) -> Beside | None:
    found = [
        (over, place.name) for place in places
        if _both(place) and (over := ratio(place.cells["solo"], place.cells["shared"]))
    ]  # fmt: skip
    if not found:
        return None
    (least, where_least), (most, where_most) = (
        choose(found, key=lambda one: one[0].estimate) for choose in (min, max)
    )
    verdict = _FEW
    if not any(math.isnan(one.low) for one, _ in found):
        verdicts = {_within(one, 1 - 0.211, 1 + 0.394).partition(":")[0] for one, _ in found}
        word = "disagrees" if "disagrees" in verdicts else "no difference shown"
        verdict = "agrees" if verdicts == {"agrees"} else f"{word}: not all lie in that range"
    return Beside(
        "CodeCRDT (arXiv 2510.18893)",
        "between 21.1 % faster and 39.4 % slower than one agent",
        f"time of shared over solo: from {times(least)} ({where_least}) to {times(most)} "
        f"({where_most})",
        f"{verdict}. Read as times of 0.79 to 1.39",
    )


def _sequential(places: Sequence[Place]) -> Beside | None:
    chains = [place for place in places if place.order == "chain"]
    flats = [place for place in places if place.order == "flat"]
    rate = difference(independent(chains, "solo"), independent(chains, "shared"))
    cells = [(p.cells["solo"], p.cells["shared"]) for p in chains if _both(p)]
    time, parallel = (
        pooled_ratio(cells),
        pooled_ratio([(p.cells["solo"], p.cells["shared"]) for p in flats if _both(p)]),
    )
    if rate is None or time is None or parallel is None:
        return None
    return Beside(
        "Towards a science of scaling agent systems (arXiv 2512.08296)",
        "quality +80.9 % on parallel work, −39 to −70 % on sequential",
        f"chain: success {points(rate)}, time {times(time)} of solo; flat: time "
        f"{times(parallel)} of solo",
        _verdict(-shown(rate, 0.0), "the loss on sequential work")
        + ". Their gain on parallel work is in quality; here, where agents know the solution, it "
        "can only be in time",
    )


def _both(place: Place) -> bool:
    return {"solo", "shared"} <= place.cells.keys()


def _amplified(places: Sequence[Place]) -> Beside | None:
    solo, free, held = (pooled(places, mode) for mode in ("solo", "uncontrolled", "shared"))
    if not (solo[1] and free[1] and held[1]):
        return None
    rates = [1 - won / of for won, of in (solo, free, held)]
    said = f"failures: solo {rates[0]:.1%}, uncontrolled {rates[1]:.1%}, shared {rates[2]:.1%}"
    if rates[0] > 0:
        said += f" ({rates[1] / rates[0]:.1f} and {rates[2] / rates[0]:.1f} times solo)"
    able = [independent(places, mode) for mode in ("uncontrolled", "shared")]
    direction = shown(difference(*able), 0.0)
    return Beside(
        "Towards a science of scaling agent systems (arXiv 2512.08296)",
        "errors amplified 17.2× by independent agents, 4.4× by centralised ones",
        said,
        _verdict(direction, "independent (uncontrolled) worse than coordinated (shared)")
        + ". In direction; failed runs are counted here, errors there",
    )


def _agenticflict(places: Sequence[Place]) -> Beside | None:
    cells = [place.cells["worktree"] for place in places if "worktree" in place.cells]
    conflicts = sum(one.total("merge_conflicts") for one in cells)
    merges = sum(one.total("merges_refused") + one.passed_tasks() for one in cells)
    if not merges:
        return None
    rate = conflicts / merges
    return Beside(
        "AgenticFlict (arXiv 2604.03551)",
        "27.67 % of 107,000 agent pull requests conflict",
        f"mode worktree: {rate:.1%} of {merges:,.0f} merges conflict",
        "not comparable in size: a conflict needs a file that two tasks edit, which the plans of "
        "the two libraries do not have",
    )


def _khan(places: Sequence[Place]) -> Beside | None:
    able = [p for p in places if {"uncontrolled", "locks", "shared"} <= p.cells.keys()]
    if not able:
        return None
    most = max(able, key=lambda place: place.coupling)
    free = most.cells["uncontrolled"]
    locks, valid = ratio(free, most.cells["locks"]), ratio(free, most.cells["shared"])
    if locks is None or valid is None:
        return None
    return Beside(
        "Khan (arXiv 2606.17182)",
        "locks cost 1.6 to 2.3× on the contended cell, snapshot validation is within noise",
        f"{most.name}: time over uncontrolled: locks {times(locks)}, shared {times(valid)}",
        "not comparable in size: locks are on the files of a task here, and plans give each file "
        "to one task, so no cell is contended",
    )


def _cocoder(places: Sequence[Place]) -> Beside | None:
    # Theirs goes by the import graph; a chain can gain nothing.
    cells = [(p.cells["shared"], p.cells["solo"]) for p in places
             if _both(p) and p.order == "modules"]  # fmt: skip
    found = pooled_ratio(cells)
    if found is None:
        return None
    verdict = _FEW if math.isnan(found.low) else _within(found, 1.81, 2.10)
    return Beside(
        "Co-Coder (arXiv 2606.00953)",
        "1.81 and 2.10 times as fast as one agent",
        f"time of solo over shared, decomposition `modules`: {times(found)}",
        verdict,
    )


_COMPUTED: tuple[Callable[[Sequence[Place]], Beside | None], ...] = (
    _storm, _caid, _crdt_conflicts, _crdt_speed, _sequential, _amplified, _agenticflict, _khan,
    _cocoder,
)  # fmt: skip

_NOT_COMPARABLE = (
    Beside(
        "CAID, number of agents (simpy)", "N=2 0.0 %, N=4 92.1 %, N=8 44.3 %", "four workers only",
        "not comparable: the number of agents was not varied",
    ),
    Beside(
        "CooperBench", "two agents ~25 % against solo ~50 %; talk up to 20 % of the budget",
        "messages of synthetic agents have no content that anybody needs",
        "not comparable",
    ),
    Beside(
        "Cursor", "flat with locks: 20 agents give the throughput of 2 to 3",
        "locks are kept by the coordinator, not by the agents in a file", "not comparable",
    ),
)  # fmt: skip
