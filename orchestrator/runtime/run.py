"""A run, wired together: plan, workspace, log, machine, coordinator, workers.

`start` returns while the run lives, `run` waits for its end, `resume` goes on with one that was
interrupted, reached a limit, or whose process died.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from orchestrator.core.decision import listed
from orchestrator.core.events import decode
from orchestrator.core.history import History
from orchestrator.core.limits import Limits
from orchestrator.core.machine import Machine
from orchestrator.core.messages import Lease, Reply, Request, Resume, Retry, RunStatus
from orchestrator.core.rules import RoleBounds
from orchestrator.core.scope import Scope
from orchestrator.core.states import TaskState
from orchestrator.core.task import Task
from orchestrator.errors import UsageError, WorkspaceError
from orchestrator.models.base import Model
from orchestrator.models.registry import create_model
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.briefing import make_briefer
from orchestrator.runtime.clock import SystemClock
from orchestrator.runtime.commands import Commands, SubprocessCommands
from orchestrator.runtime.context import Context, FunctionWork, Site, Work
from orchestrator.runtime.coordinator import Coordinator, Listener
from orchestrator.runtime.copies import PrivateCopy
from orchestrator.runtime.eventlog import Durability, EventLog, SqliteLog
from orchestrator.runtime.header import (
    Header,
    git_revision,
    load_manifest,
    now,
    pack,
    packages,
    save_manifest,
    unpack,
)
from orchestrator.runtime.interruption import Interruption
from orchestrator.runtime.modes import find_mode
from orchestrator.runtime.rundir import STATE, RunDir, new_run_id
from orchestrator.runtime.sharedfiles import SharedFiles, reconcile
from orchestrator.runtime.tools import Toolbox
from orchestrator.runtime.view import View
from orchestrator.runtime.worker import AgentWork, Worker
from orchestrator.runtime.workspace import Entry, SharedTree, copy_fresh, dirty_files
from orchestrator.spec.plan import Plan
from orchestrator.spec.roles import Role, load_roles

EXIT_CODES: Mapping[RunStatus, int] = {"succeeded": 0, "failed": 1, "limit": 3, "interrupted": 130}
COMMAND_SECONDS = 600.0
"""Seconds that one command may take, unless a lease is shorter."""

Ask = Callable[[Request], Reply]

GRACE = 5.0
"""Seconds that workers are waited for at the end."""


@dataclass(frozen=True, slots=True)
class TaskResult:
    """How one task ended.

    Attributes:
        seconds: from the start of its first attempt to the end of its last.
        input: model tokens put in.
        output: model tokens that came out.
        files: files that the accepted attempt wrote.
        reason: why it did not succeed; None if it did.
    """

    state: TaskState
    attempts: int
    turns: int
    seconds: float
    input: int
    output: int
    files: tuple[str, ...]
    reason: str | None


@dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Attributes:
        tree: the directory with the result; None: a run without a workspace.
        late: workers that had not returned when the run ended.
    """

    run: str
    run_dir: Path
    status: RunStatus
    mode: str
    model: str
    workers: int
    seed: int
    tree: Path | None = None
    late: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """The exit code of the command line for this result."""
        return EXIT_CODES.get(self.status, 1)

    @cached_property
    def history(self) -> History:
        """What happened, per task and attempt; read from the log when first asked for."""
        return load_history(self.run_dir)

    @cached_property
    def tasks(self) -> Mapping[str, TaskResult]:
        """How each task ended."""
        return task_results(self.history)


