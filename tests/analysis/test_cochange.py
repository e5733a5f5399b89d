"""Files that change together, by git's history."""

from __future__ import annotations

import subprocess
from pathlib import Path

from orchestrator.analysis.cochange import CoChange, co_changes
from orchestrator.analysis.codegraph import build


def commit(root: Path, *changed: str, step: int) -> None:
    for path in changed:
        place = root / path
        place.parent.mkdir(exist_ok=True)
        place.write_text(f"x = {step}\n")
    name = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "add", "-A"], cwd=root, check=True)
    subprocess.run(["git", *name, "commit", "-qm", f"step {step}"], cwd=root, check=True)


def test_pairs_that_change_together_often_enough(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    assert build(root, history=True).co_changes == ()
    for step in range(3):
        commit(root, "pkg/a.py", "pkg/b é.py", step=step)
    for step in range(3, 7):
        commit(root, "pkg/a.py", "other.py" if step < 5 else "third.py", step=step)
    graph = build(root, history=True)
    pair = CoChange("pkg/a.py", "pkg/b é.py", 3, 1.0)
    assert graph.co_changes == (pair,)
    assert graph.graph.edges["pkg/b é.py", "pkg/a.py", "co-changes"]["together"] == 3
    assert graph.file_dependencies()["pkg/a.py"] == frozenset()
    assert build(root / "pkg", history=True).co_changes == (CoChange("a.py", "b é.py", 3, 1.0),)


def test_a_directory_without_git_has_no_history(tmp_path: Path) -> None:
    assert co_changes(tmp_path, ["a.py"]) == ()
