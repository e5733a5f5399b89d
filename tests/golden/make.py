"""Makes the golden logs of the present format: logs that every later version must still read.

Run once for a format, and again under another name when a kind of event is added::

    python tests/golden/make.py            # format-N/every-kind, killed, agents, solo

What is there is never made again: it would no longer be what an older version has written.
Each log lies in a folder of its own as a run's directory, with ``tree`` for its workspace and
``expected.json`` for what it folds to.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from orchestrator import Context, Limits, Plan, Task, load_plan, run
from orchestrator.core.encoding import decode, encode
from orchestrator.core.limits import Budget
from orchestrator.core.machine import Machine
from orchestrator.core.messages import (
    Answer,
    Approve,
    Cancel,
    Claim,
    GiveUp,
    Granted,
    Lease,
    Lost,
    Note,
    Observe,
    Overstep,
    Reject,
    Renew,
    Report,
    Request,
    Resume,
    Retry,
    Send,
    Spent,
    Split,
    Submit,
    Tick,
    Undo,
    Unmerge,
    Widen,
    Write,
)
from orchestrator.runtime import run as running
from orchestrator.runtime.assembly import make_machine, roles_of
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.commands import FakeCommands
from orchestrator.runtime.eventlog import FORMAT, SqliteLog
from orchestrator.runtime.header import Header, load_manifest, pack, save_manifest, unpack
from orchestrator.runtime.scan import scan_tree

HERE = Path(__file__).parent
PLACE = Path("/tmp/golden")  # named in the headers; nothing need be there when a log is read
STARTED = "2026-01-01T00:00:00Z"


# --- every kind of event --------------------------------------------------------------------------

MARK = "# {}\n\n\n\n"
EVERY = (
    Task(id="a", writes=("a.txt",), test="check", priority=9),
    Task(id="b", writes=("a.txt", "b.txt"), test="check"),
    Task(id="c", writes=("c.txt",), approval=True),
    Task(id="d", writes=("d.txt",), approval=True),
    Task(id="e", writes=("e.txt",), depends_on=("d",)),
    Task(id="f", writes=("f.txt",), depends_on=("c",)),
    Task(id="g", shares=("shared.txt",)),
    Task(id="h", shares=("shared.txt",)),
    Task(id="i", writes=("i.txt",)),
    Task(id="j", writes=("j",)),
    Task(id="k", writes=("k.txt",), attempts=1),
)


class Story:
    """A run told request by request, without threads: every kind of event happens in it."""

    def __init__(
        self,
        folder: Path,
        tasks: tuple[Task, ...] = EVERY,
        limits: Limits = Limits(workers=9, tokens=5000, attempts=2),  # noqa: B008  (frozen)
    ) -> None:
        self.folder, self.blobs = folder, BlobStore(folder / "blobs")
        tree = folder / "tree"
        tree.mkdir(parents=True)
        for name, text in (("a.txt", "a\n"), ("outside.txt", "o\n"), ("shared.txt", _shared())):
            (tree / name).write_text(text)
        self._entries = scan_tree(tree).files
        self._header = Header(
            run=folder.name, name=folder.name, tasks=tasks, workers=9,
            limits=limits, workspace=str(PLACE / folder.name),
            manifest=save_manifest(self._entries, self.blobs), started=STARTED,
        )  # fmt: skip
        self._log = SqliteLog.create(folder / "events.db", pack(self._header))
        self._machine = make_machine(self._header, {}, self._entries)
        self._now, self._workers = 0.0, 0
        self.leases: dict[str, Lease] = {}
        self._evidence = self.blobs.put(b"all is well\n")

    def ask(self, request: Request) -> object:
        """Ask, record, and take in what was granted."""
        self._now += 0.25
        step = self._machine.handle(self._now, request)
        self._log.append([encode(event) for event in step.events])
        for effect in step.effects:
            if isinstance(effect, Answer) and isinstance(effect.reply, Granted):
                self.leases[effect.reply.lease.task] = effect.reply.lease
            if isinstance(effect, Unmerge):
                files = self._machine.state.files
                digest = self.blobs.put(_shared(h="by h\n").encode())
                base = files.current(effect.path).number
                self.ask(Undo(effect.task, effect.attempt, effect.token, effect.path, base, digest))
        return step.reply

    def claim(self, workers: int) -> None:
        """Let some workers come and ask for work."""
        for _ in range(workers):
            self._workers += 1
            self.ask(Claim(f"w{self._workers}"))

    def token(self, task: str) -> int:
        """Return the token under which a task is worked on."""
        return self.leases[task].token

    def write(self, task: str, path: str, text: str) -> None:
        """Write a file on top of its current version."""
        base = self._machine.state.files.current(path).number
        self.ask(Write(self.token(task), path, base, self.blobs.put(text.encode())))

    def submit(self, task: str) -> None:
        """Hand a task in."""
        cut = self._machine.state.files.cut
        self.ask(Submit(self.token(task), cut, True, self._evidence, f"{task} is done"))

    def resume(self, limits: Limits) -> None:
        """Go on in a new process, under other limits."""
        header = Header(run="", name="", tasks=EVERY, limits=limits)
        self._machine = make_machine(header, {}, self._entries)
        self._machine.fold(_events(self._log))
        self.leases.clear()
        self.ask(Retry("k"))
        self.ask(Resume())

    def close(self) -> None:
        """Let go of the log."""
        self._log.close()


def _shared(**lines: str) -> str:
    return "".join(f"# {name}\n{lines.get(name, '')}\n\n\n" for name in "gh")


def _first_part(story: Story) -> None:
    story.claim(9)
    cut = 1
    story.ask(Report(story.token("a"), "reason", 1, Spent(900, 100, 50, 10, 0.25)))
    story.ask(Report(story.token("a"), "write", 1, Spent(), (("outside.txt", cut),), "", "write"))
    story.ask(Renew(story.token("i")))
    story.write("a", "a.txt", "a, better\n")
    story.ask(Overstep(story.token("a"), "write_file", "b.txt", "b.txt is not yours", "leave it"))
    story.write("g", "shared.txt", _shared(g="by g\n"))
    story.write("h", "shared.txt", _shared(g="by g\n", h="by h\n"))
    story.ask(Widen(story.token("i"), ("a.txt",), "a belongs to it"))
    story.ask(Send(story.token("i"), "task:h", "hint", "mind the gap"))
    story.ask(Note(story.token("j"), "on parts", "there are two"))
    story.ask(GiveUp(story.token("g"), "tests_failed", "1 failed", Spent(10, 1)))
    story.ask(Report(story.token("h"), "test", 2, Spent(100, 10, usd=0.01)))
    story.submit("h")  # stale: its file was changed by taking out what g had written
    story.submit("a")
    story.write("i", "a.txt", "a, by i\n")
    parts = (Task(id="j1", writes=("j/1.txt",)), Task(id="j2", writes=("j/2.txt",)))
    story.ask(Split(story.token("j"), parts))
    story.submit("j")
    story.ask(Observe("outside.txt", story.blobs.put(b"changed by hand\n")))
    story.ask(Cancel("f", "not needed"))
    story.ask(Approve("c", "somebody"))
    story.ask(Reject("d", "not wanted"))
    story.ask(GiveUp(story.token("k"), "gave_up", "too hard"))
    story.ask(Report(story.token("i"), "reason", 3, Spent(4000, 100, usd=1.0)))


def every_kind(folder: Path) -> None:
    """Tell a story in which every kind of event happens."""
    story = Story(folder)
    _first_part(story)
    story.resume(Limits(workers=9, tokens=50_000, attempts=2))
    story.claim(9)
    for task, path in (("i", "i.txt"), ("c", "c.txt"), ("k", "k.txt"), ("g", ""), ("h", "")):
        story.write(task, path or "shared.txt", f"by {task}\n")
        story.submit(task)
    for task in ("j1", "j2", "b"):
        story.write(task, f"j/{task[1]}.txt" if task != "b" else "b.txt", f"by {task}\n")
        story.submit(task)
    story.close()


LIMITED = (
    Task(id="a", writes=("a.txt",), test="check"),
    Task(id="b", writes=("b.txt",), test="check"),
    Task(id="c", writes=("c.txt",)),
    Task(id="d", writes=("d.txt",), commands=1),
)


def limits(folder: Path) -> None:
    """Tell a story of limits: reservations, rest, a role's budget, submissions that wait."""
    allowed = Limits(
        workers=9, tokens=100, attempts=2, attempts_by={"model_error": 3}, backoff=1.0,
        roles={"": Budget(tokens=70)},
    )  # fmt: skip
    story = Story(folder, LIMITED, allowed)
    story.claim(4)
    story.ask(Report(story.token("b"), "reason", 1, expects=Spent(output=60, usd=0.5)))
    story.ask(Report(story.token("a"), "reason", 1, expects=Spent(output=45, usd=0.5)))
    story.ask(Report(story.token("b"), "write", 1, Spent(10, 10, usd=0.1), waited=0.5))
    story.ask(Report(story.token("a"), "write", 1, Spent(5, 5, usd=0.1)))
    story.write("a", "a.txt", "by a\n")
    number = 2  # the version that a has just made
    story.ask(Report(story.token("b"), "test", 1, reads=(("a.txt", number),), commands=1))
    story.write("b", "b.txt", "by b\n")
    story.submit("b")
    story.submit("a")
    story.ask(GiveUp(story.token("c"), "model_error", "overloaded"))
    story.claim(1)
    for _ in range(5):
        story.ask(Tick())
    story.ask(Report(story.token("d"), "test", 1, commands=1, evidence=story.blobs.put(b"red\n")))
    story.submit("d")
    lost = story.token("c")
    story.ask(Lost(story.leases["c"].worker, "it died"))
    story.ask(Report(lost, "write", 1, Spent(20, 10)))
    story.claim(1)
    story.ask(Report(story.token("c"), "write", 1, Spent(10, 5)))
    story.close()


