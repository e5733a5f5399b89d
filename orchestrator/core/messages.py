"""What workers, people and the clock ask, what they are answered, what is done outside.

Requests go into the machine; replies and effects come out of it. All of them are values that
travel between threads, so all of them are frozen. The facts that the machine records are in
`core.events`.

A request made under a lease carries the lease's token and the versions that the attempt has
read since its last request (`reads`, pairs of path and version number).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from orchestrator.core.files import Version
from orchestrator.core.limits import Limits
from orchestrator.core.task import Task

Reads = tuple[tuple[str, int], ...]
Phase = Literal["reason", "write", "test"]
RunStatus = Literal["running", "succeeded", "failed", "limit", "interrupted"]
Cause = Literal[
    "gave_up",
    "tests_failed",
    "error",
    "model_error",
    "worker_died",
    "lease_expired",
    "limit",
    "no_progress",
    "conflict",
    "cancelled",
    "interrupted",
]
RefusalKind = Literal["lease_ended", "scope", "stale", "state", "unknown", "cycle", "invalid"]


@dataclass(frozen=True, slots=True)
class Spent:
    """What one model turn cost: model tokens by kind, and US dollars (None: price unknown)."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    usd: float | None = 0.0

    @property
    def tokens(self) -> int:
        """All model tokens, input and output."""
        return self.input + self.output + self.cache_read + self.cache_write


# --- requests of a worker ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker asks for a task. Answered `Granted`, or `Stop` at the end of the run."""

    worker: str


@dataclass(frozen=True, slots=True)
class Renew:
    """The attempt is alive though it has nothing to say (a long command, a slow model)."""

    token: int


@dataclass(frozen=True, slots=True)
class Report:
    """Progress of an attempt, and the question whether a turn or a command may begin. Parked
    while others have reserved what the turn may spend, and may give some of it back.

    Attributes:
        phase: part of the step that begins now.
        turn: number of the turn that begins now, from 1; 0 for task functions.
        spent: what was spent since the last report.
        transcript: digest of the blob that holds the last turn and its results; "" if none.
        detail: one line for people, for example the tool that is being used.
        expects: what the turn that begins now may spend; reserved until the next report.
        commands: commands that begin now.
        waited: seconds waited for the model's provider since the last report.
        evidence: digest of the blob with what the last test run printed, if it failed.
    """

    token: int
    phase: Phase = "reason"
    turn: int = 0
    spent: Spent = Spent()
    reads: Reads = ()
    transcript: str = ""
    detail: str = ""
    expects: Spent = Spent()
    commands: int = 0
    waited: float = 0.0
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Write:
    """Make `digest` the content of `path`.

    Attributes:
        path: canonical workspace path.
        base: number of the version that the write is based on; 0: the file did not exist.
        digest: sha256 of the content, which is in the blob store already.
        rebased: whether the worker's runtime merged it onto a newer version.
    """

    token: int
    path: str
    base: int
    digest: str
    reads: Reads = ()
    rebased: bool = False


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove `path`; `base` as in `Write`."""

    token: int
    path: str
    base: int
    reads: Reads = ()


@dataclass(frozen=True, slots=True)
class Submit:
    """The task is done, with evidence. When accepted it is the worker's next claim as well.

    Parked while the attempt has read what a running attempt wrote: that one may yet be undone.

    Attributes:
        cut: version number up to which the tests saw the workspace.
        passed: whether the harness saw the task's test command succeed (True without one).
        evidence: digest of the blob with the test output; "" if none.
        summary: one or two sentences from the agent.
    """

    token: int
    cut: int = 0
    passed: bool = True
    evidence: str = ""
    summary: str = ""
    reads: Reads = ()


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The attempt ends without success. It is the worker's next claim as well."""

    token: int
    cause: Cause
    reason: str
    spent: Spent = Spent()


