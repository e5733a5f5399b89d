"""Runs that are run again with their recorded answers: the same events, times aside."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from orchestrator import Limits, Plan, RunResult, Task, run
from orchestrator.core.messages import Approve, Cancel, Reject
from orchestrator.errors import ModelError, RunStopped, UsageError
from orchestrator.lab.replay import replay
from orchestrator.lab.samelog import differences
from orchestrator.models.base import Briefing, Exchange, Interrupt, ToolCall, Turn, Usage
from orchestrator.models.scripted import ScriptedModel
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.commands import FakeCommands
from orchestrator.runtime.eventlog import SqliteLog
from orchestrator.runtime.header import unpack
from orchestrator.runtime.run import start

GOLDEN = Path(__file__).parents[1] / "golden"
NAMES = tuple("abcdefgh")
CHECK = 'python -c "import {0}; assert {0}.f(2, 3) == 5"'


def project(folder: Path) -> Path:
    """Make a workspace, and a solution for the oracle."""
    work, solution = folder / "work", folder / "solution"
    for place in (work, solution):
        place.mkdir()
    (work / "shared.txt").write_text("".join(f"# {name}\n\n\n\n" for name in NAMES))
    for name in NAMES:
        (solution / f"{name}.py").write_text("def f(a, b):\n    return a + b\n")
    return work


def task(name: str, *needs: str, **more: Any) -> Task:
    """Return a task that owns `NAME.py`."""
    given: dict[str, Any] = {
        "writes": (f"{name}.py",), "role": "implementer", "test": CHECK.format(name),
    }  # fmt: skip
    return Task(id=name, depends_on=needs, **given | more)


def plan_of(folder: Path, *tasks: Task, **more: Any) -> Plan:
    return Plan(name="small", tasks=tasks, workspace=folder / "work", base=folder, **more)


def again(plan: Plan, first: RunResult, folder: Path, **more: Any) -> RunResult:
    """Run a plan with the answers of a run of it, in a copy of what it started from."""
    settings: dict[str, Any] = {"mode": first.mode, "workers": first.workers} | more
    return run(
        plan, model=f"recorded:{first.run_dir}", into=folder / "second-tree",
        run_dir=folder / "second", **settings,
    )  # fmt: skip


def kinds(run_dir: Path) -> list[str]:
    with SqliteLog.reader(run_dir / "events.db") as log:
        return [record.kind for record in log.read()]


def call(name: str, **given: Any) -> Turn:
    return Turn(calls=(ToolCall(f"{name}-{given}", name, given),), usage=Usage(10, 2),
                stop="tool_use")  # fmt: skip


# --- solo -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_solo_run_with_mistakes_gives_the_same_events(tmp_path: Path) -> None:
    project(tmp_path)
    plan = plan_of(tmp_path, task("a"), task("b", "a"), task("c", "a"), task("d"))
    first = run(
        plan, model=f"oracle:{tmp_path / 'solution'}", options={"mistakes": "1"}, mode="solo",
        seed=7, into=tmp_path / "first-tree", run_dir=tmp_path / "first",
    )  # fmt: skip
    second = again(plan, first, tmp_path)
    assert first.status == second.status == "succeeded"
    assert first.tasks["a"].turns > 3
    assert differences(first.run_dir, second.run_dir) == []
    assert replay(second.run_dir).agrees


def failing(script: dict[str, Any]) -> ScriptedModel:
    return ScriptedModel(script, name="script")


@pytest.mark.slow
def test_failed_attempts_and_refusals_come_again(tmp_path: Path) -> None:
    """Attempts that gave up, whose tests failed, whose model failed: in their order."""
    project(tmp_path)
    wrong = call("write_file", path="a.py", content="def f(a, b):\n    return a\n")
    right = call("write_file", path="a.py", content="def f(a, b):\n    return a + b\n")
    script = {
        "a": {
            1: [wrong, call("submit", summary="done"), call("give_up", reason="too hard")],
            2: [call("write_file", path="b.py", content="not mine"), right],  # then it ends
            3: [Turn("Let me think."), right, call("submit", summary="at last")],
        },
        "b": [Turn("Hm."), Turn("Hm."), Turn("Hm.")],
    }
    plan = plan_of(tmp_path, task("a"), task("b", attempts=1), task("c", "b"))
    first = run(plan, model=failing(script), mode="solo", into=tmp_path / "first-tree",
                run_dir=tmp_path / "first")  # fmt: skip
    second = again(plan, first, tmp_path)
    assert first.tasks["a"].attempts == 3
    assert {"refused", "undone", "skipped", "ended"} <= set(kinds(first.run_dir))
    assert "the script has ended" in str(json_of(first, "ended", "reason"))
    assert differences(first.run_dir, second.run_dir) == []
    assert second.tasks["a"].input == first.tasks["a"].input > 0


def json_of(result: RunResult, kind: str, key: str) -> list[object]:
    with SqliteLog.reader(result.run_dir / "events.db") as log:
        return [json.loads(record.body)[key] for record in log.read() if record.kind == kind]


# --- several workers --------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_shared_run_in_the_recorded_order_gives_the_same_events(
    tmp_path: Path, seed: int
) -> None:
    project(tmp_path)
    conflicting = {"writes": ("a.py", "g.py"), "test": CHECK.format("g")}
    tasks = [task("a"), task("b"), task("c", "a"), task("d", "a", "b"), task("e"), task("f", "c"),
             task("g", **conflicting), task("h", "d")]  # fmt: skip
    plan = plan_of(tmp_path, *tasks)
    first = run(
        plan, model=f"oracle:{tmp_path / 'solution'}", workers=4, seed=seed,
        options={"mistakes": "0.5", "latency": "0-0.02"},
        into=tmp_path / "first-tree", run_dir=tmp_path / "first",
    )  # fmt: skip
    second = again(plan, first, tmp_path, options={"order": "recorded"})
    assert first.status == second.status == "succeeded"
    assert differences(first.run_dir, second.run_dir) == []
    assert replay(second.run_dir).agrees


class Editor:
    """A model that edits its own lines of a file that all share, and fails at its first try."""

    name = "editor"

    def next_turn(
        self, briefing: Briefing, history: Sequence[Exchange], interrupt: Interrupt
    ) -> Turn:
        """Read, edit, and hand in; the first attempt gives up after its edit."""
        line = f"# {briefing.task}\n"
        steps = [
            call("read_file", path="shared.txt"),
            call("edit_file", path="shared.txt", old=line, new=f"{line}by {briefing.task}"
                 f" in attempt {briefing.attempt}\n"),
            call("read_file", path="shared.txt"),
            call("submit", summary="done"),
        ]  # fmt: skip
        if briefing.attempt == 1 and len(history) == 2 and briefing.task in "bdf":
            return call("give_up", reason="once more")
        interrupt.wait((hash_of(briefing, history) % 7) / 1000)
        return steps[len(history)] if len(history) < len(steps) else steps[-1]

    def close(self) -> None:
        """Nothing to release."""


def hash_of(briefing: Briefing, history: Sequence[Exchange]) -> int:
    return briefing.seed + 31 * len(history)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_shared_files_merges_and_undoing_come_in_the_recorded_order(
    tmp_path: Path, seed: int
) -> None:
    project(tmp_path)
    plan = plan_of(
        tmp_path,
        *(task(name, writes=(), shares=("shared.txt",), test="") for name in NAMES),
        limits=Limits(attempts=5),
    )
    first = run(plan, model=Editor(), workers=4, seed=seed, into=tmp_path / "first-tree",
                run_dir=tmp_path / "first")  # fmt: skip
    second = again(plan, first, tmp_path, options={"order": "recorded"})
    assert first.status == second.status == "succeeded"
    assert "undone" in kinds(first.run_dir)
    assert differences(first.run_dir, second.run_dir) == []
    trees = [(tmp_path / place / "shared.txt").read_text() for place in
             ("first-tree", "second-tree")]  # fmt: skip
    assert trees[0] == trees[1]


# --- people and the clock -----------------------------------------------------------------------


class Slow:
    """A model that never answers about `b` the first time, and otherwise does as it should."""

    name = "slow"

    def __init__(self) -> None:
        self.asked = threading.Event()

    def next_turn(
        self, briefing: Briefing, history: Sequence[Exchange], interrupt: Interrupt
    ) -> Turn:
        """Write the file, then hand in."""
        if briefing.task == "b" and briefing.attempt == 1:
            interrupt.wait()
            raise ModelError("too late")
        if briefing.task == "e":
            self.asked.set()
            interrupt.wait()
            raise ModelError("too late")
        if history:
            return call("submit", summary="done")
        return call("write_file", path=f"{briefing.task}.py", content="def f(a, b): return a + b\n")

    def close(self) -> None:
        """Nothing to release."""


@pytest.mark.slow
def test_what_people_and_the_clock_did_is_done_again(tmp_path: Path) -> None:
    project(tmp_path)
    names = [task(name, test="") for name in "ab"]
    held = [task(name, test="", approval=True) for name in "cd"]
    plan = plan_of(tmp_path, *names, *held, task("e", test=""), task("f", "e", test=""),
                   limits=Limits(lease=0.4, backoff=0.01))  # fmt: skip
    model = Slow()
    first = start(plan, model=model, workers=3, into=tmp_path / "first-tree",
                  run_dir=tmp_path / "first")  # fmt: skip
    model.asked.wait()
    for request in (Approve("c", "me"), Reject("d", "no"), Cancel("e", "not wanted")):
        first.coordinator.call(request)
    result = first.wait()
    assert {"approved", "skipped", "ended"} <= set(kinds(result.run_dir))
    assert set(json_of(result, "ended", "cause")) == {"lease_expired", "cancelled"}
    second = again(plan, result, tmp_path, options={"order": "recorded"})
    assert differences(result.run_dir, second.run_dir) == []


# --- when the order cannot be kept ----------------------------------------------------------------


def recorded_with_fake_tests(tmp_path: Path) -> tuple[Plan, RunResult]:
    project(tmp_path)
    plan = plan_of(tmp_path, *(task(name, test="check") for name in "abcd"))
    first = run(
        plan, model=f"oracle:{tmp_path / 'solution'}", workers=2, run_dir=tmp_path / "first",
        into=tmp_path / "first-tree", commands=fake(tmp_path, 0),
    )  # fmt: skip
    return plan, first


def fake(folder: Path, code: int) -> FakeCommands:
    return FakeCommands(lambda command, cwd: code, BlobStore(folder / "said"))


def test_another_number_of_workers_has_no_recorded_order(tmp_path: Path) -> None:
    plan, first = recorded_with_fake_tests(tmp_path)
    fakes = fake(tmp_path, 0)
    with pytest.raises(UsageError, match="workers 3, then 2"):
        again(plan, first, tmp_path, workers=3, options={"order": "recorded"}, commands=fakes)
    shutil.rmtree(tmp_path / "second-tree")
    with pytest.raises(UsageError, match="mode uncontrolled has none"):
        again(plan, first, tmp_path, mode="uncontrolled", options={"order": "recorded"})
    shutil.rmtree(tmp_path / "second-tree")
    second = again(plan, first, tmp_path, workers=3, commands=fakes)
    assert (second.status, second.workers) == ("succeeded", 3)


@pytest.mark.parametrize("order", ["auto", "recorded"])
def test_tests_that_end_otherwise_end_the_order_and_nobody_hangs(
    tmp_path: Path, order: str
) -> None:
    plan, first = recorded_with_fake_tests(tmp_path)
    settings: dict[str, Any] = {"options": {"order": order}, "commands": fake(tmp_path, 1)}
    if order == "recorded":
        with pytest.raises(RunStopped, match="the recorded order could not be kept") as caught:
            again(plan, first, tmp_path, **settings)
        assert "in the recording" in caught.value.where
        return
    second = again(plan, first, tmp_path, **settings)
    assert second.status == "failed"
    found = differences(first.run_dir, second.run_dir)
    assert found
    assert "run_tests answered turn" in str(json_of(second, "ended", "reason"))


def test_the_difference_of_two_logs_is_told(tmp_path: Path) -> None:
    _, first = recorded_with_fake_tests(tmp_path)
    copy = shutil.copytree(first.run_dir, tmp_path / "copy")
    assert differences(first.run_dir, copy) == []
    with closing(sqlite3.connect(copy / "events.db")) as database, database:
        database.execute("UPDATE events SET at = at + 5 WHERE seq > 3")
        database.execute(
            "UPDATE events SET body = json_set(body, '$.path', 'z') WHERE kind='wrote'"
        )
        database.execute("DELETE FROM events WHERE kind = 'finished'")
    found = differences(first.run_dir, copy)
    assert len(found) == 5
    assert "path is 'a.py' in one, 'z' in the other" in " ".join(found)
    assert found[-1].endswith(": finished in one, nothing in the other")


# --- golden logs ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_golden_log_can_be_run_again(tmp_path: Path) -> None:
    golden = shutil.copytree(GOLDEN / "format-1" / "solo", tmp_path / "golden")
    work = shutil.copytree(golden / "tree", tmp_path / "work")
    for name in ("one", "two", "three"):
        (work / f"{name}.py").unlink()
    with SqliteLog.reader(golden / "events.db") as log:
        header = unpack(log.header)
    plan = Plan(name=header.name, tasks=header.tasks, workspace=work, base=tmp_path,
                roles=golden / "roles")  # fmt: skip
    second = run(plan, model=f"recorded:{golden}", mode="solo", run_dir=tmp_path / "second")
    assert second.status == "succeeded"
    assert differences(golden, second.run_dir) == []
    made, before = (sorted(place.glob("*.py")) for place in (work, golden / "tree"))
    assert [path.read_bytes() for path in made] == [path.read_bytes() for path in before]
