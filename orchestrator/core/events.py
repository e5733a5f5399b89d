"""The facts that the machine records, and their form in the event log.

The state of a run is the fold of its events and nothing else. An event is past tense and says
all that `State.apply` needs: folding never decides anything. Consequences that follow from the
graph alone (a dependent becomes ready because the last of its dependencies succeeded) are not
recorded again.

Every event has `at` (seconds since the run began), `task` and `attempt` ("" and 0 where there
is none); these are columns of the log. The other fields are the JSON body.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

import msgspec

from orchestrator.core.messages import Cause, Phase, Reads, RefusalKind, RunStatus, Spent
from orchestrator.core.task import Task
from orchestrator.errors import LogError

Row = tuple[float, str, str, int, str]
"""One event in the log: at, kind, task, attempt, body (JSON)."""


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


@dataclass(frozen=True, slots=True)
class Wrote:
    """An accepted write; `digest` None: deleted."""

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
    """A limit of the run was reached: nothing new starts."""

    at: float
    task: str
    attempt: int
    limit: str
    value: float


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
    """The run goes on in a new process."""

    at: float
    task: str
    attempt: int


Event = (
    LeaseGranted
    | Blocked
    | Renewed
    | Reported
    | Wrote
    | RequestRefused
    | Succeeded
    | AttemptEnded
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
    "wrote": Wrote,
    "refused": RequestRefused,
    "succeeded": Succeeded,
    "ended": AttemptEnded,
    "undone": Undone,
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

_COLUMNS = ("at", "task", "attempt")
_to_json = msgspec.json.Encoder().encode  # thirty times faster than json, on the hottest path


def _tasks_to_json(tasks: tuple[Task, ...]) -> list[dict[str, Any]]:
    return [task_to_json(task) for task in tasks]


def _reads_from_json(pairs: list[list[Any]]) -> Reads:
    return tuple((str(path), int(number)) for path, number in pairs)


_WRITE: Mapping[str, Callable[[Any], Any]] = {"tasks": _tasks_to_json}
_READ: Mapping[str, Callable[[Any], Any]] = {
    "spent": lambda value: Spent(**value),
    "tasks": lambda value: tuple(task_from_json(task) for task in value),
    "reads": _reads_from_json,
    "globs": tuple,
    "paths": tuple,
    "by": tuple,
    "before": tuple,
    "mixed": tuple,
}


@dataclass(frozen=True, slots=True)
class _Codec:
    """How the body of one kind of event is written: required fields, then those that differ
    from their default."""

    kind: str
    required: tuple[str, ...]
    optional: tuple[tuple[str, Any], ...]

    def body(self, event: Any) -> dict[str, Any]:
        body = {name: getattr(event, name) for name in self.required}
        for name, default in self.optional:
            value = getattr(event, name)
            if value != default:
                body[name] = value
        for name in body.keys() & _WRITE.keys():
            body[name] = _WRITE[name](body[name])
        return body


def _codec(kind: str, cls: type[Any]) -> _Codec:
    own = [field for field in fields(cls) if field.name not in _COLUMNS]
    return _Codec(
        kind,
        tuple(field.name for field in own if field.default is MISSING),
        tuple((field.name, field.default) for field in own if field.default is not MISSING),
    )


_CODECS: dict[type[Any], _Codec] = {cls: _codec(kind, cls) for kind, cls in KINDS.items()}


def encode(event: Event) -> Row:
    """Return the event as a row of the log."""
    codec = _CODECS[type(event)]
    try:
        body = _to_json(codec.body(event))
    except UnicodeEncodeError:  # half a surrogate pair, which a model or a file name can hold
        text = json.dumps(codec.body(event), default=asdict, ensure_ascii=False)
        body = text.encode(errors="replace")
    return event.at, codec.kind, event.task, event.attempt, body.decode()


def decode(at: float, kind: str, task: str, attempt: int, body: str) -> Event:
    """Return the event that a row of the log holds.

    Raises:
        LogError: a kind or a body that this version does not know.
    """
    try:
        values = msgspec.json.decode(body)
        for name in values.keys() & _READ.keys():
            values[name] = _READ[name](values[name])
        return KINDS[kind](at, task, attempt, **values)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise LogError(
            f"event of kind {kind!r} cannot be read",
            where=f"task {task or '-'}, {at:.3f} s",
            why=f"{type(error).__name__}: {error}",
            fix="read the log with the version that wrote it (see `orchestrator status`)",
        ) from None


_TASK_DEFAULTS = tuple((f.name, f.default) for f in fields(Task) if f.name != "id")


def task_to_json(task: Task) -> dict[str, Any]:
    """Return a task as JSON values, defaults left out."""
    found: dict[str, Any] = {"id": task.id}
    for name, default in _TASK_DEFAULTS:
        value = getattr(task, name)
        if value is not default and value != default:
            found[name] = list(value) if isinstance(value, tuple) else value
    return found


def task_from_json(values: Mapping[str, Any]) -> Task:
    """Return the task that `task_to_json` wrote."""
    given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return Task(**given)
