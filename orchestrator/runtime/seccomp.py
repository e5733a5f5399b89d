"""A filter of system calls that refuses sockets of the network, for good.

Where there are no namespaces, Landlock bounds TCP alone, and of that neither connecting by
sending (`MSG_FASTOPEN`) nor multipath TCP: a command could send to anybody by UDP. With this
filter it gets no socket but those between processes of this machine, and those that ask the
kernel about it (`AF_NETLINK`).

Source: man page seccomp(2); Documentation/userspace-api/seccomp_filter.rst of the kernel.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys

from orchestrator.runtime.syscalls import call

_SET_SECCOMP, _FILTER = 22, 2  # prctl
_GET_ACTION = 2  # operation of seccomp(2)
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # instructions of the filter
_NUMBER, _MACHINE, _FIRST_ARGUMENT = 0, 4, 16  # where `struct seccomp_data` holds them

_UNIX, _NETLINK = 1, 16  # families of sockets
_IO_URING = 425  # the same everywhere; it makes sockets without a system call
_OTHER_WAY = 0x40000000  # numbers of x32, a second set on the same machine

# Machine: how the kernel calls it, the numbers of seccomp and of socket; then the 32-bit machine
# whose programs it runs too, and its numbers of socket and socketcall.
_MACHINES = {
    "x86_64": (0xC000003E, 317, 41, 0x40000003, (359, 102)),
    "aarch64": (0xC00000B7, 277, 198, 0x40000028, (281, 102)),
}


def available() -> bool:
    """Whether this kernel takes such filters, and this machine's calls are known here."""
    known = _MACHINES.get(os.uname().machine)
    if sys.platform != "linux" or known is None or sys.maxsize < 1 << 32:
        return False
    action = _ERRNO.to_bytes(4, sys.byteorder)
    return bool(ctypes.CDLL(None).syscall(known[1], _GET_ACTION, 0, action) == 0)


def refuse_network() -> None:
    """Refuse this process, and all that it starts, every socket of a network, for ever.

    The process must have given up new privileges before (`PR_SET_NO_NEW_PRIVS`).

    Raises:
        OSError: the kernel refused.
    """
    code = b"".join(_program(*_MACHINES[os.uname().machine]))
    held = ctypes.create_string_buffer(code, len(code))  # alive until the kernel has copied it
    order = sys.byteorder
    pointer = ctypes.addressof(held).to_bytes(8, order)
    program = (len(code) // 8).to_bytes(8, order) + pointer
    call("prctl", _SET_SECCOMP, _FILTER, program, 0, 0)


def _program(
    machine: int, _seccomp: int, socket: int, small: int, small_calls: tuple[int, int]
) -> list[bytes]:
    """Return the instructions: of a jump, both numbers say how many to pass over."""
    refused = _ERRNO | errno.EACCES
    absent = _ERRNO | errno.ENOSYS
    return [
        _step(_LOAD, _MACHINE),
        _step(_EQUAL, machine, 6, 0),
        # Programs of the 32-bit machine. What socketcall makes cannot be seen from here.
        _step(_EQUAL, small, 0, 14),
        _step(_LOAD, _NUMBER),
        _step(_EQUAL, small_calls[0], 8, 0),
        _step(_EQUAL, small_calls[1], 10, 0),
        _step(_EQUAL, _IO_URING, 9, 0),
        _step(_RETURN, _ALLOW),
        _step(_LOAD, _NUMBER),
        _step(_AT_LEAST, _OTHER_WAY, 6, 0),
        _step(_EQUAL, _IO_URING, 5, 0),
        _step(_EQUAL, socket, 1, 0),
        _step(_RETURN, _ALLOW),
        _step(_LOAD, _FIRST_ARGUMENT),
        _step(_EQUAL, _UNIX, 3, 0),
        _step(_EQUAL, _NETLINK, 2, 1),
        _step(_RETURN, absent),
        _step(_RETURN, refused),
        _step(_RETURN, _ALLOW),
    ]


def _step(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    order = sys.byteorder
    return code.to_bytes(2, order) + bytes((then, otherwise)) + value.to_bytes(4, order)
