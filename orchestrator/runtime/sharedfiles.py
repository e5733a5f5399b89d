"""The coordinator's hands: it makes the shared tree follow the file map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator.core.files import OUTSIDE, Version, without
from orchestrator.core.machine import Machine
from orchestrator.core.messages import Observe
from orchestrator.core.regions import Clash, merge
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.coordinator import Found
from orchestrator.runtime.workspace import Entry, ObstructedError, SharedTree

_NO_DIGEST = "-"  # what no file can hold, so that nothing is ever deleted by looking


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
            merged = self._merged(old.digest, digest, new.digest)
            if merged is None:
                return history[-1].digest
            digest = merged
        return digest

    def _merged(self, base: str, mine: str, theirs: str) -> str | None:
        """Return the digest of a merge; None: they meet, are not text, or one is lost."""
        digests = (base, mine, theirs)
        if not all(self._blobs.has(digest) for digest in digests):
            return None  # it was changed from outside before we had kept it
        try:
            merged = merge(*(self._blobs.get(digest).decode() for digest in digests))
        except UnicodeDecodeError:
            return None
        return None if isinstance(merged, Clash) else self._blobs.put(merged.encode())


def look(tree: SharedTree, path: str) -> Observe:
    """Return what stands at a path, having kept its content."""
    try:
        return Observe(path, tree.materialise(path, None, _NO_DIGEST))
    except ObstructedError:
        return Observe(path, None)


def reconcile(machine: Machine, tree: SharedTree, start: Mapping[str, Entry]) -> list[Observe]:
    """Bring the tree of an interrupted run to where its log says it is.

    A file that holds an earlier version of the map was not finished: it is now. A file that
    holds something else was changed by somebody meanwhile: that becomes a version.

    Args:
        start: the files that were there when the run began.

    Returns:
        What was found changed from outside, to be asked of the coordinator first.
    """
    found = []
    files = machine.state.files
    tree.recall(start, files.changes(0))
    on_disk = {path: entry.digest for path, entry in tree.scan().items()}
    for path in dict.fromkeys((*files.known(), *on_disk)):
        current, seen = files.current(path), on_disk.get(path) or tree.digest(path)
        if seen == current.digest:
            continue
        history = files.history(path)
        if len(history) == 1:  # the run never wrote it, so it cannot be unfinished
            found.append(look(tree, path))
            continue
        ours = seen in {version.digest for version in _unfinished(history)}
        strange = tree.materialise(path, current.digest, seen if ours else current.digest)
        if strange is not None:
            found.append(Observe(path, strange))
    return found


def _unfinished(history: Sequence[Version]) -> Sequence[Version]:
    """Return the versions at which the tree may have been left behind.

    What came from outside stood in the tree when it became a version, so whatever is older than
    that has been put there by hand since.
    """
    outside = [at for at, version in enumerate(history) if version.token == OUTSIDE]
    return history[outside[-1] :] if outside else history
