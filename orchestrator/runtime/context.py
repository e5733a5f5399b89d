"""What an attempt can do: the lease's context, given to agents and to task functions alike."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.core.claims import Bounds
from orchestrator.core.messages import (
    Cause,
    Done,
    GiveUp,
    Granted,
    Lease,
    Mail,
    Note,
    Overstep,
    Phase,
    Refused,
    Renew,
    Reply,
    Report,
    Request,
    Send,
    Spent,
    Split,
    Stop,
    Submit,
    Widen,
)
from orchestrator.core.paths import PathError, canonical
from orchestrator.core.scope import Scope
from orchestrator.core.task import Task
from orchestrator.errors import ScopeViolation, StaleWrite, WorkspaceError
from orchestrator.runtime.attemptfiles import AttemptFiles
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.commands import CommandResult, Commands
from orchestrator.runtime.handling import IN_PLACE, Handling
from orchestrator.runtime.interruption import Interruption
from orchestrator.runtime.view import View
from orchestrator.runtime.watching import Watch
from orchestrator.runtime.workspace import SharedTree

RETESTS = 6
"""Test runs of one submission at most: files may change under each of them."""

ASKS = 50
"""How often a submission without tests is asked, when what was read changes but not for it."""


@dataclass(frozen=True, slots=True)
class Site:
    """What one worker has to work with; the same for all its attempts.

    Attributes:
        view: its private copy of the workspace.
        timeout: seconds that a command may take.
        by_region: whether stale writes are judged by region rather than by file.
        handling: what the run's mode does with files.
        live: whether tests run in the shared tree itself, not in the private copy.
    """

    view: View
    tree: SharedTree
    blobs: BlobStore
    commands: Commands
    timeout: float
    by_region: bool
    handling: Handling = IN_PLACE
    live: bool = False


@dataclass(frozen=True, slots=True)
class TestRun:
    """The result of a task's test command on one cut.

    Attributes:
        passed: whether the command ended with exit code 0.
        output: what it printed, cut to a bearable length.
        digest: blob with the whole output.
        cut: version number up to which it saw the workspace.
    """

    passed: bool
    output: str
    digest: str
    cut: int


@dataclass(frozen=True, slots=True)
class CommandRun:
    """A command, and what became of the files that it changed.

    Attributes:
        result: how the command ended.
        written: files that it changed and that are versions now.
        put_back: files that it changed and that are as they were, each with the reason.
    """

    result: CommandResult
    written: tuple[str, ...] = ()
    put_back: Mapping[str, str] = field(default_factory=dict)


class Context:
    """One attempt at one task, as whoever works on it sees it. For one thread at a time.

    Attributes:
        task: the task.
        lease: the right to work on it.
        assigned: the files that the task names; where scopes are no more than an instruction,
            the attempt can reach others too.
        interrupt: set when the lease has ended; long work should end soon after.
        ending: the coordinator's answer to what ended the attempt; None: it goes on.
        watch: is told how the tests went, if somebody watches the attempt.
    """

    def __init__(
        self,
        task: Task,
        lease: Lease,
        ask: Callable[[Request], Reply],
        interrupt: Interruption,
        site: Site | None = None,
        bounds: Bounds | None = None,
        assigned: Bounds | None = None,
    ) -> None:
        self.task, self.lease, self.interrupt = task, lease, interrupt
        self.assigned = assigned or bounds or Bounds()
        self.ending: Reply | None = None
        self.watch: Watch | None = None
        self._ask, self._site = ask, site
        self._tested: TestRun | None = None
        self._mail: list[Mail] = []
        self._notices: list[str] = []
        self._verdict = ""
        self._failed = ""  # what the last failed test run printed, not reported yet
        self._files: AttemptFiles | None = None
        if site is not None:
            self._files = site.handling.files(site, lease, bounds or Bounds(), ask, interrupt)

    @property
    def attempt(self) -> int:
        """Number of the attempt, from 1."""
        return self.lease.attempt

    @property
    def alive(self) -> bool:
        """Whether the lease still lives, as far as is known here."""
        return not self.interrupt.is_set()

    @property
    def files(self) -> AttemptFiles:
        """The attempt's files.

        Raises:
            WorkspaceError: the run has no workspace.
        """
        if self._files is None:
            raise WorkspaceError(
                "this run has no workspace",
                f"task {self.task.id}",
                "its plan names none",
                "give the plan a workspace, or keep to work that needs no files",
            )
        return self._files

    # --- for task functions -----------------------------------------------------------------------

    def read(self, path: str) -> str | None:
        """Return a file's text; None: there is no such file.

        Raises:
            ScopeViolation: this is not the path of a workspace file.
            UnicodeDecodeError: the file is not text; `files.read` returns its bytes.
        """
        data = self.files.read(self._plain(path))
        return None if data is None else data.decode()

    def write(self, path: str, text: str) -> None:
        """Make `text` the content of a file.

        Raises:
            ScopeViolation: the task may not write this file.
            StaleWrite: what the attempt has read has changed, or its lease has ended.
        """
        self._must(self.files.write(self._plain(path), text.encode()), path)

    def delete(self, path: str) -> None:
        """Delete a file; raises as `write` does."""
        self._must(self.files.write(self._plain(path), None), path)

    def _plain(self, path: str) -> str:
        try:
            return canonical(path)
        except PathError as error:
            place = f"task {self.task.id}"
            raise ScopeViolation(error.what, place, "one file has one path", error.fix) from None

    def _must(self, outcome: object, path: str) -> None:
        if isinstance(outcome, Refused):
            error = StaleWrite if outcome.kind in ("stale", "lease_ended") else ScopeViolation
            raise error(f"{path} was not written", f"task {self.task.id}", outcome.why, outcome.fix)

    # --- progress ---------------------------------------------------------------------------------

    def report(
        self,
        phase: Phase = "reason",
        turn: int = 0,
        spent: Spent = Spent(),  # noqa: B008  (frozen)
        transcript: str = "",
        detail: str = "",
        *,
        expects: Spent = Spent(),  # noqa: B008  (frozen)
        commands: int = 0,
        waited: float = 0.0,
    ) -> bool:
        """Report progress, and ask for what comes next. Messages that came with the answer wait
        in `take_mail`.

        Args:
            phase: part of the step that begins now.
            turn: number of the model turn that begins now, from 1; 0: none does.
            spent: what was spent since the last report.
            transcript: blob with the last turn and its results.
            detail: one line for people.
            expects: what the turn may spend at most; limits are checked against it.
            commands: commands that begin now.
            waited: seconds waited for the model's provider.

        Returns:
            Whether the lease still lives; when not, stop working.
        """
        reads = self._files.take_news() if self._files else ()
        request = Report(
            self.lease.token, phase, turn, spent, reads, transcript, detail,
            expects, commands, waited, self._failed,
        )  # fmt: skip
        self._failed = ""
        reply = self._ask(request)
        if not isinstance(reply, Done):
            self.interrupt.set()
            return False
        if self._files:
            self._files.told(reads)
        self._mail += reply.mail
        return True

    def ask(self, request: Request) -> Reply:
        """Ask the coordinator for something that concerns this attempt."""
        return self._ask(request)

    def renew(self) -> bool:
        """Show that the attempt is alive though it has nothing to say."""
        return isinstance(self._ask(Renew(self.lease.token)), Done)

    def take_mail(self) -> list[Mail]:
        """Return the messages that have come since the last call."""
        mail, self._mail = self._mail, []
        return mail

    def take_verdict(self) -> str:
        """Return how the tests went since the last call, in two words; "" if none ran."""
        verdict, self._verdict = self._verdict, ""
        return verdict

    def take_notices(self) -> list[str]:
        """Return, a sentence each, which files that were read have changed since."""
        notices, self._notices = self._notices + self.files.sync(), []
        return notices

    def last_failure(self, length: int) -> str:
        """Return the end of what the last failed test run of earlier attempts printed."""
        digest = self.lease.evidence
        if not digest or self._site is None:
            return ""
        return self._site.blobs.get(digest)[-4 * length :].decode(errors="replace")[-length:]

    # --- talking and reshaping --------------------------------------------------------------------

    def send(self, to: str, kind: str, text: str) -> Reply:
        """Send a message to ``task:ID``, ``role:NAME`` or ``all``."""
        return self._ask(Send(self.lease.token, to, kind, text))

    def note(self, title: str, text: str) -> Reply:
        """Leave a note that all agents can search."""
        return self._ask(Note(self.lease.token, title, text))

    def overstep(self, tool: str, path: str, why: str, fix: str) -> Reply:
        """Have it recorded that a tool call left the bounds and was refused."""
        return self._ask(Overstep(self.lease.token, tool, path, why, fix))

    def split(self, tasks: tuple[Task, ...]) -> Reply:
        """Add tasks while the run lives; waiting dependents of this task wait for them too."""
        return self._ask(Split(self.lease.token, tasks))

    def widen(self, globs: tuple[str, ...], reason: str = "") -> Reply:
        """Ask for more files, within the role; may wait until another task has ended."""
        reply = self._ask(Widen(self.lease.token, globs, reason))
        if isinstance(reply, Done) and self._files:
            held, more = self._files.bounds, Scope(globs)
            self._files.bounds = Bounds(
                held.writes.union(more), held.shares, held.reads.union(more)
            )
            self._notices += self._files.sync()  # others may have worked on them while we waited
        return reply

    # --- commands ---------------------------------------------------------------------------------

    def run(self, command: str | list[str]) -> CommandRun:
        """Run a command in the private copy.

        A string goes through the shell, a list does not. Files that it changed inside the
        effective write scope become writes; any others are put back.
        """
        copy = self._need_site().view.copy
        self.report("write", commands=1)
        result = self._execute(command)
        written: list[str] = []
        put_back: dict[str, str] = {}
        for path, digest in copy.changed().items():
            data = None if digest is None else copy.read(path)
            refused = self._take_over(path, data)
            if refused:
                put_back[path] = refused
                copy.restore([path])
            else:
                written.append(path)
        return CommandRun(result, tuple(written), put_back)

    def _take_over(self, path: str, data: bytes | None) -> str:
        """Make a write of what a command did to a file; say why that cannot be, "" if it can."""
        if not self.files.bounds.may_write(path):
            return "it is outside the files that you may write"
        outcome = self.files.write(path, data)
        return outcome.why if isinstance(outcome, Refused) else ""

    def test(self, tests: tuple[str, ...] | None = None) -> TestRun | None:
        """Run the task's test command on a fresh cut; None: the task has none.

        Args:
            tests: run only these files in place of the task's; such a run is not evidence.
        """
        site = self._need_site() if self.task.test else None
        if site is None:
            return None
        if site.live:  # first: the answer to the report says that the tree holds this cut
            self._notices += self.files.sync()
        if not self.report("test", commands=1):
            return TestRun(False, "(the tests were not run: the lease has ended)", "", 0)
        if not site.live:
            self._notices += self.files.sync()
        cut = self.files.cut
        names = " ".join(shlex.quote(path) for path in (tests or self.task.tests))
        command = self.task.test.replace("{tests}", names)
        if site.live:
            result = self._execute(command, site.tree.root)
        else:
            result = self._execute(command)
            site.view.copy.restore(list(site.view.copy.changed()))
        found = TestRun(result.exit_code == 0, self._words(result), result.digest, cut)
        self._verdict = "tests passed" if found.passed else "tests failed"
        self._failed = "" if found.passed else found.digest
        if self.watch:
            self.watch.tested(found.passed, result.output)
        if tests is None:
            self._tested = found
        return found

    def _execute(self, command: str | list[str], place: Path | None = None) -> CommandResult:
        site = self._need_site()
        return site.commands.run(
            command,
            place or site.view.copy.root,
            timeout=site.timeout,
            tmp=site.view.copy.tmp,
            interrupt=self.interrupt,
        )

    def _words(self, result: CommandResult) -> str:
        if result.timed_out:
            return f"{result.output}\n(ended after {result.seconds:.0f} s: it took too long)"
        return result.output

    def _need_site(self) -> Site:
        assert self.files is not None
        assert self._site is not None
        return self._site

    # --- the end ----------------------------------------------------------------------------------

    def submit(self, summary: str = "") -> Reply | TestRun:
        """Prove that the task is done, and hand it in.

        Returns:
            `Granted` or `Stop`: accepted, and this is what to do next. A `TestRun`: its tests
            do not pass. `Refused`: what stands against it.
        """
        handling = self._site.handling if self._site else IN_PLACE
        return handling.submit(self, summary)

    def submit_in_place(self, summary: str = "") -> Reply | TestRun:
        """Submit work whose writes are versions already; as `submit`."""
        most = RETESTS if self.task.test else ASKS
        for last in range(1, most + 1):
            tested = self.evidence()
            if tested is not None and not tested.passed:
                return tested
            reply = self.hand_in(tested.cut if tested else 0, tested, summary)
            if not isinstance(reply, Refused) or reply.kind != "stale":
                return reply
            self._tested = None
            if last == most or not self.files.revalidate(reply.stale):
                break
        return reply

    def hand_in(self, cut: int, tested: TestRun | None, summary: str) -> Reply:
        """Ask for the work to be accepted.

        Args:
            cut: version number up to which the tests saw the workspace.
            tested: the tests; None: the task has none.
        """
        reads = self._files.take_news() if self._files else ()
        evidence = tested.digest if tested else ""
        return self._ended(self._ask(Submit(self.lease.token, cut, True, evidence, summary, reads)))

    def evidence(self) -> TestRun | None:
        """Return the last test run if it still counts, else a new one; None: there are no tests."""
        tested = self._tested
        newest = self._files.newest if self._files else 0
        if tested is None or not tested.passed or tested.cut < newest:
            tested = self.test()  # one that failed may have failed for what others have mended
        return tested

    def give_up(self, cause: Cause, reason: str, spent: Spent = Spent()) -> Reply:  # noqa: B008
        """End the attempt without success; answered by what to do next."""
        return self._ended(self._ask(GiveUp(self.lease.token, cause, reason, spent)))

    def _ended(self, reply: Reply) -> Reply:
        """Remember what to do next: nobody asks a second time for an attempt that has ended."""
        if isinstance(reply, Granted | Stop):
            self.ending = reply
            self.interrupt.set()
        return reply


Work = Callable[[Context], Reply]
"""Does one attempt and returns the reply to its last request."""
