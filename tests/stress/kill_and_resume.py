"""Kills runs with ``kill -9`` at random moments, resumes them, and compares what comes out.

Each run is a process of its own, started from the command line, as a user's is. At a random
moment it is killed, with nothing but its own process; whatever it had started must end by itself.
Then it is resumed, perhaps killed again, and in the end what must hold is looked at: `at_the_end`.

Run as a script; it prints one JSON object, and exits with 1 if anything was not as it must be::

    python tests/stress/kill_and_resume.py DIR --kills 100 --plan minisql --workers 8
"""

from __future__ import annotations

import argparse
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from random import Random

from orchestrator.errors import LogError, OrchestratorError
from orchestrator.lab.check import check_run
from orchestrator.lab.replay import replay
from orchestrator.runtime.eventlog import Record, SqliteLog

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "minisql"
PATIENCE = 10.0
"""Seconds within which whatever a killed run had started must have ended."""

LONGEST = 300.0
"""Seconds that a run may take."""

SMALL = """\
version: 1
name: small
workspace: ./project
model: oracle:./solution
limits: {workers: 4, attempts: 3}
defaults: {role: implementer, shares: [index.txt]}
tasks:
  - {id: base, writes: [base.txt], test: "grep -q 'base is done' base.txt"}
  - {id: left, writes: [left], depends_on: [base], test: "test -f left/one.txt -a -f base.txt"}
  - {id: right, writes: [right], depends_on: [base], test: "test -f right/one.txt -a -f base.txt"}
  - {id: tool, writes: [tool.py], depends_on: [base], test: "python tool.py"}
  - {id: docs, writes: ["docs/**"], test: "test -f docs/deep/guide.txt"}
  - {id: wide, writes: ["*.cfg"], depends_on: [left], test: "test -f wide.cfg"}
  - {id: last, writes: [last.txt], depends_on: [wide, right, tool, docs], test: "test -f last.txt"}
"""
_NAMES = ("base", "left", "right", "tool", "docs", "wide", "last")


def make_small(folder: Path) -> None:
    """Write a small plan with its workspace and its reference solution."""
    empty = "".join(f"# region: {name}\n# endregion: {name}\n#\n#\n" for name in _NAMES)
    full = "".join(
        f"# region: {name}\n{name} is in\n# endregion: {name}\n#\n#\n" for name in _NAMES
    )
    solution = {
        "index.txt": full,
        "base.txt": "base is done\n",
        "left/one.txt": "left\n",
        "right/one.txt": "right\n",
        "tool.py": "import sys\n\nTEN = 10\nsys.exit(0 if TEN == 10 else 1)\n",
        "docs/deep/guide.txt": "guide\n",
        "wide.cfg": "wide = yes\n",
        "last.txt": "last\n",
    }
    project = {"index.txt": empty, "base.txt": "base is not done\n", "README": "small\n"}
    for name, files in (("project", project), ("solution", solution)):
        for path, text in files.items():
            place = folder / name / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
    (folder / "plan.yaml").write_text(SMALL)


@dataclass
class Tally:
    """What came of it.

    Attributes:
        kills: runs that were killed; `begun` of them had begun to record events.
        runs: runs that came to their end after at least one kill; `equal` of them as they must.
        processes: what killed runs had left running, all together.
        slowest: seconds until the last of those had ended, at most.
    """

    kills: int = 0
    begun: int = 0
    runs: int = 0
    equal: int = 0
    processes: int = 0
    slowest: float = 0.0
    uninterrupted: float = 0.0
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)


