"""The filter that refuses sockets of the network, and nothing else."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.commands import CommandResult, SubprocessCommands
from orchestrator.runtime.sandbox import SandboxPolicy
from orchestrator.runtime.seccomp import available

pytestmark = pytest.mark.skipif(not available(), reason="there are no filters here")

FILTER = SandboxPolicy(namespaces=False)


def run(folder: Path, code: str, *words: object, policy: SandboxPolicy = FILTER) -> CommandResult:
    (folder / "copy").mkdir(exist_ok=True)
    commands = SubprocessCommands(BlobStore(folder / "blobs", durable=False), policy=policy)
    argv = [sys.executable, "-I", "-S", "-c", textwrap.dedent(code), *map(str, words)]
    return commands.run(argv, folder / "copy", timeout=60)


FAMILIES = """
import errno, socket
from contextlib import suppress
for family, kind, protocol in (
    (socket.AF_INET, socket.SOCK_DGRAM, 0), (socket.AF_INET6, socket.SOCK_DGRAM, 0),
    (socket.AF_INET, socket.SOCK_STREAM, 0), (socket.AF_INET, socket.SOCK_STREAM, 262),
    (socket.AF_INET, socket.SOCK_RAW, 1), (socket.AF_PACKET, socket.SOCK_RAW, 0),
    (socket.AF_VSOCK, socket.SOCK_STREAM, 0),
):
    try:
        socket.socket(family, kind, protocol).close()
        print("made", family, kind, protocol)
    except OSError as error:
        print(errno.errorcode[error.errno])
"""


def test_no_socket_of_a_network_is_to_be_had(tmp_path: Path) -> None:
    assert run(tmp_path, FAMILIES).output == "EACCES\n" * 7


def test_what_commands_start_is_bound_too(tmp_path: Path) -> None:
    code = """
    import subprocess, sys
    code = "import socket; socket.socket()"
    print(subprocess.run([sys.executable, "-I", "-S", "-c", code], stderr=-3).returncode)
    """
    assert run(tmp_path, code).output == "1\n"


def test_processes_of_one_command_can_talk(tmp_path: Path) -> None:
    code = """
    import socket, threading
    one, other = socket.socketpair()
    one.send(b"pair"); print(other.recv(9).decode())
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind("here"); server.listen(); client.connect("here")
        client.send(b"unix"); print(server.accept()[0].recv(9).decode())
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close()
    """
    assert run(tmp_path, code).output == "pair\nunix\n"


FAST = """
import socket, sys
try:
    made = socket.socket()
    made.sendto(b"stolen", socket.MSG_FASTOPEN, ("127.0.0.1", int(sys.argv[1])))
    print("sent")
except OSError:
    print("refused")
"""


def test_connecting_by_sending_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert run(tmp_path, FAST, server.getsockname()[1]).output == "refused\n"


OTHER_WAYS = """
import ctypes, os
library = ctypes.CDLL(None, use_errno=True)
for number in (0x40000000 + 41, 425):  # x32; io_uring_setup
    result = library.syscall(ctypes.c_long(number), 2, 2, 0)
    print(result, ctypes.get_errno() == 38)
"""


def test_other_ways_to_a_socket_do_not_exist(tmp_path: Path) -> None:
    assert run(tmp_path, OTHER_WAYS).output == "-1 True\n" * 2


SMALL = """
static int ask(int number, int a, int b, int c) {
    int result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory");
    return result;
}
int main(void) {
    int inet = ask(359, 2, 2, 0), local = ask(359, 1, 1, 0), call = ask(102, 1, 0, 0);
    return !(inet == -13 && local >= 0 && call == -38);
}
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_calls_of_the_small_machine_are_bound_too(tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    source = tmp_path / "copy" / "small.c"
    source.write_text(SMALL)
    program = tmp_path / "copy" / "small"
    made = subprocess.run(["cc", "-o", program, source], capture_output=True, check=False)
    if made.returncode != 0:
        pytest.skip("this machine has no 32-bit calls")
    if subprocess.run([program], check=False).returncode < 0:
        pytest.skip("this kernel has no 32-bit calls")
    code = "import subprocess; print(subprocess.run(['./small']).returncode)"
    assert run(tmp_path, code).output == "0\n"


def test_an_allowed_network_is_not_filtered(tmp_path: Path) -> None:
    policy = SandboxPolicy(network=True, namespaces=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        result = run(tmp_path, FAST, server.getsockname()[1], policy=policy)
    assert result.output == "sent\n"
