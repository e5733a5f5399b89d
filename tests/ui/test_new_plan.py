"""`new`: a first plan for somebody's own code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from orchestrator import load_plan, run
from orchestrator.analysis.decomposing.cut import Part
from orchestrator.errors import InternalError, UsageError
from orchestrator.spec.plan import Plan, find
from orchestrator.ui.starting import writing
from orchestrator.ui.starting.cutting import join
from orchestrator.ui.starting.sketch import MOST, fold
from orchestrator.ui.starting.template import quoted
from orchestrator.ui.starting.writing import show_new

TEST_A = "import unittest\nfrom shop.a import f\n\nclass ShopTest(unittest.TestCase):\n    "
TEST_A += "def test_f(self) -> None:\n        self.assertEqual(f(), 1)\n"


def write(root: Path, files: Mapping[str, str]) -> Path:
    for path, text in files.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    return root


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return write(
        tmp_path / "shop",
        {
            "shop/__init__.py": "",
            "shop/a.py": "def f() -> int:\n    return 1\n",
            "shop/b.py": "from shop.a import f\n\nONE = f()\n",
            "docs/conf.py": "project = 'shop'\n",
            "tests/test_a.py": TEST_A,
        },
    )


def written(root: Path) -> Plan:
    plan, findings = find(root / "plan.yaml")
    assert [found for found in findings if found.severity == "error"] == []
    assert plan is not None
    return plan


@pytest.mark.slow
def test_tasks_follow_the_code(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show_new(shop)
    plan = written(shop)
    assert plan.workspace == shop
    assert plan.task("b").depends_on == ("a",)
    assert plan.task("a").writes == ("shop/a.py",)
    assert plan.task("a").tests == ("tests/test_a.py",)
    assert plan.task("a").test == "python -m unittest {tests}"
    assert plan.task("b").test == "python -m compileall -q shop/b.py"
    assert plan.tasks[-1].id == "verify"
    assert "docs/conf.py" not in {path for task in plan.tasks for path in task.writes}
    text = (shop / "plan.yaml").read_text(encoding="utf-8")
    assert "# a: shop/b.py uses shop/a.py while it is imported" in text
    assert "# commit: task" in text
    said = capsys.readouterr().out
    assert "Tests run with `python -m unittest {tests}`" in said
    assert "orchestrator run plan.yaml --model oracle:. --into ../shop-rehearsal" in said


@pytest.mark.slow
def test_the_rehearsal_hands_everything_in_as_it_is(shop: Path, tmp_path: Path) -> None:
    show_new(shop)
    before = (shop / "shop/a.py").read_text(encoding="utf-8")
    into = tmp_path / "rehearsal"
    result = run(load_plan(shop / "plan.yaml"), model=f"oracle:{shop}", into=into)
    assert result.status == "succeeded"
    assert (into / "shop/a.py").read_text(encoding="utf-8") == before


def test_a_plan_that_is_there_is_left_alone(shop: Path) -> None:
    (shop / "plan.yaml").write_text("mine\n", encoding="utf-8")
    with pytest.raises(UsageError, match="there is a plan already") as caught:
        show_new(shop)
    assert caught.value.why == "nothing of yours is overwritten"
    assert "move it away" in caught.value.fix
    assert (shop / "plan.yaml").read_text(encoding="utf-8") == "mine\n"


def test_a_strategy_is_taken_at_its_word(shop: Path) -> None:
    show_new(shop, "solo")
    assert [task.id for task in written(shop).tasks] == ["everything"]


def test_an_unknown_strategy_is_refused_before_anything_is_read(shop: Path) -> None:
    with pytest.raises(UsageError, match="no strategy 'modles'") as caught:
        show_new(shop, "modles")
    assert "did you mean modules?" in caught.value.fix
    assert not (shop / "plan.yaml").exists()


def test_names_with_spaces_quotes_and_brackets(tmp_path: Path) -> None:
    names = ["a b.py", "it's.py", 'say "hi".py', "x[1].py", "ключ: #1.py", "- dash.py"]
    root = write(tmp_path / "odd: 'name' #1", {f"pkg/{name}": "x = 1\n" for name in names})
    (root / "pkg" / "no\u00a0break.py").write_text("x = 1\n", encoding="utf-8")
    show_new(root)
    plan = written(root)
    assert plan.name == root.name
    text = (root / "plan.yaml").read_text(encoding="utf-8")
    assert "no task has 1 file with unusual spaces or signs in the name" in text
    globs = {glob for task in plan.tasks for glob in task.writes}
    assert {"pkg/a b.py", "pkg/it's.py", "pkg/x[[]1[]].py", "pkg/ключ: #1.py"} <= globs


@pytest.mark.slow
def test_a_directory_with_a_line_break_in_its_name(tmp_path: Path) -> None:
    root = write(tmp_path / "two\nlines", {"a.py": "x = 1\n"})
    show_new(root)
    assert written(root).name == "plan"


def test_many_files_make_few_tasks(tmp_path: Path) -> None:
    files = {f"pkg/p{n % 5}/m{n}.py": f"import pkg.p{(n + 1) % 5}.m{n + 1}\n" for n in range(60)}
    show_new(write(tmp_path / "many", files))
    plan = written(tmp_path / "many")
    assert 4 <= len(plan.tasks) <= MOST


def test_code_without_a_graph_gets_a_task_per_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write(
        tmp_path / "crate",
        {
            "Cargo.toml": "[package]\n",
            "parser/src/lib.rs": "fn a() {}\n",
            "engine/src/lib.rs": "fn b() {}\n",
            "tests/all.rs": "#[test]\nfn works() {}\n",
        },
    )
    (root / "engine" / "logo.png").write_bytes(b"\x89PNG\0")
    show_new(root)
    plan = written(root)
    assert {task.id: task.writes for task in plan.tasks} == {
        "engine": ("engine/**/*.rs",),
        "parser": ("parser/**/*.rs",),
    }
    assert {task.test for task in plan.tasks} == {"cargo test --offline"}
    assert "nothing that the code graph reads" in capsys.readouterr().out


def test_nothing_that_could_be_changed(tmp_path: Path) -> None:
    (tmp_path / "logo.png").write_bytes(b"\x89PNG\0")
    with pytest.raises(UsageError, match="nothing here that a task could be made from"):
        show_new(tmp_path)
    assert not (tmp_path / "plan.yaml").exists()


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({"tests/test_x.py": "def test_x():\n    pass\n"}, "python -m pytest -q {tests}"),
        ({"tests/test_x.py": TEST_A, "tox.ini": "[pytest]\n"}, "python -m pytest -q {tests}"),
        ({"package.json": json.dumps({"scripts": {"test": "vitest"}})}, "npm test --silent"),
        (
            {"package.json": json.dumps({"scripts": {"test": 'echo "no test specified"'}})},
            "python -m compileall -q x.py",
        ),
        ({"package.json": "[", "Makefile": "all:\n\ntest: all\n\ttrue\n"}, "make test"),
    ],
)
def test_the_test_command_is_found(tmp_path: Path, files: dict[str, str], command: str) -> None:
    root = write(tmp_path / "project", {"x.py": "X = 1\n", **files})
    show_new(root)
    assert command in {task.test for task in written(root).tasks}


def test_the_test_command_can_be_given(shop: Path) -> None:
    show_new(shop, test='sh -c "exit 0" # {tests}')
    assert written(shop).task("a").test == 'sh -c "exit 0" # {tests}'


def test_a_file_is_no_directory(shop: Path) -> None:
    with pytest.raises(UsageError, match="this is a file"):
        show_new(shop / "shop" / "a.py")


@pytest.mark.parametrize(
    "text",
    ["plain", "on", "1.5", "null", "a: b", "- x", "#1", 'say "x"', "a\nb", "é😀", "{tests}", ""],
)
def test_scalars_come_back_as_they_were(text: str) -> None:
    import yaml

    assert yaml.safe_load(f"key: {quoted(text)}") == {"key": text}
    assert yaml.safe_load(f"[{quoted(text)}]") == [text]


def test_folding_names_nothing_else() -> None:
    own = ["a/x.py", "a/y.py", "a/b/z.py", "c/1.py"]
    assert fold(own, own) == ("**/*.py",)
    assert fold(own, [*own, "c/2.py"]) == ("a/**/*.py", "c/1.py")
    assert fold(own, [*own, "c/2.py", "a/d/w.py"]) == tuple(sorted(own))


def test_joining_ties_no_circle() -> None:
    # b stands between a and c: a and c may not be joined before b is with one of them.
    parts = [
        Part(name="a", files=("x/a.py",)),
        Part(name="b", files=("y/b.py",), waits_for=frozenset({"a"})),
        Part(name="c", files=("x/c.py",), waits_for=frozenset({"b"})),
    ]
    groups = join(parts, {"a": 1.0, "b": 9.0, "c": 1.0}, most=2)
    assert sorted(map(sorted, groups)) == [["a", "b"], ["c"]]


def test_a_plan_with_a_mistake_is_a_bug_and_is_taken_back(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "plan_text", lambda *_: "version: 1\ntasks: []\nworkspace: gone\n")
    with pytest.raises(InternalError, match="bug of orchestrator") as caught:
        show_new(shop)
    assert caught.value.problems
    assert not (shop / "plan.yaml").exists()
