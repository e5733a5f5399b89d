"""What commands can still do in the sandbox, and what is said about what it cannot enforce."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
import venv
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import UsageError
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.commands import CommandResult, SubprocessCommands
from orchestrator.runtime.enforcement import Enforcement, probe
from orchestrator.runtime.sandbox import SandboxPolicy

EXAMPLE = Path(__file__).parents[2] / "examples" / "minisql"

each_wall = pytest.mark.parametrize(
    "walls",
    [
        SandboxPolicy(),
        SandboxPolicy(namespaces=False),
        SandboxPolicy(landlock=False),
        SandboxPolicy(namespaces=False, landlock=False),
    ],
    ids=["both", "landlock", "namespaces", "neither"],
)
needs_namespaces = pytest.mark.skipif(
    not probe().namespaces, reason=f"there are no namespaces here: {probe().why_not}"
)


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    (tmp_path / "copy").mkdir()
    return tmp_path / "copy"


def run(
    cwd: Path,
    command: str | list[str],
    walls: SandboxPolicy,
    environment: dict[str, str] | None = None,
) -> CommandResult:
    blobs = BlobStore(cwd.parent / "outputs", durable=False)
    commands = SubprocessCommands(blobs, environment=environment, policy=walls)
    return commands.run(command, cwd, timeout=60)


def needs(name: str) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")


# --- what works -------------------------------------------------------------------------------


@pytest.mark.slow
@each_wall
def test_pytest_runs(cwd: Path, walls: SandboxPolicy) -> None:
    shutil.copytree(EXAMPLE / "solution", cwd, dirs_exist_ok=True)
    (cwd / "tests").mkdir(exist_ok=True)
    shutil.copy(EXAMPLE / "project" / "tests" / "test_lexer.py", cwd / "tests")
    result = run(cwd, "python -m pytest -q tests/test_lexer.py", walls)
    assert result.exit_code == 0, result.output
    assert " passed" in result.output


@pytest.mark.slow
@each_wall
def test_a_compiler_and_git_run(cwd: Path, walls: SandboxPolicy) -> None:
    needs("cc")
    needs("git")
    (cwd / "main.c").write_text('#include <stdio.h>\nint main(void) { puts("compiled"); }\n')
    script = """
    cc main.c -o main && ./main && git init -q . && git add main.c &&
    git -c user.name=a -c user.email=a@b commit -qm one && git log --format=%s
    """
    assert run(cwd, textwrap.dedent(script), walls).output == "compiled\none\n"


@pytest.mark.slow
@each_wall
def test_node_runs(cwd: Path, walls: SandboxPolicy) -> None:
    needs("node")
    (cwd / "a.test.js").write_text("require('node:test').test('a', () => {})\n")
    result = run(cwd, "node --test", walls)
    assert result.exit_code == 0, result.output


@each_wall
def test_files_can_be_made_moved_linked_and_removed(cwd: Path, walls: SandboxPolicy) -> None:
    script = """
    set -e
    mkdir -p a/b c; echo x > a/b/f; mv a/b/f c/g; ln c/g a/h; ln -s ../c/g a/s; cat a/s
    mkfifo a/p; rm a/p; chmod 600 c/g; touch -d @0 c/g; rm -r a; : > c/g
    echo $TMPDIR > where; echo x > "$TMPDIR/t"; mv "$TMPDIR/t" c/t; ls c; : > /dev/null
    """
    assert run(cwd, textwrap.dedent(script), walls).output == "x\ng\nt\n"


@pytest.mark.slow
@each_wall
def test_locks_between_processes_work(cwd: Path, walls: SandboxPolicy) -> None:
    code = """
    from concurrent.futures import ProcessPoolExecutor
    if __name__ == "__main__":
        with ProcessPoolExecutor(2) as pool: print(sum(pool.map(abs, [-1, -2])))
    """
    (cwd / "pool.py").write_text(textwrap.dedent(code))
    assert run(cwd, "python pool.py", walls).output == "3\n"


@needs_namespaces
def test_a_server_on_the_loopback_can_be_reached(cwd: Path) -> None:
    code = """
    import socket
    for host in ("127.0.0.1", "localhost"):
        with socket.create_server((host, 0)) as server:
            with socket.create_connection(server.getsockname()): print("reached")
    """
    result = run(cwd, [sys.executable, "-c", textwrap.dedent(code)], SandboxPolicy())
    assert result.output == "reached\nreached\n"


@needs_namespaces
def test_a_terminal_can_be_made(cwd: Path) -> None:
    code = "import os, pty; a, b = pty.openpty(); print(os.ttyname(b))"
    result = run(cwd, [sys.executable, "-c", code], SandboxPolicy())
    assert result.output == "/dev/pts/0\n"


@needs_namespaces
def test_tmp_is_there_and_private(cwd: Path) -> None:
    result = run(
        cwd, "echo mine > /tmp/orchestrator-test; cat /tmp/orchestrator-test", SandboxPolicy()
    )
    assert result.output == "mine\n"
    assert not Path("/tmp/orchestrator-test").exists()


@needs_namespaces
def test_the_first_process_takes_in_orphans(cwd: Path) -> None:
    needs("ps")
    script = """
    for i in 1 2 3; do (sh -c 'exit 0' &); done
    while ps -e -o stat= | grep -q Z; do :; done; echo none
    """
    assert run(cwd, script, SandboxPolicy()).output == "none\n"


@each_wall
def test_the_end_of_a_command_is_told_exactly(cwd: Path, walls: SandboxPolicy) -> None:
    assert run(cwd, "exit 3", walls).exit_code == 3
    assert run(cwd, "kill -9 $$", walls).exit_code == -9
    assert run(cwd, "kill -15 $$", walls).exit_code == -15
    assert run(cwd, ["missing"], walls).exit_code == 127
    assert run(cwd, [str(cwd)], walls).exit_code == 126


@each_wall
def test_signals_are_as_they_are_elsewhere(cwd: Path, walls: SandboxPolicy) -> None:
    result = run(cwd, "grep -E 'Sig(Ign|Blk)' /proc/self/status", walls)
    plain = subprocess.run(
        ["grep", "-E", "Sig(Ign|Blk)", "/proc/self/status"],
        capture_output=True,
        check=True,
        text=True,
    )
    assert result.output == plain.stdout


# --- what is granted --------------------------------------------------------------------------


@each_wall
def test_a_linked_environment_runs_and_cannot_be_changed(
    tmp_path: Path, cwd: Path, walls: SandboxPolicy
) -> None:
    shared = tmp_path / "shared" / ".venv"
    venv.create(shared, with_pip=False, symlinks=True)
    (tmp_path / "shared" / "code.py").write_text("secret")
    (cwd / ".venv").symlink_to(shared)
    script = "python -c 'import sys; print(sys.prefix)'; cat .venv/../code.py; touch .venv/x"
    result = run(cwd, script, replace(walls, read=(shared,)))
    assert result.output.startswith(f"{shared}\n") or str(cwd / ".venv") in result.output
    if walls.landlock or walls.namespaces:
        assert "secret" not in result.output
        assert not (shared / "x").exists()


@each_wall
def test_tools_in_a_home_can_be_used_and_the_rest_not(
    tmp_path: Path, cwd: Path, walls: SandboxPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    for name, text in {
        ".local/bin/one": '#!/bin/sh\necho one; cat "$(dirname "$0")/../lib/one.txt"',
        ".local/lib/one.txt": "library",
        ".local/share/keyrings/secret": "secret",
        ".local/share/two/bin/two": '#!/bin/sh\necho two; cat "${0%/*}/../share/two/lib/two.txt"',
        ".local/share/two/lib/two.txt": "other library",
        ".cargo/credentials.toml": "secret",
        ".cargo/bin/three": "#!/bin/sh\necho three",
        ".ssh/id": "secret",
        "bin/four": "#!/bin/sh\necho four",
    }.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(f"{text}\n")
        (home / name).chmod(0o755)
    (home / ".local/bin/two").symlink_to(home / ".local/share/two/bin/two")
    monkeypatch.setenv("HOME", str(home))
    path = ":".join(str(home / name) for name in (".local/bin", ".cargo/bin", "bin", ""))
    script = f"one; two; three; four; cat {home}/.ssh/id {home}/.cargo/cred* "
    script += f"{home}/.local/share/keyrings/secret"
    result = run(cwd, script, walls, {"PATH": f"/usr/bin:/bin:{path}"})
    expected = "one\nlibrary\ntwo\nother library\nthree\nfour\n"
    assert result.output.startswith(expected)
    assert result.output.count("secret\n") == (0 if walls.landlock or walls.namespaces else 3)


@each_wall
def test_more_may_be_read_where_the_policy_says_so(
    tmp_path: Path, cwd: Path, walls: SandboxPolicy
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "set.csv").write_text("1,2\n")
    (tmp_path / "link").symlink_to("data")
    (tmp_path / "beside").write_text("hidden")
    allowed = replace(walls, read=(tmp_path / "link", tmp_path / "absent"))
    result = run(cwd, "cat ../link/set.csv; echo x >> ../link/set.csv; cat ../beside", allowed)
    assert result.output.startswith("1,2\n")
    if walls.landlock or walls.namespaces:
        assert "hidden" not in result.output
        assert (tmp_path / "data" / "set.csv").read_text() == "1,2\n"


@each_wall
def test_a_copy_behind_a_link_is_no_hindrance(tmp_path: Path, walls: SandboxPolicy) -> None:
    (tmp_path / "real" / "copy").mkdir(parents=True)
    (tmp_path / "way").symlink_to("real")
    result = run(tmp_path / "way" / "copy", "echo x > f; pwd; cat $PWD/f", walls)
    assert result.output == f"{tmp_path}/way/copy\nx\n"


@pytest.mark.parametrize("path", ["/", "/tmp", "/dev/shm", "/proc", "/dev"])
def test_what_is_kept_apart_for_each_command_cannot_be_granted(path: str) -> None:
    with pytest.raises(UsageError, match=f"all of {path}"):
        SandboxPolicy(read=(Path(path),))


def test_what_a_copy_links_may_be_read_unless_it_is_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home" / "me"))
    (tmp_path / "venv").mkdir()
    for name, target in {"root": "/", "above": "home", "devices": "/dev"}.items():
        (tmp_path / name).symlink_to(target)
    links = {name: str(tmp_path / name) for name in ("venv", "root", "above", "devices")}
    policy = SandboxPolicy.for_links(links | {"inside": "other/file"})
    assert policy.read == (tmp_path / "venv",)


def test_root_keeps_only_what_concerns_files_and_users(cwd: Path) -> None:
    result = run(cwd, "grep CapEff /proc/self/status", SandboxPolicy())
    kept = int(result.output.split()[1], 16)
    assert kept == (0b10011111011 if os.geteuid() == 0 else 0)


# --- what is said -----------------------------------------------------------------------------


def test_where_all_is_enforced_nothing_is_said() -> None:
    assert Enforcement(landlock=7, namespaces=True).notices() == ()
    assert Enforcement(landlock=0, namespaces=True).notices() == ()
    assert Enforcement(landlock=7, namespaces=True, network=True).notices() == ()


@pytest.mark.parametrize(
    ("landlock", "gaps", "not_gaps"),
    [
        (0, ["change your files", "API key", "end your processes", "use the network"], ["UDP"]),
        (2, ["empty any file", "end your processes", "use the network"], ["API key", "UDP"]),
        (4, ["mode, owner and times", "end your processes", "UDP"], ["empty", "read your files"]),
        (6, ["mode, owner and times", "UDP", "sockets"], ["end your processes", "API key"]),
    ],
)
def test_what_is_not_enforced_is_said_once_and_why(
    landlock: int, gaps: list[str], not_gaps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    (notice,) = Enforcement(landlock, why_not="unshare: Operation not permitted").notices()
    assert all(gap in notice for gap in gaps)
    assert not any(gap in notice for gap in not_gaps)
    assert "unshare: Operation not permitted" in notice
    assert "virtual machine" in notice


def test_a_policy_says_what_it_switches_off() -> None:
    off = SandboxPolicy(landlock=False, namespaces=False, network=True).enforced()
    assert (off.landlock, off.namespaces, off.network) == (0, False, True)
    assert "switched off" in off.notices()[0]
    assert "network" not in off.notices()[0]


@pytest.mark.slow
def test_a_sandbox_works_within_a_sandbox(cwd: Path) -> None:
    code = """
    import sys, tempfile
    from pathlib import Path
    sys.path.insert(0, sys.argv[1])
    from orchestrator.runtime.blobs import BlobStore
    from orchestrator.runtime.commands import SubprocessCommands
    commands = SubprocessCommands(BlobStore(Path("blobs")))
    print(commands.sandbox.enforced.landlock)
    print(commands.run("echo inner; touch ../outside", Path("inner").absolute(), timeout=60).output)
    """
    package = Path(__file__).parents[2]
    (cwd / "inner").mkdir()
    words = [sys.executable, "-c", textwrap.dedent(code), str(package)]
    result = run(cwd, words, SandboxPolicy(read=(package,)))
    assert result.output.startswith(f"{probe().landlock}\ninner\n"), result.output
    assert (cwd / "outside").exists() == (probe().landlock == 0)


def test_what_is_told_of_this_machine_is_what_was_tried(tmp_path: Path) -> None:
    commands = SubprocessCommands(BlobStore(tmp_path / "blobs"))
    assert commands.notices() == probe().notices()
    assert commands.sandbox.enforced == probe()
