"""Replaying logs: what agrees is found to agree, and each thing that could not be is found."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from orchestrator import Context, Limits, Plan, Task, resume, run
from orchestrator.core.encoding import encode
from orchestrator.core.events import (
    AttemptEnded,
    ChangedOutside,
    Event,
    Finished,
    LeaseGranted,
    Renewed,
    Reported,
    Resumed,
    Retried,
    Skipped,
    Succeeded,
    Undone,
    Wrote,
)
from orchestrator.errors import WorkspaceError
from orchestrator.lab.replay import Replay, replay
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.commands import FakeCommands
from orchestrator.runtime.eventlog import SqliteLog
from orchestrator.runtime.header import Header, pack, save_manifest
from orchestrator.runtime.scan import Entry

A = Task(id="a", writes=("a.txt",))
B = Task(id="b", writes=("b.txt",), depends_on=("a",))
RIVAL = Task(id="rival", writes=("a.txt",))
TESTED = Task(id="tested", writes=("t.txt",), test="check")


def log_of(folder: Path, events: Iterable[Event], *tasks: Task, **limits: Any) -> Replay:
    """Return what comes of replaying a log with these events, all contents kept."""
    blobs = BlobStore(folder / "blobs", durable=False)
    old = blobs.put(b"old")
    entries = {path: Entry(old, 3, False) for path in ("a.txt", "b.txt")}
    header = Header(
        run="r", name="p", tasks=tasks or (A, B), limits=Limits(**limits),
        manifest=save_manifest(entries, blobs),
    )  # fmt: skip
    with SqliteLog.create(folder / "events.db", pack(header)) as log:
        log.append([encode(event) for event in events])
    return replay(folder)


@pytest.fixture
def digest(tmp_path: Path) -> str:
    """The digest of a content that is kept."""
    return BlobStore(tmp_path / "blobs", durable=False).put(b"new")


def granted(at: float, task: str = "a", attempt: int = 1, token: int = 1) -> LeaseGranted:
    return LeaseGranted(at, task, attempt, token, f"w{token}")


def ended(at: float, then: str = "ready", counts: bool = True) -> AttemptEnded:
    return AttemptEnded(at, "a", 1, 1, "tests_failed", "no", then, counts)


def wrote(
    at: float, digest: str, number: int = 2, base: int = 1, path: str = "a.txt", token: int = 1,
    reads: tuple[tuple[str, int], ...] = (),
) -> Wrote:  # fmt: skip
    return Wrote(at, "a", 1, token, path, number, digest, base, reads)


def test_a_log_that_could_be_agrees(tmp_path: Path, digest: str) -> None:
    events = [
        granted(1), wrote(2, digest, reads=(("b.txt", 1),)), Succeeded(3, "a", 1, 1),
        granted(3, "b", token=2), Succeeded(4, "b", 1, 2), Finished(4, "", 0, "succeeded"),
    ]  # fmt: skip
    found = log_of(tmp_path, events)
    assert (found.parting, found.problems, found.notes) == (None, (), ())
    assert found.agrees
    assert (found.events, found.status, found.token, found.cut) == (6, "succeeded", 2, 2)
    assert found.contents == 1
    assert found.checks > 3


def test_an_empty_log_agrees(tmp_path: Path) -> None:
    found = log_of(tmp_path, [])
    assert found.agrees
    assert (found.events, found.status) == (0, "running")


Story = Callable[[str], list[Event]]

IMPOSSIBLE: dict[str, tuple[Story, str]] = {
    "time goes back": (
        lambda d: [granted(5), Renewed(4, "a", 1, 1)], "1.000 s older than the event before",
    ),
    "an unknown task": (lambda d: [granted(1, "x")], "there is no such task"),
    "a token that does not rise": (
        lambda d: [granted(1), ended(2), granted(3, attempt=2, token=1)],
        "token 1 does not rise above 1",
    ),
    "an attempt left out": (
        lambda d: [granted(1, attempt=2)], "attempt 2 does not follow attempt 0",
    ),
    "an accepted task again": (
        lambda d: [granted(1), Succeeded(2, "a", 1, 1), granted(3, attempt=2, token=2)],
        "the task was accepted before",
    ),
    "a task before its dependency": (lambda d: [granted(1, "b")], "the task waits for a"),
    "a start after the end": (
        lambda d: [
            granted(1), Succeeded(2, "a", 1, 1), granted(2, "b", token=2),
            AttemptEnded(3, "b", 1, 2, "interrupted", "", "ready", False),
            Finished(3, "", 0, "interrupted"), granted(4, "b", 2, 3),
        ],
        "the run had ended",
    ),
    "a token that nobody has": (
        lambda d: [granted(1), Renewed(2, "a", 1, 7)], "token 7 was never granted",
    ),
    "an ended token": (
        lambda d: [granted(1), ended(2), wrote(3, d)], "token 1 has ended",
    ),
    "somebody else's token": (
        lambda d: [granted(1), Reported(2, "b", 1, 1, "test", 1)],
        "token 1 belongs to attempt 1 of a",
    ),
    "a version left out": (
        lambda d: [granted(1), wrote(2, d, number=4)], "version 4 does not follow version 1",
    ),
    "a write on an old base": (
        lambda d: [granted(1), wrote(2, d), wrote(3, d, number=3, base=1)],
        "based on version 1 of a.txt, not on 2",
    ),
    "a write outside the task": (
        lambda d: [granted(1), wrote(2, d, path="b.txt")], "b.txt is outside the task's files",
    ),
    "a write after a stale read": (
        lambda d: [
            granted(1), ChangedOutside(2, "", 0, "b.txt", 2, d),
            wrote(3, d, number=3, reads=(("b.txt", 1),)),
        ],
        "had read version 1 of b.txt, and 2 was current",
    ),
    "outside changes with a gap": (
        lambda d: [ChangedOutside(2, "", 0, "b.txt", 5, d)], "version 5 does not follow version 1",
    ),
    "an attempt too many": (
        lambda d: [granted(1), ended(2, "failed")], "1 of 3 attempts are used up",
    ),
    "an interrupt that counts": (
        lambda d: [granted(1), AttemptEnded(2, "a", 1, 1, "cancelled", "", "ready", False)],
        "ended by cancelled, and yet the task is ready",
    ),
    "what was accepted taken back": (
        lambda d: [
            granted(1), wrote(2, d), Succeeded(3, "a", 1, 1), Undone(4, "a", 1, "a.txt", 3, d, 1),
        ],
        "it takes back what was accepted",
    ),
    "a living attempt's write taken back": (
        lambda d: [granted(1), wrote(2, d), Undone(3, "a", 1, "a.txt", 3, d, 1)],
        "token 1 has not ended",
    ),
    "skipped for nothing": (
        lambda d: [Skipped(1, "b", 0, "a failed")], "nothing that it depends on has failed",
    ),
    "retried while it runs": (
        lambda d: [granted(1), Retried(2, "a", 1)], "illegal move RETRY of a task that is running",
    ),
    "a success that is none": (
        lambda d: [granted(1), Succeeded(2, "a", 1, 1), Finished(3, "", 0, "succeeded")],
        "cannot have ended as succeeded: 1 ready, 1 succeeded",
    ),
    "resumed while a lease lives": (
        lambda d: [granted(1), Resumed(2, "", 0)], "token 1 of a has not ended",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_what_cannot_be_is_found_where_it_is(name: str, tmp_path: Path, digest: str) -> None:
    story, words = IMPOSSIBLE[name]
    events = story(digest)
    found = log_of(tmp_path, events)
    assert not found.agrees
    assert found.parting is not None
    assert words in found.parting.what
    last = events[-1]
    assert (found.parting.seq, found.parting.at, found.parting.task) == (
        len(events), last.at, last.task,
    )  # fmt: skip
    assert found.events == len(events) - 1


def test_two_tasks_with_the_same_file_cannot_run_at_once(tmp_path: Path) -> None:
    found = log_of(tmp_path, [granted(1), granted(2, "rival", token=2)], A, RIVAL)
    assert found.parting is not None
    assert found.parting.what == "its files are held by a"


@pytest.mark.parametrize(
    ("cut", "evidence", "words"),
    [(3, "", "no output of its tests"), (2, "kept", "saw cut 2, and t.txt is newer (version 3)")],
)
def test_success_needs_evidence_of_the_newest_versions(
    tmp_path: Path, digest: str, cut: int, evidence: str, words: str
) -> None:
    events = [
        LeaseGranted(1, "tested", 1, 1, "w1"),
        Wrote(2, "tested", 1, 1, "t.txt", 2, digest, 0),
        Wrote(3, "tested", 1, 1, "t.txt", 3, digest, 2),
        Succeeded(4, "tested", 1, 1, cut, digest if evidence else ""),
    ]
    found = log_of(tmp_path, events, TESTED)
    assert found.parting is not None
    assert words in found.parting.what


def test_a_broken_invariant_is_found_after_the_decision_that_broke_it(tmp_path: Path) -> None:
    # What depends on a failed task must be skipped in the same decision.
    events: list[Event] = [granted(1), ended(2, "failed"), Resumed(3, "", 0)]
    found = log_of(tmp_path, events, attempts=1)
    assert found.parting is not None
    assert (found.parting.seq, found.parting.kind) == (2, "ended")
    assert "nothing can ever move them" in found.parting.what


def test_a_lost_and_a_damaged_content_are_found(tmp_path: Path, digest: str) -> None:
    blobs = BlobStore(tmp_path / "blobs", durable=False)
    other = blobs.put(b"other")
    events = [granted(1), wrote(2, digest), wrote(3, other, number=3, base=2)]
    assert log_of(tmp_path, events).agrees
    blobs.path(digest).unlink()
    blobs.path(other).write_bytes(b"OTHER")
    found = replay(tmp_path)
    assert found.parting is None
    assert not found.agrees
    assert [problem.partition(":")[0] for problem in found.problems] == [
        "event 2 names a content that is lost", "event 3 names a content that is lost",
    ]  # fmt: skip
    assert "is damaged" in found.problems[1]


def test_what_is_not_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="not the directory of a run"):
        replay(tmp_path)


# --- real runs --------------------------------------------------------------------------------


def real(tmp_path: Path) -> Path:
    """Run a plan with retries, undone writes and an outside change; return its directory."""
    work = tmp_path / "work"
    work.mkdir()
    for name in ("one", "two", "three"):
        (work / f"{name}.txt").write_text("old")
    tasks = tuple(
        Task(id=name, writes=(f"{name}.txt",), depends_on=needs, test="check")
        for name, needs in (("one", ()), ("two", ("one",)), ("three", ("one",)))
    )

    def hands(context: Context) -> None:
        context.write(f"{context.task.id}.txt", f"{context.attempt}")
        if context.task.id == "two":
            (work / "three.txt").write_text("by hand")
            raise ValueError("on purpose")

    plan = Plan(name="p", tasks=tasks, workspace=work, base=tmp_path, limits=Limits(attempts=2))
    commands = FakeCommands(lambda command, cwd: 0, BlobStore(tmp_path / "run" / "blobs"))
    run(plan, work=hands, workers=1, run_dir=tmp_path / "run", commands=commands)
    return tmp_path / "run"


def test_a_real_run_that_was_resumed_agrees(tmp_path: Path) -> None:
    folder = real(tmp_path)
    first = replay(folder)
    assert (first.parting, first.problems) == (None, ())
    commands = FakeCommands(lambda command, cwd: 0, BlobStore(folder / "blobs"))
    resume(folder, work=lambda context: None, retry_failed=True, commands=commands)
    second = replay(folder)
    assert second.agrees
    assert (second.status, second.events > first.events) == ("succeeded", True)


def test_every_changed_row_of_a_real_log_is_noticed(tmp_path: Path) -> None:
    folder = real(tmp_path)
    assert replay(folder).agrees
    with SqliteLog.reader(folder / "events.db") as log:
        records = list(log.read())
    fields = ("token", "number", "base")
    tried = 0
    for record in records:
        body = json.loads(record.body)
        for field in (name for name in fields if name in body):
            copy = shutil.copytree(folder, tmp_path / "copy")
            changed = json.dumps(body | {field: body[field] + 1})
            with closing(sqlite3.connect(copy / "events.db")) as database, database:
                database.execute("UPDATE events SET body = ? WHERE seq = ?", (changed, record.seq))
            # A token that is one too high at its grant is noticed when it is used.
            assert not replay(copy).agrees, (record, field)
            shutil.rmtree(copy)
            tried += 1
    assert tried > 15


def test_changed_role_documents_are_told_and_not_held_against_the_log(tmp_path: Path) -> None:
    task = Task(id="a", writes=("a.txt",), role="implementer")
    header = Header(run="r", name="p", tasks=(task,), role_digests={"implementer": "another"})
    with SqliteLog.create(tmp_path / "events.db", pack(header)) as log:
        log.append([encode(event) for event in (granted(1), Succeeded(2, "a", 1, 1))])
    found = replay(tmp_path)
    assert found.agrees
    assert "the document of role implementer has changed" in found.notes[0]