def remained(folder: Path) -> None:
    """Tell of an attempt whose lines are gone already when they are to be taken out."""
    both = tuple(Task(id=name, shares=("shared.txt",)) for name in "gh")
    story = Story(folder, both)
    story.claim(2)
    story.write("g", "shared.txt", _shared(g="by g\n"))
    story.write("h", "shared.txt", _shared(h="by h\n"))
    story.ask(GiveUp(story.token("g"), "gave_up", "too hard"))
    story.submit("h")
    story.close()


# --- real runs ------------------------------------------------------------------------------------


def killed(folder: Path) -> None:
    """Copy a run as ``kill -9`` leaves it: with a living lease, and events only in the WAL."""
    project = PLACE / "killed" / "project"
    project.mkdir(parents=True)
    for name in ("a.txt", "b.txt", "c.txt"):
        (project / name).write_text(f"old {name}\n")
    tasks = (
        Task(id="a", writes=("a.txt",), test="check"),
        Task(id="b", writes=("b.txt", "made"), depends_on=("a",), test="check"),
        Task(id="c", writes=("c.txt",), depends_on=("b",), test="check"),
    )

    def work(context: Context) -> None:
        context.write(f"{context.task.id}.txt", f"new {context.task.id}\n")
        if context.task.id == "b" and context.attempt == 2:
            context.write("made/half.txt", "half done\n")
            shutil.copytree(PLACE / "killed" / "run", folder, ignore=shutil.ignore_patterns("w*"))
            shutil.copytree(project, folder / "tree")
        if context.task.id == "b":
            raise ValueError("on purpose")

    plan = Plan(name="killed", tasks=tasks, workspace=project, base=PLACE / "killed")
    commands = FakeCommands(lambda command, cwd: 0, BlobStore(PLACE / "killed" / "run" / "blobs"))
    run(plan, work=work, workers=1, run_dir=PLACE / "killed" / "run", commands=commands)


