"""Runs from the command line: real processes, exit codes, JSON, interrupts, pipes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

pytestmark = pytest.mark.slow

PLAN = """\
version: 1
name: small
workspace: project
into: out
model: scripted:script.yaml
limits: {workers: 2, attempts: 2}
tasks:
  - {id: base, writes: [base.py], test: "python3 -c 'import base; assert base.X == 1'"}
  - {id: user, writes: [user.py], depends_on: [base]}
  - {id: docs, writes: [docs.md]}
"""
SUBMIT = "[{tool: submit, input: {summary: done}}]"
WRITE_BASE = '[{tool: write_file, input: {path: base.py, content: "X = %d\\n"}}]'
GOOD = f"""\
base:
  1: [{{calls: {WRITE_BASE % 2}}}, {{calls: {SUBMIT}}}, {{calls: [{{tool: give_up, input: {{reason: odd}}}}]}}]
  2: [{{calls: {WRITE_BASE % 1}, usage: {{input: 1200, output: 34}}}}, {{calls: {SUBMIT}}}]
"*": [{{calls: {SUBMIT}}}]
"""  # noqa: E501
BAD = f"""\
base: [{{calls: {WRITE_BASE % 2}}}, {{calls: {SUBMIT}}}, {{calls: [{{tool: give_up, input: {{reason: odd}}}}]}}]
"*": [{{calls: {SUBMIT}}}]
"""  # noqa: E501
SLOW = f"""\
user: [{{calls: {SUBMIT}, delay: 600}}]
base: [{{calls: {WRITE_BASE % 1}}}, {{calls: {SUBMIT}}}]
"*": [{{calls: {SUBMIT}}}]
"""
PROGRAM = [sys.executable, "-m", "orchestrator"]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "README").write_text("small\n")
    (tmp_path / "plan.yaml").write_text(PLAN)
    (tmp_path / "script.yaml").write_text(GOOD)
    return tmp_path


def environment() -> dict[str, str]:
    """This process's environment, without what would change how output looks."""
    odd = ("FORCE_COLOR", "NO_COLOR", "ORCHESTRATOR_DEBUG", "ANTHROPIC_API_KEY", "COLUMNS")
    return {key: value for key, value in os.environ.items() if key not in odd}


def call(here: Path, *words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *words], cwd=here, env=environment(), capture_output=True, text=True,
        check=False, **more,
    )  # fmt: skip


