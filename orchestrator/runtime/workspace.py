"""The shared tree: the directory that the user sees, as it stands on disk.

The map from paths to versions belongs to the machine; this module reads the files that the map
starts from, and makes the tree hold what the map says. Nothing is overwritten that the run does
not know: what stood there is kept as a blob first, and a change by someone else is reported
instead of replaced.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path, PurePosixPath

from orchestrator.analysis.versioned import dirty_files, ignored_among, list_tree
from orchestrator.errors import WorkspaceError
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.fresh import copy_fresh
from orchestrator.runtime.locking import workspace_lock
from orchestrator.runtime.rooted import (
    FileOnDisk,
    FolderCursor,
    NotRegularError,
    executable,
    hash_regular,
    read_regular,
    remove,
    remove_empty,
    signature_of,
    split,
    status,
    write_new,
)
from orchestrator.runtime.rundir import STATE, make_state_folder
from orchestrator.runtime.scan import Entry, scan_tree

__all__ = ["Entry", "SharedTree", "copy_fresh", "dirty_files"]

_drafts = count()


class ObstructedError(WorkspaceError):
    """A link, a folder or a special file stands where a file is to be written."""


@dataclass(frozen=True, slots=True)
class _Version:
    """What a file is to hold, and what it should hold now."""

    digest: str
    data: bytes
    expected: str | None
    runnable: bool | None


class SharedTree:
    """The shared files of a run.

    One thread changes the tree; any may read it.

    Args:
        root: the workspace.
        blobs: where contents are kept before they are replaced.
        named: files made to hold secrets that are versioned nevertheless; see `scan_tree`.
        withheld: files that were not copied here for that they hold secrets.
    """

    def __init__(
        self,
        root: Path,
        blobs: BlobStore,
        named: Collection[str] = (),
        withheld: Collection[str] = (),
    ) -> None:
        self.root = root.resolve()
        self.blobs = blobs
        self._made: set[str] = set()  # folders that are ours to remove when they become empty
        self._executable: dict[str, bool] = {}  # of files that were deleted, for their return
        self._links: Mapping[str, str] | None = None
        self._named, self._withheld = named, set(withheld)

    def scan(self) -> dict[str, Entry]:
        """Read every versioned file once.

        Returns:
            Path to entry, sorted by path. Symbolic links are not versioned.

        Raises:
            WorkspaceError: files cannot be read, all of them named; or git fails.
        """
        found = scan_tree(self.root, self._named)
        self._links = found.links
        self._withheld.update(found.withheld)
        return found.files

    def ignored(self) -> list[str]:
        """Return the top-most paths that are not versioned but that commands may need."""
        return list_tree(self.root).aside

    def links(self) -> Mapping[str, str]:
        """Return what a private copy links: path to the text of the symbolic link.

        That is what `ignored` names, linked to the original; and the symbolic links of the tree
        itself, as they are if they stay inside the tree, else linked to the original.
        """
        if self._links is None:
            self.scan()
        return self._links or {}

    def withheld(self) -> list[str]:
        """Return the files that are no versions because they are made to hold secrets."""
        self.links()
        return sorted(self._withheld)

    def ignored_among(self, paths: list[str]) -> set[str]:
        """Return those of `paths` that would not be versioned if they stood in the tree."""
        return ignored_among(self.root, paths)

    def content(self, path: str, digest: str) -> bytes:
        """Return the bytes of one version of a file.

        Raises:
            WorkspaceError: neither the blobs nor the tree hold this version.
        """
        # Twice: between looking for the blob and reading the tree, the coordinator may replace
        # the file; it keeps the old content as a blob before it does.
        for _ in range(2):
            if self.blobs.has(digest):
                return self.blobs.get(digest)
            found = self._read(path)
            if found is not None and found.digest == digest:
                return found.data
        raise WorkspaceError(
            f"version {digest[:12]} of {path} is lost",
            str(self.root),
            "the file was changed by something else before the run had kept this content",
            "put the file back as it was (git knows it, if it was committed), then resume",
        )

    def digest(self, path: str) -> str | None:
        """Return the digest of a file on disk; None if it is absent or not a regular file."""
        folders, name = split(path)
        with FolderCursor(self.root) as cursor:
            folder = cursor.enter(folders)
            if folder is None:
                return None
            with suppress(NotRegularError):
                hashed = hash_regular(folder, name)
                return None if hashed is None else hashed[0]
        return None

    def is_executable(self, path: str) -> bool:
        """Whether a file on disk is executable; False if it is absent."""
        folders, name = split(path)
        with FolderCursor(self.root) as cursor:
            folder = cursor.enter(folders)
            info = None if folder is None else status(folder, name)
        return info is not None and stat.S_ISREG(info.st_mode) and executable(info)

    def materialise(
        self,
        path: str,
        digest: str | None,
        expected: str | None,
        runnable: bool | None = None,
    ) -> str | None:
        """Make the tree hold a version, if it holds what we think it holds.

        What stands there is kept as a blob before it is replaced. A file that is absent has
        nothing to lose: it is written whatever was expected.

        Args:
            path: canonical path.
            digest: the version; None deletes the file.
            expected: digest of what should be there now; None: nothing.
            runnable: the new executable bit; None keeps it as it is.

        Returns:
            None when the tree holds the version. Else the digest of what someone else put there;
            nothing was changed, and that content is a blob now.

        Raises:
            ObstructedError: a link, a folder or a special file stands there.
            WorkspaceError: the disk refuses.
        """
        folders = split(path)[0]
        version = None
        if digest is not None:
            version = _Version(digest, self.content(path, digest), expected, runnable)
        try:
            with FolderCursor(self.root, make=version is not None) as cursor:
                folder = cursor.enter(folders)
                self._made.update(cursor.made)
                if folder is None:
                    return None
                if version is None:
                    return self._delete(folder, path, expected)
                return self._replace(folder, path, version)
        except NotRegularError as error:
            raise ObstructedError(
                f"{path} is not a regular file",
                str(self.root),
                "symbolic links are never written through, folders and devices never replaced",
                "remove what stands there, then resume",
            ) from error
        except OSError as error:
            raise WorkspaceError(
                f"{path} cannot be written",
                str(self.root),
                str(error),
                "free some space, or make the directory writable; then resume",
            ) from error

    @contextmanager
    def lock(self, run: str = "") -> Iterator[None]:
        """Hold the workspace for one run; the second is refused. See `workspace_lock`."""
        with workspace_lock(self.root, run):
            self._remove_drafts()
            yield

    def recall(self, start: Mapping[str, Entry], written: Iterable[str]) -> None:
        """Take over what the process knew whose run goes on here, and did not come to do.

        Folders that it made, and that are empty, go.

        Args:
            start: the files that were there when the run began.
            written: paths that have had another version since.
        """
        self._executable |= {path: True for path, entry in start.items() if entry.executable}
        self._made |= _folders_above(written) - _folders_above(start)
        for folder in sorted(self._made, key=len, reverse=True):  # the deepest first
            remove_empty(self.root, folder.split("/"), self._made.__contains__)

    def _read(self, path: str) -> FileOnDisk | None:
        folders, name = split(path)
        with FolderCursor(self.root) as cursor:
            folder = cursor.enter(folders)
            if folder is None:
                return None
            with suppress(NotRegularError):
                return read_regular(folder, name)
        return None

    def _current(self, folder: int, name: str) -> tuple[FileOnDisk | None, str | None]:
        """Return what stands at a name, having kept it as a blob."""
        found = read_regular(folder, name)
        return found, None if found is None else self.blobs.put(found.data)

    def _delete(self, folder: int, path: str, expected: str | None) -> str | None:
        folders, name = split(path)
        while True:
            found, current = self._current(folder, name)
            if found is None:
                return None
            if current != expected:
                return current
            if _unchanged(folder, name, found):
                break
        os.unlink(name, dir_fd=folder)
        self._executable[path] = found.executable
        remove_empty(self.root, folders, self._made.__contains__)
        return None

    def _replace(self, folder: int, path: str, version: _Version) -> str | None:
        name = split(path)[1]
        if version.expected is None:
            with suppress(OSError):  # an empty folder gives way to a new file: nobody versions it
                os.rmdir(name, dir_fd=folder)
        while True:
            found, current = self._current(folder, name)
            if found is not None and current not in (version.expected, version.digest):
                return current
            before = self._executable.get(path, False) if found is None else found.executable
            wanted = before if version.runnable is None else version.runnable
            if current == version.digest and wanted == before:
                return None
            with self._draft(version.data, 0o777 if wanted else 0o666) as (place, draft):
                if _unchanged(folder, name, found):
                    os.replace(draft, name, src_dir_fd=place, dst_dir_fd=folder)
                    self._executable.pop(path, None)
                    return None

    def _remove_drafts(self) -> None:
        """Remove what a killed process had half written: nobody else writes under the lock."""
        with FolderCursor(self.root) as cursor:
            place = cursor.enter([STATE, "tmp"])
            if place is None:
                return
            with os.scandir(place) as entries:
                names = [entry.name for entry in entries]
            for name in names:
                remove(place, name)

    @contextmanager
    def _draft(self, data: bytes, mode: int) -> Iterator[tuple[int, str]]:
        """Yield folder and name of a new file on the tree's own file system, out of sight of
        agents; it is gone afterwards unless it was renamed."""
        make_state_folder(self.root)
        name = f"{os.getpid()}.{next(_drafts)}"
        with FolderCursor(self.root, make=True) as cursor:
            place = cursor.enter([STATE, "tmp"])
            assert place is not None  # `make` makes it
            try:
                write_new(place, name, data, mode, sync=self.blobs.durable)
                yield place, name
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=place)


def _folders_above(paths: Iterable[str]) -> set[str]:
    return {str(above) for path in paths for above in PurePosixPath(path).parents} - {"."}


def _unchanged(folder: int, name: str, found: FileOnDisk | None) -> bool:
    """Whether a name still holds what was read: keeping it as a blob took a moment."""
    info = status(folder, name)
    if info is None or found is None:
        return info is None and found is None
    return signature_of(info) == found.signature
