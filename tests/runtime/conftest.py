"""An office: a real coordinator, tree and log, in which the test itself plays the workers.

Nothing runs at once unless a test starts threads, so what several agents do to one another can
be written down as one story.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from orchestrator.core.encoding import decode
from orchestrator.core.invariants import check, fingerprint
from orchestrator.core.limits import Limits
from orchestrator.core.machine import Machine
from orchestrator.core.messages import Claim, Granted, Reply, Request, Tick
from orchestrator.core.rules import RoleBounds, Rules
from orchestrator.core.scope import Scope
from orchestrator.core.task import Task
from orchestrator.models.base import ToolSpec
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.clock import ManualClock
from orchestrator.runtime.commands import Commands, FakeCommands, FakeHandler
from orchestrator.runtime.context import Context, Site
from orchestrator.runtime.coordinator import Coordinator
from orchestrator.runtime.copies import PrivateCopy
from orchestrator.runtime.eventlog import MemoryLog
from orchestrator.runtime.interruption import Interruption
from orchestrator.runtime.sharedfiles import SharedFiles, look
from orchestrator.runtime.tools import Outcome, Toolbox
from orchestrator.runtime.view import View
from orchestrator.runtime.workspace import SharedTree
from orchestrator.spec.operations import OPERATIONS
from orchestrator.spec.roles import Operation, Role
from orchestrator.spec.toolinput import InputCheck


def any_role(writes: tuple[str, ...]) -> Role:
    """Return a role with all tools that there are."""
    made = []
    for known in OPERATIONS.values():
        files = {"read": ("**",), "write": writes}.get(known.kind, ())
        tool = ToolSpec(known.name, known.name, known.schema)
        check_input = InputCheck(known, known.schema, files)
        made.append(Operation(known.name, known.kind, tool, files, check_input))
    return Role("any", "", "You do anything.", tuple(made), ("**",), writes, Path("any.yaml"), "")


class Seat:
    """Where a worker would sit: takes in that its lease has ended."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.interrupts: dict[int, Interruption] = {}

    def start(self) -> None:
        """Nothing to do: the test claims."""

    def end_lease(self, token: int) -> None:
        """Interrupt whoever works under this token."""
        for one, interrupt in self.interrupts.items():
            if token in (one, -1):
                interrupt.set()

    def join(self, timeout: float | None = None) -> None:
        """Nothing to wait for."""

    def is_alive(self) -> bool:
        """Nobody is left behind."""
        return False


_NOTHING = Tick()


class Agent:
    """One attempt, driven by the test through its tools or through its context."""

    def __init__(self, context: Context, toolbox: Toolbox, ask: Callable[[Request], Reply]) -> None:
        self.context, self.toolbox, self.ask = context, toolbox, ask

    def use(self, tool: str, **given: Any) -> Outcome:
        """Use a tool, whatever comes of it."""
        return self.toolbox.use(self.context, tool, given)

    def ok(self, tool: str, **given: Any) -> str:
        """Use a tool that must not refuse; return what it says."""
        outcome = self.use(tool, **given)
        assert not outcome.is_error, outcome.text
        return outcome.text

    def no(self, tool: str, **given: Any) -> str:
        """Use a tool that must refuse; return what it says, which must be fit for a model."""
        outcome = self.use(tool, **given)
        assert outcome.is_error, outcome.text
        assert outcome.text.startswith("Refused: "), outcome.text
        if "are not right" not in outcome.text:
            why, _, fix = outcome.text.rpartition("\nWhat to do: ")
            assert why, outcome.text
            assert fix.endswith("."), outcome.text
            assert not fix.endswith(("..", "?.")), outcome.text
        return outcome.text


