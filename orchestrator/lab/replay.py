"""Replaying a log: it is folded again, and every event is asked whether it could have happened.

Folding alone proves little, for a resume folds in the same way. So each event is also judged
before it is folded (`lab.judging`), between the decisions the machine's invariants are checked,
and at the end its state is compared with two other readings of the log: `core.history`, and a
plain list of what each file holds. The contents that the log names are read, too, and what models
were told is compared with what happened (`lab.replies`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.messages import RunStatus
from orchestrator.core.states import TaskState
from orchestrator.errors import LogError, OrchestratorError
from orchestrator.lab.judging import Parting, SecondReading
from orchestrator.lab.replies import Replies
from orchestrator.runtime.assembly import make_machine, roles_of
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.eventlog import Record, SqliteLog
from orchestrator.runtime.header import Header, load_manifest, unpack
from orchestrator.runtime.modes import find_mode
from orchestrator.runtime.rundir import RunDir
from orchestrator.runtime.workspace import SharedTree
from orchestrator.spec.roles import Role


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of a replay.

    Attributes:
        events: how many were folded.
        checks: how often the invariants were checked.
        status: how the run stands after them.
        counts: tasks per state.
        cut: newest version of the workspace.
        token: newest token.
        contents: contents that the log names, each read and compared with its digest.
        replies: answers of tools to models, each compared with what happened.
        parting: the first event that could not have happened; None: all could.
        problems: what else does not agree, in sentences.
        notes: what could not be checked, and why.
    """

    run: str
    events: int
    checks: int
    status: RunStatus
    counts: dict[TaskState, int]
    cut: int
    token: int
    contents: int
    replies: int
    parting: Parting | None
    problems: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether the log says nothing that could not be."""
        return self.parting is None and not self.problems


def replay(run_dir: Path) -> Replay:
    """Fold the log of a run into a fresh machine and judge every event.

    Args:
        run_dir: directory of the run, which may be going on.

    Raises:
        WorkspaceError: this is not the directory of a run.
        LogError: the log cannot be read.
    """
    folder = RunDir.open(run_dir)
    with SqliteLog.reader(folder.events) as log:
        header = unpack(log.header)
        blobs = BlobStore(folder.blobs)
        roles, notes = _roles(header)
        entries = load_manifest(header.manifest, blobs) if header.manifest else {}
        second = SecondReading(header, make_machine(header, roles, entries), entries, not notes)
        replies = Replies(blobs, find_mode(header.mode).at_once)
        parting = second.read(_heard(log.read(), replies))
    problems = second.differences() if parting is None else []
    problems += replies.problems
    problems += _lost_contents(second.contents, header, blobs)
    state = second.machine.state
    return Replay(
        header.run, second.events, second.checks, state.status,
        {kind: count for kind, count in state.counts.items() if count},
        state.files.cut, state.token, len(second.contents), replies.checked, parting,
        tuple(problems), tuple(notes),
    )  # fmt: skip


def _heard(records: Iterable[Record], replies: Replies) -> Iterator[Record]:
    for record in records:
        replies.take(record)
        yield record


def _roles(header: Header) -> tuple[dict[str, Role], list[str]]:
    """Return the roles of a run, if their documents are still those that it was started with."""
    try:
        found = roles_of(header.tasks, Path(header.roles) if header.roles else None)
    except (OrchestratorError, KeyError) as error:
        return {}, [f"file bounds are not checked: the roles cannot be read ({error})"]
    notes = [
        f"file bounds are not checked: the document of role {name} has changed since the run began"
        for name, role in found.items()
        if role.digest != header.role_digests.get(name)
    ]
    return ({} if notes else found), notes


def _lost_contents(
    contents: dict[str, tuple[int, str]], header: Header, blobs: BlobStore
) -> list[str]:
    """Say which contents that the log names are neither kept nor, as a file, in the tree."""
    tree = SharedTree(Path(header.workspace), blobs) if header.workspace else None
    found = []
    for digest, (seq, path) in contents.items():
        try:
            blobs.get(digest)
        except LogError as error:
            there = path and tree is not None and tree.root.is_dir() and tree.digest(path) == digest
            if not there:
                found.append(f"event {seq} names a content that is lost: {error.what}")
    return found