@contextmanager
def started(here: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A process that does not outlive the test."""
    process = subprocess.Popen(
        words, cwd=here, env=environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def running(here: Path, *words: str) -> AbstractContextManager[subprocess.Popen[str]]:
    return started(here, *PROGRAM, "run", "plan.yaml", *words)


def read_until(stream: Any, wanted: str) -> str:
    """Read lines up to the first that holds `wanted`."""
    read = ""
    for line in iter(stream.readline, ""):
        read += line
        if wanted in line:
            return read
    raise AssertionError(f"{wanted!r} never came; there was:\n{read}")


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_a_run_that_succeeds(here: Path) -> None:
    done = call(here, "run", "plan.yaml")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Run ")
    assert "3 tasks, 2 workers, mode shared, model scripted:script.yaml" in lines[0]
    text = done.stdout
    assert "base  attempt 1 of 2 on w1: the agent gave up, trying again (odd)" in text
    assert "All 3 tasks succeeded in " in text
    assert "1 attempt was repeated: base (the agent gave up)." in text
    assert "Model tokens: 1,200 in, 34 out." in text
    assert "\nResult: out\n" in text
    assert (here / "out" / "base.py").read_text() == "X = 1\n"


def test_on_a_terminal_the_table_comes_and_goes(here: Path) -> None:
    (here / "script.yaml").write_text(SLOW.replace("600", "1"))
    outer, inner = os.openpty()
    seen = bytearray()
    process = subprocess.Popen(
        [*PROGRAM, "run", "plan.yaml"],
        cwd=here, env={**environment(), "TERM": "xterm", "COLUMNS": "100"}, stdout=inner,
    )  # fmt: skip
    os.close(inner)
    with os.fdopen(outer, "rb", buffering=0) as screen, suppress(OSError):  # EIO at the end
        while part := screen.read(4096):
            seen += part
    assert process.wait(60) == 0
    text = seen.decode()
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert "✓" in text
    assert "All 3 tasks succeeded" in text[text.rindex("\x1b[?25h") :]


def test_the_json_of_a_run_is_alone_on_standard_output(here: Path) -> None:
    done = call(here, "run", "plan.yaml", "--json", "--workers", "1", "--seed", "7")
    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert (found["status"], found["mode"], found["workers"]) == ("succeeded", "shared", 1)
    assert (found["model"], found["seed"]) == ("scripted:script.yaml", 7)
    assert Path(found["run_dir"]) == here / ".orchestrator" / "runs" / found["run"]
    assert found["tasks"]["base"] | {"seconds": 0} == {
        "state": "succeeded", "attempts": 2, "turns": 5, "seconds": 0,
        "tokens": {"input": 1200, "output": 34}, "files": ["base.py"], "reason": None,
    }  # fmt: skip
    assert found["metrics"]["makespan"] >= found["metrics"]["critical_path"] > 0
    assert found["metrics"]["tokens"] == {"input": 1200, "output": 34}
    assert found["metrics"]["usd"] == 0
    assert "All 3 tasks succeeded" in done.stderr


def test_a_run_that_fails_says_why_and_where_to_look(here: Path) -> None:
    (here / "script.yaml").write_text(BAD)
    done = call(here, "run", "plan.yaml")
    assert done.returncode == 1
    text = done.stdout
    assert "Of 3 tasks, 1 succeeded, 1 failed and 1 was skipped." in text
    assert "base failed after 2 attempts: the agent gave up.\n    odd\n" in text
    assert "AssertionError" in text
    assert "Skipped because of it: user." in text
    look = next(line.split()[2] for line in text.splitlines() if line.strip().startswith("Look at"))
    assert "AssertionError" in (here / look).read_text()
    run = next(path.name for path in (here / ".orchestrator" / "runs").iterdir())
    assert text.endswith(
        f"Give them another chance with: orchestrator resume {run} --retry-failed\n"
    )

    (here / "script.yaml").write_text(GOOD)
    again = call(here, "resume", run, "--retry-failed", "--json")
    assert again.returncode == 0
    found = json.loads(again.stdout)
    assert (found["status"], found["tasks"]["base"]["attempts"]) == ("succeeded", 3)
    assert found["tasks"]["docs"]["attempts"] == 1


def test_a_limit_ends_a_run_that_can_go_on(here: Path) -> None:
    plan = PLAN.replace("attempts: 2", "attempts: 2, tokens: 1000")
    (here / "plan.yaml").write_text(plan)
    done = call(here, "run", "plan.yaml", "--workers", "1", "--run-dir", "my run")
    assert done.returncode == 3
    assert "The run reached its limit of 1,000 model tokens after " in done.stdout
    assert "orchestrator resume 'my run' --tokens 2000\n" in done.stdout
    again = call(here, "resume", "my run", "--tokens", "9000")
    assert again.returncode == 0, again.stdout
    assert "All 3 tasks succeeded" in again.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--workers", "0"], "0 workers cannot do anything"),
        (["--workers", "-2"], "-2 workers cannot do anything"),
        (["--model", "scriptd:x"], "there is no model 'scriptd'"),
        (["--model", "anthropic"], "needs an API key"),
        (["--model", "scripted:nope.yaml"], "cannot be read"),
        (["--mode", "shard"], "mode 'shard' is not available"),
        (["-M", "speed=1"], "no option 'speed'"),
        (["-M", "speed"], "not of the form key=value"),
        (["-M", "a=1", "-M", "a=2"], "given twice"),
        (["--run-dir", "project"], "the run directory is not empty"),
    ],
    ids=lambda value: "".join(value) if isinstance(value, list) else "",
)
def test_wrong_arguments_change_nothing(here: Path, words: list[str], said: str) -> None:
    before = everything(here)
    done = call(here, "run", "plan.yaml", *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert everything(here) == before


def test_all_mistakes_of_a_plan_are_told_before_anything_starts(here: Path) -> None:
    (here / "plan.yaml").write_text(PLAN.replace("[base]", "[bass]").replace("name:", "nome:"))
    before = everything(here)
    done = call(here, "run", "plan.yaml", "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "the plan has 2 mistakes" in done.stderr
    assert "plan.yaml:2:1: " in done.stderr
    assert "did you mean `base`?" in done.stderr
    assert everything(here) == before


def test_ctrl_c_ends_a_run_that_can_go_on(here: Path) -> None:
    (here / "script.yaml").write_text(SLOW)
    with running(here, "--json") as process:
        read_until(process.stderr, "user  attempt 1 of 2 on")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    found = json.loads(out)
    assert found["status"] == "interrupted"
    assert found["tasks"]["base"]["state"] == "succeeded"
    assert found["tasks"]["user"]["state"] == "ready"
    assert "Interrupted: ending what runs. Press Ctrl-C again to leave at once." in err
    assert "The run was interrupted after " in err
    assert err.endswith(f"Go on with: orchestrator resume {found['run']}\n")
    assert "Traceback" not in err

    (here / "script.yaml").write_text(GOOD)
    again = call(here, "resume", found["run"], "--json")
    assert again.returncode == 0, again.stderr
    tasks = json.loads(again.stdout)["tasks"]
    assert {name: task["attempts"] for name, task in tasks.items()} == {
        "base": 1, "user": 2, "docs": 1,
    }  # fmt: skip


def test_the_end_that_a_batch_system_asks_for_is_a_ctrl_c(here: Path) -> None:
    (here / "script.yaml").write_text(SLOW)
    with running(here, "--json") as process:
        read_until(process.stderr, "user  attempt 1 of 2 on")
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert json.loads(out)["status"] == "interrupted"


def test_ctrl_c_ends_the_commands_that_run(here: Path) -> None:
    environment = here / "project" / ".venv"  # linked into the private copies, readable there
    environment.mkdir()
    fifo = environment / "fifo"
    os.mkfifo(fifo)
    begin, end = PLAN.index('test: "'), PLAN.index('"}')
    (here / "plan.yaml").write_text(f'{PLAN[:begin]}test: "cat .venv/fifo; sleep 600{PLAN[end:]}')
    with running(here, "--json") as process:
        opened = Thread(target=lambda: fifo.open("w").close(), daemon=True)
        opened.start()
        opened.join(60)  # opening returns when the test command has opened its end
        assert not opened.is_alive()
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert json.loads(out)["tasks"]["base"]["state"] == "ready"


DEAF = """\
import sys, threading
from orchestrator.core.task import Task
from orchestrator.runtime.run import start
from orchestrator.spec.plan import Plan
from orchestrator.ui.driving import Show, drive
from orchestrator.ui.failures import Session

def work(context):  # does not notice that its lease has ended
    threading.Event().wait()

def begin(progress):
    return start(Plan(name="p", tasks=(Task(id="a"),)), work=work, listeners=(progress,))

sys.exit(drive(begin, Show(), Session()))
"""


def test_a_second_ctrl_c_leaves_at_once(here: Path) -> None:
    with started(here, sys.executable, "-c", DEAF) as process:
        read_until(process.stdout, "attempt 1 of 3 on w1: started")
        process.send_signal(signal.SIGINT)
        read_until(process.stdout, "Press Ctrl-C again to leave at once.")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    run = next(path.name for path in (here / ".orchestrator" / "runs").iterdir())
    assert err == f"Left at once. Go on with: orchestrator resume {run}\n"


def test_a_worker_that_does_not_return_is_named(here: Path) -> None:
    with started(here, sys.executable, "-c", DEAF) as process:
        read_until(process.stdout, "attempt 1 of 3 on w1: started")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "w1 had not returned when the run ended" in out


def test_a_killed_run_is_told_from_a_living_one(here: Path) -> None:
    (here / "script.yaml").write_text(SLOW)
    with running(here) as process:
        read_until(process.stdout, "user  attempt 1 of 2 on")
        run = next(path.name for path in (here / ".orchestrator" / "runs").iterdir())
        living = call(here, "status", run)
        process.kill()
        process.communicate(timeout=60)
    assert "The run has been going on for " in living.stdout
    dead = call(here, "status", run)
    assert "was interrupted after " in dead.stdout
    assert "its process has ended" in dead.stdout
    assert f"orchestrator resume {run}" in dead.stdout


def test_a_reader_that_leaves_costs_nobody_their_run(here: Path) -> None:
    with running(here) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert (here / "out" / "base.py").exists()


def test_a_reader_of_a_log_may_leave(here: Path) -> None:
    run = json.loads(call(here, "run", "plan.yaml", "--json").stdout)["run"]
    script = f"{sys.executable} -m orchestrator events {run} --json | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", script], cwd=here, env=environment(),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["kind"] == "granted"


def test_the_installed_program_is_the_same(here: Path) -> None:
    program = Path(sys.executable).with_name("orchestrator")
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == call(here, "--version").stdout
