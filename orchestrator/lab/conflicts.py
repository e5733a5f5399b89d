"""Conflicts of a run, by kind: merges that conflicted, merges that were red, refusals, scopes.

*Textual*: git could not merge the two (mode worktree). *Semantic*: the tests passed on either side
and fail on the two together: a clean merge whose tests fail, or, in every mode, a task that was
accepted with passing tests which fail at the end (`lab.endtests` runs them).

A *false refusal* is a write refused because of a change that did not concern it: the lines that it
touched, and those that it was made from, meet none that had changed. With ``validate: region`` the
run itself looks for that after every refusal, and the log shows what it found: it merges the write
or confirms the reads, and asks again before the agent hears of it. With ``validate: file`` it does
not look, and the log lacks what would be needed to look afterwards: of a refused write, the base,
the digest of its content, and the lines that had been read. The rate is then unknown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from orchestrator.core import events as e
from orchestrator.core.scope import Scope
from orchestrator.lab.metrics import StaleRefusals

_WRITES = frozenset({"write", "delete", "write_file", "edit_file", "delete_file"})
_UNRESOLVED = "conflict markers are left"  # why a merge was not tried, see `runtime.worktree`


@dataclass(frozen=True, slots=True)
class Conflicts:
    """Conflicts of one run.

    Attributes:
        merge_conflicts: merges that git could not make.
        red_merges: merges whose tests failed though those of either side passed.
        unresolved: merges that were not tried: conflict markers were left.
        accepted_writes: writes that were accepted.
        stale_writes: writes that were refused as stale, by whole files.
        told_writes: those of them that reached whoever wrote.
        refused_scope: writes refused because they left the task's files.
        outside_writes: accepted writes of files that are not the task's, where scopes are an
            instruction and no more; None: the scopes are not known.
    """

    merge_conflicts: int
    red_merges: int
    unresolved: int
    accepted_writes: int
    stale_writes: int
    told_writes: int
    refused_scope: int
    outside_writes: int | None

    @property
    def refused_write_rate(self) -> float | None:
        """Writes refused, as stale or by scope, among all that were asked for; None: none was."""
        refused = self.stale_writes + self.refused_scope
        asked = self.accepted_writes + refused
        return refused / asked if asked else None

    @property
    def scope_violation_rate(self) -> float | None:
        """Writes that left the task's files, refused or not, among all that were asked for; None:
        there were none, or the scopes are not known."""
        if self.outside_writes is None:
            return None
        asked = self.accepted_writes + self.stale_writes + self.refused_scope
        return (self.refused_scope + self.outside_writes) / asked if asked else None

    @property
    def false_refusal_rate(self) -> float | None:
        """Stale refusals that lines show to be false, among all; None: there were none. Holds
        only where refusals are judged by region."""
        if not self.stale_writes:
            return None
        return (self.stale_writes - self.told_writes) / self.stale_writes


def conflicts_of(
    events: Iterable[e.Event], may_write: Callable[[str, str], bool] | None
) -> Conflicts:
    """Count the conflicts of a run.

    Args:
        events: what was recorded, in order.
        may_write: whether a task may write a path; None: it is not known.
    """
    stale, widened = StaleRefusals(), dict[tuple[str, int], list[Scope]]()
    count = Counter[str]()
    for event in events:
        key = (event.task, event.attempt)
        if not (isinstance(event, e.RequestRefused) and event.request == "merge"):
            count["told"] += len(stale.apply(event))
        match event:
            case e.RequestRefused(request="merge"):
                count[_merge(event)] += 1
            case e.RequestRefused() if event.request in _WRITES:
                count[event.refusal] += 1
            case e.Widened():
                widened.setdefault(key, []).append(Scope(event.globs))
            case e.Wrote():
                count["accepted"] += 1
                wider = any(scope.matches(event.path) for scope in widened.get(key, ()))
                if may_write is not None and not wider:
                    count["outside"] += not may_write(event.task, event.path)
            case _:
                pass
    return Conflicts(
        merge_conflicts=count["conflict"],
        red_merges=count["red"],
        unresolved=count["unresolved"],
        accepted_writes=count["accepted"],
        stale_writes=count["stale"],
        told_writes=count["told"],
        refused_scope=count["scope"],
        outside_writes=None if may_write is None else count["outside"],
    )


def _merge(refused: e.RequestRefused) -> str:
    if refused.refusal == "stale":
        return "conflict"
    return "unresolved" if refused.why.startswith(_UNRESOLVED) else "red"
