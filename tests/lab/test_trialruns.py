"""Trials that really run: ended by a limit, left to another command, bound to who started them."""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from orchestrator.lab import bound
from orchestrator.lab.experiment import Experiment, Trial, cases_of
from orchestrator.lab.trial import TrialResult
from orchestrator.lab.trialruns import Advance, conduct

pytestmark = pytest.mark.slow

PLAN = """\
version: 1
name: small
goal: One file.
workspace: project
model: scripted:script.yaml
limits: {{workers: 1, wall: {wall}}}
tasks:
  - {{id: one, writes: [one.py]}}
  - {{id: two, writes: [two.py]}}
"""
SCRIPT = """\
one:
  - {calls: [{tool: write_file, input: {path: one.py, content: "X = 1\\n"}}]}
  - {calls: [{tool: submit, input: {summary: done}}]}
two:
  - {delay: 600, calls: [{tool: submit, input: {summary: done}}]}
"""


def experiment(folder: Path, script: str = SCRIPT, wall: str = "1s") -> Experiment:
    (folder / "project").mkdir()
    (folder / "project" / "README").write_text("small\n")
    (folder / "script.yaml").write_text(script)
    (folder / "plan.yaml").write_text(PLAN.format(wall=wall))
    return Experiment(cases=cases_of([folder / "plan.yaml"])[0], repeats=1)


def test_a_limit_of_wall_time_ends_a_trial_and_censors_its_makespan(tmp_path: Path) -> None:
    made = experiment(tmp_path)
    (one,) = conduct(made, tmp_path / "out")
    assert (one.status, one.failure, one.success) == ("limit", "", False)
    assert one.figures["makespan"] == 1.0
    assert one.figures["tasks_passed"] == 0.5
    # It is an outcome like any other: kept, and not run again.
    (folder,) = (tmp_path / "out" / "trials").iterdir()
    assert json.loads((folder / "result.json").read_text())["status"] == "limit"
    assert conduct(made, tmp_path / "out", retry_lost=True) == [one]
    assert not list(folder.glob("lost-*"))


def test_what_another_command_runs_is_left_to_it(tmp_path: Path) -> None:
    made = experiment(tmp_path, SCRIPT.replace("600", "0"), "1m")
    (trial,) = made.trials()
    place = tmp_path / "out" / "locks" / trial.name
    place.parent.mkdir(parents=True)
    with place.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert conduct(made, tmp_path / "out") == []
        assert not (tmp_path / "out" / "trials").exists()
    (one,) = conduct(made, tmp_path / "out")
    assert one.success


def test_nothing_begins_unless_it_is_approved(tmp_path: Path) -> None:
    class No(Exception):
        """The answer."""

    asked: list[tuple[int, int]] = []

    def refuse(waiting: Sequence[Trial], known: Sequence[TrialResult]) -> None:
        asked.append((len(waiting), len(known)))
        raise No

    seen: list[Advance] = []
    with pytest.raises(No):
        conduct(experiment(tmp_path), tmp_path / "out", approve=refuse, listener=seen.append)
    assert (asked, seen) == ([(1, 0)], [])
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux ends it")
def test_a_trial_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    words = [sys.executable, "-I", "-S", bound.__file__]
    starter = (
        "import os, subprocess, sys\n"
        f"subprocess.Popen([*{words!r}, str(os.getpid()), {str(tmp_path)!r}, '/bin/cat', 'pipe'],"
        " start_new_session=True).wait()"
    )
    process = subprocess.Popen([sys.executable, "-c", starter])
    pipe = os.open(tmp_path / "pipe", os.O_WRONLY)  # returns when the program reads
    process.send_signal(signal.SIGKILL)
    process.wait()
    poll = select.poll()
    poll.register(pipe, 0)  # the loss of the last reader is always told
    assert poll.poll()[0][1] & select.POLLERR
    os.close(pipe)


def test_who_comes_after_its_parent_has_ended_does_not_begin(tmp_path: Path) -> None:
    words = ["-I", "-S", bound.__file__, "1", str(tmp_path), "/bin/touch", "begun"]
    ended = subprocess.run([sys.executable, *words], check=False)
    assert ended.returncode == 130
    assert not (tmp_path / "begun").exists()
