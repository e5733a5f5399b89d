"""What a text declares and calls, and how it is written against an older declaration."""

from __future__ import annotations

import ast
import keyword

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.models.interfaces import (
    Catalogue,
    declared,
    drift_candidates,
    drifted,
    used_functions,
    write_against,
)
from orchestrator.models.pytext import Edit, PyText, parsed

SHAPES = '''"""Shapes."""
import functools


def area(width, height: int = 1):
    """Return the area."""
    return width * height


async def later(it): return it


def bare():
    pass


def many(*parts): ...


def only(first, /): ...


def options(first, **rest): ...


def _hidden(x): ...


class Box:
    def resize(self, factor):
        @functools.cache
        def inner():
            return factor
        return inner()

    @staticmethod
    def of(side):
        raise NotImplementedError

    @classmethod
    def named(cls, label): "A box."; return label

    @property
    def side(self): ...

    def get(self, key): ...
'''


def against(caller: str, shapes: str = SHAPES) -> str:
    """Write a caller by someone who has read the drifted shapes."""
    catalogue = Catalogue({"pkg/shapes.py": shapes, "pkg/caller.py": caller})
    seen = {"pkg/shapes.py": drifted(shapes, drift_candidates(shapes))}
    return write_against(caller, seen, catalogue, "pkg/caller.py")


def test_what_is_declared() -> None:
    found = declared(SHAPES)
    assert set(found) == {"area", "later", "resize", "of", "named", "get"}
    assert found["area"].parameters == ("width", "height")
    assert found["resize"].takes_self
    assert not found["of"].takes_self
    assert found["named"].parameters == ("label",)
    assert declared("def f(x): ...\ndef f(y): ...\n") == {}
    assert declared("def f(:\n") == {}


def test_what_can_drift() -> None:
    # `get` is a method of dict, too: who calls it cannot be told.
    assert drift_candidates(SHAPES) == ("area", "later", "resize", "of", "named")
    assert drift_candidates("def f(x_v0): ...\n") == ()
    assert drift_candidates("def f(x):\n    x_v0 = 1\n") == ()


def test_a_drifted_text_works_under_its_new_names() -> None:
    text = drifted(SHAPES, drift_candidates(SHAPES))
    scope: dict[str, object] = {}
    exec(compile(text, "shapes", "exec"), scope)
    assert eval("area(2, height_v0=3)", scope) == 6
    assert eval("area(2)", scope) == 2
    assert eval("Box().resize(factor_v0=4)", scope) == 4
    assert eval("Box.named(label_v0='x')", scope) == "x"
    with pytest.raises(TypeError):
        eval("area(2, height=3)", scope)
    assert "def of(side_v0):\n        raise NotImplementedError\n" in text
    assert '"""Return the area."""\n    height = height_v0\n' in text


def test_own_calls_by_keyword_go_along() -> None:
    text = "def f(a):\n    return a and f(a=a - 1)\n\n\nprint(f(a=2))\n"
    changed = drifted(text, ["f"])
    exec(compile(changed, "f", "exec"), {})
    assert "f(a_v0=a - 1)" in changed


def test_names_that_are_no_candidates_are_passed_over() -> None:
    assert drifted(SHAPES, ["bare", "get", "nothing"]) == SHAPES
    assert drifted("def f(:\n", ["f"]) == "def f(:\n"


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("area(1, 2)", "area(1, height_v0=2)"),
        ("area(1, height=2)", "area(1, height_v0=2)"),
        ("area(height = 2, width=1)", "area(height_v0 = 2, width=1)"),
        ("area(1)", "area(1)"),
        ("area(*sizes)", "area(*sizes)"),
        ("area(1, (2))", "area(1, height_v0=(2))"),
        ("area(1, # the width\n  2)", "area(1, # the width\n  height_v0=2)"),
        ("area(area(1, 2), area(3, 4))",
         "area(area(1, height_v0=2), height_v0=area(3, height_v0=4))"),
        ("later(x for x in y)", "later(it_v0=(x for x in y))"),
        ("later((x for x in y))", "later(it_v0=(x for x in y))"),
        ("(later)('ü', )", "(later)(it_v0='ü', )"),
        ("box.resize(2)", "box.resize(factor_v0=2)"),
        ("Box.resize(box, 2)", "Box.resize(box, factor_v0=2)"),
        ("Box.of(2)", "Box.of(side_v0=2)"),
        ("shapes.area(1, 2)", "shapes.area(1, height_v0=2)"),
        ("other.area(1, 2)", "other.area(1, 2)"),
        ("math.area(1, 2)", "math.area(1, 2)"),
        ("d.get(1)", "d.get(1)"),
        ("surface(1, 2)", "surface(1, height_v0=2)"),
    ],
)  # fmt: skip
def test_calls_are_written_as_the_read_text_declares_them(call: str, expected: str) -> None:
    head = (
        "import math\nfrom pkg import shapes\n"
        "from pkg.shapes import area, later, Box, area as surface\n"
    )
    assert against(f"{head}x = 'é', {call}\n") == f"{head}x = 'é', {expected}\n"


