"""What models were told against what happened, and refusals that had no ground."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from orchestrator import Task
from orchestrator.core.encoding import encode
from orchestrator.core.events import (
    ChangedOutside,
    Event,
    LeaseGranted,
    Reported,
    RequestRefused,
    Wrote,
)
from orchestrator.lab.replay import Replay, replay
from orchestrator.models.base import Exchange, ToolCall, ToolResult, Turn
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.eventlog import SqliteLog
from orchestrator.runtime.header import Header, pack, save_manifest
from orchestrator.runtime.scan import Entry

GRANTED = LeaseGranted(1, "a", 1, 1, "w1")


class Folder:
    """The directory of a run with one task, `a`, which may write `a.txt`."""

    def __init__(self, path: Path) -> None:
        self.path, self.blobs = path, BlobStore(path / "blobs", durable=False)

    def put(self, text: str) -> str:
        return self.blobs.put(text.encode())

    def turn(self, *answers: tuple[str, dict[str, Any], str, bool], detail: str = "") -> Reported:
        """Return the report that tells of a turn: tool, input, answer, whether it is an error."""
        calls = tuple(
            ToolCall(str(n), tool, given) for n, (tool, given, _, _) in enumerate(answers)
        )
        results = tuple(
            ToolResult(str(n), told, bad) for n, (_, _, told, bad) in enumerate(answers)
        )
        kept = self.put(json.dumps(asdict(Exchange(Turn("", calls), results))))
        return Reported(9, "a", 1, 1, "reason", 2, transcript=kept, detail=detail)

    def wrote(self, text: str | None, path: str = "a.txt", **more: Any) -> Wrote:
        digest = None if text is None else self.put(text)
        return Wrote(5, "a", 1, 1, path, 2, digest, 1, **more)

    def replay(self, *events: Event) -> Replay:
        old = self.put("old")
        header = Header(
            run="r", name="p", tasks=(Task(id="a", writes=("a.txt",)),),
            manifest=save_manifest({name: Entry(old, 3, False) for name in ("a.txt", "b.txt")},
                                   self.blobs),
        )  # fmt: skip
        with SqliteLog.create(self.path / "events.db", pack(header)) as log:
            log.append([encode(event) for event in (GRANTED, *events)])
        return replay(self.path)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A directory without a log yet."""
    return Folder(tmp_path)


WRITE = {"path": "a.txt", "content": "new"}
DONE = "a.txt is written (version 2)."
Story = Callable[[Folder], list[Event]]

TRUE: dict[str, Story] = {
    "a write": lambda f: [f.wrote("new"), f.turn(("write_file", WRITE, DONE, False))],
    "a write under another spelling": lambda f: [
        f.wrote("new"), f.turn(("write_file", WRITE | {"path": "./a.txt"}, DONE, False)),
    ],
    "a refusal": lambda f: [f.turn(("write_file", WRITE | {"path": "b.txt"}, "Refused", True))],
    "a merged write": lambda f: [
        f.wrote("newer", rebased=True), f.turn(("write_file", WRITE, DONE, False)),
    ],
    "an edit": lambda f: [
        f.wrote("new"), f.turn(("edit_file", {"path": "a.txt", "old": "o"}, "", False))
    ],
    "a deletion": lambda f: [
        f.wrote(None), f.turn(("delete_file", {"path": "a.txt"}, DONE, False)),
    ],
    "what a command changed": lambda f: [
        f.wrote("formatted"), f.turn(("run_command", {"command": "fmt"}, "exit code 0", False)),
    ],
    "a content without its secret": lambda f: [
        f.wrote("k = 'sk'"),
        f.turn(("write_file", WRITE | {"content": "k = '[secret removed]'"}, DONE, False)),
    ],
    "verdicts": lambda f: [
        f.turn(("run_tests", {}, "PASSED\n", False), ("run_tests", {}, "FAILED\nx", True),
               detail="tests failed"),
    ],
}  # fmt: skip

FALSE: dict[str, tuple[Story, str]] = {
    "a write that was never accepted": (
        lambda f: [f.turn(("write_file", WRITE, DONE, False))],
        "write_file of 'a.txt' was done, and no write was accepted",
    ),
    "another content": (
        lambda f: [f.wrote("other"), f.turn(("write_file", WRITE, DONE, False))],
        "what write_file put into a.txt is not the content of event 2",
    ),
    "a deletion that wrote": (
        lambda f: [f.wrote("new"), f.turn(("delete_file", {"path": "a.txt"}, DONE, False))],
        "delete_file of a.txt was done, and event 2 is something else",
    ),
    "a write that was told to be refused": (
        lambda f: [f.wrote("new"), f.turn(("write_file", WRITE, "Refused: no", True))],
        "no answer tells of event 2, the write of a.txt",
    ),
    "another verdict": (
        lambda f: [f.turn(("submit", {}, "Not accepted: the tests do not pass.\nFAILED\n", True),
                          detail="tests passed")],
        "it was told tests failed, and tests passed was reported",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TRUE)
def test_what_was_told_truly_agrees(folder: Folder, name: str) -> None:
    found = folder.replay(*TRUE[name](folder))
    assert (found.parting, found.problems) == (None, ())
    assert found.replies > 0


@pytest.mark.parametrize("name", FALSE)
def test_what_was_told_and_did_not_happen_is_found(folder: Folder, name: str) -> None:
    story, words = FALSE[name]
    found = folder.replay(*story(folder))
    assert found.parting is None
    assert not found.agrees
    assert found.problems[0].startswith("event ")
    assert found.problems[0].endswith(f"attempt 1 of a was told what did not happen: {words}")


def test_an_answer_too_few_is_found(folder: Folder) -> None:
    turn = Turn("", (ToolCall("1", "read_file", {"path": "a.txt"}),))
    kept = folder.put(json.dumps(asdict(Exchange(turn))))
    found = folder.replay(Reported(9, "a", 1, 1, "reason", 2, transcript=kept))
    assert "1 calls were made, 0 answered" in found.problems[0]


def refused(kind: Any, *paths: str, path: str = "") -> RequestRefused:
    return RequestRefused(7, "a", 1, 1, "write", kind, "because", paths, path)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (refused("stale", "b.txt"), "refused because b.txt had changed, which it had not"),
        (refused("stale"), "no file is named that had changed"),
        (refused("scope", path="a.txt"), "refused for a.txt, which is inside the task's files"),
    ],
)
def test_refusals_without_ground_are_found(
    folder: Folder, event: RequestRefused, words: str
) -> None:
    found = folder.replay(event)
    assert found.parting is not None
    assert words in found.parting.what


def test_refusals_with_ground_agree(folder: Folder) -> None:
    changed = ChangedOutside(6, "", 0, "b.txt", 2, folder.put("by hand"))
    found = folder.replay(changed, refused("stale", "b.txt"), refused("scope", path="b.txt"))
    assert found.agrees
