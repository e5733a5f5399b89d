from __future__ import annotations

import os
import secrets
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.commands import CommandResult, FakeCommands, SubprocessCommands
from orchestrator.runtime.interruption import Interruption
from orchestrator.runtime.processes import CommandLimits
from orchestrator.runtime.sandbox import SandboxPolicy

FOREVER = 600.0


@pytest.fixture
def commands(tmp_path: Path) -> SubprocessCommands:
    return SubprocessCommands(BlobStore(tmp_path / "blobs", durable=False))


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    (tmp_path / "cwd").mkdir()
    return tmp_path / "cwd"


def running(words: str) -> bool:
    """Whether a process runs that has `words` in its command line."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
        except OSError:
            continue
        if words.encode() in line:
            return True
    return False


def gone(words: str) -> bool:
    """Whether processes that were killed a moment ago have ended."""
    end = time.monotonic() + 5
    while running(words) and time.monotonic() < end:
        os.sched_yield()
    return not running(words)


@pytest.fixture
def seconds() -> str:
    """A time to sleep that no other process sleeps."""
    return f"600.{secrets.randbelow(10**9):09}"


def run_until_ready(
    commands: SubprocessCommands, cwd: Path, script: str, interrupt: Interruption | threading.Event
) -> CommandResult:
    """Run a script and interrupt it once it has written to the pipe `ready`."""
    os.mkfifo(cwd / "ready")

    def wait_and_set() -> None:
        (cwd / "ready").read_text()
        interrupt.set()

    other = threading.Thread(target=wait_and_set)
    other.start()
    result = commands.run(script, cwd, timeout=FOREVER, interrupt=interrupt)
    other.join()
    return result


def test_text_goes_through_a_shell_and_words_do_not(
    commands: SubprocessCommands, cwd: Path
) -> None:
    assert commands.run("echo $((1 + 2)) | cat", cwd, timeout=30).output == "3\n"
    assert commands.run(["echo", "$HOME; ls | cat"], cwd, timeout=30).output == "$HOME; ls | cat\n"


def test_output_and_errors_come_in_one_stream(commands: SubprocessCommands, cwd: Path) -> None:
    result = commands.run("echo one; echo two >&2; echo three", cwd, timeout=30)
    assert result.output == "one\ntwo\nthree\n"


def test_a_command_that_reads_gets_nothing(commands: SubprocessCommands, cwd: Path) -> None:
    assert commands.run("cat; echo end", cwd, timeout=30).output == "end\n"


def test_a_signal_is_told(commands: SubprocessCommands, cwd: Path) -> None:
    assert commands.run("kill -9 $$", cwd, timeout=30).exit_code == -9


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["no-such-program", "x y"], 127, "no-such-program 'x y': command not found\n"),
        (["./script"], 126, "./script: [Errno 13] Permission denied: './script'\n"),
        (["echo", "a\0b"], 126, "embedded null byte"),
    ],
)
def test_a_command_that_cannot_start_says_so(
    commands: SubprocessCommands, cwd: Path, words: list[str], code: int, text: str
) -> None:
    (cwd / "script").write_text("not executable")
    result = commands.run(words, cwd, timeout=30)
    assert result.exit_code == code
    assert text in result.output


def test_output_is_made_readable(commands: SubprocessCommands, cwd: Path) -> None:
    result = commands.run(r"printf '\033[31mred\033[0m \377 10%%\r\n'", cwd, timeout=30)
    assert result.output == "red \ufffd 10%\n"
    assert commands.blobs.get(result.digest) == b"\x1b[31mred\x1b[0m \xff 10%\r\n"


@pytest.mark.slow
def test_endless_output_is_bounded(commands: SubprocessCommands, cwd: Path) -> None:
    result = commands.run("echo first; yes | head -c 12000000; echo last", cwd, timeout=30)
    assert result.output.startswith("first\n")
    assert result.output.endswith("y\nlast\n")
    assert len(result.output) < commands.output_limit + 100
    assert result.cut > 11_000_000
    assert len(commands.blobs.get(result.digest)) < 10_000_100


def test_a_command_whose_time_is_over_is_ended(commands: SubprocessCommands, cwd: Path) -> None:
    result = commands.run("exec sleep 600", cwd, timeout=0.01)
    assert (result.exit_code, result.timed_out, result.interrupted) == (None, True, False)
    assert result.seconds < 30


@pytest.mark.parametrize("make", [Interruption, threading.Event])
def test_an_interrupt_from_another_thread_ends_a_command(
    commands: SubprocessCommands, cwd: Path, make: Callable[[], Interruption]
) -> None:
    script = "echo begun; echo > ready; exec sleep 600"
    result = run_until_ready(commands, cwd, script, make())
    assert (result.exit_code, result.timed_out, result.interrupted) == (None, False, True)
    assert result.output == "begun\n"
    assert result.seconds < 30


def test_an_ending_command_may_tidy_up(commands: SubprocessCommands, cwd: Path) -> None:
    script = "trap 'echo tidied; exit' TERM; echo > ready; while :; do sleep 0.01; done"
    result = run_until_ready(commands, cwd, script, Interruption())
    assert result.output.endswith("tidied\n")
    assert result.exit_code is None


@pytest.fixture(params=[True, False], ids=["namespaces", "no namespaces"])
def impatient(request: pytest.FixtureRequest, tmp_path: Path) -> SubprocessCommands:
    """Commands that have little time to end."""
    return SubprocessCommands(
        BlobStore(tmp_path / "blobs", durable=False),
        limits=CommandLimits(grace=0.05),
        policy=SandboxPolicy(namespaces=request.param),
    )


def test_a_command_that_will_not_end_is_killed(
    impatient: SubprocessCommands, cwd: Path, seconds: str
) -> None:
    script = f"trap '' TERM; echo > ready; while :; do sleep 0.01; done; sleep {seconds}"
    result = run_until_ready(impatient, cwd, script, Interruption())
    assert result.interrupted
    assert gone(f"sleep {seconds}")


@pytest.mark.parametrize(
    "start",
    [
        "sleep {} & echo begun > begun",  # in the group, holds the output open
        "sleep {} > /dev/null 2>&1 & echo begun > begun",
        "setsid sh -c 'echo begun > begun; exec sleep {}' & while ! test -s begun; do :; done",
        "setsid sh -c 'trap \"\" TERM; echo begun > begun; exec sleep {}' > /dev/null 2>&1 &"
        " while ! test -s begun; do :; done",
        "env -i setsid sh -c 'echo begun > begun; sleep {} & sleep {} & wait' > /dev/null 2>&1 &"
        " while ! test -s begun; do :; done",
    ],
    ids=["background", "silent", "own session", "own session, silent", "own environment"],
)
@pytest.mark.parametrize("end", ["exit 5", "echo > ready; exec sleep 600"])
def test_nothing_that_a_command_started_outlives_it(
    impatient: SubprocessCommands, cwd: Path, seconds: str, start: str, end: str
) -> None:
    script = f"{start.replace('{}', seconds)}\necho started; {end}"
    if "ready" in end:
        result = run_until_ready(impatient, cwd, script, Interruption())
    else:
        result = impatient.run(script, cwd, timeout=FOREVER)
    assert result.output == "started\n"
    assert result.exit_code == (5 if end == "exit 5" else None)
    assert result.seconds < 30
    assert (cwd / "begun").exists()
    assert gone(seconds)


def test_a_command_may_close_its_output_and_go_on(commands: SubprocessCommands, cwd: Path) -> None:
    result = commands.run("exec > /dev/null 2>&1; sleep 0.02; touch done; exit 4", cwd, timeout=30)
    assert result.exit_code == 4
    assert (cwd / "done").exists()


def test_no_child_and_no_pipe_is_left(commands: SubprocessCommands, cwd: Path) -> None:
    before = sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(3):
        commands.run("echo x & exit 1", cwd, timeout=30)
        commands.run("exec sleep 60", cwd, timeout=0.01)
        commands.run(["no-such-program"], cwd, timeout=30)
    assert sorted(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    children = Path(f"/proc/self/task/{threading.get_native_id()}/children")
    assert children.read_text() == ""


def test_commands_run_side_by_side(commands: SubprocessCommands, cwd: Path) -> None:
    results: list[CommandResult] = []

    def work(number: int) -> None:
        results.append(commands.run(f"echo {number}; exit {number}", cwd, timeout=30))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted((result.exit_code, result.output) for result in results) == [
        (number, f"{number}\n") for number in range(8)
    ]


def test_temporary_files_go_to_the_given_place(
    commands: SubprocessCommands, cwd: Path, tmp_path: Path
) -> None:
    tmp = tmp_path / "tmp"
    result = commands.run("touch $TMPDIR/here; echo $TMPDIR; echo $HOME", cwd, timeout=30, tmp=tmp)
    assert result.output == f"{tmp}\n{tmp}/home\n"
    assert (tmp / "here").exists()


def test_without_a_given_place_nothing_is_left(commands: SubprocessCommands, cwd: Path) -> None:
    result = commands.run("touch $TMPDIR/x; echo $TMPDIR", cwd, timeout=30)
    assert Path(result.output.strip()).parent.is_dir()
    assert not Path(result.output.strip()).exists()


def test_git_does_not_look_beyond_the_directory(commands: SubprocessCommands, cwd: Path) -> None:
    assert commands.run(["git", "init", "-q", str(cwd.parent)], cwd, timeout=30).exit_code == 0
    result = commands.run(["git", "rev-parse", "--show-toplevel"], cwd, timeout=30)
    assert result.exit_code == 128
    assert "not a git repository" in result.output


PROBE = """
import resource
for name in ("AS", "FSIZE", "NOFILE", "CORE"):
    print(resource.getrlimit(getattr(resource, "RLIMIT_" + name)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of another process are Linux only")
def test_limits_are_in_force(tmp_path: Path, cwd: Path) -> None:
    limits = CommandLimits(memory=3 << 30, file_size=1 << 20, open_files=100, processes=None)
    commands = SubprocessCommands(BlobStore(tmp_path / "blobs"), limits=limits)
    result = commands.run([sys.executable, "-S", "-c", PROBE], cwd, timeout=30)
    assert result.output.splitlines() == [
        f"({3 << 30}, {3 << 30})",
        f"({1 << 20}, {1 << 20})",
        "(100, 100)",
        "(0, 0)",
    ]


def test_a_fake_may_answer_with_a_whole_result(cwd: Path) -> None:
    answer = CommandResult(None, "", "", 3.0, timed_out=True)
    assert FakeCommands(lambda command, cwd: answer).run("x", cwd, timeout=1) == answer


def test_a_command_cannot_shut_the_folder_for_temporary_files(
    commands: SubprocessCommands, cwd: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        tmp = tmp_path / "tmp"
        result = commands.run("touch $TMPDIR/here && chmod 000 $TMPDIR", cwd, timeout=30, tmp=tmp)
        assert result.exit_code == 0
    assert commands.run("true", cwd, timeout=30, tmp=tmp).exit_code == 0
    assert tmp.stat().st_mode & 0o777 == 0o700
