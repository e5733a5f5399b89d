"""Rules that every strategy keeps, on random libraries."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.analysis.codegraph import build
from orchestrator.analysis.decompose import STRATEGIES, Options, decompose
from orchestrator.analysis.decomposing.survey import Survey
from orchestrator.analysis.goals import find_goal
from orchestrator.core.scope import Scope
from orchestrator.core.task import Task
from orchestrator.spec.plan import Plan, check_plan

OFFLINE = [name for name in STRATEGIES if name != "model"]
STUB = "raise NotImplementedError"
FOLDERS = ("lib", "lib/inner", "lib/other")


@st.composite
def libraries(draw: st.DrawFn) -> dict[str, str]:
    """A package of up to nine modules that import, inherit and call one another at random."""
    count = draw(st.integers(1, 9))
    folder = [draw(st.sampled_from(FOLDERS)) for _ in range(count)]
    files = {f"{path}/__init__.py": "" for path in FOLDERS}
    for number in range(count):
        lines, bases = [], []
        for other in range(count):
            kind = draw(st.sampled_from(["", "", "", "call", "base", "lazy"]))
            module = f"{folder[other]}/m{other}".replace("/", ".")
            if kind == "base" and other < number:
                lines.append(f"from {module} import C{other}")
                bases.append(f"C{other}")
            elif kind == "call" and other != number:
                lines.append(f"import {module}")
            elif kind == "lazy" and other != number:
                lines.append(f"def g{other}():\n    import {module}\n    {module}.f()")
        functions = draw(st.integers(0, 6))
        inherited = f"({', '.join(bases)})" if bases else ""
        lines.append(f"class C{number}{inherited}:\n    x = 1")
        lines += [
            f"    def f{n}(self):\n        '''{'long ' * 9}'''\n        {STUB}"
            for n in range(functions)
        ]
        files[f"{folder[number]}/m{number}.py"] = "\n".join(lines) + "\n"
        module = f"{folder[number]}/m{number}".replace("/", ".")
        files[f"tests/test_m{number}.py"] = (
            f"import {module}\ndef test():\n    {module}.C{number}()\n"
        )
    files["lib/always.py"] = f"def always():\n    {STUB}\n"
    return files


def ancestors(plan: Plan) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for task in plan.tasks:  # dependencies first
        found[task.id] = set(task.depends_on).union(*(found[one] for one in task.depends_on))
    return found


def unordered(plan: Plan) -> list[tuple[Task, Task]]:
    above = ancestors(plan)
    return [
        (one, two)
        for one in plan.tasks
        for two in plan.tasks
        if one.id != two.id and one.id not in above[two.id] and two.id not in above[one.id]
    ]


@pytest.mark.slow
@pytest.mark.parametrize("strategy", OFFLINE)
@settings(max_examples=15, deadline=None)
@given(files=libraries(), seed=st.integers(0, 5))
def test_every_plan_is_valid_safe_and_complete(
    strategy: str, files: dict[str, str], seed: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for path, text in files.items():
            place = Path(folder, path)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        graph = build(Path(folder))
        made = decompose(graph, strategy, Options(seed=seed))
        plan, survey = made.plan, Survey(graph, find_goal(graph))
        assert [str(one) for one in check_plan(plan) if one.severity != "info"] == []

        written = [path for task in plan.tasks if task.id != "verify" for path in task.writes]
        pieces = {piece.path for piece in made.pieces.values()}
        assert sorted({*written, *pieces}) == list(survey.files)
        assert len(written) == len(set(written))
        assert not pieces & set(written)
        for path in pieces:
            names = [s.name for p in made.pieces.values() if p.path == path for s in p.symbols]
            assert sorted(names) == sorted(symbol.name for symbol in survey.symbols(path))

        for one, two in unordered(plan):
            assert not set(one.writes) & {*two.writes, *two.shares}
            if strategy != "random":
                reads = Scope(one.reads)
                assert not [path for path in two.writes if reads.matches(path)]

        above, owners = ancestors(plan), {}
        for task in plan.tasks:
            for path in (*task.writes, *task.shares) if task.id != "verify" else ():
                owners.setdefault(path, set()).add(task.id)
        ran = [test for task in plan.tasks for test in task.tests]
        assert sorted(ran) == sorted(survey.tests)
        for task in plan.tasks:
            for test in task.tests:
                needed = {name for path in survey.reach[test] for name in owners[path]}
                assert needed <= above[task.id] | {task.id}
