"""Ends the process at every single step of a small run, resumes, and compares.

A step is the moment before or after the program appends to the log, keeps a content or changes
the shared tree; with ``--calls`` also before and after each call by which Python changes a file.
For k = 1, 2, 3, … a run is started in a process of its own that ends without a word at its k-th
step; another process resumes it. What must then hold is written down in `_look`.

Run as a script; it prints one JSON object, and exits with 1 if anything was not as it must be.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

from orchestrator import Context, Plan, Task, resume, run
from orchestrator.errors import LogError
from orchestrator.lab.check import check_run
from orchestrator.lab.replay import replay
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.commands import FakeCommands
from orchestrator.runtime.eventlog import Record, SqliteLog
from orchestrator.runtime.workspace import SharedTree

CUT_SHORT = 77
"""Exit code of a process that ended at its step."""

WAIT = 20.0

FILES = {
    "keep.txt": "never touched\n",
    "a.txt": "old\n",
    "tool.sh": "#!/bin/sh\n",
    "gone.txt": "to be deleted\n",
    "old/deep/x.txt": "to be deleted\n",
    "shared.txt": "# left\n\n\n\n# right\n\n\n\n",
}
EXECUTABLE = "tool.sh"

_CALLS = (
    "mkdir", "open", "replace", "rename", "unlink", "rmdir", "symlink", "write", "pwrite",
    "ftruncate", "fsync",
)  # fmt: skip


def _task(name: str, *needs: str, writes: tuple[str, ...] = (), **more: Any) -> Task:
    return Task(id=name, depends_on=needs, writes=writes, test="check", **more)


TASKS = (
    _task("left", shares=("shared.txt",)),
    _task("right", shares=("shared.txt",)),
    _task("edit", writes=("a.txt",)),
    _task("make", writes=("new",)),
    _task("drop", writes=("gone.txt", "old")),
    _task("script", writes=("tool.sh",)),
    _task("last", "left", "right", "edit", "make", "drop", "script", writes=("sum.txt",)),
)


class Trouble(Exception):
    """What a first attempt fails with."""


class Hands:
    """Does the tasks.

    Args:
        acknowledged: file that each accepted write is noted in at once.
        dramatic: first attempts go wrong in every way that has to be undone.
    """

    def __init__(self, acknowledged: Path, *, dramatic: bool) -> None:
        self._acknowledged, self._dramatic = acknowledged, dramatic
        self._right_wrote = threading.Event()

    def __call__(self, context: Context) -> None:
        """Do one attempt."""
        wrong = self._dramatic and context.attempt == 1
        getattr(self, f"_{context.task.id}")(context, wrong)

    def _put(self, context: Context, path: str, text: str | None) -> None:
        if text is None:
            context.delete(path)
        else:
            context.write(path, text)
        line = json.dumps([path, context.files.written[path], context.lease.token])
        handle = _open(self._acknowledged, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        _write(handle, line.encode() + b"\n")
        os.close(handle)

    def _line(self, context: Context) -> None:
        text = context.read("shared.txt") or ""
        mine = f"# {context.task.id}\n"
        self._put(context, "shared.txt", text.replace(mine, f"{mine}filled by it\n"))

    def _left(self, context: Context, wrong: bool) -> None:
        self._line(context)
        if wrong:  # by now the other has edited the same file
            self._right_wrote.wait(WAIT)
            raise Trouble

    def _right(self, context: Context, wrong: bool) -> None:
        self._line(context)
        self._right_wrote.set()

    def _edit(self, context: Context, wrong: bool) -> None:
        self._put(context, "a.txt", "draft\n")
        self._put(context, "a.txt", "new\n")

    def _make(self, context: Context, wrong: bool) -> None:
        if wrong:
            self._put(context, "new/wrong/made.txt", "wrong\n")
            self._put(context, "new/deep", "a file where a folder must be\n")
            raise Trouble
        self._put(context, "new/deep/made.txt", "made\n")

    def _drop(self, context: Context, wrong: bool) -> None:
        self._put(context, "gone.txt", None)
        self._put(context, "old/deep/x.txt", None)
        if wrong:
            raise Trouble

    def _script(self, context: Context, wrong: bool) -> None:
        if wrong:
            self._put(context, "tool.sh", None)
            raise Trouble
        self._put(context, "tool.sh", "#!/bin/sh\nexit 0\n")

    def _last(self, context: Context, wrong: bool) -> None:
        paths = ("a.txt", "gone.txt", "old/deep/x.txt", "new/deep/made.txt", "tool.sh")
        seen = [context.read(path) for path in (*paths, "shared.txt")]
        self._put(context, "sum.txt", sha256(repr(seen).encode()).hexdigest())


# --- ending a process at a step -------------------------------------------------------------------

_open, _write, _exit = os.open, os.write, os._exit  # before they are watched


class Fuse:
    """Ends the process at the k-th step; 0: never."""

    def __init__(self, at: int) -> None:
        self._left, self._lock = at, threading.Lock()

    def __call__(self) -> None:
        """One step."""
        with self._lock:
            self._left -= 1
            if self._left == 0:
                _exit(CUT_SHORT)

    def watch(self, owner: Any, name: str) -> None:
        """Make the moments before and after a function steps."""
        function = getattr(owner, name)

        def watched(*values: Any, **named: Any) -> Any:
            self()
            try:
                return function(*values, **named)
            finally:
                self()

        setattr(owner, name, watched)


def _light(at: int, calls: bool) -> None:
    fuse = Fuse(at)
    for owner, name in ((SqliteLog, "append"), (BlobStore, "put"), (SharedTree, "materialise")):
        fuse.watch(owner, name)
    for name in _CALLS if calls else ():
        fuse.watch(os, name)


def _apart(part: Callable[[], object]) -> int:
    """Do something in a process of its own; return its exit code."""
    child = os.fork()
    if child == 0:
        try:
            part()
            _exit(0)
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            _exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


# --- one run --------------------------------------------------------------------------------------


class Place:
    """Where one run happens.

    Args:
        folder: absent; made.
        into: whether the run works on a copy that it makes.
    """

    def __init__(self, folder: Path, *, into: bool) -> None:
        self.folder, self.project = folder, folder / "project"
        self.run_dir, self.acknowledged = folder / "run", folder / "acknowledged"
        self.into = folder / "copy" if into else None
        self.tree = self.into or self.project
        for path, text in FILES.items():
            place = self.project / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        (self.project / EXECUTABLE).chmod(0o755)

    @property
    def plan(self) -> Plan:
        """What the run does."""
        return Plan(name="steps", tasks=TASKS, workspace=self.project, base=self.folder)

    @property
    def commands(self) -> FakeCommands:
        """Commands that always succeed."""
        return FakeCommands(lambda command, cwd: 0, BlobStore(self.run_dir / "blobs"))

    def start(self, *, dramatic: bool) -> str:
        """Run the plan from its beginning; return how it ended."""
        hands = Hands(self.acknowledged, dramatic=dramatic)
        return run(
            self.plan, work=hands, workers=2, into=self.into, run_dir=self.run_dir,
            commands=self.commands, durability="normal",
        ).status  # fmt: skip

    def resume(self) -> str:
        """Go on with the run; return how it ended."""
        hands = Hands(self.acknowledged, dramatic=False)
        return resume(self.run_dir, work=hands, commands=self.commands, durability="normal").status

    def records(self) -> list[Record] | None:
        """Return what the log holds; None: the run had not begun."""
        try:
            with SqliteLog.reader(self.run_dir / "events.db") as log:
                return list(log.read())
        except LogError:
            return None

    def files(self) -> dict[str, tuple[str, bool]]:
        """Return path to content and executable bit, of all but what is the program's own."""
        return {
            str(path.relative_to(self.tree)): (path.read_text(), os.access(path, os.X_OK))
            for path in sorted(self.tree.rglob("*"))
            if path.is_file() and ".orchestrator" not in path.parts
        }

    def folders(self) -> set[str]:
        """Return the folders of the tree."""
        found = (path.relative_to(self.tree) for path in self.tree.rglob("*") if path.is_dir())
        return {str(path) for path in found if ".orchestrator" not in path.parts}

    def drafts(self) -> list[str]:
        """Return what is half written in the tree."""
        tmp = self.tree / ".orchestrator" / "tmp"
        return [path.name for path in tmp.iterdir()] if tmp.exists() else []

    def restart(self) -> str:
        """Start a run again that had not begun, with what it left behind out of the way."""
        assert {path: (self.project / path).read_text() for path in FILES} == FILES
        for place in (self.run_dir, self.into):
            if place is not None and place.exists():
                shutil.rmtree(place)
        return self.start(dramatic=False)


