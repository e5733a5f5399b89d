"""A run, wired together: plan, workspace, log, machine, coordinator, workers.

`start` returns while the run lives, `run` waits for its end, `resume` goes on with one that was
interrupted, reached a limit, or whose process died.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import wraps
from graphlib import TopologicalSorter
from pathlib import Path
from typing import ParamSpec

from orchestrator.core.decision import listed
from orchestrator.core.encoding import encode
from orchestrator.core.events import Event
from orchestrator.core.limits import Limits
from orchestrator.core.machine import Machine
from orchestrator.core.messages import Request, Resume, Retry
from orchestrator.core.state import State
from orchestrator.core.states import TaskState
from orchestrator.errors import OrchestratorError, UsageError
from orchestrator.models.base import Model
from orchestrator.runtime.assembly import (
    Actor,
    Assembly,
    check_needs,
    fold_log,
    make_machine,
    roles_of,
)
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.clock import SystemClock
from orchestrator.runtime.commands import Commands
from orchestrator.runtime.commits import NO_COMMITS, Commits, choose_commit
from orchestrator.runtime.context import Context
from orchestrator.runtime.continuity import check_roles
from orchestrator.runtime.control import listening
from orchestrator.runtime.coordinator import Coordinator, Listener
from orchestrator.runtime.eventlog import Durability, SqliteLog
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
from orchestrator.runtime.locking import run_lock
from orchestrator.runtime.modes import choose_tests, choose_validation, find_mode
from orchestrator.runtime.ordering import recorded_order
from orchestrator.runtime.redaction import lost_with_secrets, make_redactor
from orchestrator.runtime.results import RunResult
from orchestrator.runtime.rundir import STATE, RunDir, new_run_id
from orchestrator.runtime.sandbox import SandboxPolicy
from orchestrator.runtime.scan import named_plainly
from orchestrator.runtime.sharedfiles import reconcile
from orchestrator.runtime.virtualtime import VirtualTime, virtual_time
from orchestrator.runtime.workplace import (
    choose_workspace,
    open_tree,
    outside_files,
    still_there,
)
from orchestrator.runtime.workspace import SharedTree
from orchestrator.spec.plan import Plan

P = ParamSpec("P")

MOST_WORKERS = 1000

GRACE = 5.0
"""Seconds that workers are waited for at the end."""


class DiskFailure:
    """Ends the run when the disk fails under one of its workers.

    Otherwise it would count as the attempt's own failure, and soon all tasks would have failed.

    Attributes:
        error: the first failure; None: there was none.
    """

    def __init__(self, coordinator: Coordinator) -> None:
        self.error: OrchestratorError | None = None
        self._coordinator = coordinator

    def __call__(self, error: OrchestratorError) -> None:
        """Take in a failure; called from the thread that found it."""
        self.error = self.error or error
        self._coordinator.halt(error.what)


class Run:
    """A run that lives. Made by `start` and `resume`; leave it by `wait`.

    Attributes:
        header: what was asked for and what is in force.
        coordinator: the thread that owns the state; ask it for a snapshot, approve, cancel.
        notices: what whoever starts the run must know, for example what the sandbox of
            commands cannot enforce on this system; mostly empty.
    """

    def __init__(
        self,
        header: Header,
        folder: RunDir,
        coordinator: Coordinator,
        resources: ExitStack,
        notices: tuple[str, ...] = (),
        failure: DiskFailure | None = None,
        commits: Commits = NO_COMMITS,
    ) -> None:
        self.header, self.folder, self.coordinator = header, folder, coordinator
        self.notices = notices
        self._resources, self._failure, self._commits = resources, failure, commits

    def halt(self, why: str = "interrupted") -> None:
        """End the run now; it can be resumed. Returns at once."""
        self.coordinator.halt(why)

    def finished(self, timeout: float | None = None) -> bool:
        """Wait up to `timeout` seconds; return whether the run has ended."""
        return self.coordinator.finished.wait(timeout)

    def wait(self, grace: float = GRACE) -> RunResult:
        """Wait for the end of the run, and let go of everything it holds.

        Args:
            grace: seconds that workers are waited for once the run has ended.

        Raises:
            OrchestratorError: the coordinator or the disk failed; the run can be resumed.
        """
        late: list[str] = []
        try:
            self.coordinator.finished.wait()
        except BaseException:
            self.halt("interrupted")
            self.coordinator.finished.wait(grace)
            raise
        finally:
            try:
                late = self.coordinator.close(grace)
            finally:
                self._resources.close()
                self.folder.remove_copies(late)
        if self.coordinator.error is not None:
            raise self.coordinator.error
        if self._failure is not None and self._failure.error is not None:
            raise self._failure.error
        return self._result(tuple(late))

    def _result(self, late: tuple[str, ...]) -> RunResult:
        header = self.header
        return RunResult(
            header.run, self.folder.path, self.coordinator.snapshot().status, header.mode,
            header.model, header.workers, header.seed,
            Path(header.workspace) if header.workspace else None, late, self._commits.told,
        )  # fmt: skip


def start(
    plan: Plan,
    *,
    model: str | Model | None = None,
    options: Mapping[str, str] | None = None,
    work: Callable[[Context], object] | None = None,
    mode: str | None = None,
    tests: str | None = None,
    validate: str | None = None,
    time: str = "real",
    command_seconds: float | None = None,
    remember: str | Path | None = None,
    workers: int | None = None,
    commit: str | None = None,
    into: str | Path | None = None,
    run_dir: str | Path | None = None,
    seed: int = 0,
    durability: Durability = "full",
    allow_dirty: bool = False,
    listeners: Sequence[Listener] = (),
    commands: Commands | None = None,
    control: bool = False,
) -> Run:
    """Start a plan and return while it runs.

    Args:
        plan: what is to be done.
        model: what answers for the agents; None: the plan's.
        options: options of the model, when it is given by name.
        work: does the tasks in place of a model: called with the context of each attempt.
        mode: coordination mode; None: the plan's.
        tests: where tests run, ``cut`` or ``live``; None: the plan's, or as the mode has it.
        validate: what makes a write stale, ``region`` or ``file``; None: the plan's.
        time: ``real``, or ``virtual``: waits are not waited for (see `runtime.virtualtime`).
        command_seconds: virtual seconds that each command takes; None: as long as it really took.
        remember: directory where results of commands over the same files are kept, for many
            runs in virtual time; None: each command is run.
        workers: worker threads; None: the plan's limit.
        commit: what is committed in git: ``task``, ``run`` or ``none``; None: as the plan has it.
        into: directory for a copy of the workspace to work on; None: the plan's.
        run_dir: directory for the log and all that is needed to resume; None:
            ``.orchestrator/runs/ID`` beside the plan.
        seed: decides everything random, so that a run can be repeated.
        durability: ``full``: what was answered survives a power cut; ``normal``: it survives
            the end of the process.
        allow_dirty: work in place on a git tree with uncommitted changes.
        listeners: called with the events of each commit, from the coordinator's thread.
        commands: what runs commands; None: processes of this machine.
        control: listen for `approve`, `reject` and `cancel` from other processes of this user.

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
    when = choose_commit(commit, plan, copied=bool(into or plan.into))
    place = choose_tests(chosen, tests or plan.tests or "")
    validation = choose_validation(validate or plan.validate)
    with ExitStack() as stack:
        actor = Actor.choose(plan, model, options or {}, work)
        stack.callback(actor.close)
        check_needs(plan.tasks, plan.workspace is not None, actor)
        virtual = virtual_time(time, command_seconds, actor.model, plan, remember)
        workspace = choose_workspace(plan, into, allow_dirty)
        roles = roles_of(plan.tasks, plan.roles)
        name = new_run_id()
        folder = RunDir.create(Path(run_dir or plan.base / STATE / "runs" / name))
        stack.callback(folder.discard)
        outside = outside_files(plan)
        apart = (folder.path, *([workspace] if workspace else []))
        SandboxPolicy.asked(plan.sandbox.network, outside, apart=apart)  # refuses what cannot be
        stack.enter_context(run_lock(folder.path))
        redactor = make_redactor(options)
        blobs = BlobStore(folder.blobs, durability == "full", redactor)
        tree = open_tree(plan, workspace, blobs, name, stack)
        entries = tree.scan() if tree else {}
        header = replace(
            _asked(plan, chosen.name, options or {}, seed),
            base=str(Path.cwd() if model and isinstance(model, str) else plan.base),
            run=name,
            limits=limits,
            tests=place,
            validate=validation,
            time=time,
            command_seconds=command_seconds,
            workers=chosen.workers(count),
            model=actor.name,
            network=plan.sandbox.network,
            read=outside,
            workspace=str(workspace or ""),
            role_digests={role.name: role.digest for role in roles.values()},
            manifest=save_manifest(entries, blobs) if tree else "",
            git=git_revision(workspace) if workspace else "",
            commit=when,
        )
        order = recorded_order(actor.model, header)
        log = SqliteLog.create(folder.events, pack(header), durability, redactor)
        stack.callback(log.close)
        commits = stack.enter_context(Commits.begin(header, folder, tree, entries, log))
        listeners = (*listeners, commits.heard)
        machine = make_machine(header, roles, entries)
        assembly = Assembly(header, folder, blobs, tree, entries, roles, actor, commands, virtual)
        coordinator = assembly.coordinator(machine, log, SystemClock(), listeners, order)
        if control:
            stack.enter_context(listening(folder, coordinator))
        failure = blobs.on_failure = DiskFailure(coordinator)
        notices = assembly.begin(coordinator) + commits.notices
        return Run(header, folder, coordinator, stack.pop_all(), notices, failure, commits)
    raise AssertionError("unreachable")


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
    control: bool = False,
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
        control: as for `start`.

    Raises:
        LogError: the log cannot be read.
        WorkspaceError: the workspace is gone or used by another run.
        UsageError: the run needs a model or a task function that was not given.
    """
    folder = RunDir.open(Path(run_dir))
    with ExitStack() as stack:
        stack.enter_context(run_lock(folder.path))
        log = SqliteLog.open(folder.events, durability)
        stack.callback(log.close)
        header = unpack(log.header)
        _need_all(lost_with_secrets(log.header))
        blobs = BlobStore(folder.blobs, durable=durability == "full")
        tree = None
        if header.workspace:
            named = named_plainly(header.tasks)
            tree = SharedTree(still_there(Path(header.workspace)), blobs, named)
            stack.enter_context(tree.lock(header.run))
        entries = load_manifest(header.manifest, blobs) if header.manifest else {}
        roles = roles_of(header.tasks, Path(header.roles) if header.roles else None)
        check_roles(header, roles)
        actor = Actor.again(header, model, work)
        stack.callback(actor.close)
        check_needs(header.tasks, bool(header.workspace), actor)
        machine = make_machine(header, roles, entries)
        at = fold_log(machine, log)
        in_force = limits or machine.state.rules.limits
        count = find_mode(header.mode).workers(_check_workers(in_force.workers))
        header = replace(header, limits=in_force, workers=count)
        virtual = VirtualTime(at) if header.time == "virtual" else None
        assembly = Assembly(header, folder, blobs, tree, entries, roles, actor, commands, virtual)
        commits = stack.enter_context(Commits.begin(header, folder, tree, entries, log))
        listeners = (*listeners, commits.heard)
        coordinator = assembly.coordinator(machine, log, SystemClock(at), listeners)
        first: list[Request] = list(reconcile(machine, tree, entries)) if tree else []
        first += map(Retry, _to_retry(machine.state)) if retry_failed else ()
        told = _decide(machine, at, first)
        log.append([encode(event) for event in told])
        for listener in listeners:
            listener(told)
        coordinator.post(Resume(limits))
        if control:
            stack.enter_context(listening(folder, coordinator))
        failure = blobs.on_failure = DiskFailure(coordinator)
        notices = assembly.begin(coordinator) + commits.notices
        return Run(header, folder, coordinator, stack.pop_all(), notices, failure, commits)
    raise AssertionError("unreachable")


def _to_the_end(begin: Callable[P, Run], doc: str) -> Callable[P, RunResult]:
    @wraps(begin)
    def whole(*args: P.args, **settings: P.kwargs) -> RunResult:
        return begin(*args, **settings).wait()

    whole.__doc__ = f"{doc}\n\n{begin.__doc__}"
    return whole


run = _to_the_end(start, "Run a plan to its end and return how it ended; otherwise as `start`.")
resume = _to_the_end(start_again, "Go on to the end of a run; otherwise as `start_again`.")


def _decide(machine: Machine, at: float, requests: Iterable[Request]) -> list[Event]:
    """Decide what precedes going on; the coordinator would take a run that has ended for ended."""
    return [event for request in requests for event in machine.handle(at, request).events]


def _to_retry(state: State) -> Iterator[str]:
    """Yield what ended without success, dependencies first: nothing can be retried before them."""
    names = state.records
    order = TopologicalSorter({name: state.graph.dependencies(name) for name in names})
    for name in order.static_order():
        if names[name].state in (TaskState.FAILED, TaskState.CANCELLED):
            yield name


def _asked(plan: Plan, mode: str, options: Mapping[str, str], seed: int) -> Header:
    """Return the part of the header that is known before anything is touched."""
    return Header(
        run="",
        name=plan.name,
        goal=plan.goal,
        tasks=plan.tasks,
        mode=mode,
        options=dict(options),
        seed=seed,
        roles=str(plan.roles or ""),
        plan=str(plan.path or ""),
        plan_digest=plan.digest,
        packages=packages(),
        started=now(),
    )


def _check_workers(count: int) -> int:
    if not 1 <= count <= MOST_WORKERS:
        raise UsageError(
            f"{count} workers cannot do anything" if count < 1 else f"{count} workers are too many",
            "--workers, or `limits.workers` in the plan",
            "each worker is a thread with a private copy of the workspace",
            f"give 1 to {MOST_WORKERS}",
        )
    return count


def _need_all(lost: Sequence[str]) -> None:
    """Refuse to go on without what the log must not hold."""
    if lost:
        raise UsageError(
            f"this run cannot be resumed: {listed(lost, 5)} held a secret",
            why="secrets are not kept in a log",
            fix="start the plan again; give secrets in the environment, not in a plan or an option",
        )
