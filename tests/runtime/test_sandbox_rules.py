"""What a plan grants commands beyond their copy, the network and more files, and how far."""

from __future__ import annotations

import secrets
import socket
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import PlanError
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.commands import CommandResult, SubprocessCommands
from orchestrator.runtime.enforcement import Enforcement, probe
from orchestrator.runtime.landlock import version
from orchestrator.runtime.sandbox import SandboxPolicy

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux only")

needs_landlock = pytest.mark.skipif(not version(), reason="this kernel has no Landlock")
needs_namespaces = pytest.mark.skipif(
    not probe().namespaces, reason=f"there are no namespaces here: {probe().why_not}"
)
WALLS = [
    pytest.param({}, id="both", marks=[needs_landlock, needs_namespaces]),
    pytest.param({"namespaces": False}, id="landlock", marks=needs_landlock),
    pytest.param({"namespaces": False, "seccomp": False}, id="only landlock", marks=needs_landlock),
    pytest.param({"landlock": False}, id="namespaces", marks=needs_namespaces),
]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    (tmp_path / "run" / "copies" / "w1").mkdir(parents=True)
    return tmp_path / "run" / "copies" / "w1"


def run(copy: Path, command: str | list[str], policy: SandboxPolicy) -> CommandResult:
    blobs = BlobStore(copy.parent.parent / "blobs", durable=False)
    return SubprocessCommands(blobs, policy=policy).run(command, copy, timeout=60)


def python(code: str, *words: object) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", textwrap.dedent(code), *map(str, words)]


# --- the network ------------------------------------------------------------------------------

TCP = """
import socket, sys
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5).close()
    print("reached")
except OSError as error:
    print("not reached", error.errno)
"""
UDP = """
import socket, sys
for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::ffff:127.0.0.1")):
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"stolen", (host, int(sys.argv[1])))
    except OSError as error:
        print(error.errno)
"""


@pytest.mark.parametrize("walls", WALLS)
def test_tcp_is_refused_unless_the_plan_allows_it(copy: Path, walls: dict[str, bool]) -> None:
    if walls.get("namespaces") is False and version() < 4:
        pytest.skip("Landlock here does not know of TCP")
    with socket.create_server(("127.0.0.1", 0)) as server:
        words = python(TCP, server.getsockname()[1])
        refused = run(copy, words, replace(SandboxPolicy.asked(), **walls))
        allowed = run(copy, words, replace(SandboxPolicy.asked(network=True), **walls))
    assert refused.output.startswith("not reached")
    assert allowed.output == "reached\n"


@pytest.mark.parametrize("walls", WALLS)
def test_udp_is_refused_unless_the_plan_allows_it(copy: Path, walls: dict[str, bool]) -> None:
    def arrives(policy: SandboxPolicy) -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
            receiver.bind(("127.0.0.1", 0))
            receiver.setblocking(False)
            run(copy, python(UDP, receiver.getsockname()[1]), policy)
            try:
                return receiver.recv(100) == b"stolen"
            except BlockingIOError:
                return False

    refused = replace(SandboxPolicy.asked(), **walls)
    told = any("UDP" in notice for notice in refused.enforced().notices())
    assert arrives(refused) == told  # what cannot be enforced is said
    assert arrives(replace(refused, network=True))


@pytest.mark.parametrize("walls", WALLS)
def test_with_the_network_nothing_else_opens(
    tmp_path: Path, copy: Path, walls: dict[str, bool]
) -> None:
    (tmp_path / "secret").write_text("secret\n")
    policy = replace(SandboxPolicy.asked(network=True), **walls)
    result = run(copy, f"cat {tmp_path}/secret; echo x > {tmp_path}/made; exit 0", policy)
    assert "secret\n" not in result.output
    assert not (tmp_path / "made").exists()


