from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

import orchestrator
from orchestrator.errors import WorkspaceError
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.workspace import Entry, SharedTree


def sha(text: str) -> str:
    return sha256(text.encode()).hexdigest()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "pkg").mkdir(parents=True)
    (root / "pkg" / "a.py").write_text("a")
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    return root


@pytest.fixture
def tree(root: Path, tmp_path: Path) -> SharedTree:
    return SharedTree(root, BlobStore(tmp_path / "blobs", durable=False))


def write(tree: SharedTree, path: str, text: str, expected: str | None) -> str | None:
    digest = tree.blobs.put(text.encode())
    return tree.materialise(path, digest, None if expected is None else sha(expected))


def everything(root: Path) -> list[str]:
    return sorted(
        str(path.relative_to(root))
        for path in root.rglob("*")
        if ".orchestrator" not in path.parts and ".git" not in path.parts
    )


def test_scanning_gives_digest_size_and_bit_of_every_file(tree: SharedTree) -> None:
    assert tree.scan() == {
        "pkg/a.py": Entry(sha("a"), 1, False),
        "run.sh": Entry(sha("#!/bin/sh\n"), 10, True),
    }
    assert list(tree.scan()) == ["pkg/a.py", "run.sh"]


def test_scanning_stores_nothing(tree: SharedTree) -> None:
    tree.scan()
    assert not tree.blobs.root.exists()


def test_links_are_not_versioned_and_never_read(tree: SharedTree, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tree.root / "leak").symlink_to(tmp_path / "secret")
    (tree.root / "inner").symlink_to("pkg/a.py")
    (tree.root / "up").symlink_to("../secret")
    assert list(tree.scan()) == ["pkg/a.py", "run.sh"]
    assert dict(tree.links()) == {
        "inner": "pkg/a.py",
        "leak": str(tree.root / "leak"),
        "up": str(tree.root / "up"),
    }


def test_a_tracked_file_below_what_became_a_link_is_gone(tree: SharedTree, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=tree.root, check=True)
    subprocess.run(["git", "add", "-A"], cwd=tree.root, check=True)
    outside = tmp_path / "outside"
    (tree.root / "pkg").rename(outside)
    (tree.root / "pkg").symlink_to(outside)
    assert list(tree.scan()) == ["run.sh"]


UNREADABLE = """
import os, sys
from pathlib import Path
from orchestrator.errors import WorkspaceError
from orchestrator.runtime.scan import scan_tree
if os.geteuid() == 0:  # root may read everything
    os.setgid(65534)
    os.setuid(65534)
try:
    scan_tree(Path(sys.argv[1]))
except WorkspaceError as error:
    print(error.what, "|", error.why)
"""


@pytest.mark.slow
def test_files_that_cannot_be_read_are_all_named() -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        for file, mode in (("a", 0o000), ("b", 0o444), ("c", 0o000)):
            (root / file).write_text(file)
            (root / file).chmod(mode)
        source = str(Path(orchestrator.__file__).parents[1])
        done = subprocess.run(
            [sys.executable, "-c", UNREADABLE, name],
            env={**os.environ, "PYTHONPATH": source},
            capture_output=True,
            text=True,
            check=True,
        )
    assert done.stdout == "2 files cannot be read | a: Permission denied; c: Permission denied\n"


def test_environments_are_named_for_linking(tree: SharedTree) -> None:
    (tree.root / ".venv" / "bin").mkdir(parents=True)
    (tree.root / "pkg" / "__pycache__").mkdir()
    assert tree.ignored() == [".venv"]
    assert dict(tree.links()) == {".venv": str(tree.root / ".venv")}


def test_content_comes_from_the_tree_or_from_the_blobs(tree: SharedTree) -> None:
    assert tree.content("pkg/a.py", sha("a")) == b"a"
    assert write(tree, "pkg/a.py", "b", "a") is None
    assert tree.content("pkg/a.py", sha("a")) == b"a"
    assert tree.content("pkg/a.py", sha("b")) == b"b"


