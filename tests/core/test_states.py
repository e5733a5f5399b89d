"""The table of legal moves: what it lists happens, everything else is a bug of ours."""

from __future__ import annotations

from itertools import product

import pytest

from orchestrator.core.states import ENDED, MOVES, Move, TaskState, after, allowed, diagram
from orchestrator.errors import InternalError

MAY_BECOME = {
    "waiting": {"ready", "held", "skipped", "cancelled"},
    "held": {"ready", "skipped", "cancelled"},
    "ready": {"running", "cancelled"},
    "running": {"succeeded", "ready", "failed", "cancelled"},
    "succeeded": set(),
    "failed": {"ready"},
    "skipped": {"waiting"},
    "cancelled": {"waiting"},
}
"""The table of the design, written down a second time."""


def test_the_table_says_what_the_design_says() -> None:
    may_become: dict[str, set[str]] = {str(state): set() for state in TaskState}
    for (state, _), to in MOVES.items():
        may_become[str(state)].add(str(to))
    assert may_become == MAY_BECOME


@pytest.mark.parametrize(("state", "move"), list(product(TaskState, Move)))
def test_listed_moves_happen_and_all_others_raise(state: TaskState, move: Move) -> None:
    if (state, move) in MOVES:
        assert allowed(state, move)
        assert after(state, move) is MOVES[state, move]
        return
    assert not allowed(state, move)
    with pytest.raises(InternalError, match=f"illegal move {move.name}") as caught:
        after(state, move)
    legal = [f"{m.name} -> {to}" for (start, m), to in MOVES.items() if start is state]
    assert caught.value.why == f"legal from {state}: {', '.join(legal) or 'nothing'}"


def test_a_task_that_has_ended_leaves_its_state_only_by_retry() -> None:
    leaving = {(state, move) for state, move in MOVES if state in ENDED}
    assert leaving == {(s, Move.RETRY) for s in ENDED - {TaskState.SUCCEEDED}}


def test_every_state_can_be_reached_and_every_move_is_used() -> None:
    assert set(MOVES.values()) | {TaskState.WAITING} == set(TaskState)
    assert {move for _, move in MOVES} == set(Move)


def test_the_diagram_lists_exactly_the_table() -> None:
    head, begin, *lines, end = diagram().splitlines()
    assert (head, begin, end) == (
        "stateDiagram-v2", "    [*] --> waiting", "    succeeded --> [*]",
    )  # fmt: skip
    drawn = set()
    for line in lines:
        states, _, why = line.strip().partition(": ")
        start, _, to = states.partition(" --> ")
        drawn.add((start, why, to))
    assert len(lines) == len(MOVES)
    assert drawn == {(str(s), move.value, str(to)) for (s, move), to in MOVES.items()}