AGENTS = """\
version: 1
name: agents
workspace: project
roles: roles
model: oracle:solution
limits: {workers: 2}
defaults: {role: implementer, test: "python {tests}"}
tasks:
  - {id: one, writes: [one.py], tests: [check_one.py]}
  - {id: two, writes: [two.py], tests: [check_two.py], depends_on: [one]}
  - {id: three, writes: [three.py], tests: [check_one.py], depends_on: [one]}
"""


def agents(folder: Path) -> None:
    """Run agents with tools, tests and mistakes."""
    _run_agents(folder, AGENTS, "import {name}\n\nassert {name}.DOUBLE == {double}\n")


def solo(folder: Path) -> None:
    """Run one agent whose answers can be given again: what its tests print is always the same."""
    check = "import sys\n\nimport {name}\n\nsys.exit({name}.DOUBLE != {double})\n"
    _run_agents(folder, AGENTS.replace("name: agents", "name: solo\nmode: solo"), check)


def _run_agents(folder: Path, plan: str, check: str) -> None:
    base = PLACE / folder.name
    for number, name in ((1, "one"), (2, "two"), (3, "three")):
        for place in ("project", "solution"):
            (base / place).mkdir(parents=True, exist_ok=True)
        text = f"VALUE = {number}\nDOUBLE = VALUE + VALUE\n"
        (base / "solution" / f"{name}.py").write_text(text)
        tests = base / "project" / f"check_{name}.py"
        tests.write_text(check.format(name=name, double=2 * number))
    (base / "roles").mkdir()
    shutil.copy(HERE.parents[1] / "roles" / "implementer.yaml", base / "roles")
    (base / "plan.yaml").write_text(plan)
    run(load_plan(base / "plan.yaml"), options={"mistakes": "1"}, seed=3, run_dir=base / "run")
    shutil.copytree(base / "run", folder)
    shutil.copytree(base / "project", folder / "tree")
    shutil.copytree(base / "roles", folder / "roles")


