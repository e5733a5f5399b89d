"""How a run ended, in plain sentences: what succeeded, what did not and why, where to look."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.core.history import AttemptHistory, TaskHistory
from orchestrator.core.states import TaskState
from orchestrator.errors import LogError
from orchestrator.runtime.blobs import BlobStore
from orchestrator.ui.lines import CAUSES
from orchestrator.ui.record import Record
from orchestrator.ui.words import count, duration, limit, listed, one_line, place, run_name

OUTPUT_LINES = 8
"""Lines of a failed test run that are shown."""

MOST_FAILURES = 10
"""Failed tasks that are explained; the others are named."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A run in sentences.

    Attributes:
        headline: how it ended.
        paragraphs: everything else, each some lines of text.
    """

    headline: str
    paragraphs: tuple[str, ...]

    def text(self) -> str:
        """Return the whole, as it is printed where there are no colours."""
        return "\n".join([self.headline, *self.paragraphs])


def summarise(record: Record, late: Sequence[str] = ()) -> Summary:
    """Say how a run ended, or where it stands.

    Args:
        late: workers that had not returned when it ended.
    """
    paragraphs = [*_failures(record), *_figures(record)]
    if late:
        paragraphs.append(
            f"{listed(late)} had not returned when the run ended; what they still ask is refused."
        )
    paragraphs += _places(record)
    paragraphs += _next(record)
    return Summary(_headline(record), tuple(paragraphs))


# --- the first sentence -----------------------------------------------------------------------


def _headline(record: Record) -> str:
    counts, total = record.board.counts(), len(record.board.history.tasks)
    took = duration(record.metrics.makespan)
    won = counts[TaskState.SUCCEEDED]
    crew = f"with {count(record.header.workers, 'worker')}"
    so_far = f"{won} of {count(total, 'task')} {'has' if won == 1 else 'have'} succeeded"
    if record.status == "succeeded":
        if not total:
            return "The plan has no tasks: there was nothing to do."
        all_of_them = f"All {total} tasks" if total > 1 else "The task"
        return f"{all_of_them} succeeded in {took} {crew}."
    if record.status == "failed":
        return f"{_lost(counts, total)} The run took {took} {crew}."
    if record.status == "limit":
        reached = limit(record.why, record.board.limit or 0)
        return f"The run reached its limit of {reached} after {took} {crew}: {so_far}."
    if record.status == "interrupted":
        why = f" ({record.why})" if record.why not in ("", "interrupted") else ""
        return f"The run was interrupted after {took}{why}: {so_far}, and nothing of that is lost."
    return f"The run has been going on for {took} {crew}: {so_far}."


def _lost(counts: Counter[TaskState], total: int) -> str:
    parts = [f"{counts[TaskState.SUCCEEDED]} succeeded"]
    for state in (TaskState.FAILED, TaskState.CANCELLED, TaskState.SKIPPED):
        number = counts[state]
        verb = "" if state is TaskState.FAILED else ("was " if number == 1 else "were ")
        parts += [f"{number} {verb}{state}"] if number else []
    return f"Of {count(total, 'task')}, {listed(parts)}."


# --- what failed ------------------------------------------------------------------------------


def _failures(record: Record) -> Iterator[str]:
    board = record.board
    failed = board.among(TaskState.FAILED)
    for name in failed[:MOST_FAILURES]:
        yield _failure(record, name)
    if len(failed) > MOST_FAILURES:
        yield f"Also failed: {listed(failed[MOST_FAILURES:])}."
    for name in board.among(TaskState.CANCELLED):
        yield f"{name} was cancelled: {one_line(board.task(name).reason)}."
    skipped = [n for n in board.among(TaskState.SKIPPED) if "reject" in board.task(n).reason]
    for name in skipped:
        yield f"{name} was skipped: {one_line(board.task(name).reason)}."


def _failure(record: Record, name: str) -> str:
    """One failed task: why, its last words, where to look, what was skipped for it."""
    task = record.board.task(name)
    last = task.last
    if last is None:
        return f"{name} failed: {one_line(task.reason)}."
    cause = CAUSES.get(last.outcome, last.outcome)
    lines = [f"{name} failed after {count(len(task.attempts), 'attempt')}: {cause}."]
    lines += [f"    {line}" for line in _last_words(record, task, last)]
    look = _where_to_look(record, task)
    lines += [f"    Look at {look}"] if look else []
    skipped = [
        other
        for other in record.board.dependents(name)
        if record.board.states[other] is TaskState.SKIPPED
    ]
    lines += [f"    Skipped because of it: {listed(skipped, 8)}."] if skipped else []
    return "\n".join(lines)


def _last_words(record: Record, task: TaskHistory, last: AttemptHistory) -> list[str]:
    """Return the end of the reason, and of the last test run that failed."""
    found = _tail(last.reason, OUTPUT_LINES)
    tests = "" if last.outcome == "tests_failed" else _failed_tests(record, task)[1]
    if tests:
        found += ["Its last test run ended with:", *(f"  {line}" for line in _tail(tests, 6))]
    return found


def _tail(text: str, most: int) -> list[str]:
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    return lines if len(lines) <= most else ["…", *lines[-most:]]


def _failed_tests(record: Record, task: TaskHistory) -> tuple[str, str]:
    """Return the transcript of the task's last test run that did not pass, and its output."""
    blobs = BlobStore(record.folder.blobs)
    for attempt in reversed(task.attempts):
        for digest in reversed(attempt.transcripts):
            for text in reversed(_told(blobs, digest)):
                before, mark, output = f"\n{text}".partition("\nFAILED\n")
                if mark and before.strip() in ("", "Not accepted: the tests do not pass."):
                    return digest, output
    return "", ""


