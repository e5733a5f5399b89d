"""What each agent said, did and changed, packed for the page: one block per task.

A block is JSON, deflated, in base64: the page's script unpacks it when the task is opened, and
shows it as text, never as markup. Long texts are cut, the longest first, until all blocks fit
into the space that is left on the page; a cut says how much is missing.
"""

from __future__ import annotations

import json
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from difflib import unified_diff
from typing import Any

from orchestrator.core.history import TaskHistory
from orchestrator.errors import LogError, WorkspaceError
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.header import load_manifest
from orchestrator.runtime.workspace import SharedTree
from orchestrator.ui.lines import CAUSES
from orchestrator.ui.reporting.lanes import MARKS
from orchestrator.ui.reporting.markup import visible
from orchestrator.ui.reporting.story import Attempt, Change, Story

CUTS = (40_000, 16_000, 8_000, 4_000, 2_000, 1_000, 500, 200, 80)
"""Characters of one text that are kept: the first of these under which all fits."""

_MOST_DIFF = 400_000  # characters of a file beyond which it is not compared

Details = dict[str, Any]


class Contents:
    """Texts that the log names by digest.

    Args:
        story: the run.
    """

    def __init__(self, story: Story) -> None:
        record = story.record
        self.blobs = BlobStore(record.folder.blobs)
        self._tree = SharedTree(record.tree, self.blobs) if record.tree else None
        self._start: Mapping[str, str] = {}
        with suppress(LogError, ValueError):
            if record.header.manifest:
                entries = load_manifest(record.header.manifest, self.blobs)
                self._start = {path: entry.digest for path, entry in entries.items()}
        self._versions: dict[tuple[str, int], str | None] = {}
        for attempt in story.attempts:
            for change in attempt.changes:
                self._versions[change.path, change.number] = change.digest

    def blob(self, digest: str) -> str | None:
        """Return a stored text; None: it cannot be had."""
        try:
            return self.blobs.get(digest).decode(errors="replace") if digest else None
        except LogError:
            return None

    def diff(self, change: Change) -> str:
        """Return what a write changed, as a unified diff; or why that cannot be said."""
        before = self._text(change.path, self._before(change))
        after = self._text(change.path, change.digest)
        if before is None or after is None:
            return "(the contents are not in the run's folder, or are no text)"
        if len(before) + len(after) > _MOST_DIFF:
            return f"(not compared: {len(after):,} characters)"
        lines = unified_diff(
            before.splitlines(), after.splitlines(), f"version {change.base}",
            "deleted" if change.digest is None else f"version {change.number}", lineterm="",
        )  # fmt: skip
        return "\n".join(lines) or "(no line was changed)"

    def _before(self, change: Change) -> str | None:
        key = (change.path, change.base)
        return self._versions[key] if key in self._versions else self._start.get(change.path)

    def _text(self, path: str, digest: str | None) -> str | None:
        if digest is None:
            return ""
        with suppress(LogError, WorkspaceError, OSError, UnicodeDecodeError):
            if self._tree is not None:
                return self._tree.content(path, digest).decode()
            return self.blobs.get(digest).decode()
        return None


def details_of(story: Story, contents: Contents) -> Iterator[Details]:
    """Yield what there is to show of each task, uncut."""
    for name, history in story.record.board.history.tasks.items():
        yield _task(story, name, history, contents)


def pack(details: list[Details], room: int) -> tuple[list[str], int]:
    """Return the blocks, and how many characters of a text are kept.

    Args:
        room: characters that all blocks may take together; when even the shortest cut takes
            more, that one is taken.
    """
    blocks: list[str] = []
    for most in CUTS:
        blocks, size = [], 0
        for task in details:
            blocks.append(_packed(_cut(task, most)))
            size += len(blocks[-1])
            if size > room and most != CUTS[-1]:
                break
        else:
            return blocks, most
    return blocks, CUTS[-1]