@dataclass(frozen=True, slots=True)
class Widen:
    """Ask for more files, within the role. May wait until others have ended."""

    token: int
    globs: tuple[str, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Send:
    """A message to ``task:ID``, ``role:NAME`` or ``all``."""

    token: int
    to: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Note:
    """A note that all agents can search."""

    token: int
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Split:
    """Add tasks while running. Waiting dependents of the asking task will wait for them too.
    Token 0: they are added from outside."""

    token: int
    tasks: tuple[Task, ...]


@dataclass(frozen=True, slots=True)
class Overstep:
    """Something was refused by the worker's runtime (a tool call, a merge): to be recorded."""

    token: int
    tool: str
    path: str
    why: str
    fix: str
    kind: RefusalKind = "scope"
    stale: tuple[StaleFile, ...] = ()


# --- requests of people, of the clock, of the coordinator ---------------------------------


@dataclass(frozen=True, slots=True)
class Approve:
    """A person lets a held task go."""

    task: str
    who: str = ""


@dataclass(frozen=True, slots=True)
class Reject:
    """A person turns a held task down: it is skipped."""

    task: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Retry:
    """Give a failed, skipped or cancelled task, and what was skipped for it, a new chance."""

    task: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop one task."""

    task: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed: leases end, limits bite."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A worker thread has died."""

    worker: str
    why: str


@dataclass(frozen=True, slots=True)
class Observe:
    """Somebody outside changed a file on disk; `digest` None: it was deleted."""

    path: str
    digest: str | None


@dataclass(frozen=True, slots=True)
class Undo:
    """The coordinator has taken an ended attempt's part out of a file that others edited too."""

    task: str
    attempt: int
    token: int
    path: str
    base: int
    digest: str | None


@dataclass(frozen=True, slots=True)
class Halt:
    """End the run now, resumable."""

    why: str


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on after a crash, an interrupt or a limit: end all leases of the dead process.

    Attributes:
        limits: in place of those that held so far; None: the same.
    """

    limits: Limits | None = None


Request = (
    Claim
    | Renew
    | Report
    | Write
    | Delete
    | Submit
    | GiveUp
    | Widen
    | Send
    | Note
    | Split
    | Overstep
    | Approve
    | Reject
    | Retry
    | Cancel
    | Tick
    | Lost
    | Observe
    | Undo
    | Halt
    | Resume
)


# --- replies ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a task for one attempt.

    Attributes:
        cut: version number of the workspace when the lease was granted.
        before: what earlier attempts tried and how they ended, for the next one to learn from;
            "" at the first.
        evidence: blob with what the last failed tests of earlier attempts printed; "" if none.
    """

    task: str
    attempt: int
    token: int
    worker: str
    cut: int
    before: str = ""
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Granted:
    """A task to work on."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class Stop:
    """There is nothing more to do."""

    status: RunStatus
    why: str = ""


@dataclass(frozen=True, slots=True)
class Mail:
    """A message as its receiver sees it."""

    sender: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Done:
    """Accepted.

    Attributes:
        number: version number that a write made; 0 for other requests.
        mail: messages that have come since the last report.
    """

    number: int = 0
    mail: tuple[Mail, ...] = ()


@dataclass(frozen=True, slots=True)
class StaleFile:
    """A file that has changed since the attempt read it.

    Attributes:
        yours: the version number that the attempt knows.
        current: the version now.
    """

    path: str
    yours: int
    current: Version


@dataclass(frozen=True, slots=True)
class Refused:
    """A no. It changes nothing.

    Attributes:
        why: what stands against it.
        fix: what to do next.
        stale: files that have changed, for kind ``stale``.
    """

    kind: RefusalKind
    why: str
    fix: str
    stale: tuple[StaleFile, ...] = ()


Reply = Granted | Stop | Done | Refused


# --- effects ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer a request that was parked."""

    worker: str
    reply: Reply


@dataclass(frozen=True, slots=True)
class Materialise:
    """Make the directory that users see hold this version.

    Attributes:
        digest: content wanted; None: no file.
        expected: content that should be there before; anything else came from outside.
    """

    path: str
    digest: str | None
    expected: str | None


@dataclass(frozen=True, slots=True)
class Unmerge:
    """Take an ended attempt's edits out of a file that others have edited since, then `Undo`."""

    task: str
    attempt: int
    token: int
    path: str


@dataclass(frozen=True, slots=True)
class EndLease:
    """Tell a worker that its lease has ended: it stops waiting and goes back to claim."""

    worker: str
    token: int


Effect = Answer | Materialise | Unmerge | EndLease
