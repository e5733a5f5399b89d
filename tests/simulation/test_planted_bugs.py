"""Each planted bug is noticed, and the notice is a short program that anybody can run."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from simulation.book import Broken
from simulation.planted import BUGS, COPIED, SOURCE, Bug, plant
from simulation.schedule import simulate
from simulation.simulate import main
from simulation.stage import Core
from simulation.tracing import program, shorten

ENOUGH = 3000
"""Schedules within which a bug must be noticed; most are within fifty."""

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_noticed(bug: Bug) -> None:
    core = plant(bug)
    seed = next((n for n in range(ENOUGH) if simulate(n, core).broken), None)
    assert seed is not None, f"{ENOUGH} schedules did not notice that {bug.name}"
    assert simulate(seed, Core.of()).broken is None, "the program without the bug breaks it too"


def test_a_trace_is_short_and_a_program(tmp_path: Path) -> None:
    bug = next(bug for bug in BUGS if bug.name == "claims are not looked at")
    core = plant(bug)
    found = [result for n in range(100) if (result := simulate(n, core)).broken]
    result = min(found, key=lambda result: len(result.steps))
    world, steps, broken = shorten(result.world, result.steps, core)
    assert broken.code == "overlap"
    assert len(world.tasks) == 2, "it takes two tasks to meet"
    assert len(steps) < len(result.steps)
    file = tmp_path / "trace.py"
    file.write_text(program(world, steps, broken, result.seed, bug.name))
    assert run(file) == (1, f"after {len(steps)} of {len(steps)} steps: {broken}\n")
    file.write_text(program(world, steps, broken, result.seed))
    assert run(file) == (0, "nothing is wrong\n"), "the program itself has no such bug"


def run(file: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, str(file)], capture_output=True, text=True, check=False, cwd=file.parent,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_a_bug_that_cannot_be_planted_any_more_is_a_failure() -> None:
    gone = replace(BUGS[0], old="a line that is nowhere")
    with pytest.raises(LookupError, match=r"core/writing\.py holds its line 0 times"):
        plant(gone)


def test_whatever_imports_a_copied_module_is_copied() -> None:
    for path in SOURCE.glob("*.py"):
        uses = [name for name in COPIED if f"orchestrator.core.{name} import" in path.read_text()]
        values = path.stem in ("messages", "rules", "history", "claims", "ledger", "handover")
        assert path.stem in COPIED or values or not uses, f"{path.name} imports {uses}"


def test_what_is_not_broken_cannot_be_shortened() -> None:
    result = simulate(3, Core.of())
    with pytest.raises(ValueError, match="nothing wrong"):
        shorten(result.world, result.steps, Core.of())


def test_a_finding_names_its_rule() -> None:
    assert str(Broken("overlap", "t1 and t2 hold a.py")) == "overlap: t1 and t2 hold a.py"


def test_the_command_says_how_it_went_and_writes_a_trace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "trace.py"
    assert main(["--schedules", "20", "--trace", str(file)]) == 0
    assert capsys.readouterr().out.startswith("20 schedules, ")
    assert not file.exists()
    bug = "nobody is asked for approval"
    assert main(["--schedules", "250", "--trace", str(file), "--bug", bug]) == 1
    assert "breaks a rule" in capsys.readouterr().out
    code, said = run(file)
    assert code == 1
    assert "not-approved" in said


def test_processes_come_to_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = []
    for jobs in ("1", "2"):
        assert main(["--schedules", "300", "--jobs", jobs, "--trace", str(tmp_path / "t")]) == 0
        out = capsys.readouterr().out
        said.append((out.partition(" in ")[0], out.partition("runs ended")[2]))
    assert said[0] == said[1]
