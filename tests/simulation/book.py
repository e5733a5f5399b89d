"""A plain reading of the events, by which the machine is judged.

It keeps its own books with the simplest means (dicts, and sets of files as numbers) and shares no
code with `core.state`, `core.claims` or `core.files`. Whatever an event says that cannot be, or a
reply that no event bears out, raises `Broken`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from simulation.plans import BIT, Mask, World, mask, paths_of, reach

from orchestrator.core import events as e
from orchestrator.core import messages as m
from orchestrator.core.claims import PATIENCE
from orchestrator.core.task import Task

OPEN, RUNNING, SUCCEEDED, FAILED, SKIPPED, CANCELLED = (
    "open", "running", "succeeded", "failed", "skipped", "cancelled"
)  # fmt: skip


class Broken(Exception):
    """Something that must never be.

    Attributes:
        code: stable short name of the rule.
        what: what happened, in one sentence.
    """

    def __init__(self, code: str, what: str) -> None:
        super().__init__(f"{code}: {what}")
        self.code, self.what = code, what


@dataclass(slots=True)
class Attempt:
    """An attempt as the events tell it; `alone` and `together` are what it holds, as files."""

    task: str
    number: int
    token: int
    worker: str
    begun: float
    last: float
    alone: Mask
    together: Mask
    reads: dict[str, int] = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    ended: str = ""


class Book:
    """What the events say.

    Args:
        world: what the run started from.

    Attributes:
        attempts: by token, ended ones included.
        live: by token, those that have not ended.
        files: path to (version number, content, token of the writer).
        state: where each task stands.
        brought: marks that somebody outside put (back) into a file.
    """

    def __init__(self, world: World) -> None:
        self.rules = world.rules
        self.tasks: dict[str, Task] = {task.id: task for task in world.tasks}
        self.needs = {task.id: set(task.depends_on) for task in world.tasks}
        self.state = dict.fromkeys(self.tasks, OPEN)
        self.let_go: set[str] = set()
        self.approved: set[str] = set()
        self.numbers: dict[str, int] = {}
        self.counted: dict[tuple[str, str], int] = {}
        self.attempts: dict[int, Attempt] = {}
        self.live: dict[int, Attempt] = {}
        self.newest = 0
        self.files = {path: (1, content, 0) for path, content in world.files.items()}
        self.cut = 1
        self.limit = ""
        self.exhausted: set[str] = set()
        self.status: m.RunStatus = "running"
        self.passed: dict[str, int] = {}
        self.turns: dict[str, int] = {}
        self.reservations = 0
        self.resting: dict[str, float] = {}
        self.brought: set[str] = set()
        self.tokens = 0
        self.reserved: dict[int, int] = {}

    def read(self, events: Sequence[e.Event]) -> None:
        """Take in events, in order.

        Raises:
            Broken: an event could not have happened.
        """
        for event in events:
            token = getattr(event, "token", 0)
            if token:
                self._shown(event, token)
            handler = _READ.get(type(event))
            if handler:
                handler(self, event)

    def _shown(self, event: e.Event, token: int) -> None:
        """An event carries a token: the token's attempt must be the one that it names."""
        if type(event) is e.LeaseGranted:
            return
        attempt = self.attempts.get(token)
        if attempt is None:
            raise Broken("unknown-token", f"{event} shows a token that was never granted")
        if (attempt.task, attempt.number) != (event.task, event.attempt):
            raise Broken("wrong-token", f"{event} shows the token of {attempt.task}")
        if type(event) in (e.Undone, e.Remained, e.SpentLate):
            if attempt.ended in ("", SUCCEEDED):
                raise Broken("early", f"{event} is only for attempts that have ended in vain")
        elif attempt.ended:
            raise Broken("zombie", f"{event} after the attempt had {attempt.ended}")
        attempt.last = event.at

    # --- attempts ---------------------------------------------------------------------------

    def _granted(self, event: e.LeaseGranted) -> None:
        name, task = event.task, self.tasks[event.task]
        if event.token <= self.newest:
            raise Broken("token", f"{event} follows token {self.newest}")
        if self.state[name] != OPEN:
            raise Broken("run-again", f"{name} was granted, but it is {self.state[name]}")
        if event.attempt != self.numbers.get(name, 0) + 1:
            raise Broken("attempt-number", f"{event} follows number {self.numbers.get(name, 0)}")
        if missing := self.needs[name] - self.let_go:
            raise Broken("too-early", f"{name} was granted before {sorted(missing)} had ended well")
        if task.approval and name not in self.approved:
            raise Broken("not-approved", f"{name} was granted without a person's word")
        if self.limit or task.role in self.exhausted or self.status != "running":
            raise Broken("after-limit", f"{name} was granted after the limit or the end")
        if self.resting.pop(name, 0.0) > event.at:
            raise Broken("no-rest", f"{name} was granted while it rests")
        self._spent_attempts(task, name)
        if self.rules.limits.total_attempts == len(self.attempts):
            raise Broken(
                "attempts", f"{name} starts after {len(self.attempts)} attempts of the run"
            )
        attempt = Attempt(
            name, event.attempt, event.token, event.worker, event.at, event.at,
            mask(task.writes) & reach(task.role), mask(task.shares) & reach(task.role),
        )  # fmt: skip
        if self.rules.exclusive:
            self._meets(attempt)
            self._overtakes(attempt)
        self.newest, self.numbers[name], self.state[name] = event.token, event.attempt, RUNNING
        self.attempts[event.token] = self.live[event.token] = attempt
        self.passed.pop(name, None)
        self.turns.pop(name, None)

    def _spent_attempts(self, task: Task, name: str) -> None:
        limits = self.rules.limits
        for (of, cause), count in self.counted.items():
            most = limits.attempts_by.get(cause) if cause else task.attempts or limits.attempts
            if of == name and most is not None and count >= most:
                raise Broken("attempts", f"{name} starts again after {count} of {most} failures")

    def _meets(self, one: Attempt) -> None:
        """Nobody else may hold a file that this attempt holds, unless both share it."""
        for other in self.live.values():
            if other is one:
                continue
            both = one.alone & (other.alone | other.together) | one.together & other.alone
            if both:
                raise Broken("overlap", f"{one.task} and {other.task} hold {paths_of(both)}")

    def _overtakes(self, one: Attempt) -> None:
        """A task that was passed over too often has first call on its files."""
        turn = self.turns.get(one.task, self.reservations)
        for name, earlier in self.turns.items():
            if name == one.task or earlier >= turn:
                continue
            task = self.tasks[name]
            alone, together = (
                mask(globs) & reach(task.role) for globs in (task.writes, task.shares)
            )
            both = one.alone & (alone | together) | one.together & alone
            if both:
                raise Broken("starves", f"{one.task} takes {paths_of(both)} before {name}")

    def _blocked(self, event: e.Blocked) -> None:
        name = event.task
        self.passed[name] = self.passed.get(name, 0) + 1
        if self.passed[name] == PATIENCE:
            self.turns[name] = self.reservations
            self.reservations += 1

    def _widened(self, event: e.Widened) -> None:
        attempt = self.live[event.token]
        attempt.alone |= mask(event.globs) & reach(self.tasks[event.task].role)
        if self.rules.exclusive:
            self._meets(attempt)

    def _reported(self, event: e.Reported) -> None:
        self.live[event.token].reads.update(event.reads)
        self.reserved.pop(event.token, None)
        self.tokens += event.spent.tokens

    def _spent_late(self, event: e.SpentLate) -> None:
        self.tokens += event.spent.tokens

    def _reserved(self, event: e.Reserved) -> None:
        """What is spent and what is reserved must fit into the limit together."""
        self.reserved[event.token] = event.expects.tokens
        most, both = self.rules.limits.tokens, self.tokens + sum(self.reserved.values())
        if most is not None and both > most:
            raise Broken("overspent", f"{both} model tokens spent and reserved of {most}")

    def _close(self, token: int, how: str) -> Attempt:
        attempt = self.live.pop(token)
        attempt.ended = how
        self.state[attempt.task] = how
        self.reserved.pop(token, None)
        return attempt

    def _succeeded(self, event: e.Succeeded) -> None:
        attempt = self.live[event.token]
        attempt.reads.update(event.reads)
        if self.rules.validate_reads:
            self._current(attempt, "")
            self._settled(attempt)
            if self.tasks[event.task].test:
                known = attempt.reads | attempt.written
                late = [path for path in known if self._number(path) > event.cut]
                if late:
                    raise Broken("old-evidence", f"{event.task} tested before {late} changed")
        self._close(event.token, SUCCEEDED)
        self.let_go.add(event.task)

    def _settled(self, attempt: Attempt) -> None:
        """Nothing that was read may still be taken back."""
        for path in attempt.reads:
            together = path in attempt.written and attempt.together & BIT[path]
            if together and path not in attempt.deleted:
                continue  # edited together; each part can be taken out alone
            for other in self.live.values():
                if other is not attempt and path in other.written:
                    raise Broken("dirty-read", f"{attempt.task} is built on {path} of {other.task}")

    def _current(self, attempt: Attempt, but: str) -> None:
        """What an attempt has read must not have changed since."""
        for path, number in attempt.reads.items():
            if path != but and self._number(path) != number:
                raise Broken("stale-read", f"{attempt.task} acts on {path} {number}, out of date")

    def _number(self, path: str) -> int:
        return self.files[path][0] if path in self.files else 0

    def _ended(self, event: e.AttemptEnded) -> None:
        ends = {"ready": OPEN, "failed": FAILED, "cancelled": CANCELLED}
        self._close(event.token, ends[event.then])
        self.attempts[event.token].ended = f"ended: {event.cause}"
        self.tokens += event.spent.tokens
        if event.counts:
            kind = event.cause if event.cause in self.rules.limits.attempts_by else ""
            self.counted[event.task, kind] = self.counted.get((event.task, kind), 0) + 1
        if event.then == "failed" and self.tasks[event.task].on_failure == "continue":
            self.let_go.add(event.task)
        if event.then == "cancelled":
            self.approved.discard(event.task)
        if event.rests:
            self.resting[event.task] = event.rests

    # --- tasks ------------------------------------------------------------------------------

    def _skipped(self, event: e.Skipped | e.Cancelled) -> None:
        if self.state[event.task] != OPEN:
            raise Broken("skipped", f"{event}, but it is {self.state[event.task]}")
        self.state[event.task] = SKIPPED if type(event) is e.Skipped else CANCELLED
        for kept in (self.approved, self.passed, self.turns, self.resting):
            kept.discard(event.task) if isinstance(kept, set) else kept.pop(event.task, None)

    def _approved(self, event: e.Approved) -> None:
        self.approved.add(event.task)

    def _retried(self, event: e.Retried) -> None:
        if self.state[event.task] not in (FAILED, SKIPPED, CANCELLED):
            raise Broken("retried", f"{event}, but it is {self.state[event.task]}")
        self.state[event.task] = OPEN
        self.counted = {key: n for key, n in self.counted.items() if key[0] != event.task}

    def _added(self, event: e.Added) -> None:
        for task in event.tasks:
            self.tasks[task.id], self.state[task.id] = task, OPEN
            self.needs[task.id] = set(task.depends_on)
        for name in event.before:
            self.needs[name] |= {task.id for task in event.tasks}

    # --- files ------------------------------------------------------------------------------

    def _wrote(self, event: e.Wrote) -> None:
        attempt, path = self.live[event.token], event.path
        may = attempt.alone | attempt.together
        if self.rules.bounded and not (path in BIT and may & BIT[path]):
            raise Broken("out-of-scope", f"{event.task} wrote {path}, it may {paths_of(may)}")
        attempt.reads.update(event.reads)
        if self.rules.validate_reads:
            self._current(attempt, path)
        if self.rules.exclusive:
            for other in self.live.values():
                if other is not attempt and other.alone & BIT[path]:
                    raise Broken("overlap", f"{event.task} wrote {path}, held by {other.task}")
        self._record(path, event.number, event.digest, event.token)
        attempt.deleted |= {path} if event.digest is None else set()
        attempt.reads[path] = attempt.written[path] = event.number

    def _record(self, path: str, number: int, content: str | None, token: int) -> None:
        if number != self.cut + 1:
            raise Broken("version", f"{path} became version {number} after {self.cut}")
        self.cut = number
        self.files[path] = (number, content, token)  # type: ignore[assignment]

    def _undone(self, event: e.Undone) -> None:
        self._record(event.path, event.number, event.digest, 0)

    def _outside(self, event: e.ChangedOutside) -> None:
        before = self.files.get(event.path, (0, None, 0))[1]
        self.brought |= set((event.digest or "").split()) - set((before or "").split())
        self._record(event.path, event.number, event.digest, -1)

    # --- the run ----------------------------------------------------------------------------

    def _limited(self, event: e.LimitReached) -> None:
        if event.role:
            self.exhausted.add(event.role)
        else:
            self.limit = event.limit

    def _finished(self, event: e.Finished) -> None:
        if self.live:
            raise Broken("early-end", f"{event} while {sorted(self.live)} are alive")
        self.status = event.status

    def _resumed(self, event: e.Resumed) -> None:
        if self.live:
            raise Broken("old-lease", f"resumed while {sorted(self.live)} are alive")
        self.status, self.limit, self.exhausted = "running", "", set()
        if event.limits is not None:
            self.rules = replace(self.rules, limits=event.limits)

    def contents(self) -> dict[str, str]:
        """Return path to content of the files that are there."""
        return {path: text for path, (_, text, _) in self.files.items() if text is not None}


_READ: dict[type[Any], Callable[[Book, Any], None]] = {
    e.LeaseGranted: Book._granted,
    e.Blocked: Book._blocked,
    e.Widened: Book._widened,
    e.Reported: Book._reported,
    e.Reserved: Book._reserved,
    e.SpentLate: Book._spent_late,
    e.Succeeded: Book._succeeded,
    e.AttemptEnded: Book._ended,
    e.Skipped: Book._skipped,
    e.Cancelled: Book._skipped,
    e.Approved: Book._approved,
    e.Retried: Book._retried,
    e.Added: Book._added,
    e.Wrote: Book._wrote,
    e.Undone: Book._undone,
    e.ChangedOutside: Book._outside,
    e.LimitReached: Book._limited,
    e.Finished: Book._finished,
    e.Resumed: Book._resumed,
}
