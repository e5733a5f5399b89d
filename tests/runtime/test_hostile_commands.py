"""Commands that mean harm, as an agent's code could: each is stopped or bounded.

Every kind of harm is also tried with all walls down, where it must succeed: so a wall that stops
it here is what stops it. All of it is aimed at files and processes that the tests made.
"""

from __future__ import annotations

import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator import Context, Limits, Plan, Task, run
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.commands import CommandResult, SubprocessCommands
from orchestrator.runtime.enforcement import probe
from orchestrator.runtime.landlock import version
from orchestrator.runtime.namespaces import own_pid_max
from orchestrator.runtime.processes import CommandLimits
from orchestrator.runtime.sandbox import SandboxPolicy

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux only")

BOTH = SandboxPolicy()
LANDLOCK = SandboxPolicy(namespaces=False)
NAMESPACES = SandboxPolicy(landlock=False)
NOTHING = SandboxPolicy(namespaces=False, landlock=False)
WALLS = {"both": BOTH, "landlock": LANDLOCK, "namespaces": NAMESPACES}
SMALL = CommandLimits(file_size=4 << 20, processes=64, disk=20 << 20, output=4 << 20, grace=0.05)

needs_landlock = pytest.mark.skipif(not version(), reason="this kernel has no Landlock")
needs_namespaces = pytest.mark.skipif(
    not probe().namespaces, reason=f"there are no namespaces here: {probe().why_not}"
)
each_wall = pytest.mark.parametrize(
    "walls",
    [
        pytest.param(BOTH, id="both", marks=needs_landlock),
        pytest.param(LANDLOCK, id="landlock", marks=needs_landlock),
        pytest.param(NAMESPACES, id="namespaces", marks=needs_namespaces),
    ],
)
with_and_without = pytest.mark.parametrize(
    "walls", [pytest.param(BOTH, id="confined"), pytest.param(NOTHING, id="not confined")]
)


@dataclass(frozen=True)
class Place:
    """A run's directories, a home, and a worker's copy in which commands run."""

    root: Path

    @property
    def copy(self) -> Path:
        return self.root / "run" / "copies" / "w1"

    @property
    def targets(self) -> list[Path]:
        names = (
            "shared/code.py", "home/notes.txt", "home/.ssh/id", "run/events.db",
            "run/blobs/ab/cd", "run/copies/w2/code.py",
        )  # fmt: skip
        return [self.root / name for name in names]

    def look(self) -> dict[str, object]:
        """Return everything about all files outside the copy that a command could change."""
        found: dict[str, object] = {}
        for path in sorted(self.root.rglob("*")):
            if not path.is_relative_to(self.copy) and not path.is_relative_to(f"{self.copy}.tmp"):
                info = path.lstat()
                content = path.read_bytes() if path.is_file() else b""
                about = (info.st_mode, info.st_nlink, info.st_uid, info.st_mtime_ns, info.st_ino)
                found[str(path)] = (content, *about)
        return found

    def run(
        self,
        command: str | list[str],
        walls: SandboxPolicy,
        limits: CommandLimits = SMALL,
        timeout: float = 60,
    ) -> CommandResult:
        blobs = BlobStore(self.root.parent / "outputs", durable=False)
        commands = SubprocessCommands(blobs, limits=limits, policy=walls)
        return commands.run(command, self.copy, timeout=timeout, tmp=Path(f"{self.copy}.tmp"))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    made = Place(tmp_path / "place")
    for path in [*made.targets, made.copy / "code.py"]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"secret of {path.name}\n")
    Path(f"{made.copy}.tmp").mkdir()
    monkeypatch.setenv("HOME", str(made.root / "home"))
    return made


def python(code: str, *words: object) -> list[str]:
    """Return the words of a command that runs some code."""
    return [sys.executable, "-I", "-S", "-c", textwrap.dedent(code), *map(str, words)]


@pytest.fixture
def victim() -> Iterator[subprocess.Popen[bytes]]:
    """A process of the same user that holds an API key."""
    environment = {**os.environ, "ANTHROPIC_API_KEY": "key-in-the-environment"}
    words = [sys.executable, "-I", "-S", "-c", "import time; print(flush=True); time.sleep(600)"]
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


@needs_landlock
def test_where_the_kernel_has_landlock_it_is_used() -> None:
    assert probe().landlock == version() > 0


# --- writing ----------------------------------------------------------------------------------

