"""From code whose graph is known to a first plan of few tasks.

All files of the project are to be worked on: what a user wants changed is not known yet. The cut
is that of a strategy of `decompose`; too many tasks are joined until there are `MOST`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from textwrap import fill

from orchestrator.analysis.codegraph import CodeGraph, Strength
from orchestrator.analysis.codereach import named_after
from orchestrator.analysis.decompose import STRATEGIES, Options
from orchestrator.analysis.decomposing.assembling import VERIFY, tasks_of
from orchestrator.analysis.decomposing.cut import Cut, Part, without_implied
from orchestrator.analysis.decomposing.naming import group_names, tidy, unique
from orchestrator.analysis.decomposing.survey import Survey
from orchestrator.analysis.goals import Goal
from orchestrator.core.task import Task
from orchestrator.ui.starting.commands import ProjectTests, compiles
from orchestrator.ui.starting.sketch import MOST, Sketch, fold, some
from orchestrator.ui.words import count

_LARGE = 100
"""Files from which on the cut begins with folders instead of files: joining is quadratic."""

_FEW = 4
"""Tasks below which a cut by folders is too coarse to begin with."""

_BECAUSE = {
    Strength.HARD: "{0} uses {1} while it is imported",
    Strength.CALL: "{0} calls what is in {1}",
    Strength.LAZY: "{0} imports {1} when it is called",
    Strength.TYPING: "{0} names types of {1}",
    Strength.OBSERVED: "{0} was seen calling {1}",
}


def sketch_code(
    graph: CodeGraph, files: Sequence[str], command: ProjectTests, strategy: str = ""
) -> Sketch:
    """Return a first plan for code.

    Args:
        graph: the code.
        files: paths of the source files to be worked on; at least one.
        command: what tests it.
        strategy: of `decompose`; empty: the one that suits the size, and few tasks.
    """
    survey = Survey(graph, Goal(dict.fromkeys(sorted(files), ()), "all files", graph.tests))
    cut = STRATEGIES[strategy](survey, Options()) if strategy else _few(survey)
    made = tasks_of(survey, cut, "")
    owned = {part.name: part.paths for part in cut.parts}
    tests = share_tests(graph, {task.id: owned[task.id] for task in made})
    if not command.by_file:
        tests = {}
    elif len(made) == 1:
        tests = {made[0].id: graph.tests}
    tasks = [_plain(task, owned[task.id], tests.get(task.id, ()), survey, command) for task in made]
    if command.by_file and len(tasks) > 1:
        tasks.append(_last(tasks, graph.tests, survey, command))
    reasons = {
        (task.id, needed): _reason(graph, owned[task.id], owned[needed])
        for task in made
        for needed in task.depends_on
    }
    how = f"strategy {strategy}" if strategy else f"by files and folders, {MOST} tasks at most"
    found = (
        f"{count(len(survey.files), 'source file')} and {count(len(graph.tests), 'test file')}, "
        f"cut into {count(len(tasks), 'task')} ({how})",
    )
    return Sketch(tuple(tasks), command, found, tuple(cut.notes), reasons)


def _few(survey: Survey) -> Cut:
    cut = STRATEGIES["modules" if len(survey.files) <= _LARGE else "packages"](survey, Options())
    if len(survey.files) > _LARGE and len(cut.parts) < _FEW:
        cut = STRATEGIES["modules"](survey, Options())
    if len(cut.parts) < MOST:
        return cut
    groups = join(cut.parts, {part.name: survey.seconds(part.files) for part in cut.parts})
    owner = {name: number for number, group in enumerate(groups) for name in group}
    by_name = {part.name: part for part in cut.parts}
    paths = [tuple(sorted(p for name in group for p in by_name[name].files)) for group in groups]
    names = _names(survey, paths)
    parts = [
        Part(
            name=names[number],
            files=paths[number],
            waits_for=frozenset(
                names[owner[needed]]
                for name in group
                for needed in by_name[name].waits_for
                if owner[needed] != number
            ),
        )
        for number, group in enumerate(groups)
    ]
    note = f"{len(cut.parts)} parts were joined to {len(parts)} tasks, small ones with neighbours"
    return Cut(without_implied(parts), (*cut.notes, note))


def join(
    parts: Sequence[Part], seconds: Mapping[str, float], most: int = MOST - 1
) -> list[tuple[str, ...]]:
    """Join parts until there are few, and return their names by group.

    The smallest group is joined with the closest one, in the same folder if possible, that does
    not tie a circle: no third group may stand between the two.

    Args:
        parts: they wait for one another without a circle.
        seconds: part to how long it should take.
        most: groups that may be left.
    """
    groups = {part.name: [part.name] for part in parts}
    needs = {part.name: set(part.waits_for) for part in parts}
    size = dict(seconds)
    folders = {part.name: _folder(part.paths) for part in parts}
    while len(groups) > max(most, 1):
        least = min(groups, key=lambda name: (size[name], name))
        ranked = sorted(
            (name for name in groups if name != least),
            key=lambda name: (-_closeness(folders[least], folders[name]), size[name], name),
        )
        other = next(name for name in ranked if not _between(needs, least, name))
        groups[other] += groups.pop(least)
        size[other] += size.pop(least)
        folders[other] = _shared(folders[other], folders[least])
        needs[other] = (needs[other] | needs.pop(least)) - {least, other}
        for waiting in needs.values():
            if least in waiting:
                waiting.remove(least)
                waiting.add(other)
        needs[other].discard(other)
    return [tuple(group) for group in groups.values()]


def _between(needs: Mapping[str, set[str]], one: str, two: str) -> bool:
    """Whether one of two groups waits for the other through a third."""
    for start, end in ((one, two), (two, one)):
        seen: set[str] = set()
        todo = [name for name in needs[start] if name != end]
        while todo:
            name = todo.pop()
            if name == end:
                return True
            if name not in seen:
                seen.add(name)
                todo += needs[name]
    return False


def _folder(paths: Sequence[str]) -> tuple[str, ...]:
    found = tuple(paths[0].split("/")[:-1])
    for path in paths[1:]:
        found = _shared(found, tuple(path.split("/")[:-1]))
    return found


def _shared(one: tuple[str, ...], two: tuple[str, ...]) -> tuple[str, ...]:
    return one[: _closeness(one, two)]


def _closeness(one: tuple[str, ...], two: tuple[str, ...]) -> int:
    """Return how many folders two places share from the top."""
    same = 0
    for first, second in zip(one, two, strict=False):
        if first != second:
            break
        same += 1
    return same


def _names(survey: Survey, groups: Sequence[tuple[str, ...]]) -> list[str]:
    """Return a name per group: its folder's where it is all of a folder, else its files'."""
    plain = group_names(survey, groups)
    made = {}
    for number, files in enumerate(groups):
        folder = "/".join(_folder(files))
        whole = folder and files == tuple(
            path for path in survey.files if path.startswith(f"{folder}/")
        )
        made[str(number)] = tidy(folder.rpartition("/")[2]) if whole else plain[number]
    return list(unique(made).values())


def share_tests(graph: CodeGraph, owned: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return which test files each task runs. The code works, so any test can pass at any time.

    A test goes to the task of the file that it is named after, if it uses that file; else to the
    last task, in the order of the plan, whose files it uses.

    Args:
        graph: the code.
        owned: task to its files, dependencies first.
    """
    place = {path: number for number, files in enumerate(owned.values()) for path in files}
    names = list(owned)
    found: dict[str, list[str]] = {}
    for test in graph.tests:
        reached = {path: far for path, far in graph.reached_by(test).items() if path in place}
        near = [path for path in reached if reached[path] == min(reached.values())]
        if not near:
            continue
        own = [path for path in near if named_after(test, path)]
        found.setdefault(names[max(place[path] for path in own or near)], []).append(test)
    return {name: tuple(tests) for name, tests in found.items()}


