"""Merging by region, against texts whose edits are known."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.regions import (
    WHOLE,
    Clash,
    Hunk,
    Region,
    hunks,
    merge,
    split,
    touched,
)

Edit = tuple[int, int, int]
"""Lines from, lines to, how many new ones take their place."""

SIZE = 8
BASE = [f"line {n}\n" for n in range(SIZE)]


def edited(base: list[str], edits: list[Edit], who: str) -> str:
    """Carry edits out on lines; `edits` are in order and do not meet."""
    result, at = list[str](), 0
    for start, end, new in edits:
        result += base[at:start]
        result += [f"{who} {start} {n}\n" for n in range(new)]
        at = end
    return "".join([*result, *base[at:]])


@st.composite
def edit_lists(draw: st.DrawFn) -> list[Edit]:
    """Edits with at least one untouched line between them, so that each is a hunk of its own."""
    edits, at = list[Edit](), 0
    for _ in range(draw(st.integers(0, 3))):
        if at > SIZE:
            break
        start = draw(st.integers(at, SIZE))
        end = draw(st.integers(start, min(SIZE, start + 2)))
        new = draw(st.integers(1 if start == end else 0, 2))
        edits.append((start, end, new))
        at = end + 1
    return edits


def meet(one: Edit, other: Edit) -> bool:
    """Equal or touching, counted out over the gaps between lines that each edit owns."""
    return bool(set(range(one[0], one[1] + 1)) & set(range(other[0], other[1] + 1)))


@given(edit_lists())
def test_hunks_are_the_edits_that_were_made(edits: list[Edit]) -> None:
    after = split(edited(BASE, edits, "new"))
    assert hunks(BASE, after) == [
        Hunk(Region(start, end), tuple(f"new {start} {n}\n" for n in range(new)))
        for start, end, new in edits
    ]


@given(edit_lists(), edit_lists())
def test_edits_that_do_not_meet_are_both_made(mine: list[Edit], theirs: list[Edit]) -> None:
    """And edits that meet clash; the two writers never write the same line."""
    base = "".join(BASE)
    own, other = edited(BASE, mine, "mine"), edited(BASE, theirs, "theirs")
    merged = merge(base, own, other)
    same = {edit for edit in mine if edit in theirs and edit[2] == 0}  # both delete the same
    if any(meet(a, b) for a, b in product(mine, theirs) if a != b or a not in same):
        assert isinstance(merged, Clash)
        assert merged.mine.region.meets(merged.theirs.region)
        return
    named = {(start, end): (new, "mine") for start, end, new in mine}
    named |= {(start, end): (new, "theirs") for start, end, new in theirs}
    expected, at = "", 0
    for (start, end), (new, who) in sorted(named.items()):
        expected += "".join(BASE[at:start])
        expected += "".join(f"{who} {start} {n}\n" for n in range(new))
        at = end
    assert merged == expected + "".join(BASE[at:])


texts = st.lists(st.sampled_from(["a\n", "b\n", "\n", "c"]), max_size=6).map("".join)


@given(texts, texts, texts)
def test_it_does_not_matter_whose_change_is_whose(base: str, mine: str, theirs: str) -> None:
    """Even for lines that repeat, where several sets of edits explain the same change."""
    one, other = merge(base, mine, theirs), merge(base, theirs, mine)
    if isinstance(one, Clash):
        assert isinstance(other, Clash)
    else:
        assert one == other


@given(texts, texts)
def test_one_change_alone_is_the_result(base: str, changed: str) -> None:
    assert merge(base, changed, base) == changed
    assert merge(base, base, changed) == changed
    assert merge(base, changed, changed) == changed


@given(texts, texts)
def test_hunks_make_the_one_text_from_the_other(base: str, after: str) -> None:
    lines, made, at = split(base), "", 0
    for hunk in hunks(lines, split(after)):
        assert at <= hunk.region.start <= hunk.region.end <= len(lines)
        made += "".join(lines[at : hunk.region.start]) + "".join(hunk.lines)
        at = hunk.region.end
    assert made + "".join(lines[at:]) == after


@given(st.text(alphabet="ab\n\r\x0b\x0c\u2028 ", max_size=20))
def test_splitting_keeps_every_character(text: str) -> None:
    assert "".join(split(text)) == text


@pytest.mark.parametrize(
    ("base", "mine", "theirs"),
    [
        ("a\nb\nc\n", "a\nX\nc\n", "a\nY\nc\n"),
        ("a\nb\nc\n", "X\nb\nc\n", "a\nY\nc\n"),
        ("a\nb\n", "a\nX\nb\n", "a\nY\nb\n"),
        ("a\nb\n", "a\nX\nb\n", "a\n"),
        ("", "X\n", "Y\n"),
        ("a\n", "", "a\nY\n"),
    ],
    ids=["same line", "next line", "same gap", "gap beside a deletion", "empty", "all deleted"],
)
def test_equal_or_touching_is_a_clash(base: str, mine: str, theirs: str) -> None:
    clash = merge(base, mine, theirs)
    assert isinstance(clash, Clash)
    assert clash.mine in hunks(split(base), split(mine))
    assert clash.theirs in hunks(split(base), split(theirs))


def test_one_line_apart_is_no_clash() -> None:
    assert merge("a\nb\nc\n", "X\nb\nc\n", "a\nb\nY\n") == "X\nb\nY\n"
    assert merge("a\nb\n", "X\na\nb\n", "a\nb\nY\n") == "X\na\nb\nY\n"


def test_the_same_change_on_both_sides_counts_once() -> None:
    base = "a\nb\nc\nd\ne\n"
    assert merge(base, "a\nX\nc\nd\nM\n", "a\nX\nc\nd\ne\n") == "a\nX\nc\nd\nM\n"


def test_the_last_line_may_lack_its_end() -> None:
    assert merge("a\nb\nc", "X\nb\nc", "a\nb\nY") == "X\nb\nY"


@given(edit_lists(), st.integers(0, SIZE - 1), st.integers(1, SIZE))
def test_a_change_touches_the_lines_that_it_changes(
    edits: list[Edit], start: int, size: int
) -> None:
    end = min(SIZE, start + size)
    after = edited(BASE, edits, "new")
    expected = any(
        start <= a <= end if a == b else bool(set(range(a, b)) & set(range(start, end)))
        for a, b, _ in edits
    )
    assert touched("".join(BASE), after, [Region(start, end)]) is expected


@given(texts, texts)
def test_every_change_touches_the_whole_file(base: str, after: str) -> None:
    assert touched(base, after, [WHOLE]) is (base != after)
    assert not touched(base, after, [])
