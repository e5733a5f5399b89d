"""Agents with behaviours in real runs: what one mode lets break, another prevents."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from orchestrator import Limits, Plan, RunResult, Task, run
from orchestrator.models.behaviour import Behaviour, Profile
from orchestrator.models.profiled import ProfiledOracle

START = {
    "alpha.py": "def area(width, height_v0):\n    raise NotImplementedError\n",
    "beta.py": "",
    "shared.py": "# region: alpha\n# endregion: alpha\n\n# region: beta\n# endregion: beta\n",
    "tests/test_alpha.py": "import alpha\n\ndef test():\n    assert alpha.area(2, height=3) == 6\n",
    "tests/test_beta.py": "import beta\n\ndef test():\n    assert beta.NAME == 'b'\n",
    "tests/test_both.py": "import beta\n\ndef test():\n    assert beta.volume(2, 3, 4) == 24\n",
    "tests/test_shared.py": "import shared\n\ndef test():\n    assert shared.A + shared.B == 3\n",
}
SOLUTION = {
    "alpha.py": "def area(width, height):\n    return width * height\n",
    "beta.py": (
        "from alpha import area\n\nNAME = 'b'\n\n\n"
        "def volume(width, height, depth):\n    return area(width, height) * depth\n"
    ),
    "shared.py": (
        "# region: alpha\nA = 1\n# endregion: alpha\n\n# region: beta\nB = 2\n# endregion: beta\n"
    ),
}
JUDGE = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rfE")


def write(folder: Path, files: Mapping[str, str]) -> Path:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def play(folder: Path, mode: str, tests: tuple[str, str] = ("", ""), **figures: float) -> RunResult:
    """Let one agent write alpha and another beta at the same time, each turn taking a second."""
    tasks = tuple(
        Task(
            id=name,
            role="implementer",
            writes=(f"{name}.py",),
            shares=("shared.py",),
            reads=("**",),
            test=f'python -B -c "from tests.{test} import test; test()"' if test else "",
        )
        for name, test in zip(("alpha", "beta"), tests, strict=True)
    )
    plan = Plan(
        name="two",
        workspace=write(folder / "start", START),
        base=folder,
        into=folder / "out",
        mode=mode,
        limits=Limits(workers=2, attempts=2),
        tasks=tasks,
    )
    behaviour = Behaviour(thinking=1.0, **figures)  # type: ignore[arg-type]
    model = ProfiledOracle(write(folder / "solution", SOLUTION), Profile("t", behaviour, {}))
    return run(plan, model=model, seed=1, time="virtual", durability="normal")


def broken(folder: Path) -> set[str]:
    """Return the test files that fail on what a run has left."""
    done = subprocess.run(JUDGE, cwd=folder / "out", capture_output=True, check=False, text=True)
    assert done.returncode in (0, 1, 2), done.stdout
    return set(re.findall(r"^(?:FAILED|ERROR) tests/test_(\w+)\.py", done.stdout, re.MULTILINE))


@pytest.mark.slow
def test_an_interface_that_changed_after_it_was_read_breaks_a_real_test(tmp_path: Path) -> None:
    result = play(tmp_path, "locks", ("test_alpha", "test_beta"))
    assert result.status == "succeeded"
    assert "area(width, height_v0=height)" in (tmp_path / "out/beta.py").read_text()
    assert broken(tmp_path) == {"both"}


@pytest.mark.slow
def test_what_the_agent_is_told_or_refused_it_writes_anew(tmp_path: Path) -> None:
    result = play(tmp_path, "shared", ("test_alpha", "test_beta"))
    assert result.status == "succeeded"
    assert broken(tmp_path) == set()


@pytest.mark.slow
def test_tests_that_notice_make_it_look_again(tmp_path: Path) -> None:
    result = play(tmp_path, "locks", ("", "test_both"))
    assert result.status == "succeeded"
    assert (tmp_path / "out/beta.py").read_text() == SOLUTION["beta.py"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "lost"), [("uncontrolled", {"alpha", "both"}), ("locks", {"both"})]
)
def test_a_neighbours_file_written_back_is_a_lost_update(
    tmp_path: Path, mode: str, lost: set[str]
) -> None:
    result = play(tmp_path, mode, oversteps=1.0)
    assert result.status == "succeeded"
    text = (tmp_path / "out/alpha.py").read_text()
    assert ("# checked by beta" in text) == (mode == "uncontrolled")
    assert broken(tmp_path) == lost


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "lost"), [("uncontrolled", {"shared"}), ("shared", set())])
def test_a_shared_file_written_whole_is_a_lost_update(
    tmp_path: Path, mode: str, lost: set[str]
) -> None:
    result = play(tmp_path, mode, rewrites=1.0)
    assert result.status == "succeeded"
    assert broken(tmp_path) & {"shared"} == lost
