"""When each task came into which state.

The same rule as `ui.board`, kept up event by event: a board works out all states anew whenever
it is asked, which is right for a screen and too slow for every event of a long log.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from orchestrator.core import events as e
from orchestrator.core.history import History
from orchestrator.core.states import TaskState
from orchestrator.core.task import Task

_SETTLED = (
    e.LeaseGranted,
    e.Succeeded,
    e.AttemptEnded,
    e.Skipped,
    e.Cancelled,
    e.Approved,
    e.Retried,
    e.Added,
)  # fmt: skip


class StateLine:
    """The states of all tasks over time.

    Args:
        tasks: the plan's tasks.

    Attributes:
        changes: task to its states, each with when it came into it; the first is the state
            before the run began, at time 0.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.changes: dict[str, list[tuple[float, TaskState]]] = {}
        self._history = History(tuple(tasks))
        self._after: dict[str, dict[str, None]] = {}
        self._before: dict[str, list[str]] = {}
        self._approved: set[str] = set()
        self._add(tasks, 0.0)

    def apply(self, event: e.Event) -> None:
        """Take in one event."""
        if isinstance(event, e.Retried):
            # What failed once had been let go; anything else waits for its turn as if new.
            if self._history.tasks[event.task].state is not TaskState.FAILED:
                self._approved.discard(event.task)
        elif isinstance(event, e.LeaseGranted | e.Approved):
            self._approved.add(event.task)
        if not isinstance(event, _SETTLED):
            return
        self._history.apply(event)
        if isinstance(event, e.Added):
            self._add(event.tasks, event.at, event.before)
        else:
            self._note((event.task, *self._before.get(event.task, ())), event.at)

    def _add(self, tasks: Sequence[Task], at: float, before: Iterable[str] = ()) -> None:
        for task in tasks:
            self._after[task.id] = {}
            for other in task.depends_on:
                self._link(task.id, other)
        for name in before:
            for task in tasks:
                self._link(name, task.id)
        self._note([*(task.id for task in tasks), *before], at)

    def _link(self, task: str, needs: str) -> None:
        self._after[task][needs] = None
        self._before.setdefault(needs, []).append(task)

    def _note(self, names: Iterable[str], at: float) -> None:
        for name in names:
            state, known = self._state(name), self.changes.setdefault(name, [])
            if not known or known[-1][1] is not state:
                known.append((at, state))

    def _state(self, name: str) -> TaskState:
        task = self._history.tasks[name]
        if task.state not in (TaskState.WAITING, TaskState.READY):
            return task.state
        if not all(self._lets_go(other) for other in self._after[name]):
            return TaskState.WAITING
        held = task.task.approval and name not in self._approved
        return TaskState.HELD if held else TaskState.READY

    def _lets_go(self, name: str) -> bool:
        task = self._history.tasks[name]
        goes_on = task.state is TaskState.FAILED and task.task.on_failure == "continue"
        return goes_on or task.state is TaskState.SUCCEEDED
