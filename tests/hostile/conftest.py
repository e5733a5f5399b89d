"""A yard full of traps, in which hostile calls run through the real tool layer.

The coordinator, the log, the tree, the private copy, the tools and the role documents are the
real ones; only no command is executed. What lies out of bounds is watched: none of it may change,
and none of what it holds may turn up in an answer.
"""

from __future__ import annotations

import importlib.util
import json
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from orchestrator.core.invariants import check
from orchestrator.core.limits import Limits
from orchestrator.core.machine import Machine
from orchestrator.core.messages import Claim, Granted, Reply, Request
from orchestrator.core.rules import RoleBounds, Rules
from orchestrator.core.scope import Scope
from orchestrator.core.task import Task
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.clock import ManualClock
from orchestrator.runtime.commands import FakeCommands
from orchestrator.runtime.context import Context, Site
from orchestrator.runtime.coordinator import Coordinator
from orchestrator.runtime.copies import PrivateCopy
from orchestrator.runtime.eventlog import SqliteLog
from orchestrator.runtime.interruption import Interruption
from orchestrator.runtime.sharedfiles import SharedFiles, look
from orchestrator.runtime.tools import Outcome, Toolbox
from orchestrator.runtime.view import View
from orchestrator.runtime.workspace import SharedTree
from orchestrator.spec.roles import load_roles

CANARY = "CANARY-4f1d"
READS = ("mine/**", "shared/**")
WRITES = {
    "architect": ("mine/**",),
    "implementer": ("mine/**",),
    "tester": ("mine/tests/**",),
    "reviewer": (),
    "integrator": ("mine/**",),
    "documenter": ("mine/**/*.md",),
}
"""For each built-in role, the files of its task."""

Signature = tuple[Any, ...]


def lay_traps(top: Path) -> Path:
    """Make the workspace, and beside it what nobody may touch; return the workspace."""
    work, decoy = top / "work", top / "decoy"
    for path in (
        "decoy/secret.txt", "decoy/decoy/secret.txt", "work/theirs/secret.py", "work/secrets.txt",
        "work/.env", "work/mine/.env", "work/.git/config", "work/mine/.git/config",
        "work/mine/node_modules/x.js", "work/mine/__pycache__/a.pyc",
    ):  # fmt: skip
        _put(top / path, f"{CANARY}\n")
    for path in (
        "decoy/hard.txt", "work/mine/a.py", "work/mine/folder/x.txt", "work/mine/caf\u00e9.txt",
        "work/mine/sub/a.py", "work/mine/tests/test_a.py", "work/mine/notes.md",
        "work/shared/lib.py",
    ):  # fmt: skip
        _put(top / path, "nothing to see\n")
    links: dict[str, str | Path] = {
        "out": decoy, "out.md": decoy / "secret.txt", "up": "../..", "root": "/",
        "sub/out.md": decoy / "secret.txt", "tests/out.md": "../../../decoy/secret.txt",
        "inside.md": "a.py", "loop": "loop", "nowhere": "gone", "folder-link": "folder",
        "zero": "/dev/zero",
    }  # fmt: skip
    for link, target in links.items():
        (work / "mine" / link).symlink_to(target)
    for name in ("hard.md", "tests/hard.md"):
        (work / "mine" / name).hardlink_to(decoy / "hard.txt")
    for name in ("pipe", "tests/pipe.md"):
        os.mkfifo(work / "mine" / name)
    os.mknod(work / "mine/socket", stat.S_IFSOCK | 0o600)
    for name in ("device", "tests/device.md"):
        _device(work / "mine" / name)
    return work


def _walk(top: Path, folders: Iterable[str]) -> Iterator[tuple[str, os.stat_result]]:
    """Yield everything that is no folder: its path below `top`, and its own status."""
    rest = list(folders)
    while rest:
        folder = rest.pop()
        if folder == "work/.orchestrator":
            continue  # the log grows, as it should
        with os.scandir(top / folder) as entries:
            for entry in entries:
                path = f"{folder}/{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    rest.append(path)
                else:
                    yield path, entry.stat(follow_symlinks=False)


def _put(place: Path, text: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)


def _device(place: Path) -> None:
    """Make a device, or where only root may make one, something that is no file either."""
    try:
        os.mknod(place, stat.S_IFCHR | 0o600, os.makedev(1, 5))
    except PermissionError:
        os.mkfifo(place)


class Seat:
    """Where a worker would sit; the test itself works."""

    def __init__(self, name: str) -> None:
        self.name = name

    def start(self) -> None:
        """Nothing to do."""

    def end_lease(self, token: int) -> None:
        """Nothing to interrupt."""

    def join(self, timeout: float | None = None) -> None:
        """Nothing to wait for."""

    def is_alive(self) -> bool:
        """Nobody is left behind."""
        return False


