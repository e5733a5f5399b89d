"""Where the workers' time went: workers times makespan, without a rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from orchestrator.core.states import TaskState
from orchestrator.ui.reporting.story import Attempt, Story


@dataclass(frozen=True, slots=True)
class Use:
    """One use of the workers' time.

    Attributes:
        kind: short name for styles: work, rework, wait or idle.
        seconds: of all workers together.
        meaning: one sentence.
    """

    name: str
    kind: str
    seconds: float
    meaning: str


_WORK = {
    "reason": ("reasoning", "Accepted attempts waited for the model's next turn."),
    "write": ("writing", "Accepted attempts carried out tool calls: reads, writes, commands."),
    "test": ("testing", "Accepted attempts ran their tests."),
}
_WAITS = {
    "files": ("waiting for files", "Running attempts waited for files that others held."),
    "submit": (
        "waiting to submit",
        "Finished attempts waited for tasks whose unfinished work they had read.",
    ),
    "budget": ("waiting for budget", "Attempts waited for what others had reserved of a limit."),
    "provider": ("waiting for the provider", "Attempts waited for the model's provider."),
}
_IDLE = {
    "files": ("idle: files held", "A task was ready, but others held its files."),
    "dependencies": ("idle: dependencies", "Tasks were left, but all waited for others to end."),
    "ready": (
        "idle: between tasks",
        "A task was ready, and its start was under way, rested after a failure of the provider, "
        "or was kept back by a limit.",
    ),
    "approval": ("idle: approval", "Only tasks were left that waited for a person's approval."),
    "nothing": ("idle: nothing left", "All tasks that were left were running already."),
}


def uses(story: Story) -> list[Use]:
    """Return where the workers' time went; the sum is workers times makespan, unless more
    workers were at work at once than the run was started with (a resume may raise the limit)."""
    end = _last_end(story)
    work = dict.fromkeys(_WORK, 0.0)
    waits = dict.fromkeys(_WAITS, 0.0)
    rework = 0.0
    for attempt in story.attempts:
        if not attempt.accepted and attempt.outcome != "running":
            rework += attempt.seconds
            continue
        for kind, begin, until in _parts(attempt):
            (waits if kind in waits else work)[kind] += until - begin
    idle = _idle(story, end)
    found = [Use(*_named(_WORK[kind], "work", seconds)) for kind, seconds in work.items()]
    found.append(
        Use("rework", "rework", rework, "Attempts that were not accepted: undone or repeated.")
    )
    found += [Use(*_named(_WAITS[kind], "wait", seconds)) for kind, seconds in waits.items()]
    found += [Use(*_named(_IDLE[kind], "idle", seconds)) for kind, seconds in idle.items()]
    return found


def _named(words: tuple[str, str], kind: str, seconds: float) -> tuple[str, str, float, str]:
    return words[0], kind, seconds, words[1]


def _parts(attempt: Attempt) -> Iterator[tuple[str, float, float]]:
    """Yield an attempt cut into waits and, for the rest, phases; no moment counts twice."""
    cuts = sorted(
        {s.begin for s in attempt.spans}
        | {s.end for s in attempt.spans}
        | {w.begin for w in attempt.waits}
        | {w.end for w in attempt.waits}
    )
    for begin, end in pairwise(cuts):
        middle = (begin + end) / 2
        wait = next((w for w in attempt.waits if w.begin <= middle < w.end), None)
        span = next((s for s in attempt.spans if s.begin <= middle < s.end), None)
        if wait is not None:
            yield wait.kind, begin, end
        elif span is not None:
            yield span.phase, begin, end


def _last_end(story: Story) -> float:
    return max((attempt.end for attempt in story.attempts), default=story.begin)


_Sweep = list[tuple[float, str, int]]


def _idle(story: Story, end: float) -> dict[str, float]:
    """Return how long workers were idle, by what kept the tasks that were left."""
    count = dict.fromkeys(("running", "blocked", "ready", "waiting", "held"), 0)
    found = dict.fromkeys(_IDLE, 0.0)
    moves = sorted((at, name, step) for at, name, step in _moves(story, end) if at <= end)
    now = 0.0
    for at, name, step in moves:
        seconds = at - max(now, story.begin)
        if seconds > 0:
            free = max(0, story.record.header.workers - count["running"])
            for cause, workers in _causes(count, free):
                found[cause] += workers * seconds
        now = at
        count[name] += step
    return found


def _causes(count: dict[str, int], free: int) -> Iterator[tuple[str, int]]:
    blocked = min(free, count["blocked"])
    ready = min(free - blocked, max(0, count["ready"] - count["blocked"]))
    rest = free - blocked - ready
    yield "files", blocked
    yield "ready", ready
    if count["waiting"]:
        yield "dependencies", rest
    elif count["held"]:
        yield "approval", rest
    else:
        yield "nothing", rest


def _moves(story: Story, end: float) -> _Sweep:
    moves: _Sweep = [(end, "ready", 0)]
    for attempt in story.attempts:
        moves += [(attempt.begin, "running", 1), (attempt.end, "running", -1)]
    for blocking in story.blockings:
        moves += [(blocking.begin, "blocked", 1), (blocking.end, "blocked", -1)]
    for states in story.states.values():
        for number, (at, state) in enumerate(states):
            name = _COUNTED.get(state)
            until = states[number + 1][0] if number + 1 < len(states) else end
            if name is not None:
                moves += [(at, name, 1), (until, name, -1)]
    return moves


_COUNTED = {
    TaskState.READY: "ready",
    TaskState.WAITING: "waiting",
    TaskState.HELD: "held",
}


def total(found: Iterable[Use]) -> float:
    """Return the sum, in seconds."""
    return sum(use.seconds for use in found)