# --- what a log must fold to ----------------------------------------------------------------------


def _events(log: SqliteLog) -> list[object]:
    return [decode(r.at, r.kind, r.task, r.attempt, r.body) for r in log.read()]


def _expected(folder: Path) -> dict[str, object]:
    """Return what the log folds to by the version that wrote it."""
    with tempfile.TemporaryDirectory() as name:
        copy = shutil.copytree(folder, Path(name) / "copy")  # reading may change what lies beside
        with SqliteLog.reader(copy / "events.db") as log:
            header, records = unpack(log.header), list(log.read())
    directory = folder / "roles"
    roles = roles_of(header.tasks, directory if directory.exists() else None)
    entries = load_manifest(header.manifest, BlobStore(folder / "blobs"))
    machine: Machine = make_machine(header, roles, entries)
    machine.fold(decode(r.at, r.kind, r.task, r.attempt, r.body) for r in records)
    state = machine.state
    return {
        "format": FORMAT,
        "events": len(records),
        "kinds": dict(sorted(Counter(record.kind for record in records).items())),
        "status": state.status,
        "token": state.token,
        "tokens": state.tokens,
        "usd": state.usd,
        "cut": state.files.cut,
        "files": state.files.digests(),
        "live": {attempt.lease.task: token for token, attempt in state.live.items()},
        "tasks": {
            name: {
                "state": str(record.state), "attempt": record.attempt,
                "failures": record.failures, "tokens": state.ledger.task(name).tokens,
                "reason": record.reason,
            }
            for name, record in state.records.items()
        },
    }  # fmt: skip


def main() -> None:
    """Make what is not there yet."""
    running.packages = lambda: {"orchestrator": "0.1.0"}
    running.now = lambda: STARTED
    makers: dict[str, Callable[[Path], None]] = {
        "every-kind": every_kind, "limits": limits, "remained": remained,
        "killed": killed, "agents": agents, "solo": solo,
    }  # fmt: skip
    for name, make in makers.items():
        folder = HERE / f"format-{FORMAT}" / name
        if folder.exists():
            print(f"{folder} is there already: it stays as it is")
            continue
        shutil.rmtree(PLACE / name, ignore_errors=True)
        make(folder)
        strays = ("lock", "control.json", "events.db-shm", ".gitignore", "copies")
        for place in (*(folder / stray for stray in strays), folder / "tree" / ".orchestrator"):
            shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
        wal = folder / "events.db-wal"
        if wal.exists() and not wal.stat().st_size:
            wal.unlink()
        text = json.dumps(_expected(folder), indent=1, sort_keys=True)
        (folder / "expected.json").write_text(text + "\n")
        shutil.rmtree(PLACE / name, ignore_errors=True)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
