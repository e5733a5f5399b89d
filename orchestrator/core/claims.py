"""Who holds which files, and who waits for whom.

A running task holds its whole effective write scope. `writes` are held exclusively; `shares`
are held together with other sharers, but not together with an exclusive holder. A ready task
whose files are not free is indexed under the tasks that block it and is woken by their end;
nothing is ever rescanned.

A blocked task that was passed over `PATIENCE` times *reserves* its files: from then on nobody
who came later may take them, so no task starves behind a stream of smaller ones. Reservations
that overlap are served in their order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.core.scope import Scope
from orchestrator.core.scopeindex import ScopeIndex

PATIENCE = 3
NOTHING = Scope(())


@dataclass(frozen=True, slots=True)
class Bounds:
    """Effective scopes of one task: what its role and the task itself both allow.

    Attributes:
        writes: held exclusively.
        shares: held together with other sharers.
        reads: may be read.
    """

    writes: Scope = NOTHING
    shares: Scope = NOTHING
    reads: Scope = NOTHING

    @property
    def claims_nothing(self) -> bool:
        """Whether there is nothing to hold."""
        return not (self.writes.globs or self.shares.globs)

    def may_write(self, path: str) -> bool:
        """Whether a write to this path is inside the effective scope."""
        return self.writes.matches(path) or self.shares.matches(path)


class Holdings:
    """Scopes by task, with exclusive and shared kinds kept apart."""

    __slots__ = ("_exclusive", "_shared", "_tasks")

    def __init__(self) -> None:
        self._exclusive, self._shared = ScopeIndex(), ScopeIndex()
        self._tasks: dict[str, Bounds] = {}

    def __contains__(self, task: str) -> bool:
        return task in self._tasks

    def __len__(self) -> int:
        return len(self._tasks)

    def items(self) -> Iterable[tuple[str, Bounds]]:
        """Tasks and what they hold."""
        return self._tasks.items()

    def add(self, task: str, bounds: Bounds) -> None:
        """Hold these scopes for a task, in place of what it held before."""
        self.remove(task)
        if bounds.claims_nothing:
            return
        self._tasks[task] = bounds
        if bounds.writes.globs:
            self._exclusive.add(task, bounds.writes)
        if bounds.shares.globs:
            self._shared.add(task, bounds.shares)

    def remove(self, task: str) -> None:
        """Let go of everything that a task holds."""
        bounds = self._tasks.pop(task, None)
        if bounds is None:
            return
        if bounds.writes.globs:
            self._exclusive.remove(task)
        if bounds.shares.globs:
            self._shared.remove(task)

    def against(self, task: str, bounds: Bounds) -> list[str]:
        """Return the other tasks whose holdings exclude these scopes, in order of arrival."""
        if not self._tasks or bounds.claims_nothing:
            return []
        found: dict[str, None] = {}
        if bounds.writes.globs:
            found.update(dict.fromkeys(self._exclusive.overlapping(bounds.writes)))
            found.update(dict.fromkeys(self._shared.overlapping(bounds.writes)))
        if bounds.shares.globs:
            found.update(dict.fromkeys(self._exclusive.overlapping(bounds.shares)))
        found.pop(task, None)
        return list(found)


class Claims:
    """Live claims, reservations, and the tasks that wait for them."""

    __slots__ = ("_blockers", "_passed", "_reservations", "_turns", "_waiters", "held", "reserved")

    def __init__(self) -> None:
        self.held = Holdings()
        self.reserved = Holdings()
        self._blockers: dict[str, dict[str, None]] = {}
        self._waiters: dict[str, dict[str, None]] = {}
        self._passed: dict[str, int] = {}
        self._turns: dict[str, int] = {}
        self._reservations = 0

    def against(self, task: str, bounds: Bounds) -> list[str]:
        """Return tasks that must end before this one may start; empty when its files are free.

        Of those that have reserved before it only the last is named: so a long queue for one
        file wakes one after the other, not all at every end.
        """
        holders = self.held.against(task, bounds)
        turn = self._turns.get(task, self._reservations)
        earlier = [t for t in self.reserved.against(task, bounds) if self._turns[t] < turn]
        return [*holders, *sorted(earlier, key=self._turns.__getitem__)[-1:]]

    def hold(self, task: str, bounds: Bounds) -> None:
        """A task starts: all its files at once."""
        self._waited(task)
        self.held.add(task, bounds)

    def block(self, task: str, bounds: Bounds, by: Iterable[str]) -> None:
        """A ready task found its files taken: it sleeps until all of `by` have ended."""
        self._blockers[task] = dict.fromkeys(by)
        for blocker in self._blockers[task]:
            self._waiters.setdefault(blocker, {})[task] = None
        self._passed[task] = self._passed.get(task, 0) + 1
        if self._passed[task] >= PATIENCE and task not in self.reserved:
            self.reserved.add(task, bounds)
            self._turns[task] = self._reservations
            self._reservations += 1

    def _waited(self, task: str) -> None:
        self.reserved.remove(task)
        self._turns.pop(task, None)
        self._passed.pop(task, None)

    def is_blocked(self, task: str) -> bool:
        """Whether the task sleeps until others have ended."""
        return task in self._blockers

    def blockers(self, task: str) -> tuple[str, ...]:
        """The tasks that this one still waits for."""
        return tuple(self._blockers.get(task, ()))

    def end(self, task: str) -> list[str]:
        """A task lets go of everything (it ended, or will not start). Return whom that wakes."""
        self.held.remove(task)
        self._waited(task)
        for blocker in self._blockers.pop(task, ()):
            self._waiters[blocker].pop(task, None)
        woken = []
        for waiter in self._waiters.pop(task, ()):
            blockers = self._blockers[waiter]
            blockers.pop(task, None)
            if not blockers:
                del self._blockers[waiter]
                woken.append(waiter)
        return woken

    def problems(self) -> list[str]:
        """Return what is wrong with the books; for `core.invariants`."""
        found = [
            f"{task} and {other} hold overlapping files"
            for task, bounds in self.held.items()
            for other in self.held.against(task, bounds)
        ]
        found += [
            f"{task} waits for {blocker}, which holds nothing it wants"
            for task, blockers in self._blockers.items()
            for blocker in blockers
            if blocker not in self.held and blocker not in self.reserved
        ]
        return found
