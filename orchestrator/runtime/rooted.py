"""Files below a root folder, reached without ever following a symbolic link.

Agents' commands may put links anywhere at any time, so a path is not checked first and opened
afterwards: each folder on the way is opened by itself, relative to the one before, and a link is
refused by the kernel (``O_NOFOLLOW``). Everything in the runtime that reads or writes an agent's
files goes through here.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self

from orchestrator.core.paths import PathError, canonical
from orchestrator.errors import WorkspaceError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A named pipe would block the opener for ever: it is opened without waiting, then turned away.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK = 1 << 20

Signature = tuple[int, int, int, int]
"""Size, time of change of the content (ns), inode, time of change of the inode (ns)."""


@dataclass(frozen=True, slots=True)
class FileOnDisk:
    """What a regular file held when it was read."""

    data: bytes
    signature: Signature
    executable: bool

    @property
    def digest(self) -> str:
        """SHA-256 of the content."""
        return sha256(self.data).hexdigest()


class NotRegularError(Exception):
    """There is something at a path, but not a regular file."""


class NoFolderError(WorkspaceError, NotRegularError):
    """A folder must be made where a file or a link stands."""


class FolderCursor:
    """Walks from folder to folder below a root.

    Folders shared by one path and the next stay open, so that sorted paths cost little.

    Args:
        root: the root folder; links in its own path are followed, none below it.
        make: make folders that are missing.
        clear: with `make`: says whether what stands at this path, where a folder must be, may be
            removed. Only for private copies, which a command may have littered.
    """

    def __init__(
        self, root: Path, *, make: bool = False, clear: Callable[[str], bool] | None = None
    ) -> None:
        self.root, self.make, self.clear = root, make, clear
        self.made: list[str] = []
        self._names: list[str] = []
        self._handles: list[int] = []

    def __enter__(self) -> Self:
        self._handles.append(os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        while self._handles:
            os.close(self._handles.pop())

    def enter(self, names: Sequence[str]) -> int | None:
        """Return a handle of the folder `names` below the root; it is closed by this object.

        Returns:
            None if there is no such folder (and none is to be made).

        Raises:
            NoFolderError: a folder must be made where a file or a link stands.
        """
        same = 0
        for name, known in zip(names, self._names, strict=False):
            if name != known:
                break
            same += 1
        while len(self._names) > same:
            self._names.pop()
            os.close(self._handles.pop())
        for name in names[same:]:
            handle = self._step(name)
            if handle is None:
                return None
            self._names.append(name)
            self._handles.append(handle)
        return self._handles[-1]

    def _step(self, name: str) -> int | None:
        parent = self._handles[-1]
        try:
            return os.open(name, _FOLDER, dir_fd=parent)
        except FileNotFoundError:
            if not self.make:
                return None
        except OSError as error:
            if not is_obstacle(error):
                raise
            if not self.make:
                return None
            self._clear(parent, name)
        with suppress(FileExistsError):  # somebody else was quicker
            os.mkdir(name, dir_fd=parent)
            self.made.append("/".join([*self._names, name]))
        return os.open(name, _FOLDER, dir_fd=parent)

    def _clear(self, parent: int, name: str) -> None:
        path = "/".join([*self._names, name])
        if self.clear is None or not self.clear(path):
            raise NoFolderError(
                f"{path} is not a folder",
                str(self.root),
                "a file must go below it; symbolic links are never written through",
                "remove what stands there, or choose another path",
            )
        os.unlink(name, dir_fd=parent)


def is_obstacle(error: OSError) -> bool:
    """Whether opening a folder failed because a file or a link stands there."""
    # O_DIRECTORY | O_NOFOLLOW on a link: ENOTDIR on Linux, ELOOP on others.
    return error.errno in (errno.ENOTDIR, errno.ELOOP)


def split(path: str) -> tuple[list[str], str]:
    """Return the folders and the name of a canonical path.

    Raises:
        WorkspaceError: it is not the canonical path of a workspace file.
    """
    try:
        plain = canonical(path)
    except PathError as error:
        raise WorkspaceError(error.what, repr(path), fix=error.fix) from error
    if plain != path:
        raise WorkspaceError(
            f"{path!r} is not the canonical path", why="one file has one path", fix=f"say {plain!r}"
        )
    *folders, name = path.split("/")
    return folders, name


def signature_of(found: os.stat_result) -> Signature:
    """Return what tells, without reading it, whether a file may have changed."""
    return found.st_size, found.st_mtime_ns, found.st_ino, found.st_ctime_ns


def executable(found: os.stat_result) -> bool:
    """Whether the file's owner may execute it."""
    return bool(found.st_mode & stat.S_IXUSR)