class Run:
    """A run that lives. Made by `start` and `resume`; leave it by `wait`.

    Attributes:
        header: what was asked for and what is in force.
        coordinator: the thread that owns the state; ask it for a snapshot, approve, cancel.
    """

    def __init__(
        self, header: Header, folder: RunDir, coordinator: Coordinator, resources: ExitStack
    ) -> None:
        self.header, self.folder, self.coordinator = header, folder, coordinator
        self._resources = resources

    def halt(self, why: str = "interrupted") -> None:
        """End the run now; it can be resumed. Returns at once."""
        self.coordinator.halt(why)

    def finished(self, timeout: float | None = None) -> bool:
        """Wait up to `timeout` seconds; return whether the run has ended."""
        return self.coordinator.finished.wait(timeout)

    def wait(self) -> RunResult:
        """Wait for the end of the run, and let go of everything it holds.

        Raises:
            OrchestratorError: the coordinator failed; the run can be resumed.
        """
        try:
            self.coordinator.finished.wait()
        except BaseException:
            self.halt("interrupted")
            self.coordinator.finished.wait(GRACE)
            raise
        finally:
            late = self.coordinator.close(GRACE)
            self._resources.close()
        if self.coordinator.error is not None:
            raise self.coordinator.error
        return self._result(tuple(late))

    def _result(self, late: tuple[str, ...]) -> RunResult:
        header = self.header
        return RunResult(
            header.run, self.folder.path, self.coordinator.snapshot().status, header.mode,
            header.model, header.workers, header.seed,
            Path(header.workspace) if header.workspace else None, late,
        )  # fmt: skip


def load_history(run_dir: Path) -> History:
    """Return what the log of a run tells about each task."""
    with SqliteLog.reader(RunDir.open(run_dir).events) as log:
        history = History(unpack(log.header).tasks)
        for row in log.read():
            history.apply(decode(row.at, row.kind, row.task, row.attempt, row.body))
    return history


def task_results(history: History) -> dict[str, TaskResult]:
    """Return how each task ended."""
    found = {}
    for name, task in history.tasks.items():
        first, last = (task.attempts[0], task.attempts[-1]) if task.attempts else (None, None)
        seconds = (last.ended or history.now) - first.started if first and last else 0.0
        found[name] = TaskResult(
            task.state, len(task.attempts), task.turns, seconds, task.input, task.output,
            task.files, task.reason or None,
        )  # fmt: skip
    return found


def run(plan: Plan, **settings: Any) -> RunResult:
    """Run a plan to its end. Takes what `start` takes, and returns how it ended."""
    return start(plan, **settings).wait()


def start(
    plan: Plan,
    *,
    model: str | Model | None = None,
    options: Mapping[str, str] | None = None,
    work: Callable[[Context], object] | None = None,
    mode: str | None = None,
    workers: int | None = None,
    into: str | Path | None = None,
    run_dir: str | Path | None = None,
    seed: int = 0,
    durability: Durability = "full",
    allow_dirty: bool = False,
    listeners: Sequence[Listener] = (),
    commands: Commands | None = None,
) -> Run:
    """Start a plan and return while it runs.

    Args:
        plan: what is to be done.
        model: what answers for the agents; None: the plan's.
        options: options of the model, when it is given by name.
        work: does the tasks in place of a model: called with the context of each attempt.
        mode: coordination mode; None: the plan's.
        workers: worker threads; None: the plan's limit.
        into: directory for a copy of the workspace to work on; None: the plan's.
        run_dir: directory for the log and all that is needed to resume; None:
            ``.orchestrator/runs/ID`` beside the plan.
        seed: decides everything random, so that a run can be repeated.
        durability: ``full``: what was answered survives a power cut; ``normal``: it survives
            the end of the process.
        allow_dirty: work in place on a git tree with uncommitted changes.
        listeners: called with the events of each commit, from the coordinator's thread.
        commands: what runs commands; None: processes of this machine.

    Raises:
        PlanError: the plan cannot run.
        UsageError: the arguments do not fit: no model, unknown mode, no workers.
        WorkspaceError: the workspace or the run directory cannot be used.
    """
    if plan.path is None:
        plan.check()
    chosen = find_mode(mode or plan.mode)
    count = _check_workers(plan.limits.workers if workers is None else workers)
    limits = replace(plan.limits, workers=count)
    actor = _Actor.choose(plan, model, options or {}, work)
    workspace = _choose_workspace(plan, into, allow_dirty)
    roles = _roles_of(plan.tasks, plan.roles)
    name = new_run_id()
    folder = RunDir.create(Path(run_dir or plan.base / STATE / "runs" / name))
    with ExitStack() as stack:
        stack.callback(actor.close)
        blobs = BlobStore(folder.blobs, durable=durability == "full")
        tree = _open_tree(plan, workspace, blobs, name, stack)
        entries = tree.scan() if tree else {}
        header = Header(
            run=name,
            name=plan.name,
            goal=plan.goal,
            tasks=plan.tasks,
            mode=chosen.name,
            validate=plan.validate,
            limits=limits,
            workers=chosen.workers(count),
            model=actor.name,
            options=dict(options or {}),
            seed=seed,
            workspace=str(workspace or ""),
            base=str(plan.base),
            roles=str(plan.roles or ""),
            role_digests={role.name: role.digest for role in roles.values()},
            plan=str(plan.path or ""),
            plan_digest=plan.digest,
            manifest=save_manifest(entries, blobs) if tree else "",
            packages=packages(),
            git=git_revision(workspace) if workspace else "",
            started=now(),
        )
        log = SqliteLog.create(folder.events, pack(header), durability)
        stack.callback(log.close)
        machine = _machine(header, roles, entries)
        assembly = _Assembly(header, folder, blobs, tree, entries, roles, actor, commands)
        coordinator = assembly.coordinator(machine, log, SystemClock(), listeners)
        assembly.begin(coordinator)
        return Run(header, folder, coordinator, stack.pop_all())
    raise AssertionError("unreachable")


