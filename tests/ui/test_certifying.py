"""`lint --certificate`, `--narrow` and `--verify`: what is printed, written, returned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.errors import PlanError, UsageError, WorkspaceError
from orchestrator.spec.plan import load_plan
from orchestrator.ui.certifying import make_certificate, verify_certificate


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A plan whose two tasks may read everything."""
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "a.py").write_text("import c\n")
    (tmp_path / "project" / "b.py").write_text("")
    (tmp_path / "project" / "c.py").write_text("")
    tasks = [
        {"id": "one", "writes": ["a.py"], "reads": ["**"]},
        {"id": "two", "writes": ["b.py"], "reads": ["c.py"]},
    ]
    data = {"version": 1, "goal": "naïve", "workspace": "./project", "tasks": tasks}
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    return tmp_path


def test_without_a_certificate_it_says_why_and_writes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = folder / "c.json"
    assert make_certificate(folder / "plan.yaml", target, narrow=None, as_json=False) == 1
    shown = capsys.readouterr().out
    assert "`one` may read `b.py` while it is being written" in shown
    assert 'fix: narrow it to `reads: ["**", "!b.py"]`' in shown
    assert "no certificate (1 unordered pair of tasks, 0 ordered; 1 obstacle)." in shown
    assert not target.exists()


def test_a_narrowed_copy_is_certified_and_verified(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, copy, target = folder / "plan.yaml", folder / "narrow.yaml", folder / "c.json"
    before = plan.read_bytes()
    assert make_certificate(plan, target, narrow=copy, as_json=False) == 0
    assert "reads of 1 task narrowed" in capsys.readouterr().out
    assert plan.read_bytes() == before
    assert load_plan(copy).task("one").reads == ("**", "!b.py")
    assert load_plan(copy).goal == "naïve"
    assert verify_certificate(copy, target, as_json=False) == 0
    assert "holds for" in capsys.readouterr().out
    assert verify_certificate(plan, target, as_json=False) == 1
    assert "made for another plan" in capsys.readouterr().out
    assert sorted(path.name for path in folder.iterdir()) == [
        "c.json", "narrow.yaml", "plan.yaml", "project",
    ]  # fmt: skip


def test_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan, copy, target = folder / "plan.yaml", folder / "narrow.yaml", folder / "c.json"

    def printed() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    assert make_certificate(plan, target, narrow=None, as_json=True) == 1
    refused = printed()
    assert refused["certificate"] is None
    assert [one["code"] for one in refused["findings"]] == ["uncertified-reads"]
    assert make_certificate(plan, target, narrow=copy, as_json=True) == 0
    made = printed()
    assert made["certificate"] == str(target)
    assert made["narrowed"] == {"one": ["**", "!b.py"]}
    assert (made["unordered"], made["ordered"], made["findings"]) == (1, 0, [])
    assert verify_certificate(copy, target, as_json=True) == 0
    assert printed()["holds"] is True
    (folder / "project" / "c.py").write_text("x = 1\n")
    assert verify_certificate(copy, target, as_json=True) == 1
    found = printed()
    assert found["holds"] is False
    assert found["refusals"][0]["what"] == "c.py has changed"


def test_the_narrowed_copy_stays_beside_the_plan(folder: Path) -> None:
    (folder / "other").mkdir()
    target = folder / "c.json"
    with pytest.raises(UsageError, match="another directory"):
        make_certificate(
            folder / "plan.yaml", target, narrow=folder / "other" / "p.yaml", as_json=False
        )
    with pytest.raises(UsageError, match="would replace the plan"):
        make_certificate(folder / "plan.yaml", target, narrow=folder / "plan.yaml", as_json=False)
    assert load_plan(folder / "plan.yaml").task("one").reads == ("**",)


def test_what_cannot_be_read_or_written(folder: Path) -> None:
    plan, copy = folder / "plan.yaml", folder / "narrow.yaml"
    with pytest.raises(WorkspaceError, match="cannot be written"):
        make_certificate(plan, folder / "no" / "c.json", narrow=copy, as_json=False)
    with pytest.raises(PlanError):
        make_certificate(folder / "nothing.yaml", folder / "c.json", narrow=None, as_json=False)
    assert verify_certificate(plan, folder / "nothing.json", as_json=False) == 1
