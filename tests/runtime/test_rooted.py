from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from orchestrator.errors import WorkspaceError
from orchestrator.runtime.rooted import (
    FolderCursor,
    NoFolderError,
    NotRegularError,
    hash_regular,
    read_regular,
    remove,
    remove_empty,
    split,
    standing,
    write_new,
)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    with FolderCursor(tmp_path) as cursor:
        handle = cursor.enter([])
        assert handle is not None
        yield handle


def test_folders_are_entered_in_any_order(tmp_path: Path) -> None:
    for name in ("a/b/c", "a/d", "e"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").write_text(name)
    with FolderCursor(tmp_path) as cursor:
        for name in ("a/b/c", "a/d", "e", "a/b/c", "e", "a/d"):
            handle = cursor.enter(name.split("/"))
            assert handle is not None
            found = read_regular(handle, "file")
            assert found is not None
            assert found.data == name.encode()
        assert cursor.enter(["a", "nothing", "here"]) is None
        assert cursor.enter(["e", "file"]) is None


def test_a_cursor_keeps_no_folder_open(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with FolderCursor(tmp_path) as cursor:
        cursor.enter(["a", "b"])
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_link_to_a_folder_is_not_entered(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path / "outside")
    with FolderCursor(tmp_path / "root") as cursor:
        assert cursor.enter(["link"]) is None
    with (
        FolderCursor(tmp_path / "root", make=True) as cursor,
        pytest.raises(WorkspaceError, match="link is not a folder"),
    ):
        cursor.enter(["link", "below"])
    assert list((tmp_path / "outside").iterdir()) == []


def test_an_obstacle_is_cleared_only_where_that_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    (tmp_path / "litter").write_text("")
    with FolderCursor(tmp_path, make=True, clear=lambda path: path == "litter") as cursor:
        assert cursor.enter(["litter", "deep"]) is not None
        assert cursor.made == ["litter", "litter/deep"]
        with pytest.raises(WorkspaceError):
            cursor.enter(["mine", "deep"])
    assert (tmp_path / "mine").read_text() == "precious"


def test_a_file_is_read_with_its_digest_and_bit(tmp_path: Path, folder: int) -> None:
    (tmp_path / "run.sh").write_bytes(b"#!/bin/sh\n")
    (tmp_path / "run.sh").chmod(0o755)
    found = read_regular(folder, "run.sh")
    assert found is not None
    assert found.data == b"#!/bin/sh\n"
    assert found.digest == sha256(b"#!/bin/sh\n").hexdigest()
    assert found.executable
    assert read_regular(folder, "nothing") is None


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_files_of_any_size_have_their_digest(tmp_path: Path, folder: int, size: int) -> None:
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    (tmp_path / "file").write_bytes(data)
    hashed = hash_regular(folder, "file")
    assert hashed is not None
    assert hashed[0] == sha256(data).hexdigest()
    found = read_regular(folder, "file")
    assert found is not None
    assert found.data == data


@pytest.mark.parametrize("kind", ["link", "folder", "pipe", "socket"])
def test_what_is_not_a_regular_file_is_turned_away_at_once(
    tmp_path: Path, folder: int, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "target").write_text("secret")
    monkeypatch.chdir(tmp_path)  # the names of sockets are short
    if kind == "link":
        Path("odd").symlink_to("target")
    elif kind == "folder":
        Path("odd").mkdir()
    elif kind == "pipe":
        os.mkfifo("odd")
    else:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("odd")
    for look in (read_regular, hash_regular):
        with pytest.raises(NotRegularError):
            look(folder, "odd")


def test_a_new_file_never_replaces_or_follows(tmp_path: Path, folder: int) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("link", "file"):
        (tmp_path / "file").write_text("old")
        with pytest.raises(FileExistsError):
            write_new(folder, name, b"new", 0o666)
    assert not (tmp_path / "elsewhere").exists()
    assert (tmp_path / "file").read_text() == "old"


def test_removing_takes_links_not_their_targets(tmp_path: Path, folder: int) -> None:
    (tmp_path / "keep").mkdir()
    (tmp_path / "keep" / "file").write_text("")
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    (tmp_path / "tree" / "deep" / "link").symlink_to(tmp_path / "keep")
    (tmp_path / "link").symlink_to(tmp_path / "keep")
    for name in ("tree", "link", "nothing"):
        remove(folder, name)
    assert [path.name for path in tmp_path.iterdir()] == ["keep"]
    assert (tmp_path / "keep" / "file").exists()


def test_empty_folders_go_up_to_the_first_that_must_stay(tmp_path: Path) -> None:
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    remove_empty(tmp_path, ["a", "b", "c"], lambda path: path != "a")
    assert [path.name for path in tmp_path.rglob("*")] == ["a"]
    (tmp_path / "a" / "b").mkdir()
    (tmp_path / "a" / "file").write_text("")
    remove_empty(tmp_path, ["a", "b"], lambda _: True)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "file"]


@pytest.mark.parametrize(
    "path", ["", "/etc/passwd", "../up", "a/../b", "a//b", "./a", "a/", ".git/hooks/x", "a\0b"]
)
def test_only_canonical_paths_are_split(path: str) -> None:
    with pytest.raises(WorkspaceError):
        split(path)


def test_a_path_is_split_into_folders_and_name() -> None:
    assert split("a/b/c.py") == (["a", "b"], "c.py")
    assert split("c.py") == ([], "c.py")


def test_what_stands_in_the_way_of_a_file_is_named(tmp_path: Path) -> None:
    for folder in ("full", "empty", "sub/empty"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "full/x").write_text("")
    (tmp_path / "link").symlink_to("full")
    (tmp_path / "gone").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    link = "a symbolic link; links are never written through"
    assert {path: standing(tmp_path, path) for path in (
        "new", "new/deep/x", "full/x", "full/y", "empty", "sub/empty", "full", "full/x/y/z",
        "link", "link/x", "gone", "pipe", "pipe/x",
    )} == {
        "new": "", "new/deep/x": "", "full/x": "", "full/y": "", "empty": "", "sub/empty": "",
        "full": "full is a directory",
        "full/x/y/z": "full/x is a file, so nothing can be below it",
        "link": f"link is {link}", "link/x": f"link is {link}", "gone": f"gone is {link}",
        "pipe": "pipe is a named pipe, not a file", "pipe/x": "pipe is a named pipe, not a file",
    }  # fmt: skip


def test_a_folder_that_cannot_be_made_is_no_regular_place(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/")
    with FolderCursor(tmp_path, make=True) as cursor, pytest.raises(NoFolderError) as caught:
        cursor.enter(["link", "etc"])
    assert isinstance(caught.value, NotRegularError)  # whoever writes files treats both alike