def test_content_that_is_nowhere_is_an_error(tree: SharedTree) -> None:
    (tree.root / "pkg" / "a.py").write_text("overwritten by somebody")
    with pytest.raises(WorkspaceError, match=r"of pkg/a.py is lost"):
        tree.content("pkg/a.py", sha("a"))


def test_digest_tells_what_is_on_disk_now(tree: SharedTree) -> None:
    (tree.root / "link").symlink_to("run.sh")
    assert tree.digest("pkg/a.py") == sha("a")
    for path in ("nothing", "no/such/folder", "pkg", "link", "run.sh/x"):
        assert tree.digest(path) is None


def test_a_version_replaces_what_was_expected(tree: SharedTree) -> None:
    assert write(tree, "pkg/a.py", "b", "a") is None
    assert (tree.root / "pkg" / "a.py").read_text() == "b"
    assert tree.blobs.get(sha("a")) == b"a"
    assert everything(tree.root) == ["pkg", "pkg/a.py", "run.sh"]


def test_a_file_is_replaced_by_rename_never_written_in_place(tree: SharedTree) -> None:
    other = tree.root.parent / "other"
    os.link(tree.root / "pkg" / "a.py", other)
    with (tree.root / "pkg" / "a.py").open() as reader:
        write(tree, "pkg/a.py", "b", "a")
        assert reader.read() == "a"
    assert other.read_text() == "a"


def test_no_draft_is_left_behind(tree: SharedTree) -> None:
    write(tree, "pkg/a.py", "b", "a")
    write(tree, "pkg/a.py", "c", "wrong")
    assert list((tree.root / ".orchestrator" / "tmp").iterdir()) == []
    assert list(tree.scan()) == ["pkg/a.py", "run.sh"]


def test_the_executable_bit_stays_unless_it_is_given(tree: SharedTree) -> None:
    write(tree, "run.sh", "two", "#!/bin/sh\n")
    assert tree.is_executable("run.sh")
    write(tree, "new.py", "x", None)
    assert not tree.is_executable("new.py")
    assert tree.materialise("new.py", sha("x"), sha("x"), runnable=True) is None
    assert tree.is_executable("new.py")
    assert not tree.is_executable("nothing")


def test_a_deleted_script_comes_back_executable(tree: SharedTree) -> None:
    old = sha("#!/bin/sh\n")
    assert tree.materialise("run.sh", None, old) is None
    assert tree.materialise("run.sh", old, None) is None
    assert tree.is_executable("run.sh")


def test_what_someone_else_wrote_is_kept_and_reported(tree: SharedTree) -> None:
    (tree.root / "pkg" / "a.py").write_text("by hand")
    assert write(tree, "pkg/a.py", "b", "a") == sha("by hand")
    assert tree.materialise("pkg/a.py", None, sha("a")) == sha("by hand")
    assert (tree.root / "pkg" / "a.py").read_text() == "by hand"
    assert tree.blobs.get(sha("by hand")) == b"by hand"


def test_a_file_where_none_was_expected_is_kept_and_reported(tree: SharedTree) -> None:
    (tree.root / "new.py").write_text("by hand")
    assert write(tree, "new.py", "mine", None) == sha("by hand")


def test_a_file_that_is_gone_has_nothing_to_lose(tree: SharedTree) -> None:
    (tree.root / "pkg" / "a.py").unlink()
    assert write(tree, "pkg/a.py", "b", "a") is None
    assert (tree.root / "pkg" / "a.py").read_text() == "b"


def test_doing_it_again_changes_nothing(tree: SharedTree) -> None:
    write(tree, "pkg/a.py", "b", "a")
    before = (tree.root / "pkg" / "a.py").stat()
    assert write(tree, "pkg/a.py", "b", "a") is None
    assert (tree.root / "pkg" / "a.py").stat().st_ino == before.st_ino
    assert tree.materialise("pkg/a.py", None, sha("b")) is None
    assert tree.materialise("pkg/a.py", None, sha("b")) is None


