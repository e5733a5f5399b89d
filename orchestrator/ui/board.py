"""Where every task of a run stands, in the words of a screen: the fold that progress, `status`
and the final summary share.

`core.history` tells what happened; what follows from the graph (a task is ready, held, waits for
files) is worked out here, so that nothing has to ask the coordinator.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter

from orchestrator.core import events as e
from orchestrator.core.history import TaskHistory
from orchestrator.core.states import ENDED, TaskState
from orchestrator.lab.metrics import Meter, longest_path
from orchestrator.runtime.header import Header

_FOLDED = frozenset({TaskState.WAITING, TaskState.READY})


@dataclass(frozen=True, slots=True)
class Ahead:
    """What is left to do, by the plan's estimates, scaled by how they have held so far.

    Attributes:
        seconds: time that is needed at least, with as many workers as there are.
        path: the tasks that need it, longest remaining path first.
        measured: whether the estimates could be scaled, because a task has ended.
    """

    seconds: float
    path: tuple[str, ...]
    measured: bool


class Board:
    """The tasks of a run, as the events tell it.

    Args:
        header: what the run was started with.

    Attributes:
        meter: the same events, measured.
        history: what happened, per task and attempt.
        changed: number of events taken in.
        limit: the value of the limit that was reached last; None: none was.
    """

    def __init__(self, header: Header) -> None:
        self.header = header
        self.meter = Meter(header.tasks, header.workers)
        self.history = self.meter.history
        self.changed = 0
        self.limit: float | None = None
        self._failures: Counter[str] = Counter()
        self._allowed: dict[str, int] = {}
        self._approved: set[str] = set()
        self._states: dict[str, TaskState] | None = None
        self._ahead: tuple[int, Ahead] | None = None

    # --- taking in --------------------------------------------------------------------------------

    def apply(self, event: e.Event) -> None:
        """Take in one event."""
        if isinstance(event, e.Retried):
            self._retried(event.task)
        self.meter.apply(event)
        self.changed += 1
        self._states = None
        match event:
            case e.AttemptEnded():
                self._failures[event.task] += event.counts
            case e.LeaseGranted():
                self._approved.add(event.task)
                self._allowed[event.task] = event.attempt - 1 + self._attempts_left(event.task)
            case e.Approved():
                self._approved.add(event.task)
            case e.Resumed() if event.limits is not None:
                self.header = replace(self.header, limits=event.limits)
            case e.LimitReached():
                self.limit = event.value
            case _:
                pass

    def _attempts_left(self, task: str) -> int:
        limit = self.task(task).task.attempts or self.header.limits.attempts
        return max(1, limit - self._failures[task])

    def _retried(self, task: str) -> None:
        self._failures[task] = 0
        if self.task(task).state is not TaskState.FAILED:
            self._approved.discard(task)  # it waits for its turn as if it were new

    # --- questions --------------------------------------------------------------------------------

    def task(self, name: str) -> TaskHistory:
        """Return what is known of a task."""
        return self.history.tasks[name]

    @property
    def states(self) -> dict[str, TaskState]:
        """Where each task stands."""
        if self._states is None:
            self._states = {name: self._state(name) for name in self.history.tasks}
        return self._states

    def _state(self, name: str) -> TaskState:
        task = self.task(name)
        if task.state not in _FOLDED:
            return task.state
        if not all(self._lets_go(before) for before in self.meter.after[name]):
            return TaskState.WAITING
        if task.task.approval and name not in self._approved:
            return TaskState.HELD
        return TaskState.READY

    def _lets_go(self, name: str) -> bool:
        task = self.task(name)
        goes_on = task.state is TaskState.FAILED and task.task.on_failure == "continue"
        return goes_on or task.state is TaskState.SUCCEEDED

    def counts(self) -> Counter[TaskState]:
        """Return how many tasks stand where."""
        return Counter(self.states.values())

    def among(self, *wanted: TaskState) -> list[str]:
        """Return the tasks that are in one of these states, in plan order."""
        return [name for name, state in self.states.items() if state in wanted]

    def blocked(self) -> dict[str, tuple[str, ...]]:
        """Return the ready tasks that wait for files, with the tasks that still hold them."""
        found = {}
        for name in self.among(TaskState.READY):
            by = self.task(name).blocked_by
            holders = tuple(one for one in by if self.states.get(one) is TaskState.RUNNING)
            if holders:
                found[name] = holders
        return found

    def attempts_allowed(self, name: str) -> int:
        """Return the number of the last attempt that the task may come to, as it was when its
        latest attempt began. An attempt that was interrupted uses up none, so this may grow."""
        return self._allowed[name]

    def dependents(self, name: str) -> list[str]:
        """Return all tasks that wait for this one, directly or not, in plan order."""
        after = self.meter.after
        found = {name}
        for other in TopologicalSorter(after).static_order():
            if found.intersection(after[other]):
                found.add(other)
        return [other for other in self.history.tasks if other in found - {name}]

    def ahead(self) -> Ahead:
        """Return what is left to do, as it was after the newest event."""
        if self._ahead is None or self._ahead[0] != self.changed:
            self._ahead = (self.changed, self._look_ahead())
        return self._ahead[1]

    def _look_ahead(self) -> Ahead:
        scale = self._scale()
        left = {name: self._left(name, scale or 1.0) for name in self.history.tasks}
        open_ones = {name: seconds for name, seconds in left.items() if seconds}
        span, path = longest_path(self.meter.after, open_ones)
        needed = max(span, sum(left.values()) / self.header.workers)
        return Ahead(needed, path, scale is not None)

    def _left(self, name: str, scale: float) -> float:
        if self.states[name] in ENDED:
            return 0.0
        task = self.task(name)
        spent = 0.0
        if self.states[name] is TaskState.RUNNING and task.last:
            spent = self.history.now - task.last.started
        return max(0.0, task.task.estimate * scale - spent)

    def _scale(self) -> float | None:
        """How long tasks have taken, as a multiple of their estimates; None: none has ended."""
        taken = estimated = 0.0
        for task in self.history.tasks.values():
            if task.state is TaskState.SUCCEEDED and task.last and task.last.ended is not None:
                taken += task.last.ended - task.last.started
                estimated += task.task.estimate
        return taken / estimated if estimated else None
