"""How many tests passed, by what test commands print."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.lab.testcounts import TestCounts, count_tests


@pytest.mark.parametrize(
    ("last", "passed", "failed"),
    [
        ("3 passed in 0.05s", 3, 0),
        ("===== 2 failed, 95 passed, 3 skipped, 1 warning in 12.30s =====", 95, 2),
        ("1 error in 0.10s", 0, 1),
        ("1 failed, 2 passed, 1 xfailed, 1 xpassed, 2 errors in 65.00s (0:01:05)", 3, 4),
        ("Ran 12 tests in 0.003s\n\nOK", 12, 0),
        ("Ran 12 tests in 0.003s\n\nFAILED (failures=1, errors=2, skipped=3)", 6, 3),
        ("Ran 0 tests in 0.000s\n\nFAILED (errors=1)", 0, 1),
    ],
)
def test_summaries(last: str, passed: int, failed: int) -> None:
    assert count_tests(f"something\n{last}\n") == TestCounts(passed, failed)


@pytest.mark.parametrize("output", ["", "all well", "no tests ran in 0.01s", "Ran 3 tests in 1.0s"])
def test_what_is_no_summary_is_not_guessed_at(output: str) -> None:
    assert count_tests(output) is None


def test_the_last_summary_counts() -> None:
    assert count_tests("1 failed in 0.1s\n2 passed in 0.1s\n") == TestCounts(2, 0)


def test_the_share_of_nothing_is_unknown() -> None:
    assert TestCounts(0, 0).share is None
    assert TestCounts(1, 3).share == 0.25


@pytest.mark.slow
@pytest.mark.parametrize("module", ["pytest", "unittest"])
def test_the_real_programs_print_what_is_read(module: str, tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import unittest\n"
        "class T(unittest.TestCase):\n"
        "    def test_a(self): pass\n"
        "    def test_b(self): self.fail()\n"
        "    @unittest.skip('no')\n"
        "    def test_c(self): pass\n"
    )
    extra = ["-p", "no:cacheprovider"] if module == "pytest" else []
    bare = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        [sys.executable, "-m", module, *extra],
        cwd=tmp_path, capture_output=True, text=True, env=bare,
    )  # fmt: skip
    assert count_tests(done.stdout + done.stderr) == TestCounts(1, 1)
