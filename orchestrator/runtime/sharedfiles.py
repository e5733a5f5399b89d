"""The coordinator's hands: it makes the shared tree follow the file map."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.core.files import Version, without
from orchestrator.core.machine import Machine
from orchestrator.core.messages import Observe
from orchestrator.core.regions import Clash, merge
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.coordinator import Found
from orchestrator.runtime.workspace import ObstructedError, SharedTree


class SharedFiles:
    """Carries out the effects that concern files.

    Args:
        tree: the shared tree.
        blobs: where contents are.
    """

    def __init__(self, tree: SharedTree, blobs: BlobStore) -> None:
        self._tree, self._blobs = tree, blobs

    def materialise(self, path: str, digest: str | None, expected: str | None) -> Found | None:
        """Put a version in place; return what somebody else has put there, if so."""
        try:
            strange = self._tree.materialise(path, digest, expected)
        except ObstructedError:
            return Found(None)  # a link or a folder stands there: for readers, the file is gone
        return None if strange is None else Found(strange)

    def without(self, history: Sequence[Version], token: int) -> str | None:
        """Return the digest of a file's content without what one lease wrote.

        The later steps of others are replayed onto what was there before. Where they were built
        on the ended attempt's own lines, those cannot be told apart any more: the file stays.
        """
        before, steps = without(history, token)
        digest = before.digest
        for old, new in steps:
            if new.digest is None or digest is None or old.digest is None:
                digest = new.digest
                continue
            texts = [self._blobs.get(d) for d in (old.digest, digest, new.digest)]
            try:
                merged = merge(*(text.decode() for text in texts))
            except UnicodeDecodeError:
                return history[-1].digest
            if isinstance(merged, Clash):
                return history[-1].digest
            digest = self._blobs.put(merged.encode())
        return digest


def reconcile(machine: Machine, tree: SharedTree) -> list[Observe]:
    """Bring the tree of an interrupted run to where its log says it is.

    A file that holds an earlier version of the map was not finished: it is now. A file that
    holds something else was changed by somebody meanwhile: that becomes a version.

    Returns:
        What was found changed from outside, to be asked of the coordinator first.
    """
    found = []
    files = machine.state.files
    for path in files.changes(0):
        current, on_disk = files.current(path), tree.digest(path)
        if on_disk == current.digest:
            continue
        ours = on_disk in {version.digest for version in files.history(path)}
        strange = tree.materialise(path, current.digest, on_disk if ours else current.digest)
        if strange is not None:
            found.append(Observe(path, strange))
    return found
