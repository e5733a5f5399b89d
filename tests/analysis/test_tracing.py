"""Calls that really happen, against those that the code graph knows."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from orchestrator.analysis.codegraph import build
from orchestrator.analysis.tracing import recall, trace
from orchestrator.errors import UsageError

Tree = Callable[[Mapping[str, str]], Path]

FILES = {
    "known.py": "def f(): return 1\n",
    "hidden.py": "def g(): return 2\n",
    "main.py": (
        "import known\nimport threading\nfrom importlib import import_module\n"
        "def run():\n    known.f()\n    import_module('hid' + 'den').g()\n"
        "thread = threading.Thread(target=run)\nthread.start()\nthread.join()\nknown.f()\n"
    ),
}
RUN = f"{sys.executable} main.py"


def test_calls_between_files_are_counted_and_compared(tree: Tree) -> None:
    root = tree(FILES)
    graph = build(root)
    seen = trace(root, RUN)
    assert seen.exit_code == 0
    assert seen.calls == {("main.py", "hidden.py"): 1, ("main.py", "known.py"): 2}
    met = recall(graph, seen)
    assert (met.observed, met.found, met.share) == (2, 1, 0.5)
    assert met.missing == (("main.py", "hidden.py"),)
    added = graph.with_observed(seen.calls)
    assert added.strength("main.py", "hidden.py") == "observed"
    assert recall(added, seen).share == 1.0


def test_processes_that_the_command_starts_are_recorded(tree: Tree) -> None:
    start = (
        "import subprocess, sys\nimport known\nknown.f()\n"
        "subprocess.run([sys.executable, 'main.py'], check=True)\n"
    )
    seen = trace(tree(FILES | {"start.py": start}), f"{sys.executable} start.py")
    assert seen.calls["start.py", "known.py"] == 1
    assert seen.calls["main.py", "known.py"] == 2


def test_a_sitecustomize_of_ones_own_still_runs(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text("import builtins\nbuiltins.mark = 7\n")
    monkeypatch.setenv("PYTHONPATH", str(own))
    files = {
        "main.py": "import known\nassert mark == 7\nknown.f()\n",
        "known.py": FILES["known.py"],
    }
    seen = trace(tree(files), RUN)
    assert (seen.exit_code, dict(seen.calls)) == (0, {("main.py", "known.py"): 1})


def test_a_command_that_fails_still_counts(tree: Tree) -> None:
    seen = trace(tree(FILES | {"main.py": "import known\nknown.f()\nraise SystemExit(3)\n"}), RUN)
    assert (seen.exit_code, len(seen.calls)) == (3, 1)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("no-such-program-here", "cannot be run"),
        ("", "no command"),
        ("python 'unclosed", "cannot be read"),
        (f"{sys.executable} -I main.py", "nothing was recorded"),
        ("true", "nothing was recorded"),
    ],
)
def test_what_cannot_be_traced_is_refused(tree: Tree, command: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        trace(tree({"main.py": ""}), command)