def resume(
    run_dir: str | Path,
    *,
    model: Model | None = None,
    work: Callable[[Context], object] | None = None,
    retry_failed: bool = False,
    limits: Limits | None = None,
    durability: Durability = "full",
    listeners: Sequence[Listener] = (),
    commands: Commands | None = None,
) -> RunResult:
    """Go on with a run that was interrupted; see `start_again`."""
    return start_again(
        run_dir, model=model, work=work, retry_failed=retry_failed, limits=limits,
        durability=durability, listeners=listeners, commands=commands,
    ).wait()  # fmt: skip


def start_again(
    run_dir: str | Path,
    *,
    model: Model | None = None,
    work: Callable[[Context], object] | None = None,
    retry_failed: bool = False,
    limits: Limits | None = None,
    durability: Durability = "full",
    listeners: Sequence[Listener] = (),
    commands: Commands | None = None,
) -> Run:
    """Go on after a crash, an interrupt or a limit, and return while the run lives.

    The state is the fold of the log; all leases of the dead process end, and the tree is
    brought to where the log says it is. Nothing that was accepted is done again.

    Args:
        run_dir: directory of the run.
        model: in place of the model that the run was started with.
        work: the task function of a run that was started with one.
        retry_failed: give failed tasks, and what was skipped for them, a new chance.
        limits: in place of the run's limits, for example higher ones.

    Raises:
        LogError: the log cannot be read.
        WorkspaceError: the workspace is gone or used by another run.
        UsageError: the run needs a model or a task function that was not given.
    """
    folder = RunDir.open(Path(run_dir))
    with ExitStack() as stack:
        log = SqliteLog.open(folder.events, durability)
        stack.callback(log.close)
        header = unpack(log.header)
        if limits is not None:
            header = replace(header, limits=limits)
        blobs = BlobStore(folder.blobs, durable=durability == "full")
        tree = None
        if header.workspace:
            tree = SharedTree(Path(header.workspace), blobs)
            stack.enter_context(tree.lock(header.run))
        entries = load_manifest(header.manifest, blobs) if header.manifest else {}
        roles = _roles_of(header.tasks, Path(header.roles) if header.roles else None)
        actor = _Actor.again(header, model, work)
        stack.callback(actor.close)
        machine = _machine(header, roles, entries)
        at = 0.0
        for row in log.read():
            machine.fold([decode(row.at, row.kind, row.task, row.attempt, row.body)])
            at = row.at
        assembly = _Assembly(header, folder, blobs, tree, entries, roles, actor, commands)
        coordinator = assembly.coordinator(machine, log, SystemClock(at), listeners)
        for seen in reconcile(machine, tree) if tree else ():
            coordinator.post(seen)
        if retry_failed:
            for name, record in machine.state.records.items():
                if record.state in (TaskState.FAILED, TaskState.CANCELLED):
                    coordinator.post(Retry(name))
        coordinator.post(Resume())
        assembly.begin(coordinator)
        return Run(header, folder, coordinator, stack.pop_all())
    raise AssertionError("unreachable")


