"""Where the workers' time went: workers times makespan, without a rest.

The figures are those of `lab.timeidentity`. Here they get names for people, and the time of
attempts that were not accepted is one use, rework, whatever they did in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.lab.timeidentity import Stretch, time_identity
from orchestrator.ui.reporting.story import Story


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
_REWORK = {"lost": ("rework", "Attempts that were not accepted: undone or repeated.")}
_WAITS = {
    "files": ("waiting for files", "Running attempts waited for files that others held."),
    "acceptance": (
        "waiting to submit",
        "Finished attempts waited for tasks whose unfinished work they had read.",
    ),
    "merge": (
        "waiting to merge",
        "Finished attempts waited for their turn in the merge queue, or were merged.",
    ),
    "budget": ("waiting for budget", "Attempts waited for what others had reserved of a limit."),
    "provider": ("waiting for the provider", "Attempts waited for the model's provider."),
}
_IDLE = {
    "files": ("idle: files held", "A task was ready, but others held its files."),
    "dependencies": ("idle: dependencies", "Tasks were left, but all waited for others to end."),
    "start": (
        "idle: between tasks",
        "A task was ready, and its start was under way, or was kept back by a limit of its role.",
    ),
    "provider": (
        "idle: provider down",
        "A task was ready, and rested after a failure of the model's provider.",
    ),
    "approval": ("idle: approval", "Only tasks were left that waited for a person's approval."),
    "none": ("idle: nothing left", "All tasks that were left were running already."),
    "stopped": ("idle: stopped", "A limit of the run had been reached, so nothing was started."),
}
_NAMED = {"work": _WORK, "rework": _REWORK, "wait": _WAITS, "idle": _IDLE}


def uses(story: Story) -> list[Use]:
    """Return where the workers' time went; the sum is workers times makespan, unless more
    workers were at work at once than the run was started with (a resume may raise the limit)."""
    header = story.record.header
    found: dict[tuple[str, str], float] = defaultdict(float)
    for one in time_identity(header.tasks, header.workers, story.events).stretches:
        found[_place(one)] += one.seconds
    return [
        Use(name, kind, found[kind, key], meaning)
        for kind, words in _NAMED.items()
        for key, (name, meaning) in words.items()
    ]


def _place(one: Stretch) -> tuple[str, str]:
    """Return the kind of use and its key in `_NAMED`."""
    if one.phase is None:
        return "idle", one.cause
    if one.lost:
        return "rework", "lost"
    if one.cause in _WAITS:
        return "wait", one.cause
    return "work", one.phase


def total(found: Iterable[Use]) -> float:
    """Return the sum, in seconds."""
    return sum(use.seconds for use in found)
