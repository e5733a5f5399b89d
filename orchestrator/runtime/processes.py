"""Watching over one process and everything that it started, until all of it has ended."""

from __future__ import annotations

import os
import resource
import selectors
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from orchestrator.models.base import Interrupt
from orchestrator.runtime.interruption import Watchable
from orchestrator.runtime.output import BoundedOutput
from orchestrator.runtime.usage import end_descendants

MARK = "ORCHESTRATOR_COMMAND"
"""Variable by which the processes of a command are known even after they left its session."""

_ROUNDS = 5  # looks for processes that escaped: killing takes effect a little later
_DRAIN = 0.2  # seconds for the last output, once all processes that we know have ended
_GLANCE = 0.05  # seconds between looks at an interrupt that cannot wake us
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class CommandLimits:
    """What a command, with all that it starts, may use; None: as much as this process.

    Attributes:
        memory: address space of each process, in bytes. Generous: runtimes reserve far more than
            they use.
        file_size: largest file that it may write, in bytes.
        open_files: files that each process may have open.
        processes: processes at a time.
        disk: bytes that its private copy and its temporary files may take together.
        output: bytes that it may print.
        grace: seconds between the request to end and the end by force.
    """

    memory: int | None = 8 << 30
    file_size: int | None = 1 << 30
    open_files: int | None = 4096
    processes: int | None = 1024
    disk: int | None = 10 << 30
    output: int | None = 1 << 30
    grace: float = 0.5

    def by_kind(self) -> dict[int, int]:
        """Return the limits that the system keeps for each process, by their kind."""
        wanted = {
            resource.RLIMIT_AS: self.memory,
            resource.RLIMIT_FSIZE: self.file_size,
            resource.RLIMIT_NOFILE: self.open_files,
            resource.RLIMIT_CORE: 0,
        }
        return {kind: value for kind, value in wanted.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Ending:
    """How a process ended.

    Attributes:
        exit_code: None if it was ended by us.
        timed_out: its time was over.
        interrupted: the interrupt was set.
        exceeded: what it used too much of.
    """

    exit_code: int | None
    timed_out: bool = False
    interrupted: bool = False
    exceeded: str = ""


def supervise(
    process: subprocess.Popen[bytes],
    output: BoundedOutput,
    deadline: float,
    interrupt: Interrupt | None,
    limits: CommandLimits,
    mark: str,
) -> Ending:
    """Collect the output of a process until it ends or must end; then end all that it started.

    Args:
        process: leader of its own session, with its output on a pipe.
        output: where the output goes.
        deadline: when its time is over, on the monotonic clock.
        interrupt: ends it when set.
        limits: how much it may print, and how long it has for ending.
        mark: value of `MARK` in its environment, known to nobody else; "" when the kernel ends
            all that it started together with it.
    """
    asked: object = interrupt
    with _Watch(process, output, limits.output) as watch:
        if isinstance(asked, Watchable):
            with asked.watch(watch.wake):
                ended = watch.await_end(deadline, interrupt, None)
        else:
            glance = None if interrupt is None else _GLANCE
            ended = watch.await_end(deadline, interrupt, glance)
        if not ended:
            watch.ask_to_end(0.0 if watch.prints_too_much else limits.grace)
        watch.end_the_rest(mark)
        if ended:
            return Ending(process.wait())
        if watch.prints_too_much:
            return Ending(None, exceeded=f"it printed more than {(limits.output or 0) >> 20} MiB")
        interrupted = interrupt is not None and interrupt.is_set()
        return Ending(None, timed_out=not interrupted, interrupted=interrupted)


def marked(mark: str) -> list[int]:
    """Return the processes that have `mark` in their environment; none where there is no /proc."""
    found = []
    needle = mark.encode()
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or it is another user's
            if needle in (entry / "environ").read_bytes():
                found.append(int(entry.name))
    return found


class _Watch:
    """The pipes and the thread through which one process is watched.

    The caller's thread waits in one place for output, for the end of the process and for the
    interrupt. The end is noticed by a thread that waits for it and then writes to our own pipe;
    it leaves the process unreaped, so that its number, which is also the number of its group,
    cannot be given to another process before the group was ended.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], output: BoundedOutput, most: int | None
    ) -> None:
        assert process.stdout is not None
        self._most = most
        self._process, self._output, self._pipe = process, output, process.stdout
        self._ended = threading.Event()
        self._read_end, self._write_end = os.pipe()
        self._selector = selectors.DefaultSelector()
        self._open = True  # whether more output may come

    def __enter__(self) -> _Watch:
        os.set_blocking(self._pipe.fileno(), False)
        os.set_blocking(self._read_end, False)
        self._selector.register(self._pipe, selectors.EVENT_READ)
        self._selector.register(self._read_end, selectors.EVENT_READ)
        self._thread = threading.Thread(
            target=self._await_end, name=f"await-{self._process.pid}", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._signal(signal.SIGKILL)
        self._thread.join()
        self._process.wait()
        self._selector.close()
        self._pipe.close()
        os.close(self._read_end)
        os.close(self._write_end)

    @property
    def prints_too_much(self) -> bool:
        """Whether more came than the process may print."""
        return self._most is not None and self._output.total > self._most

    def wake(self) -> None:
        """Make the watching thread look around; called from other threads."""
        with suppress(OSError):  # full: it is awake anyway
            os.write(self._write_end, b"x")

    def await_end(self, deadline: float, interrupt: Interrupt | None, glance: float | None) -> bool:
        """Wait for the end.

        Args:
            deadline: when to stop waiting.
            interrupt: ends the waiting when set.
            glance: seconds between looks at the interrupt; None: it wakes us.

        Returns:
            Whether the process ended by itself.
        """
        while not self._ended.is_set():
            rest = deadline - time.monotonic()
            if rest <= 0 or (interrupt is not None and interrupt.is_set()):
                return False
            if self.prints_too_much:
                return False
            self._listen(rest if glance is None else min(rest, glance))
        return True

    def ask_to_end(self, grace: float) -> None:
        """Ask the whole group to end, and give it a moment."""
        self._signal(signal.SIGTERM)
        patience = time.monotonic() + grace
        while (self._open or not self._ended.is_set()) and (
            rest := patience - time.monotonic()
        ) > 0:
            self._listen(rest)

    def end_the_rest(self, mark: str) -> None:
        """End what is left of the group, and what had left it, and take in the last output."""
        if mark and sys.platform == "linux":
            end_descendants(self._process.pid)
        self._signal(signal.SIGKILL)
        for _ in range(_ROUNDS if mark else 0):
            escaped = [pid for pid in marked(mark) if pid != self._process.pid]
            for pid in escaped:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if not escaped:
                break
        patience = time.monotonic() + _DRAIN
        while self._open and (rest := patience - time.monotonic()) > 0:
            self._listen(rest)

    def _listen(self, seconds: float) -> None:
        """Take in output for as long as there is some, waiting up to `seconds` for the first."""
        for key, _ in self._selector.select(max(0.0, seconds)):
            if key.fileobj is not self._pipe:
                with suppress(BlockingIOError):
                    os.read(self._read_end, _CHUNK)
                continue
            try:
                data = os.read(self._pipe.fileno(), _CHUNK)
            except BlockingIOError:
                continue
            self._output.add(data)
            if not data:
                self._open = False
                self._selector.unregister(self._pipe)

    def _await_end(self) -> None:
        if hasattr(os, "waitid"):
            os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        else:
            self._process.wait()
        self._ended.set()
        self.wake()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)
