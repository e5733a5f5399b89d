"""The small process between this program and a command: it confines, starts, watches, reports.

Confinement binds the calling thread and its children for ever and cannot be done safely between
fork and exec of a program with threads. So each command is started by a fresh interpreter, which
runs nothing but this module and its siblings, without the package around them.

::

    orchestrator ── socket ── launcher ── warden (first process of the namespace) ── command
                  request →              the warden watches and ends what is left
                  ← report

Without namespaces, launcher and warden are one process. Neither is confined itself, and the
command can neither signal nor trace them.
"""

from __future__ import annotations

import ctypes
import marshal
import os
import resource
import select
import sys

from orchestrator.runtime import landlock, namespaces, seccomp, usage
from orchestrator.runtime.syscalls import call

TYPE_CHECKING = False  # importing `typing` would take as long as all the rest
if TYPE_CHECKING:
    from typing import Any, NoReturn

_GLANCE = 100  # milliseconds between looks at what no limit of the kernel bounds
_THREADS = 4  # for each process: the kernel counts threads
_MEMORY = 256 << 20  # bytes in /tmp and in /dev/shm

_TERM, _PIPE, _FILE_SIZE, _KILL = 15, 13, 25, 9
_DEFAULT, _IGNORE = 0, 1
_DIE_WITH_PARENT, _DUMPABLE, _BOUNDING_DROP, _SUBREAPER, _NO_NEW_PRIVS = 1, 4, 24, 36, 38  # prctl

# What root keeps: what concerns files and users. Not devices, networks, clocks, modules, mounts,
# tracing, or opening files by handle.
_CHOWN, _OVERRIDE, _OWNER, _SET_ID, _KILL_ANY, _SETGID, _SETUID, _BIND_LOW = 0, 1, 3, 4, 5, 6, 7, 10
_KEPT = (_CHOWN, _OVERRIDE, _OWNER, _SET_ID, _KILL_ANY, _SETGID, _SETUID, _BIND_LOW)
_CAPABILITIES = 64

_DEVICES = [f"/dev/{name}" for name in namespaces.DEVICES]

_LINUX = sys.platform == "linux"


def main() -> NoReturn:
    """Read a request from standard input, carry it out, and end.

    The request is a marshalled dictionary; its keys are the fields of `launching.Request`.
    The report is lines of text: ``failed ERRNO MESSAGE``, ``ended STATUS``, ``exceeded REASON``.
    """
    control = os.dup(0)  # not inherited by the command
    nothing = os.open(os.devnull, os.O_RDWR)
    with os.fdopen(0, "rb", closefd=False) as file:
        request = marshal.load(file)
    os.dup2(nothing, 0)
    try:
        _prepare()
        confined = request["namespaces"]
        ordinary = namespaces.enter(request["network"]) if confined else os.getuid() != 0
        _die_with(request["parent"])
        if confined and (warden := os.fork()):
            os.close(control)
            _close_output(nothing)
            os.waitpid(warden, 0)
            os._exit(0)
        if confined:
            _furnish(request)
        child = _start(request, control, ordinary)
    except OSError as error:
        _report(control, f"failed {error.errno or 0} {error}")
        os._exit(1)
    _close_output(nothing)
    _report(control, _watch(child, request))
    if _LINUX and not confined:  # in a namespace, the kernel does it
        usage.end_descendants(os.getpid())
    os._exit(0)


def _prepare() -> None:
    ctypes.CDLL(None).signal(_TERM, _IGNORE)  # meant for the command
    if not _LINUX:
        return
    call("prctl", _SUBREAPER, 1, 0, 0, 0)
    # When memory runs out, the kernel is to end the command, not the run.
    try:
        with open("/proc/self/oom_score_adj", "wb") as file:  # noqa: PTH123
            file.write(b"1000")
    except OSError:  # in a sandbox within a sandbox
        return


def _die_with(parent: int) -> None:
    """End at once when the process that started this one ends, however that happens."""
    if _LINUX:
        call("prctl", _DIE_WITH_PARENT, _KILL, 0, 0, 0)
        if os.getppid() != parent:  # it had ended before that was said
            os._exit(1)


