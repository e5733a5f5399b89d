"""What a state holds about one task, and about one live attempt at it."""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.core.claims import Bounds
from orchestrator.core.handover import Ending
from orchestrator.core.messages import Lease, Phase
from orchestrator.core.states import TaskState
from orchestrator.core.task import Task


@dataclass(slots=True)
class TaskRecord:
    """Where one task stands.

    Attributes:
        order: place in the plan.
        missing: dependencies that have not let it go yet.
        attempt: number of the latest attempt, 0 before the first.
        failures: attempts that count against the limit.
        failed_by: attempts that have ended so and count on their own or make the task rest.
        token: token of the live lease; 0 when there is none.
        released: whether its dependents no longer wait for it.
        reason: why the last attempt ended, or why the task was skipped or cancelled.
        endings: how its attempts have ended, for the next one to learn from.
        ready_at: when it last became ready; waiting for files does not make it younger.
    """

    task: Task
    order: int
    missing: int
    state: TaskState = TaskState.WAITING
    attempt: int = 0
    failures: int = 0
    token: int = 0
    released: bool = False
    reason: str = ""
    endings: tuple[Ending, ...] = ()
    failed_by: dict[str, int] = field(default_factory=dict)
    ready_at: float = 0.0


@dataclass(slots=True)
class LiveAttempt:
    """An attempt whose lease has not ended.

    Attributes:
        reads: version number of each file that the attempt has read, as it knows it.
        stale: the part of `reads` that has changed since.
        written: files that it has written, to the number of its last write.
        deleted: files that it has deleted, though it may have made them anew.
        ends: when the lease ends unless it is renewed, in seconds since the run began.
        seen: messages delivered so far, per address.
        evidence: blob with what its last failed test run printed; "" if none failed.
    """

    lease: Lease
    bounds: Bounds
    started: float
    ends: float
    reads: dict[str, int] = field(default_factory=dict)
    stale: dict[str, int] = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    phase: Phase = "reason"
    turn: int = 0
    seen: dict[str, int] = field(default_factory=dict)
    evidence: str = ""
