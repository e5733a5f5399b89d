"""What the machine enforces: the part of a coordination mode that is decided here."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.core.limits import Limits
from orchestrator.core.scope import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Settings of a machine.

    Attributes:
        exclusive: running tasks hold their write scopes; overlapping tasks are serialised.
        validate_reads: a write or a submission is refused while something that the attempt has
            read has changed since.
        limits: what the run may spend.
    """

    exclusive: bool = True
    validate_reads: bool = True
    limits: Limits = Limits()  # noqa: RUF009  (frozen)


@dataclass(frozen=True, slots=True)
class RoleBounds:
    """The files that a role may touch."""

    reads: Scope
    writes: Scope
