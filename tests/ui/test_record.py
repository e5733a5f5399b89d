from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from orchestrator import Context, Plan, Task
from orchestrator.runtime.run import start
from orchestrator.ui.record import read_record


@pytest.mark.parametrize("with_files", [True, False])
def test_a_run_is_running_as_long_as_its_process_says_so(tmp_path: Path, with_files: bool) -> None:
    seen: list[str] = []

    def work(context: Context) -> None:
        seen.append(read_record(tmp_path / "run").status)

    workspace = tmp_path / "work" if with_files else None
    if workspace:
        workspace.mkdir()
    task = Task(id="a", writes=("a.txt",) if with_files else ())
    plan = Plan(name="p", tasks=(task,), workspace=workspace, base=tmp_path)
    start(plan, work=work, run_dir=tmp_path / "run", workers=1).wait()
    assert seen == ["running"]
    assert read_record(tmp_path / "run").status == "succeeded"


def test_a_process_of_the_same_number_does_not_bring_a_dead_run_to_life(tmp_path: Path) -> None:
    killed = tmp_path / "run"

    def work(context: Context) -> None:
        # What a killed process leaves: the log so far, and locks that name its process.
        shutil.copytree(tmp_path / "first", killed, ignore=shutil.ignore_patterns("*-shm"))

    (tmp_path / "work").mkdir()
    task = Task(id="a", writes=("a.txt",))
    plan = Plan(name="p", tasks=(task,), workspace=tmp_path / "work", base=tmp_path)
    start(plan, work=work, run_dir=tmp_path / "first", workers=1).wait()
    named = json.loads((killed / "lock").read_text())
    assert named["pid"] == os.getpid()
    shutil.copy(killed / "lock", tmp_path / "work" / ".orchestrator" / "lock")
    record = read_record(killed)
    assert (record.status, record.why) == ("interrupted", "its process has ended")
