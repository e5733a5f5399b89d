"""A run's figures with their meaning in words, and what they mean together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.core.states import TaskState
from orchestrator.lab.metrics import Metrics
from orchestrator.ui.lines import CAUSES
from orchestrator.ui.record import Record
from orchestrator.ui.summary import summarise
from orchestrator.ui.words import count, duration, limit, one_line

_NEAR = 1.1  # times the bound: close enough to say that the bound decided
_BUSY = 0.85  # share of the workers' time
_MUCH = 0.1  # share of the workers' time that a cause must take to be named


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure.

    Attributes:
        meaning: what it says, in a sentence or two.
    """

    name: str
    value: str
    meaning: str


def headline(record: Record) -> str:
    """Return one sentence: what happened, and what it means."""
    happened = summarise(record).headline.rstrip(".").replace(". The run took ", " in ")
    means = _meaning(record)
    return f"{happened}{means}."


def _meaning(record: Record) -> str:
    if record.status == "failed":
        return _why_failed(record)
    m = record.metrics
    if record.status != "succeeded" or not m.makespan or m.attempts < 2:
        return ""
    workers = record.header.workers
    whole = workers * m.makespan
    parts = []
    if m.rework_seconds > _MUCH * whole:
        parts.append(f"{m.rework_seconds / whole:.0%} of the workers' time went into work that was "
                     "not accepted or sent back")  # fmt: skip
    elif m.file_wait_seconds > _MUCH * whole:
        parts.append(f"tasks waited {duration(m.file_wait_seconds)} for files that others held")
    if workers > 1 and m.makespan <= _NEAR * m.critical_path:
        parts.append("the longest chain of tasks set the pace: more workers would not have helped")
    elif m.utilisation > _BUSY and workers > 1:
        parts.append("the workers were busy nearly all the time: more of them would have helped")
    faster = f", {m.speedup:.1f} times as fast as one attempt after another"
    return (faster if workers > 1 else "") + (f"; {', and '.join(parts)}" if parts else "")


def _why_failed(record: Record) -> str:
    board = record.board
    lost = board.among(TaskState.FAILED, TaskState.CANCELLED)
    if not lost:
        return ""
    name = lost[0]
    last, state = board.task(name).last, board.states[name]
    why = CAUSES.get(last.outcome, last.outcome) if last else one_line(board.task(name).reason)
    skipped = sum(board.states[other] is TaskState.SKIPPED for other in board.dependents(name))
    said = f"; {name} {'failed' if state is TaskState.FAILED else 'was cancelled'} ({why})"
    return said + (f", and {count(skipped, 'task')} that needed it did not run" if skipped else "")


def tiles(record: Record) -> list[Figure]:
    """Return the few figures that stand first."""
    m, counts = record.metrics, record.board.counts()
    total = len(record.board.history.tasks)
    found = [
        Figure("succeeded", f"{counts[TaskState.SUCCEEDED]} of {total}", "tasks"),
        Figure("makespan", duration(m.makespan), f"work {duration(m.work)}"),
        Figure("speed-up", f"{m.speedup:.2f}×", f"with {count(record.header.workers, 'worker')}"),
        Figure("utilisation", f"{m.utilisation:.0%}", "of the workers' time"),
        Figure("attempts", str(m.attempts), f"rework {duration(m.rework_seconds)}"),
    ]
    found.append(
        Figure("refusals", f"{m.conflicts + m.refused_scope}",
               f"{count(m.rebased, 'write')} merged instead")
    )  # fmt: skip
    if any(m.tokens.values()):
        found.append(Figure("model tokens", f"{sum(m.tokens.values()):,}", _dollars(m.usd)))
    return found


def _dollars(usd: float | None) -> str:
    return "price unknown" if usd is None else f"{usd:.2f} US dollars"


def figures(record: Record) -> Iterator[Figure]:
    """Yield all figures of a run."""
    m = record.metrics
    yield from _times(m)
    yield Figure(
        "stale writes refused", f"{m.refused_stale}, {m.conflicts} told to the agent",
        "Writes based on what had changed since. Most are merged or found harmless by the "
        "runtime at once; the others are told to the agent with the difference.",
    )  # fmt: skip
    yield Figure("writes merged", f"{m.rebased}",
                 "Writes joined with what other tasks had changed in the same file.")  # fmt: skip
    yield Figure("refused by scope", f"{m.refused_scope}",
                 "Requests for files outside the role's or the task's bounds.")  # fmt: skip
    yield Figure("attempts", f"{m.attempts}",
                 f"Tries at tasks; {duration(m.rework_seconds)} of them was rework: not "
                 "accepted, undone or repeated.")  # fmt: skip
    yield Figure("waits for files", f"{len(m.waits)}, {duration(m.file_wait_seconds)}",
                 "Ready or running tasks waited for files that others held.")  # fmt: skip
    yield Figure("waits to submit", duration(m.submit_wait_seconds),
                 "Finished attempts waited for tasks whose work they had read.")  # fmt: skip
    yield Figure("waits for the provider", duration(m.provider_wait_seconds),
                 "Attempts waited until the model's provider could be asked.")  # fmt: skip
    yield Figure("commands", f"{m.commands}", "Commands that agents ran, test runs included.")
    tokens = m.tokens
    yield Figure("model tokens", f"{tokens['input']:,} in, {tokens['output']:,} out",
                 "Cached input counts as input.")  # fmt: skip
    yield Figure("cost", _dollars(m.usd), "By the price list of the program.")


def _times(m: Metrics) -> Iterator[Figure]:
    yield Figure("makespan", duration(m.makespan),
                 "From the first start of a task to the end of the last.")  # fmt: skip
    yield Figure("work", duration(m.work), "Time of all accepted attempts, added up.")
    chain = f": {' → '.join(m.critical_tasks)}" if m.critical_tasks else ""
    yield Figure("critical path", duration(m.critical_path),
                 "Longest chain of tasks that wait for one another; no number of workers is "
                 f"faster{chain}.")  # fmt: skip
    yield Figure("speed-up", f"{m.speedup:.2f}", "Work divided by makespan.")
    yield Figure("utilisation", f"{m.utilisation:.0%}",
                 "Share of the workers' time in attempts that did not wait for files.")  # fmt: skip


def limits_of(record: Record) -> Iterator[Figure]:
    """Yield the run's limits that are set, each with what was used of it."""
    m, limits = record.metrics, record.header.limits
    turns = sum(task.turns for task in record.board.history.tasks.values())
    used = {
        "wall": m.makespan,
        "tokens": float(sum(m.tokens.values())),
        "usd": m.usd,
        "commands": float(m.commands),
        "total_attempts": float(m.attempts),
        "total_turns": float(turns),
    }
    for name, spent in used.items():
        allowed = getattr(limits, name)
        if allowed is None:
            continue
        share = "not known" if spent is None else f"{spent / allowed:.0%}" if allowed else "all"
        yield Figure(name.replace("_", " "), limit(name, allowed), f"{share} used")
    yield Figure("attempts per task", f"{limits.attempts}", "")
    yield Figure("turns per attempt", f"{limits.turns}", "")
