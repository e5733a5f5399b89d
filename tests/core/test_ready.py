"""The order in which ready tasks start."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.ready import PRIORITY_SECONDS, ReadyQueue


def drain(queue: ReadyQueue) -> list[str]:
    order = []
    while (task := queue.first()) is not None:
        order.append(task)
        queue.remove(task)
    return order


def test_the_longest_remaining_path_starts_first() -> None:
    queue = ReadyQueue()
    queue.push("short", rank=5, priority=0, order=0, at=0)
    queue.push("long", rank=50, priority=0, order=1, at=0)
    assert drain(queue) == ["long", "short"]


def test_ties_are_broken_by_plan_order() -> None:
    queue = ReadyQueue()
    for order, name in ((2, "c"), (0, "z"), (1, "b")):
        queue.push(name, rank=5, priority=0, order=order, at=0)
    assert drain(queue) == ["z", "b", "c"]


def test_a_step_of_priority_is_worth_an_hour_of_rank() -> None:
    queue = ReadyQueue()
    queue.push("long", rank=PRIORITY_SECONDS - 1, priority=0, order=0, at=0)
    queue.push("wanted", rank=0, priority=1, order=1, at=0)
    queue.push("longest", rank=PRIORITY_SECONDS + 1, priority=0, order=2, at=0)
    assert drain(queue) == ["longest", "wanted", "long"]


def test_age_raises_rank() -> None:
    queue = ReadyQueue()
    queue.push("old", rank=1, priority=0, order=0, at=0)
    queue.push("young", rank=100, priority=0, order=1, at=98)
    queue.push("too young", rank=100, priority=0, order=2, at=100)
    assert drain(queue) == ["young", "old", "too young"]


def test_what_was_removed_does_not_start() -> None:
    queue = ReadyQueue()
    queue.push("a", rank=9, priority=0, order=0, at=0)
    queue.push("b", rank=5, priority=0, order=1, at=0)
    queue.remove("a")
    queue.remove("never there")
    assert queue.first() == "b"
    assert queue.tasks() == {"b"}
    assert len(queue) == 1


def test_pushed_again_it_stands_where_the_new_key_puts_it() -> None:
    queue = ReadyQueue()
    queue.push("a", rank=9, priority=0, order=0, at=0)
    queue.push("b", rank=5, priority=0, order=1, at=0)
    queue.push("a", rank=1, priority=0, order=0, at=0)
    assert drain(queue) == ["b", "a"]
    assert queue.first() is None


@given(
    st.lists(
        st.tuples(
            st.integers(0, 5), st.sampled_from([0.0, 1.0, 60.0]), st.integers(-1, 1),
            st.integers(0, 100), st.booleans(),
        ),
        max_size=20,
    )
)  # fmt: skip
def test_against_sorting(moves: list[tuple[int, float, int, int, bool]]) -> None:
    queue, model = ReadyQueue(), dict[str, tuple[float, int]]()
    for order, rank, priority, at, stays in moves:
        name = f"t{order}"
        if stays:
            queue.push(name, rank, priority, order, at)
            model[name] = (rank + priority * PRIORITY_SECONDS - at, -order)
        else:
            queue.remove(name)
            model.pop(name, None)
    assert drain(queue) == sorted(model, key=lambda name: model[name], reverse=True)
