"""System calls that the standard library does not offer, for the launcher.

The launcher starts once per command, so this module imports `ctypes` and nothing else of weight.
"""

from __future__ import annotations

import ctypes
import os
import sys

_C = ctypes.CDLL(None, use_errno=True)

Argument = int | bytes | None


def call(name: str, *arguments: Argument) -> int:
    """Call a function of the C library that returns -1 and sets `errno` when it fails.

    Raises:
        OSError: it failed; the message names the function.
    """
    return _call(name, name, arguments)


def syscall(name: str, number: int, *arguments: Argument) -> int:
    """Make a system call that the C library has no function for.

    Args:
        name: for messages.
        number: of the call; those from 424 on are the same on all architectures.
        arguments: what it takes.

    Raises:
        OSError: it failed, or the kernel does not have it (ENOSYS).
    """
    return _call("syscall", name, (number, *arguments))


def _call(function: str, name: str, arguments: tuple[Argument, ...]) -> int:
    # A Python integer would go as a C int: flags and addresses are wider.
    wide = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    called = getattr(_C, function)
    called.restype = ctypes.c_long
    result = int(called(*wide))
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
    return result


def words(*values: int) -> bytes:
    """Return unsigned 64-bit numbers as the kernel reads them from memory."""
    return b"".join(value.to_bytes(8, sys.byteorder) for value in values)


def half(value: int) -> bytes:
    """Return a signed 32-bit number as the kernel reads it from memory."""
    return value.to_bytes(4, sys.byteorder, signed=True)
