"""What `score` prints, draws and suggests, from a real run."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Event

import pytest

from orchestrator.errors import UsageError, WorkspaceError
from orchestrator.runtime.context import Context
from orchestrator.runtime.run import run
from orchestrator.spec.plan import load_plan
from orchestrator.ui.scoring import Wanted, show_score

PLAN = """\
version: 1
name: small
workspace: ./project
into: ./out
tasks:
  - {id: a, writes: [a.py], reads: ["**"]}
  - {id: b, writes: [b.py], reads: ["**"]}
  - {id: c, writes: [a.py, c.py], reads: ["**"]}
  - {id: d, writes: [d.py], reads: ["**"], depends_on: [b]}
"""


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A run in which b reads what a wrote, c waits for a's file, and d needs nothing of b."""
    (tmp_path / "project").mkdir()
    for name in "abcd":
        (tmp_path / "project" / f"{name}.py").write_text(f"{name.upper()} = 0\n")
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN)
    done = Event()

    def work(context: Context) -> None:
        name = context.task.id
        if name == "a":
            done.set()
        if name == "b":
            done.wait(30)
            context.read("a.py")
        context.write(f"{name}.py", f"{name.upper()} = 1\n")

    folder = tmp_path / "run"
    result = run(load_plan(path), work=work, workers=3, run_dir=folder, durability="normal")
    assert result.status == "succeeded"
    return folder


@pytest.mark.slow
def test_a_score_in_words(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show_score(str(finished), Wanted())
    shown = capsys.readouterr().out
    assert shown.startswith("small: 4 accepted tasks; ")
    assert "Along 1 declared edge of 1 nothing flowed." in shown
    assert "b → d" in shown
    assert "overlapping-writes: a and c both hold a.py, and neither waits for the other" in shown
    assert "add `depends_on: [a]` to c" in shown
    assert "writes recall" in shown


@pytest.mark.slow
def test_a_score_as_json_and_as_a_picture(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = finished.parent / "score.svg"
    show_score(str(finished), Wanted(as_json=True, svg=picture, suggest=True))
    value = json.loads(capsys.readouterr().out)
    assert set(value["tasks"]) == set("abcd")
    assert value["edges"]["unused"] == [{"from": "b", "to": "d"}]
    assert value["dimensions"]["edges_precision"] == 0
    assert value["tasks"]["c"]["writes"] == {
        "precision": 0.5, "recall": 1.0, "undeclared": [], "unused": ["a.py"],
    }  # fmt: skip
    assert "version: 1" in value["suggested"]
    assert picture.read_text().startswith("<svg")


@pytest.mark.slow
def test_the_mended_plan_runs(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mended = finished.parent / "plan.mended.yaml"
    show_score(str(finished), Wanted(suggest=True, output=mended))
    assert "Mended plan: " in capsys.readouterr().out
    plan = load_plan(mended)
    assert plan.task("c").depends_on == ("a",)
    assert plan.task("d").depends_on == ()
    text = mended.read_text()
    assert "# d: removed: b (nothing flowed along this edge)" in text
    assert "# c: added: a (file wait: a.py)" in text


@pytest.mark.slow
def test_the_mended_plan_goes_to_standard_output(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show_score(str(finished), Wanted(suggest=True))
    assert capsys.readouterr().out.startswith("# Mended by what run ")


@pytest.mark.slow
def test_a_mended_plan_neither_replaces_the_plan_nor_leaves_its_directory(finished: Path) -> None:
    with pytest.raises(UsageError, match="would replace the plan"):
        show_score(str(finished), Wanted(suggest=True, output=finished.parent / "plan.yaml"))
    with pytest.raises(UsageError, match="in another directory"):
        show_score(str(finished), Wanted(suggest=True, output=finished / "plan.yaml"))


@pytest.mark.slow
def test_a_plan_that_has_changed_since_is_not_mended(finished: Path) -> None:
    (finished.parent / "plan.yaml").write_text(PLAN.replace("small", "other"))
    with pytest.raises(UsageError, match="has changed since the run began"):
        show_score(str(finished), Wanted(suggest=True))


@pytest.mark.slow
def test_a_tree_that_is_gone_is_noted(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (finished.parent / "out").rename(finished.parent / "elsewhere")
    show_score(str(finished), Wanted())
    assert "is gone: what code and tests need is not known" in capsys.readouterr().out


@pytest.mark.slow
def test_a_picture_that_cannot_be_written_is_a_clear_error(finished: Path) -> None:
    with pytest.raises(WorkspaceError, match="cannot be written"):
        show_score(str(finished), Wanted(svg=finished / "no" / "where.svg"))


def test_a_file_without_a_plan_to_write_is_refused() -> None:
    with pytest.raises(UsageError, match="-o names the file of the mended plan"):
        show_score("any", Wanted(output=Path("x.yaml")))


def test_there_is_no_such_run() -> None:
    with pytest.raises(UsageError, match="there is no run"):
        show_score("nowhere", Wanted())