def _plain(
    task: Task,
    files: Sequence[str],
    tests: tuple[str, ...],
    survey: Survey,
    command: ProjectTests,
) -> Task:
    """Return a task in the words of a first plan: nothing is missing, all may be changed."""
    if task.shares:  # part of a file that several tasks edit: told in full
        return replace(task, reads=("**",), test=command.text if not command.by_file else task.test)
    named = fold(files, (*survey.graph.modules, *survey.graph.data))
    return replace(
        task,
        title=f"Work on {some(named)}",
        instructions=_text(named),
        writes=named,
        reads=("**",),
        tests=_folded(tests, survey, command),
        test=command.text if tests or (not command.by_file and command.text) else compiles(files),
    )


def _last(
    tasks: Sequence[Task], tests: tuple[str, ...], survey: Survey, command: ProjectTests
) -> Task:
    """Return the task that comes last and runs all tests together."""
    awaited = {needed for task in tasks for needed in task.depends_on}
    return Task(
        id=VERIFY,
        title="Run all tests together",
        instructions=_wrapped(
            "All other tasks are done. Run the tests. Where one fails, find out why, and mend its "
            "cause with the smallest edit."
        ),
        role="integrator",
        depends_on=tuple(task.id for task in tasks if task.id not in awaited),
        writes=fold(survey.files, (*survey.graph.modules, *survey.graph.data)),
        tests=_folded(tests, survey, command),
        test=command.text,
    )


def _text(named: Sequence[str]) -> str:
    these = "this file and those that it uses" if len(named) == 1 else "these and what they use"
    return _wrapped(
        f"Bring the goal about in {some(named, 6)}. Read {these}, change what the goal asks for, "
        "and leave the rest as it is. Keep signatures that others rely on, unless the goal says "
        "otherwise; tell the other agents when one must change."
    )


def _wrapped(text: str) -> str:
    return fill(text, 92, break_long_words=False, break_on_hyphens=False) + "\n"


def _folded(tests: tuple[str, ...], survey: Survey, command: ProjectTests) -> tuple[str, ...]:
    """Return test files, a folder instead where all tests of it are among many.

    Only pytest takes folders.
    """
    rest, found = set(tests), []
    others = set(survey.graph.tests) - rest
    while "pytest" in command.text and len(rest) > _MANY_TESTS:
        folders = sorted({path[:end] for path in rest for end in _ends(path)})
        whole = [f for f in folders if not any(other.startswith(f"{f}/") for other in others)]
        if not whole:
            break
        found.append(whole[0])
        rest -= {path for path in rest if path.startswith(f"{whole[0]}/")}
    return (*found, *sorted(rest))


def _ends(path: str) -> list[int]:
    return [number for number, char in enumerate(path) if char == "/"]


_MANY_TESTS = 6


def _reason(graph: CodeGraph, files: Sequence[str], needed: Sequence[str]) -> str:
    """Return why some files wait for others: the strongest of the dependencies between them."""
    found: dict[Strength, tuple[str, str]] = {}
    targets = sorted(needed)
    for path in sorted(files):
        for target in targets:
            strength = graph.strength(path, target)
            if strength is not None:
                found.setdefault(strength, (path, target))
    for strength in Strength:
        if strength in found:
            return _BECAUSE[strength].format(*found[strength])
    return "through files in between"
