"""The parts of a run, put together: what does the tasks, and what workers are made from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from orchestrator.core.claims import Bounds
from orchestrator.core.encoding import decode
from orchestrator.core.machine import Machine
from orchestrator.core.messages import Lease, Reply, Request
from orchestrator.core.rules import RoleBounds
from orchestrator.core.scope import Scope
from orchestrator.core.task import Task
from orchestrator.errors import PlanError, Problem, UsageError
from orchestrator.models.admission import Pace
from orchestrator.models.base import Model
from orchestrator.models.gate import gate_for
from orchestrator.models.prices import price_notice
from orchestrator.models.registry import create_model
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.briefing import make_briefer
from orchestrator.runtime.clock import SystemClock
from orchestrator.runtime.commands import Commands, SubprocessCommands
from orchestrator.runtime.context import Context, Site, Work
from orchestrator.runtime.coordinator import Coordinator, Listener
from orchestrator.runtime.copies import PrivateCopy
from orchestrator.runtime.eventlog import EventLog
from orchestrator.runtime.handling import IN_PLACE, Handling, InPlace
from orchestrator.runtime.header import Header
from orchestrator.runtime.interruption import Interruption
from orchestrator.runtime.modes import Ground, Mode, choose_tests, find_mode
from orchestrator.runtime.order import Order
from orchestrator.runtime.rundir import RunDir
from orchestrator.runtime.sandboxed import sandboxed_commands
from orchestrator.runtime.scan import withheld_notice
from orchestrator.runtime.sharedfiles import SharedFiles, look
from orchestrator.runtime.tools import Toolbox
from orchestrator.runtime.view import View
from orchestrator.runtime.virtualtime import VirtualTime
from orchestrator.runtime.worker import AgentWork, FunctionWork, Worker
from orchestrator.runtime.workspace import Entry, SharedTree
from orchestrator.spec.plan import Plan
from orchestrator.spec.roles import Role, load_roles

COMMAND_SECONDS = 600.0
"""Seconds that one command may take, unless a lease is shorter."""

Ask = Callable[[Request], Reply]
Prepare = Callable[[Lease, Ask, Interruption], Context]


@dataclass(frozen=True, slots=True)
class Actor:
    """What does the tasks: a model, or a function."""

    name: str
    model: Model | None = None
    function: Callable[[Context], object] | None = None
    made: bool = False

    def close(self) -> None:
        """Close a model that was made here; one that was given belongs to whoever gave it."""
        if self.model is not None and self.made:
            self.model.close()

    @classmethod
    def choose(
        cls,
        plan: Plan,
        model: str | Model | None,
        options: Mapping[str, str],
        work: Callable[[Context], object] | None,
    ) -> Actor:
        """Return what a new run asked for; a model given by name is made here."""
        if work is not None:
            return cls("", function=work)
        if model is None or isinstance(model, str):
            if not (model or plan.model):
                raise _no_model("--model, or `model` in the plan")
            base = Path.cwd() if model else plan.base
            made = create_model(model or plan.model, options, base)
            return cls(made.name, made, made=True)
        return cls(model.name, model)

    @classmethod
    def again(
        cls, header: Header, model: Model | None, work: Callable[[Context], object] | None
    ) -> Actor:
        """Return what goes on with an earlier run, by default what it was started with."""
        if work is not None:
            return cls("", function=work)
        if model is None and not header.model:
            raise _no_model("resume", "this run was started with a task function: give `work`")
        if model is not None:
            return cls(model.name, model)
        made = create_model(header.model, header.options, Path(header.base))
        return cls(made.name, made, made=True)


def _no_model(where: str, fix: str = "") -> UsageError:
    return UsageError(
        "no model is named",
        where,
        "somebody must answer for the agents",
        fix or "give --model oracle:DIR or scripted:FILE (offline), or anthropic (with a key)",
    )


def check_needs(tasks: Iterable[Task], workspace: bool, actor: Actor) -> None:
    """Check that tasks have what it takes to do them: files to test, roles for agents.

    Raises:
        PlanError: they have not; every mistake is in `problems`.
    """
    problems = []
    if actor.model is not None and not workspace:
        fix = "name a workspace, or give a task function"
        problems.append(Problem("agents need files to work on", "workspace", fix=fix))
    for task in tasks:
        if task.test and not workspace:
            why, fix = "there is no workspace to run it in", "name a workspace, or leave `test` out"
            problems.append(Problem("the task has a test", f"task {task.id}", why, fix))
        if actor.model is not None and not task.role:
            why, fix = "an agent has the tools of its role", "give it one, such as `implementer`"
            problems.append(Problem("the task has no role", f"task {task.id}", why, fix))
    if problems:
        raise PlanError("this plan cannot be done in this way", problems=problems)


def roles_of(tasks: Iterable[Task], directory: Path | None) -> dict[str, Role]:
    """Return the roles that tasks name, read and checked."""
    names = dict.fromkeys(task.role for task in tasks if task.role)
    if not names:
        return {}
    roles = load_roles(directory)
    return {name: roles[name] for name in names}


def make_machine(
    header: Header, roles: Mapping[str, Role], entries: Mapping[str, Entry]
) -> Machine:
    """Return the machine of a run as it stands before the first event."""
    return Machine(
        header.tasks,
        find_mode(header.mode).rules(header.limits),
        {r.name: RoleBounds(Scope(r.reads), Scope(r.writes)) for r in roles.values()},
        {path: entry.digest for path, entry in entries.items()},
    )


def fold_log(machine: Machine, log: EventLog) -> float:
    """Bring a fresh machine to where a log leads; return the time of the last event."""
    at = 0.0
    for row in log.read():
        machine.fold([decode(row.at, row.kind, row.task, row.attempt, row.body)])
        at = row.at
    return at


@dataclass(frozen=True)
class Assembly:
    """Everything from which workers are made."""

    header: Header
    folder: RunDir
    blobs: BlobStore
    tree: SharedTree | None
    entries: Mapping[str, Entry]
    roles: Mapping[str, Role]
    actor: Actor
    commands: Commands | None
    virtual: VirtualTime | None = None

    def coordinator(
        self,
        machine: Machine,
        log: EventLog,
        clock: SystemClock,
        listeners: Sequence[Listener],
        order: Order | None = None,
    ) -> Coordinator:
        """Return the coordinator of the run, not started; it keeps an order if given."""
        files = SharedFiles(self.tree, self.blobs) if self.tree else None
        heard = (*listeners, self.handling.heard)
        order = self.virtual or order
        return Coordinator(machine, log, clock, files, heard, self.blobs.redactor, order)

    @cached_property
    def mode(self) -> Mode:
        """How the agents of the run are coordinated."""
        return find_mode(self.header.mode)

    @cached_property
    def handling(self) -> Handling:
        """What the mode does with files."""
        if self.tree is None:
            return IN_PLACE
        limits = self.header.limits
        return self.mode.handling(Ground(self.folder.path, self.tree, self.entries, limits))

    @cached_property
    def _ordered(self) -> bool:
        """Whether what an attempt sees follows from the order of requests alone."""
        return isinstance(self.handling, InPlace) and not self.handling.fresh

    def begin(self, coordinator: Coordinator) -> tuple[str, ...]:
        """Start the coordinator and its workers.

        Returns:
            What whoever starts the run must know about it.
        """
        work = self._work(coordinator)
        commands = self.commands or self._sandboxed()
        timed: Commands = commands
        if self.virtual:
            seconds, opened = self.header.command_seconds, (self.header.network, self.header.read)
            timed = self.virtual.timed(commands, self.blobs, seconds, repr(opened))
        prepare = self._preparation(coordinator, timed)
        interruption = self.virtual.interruption if self.virtual else lambda name: Interruption
        coordinator.start(
            self.header.workers,
            lambda name: Worker(name, coordinator, prepare(name), work, interruption(name)),
        )
        notices = [price_notice(self.actor.model)] if self.actor.model else []
        notices += withheld_notice(self.tree.withheld()) if self.tree is not None else ()
        if self.tree is not None and isinstance(commands, SubprocessCommands):
            notices += commands.notices()
        return tuple(notice for notice in notices if notice)

    def _work(self, coordinator: Coordinator) -> Work:
        if self.actor.function is not None:
            return FunctionWork(self.actor.function)
        assert self.actor.model is not None
        header, manners = self.header, self.mode.manners
        brief = make_briefer(header.goal, self.roles, header.seed, manners)
        boxes = {name: Toolbox(role, coordinator.notes) for name, role in self.roles.items()}
        model, limits = self.actor.model, self.header.limits
        asked = limits.provider
        pace = Pace(asked.concurrent, asked.requests_per_minute, asked.tokens_per_minute)
        gate = gate_for(model, pace, seed=self.header.seed)
        return AgentWork(model, brief, boxes, self.blobs, limits, gate, coordinator.rank)

    def _preparation(
        self, coordinator: Coordinator, commands: Commands
    ) -> Callable[[str], Prepare]:
        """Return what makes, for a worker, that which makes the contexts of its attempts."""
        if self.tree is None:
            tasks = {task.id: task for task in self.header.tasks}

            def without_files(lease: Lease, ask: Ask, interrupt: Interruption) -> Context:
                task = tasks.get(lease.task) or coordinator.assignment(lease.task)[0]
                return Context(task, lease, ask, interrupt)

            return lambda worker: without_files
        tree = self.tree
        return lambda worker: self._with_files(worker, tree, coordinator, commands)

    def _with_files(
        self, worker: str, tree: SharedTree, coordinator: Coordinator, commands: Commands
    ) -> Prepare:
        sites: list[Site] = []  # one, made in the worker's own thread when it is first needed

        def prepare(lease: Lease, ask: Ask, interrupt: Interruption) -> Context:
            task, bounds = coordinator.assignment(lease.task)
            if not sites:
                sites.append(self._site(worker, tree, coordinator, commands))
            reach = bounds if self._bounded else self._reach(task)
            return Context(task, lease, ask, interrupt, sites[0], reach, bounds)

        return prepare

    @cached_property
    def _bounded(self) -> bool:
        return self.mode.rules(self.header.limits).bounded

    def _reach(self, task: Task) -> Bounds:
        """Return what a task's tools can do where its scope is no more than an instruction."""
        role = self.roles.get(task.role)
        everything = Scope(("**",))
        if role is None:
            return Bounds(everything, reads=everything)
        return Bounds(Scope(role.writes), reads=Scope(role.reads))

    def _sandboxed(self) -> SubprocessCommands:
        if self.tree is None:
            return SubprocessCommands(self.blobs)
        apart = (self.tree.root, self.folder.path)
        return sandboxed_commands(self.header, self.tree, self.blobs, self.folder.copies, apart)

    def _site(
        self, worker: str, tree: SharedTree, coordinator: Coordinator, commands: Commands
    ) -> Site:
        copy = PrivateCopy(self.folder.copies / worker, tree)
        view = View(
            copy,
            self.entries,
            lambda after: coordinator.changes(after, worker if self._ordered else ""),
            lambda path: coordinator.look(worker, look(tree, path)),
        )
        seconds = min(COMMAND_SECONDS, 0.9 * self.header.limits.lease)
        by_region = self.header.validate == "region"
        live = choose_tests(self.mode, self.header.tests) == "live"
        return Site(
            view, tree, self.blobs, commands, seconds, by_region, self.handling, live
        )  # fmt: skip
