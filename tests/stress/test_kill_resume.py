"""Nothing is lost: runs that are ended at every step, or killed at any moment, and resumed.

The work is done by two scripts beside this file, which can be run by themselves as well.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
STRESS = os.environ.get("HYPOTHESIS_PROFILE") == "stress"

long = pytest.mark.skipif(not STRESS, reason="takes many minutes: `make stress` runs it")


def begin(script: str, folder: Path, *words: object) -> subprocess.Popen[str]:
    """Start one of the scripts."""
    folder.mkdir()
    return subprocess.Popen(
        [sys.executable, HERE / script, folder / "work", *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def found(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return what a script found; it must have found nothing wrong."""
    out, err = process.communicate()
    assert out, err
    tally: dict[str, Any] = json.loads(out)
    assert not tally["failures"], f"{tally}\n{err}"
    assert process.returncode == 0, err
    return tally


@pytest.mark.slow
def test_a_run_that_ends_at_any_step_is_resumed_without_a_loss(tmp_path: Path) -> None:
    # Two at once, each with every second step.
    halves = [
        begin("every_step.py", tmp_path / str(first), "--first", first, "--stride", 2)
        for first in (1, 2)
    ]
    tallies = [found(half) for half in halves]
    assert sum(tally["tried"] for tally in tallies) > 150


@pytest.mark.slow
def test_a_run_that_ends_between_any_two_calls_is_resumed_without_a_loss(tmp_path: Path) -> None:
    words = ("--calls", "--into", "--again", 1)
    halves = [
        begin("every_step.py", tmp_path / str(first), "--first", first, "--stride", 150, *words)
        for first in (10, 85)
    ]
    assert sum(found(half)["tried"] for half in halves) > 8


@pytest.mark.slow
def test_a_run_that_is_killed_is_resumed_without_a_loss(tmp_path: Path) -> None:
    process = begin("kill_and_resume.py", tmp_path / "a", "--kills", 2, "--per-run", 2)
    tally = found(process)
    assert tally["kills"] == 2
    assert tally["equal"] == tally["runs"] > 0


@long
@pytest.mark.stress
def test_every_call_of_a_run_may_be_its_last(tmp_path: Path) -> None:
    halves = [
        begin(
            "every_step.py", tmp_path / str(first),
            "--calls", "--into", "--again", first, "--first", first, "--stride", 2,
        )
        for first in (1, 2)
    ]  # fmt: skip
    assert sum(found(half)["tried"] for half in halves) > 1000


@long
@pytest.mark.stress
@pytest.mark.parametrize("plan", ["small", "minisql"])
def test_a_hundred_kills_lose_nothing(tmp_path: Path, plan: str) -> None:
    words = ("--plan", plan, "--kills", 100, "--per-run", 1, "--workers", 8)
    tally = found(begin("kill_and_resume.py", tmp_path / plan, *words))
    assert tally["kills"] == 100
    assert tally["equal"] == tally["runs"] > 0
