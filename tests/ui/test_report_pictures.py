"""Markup, charts, layout: pure functions from values to SVG."""

from __future__ import annotations

import random
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from orchestrator.ui.reporting import charts
from orchestrator.ui.reporting.dots import Group, dots
from orchestrator.ui.reporting.forest import Effect, forest
from orchestrator.ui.reporting.layout import place_tasks
from orchestrator.ui.reporting.markup import Markup, data_block, plain, tag, visible
from orchestrator.ui.reporting.pareto import Point, pareto, pareto_front
from orchestrator.ui.reporting.scales import Scale, around, ticks, time_ticks

HOSTILE = '</script></svg><img src=x onerror="alert(1)">\u202e\x00\ud800'


def parsed(markup: str) -> ElementTree.Element:
    """Parse a piece that must be well-formed."""
    return ElementTree.fromstring(markup)


def texts(root: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in root.iter("text")]


def test_what_is_not_markup_is_escaped() -> None:
    found = tag("p", HOSTILE, Markup("<b>bold</b>"), title=HOSTILE, data_x=1.50, hidden=False)
    root = parsed(found)
    assert root.get("title") == root.text == visible(HOSTILE)
    assert root.get("data-x") == "1.5"
    assert root.get("hidden") is None
    assert [child.tag for child in root] == ["b"]


def test_characters_that_hide_are_named() -> None:
    assert visible("a\u202eb\u200bc\x1b[31mred\x1b[0m\r\n\ud800") == (
        "a‹U+202E›b‹U+200B›cred\n‹U+D800›"
    )
    assert visible("Grüße, 漢字 ✓\tend\n") == "Grüße, 漢字 ✓\tend\n"


def test_a_block_of_data_cannot_be_ended_from_inside() -> None:
    block = data_block("d", {"text": "</script><!--"})
    assert block.count("<") == 2
    assert block.endswith("</script>")


def test_numbers_are_short() -> None:
    assert [plain(x) for x in (1.0, 2.5, 1 / 3, 1e6)] == ["1", "2.5", "0.33", "1000000"]


def test_ticks_are_round_and_within() -> None:
    assert ticks(0, 10, 5) == [0, 2, 4, 6, 8, 10]
    assert ticks(0.13, 0.31) == pytest.approx([0.15, 0.2, 0.25, 0.3])
    assert ticks(3, 3) == [3]
    assert time_ticks(25.6) == [0, 5, 10, 15, 20, 25]
    for seconds in (0.02, 1.0, 7.3, 100, 5000, 1e6):
        found = time_ticks(seconds)
        assert found[-1] <= seconds * 1.000001
        assert 2 <= len(found) <= 12


def test_a_scale_of_logarithms_puts_half_and_double_equally_far_from_one() -> None:
    scale = Scale(*around([0.5, 1, 2], log=True), 0, 100, log=True)
    assert scale(1) - scale(0.5) == pytest.approx(scale(2) - scale(1))
    assert scale(1e-9) == 0
    assert scale(1e9) == 100
    assert 1.0 in scale.ticks()


def test_a_forest_plot_has_a_row_per_effect_and_the_line_of_no_effect() -> None:
    rows = [
        Effect("faster", 0.8, 0.7, 0.9, strong=True),
        Effect(HOSTILE, 1.1),
    ]
    root = parsed(forest(rows, "effects", sides=("better", "worse")))
    (zero,) = [line for line in root.iter("line") if line.get("class") == "zero"]
    points = [shape.get("points", "").split() for shape in root.iter("polygon")]
    tops = [float(point[1].split(",")[0]) for point in points]
    assert tops[0] < float(zero.get("x1", "")) < tops[1]
    assert "0.8 (0.7 to 0.9)" in texts(root)
    ends = [line for line in root.iter("path") if line.get("class") == "interval"]
    assert len(ends) == 1  # the other effect has no interval
    kinds = [shape.get("class") for shape in root.iter("polygon")]
    assert kinds == ["estimate", "estimate hollow"]


