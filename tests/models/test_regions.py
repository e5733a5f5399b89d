"""Named regions of shared files."""

from __future__ import annotations

import pytest

from orchestrator.models.regions import find_region, has_regions

TEXT = """\
head
# region: a
one
# endregion: a
  // region: b/c.d
two
  // endregion: b/c.d
<!-- region: d -->
three
<!-- endregion: d -->
# region: open
tail
"""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a", "# region: a\none\n# endregion: a"),
        ("b/c.d", "  // region: b/c.d\ntwo\n  // endregion: b/c.d"),
        ("d", "<!-- region: d -->\nthree\n<!-- endregion: d -->"),
        ("open", None),
        ("b", None),
        ("missing", None),
    ],
)
def test_find_region(name: str, expected: str | None) -> None:
    assert find_region(TEXT, name) == expected


def test_has_regions() -> None:
    assert has_regions(TEXT)
    assert not has_regions("a region: x in prose\nregion: y\n")


def test_a_region_can_be_replaced_in_place() -> None:
    block = find_region(TEXT, "a")
    assert block is not None
    assert TEXT.replace(block, "new").startswith("head\nnew\n  // region: b/c.d\n")
