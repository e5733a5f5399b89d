"""Whether what agents were told is what happened: recorded replies against recorded events.

The log says what was decided; a transcript says what a model was told. Here each tool result of
a transcript is compared with the events of its turn: a write that was told to be done must have
been accepted, with the content that was asked for; one that was told to be refused must not; and
a verdict of the tests is the one that was reported.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from orchestrator.core.paths import PathError, canonical
from orchestrator.errors import LogError
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.eventlog import Record
from orchestrator.secrets import MARK

_WRITES = frozenset({"write_file", "edit_file", "delete_file"})
_IMPORTS = frozenset({"run_command"})  # what a command changed becomes versions, too
_VERDICTS: Mapping[str, str] = {"PASSED": "tests passed", "FAILED": "tests failed"}


@dataclass(slots=True)
class _Turn:
    """What an attempt has done since its last turn was given."""

    wrote: deque[tuple[int, Mapping[str, Any]]] = field(default_factory=deque)


class Replies:
    """Compares what models were told with the events, one record after the other.

    Args:
        blobs: where the transcripts are.
        at_once: whether writes were asked for when they were made; otherwise answers to writes
            cannot be compared with events of the same turn.

    Attributes:
        checked: tool results that were compared.
        problems: what does not agree, in sentences.
    """

    def __init__(self, blobs: BlobStore, at_once: bool = True) -> None:
        self._blobs, self._at_once = blobs, at_once
        self._turns: dict[tuple[str, int], _Turn] = {}
        self.checked = 0
        self.problems: list[str] = []

    def take(self, record: Record) -> None:
        """Take in one record of the log."""
        key = (record.task, record.attempt)
        if record.kind == "wrote":
            body = json.loads(record.body)
            self._turns.setdefault(key, _Turn()).wrote.append((record.seq, body))
        elif record.kind == "reported":
            body = json.loads(record.body)
            if body["phase"] == "reason":
                turn = self._turns.pop(key, _Turn())
                for problem in self._objections(body, turn):
                    self.problems.append(
                        f"event {record.seq}: attempt {record.attempt} of {record.task} was told "
                        f"what did not happen: {problem}"
                    )
        elif record.kind in ("succeeded", "ended"):
            self._turns.pop(key, None)

    def _objections(self, body: Mapping[str, Any], turn: _Turn) -> Iterator[str]:
        said = self._said(body.get("transcript", ""))
        calls = said.get("turn", {}).get("calls", [])
        results = said.get("results", [])
        if len(results) != len(calls):
            yield f"{len(calls)} calls were made, {len(results)} answered"
            return
        self.checked += len(results)
        for call, result in zip(calls, results, strict=True):
            if call["name"] in _WRITES and self._at_once:
                yield from _write(call, result, turn)
        if not self._at_once:
            turn.wrote.clear()
        if turn.wrote and said and not any(call["name"] in _IMPORTS for call in calls):
            seq, wrote = turn.wrote[0]
            yield f"no answer tells of event {seq}, the write of {wrote['path']}"
        yield from _verdict(body.get("detail", ""), calls, results)

    def _said(self, digest: str) -> Mapping[str, Any]:
        """Return a transcript; {} if there is none, or it is lost, which is told elsewhere."""
        try:
            found = json.loads(self._blobs.get(digest)) if digest else {}
        except (LogError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def _write(call: Mapping[str, Any], result: Mapping[str, Any], turn: _Turn) -> Iterator[str]:
    """Compare the answer to a writing tool with the writes that were accepted in its turn."""
    given = call["input"]
    try:
        path = canonical(given["path"])
    except (PathError, LookupError, TypeError):
        path = ""
    mine = next((one for one in turn.wrote if one[1]["path"] == path), None)
    if result["is_error"]:
        return  # an accepted write of it, if any, is left over and told by the caller
    if mine is None:
        yield f"{call['name']} of {path or given!r} was done, and no write was accepted"
        return
    turn.wrote.remove(mine)
    seq, wrote = mine
    if (wrote["digest"] is None) != (call["name"] == "delete_file"):
        yield f"{call['name']} of {path} was done, and event {seq} is something else"
    elif call["name"] == "write_file" and not wrote.get("rebased"):
        content = given.get("content", "")
        if (
            MARK not in content
            and sha256(content.encode(errors="replace")).hexdigest() != wrote["digest"]
        ):
            yield f"what write_file put into {path} is not the content of event {seq}"


def _verdict(
    detail: str, calls: Sequence[Mapping[str, Any]], results: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    """Compare the last verdict of the tests with the one that was reported."""
    told = ""
    for call, result in zip(calls, results, strict=True):
        text = result["content"].removeprefix("Not accepted: the tests do not pass.\n")
        word = text.partition("\n")[0]
        if call["name"] in ("run_tests", "submit") and word in _VERDICTS:
            told = _VERDICTS[word]
    if told and detail in _VERDICTS.values() and told != detail:
        yield f"it was told {told}, and {detail} was reported"
