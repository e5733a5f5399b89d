"""The sandbox put to the test: a harmless command tries, within it, what it must not be able to.

What a kernel claims and what an administrator has switched off do not always agree, so `doctor`
does not only ask. Everything that is aimed at was made for the purpose, and is removed.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from orchestrator.runtime.enforcement import Enforcement, Guard
from orchestrator.runtime.environment import command_environment
from orchestrator.runtime.processes import CommandLimits
from orchestrator.runtime.sandbox import Sandbox, SandboxPolicy

_SMALL = CommandLimits(memory=1 << 30, file_size=1 << 20)
_PREFIX = "got through: "
_DATAGRAM = b"orchestrator"

# Runs in the sandbox. Each function is named like the `Guard` that must stop it, but for the two
# ways to use a network.
_ATTEMPTS = """
import os, socket, sys
place, process, tcp_port, udp_port = sys.argv[1], *map(int, sys.argv[2:])
ours = (1, os.getpid(), os.getppid())  # numbers in a namespace may be the same by chance

def write():
    open(place + "/made", "x").close()
def attributes():
    os.utime(place + "/secret", (0, 0))
def read():
    open(place + "/secret").read()
def spy():
    assert process not in ours
    open("/proc/%d/environ" % process, "rb").read()
def signal():
    assert process not in ours
    os.kill(process, 0)
def tcp():
    socket.create_connection(("127.0.0.1", tcp_port), 2).close()
def udp():
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"orchestrator", ("127.0.0.1", udp_port))
def sockets():
    socket.socket(socket.AF_UNIX).connect(place + "/socket")
def memory():
    bytearray(2 << 30)
def file_size():
    open("large", "wb").truncate(2 << 20)

for attempt in (write, attributes, read, spy, signal, tcp, udp, sockets, memory, file_size):
    try:
        attempt()
    except (OSError, MemoryError, AssertionError):
        continue
    print("got through:", attempt.__name__)
print("got through: all")
"""  # noqa: E501

_GUARD_OF = {"tcp": "network", "udp": "network", "file_size": "memory"}
_NOT_TRIED = frozenset({"daemons", "processes", "disk", "time"})  # would take longer than a moment


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of trying to get past a guard.

    Attributes:
        guard: what commands are kept from, by what.
        through: attempts that got through; None: nothing was tried.
        broken: whether one got through that the guard claims to stop.
    """

    guard: Guard
    through: tuple[str, ...] | None
    broken: bool


def try_guards(policy: SandboxPolicy | None = None) -> tuple[Tried, ...]:
    """Try what commands are kept from, in a sandbox of this machine, in about 0.1 s.

    Args:
        policy: what is allowed; by default what a plan gets that asks for nothing.

    Raises:
        OSError: the launcher cannot be started, or there is no room for temporary files.
    """
    sandbox = Sandbox(policy or SandboxPolicy(), _SMALL, os.environ)
    with ExitStack() as stack:
        here = stack.enter_context(tempfile.TemporaryDirectory(prefix="orchestrator-"))
        through = _attempt(sandbox, Path(os.path.realpath(here)), stack)
    return tuple(_judge(sandbox.enforced, through))


def _attempt(sandbox: Sandbox, here: Path, stack: ExitStack) -> set[str]:
    """Return the attempts that got through, and ``all`` if none was left out."""
    for name in ("copy", "scratch", "outside"):
        (here / name).mkdir()
    outside, copy, scratch = here / "outside", here / "copy", here / "scratch"
    (outside / "secret").write_text("a secret")
    server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    receiver = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    receiver.bind(("127.0.0.1", 0))
    receiver.setblocking(False)
    other = stack.enter_context(socket.socket(socket.AF_UNIX))
    with suppress(OSError):  # the path is too long for an address: then none can reach it
        other.bind(str(outside / "socket"))
        other.listen()
    words = (outside, os.getpid(), server.getsockname()[1], receiver.getsockname()[1])
    argv = [sys.executable, "-I", "-S", "-c", _ATTEMPTS, *map(str, words)]
    with sandbox.start(argv, copy, scratch, command_environment(copy, scratch)) as launched:
        with launched.process as process:
            said = process.communicate()[0].decode("utf-8", "replace")
        launched.report()
    found = {line.removeprefix(_PREFIX) for line in said.splitlines() if line.startswith(_PREFIX)}
    with suppress(BlockingIOError):  # to have sent it is not enough
        if receiver.recv(len(_DATAGRAM)) == _DATAGRAM:
            return found
    return found - {"udp"}


def _judge(enforced: Enforcement, through: set[str]) -> Iterator[Tried]:
    for guard in enforced.guards():
        if guard.name in _NOT_TRIED or "all" not in through:
            yield Tried(guard, None, broken=False)
            continue
        found = tuple(sorted(name for name in through if _GUARD_OF.get(name, name) == guard.name))
        # A guard with a gap stops the plain attempt all the same; for UDP that is the gap.
        claimed = set(found) - ({"udp"} if guard.gap else set())
        yield Tried(guard, found, broken=bool(guard.by and claimed))