def test_a_change_while_the_old_content_is_kept_is_noticed(root: Path, tmp_path: Path) -> None:
    target = root / "pkg" / "a.py"

    class SlowStore(BlobStore):
        """While it keeps the old content, an editor saves the file."""

        def put(self, data: bytes) -> str:
            if data == b"a":
                target.write_text("saved by an editor")
            return super().put(data)

    tree = SharedTree(root, SlowStore(tmp_path / "blobs"))
    assert write(tree, "pkg/a.py", "b", "a") == sha("saved by an editor")
    assert target.read_text() == "saved by an editor"


def test_folders_are_made_and_only_those_are_removed(tree: SharedTree) -> None:
    (tree.root / "theirs").mkdir()
    assert write(tree, "new/deep/x.py", "x", None) is None
    assert write(tree, "theirs/x.py", "x", None) is None
    for path in ("new/deep/x.py", "theirs/x.py"):
        assert tree.materialise(path, None, sha("x")) is None
    assert everything(tree.root) == ["pkg", "pkg/a.py", "run.sh", "theirs"]


def link_folder(tree: SharedTree, outside: Path) -> str:
    (tree.root / "dir").symlink_to(outside)
    return "dir/x.py"


def link_file(tree: SharedTree, outside: Path) -> str:
    (tree.root / "x.py").symlink_to(outside / "x.py")
    return "x.py"


def link_to_nothing(tree: SharedTree, outside: Path) -> str:
    (tree.root / "y.py").symlink_to(outside / "y.py")
    return "y.py"


def file_as_folder(tree: SharedTree, outside: Path) -> str:
    return "run.sh/x.py"


def folder_as_file(tree: SharedTree, outside: Path) -> str:
    return "pkg"


@pytest.mark.parametrize(
    "prepare", [link_folder, link_file, link_to_nothing, file_as_folder, folder_as_file]
)
def test_nothing_is_ever_written_through_or_over_what_is_no_file(
    tree: SharedTree, tmp_path: Path, prepare: Callable[[SharedTree, Path], str]
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.py").write_text("precious")
    path = prepare(tree, outside)
    before = everything(tree.root)
    with pytest.raises(WorkspaceError) as caught:
        write(tree, path, "evil", "precious")
    assert caught.value.fix
    assert everything(tree.root) == before
    assert [file.name for file in outside.iterdir()] == ["x.py"]
    assert (outside / "x.py").read_text() == "precious"


def test_nothing_is_deleted_through_a_link(tree: SharedTree, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x.py").write_text("precious")
    (tree.root / "dir").symlink_to(tmp_path / "outside")
    assert tree.materialise("dir/x.py", None, sha("precious")) is None
    assert (tmp_path / "outside" / "x.py").read_text() == "precious"


@pytest.mark.parametrize("path", ["../x", "/tmp/x", ".git/config", ".orchestrator/lock", "a/../b"])
def test_paths_outside_the_workspace_are_refused(tree: SharedTree, path: str) -> None:
    with pytest.raises(WorkspaceError):
        write(tree, path, "x", None)


def test_readers_never_see_half_a_version(tree: SharedTree) -> None:
    texts = [str(number) * 20_000 for number in range(6)]
    digests = [tree.blobs.put(text.encode()) for text in texts]
    current = tree.materialise("big.txt", digests[0], None)
    assert current is None
    done = threading.Event()
    seen: set[str] = set()

    def watch() -> None:
        while not done.is_set():
            seen.add((tree.root / "big.txt").read_text())

    reader = threading.Thread(target=watch)
    reader.start()
    try:
        for _ in range(4):
            for before, after in zip(digests, [*digests[1:], digests[0]], strict=True):
                assert tree.materialise("big.txt", after, before) is None
    finally:
        done.set()
        reader.join()
    assert seen <= set(texts)


def test_content_is_found_while_the_file_is_replaced(tree: SharedTree) -> None:
    first = sha("a")
    found: list[bytes] = []

    def read() -> None:
        found.extend(tree.content("pkg/a.py", first) for _ in range(50))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    write(tree, "pkg/a.py", "b", "a")
    for reader in readers:
        reader.join()
    assert found == [b"a"] * 150