def _furnish(request: dict[str, Any]) -> None:
    _die_with(0)  # the launcher, which has no number in here
    read, write, links = request["read"], request["write"], request["links"]
    most = request["processes"]
    namespaces.furnish(write[1], read, write, links, _MEMORY, most and most * _THREADS)


def _start(request: dict[str, Any], control: int, ordinary: bool) -> int:
    """Start the command, confined, and return its process."""
    if _LINUX:
        call("prctl", _DUMPABLE, 0, 0, 0, 0)  # nobody of the same user may look in here
    child = os.fork()
    if child:
        return child
    try:
        os.chdir(request["cwd"])
        _limit(request, ordinary)
        _confine(request)
        library = ctypes.CDLL(None)
        for number in (_TERM, _PIPE, _FILE_SIZE):  # as Python or this launcher has changed them
            library.signal(number, _DEFAULT)
        if request["argv"]:
            os.execvpe(request["argv"][0], request["argv"], os.environ)
        os._exit(0)
    except Exception as error:
        _report(control, f"failed {getattr(error, 'errno', None) or 0} {error}")
    finally:
        os._exit(1)


def _limit(request: dict[str, Any], ordinary: bool) -> None:
    limits = dict(request["limits"])
    if request["processes"] is not None and ordinary:
        # The kernel counts all processes of the user, or all in the user namespace.
        others = 2 if request["namespaces"] else _tasks()
        limits[resource.RLIMIT_NPROC] = request["processes"] * _THREADS + others
    for kind, value in limits.items():
        hard = resource.getrlimit(kind)[1]
        top = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (top, top))


def _tasks() -> int:
    """Return how many tasks the machine has: at least as many as the user."""
    try:
        with open("/proc/loadavg", "rb") as file:  # noqa: PTH123
            return int(file.read().split()[3].partition(b"/")[2])
    except OSError:
        return 4096


def _confine(request: dict[str, Any]) -> None:
    if not _LINUX:
        return
    if os.geteuid() == 0:
        for capability in range(_CAPABILITIES):
            if capability not in _KEPT:
                try:
                    call("prctl", _BOUNDING_DROP, capability, 0, 0, 0)
                except OSError:  # there are not so many, or it is not root of the machine
                    break
    call("prctl", _NO_NEW_PRIVS, 1, 0, 0, 0)
    if request["landlock"]:
        own = ["/tmp", "/dev/shm", "/dev/pts"] if request["namespaces"] else []
        write = [*request["write"], *own[:2], *request["shared"]]
        devices = [*_DEVICES, *own[2:]]
        read = [*request["read"], "/proc"]
        tcp = request["network"] or request["namespaces"]  # there, it leads nowhere
        landlock.restrict(request["landlock"], read, write, devices, tcp)
    if request["seccomp"]:
        seccomp.refuse_network()


def _watch(child: int, request: dict[str, Any]) -> str:
    """Wait until the command ends or has used too much, and return what to report."""
    if not hasattr(os, "pidfd_open"):
        return f"ended {os.waitpid(child, 0)[1]}"
    handle = os.pidfd_open(child)
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    alone = request["namespaces"]
    copy, scratch = request["write"]
    meter = usage.Meter(copy, scratch, request["disk"], request["processes"], alone)
    while True:
        poll.poll(_GLANCE)
        if (status := _reap(child)) is not None:
            return f"ended {status}"
        try:
            excess = meter.excess()
        except OSError:
            excess = "the folder that it worked in is gone"
        if excess:
            return f"exceeded {excess}"


def _reap(child: int) -> int | None:
    """Take in all that has ended; return the status of the command if it is among them."""
    found = None
    try:
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == child:
                found = ended[1]
    except ChildProcessError:
        pass
    return found


def _report(control: int, text: str) -> None:
    try:
        os.write(control, text.replace("\n", " ").encode("utf-8", "backslashreplace") + b"\n")
    except OSError:  # nobody listens any more
        return


def _close_output(nothing: int) -> None:
    """Let go of the pipe, so that its end says that the command has let go of it."""
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
