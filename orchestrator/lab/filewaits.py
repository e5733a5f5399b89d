"""Who waited for files, for how long, and by whom they were held."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from orchestrator.core import events as e


@dataclass(frozen=True, slots=True)
class FileWait:
    """A task waited for files.

    Attributes:
        by: the tasks that held them.
        seconds: how long.
        running: whether it waited inside an attempt (for files asked for with ``widen_scope``)
            rather than before one.
        begin: when the wait began, in seconds since the run began.
    """

    task: str
    by: tuple[str, ...]
    seconds: float
    running: bool = False
    begin: float = field(default=0.0, compare=False)


@dataclass(slots=True)
class FileWaits:
    """Who waited for files, for how long, and by whom they were held.

    Attributes:
        found: the waits that have ended, in order of their end.
        inside: seconds that running attempts have waited.
    """

    found: list[FileWait] = field(default_factory=list)
    inside: float = 0.0
    _before: dict[str, tuple[float, tuple[str, ...], set[str]]] = field(default_factory=dict)
    _within: dict[str, tuple[float, tuple[str, ...]]] = field(default_factory=dict)

    def apply(self, event: e.Event) -> None:
        """Take in one event."""
        match event:
            case e.Blocked():
                since = self._before.get(event.task, (event.at,))[0]
                self._before[event.task] = (since, event.by, set(event.by))
            case e.WidenWaits():
                self._within[event.task] = (event.at, event.by)
            case e.Widened():
                self._end_within(event.task, event.at)
            case e.RequestRefused(request="widen"):
                self._end_within(event.task, event.at)
            case e.LeaseGranted():
                self._end_before(event.task, event.at)
            case e.Succeeded() | e.AttemptEnded() | e.Cancelled():
                self._end_within(event.task, event.at)
                self._end_before(event.task, event.at)
                self._free(event.task, event.at)
            case _:
                pass

    def blocked(self) -> Iterator[tuple[str, float]]:
        """Yield the tasks that wait before an attempt now, each with the time since when."""
        for task, (since, _, _) in self._before.items():
            yield task, since

    def _free(self, holder: str, at: float) -> None:
        """A waiting task may go on when the last of those it waits for has let go."""
        for task, (_, _, left) in tuple(self._before.items()):
            left.discard(holder)
            if not left:
                self._end_before(task, at)

    def _end_before(self, task: str, at: float) -> None:
        if task in self._before:
            since, by, _ = self._before.pop(task)
            self.found.append(FileWait(task, by, at - since, begin=since))

    def _end_within(self, task: str, at: float) -> None:
        if task in self._within:
            since, by = self._within.pop(task)
            self.inside += at - since
            self.found.append(FileWait(task, by, at - since, True, since))
