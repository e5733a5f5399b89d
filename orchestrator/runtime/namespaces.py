"""Namespaces: a world for one command that holds only what it was granted.

Its own processes (they all end with their first one), its own network (a loopback that leads
nowhere else), its own shared memory, and its own view of the file system, in which nothing exists
but what was granted and nothing can be changed but what may be written. The last goes further
than Landlock: mode, owner and times of files outside cannot be changed either, and the sockets of
other programs cannot be reached. Landlock comes on top, not instead: two independent walls.

Source: man pages namespaces(7), user_namespaces(7), mount_setattr(2), pivot_root(2).
"""

from __future__ import annotations

import ctypes
import os
import sys

from orchestrator.runtime.syscalls import call, syscall, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_NEW_MOUNTS, _NEW_IPC, _NEW_USER = 0x00020000, 0x08000000, 0x10000000
_NEW_PROCESSES, _NEW_NETWORK = 0x20000000, 0x40000000
_NOSUID, _NODEV, _BIND, _RECURSIVE, _PRIVATE = 2, 4, 4096, 16384, 1 << 18
_DETACH = 2
_MOUNT_SETATTR, _HERE, _ALL_BENEATH, _READ_ONLY = 442, -100, 0x8000, 1
_INET, _DATAGRAM, _SET_FLAGS, _UP = 2, 2, 0x8914, 1

_RESERVED_PIDS = 300  # numbers that the kernel does not give out again after the first round
_OWN_PID_MAX = (6, 14)  # first kernel where a namespace has a limit of its own

DEVICES = ("null", "zero", "full", "random", "urandom")
_DEVICE_LINKS = {
    "/dev/fd": "/proc/self/fd",
    "/dev/stdin": "/proc/self/fd/0",
    "/dev/stdout": "/proc/self/fd/1",
    "/dev/stderr": "/proc/self/fd/2",
    "/dev/ptmx": "pts/ptmx",
}
_MEMORY = "mode=1777,nr_inodes=100000,size="


def enter(network: bool) -> bool:
    """Move this process into namespaces of its own; its next child is the first process there.

    Args:
        network: whether it keeps the network of the machine.

    Returns:
        Whether it needed a user namespace: it was not privileged.

    Raises:
        OSError: the kernel or an administrator does not allow it.
    """
    wanted = _NEW_MOUNTS | _NEW_IPC | _NEW_PROCESSES | (0 if network else _NEW_NETWORK)
    user, group = os.getuid(), os.getgid()
    ordinary = False
    try:
        call("unshare", wanted)
    except PermissionError:
        call("unshare", wanted | _NEW_USER)
        ordinary = True
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{user} {user} 1")
        _write("/proc/self/gid_map", f"{group} {group} 1")
    if not network:
        _raise_loopback()
    return ordinary


def own_pid_max() -> bool:
    """Whether a namespace has a limit of processes of its own; else it is the machine's."""
    major, minor = os.uname().release.split(".")[:2]
    digits = "".join(c for c in minor if c.isdigit())
    return (int(major), int(digits or 0)) >= _OWN_PID_MAX


def furnish(
    base: str,
    read: list[str],
    write: Sequence[str],
    links: dict[str, str],
    memory: int,
    processes: int | None,
) -> None:
    """Replace the file system by one that has only what is given; called by the first process.

    Args:
        base: a folder to build it on; may be one of `write`.
        read: real paths to show, unchangeable; those that do not exist are left out.
        write: real paths of folders that may be changed; they exist.
        links: symbolic links to make: path to text.
        memory: bytes that /tmp and /dev/shm may hold, each.
        processes: about how many processes and threads there may be.

    Raises:
        OSError: the kernel refused.
    """
    call("mount", None, b"/", None, _RECURSIVE | _PRIVATE, None)
    # The base will hide what is beneath it.
    sources = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in write}
    call("mount", b"none", os.fsencode(base), b"tmpfs", _NOSUID | _NODEV, b"mode=755")
    _mount_own(base, memory)
    for path, text in [*links.items(), *_DEVICE_LINKS.items()]:
        os.makedirs(os.path.dirname(base + path), exist_ok=True)  # noqa: PTH103, PTH120
        if not os.path.lexists(base + path):
            os.symlink(text, base + path)  # noqa: PTH211
    for path in sorted(read):
        _show(base, path, path)
    for name in DEVICES:
        _show(base, f"/dev/{name}", f"/dev/{name}")
    for path, source in sources.items():
        # With what is mounted beneath, but not with the new root itself.
        _show(base, f"/proc/self/fd/{source}", path, 0 if path == base else _RECURSIVE)
        os.close(source)
    os.chdir(base)
    call("pivot_root", b".", b".")
    call("umount2", b".", _DETACH)
    os.chdir("/")
    if processes is not None:
        _bound_processes(processes)
    _set("/", _READ_ONLY, 0, _ALL_BENEATH)
    for path in (*write, "/tmp", "/dev/shm"):
        _set(path, 0, _READ_ONLY)


def _bound_processes(count: int) -> None:
    if own_pid_max():
        _write("/proc/sys/kernel/pid_max", str(_RESERVED_PIDS + count + 1))


def _mount_own(base: str, memory: int) -> None:
    for folder in ("/tmp", "/dev/shm", "/dev/pts", "/proc"):
        os.makedirs(base + folder)  # noqa: PTH103
    size = f"{_MEMORY}{memory}".encode()
    root = os.fsencode(base)
    call("mount", b"none", root + b"/tmp", b"tmpfs", _NOSUID | _NODEV, size)
    call("mount", b"none", root + b"/dev/shm", b"tmpfs", _NOSUID | _NODEV, size)
    own = b"newinstance,ptmxmode=0666,mode=620"
    call("mount", b"none", root + b"/dev/pts", b"devpts", _NOSUID, own)
    call("mount", b"none", root + b"/proc", b"proc", _NOSUID | _NODEV, None)


def _show(base: str, source: str, path: str, depth: int = _RECURSIVE) -> None:
    """Make `source` appear at `path`, by default with all that is mounted beneath it."""
    target = base + path
    if os.path.isdir(source):  # noqa: PTH112
        os.makedirs(target, exist_ok=True)  # noqa: PTH103
    elif not os.path.exists(source):  # noqa: PTH110
        return
    elif not os.path.lexists(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
        os.close(os.open(target, os.O_CREAT | os.O_CLOEXEC))
    call("mount", os.fsencode(source), os.fsencode(target), None, _BIND | depth, None)


def _set(path: str, add: int, remove: int, flags: int = 0) -> None:
    attributes = words(add, remove, 0, 0)
    place = os.fsencode(path)
    number, length = _MOUNT_SETATTR, len(attributes)
    syscall("mount_setattr", number, _HERE, place, flags, attributes, length)


def _raise_loopback() -> None:
    socket = call("socket", _INET, _DATAGRAM, 0)
    try:
        request = ctypes.create_string_buffer(
            b"lo".ljust(16, b"\0") + _UP.to_bytes(2, sys.byteorder), 40
        )
        call("ioctl", socket, _SET_FLAGS, request.raw)
    finally:
        os.close(socket)


def _write(path: str, text: str) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)
