from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.errors import UsageError, WorkspaceError
from orchestrator.runtime.rundir import RunDir, find_run, make_state_folder, new_run_id


def run_of(base: Path, name: str) -> Path:
    run = RunDir.create(base / ".orchestrator" / "runs" / name)
    run.events.touch()
    return run.path


def test_a_run_directory_has_places_for_everything(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path / "deep" / "run")
    assert run.blobs.is_dir()
    assert run.copies.is_dir()
    assert run.events == tmp_path / "deep" / "run" / "events.db"
    assert not run.events.exists()


def test_git_does_not_see_what_is_ours(tmp_path: Path) -> None:
    run_of(tmp_path, "a")
    assert (tmp_path / ".orchestrator" / ".gitignore").read_text() == "*\n"


def test_linters_see_the_files_of_a_private_copy(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "-b", "main", str(tmp_path)], check=True)
    copy = RunDir(run_of(tmp_path, "a")).copies / "w1"
    copy.mkdir()
    (copy / "a.py").write_text("import os\n")
    lint = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "."]
    done = subprocess.run(lint, cwd=copy, capture_output=True, text=True, check=False)
    assert "`os` imported but unused" in done.stdout


def test_an_empty_directory_will_do(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    assert RunDir.create(tmp_path / "run").blobs.is_dir()


def test_a_directory_with_a_run_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "events.db").write_text("mine")
    with pytest.raises(WorkspaceError, match="holds a run already") as caught:
        RunDir.create(tmp_path)
    assert "resume that run" in caught.value.fix
    assert "--run-dir" in caught.value.fix
    assert [path.name for path in tmp_path.iterdir()] == ["events.db"]


def test_a_directory_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    for number in range(7):
        (tmp_path / f"notes{number}.txt").write_text("mine")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(WorkspaceError, match="not empty, and holds no run") as caught:
        RunDir.create(tmp_path)
    assert "notes0.txt, " in caught.value.why
    assert "and 2 more" in caught.value.why
    assert "resume" not in caught.value.fix
    assert sorted(tmp_path.iterdir()) == before


def test_what_a_run_left_that_never_began_is_told_apart(tmp_path: Path) -> None:
    left = RunDir.create(tmp_path / "run")
    with pytest.raises(WorkspaceError, match="holds no run") as caught:
        RunDir.create(left.path)
    assert "ended before it had begun" in caught.value.why
    assert "remove it" in caught.value.fix
    assert left.blobs.is_dir()


def test_a_directory_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError, match="cannot be made") as caught:
        RunDir.create(tmp_path / "file" / "run")
    assert caught.value.fix


def test_a_directory_without_a_log_is_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="not the directory of a run"):
        RunDir.open(tmp_path)
    (tmp_path / "events.db").touch()
    assert RunDir.open(tmp_path).events.is_file()


def test_the_folder_for_what_is_ours_may_exist_already(tmp_path: Path) -> None:
    first = make_state_folder(tmp_path)
    (first / ".gitignore").write_text("edited")
    assert make_state_folder(tmp_path) == first
    assert (first / ".gitignore").read_text() == "edited"


def test_ids_are_unique_and_sort_by_age() -> None:
    ids = [new_run_id() for _ in range(50)]
    assert len(set(ids)) == 50
    assert [name[:15] for name in ids] == sorted(name[:15] for name in ids)
    assert all(len(name) == 22 for name in ids)


def test_a_run_is_found_by_directory_log_and_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = run_of(tmp_path, "20260101-000000-aaaaaa")
    for text in (str(path), f"{path}/events.db", path.name, path.name[:9]):
        assert find_run(text, tmp_path) == path
    assert find_run(".orchestrator/runs/20260101-000000-aaaaaa", tmp_path) == path


def test_a_run_beside_a_plan_elsewhere_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = run_of(tmp_path / "plans" / "a", "one")
    base = tmp_path / "base"
    assert find_run("one", base, plans=[tmp_path / "plans" / "a"]) == path
    with pytest.raises(UsageError, match="there are no runs"):
        find_run("one", base)


def test_an_unknown_run_is_answered_with_the_ones_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(7):
        run_of(tmp_path, f"2026010{number}-120000-abcdef")
    with pytest.raises(UsageError, match="did you mean 20260103-120000-abcdef") as caught:
        find_run("20260103-120000-abcdee", tmp_path)
    assert "20260106-120000-abcdef" in caught.value.why
    assert "20260100-120000-abcdef" not in caught.value.why


def test_a_beginning_that_fits_several_runs_is_not_guessed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run_of(tmp_path, "20260101-1")
    run_of(tmp_path, "20260101-2")
    with pytest.raises(UsageError, match="2 runs begin with '2026'") as caught:
        find_run("2026", tmp_path)
    assert [problem.what for problem in caught.value.problems] == ["20260101-1", "20260101-2"]
