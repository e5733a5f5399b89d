"""What a dead process leaves behind, and how the next one goes on from there.

`tests/stress/every_step.py` tries every step of a small run; here are the cases by name.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator import Context, Limits, Plan, Task, load_plan, resume, run
from orchestrator.core.events import ChangedOutside, Event, Retried
from orchestrator.core.messages import Cancel
from orchestrator.core.states import TaskState
from orchestrator.errors import LogError, WorkspaceError
from orchestrator.lab.replay import replay
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.eventlog import SqliteLog
from orchestrator.runtime.run import Run, start
from orchestrator.runtime.workspace import SharedTree

Work = Callable[[Context], object]


def crash(tmp_path: Path, work: Work, *tasks: Task, after: str, **more: Any) -> Path:
    """Run a plan and keep what its directories are when a task begins, as if it were killed then.

    Args:
        after: the task, the last thing that is done before the end.

    Returns:
        The run's directory; the workspace is ``work`` beside it.
    """
    alive = tmp_path / "alive"

    def watched(context: Context) -> None:
        work(context)
        if context.task.id == after and not (tmp_path / "kept").exists():
            shutil.copytree(alive, tmp_path / "kept", symlinks=True)

    plan = Plan(name="p", tasks=tasks, workspace=alive / "work", base=alive, **more)
    run(plan, work=watched, workers=1, run_dir=alive / "run")
    shutil.rmtree(alive)
    (tmp_path / "kept").rename(alive)  # where its header says that it is
    return alive / "run"


def workspace(tmp_path: Path, **files: str) -> Path:
    """Make a workspace, dots in the names of its files written as ``_``."""
    work = tmp_path / "alive" / "work"
    work.mkdir(parents=True)
    for name, text in files.items():
        (work / name.replace("_", ".")).write_text(text)
    return work


def nothing(context: Context) -> None:
    """Do a task that needs nothing."""


# --- what is left in the tree -----------------------------------------------------------------


def test_drafts_of_a_dead_process_are_removed_and_their_names_free(tmp_path: Path) -> None:
    work = workspace(tmp_path, a_txt="old\n")

    def write(context: Context) -> None:
        context.write("a.txt", f"{context.attempt}\n")

    folder = crash(tmp_path, write, Task(id="a", writes=("a.txt",)), after="a")
    drafts = work / ".orchestrator" / "tmp"
    for number in range(2000):  # in a container the next process has the same number, too
        (drafts / f"{os.getpid()}.{number}").write_text("half")
    assert resume(folder, work=write).status == "succeeded"
    assert list(drafts.iterdir()) == []
    assert (work / "a.txt").read_text() == "2\n"


def test_a_file_that_returns_is_executable_again(tmp_path: Path) -> None:
    work = workspace(tmp_path, tool_sh="#!/bin/sh\n")
    (work / "tool.sh").chmod(0o755)

    def delete(context: Context) -> None:
        context.delete("tool.sh")

    folder = crash(tmp_path, delete, Task(id="a", writes=("tool.sh",)), after="a")
    assert not (work / "tool.sh").exists()
    assert resume(folder, work=nothing).status == "succeeded"
    assert os.access(work / "tool.sh", os.X_OK)


def test_folders_that_the_dead_process_made_go_with_their_files(tmp_path: Path) -> None:
    work = workspace(tmp_path, a_txt="old\n")

    def make(context: Context) -> None:
        context.write("new/deep/made.txt", "made")

    folder = crash(tmp_path, make, Task(id="a", writes=("new",)), after="a")
    assert (work / "new" / "deep" / "made.txt").exists()
    (work / "new" / "deep" / "made.txt").unlink()  # the undo, but for its last step

    def instead(context: Context) -> None:
        context.write("new", "a file where the folder was")

    assert resume(folder, work=instead).status == "succeeded"
    assert (work / "new").read_text() == "a file where the folder was"


def test_a_lock_file_that_was_left_stops_nobody(tmp_path: Path) -> None:
    work = workspace(tmp_path, a_txt="old\n")
    folder = crash(tmp_path, nothing, Task(id="a"), after="a")
    assert f'"pid": {os.getpid()}' in (work / ".orchestrator" / "lock").read_text()
    assert f'"pid": {os.getpid()}' in (folder / "lock").read_text()
    assert resume(folder, work=nothing).status == "succeeded"


def test_what_the_dead_process_left_of_private_copies_goes(tmp_path: Path) -> None:
    workspace(tmp_path, a_txt="old\n")

    def write(context: Context) -> None:
        context.write("a.txt", "new\n")

    folder = crash(tmp_path, write, Task(id="a", writes=("a.txt",)), after="a")
    (folder / "copies" / "w1" / "strange").mkdir()
    (folder / "copies" / "w7").mkdir()
    (folder / "copies" / "w1" / "a.txt").write_text("not the version that it seems to be")
    seen: list[str | None] = []
    assert resume(folder, work=lambda c: seen.append(c.read("a.txt"))).status == "succeeded"
    assert seen == ["old\n"]
    assert not [path for path in (folder / "copies").iterdir() if path.is_dir()]


# --- changed by hand while nobody ran ---------------------------------------------------------


def halted(tmp_path: Path, work: Work, *tasks: Task) -> Path:
    """Run a plan until its task `hang` runs, and halt it there."""
    begun = threading.Event()

    def until(context: Context) -> None:
        if context.task.id != "hang":
            work(context)
            return
        begun.set()
        assert context.interrupt.wait(20)

    alive = tmp_path / "alive"
    hang = Task(id="hang", depends_on=tuple(task.id for task in tasks))
    plan = Plan(name="p", tasks=(*tasks, hang), workspace=alive / "work", base=alive)
    live: Run = start(plan, work=until, workers=2, run_dir=alive / "run")
    assert begun.wait(20)
    live.halt()
    assert live.wait().status == "interrupted"
    return alive / "run"


def test_what_was_changed_by_hand_is_kept_and_told(tmp_path: Path) -> None:
    work = workspace(tmp_path, a_txt="old\n", b_txt="old\n", c_txt="old\n")
    folder = halted(
        tmp_path, lambda c: c.write("a.txt", "by the run\n"), Task(id="a", writes=("a.txt",))
    )
    (work / "a.txt").write_text("by hand\n")
    (work / "b.txt").write_text("by hand, too\n")
    (work / "c.txt").unlink()
    (work / "d.txt").write_text("new\n")
    told: list[Event] = []
    result = resume(folder, work=nothing, listeners=[told.extend])
    assert result.status == "succeeded"
    outside = {event.path: event.digest for event in told if isinstance(event, ChangedOutside)}
    blobs = BlobStore(folder / "blobs")
    assert {path: digest and blobs.get(digest) for path, digest in outside.items()} == {
        "a.txt": b"by hand\n", "b.txt": b"by hand, too\n", "c.txt": None, "d.txt": b"new\n",
    }  # fmt: skip
    assert (work / "a.txt").read_text() == "by hand\n"
    assert not (work / "c.txt").exists()
    assert replay(folder).agrees


def test_a_change_by_hand_that_was_taken_back_by_hand_stays_so(tmp_path: Path) -> None:
    work = workspace(tmp_path, a_txt="old\n")

    def meddle(context: Context) -> None:
        if context.attempt == 1:
            (work / "a.txt").write_text("by hand\n")
            context.write("a.txt", "by the run\n")
            raise ValueError("on purpose")

    folder = halted(tmp_path, meddle, Task(id="a", writes=("a.txt",)))
    assert (work / "a.txt").read_text() == "by hand\n"
    (work / "a.txt").write_text("old\n")
    assert resume(folder, work=nothing).status == "succeeded"
    assert (work / "a.txt").read_text() == "old\n"


# --- before the run had begun -----------------------------------------------------------------


def test_a_run_directory_without_a_log_says_what_to_do(tmp_path: Path) -> None:
    workspace(tmp_path, a_txt="old\n")
    folder = tmp_path / "run"
    (folder / "blobs").mkdir(parents=True)
    with pytest.raises(WorkspaceError, match="not the directory of a run"):
        resume(folder, work=nothing)
    SqliteLog.create(tmp_path / "events.db", {}).close()
    (folder / "events.db").write_bytes(b"")
    with pytest.raises(LogError, match="the run ended before it had begun") as caught:
        resume(folder, work=nothing)
    assert caught.value.fix == "remove the folder of the run, and start it again"


def test_a_half_made_copy_is_not_taken_for_a_workspace(tmp_path: Path) -> None:
    work = workspace(tmp_path, a_txt="old\n", b_txt="old\n")
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "a.txt").write_text("ol")
    plan = Plan(name="p", tasks=(Task(id="a"),), workspace=work, base=tmp_path)
    with pytest.raises(WorkspaceError, match="the place for the fresh copy is not empty") as caught:
        run(plan, work=nothing, into=tmp_path / "copy")
    assert caught.value.fix.startswith("remove it")
    assert (tmp_path / "copy" / "a.txt").read_text() == "ol"


def test_a_log_with_a_header_and_no_event_goes_on(tmp_path: Path) -> None:
    workspace(tmp_path, a_txt="old\n")
    folder = crash(tmp_path, nothing, Task(id="a"), after="a")
    with SqliteLog.open(folder / "events.db") as log:
        header = dict(log.header)
    for stale in folder.glob("events.db*"):
        stale.unlink()
    SqliteLog.create(folder / "events.db", header).close()
    result = resume(folder, work=nothing)
    assert (result.status, result.tasks["a"].attempts) == ("succeeded", 1)


# --- going on with what was asked for ---------------------------------------------------------


def test_a_model_named_on_the_command_line_is_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plans" / "work").mkdir(parents=True)
    (tmp_path / "here" / "solution").mkdir(parents=True)
    (tmp_path / "here" / "solution" / "new.txt").write_text("made")
    (tmp_path / "plans" / "plan.yaml").write_text(
        "version: 1\nworkspace: work\ndefaults: {role: implementer}\n"
        "tasks: [{id: a, writes: [new.txt], test: 'false'}]\nlimits: {attempts: 1}\n"
    )
    monkeypatch.chdir(tmp_path / "here")
    plan = load_plan(tmp_path / "plans" / "plan.yaml")
    result = run(plan, model="oracle:solution")
    monkeypatch.chdir(tmp_path)
    again = resume(result.run_dir, retry_failed=True)
    assert (again.status, again.tasks["a"].attempts) == ("failed", 2)


def test_retrying_begins_with_what_the_others_wait_for(tmp_path: Path) -> None:
    late = Task(id="late", depends_on=("early",))  # before it in the plan

    plan = Plan(name="p", tasks=(late, Task(id="early")), limits=Limits(attempts=1))
    begun = threading.Event()

    def hang(context: Context) -> None:
        begun.set()
        assert context.interrupt.wait(20)

    live = start(plan, work=hang, run_dir=tmp_path / "run")
    assert begun.wait(20)
    for name in ("late", "early"):
        live.coordinator.call(Cancel(name))
    assert {task.state for task in live.wait().tasks.values()} == {TaskState.CANCELLED}
    again = resume(tmp_path / "run", work=nothing, retry_failed=True)
    assert again.status == "succeeded"


def test_many_changes_by_hand_do_not_end_the_run_before_it_goes_on(tmp_path: Path) -> None:
    work = workspace(tmp_path, **{f"f{number}_txt": "old\n" for number in range(100)})
    folder = halted(tmp_path, nothing)
    for path in work.glob("*.txt"):
        path.write_text("by hand\n")
    result = resume(folder, work=nothing)
    assert (result.status, result.late) == ("succeeded", ())
    with SqliteLog.reader(folder / "events.db") as log:
        assert sum(record.kind == "outside" for record in log.read()) == 100


def test_all_of_many_failed_tasks_are_retried(tmp_path: Path) -> None:
    def fail(context: Context) -> None:
        raise ValueError("not yet")

    made = tuple(Task(id=f"t{number}") for number in range(100))
    plan = Plan(name="p", tasks=made, limits=Limits(attempts=1))
    assert run(plan, work=fail, run_dir=tmp_path / "run").status == "failed"
    told: list[Event] = []
    result = resume(tmp_path / "run", work=nothing, retry_failed=True, listeners=[told.extend])
    assert result.status == "succeeded"
    assert sum(isinstance(event, Retried) for event in told) == 100
    with SqliteLog.reader(tmp_path / "run" / "events.db") as log:
        assert len(list(log.read())) == 200 + 1 + len(told)


# --- the disk fails ---------------------------------------------------------------------------


def test_a_content_that_cannot_be_kept_stops_the_run_and_fails_no_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace(tmp_path, a_txt="old\n", b_txt="old\n")
    put = BlobStore._write

    def full(self: BlobStore, place: Path, data: bytes) -> None:
        if data == b"big\n":
            raise OSError(28, "No space left on device")
        put(self, place, data)

    def write(context: Context) -> None:
        context.write(f"{context.task.id}.txt", "small\n" if context.task.id == "a" else "big\n")

    alive = tmp_path / "alive"
    tasks = (Task(id="a", writes=("a.txt",)), Task(id="b", writes=("b.txt",), depends_on=("a",)))
    plan = Plan(name="p", tasks=tasks, workspace=alive / "work", base=alive)
    monkeypatch.setattr(BlobStore, "_write", full)
    with pytest.raises(LogError, match="No space left on device") as caught:
        run(plan, work=write, run_dir=alive / "run")
    assert caught.value.exit_code == 4
    assert caught.value.fix.endswith("then resume the run")
    monkeypatch.undo()
    result = resume(alive / "run", work=write)
    assert result.status == "succeeded"
    assert {name: task.attempts for name, task in result.tasks.items()} == {"a": 1, "b": 2}
    assert result.history.tasks["b"].attempts[0].outcome == "interrupted"
    assert SharedTree(alive / "work", BlobStore(alive / "run" / "blobs")).digest("b.txt")
