"""Which files the tasks of a plan may touch: inside their role, not empty, not each other's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from orchestrator.core.glob import GlobError, is_plain
from orchestrator.core.rules import Beyond, beyond_role
from orchestrator.core.scope import Scope
from orchestrator.core.task import Task
from orchestrator.errors import Problem, RoleError, nearest
from orchestrator.spec.findings import Finding, as_finding
from orchestrator.spec.plancheck import TaskList

if TYPE_CHECKING:
    from orchestrator.spec.roles import Role


@lru_cache(maxsize=65_536)
def scope_of(globs: tuple[str, ...]) -> Scope | None:
    """Return the scope, or None where a glob is wrong, which is found elsewhere."""
    try:
        return Scope(globs)
    except GlobError:
        return None


def check_globs(these: TaskList) -> list[Finding]:
    """Find globs that are not globs: absolute, with `..`, with an open bracket."""
    found = []
    for position, task in enumerate(these.tasks):
        for key, globs in (("writes", task.writes), ("reads", task.reads), ("shares", task.shares)):
            if scope_of(globs) is not None:
                continue
            for entry, glob in enumerate(globs):
                try:
                    Scope((glob,))
                except GlobError as error:
                    place = these.places.task(position, key, entry)
                    found.append(Finding(error.what, place, "", error.fix, "bad-glob", (task.id,)))
    return found


def check_roles(these: TaskList, roles: Mapping[str, Role]) -> list[Finding]:
    """Find roles that do not exist."""
    found = []
    for position, task in enumerate(these.tasks):
        if task.role and task.role not in roles:
            guess = _nearest_role(task.role, tuple(roles))
            found.append(
                Finding(
                    f"there is no role `{task.role}`",
                    these.places.task(position, "role"),
                    fix=f"did you mean `{guess}`?" if guess else f"known roles: {', '.join(roles)}",
                    code="unknown-role",
                    tasks=(task.id,),
                )
            )
    return found


@lru_cache(maxsize=1024)
def _nearest_role(name: str, roles: tuple[str, ...]) -> str | None:
    return nearest(name, roles)


def check_scopes(these: TaskList, roles: Mapping[str, Role]) -> list[Finding]:
    """Find empty scopes, scopes outside the role, files both held and shared.

    Args:
        these: the tasks.
        roles: the roles by name; tasks whose role is not among them are not held to one.
    """
    found: list[Finding] = []
    book = _RoleBook(roles)
    for position, task in these.whole():
        writes, shares = scope_of(task.writes), scope_of(task.shares)
        if writes is None or shares is None:
            continue
        one = _One(these, position, task, writes, shares)
        found.extend([*one.held_and_shared(), *one.matches_nothing()])
        role = book.role(task.role)
        if role is not None:
            found.extend(one.outside(role.writes))
            if role.writes:
                found.extend(one.writes_nothing())
    return found + [as_finding(problem) for problem in book.problems]


class _RoleBook:
    """Opens roles when they are asked for, each once; keeps what is wrong with their documents."""

    def __init__(self, roles: Mapping[str, Role]) -> None:
        self._roles = roles
        self._opened: dict[str, Role | None] = {}
        self.problems: list[Problem] = []

    def role(self, name: str) -> Role | None:
        """Return the role, or None if there is none or its document is wrong."""
        if name not in self._opened:
            self._opened[name] = None
            try:
                self._opened[name] = self._roles.get(name)
            except RoleError as error:
                self.problems.extend(error.problems)
        return self._opened[name]


@dataclass(frozen=True, slots=True)
class _One:
    """One task and its scopes."""

    these: TaskList
    position: int
    task: Task
    writes: Scope
    shares: Scope

    def _finding(
        self, code: str, key: str, what: str, fix: str, why: str = "", witness: str | None = None
    ) -> Finding:
        place = self.these.places.task(self.position, key)
        return Finding(what, place, why, fix, code, (self.task.id,), witness=witness)

    def writes_nothing(self) -> Iterator[Finding]:
        if not self.task.writes and not self.task.shares:
            yield self._finding(
                "empty-scope",
                "writes",
                "the task may not write any file",
                'list its files, as in `writes: ["src/parser.py"]`; a task that only looks takes '
                "a role that writes nothing, such as `reviewer`",
                f"it names none, and its role `{self.task.role}` is there to write",
            )

    def matches_nothing(self) -> Iterator[Finding]:
        for key, globs, scope in (
            ("writes", self.task.writes, self.writes),
            ("shares", self.task.shares, self.shares),
        ):
            if (
                any(glob.startswith("!") or not is_plain(glob) for glob in globs)
                and scope.is_empty()
            ):
                yield self._finding(
                    "empty-scope",
                    key,
                    f"no path can match `{key}`",
                    "remove the entries that take everything away again; put those with `!` after "
                    "what they cut from",
                    "later entries win, and these leave nothing",
                )

    def outside(self, allowed: tuple[str, ...]) -> Iterator[Finding]:
        only = f"only {', '.join(allowed)}" if allowed else "nothing"
        for key, globs in (("writes", self.task.writes), ("shares", self.task.shares)):
            for found in _outside(globs, allowed):
                entry, witness, refused = found.entry, found.witness, found.refused
                place = self.these.places.task(self.position, key, entry)
                yield Finding(
                    f"`{globs[entry]}` reaches outside the role `{self.task.role}`"
                    if refused
                    else f"the role `{self.task.role}` takes files out of `{globs[entry]}`",
                    place,
                    f"it holds `{witness}`; the role may write {only}",
                    f"narrow `{key}` to what the role may write, or choose another role"
                    if refused
                    else "nothing, unless the task should write these files too",
                    "outside-role" if refused else "role-exclusion",
                    (self.task.id,),
                    "error" if refused else "info",
                    witness,
                )

    def held_and_shared(self) -> Iterator[Finding]:
        witness = self.writes.overlap(self.shares) if self.task.shares else None
        if witness is not None:
            yield self._finding(
                "shares-own-writes",
                "shares",
                "`shares` and `writes` of the task overlap",
                f'take it out of one of the two, for example with "!{witness}" at the end of '
                "`writes`",
                f"`{witness}` would be held and shared at once",
                witness,
            )


@lru_cache(maxsize=65_536)
def _outside(globs: tuple[str, ...], allowed: tuple[str, ...]) -> tuple[Beyond, ...]:
    """Compare a task's scope with what its role may write; nothing to say of globs that are bad."""
    good = scope_of(allowed) is not None and scope_of(globs) is not None
    return tuple(beyond_role(globs, allowed)) if good else ()
