"""What happened, per task and attempt: the reading of a log that reports and progress share.

The machine's own state keeps only what it needs to decide. This fold keeps what people ask
about afterwards: when each attempt began and ended, on which worker, what it spent and wrote,
and what it waited for.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.core import events as e
from orchestrator.core.messages import Phase, RunStatus, Spent
from orchestrator.core.states import TaskState
from orchestrator.core.task import Task


@dataclass(slots=True)
class AttemptHistory:
    """One attempt. Times in seconds since the run began.

    Attributes:
        outcome: "running", "succeeded", or the cause of its end.
        evidence: digest of the blob with the output of the tests that were accepted.
    """

    number: int
    worker: str
    started: float
    ended: float | None = None
    outcome: str = "running"
    reason: str = ""
    phase: Phase = "reason"
    turn: int = 0
    detail: str = ""
    evidence: str = ""
    transcripts: list[str] = field(default_factory=list)
    files: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True)
class TaskHistory:
    """One task.

    Attributes:
        blocked_by: tasks whose files it waits for, when it last tried to start.
        input: model tokens put in, cached ones included.
        output: model tokens that came out.
        usd: dollars; None: some price is unknown.
        files: files that its accepted attempt wrote.
    """

    task: Task
    state: TaskState = TaskState.WAITING
    reason: str = ""
    blocked_by: tuple[str, ...] = ()
    input: int = 0
    output: int = 0
    usd: float | None = 0.0
    attempts: list[AttemptHistory] = field(default_factory=list)

    @property
    def last(self) -> AttemptHistory | None:
        """The latest attempt."""
        return self.attempts[-1] if self.attempts else None

    @property
    def files(self) -> tuple[str, ...]:
        """Files that the accepted attempt wrote."""
        last = self.last
        return tuple(last.files) if last and last.outcome == "succeeded" else ()

    @property
    def turns(self) -> int:
        """Model turns over all attempts."""
        return sum(attempt.turn for attempt in self.attempts)


class History:
    """All tasks of a run, as the events tell it.

    Args:
        tasks: the plan's tasks, in plan order.
    """

    def __init__(self, tasks: tuple[Task, ...]) -> None:
        self.tasks = {task.id: TaskHistory(task) for task in tasks}
        self.status: RunStatus = "running"
        self.why = ""
        self.now = 0.0
        self.first: float | None = None
        self.refused_stale = 0
        self.refused_scope = 0

    def apply(self, event: e.Event) -> None:
        """Take in one event."""
        self.now = max(self.now, event.at)
        match event:
            case e.LeaseGranted():
                self._granted(event)
            case e.Reported():
                self._reported(event)
            case e.SpentLate():
                self._spend(event.task, event.spent)
            case e.Wrote():
                self._attempt(event.task).files[event.path] = None
            case e.Succeeded() | e.AttemptEnded():
                self._ended(event)
            case e.Blocked():
                self.tasks[event.task].blocked_by = event.by
            case e.Skipped():
                self._settle(event.task, TaskState.SKIPPED, event.because)
            case e.Cancelled():
                self._settle(event.task, TaskState.CANCELLED, event.why)
            case e.Retried() | e.Approved():
                self._settle(event.task, TaskState.WAITING, "")
            case e.Added():
                self.tasks.update({task.id: TaskHistory(task) for task in event.tasks})
            case e.RequestRefused():
                self.refused_stale += event.refusal == "stale" and event.request != "submit"
                self.refused_scope += event.refusal == "scope"
            case e.Finished():
                self.status, self.why = event.status, event.why
            case e.Resumed():
                self.status, self.why = "running", ""
            case _:
                pass

    def _attempt(self, task: str) -> AttemptHistory:
        return self.tasks[task].attempts[-1]

    def _settle(self, task: str, state: TaskState, reason: str) -> None:
        self.tasks[task].state, self.tasks[task].reason = state, reason

    def _granted(self, event: e.LeaseGranted) -> None:
        if self.first is None:
            self.first = event.at
        history = self.tasks[event.task]
        history.attempts.append(AttemptHistory(event.attempt, event.worker, event.at))
        history.state, history.blocked_by = TaskState.RUNNING, ()

    def _reported(self, event: e.Reported) -> None:
        attempt = self._attempt(event.task)
        attempt.phase, attempt.detail = event.phase, event.detail
        attempt.turn = max(attempt.turn, event.turn)
        if event.transcript:
            attempt.transcripts.append(event.transcript)
        self._spend(event.task, event.spent)

    def _spend(self, task: str, spent: Spent) -> None:
        history = self.tasks[task]
        history.input += spent.input + spent.cache_read + spent.cache_write
        history.output += spent.output
        if history.usd is not None:
            history.usd = None if spent.usd is None else history.usd + spent.usd

    def _ended(self, event: e.Succeeded | e.AttemptEnded) -> None:
        attempt, history = self._attempt(event.task), self.tasks[event.task]
        attempt.ended = event.at
        if isinstance(event, e.Succeeded):
            attempt.outcome, attempt.evidence = "succeeded", event.evidence
            history.state, history.reason = TaskState.SUCCEEDED, ""
        else:
            attempt.outcome, attempt.reason = event.cause, event.reason
            history.state, history.reason = TaskState(event.then), event.reason
            self._spend(event.task, event.spent)
