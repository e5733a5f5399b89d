"""The coordinator and its surroundings without threads: a machine, a log that can fail, a disk.

A run is a list of steps (`Ask`, `Commit`, `Edit`, `Restart`); what follows from them (effects,
what they lead to, what is left to be done at the end) is carried out here in the same way each
time, so the same steps give the same run. What must hold is checked after every step.

A content is a list of marks. Each write adds a mark that names its attempt, so what is left of an
attempt in a file can be seen; taking an attempt's part out of a file is arithmetic on sets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from simulation.book import SUCCEEDED, Attempt, Book, Broken
from simulation.plans import ROLES, World

from orchestrator.core import events as e
from orchestrator.core import messages as m
from orchestrator.core.encoding import decode, encode
from orchestrator.core.limits import Limits

Outcome = Literal["answered", "not recorded", "not answered"]
LEASED = (m.Renew, m.Report, m.Write, m.Delete, m.Submit, m.GiveUp, m.Widen, m.Send, m.Note)
A_TASK = (0, "task")


@dataclass(frozen=True, slots=True)
class Ask:
    """A request reaches the machine; `sender` is told the answer, "" is nobody."""

    at: float
    sender: str
    request: m.Request


@dataclass(frozen=True, slots=True)
class Commit:
    """What was asked since the last commit is recorded, carried out and answered.

    Attributes:
        outcome: unless it is ``answered``, the process dies: before the events were recorded, or
            after that and after `done` of the effects.
    """

    outcome: Outcome = "answered"
    done: int = 0


@dataclass(frozen=True, slots=True)
class Edit:
    """Somebody outside changes a file on disk; None: deletes it."""

    path: str
    content: str | None


@dataclass(frozen=True, slots=True)
class Restart:
    """A new process goes on with the run, as `orchestrator resume` does.

    Attributes:
        retry: tasks that are retried first.
        limits: in place of those that held so far; None: the same.
    """

    at: float
    retry: tuple[str, ...] = ()
    limits: Limits | None = None


Step = Ask | Commit | Edit | Restart


@dataclass(frozen=True, slots=True)
class Core:
    """The program under test: the real one, or a copy with a planted bug."""

    machine: Callable[..., Any]
    check: Callable[[Any], list[str]]
    fingerprint: Callable[[Any], dict[str, Any]]
    without: Callable[..., Any]

    @classmethod
    def of(cls, package: str = "orchestrator.core") -> Core:
        """Return what a package of core modules holds."""
        invariants = import_module(f"{package}.invariants")
        return cls(
            import_module(f"{package}.machine").Machine,
            invariants.check,
            invariants.fingerprint,
            import_module(f"{package}.files").without,
        )


def marks(content: str | None) -> set[str]:
    """Return the marks of a content."""
    return set(content.split()) if content else set()


def content(of: Iterable[str]) -> str:
    """Return the content that holds these marks."""
    return " ".join(sorted(of))


class Stage:
    """One run, step by step.

    Args:
        world: plan, rules and files.
        core: the program under test.

    Attributes:
        steps: what was done, to be played again.
        replies: answers that have been given and not been taken, oldest first.
        waiting: worker to what it waits for an answer to: token and request, or `A_TASK`.
        log: recorded events.
        at: the time.
        alive: whether there is a process.
    """

    def __init__(self, world: World, core: Core) -> None:
        self.world, self.core = world, core
        self.steps: list[Step] = []
        self.replies: list[tuple[str, m.Reply]] = []
        self.log: list[e.Event] = []
        self.at, self.alive = 0.0, True
        self.disk: dict[str, str] = dict(world.files)
        self.edited: set[str] = set()
        self.book = Book(world)
        self.machine = self._fresh()
        self._forget()

    def _fresh(self) -> Any:
        return self.core.machine(self.world.tasks, self.world.rules, ROLES, self.world.files)

    def _forget(self) -> None:
        """What dies with a process."""
        self.waiting: dict[str, set[tuple[int, str]]] = {}
        self._handed_in: set[int] = set()
        self._events: list[e.Event] = []
        self._effects: list[m.Effect] = []
        self._answers: list[tuple[str, m.Reply]] = []
        self._again: list[m.Undo] = []

    def play(self, step: Step) -> None:
        """Do one step.

        Raises:
            Broken: what must hold does not.
        """
        self.steps.append(step)
        if type(step) is Ask:
            if self.alive:
                self._ask(step.at, step.sender, step.request)
        elif type(step) is Commit:
            if self.alive:
                self._commit(step.outcome, step.done)
        elif type(step) is Edit:
            self._edit(step.path, step.content)
        elif type(step) is Restart:
            self._restart(step)

    # --- asking -----------------------------------------------------------------------------

    def _ask(self, at: float, sender: str, request: m.Request) -> m.Reply | None:
        self.at = at = max(at, self.at)
        token = request.token if isinstance(request, LEASED) else 0
        based = self._based(request)
        known = token in self.book.live
        try:
            step = self.machine.handle(at, request)
        except Exception as error:
            raise Broken(f"exception-{type(error).__name__}", f"{request}: {error!r}") from error
        self.book.read(step.events)
        if token and not known:
            self._refused_late(request, step)
        if not based and type(step.reply) is m.Done:
            raise Broken("stale-base", f"{request} was accepted on top of another version")
        self._park(request, step.reply)
        self._bear_out(request, step)
        self._events += step.events
        for effect in step.effects:
            if type(effect) is m.Answer:
                self._answer(effect.worker, effect.reply)
            else:
                self._effects.append(effect)
        if type(request) is m.Lost:
            self.waiting.pop(request.worker, None)
            if request.worker in self._working():
                raise Broken("dead", f"{request.worker} has died, but its lease has not ended")
        if sender and step.reply is not None:
            self._answers.append((sender, step.reply))
        if type(request) is m.Undo and type(step.reply) is m.Refused:
            self._again.append(request)
        self._after(request)
        return step.reply  # type: ignore[no-any-return]

    def _based(self, request: m.Request) -> bool:
        """Whether a change of a file is based on its current version, as the book knows it."""
        if not isinstance(request, m.Write | m.Delete | m.Undo):
            return True
        number, text, _ = self.book.files.get(request.path, (0, None, 0))
        if isinstance(request, m.Undo):
            return request.base == number
        if not self.world.rules.check_base:
            return True
        return request.base == number or (request.base == 0 and text is None)

    def _refused_late(self, request: m.Request, step: Any) -> None:
        reply = step.reply
        if type(reply) is not m.Refused or reply.kind != "lease_ended":
            raise Broken("late", f"{request} under an ended lease was answered {reply}")

    def _park(self, request: m.Request, reply: m.Reply | None) -> None:
        """Remember who waits for an answer, and for what."""
        if reply is not None:
            return
        if type(request) is m.Claim:
            self.waiting.setdefault(request.worker, set()).add(A_TASK)
            return
        token: int = request.token  # type: ignore[union-attr]
        attempt = self.book.attempts[token]
        done = type(request) is m.GiveUp or attempt.ended == SUCCEEDED
        kind = A_TASK if done else (token, type(request).__name__)
        self.waiting.setdefault(attempt.worker, set()).add(kind)
        if type(request) is m.Submit and request.passed:
            self._handed_in.add(token)

    def _bear_out(self, request: m.Request, step: Any) -> None:
        """What is answered must be what was recorded."""
        for event in step.events:
            if type(event) is e.Succeeded:
                if event.token not in self._handed_in:
                    raise Broken("accepted", f"{event}, not handed in with tests that passed")
                kinds = self.waiting.setdefault(self.book.attempts[event.token].worker, set())
                kinds.discard((event.token, "Submit"))
                kinds.add(A_TASK)
        wrote = [event.number for event in step.events if type(event) is e.Wrote]
        if type(request) in (m.Write, m.Delete):
            said = [step.reply.number] if type(step.reply) is m.Done else []
            if said != wrote:
                raise Broken("not-recorded", f"{request} was answered {step.reply}: {wrote}")

    def _answer(self, worker: str, reply: m.Reply) -> None:
        """A parked request is answered."""
        kinds = self.waiting.get(worker, set())
        ended = isinstance(reply, m.Refused) and reply.kind == "lease_ended"
        if isinstance(reply, m.Granted | m.Stop):
            fits = [A_TASK] if A_TASK in kinds else []
        else:
            # A yes may be followed, in the same step, by the end of the lease.
            asked = sorted(kinds - {A_TASK}, key=lambda kind: kind[0] not in self.book.live)
            fits = [kind for kind in asked if not ended or kind[0] not in self.book.live]
        if not fits:
            raise Broken("unasked", f"{worker} was answered {reply}, which it had not asked for")
        # The end of a lease is one answer to all that was asked under it.
        kinds.difference_update(fits if ended else fits[:1])
        if not kinds:
            del self.waiting[worker]
        if type(reply) is m.Granted:
            lease, attempt = reply.lease, self.book.live.get(reply.lease.token)
            if attempt is None or (attempt.task, attempt.worker) != (lease.task, worker):
                raise Broken("not-recorded", f"{worker} was answered {reply}")
        self._answers.append((worker, reply))

    # --- what must hold after every request ---------------------------------------------------

    def _after(self, request: m.Request) -> None:
        wrong = self.core.check(self.machine)
        if wrong:
            raise Broken("invariant", f"after {request}: {'; '.join(wrong)}")
        state = self.machine.state
        if state.live.keys() != self.book.live.keys():
            raise Broken("books", f"{list(state.live)} live, {list(self.book.live)} in the book")
        if self.waiting:
            self._waiting_in_vain(state)
        if type(request) is m.Tick:
            self._silent()

    def _waiting_in_vain(self, state: Any) -> None:
        if state.status != "running":
            raise Broken("left-waiting", f"the run ended and {self.waiting} were not told")
        idle = [worker for worker, kinds in self.waiting.items() if A_TASK in kinds]
        if idle and not state.limit and len(state.ready):
            raise Broken("idle", f"{idle} wait though {state.ready.tasks()} could start")
        for worker, kinds in self.waiting.items():
            if any(token and token not in self.book.live for token, _ in kinds):
                raise Broken("left-waiting", f"{worker} was not told that its lease has ended")

    def _working(self) -> set[str]:
        return {attempt.worker for attempt in self.book.live.values()}

    def asks(self, attempt: Attempt) -> bool:
        """Whether an attempt waits for an answer."""
        kinds = self.waiting.get(attempt.worker, ())
        return any(token == attempt.token for token, _ in kinds)

    def _silent(self) -> None:
        """After a tick nobody may be left whose time is up."""
        renewed = False
        for attempt in self.book.live.values():
            if attempt.last == self.at or self.asks(attempt):
                renewed = True  # it was silent because it waited for an answer
                continue
            if attempt.last + self.book.rules.limits.lease <= self.at:
                raise Broken("overdue", f"{attempt.task} is silent since {attempt.last}")
            seconds = self.book.tasks[attempt.task].seconds
            if seconds and attempt.begun + seconds <= self.at:
                raise Broken("overdue", f"{attempt.task} runs since {attempt.begun}")
        due = self.machine.next_deadline()
        if due is not None and due <= self.at and not renewed:
            raise Broken("overdue", f"a tick at {self.at} leaves one due at {due}")

    # --- the process --------------------------------------------------------------------------

    def _commit(self, outcome: Outcome, done: int) -> None:
        if outcome == "not recorded":
            self._die()
            self.book = Book(self.world)
            self.book.read(self.log)
            return
        left = done if outcome == "not answered" else None
        while self._events or self._effects or self._again:
            self.log += self._events
            effects, again = self._effects, self._again
            self._events, self._effects, self._again = [], [], []
            asked = [self._carry_out(effect) for effect in effects[:left]]
            if left is not None:
                break
            asked += [self._undo(u.task, u.attempt, u.token, u.path) for u in again]
            for request in asked:
                if request is not None:
                    self._ask(self.at, "", request)
        if left is not None:
            self._die()
            return
        self.replies += self._answers
        self._answers = []

    @property
    def merging(self) -> bool:
        """Whether an ended attempt's part is about to be taken out of a file."""
        return any(type(effect) is m.Unmerge for effect in self._effects)

    def _die(self) -> None:
        self.alive = False
        self.replies = []
        self._forget()

    def folded(self, through_log: bool = True) -> Any:
        """Return a fresh machine that the recorded events were folded into."""
        machine = self._fresh()
        machine.fold(map(_again, self.log) if through_log else self.log)
        return machine

    def _restart(self, step: Restart) -> None:
        if self.alive:
            self._commit("answered", 0)
            self.compare()
        self._die()
        self.alive = True
        self.machine = self.folded()
        self._reconcile(step.at)
        for task in step.retry:
            self._ask(step.at, "", m.Retry(task))
        self._ask(step.at, "", m.Resume(step.limits))
        self._commit("answered", 0)

    def _reconcile(self, at: float) -> None:
        """Bring the disk to where the log says it is; what somebody changed becomes a version."""
        files = self.machine.state.files
        for path in sorted({*files.known(), *self.disk}):
            history, there = files.history(path), self.disk.get(path)
            if there == history[-1].digest:
                continue
            since = max((n for n, v in enumerate(history) if v.token == -1), default=0)
            if there in {version.digest for version in history[since:]}:
                self._put(path, history[-1].digest)
            else:
                self._ask(at, "", m.Observe(path, there))
        self.edited.clear()

    # --- the disk -----------------------------------------------------------------------------

    def _edit(self, path: str, text: str | None) -> None:
        self._put(path, text)
        self.edited.add(path)

    def _put(self, path: str, text: str | None) -> None:
        if text is None:
            self.disk.pop(path, None)
        else:
            self.disk[path] = text

    def _carry_out(self, effect: m.Effect) -> m.Request | None:
        """Do what the machine asks for; return what must be asked because of it."""
        if isinstance(effect, m.Unmerge):
            return self._undo(effect.task, effect.attempt, effect.token, effect.path)
        if isinstance(effect, m.Materialise):
            there = self.disk.get(effect.path)
            if there == effect.expected:
                self._put(effect.path, effect.digest)
            elif effect.path in self.edited:
                return m.Observe(effect.path, there)
            else:
                raise Broken("disk", f"{effect} finds {there!r}")
        return None

    def _undo(self, task: str, number: int, token: int, path: str) -> m.Undo:
        """Take an ended attempt's marks out of a file that others have edited since."""
        history = self.machine.state.files.history(path)
        before, steps = self.core.without(history, token)
        left = marks(before.digest)
        for old, new in steps:
            left |= marks(new.digest) - marks(old.digest)
            left -= marks(old.digest) - marks(new.digest)
        text = content(left) if left or before.digest == "" else None
        return m.Undo(task, number, token, path, history[-1].number, text)

    def compare(self) -> None:
        """Compare the live machine with the fold of its log, and both with the book.

        Raises:
            Broken: they differ.
        """
        state, fingerprint = self.machine.state, self.core.fingerprint
        through_log = len(self.log) % 4 == 0  # the detour over its text form is not cheap
        one, other = fingerprint(self.folded(through_log).state), fingerprint(state)
        if one != other:
            keys = [key for key in other if one.get(key) != other[key]]
            raise Broken("fold", f"the log folds to another state: {keys} differ")
        if self.book.contents() != state.files.digests():
            raise Broken("files", f"{self.book.contents()} in the book, {state.files.digests()}")
        numbers = {path: number for path, (number, _, _) in self.book.files.items()}
        if any(state.files.current(path).number != n for path, n in numbers.items()):
            raise Broken("files", "the version numbers differ from the book's")
        stood = {"waiting": "open", "held": "open", "ready": "open"}
        for name, record in state.records.items():
            if stood.get(str(record.state), str(record.state)) != self.book.state[name]:
                raise Broken("books", f"{name} is {record.state}, {self.book.state[name]} here")


def _again(event: e.Event) -> e.Event:
    return decode(*encode(event))
