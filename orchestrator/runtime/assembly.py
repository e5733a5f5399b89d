"""The parts of a run, put together: what does the tasks, and what workers are made from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.machine import Machine
from orchestrator.core.messages import Lease, Reply, Request
from orchestrator.core.rules import RoleBounds
from orchestrator.core.scope import Scope
from orchestrator.core.task import Task
from orchestrator.errors import UsageError
from orchestrator.models.base import Model
from orchestrator.models.registry import create_model
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.briefing import make_briefer
from orchestrator.runtime.clock import SystemClock
from orchestrator.runtime.commands import Commands, SubprocessCommands
from orchestrator.runtime.context import Context, Site, Work
from orchestrator.runtime.coordinator import Coordinator, Listener
from orchestrator.runtime.copies import PrivateCopy
from orchestrator.runtime.eventlog import EventLog
from orchestrator.runtime.header import Header
from orchestrator.runtime.interruption import Interruption
from orchestrator.runtime.modes import find_mode
from orchestrator.runtime.rundir import RunDir
from orchestrator.runtime.sandbox import SandboxPolicy
from orchestrator.runtime.sharedfiles import SharedFiles, look
from orchestrator.runtime.tools import Toolbox
from orchestrator.runtime.view import View
from orchestrator.runtime.worker import AgentWork, FunctionWork, Worker
from orchestrator.runtime.workspace import Entry, SharedTree
from orchestrator.spec.plan import Plan
from orchestrator.spec.roles import Role, load_roles

COMMAND_SECONDS = 600.0
"""Seconds that one command may take, unless a lease is shorter."""

Ask = Callable[[Request], Reply]


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


@dataclass(frozen=True, slots=True)
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

    def coordinator(
        self, machine: Machine, log: EventLog, clock: SystemClock, listeners: Sequence[Listener]
    ) -> Coordinator:
        """Return the coordinator of the run, not started."""
        files = SharedFiles(self.tree, self.blobs) if self.tree else None
        return Coordinator(machine, log, clock, files, listeners)

    def begin(self, coordinator: Coordinator) -> None:
        """Start the coordinator and its workers."""
        work = self._work(coordinator)
        commands = self.commands or self._sandboxed()

        def spawn(name: str) -> Worker:
            return Worker(name, coordinator, self._preparer(name, coordinator, commands), work)

        coordinator.start(self.header.workers, spawn)

    def _sandboxed(self) -> SubprocessCommands:
        policy = SandboxPolicy.for_links(self.tree.links() if self.tree else {})
        return SubprocessCommands(self.blobs, policy=policy)

    def _work(self, coordinator: Coordinator) -> Work:
        if self.actor.function is not None:
            return FunctionWork(self.actor.function)
        assert self.actor.model is not None
        brief = make_briefer(self.header.goal, self.roles, self.header.seed)
        boxes = {name: Toolbox(role, coordinator.notes) for name, role in self.roles.items()}
        return AgentWork(self.actor.model, brief, boxes, self.blobs)

    def _preparer(
        self, worker: str, coordinator: Coordinator, commands: Commands
    ) -> Callable[[Lease, Ask, Interruption], Context]:
        """Return what makes the contexts of one worker, its private copy when first needed."""
        tasks = {task.id: task for task in self.header.tasks} if self.tree is None else {}
        sites: list[Site] = []

        def prepare(lease: Lease, ask: Ask, interrupt: Interruption) -> Context:
            if lease.task in tasks:
                return Context(tasks[lease.task], lease, ask, interrupt)
            task, bounds = coordinator.assignment(lease.task)
            if self.tree is not None and not sites:
                sites.append(self._site(worker, self.tree, coordinator, commands))
            return Context(task, lease, ask, interrupt, sites[0] if sites else None, bounds)

        return prepare

    def _site(
        self, worker: str, tree: SharedTree, coordinator: Coordinator, commands: Commands
    ) -> Site:
        copy = PrivateCopy(self.folder.copies / worker, tree)
        view = View(
            copy,
            self.entries,
            coordinator.changes,
            lambda path: coordinator.call(look(tree, path)),
        )
        seconds = min(COMMAND_SECONDS, 0.9 * self.header.limits.lease)
        by_region = self.header.validate == "region"
        return Site(view, tree, self.blobs, commands, seconds, by_region)
