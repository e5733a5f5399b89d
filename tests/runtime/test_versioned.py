from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from orchestrator.analysis.versioned import (
    dirty_files,
    governed_by_git,
    ignored_among,
    list_tree,
    run_git,
)
from orchestrator.errors import WorkspaceError


def git(root: Path, *arguments: str) -> None:
    who = ["-c", "user.name=Tester", "-c", "user.email=tester@example.org"]
    subprocess.run(["git", *who, *arguments], cwd=root, check=True, capture_output=True)


def put(root: Path, names: Iterable[str]) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    put(root, ["src/a.py", "src/b.py", "ä ö.txt", ".github/x.yml"])
    (root / ".gitignore").write_text("*.log\n/data/\n.venv/\n__pycache__/\n.env\n*.so\n")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "start")
    return root


TRACKED = [".github/x.yml", ".gitignore", "src/a.py", "src/b.py", "ä ö.txt"]


def test_git_says_which_files_are_versioned(repository: Path) -> None:
    put(repository, ["src/new.py", "out.log", "data/big.bin", ".orchestrator/runs/x/events.db"])
    assert list_tree(repository).files == sorted([*TRACKED, "src/new.py"])


def test_environments_are_set_aside_but_caches_and_secrets_are_not(repository: Path) -> None:
    put(
        repository,
        [".venv/bin/python", "src/__pycache__/a.pyc", "src/fast.so", ".env", "data/x/y", "data/z"],
    )
    assert list_tree(repository).aside == [".venv", "data", "src/fast.so"]


def test_a_directory_below_the_top_lists_its_own_files(repository: Path) -> None:
    assert list_tree(repository / "src").files == ["a.py", "b.py"]


def test_a_repository_inside_is_set_aside(repository: Path) -> None:
    put(repository, ["vendor/lib/x.py"])
    git(repository / "vendor" / "lib", "init", "-q", "-b", "main")
    listing = list_tree(repository)
    assert listing.files == TRACKED
    assert listing.aside == ["vendor/lib"]


def test_names_that_no_workspace_path_can_have_are_set_aside(repository: Path) -> None:
    put(repository, ["back\\slash.py"])
    listing = list_tree(repository)
    assert listing.files == TRACKED
    assert listing.aside == ["back\\slash.py"]


def test_a_directory_that_git_ignores_is_not_governed_by_it(repository: Path) -> None:
    put(repository, ["data/copy/x.py"])
    assert governed_by_git(repository)
    assert governed_by_git(repository / "src")
    assert not governed_by_git(repository / "data" / "copy")
    assert list_tree(repository / "data" / "copy").files == ["x.py"]
    assert dirty_files(repository / "data" / "copy") == []


def test_variables_of_a_git_hook_do_not_redirect_us(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    assert list_tree(repository).files == TRACKED


def test_without_git_well_known_names_decide(tmp_path: Path) -> None:
    put(
        tmp_path,
        [
            "a.py", "pkg/b.py", "build/c.py", ".env.example", ".dotfile",
            "node_modules/x/index.js", ".venv/bin/python", "env/pyvenv.cfg", "env/bin/python",
            "x.egg-info/PKG-INFO", "pkg/__pycache__/b.pyc", ".hg/store", ".env",
            ".orchestrator/lock", "runs/one/events.db",
        ],
    )  # fmt: skip
    (tmp_path / "runs" / "one" / ".gitignore").write_text("*\n")
    listing = list_tree(tmp_path)
    assert listing.files == [".dotfile", ".env.example", "a.py", "build/c.py", "pkg/b.py"]
    assert listing.aside == [".venv", "env", "node_modules", "runs/one", "x.egg-info"]


def test_links_to_folders_are_not_walked_into(tmp_path: Path) -> None:
    put(tmp_path, ["outside/x.py", "root/a.py"])
    (tmp_path / "root" / "link").symlink_to(tmp_path / "outside")
    assert list_tree(tmp_path / "root").files == ["a.py", "link"]


def test_dirty_files_are_named(repository: Path) -> None:
    assert dirty_files(repository) == []
    (repository / "src/a.py").write_text("changed")
    (repository / "src/b.py").unlink()
    put(repository, ["new/deep/c.py", ".orchestrator/lock", "x.log"])
    assert dirty_files(repository) == ["new/deep/c.py", "src/a.py", "src/b.py"]
    assert dirty_files(repository / "src") == ["a.py", "b.py"]


def test_without_git_nothing_is_dirty(tmp_path: Path) -> None:
    put(tmp_path, ["a.py"])
    assert dirty_files(tmp_path) == []


def test_what_would_not_be_versioned_is_told(repository: Path, tmp_path: Path) -> None:
    paths = ["src/c.py", "x.log", "data/y", "src/__pycache__/c.pyc", ".coverage"]
    assert ignored_among(repository, paths) == set(paths[1:])
    assert ignored_among(repository, []) == set()
    (tmp_path / "plain").mkdir()
    assert ignored_among(tmp_path / "plain", paths) == set(paths[3:])


def test_a_failing_git_is_reported(repository: Path) -> None:
    (repository / ".git" / "config").write_text("[core\n")
    with pytest.raises(WorkspaceError, match="git rev-parse failed") as caught:
        list_tree(repository)
    assert "bad config" in caught.value.why


def test_something_else_that_is_named_like_a_repository_is_none(tmp_path: Path) -> None:
    put(tmp_path, ["a.py"])
    (tmp_path / ".git").mkdir()
    assert list_tree(tmp_path).files == ["a.py"]


def test_a_missing_git_is_reported(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(WorkspaceError, match="git cannot be run") as caught:
        run_git(repository, "status")
    assert "install git" in caught.value.fix


def test_of_folders_with_nothing_but_ignored_files_the_top_most_stands_aside(
    repository: Path,
) -> None:
    put(repository, ["deep/er/still/a.log"])
    assert list_tree(repository).aside == ["deep"]