def _look(place: Place, wanted: Place, before: list[Record]) -> Iterator[str]:
    """Say what is not as it must be after a run was resumed to its end."""
    if place.files() != wanted.files():
        yield f"the tree differs: {place.files().items() ^ wanted.files().items()}"
    if place.folders() != wanted.folders():
        yield f"the folders differ: {place.folders() ^ wanted.folders()}"
    if place.drafts():
        yield f"left half written: {place.drafts()}"
    left = [path.name for path in (place.run_dir / "copies").iterdir() if path.is_dir()]
    if left:
        yield f"private copies are left: {left}"
    after = place.records() or []
    if after[: len(before)] != before:
        yield "what was in the log is not there any more"
    done = {record.task for record in before if record.kind == "succeeded"}
    again = [r.task for r in after[len(before) :] if r.kind == "granted" and r.task in done]
    if again:
        yield f"accepted tasks were started again: {again}"
    found = replay(place.run_dir)
    if not found.agrees:
        yield f"the replay does not agree: {found.parting} {found.problems}"
    report = check_run(place.run_dir)
    yield from (f"an anomaly: {one}" for one in report.anomalies)
    if not report.serialisable:
        yield "no serial order of the tasks explains what was read and written"


def _lost_writes(place: Place, before: list[Record]) -> Iterator[str]:
    """Say which writes were answered before the process ended and are not in its log."""
    bodies = [json.loads(record.body) for record in before if record.kind == "wrote"]
    known = {(body["path"], body["number"], body["token"]) for body in bodies}
    lines = place.acknowledged.read_text().splitlines() if place.acknowledged.exists() else []
    for line in lines:
        if tuple(json.loads(line)) not in known:
            yield f"an accepted write is not in the log: {line}"


