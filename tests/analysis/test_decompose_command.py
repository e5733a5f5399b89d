"""`decompose` as a command: what it writes, what it says, how it ends."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from orchestrator.analysis.decompose import Options
from orchestrator.errors import UsageError, WorkspaceError
from orchestrator.spec.plan import load_plan
from orchestrator.ui.decomposing import Asked, show_decomposition

Tree = Callable[[Mapping[str, str]], Path]

STUB = "raise NotImplementedError"
FILES = {
    "pkg/__init__.py": "",
    "pkg/one.py": f"def one():\n    {STUB}\n",
    "pkg/two.py": f"from pkg.one import one\ndef two():\n    {STUB}\n",
    "tests/test_two.py": "from pkg.two import two\ndef test():\n    two()\n",
}


def test_the_plan_goes_to_standard_output_and_the_rest_elsewhere(
    tree: Tree, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tree(FILES)
    monkeypatch.chdir(root.parent)
    assert show_decomposition(root, Asked("modules")) == 0
    said = capsys.readouterr()
    place = root.parent / "plan.yaml"
    place.write_text(said.out)
    assert [task.id for task in load_plan(place).tasks] == ["one", "two"]
    assert "2 tasks for 2 functions without a body in 2 files" in said.err
    assert "Lint: 0 errors" in said.err


def test_the_plan_goes_to_a_file(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    root = tree(FILES)
    place = root.parent / "deep" / "plan.yaml"
    with pytest.raises(WorkspaceError, match="cannot be written"):
        show_decomposition(root, Asked("hard", output=place))
    place.parent.mkdir()
    assert show_decomposition(root, Asked("hard", output=place)) == 0
    assert "workspace: ../project" in place.read_text()
    assert load_plan(place).workspace is not None
    assert capsys.readouterr().out == ""


def test_a_planner_is_named_as_any_model_is(tree: Tree, tmp_path: Path) -> None:
    tasks = [
        {"id": "first", "files": ["pkg/one.py"]},
        {"id": "second", "files": ["pkg/two.py"], "depends_on": ["first"]},
    ]
    script = tmp_path / "script.json"
    turn = {"calls": [{"tool": "propose_plan", "input": {"tasks": tasks}}]}
    script.write_text(json.dumps({"plan": [turn]}))
    place = tmp_path / "plan.yaml"
    asked = Asked("model", model=f"scripted:{script}", output=place)
    assert show_decomposition(tree(FILES), asked) == 0
    assert [task.id for task in load_plan(place).tasks] == ["first", "second"]


def test_a_directory_that_is_not_there_is_a_mistake_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no directory"):
        show_decomposition(tmp_path / "none", Asked("hard"))


def test_a_file_that_cannot_be_read_is_told(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    root = tree({**FILES, "pkg/broken.py": "def broken(:\n"})
    assert show_decomposition(root, Asked("hard", output=root.parent / "plan.yaml")) == 0
    said = capsys.readouterr().err
    assert "pkg/broken.py:1" in said
    assert "1 files could not be analysed" in said


@pytest.mark.slow
def test_a_trace_measures_the_graph_and_adds_to_it(tree: Tree) -> None:
    root = tree(
        {
            **FILES,
            "pkg/table.py": "FOUND = {}\n",
            "pkg/hidden.py": f"from pkg.table import FOUND\ndef here():\n    return 1\n"
            f"def late():\n    {STUB}\nFOUND['it'] = here\n",
            "pkg/caller.py": f"from pkg.table import FOUND\ndef call():\n    return FOUND['it']()\n"
            f"def todo():\n    {STUB}\n",
            "tests/test_call.py": "import pkg.hidden\nfrom pkg import caller\n"
            "def test():\n    assert caller.call() == 1\n",
        }
    )
    place = root.parent / "plan.yaml"
    command = f"{sys.executable} -B -m pytest -q -p no:cacheprovider tests/test_call.py"
    assert show_decomposition(root, Asked("modules", output=place)) == 0
    assert load_plan(place).task("caller").depends_on == ()
    assert show_decomposition(root, Asked("modules", output=place, trace=command)) == 0
    assert load_plan(place).task("caller").depends_on == ("hidden",)
    assert "of the calls between files that a trace saw" in place.read_text()


def test_options_reach_the_strategy(tree: Tree) -> None:
    root = tree(FILES)
    place = root.parent / "plan.yaml"
    asked = Asked("random", Options(seed=3, tasks=1, workers=2), place)
    show_decomposition(root, asked)
    plan = load_plan(place)
    assert [task.id for task in plan.tasks] == ["random-1"]
    assert plan.limits.workers == 2
    assert "seed 3" in place.read_text()
