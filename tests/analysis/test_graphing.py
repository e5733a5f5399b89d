"""The command `graph`: what it says."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from orchestrator.errors import UsageError, WorkspaceError
from orchestrator.ui.graphing import Wanted, show_graph

Tree = Callable[[Mapping[str, str]], Path]
Capture = pytest.CaptureFixture[str]

FILES = {
    "pkg/__init__.py": "",
    "pkg/a.py": "from pkg.b import f\ndef g(): return f()\n",
    "pkg/b.py": "def f(): raise NotImplementedError\n",
    "tests/test_a.py": "from pkg.a import g\ndef test_a(): assert g()\n",
}


def test_the_summary_is_plain_sentences(tree: Tree, capsys: Capture) -> None:
    assert show_graph(tree(FILES), Wanted()) == 0
    said = capsys.readouterr().out
    assert "3 source files (3 lines, 0 classes, 2 functions), 1 test file, 0 other files." in said
    assert "1 dependency between files: 1 when called." in said
    assert "No files import one another in a circle." in said
    assert "1 function still to be written, in pkg/b.py." in said


def test_questions_are_answered_in_words(tree: Tree, capsys: Capture) -> None:
    root = tree(FILES)
    wanted = Wanted(who_needs="pkg/b.py", touches="pkg.b", path=("pkg/a.py", "pkg/b.py"))
    assert show_graph(root, wanted) == 0
    said = capsys.readouterr().out
    assert "1 file depends directly on pkg/b.py:" in said
    assert "pkg/a.py  (call)" in said
    assert "A change of pkg.b may touch 2 files:" in said
    assert "most direct first: tests/test_a.py." in said
    assert "pkg/a.py → pkg/b.py" in said
    assert show_graph(root, Wanted(path=("pkg/b.py", "pkg/a.py"))) == 1
    assert "does not depend on" in capsys.readouterr().out


def test_json_answers_what_was_asked_or_everything(tree: Tree, capsys: Capture) -> None:
    root = tree(FILES)
    assert show_graph(root, Wanted(form="json")) == 0
    assert json.loads(capsys.readouterr().out)["stubs"] == {"pkg/b.py": ["f"]}
    assert show_graph(root, Wanted(form="json", cycles=True)) == 0
    assert json.loads(capsys.readouterr().out) == {"cycles": [], "hard_cycles": []}


@pytest.mark.parametrize("form", ["json", "graphml", "dot", "svg", "text"])
def test_every_format_can_go_to_a_file(tree: Tree, tmp_path: Path, form: str) -> None:
    place = tmp_path / "out"
    assert show_graph(tree(FILES), Wanted(form=form, output=place)) == 0
    assert "pkg" in place.read_text()


def test_a_trace_says_the_recall(tree: Tree, capsys: Capture) -> None:
    root = tree(FILES | {"pkg/b.py": "def f(): return 1\n", "run.py": "from pkg.a import g\ng()\n"})
    assert show_graph(root, Wanted(trace=f"{sys.executable} run.py")) == 0
    assert "calls between 2 pairs of files; the code graph knew 2 of them (100%)" in (
        capsys.readouterr().out
    )


def test_problems_go_to_standard_error(tree: Tree, capsys: Capture) -> None:
    assert show_graph(tree(FILES | {"bad.py": "def f(:\n"}), Wanted()) == 0
    assert "bad.py:1:7: " in capsys.readouterr().err


def test_what_cannot_be_done_is_refused(tree: Tree, tmp_path: Path) -> None:
    root = tree(FILES)
    with pytest.raises(UsageError, match="no format"):
        show_graph(root, Wanted(form="pdf"))
    with pytest.raises(WorkspaceError, match="cannot be written"):
        show_graph(root, Wanted(output=tmp_path / "no" / "where"))
