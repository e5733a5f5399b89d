"""Decompositions as plan files: read again they are the same plan, and people can read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.analysis.certificate import certify
from orchestrator.analysis.codegraph import build
from orchestrator.analysis.decompose import STRATEGIES, Options, decompose
from orchestrator.analysis.decomposing.testing import test_command as command_for
from orchestrator.analysis.decomposing.writing import to_yaml
from orchestrator.spec.plan import load_plan

Tree = Callable[[Mapping[str, str]], Path]

STUB = "raise NotImplementedError"
FILES = {
    "src/pkg/__init__.py": "",
    "src/pkg/base.py": f"class Base:\n    def run(self):\n        {STUB}\n",
    "src/pkg/one.py": f"from pkg import base\ndef one():\n    '''It: does.'''\n    {STUB}\n",
    "src/pkg/with [1] {space}.py": f"def odd():\n    {STUB}\n",
    "tests/test_one.py": "from pkg.one import one\ndef test_it():\n    one()\n",
}


@pytest.mark.parametrize("strategy", [name for name in STRATEGIES if name != "model"])
def test_what_is_written_reads_as_the_same_plan(tree: Tree, strategy: str) -> None:
    root = tree(FILES)
    made = decompose(build(root), strategy)
    place = root.parent / "plans" / "plan.yaml"
    place.parent.mkdir()
    place.write_text(to_yaml(made, place))
    again = load_plan(place)
    assert again.tasks == made.plan.tasks
    assert again.workspace is not None
    assert again.workspace.resolve() == root.resolve()
    assert (again.name, again.goal, again.limits) == (
        made.plan.name, made.plan.goal, made.plan.limits,
    )  # fmt: skip


@pytest.mark.parametrize("strategy", ["modules", "packages", "communities", "solo"])
def test_plans_that_wait_for_all_imports_can_be_certified(tree: Tree, strategy: str) -> None:
    typing = "from __future__ import annotations\nfrom typing import TYPE_CHECKING\n"
    later = f"{typing}if TYPE_CHECKING:\n    from pkg.one import one\n"
    root = tree({**FILES, "src/pkg/typed.py": f"{later}def typed(x: one):\n    {STUB}\n"})
    graph = build(root)
    place = root.parent / "plan.yaml"
    place.write_text(to_yaml(decompose(graph, strategy), place))
    assert certify(load_plan(place), graph).findings == ()


def test_comments_say_how_it_was_made_and_what_is_not_known(tree: Tree) -> None:
    made = decompose(build(tree(FILES)), "random", Options(seed=7))
    text = to_yaml(made, made.plan.base / "plan.yaml")
    comments = " ".join(line[2:] for line in text.splitlines() if line.startswith("# "))
    assert (
        "Made by `decompose --strategy random`: 3 functions without a body in 3 files" in comments
    )
    assert "dealt out at random, seed 7" in comments
    assert "was not compared with a run" in comments
    assert "workspace: project\n" in text
    known = to_yaml(replace(made, recall=0.82), made.plan.base / "plan.yaml")
    assert "knew 82% of the calls between files" in known


def test_long_texts_are_blocks_and_lists_stand_in_one_line(tree: Tree) -> None:
    made = decompose(build(tree(FILES)), "modules")
    lines = to_yaml(made, made.plan.base / "plan.yaml").splitlines()
    assert "    instructions: |" in lines
    assert "    depends_on: [base]" in lines
    assert all(len(line) <= 110 for line in lines)


def test_code_under_src_is_put_on_the_path_unless_the_settings_do(tree: Tree) -> None:
    assert command_for(build(tree(FILES))) == "python -m pytest -q -o pythonpath=src {tests}"
    setting = '[tool.pytest.ini_options]\npythonpath = ["src"]\n'
    told = tree({"pyproject.toml": setting})
    assert command_for(build(told)) == "python -m pytest -q {tests}"


def test_code_that_is_not_python_has_no_test_command_of_ours(tree: Tree) -> None:
    pytest.importorskip("tree_sitter")
    root = tree(
        {
            "a.ts": "export function a(): number {\n  throw new Error('not implemented');\n}\n",
            "a.test.ts": "import { a } from './a';\ntest('a', () => { a(); });\n",
        }
    )
    made = decompose(build(root), "hard", Options(files=("a.ts",)))
    assert [(task.writes, task.tests, task.test) for task in made.plan.tasks] == [
        (("a.ts",), (), "")
    ]
    own = decompose(build(root), "hard", Options(files=("a.ts",), test="npx vitest run {tests}"))
    assert own.plan.tasks[0].tests == ("a.test.ts",)
