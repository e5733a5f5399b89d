"""The task graph against brute force: cycles, ranks, critical path, slack, growth."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.graph import CycleError, TaskGraph
from orchestrator.core.task import Task

ESTIMATES = (1.0, 2.0, 5.0, 60.0)


def task(name: str, *needs: str, estimate: float = 1.0) -> Task:
    return Task(id=name, depends_on=needs, estimate=estimate)


@st.composite
def dags(draw: st.DrawFn, most: int = 7) -> tuple[Task, ...]:
    names = [f"t{n}" for n in range(draw(st.integers(1, most)))]
    tasks = [
        task(
            name,
            *(before for before in names[:n] if draw(st.booleans())),
            estimate=draw(st.sampled_from(ESTIMATES)),
        )
        for n, name in enumerate(names)
    ]
    return tuple(draw(st.permutations(tasks)))


def paths(tasks: tuple[Task, ...]) -> list[tuple[str, ...]]:
    """All dependency paths, of every length, by brute force."""
    after: dict[str, list[str]] = {t.id: [] for t in tasks}
    for one in tasks:
        for before in set(one.depends_on):
            after[before].append(one.id)
    found: list[tuple[str, ...]] = [(t.id,) for t in tasks]
    for path in found:  # grows while it is read
        found += [(*path, name) for name in after[path[-1]]]
    return found


def length(tasks: tuple[Task, ...], path: tuple[str, ...]) -> float:
    estimates = {t.id: t.estimate for t in tasks}
    return sum(estimates[name] for name in path)


def test_it_knows_its_tasks_in_plan_order() -> None:
    graph = TaskGraph([task("b", "a"), task("a"), task("c", "b", "a")])
    assert list(graph) == ["b", "a", "c"]
    assert len(graph) == 3
    assert "a" in graph
    assert "x" not in graph
    assert graph.task("b").depends_on == ("a",)
    assert set(graph.dependencies("c")) == {"a", "b"}
    assert list(graph.dependents("a")) == ["b", "c"]


@given(dags())
def test_rank_is_the_longest_path_to_an_end(tasks: tuple[Task, ...]) -> None:
    graph = TaskGraph(tasks)
    for one in tasks:
        longest = max(length(tasks, path) for path in paths(tasks) if path[0] == one.id)
        assert graph.rank(one.id) == longest


@given(dags())
def test_the_critical_path_is_a_longest_path(tasks: tuple[Task, ...]) -> None:
    critical = TaskGraph(tasks).critical_path()
    assert critical.tasks in paths(tasks)
    assert critical.seconds == length(tasks, critical.tasks)
    assert critical.seconds == max(length(tasks, path) for path in paths(tasks))


@given(dags())
def test_slack_is_what_the_longest_path_through_a_task_leaves(tasks: tuple[Task, ...]) -> None:
    slack = TaskGraph(tasks).slack()
    end = max(length(tasks, path) for path in paths(tasks))
    for one in tasks:
        through = max(length(tasks, path) for path in paths(tasks) if one.id in path)
        assert slack[one.id] == pytest.approx(end - through)


def test_an_empty_graph_has_an_empty_critical_path() -> None:
    graph = TaskGraph()
    assert graph.critical_path().tasks == ()
    assert graph.slack() == {}


@given(dags(), st.data())
def test_growing_gives_the_same_graph_as_starting_with_all(
    tasks: tuple[Task, ...], data: st.DataObject
) -> None:
    ordered = sorted(tasks, key=lambda t: int(t.id[1:]))  # dependencies first
    cut = data.draw(st.integers(0, len(ordered)))
    grown = TaskGraph(ordered[:cut])
    grown.add(tuple(ordered[cut:]))
    whole = TaskGraph(tasks)
    for one in tasks:
        assert grown.rank(one.id) == whole.rank(one.id)
        assert set(grown.dependents(one.id)) == set(whole.dependents(one.id))


def test_new_tasks_can_be_put_before_old_ones() -> None:
    graph = TaskGraph([task("a", estimate=1), task("b", "a", estimate=10)])
    graph.add((task("part", "a", estimate=5),), {"b": ("part",)})
    assert set(graph.dependencies("b")) == {"a", "part"}
    assert [graph.rank(name) for name in ("a", "part", "b")] == [16, 15, 10]


@pytest.mark.parametrize(
    ("tasks", "cycle"),
    [
        ([task("a", "a")], {"a"}),
        ([task("a", "b"), task("b", "a")], {"a", "b"}),
        ([task("x"), task("a", "x", "c"), task("b", "a"), task("c", "b")], {"a", "b", "c"}),
    ],
)
def test_a_cycle_is_named_with_its_path(tasks: list[Task], cycle: set[str]) -> None:
    with pytest.raises(CycleError) as caught:
        TaskGraph(tasks)
    path = caught.value.path
    assert path[0] == path[-1]
    assert set(path) == cycle
    needs = {t.id: t.depends_on for t in tasks}
    assert all(before in needs[after] for before, after in pairwise(path))
    assert str(caught.value) == " -> ".join(path)


def test_a_refused_addition_changes_nothing() -> None:
    graph = TaskGraph([task("a"), task("b", "a")])
    ranks = {name: graph.rank(name) for name in graph}
    with pytest.raises(CycleError) as caught:
        graph.add((task("new", "b"),), {"a": ("new",)})
    assert set(caught.value.path) == {"a", "b", "new"}
    for bad in ((task("a"),), (task("n", "nobody"),), (task("n"), task("n"))):
        with pytest.raises(KeyError):
            graph.add(bad)
    assert list(graph) == ["a", "b"]
    assert list(graph.dependents("b")) == []
    assert list(graph.dependencies("a")) == []
    assert {name: graph.rank(name) for name in graph} == ranks


def test_a_dependency_path_is_found() -> None:
    graph = TaskGraph([task("a"), task("b", "a"), task("c", "b"), task("d", "a")])
    assert graph.path("a", "c") == ("a", "b", "c")
    assert graph.path("d", "c") is None
