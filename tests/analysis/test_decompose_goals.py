"""What is to be done: missing bodies, files that somebody named, tests that fail."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from orchestrator.analysis.codegraph import build
from orchestrator.analysis.decompose import Options, decompose
from orchestrator.analysis.goals import failing_tests, find_goal
from orchestrator.errors import UsageError
from orchestrator.spec.plan import check_plan

Tree = Callable[[Mapping[str, str]], Path]

WRITTEN = "def half(value):\n    return value // 3\n"
FILES = {
    "pkg/__init__.py": "",
    "pkg/done.py": WRITTEN,
    "pkg/user.py": "from pkg.done import half\ndef quarter(value):\n    return half(half(value))\n",
    "pkg/other.py": "def same(value):\n    return value\n",
    "README.md": "about\n",
    "tests/test_user.py": "from pkg.user import quarter\ndef test():\n    assert quarter(8) == 2\n",
    "tests/test_other.py": "from pkg.other import same\ndef test_it():\n    assert same(8) == 8\n",
}
PYTEST = f"{sys.executable} -B -m pytest -q"


def test_bodies_that_are_missing_are_found_in_all_their_forms(tree: Tree) -> None:
    root = tree(
        {
            "a.py": "def a():\n    raise NotImplementedError\n",
            "b.py": "def b():\n    ...\n",
            "c.py": "def c():\n    pass\n",
            "d.py": "def d():\n    x = 1  # TODO: the rest\n    return x\n",
            "e.py": "def e():\n    return 1\n",
        }
    )
    goal = find_goal(build(root))
    assert list(goal.files) == ["a.py", "b.py", "c.py", "d.py"]
    assert goal.why == "4 functions without a body in 4 files"


def test_nothing_to_do_is_said(tree: Tree) -> None:
    with pytest.raises(UsageError, match="nothing to do"):
        find_goal(build(tree(FILES)))


def test_an_empty_directory_has_nothing_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to do"):
        decompose(build(tmp_path), "hard")


def test_files_are_named_by_path_folder_or_glob(tree: Tree) -> None:
    graph = build(tree(FILES))
    assert list(find_goal(graph, files=["pkg/done.py"]).files) == ["pkg/done.py"]
    assert len(find_goal(graph, files=["pkg"]).files) == 4
    assert list(find_goal(graph, files=["**/o*.py", "*.md"]).files) == ["README.md", "pkg/other.py"]


def test_all_wrong_names_are_told_at_once(tree: Tree) -> None:
    with pytest.raises(UsageError) as caught:
        find_goal(build(tree(FILES)), files=["pkg/don.py", "/etc/passwd", "nowhere/**"])
    assert len(caught.value.problems) == 3
    assert "did you mean pkg/done.py" in str(caught.value)


def test_files_and_a_failing_command_are_too_much(tree: Tree) -> None:
    with pytest.raises(UsageError, match="both"):
        find_goal(build(tree(FILES)), files=["pkg"], failing=PYTEST)


def test_named_files_that_are_no_code_and_tests_have_their_own_roles(tree: Tree) -> None:
    files = ("README.md", "pkg/other.py", "tests/test_other.py")
    plan = decompose(build(tree(FILES)), "hard", Options(files=files)).plan
    assert check_plan(plan) == []
    roles = {task.id: (task.role, task.depends_on) for task in plan.tasks}
    assert roles["README.md"] == ("documenter", ())
    assert roles["other"] == ("implementer", ())
    assert roles["tests-test_other.py"] == ("tester", ("other",))
    assert plan.task("tests-test_other.py").tests == ("tests/test_other.py",)


@pytest.mark.slow
def test_failing_tests_are_traced_to_the_code_that_they_use(tree: Tree) -> None:
    graph = build(tree(FILES))
    goal = find_goal(graph, failing=PYTEST)
    assert goal.tests == ("tests/test_user.py",)
    assert list(goal.files) == ["pkg/user.py"]


@pytest.mark.slow
def test_failing_tests_are_traced_to_missing_bodies_however_far_behind(tree: Tree) -> None:
    missing = {**FILES, "pkg/done.py": "def half(value):\n    raise NotImplementedError\n"}
    goal = find_goal(build(tree(missing)), failing=PYTEST)
    assert list(goal.files) == ["pkg/done.py"]


@pytest.mark.slow
def test_a_command_that_tells_nothing_is_refused(tree: Tree) -> None:
    graph = build(tree(FILES))
    with pytest.raises(UsageError, match="no test fails"):
        failing_tests(graph, f"{PYTEST} tests/test_other.py")
    with pytest.raises(UsageError, match="named no failing test"):
        failing_tests(graph, f"{PYTEST} tests/none.py")
    with pytest.raises(UsageError, match="cannot be run"):
        failing_tests(graph, "no-such-program-here")


def test_files_with_syntax_errors_are_left_out_and_it_is_said(tree: Tree) -> None:
    root = tree({"a.py": "def a():\n    ...\n", "b.py": "def b(:\n"})
    made = decompose(build(root), "hard")
    assert [task.writes for task in made.plan.tasks] == [("a.py",)]
    assert any("1 files could not be analysed" in note for note in made.notes)
