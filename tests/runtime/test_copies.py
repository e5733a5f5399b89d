from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

import pytest

import orchestrator
from orchestrator.errors import OrchestratorError, RunStopped, WorkspaceError
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.copies import PrivateCopy
from orchestrator.runtime.workspace import SharedTree


def sha(text: str) -> str:
    return sha256(text.encode()).hexdigest()


@pytest.fixture
def tree(tmp_path: Path) -> SharedTree:
    root = tmp_path / "tree"
    (root / "pkg").mkdir(parents=True)
    (root / "pkg" / "a.py").write_text("a")
    (root / "pkg" / "b.py").write_text("b")
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / ".venv" / "bin").mkdir(parents=True)
    (root / ".venv" / "bin" / "tool").write_text("tool")
    return SharedTree(root, BlobStore(tmp_path / "blobs", durable=False))


@pytest.fixture
def copy(tree: SharedTree, tmp_path: Path) -> PrivateCopy:
    copy = PrivateCopy(tmp_path / "copies" / "w1", tree)
    copy.sync((path, entry.digest, entry.executable) for path, entry in tree.scan().items())
    return copy


def command(copy: PrivateCopy, text: str) -> None:
    subprocess.run(["/bin/sh", "-ec", text], cwd=copy.root, check=True)


def files(copy: PrivateCopy) -> list[str]:
    found = (path.relative_to(copy.root) for path in copy.root.rglob("*") if path.is_file())
    return sorted(str(path) for path in found if path.parts[0] != ".venv")


def test_a_copy_holds_the_versions_it_was_given(copy: PrivateCopy) -> None:
    assert files(copy) == ["pkg/a.py", "pkg/b.py", "run.sh"]
    assert copy.read("pkg/a.py") == b"a"
    assert copy.digest("pkg/a.py") == sha("a")
    assert os.access(copy.root / "run.sh", os.X_OK)
    assert copy.changed() == {}


def test_a_copy_never_shares_a_file_with_the_tree(copy: PrivateCopy, tree: SharedTree) -> None:
    command(copy, "echo changed > pkg/a.py; rm pkg/b.py; chmod 000 run.sh")
    assert (tree.root / "pkg" / "a.py").read_text() == "a"
    assert (tree.root / "pkg" / "b.py").read_text() == "b"
    assert os.access(tree.root / "run.sh", os.X_OK)


def test_environments_are_linked(copy: PrivateCopy, tree: SharedTree) -> None:
    assert (copy.root / ".venv").readlink() == tree.root / ".venv"
    assert (copy.root / ".venv" / "bin" / "tool").read_text() == "tool"


def test_links_that_stay_inside_lead_to_the_copys_own_files(
    tree: SharedTree, tmp_path: Path
) -> None:
    (tree.root / "inner").symlink_to("pkg/a.py")
    copy = PrivateCopy(tmp_path / "w", tree)
    copy.write("pkg/a.py", b"mine")
    assert (copy.root / "inner").read_text() == "mine"
    assert copy.changed() == {}


def test_temporary_files_go_beside_the_copy(copy: PrivateCopy) -> None:
    assert copy.tmp.is_dir()
    (copy.tmp / "x").write_text("x")
    assert copy.changed() == {}


def test_synchronising_touches_only_what_differs(copy: PrivateCopy, tree: SharedTree) -> None:
    for path in files(copy):
        os.utime(copy.root / path, ns=(0, 0))
    new = tree.blobs.put(b"new a")
    copy.sync([("pkg/a.py", new), ("pkg/b.py", sha("b")), ("run.sh", sha("#!/bin/sh\n"), True)])
    assert copy.read("pkg/a.py") == b"new a"
    touched = [path for path in files(copy) if (copy.root / path).stat().st_mtime_ns]
    assert touched == ["pkg/a.py"]
    assert copy.changed() == {}


