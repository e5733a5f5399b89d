"""Running commands: a plan's own tests, and what agents want to run.

A command runs in a session of its own, without secrets, within limits of time, memory and output.
However it ends, nothing of it stays behind: no process, no open pipe, no thread.
"""

from __future__ import annotations

import errno
import os
import secrets
import shlex
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from orchestrator.errors import WorkspaceError
from orchestrator.models.base import Interrupt
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.environment import command_environment
from orchestrator.runtime.launching import Launched
from orchestrator.runtime.output import BoundedOutput, readable
from orchestrator.runtime.processes import MARK, CommandLimits, Ending, supervise
from orchestrator.runtime.redaction import make_redactor
from orchestrator.runtime.sandbox import Sandbox, SandboxPolicy

OUTPUT_LIMIT = 20_000
"""Bytes of output that are shown."""

KEPT_LIMIT = 10_000_000
"""Bytes of output that are kept as a blob."""

_MARGIN = 10_000  # bytes that may be lost where a long output is cut; no secret is longer

_NOT_FOUND, _NOT_RUNNABLE = 127, 126  # exit codes, as shells use them


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command ended.

    Attributes:
        exit_code: its exit code, negative for a signal; None if it was ended by us.
        output: standard output and error as they came, bounded and made readable.
        digest: digest of the blob with the output, which is bounded much more widely.
        seconds: how long it ran.
        timed_out: it was ended because its time was over.
        interrupted: it was ended because the lease was.
        cut: bytes of output that `output` does not show.
        exceeded: what it used too much of, if it was ended for that; `output` says so too.
    """

    exit_code: int | None
    output: str
    digest: str
    seconds: float
    timed_out: bool = False
    interrupted: bool = False
    cut: int = 0
    exceeded: str = ""


class Commands(Protocol):
    """Runs commands. Called from several worker threads at once."""

    def run(
        self,
        command: str | Sequence[str],
        cwd: Path,
        *,
        timeout: float,
        tmp: Path | None = None,
        interrupt: Interrupt | None = None,
    ) -> CommandResult:
        """Run a command to its end.

        Args:
            command: text is run by the shell; a list of words is run as it is, without one.
            cwd: directory to run in.
            timeout: seconds after which it is ended.
            tmp: directory for its temporary files; None: one that is removed afterwards.
            interrupt: ends the command when it is set.

        Raises:
            WorkspaceError: `cwd` is not a directory.
        """
        ...


class SubprocessCommands:
    """Runs commands as processes of this machine, each in a sandbox.

    Args:
        blobs: where output is kept.
        output_limit: bytes of output to show.
        limits: what a command may use.
        environment: variables to choose from instead of those of this process.
        policy: what commands may reach.
    """

    def __init__(
        self,
        blobs: BlobStore,
        output_limit: int = OUTPUT_LIMIT,
        limits: CommandLimits | None = None,
        environment: Mapping[str, str] | None = None,
        policy: SandboxPolicy | None = None,
    ) -> None:
        self.blobs = blobs
        self.output_limit = output_limit
        self.limits = limits or CommandLimits()
        self.environment = environment
        self.policy = policy or SandboxPolicy()

    @cached_property
    def sandbox(self) -> Sandbox:
        """What commands run in; what this machine can enforce is tried at the first use."""
        given = os.environ if self.environment is None else self.environment
        return Sandbox(self.policy, self.limits, given)

    def notices(self) -> tuple[str, ...]:
        """Return what whoever starts a run must know about how commands are confined here."""
        return self.sandbox.enforced.notices()

    def argv(self, command: str | Sequence[str]) -> list[str]:
        """Return the words that are executed for a command."""
        return ["/bin/sh", "-c", command] if isinstance(command, str) else list(command)

    def run(
        self,
        command: str | Sequence[str],
        cwd: Path,
        *,
        timeout: float,
        tmp: Path | None = None,
        interrupt: Interrupt | None = None,
    ) -> CommandResult:
        """Run a command to its end; see `Commands.run`."""
        _check_cwd(cwd)
        if interrupt is not None and interrupt.is_set():
            return self._result(Ending(None, interrupted=True), BoundedOutput(0), 0.0)
        output = BoundedOutput(KEPT_LIMIT)
        begun = time.monotonic()
        mark = "" if self.sandbox.enforced.namespaces else secrets.token_hex(16)
        with _scratch(tmp) as scratch:
            try:
                launched = self._launch(command, cwd, scratch, mark)
            except OSError as error:
                ending = _not_started(command, error.errno, str(error), output)
            else:
                with launched:
                    ending = supervise(
                        launched.process, output, begun + timeout, interrupt, self.limits, mark
                    )
                    ending = _as_reported(command, launched, ending, output)
            if ending.exceeded:
                _empty(scratch)  # else the next command would begin with it
        return self._result(ending, output, time.monotonic() - begun)

    def _launch(
        self, command: str | Sequence[str], cwd: Path, scratch: Path, mark: str
    ) -> Launched:
        environment = command_environment(cwd, scratch, self.environment)
        if mark:
            # A command may run this program, and that program commands: all marks stay readable.
            environment[MARK] = f"{os.environ.get(MARK, '')}:{mark}"
        return self.sandbox.start(self.argv(command), cwd, scratch, environment)

    def _result(self, ending: Ending, output: BoundedOutput, seconds: float) -> CommandResult:
        redactor = self.blobs.redactor
        kept = redactor.data(output.kept(_MARGIN))
        text, cut = readable(kept, self.output_limit, redactor)
        return CommandResult(
            exit_code=ending.exit_code,
            output=text,
            digest=self.blobs.put(kept),
            seconds=seconds,
            timed_out=ending.timed_out,
            interrupted=ending.interrupted,
            cut=cut + max(0, output.total - KEPT_LIMIT),
            exceeded=ending.exceeded,
        )


FakeHandler = Callable[[str | Sequence[str], Path], "CommandResult | int | tuple[int, str]"]
"""Says how a command ends: a whole result, an exit code, or an exit code and its output."""


class FakeCommands:
    """Commands without processes, for simulation and tests.

    Args:
        handler: says how each command ends.
        blobs: where output is kept; None: nowhere.
        output_limit: bytes of output to show.
    """

    def __init__(
        self,
        handler: FakeHandler,
        blobs: BlobStore | None = None,
        output_limit: int = OUTPUT_LIMIT,
    ) -> None:
        self.handler = handler
        self.blobs = blobs
        self.output_limit = output_limit
        self._redactor = make_redactor() if blobs is None else blobs.redactor

    def run(
        self,
        command: str | Sequence[str],
        cwd: Path,
        *,
        timeout: float,
        tmp: Path | None = None,
        interrupt: Interrupt | None = None,
    ) -> CommandResult:
        """Return what the handler says; see `Commands.run`."""
        _check_cwd(cwd)
        if interrupt is not None and interrupt.is_set():
            return CommandResult(None, "", self._keep(b""), 0.0, interrupted=True)
        answer = self.handler(command, cwd)
        if isinstance(answer, CommandResult):
            return answer
        code, text = (answer, "") if isinstance(answer, int) else answer
        raw = self._redactor.data(text.encode("utf-8", "surrogateescape"))
        shown, cut = readable(raw, self.output_limit, self._redactor)
        return CommandResult(code, shown, self._keep(raw), 0.0, cut=cut)

    def _keep(self, raw: bytes) -> str:
        return sha256(raw).hexdigest() if self.blobs is None else self.blobs.put(raw)


def _check_cwd(cwd: Path) -> None:
    if not cwd.is_dir():
        raise WorkspaceError(
            "there is no such directory to run a command in",
            str(cwd),
            fix="check that the workspace still exists",
        )


@contextmanager
def _scratch(tmp: Path | None) -> Iterator[Path]:
    if tmp is not None:
        tmp.mkdir(parents=True, exist_ok=True)
        tmp.chmod(0o700)  # whatever the last command made of it
        yield tmp.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="orchestrator-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(exist_ok=True)


def _as_reported(
    command: str | Sequence[str], launched: Launched, ending: Ending, output: BoundedOutput
) -> Ending:
    """Return how the command ended, given how its launcher did."""
    report = launched.report()
    if ending.exit_code is not None:
        if report.failed:
            return _not_started(command, report.errno, report.failed, output)
        ending = Ending(report.exit_code, exceeded=report.exceeded)
    if ending.exceeded:
        output.add(f"\n[ended: {ending.exceeded}]\n".encode())
    return ending


def _not_started(
    command: str | Sequence[str], number: int | None, why: str, output: BoundedOutput
) -> Ending:
    words = command if isinstance(command, str) else shlex.join(command)
    missing = number == errno.ENOENT
    reason = "command not found" if missing else why
    output.add(f"{words}: {reason}\n".encode("utf-8", "backslashreplace"))
    return Ending(_NOT_FOUND if missing else _NOT_RUNNABLE)
