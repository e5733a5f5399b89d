"""The tables of an experiment: the same rows as CSV and in SQLite."""

from __future__ import annotations

import csv
import json
import sqlite3
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path

from orchestrator.analysis.versioned import run_git
from orchestrator.lab.experiment import Arm, Experiment, cases_of
from orchestrator.lab.outcomes import TaskOutcome
from orchestrator.lab.trial import TrialResult
from orchestrator.lab.trialtables import DATABASE, write_manifest, write_tables

VALUES = dict.fromkeys(field.name for field in fields(TaskOutcome))
TASK = TaskOutcome(
    **{**VALUES, "task": "one", "state": "succeeded", "attempts": 2, "turns": 3, "started": 0.5,
       "input": 7, "output": 1}
)  # type: ignore[arg-type]  # fmt: skip
ARM = Arm("", "shared", "oracle:/home/me/solution", 2)
GOOD = TrialResult(
    "t-0", "c", ARM, 0, "succeeded", tasks=(TASK, replace(TASK, task="two")), judged=True,
    figures={"success": 1.0, "makespan": 2.5, "usd": None},
)  # fmt: skip
LOST = TrialResult("t-1", "c", ARM, 1, "lost", "its process was ended by SIGKILL", {"success": 0.0})


def ask(out: Path, question: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(out / DATABASE)) as database:
        return database.execute(question).fetchall()


def test_figures_can_be_asked_for(tmp_path: Path) -> None:
    write_tables([GOOD, LOST], tmp_path)
    some = 'SELECT trial, "case", model, workers, makespan, usd, judged FROM trials'
    assert ask(tmp_path, some) == [
        ("t-0", "c", "oracle:solution", 2, 2.5, None, 1),
        ("t-1", "c", "oracle:solution", 2, None, None, None),
    ]  # fmt: skip
    assert ask(tmp_path, "SELECT infrastructure_failure FROM trials WHERE success = 0") == [
        ("its process was ended by SIGKILL",)
    ]
    joined = (
        "SELECT task, input, started, makespan FROM tasks JOIN trials USING (trial) ORDER BY task"
    )
    assert ask(tmp_path, joined) == [("one", 7, 0.5, 2.5), ("two", 7, 0.5, 2.5)]


def test_both_forms_have_the_same_columns_and_rows(tmp_path: Path) -> None:
    write_tables([GOOD, LOST], tmp_path)
    for table in ("trials", "tasks"):
        with (tmp_path / f"{table}.csv").open(newline="") as file:
            header, *rows = csv.reader(file)
        columns = [row[1] for row in ask(tmp_path, f"PRAGMA table_info({table})")]
        assert header == columns
        assert len(rows) == len(ask(tmp_path, f"SELECT * FROM {table}")) == 2


def test_the_tables_are_written_anew(tmp_path: Path) -> None:
    write_tables([GOOD, LOST], tmp_path)
    write_tables([GOOD], tmp_path)
    assert ask(tmp_path, "SELECT trial FROM trials") == [("t-0",)]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        DATABASE, "tasks.csv", "trials.csv",
    ]  # fmt: skip


def test_moments_are_told_to_the_microsecond(tmp_path: Path) -> None:
    task = replace(TASK, started=1.5e-323, ended=2.0000004)
    write_tables([replace(GOOD, tasks=(task,))], tmp_path)
    assert ask(tmp_path, "SELECT started, ended FROM tasks") == [(0.0, 2.0)]
    assert "e-" not in (tmp_path / "tasks.csv").read_text()


# --- the manifest ---------------------------------------------------------------------------------

KEY = "hush-this-is-a-key-4711"


def experiment(folder: Path) -> Experiment:
    """Return an experiment on two plans of one codebase, from a file that has a key in it."""
    for name in ("fine", "coarse"):
        (folder / "project").mkdir(exist_ok=True)
        (folder / f"{name}.yaml").write_text(
            f"version: 1\nname: {name}\ngoal: Do it, {KEY}.\nworkspace: project\n"
            "tasks: [{id: one, writes: [one.py]}]\n"
        )
    (folder / "mine.yaml").write_text("profile: 1\n")
    (folder / "experiment.yaml").write_text(f"options: {{api_key: {KEY}}}\n")
    cases, _ = cases_of([folder / "fine.yaml", folder / "coarse.yaml"])
    options = (("api_key", KEY), ("profile", str(folder / "mine.yaml")))
    return Experiment(cases=cases, options=options, file=folder / "experiment.yaml")


def test_the_files_that_it_was_made_from_are_kept(tmp_path: Path) -> None:
    made, out = experiment(tmp_path), tmp_path / "out"
    out.mkdir()
    write_manifest(made, [GOOD], out)
    told = json.loads((out / "manifest.json").read_text())
    plans = {plan["plan"]: plan["file"] for case in told["cases"] for plan in case["plans"]}
    assert plans == {"fine": "inputs/fine-fine.yaml", "coarse": "inputs/fine-coarse.yaml"}
    assert (told["profile_file"], told["experiment_file"]) == (
        "inputs/profile.yaml", "inputs/experiment.yaml",
    )  # fmt: skip
    kept = {path.name: path.read_text() for path in (out / "inputs").iterdir()}
    assert kept["profile.yaml"] == "profile: 1\n"
    assert kept["fine-coarse.yaml"].startswith("version: 1\nname: coarse\n")
    assert len(kept) == 4
    assert not any(KEY in text for text in (*kept.values(), json.dumps(told)))


def test_what_the_trials_did_not_run_is_not_kept(tmp_path: Path) -> None:
    made, out = experiment(tmp_path), tmp_path / "out"
    out.mkdir()
    (tmp_path / "fine.yaml").write_text("changed since\n")
    (tmp_path / "coarse.yaml").unlink()
    write_manifest(replace(made, file=None, options=()), [], out)
    told = json.loads((out / "manifest.json").read_text())
    assert [plan["file"] for plan in told["cases"][0]["plans"]] == [None, None]
    assert told["profile_file"] is told["experiment_file"] is None
    assert not (out / "inputs").exists()


def test_the_manifest_says_with_which_versions(tmp_path: Path) -> None:
    write_manifest(experiment(tmp_path), [], tmp_path)
    told = json.loads((tmp_path / "manifest.json").read_text())
    assert {"PyYAML", "msgspec", "pytest", "numpy", "python"} <= told["packages"].keys()
    assert told["packages"]["git"] in run_git(tmp_path, "version")
    root = Path(__file__).parents[2]
    if (root / ".git").exists():
        assert told["revision"].startswith(run_git(root, "rev-parse", "HEAD").strip())
    else:
        assert told["revision"] is None