class Yard:
    """One attempt of one role, among traps.

    Attributes:
        work: the workspace.
        commands: every command that was given to the sandbox.
        before: called before each request to the coordinator.
    """

    def __init__(self, top: Path, role: str) -> None:
        self.top, self.work = top, lay_traps(top)
        self._laid = frozenset(path for path, _ in _walk(top, ("decoy", "work")))
        self.role = load_roles()[role]
        self.commands: list[object] = []
        self.before: Callable[[Request], object] = lambda request: None
        blobs = BlobStore(top / "blobs", durable=False)
        self.tree = SharedTree(self.work, blobs)
        self.entries = self.tree.scan()
        task = Task(
            id="work", role=role, writes=WRITES[role], reads=READS, tests=("mine/tests/test_a.py",),
            test="python -m pytest -q {tests}",
        )  # fmt: skip
        bounds = RoleBounds(Scope(self.role.reads), Scope(self.role.writes))
        digests = {path: entry.digest for path, entry in self.entries.items()}
        self.machine = Machine(
            (task,), Rules(limits=Limits(attempts=1_000_000)), {role: bounds}, digests
        )
        run = self.work / ".orchestrator/runs/r"
        run.mkdir(parents=True)
        self.log = SqliteLog.create(run / "events.db", {}, durability="normal")
        files = SharedFiles(self.tree, blobs)
        self.coordinator = Coordinator(self.machine, self.log, ManualClock(), files)
        self.coordinator.start(1, Seat)
        self._asks = self.coordinator.connect("w1")
        copy = PrivateCopy(top / "copies/w1", self.tree)
        view = View(
            copy, self.entries, self.coordinator.changes,
            lambda path: self.coordinator.call(look(self.tree, path)),
        )  # fmt: skip
        executes = FakeCommands(self._execute, blobs)
        self._site = Site(view, self.tree, blobs, executes, 60.0, True)
        self.toolbox = Toolbox(self.role, self.coordinator.notes)
        self.context = self._claim(self._ask(Claim("w1")))
        self._seen = 0
        self.news()
        self._outside = self.watch()

    def _ask(self, request: Request) -> Reply:
        self.before(request)
        return self._asks(request)

    def _execute(self, command: object, cwd: Path) -> int:
        self.commands.append(command)
        return 1

    def _claim(self, reply: Reply) -> Context:
        assert isinstance(reply, Granted), reply
        task, bounds = self.coordinator.assignment(reply.lease.task)
        return Context(task, reply.lease, self._ask, Interruption(), self._site, bounds)

    def use(self, tool: Any, given: Any) -> Outcome:
        """Use a tool; when that ends the attempt, begin the next one."""
        outcome = self.toolbox.use(self.context, tool, given)
        if outcome.ending is not None:
            self.context = self._claim(outcome.ending)
        return outcome

    def news(self) -> list[dict[str, Any]]:
        """Return the refusals that were recorded since the last call."""
        records = list(self.log.read(self._seen))
        self._seen = records[-1].seq if records else self._seen
        return [json.loads(record.body) for record in records if record.kind == "refused"]

    def watch(self) -> dict[str, Signature]:
        """Return what tells whether anything out of bounds was changed, without reading it."""
        writes = Scope(WRITES[self.role.name])
        seen: dict[str, Signature] = {}
        for path, info in _walk(self.top, ("decoy", "work")):
            inside = path.removeprefix("work/")
            # A plain file of the attempt's own may be changed, replaced and made; a trap may not.
            ours = inside in self.entries or path not in self._laid
            if not (ours and inside != path and writes.matches(inside)):
                seen[path] = (info.st_mode, info.st_ino, info.st_size, info.st_mtime_ns)
        return seen

    def damage(self) -> list[str]:
        """Return what has changed out of bounds, or has appeared there."""
        now = self.watch()
        keys = now.keys() | self._outside.keys()
        return sorted(key for key in keys if now.get(key) != self._outside.get(key))

    def problems(self, outcome: Outcome) -> list[str]:
        """Return what is wrong with what came of a call, whatever the call was."""
        text = outcome.text
        found = [f"changed {path}" for path in self.damage()]
        found += ["shows what is out of bounds"] if CANARY in text else []
        found += ["cannot be stored"] if text.encode(errors="ignore").decode() != text else []
        found += ["is endless"] if len(text) > 210_000 else []
        if text.startswith("Refused: ") and not _helps(text):
            found.append("does not say what to do")
        return found

    def close(self) -> None:
        """End the run, which must be as sound as if nothing had happened."""
        self.coordinator.close()
        self.log.close()
        if self.coordinator.error is not None:
            raise self.coordinator.error
        assert check(self.machine) == []


def _helps(text: str) -> bool:
    """Whether a refusal says what to do: in a sentence of its own, or for each argument."""
    _, _, fix = text.partition("\nWhat to do: ")
    return len(fix) > 8 or len(text.partition("are not right.\n- ")[2]) > 8


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        f"hostile_{name}", Path(__file__).with_name(f"{name}.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def corpus() -> Any:
    """Return the module with the calls."""
    return _load("corpus")


@pytest.fixture(scope="module", params=sorted(WRITES))
def yard(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Yard]:
    """Return the yard of one role, used by all tests of a module."""
    made = Yard(tmp_path_factory.mktemp(request.param), request.param)
    yield made
    made.close()


@pytest.fixture
def make_yard(tmp_path: Path) -> Iterator[Callable[[str], Yard]]:
    """Make yards of their own, and close them at the end."""
    made: list[Yard] = []

    def make(role: str) -> Yard:
        made.append(Yard(tmp_path / f"{len(made)}", role))
        return made[-1]

    yield make
    for one in made:
        with suppress(FileNotFoundError):
            one.close()
