"""Random runs: any plan, any requests in any order, with crashes and late answers.

What must hold is checked after every step, most of it against books that the test keeps by
itself. Contents are sets of marks: an attempt that writes adds its mark, so what is left of an
attempt in a file can be seen.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from orchestrator.core import messages as m
from orchestrator.core.encoding import decode, encode
from orchestrator.core.events import Event, LeaseGranted, Succeeded
from orchestrator.core.files import without
from orchestrator.core.invariants import check, fingerprint
from orchestrator.core.limits import Budget, Limits
from orchestrator.core.machine import Machine
from orchestrator.core.rules import RoleBounds, Rules
from orchestrator.core.scope import Scope
from orchestrator.core.states import TaskState
from orchestrator.core.task import Task

WORKERS = ("w1", "w2", "w3", "w4")
PATHS = ("a.py", "b.py", "d/x.py", "d/y.py", "e")
GLOBS = {
    "a.py": {"a.py"},
    "b.py": {"b.py"},
    "?.py": {"a.py", "b.py"},
    "d": {"d/x.py", "d/y.py"},
    "d/x.py": {"d/x.py"},
    "**/y.py": {"d/y.py"},
    "e": {"e"},
    "**": set(PATHS),
}
ROLES = {"": set(PATHS), "top": {"a.py", "b.py", "e"}, "deep": {"d/x.py", "d/y.py"}}
BOUNDS = {
    "top": RoleBounds(Scope(["**"]), Scope(["?.py", "e"])),
    "deep": RoleBounds(Scope(["**"]), Scope(["d"])),
}
CAUSES: tuple[m.Cause, ...] = ("gave_up", "tests_failed", "error", "model_error")

globs = st.lists(st.sampled_from(tuple(GLOBS)), max_size=2, unique=True).map(tuple)
shared = st.sampled_from([(), ("a.py",), ("d", "e"), ("**",)])
paths = st.sampled_from(PATHS)
workers = st.sampled_from(WORKERS)
small = st.integers(0, 9)


@st.composite
def task(draw: st.DrawFn, name: str, before: tuple[str, ...]) -> Task:
    """One task that may depend on any of `before`."""
    needs: st.SearchStrategy[list[str]] = st.one_of(
        st.just([]), st.lists(st.sampled_from(before), max_size=2)
    )
    return Task(
        id=name,
        role=draw(st.sampled_from(tuple(ROLES))),
        depends_on=tuple(draw(needs)) if before else (),
        writes=draw(st.one_of(st.just(()), globs)),
        shares=draw(shared),
        test=draw(st.sampled_from(["", "run"])),
        estimate=draw(st.sampled_from([1.0, 60.0, 600.0])),
        priority=draw(st.sampled_from([0, 0, 1])),
        approval=draw(st.sampled_from([False, False, False, True])),
        on_failure=draw(st.sampled_from(["skip", "continue"])),
        keep=draw(st.sampled_from([False, False, True])),
        attempts=draw(st.sampled_from([None, 1, 2])),
        turns=draw(st.sampled_from([None, 2])),
        tokens=draw(st.sampled_from([None, 30])),
        seconds=draw(st.sampled_from([None, 40.0])),
    )


@st.composite
def plans(draw: st.DrawFn) -> tuple[Task, ...]:
    """A few tasks, in a plan order that need not follow the dependencies."""
    names = [f"t{n}" for n in range(draw(st.integers(2, 8)))]
    tasks = [draw(task(name, tuple(names[:n]))) for n, name in enumerate(names)]
    return tuple(draw(st.permutations(tasks)))


@st.composite
def limits(draw: st.DrawFn) -> Limits:
    """Limits that bite now and then."""
    return Limits(
        attempts=draw(st.sampled_from([1, 2, 3])),
        lease=100.0,
        wall=draw(st.sampled_from([None, None, None, 2000.0])),
        tokens=draw(st.sampled_from([None, None, None, 200])),
        usd=draw(st.sampled_from([None, None, None, 5.0])),
        commands=draw(st.sampled_from([None, None, None, 40])),
        total_attempts=draw(st.sampled_from([None, None, None, 12])),
        total_turns=draw(st.sampled_from([None, None, None, 20])),
        attempts_by=draw(st.sampled_from([{}, {}, {"model_error": 2, "worker_died": 5}])),
        roles=draw(
            st.sampled_from([{}, {}, {"top": Budget(tokens=40, attempts=6)}, {"": Budget(turns=6)}])
        ),
    )


def marks(digest: str | None) -> frozenset[str]:
    return frozenset(digest.split("|")) - {""} if digest is not None else frozenset()


def content(of: Iterable[str]) -> str:
    return "|".join(sorted(of))


class Runs(RuleBasedStateMachine):
    """Any plan, any requests; `process` dies now and then and goes on from its events."""

    @initialize(tasks=plans(), bounds=limits(), exclusive=st.sampled_from([True, True, False]))
    def begin(self, tasks: tuple[Task, ...], bounds: Limits, exclusive: bool) -> None:
        self.exclusive = exclusive
        self.enforced = Rules(exclusive=exclusive, limits=bounds)
        self.tasks = {task.id: task for task in tasks}
        self.disk: dict[str, str | None] = {"a.py": "", "d/x.py": ""}
        self.plan, self.at_start = tasks, dict(self.disk)
        self.machine, self.shadow = self.fresh(), self.fresh()
        self.now = 0.0
        self.events: list[Event] = []
        self.tokens: list[int] = []
        self.last: m.Request = m.Tick()
        self.claiming: set[str] = set()
        self.widening: dict[int, tuple[str, tuple[str, ...]]] = {}
        self.submitting: dict[int, str] = {}
        self.reserving: dict[int, str] = {}
        self.unmerges: list[m.Unmerge] = []
        self.extra: dict[int, set[str]] = {}
        self.started: dict[int, Task] = {}
        self.won: set[str] = set()
        self.winners: set[int] = set()
        self.marked = 0
        self.everybody_claims()

    def fresh(self) -> Machine:
        files = {path: digest for path, digest in self.at_start.items() if digest is not None}
        return Machine(self.plan, self.enforced, BOUNDS, files)

    # --- asking -------------------------------------------------------------------------------

    def ask(self, request: m.Request) -> m.Reply | None:
        self.last = request
        step = self.machine.handle(self.now, request)
        for event in step.events:
            self.take_note(event)
        self.shadow.fold(decode(*encode(event)) for event in step.events)
        if step.reply is None:
            self.park(request)
        for effect in step.effects:
            self.carry_out(effect)
        if isinstance(request, m.Widen) and isinstance(step.reply, m.Done):
            self.widened(request.token, request.globs)
        return step.reply

    def take_note(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, LeaseGranted):
            assert event.token > max(self.tokens, default=0), "tokens must rise"
            assert event.task not in self.won, "a task that succeeded ran again"
            self.tokens.append(event.token)
            self.started[event.token] = self.machine.state.graph.task(event.task)
        elif isinstance(event, Succeeded):
            self.won.add(event.task)
            self.winners.add(event.token)
            if event.token in self.submitting:
                self.claiming.add(self.submitting.pop(event.token))

    def park(self, request: m.Request) -> None:
        """The request is answered later: remember who waits."""
        if isinstance(request, m.Claim):
            self.claiming.add(request.worker)
        elif isinstance(request, m.Widen):
            worker = self.machine.state.live[request.token].lease.worker
            self.widening[request.token] = worker, request.globs
        elif isinstance(request, m.Report):
            self.reserving[request.token] = self.worker_of(request.token)
        else:
            assert isinstance(request, m.Submit | m.GiveUp)
            worker = self.worker_of(request.token)
            if isinstance(request, m.Submit) and request.token not in self.winners:
                self.submitting[request.token] = worker
            else:
                self.claiming.add(worker)

    def worker_of(self, token: int) -> str:
        return next(
            event.worker
            for event in self.events
            if isinstance(event, LeaseGranted) and event.token == token
        )

    def carry_out(self, effect: m.Effect) -> None:
        if isinstance(effect, m.Materialise):
            assert self.disk.get(effect.path) == effect.expected, "the tree was out of step"
            self.disk[effect.path] = effect.digest
        elif isinstance(effect, m.Unmerge):
            self.unmerges.append(effect)
        elif isinstance(effect, m.Answer):
            self.answered(effect.worker, effect.reply)

    def answered(self, worker: str, reply: m.Reply) -> None:
        if isinstance(reply, m.Granted | m.Stop):
            self.claiming.remove(worker)
            return
        for waiting in (self.submitting, self.reserving):
            for token in [t for t, name in waiting.items() if name == worker]:
                del waiting[token]
                return
        token = next(t for t, (waiting, _) in self.widening.items() if waiting == worker)
        _, wanted = self.widening.pop(token)
        if isinstance(reply, m.Done):
            self.widened(token, wanted)

    def widened(self, token: int, wanted: tuple[str, ...]) -> None:
        named = set[str]().union(*(GLOBS[glob] for glob in wanted))
        self.extra.setdefault(token, set()).update(named & ROLES[self.started[token].role])

    def may_write(self, token: int) -> set[str]:
        return self.alone(token) | self.together(token)

    def alone(self, token: int) -> set[str]:
        """Files that nobody else may hold, counted out by hand."""
        own = self.started[token]
        named = set[str]().union(*(GLOBS[glob] for glob in own.writes))
        return (named & ROLES[own.role]) | self.extra.get(token, set())

    def together(self, token: int) -> set[str]:
        own = self.started[token]
        return set[str]().union(*(GLOBS[glob] for glob in own.shares)) & ROLES[own.role]

    # --- any request --------------------------------------------------------------------------

    def any_token(self, number: int) -> int:
        """A live token more often than not; else an ended one, or one that never was."""
        live = list(self.machine.state.live)
        known = [*self.tokens, 0, 9999] if number % 7 == 0 or not live else live
        return known[number // 7 % len(known)]

    def any_task(self, number: int, *states: TaskState) -> str:
        """A task that stands where it can be asked for, more often than not."""
        records = self.machine.state.records
        fit = [name for name, record in records.items() if record.state in states]
        known = [*records, "nobody"] if number % 7 == 0 or not fit else fit
        return known[number // 7 % len(known)]

    def everybody_claims(self) -> None:
        """All workers that have nothing to do claim."""
        for worker in WORKERS:
            if (
                worker not in self.at_work() | self.claiming
                and self.machine.state.status == "running"
            ):
                self.ask(m.Claim(worker))

    def at_work(self) -> set[str]:
        return {attempt.lease.worker for attempt in self.machine.state.live.values()}

    def any_path(self, token: int, number: int) -> str:
        """A path that the attempt may write, more often than not."""
        inside = sorted(self.may_write(token)) if token in self.started else []
        known = PATHS if number % 7 == 0 or not inside else inside
        return known[number // 7 % len(known)]

    def some_reads(self, what: list[tuple[str, bool]]) -> m.Reads:
        files = self.machine.state.files
        return tuple(
            (path, files.current(path).number if current else files.history(path)[0].number)
            for path, current in what
        )

    numbers = st.integers(0, 10_000)
    reads = st.lists(st.tuples(paths, st.booleans()), max_size=2)

    @rule(worker=workers)
    def claim(self, worker: str) -> None:
        """A worker carries one lease at a time."""
        if worker not in self.at_work():
            assert self.ask(m.Claim(worker)) is None

    @precondition(lambda self: self.tokens)
    @rule(token=numbers)
    def renew(self, token: int) -> None:
        self.ask(m.Renew(self.any_token(token)))

    @precondition(lambda self: self.tokens)
    @rule(
        token=numbers,
        turn=st.integers(0, 4),
        used=small,
        what=reads,
        priced=st.booleans(),
        expects=st.sampled_from([0, 5, 60]),
    )
    def report(
        self,
        token: int,
        turn: int,
        used: int,
        what: list[tuple[str, bool]],
        priced: bool,
        expects: int,
    ) -> None:
        spent = m.Spent(used, used, usd=used / 10 if priced else None)
        token = self.any_token(token)
        if token in self.submitting or token in self.widening:
            return  # a worker that waits for an answer begins no turn
        reads = self.some_reads(what)
        self.ask(
            m.Report(token, "write", turn, spent, reads, expects=m.Spent(expects), commands=used)
        )

    @rule()
    def all_claim(self) -> None:
        self.everybody_claims()

    @precondition(lambda self: self.machine.state.live)
    @rule(
        edits=st.lists(
            st.tuples(numbers, numbers, st.sampled_from([True, True, False])), max_size=4
        ),
        what=reads,
    )
    def write(self, edits: list[tuple[int, int, bool]], what: list[tuple[str, bool]]) -> None:
        for number, which, current in edits:
            token = self.any_token(number)
            path = self.any_path(token, which)
            now = self.machine.state.files.current(path)
            self.marked += 1
            digest = content([*marks(now.digest), f"{token}.{self.marked}"])
            base = now.number if current else 0
            reply = self.ask(m.Write(token, path, base, digest, self.some_reads(what)))
            if isinstance(reply, m.Done):
                assert path in self.may_write(token), "a write outside the effective scope"

    @precondition(lambda self: self.machine.state.live)
    @rule(token=numbers, which=numbers, what=reads)
    def delete(self, token: int, which: int, what: list[tuple[str, bool]]) -> None:
        token = self.any_token(token)
        path = self.any_path(token, which)
        now = self.machine.state.files.current(path)
        reply = self.ask(m.Delete(token, path, now.number, self.some_reads(what)))
        if isinstance(reply, m.Done):
            assert path in self.may_write(token), "a deletion outside the effective scope"

    @precondition(lambda self: self.tokens)
    @rule(token=numbers, old=st.booleans(), passed=st.booleans(), what=reads)
    def submit(self, token: int, old: bool, passed: bool, what: list[tuple[str, bool]]) -> None:
        cut = max(0, self.machine.state.files.cut - old)
        self.ask(m.Submit(self.any_token(token), cut, passed, reads=self.some_reads(what)))

    @precondition(lambda self: self.tokens)
    @rule(token=numbers, cause=st.sampled_from(CAUSES), used=small)
    def give_up(self, token: int, cause: m.Cause, used: int) -> None:
        self.ask(m.GiveUp(self.any_token(token), cause, "no", m.Spent(used)))

    @precondition(lambda self: self.tokens)
    @rule(token=numbers, wanted=globs)
    def widen(self, token: int, wanted: tuple[str, ...]) -> None:
        self.ask(m.Widen(self.any_token(token), wanted))

    @precondition(lambda self: self.tokens)
    @rule(token=numbers, to=st.sampled_from(["all", "role:top", "task:t0", "task:nobody"]))
    def send(self, token: int, to: str) -> None:
        self.ask(m.Send(self.any_token(token), to, "info", "text"))

    @precondition(lambda self: self.tokens)
    @rule(token=numbers)
    def note(self, token: int) -> None:
        self.ask(m.Note(self.any_token(token), "title", "text"))

    @precondition(lambda self: self.tokens)
    @rule(token=numbers)
    def overstep(self, token: int) -> None:
        self.ask(m.Overstep(self.any_token(token), "read_file", "secret.py", "why", "fix"))

    @precondition(lambda self: len(self.tasks) < 12)
    @rule(token=numbers, count=st.integers(1, 2), data=st.data())
    def split(self, token: int, count: int, data: st.DataObject) -> None:
        names = [f"s{len(self.tasks) + n}" for n in range(count)]
        known = (*self.machine.state.records, *names, *names, "nobody")
        new = tuple(data.draw(task(name, known)) for name in names)
        token = data.draw(st.sampled_from([0, self.any_token(token)]))
        if token in self.started:
            whole = self.started[token]
            new = tuple(
                replace(part, role=whole.role, writes=whole.writes, shares=()) for part in new
            )
        if isinstance(self.ask(m.Split(token, new)), m.Done):
            self.tasks |= {task.id: task for task in new}

    @precondition(lambda self: self.machine.state.counts[TaskState.HELD])
    @rule(number=numbers)
    def approve(self, number: int) -> None:
        self.ask(m.Approve(self.any_task(number, TaskState.HELD)))

    @precondition(lambda self: self.machine.state.counts[TaskState.HELD])
    @rule(number=numbers)
    def reject(self, number: int) -> None:
        self.ask(m.Reject(self.any_task(number, TaskState.HELD)))

    @rule(number=numbers)
    def retry(self, number: int) -> None:
        self.ask(
            m.Retry(self.any_task(number, TaskState.FAILED, TaskState.SKIPPED, TaskState.CANCELLED))
        )

    @rule(number=numbers)
    def cancel(self, number: int) -> None:
        self.ask(m.Cancel(self.any_task(number, TaskState.RUNNING, TaskState.READY)))

    @rule(seconds=st.sampled_from([0.0, 1.0, 39.0, 99.0, 150.0]))
    def tick(self, seconds: float) -> None:
        due = self.machine.next_deadline()
        self.now += seconds
        self.ask(m.Tick())
        if due is not None and due <= self.now:
            self.ask(m.Tick())
            again = self.machine.next_deadline()
            assert again is None or again > self.now, "the same deadline would ring for ever"

    @rule(worker=workers)
    def lose(self, worker: str) -> None:
        self.ask(m.Lost(worker, "died"))
        self.claiming.discard(worker)

    @rule(path=paths, gone=st.booleans())
    def observe(self, path: str, gone: bool) -> None:
        self.marked += 1
        digest = None if gone else content([*marks(self.disk.get(path)), f"out.{self.marked}"])
        self.disk[path] = digest
        self.ask(m.Observe(path, digest))

    @precondition(lambda self: self.unmerges)
    @rule(number=numbers, stale=st.sampled_from([False, False, True]))
    def unmerge(self, number: int, stale: bool) -> None:
        effect = self.unmerges[number % len(self.unmerges)]
        history = self.machine.state.files.history(effect.path)
        before, steps = without(history, effect.token)
        left = set(marks(before.digest))
        for old, new in steps:
            left |= marks(new.digest) - marks(old.digest)
            left -= marks(old.digest) - marks(new.digest)
        digest = content(left) if left or before.digest == "" else None
        base = history[-1].number - stale
        reply = self.ask(
            m.Undo(effect.task, effect.attempt, effect.token, effect.path, base, digest)
        )
        assert isinstance(reply, m.Refused) is stale
        if not stale:
            self.unmerges.remove(effect)

    @rule()
    def again(self) -> None:
        """The same request comes twice."""
        once = isinstance(self.last, m.Split | m.Undo)
        if not once and not (isinstance(self.last, m.Claim) and self.at_work()):
            self.ask(self.last)

    @rule(how=st.sampled_from(["halt", "crash"]))
    def end_and_resume(self, how: str) -> None:
        """The process ends; if it dies, everything that was not recorded is gone."""
        if how == "halt":
            self.ask(m.Halt("interrupted"))
            assert not self.machine.state.live
        else:
            self.machine = self.fresh()
            self.machine.fold(self.events)
            self.claiming, self.widening, self.unmerges = set(), {}, []
            self.submitting, self.reserving = {}, {}
        self.ask(m.Resume())
        self.everybody_claims()

    # --- what must hold -----------------------------------------------------------------------

    @invariant()
    def books_agree(self) -> None:
        assert check(self.machine) == []
        assert fingerprint(self.shadow.state) == fingerprint(self.machine.state)
        there = {path: digest for path, digest in self.disk.items() if digest is not None}
        assert self.machine.state.files.digests() == there

    @invariant()
    def who_waits_is_waited_for(self) -> None:
        live = self.machine.state.live
        waiting = {*self.widening, *self.submitting, *self.reserving}
        assert waiting <= set(live), "the lease ended and its worker was not told"
        if self.machine.state.status != "running":
            assert not live
            assert not self.claiming, "the run has ended and its workers were not told"

    @invariant()
    def no_two_hold_the_same_file(self) -> None:
        live = list(self.machine.state.live)
        for n, one in enumerate(live if self.exclusive else []):
            for other in live[n + 1 :]:
                assert not self.alone(one) & self.may_write(other)
                assert not self.may_write(one) & self.alone(other)

    @invariant()
    def nobody_waits_without_need(self) -> None:
        """A parked worker means that no ready task could start."""
        state = self.machine.state
        if self.claiming and state.status == "running" and not state.limit:
            assert not state.ready.tasks()

    # --- the end ------------------------------------------------------------------------------

    def teardown(self) -> None:
        if not hasattr(self, "machine"):
            return
        if self.machine.state.status != "running":
            self.ask(m.Resume())
        for _ in range(4 * len(self.machine.state.records) + 4):
            if self.machine.state.status != "running":
                break
            self.one_round()
        assert self.machine.state.status in ("succeeded", "failed", "limit")
        assert not self.claiming
        assert not self.widening
        assert not self.submitting
        assert not self.reserving
        while self.unmerges:
            self.unmerge(0, stale=False)
        self.books_agree()
        self.nothing_is_left_of_the_losers()

    def one_round(self) -> None:
        """Everybody works well: what is held is approved, what is stale is read again."""
        for name, record in self.machine.state.records.items():
            if record.state is TaskState.HELD:
                self.ask(m.Approve(name))
        self.everybody_claims()
        if self.machine.state.resting:
            self.now = max(self.now, *self.machine.state.resting.values())
            self.ask(m.Tick())
        for token in tuple(self.machine.state.live):
            attempt = self.machine.state.live.get(token)
            if attempt is None or token in {*self.widening, *self.submitting, *self.reserving}:
                continue
            files = self.machine.state.files
            reads = tuple((path, files.current(path).number) for path in attempt.reads)
            self.ask(m.Submit(token, files.cut, True, reads=reads))

    def nothing_is_left_of_the_losers(self) -> None:
        for path, version in self.machine.state.files.digests().items():
            for mark in marks(version):
                token = mark.partition(".")[0]
                if token == "out":
                    continue
                kept = self.started[int(token)].keep
                assert kept or int(token) in self.winners, f"{path} holds what was undone"


STRESS = os.environ.get("HYPOTHESIS_PROFILE") == "stress"
Runs.TestCase.settings = settings(
    max_examples=3000 if STRESS else 200,
    stateful_step_count=100 if STRESS else 50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestRuns = pytest.mark.slow(Runs.TestCase)