def _packed(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return b64encode(zlib.compress(text.encode(errors="replace"), 9)).decode("ascii")


def _cut(value: Any, most: int) -> Any:
    """Return the same with all long texts cut in the middle."""
    if isinstance(value, str):
        return shorten(value, most)
    if isinstance(value, dict):
        return {key: _cut(one, most) for key, one in value.items()}
    if isinstance(value, list):
        return [_cut(one, most) for one in value]
    return value


def shorten(text: str, most: int) -> str:
    """Return a text cut in the middle to about `most` characters, saying how many are missing."""
    if len(text) <= most + 60:
        return text
    head, tail = most * 2 // 3, most // 3
    left_out = len(text) - head - tail
    return f"{text[:head]}\n… {left_out:,} characters left out …\n{text[-tail:]}"


# --- one task -------------------------------------------------------------------------------------


def _task(story: Story, name: str, history: TaskHistory, contents: Contents) -> Details:
    task, state = history.task, story.record.board.states[name]
    facts = [
        ("role", task.role),
        ("waits for", ", ".join(story.record.board.meter.after[name])),
        ("may write", ", ".join(task.writes)),
        ("edits with others", ", ".join(task.shares)),
        ("test", task.test),
        ("reason", history.reason),
    ]
    return {
        "id": visible(name),
        "title": visible(task.title),
        "state": str(state),
        "facts": [[key, visible(value)] for key, value in facts if value],
        "instructions": visible(task.instructions.strip()),
        "attempts": [_attempt(attempt, contents) for attempt in story.of(name)],
    }


def _attempt(attempt: Attempt, contents: Contents) -> Details:
    outcome = CAUSES.get(attempt.outcome, attempt.outcome)
    return {
        "n": attempt.number,
        "worker": attempt.worker,
        "begin": round(attempt.begin, 2),
        "end": round(attempt.end, 2),
        "outcome": outcome,
        "good": attempt.accepted,
        "reason": visible(attempt.reason),
        "summary": visible(attempt.summary),
        "marks": [
            [round(mark.at, 2), mark.kind, MARKS[mark.kind], visible(_about(mark.to, mark.text))]
            for mark in attempt.marks
            if mark.kind != "tests_failed"
        ],
        "waits": [
            [round(wait.begin, 2), round(wait.end - wait.begin, 2), visible(wait.why)]
            for wait in attempt.waits
        ],
        "changes": [_change(attempt, change, contents) for change in attempt.changes],
        "turns": list(_turns(attempt, contents.blob)),
        "tests": [
            visible(text)
            for digest in (*attempt.failed_tests, attempt.evidence)
            if (text := contents.blob(digest))
        ],
    }


def _about(to: str, text: str) -> str:
    return f"to {to}: {text}" if to else text


def _change(attempt: Attempt, change: Change, contents: Contents) -> Details:
    return {
        "at": round(change.at, 2),
        "path": visible(change.path),
        "version": change.number,
        "merged": change.merged,
        "undone": change.path in attempt.undone,
        "diff": visible(contents.diff(change)),
    }


def _turns(attempt: Attempt, blob: Callable[[str], str | None]) -> Iterator[Details]:
    for number, (at, digest) in enumerate(attempt.told, 1):
        try:
            told = json.loads(blob(digest) or "")
            turn = told["turn"]
            answers = {one["call_id"]: one for one in told.get("results", ())}
            calls = [_call(call, answers.get(call["id"])) for call in turn["calls"]]
        except (ValueError, KeyError, TypeError):
            yield {"n": number, "at": round(at, 2), "lost": True}
            continue
        yield {
            "n": number,
            "at": round(at, 2),
            "heard": visible(str(told.get("heard") or "")),
            "text": visible(str(turn.get("text") or "")),
            "calls": calls,
            "notice": visible(str(told.get("notice") or "")),
        }


def _call(call: Mapping[str, Any], answer: Mapping[str, Any] | None) -> Details:
    given = call.get("input")
    fields = given.items() if isinstance(given, dict) else [("", given)]
    return {
        "tool": visible(str(call["name"])),
        "input": [[visible(str(key)), visible(_shown(value))] for key, value in fields],
        "answer": None if answer is None else visible(str(answer["content"])),
        "error": bool(answer and answer.get("is_error")),
    }


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
