"""Whether two logs tell the same run, times aside.

What two runs of the same tests print differs in times, addresses and places; so contents that
hold what tools and tests said are compared as texts without these (`models.recorded_text`).
Everything else, the contents of all files included, is compared as it stands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from orchestrator.errors import LogError
from orchestrator.models.recorded_text import steady
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.eventlog import Record, SqliteLog
from orchestrator.runtime.rundir import RunDir

_TOLD = frozenset({"transcript", "evidence"})  # digests of what tools and tests said
_USAGE = re.compile(r'"usage": \{[^{}]*\}, ')  # the events tell it, further tries included
_TIMES = frozenset({"rests", "waited"})  # seconds


def differences(one: Path, other: Path, most: int = 20) -> list[str]:
    """Compare the events of two runs, times aside.

    Args:
        one: directory of a run.
        other: directory of another.
        most: differences to tell at most.

    Returns:
        A sentence for each event that differs; after the first that is of another kind or about
        another attempt nothing more, since nothing after it can be compared.

    Raises:
        WorkspaceError: one of them is not the directory of a run.
        LogError: one of the logs cannot be read.
    """
    with ExitStack() as stack:
        folders = [RunDir.open(path) for path in (one, other)]
        logs = [stack.enter_context(SqliteLog.reader(folder.events)) for folder in folders]
        stores = [BlobStore(folder.blobs) for folder in folders]
        return list(islice(_differences(logs[0], logs[1], stores[0], stores[1]), most))


def _differences(
    one: SqliteLog, other: SqliteLog, blobs: BlobStore, others: BlobStore
) -> Iterator[str]:
    for a, b in zip_longest(one.read(), other.read()):
        if a is None or b is None:
            left = a or b
            yield f"event {left.seq}: {_named(a)} in one, {_named(b)} in the other"
            return
        if (a.kind, a.task, a.attempt) != (b.kind, b.task, b.attempt):
            yield f"event {a.seq}: {_named(a)} in one, {_named(b)} in the other"
            return
        if a.body == b.body:
            continue
        mine, theirs = _body(a, blobs), _body(b, others)
        for key in sorted(mine.keys() | theirs.keys()):
            if mine.get(key) != theirs.get(key):
                yield (
                    f"event {a.seq} ({_named(a)}): {key} is {_short(mine.get(key))} in one, "
                    f"{_short(theirs.get(key))} in the other"
                )


def _body(record: Record, blobs: BlobStore) -> dict[str, Any]:
    """Return what an event says, in a form that is equal whenever the same happened."""
    found = {}
    for key, value in json.loads(record.body).items():
        if key in _TIMES:
            continue
        if key in _TOLD:
            found[key] = _text(blobs, value)
        else:
            found[key] = steady(value) if isinstance(value, str) else value
    return found


def _text(blobs: BlobStore, digest: str) -> str:
    try:
        text = blobs.get(digest).decode(errors="replace") if digest else ""
    except LogError:
        return digest
    return steady(_USAGE.sub("", text))


def _named(record: Record | None) -> str:
    if record is None:
        return "nothing"
    return (
        f"{record.kind}, attempt {record.attempt} of {record.task}" if record.task else record.kind
    )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
