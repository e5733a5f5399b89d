"""Leaving a run at once, by a second Ctrl-C, and going on with it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from orchestrator.lab.replay import replay

pytestmark = pytest.mark.slow

PLAN = """\
version: 1
name: small
workspace: project
model: scripted:script.yaml
limits: {workers: 2}
defaults: {role: implementer, test: "test -f quick.txt"}
tasks:
  - {id: quick, writes: [quick.txt]}
  - {id: slow, writes: [slow.txt], depends_on: [quick]}
"""
SCRIPT = """\
%s:
  - {calls: [{tool: write_file, input: {path: %s.txt, content: done}}]}
  - {calls: [{tool: submit, input: {summary: done}}]}
"""
# The model named in the plan, but for a turn that never comes and does not heed the interrupt.
DEAF = """\
import sys, threading
from pathlib import Path
from orchestrator import load_plan
from orchestrator.models.registry import create_model
from orchestrator.runtime.run import start
from orchestrator.ui.driving import Show, drive
from orchestrator.ui.failures import Session

model = create_model("scripted:script.yaml", {}, Path())
answer = model.next_turn

def deaf(briefing, history, interrupt):
    if briefing.task == "slow" and history:
        print("deaf", flush=True)
        threading.Event().wait()
    return answer(briefing, history, interrupt)

model.next_turn = deaf

def begin(progress):
    plan = load_plan("plan.yaml")
    return start(plan, model=model, into="tree", run_dir="run", listeners=(progress,))

sys.exit(drive(begin, Show(plain=True), Session()))
"""


def read_until(stream: IO[str] | None, wanted: str) -> None:
    """Read lines up to the first that holds `wanted`."""
    assert stream is not None
    for line in iter(stream.readline, ""):
        if wanted in line:
            return
    raise AssertionError(f"{wanted!r} never came")


def test_a_second_ctrl_c_leaves_at_once_and_the_run_goes_on(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "README").write_text("small\n")
    (tmp_path / "plan.yaml").write_text(PLAN)
    (tmp_path / "script.yaml").write_text("".join(SCRIPT % (n, n) for n in ("quick", "slow")))
    process = subprocess.Popen(
        [sys.executable, "-c", DEAF],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        read_until(process.stdout, "deaf")
        process.send_signal(signal.SIGINT)
        read_until(process.stdout, "Press Ctrl-C again to leave at once.")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130
    assert err == "Left at once. Go on with: orchestrator resume run\n"
    assert replay(tmp_path / "run").agrees
    again = subprocess.run(
        [sys.executable, "-m", "orchestrator", "resume", "run", "--json"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    tasks = json.loads(again.stdout)["tasks"]
    assert {name: task["attempts"] for name, task in tasks.items()} == {"quick": 1, "slow": 2}
    assert (tmp_path / "tree" / "slow.txt").read_text() == "done"
    assert replay(tmp_path / "run").agrees