def _one(
    folder: Path, wanted: Place, at: int, *, into: bool, calls: bool, again: int
) -> tuple[bool, list[str]]:
    """End a run at its step `at`, and resume it.

    Returns:
        Whether the run came to its end before that step, and what is wrong.
    """
    place = Place(folder, into=into)

    def cut_short() -> None:
        _light(at, calls)
        place.start(dramatic=True)

    code = _apart(cut_short)
    if code not in (0, CUT_SHORT):
        return False, [f"the run ended with exit code {code}"]
    before = place.records()
    if before is None:
        problems = _outcome(place.restart, folder)
        return code == 0, problems + list(_look(place, wanted, []))
    problems = list(_lost_writes(place, before))
    if again:

        def cut_short_again() -> None:
            _light(again, calls)
            place.resume()

        if _apart(cut_short_again) not in (0, CUT_SHORT):
            problems.append("the resumed run ended by itself")
        before = place.records() or []
        problems += _lost_writes(place, before)
    problems += _outcome(place.resume, folder)
    return code == 0, problems + list(_look(place, wanted, before))


def _outcome(part: Callable[[], str], folder: Path) -> list[str]:
    note = folder / "outcome"
    code = _apart(lambda: note.write_text(part()))
    if code != 0:
        return [f"going on ended with exit code {code}"]
    status = note.read_text()
    return [] if status == "succeeded" else [f"the run ended as {status}"]


def main() -> int:
    """Try every step; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="directory to work in; absent or empty")
    parser.add_argument("--calls", action="store_true", help="steps are single calls as well")
    parser.add_argument("--into", action="store_true", help="the run works on a copy")
    parser.add_argument("--again", type=int, help="seed: the resumed run is cut short as well")
    parser.add_argument("--first", type=int, default=1, help="first step")
    parser.add_argument("--stride", type=int, default=1, help="every which step")
    given = parser.parse_args()
    wanted = Place(given.folder / "wanted", into=given.into)
    wanted.plan.check()  # imports what is heavy, once, before the first fork
    assert not _outcome(lambda: wanted.start(dramatic=True), wanted.folder)
    random = Random(given.again)
    failures: dict[int, list[str]] = {}
    at, tried, over = given.first, 0, False
    while not over:
        folder = given.folder / str(at)
        again = random.randint(1, 80) if given.again is not None else 0
        over, problems = _one(
            folder, wanted, at, into=given.into, calls=given.calls, again=again
        )  # fmt: skip
        tried += 1
        if problems:
            failures[at] = problems
        else:
            shutil.rmtree(folder)
        at += given.stride
    print(
        json.dumps(
            {"steps": at, "tried": tried, "equal": tried - len(failures), "failures": failures}
        )
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
