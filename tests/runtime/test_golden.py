"""Golden logs: what earlier versions have written is read, replayed and resumed by this one.

The logs lie in tests/golden, a folder per format, and are never made again; `make.py` there makes
those of a new format, or of a new kind of event.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from orchestrator import Context, resume
from orchestrator.core.encoding import decode
from orchestrator.core.events import KINDS
from orchestrator.core.invariants import check
from orchestrator.errors import LogError
from orchestrator.lab.metrics import measure
from orchestrator.lab.replay import replay
from orchestrator.runtime.assembly import make_machine, roles_of
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.commands import FakeCommands
from orchestrator.runtime.eventlog import FORMAT, SqliteLog
from orchestrator.runtime.header import MACHINE, load_manifest, unpack
from orchestrator.runtime.results import load_history, task_results

GOLDEN = Path(__file__).parents[1] / "golden"
LOGS = sorted(path.parent for path in GOLDEN.glob("format-*/*/expected.json"))
KILLED = GOLDEN / "format-1" / "killed"


def name_of(log: Path) -> str:
    return f"{log.parent.name}-{log.name}"


def expected(log: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((log / "expected.json").read_text())
    return found


def place(log: Path, tmp_path: Path) -> Path:
    """Copy a golden log, and let its header name the copy."""
    run = shutil.copytree(log, tmp_path / "run")
    shutil.copytree(run / "tree", tmp_path / "tree")
    names = {"workspace": str(tmp_path / "tree"), "base": str(tmp_path)}
    if (run / "roles").exists():
        names["roles"] = str(run / "roles")
    (run / "copies").mkdir()
    for key, value in names.items():
        rewrite(run, key, value)
    return run


def rewrite(run: Path, key: str, value: object) -> None:
    """Change a value in the header of a log."""
    with closing(sqlite3.connect(run / "events.db")) as connection, connection:
        changed = connection.execute(
            "UPDATE header SET value = ? WHERE key = ?", (json.dumps(value), key)
        )
        assert changed.rowcount == 1


def test_there_are_logs_of_every_format() -> None:
    assert {log.parent.name for log in LOGS} == {f"format-{n}" for n in range(1, FORMAT + 1)}


def test_every_kind_of_event_is_in_a_golden_log() -> None:
    found = {kind for log in LOGS for kind in expected(log)["kinds"]}
    assert found >= KINDS.keys(), "make a log with the new kind: see tests/golden/make.py"


@pytest.mark.parametrize("log", LOGS, ids=name_of)
def test_a_golden_log_folds_to_what_it_did(log: Path, tmp_path: Path) -> None:
    run = shutil.copytree(log, tmp_path / "run")  # as it is, with its WAL if it has one
    with SqliteLog.reader(run / "events.db") as rows:
        header, records = unpack(rows.header), list(rows.read())
    roles = roles_of(header.tasks, run / "roles" if (run / "roles").exists() else None)
    machine = make_machine(header, roles, load_manifest(header.manifest, BlobStore(run / "blobs")))
    machine.fold(decode(r.at, r.kind, r.task, r.attempt, r.body) for r in records)
    state = machine.state
    wanted = {key: value for key, value in expected(log).items() if key not in ("format", "kinds")}
    assert check(machine) == []
    assert {
        "events": len(records), "status": state.status, "token": state.token,
        "tokens": state.tokens, "usd": state.usd, "cut": state.files.cut,
        "files": state.files.digests(),
        "live": {attempt.lease.task: token for token, attempt in state.live.items()},
        "tasks": {
            name: {
                "state": r.state, "attempt": r.attempt, "failures": r.failures,
                "tokens": state.ledger.task(name).tokens, "reason": r.reason,
            }
            for name, r in state.records.items()
        },
    } == wanted  # fmt: skip


@pytest.mark.parametrize("log", LOGS, ids=name_of)
def test_a_golden_log_agrees_with_its_replay_and_has_a_story(log: Path, tmp_path: Path) -> None:
    run, wanted = place(log, tmp_path), expected(log)
    found = replay(run)
    assert (found.parting, found.problems, found.notes) == (None, (), ())
    assert (found.events, found.token, found.cut) == (
        wanted["events"], wanted["token"], wanted["cut"],
    )  # fmt: skip
    history = load_history(run)
    assert {name: task.attempts for name, task in task_results(history).items()} == {
        name: task["attempt"] for name, task in wanted["tasks"].items()
    }
    assert measure(run).attempts == wanted["kinds"]["granted"]


def test_a_golden_log_of_a_killed_run_resumes(tmp_path: Path) -> None:
    run = place(KILLED, tmp_path)
    assert expected(KILLED)["live"]
    begun: list[str] = []

    def work(context: Context) -> None:
        begun.append(context.task.id)
        context.write(f"{context.task.id}.txt", f"new {context.task.id}\n")

    commands = FakeCommands(lambda command, cwd: 0, BlobStore(run / "blobs"))
    result = resume(run, work=work, commands=commands)
    assert result.status == "succeeded"
    assert begun == ["b", "c"]
    tree = tmp_path / "tree"
    assert [(tree / f"{name}.txt").read_text() for name in "abc"] == [
        "new a\n",
        "new b\n",
        "new c\n",
    ]
    assert not (tree / "made").exists()
    assert replay(run).agrees


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("format", FORMAT + 1, f"has format {FORMAT + 1}, newer than this program"),
        ("machine", MACHINE + 1, f"under the rules of version {MACHINE + 1}"),
    ],
)
@pytest.mark.parametrize("use", [resume, replay, load_history], ids=lambda use: use.__name__)
def test_a_log_of_a_later_version_is_refused_and_left_alone(
    tmp_path: Path, key: str, value: int, what: str, use: Callable[[Path], object]
) -> None:
    run = place(KILLED, tmp_path)
    rewrite(run, key, value)
    before = (run / "events.db").read_bytes()
    with pytest.raises(LogError, match=what) as caught:
        use(run)
    assert caught.value.fix
    assert (run / "events.db").read_bytes() == before
