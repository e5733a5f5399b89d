"""How much of a plan can be done at the same time."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.analysis.parallelism import parallelism_of, width
from orchestrator.core.task import Task

Graph = dict[str, list[str]]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    size = draw(st.integers(0, 7))
    pairs = list(combinations(range(size), 2))
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    order = draw(st.permutations(range(size)))
    names = [f"t{number}" for number in order]
    return {
        name: [names[before] for before, after in chosen if after == number]
        for number, name in enumerate(names)
    }


def reachable(graph: Graph, start: str) -> set[str]:
    found: set[str] = set()
    pending = [start]
    while pending:
        for before in graph[pending.pop()]:
            if before not in found:
                found.add(before)
                pending.append(before)
    return found


@given(graphs())
def test_the_width_is_that_of_the_largest_antichain(graph: Graph) -> None:
    above = {name: reachable(graph, name) for name in graph}

    def apart(names: tuple[str, ...]) -> bool:
        return all(b not in above[a] and a not in above[b] for a, b in combinations(names, 2))

    sizes = [
        size
        for size in range(len(graph) + 1)
        if any(apart(names) for names in combinations(graph, size))
    ]
    assert width(graph) == max(sizes)


def test_layers_that_wait_for_all_of_the_layer_before() -> None:
    graph = {
        f"{layer}.{number}": [f"{layer - 1}.{other}" for other in range(40)] if layer else []
        for layer in range(5)
        for number in range(40)
    }
    assert width(graph) == 40


def test_no_schedule_beats_the_critical_path_or_the_work() -> None:
    tasks = [
        Task(id="a", estimate=10),
        Task(id="b", estimate=20, depends_on=("a",)),
        Task(id="c", estimate=5, depends_on=("a",)),
        Task(id="d", estimate=25),
    ]
    found = parallelism_of(tasks)
    assert (found.tasks, found.work, found.span, found.width) == (4, 60, 30, 3)
    assert found.critical_path == ("a", "b")
    assert [(b.workers, b.seconds, b.speedup) for b in found.bounds] == [(1, 60, 1), (2, 30, 2)]


def test_it_goes_up_to_as_many_workers_as_can_be_of_use() -> None:
    tasks = [Task(id=str(number), estimate=1) for number in range(6)]
    bounds = parallelism_of(tasks).bounds
    assert [bound.workers for bound in bounds] == [1, 2, 4, 8]
    assert bounds[-1].speedup == 6


def test_the_json_form() -> None:
    found = parallelism_of([Task(id="a", estimate=3), Task(id="b", estimate=1)]).to_json()
    assert found == {
        "tasks": 2,
        "work": 4,
        "critical_path": {"seconds": 3, "tasks": ["a"]},
        "width": 2,
        "bounds": [
            {"workers": 1, "seconds": 4, "speedup": 1},
            {"workers": 2, "seconds": 3, "speedup": 1.333},
        ],
    }


def test_a_plan_without_tasks() -> None:
    found = parallelism_of([])
    assert (found.width, found.span, found.critical_path) == (0, 0, ())
    assert found.bounds[0].speedup == pytest.approx(1)
