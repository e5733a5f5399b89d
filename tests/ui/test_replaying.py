"""The command `replay`: words, JSON and exit codes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator import Plan, Task, run
from orchestrator.ui.cli import main

Called = tuple[int, str, str]
Call = Callable[..., Called]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Carry out a command line; return exit code, standard output, standard error."""

    def calling(*words: object) -> Called:
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, said.out, said.err

    return calling


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The directory of a run that has succeeded."""
    plan = Plan(name="p", tasks=(Task(id="a"), Task(id="b", depends_on=("a",))))
    return run(plan, work=lambda context: None, run_dir=tmp_path / "run").run_dir


def change(folder: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(folder / "events.db")) as database, database:
        assert database.execute(statement, values).rowcount == 1


def test_a_log_that_agrees_is_told_in_words(call: Call, folder: Path) -> None:
    code, out, err = call("replay", folder)
    assert (code, err) == (0, "")
    first, second = out.splitlines()
    assert first.endswith(": 5 events folded again.")
    assert second == (
        "All agrees: the run is succeeded; tasks: 2 succeeded; newest version 1, newest token 2; "
        "0 contents compared with their digests."
    )


def test_the_event_at_which_they_part_is_named(call: Call, folder: Path) -> None:
    body = json.dumps({"token": 1, "worker": "w1"})
    change(folder, "UPDATE events SET body = ? WHERE kind = 'granted' AND task = 'b'", body)
    code, out, err = call("replay", folder)
    assert (code, err) == (1, "")
    assert "The log and its replay part at event 3 (granted, attempt 1 of b, " in out
    assert out.endswith("  token 1 does not rise above 1.\n")
    assert "All agrees" not in out


def test_as_json(call: Call, folder: Path) -> None:
    code, out, _ = call("replay", folder, "--json")
    found = json.loads(out)
    assert code == 0
    assert (found["agrees"], found["events"], found["parting"]) == (True, 5, None)
    change(folder, "UPDATE events SET attempt = 4 WHERE kind = 'succeeded' AND task = 'a'")
    code, out, _ = call("replay", folder, "--json")
    found = json.loads(out)
    assert code == 1
    assert not found["agrees"]
    assert found["parting"]["seq"] == 2
    assert found["parting"]["what"] == "token 1 belongs to attempt 1 of a"


@pytest.mark.parametrize("command", ["replay", "status", "events", "resume"])
def test_a_log_of_a_newer_format_is_refused(call: Call, folder: Path, command: str) -> None:
    change(folder, "UPDATE header SET value = '99' WHERE key = 'format'")
    code, out, err = call(command, folder)
    assert (code, out) == (4, "")
    assert "the event log has format 99, newer than this program" in err
    assert "fix: use the version of orchestrator that wrote it, or a newer one" in err
    assert "Traceback" not in err


def test_a_run_that_is_not_there(call: Call, tmp_path: Path) -> None:
    code, _, err = call("replay", tmp_path / "nowhere")
    assert code == 2
    assert "there is no run" in err
