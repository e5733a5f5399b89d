"""The facts that the machine records, and their form in the event log.

The state of a run is the fold of its events and nothing else. An event is past tense and says
all that `State.apply` needs: folding never decides anything. Consequences that follow from the
graph alone (a dependent becomes ready because the last of its dependencies succeeded) are not
recorded again.

Every event has `at` (seconds since the run began), `task` and `attempt` ("" and 0 where there
is none); these are columns of the log. The other fields are the JSON body (`core.encoding`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.core.limits import Limits
from orchestrator.core.messages import Cause, Phase, Reads, RefusalKind, RunStatus, Spent
from orchestrator.core.task import Task


@dataclass(frozen=True, slots=True)
class LeaseGranted:
    """A worker has the task."""

    at: float
    task: str
    attempt: int
    token: int
    worker: str


@dataclass(frozen=True, slots=True)
class Blocked:
    """A ready task found its files held by the tasks `by`."""

    at: float
    task: str
    attempt: int
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Renewed:
    """The attempt showed that it is alive."""

    at: float
    task: str
    attempt: int
    token: int


@dataclass(frozen=True, slots=True)
class Reported:
    """Progress of an attempt; see `messages.Report`."""

    at: float
    task: str
    attempt: int
    token: int
    phase: Phase
    turn: int
    spent: Spent = Spent()  # noqa: RUF009  (frozen)
    reads: Reads = ()
    transcript: str = ""
    detail: str = ""
    commands: int = 0
    waited: float = 0.0
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Reserved:
    """What the attempt's next turn is expected to spend was set aside for it."""

    at: float
    task: str
    attempt: int
    token: int
    expects: Spent


@dataclass(frozen=True, slots=True)
class BudgetWaits:
    """An attempt waits until others give back what they have reserved of the limit."""

    at: float
    task: str
    attempt: int
    token: int
    limit: str


@dataclass(frozen=True, slots=True)
class Wrote:
    """An accepted write; `digest` None: deleted.

    Attributes:
        base: number of the version that it was based on: the one before it, unless the mode
            lets the last writer win.
    """

    at: float
    task: str
    attempt: int
    token: int
    path: str
    number: int
    digest: str | None
    base: int
    reads: Reads = ()
    rebased: bool = False


@dataclass(frozen=True, slots=True)
class RequestRefused:
    """A request was refused: nothing changed, but whoever studies the run wants to know.

    Attributes:
        request: what was asked, or the tool that was used.
        paths: files that had changed, for a stale request.
        path: the file that was to be written; "" for other requests.
    """

    at: float
    task: str
    attempt: int
    token: int
    request: str
    refusal: RefusalKind
    why: str
    paths: tuple[str, ...] = ()
    path: str = ""


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The attempt's work was accepted with evidence."""

    at: float
    task: str
    attempt: int
    token: int
    cut: int = 0
    evidence: str = ""
    summary: str = ""
    reads: Reads = ()


@dataclass(frozen=True, slots=True)
class AttemptEnded:
    """An attempt ended without success.

    Attributes:
        then: where the task stands now: ready, failed or cancelled.
        counts: whether it used up one of the task's attempts.
        spent: what was spent since the last report.
        mixed: files that it wrote and others have edited since; its part is still to be taken
            out of them, which an `Undone` says.
        rests: when the task may be tried again, in seconds since the run began; 0: at once.
    """

    at: float
    task: str
    attempt: int
    token: int
    cause: Cause
    reason: str
    then: str
    counts: bool
    spent: Spent = Spent()  # noqa: RUF009  (frozen)
    mixed: tuple[str, ...] = ()
    rests: float = 0.0


@dataclass(frozen=True, slots=True)
class SpentLate:
    """What an attempt had spent when it had ended already; nothing else of it counts."""

    at: float
    task: str
    attempt: int
    token: int
    spent: Spent


@dataclass(frozen=True, slots=True)
class Rested:
    """The task may be tried again."""

    at: float
    task: str
    attempt: int


