"""Figures, lists and paths as people read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.ui import words


@pytest.mark.parametrize(
    ("seconds", "long", "column"),
    [
        (0, "0.0 s", "0.0s"),
        (3.24, "3.2 s", "3.2s"),
        (59.94, "59.9 s", "59.9s"),
        (59.96, "1 min 00 s", "0:59"),
        (245.4, "4 min 05 s", "4:05"),
        (3599.6, "1 h 00 min", "59:59"),
        (3723, "1 h 02 min", "1:02:03"),
    ],
)
def test_durations(seconds: float, long: str, column: str) -> None:
    assert words.duration(seconds) == long
    assert words.clock(seconds) == column


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"), (999, "999"), (1000, "1.0k"), (12_345, "12.3k"), (123_456, "123k"),
        (999_499, "999k"), (999_500, "1.0M"), (1_234_567, "1.2M"),
    ],
)  # fmt: skip
def test_big_numbers_are_short(number: int, text: str) -> None:
    assert words.short(number) == text


def test_counts_agree_with_their_noun() -> None:
    assert words.count(1, "task") == "1 task"
    assert words.count(1200, "task") == "1,200 tasks"
    assert words.count(2, "write was", "writes were") == "2 writes were"


def test_limits_say_of_what() -> None:
    assert words.limit("wall", 1800) == "30 min 00 s of wall time"
    assert words.limit("usd", 10) == "10.00 US dollars"
    assert words.limit("tokens", 2e6) == "2,000,000 model tokens"
    assert words.limit("turns", 3) == "3 model turns"


@pytest.mark.parametrize(
    ("items", "text"),
    [
        ("", "nothing"),
        ("a", "a"),
        ("ab", "a and b"),
        ("abc", "a, b and c"),
        ("abcd", "a, b and 2 more"),
    ],
)
def test_lists_are_cut_only_when_that_makes_them_shorter(items: str, text: str) -> None:
    assert words.listed(tuple(items), 2) == text


def test_one_line_is_the_first_that_says_something() -> None:
    assert words.one_line("\n\n  first \nsecond") == "first"
    assert words.one_line("x" * 20, 10) == "x" * 9 + "…"
    assert words.one_line("\n") == ""


def test_paths_are_shown_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert words.place(tmp_path / "a" / "b") == "a/b"
    assert words.place("a") == "a"
    assert words.place("/nowhere/b") == "/nowhere/b"


def test_a_run_is_named_as_it_can_be_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert words.run_name(tmp_path / ".orchestrator" / "runs" / "20260101") == "20260101"
    assert words.run_name(tmp_path / "plan" / ".orchestrator" / "runs" / "2026") == (
        "plan/.orchestrator/runs/2026"
    )
    assert words.run_name(tmp_path / "my run") == "'my run'"
