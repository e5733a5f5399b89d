"""What has been spent and what is reserved: by the run, by each role, by each task."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass, field
from typing import Any

from orchestrator.core.messages import Spent


@dataclass(slots=True)
class Account:
    """One side of the books.

    Attributes:
        tokens: model tokens used.
        usd: US dollars known to be used.
        unpriced: whether tokens were used whose price is unknown.
        attempts: attempts begun.
        turns: model turns begun.
        commands: commands begun, test runs included.
        seconds: duration of the attempts that have ended.
        held_tokens: model tokens reserved for turns that are under way.
        held_usd: US dollars reserved for them.
    """

    tokens: int = 0
    usd: float = 0.0
    unpriced: bool = False
    attempts: int = 0
    turns: int = 0
    commands: int = 0
    seconds: float = 0.0
    held_tokens: int = 0
    held_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class Reservation:
    """What one attempt has set aside for its next turn."""

    task: str
    role: str
    tokens: int
    usd: float


@dataclass(slots=True)
class Ledger:
    """The books of a run. Accounts appear when something is first entered.

    Attributes:
        run: of the run.
        roles: by role name.
        tasks: by task id.
        reservations: by the token of the attempt.
    """

    run: Account = field(default_factory=Account)
    roles: dict[str, Account] = field(default_factory=dict)
    tasks: dict[str, Account] = field(default_factory=dict)
    reservations: dict[int, Reservation] = field(default_factory=dict)

    def role(self, name: str) -> Account:
        """The account of a role, to be read."""
        return self.roles.get(name) or Account()

    def task(self, name: str) -> Account:
        """The account of a task, to be read."""
        return self.tasks.get(name) or Account()

    def _of_role(self, name: str) -> Account:
        return self.roles.get(name) or self.roles.setdefault(name, Account())

    def _each(self, task: str, role: str) -> Iterator[Account]:
        yield self.run
        yield self._of_role(role)
        yield self.tasks.get(task) or self.tasks.setdefault(task, Account())

    def begin_attempt(self, role: str) -> None:
        """An attempt begins. How many a task has had is in its record."""
        self.run.attempts += 1
        self._of_role(role).attempts += 1

    def begin(self, task: str, role: str, turns: int, commands: int) -> None:
        """Turns and commands begin."""
        for account in self._each(task, role):
            account.turns += turns
            account.commands += commands

    def spend(self, task: str, role: str, spent: Spent) -> None:
        """Enter what was spent."""
        tokens = spent.tokens
        if not tokens and not spent.usd:
            return
        for account in self._each(task, role):
            account.tokens += tokens
            if spent.usd is None:
                account.unpriced = True
            else:
                account.usd += spent.usd

    def end_attempt(self, token: int, role: str, seconds: float) -> None:
        """An attempt has ended, one way or another."""
        self._of_role(role).seconds += seconds
        self.release(token)

    def reserve(self, token: int, task: str, role: str, expects: Spent) -> None:
        """Set aside what a turn is expected to spend."""
        held = Reservation(task, role, expects.tokens, expects.usd or 0.0)
        self.reservations[token] = held
        for account in self._each(task, role):
            account.held_tokens += held.tokens
            account.held_usd += held.usd

    def release(self, token: int) -> None:
        """Give back what an attempt has reserved."""
        held = self.reservations.pop(token, None)
        if held is None:
            return
        for account in self._each(held.task, held.role):
            account.held_tokens -= held.tokens
            account.held_usd = account.held_usd - held.usd if self.reservations else 0.0

    def values(self) -> tuple[Any, ...]:
        """Return the books as plain values: equal books, equal values."""
        return (
            astuple(self.run),
            {name: astuple(account) for name, account in sorted(self.roles.items())},
            {name: astuple(account) for name, account in sorted(self.tasks.items())},
            {token: astuple(held) for token, held in self.reservations.items()},
        )