def test_a_forest_plot_of_differences() -> None:
    root = parsed(forest([Effect("d", -2, -3, 0.5)], "t", neutral=0, log=False))
    (zero,) = [line for line in root.iter("line") if line.get("class") == "zero"]
    assert any(text == "-2 (-3 to 0.5)" for text in texts(root))
    assert float(zero.get("x1", "")) > 0


def test_no_dot_hides_another() -> None:
    group = Group("arm", [5.0, 5.0, 5.0, 9.0], failed=frozenset({3}))
    root = parsed(dots([group], "trials"))
    drawn = list(root.iter("circle"))
    assert len({(dot.get("cx"), dot.get("cy")) for dot in drawn}) == 3
    assert [mark.get("class") for mark in root.iter("path")] == ["cross"]
    assert "median 5, n = 4" in texts(root)


def test_dots_of_arms_without_trials() -> None:
    assert "arm" in texts(parsed(dots([Group("arm", [])], "t")))


def test_the_front_is_what_no_other_point_beats() -> None:
    points = [
        Point("dear", 9, 0.9),
        Point("cheap", 1, 0.5),
        Point("beaten", 5, 0.4),
        Point("middle", 3, 0.8),
        Point("same", 3, 0.7),
    ]
    assert [p.label for p in pareto_front(points)] == ["cheap", "middle", "dear"]
    root = parsed(pareto(points, "t", cost="dollars", gain="success"))
    assert [dot.get("class") for dot in root.iter("circle")].count("dot beaten") == 2
    assert "dollars →" in texts(root)


def test_names_of_near_points_do_not_cover_one_another() -> None:
    points = [Point(f"arm {n}", 3 + n / 100, 1.0, 0.9, 1.0) for n in range(6)]
    points.append(Point("far", 9, 0.5))
    root = parsed(pareto(points, "t", cost="c", gain="g", within=(0, 1)))
    names = [text for text in root.iter("text") if text.get("class") == "label halo"]
    heights = sorted(float(text.get("y", "")) for text in names)
    assert len(heights) == 7
    assert all(below - above >= 12 for above, below in pairwise(heights))


def test_a_waterfall_ends_where_the_whole_ends() -> None:
    rows = [charts.Bar("work", 6), charts.Bar(HOSTILE, 3, "idle"), charts.Bar("rework", 1)]
    bars = list(parsed(charts.waterfall(rows, "t")).iter("rect"))
    ends = [float(bar.get("x", "")) + float(bar.get("width", "")) for bar in bars]
    starts = [float(bar.get("x", "")) for bar in bars]
    assert starts[1:3] == pytest.approx(ends[0:2], abs=0.02)
    assert ends[2] == pytest.approx(ends[3], abs=0.02)


def test_charts_of_nothing() -> None:
    for empty in (charts.bars([], "t"), charts.waterfall([], "t"), dots([], "t")):
        parsed(empty)
    parsed(pareto([], "t", cost="c", gain="g"))
    parsed(forest([], "t"))


def test_tasks_stand_right_of_what_they_wait_for_and_never_on_one_another() -> None:
    rng = random.Random(7)
    names = [f"t{n}" for n in range(60)]
    after = {
        name: [names[m] for m in rng.sample(range(n), min(n, rng.randint(0, 3)))]
        for n, name in enumerate(names)
    }
    layout = place_tasks(after)
    for name, before in after.items():
        assert all(layout.place[one][0] < layout.place[name][0] for one in before)
    for column in range(layout.columns):
        rows = sorted(row for at, row in layout.place.values() if at == column)
        assert all(below - above >= 1 for above, below in pairwise(rows))
        assert rows[0] >= 0.5
        assert rows[-1] <= layout.rows - 0.5
    for (source, target), bends in layout.bends.items():
        columns = [layout.place[source][0], *(at for at, _ in bends), layout.place[target][0]]
        assert columns == list(range(columns[0], columns[-1] + 1))


def test_a_wide_graph_takes_more_columns_rather_than_a_column_of_hundreds() -> None:
    after: dict[str, list[str]] = {f"t{n}": [] for n in range(300)}
    layout = place_tasks(after)
    assert layout.rows <= 40
    assert len(set(layout.place.values())) == 300


def test_a_graph_without_tasks() -> None:
    assert place_tasks({}).columns == 0
