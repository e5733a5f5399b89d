from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import orchestrator
from orchestrator.errors import WorkspaceError
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.workspace import SharedTree, copy_fresh


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    (source / "pkg").mkdir(parents=True)
    (source / "pkg" / "a.py").write_text("a")
    (source / "run.sh").write_text("#!/bin/sh\n")
    (source / "run.sh").chmod(0o755)
    (source / "inner").symlink_to("pkg/a.py")
    (source / ".venv" / "bin").mkdir(parents=True)
    (source / "pkg" / "__pycache__").mkdir()
    (source / "pkg" / "__pycache__" / "a.pyc").write_text("cache")
    return source


def names(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def test_a_fresh_copy_has_the_versioned_files(source: Path, tmp_path: Path) -> None:
    into = tmp_path / "deep" / "out"
    copy_fresh(source, into)
    assert names(into) == [".venv", "inner", "pkg", "pkg/a.py", "run.sh"]
    assert os.access(into / "run.sh", os.X_OK)
    assert not os.access(into / "pkg" / "a.py", os.X_OK)
    assert (into / "inner").readlink() == Path("pkg/a.py")
    assert (into / ".venv").readlink() == source / ".venv"


def test_a_fresh_copy_has_the_versions_of_the_original(source: Path, tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path / "blobs")
    copy_fresh(source, tmp_path / "out")
    assert SharedTree(tmp_path / "out", blobs).scan() == SharedTree(source, blobs).scan()


def test_writing_to_the_copy_leaves_the_original_alone(source: Path, tmp_path: Path) -> None:
    copy_fresh(source, tmp_path / "out")
    (tmp_path / "out" / "pkg" / "a.py").write_text("changed")
    assert (source / "pkg" / "a.py").read_text() == "a"


def test_git_decides_what_is_copied(source: Path, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=source, check=True)
    (source / ".gitignore").write_text("*.log\n.venv\n")
    (source / "x.log").write_text("")
    copy_fresh(source, tmp_path / "out")
    assert "pkg/a.py" in names(tmp_path / "out")
    assert ".git" not in names(tmp_path / "out")
    assert (tmp_path / "out" / "x.log").is_symlink()


def test_an_empty_directory_will_do(source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    copy_fresh(source, tmp_path / "out")
    assert "run.sh" in names(tmp_path / "out")


def test_nothing_that_exists_is_overwritten(source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    with pytest.raises(WorkspaceError, match="not empty") as caught:
        copy_fresh(source, tmp_path / "out")
    assert "into" in caught.value.fix
    assert names(tmp_path / "out") == ["mine"]


@pytest.mark.parametrize("place", ["source", "source/out", "."])
def test_a_copy_inside_its_original_is_refused(source: Path, tmp_path: Path, place: str) -> None:
    before = names(source)
    with pytest.raises(WorkspaceError, match="inside one another"):
        copy_fresh(source, tmp_path / place)
    assert names(source) == before


def test_a_missing_workspace_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="not a directory"):
        copy_fresh(tmp_path / "nothing", tmp_path / "out")
    assert not (tmp_path / "out").exists()


FILLING = """
import resource, signal, sys
from pathlib import Path
from orchestrator.errors import WorkspaceError
from orchestrator.runtime.fresh import copy_fresh
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
if "killed" in sys.argv:
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
try:
    copy_fresh(Path(sys.argv[1]), Path(sys.argv[2]))
except WorkspaceError as error:
    print(error.what, "|", error.why)
"""


def copy_elsewhere(*words: object) -> subprocess.CompletedProcess[str]:
    """Copy in a process that cannot write more than 1,000 bytes to a file."""
    return subprocess.run(
        [sys.executable, "-c", FILLING, *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(Path(orchestrator.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("existed", [True, False])
def test_a_copy_that_fails_half_way_leaves_nothing(
    source: Path, tmp_path: Path, existed: bool
) -> None:
    (source / "zzz").write_bytes(bytes(2000))
    into = tmp_path / "out"
    if existed:
        into.mkdir()
    done = copy_elsewhere(source, into)
    assert done.stdout == "the fresh copy cannot be made | [Errno 27] File too large\n"
    assert into.exists() == existed
    assert not existed or names(into) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"] * existed + ["source"]


@pytest.mark.slow
def test_a_copy_that_is_killed_half_way_never_appears(source: Path, tmp_path: Path) -> None:
    (source / "zzz").write_bytes(bytes(2000))
    done = copy_elsewhere(source, tmp_path / "out", "killed")
    assert done.returncode == -signal.SIGXFSZ
    assert not (tmp_path / "out").exists()
    assert (tmp_path / ".out.orchestrator-part" / "run.sh").exists()
    copy_fresh(source, tmp_path / "out")
    assert names(tmp_path / "out") == [".venv", "inner", "pkg", "pkg/a.py", "run.sh", "zzz"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "source"]


@pytest.mark.slow
def test_half_a_copy_in_a_directory_that_existed_is_reported(source: Path, tmp_path: Path) -> None:
    (source / "zzz").write_bytes(bytes(2000))
    (tmp_path / "out").mkdir()
    assert copy_elsewhere(source, tmp_path / "out", "killed").returncode == -signal.SIGXFSZ
    before = names(tmp_path / "out")
    with pytest.raises(WorkspaceError, match="holds half of one") as caught:
        copy_fresh(source, tmp_path / "out")
    assert "empty the directory" in caught.value.fix
    assert names(tmp_path / "out") == before


def test_what_another_run_copies_just_now_is_left_alone(source: Path, tmp_path: Path) -> None:
    theirs = tmp_path / ".out.orchestrator-part"
    theirs.mkdir()
    (theirs / "a.py").write_text("a")
    handle = os.open(theirs, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(WorkspaceError, match="another run"):
            copy_fresh(source, tmp_path / "out")
    finally:
        os.close(handle)
    assert names(theirs) == ["a.py"]
    assert not (tmp_path / "out").exists()


def test_the_directory_that_existed_is_kept(source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir(mode=0o700)
    before = (tmp_path / "out").stat()
    copy_fresh(source, tmp_path / "out")
    after = (tmp_path / "out").stat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert names(tmp_path / "out") == [".venv", "inner", "pkg", "pkg/a.py", "run.sh"]