def read_regular(folder: int, name: str) -> FileOnDisk | None:
    """Read a file of an open folder.

    Returns:
        None if there is nothing.

    Raises:
        NotRegularError: there is a link, a folder or a special file.
    """
    handle = _open_regular(folder, name)
    if handle is None:
        return None
    try:
        found = _regular(handle)
        return FileOnDisk(_read_all(handle, found.st_size), signature_of(found), executable(found))
    finally:
        os.close(handle)


def hash_regular(folder: int, name: str) -> tuple[str, os.stat_result] | None:
    """Return digest and status of a file of an open folder, holding little of it in memory.

    Raises:
        NotRegularError: there is a link, a folder or a special file.
    """
    handle = _open_regular(folder, name)
    if handle is None:
        return None
    try:
        found = _regular(handle)
        if found.st_size <= _CHUNK:
            return sha256(_read_all(handle, found.st_size)).hexdigest(), found
        state = sha256()
        while chunk := os.read(handle, _CHUNK):
            state.update(chunk)
        return state.hexdigest(), found
    finally:
        os.close(handle)


def status(folder: int, name: str) -> os.stat_result | None:
    """Return the status of an entry of an open folder, of a link itself; None: nothing there."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def standing(root: Path, path: str) -> str:
    """Say what stands on disk where a file or the folders above it would be.

    Args:
        root: the root folder.
        path: canonical path of the file.

    Returns:
        "" when nothing is in the way. A regular file at the path is not: it can be read and
        replaced. Nor is an empty folder: a workspace holds files, and one takes its place.
    """
    folders, name = split(path)
    names = [*folders, name]
    with FolderCursor(root) as cursor:
        for depth, part in enumerate(names):
            parent = cursor.enter(names[:depth])
            info = None if parent is None else status(parent, part)
            if info is None or (stat.S_ISREG(info.st_mode) and depth == len(folders)):
                return ""
            here = "/".join(names[: depth + 1])
            if not stat.S_ISDIR(info.st_mode):
                return f"{here} is {_kind_of(info.st_mode)}"
        handle = cursor.enter(names)
        full = handle is not None and os.listdir(handle)  # noqa: PTH208  (an open folder has no path)
        return f"{path} is a directory" if full else ""


_KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISREG, "a file, so nothing can be below it"),
    (stat.S_ISLNK, "a symbolic link; links are never written through"),
    (stat.S_ISFIFO, "a named pipe, not a file"),
    (stat.S_ISSOCK, "a socket, not a file"),
)


def _kind_of(mode: int) -> str:
    return next((words for of_kind, words in _KINDS if of_kind(mode)), "a device, not a file")


def write_new(folder: int, name: str, data: bytes, mode: int, sync: bool = False) -> Signature:
    """Make a new file in an open folder.

    Args:
        mode: permission bits, from which the user's umask is taken.
        sync: wait until the disk has it.

    Raises:
        FileExistsError: there is something already.
    """
    handle = os.open(name, _NEW, mode, dir_fd=folder)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(handle, rest) :]
        if sync:
            os.fsync(handle)
        return signature_of(os.fstat(handle))
    finally:
        os.close(handle)


def remove(folder: int, name: str) -> None:
    """Remove whatever stands at a name of an open folder, with everything below it."""
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return
    except (IsADirectoryError, PermissionError):
        # Linux says EISDIR for a folder, others EPERM.
        shutil.rmtree(name, dir_fd=folder)


def remove_empty(root: Path, folders: Sequence[str], may: Callable[[str], bool]) -> None:
    """Remove a folder and those above it, the deepest first, as long as they are empty.

    Args:
        folders: names on the way from the root to the deepest one.
        may: says of a folder's path whether it may go; the first no ends it.
    """
    with FolderCursor(root) as cursor:
        for depth in range(len(folders), 0, -1):
            if not may("/".join(folders[:depth])):
                return
            parent = cursor.enter(folders[: depth - 1])
            if parent is None:
                return
            try:
                os.rmdir(folders[depth - 1], dir_fd=parent)
            except OSError:
                return


def _open_regular(folder: int, name: str) -> int | None:
    with suppress(FileNotFoundError):
        try:
            return os.open(name, _FILE, dir_fd=folder)
        except OSError as error:
            # ELOOP: a link; ENXIO: a socket.
            if status(folder, name) is None:
                return None
            if stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                raise
            raise NotRegularError(name) from error
    return None


def _regular(handle: int) -> os.stat_result:
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        raise NotRegularError(found.st_mode)
    return found


def _read_all(handle: int, size: int) -> bytes:
    # One byte more than expected: getting just `size` bytes proves the end without another call.
    data = os.read(handle, size + 1)
    if len(data) == size:
        return data
    parts = [data]
    while chunk := os.read(handle, _CHUNK):
        parts.append(chunk)
    return b"".join(parts)