def test_a_name_that_was_not_imported_is_somebody_elses() -> None:
    assert against("from math import area\narea(1, 2)\n") == "from math import area\narea(1, 2)\n"
    assert against("area(1, 2)\n") == "area(1, 2)\n"
    assert against("from .shapes import *\narea(1, 2)\n").endswith("area(1, height_v0=2)\n")


def test_calls_in_f_strings_stay() -> None:
    text = "from pkg.shapes import area\nx = f'{area(1, 2)}'\n"
    assert against(text) == text


def test_who_uses_what() -> None:
    catalogue = Catalogue({"a.py": "def f(x): ...\n", "b.py": "def g(x): ...\n", "c.txt": "("})
    text = "from a import f\nfrom b import g\n\ndef g(x):\n    return f(x)\n"
    assert [(u.name, u.file) for u in used_functions(text, catalogue)] == [("f", "a.py")]
    assert used_functions(text, catalogue, "a.py") == ()
    assert used_functions("(", catalogue) == ()
    twice = Catalogue({"a.py": "def f(x): ...\n", "b.py": "class C:\n    def f(self, x): ...\n"})
    assert twice.functions == {}


NAMES = st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True).filter(
    lambda name: not keyword.iskeyword(name)
)
BODIES = st.sampled_from(
    ("return {0}", "'''Doc.'''", "'''Doc.'''\n    return {0}", "raise NotImplementedError", "pass",
     "'''Doc.'''; return {0}", "if {0}:\n        return 1\n    return 2", "...",
     "# why\n    return {0}", "def inner():\n        return {0}\n    return inner",
     "@staticmethod\n    def inner():\n        return {0}\n    return inner")
)  # fmt: skip


@st.composite
def modules(draw: st.DrawFn) -> str:
    """Draw a module with functions and methods."""
    parts = []
    for name in draw(st.lists(NAMES, min_size=1, max_size=4, unique=True)):
        parameters = draw(st.lists(NAMES, max_size=3, unique=True))
        default = draw(st.sampled_from(("", "=1", ": int = 1"))) if parameters else ""
        body = draw(BODIES).format(parameters[-1] if parameters else "0")
        signature = ", ".join(parameters) + default
        if draw(st.booleans()):
            parts.append(f"def {name}x({signature}):\n    {body}\n")
        else:
            inner = body.replace("\n", "\n    ")
            signature = f"self, {signature}" if parameters else "self"
            parts.append(f"class {name.upper()}:\n    def {name}y({signature}):\n        {inner}\n")
    return draw(st.sampled_from(("", "'''Ä.'''\n"))) + "\n\n".join(parts)


@pytest.mark.slow
@given(modules())
def test_a_drifted_text_is_python_with_provisional_names(text: str) -> None:
    names = drift_candidates(text)
    changed = drifted(text, names)
    ast.parse(changed)
    before, after = declared(text), declared(changed)
    for name in names:
        *rest, last = before[name].parameters
        assert after[name].parameters == (*rest, f"{last}_v0")
    assert drifted(changed, names) == changed


@pytest.mark.slow
@given(modules(), st.lists(st.sampled_from(("1", "(2)", "'ß'", "[3, 4]", "(x for x in y)"))))
def test_what_is_written_against_the_final_text_is_the_reference(
    text: str, arguments: list[str]
) -> None:
    names = drift_candidates(text)
    calls = "".join(f"v.{name}({', '.join(arguments)})\n" for name in names)
    caller = f"from m import *\n{calls}"
    catalogue = Catalogue({"m.py": text})
    assert write_against(caller, {"m.py": text}, catalogue, "c.py") == caller
    changed = write_against(caller, {"m.py": drifted(text, names)}, catalogue, "c.py")
    ast.parse(changed)
    for name in names:
        function = catalogue.functions.get(name)
        if function and function.owner and len(function.parameters) == len(arguments):
            assert f"{function.parameters[-1]}_v0=" in changed


def test_edits_at_exact_places() -> None:
    source = PyText("a = 'ä'; b = f(1,\r\n2)\n")
    call = next(node for node in ast.walk(source.tree) if isinstance(node, ast.Call))
    assert source.text[source.start(call) : source.end(call)] == "f(1,\r\n2)"
    assert len(source.arguments(call)) == 2
    assert source.changed([Edit(4, 7, "1"), Edit(0, 1, "c")]).startswith("c = 1; ")
    assert parsed("\0") is None