def test_synchronising_deletes_and_tidies_up(copy: PrivateCopy) -> None:
    copy.sync([("pkg/a.py", None), ("never/was", None)])
    assert files(copy) == ["pkg/b.py", "run.sh"]
    copy.sync([("pkg/b.py", None)])
    assert not (copy.root / "pkg").exists()
    assert copy.digest("pkg/a.py") is None
    assert copy.changed() == {}


def test_a_folder_may_become_a_file_and_back(copy: PrivateCopy, tree: SharedTree) -> None:
    blob = tree.blobs.put(b"x")
    copy.sync([("pkg", blob), ("pkg/a.py", None), ("pkg/b.py", None)])
    assert files(copy) == ["pkg", "run.sh"]
    copy.sync([("pkg/deep/c.py", blob), ("pkg", None)])
    assert files(copy) == ["pkg/deep/c.py", "run.sh"]
    assert copy.changed() == {}


def test_the_executable_bit_follows(copy: PrivateCopy, tree: SharedTree) -> None:
    new = tree.blobs.put(b"echo")
    copy.sync([("run.sh", new)])
    assert os.access(copy.root / "run.sh", os.X_OK)
    copy.sync([("run.sh", new, False), ("pkg/a.py", sha("a"), True)])
    assert not os.access(copy.root / "run.sh", os.X_OK)
    assert os.access(copy.root / "pkg" / "a.py", os.X_OK)
    copy.write("pkg/a.py", b"still executable")
    assert os.access(copy.root / "pkg" / "a.py", os.X_OK)


def test_a_new_copy_takes_the_bit_from_the_tree(tree: SharedTree, tmp_path: Path) -> None:
    copy = PrivateCopy(tmp_path / "w", tree)
    copy.sync([("run.sh", sha("#!/bin/sh\n")), ("pkg/a.py", sha("a"))])
    assert os.access(copy.root / "run.sh", os.X_OK)
    assert not os.access(copy.root / "pkg" / "a.py", os.X_OK)


def test_content_that_is_lost_is_an_error(copy: PrivateCopy) -> None:
    with pytest.raises(WorkspaceError, match="is lost"):
        copy.sync([("pkg/a.py", sha("nobody has this"))])


def test_what_is_written_is_kept_and_is_no_change(copy: PrivateCopy, tree: SharedTree) -> None:
    digest = copy.write("new/deep/c.py", b"c")
    assert digest == sha("c")
    assert tree.blobs.get(digest) == b"c"
    assert copy.read("new/deep/c.py") == b"c"
    assert copy.digest("new/deep/c.py") == digest
    copy.delete("pkg/a.py")
    copy.delete("pkg/a.py")
    assert copy.read("pkg/a.py") is None
    assert copy.changed() == {}


def test_what_a_command_changed_is_found(copy: PrivateCopy) -> None:
    command(copy, "printf A > pkg/a.py; rm pkg/b.py; mkdir -p out/deep; printf n > out/deep/n.txt")
    found = {"out/deep/n.txt": sha("n"), "pkg/a.py": sha("A"), "pkg/b.py": None}
    assert copy.changed() == found
    assert list(copy.changed()) == sorted(found)


def test_a_change_of_the_same_size_in_the_same_moment_is_found(copy: PrivateCopy) -> None:
    copy.write("pkg/a.py", b"1")
    (copy.root / "pkg" / "a.py").write_bytes(b"2")
    assert copy.changed() == {"pkg/a.py": sha("2")}


def test_a_change_that_hides_its_time_is_found(copy: PrivateCopy) -> None:
    target = copy.root / "pkg" / "a.py"
    before = target.stat()
    target.write_bytes(b"X")
    os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert copy.changed() == {"pkg/a.py": sha("X")}


def test_touching_or_rewriting_the_same_is_no_change(copy: PrivateCopy) -> None:
    command(copy, "touch pkg/a.py; printf b > pkg/b.py; chmod +x pkg/b.py")
    assert copy.changed() == {}


