"""The strategy `critical-path`: files on it are split into regions that tasks edit at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path

from orchestrator.analysis.codegraph import build
from orchestrator.analysis.decompose import Options, decompose
from orchestrator.analysis.parallelism import parallelism_of
from orchestrator.spec.plan import check_plan

Tree = Callable[[Mapping[str, str]], Path]

STUB = "raise NotImplementedError"


def functions(count: int) -> str:
    body = "(value: int) -> int:"
    return "\n".join(f"def f{n}{body}\n    '''Do it.'''\n    {STUB}\n" for n in range(count))


def test_a_large_file_is_split_into_regions_of_neighbouring_functions(tree: Tree) -> None:
    root = tree({"big.py": functions(24), "small.py": functions(1)})
    made = decompose(build(root), "critical-path", Options(workers=4))
    assert check_plan(made.plan) == []
    pieces = sorted(made.pieces.values(), key=lambda piece: piece.first)
    assert len(pieces) >= 4
    assert [name for piece in pieces for name in (one.name for one in piece.symbols)] == [
        f"f{n}" for n in range(24)
    ]
    assert all(one.last < two.first for one, two in pairwise(pieces))
    shared = [task for task in made.plan.tasks if task.shares]
    assert {task.id for task in shared} == set(made.pieces)
    assert all(task.shares == ("big.py",) and not task.writes for task in shared)
    assert "f0, f1" in made.plan.tasks[0].instructions
    whole = parallelism_of(decompose(build(root), "hard").plan.tasks)
    assert parallelism_of(made.plan.tasks).span < whole.span / 3


def test_a_class_is_split_between_its_methods_but_a_property_stays_whole(tree: Tree) -> None:
    methods = "".join(
        f"    @property\n    def p{n}(self) -> int:\n        {STUB}\n"
        f"    @p{n}.setter\n    def p{n}(self, value: int) -> None:\n        {STUB}\n"
        for n in range(12)
    )
    root = tree({"big.py": f"class Big:\n{methods}"})
    pieces = decompose(build(root), "critical-path").pieces
    assert len(pieces) >= 4
    assert {piece.within for piece in pieces.values()} == {"Big"}
    for piece in pieces.values():
        names = [symbol.name.partition("#")[0] for symbol in piece.symbols]
        assert all(names.count(name) == 2 for name in names)


def test_who_needs_one_function_while_importing_waits_for_its_region_alone(tree: Tree) -> None:
    user = f"from big import f23\n\nTABLE = f23(1)\n\ndef use():\n    {STUB}\n"
    made = decompose(build(tree({"big.py": functions(24), "user.py": user})), "critical-path")
    (region,) = made.plan.task("user").depends_on
    assert "f23" in [symbol.name for symbol in made.pieces[region].symbols]
    assert len(made.pieces) > 1


def test_small_work_is_not_split(tree: Tree) -> None:
    root = tree({"one.py": functions(2), "two.py": functions(2)})
    assert decompose(build(root), "critical-path").pieces == {}


def test_the_number_of_tasks_is_kept(tree: Tree) -> None:
    root = tree({"big.py": functions(24)})
    made = decompose(build(root), "critical-path", Options(tasks=3))
    assert len(made.plan.tasks) == 3