# --- parts ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Actor:
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
    ) -> _Actor:
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
    ) -> _Actor:
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


def _check_workers(count: int) -> int:
    if count < 1:
        raise UsageError(f"{count} workers cannot do anything", "--workers", fix="give 1 or more")
    return count


def _choose_workspace(plan: Plan, into: str | Path | None, allow_dirty: bool) -> Path | None:
    """Return the directory that the agents will change, after asking whether they may."""
    target = Path(into).absolute() if into else plan.into
    if plan.workspace is None or target is not None:
        return target
    dirty = [] if allow_dirty else dirty_files(plan.workspace)
    if dirty:
        raise WorkspaceError(
            f"the workspace has {len(dirty)} uncommitted changes ({listed(dirty, 5)})",
            str(plan.workspace),
            "the agents would work in place, and their changes would mix with yours",
            "commit or stash them, work on a copy with --into DIR, or say --allow-dirty (what "
            "the run replaces stays recoverable from its run directory)",
        )
    return plan.workspace


def _open_tree(
    plan: Plan, workspace: Path | None, blobs: BlobStore, run: str, stack: ExitStack
) -> SharedTree | None:
    if workspace is None or plan.workspace is None:
        return None
    if workspace != plan.workspace:
        copy_fresh(plan.workspace, workspace)
    tree = SharedTree(workspace, blobs)
    stack.enter_context(tree.lock(run))
    return tree


def _roles_of(tasks: Iterable[Task], directory: Path | None) -> dict[str, Role]:
    names = dict.fromkeys(task.role for task in tasks if task.role)
    if not names:
        return {}
    roles = load_roles(directory)
    return {name: roles[name] for name in names}


def _machine(header: Header, roles: Mapping[str, Role], entries: Mapping[str, Entry]) -> Machine:
    return Machine(
        header.tasks,
        find_mode(header.mode).rules(header.limits),
        {r.name: RoleBounds(Scope(r.reads), Scope(r.writes)) for r in roles.values()},
        {path: entry.digest for path, entry in entries.items()},
    )


@dataclass(frozen=True, slots=True)
class _Assembly:
    """Everything from which workers are made."""

    header: Header
    folder: RunDir
    blobs: BlobStore
    tree: SharedTree | None
    entries: Mapping[str, Entry]
    roles: Mapping[str, Role]
    actor: _Actor
    commands: Commands | None

    def coordinator(
        self, machine: Machine, log: EventLog, clock: SystemClock, listeners: Sequence[Listener]
    ) -> Coordinator:
        files = SharedFiles(self.tree, self.blobs) if self.tree else None
        return Coordinator(machine, log, clock, files, listeners)

    def begin(self, coordinator: Coordinator) -> None:
        """Start the coordinator and its workers."""
        work = self._work(coordinator)
        commands = self.commands or SubprocessCommands(self.blobs)

        def spawn(name: str) -> Worker:
            return Worker(name, coordinator, self._preparer(name, coordinator, commands), work)

        coordinator.start(self.header.workers, spawn)

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
        view = View(copy, self.entries, coordinator.changes)
        seconds = min(COMMAND_SECONDS, 0.9 * self.header.limits.lease)
        by_region = self.header.validate == "region"
        return Site(view, tree, self.blobs, commands, seconds, by_region)
