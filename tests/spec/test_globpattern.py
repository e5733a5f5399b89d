"""The file bound as a regular expression and in words."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.core.scope import Scope
from orchestrator.spec.globpattern import in_words, path_pattern

_segments = st.sampled_from(["a", "ab", "b", ".b", "test_a.py", "a.py", "é", "x-y", "[", "a b"])
_paths = st.lists(_segments, min_size=1, max_size=4).map("/".join)
_pieces = st.sampled_from(
    ["*", "?", "a", "b", ".", "[ab]", "[!a]", "[]-]", "[é-ü]", "{a,b}", "{a,}", "test_", ".py", "é"]
)
_globs = st.lists(
    st.one_of(st.just("**"), st.lists(_pieces, min_size=1, max_size=3).map("".join), _segments),
    min_size=1,
    max_size=4,
).map("/".join)
_entries = st.tuples(st.sampled_from(["", "", "!"]), _globs).map("".join)


def _readable(globs: list[str]) -> bool:
    try:
        Scope(globs)
    except ValueError:
        return False
    return True


@pytest.mark.slow
@given(st.lists(_entries, min_size=1, max_size=4).filter(_readable), st.lists(_paths, max_size=20))
@settings(suppress_health_check=[HealthCheck.filter_too_much], deadline=None)
def test_the_pattern_says_the_same_as_the_globs(globs: list[str], paths: list[str]) -> None:
    pattern = path_pattern(globs)
    assert pattern is not None
    scope = Scope(globs)
    for path in paths:
        assert (re.search(pattern, path) is not None) == scope.matches(path), (globs, path)


@pytest.mark.parametrize(
    ("globs", "inside", "outside"),
    [
        (["**"], ["a", "a/b"], []),
        (["src/**"], ["src", "src/a", "src/a/b"], ["srcs", "a/src"]),
        (["src"], ["src", "src/a"], ["src2"]),
        (["**/a/**/b"], ["a/b", "x/a/b", "a/x/y/b"], ["b", "ab", "a"]),
        (["{a,b/**}/c"], ["a/c", "b/c", "b/x/c"], ["c", "x/c"]),
        (["a/**/**"], ["a", "a/b/c"], ["b"]),
        (["!a", "**", "!b", "b/c"], ["a", "b/c", "c"], ["b", "b/d"]),
        (["!a"], [], ["a", "b"]),
        (["[!a]"], ["b", "é", "."], ["a"]),
        (["[*]"], ["*"], ["a"]),
    ],
)
def test_patterns_of_particular_globs(
    globs: list[str], inside: list[str], outside: list[str]
) -> None:
    pattern = path_pattern(globs) or ""
    assert [path for path in inside if not re.search(pattern, path)] == []
    assert [path for path in outside if re.search(pattern, path)] == []
    assert not any(re.search(pattern, f"{path}\n") for path in inside)


def test_globs_in_words() -> None:
    assert in_words(["a", "b"]) == "`a`, `b`"
    assert in_words(["!x", "a", "!b", "!c", "d"]) == "`a` except `b`, `c` and also `d`"
    assert in_words(["!x"]) == "none"
