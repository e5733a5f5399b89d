"""What everything that runs commands does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

import pytest

from orchestrator.errors import WorkspaceError
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.commands import Commands, FakeCommands, SubprocessCommands
from orchestrator.runtime.interruption import Interruption

LIMIT = 2000


def pretend(command: str | Sequence[str], cwd: Path) -> int | tuple[int, str]:
    """Answer the commands of these tests as a shell would."""
    words = command.split() if isinstance(command, str) else list(command)
    if words[0] == "exit":
        return int(words[1])
    if words[0] == "seq":
        return 0, "".join(f"{n}\n" for n in range(1, int(words[1]) + 1))
    if words[0] == "pwd":
        return 0, f"{cwd}\n"
    return 0, " ".join(words[1:]) + "\n"


@pytest.fixture(params=["subprocess", "fake"])
def commands(request: pytest.FixtureRequest, tmp_path: Path) -> Commands:
    blobs = BlobStore(tmp_path / "blobs", durable=False)
    if request.param == "fake":
        return FakeCommands(pretend, blobs, LIMIT)
    return SubprocessCommands(blobs, LIMIT)


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    (tmp_path / "cwd").mkdir()
    return tmp_path / "cwd"


@pytest.mark.parametrize("code", [0, 1, 77])
def test_the_exit_code_is_told(commands: Commands, cwd: Path, code: int) -> None:
    result = commands.run(f"exit {code}", cwd, timeout=30)
    assert result.exit_code == code
    assert not result.timed_out
    assert not result.interrupted
    assert result.seconds >= 0


@pytest.mark.parametrize("command", ["echo hello", ["echo", "hello"]])
def test_text_and_words_are_run(
    commands: Commands, cwd: Path, command: str | Sequence[str]
) -> None:
    result = commands.run(command, cwd, timeout=30)
    assert (result.exit_code, result.output, result.cut) == (0, "hello\n", 0)


def test_a_command_runs_where_it_is_told_to(commands: Commands, cwd: Path) -> None:
    assert commands.run(["pwd"], cwd, timeout=30).output == f"{cwd}\n"


def test_the_output_is_kept(commands: Commands, cwd: Path, tmp_path: Path) -> None:
    result = commands.run("echo hello", cwd, timeout=30)
    assert result.digest == sha256(b"hello\n").hexdigest()
    assert BlobStore(tmp_path / "blobs").get(result.digest) == b"hello\n"


def test_long_output_shows_beginning_and_end(commands: Commands, cwd: Path, tmp_path: Path) -> None:
    result = commands.run(["seq", "5000"], cwd, timeout=30)
    full = "".join(f"{n}\n" for n in range(1, 5001))
    assert result.output.startswith("1\n2\n")
    assert result.output.endswith("4999\n5000\n")
    assert f"[... {result.cut} bytes left out ...]" in result.output
    assert LIMIT - 100 <= len(full) - result.cut <= LIMIT
    assert BlobStore(tmp_path / "blobs").get(result.digest).decode() == full


@pytest.mark.parametrize("make", [Interruption, threading.Event])
def test_an_interrupted_command_does_not_start(
    commands: Commands, cwd: Path, make: Callable[[], Interruption]
) -> None:
    interrupt = make()
    interrupt.set()
    result = commands.run("echo hello", cwd, timeout=30, interrupt=interrupt)
    assert (result.exit_code, result.interrupted, result.timed_out) == (None, True, False)
    assert result.output == ""


def test_a_missing_directory_is_an_error(commands: Commands, tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="no such directory"):
        commands.run("echo hello", tmp_path / "nowhere", timeout=30)
