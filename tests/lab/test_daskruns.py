"""Trials on a Dask cluster: real workers, one of them killed in the middle of a trial.

The clusters live in processes of their own, because Dask keeps threads for the next cluster.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator import __version__
from orchestrator.errors import UsageError
from orchestrator.lab.daskruns import Cluster, Site, look

pytestmark = pytest.mark.slow

PATIENCE = 90  # seconds, until a test that waits for a process gives up

PLAN = """\
version: 1
name: {name}
goal: One file.
workspace: project
model: scripted:{script}
tasks:
  - {{id: one, writes: [one.py]}}
"""
SCRIPT = """\
one:
  - {calls: [{tool: write_file, input: {path: one.py, content: "X = 1\\n"}}]}
  - {calls: [{tool: submit, input: {summary: done}}]}
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """Two plans of one case; the second waits until somebody writes into its script."""
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "README").write_text("small\n")
    (tmp_path / "script.yaml").write_text(SCRIPT)
    os.mkfifo(tmp_path / "held.script")
    for name, script in (("quick", "script.yaml"), ("held", "held.script")):
        (tmp_path / f"{name}.yaml").write_text(PLAN.format(name=name, script=script))
    return tmp_path


@pytest.fixture
def start(here: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start programs that end with the test, and let no wait for one last for ever."""
    started: list[subprocess.Popen[str]] = []

    def begin(*words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *words], cwd=here, text=True, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        started.append(process)
        return process

    def late(number: int, frame: object) -> None:
        for process in started:
            process.kill()
        told = [process.communicate()[1] for process in started]
        raise TimeoutError(f"nothing happened for {PATIENCE} seconds: {told}")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(PATIENCE)
    yield begin
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
    for process in started:
        process.kill()
        process.communicate()


def compare(first: str, second: str, *words: str) -> list[str]:
    plans = [f"{first}.yaml", f"{second}.yaml"]
    return ["-m", "orchestrator", "compare", *plans, "--out", "out", "--repeats", "1", *words]


def pass_check(process: subprocess.Popen[str], held: Path) -> None:
    """Let a script be read by what looks at it before anything runs, and return after that."""
    assert process.stderr is not None
    for line in ("2 trials of 2 arms in out\n", "0 of 2 trials done\n"):
        held.write_text(SCRIPT)
        assert process.stderr.readline() == line


def reader(pipe: Path) -> int:
    """Return the process that has a pipe open for reading; whoever has it for writing asks."""
    wanted = pipe.stat()
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        try:
            opened = [
                (entry.stat().st_dev, entry.stat().st_ino) for entry in (process / "fd").iterdir()
            ]
        except OSError:
            continue
        if (wanted.st_dev, wanted.st_ino) in opened:
            return int(process.name)
    raise AssertionError("nobody reads")


def parent(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def kill_worker(process: subprocess.Popen[str], held: Path) -> None:
    """Kill the worker whose trial waits for its script, and return when that trial has ended."""
    pipe = os.open(held, os.O_WRONLY)  # returns when the trial reads
    trial = reader(held)
    assert trial != process.pid
    os.kill(parent(trial), signal.SIGKILL)
    await_end_of_reader(pipe)  # a trial does not outlive its worker
    os.close(pipe)


def await_end_of_reader(pipe: int) -> None:
    poll = select.poll()
    poll.register(pipe, 0)  # an error, the loss of the last reader, is always told
    poll.poll()


CONDUCT = """\
from pathlib import Path
from orchestrator.errors import UsageError
from orchestrator.lab import daskruns
from orchestrator.lab.experiment import Experiment, cases_of
from orchestrator.lab.trialruns import conduct

if __name__ == "__main__":
    plans = [Path("quick.yaml"), Path("held.yaml")]
    made = Experiment(cases=cases_of(plans)[0], repeats=1)
    with daskruns._client(daskruns.Cluster(jobs=2)) as client:
        engine = daskruns.Cluster(client.scheduler.address)
        for one in conduct(made, Path("out").absolute(), engine=engine):
            print(one.arm.plan, one.status)
        client.cluster.scheduler.allowed_failures = 0
        alone = Experiment(cases=cases_of(plans[1:])[0], repeats=1)
        for one in conduct(alone, Path("again").absolute(), engine=engine):
            print(one.status, one.failure)
        wrong = Experiment(cases=cases_of(plans[:1])[0], repeats=1, options=(("odd", "1"),))
        try:
            conduct(wrong, Path("wrong").absolute(), engine=engine)
        except UsageError as error:
            print(error)
        site = daskruns.Site("/nowhere", str(Path.cwd()), "mark", ("/nowhere/plan.yaml",))
        try:
            daskruns._check_workers(client, site)
        except UsageError as error:
            print(error)
    daskruns.ANSWER_SECONDS = 0.5
    try:
        conduct(made, Path("other").absolute(), engine=engine)
    except UsageError as error:
        print(error)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_a_killed_worker_costs_only_its_own_trial(
    here: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    (here / "conduct.py").write_text(CONDUCT)
    process = start("-u", "-W", "error", "conduct.py")
    held = here / "held.script"
    kill_worker(process, held)
    held.write_text(SCRIPT)  # returns when another worker reads
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(2)] == [
        "quick succeeded\n", "held succeeded\n",
    ]  # fmt: skip
    kill_worker(process, held)  # of a cluster that tries once now
    told, errors = process.communicate()
    assert errors == ""
    lost = [path.parent.name.partition("-")[0] for path in here.glob("out/trials/*/lost-1")]
    assert lost == ["held"]
    assert not list(here.glob("out/cluster-*"))

    assert "lost its worker died, 1 time out of 1" in told
    assert list(here.glob("again/trials/*/result.json")) == []
    assert "refused to begin" in told
    assert "Dask workers cannot run these trials" in told
    assert "does not see the experiment's directory /nowhere" in told
    assert "does not see /nowhere/plan.yaml" in told
    assert "no Dask scheduler answers" in told


def test_an_interrupt_ends_workers_and_trials(
    here: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    process = start(*compare("held", "quick", "--dask"))
    held = here / "held.script"
    pass_check(process, held)
    pipe = os.open(held, os.O_WRONLY)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    await_end_of_reader(pipe)
    os.close(pipe)
    _, errors = process.communicate()
    assert process.returncode == 130, errors
    assert "finished trials are not run again" in errors
    assert "Traceback" not in errors
    assert not list(here.glob("out/trials/*/result.json"))


def test_a_worker_says_all_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "mark").touch()
    site = Site(str(tmp_path), str(tmp_path), "mark", (str(tmp_path / "plan.yaml"),))
    assert [what for what, _ in look(site)] == [
        f"it ({os.uname().nodename}) does not see {tmp_path}/plan.yaml"
    ]
    (tmp_path / "plan.yaml").touch()
    assert look(site) == []
    other = Site(str(tmp_path), str(tmp_path), "mark", (), "0.0")
    assert [what for what, _ in look(other)] == [
        f"it ({os.uname().nodename}) has version {__version__} of orchestrator, not 0.0"
    ]


@pytest.mark.parametrize("address", ["plan.yaml", "localhost", "tcp://"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="no address of a Dask scheduler"):
        Cluster(address)