class Office:
    """A coordinator with its log and its tree; workers are seats that the test fills.

    Attributes:
        work: the shared tree's directory.
        clock: stands still until the test moves it.
    """

    def __init__(
        self,
        folder: Path,
        *tasks: Task,
        files: Mapping[str, str | bytes] | None = None,
        commands: FakeHandler | Commands | None = None,
        role_writes: tuple[str, ...] = ("**",),
        by_region: bool = True,
        make: Callable[[Path], None] | None = None,
        **limits: Any,
    ) -> None:
        self.work, self.folder = folder / "work", folder
        self.work.mkdir()
        for path, text in (files or {}).items():
            place = self.work / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(text if isinstance(text, bytes) else text.encode())
        if make:
            make(self.work)
        self.role = any_role(role_writes)
        self.blobs = BlobStore(folder / "blobs", durable=False)
        self.tree = SharedTree(self.work, self.blobs)
        self.entries = self.tree.scan()
        self.clock = ManualClock()
        self.log = MemoryLog()
        self._tasks, self._limits, self._by_region = tasks, limits, by_region
        self.machine = self._machine()
        self.coordinator = Coordinator(
            self.machine, self.log, self.clock, SharedFiles(self.tree, self.blobs)
        )
        self._commands: Commands
        if commands is None or callable(commands):
            self._commands = FakeCommands(commands or (lambda *_: 0), self.blobs)
        else:
            self._commands = commands
        self._seats: dict[str, Seat] = {}
        self._asks: dict[str, Callable[[Request], Reply]] = {}
        self._views: dict[str, View] = {}
        self._threads: list[Thread] = []
        self.coordinator.start(4, self._seat)

    def _machine(self) -> Machine:
        role = RoleBounds(Scope(self.role.reads), Scope(self.role.writes))
        digests = {path: entry.digest for path, entry in self.entries.items()}
        rules = Rules(limits=Limits(**self._limits))
        return Machine(self._tasks, rules, {self.role.name: role}, digests)

    def _seat(self, name: str) -> Seat:
        self._seats[name] = Seat(name)
        return self._seats[name]

    def ask_as(self, worker: str) -> Callable[[Request], Reply]:
        """Return the function by which a worker asks."""
        if worker not in self._asks:
            self._asks[worker] = self.coordinator.connect(worker)
        return self._asks[worker]

    def agent(self, worker: str, granted: Reply | None = None) -> Agent:
        """Claim for a worker, which must be granted a task at once, and return the attempt."""
        ask = self.ask_as(worker)
        reply = granted or ask(Claim(worker))
        assert isinstance(reply, Granted), reply
        task, bounds = self.coordinator.assignment(reply.lease.task)
        interrupt = Interruption()
        self._seats[worker].interrupts[reply.lease.token] = interrupt
        if worker not in self._views:
            copy = PrivateCopy(self.folder / "copies" / worker, self.tree)
            self._views[worker] = View(
                copy,
                self.entries,
                self.coordinator.changes,
                lambda path: self.coordinator.call(look(self.tree, path)),
            )
        site = Site(
            self._views[worker], self.tree, self.blobs, self._commands, 60.0, self._by_region
        )
        context = Context(task, reply.lease, ask, interrupt, site, bounds)
        return Agent(context, Toolbox(self.role, self.coordinator.notes), ask)

    def apart(self, agent: Agent, tool: str, **given: Any) -> list[Outcome]:
        """Use a tool in a thread of its own; return where its outcome will be."""
        said: list[Outcome] = []
        thread = Thread(target=lambda: said.append(agent.use(tool, **given)))
        self._threads.append(thread)
        thread.start()
        return said

    def until(self, kind: str) -> None:
        """Return once an event of this kind is in the log."""
        while kind not in self.kinds():
            self.settle()

    def join(self) -> None:
        """Wait for all that was begun `apart`."""
        for thread in self._threads:
            thread.join()

    def text(self, path: str) -> str | None:
        """Return what the shared tree holds."""
        place = self.work / path
        return place.read_text() if place.exists() else None

    def kinds(self) -> list[str]:
        """Return the kinds of the events so far."""
        return [record.kind for record in self.log.read()]

    def settle(self) -> None:
        """Return once everything that was asked so far has been done."""
        for _ in range(3):  # what was asked may lead to more that is asked
            self.coordinator.call(_NOTHING)

    def close(self) -> None:
        """End the coordinator; what it recorded must fold to where it stands."""
        self.coordinator.close()
        self.join()
        if self.coordinator.error is not None:
            raise self.coordinator.error
        assert check(self.machine) == []
        again = self._machine()
        again.fold(decode(r.at, r.kind, r.task, r.attempt, r.body) for r in self.log.read())
        assert fingerprint(again.state) == fingerprint(self.machine.state)
        found = {path: self.tree.digest(path) for path in self.machine.state.files.known()}
        assert {path: digest for path, digest in found.items() if digest} == (
            self.machine.state.files.digests()
        )


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Callable[..., Office]]:
    """Make offices, and close them at the end."""
    made: list[Office] = []

    def make(*tasks: Task, **settings: Any) -> Office:
        folder = tmp_path / f"office{len(made)}"
        folder.mkdir()
        made.append(Office(folder, *tasks, **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()
