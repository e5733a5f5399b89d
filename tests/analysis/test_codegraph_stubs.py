"""Which functions are still to be written, and how large symbols are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from orchestrator.analysis.codegraph import build

Tree = Callable[[Mapping[str, str]], Path]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("raise NotImplementedError", "raise"),
        ("raise NotImplementedError('later')", "raise"),
        ("'''Says what it does.'''\n    raise NotImplementedError", "raise"),
        ("'''Says what it does.'''\n    ...", "ellipsis"),
        ("pass", "pass"),
        ("'''Says what it does.'''", "pass"),
        ("x = 1\n    # TODO: the rest\n    return x", "todo"),
        ("return 1  # FIXME", "todo"),
        ("return 1", ""),
        ("raise ValueError", ""),
        ("'''\n    # TODO in a docstring\n    '''\n    return 1", ""),
        ("return '# TODO in a string'", ""),
    ],
)
def test_what_stands_in_place_of_a_body(tree: Tree, body: str, kind: str) -> None:
    graph = build(tree({"a.py": f"def f():\n    {body}\n"}))
    (symbol,) = graph.modules["a.py"].symbols
    assert symbol.stub == kind


def test_what_has_no_body_by_intention_is_no_stub(tree: Tree) -> None:
    text = """
        from abc import ABC, abstractmethod
        from typing import Protocol, overload

        class A(ABC):
            @abstractmethod
            def f(self): ...

        class P(Protocol):
            def f(self) -> int: ...

        @overload
        def g(x: int) -> int: ...
        def g(x): return x
    """
    assert build(tree({"a.py": text, "b.pyi": "def h() -> int: ...\n"})).stubs() == {}


def test_a_method_that_subclasses_write_is_no_stub(tree: Tree) -> None:
    root = tree(
        {
            "base.py": "class Base:\n    def f(self): raise NotImplementedError\n"
            "    def g(self): raise NotImplementedError\n",
            "one.py": "from base import Base\nclass One(Base):\n    def f(self): return 1\n",
        }
    )
    (stub,) = build(root).stubs()["base.py"]
    assert stub.name == "Base.g"


def test_lines_and_sizes_of_symbols(tree: Tree) -> None:
    text = (
        "import functools\n\n@functools.cache\ndef f(x):\n    '''Doc.'''\n    if x:\n"
        "        return 1\n    return 2\n\n\nclass C:\n    '''Doc.'''\n    n = 1\n"
        "    def m(self):\n        def inner(): return 3\n        return inner\n"
    )
    symbols = build(tree({"a.py": text})).modules["a.py"].symbols
    assert [(one.name, one.kind, one.first, one.last, one.statements) for one in symbols] == [
        ("f", "function", 3, 8, 3),
        ("C", "class", 11, 16, 5),
        ("C.m", "function", 14, 16, 3),
        ("C.m.inner", "function", 15, 15, 1),
    ]


def test_two_definitions_of_one_name_are_two_symbols(tree: Tree) -> None:
    text = """\
        class C:
            @property
            def x(self): return 1
            @x.setter
            def x(self, v): pass
        """
    symbols = build(tree({"a.py": text})).modules["a.py"].symbols
    assert [(one.name, one.first, one.stub) for one in symbols] == [
        ("C", 1, ""), ("C.x", 2, ""), ("C.x#2", 4, "pass"),
    ]  # fmt: skip
