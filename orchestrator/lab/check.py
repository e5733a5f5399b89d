"""Checking a run: its log read for anomalies, with the contents that the log names."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from orchestrator.core.encoding import decode
from orchestrator.core.events import Event
from orchestrator.errors import LogError, WorkspaceError
from orchestrator.lab.anomalies import AnomalyReport, find_anomalies
from orchestrator.lab.retesting import retest
from orchestrator.lab.serialisation import Contents
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.commands import Commands
from orchestrator.runtime.eventlog import SqliteLog
from orchestrator.runtime.header import Header, load_manifest, unpack
from orchestrator.runtime.rundir import RunDir
from orchestrator.runtime.scan import Entry
from orchestrator.runtime.workspace import SharedTree


def check_run(
    run_dir: Path, *, tests: bool = False, commands: Commands | None = None
) -> AnomalyReport:
    """Look for anomalies in a run, which may still be going on.

    Args:
        run_dir: directory of the run.
        tests: look for semantic conflicts too: run the tests of each accepted task again.
        commands: runs the tests; None: as processes of this machine, in a sandbox.

    Raises:
        WorkspaceError: this is not the directory of a run; or the tests cannot be run, because
            files of the workspace are lost.
        LogError: the log cannot be read.
    """
    folder = RunDir.open(run_dir)
    header, events = _read(folder)
    blobs = BlobStore(folder.blobs)
    entries = load_manifest(header.manifest, blobs) if header.manifest else {}
    tree = SharedTree(Path(header.workspace), blobs) if header.workspace else None
    report = find_anomalies(events, _contents(tree, entries))
    if not tests:
        return report
    if tree is None:
        return report.with_more((), ("the run has no workspace, so there are no tests to run",))
    found = retest(header, events, entries, tree, commands)
    return report.with_more(found.anomalies, found.notes)


def _read(folder: RunDir) -> tuple[Header, list[Event]]:
    with SqliteLog.reader(folder.events) as log:
        rows = log.read()
        events = [decode(row.at, row.kind, row.task, row.attempt, row.body) for row in rows]
        return unpack(log.header), events


def _contents(tree: SharedTree | None, entries: dict[str, Entry]) -> Contents:
    def text(path: str, digest: str) -> str | None:
        if tree is not None:
            with suppress(LogError, WorkspaceError, OSError, UnicodeDecodeError):
                return tree.content(path, digest).decode()
        return None

    return Contents({path: entry.digest for path, entry in entries.items()}, text)
