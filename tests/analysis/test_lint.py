"""What the code says about a plan: each finding once present, once absent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from orchestrator.analysis.codegraph import build
from orchestrator.analysis.lint import accused, lint, lint_file
from orchestrator.core.limits import Limits
from orchestrator.core.task import Task
from orchestrator.spec.findings import AddDependency, Finding
from orchestrator.spec.plan import Plan

Tree = Callable[[Mapping[str, str]], Path]
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

BASE = "class Base:\n    def size(self):\n        raise NotImplementedError\n"
CODE = {
    "pkg/__init__.py": "",
    "pkg/base.py": BASE,
    "pkg/user.py": """
        from pkg.base import Base

        def use():
            return Base().size()
        """,
    "pkg/other.py": "def alone():\n    return 1\n",
    "tests/test_user.py": """
        from pkg.user import use

        def test_use():
            assert use() == 1
        """,
}


def task(name: str, *needs: str, **more: object) -> Task:
    """Return a task that writes the module of its name."""
    values: dict[str, object] = {"writes": (f"pkg/{name}.py",), "depends_on": needs, **more}
    return Task(id=name, **values)  # type: ignore[arg-type]


def found(root: Path, *tasks: Task, mode: str = "shared", workers: int = 2) -> list[Finding]:
    plan = Plan(name="p", tasks=tasks, workspace=root, mode=mode, limits=Limits(workers=workers))
    return lint(plan, build(root))


def only(findings: list[Finding], code: str) -> Finding:
    (one,) = [finding for finding in findings if finding.code == code]
    return one


def codes(findings: list[Finding]) -> set[str]:
    return {finding.code for finding in findings}


USER_TEST = {"tests": ("tests/test_user.py",), "test": "pytest {tests}"}


def test_code_that_is_needed_and_not_waited_for(tree: Tree) -> None:
    said = only(found(tree(CODE), task("base"), task("user", **USER_TEST)), "missing-dependency")
    assert said.severity == "warning"
    assert said.tasks == ("user", "base")
    assert said.witness == "pkg/user.py:2 -> pkg/base.py"
    assert said.fix == "add `depends_on: [base]` to `user`"
    assert said.edit == AddDependency("user", "base")
    assert said.to_json()["edit"] == {
        "op": "add-dependency", "task": "user", "depends_on": "base",
    }  # fmt: skip


def test_code_that_is_waited_for_through_another_task(tree: Tree) -> None:
    tasks = (task("base"), task("other", "base"), task("user", "other", **USER_TEST))
    assert "missing-dependency" not in codes(found(tree(CODE), *tasks))


def test_in_mode_solo_nothing_runs_at_once(tree: Tree) -> None:
    tasks = (task("base"), task("user", **USER_TEST))
    assert accused(found(tree(CODE), *tasks, mode="solo")) == []


def test_importing_what_is_still_to_be_written_is_an_error(tree: Tree) -> None:
    code = {
        **CODE,
        "pkg/base.py": "def made():\n    raise NotImplementedError\n",
        "pkg/user.py": "from pkg.base import made\n\nTHING = made()\n\ndef use():\n    return 1\n",
    }
    said = only(found(tree(code), task("base"), task("user", **USER_TEST)), "missing-dependency")
    assert said.severity == "error"
    assert "calls what is not written yet" in said.why


def test_a_base_class_that_is_there_is_a_warning(tree: Tree) -> None:
    user = "from pkg.base import Base\n\nclass User(Base):\n    pass\n"
    code = {**CODE, "pkg/user.py": user, "tests/test_user.py": ""}
    said = only(found(tree(code), task("base"), task("user")), "missing-dependency")
    assert said.severity == "warning"
    assert "needed while it is imported" in said.why


ANNOTATED = """
    from __future__ import annotations

    from pkg.base import Base

    def use(one: Base) -> int:
        {body}
    """


@pytest.mark.parametrize(
    ("body", "severity"), [("return 1", "info"), ("raise NotImplementedError", "warning")]
)
def test_an_annotation_tells_of_a_stub_what_its_body_is_given(
    tree: Tree, body: str, severity: str
) -> None:
    code = {**CODE, "pkg/user.py": ANNOTATED.format(body=body), "tests/test_user.py": ""}
    said = only(found(tree(code), task("base"), task("user")), "missing-dependency")
    assert said.severity == severity
    assert (said.edit is None) == (severity == "info")


def test_names_under_type_checking_are_a_note(tree: Tree) -> None:
    user = """
        from typing import TYPE_CHECKING

        if TYPE_CHECKING:
            from pkg.base import Base

        def use(one: "Base") -> int:
            return 1
        """
    code = {**CODE, "pkg/user.py": user, "tests/test_user.py": ""}
    said = only(found(tree(code), task("base"), task("user")), "missing-dependency")
    assert said.severity == "info"


def test_what_a_test_imports_is_needed_by_who_runs_it(tree: Tree) -> None:
    tasks = (task("base"), task("other", **USER_TEST), task("user", "base"))
    needed = {
        finding.tasks
        for finding in found(tree(CODE), *tasks)
        if finding.code == "missing-dependency"
    }
    assert needed == {("other", "user")}


def test_a_test_file_that_another_task_writes_is_needed(tree: Tree) -> None:
    author = Task(id="author", writes=("tests/test_user.py",))
    tasks = (task("base"), task("user", "base", **USER_TEST), author)
    said = [one for one in found(tree(CODE), *tasks) if one.tasks == ("user", "author")]
    assert [one.witness for one in said] == ["tests/test_user.py"]


def test_tests_that_reach_an_unordered_task_through_others(tree: Tree) -> None:
    tasks = (task("base"), Task(id="check", **USER_TEST))  # type: ignore[arg-type]
    said = only(found(tree(CODE), *tasks), "test-reaches-unordered")
    assert said.tasks == ("check", "base")
    assert said.witness == "tests/test_user.py -> pkg/base.py"
    assert said.edit == AddDependency("check", "base")


def test_a_command_that_runs_every_test(tree: Tree) -> None:
    tasks = (task("base"), task("user", "base"), task("other", test="python -m pytest -q"))
    said = only(found(tree(CODE), *tasks), "test-reaches-unordered")
    assert said.tasks == ("other", "base", "user")
    assert "{tests}" in said.fix


@pytest.mark.parametrize("command", ["pytest tests/test_user.py::test_use", "pytest ./tests/"])
def test_test_files_in_a_command_are_run(tree: Tree, command: str) -> None:
    tasks = (task("base"), task("user", "base", test=command))
    assert "test-not-run" not in codes(found(tree(CODE), *tasks))


def test_two_tasks_that_need_one_another(tree: Tree) -> None:
    base = "import pkg.user\n\ndef one():\n    return pkg.user.use()\n"
    user = "import pkg.base\n\ndef use():\n    return pkg.base.one()\n"
    code = {**CODE, "pkg/base.py": base, "pkg/user.py": user, "tests/test_user.py": ""}
    root = tree(code)
    said = only(found(root, task("base"), task("user")), "missing-dependency")
    assert "need one another" in said.what
    assert said.edit is None
    # One order or the other must be chosen: neither is backwards.
    assert accused(found(root, task("base"), task("user", "base"))) == []
    assert accused(found(root, task("base", "user"), task("user"))) == []


def test_an_edge_the_wrong_way_round(tree: Tree) -> None:
    tasks = (task("base", "user"), task("user", **USER_TEST))
    said = only(found(tree(CODE), *tasks), "backward-dependency")
    assert said.tasks == ("user", "base")
    assert said.severity == "warning"
    assert "take `user` out of the `depends_on` of `base`" in said.fix


def test_an_edge_that_is_implied(tree: Tree) -> None:
    tasks = (task("base"), task("other", "base"), task("user", "other", "base", **USER_TEST))
    said = only(found(tree(CODE), *tasks), "implied-dependency")
    assert (said.tasks, said.severity) == (("user", "base"), "info")
    assert said.witness == "user -> other -> base"


def test_an_edge_without_a_reason(tree: Tree) -> None:
    written = {**CODE, "pkg/base.py": BASE.replace("raise NotImplementedError", "return 1")}
    tasks = (task("base"), task("other", "base"), task("user", "base", **USER_TEST))
    said = only(found(tree(written), *tasks), "needless-dependency")
    assert (said.tasks, said.severity) == (("other", "base"), "info")


def test_nobody_knows_what_a_stub_will_need(tree: Tree) -> None:
    tasks = (task("other"), task("base", "other"))
    assert "needless-dependency" not in codes(found(tree(CODE), *tasks))


def test_a_named_file_that_an_unordered_task_writes(tree: Tree) -> None:
    tasks = (task("base"), task("other", reads=("pkg/base.py",)))
    said = only(found(tree(CODE), *tasks), "read-write")
    assert (said.severity, said.witness) == ("warning", "pkg/base.py")
    assert said.edit == AddDependency("other", "base")


def test_a_glob_only_says_what_may_be_read(tree: Tree) -> None:
    tasks = (task("base"), task("other", reads=("pkg/**",)))
    said = only(found(tree(CODE), *tasks), "read-write")
    assert (said.severity, said.edit) == ("info", None)


def test_reads_of_a_task_that_is_waited_for(tree: Tree) -> None:
    tasks = (task("base"), task("other", "base", reads=("pkg/base.py",)))
    assert "read-write" not in codes(found(tree(CODE), *tasks))


def test_stubs_that_nobody_may_write(tree: Tree) -> None:
    said = only(found(tree(CODE), task("other")), "unwritable-stub")
    assert (said.severity, said.witness) == ("warning", "pkg/base.py:2")
    assert "`Base.size`" in said.why


def test_a_function_that_only_passes_may_be_meant_so(tree: Tree) -> None:
    code = {**CODE, "pkg/base.py": "def hook():\n    pass\n", "pkg/user.py": ""}
    assert only(found(tree(code), task("other")), "unwritable-stub").severity == "info"


def test_a_test_that_nobody_runs(tree: Tree) -> None:
    said = only(found(tree(CODE), task("base"), task("user", "base")), "test-not-run")
    assert said.witness == "tests/test_user.py"
    assert said.fix == "add it to the `tests` of `user`"


def test_a_test_of_what_no_task_writes_is_nobody_s(tree: Tree) -> None:
    assert "test-not-run" not in codes(found(tree(CODE), task("other")))


@pytest.mark.parametrize("name", ["pkg/__init__.py", "poetry.lock"])
def test_a_hub_in_several_scopes(tree: Tree, name: str) -> None:
    root = tree({**CODE, "poetry.lock": ""})
    tasks = (
        task("base", writes=("pkg/base.py", name)),
        task("other", "base", writes=("pkg/other.py", name)),
    )
    said = only(found(root, *tasks), "hub-in-several-scopes")
    assert said.tasks == ("base", "other")
    assert said.witness == name
    assert ("shares" in said.fix) == (name != "poetry.lock")


def test_what_much_depends_on_is_a_hub(tree: Tree) -> None:
    users = {f"pkg/u{n}.py": "from pkg.base import Base\n" for n in range(3)}
    root = tree({"pkg/base.py": BASE, **users})
    tasks = (task("base"), task("u0", "base", writes=("pkg/u0.py", "pkg/base.py")), task("u1"))
    assert only(found(root, *tasks), "hub-in-several-scopes").witness == "pkg/base.py"
    # A last task that may mend everything is in nobody's way.
    last = task("verify", "base", "u0", writes=("pkg/u0.py", "pkg/base.py"))
    alone = (task("base"), task("u0", "base"))
    assert "hub-in-several-scopes" not in codes(found(root, *alone, last))
    # Held by one task, which comes first, it is as it should be.
    assert "hub-in-several-scopes" not in codes(found(root, task("base"), task("u0", "base")))


def test_a_chain_keeps_workers_idle(tree: Tree) -> None:
    chain = [Task(id="t0")] + [Task(id=f"t{n}", depends_on=(f"t{n - 1}",)) for n in range(1, 5)]
    assert only(found(tree(CODE), *chain), "chain").severity == "warning"
    assert "chain" not in codes(found(tree(CODE), *chain, workers=1))
    assert "chain" not in codes(found(tree(CODE), *chain, mode="solo"))


def test_more_workers_than_can_be_busy(tree: Tree) -> None:
    wide = [Task(id=f"t{n}") for n in range(4)]
    assert "4 are enough" in only(found(tree(CODE), *wide, workers=9), "idle-workers").fix
    assert "idle-workers" not in codes(found(tree(CODE), *wide, workers=4))


def test_a_task_far_above_the_others(tree: Tree) -> None:
    tasks = [Task(id=f"t{n}", estimate=60.0) for n in range(4)]
    said = only(found(tree(CODE), *tasks, Task(id="big", estimate=600.0)), "large-task")
    assert said.tasks == ("big",)
    assert "10.0 times" in said.what


def test_equal_estimates_are_weighed_by_stubs(tree: Tree) -> None:
    stub = "def f{n}():\n    raise NotImplementedError\n"
    names = [f"m{n}" for n in range(4)]
    code = {f"pkg/{name}.py": stub.format(n=0) for name in names}
    code["pkg/m3.py"] = "".join(stub.format(n=n) for n in range(9))
    said = only(found(tree(code), *(task(name) for name in names)), "large-task")
    assert said.tasks == ("m3",)
    assert "9 functions to write" in said.why


@pytest.mark.slow
def test_many_findings_are_counted_worst_first(tree: Tree) -> None:
    users = {f"pkg/u{n}.py": "from pkg.base import made\n\nX = made()\n" for n in range(210)}
    code = {"pkg/base.py": "def made():\n    return 1\n", "pkg/__init__.py": "", **users}
    tasks = [task("base"), *(task(f"u{n}") for n in range(210))]
    said = [one for one in found(tree(code), *tasks) if one.code == "missing-dependency"]
    assert len(said) == 201
    assert any(one.what == "10 more findings of this kind" for one in said)


# --- files -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_good_example_is_clean() -> None:
    report = lint_file(EXAMPLES / "minisql" / "plan.yaml")
    assert accused(report.findings) == []
    assert report.code == 36


@pytest.mark.slow
def test_the_bad_example_shows_both_its_mistakes() -> None:
    report = lint_file(EXAMPLES / "collision" / "plan.yaml")
    pairs = {(one.code, one.tasks) for one in accused(report.findings)}
    assert ("overlap", ("lexer", "syntax_tree")) in pairs
    for needed in ("planner", "storage", "syntax_tree"):
        assert ("missing-dependency", ("executor", needed)) in pairs
    assert all(one.severity == "warning" for one in accused(report.findings))


def test_places_are_those_of_the_file(tree: Tree, tmp_path: Path) -> None:
    tree(CODE)
    path = tmp_path / "plan.yaml"
    path.write_text(
        "version: 1\nworkspace: project\ntasks:\n"
        "  - {id: base, writes: [pkg/base.py]}\n"
        "  - {id: other, writes: [pkg/other.py]}\n"
        "  - id: user\n    writes: [pkg/user.py]\n    depends_on: [other]\n"
    )
    said = only(list(lint_file(path).findings), "missing-dependency")
    assert said.where == f"{path}:8:17"


def test_a_plan_without_code_is_checked_without_it(tmp_path: Path) -> None:
    (tmp_path / "text").mkdir()
    path = tmp_path / "plan.yaml"
    path.write_text("version: 1\nworkspace: text\ntasks: [{id: a, writes: [a.md]}]\n")
    report = lint_file(path)
    assert report.findings == ()
    assert report.code == 0


def test_a_plan_with_mistakes_is_not_compared_with_code(tree: Tree, tmp_path: Path) -> None:
    tree(CODE)
    path = tmp_path / "plan.yaml"
    path.write_text("version: 1\nworkspace: project\ntasks: [{id: a, writes: [../x]}]\n")
    report = lint_file(path)
    assert report.plan is None
    assert codes(list(report.findings)) == {"bad-glob"}


def test_files_that_do_not_parse_are_named_and_left_out(tree: Tree, tmp_path: Path) -> None:
    tree({**CODE, "pkg/broken.py": "def (:\n"})
    path = tmp_path / "plan.yaml"
    path.write_text("version: 1\nworkspace: project\ntasks: [{id: base, writes: [pkg/base.py]}]\n")
    report = lint_file(path)
    assert report.plan is not None
    assert [line for line in report.left_out if line.startswith("pkg/broken.py:1")]
