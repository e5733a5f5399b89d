"""The machinery of ``benchmarks/real.py``, and decomposed plans run to their end."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from textwrap import dedent
from types import ModuleType

import pytest

from orchestrator import measure, run
from orchestrator.analysis.codegraph import build
from orchestrator.analysis.decompose import Decomposition, Options, decompose
from orchestrator.models.regions import find_region

Tree = Callable[[Mapping[str, str]], Path]

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def load(name: str) -> ModuleType:
    spec = spec_from_file_location(f"bench_{name}", BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


stripping, marking = load("stripping"), load("marking")

SOURCE = dedent(
    '''\
    """A module."""
    import functools


    def register(function):
        """Runs while importing."""
        return function


    @register
    def one(a, *, b=2): return a + b  # short


    class Thing:
        size = 3

        @functools.lru_cache
        def two(self) -> "Thing":
            """Say é."""
            # a remark
            for _ in range(3):
                def inner():
                    return self
            return inner()

        def empty(self):
            """Only words."""

        def later(self): ...

        def missing(self):
            raise NotImplementedError

    if Thing.size:
        async def three():
            return 1
    '''
)


def test_bodies_are_taken_out_and_all_else_stays() -> None:
    text, count = stripping.stripped_text(SOURCE.encode(), kept={5})
    assert count == 3
    compile(text, "stripped", "exec")
    said = text.decode()
    assert "def one(a, *, b=2): raise NotImplementedError  # short" in said
    assert '"""Say é."""\n        # a remark\n        raise NotImplementedError\n' in said
    assert "async def three():\n        raise NotImplementedError\n" in said
    assert '"""Runs while importing."""\n    return function' in said
    assert "inner" not in said


def test_functions_that_run_while_importing_are_found_by_importing(tree: Tree) -> None:
    root = tree({"src/pkg/__init__.py": "from pkg import mod\n", "src/pkg/mod.py": SOURCE})
    assert stripping.strip(root, "src", "pkg") == 3
    said = (root / "src/pkg/mod.py").read_text()
    assert "return function" in said
    assert "return a + b" not in said


def test_regions_are_marked_around_the_same_functions_in_both_trees(tree: Tree) -> None:
    made = split(tree)
    root, reference = made.plan.base / "project", made.plan.base / "reference"
    assert made.plan.workspace == root
    assert len(made.pieces) >= 4
    for task, piece in made.pieces.items():
        for folder in (root, reference):
            region = find_region((folder / piece.path).read_text(), task)
            assert region is not None
            assert [line for line in region.splitlines() if line.startswith("def ")] == [
                f"def {symbol.name}(value):" for symbol in piece.symbols
            ]


def library() -> dict[str, str]:
    """A package of three modules, one of them large, with tests."""
    functions = "".join(
        f"def add{n}(value):\n    '''Add {n}.'''\n    result = value + {n}\n    return result\n\n\n"
        for n in range(16)
    )
    return {
        "pkg/__init__.py": "from pkg.big import add1\nfrom pkg.shape import Square\n",
        "pkg/big.py": functions,
        "pkg/shape.py": (
            "from pkg.big import add1\n\n\n"
            "class Shape:\n    def area(self):\n        return add1(1)\n"
            "\n\nclass Square(Shape):\n    def double(self):\n        return 2 * self.area()\n"
        ),
        "pkg/cube.py": (
            "from pkg.shape import Square\n\n\nclass Cube(Square):\n    def volume(self):\n"
            "        return self.double() * 2\n"
        ),
        "tests/test_big.py": "from pkg import big\ndef test():\n    assert big.add7(1) == 8\n",
        "tests/test_cube.py": (
            "from pkg.cube import Cube\ndef test():\n    assert Cube().volume() == 8\n"
        ),
    }


def split(tree: Tree, strategy: str = "critical-path") -> Decomposition:
    """Decompose the library without its bodies; the reference stands beside it."""
    root = tree(library())
    reference = root.parent / "reference"
    shutil.copytree(root, reference)
    stripping.strip(root, ".", "pkg")
    made = decompose(build(root), strategy, Options(seed=1))
    marking.mark_regions(made.pieces, root, reference)
    return made


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["hard", "critical-path"])
def test_decomposed_plans_run_to_their_end_without_a_refusal(tree: Tree, strategy: str) -> None:
    made = split(tree, strategy)
    base = made.plan.base
    result = run(
        made.plan, model=f"oracle:{base / 'reference'}", workers=4, mode="shared",
        into=base / "out", run_dir=base / "run",
    )  # fmt: skip
    assert {name: task.reason for name, task in result.tasks.items() if task.reason} == {}
    assert result.status == "succeeded"
    metrics = measure(result.run_dir)
    assert (metrics.conflicts, metrics.refused_scope, metrics.waits) == (0, 0, ())
    assert strategy == "critical-path" or metrics.refused_stale == 0
    for path in library():
        assert (base / "out" / path).read_text() == (base / "reference" / path).read_text()
