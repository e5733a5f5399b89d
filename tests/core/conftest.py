"""A bench to try a machine on: it asks, keeps what came back, and checks after every step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from orchestrator.core.encoding import decode, encode
from orchestrator.core.events import Event
from orchestrator.core.invariants import check, fingerprint
from orchestrator.core.limits import Budget, Limits
from orchestrator.core.machine import Machine
from orchestrator.core.messages import (
    Answer,
    Claim,
    Effect,
    Granted,
    Lease,
    Refused,
    Reply,
    Request,
    Submit,
    Write,
)
from orchestrator.core.rules import RoleBounds, Rules
from orchestrator.core.task import Task


class Bench:
    """A machine, and the time, which stands still until `now` is set.

    Attributes:
        now: time of the next request, in seconds since the run began.
        events: everything recorded so far.
        effects: what the last request asked for, answers included.
        answers: what each worker that had to wait was answered, oldest first.
    """

    def __init__(
        self,
        *tasks: Task,
        files: Mapping[str, str] | None = None,
        roles: Mapping[str, RoleBounds] | None = None,
        exclusive: bool = True,
        validate_reads: bool = True,
        budgets: Mapping[str, Budget] | None = None,
        **limits: Any,
    ) -> None:
        allowed = Limits(**limits, roles=budgets or {})
        rules = Rules(exclusive=exclusive, validate_reads=validate_reads, limits=allowed)
        self._make = lambda: Machine(tasks, rules, roles, files)
        self.machine = self._make()
        self.now = 0.0
        self.events: list[Event] = []
        self.effects: tuple[Effect, ...] = ()
        self.answers: dict[str, list[Reply]] = {}

    def ask(self, request: Request) -> Reply | None:
        """Ask at `now`; None: the answer comes later, or came as an effect."""
        step = self.machine.handle(self.now, request)
        self.events += step.events
        self.effects = step.effects
        for effect in step.effects:
            if isinstance(effect, Answer):
                self.answers.setdefault(effect.worker, []).append(effect.reply)
        assert check(self.machine) == []
        return step.reply

    def start(self, worker: str = "w1") -> Lease:
        """Claim, and return the lease that was granted at once."""
        assert self.ask(Claim(worker)) is None
        return self.lease(worker)

    def lease(self, worker: str = "w1") -> Lease:
        """Return the lease in the last answer to a worker."""
        reply = self.answers[worker][-1]
        assert isinstance(reply, Granted), reply
        return reply.lease

    def refused(self, request: Request) -> Refused:
        """Ask what must be refused, and return the refusal."""
        reply = self.ask(request)
        assert isinstance(reply, Refused), reply
        return reply

    def write(self, lease: Lease, path: str, digest: str = "new") -> int:
        """Write on top of the current version, and return the version's number."""
        base = self.machine.state.files.current(path).number
        reply = self.ask(Write(lease.token, path, base, digest))
        assert not isinstance(reply, Refused), reply
        return self.machine.state.files.cut

    def submit(self, lease: Lease) -> None:
        """Hand in work whose tests have just passed."""
        reply = self.ask(Submit(lease.token, self.machine.state.files.cut))
        assert reply is None, reply

    def states(self) -> dict[str, str]:
        """Return where each task stands."""
        return {name: str(r.state) for name, r in self.machine.state.records.items()}

    def digest(self, path: str) -> str | None:
        """Return the current content of a file."""
        return self.machine.state.files.current(path).digest

    def folded(self) -> Machine:
        """Return a fresh machine with all events folded in, after a trip through the log."""
        machine = self._make()
        machine.fold(decode(*encode(event)) for event in self.events)
        return machine

    def crash(self) -> None:
        """The process dies: what is left is what was recorded."""
        self.machine = self.folded()


@pytest.fixture
def bench() -> Iterator[Callable[..., Bench]]:
    """Make benches; at the end each one's events must fold to its machine's state."""
    made: list[Bench] = []

    def make(*tasks: Task, **settings: Any) -> Bench:
        made.append(Bench(*tasks, **settings))
        return made[-1]

    yield make
    for one in made:
        assert fingerprint(one.folded().state) == fingerprint(one.machine.state)
