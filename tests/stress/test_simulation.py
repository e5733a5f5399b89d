"""A hundred thousand random schedules with faults, and nothing that must hold is broken."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
STRESS = os.environ.get("HYPOTHESIS_PROFILE") == "stress"
SCHEDULES = 100_000


@pytest.mark.stress
@pytest.mark.skipif(not STRESS, reason="takes minutes: `make stress` runs it")
def test_a_hundred_thousand_schedules(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable, str(ROOT / "tests" / "simulation" / "simulate.py"),
            "--schedules", str(SCHEDULES), "--jobs", str(os.cpu_count() or 1),
            "--trace", str(tmp_path / "trace.py"),
        ],
        capture_output=True, text=True, check=False, cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"{SCHEDULES} schedules, ")
