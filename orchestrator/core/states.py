"""Where a task can stand, and the one table of legal moves.

Everything that changes a task's state goes through `after`. The diagram in DESIGN_DOC.md is
drawn from the table by `diagram` (`make docs`), and a test walks the whole product of states
and moves.
"""

from __future__ import annotations

from enum import StrEnum

from orchestrator.errors import InternalError


class TaskState(StrEnum):
    """Where a task stands."""

    WAITING = "waiting"
    HELD = "held"
    READY = "ready"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


class Move(StrEnum):
    """Why a task changes its state."""

    RELEASE = "dependencies met"
    HOLD = "dependencies met, needs approval"
    APPROVE = "approved"
    GRANT = "lease granted"
    ACCEPT = "evidence accepted"
    AGAIN = "attempt ended, another allowed"
    EXHAUST = "attempt ended, none left"
    SKIP = "a dependency did not succeed, or rejected"
    CANCEL = "cancelled"
    RETRY = "explicit retry"


S, M = TaskState, Move

MOVES: dict[tuple[TaskState, Move], TaskState] = {
    (S.WAITING, M.RELEASE): S.READY,
    (S.WAITING, M.HOLD): S.HELD,
    (S.WAITING, M.SKIP): S.SKIPPED,
    (S.WAITING, M.CANCEL): S.CANCELLED,
    (S.HELD, M.APPROVE): S.READY,
    (S.HELD, M.SKIP): S.SKIPPED,
    (S.HELD, M.CANCEL): S.CANCELLED,
    (S.READY, M.GRANT): S.RUNNING,
    (S.READY, M.CANCEL): S.CANCELLED,
    (S.RUNNING, M.ACCEPT): S.SUCCEEDED,
    (S.RUNNING, M.AGAIN): S.READY,
    (S.RUNNING, M.EXHAUST): S.FAILED,
    (S.RUNNING, M.CANCEL): S.CANCELLED,
    (S.FAILED, M.RETRY): S.READY,
    (S.SKIPPED, M.RETRY): S.WAITING,
    (S.CANCELLED, M.RETRY): S.WAITING,
}

ENDED = frozenset({S.SUCCEEDED, S.FAILED, S.SKIPPED, S.CANCELLED})
"""States that a task leaves only by an explicit retry, or never."""


def allowed(state: TaskState, move: Move) -> bool:
    """Whether the table lists this move."""
    return (state, move) in MOVES


def after(state: TaskState, move: Move) -> TaskState:
    """Return the state after a legal move.

    Raises:
        InternalError: the table does not list the move; whoever decided it did not ask first.
    """
    try:
        return MOVES[state, move]
    except KeyError:
        legal = [f"{m.name} -> {to}" for (s, m), to in MOVES.items() if s is state]
        raise InternalError(
            f"illegal move {move.name} of a task that is {state}",
            where="core/states.py",
            why=f"legal from {state}: {', '.join(legal) or 'nothing'}",
            fix="report this as a bug, with the run's events.db",
        ) from None


def diagram() -> str:
    """Return the table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> waiting"]
    lines += [f"    {state} --> {to}: {move.value}" for (state, move), to in MOVES.items()]
    lines += ["    succeeded --> [*]"]
    return "\n".join(lines)
