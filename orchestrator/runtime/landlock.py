"""Landlock: what the kernel lets a process and its children reach, given up for ever.

A domain is an allow-list. What it does not grant is refused by the kernel, whatever the process
does and whoever it runs as, root included; nothing can be taken out of a grant. Besides files, a
domain keeps its processes from tracing those outside (their memory, their environment), and, on
newer kernels, from signalling them and from TCP.

Source: linux/landlock.h and Documentation/userspace-api/landlock.rst of the kernel.
"""

from __future__ import annotations

import os
import stat

from orchestrator.runtime.syscalls import half, syscall, words

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_VERSION = 1  # flag of landlock_create_ruleset: tell the version
_BENEATH = 1  # kind of rule: a folder and all beneath it, or one file

_EXECUTE, _WRITE, _READ, _LIST = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_MAKE_CHAR, _MAKE_BLOCK = 1 << 6, 1 << 11
_TRUNCATE, _IOCTL = 1 << 14, 1 << 15
_FILE = _EXECUTE | _WRITE | _READ | _TRUNCATE | _IOCTL  # rights that a single file can have
_CHANGES = ((1 << 16) - 1) & ~(_EXECUTE | _READ | _LIST | _MAKE_CHAR | _MAKE_BLOCK | _IOCTL)
_TCP = 0b11  # bind, connect
_SCOPES = 0b11  # abstract sockets, signals

# Rights that files have in each version; later versions add none that is used here.
_RIGHTS = (0, (1 << 13) - 1, (1 << 14) - 1, (1 << 15) - 1, (1 << 15) - 1, (1 << 16) - 1)
_TCP_SINCE, _SCOPES_SINCE = 4, 6


def version() -> int:
    """Return the version of Landlock that this kernel has; 0: none."""
    try:
        found = syscall("landlock_create_ruleset", _CREATE, None, 0, _VERSION)
    except OSError:
        return 0
    if found >= _SCOPES_SINCE:  # some distributions' kernels claim 6 without all of it
        try:
            os.close(_ruleset(found, tcp=True))
        except OSError:
            return _SCOPES_SINCE - 1
    return found


def restrict(abi: int, read: list[str], write: list[str], devices: list[str], tcp: bool) -> None:
    """Confine this thread, and all that it starts, for ever.

    The thread must have given up new privileges before (`PR_SET_NO_NEW_PRIVS`).

    Args:
        abi: version of Landlock to use, at most the kernel's.
        read: files and folders to read and execute; those that do not exist are left out.
        write: files and folders to do everything with but make devices.
        devices: device files, and folders of them, to read, write and control.
        tcp: whether TCP stays allowed.

    Raises:
        OSError: the kernel refused.
    """
    handled = _RIGHTS[min(abi, len(_RIGHTS) - 1)]
    look = _EXECUTE | _READ | _LIST
    ruleset = _ruleset(abi, tcp)
    try:
        for paths, rights in (
            (read, look),
            (write, look | _CHANGES),
            (devices, _READ | _WRITE | _LIST | _IOCTL),
        ):
            for path in paths:
                _grant(ruleset, path, rights & handled)
        syscall("landlock_restrict_self", _RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)


def _ruleset(abi: int, tcp: bool) -> int:
    files = _RIGHTS[min(abi, len(_RIGHTS) - 1)]
    net = 0 if tcp or abi < _TCP_SINCE else _TCP
    attributes = words(files, net, _SCOPES if abi >= _SCOPES_SINCE else 0)
    # Older kernels take a longer structure as long as what they do not know is zero.
    return syscall("landlock_create_ruleset", _CREATE, attributes, len(attributes), 0)


def _grant(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError, NotADirectoryError):
        return
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= _FILE
        syscall("landlock_add_rule", _ADD, ruleset, _BENEATH, words(rights) + half(place), 0)
    finally:
        os.close(place)
