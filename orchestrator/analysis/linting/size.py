"""The shape of a plan: tasks that are too large, chains that keep workers idle."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from statistics import mean

from orchestrator.analysis.codegraph import CodeGraph
from orchestrator.analysis.linting.ground import Ground
from orchestrator.analysis.parallelism import Parallelism
from orchestrator.core.task import Task
from orchestrator.spec.durations import format_duration
from orchestrator.spec.findings import Finding
from orchestrator.spec.plancheck import TaskList

FAR_ABOVE = 3.0
"""Times the mean of the others from which on a task is called large."""

FEWEST = 4
"""Tasks below which the shape of a plan says nothing."""


def check_sizes(these: TaskList, ground: Ground | None) -> list[Finding]:
    """Find tasks far above the mean: by estimates, or by stubs where all estimates are equal."""
    tasks = these.tasks
    if len(tasks) < FEWEST:
        return []
    if len({task.estimate for task in tasks}) > 1:
        return _large(these, {task.id: task.estimate for task in tasks}, format_duration)
    if ground is None:
        return []
    return _large(these, _stubs(ground), lambda count: f"{count:.0f} functions to write")


def _stubs(ground: Ground) -> dict[str, float]:
    graph: CodeGraph = ground.graph
    found = dict.fromkeys((task.id for task in ground.tasks), 0.0)
    for path, stubs in graph.stubs().items():
        for task in ground.writers.get(path, ()):
            found[task] += len(stubs)
    return {task: count for task, count in found.items() if count}


def _large(
    these: TaskList, sizes: dict[str, float], shown: Callable[[float], str]
) -> list[Finding]:
    found = []
    for task, size in sizes.items():
        others = [other for name, other in sizes.items() if name != task]
        usual = mean(others) if len(others) >= FEWEST - 1 else 0.0
        if usual and size > FAR_ABOVE * usual:
            found.append(
                Finding(
                    f"`{task}` is {size / usual:.1f} times as large as the others are on average",
                    these.places.task(these.index[task]),
                    f"{shown(size)} against {shown(usual)}; a run is as long as its longest task",
                    f"split `{task}`, by files or by the functions in them",
                    "large-task",
                    (task,),
                    "info",
                )
            )
    return found


def check_depth(these: TaskList, parallel: Parallelism, workers: int, mode: str) -> list[Finding]:
    """Find plans that keep their workers waiting, whatever the schedule."""
    tasks: list[Task] = list(these.tasks)
    if mode == "solo" or workers < 2 or len(tasks) < FEWEST or not parallel.span:
        return []
    place = these.places.plan("tasks")
    path = " -> ".join(_shortened(parallel.critical_path))
    if parallel.width == 1:
        return [
            Finding(
                "no two of the tasks can ever run at once",
                place,
                f"each waits for another; {workers} workers are no faster than one",
                "drop dependencies that no data flow needs, split off shared types as a first "
                "task, or run it with one worker",
                "chain",
                parallel.critical_path,
                "warning",
                path,
            )
        ]
    best = parallel.work / parallel.span
    if best >= workers / 2 and parallel.width >= workers:
        return []
    return [
        Finding(
            f"{workers} workers cannot be kept busy",
            place,
            f"at most {parallel.width} tasks can run at once, and no schedule is more than "
            f"{best:.2f} times as fast as one worker",
            f"use fewer workers ({min(parallel.width, max(2, ceil(best)))} are enough), or "
            "shorten the longest chain",
            "idle-workers",
            (),
            "info",
            path,
        )
    ]


def _shortened(names: tuple[str, ...], most: int = 12) -> tuple[str, ...]:
    return names if len(names) <= most else (*names[: most - 4], "...", *names[-3:])