def test_a_new_file_that_changes_again_is_found_again(copy: PrivateCopy) -> None:
    command(copy, "printf 1 > new.txt")
    assert copy.changed() == {"new.txt": sha("1")}
    command(copy, "printf 2 > new.txt")
    assert copy.changed() == {"new.txt": sha("2")}
    command(copy, "rm new.txt")
    assert copy.changed() == {}


def test_caches_links_and_special_files_are_no_changes(copy: PrivateCopy) -> None:
    command(
        copy,
        "mkdir pkg/__pycache__ .pytest_cache; touch pkg/__pycache__/a.pyc .pytest_cache/x y.pyc;"
        "ln -s pkg/a.py link; ln -s / everything; mkfifo pipe",
    )
    assert copy.changed() == {}


def test_what_git_ignores_is_no_change(tree: SharedTree, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=tree.root, check=True)
    (tree.root / ".gitignore").write_text("*.log\nbuild/\n.venv\n")
    copy = PrivateCopy(tmp_path / "w", tree)
    copy.sync((path, entry.digest) for path, entry in tree.scan().items())
    command(copy, "mkdir build; touch build/x y.log; printf n > new.py")
    assert copy.changed() == {"new.py": sha("n")}


def test_a_version_in_a_folder_named_like_a_cache_is_watched(
    copy: PrivateCopy, tree: SharedTree
) -> None:
    copy.sync([(".vscode/settings.json", tree.blobs.put(b"{}"))])
    assert copy.changed() == {}
    command(copy, "printf x > .vscode/settings.json; touch .vscode/other")
    assert copy.changed() == {".vscode/settings.json": sha("x")}


def test_restoring_puts_the_versions_back(copy: PrivateCopy) -> None:
    command(
        copy, "printf A > pkg/a.py; rm pkg/b.py; mkdir -p out/deep; touch out/deep/n; rm run.sh"
    )
    copy.restore(copy.changed())
    assert files(copy) == ["pkg/a.py", "pkg/b.py", "run.sh"]
    assert copy.read("pkg/a.py") == b"a"
    assert os.access(copy.root / "run.sh", os.X_OK)
    assert not (copy.root / "out").exists()
    assert copy.changed() == {}


def test_restoring_leaves_other_changes(copy: PrivateCopy) -> None:
    command(copy, "printf A > pkg/a.py; printf B > pkg/b.py")
    copy.restore(["pkg/a.py"])
    assert copy.changed() == {"pkg/b.py": sha("B")}


