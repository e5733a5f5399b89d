from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import orchestrator
from orchestrator.errors import WorkspaceError
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.locking import run_lives, run_lock, workspace_lock
from orchestrator.runtime.workspace import SharedTree

HOLDER = """
import sys
from pathlib import Path
from orchestrator.runtime.locking import workspace_lock
with workspace_lock(Path(sys.argv[1]), "run-of-the-other"):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_second_run_in_one_process_is_refused(tmp_path: Path) -> None:
    tree = SharedTree(tmp_path, BlobStore(tmp_path / "blobs"))
    with (
        tree.lock("first"),
        pytest.raises(WorkspaceError, match="run first of process") as caught,
        tree.lock("second"),
    ):
        raise AssertionError("two runs in one workspace")
    assert str(os.getpid()) in caught.value.what
    assert "into" in caught.value.fix
    with tree.lock("third"):
        pass


def test_a_lock_is_given_up_after_a_failure(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), workspace_lock(tmp_path, "first"):
        raise RuntimeError
    with workspace_lock(tmp_path, "second"):
        pass


def test_two_workspaces_have_two_locks(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with workspace_lock(tmp_path / "a"), workspace_lock(tmp_path / "b"):
        pass


@pytest.mark.slow
def test_a_run_in_another_process_is_respected_until_it_is_killed(tmp_path: Path) -> None:
    source = str(Path(orchestrator.__file__).parents[1])
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": source},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        message = f"run run-of-the-other of process {other.pid} is using this workspace"
        with pytest.raises(WorkspaceError, match=message), workspace_lock(tmp_path):
            pass
        other.kill()
    with workspace_lock(tmp_path, "mine"):
        pass


def test_the_lock_is_hidden_from_git(tmp_path: Path) -> None:
    with workspace_lock(tmp_path):
        assert (tmp_path / ".orchestrator" / ".gitignore").read_text() == "*\n"


def test_a_run_lives_as_long_as_its_lock_is_held(tmp_path: Path) -> None:
    assert not run_lives(tmp_path)
    with run_lock(tmp_path):
        assert run_lives(tmp_path)
        assert run_lives(tmp_path)  # looking has not taken the lock away
    assert not run_lives(tmp_path)


def test_the_number_of_a_live_process_in_the_lock_proves_nothing(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text(json.dumps({"run": "old", "pid": os.getpid()}))
    assert not run_lives(tmp_path)


def test_whether_a_run_lives_that_nobody_may_look_at_is_not_guessed(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to("elsewhere")
    with pytest.raises(WorkspaceError, match="cannot be told"):
        run_lives(tmp_path)


LOOKER = """
import sys
from pathlib import Path
from orchestrator.runtime.locking import run_lives
print("looks", flush=True)
while not Path(sys.argv[1], "end").exists():
    run_lives(Path(sys.argv[1]))
"""


@pytest.mark.slow
def test_looking_never_keeps_a_run_from_starting(tmp_path: Path) -> None:
    source = str(Path(orchestrator.__file__).parents[1])
    with subprocess.Popen(
        [sys.executable, "-c", LOOKER, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": source},
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "looks\n"
        try:
            for _ in range(2000):
                with run_lock(tmp_path):
                    pass
        finally:
            (tmp_path / "end").touch()
