"""From a cut to a plan: tests, reads, estimates and instructions, the same for all strategies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.analysis.decomposing import telling
from orchestrator.analysis.decomposing.cut import Cut, Part, ancestors, topological
from orchestrator.analysis.decomposing.naming import file_names
from orchestrator.analysis.decomposing.survey import ROUTE, Survey
from orchestrator.analysis.decomposing.testing import look_over, share_out
from orchestrator.core.task import Task

VERIFY = "verify"
_VERIFYING = 60.0
_MANY = 8
"""Test files that a task's `reads` lists; more are written as the folders that hold them."""


_SPECIAL = frozenset("[]{}*?")
"""Characters that mean something in a glob; in brackets they mean themselves."""


@dataclass(frozen=True, slots=True)
class _Ground:
    """What all tasks of one plan are made from.

    Attributes:
        above: part to all that it waits for.
        unordered: part to the files that others may write at the same time.
        tests: part to its test files.
    """

    survey: Survey
    cut: Cut
    command: str
    above: Mapping[str, frozenset[str]]
    unordered: Mapping[str, frozenset[str]]
    tests: Mapping[str, Sequence[str]]


def tasks_of(survey: Survey, cut: Cut, command: str) -> tuple[Task, ...]:
    """Return the tasks of a cut, dependencies first.

    Args:
        survey: the ground.
        cut: who writes what, who waits for whom.
        command: what runs ``{tests}``; empty: tests are not run.
    """
    parts = topological((*cut.parts, *_other_parts(survey, cut)))
    above = ancestors(parts)
    tests, left = share_out(survey, parts, above)
    ground = _Ground(survey, cut, command, above, _unordered(parts, above), tests)
    made = [_task(part, ground) for part in parts]
    return (*made, *([_verify(parts, left, survey, command)] if left and command else []))


def _other_parts(survey: Survey, cut: Cut) -> Iterable[Part]:
    """Yield a part for each test file and each file that is no source code."""
    owner: dict[str, set[str]] = {}
    for part in cut.parts:
        for path in part.paths:
            owner.setdefault(path, set()).add(part.name)
    names = file_names(survey)
    for path in survey.others:
        module = survey.graph.modules.get(path)
        if module is None:
            role = "documenter" if path.endswith((".md", ".rst")) else ""
            yield Part(name=names[path], files=(path,), role=role)
            continue
        used = survey.graph.reached_by(path)
        waits = {name for file in used for name in owner.get(file, ())}
        yield Part(name=names[path], files=(path,), role="tester", waits_for=frozenset(waits))


def _unordered(
    parts: Sequence[Part], above: Mapping[str, frozenset[str]]
) -> dict[str, frozenset[str]]:
    """Return the files that may be written while a part is being done, its own left out."""
    return {
        part.name: frozenset(
            path
            for other in parts
            if other.name != part.name
            and other.name not in above[part.name]
            and part.name not in above[other.name]
            for path in other.paths
        )
        - set(part.paths)
        for part in parts
    }


def _task(part: Part, ground: _Ground) -> Task:
    survey, tests = ground.survey, tuple(ground.tests[part.name])
    if part.role == "tester":
        tests = part.files
    beside = sorted(_built_on(part, survey) & ground.unordered[part.name])
    work = survey.work(part.piece.symbols) if part.piece else survey.seconds(part.files)
    if not ground.command:
        tests = ()
    return Task(
        id=part.name,
        title=telling.title(part, survey),
        instructions=telling.instructions(part, survey, beside if ground.cut.narrow else (), tests),
        role=part.role or "implementer",
        depends_on=tuple(sorted(part.waits_for)),
        writes=as_globs(part.files),
        shares=as_globs((part.piece.path,) if part.piece else ()),
        reads=_reads(part, tests, ground),
        tests=tests,
        test=ground.command if tests else look_over(part.paths),
        estimate=float(round(ROUTE + work)),
    )


def _built_on(part: Part, survey: Survey) -> frozenset[str]:
    """Return the files to do that a part's files use directly."""
    needs = survey.needs()
    return frozenset[str]().union(*(needs.get(path, frozenset()) for path in part.paths))


def _reads(part: Part, tests: Sequence[str], ground: _Ground) -> tuple[str, ...]:
    """Return what a task may read: what it depends on, unless somebody may be writing it.

    Tests and what they need are never written in passing, so every test that reaches the files
    may be read: it says what is expected of them.
    """
    survey = ground.survey
    code = set(part.paths)
    for path in part.paths:
        code |= survey.looked_at.get(path, frozenset())
    shown = {test for path in part.paths for test in _tests_of(survey, path)} | set(tests)
    beside = {helper for test in shown for helper in survey.support(test)}
    found = code | shown | beside
    if ground.cut.narrow:
        found -= ground.unordered[part.name]
    is_test = {path for path in found if path in shown | beside and path not in code}
    plain = sorted(found - is_test)
    return (*as_globs(plain), *_folded(is_test, ground))


def _tests_of(survey: Survey, path: str) -> Sequence[str]:
    if path not in survey.graph.modules:
        return ()
    return [test for test in survey.tests if path in survey.reach[test]]


def _folded(tests: set[str], ground: _Ground) -> tuple[str, ...]:
    """Return test files, many of them as the folders that hold them, if nobody writes there."""
    if len(tests) <= _MANY:
        return as_globs(sorted(tests))
    written = set(ground.survey.goal.files)
    folders = sorted({path.partition("/")[0] for path in tests if "/" in path})
    safe = [name for name in folders if not any(path.startswith(f"{name}/") for path in written)]
    rest = {path for path in tests if path.partition("/")[0] not in safe}
    return (*(f"{name}/**" for name in safe), *as_globs(sorted(rest)))


def _verify(parts: Sequence[Part], left: Sequence[str], survey: Survey, command: str) -> Task:
    awaited = {name for part in parts for name in part.waits_for}
    return Task(
        id=VERIFY,
        title="Run the tests that need several tasks",
        instructions=(
            "All parts are written. Run the tests of this task; each of them needs the work of "
            "several tasks that did not wait for one another, or reaches the code in ways that "
            "cannot be seen beforehand. Where one fails, mend its cause with the smallest edit.\n"
        ),
        role="integrator",
        depends_on=tuple(part.name for part in parts if part.name not in awaited),
        writes=as_globs(survey.goal.files),
        tests=tuple(left),
        test=command,
        estimate=_VERIFYING,
    )


def as_globs(paths: Iterable[str]) -> tuple[str, ...]:
    """Return globs that match these paths alone, whatever is in their names."""
    return tuple(
        "".join(f"[{char}]" if char in _SPECIAL else char for char in path) for path in paths
    )
