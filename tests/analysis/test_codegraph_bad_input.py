"""Directories that are odd, broken, empty or no code at all; and the cache."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from orchestrator.analysis import codefiles
from orchestrator.analysis.codegraph import build
from orchestrator.analysis.codemodel import Facts
from orchestrator.analysis.languages.python import Python
from orchestrator.errors import UsageError

Tree = Callable[[Mapping[str, str]], Path]

GOOD = {"a.py": "from b import f\nX = f()\n", "b.py": "def f(): return 1\n"}


def codes(root: Path) -> list[str]:
    return [problem.code for problem in build(root).problems]


def test_a_syntax_error_is_listed_and_the_rest_analysed(tree: Tree) -> None:
    graph = build(tree(GOOD | {"bad.py": "def f(:\n"}))
    (problem,) = graph.problems
    assert problem.where == "bad.py:1:7"
    assert problem.code == "syntax-error"
    assert graph.strength("a.py", "b.py") == "hard"
    assert graph.modules["bad.py"].symbols == ()


def test_encodings(tree: Tree) -> None:
    root = tree(GOOD)
    (root / "latin.py").write_bytes("# coding: latin-1\ndef café(): return 'é'\n".encode("latin-1"))
    (root / "marked.py").write_bytes(b"\xef\xbb\xbfdef f(): return 1\n")
    assert codes(root) == []
    assert [one.name for one in build(root).modules["latin.py"].symbols] == ["café"]
    (root / "wrong.py").write_bytes(b"x = '\xff'\n")
    (root / "unknown.py").write_bytes(b"# coding: klingon\nx = 1\n")
    (root / "nul.py").write_bytes(b"x = 1\0\n")
    assert codes(root) == ["syntax-error", "bad-encoding", "bad-encoding"]


def test_symlink_loops_and_twins_are_not_followed(tree: Tree) -> None:
    root = tree(GOOD)
    (root / "loop").symlink_to(root)
    (root / "self.py").symlink_to("self.py")
    (root / "twin.py").symlink_to("a.py")
    (root / "gone.py").symlink_to("nowhere.py")
    graph = build(root)
    assert list(graph.modules) == ["a.py", "b.py"]
    assert graph.problems == ()


def test_a_huge_file_is_left_out(tree: Tree) -> None:
    root = tree(GOOD)
    (root / "table.py").write_text("x = 1\n" * (codefiles.LARGEST // 6 + 1))
    graph = build(root)
    assert [problem.code for problem in graph.problems] == ["too-large"]
    assert list(graph.modules) == ["a.py", "b.py"]


@pytest.mark.slow
def test_an_expression_nested_too_deeply_is_listed(tree: Tree) -> None:
    root = tree(GOOD)
    (root / "deep.py").write_text("x = " + "-" * 50_000 + "1\n")
    (problem,) = build(root).problems
    assert problem.where.startswith("deep.py")


def test_a_pipe_is_no_source_file(tree: Tree) -> None:
    root = tree(GOOD)
    os.mkfifo(root / "pipe.py")
    assert list(build(root).modules) == ["a.py", "b.py"]


def test_an_empty_directory_and_one_without_code(tmp_path: Path) -> None:
    (problem,) = build(tmp_path).problems
    assert problem.code == "no-code"
    assert "no files" in problem.what
    (tmp_path / "README.md").write_text("# Words\n")
    graph = build(tmp_path)
    assert "none of the 1 files is source code" in graph.problems[0].what
    assert graph.layers() == graph.cycles() == graph.hubs() == ()
    assert list(graph.graph.nodes) == ["README.md"]


def test_what_is_no_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is not a directory"):
        build(tmp_path / "file")
    with pytest.raises(UsageError, match="there is no directory"):
        build(tmp_path / "missing")


def test_an_unknown_language_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="write 'python'"):
        build(tmp_path, language="pyton")


def test_what_git_ignores_is_left_out(tree: Tree) -> None:
    root = tree(GOOD | {".gitignore": "made/\n", "made/c.py": "x = 1\n"})
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    assert list(build(root).modules) == ["a.py", "b.py"]


def test_a_second_look_reads_no_unchanged_file(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, cache = tree(GOOD), tmp_path / "cache"
    read: list[str] = []
    original = Python.read

    def counted(self: Python, path: str, source: bytes) -> Facts:
        read.append(path)
        return original(self, path, source)

    monkeypatch.setattr(Python, "read", counted)
    first = build(root, cache=cache)
    assert read == ["a.py", "b.py"]
    again = build(root, cache=cache)
    assert read == ["a.py", "b.py"]
    assert (again.links, again.modules, again.starts) == (first.links, first.modules, first.starts)
    (root / "b.py").write_text("from c import g\ndef f(): return g()\n")
    (root / "c.py").write_text("def g(): return 2\n")
    changed = build(root, cache=cache)
    assert read[2:] == ["b.py", "c.py"]
    assert changed.links == build(root).links
    assert changed.strength("a.py", "c.py") == "hard"


@pytest.mark.parametrize("text", ["", "{", '{"format": "0"}', "null", "\x00\xff"])
def test_a_damaged_cache_is_made_anew(tree: Tree, tmp_path: Path, text: str) -> None:
    root, cache = tree(GOOD), tmp_path / "cache"
    cache.mkdir()
    (cache / codefiles.CACHE).write_text(text)
    assert build(root, cache=cache).links == build(root).links
    assert len((cache / codefiles.CACHE).read_bytes()) > 100


def test_the_same_code_gives_the_same_graph_wherever_it_stands(tree: Tree, tmp_path: Path) -> None:
    root = tree(GOOD)
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in ("b.py", "a.py"):
        (moved / path).write_bytes((root / path).read_bytes())
    one, other = build(root).to_json(), build(moved).to_json()
    assert one.pop("root") != other.pop("root")
    assert one == other
