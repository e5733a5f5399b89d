"""What the plan leaves out of the code, and tests that reach into unfinished work."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping

from orchestrator.analysis.codereach import Reach
from orchestrator.analysis.linting.ground import Ground, capped, listed
from orchestrator.analysis.linting.needs import Need
from orchestrator.core.task import Task
from orchestrator.spec.findings import AddDependency, Finding

_MARKED = {"raise", "ellipsis"}
_RUNNERS = re.compile(r"\b(?:pytest|unittest|tox|nox|make|npm|npx|yarn|pnpm|vitest|jest)\b")


def check_stubs(ground: Ground) -> list[Finding]:
    """Find files with functions still to be written that no task may write."""
    found = []
    for path, stubs in ground.graph.stubs().items():
        if path in ground.writers or path in ground.sharers:
            continue
        sure = [one for one in stubs if one.stub in _MARKED]
        shown = sure or list(stubs)
        what = "still to be written" if sure else "perhaps still to be written"
        found.append(
            Finding(
                f"no task may write `{path}`, and functions in it are {what}",
                ground.these.places.plan("tasks"),
                f"they are {listed([one.name for one in shown])}",
                f"add `{path}` to the `writes` of the task that it belongs to, or add a task",
                "unwritable-stub",
                (),
                "warning" if sure else "info",
                f"{path}:{shown[0].first}",
            )
        )
    return capped(found, ground.these)


def check_tests(ground: Ground) -> list[Finding]:
    """Find test files that no task runs although they reach what tasks write."""
    ran = {test for tests in ground.tests.values() for test in tests}
    for task in ground.tasks:
        ran |= _in_command(ground, task)
    found = []
    for test in ground.graph.tests:
        reached = [path for path in ground.graph.reached_by(test) if path in ground.writers]
        if test in ran or not reached:
            continue
        tasks = tuple(dict.fromkeys(name for path in reached for name in ground.writers[path]))
        found.append(
            Finding(
                f"no task runs `{test}`",
                ground.these.places.plan("tasks"),
                f"it tests files of {listed(tasks)}",
                f"add it to the `tests` of {_whose(ground, tasks)}",
                "test-not-run",
                tasks,
                "warning",
                test,
            )
        )
    return capped(found, ground.these)


def _whose(ground: Ground, tasks: tuple[str, ...]) -> str:
    """Name a task that comes after all others of these, if there is one."""
    for task in tasks:
        if all(other == task or ground.order.before(other, task) for other in tasks):
            return f"`{task}`"
    return "a task that waits for all of them"


def _in_command(ground: Ground, task: Task) -> set[str]:
    """Return the test files that a task's command runs without being told which."""
    if not task.test or "{tests}" in task.test:
        return set()
    words = _words(task.test)
    named = {
        test
        for test in ground.graph.tests
        if any(test == word or test.startswith(f"{word}/") for word in words)
    }
    return named if named or not _RUNNERS.search(task.test) else set(ground.graph.tests)


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    return [word.partition("::")[0].removeprefix("./").rstrip("/") for word in words if word]


def check_reach(ground: Ground, needs: Mapping[tuple[str, str], Need]) -> list[Finding]:
    """Find test commands that run code which a task beside them may be writing."""
    found: list[Finding] = []
    for task in ground.tasks:
        named = set(ground.tests[task.id])
        found += _reaching(ground, needs, task, named)
        whole = _in_command(ground, task) - named
        others = _unordered(ground, task, whole)
        if others:
            found.append(_wide(ground, task, others))
    return capped(found, ground.these)


def _unordered(ground: Ground, task: Task, tests: set[str]) -> dict[str, tuple[Reach, str]]:
    """Return the unordered tasks whose files tests reach: the shortest way, and the file."""
    found: dict[str, tuple[Reach, str]] = {}
    for test in sorted(tests):
        for path, distance in ground.graph.reached_by(test).items():
            for on in ground.writers.get(path, ()):
                if ground.order.unordered(task.id, on) and (
                    on not in found or distance < found[on][0].distance
                ):
                    found[on] = Reach(test, distance), path
    return found


def _reaching(
    ground: Ground, needs: Mapping[tuple[str, str], Need], task: Task, tests: set[str]
) -> Iterator[Finding]:
    for on, (reach, path) in _unordered(ground, task, tests).items():
        if (task.id, on) in needs or (on, task.id) in needs:
            continue  # said as a missing dependency
        yield Finding(
            f"the tests of `{task.id}` run code that `{on}` may be writing",
            ground.place(task.id, "tests"),
            f"`{reach.test}` reaches `{path}` through "
            f"{reach.distance - 1} other file{'s' * (reach.distance != 2)}",
            f"add `depends_on: [{on}]` to `{task.id}`, or give that test to a task after both",
            "test-reaches-unordered",
            (task.id, on),
            ground.weight("warning"),
            f"{reach.test} -> {path}",
            AddDependency(task.id, on),
        )


def _wide(ground: Ground, task: Task, others: Mapping[str, tuple[Reach, str]]) -> Finding:
    names = tuple(others)
    reach, path = others[names[0]]
    return Finding(
        f"the test command of `{task.id}` runs code that {listed(names)} may be writing",
        ground.place(task.id, "test"),
        "it names test files beyond `tests`, or none, and then runs all there are",
        f"list the test files of `{task.id}` under `tests` and write {{tests}} into the command",
        "test-reaches-unordered",
        (task.id, *names),
        ground.weight("warning"),
        f"{reach.test} -> {path}",
    )
