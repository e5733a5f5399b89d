"""A person's word to a run from another process: approve, reject, cancel, retry.

A live run listens on a Unix socket in a directory that only its user can enter; the run's
directory says where. A run that does not live is told through its log: the machine is folded,
decides, and the events are appended, so that `resume` finds them.
"""

from __future__ import annotations

import json
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

from orchestrator.core.encoding import encode
from orchestrator.core.machine import Machine
from orchestrator.core.messages import (
    Approve,
    Cancel,
    Done,
    Refused,
    Reject,
    Reply,
    Request,
    Retry,
)
from orchestrator.core.states import ENDED
from orchestrator.errors import UsageError
from orchestrator.runtime.assembly import fold_log, make_machine, roles_of
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.continuity import check_roles
from orchestrator.runtime.coordinator import Coordinator
from orchestrator.runtime.eventlog import SqliteLog
from orchestrator.runtime.header import load_manifest, unpack
from orchestrator.runtime.locking import run_lock
from orchestrator.runtime.rundir import RunDir

PATIENCE = 10.0
"""Seconds that the other process waits for an answer."""


@contextmanager
def listening(folder: RunDir, coordinator: Coordinator) -> Iterator[None]:
    """Listen for words to a live run, within the block."""
    private = Path(tempfile.mkdtemp(prefix="orchestrator-"))
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(private / "control"))
            server.listen()
            folder.control.write_text(json.dumps({"socket": str(private / "control")}))
            thread = Thread(target=_serve, args=(server, coordinator), name="control", daemon=True)
            thread.start()
            try:
                yield
            finally:
                folder.control.unlink(missing_ok=True)
                server.shutdown(socket.SHUT_RDWR)  # ends the accept that the thread waits in
                thread.join()
    finally:
        shutil.rmtree(private, ignore_errors=True)


def _serve(server: socket.socket, coordinator: Coordinator) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection, suppress(OSError, ValueError, KeyError, TypeError):
            connection.settimeout(PATIENCE)
            with connection.makefile("rwb") as lines:
                lines.write(json.dumps(_answer(lines.readline(65_536), coordinator)).encode())
                lines.write(b"\n")


def _answer(line: bytes, coordinator: Coordinator) -> dict[str, str]:
    said = json.loads(line)
    request = _request(str(said["word"]), str(said["task"]), str(said["why"]))
    reply = coordinator.call(request)
    if isinstance(reply, Refused):
        return {"kind": reply.kind, "why": reply.why, "fix": reply.fix}
    return {"kind": "done"}


def tell(folder: RunDir, word: str, task: str, why: str = "") -> Reply:
    """Say a word to a run, live or not.

    Args:
        folder: the run's directory.
        word: ``approve``, ``reject``, ``cancel`` or ``retry``.
        task: id of the task.
        why: the reason, for the log.

    Returns:
        What the run answers.

    Raises:
        UsageError: the run lives but does not answer.
    """
    with suppress(FileNotFoundError, ConnectionRefusedError):
        return _tell_live(folder, {"word": word, "task": task, "why": why})
    with run_lock(folder.path):
        return _tell_log(folder, _request(word, task, why))


def open_tasks(folder: RunDir) -> list[str]:
    """Return the tasks of a run that have not ended, by its log."""
    with SqliteLog.reader(folder.events) as log:
        machine, _ = _folded(folder, log)
    return [name for name, record in machine.state.records.items() if record.state not in ENDED]


def _request(word: str, task: str, why: str) -> Request:
    match word:
        case "approve":
            return Approve(task, why)
        case "reject":
            return Reject(task, why)
        case "cancel":
            return Cancel(task, why)
        case "retry":
            return Retry(task)
    raise ValueError(f"unknown word {word!r}")


def _tell_live(folder: RunDir, said: dict[str, str]) -> Reply:
    place = json.loads(folder.control.read_text())["socket"]
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(place)
        connection.sendall(json.dumps(said).encode() + b"\n")
        with connection.makefile("rb") as lines:
            answer = json.loads(lines.readline() or b"null")
    if answer is None:
        raise UsageError(
            "the run did not answer",
            str(folder.path),
            "it is ending just now, or very busy",
            "look at `orchestrator status`, then try again",
        )
    if answer["kind"] == "done":
        return Done()
    return Refused(answer["kind"], answer["why"], answer["fix"])


def _tell_log(folder: RunDir, request: Request) -> Reply:
    log = SqliteLog.open(folder.events)
    try:
        machine, at = _folded(folder, log)
        step = machine.handle(at, request)
        if step.events:
            log.append([encode(event) for event in step.events])
    finally:
        log.close()
    return step.reply or Done()


def _folded(folder: RunDir, log: SqliteLog) -> tuple[Machine, float]:
    header = unpack(log.header)
    roles = roles_of(header.tasks, Path(header.roles) if header.roles else None)
    check_roles(header, roles)
    blobs = BlobStore(folder.blobs)
    entries = load_manifest(header.manifest, blobs) if header.manifest else {}
    machine = make_machine(header, roles, entries)
    return machine, fold_log(machine, log)