@dataclass(frozen=True, slots=True)
class SubmitWaits:
    """A submission waits: the attempt has read what the running tasks `by` wrote."""

    at: float
    task: str
    attempt: int
    token: int
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Undone:
    """A write of an ended attempt was taken back; the file has its earlier content again."""

    at: float
    task: str
    attempt: int
    path: str
    number: int
    digest: str | None
    token: int = 0


@dataclass(frozen=True, slots=True)
class Remained:
    """Nothing is to be taken out of a file that an ended attempt wrote and others edited: its part
    is gone already, or cannot be told from what was built on it."""

    at: float
    task: str
    attempt: int
    path: str
    token: int


@dataclass(frozen=True, slots=True)
class ChangedOutside:
    """Somebody else changed a file on disk."""

    at: float
    task: str
    attempt: int
    path: str
    number: int
    digest: str | None


@dataclass(frozen=True, slots=True)
class Skipped:
    """The task will not run: a dependency did not succeed, or a person rejected it."""

    at: float
    task: str
    attempt: int
    because: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A task that was not running was cancelled."""

    at: float
    task: str
    attempt: int
    why: str


@dataclass(frozen=True, slots=True)
class Approved:
    """A person let a held task go."""

    at: float
    task: str
    attempt: int
    who: str


@dataclass(frozen=True, slots=True)
class Retried:
    """A task that had ended without success was given a new chance."""

    at: float
    task: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Added:
    """Tasks were added while running; `before` names existing tasks that wait for them too."""

    at: float
    task: str
    attempt: int
    tasks: tuple[Task, ...]
    before: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Widened:
    """An attempt holds further files."""

    at: float
    task: str
    attempt: int
    token: int
    globs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WidenWaits:
    """An attempt waits for files that the tasks `by` hold."""

    at: float
    task: str
    attempt: int
    token: int
    globs: tuple[str, ...]
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sent:
    """A message between agents."""

    at: float
    task: str
    attempt: int
    token: int
    to: str
    message: str
    text: str


@dataclass(frozen=True, slots=True)
class Noted:
    """A note that all agents can search."""

    at: float
    task: str
    attempt: int
    token: int
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class LimitReached:
    """A limit was reached: of the run, and nothing new starts; or of a role, and no task of that
    role does."""

    at: float
    task: str
    attempt: int
    limit: str
    value: float
    role: str = ""


@dataclass(frozen=True, slots=True)
class Finished:
    """The run has ended."""

    at: float
    task: str
    attempt: int
    status: RunStatus
    why: str = ""


@dataclass(frozen=True, slots=True)
class Resumed:
    """The run goes on in a new process; `limits` None: under the limits that it had."""

    at: float
    task: str
    attempt: int
    limits: Limits | None = None


Event = (
    LeaseGranted
    | Blocked
    | Renewed
    | Reported
    | Reserved
    | BudgetWaits
    | Wrote
    | RequestRefused
    | Succeeded
    | SubmitWaits
    | AttemptEnded
    | SpentLate
    | Rested
    | Remained
    | Undone
    | ChangedOutside
    | Skipped
    | Cancelled
    | Approved
    | Retried
    | Added
    | Widened
    | WidenWaits
    | Sent
    | Noted
    | LimitReached
    | Finished
    | Resumed
)

KINDS: Mapping[str, type[Event]] = {
    "granted": LeaseGranted,
    "blocked": Blocked,
    "renewed": Renewed,
    "reported": Reported,
    "reserved": Reserved,
    "budget_waits": BudgetWaits,
    "wrote": Wrote,
    "refused": RequestRefused,
    "succeeded": Succeeded,
    "submit_waits": SubmitWaits,
    "ended": AttemptEnded,
    "spent_late": SpentLate,
    "rested": Rested,
    "undone": Undone,
    "remained": Remained,
    "outside": ChangedOutside,
    "skipped": Skipped,
    "cancelled": Cancelled,
    "approved": Approved,
    "retried": Retried,
    "added": Added,
    "widened": Widened,
    "widen_waits": WidenWaits,
    "sent": Sent,
    "noted": Noted,
    "limit": LimitReached,
    "finished": Finished,
    "resumed": Resumed,
}
