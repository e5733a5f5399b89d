"""The tables of an experiment: the same rows as CSV and in SQLite."""

from __future__ import annotations

import csv
import sqlite3
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path

from orchestrator.lab.experiment import Arm
from orchestrator.lab.outcomes import TaskOutcome
from orchestrator.lab.trial import TrialResult
from orchestrator.lab.trialtables import DATABASE, write_tables

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
