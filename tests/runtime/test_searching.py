"""Patterns that a model wrote end in time and let the others go on."""

from __future__ import annotations

import threading
from time import monotonic

import pytest

from orchestrator.runtime.gates import ToolRefusedError
from orchestrator.runtime.searching import PATTERN_LIMIT, compile_pattern, matching_lines

CATASTROPHE = r"(x+x+)+y"


def test_matching_lines_are_numbered_and_cut() -> None:
    text = "one\ntwo\r\nthree" + "e" * 400
    found = list(matching_lines(compile_pattern("^t"), text, "a.txt", monotonic() + 60))
    assert found == [(2, "two"), (3, "three" + "e" * 295)]


def test_a_pattern_that_backtracks_without_end_is_ended() -> None:
    lines = "\n".join(["x" * 5000] * 1000)
    search = matching_lines(compile_pattern(CATASTROPHE), lines, "a.txt", monotonic() + 0.05)
    with pytest.raises(ToolRefusedError, match="took too long") as caught:
        list(search)
    assert "simpler pattern" in caught.value.fix


def test_many_slow_lines_have_one_time_together() -> None:
    lines = "\n".join(["x" * 18] * 100_000)  # none of them takes long
    search = matching_lines(compile_pattern(CATASTROPHE), lines, "a.txt", monotonic() + 0.05)
    with pytest.raises(ToolRefusedError, match="took too long"):
        list(search)


def test_other_threads_go_on_while_a_pattern_backtracks() -> None:
    begun, ended = threading.Event(), threading.Event()
    counted = [0]

    def search() -> None:
        begun.set()
        try:
            list(matching_lines(compile_pattern(CATASTROPHE), "x" * 5000, "a", monotonic() + 0.3))
        except ToolRefusedError:
            ended.set()

    thread = threading.Thread(target=search)
    thread.start()
    begun.wait(20)
    while not ended.is_set():
        counted[0] += 1
    thread.join()
    assert counted[0] > 1000


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(", "not a regular expression"),
        ("(" * 450 + "a" + ")" * 450, "not a regular expression"),
        (r"\L<words>", "not a regular expression"),
        ("a(?R)?b", "calls itself"),
        ("(a(?1)?b)", "calls itself"),
        ("(?P<n>a(?&n)?)", "calls itself"),
        ("a" * (PATTERN_LIMIT + 1), f"{PATTERN_LIMIT} are allowed"),
    ],
)
def test_what_may_not_be_used_is_refused(pattern: str, why: str) -> None:
    with pytest.raises(ToolRefusedError, match=why) as caught:
        compile_pattern(pattern)
    assert caught.value.fix


@pytest.mark.parametrize("pattern", [r"\(\?R\)", "[(?]R", r"(?P<a>x)(?P=a)", "(?i)ab", "(?:a|b)"])
def test_ordinary_patterns_are_allowed(pattern: str) -> None:
    assert compile_pattern(pattern).pattern == pattern
