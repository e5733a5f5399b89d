"""What depends on what in Python code, and how strongly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from orchestrator.analysis.codegraph import CodeGraph, build
from orchestrator.errors import UsageError

Tree = Callable[[Mapping[str, str]], Path]

BASE = "class Base:\n    def run(self): return 1\n\ndef make(): return Base()\nLIMIT = 3\n"


def strengths(root: Path, source: str = "pkg/a.py") -> dict[str, str]:
    """Return what a file depends on and how strongly."""
    graph = build(root)
    return {
        target: str(graph.strength(source, target))
        for target in sorted(graph.file_dependencies()[source])
    }


def links(graph: CodeGraph) -> set[tuple[str, str, str, str]]:
    return {(one.source, one.target, one.kind, str(one.strength)) for one in graph.links}


@pytest.mark.parametrize(
    ("text", "strength"),
    [
        ("from pkg.b import Base\nclass A(Base): pass", "hard"),
        ("from pkg.b import make\n@make\ndef f(): pass", "hard"),
        ("from pkg.b import LIMIT\ndef f(x=LIMIT): return x", "hard"),
        ("from pkg import b\nTWICE = 2 * b.LIMIT", "hard"),
        ("import pkg.b\nTWICE = 2 * pkg.b.LIMIT", "hard"),
        ("from .b import *\nTWICE = 2 * LIMIT", "hard"),
        ("from pkg.b import Base\ndef f(x: Base): return x", "hard"),
        ("from pkg.b import LIMIT\nclass A:\n    limit = LIMIT", "hard"),
        ("from pkg.b import LIMIT\nALL = [n * LIMIT for n in range(3)]", "hard"),
        (
            "from __future__ import annotations\nfrom pkg.b import Base\ndef f(x: Base): return x",
            "call",
        ),
        ("from pkg.b import make\ndef f(): return make()", "call"),
        ("from pkg.b import make\nrun = lambda: make()", "call"),
        ("from . import b\ndef f(): return b.make()", "call"),
        ("from .b import *\ndef f(): return make()", "call"),
        ("from pkg.b import make", "call"),
        ("try:\n    from pkg.b import make\nexcept ImportError:\n    make = None", "call"),
        ("def f():\n    from pkg.b import make\n    return make()", "lazy"),
        ("if __name__ == '__main__':\n    from pkg.b import make\n    make()", "lazy"),
        (
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pkg.b import Base",
            "typing",
        ),
        (
            "import typing\nif typing.TYPE_CHECKING:\n    from pkg.b import Base\n"
            "def f(x: 'Base') -> None: pass",
            "typing",
        ),
        (
            "from __future__ import annotations\nimport typing\nif typing.TYPE_CHECKING:\n"
            "    from pkg.b import Base\ndef f(x: Base): return x.run()",
            "call",
        ),
    ],
)
def test_the_strength_of_an_import(tree: Tree, text: str, strength: str) -> None:
    root = tree({"pkg/__init__.py": "", "pkg/a.py": text, "pkg/b.py": BASE})
    assert strengths(root)["pkg/b.py"] == strength


def test_a_parameter_hides_the_module_of_its_name(tree: Tree) -> None:
    text = "from pkg import b\ndef f(b): return b.make()\n"
    graph = build(tree({"pkg/__init__.py": "", "pkg/a.py": text, "pkg/b.py": BASE}))
    assert not [one for one in graph.links if one.target == "pkg/b.py::make"]


def test_code_that_runs_while_importing_needs_what_it_calls(tree: Tree) -> None:
    root = tree(
        {
            "pkg/__init__.py": "",
            "pkg/a.py": "from pkg.b import start\nREADY = start()\n",
            "pkg/b.py": "from pkg.c import help_\ndef start(): return help_()\n",
            "pkg/c.py": "def help_(): return 1\n",
        }
    )
    assert strengths(root) == {"pkg/b.py": "hard", "pkg/c.py": "hard"}
    assert strengths(root, "pkg/b.py") == {"pkg/c.py": "call"}


def test_making_an_instance_while_importing_runs_its_init(tree: Tree) -> None:
    root = tree(
        {
            "a.py": "from b import Thing\nONE = Thing()\n",
            "b.py": "from c import fill\nclass Thing:\n    def __init__(self): fill()\n",
            "c.py": "def fill(): return 1\n",
        }
    )
    assert strengths(root, "a.py") == {"b.py": "hard", "c.py": "hard"}


def test_a_re_export_is_followed_to_its_definition(tree: Tree) -> None:
    root = tree(
        {
            "pkg/__init__.py": "from pkg.api import make as build_it\n",
            "pkg/api.py": "from .deep import *\n",
            "pkg/deep.py": "__all__ = ['make']\ndef make(): return 1\n",
            "use.py": "import pkg\ndef f(): return pkg.build_it()\n",
        }
    )
    graph = build(root)
    assert ("use.py::f", "pkg/deep.py::make", "calls", "call") in links(graph)
    assert graph.file_dependencies()["use.py"] == {"pkg/__init__.py", "pkg/deep.py"}
    assert graph.file_dependencies(imports_only=True)["use.py"] == {"pkg/__init__.py"}


def test_names_found_by_a_modules_getattr_are_followed(tree: Tree) -> None:
    lazy = (
        "from importlib import import_module\nWHERE = {'make': 'pkg.deep'}\n"
        "def __getattr__(name): return getattr(import_module(WHERE[name]), name)\n"
    )
    root = tree(
        {
            "pkg/__init__.py": lazy,
            "pkg/deep.py": "def make(): return 1\n",
            "use.py": "from pkg import make\ndef f(): return make()\n",
        }
    )
    graph = build(root)
    assert ("use.py::f", "pkg/deep.py::make", "calls", "call") in links(graph)
    assert graph.strength("pkg/__init__.py", "pkg/deep.py") == "lazy"


@pytest.mark.parametrize(
    "body",
    [
        "def f(b: Base): return b.run()",
        "def f(b: 'Base | None'): return b.run()",
        "def f():\n    b = Base()\n    return b.run()",
        "def f(): return make().run()",
        "def f(all_: list[Base]):\n    for b in all_:\n        b.run()",
        "def f(all_: dict[str, Base]):\n    return [b.run() for name, b in all_.items()]",
        "def f(b):\n    if isinstance(b, Base):\n        return b.run()",
        "def f(b):\n    match b:\n        case Base() as it:\n            return it.run()",
        "def f():\n    with Base() as b:\n        b.run()",
        "class C(Base):\n    def f(self): return self.run()",
        "class C(Base):\n    def run(self): return super().run()",
        "class C:\n    def __init__(self): self.b = Base()\n    def f(self): return self.b.run()",
        "class C:\n    b: Base\n    def f(self): return self.b.run()",
        "class C:\n    @property\n    def b(self) -> Base: ...\n    def f(self): self.b.run()",
        "THE = Base()\ndef f(): return THE.run()",
    ],
)
def test_a_method_is_found_through_what_is_known_of_types(tree: Tree, body: str) -> None:
    text = f"from pkg.b import Base, make\n{body}\n"
    graph = build(tree({"pkg/__init__.py": "", "pkg/a.py": text, "pkg/b.py": BASE}))
    called = [one for one in graph.links if one.target == "pkg/b.py::Base.run"]
    assert [one.kind for one in called] == ["calls"]


def test_inheritance_and_annotations_are_edges_between_symbols(tree: Tree) -> None:
    text = (
        "from __future__ import annotations\nfrom pkg.b import Base\n"
        "class A(Base): pass\ndef f(x: Base) -> None: pass\n"
    )
    graph = build(tree({"pkg/__init__.py": "", "pkg/a.py": text, "pkg/b.py": BASE}))
    assert ("pkg/a.py::A", "pkg/b.py::Base", "inherits", "hard") in links(graph)
    assert ("pkg/a.py::f", "pkg/b.py::Base", "annotates", "call") in links(graph)


def test_layouts_are_told_apart(tree: Tree) -> None:
    root = tree(
        {
            "src/pkg/__init__.py": "",
            "src/pkg/a.py": "from pkg.sub.b import f\n",
            "src/pkg/sub/__init__.py": "",
            "src/pkg/sub/b.py": "from ..c import g\ndef f(): return g()\n",
            "src/pkg/c.py": "def g(): return 1\n",
            "space/inner/mod.py": "def h(): return 1\n",
            "tests/helper.py": "def ready(): return 1\n",
            "tests/test_a.py": (
                "import helper\nfrom space.inner import mod\nimport pkg.a\n"
                "def test_one(): helper.ready(); mod.h(); pkg.a.f()\n"
            ),
        }
    )
    graph = build(root)
    assert {path: module.name for path, module in graph.modules.items()} == {
        "space/inner/mod.py": "space.inner.mod",
        "src/pkg/__init__.py": "pkg",
        "src/pkg/a.py": "pkg.a",
        "src/pkg/c.py": "pkg.c",
        "src/pkg/sub/__init__.py": "pkg.sub",
        "src/pkg/sub/b.py": "pkg.sub.b",
        "tests/helper.py": "tests.helper",
        "tests/test_a.py": "tests.test_a",
    }
    edges = graph.file_dependencies(imports_only=True)
    assert edges["tests/test_a.py"] == {"tests/helper.py", "space/inner/mod.py", "src/pkg/a.py"}
    assert edges["src/pkg/sub/b.py"] == {"src/pkg/c.py"}


def test_a_package_in_a_namespace_has_the_namespace_in_its_name(tree: Tree) -> None:
    root = tree(
        {
            "space/one/__init__.py": "",
            "space/one/a.py": "from space.two.b import f\n",
            "space/two/__init__.py": "",
            "space/two/b.py": "def f(): return 1\n",
        }
    )
    graph = build(root)
    assert graph.modules["space/one/a.py"].name == "space.one.a"
    assert graph.file_dependencies()["space/one/a.py"] == {"space/two/b.py"}


def test_data_files_and_entry_points_are_nodes(tree: Tree) -> None:
    root = tree(
        {
            "pyproject.toml": '[project]\nname = "x"\n[project.scripts]\nrun-it = "pkg.a:main"\n',
            "pkg/__init__.py": "",
            "pkg/a.py": "from pathlib import Path\ndef main(): return Path('pkg/words.txt')\n",
            "pkg/words.txt": "one\n",
        }
    )
    graph = build(root)
    nodes = graph.graph.nodes
    assert nodes["pkg/words.txt"]["kind"] == "data"
    assert nodes["entry:console_scripts:run-it"]["target"] == "pkg.a:main"
    assert graph.graph.has_edge("entry:console_scripts:run-it", "pkg/a.py::main", "starts")
    assert graph.dependents_of("pkg/words.txt") == {"pkg/a.py"}


CHAIN = {
    "pkg/__init__.py": "",
    "pkg/low.py": "def low(): return 1\n",
    "pkg/mid.py": "from pkg.low import low\ndef mid(): return low()\ndef other(): return 2\n",
    "pkg/top.py": "from pkg.mid import mid\ndef top(): return mid()\n",
    "pkg/ring_a.py": "from pkg import ring_b\ndef f(): return ring_b.g()\n",
    "pkg/ring_b.py": "from pkg import ring_a\ndef g(): return ring_a.f()\n",
    "tests/test_top.py": "from pkg.top import top\ndef test_top(): assert top()\n",
    "tests/test_low.py": "from pkg.low import low\ndef test_low(): assert low()\n",
    "tests/test_other.py": "from pkg.mid import other\ndef test_other(): assert other()\n",
}


def test_questions(tree: Tree) -> None:
    graph = build(tree(CHAIN))
    assert graph.dependents_of("pkg.mid") == {"pkg/top.py", "tests/test_other.py"}
    assert graph.dependents_of("pkg/mid.py::mid") == {"pkg/top.py"}
    assert graph.touched_by("pkg/low.py") == {
        "pkg/mid.py", "pkg/top.py", "tests/test_low.py", "tests/test_other.py", "tests/test_top.py",
    }  # fmt: skip
    assert graph.path_between("pkg/top.py", "pkg/low.py") == (
        "pkg/top.py", "pkg/mid.py", "pkg/low.py",
    )  # fmt: skip
    assert graph.path_between("pkg/low.py", "pkg/top.py") is None
    assert graph.cycles() == (("pkg/ring_a.py", "pkg/ring_b.py"),)
    assert graph.cycles({"hard"}) == ()
    assert graph.layers() == (
        ("pkg/__init__.py", "pkg/low.py", "pkg/ring_a.py", "pkg/ring_b.py"),
        ("pkg/mid.py",),
        ("pkg/top.py",),
    )


def test_tests_are_ordered_by_directness_and_follow_calls_only(tree: Tree) -> None:
    graph = build(tree(CHAIN))
    assert graph.tests_of("pkg/low.py") == ("tests/test_low.py", "tests/test_top.py")
    assert [reach.distance for reach in graph.reach_of("pkg/low.py")] == [1, 3]
    assert graph.tests_of("pkg/mid.py") == ("tests/test_other.py", "tests/test_top.py")
    assert graph.tests_of("pkg/mid.py::other") == ("tests/test_other.py",)
    assert graph.reached_by("tests/test_top.py") == {
        "pkg/low.py": 3, "pkg/mid.py": 2, "pkg/top.py": 1,
    }  # fmt: skip


def test_fixtures_lead_from_a_test_to_what_they_make(tree: Tree) -> None:
    root = tree(
        {
            "pkg/__init__.py": "",
            "pkg/b.py": BASE,
            "tests/conftest.py": (
                "import pytest\nfrom pkg.b import Base\n"
                "@pytest.fixture\ndef base() -> Base: return Base()\n"
            ),
            "tests/deep/test_b.py": "def test_b(base): assert base.run()\n",
        }
    )
    graph = build(root)
    assert graph.tests_of("pkg/b.py::Base.run") == ("tests/deep/test_b.py",)


def test_a_hub_is_tied_to_most_files(tree: Tree) -> None:
    files = {f"pkg/m{n}.py": "from pkg.hub import x\n" for n in range(4)}
    graph = build(tree({"pkg/__init__.py": "", "pkg/hub.py": "x = 1\n"} | files))
    (hub,) = graph.hubs()
    assert (hub.path, hub.share, hub.dependents) == ("pkg/hub.py", 4 / 5, 4)


def test_observed_calls_are_added_as_edges_of_their_own(tree: Tree) -> None:
    graph = build(tree(CHAIN))
    seen = graph.with_observed([("pkg/low.py", "pkg/ring_a.py"), ("pkg/low.py", "gone.py")])
    assert seen.file_dependencies({"observed"})["pkg/low.py"] == {"pkg/ring_a.py"}
    assert graph.file_dependencies()["pkg/low.py"] == frozenset()
    assert seen.graph.has_edge("pkg/low.py", "pkg/ring_a.py", "observed")


def test_an_unknown_name_is_refused_with_the_nearest_known_one(tree: Tree) -> None:
    graph = build(tree(CHAIN))
    with pytest.raises(UsageError, match=r"did you mean 'pkg/mid\.py'"):
        graph.dependents_of("pkg/mdi.py")
    with pytest.raises(UsageError, match="did you mean 'other'"):
        graph.dependents_of("pkg/mid.py::othr")
