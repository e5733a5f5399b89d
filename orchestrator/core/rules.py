"""What the machine enforces: the part of a coordination mode that is decided here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.core.limits import Limits
from orchestrator.core.scope import Scope, is_plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Settings of a machine.

    Attributes:
        exclusive: running tasks hold their write scopes; overlapping tasks are serialised.
        validate_reads: a write or a submission is refused while something that the attempt has
            read has changed since.
        check_base: a write is refused unless it is based on the current version; without it the
            last writer wins.
        bounded: a write outside the task's effective scope is refused; without it the scope is
            an instruction and nothing more.
        limits: what the run may spend.
    """

    exclusive: bool = True
    validate_reads: bool = True
    check_base: bool = True
    bounded: bool = True
    limits: Limits = Limits()  # noqa: RUF009  (frozen)


@dataclass(frozen=True, slots=True)
class RoleBounds:
    """The files that a role may touch."""

    reads: Scope
    writes: Scope


@dataclass(frozen=True, slots=True)
class Beyond:
    """An entry of a task's scope that reaches beyond its role.

    Attributes:
        entry: its index in the scope.
        witness: a path of it that the role may not write.
        refused: whether it is a mistake; if not, the role just cuts something out of it.
    """

    entry: int
    witness: str
    refused: bool


def beyond_role(globs: tuple[str, ...], allowed: tuple[str, ...]) -> Iterator[Beyond]:
    """Compare the entries of a task's scope with what its role may write.

    A role's plain entries bound its tasks: to reach beyond them is a mistake. What the role
    takes away again with `!` is cut out of a task's wider glob silently at run time (otherwise
    no task of a role that may not touch tests could say `src/**`), unless nothing is left.

    Raises:
        GlobError: an entry is not a glob.
    """
    bounds = Scope(allowed)
    reach = Scope(glob for glob in allowed if not glob.startswith("!"))
    for entry, glob in enumerate(globs):
        if glob.startswith("!") or (is_plain(glob) and bounds.matches(glob.strip("/"))):
            continue  # a plain entry names a file first of all, not what might be below it
        scope = Scope((glob, *(later for later in globs[entry:] if later.startswith("!"))))
        nothing_left = scope.overlap(bounds) is None
        witness = scope.outside(bounds if nothing_left else reach)
        if witness is not None:
            yield Beyond(entry, witness, True)
        elif (witness := scope.outside(bounds)) is not None:
            yield Beyond(entry, witness, False)