@needs_namespaces
def test_with_the_network_sockets_of_other_programs_stay_shut(
    tmp_path: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = """
    import socket, sys
    for address in (sys.argv[1], chr(0) + sys.argv[2]):
        with socket.socket(socket.AF_UNIX) as made:
            try: made.connect(address); print("connected")
            except OSError: print("refused")
    """
    monkeypatch.chdir(tmp_path)  # addresses are short
    name = secrets.token_hex(8)
    policy = SandboxPolicy.asked(network=True)
    with socket.socket(socket.AF_UNIX) as named, socket.socket(socket.AF_UNIX) as abstract:
        named.bind("agent")
        abstract.bind("\0" + name)
        named.listen()
        abstract.listen()
        result = run(copy, python(code, tmp_path / "agent", name), policy)
    told = any("abstract sockets" in notice for notice in policy.enforced().notices())
    assert result.output == f"refused\n{'connected' if told else 'refused'}\n"


def test_a_wall_that_the_network_takes_down_is_told() -> None:
    old = Enforcement(landlock=5, namespaces=True, network=True)
    assert "abstract sockets of your other programs" in old.notices()[0]
    assert "Landlock version 5, and namespaces." in old.notices()[0]
    assert replace(old, landlock=6).notices() == ()
    assert replace(old, network=False).notices() == ()


# --- more to read -----------------------------------------------------------------------------

ATTACK = """
set -- {data}; exec 2> /dev/null
cat $1/set.csv
echo x >> $1/set.csv; : > $1/set.csv; echo x > $1/new; rm -rf $1; mv $1/set.csv .; mv $1 there
ln $1/set.csv mine && echo x >> mine; chmod 777 $1/set.csv && echo x >> $1/set.csv
mkdir $1/made; ln -s . $1/link; mkfifo $1/pipe; exit 0
"""


@pytest.mark.parametrize("walls", WALLS)
def test_more_can_be_read_and_never_changed(
    tmp_path: Path, copy: Path, walls: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "home" / "data"
    data.mkdir(parents=True)
    (data / "set.csv").write_text("1,2\n")
    (data.parent / "notes").write_text("private\n")
    monkeypatch.setenv("HOME", str(data.parent))
    policy = replace(SandboxPolicy.asked(read=["~/data"]), **walls)
    result = run(copy, ATTACK.format(data=data), policy)
    assert result.output == "1,2\n"
    assert [path.name for path in data.iterdir()] == ["set.csv"]
    assert (data / "set.csv").read_text() == "1,2\n"
    assert (data / "set.csv").stat().st_nlink == 1
    assert "private" not in run(copy, f"cat {data}/../notes", policy).output


@pytest.mark.parametrize("walls", WALLS)
def test_one_file_can_be_granted(tmp_path: Path, copy: Path, walls: dict[str, bool]) -> None:
    (tmp_path / "one").write_text("one\n")
    (tmp_path / "two").write_text("two\n")
    policy = replace(SandboxPolicy.asked(read=[str(tmp_path / "one")]), **walls)
    result = run(copy, f"cat {tmp_path}/one; cat {tmp_path}/two; echo x > {tmp_path}/one", policy)
    assert result.output.startswith("one\n")
    assert "two\n" not in result.output
    assert (tmp_path / "one").read_text() == "one\n"


def test_every_path_that_cannot_be_granted_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home" / "me"))
    for name in ("home/me", "work/data", "run/copies", "fine"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "way").symlink_to("work/data")
    wrong = {
        "data": "not absolute",
        "~nobody-of-that-name/data": "not absolute",
        f"{tmp_path}/absent": "no such file",
        "/": "too much",
        "~": "too much",
        f"{tmp_path}/home": "too much",
        f"{tmp_path}/work": "overlaps",
        f"{tmp_path}/work/data": "overlaps",
        f"{tmp_path}/way": "overlaps",
        f"{tmp_path}/run/copies": "overlaps",
    }
    with pytest.raises(PlanError) as caught:
        SandboxPolicy.asked(
            read=[*wrong, f"{tmp_path}/fine"], apart=[tmp_path / "work", tmp_path / "run"]
        )
    problems = caught.value.problems
    assert [problem.where for problem in problems] == [f"sandbox.read: {path}" for path in wrong]
    assert all(part in p.what for part, p in zip(wrong.values(), problems, strict=True))
    assert all(problem.fix for problem in problems)


def test_what_copies_link_is_granted_too(tmp_path: Path) -> None:
    for name in ("venv", "data"):
        (tmp_path / name).mkdir()
    policy = SandboxPolicy.asked(
        True, [str(tmp_path / "data")], links={".venv": str(tmp_path / "venv")}
    )
    assert (policy.network, policy.read) == (True, (tmp_path / "venv", tmp_path / "data"))
