"""A worker's view of the workspace: a consistent cut, held in its private copy."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from orchestrator.core.files import FIRST, NOWHERE, Version
from orchestrator.errors import WorkspaceError
from orchestrator.runtime.copies import Change, PrivateCopy
from orchestrator.runtime.scan import Entry

Changes = Callable[[int], tuple[int, dict[str, Version]]]


class View:
    """What one worker sees: every file as of `cut`, and its own writes since.

    Args:
        copy: the worker's private copy.
        initial: the files that were there at the start of the run.
        changes: returns the newest cut and what has changed since another one.
        look: has the coordinator look at a file that does not hold what the map says.

    Attributes:
        cut: version number up to which the view is the workspace; 0: it was never synchronised.
    """

    def __init__(
        self,
        copy: PrivateCopy,
        initial: Mapping[str, Entry],
        changes: Changes,
        look: Callable[[str], object] = lambda path: None,
    ) -> None:
        self.copy = copy
        self.cut = 0
        self.changes = changes
        self._initial, self._look = initial, look
        self._versions: dict[str, Version] = {}
        self._owed: dict[str, Version] = {}  # versions that the copy does not hold any more

    def sync(self) -> dict[str, Version]:
        """Bring the private copy to the newest cut; only files that changed are touched.

        Returns:
            What has changed since the last sync, own writes included.

        Raises:
            WorkspaceError: a version's content is lost, or the disk refuses.
        """
        try:
            return self._sync()
        except WorkspaceError:
            # A file may have been changed from outside before anybody had kept its content:
            # then there is a newer version, once the coordinator knows of it.
            lost = [path for path in self.paths() if self._is_lost(path)]
            if not lost:
                raise
            for path in lost:
                self._look(path)
            return self._sync()

    def _is_lost(self, path: str) -> bool:
        digest, tree = self.version(path).digest, self.copy.tree
        return digest is not None and not tree.blobs.has(digest) and tree.digest(path) != digest

    def _sync(self) -> dict[str, Version]:
        first = self.cut == 0
        cut, changed = self.changes(max(self.cut, FIRST))
        self._versions.update(changed)
        owed = {**self._owed, **changed}
        wanted: list[Change] = [(path, version.digest) for path, version in owed.items()]
        if first:
            wanted += [
                (path, entry.digest, entry.executable)
                for path, entry in self._initial.items()
                if path not in changed
            ]
        self.copy.sync(wanted)
        self.cut, self._owed = cut, {}
        return changed

    def version(self, path: str) -> Version:
        """The version that this view holds; `NOWHERE` when the file was never there."""
        found = self._versions.get(path)
        if found is None and path in self._initial:
            return Version(FIRST, self._initial[path].digest)
        return found or NOWHERE

    def paths(self) -> list[str]:
        """Files that exist in this view, sorted."""
        known = dict.fromkeys((*self._initial, *self._versions))
        return sorted(path for path in known if self.version(path).digest is not None)

    def wrote(self, path: str, version: Version, data: bytes | None) -> None:
        """Take in a write of this worker that was accepted."""
        self._versions[path] = version
        if data is None:
            self.copy.delete(path)
        else:
            self.copy.write(path, data)

    def forget(self, versions: Mapping[str, Version]) -> None:
        """Leave out what was written here without being accepted: from the next `sync` on, these
        versions are held again, or newer ones."""
        self._versions.update(versions)
        self._owed.update(versions)
