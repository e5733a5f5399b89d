"""`new` in an empty directory: a project that runs as it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator import load_plan, run
from orchestrator.errors import UsageError
from orchestrator.ui.starting.writing import show_new


@pytest.mark.slow
def test_the_example_runs_offline_and_green(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "demo"
    show_new(place)
    assert "orchestrator run plan.yaml" in capsys.readouterr().out
    result = run(load_plan(place / "plan.yaml"), options={"mistakes": "1"}, seed=1)
    assert result.status == "succeeded"
    assert len(result.tasks) == 3
    done = (place / "out" / "counting" / "report.py").read_text(encoding="utf-8")
    assert "NotImplementedError" not in done


def test_a_git_repository_without_files_is_empty(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    show_new(tmp_path)
    assert len(load_plan(tmp_path / "plan.yaml").tasks) == 3


def test_options_about_code_need_code(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no code yet"):
        show_new(tmp_path / "demo", strategy="hard")
    assert not (tmp_path / "demo").exists()
