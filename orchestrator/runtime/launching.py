"""Starting the launcher, and reading what it reports; what it does is in `launcher`."""

from __future__ import annotations

import marshal
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path

_PIECE = 4096
_HERE = Path(__file__).absolute().parent

# The launcher needs its siblings, but nothing of what the packages around it import.
_BOOT = f"""\
import sys
for name, path in (("orchestrator", {str(_HERE.parent)!r}), ("orchestrator.runtime", {str(_HERE)!r})):
    sys.modules[name] = package = type(sys)(name)
    package.__path__ = [path]
from orchestrator.runtime.launcher import main
main()
"""  # noqa: E501


@dataclass(frozen=True, slots=True)
class Request:
    """What the launcher is to start, and within which bounds.

    Attributes:
        argv: the words of the command; none: only try the bounds.
        cwd: where it runs.
        read: real paths that it may read and execute.
        write: real paths of the two folders that it may change; the second is for temporary files.
        links: symbolic links that must exist for paths to lead to these: path to text.
        shared: places outside its own that it must be able to change.
        limits: kinds of `resource` limits and their values.
        processes: processes that it may have at a time.
        disk: bytes that the files that it writes may take.
        network: whether it may use the network.
        namespaces: whether it gets namespaces of its own.
        landlock: version of Landlock to use; 0: none.
        seccomp: whether a filter refuses it sockets of the network.
    """

    argv: list[str]
    cwd: str
    read: list[str]
    write: tuple[str, str]
    links: dict[str, str]
    shared: list[str]
    limits: dict[int, int]
    processes: int | None
    disk: int | None
    network: bool
    namespaces: bool
    landlock: int
    seccomp: bool

    def pack(self) -> bytes:
        """Return it as the launcher reads it."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return marshal.dumps(values | {"parent": os.getpid()})


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a command.

    Attributes:
        exit_code: its exit code, negative for a signal; None: it was ended, or never started.
        exceeded: what it used too much of, if it was ended for that.
        failed: why it was not started, if it was not.
        errno: number of the error for which it was not started.
    """

    exit_code: int | None = None
    exceeded: str = ""
    failed: str = ""
    errno: int = 0


class Launched:
    """A launcher that runs; leave it as a context manager.

    Args:
        request: what it is to start.
        environment: variables of the command.

    Attributes:
        process: leader of a session of its own; the output of the command is on its pipe.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, request: Request, environment: Mapping[str, str]) -> None:
        data = request.pack()
        self._ours, theirs = socket.socketpair()
        try:
            with theirs:
                self.process = subprocess.Popen(
                    [sys.executable, "-I", "-S", "-c", _BOOT],
                    env=environment,
                    stdin=theirs.fileno(),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except BaseException:
            self._ours.close()
            raise
        with suppress(BrokenPipeError):  # it has ended already; it will have reported nothing
            self._ours.sendall(data)

    def __enter__(self) -> Launched:
        return self

    def __exit__(self, *_: object) -> None:
        self._ours.close()

    def report(self) -> Report:
        """Return what became of the command; call it once, when the launcher has ended."""
        told = b""
        with suppress(ConnectionError):  # it was ended before it had read the request
            while piece := self._ours.recv(_PIECE):
                told += piece
        for line in told.decode("utf-8", "replace").splitlines():
            kind, _, text = line.partition(" ")
            if kind == "failed":
                number, _, message = text.partition(" ")
                return Report(failed=message, errno=int(number))
            if kind == "exceeded":
                return Report(exceeded=text)
            if kind == "ended":
                return Report(os.waitstatus_to_exitcode(int(text)))
        return Report(failed="the launcher was ended by something else")
