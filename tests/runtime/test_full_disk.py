"""A disk that is really full, and a directory that may really not be written, under a run."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.lab.replay import replay

pytestmark = pytest.mark.slow

PLAN = """\
version: 1
name: small
workspace: project
model: scripted:script.yaml
limits: {workers: 1, attempts: 2}
defaults: {role: implementer}
tasks:
  - {id: a, writes: [a.txt]}
  - {id: b, writes: [b.txt], depends_on: [a]}
  - {id: c, writes: [c.txt], depends_on: [b]}
"""


def call(here: Path, *words: object, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "orchestrator", *map(str, words)],
        cwd=here, capture_output=True, text=True, check=False, **more,  # type: ignore[call-overload]
    )  # fmt: skip


def make(here: Path, size: int) -> None:
    """Write a plan whose three tasks write a file of `size` characters each."""
    (here / "project").mkdir()
    (here / "project" / "README").write_text("small\n")
    (here / "plan.yaml").write_text(PLAN)
    script = {
        name: [
            {"calls": [{"tool": tool, "input": given}]}
            for tool, given in (
                ("write_file", {"path": f"{name}.txt", "content": name * size}),
                ("submit", {"summary": "done"}),
            )
        ]
        for name in "abc"
    }  # fmt: skip
    (here / "script.yaml").write_text(json.dumps(script))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 500 kB, with a fill of 200 kB to be removed."""
    place = tmp_path / "disk"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=500k", "tmpfs", str(place)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no `mount` here")
    if done.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    try:
        (place / "fill").write_bytes(bytes(200_000))
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize(
    ("on_disk", "size"), [("run", 1_000), ("run", 90_000), ("tree", 150_000)]
)  # fmt: skip
def test_a_full_disk_stops_the_run_and_it_goes_on_when_there_is_space(
    tmp_path: Path, disk: Path, on_disk: str, size: int
) -> None:
    make(tmp_path, size)
    run = (disk if on_disk == "run" else tmp_path) / "run"
    tree = (disk if on_disk == "tree" else tmp_path) / "tree"
    if size == 1_000:  # even the log has no room to grow
        (disk / "more").write_bytes(bytes(180_000))
    stopped = call(tmp_path, "run", "plan.yaml", "--run-dir", run, "--into", tree, "--plain")
    assert stopped.returncode == 4, stopped.stdout + stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert "No space left on device" in stopped.stderr or "the disk is full" in stopped.stderr
    assert "free some space" in stopped.stderr
    assert "resume" in stopped.stderr
    assert replay(run).agrees
    for fill in ("fill", "more"):
        (disk / fill).unlink(missing_ok=True)
    subprocess.run(["mount", "-o", "remount,size=9m", str(disk)], check=True)
    done = call(tmp_path, "resume", run, "--json")
    assert done.returncode == 0, done.stderr
    assert {name: (tree / f"{name}.txt").stat().st_size for name in "abc"} == dict.fromkeys(
        "abc", size
    )
    tasks = json.loads(done.stdout)["tasks"]
    assert all(task["attempts"] <= 2 for task in tasks.values())
    assert not any((tree / ".orchestrator" / "tmp").iterdir())
    assert replay(run).agrees


def test_a_disk_that_is_too_small_for_a_private_copy_stops_the_run(
    tmp_path: Path, disk: Path
) -> None:
    make(tmp_path, 10)
    for name in ("one", "two"):  # not kept as blobs: the copy is the first to need room for them
        (tmp_path / "project" / name).write_bytes(bytes(150_000))
    run, tree = disk / "run", tmp_path / "tree"
    stopped = call(tmp_path, "run", "plan.yaml", "--run-dir", run, "--into", tree, "--plain")
    assert stopped.returncode == 4, stopped.stdout + stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert "cannot be written in a private copy" in stopped.stderr
    assert "No space left on device" in stopped.stderr
    assert "resume" in stopped.stderr
    assert replay(run).agrees
    (disk / "fill").unlink()
    subprocess.run(["mount", "-o", "remount,size=9m", str(disk)], check=True)
    done = call(tmp_path, "resume", run, "--json")
    assert done.returncode == 0, done.stderr
    assert all((tree / f"{name}.txt").read_text() == name * 10 for name in "abc")
    tasks = json.loads(done.stdout)["tasks"]
    assert all(task["attempts"] <= 2 for task in tasks.values())
    assert replay(run).agrees


UNWRITABLE = """\
import json, os, sys
from pathlib import Path
from orchestrator import Plan, Task, resume, run
from orchestrator.errors import OrchestratorError
from orchestrator.runtime.commands import FakeCommands

here, which = Path(sys.argv[1]), sys.argv[2]
commands = FakeCommands(lambda command, cwd: 0)
if os.getuid() == 0:  # nobody may forbid root anything
    first = Plan(name="p", tasks=(Task(id="a"),), base=here)
    # imports all that it needs
    run(first, work=lambda context: None, run_dir=here / "first", commands=commands)
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
(here / "tree").mkdir()
(here / "tree" / "a.txt").write_text("old")
(here / "tree" / "b.txt").write_text("old")
closed = {"tree": here / "tree", "blobs": here / "run" / "blobs"}

def work(context):
    if context.task.id == "b" and context.attempt == 1 and which in closed:
        closed[which].chmod(0o555)
    context.write(f"{context.task.id}.txt", f"new {context.task.id}")

plan = Plan(
    name="p", workspace=here / "tree", base=here,
    tasks=(Task(id="a", writes=("a.txt",)), Task(id="b", writes=("b.txt",), depends_on=("a",))),
)
said = {}
try:
    said["first"] = run(plan, work=work, run_dir=here / "run", workers=1, commands=commands).status
except OrchestratorError as error:
    said["first"] = [error.exit_code, error.what, error.why, error.fix]
closed[which].chmod(0o755)
said["second"] = resume(here / "run", work=work, commands=commands).status
said["files"] = [(here / "tree" / name).read_text() for name in ("a.txt", "b.txt")]
print(json.dumps(said))
"""


@pytest.mark.parametrize(
    ("which", "what"),
    [("tree", "b.txt cannot be written"), ("blobs", "a content cannot be stored")],
)
def test_a_directory_that_may_not_be_written_stops_the_run(which: str, what: str) -> None:
    here = Path(tempfile.mkdtemp())  # in reach of that user, which `tmp_path` is not
    try:
        here.chmod(stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO)
        done = subprocess.run(
            [sys.executable, "-c", UNWRITABLE, str(here), which],
            capture_output=True, text=True, check=False, cwd=here,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    finally:
        shutil.rmtree(here)
    said = json.loads(done.stdout)
    code, told, why, fix = said["first"]
    assert (code, told) == (4, what)
    assert "Permission denied" in why
    assert "writable" in fix
    assert "resume" in fix
    assert (said["second"], said["files"]) == ("succeeded", ["new a", "new b"])
