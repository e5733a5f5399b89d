"""Everything that this package raises on purpose.

::

    OrchestratorError            what, where, why, fix
      PlanError                  the plan's author must act        exit 2
      RoleError                  the role's author must act        exit 2
      UsageError                 whoever typed the command         exit 2
      WorkspaceError             the owner of the files            exit 2
      ScopeViolation             an agent left its bounds
      StaleWrite                 an agent built on what has since changed
      LimitExceeded              a limit of the run was reached    exit 3
      ModelError                 the provider or the model's text; `retryable` says which
      RunStopped                 the disk or the workspace failed under a run   exit 4
      LogError                   the event log cannot be read or written   exit 4
      InternalError              a bug of ours                     exit 4

An error is written for whoever must act on it: it says what is wrong, where, why that is
wrong, and how to fix it. Mistakes of one file are collected as `Problem`s and raised together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake.

    Attributes:
        what: the mistake in one short sentence, without a final stop.
        where: `file:line:column`, a task id, a command-line option; empty when there is no place.
        why: why it is a mistake; may be empty when `what` says it all.
        fix: what to do about it, as an instruction.
        code: stable short name for machines, for example ``unknown-key``.
        tasks: ids of the tasks concerned, for findings.
    """

    what: str
    where: str = ""
    why: str = ""
    fix: str = ""
    code: str = ""
    tasks: tuple[str, ...] = ()

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        lines = [head]
        if self.why:
            lines.append(f"  why: {self.why}")
        if self.fix:
            lines.append(f"  fix: {self.fix}")
        return "\n".join(lines)


class OrchestratorError(Exception):
    """Root of all errors of this package.

    Args:
        what: what is wrong, in one sentence.
        where: place (file:line:column, task, option).
        why: why that is wrong.
        fix: what to do.
        problems: all mistakes found, when there are several; `what` is then the headline.
    """

    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        what: str,
        where: str = "",
        why: str = "",
        fix: str = "",
        problems: Sequence[Problem] = (),
    ) -> None:
        self.what, self.where, self.why, self.fix = what, where, why, fix
        self.problems: tuple[Problem, ...] = tuple(problems) or (Problem(what, where, why, fix),)
        super().__init__(str(self))

    def __str__(self) -> str:
        own = Problem(self.what, self.where, self.why, self.fix)
        if len(self.problems) == 1 and str(self.problems[0]) == str(own):
            return str(own)
        return "\n".join([str(own), *(str(problem) for problem in self.problems)])


class PlanError(OrchestratorError):
    """A plan says something impossible; all its mistakes are in `problems`."""

    exit_code = 2


class RoleError(OrchestratorError):
    """A role document is not a valid role; all its mistakes are in `problems`."""

    exit_code = 2


class UsageError(OrchestratorError):
    """The command line or the arguments of a library call are wrong."""

    exit_code = 2


class WorkspaceError(OrchestratorError):
    """The workspace or the run directory cannot be used as asked."""

    exit_code = 2


class ScopeViolation(OrchestratorError):
    """An agent asked for a file outside its effective scope."""


class StaleWrite(OrchestratorError):
    """A write was based on a version that is no longer current, or its lease has ended."""


class LimitExceeded(OrchestratorError):
    """A limit of the run was reached."""

    exit_code = 3


class ModelError(OrchestratorError):
    """The provider failed, or the model's answer cannot be used.

    Attributes:
        retryable: whether the same request may succeed later.
        retry_after: seconds that the provider asked to wait, or None.
        spent: what the failed call took all the same, as far as the provider told it (a
            `models.base.Usage`), or None.
    """

    def __init__(
        self,
        what: str,
        where: str = "",
        why: str = "",
        fix: str = "",
        *,
        retryable: bool = False,
        retry_after: float | None = None,
        spent: object | None = None,
    ) -> None:
        super().__init__(what, where, why, fix)
        self.retryable = retryable
        self.retry_after = retry_after
        self.spent = spent


class RunStopped(OrchestratorError):
    """The run cannot go on (disk full, workspace gone); once that is mended, it can be resumed."""

    exit_code = 4


class LogError(OrchestratorError):
    """The event log cannot be read or written."""

    exit_code = 4


class InternalError(OrchestratorError):
    """A bug of this package: its own rules do not hold."""

    exit_code = 4


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that `word` was probably meant to be, or None."""
    matches = get_close_matches(word, list(known), n=1, cutoff=0.5)
    return matches[0] if matches else None