@pytest.mark.parametrize(
    "mess",
    [
        "rm -r pkg; ln -s $OUT pkg",
        "rm -r pkg; touch pkg",
        "rm pkg/a.py; ln -s $OUT/a.py pkg/a.py",
        "rm pkg/a.py; mkdir -p pkg/a.py/deep; touch pkg/a.py/deep/x",
        "rm pkg/a.py; mkfifo pkg/a.py",
        "ln -f $OUT/a.py pkg/a.py",
    ],
)
def test_whatever_a_command_leaves_nothing_outside_is_touched(
    copy: PrivateCopy, tree: SharedTree, tmp_path: Path, mess: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.py").write_text("precious")
    command(copy, f"OUT={outside}; {mess}")
    assert "pkg/a.py" in copy.changed()
    copy.restore(copy.changed())
    assert copy.changed() == {}
    command(copy, f"OUT={outside}; {mess}")
    copy.sync([("pkg/a.py", tree.blobs.put(b"next")), ("pkg/b.py", tree.blobs.put(b"next b"))])
    assert copy.read("pkg/a.py") == b"next"
    assert copy.changed() == {}
    assert [path.name for path in outside.iterdir()] == ["a.py"]
    assert (outside / "a.py").read_text() == "precious"


def test_what_is_linked_cannot_be_written(copy: PrivateCopy, tree: SharedTree) -> None:
    for path in (".venv", ".venv/bin/tool", ".venv/new"):
        with pytest.raises(WorkspaceError):
            copy.write(path, b"evil")
    with pytest.raises(WorkspaceError):
        copy.delete(".venv")
    copy.delete(".venv/bin/tool")
    assert (tree.root / ".venv" / "bin" / "tool").read_text() == "tool"


def test_a_file_is_never_replaced_by_a_folder_unasked(copy: PrivateCopy) -> None:
    with pytest.raises(WorkspaceError, match=r"run.sh is not a folder"):
        copy.write("run.sh/x", b"x")
    assert copy.changed() == {}


def test_what_an_earlier_process_left_is_removed(tree: SharedTree, tmp_path: Path) -> None:
    old = tmp_path / "copies" / "w1"
    old.mkdir(parents=True)
    (old / "stale.py").write_text("stale")
    copy = PrivateCopy(old, tree)
    assert files(copy) == []
    copy.remove()
    assert not copy.root.exists()
    assert not copy.tmp.exists()
    assert (tree.root / ".venv" / "bin" / "tool").exists()


def test_a_copy_that_cannot_be_made_ends_the_run(tree: SharedTree, tmp_path: Path) -> None:
    told: list[OrchestratorError] = []
    tree.blobs.on_failure = told.append
    (tmp_path / "copies").write_text("a file, where a folder must be")
    with pytest.raises(RunStopped, match="a private copy cannot be made") as caught:
        PrivateCopy(tmp_path / "copies" / "w1", tree)
    assert told == [caught.value]
    assert "resume" in caught.value.fix


def test_what_a_command_did_to_a_copy_does_not_end_the_run(
    copy: PrivateCopy, tree: SharedTree
) -> None:
    told: list[OrchestratorError] = []
    tree.blobs.on_failure = told.append
    command(copy, 'rm -r "$PWD"')
    with pytest.raises(WorkspaceError, match="cannot be written in a private copy"):
        copy.write("new.py", b"new")
    assert told == []


LOCKED_OUT = """
import os, subprocess, sys
from pathlib import Path
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.copies import PrivateCopy
from orchestrator.runtime.workspace import SharedTree
here = Path(sys.argv[1])
if os.getuid() == 0:  # nobody may lock root out
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
(here / "tree" / "pkg").mkdir(parents=True)
(here / "tree" / "pkg" / "a.py").write_text("a")
(here / "tree" / "b.py").write_text("b")
tree = SharedTree(here / "tree", BlobStore(here / "blobs", durable=False))
entries = tree.scan()
copy = PrivateCopy(here / "w1", tree)
copy.sync((path, entry.digest) for path, entry in entries.items())
def run(text):
    done = subprocess.run(["/bin/sh", "-ec", text], cwd=copy.root, capture_output=True, text=True)
    return done.stdout + done.stderr
run(f"mkdir -p new/deep; touch new/deep/x; chmod 000 b.py pkg new/deep new {copy.tmp} .")
assert not os.access(copy.root, os.R_OK)
found = copy.changed()
assert sorted(found) == ["new/deep/x"], found
copy.restore(found)
copy.sync([("pkg/a.py", tree.blobs.put(b"next"))])
assert copy.changed() == {}, copy.changed()
assert run("cat pkg/a.py b.py") == "nextb"
run("mkdir -p x/y; chmod 000 x/y x pkg .")
copy.remove()
assert not copy.root.exists()
"""


@pytest.mark.slow
def test_a_command_cannot_lock_us_out_of_a_copy() -> None:
    here = Path(tempfile.mkdtemp())  # in reach of that user, which `tmp_path` is not
    try:
        here.chmod(0o777)
        done = subprocess.run(
            [sys.executable, "-c", LOCKED_OUT, str(here)],
            cwd=here,
            env={**os.environ, "PYTHONPATH": str(Path(orchestrator.__file__).parents[1])},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        shutil.rmtree(here)
    assert (done.returncode, done.stderr) == (0, "")