WRITE = """
import os, sys
copy = os.getcwd()
def attempt(name, deed):
    try:
        deed()
        print("did", name)
    except OSError as error:
        print("could not", name, error.strerror)
for number, target in enumerate(sys.argv[1:]):
    folder, mine = os.path.dirname(target), f"{copy}/mine{number}"
    def overwrite():
        with open(target, "r+") as file: file.write("hacked")
    def replace():
        with open(mine, "w") as file: file.write("hacked")
        os.rename(mine, target)
    def through_a_link():
        os.symlink(target, mine + "s")
        with open(mine + "s", "a") as file: file.write("hacked")
    def through_a_hard_link():
        os.link(target, mine + "h")
        with open(mine + "h", "a") as file: file.write("hacked")
    def steal():
        os.rename(target, mine + "t")
    attempt("overwrite", overwrite)
    attempt("truncate", lambda: os.truncate(target, 0))
    attempt("make a file", lambda: open(folder + "/new", "x"))
    attempt("make a folder", lambda: os.mkdir(folder + "/folder"))
    attempt("make a link", lambda: os.symlink("/", folder + "/link"))
    attempt("follow a link", through_a_link)
    attempt("follow a hard link", through_a_hard_link)
    attempt("replace", replace)
    attempt("take away", steal)
    attempt("remove", lambda: os.unlink(target))
    attempt("remove a folder", lambda: os.rmdir(folder))
print("alive")
"""


@each_wall
def test_nothing_outside_the_copy_can_be_changed(place: Place, walls: SandboxPolicy) -> None:
    before = place.look()
    result = place.run(python(WRITE, *place.targets), walls)
    assert place.look() == before
    assert result.exit_code == 0
    assert result.output.endswith("alive\n")


def test_without_walls_all_of_it_can_be_changed(place: Place) -> None:
    result = place.run(python(WRITE, *place.targets), NOTHING)
    assert not any(target.exists() for target in place.targets)
    assert "could not overwrite" not in result.output


METADATA = """
import os, sys
for target in sys.argv[1:]:
    for deed in (
        lambda: os.chmod(target, 0o777), lambda: os.utime(target, (0, 0)),
        lambda: os.chown(target, os.getuid(), os.getgid()),
        lambda: os.setxattr(target, "user.x", b"x"),
    ):
        try: deed()
        except OSError as error: print(error.strerror)
"""


@needs_namespaces
@with_and_without
def test_mode_owner_and_times_outside_cannot_be_changed(place: Place, walls: SandboxPolicy) -> None:
    before = place.look()
    place.run(python(METADATA, *place.targets), walls)
    assert (place.look() == before) == (walls is BOTH)


@needs_namespaces
def test_the_machine_itself_is_unchangeable(place: Place) -> None:
    code = """
    import os
    for name in ("/usr", "/etc", "/etc/passwd", "/", "/dev"):
        info = os.stat(name)
        for deed in (lambda: os.chmod(name, info.st_mode & 0o7777), lambda: os.utime(name)):
            try: deed()
            except OSError as error: print(error.strerror)
    """
    result = place.run(python(code), NAMESPACES)
    assert result.output == "Read-only file system\n" * 10


# --- reading ----------------------------------------------------------------------------------


@each_wall
def test_nothing_private_can_be_read(place: Place, walls: SandboxPolicy) -> None:
    names = shlex.join(map(str, place.targets))
    result = place.run(f"cat code.py {names}; ls {place.root} {place.root}/home", walls)
    assert result.output.startswith("secret of code.py\n")
    assert result.output.count("secret") == 1
    assert "notes.txt\n" not in result.output.replace(str(place.root / "home/notes.txt"), "")


def test_without_walls_all_of_it_can_be_read(place: Place) -> None:
    names = shlex.join(map(str, place.targets))
    assert place.run(f"cat code.py {names}", NOTHING).output.count("secret") == 7


KEY = """
import glob, os, re, sys
needle = b"key-in-the-" + b"environment"
found = set()
if needle in b"".join(os.environb.values()): found.add("own environment")
for folder in [f"/proc/{sys.argv[1]}", f"/proc/{os.getppid()}", *glob.glob("/proc/[0-9]*")]:
    if folder == f"/proc/{os.getpid()}": continue
    try:
        if needle in open(folder + "/environ", "rb").read(): found.add("environ")
    except OSError: pass
try:
    with open(f"/proc/{sys.argv[1]}/maps") as maps, open(f"/proc/{sys.argv[1]}/mem", "rb") as mem:
        for line in maps:
            if "[stack]" in line:
                start, end = (int(x, 16) for x in line.split()[0].split("-"))
                mem.seek(start)
                if needle in mem.read(end - start): found.add("mem")
except OSError: pass
print("found", sorted(found))
"""


