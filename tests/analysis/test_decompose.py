"""Strategies: what each of them decides, on a small library whose shape is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from orchestrator.analysis.codegraph import CodeGraph, build
from orchestrator.analysis.decompose import STRATEGIES, Decomposition, Options, decompose
from orchestrator.errors import UsageError
from orchestrator.spec.plan import Plan, check_plan

Tree = Callable[[Mapping[str, str]], Path]

OFFLINE = [name for name in STRATEGIES if name != "model"]

STUB = "raise NotImplementedError"
LIBRARY = {
    "shop/__init__.py": "from shop.cart import Cart\nfrom shop.report import report\n",
    "shop/base.py": f"""
        class Item:
            def price(self) -> int:
                '''Return the price.'''
                {STUB}
        """,
    "shop/money.py": f"""
        def rounded(value: float) -> int:
            '''Round half up.'''
            {STUB}
        """,
    "shop/cart.py": f"""
        from shop.base import Item
        from shop.money import rounded

        class Cart(Item):
            def add(self, item: Item) -> None:
                {STUB}
            def price(self) -> int:
                {STUB}
        """,
    "shop/report.py": f"""
        from __future__ import annotations
        from shop.cart import Cart
        from shop.money import rounded

        def report(cart: Cart) -> str:
            {STUB}
        """,
    "tests/test_base.py": "from shop.base import Item\ndef test_price():\n    Item().price()\n",
    "tests/test_money.py": "from shop.money import rounded\ndef test_it():\n    rounded(1.5)\n",
    "tests/test_cart.py": "from shop import Cart\ndef test_add():\n    Cart().add(None)\n",
    "tests/test_report.py": (
        "from shop import Cart, report\ndef test_report():\n    report(Cart())\n"
    ),
}  # fmt: skip


@pytest.fixture
def shop(tree: Tree) -> CodeGraph:
    return build(tree(LIBRARY))


def waits(plan: Plan) -> dict[str, set[str]]:
    return {task.id: set(task.depends_on) for task in plan.tasks}


def run_by(plan: Plan) -> dict[str, list[str]]:
    return {task.id: [one.removeprefix("tests/test_") for one in task.tests] for task in plan.tasks}


@pytest.mark.parametrize("strategy", OFFLINE)
def test_every_strategy_gives_a_plan_without_errors_or_overlaps(
    shop: CodeGraph, strategy: str
) -> None:
    made = decompose(shop, strategy)
    assert [str(finding) for finding in check_plan(made.plan)] == []
    todo = ["shop/base.py", "shop/cart.py", "shop/money.py", "shop/report.py"]
    written = sorted({path for task in made.plan.tasks for path in (*task.writes, *task.shares)})
    assert written == todo
    assert {path for task in made.plan.tasks for path in task.tests} == {
        "tests/test_base.py", "tests/test_cart.py", "tests/test_money.py", "tests/test_report.py",
    }  # fmt: skip


@pytest.mark.parametrize("strategy", OFFLINE)
def test_the_same_input_gives_the_same_plan(shop: CodeGraph, strategy: str) -> None:
    again = build(shop.root)
    assert decompose(shop, strategy).plan == decompose(again, strategy).plan


def test_modules_are_ordered_by_all_that_they_import(shop: CodeGraph) -> None:
    plan = decompose(shop, "modules").plan
    assert waits(plan) == {
        "base": set(), "money": set(), "cart": {"base", "money"}, "report": {"cart"},
    }  # fmt: skip
    assert run_by(plan) == {
        "base": ["base.py"], "money": ["money.py"], "cart": ["cart.py"], "report": ["report.py"],
    }  # fmt: skip


def test_hard_waits_for_base_classes_only_and_verifies_at_the_end(shop: CodeGraph) -> None:
    plan = decompose(shop, "hard").plan
    assert waits(plan) == {
        "base": set(), "money": set(), "cart": {"base"}, "report": set(),
        "verify": {"cart", "money", "report"},
    }  # fmt: skip
    assert run_by(plan) == {
        "base": ["base.py"], "money": ["money.py"], "cart": [], "report": [],
        "verify": ["cart.py", "report.py"],
    }  # fmt: skip
    assert plan.task("verify").role == "integrator"
    assert plan.task("verify").writes == (
        "shop/base.py", "shop/cart.py", "shop/money.py", "shop/report.py",
    )  # fmt: skip


def test_what_is_written_beside_is_told_but_not_readable(shop: CodeGraph) -> None:
    plan = decompose(shop, "hard").plan
    report = plan.task("report")
    assert "shop/cart.py" not in report.reads
    assert "shop/money.py" not in report.reads
    assert "rounded(value: float) -> int: Round half up." in report.instructions
    assert "Cart.add(self, item: Item) -> None" in report.instructions
    in_order = decompose(shop, "modules").plan.task("report")
    assert {"shop/cart.py", "shop/money.py", "tests/test_report.py"} <= set(in_order.reads)
    assert "rounded(" not in in_order.instructions


def test_interfaces_come_first_and_from_an_architect(shop: CodeGraph) -> None:
    plan = decompose(shop, "interfaces").plan
    assert plan.tasks[0].id == "base"
    assert plan.tasks[0].role == "architect"
    assert waits(plan)["cart"] == {"base"}
    assert waits(plan)["money"] == set()
    assert waits(plan)["report"] == set()


def test_packages_are_tasks(tree: Tree) -> None:
    root = tree(
        {
            "app/__init__.py": "",
            "app/low/__init__.py": "",
            "app/low/a.py": f"def a():\n    {STUB}\n",
            "app/low/b.py": f"def b():\n    {STUB}\n",
            "app/high/__init__.py": "",
            "app/high/c.py": f"from app.low.a import a\ndef c():\n    {STUB}\n",
        }
    )
    plan = decompose(build(root), "packages").plan
    assert [(task.id, task.writes, task.depends_on) for task in plan.tasks] == [
        ("low", ("app/low/a.py", "app/low/b.py"), ()),
        ("high", ("app/high/c.py",), ("low",)),
    ]


def test_packages_that_import_one_another_wait_only_for_what_importing_needs(tree: Tree) -> None:
    root = tree(
        {
            "app/__init__.py": "",
            "app/one/__init__.py": "",
            "app/one/a.py": f"from app.two import b\nclass A(b.B):\n  def f(self):\n    {STUB}\n",
            "app/two/__init__.py": "",
            "app/two/b.py": f"class B:\n    def f(self):\n        {STUB}\n",
            "app/two/c.py": f"from app.one.a import A\ndef c():\n    {STUB}\n",
        }
    )
    made = decompose(build(root), "packages")
    assert waits(made.plan) == {"two": set(), "one": {"two"}}
    assert any("import one another" in note for note in made.notes)


def test_a_small_circle_is_one_task_and_a_large_one_is_cut(tree: Tree) -> None:
    def ring(size: int) -> dict[str, str]:
        return {
            f"ring/m{n}.py": f"from ring import m{(n + 1) % size}\ndef f{n}():\n    {STUB}\n"
            for n in range(size)
        } | {"ring/__init__.py": ""}

    small = decompose(build(tree(ring(3))), "modules").plan
    assert [task.writes for task in small.tasks] == [("ring/m0.py", "ring/m1.py", "ring/m2.py")]
    large = decompose(build(tree(ring(6))), "modules")
    assert len(large.plan.tasks) == 6
    assert all(not task.depends_on for task in large.plan.tasks)
    assert "6 files import one another in a circle" in large.notes[0]


def test_communities_keep_together_what_is_tied_together(tree: Tree) -> None:
    def clique(name: str) -> dict[str, str]:
        files = {}
        for n in range(3):
            imports = "".join(f"from pkg import {name}{m}\n" for m in range(3) if m != n)
            files[f"pkg/{name}{n}.py"] = f"{imports}def {name}():\n    {STUB}\n"
        return files

    root = tree({"pkg/__init__.py": "", **clique("left"), **clique("right")})
    made = decompose(build(root), "communities", Options(tasks=2))
    assert [task.writes for task in made.plan.tasks] == [
        ("pkg/left0.py", "pkg/left1.py", "pkg/left2.py"),
        ("pkg/right0.py", "pkg/right1.py", "pkg/right2.py"),
    ]


def test_communities_in_a_circle_become_one_task_and_it_is_said(tree: Tree) -> None:
    root = tree(
        {
            "pkg/__init__.py": "",
            "pkg/a.py": f"from pkg import b\ndef a():\n    {STUB}\n",
            "pkg/b.py": f"from pkg import a\ndef b():\n    {STUB}\n",
        }
    )
    made = decompose(build(root), "communities", Options(tasks=2))
    assert len(made.plan.tasks) == 1
    assert any("2 communities make 1 tasks" in note for note in made.notes)


def test_random_has_as_many_tasks_and_edges_as_modules_and_obeys_its_seed(shop: CodeGraph) -> None:
    def shape(made: Decomposition) -> tuple[int, int]:
        parts = [task for task in made.plan.tasks if task.id != "verify"]
        return len(parts), sum(len(task.depends_on) for task in parts)

    plans = [decompose(shop, "random", Options(seed=seed)) for seed in range(8)]
    model = decompose(shop, "modules")
    assert {shape(made) for made in plans} == {shape(model)}
    assert len({str(made.plan.tasks) for made in plans}) > 1
    assert plans[3].plan == decompose(shop, "random", Options(seed=3)).plan


def test_random_may_collide_where_the_others_may_not(shop: CodeGraph) -> None:
    def collisions(plan: Plan) -> int:
        above = ancestors(plan)
        return sum(
            1
            for one in plan.tasks
            for two in plan.tasks
            if one.id != two.id and one.id not in above[two.id] and two.id not in above[one.id]
            for path in two.writes
            if path in one.reads
        )

    assert any(collisions(decompose(shop, "random", Options(seed=n)).plan) for n in range(8))
    for strategy in ("modules", "hard", "interfaces", "packages", "communities"):
        assert collisions(decompose(shop, strategy).plan) == 0


def ancestors(plan: Plan) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for task in plan.tasks:  # dependencies first
        found[task.id] = set(task.depends_on).union(*(found[one] for one in task.depends_on))
    return found


def test_unknown_strategies_and_useless_numbers_are_refused(shop: CodeGraph) -> None:
    with pytest.raises(UsageError, match="did you mean modules"):
        decompose(shop, "module")
    with pytest.raises(UsageError, match="finds the number of tasks itself"):
        decompose(shop, "hard", Options(tasks=3))
    with pytest.raises(UsageError, match="begin with 1"):
        decompose(shop, "communities", Options(tasks=0))
    with pytest.raises(UsageError, match="needs a model"):
        decompose(shop, "model")


def test_modules_named_in_strings_are_needed_when_the_program_runs(tree: Tree) -> None:
    root = tree(
        {
            "app/__init__.py": "from app.load import start\n",
            "app/load.py": f"from app.plugins import find\ndef start(name):\n    {STUB}\n",
            "app/plugins/__init__.py": (
                "from importlib import import_module\n"
                "KNOWN = {'table': 'app.plugins.table.table'}\n"
                "def find(name):\n    return import_module(KNOWN[name].rpartition('.')[0])\n"
            ),
            "app/plugins/table.py": f"def table():\n    {STUB}\n",
            "tests/test_load.py": "from app import start\ndef test():\n    start('table')\n",
        }
    )
    plan = decompose(build(root), "modules").plan
    assert waits(plan) == {"plugins.table": set(), "load": {"plugins.table"}}
    assert run_by(plan) == {"plugins.table": [], "load": ["load.py"]}
    assert run_by(decompose(build(root), "hard").plan)["verify"] == ["load.py"]


def test_names_gathered_by_a_package_do_not_tie_its_modules_together(tree: Tree) -> None:
    root = tree(
        {
            "app/__init__.py": "from app.one import one\nfrom app.two import two\n",
            "app/one.py": f"def one():\n    {STUB}\n",
            "app/two.py": f"def two():\n    {STUB}\n",
            "app/user.py": f"from app import one\ndef use():\n    {STUB}\n",
        }
    )
    assert waits(decompose(build(root), "modules").plan) == {
        "one": set(), "two": set(), "user": {"one"},
    }  # fmt: skip
