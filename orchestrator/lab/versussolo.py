"""Speed-up over one agent, and what coordination costs: figures that need two trials.

A trial is set beside the trial in mode solo of the same case, plan, model, validation and seed
(solo has one worker, whatever was asked for): what running the same plan in parallel brings. And
beside the trial in which one agent does the whole job, mode solo with a plan of one task, of the
same case, model, validation and seed: what cutting the job up brings. The two are different.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from orchestrator.lab.trial import TrialResult

_SOLO = "solo"


def beside_solo(results: Sequence[TrialResult]) -> list[TrialResult]:
    """Return trials with the figures that compare each with one agent's; None: there is no such
    trial, or one of the two has no such figure.

    Args:
        results: finished trials of one experiment.
    """
    same = {_key(one): one for one in results if one.arm.mode == _SOLO}
    whole = {_case(one): one for one in results if one.arm.mode == _SOLO and len(one.tasks) == 1}
    return [_beside(one, same.get(_key(one)), whole.get(_case(one))) for one in results]


def _key(one: TrialResult) -> tuple[object, ...]:
    return (*_case(one), one.arm.plan)


def _case(one: TrialResult) -> tuple[object, ...]:
    return one.case, one.arm.model, one.arm.validate, one.seed


def _beside(one: TrialResult, solo: TrialResult | None, whole: TrialResult | None) -> TrialResult:
    more = {
        "speedup_solo": _ratio(solo, one, "makespan"),
        "speedup_agent": _ratio(whole, one, "makespan"),
        **{f"overhead_{name}": _overhead(one, solo, name) for name in ("turns", "tokens")},
    }
    return replace(one, figures={**one.figures, **more})


def _ratio(above: TrialResult | None, below: TrialResult, name: str) -> float | None:
    first, second = _both((above, below), name)
    return first / second if first is not None and second else None


def _overhead(one: TrialResult, solo: TrialResult | None, name: str) -> float | None:
    ratio = _ratio(one, solo, name) if solo is not None else None
    return None if ratio is None else ratio - 1


def _both(two: Iterable[TrialResult | None], name: str) -> list[float | None]:
    return [None if one is None else one.figure(name) for one in two]