@each_wall
def test_the_api_key_cannot_be_read(
    place: Place,
    walls: SandboxPolicy,
    victim: subprocess.Popen[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "key-in-the-environment")
    assert place.run(python(KEY, victim.pid), walls).output == "found []\n"


def test_without_walls_a_user_can_read_the_api_key_from_another_process(
    place: Place, victim: subprocess.Popen[bytes]
) -> None:
    # Commands of root have lost the capabilities without which the kernel refuses this.
    found = [] if os.geteuid() == 0 else ["environ", "mem"]
    assert place.run(python(KEY, victim.pid), NOTHING).output == f"found {found}\n"


@each_wall
def test_the_run_itself_cannot_be_traced(place: Place, walls: SandboxPolicy) -> None:
    code = """
    import ctypes, os, sys
    c = ctypes.CDLL(None, use_errno=True)
    for process in map(int, sys.argv[1:]):
        result = c.ptrace(16, process, 0, 0)  # PTRACE_ATTACH
        print(process, result)
    print(c.ptrace(16, os.getppid(), 0, 0))
    """
    result = place.run([sys.executable, "-I", "-c", textwrap.dedent(code), str(os.getpid())], walls)
    assert result.output == f"{os.getpid()} -1\n-1\n"


# --- other processes --------------------------------------------------------------------------

KILL = """
import os, signal, sys
for process in (int(sys.argv[1]), os.getppid()):
    try: os.kill(process, signal.SIGKILL)
    except OSError as error: print(error.strerror)
print("alive")
"""


@pytest.mark.parametrize(
    "walls",
    [
        pytest.param(BOTH, id="both", marks=needs_namespaces),
        pytest.param(NAMESPACES, id="namespaces", marks=needs_namespaces),
        pytest.param(
            LANDLOCK,
            id="landlock",
            marks=pytest.mark.skipif(version() < 6, reason="Landlock here cannot stop signals"),
        ),
    ],
)
def test_no_other_process_can_be_killed(
    place: Place, walls: SandboxPolicy, victim: subprocess.Popen[bytes]
) -> None:
    result = place.run(python(KILL, victim.pid), walls)
    assert victim.poll() is None
    assert result.output.endswith("alive\n")
    assert result.exit_code == 0


def test_without_walls_a_command_kills_what_it_likes_and_the_next_one_runs(
    place: Place, victim: subprocess.Popen[bytes]
) -> None:
    result = place.run(python(KILL, victim.pid), NOTHING)
    assert victim.wait(30) == -signal.SIGKILL
    assert result.exit_code not in (0, None)
    assert place.run("echo fine", NOTHING).output == "fine\n"


DAEMON = """
import os, signal, sys, time
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT): signal.signal(number, signal.SIG_IGN)
for _ in range(2):
    if os.fork(): os._exit(0)
    os.setsid()
for number in range(3): os.close(number)
os.execve(sys.executable, [sys.executable, "-I", "-S", "-c",
    "import time; open('daemon', 'w').write('up'); time.sleep(600)", sys.argv[1]], {})
"""


@pytest.mark.parametrize("walls", [pytest.param(BOTH, id="both"), LANDLOCK, NAMESPACES, NOTHING])
def test_no_daemon_stays(place: Place, walls: SandboxPolicy) -> None:
    name = secrets.token_hex(8)
    start = shlex.join(python(DAEMON, name))
    result = place.run(f"{start}; while ! test -s daemon; do :; done; echo up", walls)
    assert result.output == "up\n"
    end = time.monotonic() + 5
    while (left := running(name)) and time.monotonic() < end:
        os.sched_yield()
    assert not left


def running(word: str) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if word.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


# --- without end ------------------------------------------------------------------------------

FILL = """
import os, sys
for number in range(60):  # 240 MB and no more, should nothing stop it
    with open(f"{sys.argv[1]}/big{number}", "wb") as file:
        try:
            for _ in range(8): file.write(b"x" * (1 << 20))
        except OSError: pass
        if len(sys.argv) > 2: os.unlink(file.name); globals()[f"f{number}"] = os.dup(file.fileno())
        os.fsync(file.fileno())
print("all written")
"""


@pytest.mark.slow
@pytest.mark.parametrize("walls", [BOTH, NOTHING], ids=["confined", "not confined"])
@pytest.mark.parametrize("where", [".", "$TMPDIR", ". unlinked"])
def test_the_disk_is_not_filled(place: Place, walls: SandboxPolicy, where: str) -> None:
    command = f"{shlex.join(python(FILL))} {where}; exec sleep 600"
    result = place.run(command, walls)
    assert result.exit_code is None
    assert result.exceeded == "its files took more than the 20 MiB that they may take"
    assert "[ended: its files took more" in result.output
    assert place.run("echo fine", walls).output == "fine\n"


def test_no_file_grows_over_the_limit(place: Place) -> None:
    place.run("head -c 9000000 /dev/zero > big", BOTH)
    assert (place.copy / "big").stat().st_size == SMALL.file_size


BOMB = """
import os, signal
for _ in range(9):  # 512 processes and no more, should nothing stop it
    try: os.fork()
    except OSError: pass
while True: signal.pause()
"""


@pytest.mark.slow
@pytest.mark.parametrize("walls", [BOTH, NOTHING], ids=["confined", "not confined"])
@pytest.mark.parametrize("disguise", ["", "setsid env -i "])
def test_processes_are_bounded(place: Place, walls: SandboxPolicy, disguise: str) -> None:
    name = secrets.token_hex(8)
    result = place.run(f"{disguise}{shlex.join(python(BOMB, name))}", walls)
    assert result.exit_code is None
    assert result.exceeded == "it had 64 processes at a time, which is the limit"
    end = time.monotonic() + 5
    while (left := running(name)) and time.monotonic() < end:
        os.sched_yield()
    assert not left


def test_the_kernel_bounds_processes_between_looks(place: Place) -> None:
    code = """
    import resource
    print(resource.getrlimit(resource.RLIMIT_NPROC)[0], open("/proc/sys/kernel/pid_max").read())
    """
    user, machine = place.run(python(code), BOTH).output.split()
    if os.geteuid() != 0:
        assert int(user) == 4 * 64 + 2  # threads, and the two processes around the command
    elif probe().namespaces and own_pid_max():
        assert int(machine) == 4 * 64 + 301
    assert int(Path("/proc/sys/kernel/pid_max").read_text()) > 4 * 64 + 301


def test_printing_without_end_is_ended(place: Place) -> None:
    result = place.run("yes", BOTH)
    assert result.exit_code is None
    assert result.exceeded == "it printed more than 4 MiB"
    assert result.output.startswith("y\n")
    assert result.output.endswith("[ended: it printed more than 4 MiB]\n")


def test_memory_is_bounded(place: Place) -> None:
    limits = CommandLimits(memory=1 << 30)
    result = place.run(python("b'x' * (2 << 30)"), BOTH, limits)
    assert result.exit_code == 1
    assert "MemoryError" in result.output


@pytest.mark.slow
def test_running_without_end_is_ended(place: Place) -> None:
    result = place.run("while :; do :; done", BOTH, timeout=0.5)
    assert (result.exit_code, result.timed_out) == (None, True)


# --- ways around ------------------------------------------------------------------------------

ROOTS_WAYS = """
import ctypes, os
c = ctypes.CDLL(None, use_errno=True)
for flags in (0x10000000, 0x00020000, 0x40000000): c.unshare(flags)
c.mount(b"none", os.getcwd().encode(), b"tmpfs", 0, None)
c.mount(None, b"/", None, 32 | 4096, None)
c.umount2(b"/proc", 2)
for name in ("w2", "root"):
    try: os.mknod(name, 0o60600, os.makedev(*divmod(os.stat("/usr").st_dev, 256)))
    except OSError: pass
try: os.chroot("..")
except OSError: pass
for pid in range(1, 4):
    for space in ("mnt", "user", "pid"):
        try: c.setns(os.open(f"/proc/{pid}/ns/{space}", os.O_RDONLY), 0)
        except OSError: pass
"""


@each_wall
def test_mounting_and_other_ways_of_root_lead_nowhere(place: Place, walls: SandboxPolicy) -> None:
    before = place.look()
    code = textwrap.dedent(ROOTS_WAYS) + WRITE
    result = place.run([sys.executable, "-I", "-c", code, *map(str, place.targets)], walls)
    assert result.output.endswith("alive\n")
    assert place.look() == before
    assert not any(path.is_block_device() for path in place.copy.iterdir())


# --- the network ------------------------------------------------------------------------------

CONNECT = """
import socket, sys
made = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5) if sys.argv[1:] else None
print("connected" if made else "")
"""


@pytest.fixture
def server() -> Iterator[int]:
    """A port on which this machine listens."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made.getsockname()[1]


def connects(place: Place, port: int, walls: SandboxPolicy) -> bool:
    code = textwrap.dedent(CONNECT)
    result = place.run([sys.executable, "-I", "-c", code, str(port)], walls)
    return result.output == "connected\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    "walls",
    [
        pytest.param(BOTH, id="both", marks=needs_namespaces),
        pytest.param(NAMESPACES, id="namespaces", marks=needs_namespaces),
        pytest.param(
            LANDLOCK,
            id="landlock",
            marks=pytest.mark.skipif(version() < 4, reason="Landlock here does not know of TCP"),
        ),
    ],
)
def test_the_network_is_out_of_reach_unless_allowed(
    place: Place, server: int, walls: SandboxPolicy
) -> None:
    assert not connects(place, server, walls)
    allowed = SandboxPolicy(True, (), walls.landlock, walls.namespaces)
    assert connects(place, server, allowed)


@needs_namespaces
@with_and_without
def test_sockets_of_other_programs_are_out_of_reach(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, walls: SandboxPolicy
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
    with socket.socket(socket.AF_UNIX) as named, socket.socket(socket.AF_UNIX) as abstract:
        named.bind("agent")
        abstract.bind("\0" + name)
        named.listen()
        abstract.listen()
        words = [sys.executable, "-I", "-c", textwrap.dedent(code), str(tmp_path / "agent"), name]
        result = place.run(words, walls)
    assert result.output == ("refused\n" if walls is BOTH else "connected\n") * 2


# --- whole runs -------------------------------------------------------------------------------


def plan_with(tmp_path: Path, test: str) -> Plan:
    """Return a plan with a task whose test means harm, and two that do not know of it."""
    work = tmp_path / "work"
    work.mkdir()
    tasks = []
    for name in ("good", "bad", "later"):
        (work / f"{name}.txt").write_text("old\n")
        tasks.append(
            Task(
                id=name,
                depends_on=("good",) if name == "later" else (),
                writes=(f"{name}.txt",),
                role="implementer",
                test=test if name == "bad" else f"test `cat {name}.txt` = new",
            )
        )
    limits = Limits(attempts=1, workers=2)
    return Plan(name="hostile", tasks=tuple(tasks), workspace=work, base=tmp_path, limits=limits)


def write_new(context: Context) -> None:
    context.write(f"{context.task.id}.txt", "new")


@pytest.mark.slow
@needs_landlock
def test_a_run_goes_on_beside_a_test_that_attacks_it(
    tmp_path: Path, victim: subprocess.Popen[bytes]
) -> None:
    deeds = [
        "echo hacked > ../../events.db",
        "rm -rf ../../blobs ../../copies",
        f"echo hacked > {tmp_path}/work/good.txt",
        f"kill -9 {os.getpid()} {victim.pid}" if version() >= 6 or probe().namespaces else "true",
        "(setsid sleep 600 > /dev/null 2>&1 &)",
        "cat /proc/*/environ | grep -a key-in-the-env && touch stolen",
    ]
    plan = plan_with(tmp_path, "; ".join([*deeds, "exit 1"]))
    result = run(plan, work=write_new, workers=2)
    states = {name: task.state.value for name, task in result.tasks.items()}
    assert states == {"good": "succeeded", "bad": "failed", "later": "succeeded"}
    assert (tmp_path / "work" / "good.txt").read_text() == "new"
    assert (tmp_path / "work" / "bad.txt").read_text() == "old\n"
    assert victim.poll() is None


@pytest.mark.slow
@pytest.mark.parametrize("harm", [BOMB, FILL, "while True: print('x' * 4096)"])
def test_a_run_goes_on_beside_a_test_without_end(tmp_path: Path, harm: str) -> None:
    plan = plan_with(tmp_path, f"{shlex.join(python(harm))} . ; exec sleep 600")
    commands = SubprocessCommands(BlobStore(tmp_path / "outputs", durable=False), limits=SMALL)
    result = run(plan, work=write_new, workers=2, commands=commands)
    states = {name: task.state.value for name, task in result.tasks.items()}
    assert states == {"good": "succeeded", "bad": "failed", "later": "succeeded"}
