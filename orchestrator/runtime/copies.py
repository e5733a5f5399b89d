"""Private copies: where a worker's commands run, away from the shared tree.

A copy holds a consistent cut of the versions and is brought from one cut to the next by touching
only the files that differ. What commands do in it is found by comparing file status, so a tree of
50,000 files costs a walk, not a re-reading.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from orchestrator.analysis.versioned import is_cache
from orchestrator.errors import RunStopped, WorkspaceError
from orchestrator.runtime.rooted import (
    FolderCursor,
    NotRegularError,
    Signature,
    hash_regular,
    read_regular,
    remove,
    remove_empty,
    signature_of,
    split,
    write_new,
)
from orchestrator.runtime.workspace import SharedTree

Change = tuple[str, str | None] | tuple[str, str | None, bool]
"""A path, the digest it is to hold (None: no file), and, if known, the executable bit."""

# The kernel stamps files with a clock that moves every 4 to 10 ms. A file that changed within a
# step of the moment when we last knew it may have changed again under the same stamp.
_STEP_NS = 20_000_000

# What the disk says, in place of what an agent's command may have brought about (rights, links,
# names). With these no attempt can succeed, so none of them must count as failed.
_DISK = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENODEV, errno.ESTALE, errno.ENOMEM}
)


@dataclass(slots=True)
class _Held:
    """A version that the copy holds, and how its file looked when we last knew it."""

    digest: str
    executable: bool
    signature: Signature
    known_at: int = 0  # ns

    def surely(self, signature: Signature) -> bool:
        """Whether a file that looks like `signature` surely still has this version."""
        return signature == self.signature and signature[3] < self.known_at - _STEP_NS


class PrivateCopy:
    """One worker's copy of the tree. Used by one thread at a time.

    Args:
        root: its directory; what an earlier process left there is removed.
        tree: the shared tree, for contents and for what is linked.

    Attributes:
        root: the directory, in which commands run.
        tmp: a directory beside it for temporary files of commands.

    Raises:
        RunStopped: it cannot be made; `tree.blobs.on_failure` was told.
    """

    def __init__(self, root: Path, tree: SharedTree) -> None:
        self.root, self.tree = root.absolute(), tree
        self.tmp = self.root.with_name(self.root.name + ".tmp")
        self._held: dict[str, _Held] = {}
        self._folders: set[str] = set()  # every folder above a version, now or once
        self._strangers: dict[str, _Held] = {}  # files that commands made
        self._unversioned: dict[str, bool] = {}  # whether a stranger's path is one git ignores
        self._links = dict(tree.links())
        try:
            self.remove()
            self.root.mkdir(parents=True)
            self.tmp.mkdir()
            self._make_links()
        except OSError as error:  # no command has run in it yet: nobody but the disk is to blame
            raise self._stopped("a private copy cannot be made", error) from error

    def sync(self, changes: Iterable[Change]) -> None:
        """Bring files to given versions; those that the copy holds already are not touched.

        What commands changed must have been looked at (`changed`) and undone (`restore`) or
        taken over (`write`) before: only versions are compared here, not files.

        Raises:
            WorkspaceError: a version's content is lost, or a command is in the way.
            RunStopped: the disk refuses; `tree.blobs.on_failure` was told.
        """
        gone: list[str] = []
        new: list[tuple[str, str, bool | None]] = []
        for path, digest, *rest in changes:
            held = self._held.get(path)
            wanted = bool(rest[0]) if rest else None
            if digest is None:
                gone += [path] if held is not None else []
            elif held is None or held.digest != digest or wanted not in (None, held.executable):
                new.append((path, str(digest), wanted))
        for path in gone:
            self.delete(path)
        self._write_all(sorted(new))

    def read(self, path: str) -> bytes | None:
        """Return what a file holds now; None if it is absent or not a regular file."""
        folders, name = split(path)
        with FolderCursor(self.root) as cursor, suppress(NotRegularError):
            folder = cursor.enter(folders)
            found = None if folder is None else read_regular(folder, name)
            return None if found is None else found.data
        return None

    def write(self, path: str, data: bytes) -> str:
        """Give a file a new version, kept as a blob, and return its digest.

        Raises:
            WorkspaceError: something stands there that is linked, not versioned.
        """
        digest = self.tree.blobs.put(data)
        held = self._held.get(path)
        with self._disk(path), self._cursor() as cursor:
            self._put(cursor, path, digest, data, held is not None and held.executable)
        self._settle([path])
        return digest

    def delete(self, path: str) -> None:
        """Remove a file; nothing happens if it is absent."""
        self._refuse_link(path)
        folders, name = split(path)
        with self._disk(path), FolderCursor(self.root) as cursor:
            folder = cursor.enter(folders)
            if folder is not None:
                remove(folder, name)
        self._held.pop(path, None)
        self._strangers.pop(path, None)
        remove_empty(self.root, folders, lambda _: True)

    def obstacle(self, path: str) -> str:
        """Say why a file cannot be a version; "" when it can."""
        parts = path.split("/")
        for end in range(1, len(parts) + 1):
            above = "/".join(parts[:end])
            if above in self._links:
                return f"{above} is a link to something that all agents share; it is not versioned"
        return ""

    def digest(self, path: str) -> str | None:
        """Return the version that the copy holds of a file, whatever commands did to it since."""
        held = self._held.get(path)
        return None if held is None else held.digest

    def changed(self) -> dict[str, str | None]:
        """Return what commands changed since the files were last synchronised or written.

        Returns:
            Sorted paths and the digests that they have now; None: deleted. Files that would not
            be versioned (caches, what git ignores) are left out.
        """
        seen = dict(self._walk())
        found: dict[str, str | None] = {}
        with FolderCursor(self.root) as cursor:
            for path, held in self._held.items():
                signature = seen.pop(path, None)
                if signature is not None and held.surely(signature):
                    continue
                now = _digest(cursor, path)
                if now is not None and now[0] == held.digest:
                    held.signature, held.known_at = now[1], time.time_ns()
                else:
                    found[path] = None if now is None else now[0]
            found |= self._new_files(cursor, seen)
        return dict(sorted(found.items()))

    def restore(self, paths: Iterable[str]) -> None:
        """Put the versions back that the copy holds; a file without a version is removed."""
        back: list[tuple[str, str, bool | None]] = []
        for path in paths:
            held = self._held.get(path)
            if held is None:
                self.delete(path)
            else:
                back.append((path, held.digest, held.executable))
        self._write_all(sorted(back))

    def remove(self) -> None:
        """Remove the copy from the disk, whatever rights commands left to us."""
        for folder in (self.root, self.tmp):
            if folder.exists():
                try:
                    shutil.rmtree(folder)
                except PermissionError:
                    _open_all(folder)
                    shutil.rmtree(folder)

    def _write_all(self, versions: list[tuple[str, str, bool | None]]) -> None:
        with self._cursor() as cursor:
            for path, digest, wanted in versions:
                held = self._held.get(path)
                data = self.tree.content(path, digest)
                if wanted is None:
                    wanted = held.executable if held else self.tree.is_executable(path)
                with self._disk(path):
                    self._put(cursor, path, digest, data, wanted)
        self._settle(path for path, _, _ in versions)

    def _put(
        self, cursor: FolderCursor, path: str, digest: str, data: bytes, runnable: bool
    ) -> None:
        self._refuse_link(path)
        folders, name = split(path)
        folder = cursor.enter(folders)
        assert folder is not None  # the cursor makes folders
        mode = 0o777 if runnable else 0o666
        # Always a new file: the old one may be a hard link to somewhere else by now.
        try:
            signature = write_new(folder, name, data, mode)
        except FileExistsError:
            remove(folder, name)
            signature = write_new(folder, name, data, mode)
        self._held[path] = _Held(digest, runnable, signature)
        self._strangers.pop(path, None)
        for depth in range(len(folders), 0, -1):
            above = "/".join(folders[:depth])
            if above in self._folders:
                break
            self._folders.add(above)

    def _settle(self, paths: Iterable[str]) -> None:
        """Note that files are known as of now: no command ran while they were written."""
        now = time.time_ns()
        for path in paths:
            self._held[path].known_at = now

    @contextmanager
    def _disk(self, path: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            what = f"{path} cannot be written in a private copy"
            if error.errno in _DISK:
                raise self._stopped(what, error) from error
            raise WorkspaceError(
                what,
                error.filename or str(self.root),
                str(error),
                "have the task's commands leave the rights of files and folders alone",
            ) from error

    def _stopped(self, what: str, error: OSError) -> RunStopped:
        """Return the error that ends the run, having told it and made room for its last words."""
        shutil.rmtree(self.root, ignore_errors=True)
        failure = RunStopped(
            what,
            str(self.root),
            str(error),
            "free some space, or make the run's folder writable; then resume the run",
        )
        if self.tree.blobs.on_failure is not None:
            self.tree.blobs.on_failure(failure)
        return failure

    def _cursor(self) -> FolderCursor:
        return FolderCursor(
            self.root,
            make=True,
            clear=lambda path: path not in self._held and path not in self._links,
        )

    def _make_links(self) -> None:
        with FolderCursor(self.root, make=True) as cursor:
            for path, text in self._links.items():
                *folders, name = path.split("/")
                os.symlink(text, name, dir_fd=cursor.enter(folders))

    def _refuse_link(self, path: str) -> None:
        if path in self._links:
            raise WorkspaceError(
                f"{path} is not versioned",
                str(self.root),
                "it is a link to something that all agents share",
                "choose another path",
            )

    def _walk(self) -> Iterator[tuple[str, Signature]]:
        """Yield every regular file that may be a version, without reading any."""
        _open_up(self.root, self.root.stat())
        prefixes = [""]
        while prefixes:
            prefix = prefixes.pop()
            with os.scandir(self.root / prefix) as entries:
                for entry in entries:
                    path = prefix + entry.name
                    if path in self._links:
                        continue
                    ours = path in self._held or path in self._folders
                    if not ours and is_cache(entry.name):
                        continue
                    info = entry.stat(follow_symlinks=False)
                    if stat.S_ISDIR(info.st_mode):
                        _open_up(self.root / path, info)
                        prefixes.append(path + "/")
                    elif stat.S_ISREG(info.st_mode):
                        yield path, signature_of(_open_up(self.root / path, info))

    def _new_files(self, cursor: FolderCursor, seen: dict[str, Signature]) -> dict[str, str | None]:
        unknown = [path for path in seen if path not in self._unversioned]
        if unknown:
            ignored = self.tree.ignored_among(unknown)
            self._unversioned |= {path: path in ignored for path in unknown}
        strangers: dict[str, _Held] = {}
        for path, signature in seen.items():
            known = self._strangers.get(path)
            if known is None or not known.surely(signature):
                now = None if self._unversioned[path] else _digest(cursor, path)
                if now is None:
                    continue
                known = _Held(now[0], False, now[1], time.time_ns())
            strangers[path] = known
        self._strangers = strangers
        return {path: known.digest for path, known in strangers.items()}


def _open_up(place: Path, info: os.stat_result) -> os.stat_result:
    """Give us back the rights that a command took away; return how the file looks now.

    It is no link, and no command runs meanwhile.
    """
    needed = stat.S_IRWXU if stat.S_ISDIR(info.st_mode) else stat.S_IRUSR
    if info.st_mode & needed == needed:
        return info
    place.chmod(stat.S_IMODE(info.st_mode) | needed)
    return place.stat()


def _open_all(folder: Path) -> None:
    _open_up(folder, folder.stat())
    for above, names, _ in os.walk(folder):  # looks into a folder only after it was named
        for name in names:
            place = Path(above, name)
            if not place.is_symlink():
                _open_up(place, place.stat())


def _digest(cursor: FolderCursor, path: str) -> tuple[str, Signature] | None:
    *folders, name = path.split("/")
    with suppress(NotRegularError):
        folder = cursor.enter(folders)
        hashed = None if folder is None else hash_regular(folder, name)
        if hashed is not None:
            return hashed[0], signature_of(hashed[1])
    return None