def _told(blobs: BlobStore, digest: str) -> list[str]:
    """Return what the tools answered in one turn; nothing if that cannot be read any more."""
    try:
        results = json.loads(blobs.get(digest))["results"]
        return [str(result["content"]) for result in results]
    except (LogError, ValueError, KeyError, TypeError):
        return []


def _where_to_look(record: Record, task: TaskHistory) -> str:
    blobs, (digest, _) = BlobStore(record.folder.blobs), _failed_tests(record, task)
    if digest:
        return f"{place(blobs.path(digest))} (the turn of its last test run, and the output)"
    digests = [digest for attempt in task.attempts for digest in attempt.transcripts]
    return f"{place(blobs.path(digests[-1]))} (its last turn)" if digests else ""


# --- figures ----------------------------------------------------------------------------------


def _figures(record: Record) -> Iterator[str]:
    yield from _speed(record)
    repeated = _repeated(record)
    if repeated:
        number = sum(repeated.values())
        names = [
            f"{name} ({CAUSES.get(cause, cause)}{f', {n} times' if n > 1 else ''})"
            for (name, cause), n in repeated.items()
        ]
        yield f"{count(number, 'attempt was', 'attempts were')} repeated: {listed(names, 8)}."
    yield from _files(record)
    tokens, usd = record.metrics.tokens, record.metrics.usd
    if any(tokens.values()):
        price = ", at a price that is not known" if usd is None else f", for {usd:.2f} US dollars"
        spent = f"{tokens['input']:,} in, {tokens['output']:,} out"
        yield f"Model tokens: {spent}{'' if usd == 0 else price}."


def _speed(record: Record) -> Iterator[str]:
    m = record.metrics
    several = len(record.board.history.tasks) > 1
    if record.status != "succeeded" or not several or not m.critical_path:
        return
    if record.header.workers > 1:
        yield (
            f"That is {m.speedup:.1f} times as fast as the same attempts one after another "
            f"({duration(m.work)}), with workers busy {m.utilisation:.0%} of the time."
        )
    path = " → ".join(m.critical_tasks)
    yield (
        f"It took {m.makespan / m.critical_path:.1f} times the critical path "
        f"({duration(m.critical_path)}: {path})."
    )


def _repeated(record: Record) -> Counter[tuple[str, str]]:
    """Attempts that ended without success and were followed by another, by task and cause."""
    return Counter(
        (name, attempt.outcome)
        for name, task in record.board.history.tasks.items()
        for attempt in task.attempts[:-1]
    )


def _files(record: Record) -> Iterator[str]:
    m = record.metrics
    waits: dict[str, float] = {}
    holders: dict[str, dict[str, None]] = {}
    for wait in m.waits:
        waits[wait.task] = waits.get(wait.task, 0.0) + wait.seconds
        holders.setdefault(wait.task, {}).update(dict.fromkeys(wait.by))
    if waits:
        names = [
            f"{name} {duration(seconds)} for {listed(tuple(holders[name]), 3)}"
            for name, seconds in sorted(waits.items(), key=lambda item: -item[1])
        ]
        yield f"{count(len(waits), 'task')} waited for files: {listed(names, 5)}."
    if m.rebased:
        yield (
            f"{count(m.rebased, 'write was', 'writes were')} merged with what other tasks had "
            "changed in the same file."
        )
    if m.clashes:
        names = [f"{clash.task} ({one_line(clash.why, 80)})" for clash in m.clashes]
        yield (
            f"{count(m.conflicts, 'stale write was', 'stale writes were')} refused, and the agent "
            f"was told: {listed(names, 5)}."
        )
    if m.refused_scope:
        refused = count(m.refused_scope, "request was", "requests were")
        yield f"{refused} refused for files outside the task's scope."


# --- where, and what next -----------------------------------------------------------------------


def _places(record: Record) -> Iterator[str]:
    if record.tree is not None:
        yield f"Result: {place(record.tree)}"
    yield f"Log: {place(record.folder.path)}"


def _next(record: Record) -> Iterator[str]:
    name = run_name(record.folder.path)
    states = record.board.among(TaskState.FAILED, TaskState.CANCELLED)
    if record.status == "interrupted":
        yield f"Go on with: orchestrator resume {name}"
    elif record.status == "limit":
        yield f"Go on with a higher limit: orchestrator resume {name} {_raise(record)}"
    elif record.status == "failed" and states:
        yield f"Give them another chance with: orchestrator resume {name} --retry-failed"


def _raise(record: Record) -> str:
    """Return the option that doubles the limit that was reached."""
    higher = 2 * (record.board.limit or 0)
    name, of_role, role = record.why.partition(" of role ")
    role = role.partition(",")[0]  # when several roles have nothing left, one after the other
    value = f"{higher:g}s" if name == "wall" else f"{higher:.15g}"
    if of_role:
        return f"--limit roles.{role}.{name}={value}"
    if name in ("wall", "usd", "tokens"):
        return f"--{name} {value}"
    return f"--limit {name}={value}"