class Trial:
    """One run, killed now and then.

    Args:
        folder: absent; made.
        plan: the plan file.
    """

    def __init__(self, folder: Path, plan: Path, workers: int, seed: int) -> None:
        folder.mkdir(parents=True)
        self.folder, self.plan = folder, plan
        self.tree, self.run_dir = folder / "tree", folder / "run"
        self._words = [
            "run", str(plan), "--into", str(self.tree), "--run-dir", str(self.run_dir),
            "-M", "latency=0.02-0.1", "-M", "mistakes=0.3", "--workers", str(workers),
            "--seed", str(seed), "--plain",
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        self.known: list[Record] = []

    @property
    def said(self) -> Path:
        """File with all that the program has printed."""
        return self.folder / "said.txt"

    def go(self) -> subprocess.Popen[bytes]:
        """Start the run, or resume it if it had begun."""
        words = self._words
        if self.known:
            words = ["resume", str(self.run_dir), "--plain"]
        else:  # there is nothing to go on with
            for place in (self.tree, self.run_dir):
                shutil.rmtree(place, ignore_errors=True)
        with self.said.open("ab") as file:
            return subprocess.Popen(
                [sys.executable, "-m", "orchestrator", *words],
                stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
            )  # fmt: skip

    def kill(self, process: subprocess.Popen[bytes], tally: Tally) -> Iterator[str]:
        """Kill a run, and say what is not as it must be afterwards."""
        process.send_signal(signal.SIGSTOP)  # so that nothing is started while we look
        left = _descendants(process.pid)
        process.kill()
        process.wait()
        tally.kills += 1
        tally.processes += len(left)
        begun = time.monotonic()
        outlived = _await_end(left)
        tally.slowest = max(tally.slowest, time.monotonic() - begun)
        if outlived:
            yield f"processes outlived the run by {PATIENCE:.0f} s: {outlived}"
        records = self._records()
        tally.begun += bool(records)
        if records[: len(self.known)] != self.known:
            yield "what was in the log is not there any more"
        self.known = records
        yield from self._replayed()

    def _records(self) -> list[Record]:
        with suppress(LogError), SqliteLog.reader(self.run_dir / "events.db") as log:
            return list(log.read())
        return []

    def _replayed(self) -> Iterator[str]:
        if not self.known:
            return
        try:
            found = replay(self.run_dir)
        except OrchestratorError as error:
            yield f"the log cannot be replayed: {error}"
        else:
            if not found.agrees:
                yield f"the replay does not agree: {found.parting} {found.problems}"

    def at_the_end(self, code: int, wanted: dict[str, str]) -> Iterator[str]:
        """Say what is not as it must be once the run has come to its end."""
        if code != 0:
            yield f"it ended with exit code {code}"
        found = digests(self.tree)
        if found != wanted:
            yield f"the tree differs: {sorted(dict(found.items() ^ wanted.items()))}"
        drafts = self.tree / ".orchestrator" / "tmp"
        if drafts.exists() and any(drafts.iterdir()):
            yield f"left half written: {[path.name for path in drafts.iterdir()]}"
        copies = [path.name for path in (self.run_dir / "copies").iterdir() if path.is_dir()]
        if copies:
            yield f"private copies are left: {copies}"
        before, self.known = self.known, self._records()
        if self.known[: len(before)] != before:
            yield "what was in the log is not there any more"
        yield from self._replayed()
        yield from _history_problems(self.known)
        yield from self._anomalies()

    def _anomalies(self) -> Iterator[str]:
        """Mode shared promises that there are none, whenever the run was killed."""
        try:
            report = check_run(self.run_dir)
        except OrchestratorError as error:
            yield f"the run cannot be checked: {error}"
            return
        yield from (f"an anomaly: {one}" for one in report.anomalies)
        if not report.serialisable:
            yield "no serial order of the tasks explains what was read and written"


def _history_problems(records: list[Record]) -> Iterator[str]:
    """Look at the log once more, without any code of the program but the reading of rows."""
    token, number = 0, 1
    accepted: dict[str, int] = {}
    for record in records:
        body = json.loads(record.body)
        if record.kind == "granted":
            if record.task in accepted:
                yield f"{record.task} was accepted and started again, event {record.seq}"
            if body["token"] <= token:
                yield f"token {body['token']} follows {token}, event {record.seq}"
            token = body["token"]
        elif record.kind == "succeeded":
            accepted[record.task] = body["token"]
        elif record.kind in ("wrote", "undone", "outside"):
            if body["number"] != number + 1:
                yield f"version {body['number']} follows {number}, event {record.seq}"
            number = body["number"]
            if record.kind == "undone" and body["token"] == accepted.get(record.task):
                yield f"an accepted write was taken back, event {record.seq}"


def digests(tree: Path) -> dict[str, str]:
    """Return path to digest of every file of a tree but the program's own."""
    return {
        str(path.relative_to(tree)): sha256(path.read_bytes()).hexdigest()
        for path in sorted(tree.rglob("*"))
        if path.is_file() and not {".orchestrator", "__pycache__"} & set(path.parts)
    }


def _descendants(process: int) -> list[int]:
    """Return all processes that a process has started, and those have."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, pending = [], [process]
    while pending:
        below = children.get(pending.pop(), [])
        found += below
        pending += below
    return found


def _await_end(processes: list[int]) -> list[int]:
    """Wait for the end of processes that are not our children; kill and return the stubborn."""
    handles: dict[int, int] = {}
    for process in processes:
        with suppress(ProcessLookupError):
            handles[os.pidfd_open(process)] = process
    end = time.monotonic() + PATIENCE
    while handles and (rest := end - time.monotonic()) > 0:
        for handle in select.select(list(handles), [], [], rest)[0]:
            del handles[handle]
            os.close(handle)
    for handle, process in handles.items():
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        os.close(handle)
    return list(handles.values())


def one(trial: Trial, moments: list[float], wanted: dict[str, str], tally: Tally) -> None:
    """Run a plan to its end, killed at each of `moments`, in seconds since it was started."""
    problems: list[str] = []
    before = tally.kills
    for moment in moments:
        process = trial.go()
        try:
            process.wait(moment)
            break  # it was quicker
        except subprocess.TimeoutExpired:
            problems += trial.kill(process, tally)
    else:
        process = trial.go()
        try:
            process.wait(LONGEST)
        except subprocess.TimeoutExpired:
            problems.append(f"it did not end in {LONGEST:.0f} s")
            problems += trial.kill(process, tally)
    problems += trial.at_the_end(process.returncode, wanted)
    tally.runs += tally.kills > before
    tally.equal += tally.kills > before and not problems
    tally.failures += [f"{trial.folder.name} {moments}: {problem}" for problem in problems]
    if not problems:
        shutil.rmtree(trial.folder)


def main() -> int:
    """Kill and resume as often as asked; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="directory to work in")
    parser.add_argument("--plan", choices=["small", "minisql"], default="small")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--per-run", type=int, default=1, help="kills of one run at most")
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    source = EXAMPLE
    if given.plan == "small":
        source = given.folder / "small"
        make_small(source)
    wanted = digests(source / "project") | digests(source / "solution")
    plan, random, tally = source / "plan.yaml", Random(given.seed), Tally()
    begun = time.monotonic()
    one(Trial(given.folder / "uninterrupted", plan, given.workers, given.seed), [], wanted, tally)
    tally.uninterrupted = time.monotonic() - begun
    number = 0
    while tally.kills < given.kills:
        number += 1
        times = random.randint(1, min(given.per_run, given.kills - tally.kills))
        each = tally.uninterrupted * (1 if times == 1 else 1.4 / times)
        moments = [round(random.uniform(0, each), 3) for _ in range(times)]
        trial = Trial(given.folder / f"run{number}", plan, given.workers, given.seed + number)
        one(trial, moments, wanted, tally)
    tally.seconds = time.monotonic() - begun
    print(json.dumps(asdict(tally)))
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
