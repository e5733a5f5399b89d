"""The mutation harness on the example that is here: `benchmarks/lint_mutations.py`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HARNESS = Path(__file__).resolve().parents[2] / "benchmarks" / "lint_mutations.py"


@pytest.mark.slow
def test_every_planted_defect_that_can_collide_is_found() -> None:
    done = subprocess.run(
        [sys.executable, str(HARNESS), "--only", "minisql", "--json", "--per-kind", "12"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (outcome,) = json.loads(done.stdout)
    assert outcome["clean"]
    assert outcome["accusations"] == []
    assert len(outcome["kinds"]) == 6
    scores = outcome["kinds"].values()
    assert all(score["planted"] >= 8 for score in scores)
    assert sum(score["collide"] for score in scores) > 20
    for score in scores:
        assert score["missed"] == []
        assert score["collide_found"] == score["collide"]
        assert score["late_found"] == score["late"]
        assert score["circular_found"] == score["circular"]
        assert score["pairs_wrongly"] == 0
