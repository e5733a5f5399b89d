"""How many tests passed, read from what a test command printed."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PYTEST = re.compile(r"^[= ]*((?:\d+ [a-z]+(?:, )?)+) in [\d.]+ ?s(?: \([\d:]+\))?[= ]*$")
_PYTEST_PART = re.compile(r"(\d+) ([a-z]+)")
_PASSED = frozenset({"passed", "xfailed"})
_FAILED = frozenset({"failed", "error", "errors", "xpassed"})
_UNITTEST = re.compile(r"^Ran (\d+) tests? in [\d.]+s$")
_UNITTEST_END = re.compile(r"^(?:OK|FAILED)(?: \((.*)\))?$")
_UNITTEST_PART = re.compile(r"([a-z ]+)=(\d+)")


@dataclass(frozen=True, slots=True)
class TestCounts:
    """Tests that were run; those that were skipped are left out.

    Attributes:
        failed: errors included. A test file that cannot be loaded is one error, however many tests
            it has; pytest then runs none at all unless told otherwise, so the share is 0.
    """

    __test__ = False  # no test itself, whatever its name says

    passed: int
    failed: int

    @property
    def total(self) -> int:
        """How many were run."""
        return self.passed + self.failed

    @property
    def share(self) -> float | None:
        """Part that passed; None: none was run."""
        return self.passed / self.total if self.total else None


def count_tests(output: str) -> TestCounts | None:
    """Read the summary of pytest or unittest, the last that was printed.

    Args:
        output: what the command printed.

    Returns:
        None: there is no such summary.
    """
    lines = [line.strip() for line in output.splitlines()]
    for number in range(len(lines) - 1, -1, -1):
        if found := _PYTEST.match(lines[number]):
            return _pytest(found[1])
        if found := _UNITTEST.match(lines[number]):
            return _unittest(int(found[1]), lines[number + 1 :])
    return None


def _pytest(parts: str) -> TestCounts:
    numbers = [(int(number), word) for number, word in _PYTEST_PART.findall(parts)]
    return TestCounts(
        sum(number for number, word in numbers if word in _PASSED),
        sum(number for number, word in numbers if word in _FAILED),
    )


def _unittest(ran: int, rest: list[str]) -> TestCounts | None:
    end = next((found for line in rest if (found := _UNITTEST_END.match(line))), None)
    if end is None:
        return None
    parts = {word.strip(): int(number) for word, number in _UNITTEST_PART.findall(end[1] or "")}
    failed = sum(parts.get(word, 0) for word in ("failures", "errors", "unexpected successes"))
    run = max(ran - parts.get("skipped", 0), failed)  # an error of a set-up is no test that ran
    return TestCounts(run - failed, failed)
