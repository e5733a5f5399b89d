"""The figures of a trial, from a run that was measured; each is defined in docs/metrics.md."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.core.states import TaskState
from orchestrator.lab.endtests import EndTests
from orchestrator.lab.measuring import Measured

_Figures = Mapping[str, float | None]


def figures_of(run: Measured) -> dict[str, float | None]:
    """Return the figures of a run by name; None: it cannot be known, or there is nothing to it."""
    return {
        **_success(run),
        **_times(run),
        **_waits(run),
        **_attempts(run),
        **_refusals(run),
        **_knowledge(run),
        **_ends(run.ends, run.conflicts.red_merges),
        **_costs(run),
    }


def _success(run: Measured) -> _Figures:
    states = [task.state for task in run.history.tasks.values()]
    passed = states.count(TaskState.SUCCEEDED)
    return {
        "success": float(run.history.status == "succeeded" and passed == len(states)),
        "tasks_passed": _part(passed, len(states)),
    }


def _times(run: Measured) -> _Figures:
    metrics, history = run.metrics, run.history
    wall = run.log.header.limits.wall
    censored = history.status == "limit" and wall is not None and history.now >= wall
    span, work, took = metrics.critical_path, metrics.work, metrics.makespan
    workers = run.log.header.workers
    return {
        "makespan": float(wall) if censored and wall is not None else took,
        "speedup": metrics.speedup if took else None,
        "parallelism": _part(work, span),
        "critical_path": span,
        "path_share": _part(span, took),
        "schedule_quality": _part(max(span, work / workers), took),
        "utilisation": metrics.utilisation if took else None,
    }


def _waits(run: Measured) -> _Figures:
    return {
        **{f"time_{cause}": seconds for cause, seconds in run.time.by_cause().items()},
        "file_wait": run.metrics.file_wait_seconds,
        "provider_wait": run.metrics.provider_wait_seconds,
        "submit_wait": run.metrics.submit_wait_seconds,
    }


def _attempts(run: Measured) -> _Figures:
    spending, lost = run.spending, run.metrics.rework_seconds
    all_seconds = sum(
        (run.history.now if attempt.ended is None else attempt.ended) - attempt.started
        for task in run.history.tasks.values()
        for attempt in task.attempts
    )
    return {
        "attempts": float(run.metrics.attempts),
        "turns": float(spending.turns),
        "rework_seconds": lost,
        "rework_share": _part(lost, all_seconds),
        "rework_turns": float(spending.rework_turns),
        "rework_tokens": float(spending.rework_tokens),
        "rework_token_share": _part(spending.rework_tokens, spending.total),
        "messages": float(spending.messages),
        "message_share": _part(spending.messages, spending.actions),
    }


def _refusals(run: Measured) -> _Figures:
    metrics, found, header = run.metrics, run.conflicts, run.log.header
    by_region = header.validate == "region" and header.mode != "worktree"
    return {
        "refused_stale": float(metrics.refused_stale),
        "refused_scope": float(metrics.refused_scope),
        "refused_write_rate": found.refused_write_rate,
        "false_refusal_rate": found.false_refusal_rate if by_region else None,
        "scope_violation_rate": found.scope_violation_rate,
        "conflicts": float(metrics.conflicts),
        "merges_refused": float(found.merge_conflicts + found.red_merges + found.unresolved),
        "merge_conflicts": float(found.merge_conflicts),
    }


def _knowledge(run: Measured) -> _Figures:
    stale, declared = run.staleness, run.declarations
    found: dict[str, float | None] = {
        "anomalies": None if run.anomalies is None else float(run.anomalies)
    }
    if stale is not None:
        found |= {
            "stale_read_rate": stale.rate,
            "stale_seconds": stale.seconds,
            "stale_turns": float(stale.turns),
        }
    if declared is not None:
        found |= {name: getattr(declared, name) for name in declared.__slots__}
    return found


def _ends(ends: EndTests | None, red_merges: int) -> _Figures:
    if ends is None:
        return {}
    broken, counts = ends.broken, ends.counts
    return {
        "tests_passed": counts.share if counts else None,
        "tests_run": float(counts.total) if counts else None,
        "tasks_green": ends.tasks_green,
        "integration_loss": ends.integration_loss,
        "cross_task_breaks": None if broken is None else float(len(broken)),
        "semantic_conflicts": None if broken is None else float(len(broken) + red_merges),
    }


def _costs(run: Measured) -> _Figures:
    usd, spending = run.metrics.usd, run.spending
    passed = sum(task.state is TaskState.SUCCEEDED for task in run.history.tasks.values())
    return {
        "tokens": float(spending.total),
        **{f"tokens_{kind}": float(number) for kind, number in spending.tokens.items()},
        "usd": usd,
        "usd_per_passed": None if usd is None else _part(usd, passed),
        "tokens_per_passed": _part(spending.total, passed),
    }


def _part(some: float, whole: float) -> float | None:
    return some / whole if whole else None
