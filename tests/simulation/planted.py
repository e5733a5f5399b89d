"""Planted bugs: the machine with one line changed, which the simulation must notice.

The core's modules are copied under another package name, one of them with the change, and loaded
from there; the real files are never touched. Modules that only hold values (messages, events,
scopes …) are not copied, so that both programs speak of the same things.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import invalidate_caches
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from simulation.stage import Core

from orchestrator.core import machine

SOURCE = Path(machine.__file__).parent
COPIED = (
    "claims", "decision", "files", "handover", "invariants", "ledger", "machine", "people",
    "ready", "records", "spending", "splitting", "state", "submitting", "waiting", "widening",
    "writing",
)  # fmt: skip
"""What decides and what holds state. Everything that imports one of these must be among them."""

_copies = count(1)


@dataclass(frozen=True, slots=True)
class Bug:
    """One change.

    Attributes:
        name: what is wrong with the machine then, in a few words.
        module: where it is made, without ``orchestrator.core``.
        old: text that is there exactly once.
        new: text that takes its place.
    """

    name: str
    module: str
    old: str
    new: str

    def source(self) -> str:
        """Return the module's text with the bug in it.

        Raises:
            LookupError: the text is not there, or not once: the list must follow the program.
        """
        text = (SOURCE / f"{self.module}.py").read_text()
        found = text.count(self.old)
        if found != 1:
            raise LookupError(
                f"planted bug {self.name!r}: core/{self.module}.py holds its line {found} times, "
                f"not once. Look how the line reads now, and mend tests/simulation/planted.py:\n"
                f"{self.old}"
            )
        return text.replace(self.old, self.new)


def plant(bug: Bug) -> Core:
    """Return a program of its own that has the bug."""
    package = f"planted_{next(_copies)}"
    own = re.compile(rf"\borchestrator\.core\.({'|'.join(COPIED)})\b")
    with TemporaryDirectory() as folder:
        target = Path(folder) / package
        target.mkdir()
        (target / "__init__.py").write_text("")
        for name in COPIED:
            text = bug.source() if name == bug.module else (SOURCE / f"{name}.py").read_text()
            (target / f"{name}.py").write_text(own.sub(rf"{package}.\1", text))
        with _importing(folder):
            return Core.of(package)


@contextmanager
def _importing(folder: str) -> Iterator[None]:
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    sys.path.insert(0, folder)
    invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(folder)
        sys.dont_write_bytecode = writes


def named(name: str) -> Core:
    """Return the program with the bug of this name; "" is the real program."""
    return plant(next(bug for bug in BUGS if bug.name == name)) if name else Core.of()


_SOMEBODY = "d.state.attempt_of(request.token) or next(iter(d.state.live.values()), None)"

BUGS = (
    Bug(
        "a write needs no token of its own", "writing",
        "attempt = d.state.attempt_of(request.token)\n    if attempt is None:\n"
        "        return lease_ended(request.token)\n    refused = _out",
        f"attempt = {_SOMEBODY}\n    if attempt is None:\n"
        "        return lease_ended(request.token)\n    refused = _out",
    ),
    Bug(
        "a submission needs no token of its own", "submitting",
        "attempt = d.state.attempt_of(request.token)", f"attempt = {_SOMEBODY}",
    ),
    Bug(
        "claims are not looked at", "machine",
        "if blockers:", "if blockers and state.files.cut < 0:",
    ),
    Bug(
        "a task that waits for files is not woken", "state",
        "            self._queue(record, record.ready_at)\n\n    def _satisfy",
        "            ...\n\n    def _satisfy",
    ),
    Bug("failures are not counted", "state", "record.failures += 1", "record.failures += 0"),
    Bug(
        "writes of a failed attempt stay", "decision",
        "for path, digest in alone.items():", "for path, digest in ():",
    ),
    Bug(
        "a write may be based on any version", "writing",
        "    if d.rules.check_base and not based:", "    if not d.rules and not based:",
    ),
    Bug(
        "a submission may be built on stale reads", "submitting",
        "    stale = d.stale(attempt, request.reads)\n", "    stale = ()\n",
    ),
    Bug(
        "a write may be built on stale reads", "writing",
        "stale = d.stale(attempt, request.reads, skip=request.path)", "stale = ()",
    ),
    Bug(
        "a silent lease does not end", "machine",
        'd.end_attempt(attempt, "lease_expired", "no sign of life")', "...",
    ),
    Bug(
        "tokens begin again after a resume", "state",
        'self.status, self.limit = "running", ""',
        'self.status, self.limit, self.token = "running", "", 0',
    ),
    Bug(
        "only direct dependents are skipped", "decision",
        "                    pending.append(name)", "                    ...",
    ),
    Bug(
        "dependents of a failed task are not skipped", "decision",
        "            self.skip_dependents(lease.task)", "            ...",
    ),
    Bug(
        "a dependent is let go once too often", "state",
        "        if record.released:\n            return\n", "",
    ),
    Bug(
        "a failed attempt is not tried again", "state",
        '        elif event.then == "ready":\n            self._queue(record, event.at)\n',
        '        elif event.then == "ready":\n            record.ready_at = event.at\n',
    ),
    Bug("no wait is ever a circle", "waiting", "if other == start:", "if other == '':"),
    Bug(
        "a wider scope is not held", "state",
        "self.claims.held.add(event.task, attempt.bounds)", "self.claims.held.remove('')",
    ),
    Bug(
        "nobody has first call on files", "claims",
        "if self._passed[task] >= PATIENCE and", "if not self._passed[task] and",
    ),
    Bug(
        "the run may begin one attempt more than its limit", "spending",
        "if most is not None and state.ledger.run.attempts >= most:",
        "if most is not None and state.ledger.run.attempts > most:",
    ),
    Bug(
        "whoever gives up is never answered", "spending",
        "    d.desk.parked[attempt.lease.worker] = None\n", "",
    ),
    Bug(
        "workers are not told that the run has ended", "machine",
        "d.effect(m.Answer(worker, m.Stop(state.status)))", "...",
    ),
    Bug(
        "whoever waits is not told that its lease has ended", "decision",
        "            self.effect(Answer(lease.worker, lease_ended(lease.token)))\n",
        "            ...\n",
    ),
    Bug("scopes are not looked at", "writing", "not bounds.may_write(request.path)", "not bounds"),
    Bug("nobody is asked for approval", "state", "if record.task.approval:", "if not record:"),
    Bug("a merge is not asked for again after a crash", "machine", "in self.state.mixed.items():",
        "in ():"),
    Bug(
        "leases of a dead process live on", "machine",
        'd.end_all("interrupted", "the process that held the lease has ended")', "...",
    ),
    Bug(
        "the wrong worker's lease ends", "machine",
        "if attempt.lease.worker == request.worker:", "if attempt.lease.worker != request.worker:",
    ),
    Bug(
        "work is accepted that is built on unfinished work", "submitting",
        "    if not writers and not half_undone(", "    if writers or not half_undone(",
    ),
    Bug("more is reserved than is left", "spending", "if expects.tokens > left:",
        "if expects.tokens > tokens:"),
)  # fmt: skip
