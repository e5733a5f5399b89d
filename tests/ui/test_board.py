"""Where the tasks of a run stand, worked out from its events."""

from __future__ import annotations

from orchestrator.core import events as e
from orchestrator.core.limits import Limits
from orchestrator.core.states import TaskState
from orchestrator.core.task import Task
from orchestrator.runtime.header import Header
from orchestrator.ui.board import Board


def board_of(*tasks: Task, workers: int = 2, attempts: int = 3) -> Board:
    limits = Limits(workers=workers, attempts=attempts)
    return Board(Header(run="r", name="p", tasks=tasks, workers=workers, limits=limits))


def tell(board: Board, *events: e.Event) -> Board:
    for event in events:
        board.apply(event)
    return board


def granted(at: float, task: str, attempt: int = 1) -> e.LeaseGranted:
    return e.LeaseGranted(at, task, attempt, 1, "w1")


def succeeded(at: float, task: str) -> e.Succeeded:
    return e.Succeeded(at, task, 1, 1)


def ended(
    at: float, task: str, then: str, attempt: int = 1, *, counts: bool = True
) -> e.AttemptEnded:
    return e.AttemptEnded(at, task, attempt, 1, "tests_failed", "no", then, counts)


A, B, C = Task(id="a"), Task(id="b", depends_on=("a",)), Task(id="c", depends_on=("b",))


def states(board: Board) -> dict[str, str]:
    return {name: str(state) for name, state in board.states.items()}


def test_a_task_is_ready_when_nothing_is_before_it() -> None:
    assert states(board_of(A, B)) == {"a": "ready", "b": "waiting"}


def test_success_makes_the_next_ready() -> None:
    board = tell(board_of(A, B, C), granted(0, "a"), succeeded(1, "a"))
    assert states(board) == {"a": "succeeded", "b": "ready", "c": "waiting"}
    assert board.counts()[TaskState.READY] == 1
    assert board.among(TaskState.WAITING, TaskState.READY) == ["b", "c"]


def test_a_failure_that_may_be_passed_over_makes_the_next_ready() -> None:
    tolerant = Task(id="a", on_failure="continue")
    board = tell(board_of(tolerant, B), granted(0, "a"), ended(1, "a", "failed"))
    assert states(board) == {"a": "failed", "b": "ready"}


def test_an_attempt_that_ended_leaves_its_task_ready_again() -> None:
    board = tell(board_of(A), granted(0, "a"), ended(1, "a", "ready"))
    assert states(board) == {"a": "ready"}


def test_a_task_that_needs_approval_is_held_until_it_comes() -> None:
    board = board_of(A, Task(id="b", depends_on=("a",), approval=True))
    assert states(board)["b"] == "waiting"
    tell(board, granted(0, "a"), succeeded(1, "a"))
    assert states(board)["b"] == "held"
    tell(board, e.Approved(2, "b", 0, "ann"))
    assert states(board)["b"] == "ready"
    tell(board, granted(3, "b"), ended(4, "b", "failed"), e.Retried(5, "b", 1))
    assert states(board)["b"] == "ready"


def test_a_cancelled_task_that_is_retried_needs_approval_again() -> None:
    board = board_of(Task(id="a", approval=True))
    tell(board, e.Approved(0, "a", 0, ""), e.Cancelled(1, "a", 0, "no"), e.Retried(2, "a", 0))
    assert states(board) == {"a": "held"}


def test_tasks_added_for_others_come_before_them() -> None:
    board = board_of(A, B)
    tell(board, granted(0, "a"), e.Added(1, "a", 1, (Task(id="part"),), ("b",)), succeeded(2, "a"))
    assert states(board) == {"a": "succeeded", "b": "waiting", "part": "ready"}
    assert board.dependents("part") == ["b"]


def test_a_ready_task_is_blocked_while_the_holders_of_its_files_run() -> None:
    other = Task(id="x")
    board = tell(board_of(A, other), granted(0, "a"), e.Blocked(1, "x", 0, ("a",)))
    assert board.blocked() == {"x": ("a",)}
    tell(board, succeeded(2, "a"))
    assert board.blocked() == {}


def test_dependents_are_found_through_others() -> None:
    board = board_of(A, B, C, Task(id="d"))
    assert board.dependents("a") == ["b", "c"]
    assert board.dependents("c") == []


def test_attempts_that_were_interrupted_use_up_none() -> None:
    board = tell(board_of(A, attempts=2), granted(0, "a"))
    assert board.attempts_allowed("a") == 2
    tell(board, ended(1, "a", "ready", counts=False), granted(2, "a", 2))
    assert board.attempts_allowed("a") == 3
    tell(board, ended(3, "a", "ready", 2), granted(4, "a", 3))
    assert board.attempts_allowed("a") == 3


def test_a_retry_gives_all_attempts_again() -> None:
    board = tell(board_of(A, attempts=1), granted(0, "a"), ended(1, "a", "failed"))
    tell(board, e.Retried(2, "a", 1), granted(3, "a", 2))
    assert board.attempts_allowed("a") == 2


def test_what_is_ahead_is_the_longest_path_or_the_work_whichever_is_more() -> None:
    tasks = [Task(id="a", estimate=10), Task(id="b", estimate=20, depends_on=("a",))]
    alone = board_of(*tasks).ahead()
    assert (alone.seconds, alone.path, alone.measured) == (30, ("a", "b"), False)
    crowd = [Task(id=str(n), estimate=20) for n in range(4)]
    assert board_of(*tasks, *crowd).ahead().seconds == 55


def test_estimates_are_scaled_by_how_they_have_held() -> None:
    tasks = [Task(id="a", estimate=10), Task(id="b", estimate=20, depends_on=("a",))]
    board = tell(board_of(*tasks), granted(0, "a"), succeeded(5, "a"))
    assert (board.ahead().seconds, board.ahead().measured) == (10, True)
    tell(board, granted(5, "b"), e.Renewed(9, "b", 1, 1))
    assert board.ahead().seconds == 6
    tell(board, succeeded(30, "b"))
    assert board.ahead().path == ()
