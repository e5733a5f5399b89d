"""Charts: pure functions from numbers to SVG.

Colours, weights and fonts are classes of `report.css`, so that a chart is right on a dark page,
on a light one and on paper. Each chart has a role and a sentence for those who do not see it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from orchestrator.ui.reporting.markup import Markup, join, tag
from orchestrator.ui.reporting.scales import Scale, around, ticks

WIDTH = 760
_ROW, _AXIS, _LABEL, _VALUE = 28, 34, 190, 150
_LETTER = 6.6  # pixels of one letter, about

Text = Callable[[float], str]


def _number(value: float) -> str:
    return f"{value:.3g}"


# --- bars -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar.

    Attributes:
        kind: class of its colour, for example ``work`` or ``idle``.
        note: what a pointer over it is told.
    """

    label: str
    value: float
    kind: str = "work"
    note: str = ""


def bars(rows: Sequence[Bar], title: str, text: Text = _number) -> Markup:
    """Return horizontal bars from a common zero, each with its value."""
    high = max((row.value for row in rows), default=0.0) or 1.0
    scale = Scale(0.0, high, _LABEL, WIDTH - _VALUE)
    return _chart(title, len(rows) * _ROW + 8, [
        _bar(number, row, scale(0.0), scale(row.value), text(row.value))
        for number, row in enumerate(rows)
    ])  # fmt: skip


def waterfall(rows: Sequence[Bar], title: str, text: Text = _number) -> Markup:
    """Return bars that begin where the one before ended: the parts of a whole, and the whole."""
    whole = sum(row.value for row in rows)
    scale = Scale(0.0, whole or 1.0, _LABEL, WIDTH - _VALUE)
    drawn, begin = list[Markup](), 0.0
    for number, row in enumerate(rows):
        share = f"{text(row.value)} · {row.value / whole:.0%}" if whole else text(row.value)
        left, right = scale(begin), scale(begin + row.value)
        drawn.append(_bar(number, row, left, right, share))
        begin += row.value
        if number + 1 < len(rows):
            y = number * _ROW + _ROW - 5
            drawn.append(
                tag("line", x1=scale(begin), x2=scale(begin), y1=y, y2=y + 10, class_="rule")
            )
    drawn.append(_bar(len(rows), Bar("all together", whole, "whole"), scale(0.0), scale(whole),
                      text(whole)))  # fmt: skip
    return _chart(title, (len(rows) + 1) * _ROW + 8, drawn)


def _bar(number: int, row: Bar, left: float, right: float, value: str) -> Markup:
    y = number * _ROW + 5
    return tag(
        "g",
        tag("title", row.note or f"{row.label}: {value}"),
        tag("text", _fit(row.label, _LABEL - 12), x=_LABEL - 10, y=y + 14, class_="label end"),
        tag("rect", x=left, y=y, width=max(right - left, 1.0), height=_ROW - 10, rx=2,
            class_=f"bar-{row.kind}"),
        tag("text", value, x=right + 8, y=y + 14, class_="value"),
    )  # fmt: skip


# --- forest plot ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Effect:
    """An estimate with its interval.

    Attributes:
        low: lower end of the interval; None: it could not be had.
        strong: whether it is the one that matters most: drawn as a diamond.
    """

    label: str
    estimate: float
    low: float | None = None
    high: float | None = None
    strong: bool = False
    note: str = ""


def forest(
    rows: Sequence[Effect],
    title: str,
    *,
    neutral: float = 1.0,
    log: bool = True,
    text: Text = _number,
    sides: tuple[str, str] = ("", ""),
) -> Markup:
    """Return a forest plot: a row per comparison, its estimate, its interval, and the line of no
    effect.

    Args:
        neutral: where there is no effect: 1 for ratios, 0 for differences.
        log: draw ratios so that half and double are equally far from 1.
        sides: what lies left and right of the neutral line, in words.
    """
    numbers = [neutral] + [
        value for row in rows for value in (row.estimate, row.low, row.high) if value is not None
    ]
    scale = Scale(*around(numbers, log=log), _LABEL, WIDTH - _VALUE, log=log)
    bottom = len(rows) * _ROW + 6
    drawn = [_axis(scale, bottom, text)]
    drawn.append(tag("line", x1=scale(neutral), x2=scale(neutral), y1=0, y2=bottom, class_="zero"))
    for number, row in enumerate(rows):
        drawn.append(_effect(number, row, scale, text))
    for words, x, side in (
        (sides[0], scale(neutral) - 8, "end"),
        (sides[1], scale(neutral) + 8, ""),
    ):
        drawn.append(tag("text", words, x=x, y=bottom + _AXIS + 4, class_=f"hint {side}"))
    return _chart(title, bottom + _AXIS + (12 if any(sides) else 0), drawn)


def _effect(number: int, row: Effect, scale: Scale, text: Text) -> Markup:
    y = number * _ROW + _ROW / 2 + 2
    x, size = scale(row.estimate), 6.5 if row.strong else 4.5
    value = text(row.estimate)
    parts = [tag("title", row.note or row.label)]
    parts.append(tag("text", _fit(row.label, _LABEL - 12), x=_LABEL - 10, y=y + 4,
                     class_="label end"))  # fmt: skip
    if row.low is not None and row.high is not None:
        left, right = scale(row.low), scale(row.high)
        value += f" ({text(row.low)} to {text(row.high)})"
        parts.append(tag("line", x1=left, x2=right, y1=y, y2=y, class_="interval"))
        parts += [
            tag("line", x1=end, x2=end, y1=y - 4, y2=y + 4, class_="interval")
            for end in (left, right)
        ]
    points = f"{x - size},{y} {x},{y - size} {x + size},{y} {x},{y + size}"
    parts.append(tag("polygon", points=points, class_="estimate"))
    parts.append(tag("text", value, x=WIDTH - _VALUE + 10, y=y + 4, class_="value"))
    return tag("g", *parts)


# --- every trial as a dot -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Group:
    """The outcomes of one arm.

    Attributes:
        notes: what a pointer over each dot is told.
        failed: places, in `values`, of the trials that did not succeed: drawn hollow.
    """

    label: str
    values: Sequence[float]
    notes: Sequence[str] = ()
    failed: frozenset[int] = frozenset()


def dots(groups: Sequence[Group], title: str, *, log: bool = False, text: Text = _number) -> Markup:
    """Return a row per group with a dot for every value, and its median as a line."""
    numbers = [value for group in groups for value in group.values] or [0.0, 1.0]
    log = log and min(numbers) > 0
    scale = Scale(*around(numbers, log=log), _LABEL, WIDTH - _VALUE, log=log)
    high = _ROW + 8
    bottom = len(groups) * high + 4
    drawn = [_axis(scale, bottom, text)]
    for number, group in enumerate(groups):
        y = number * high + high / 2
        drawn.append(_dots_row(group, scale, y, text))
    return _chart(title, bottom + _AXIS, drawn)


def _dots_row(group: Group, scale: Scale, y: float, text: Text) -> Markup:
    parts = [
        tag("text", _fit(group.label, _LABEL - 12), x=_LABEL - 10, y=y + 4, class_="label end"),
        tag("line", x1=scale.start, x2=scale.stop, y1=y, y2=y, class_="rule"),
    ]
    for number, (value, level) in enumerate(
        zip(group.values, _piled(group.values, scale), strict=True)
    ):
        note = group.notes[number] if number < len(group.notes) else text(value)
        kind = "dot failed" if number in group.failed else "dot"
        parts.append(tag("circle", tag("title", note), cx=scale(value), cy=y + level, r=4,
                         class_=kind))  # fmt: skip
    if group.values:
        x = scale(median(group.values))
        parts.append(tag("line", x1=x, x2=x, y1=y - 13, y2=y + 13, class_="median"))
        words = f"median {text(median(group.values))}, n = {len(group.values)}"
        parts.append(tag("text", words, x=WIDTH - _VALUE + 10, y=y + 4, class_="value"))
    return tag("g", *parts)


def _piled(values: Sequence[float], scale: Scale) -> list[float]:
    """Return how far above or below its line each dot lies, so that none hides another."""
    levels = (0.0, -6.0, 6.0, -11.0, 11.0)
    ends = dict.fromkeys(levels, -1e9)
    found = [0.0] * len(values)
    for number in sorted(range(len(values)), key=lambda number: values[number]):
        x = scale(values[number])
        level = next(
            (one for one in levels if x - ends[one] >= 7), min(levels, key=ends.__getitem__)
        )
        found[number], ends[level] = level, x
    return found


# --- Pareto front ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Point:
    """One arm: what it costs, and what is got for it."""

    label: str
    cost: float
    gain: float
    note: str = ""


def pareto(
    points: Sequence[Point],
    title: str,
    *,
    cost: str,
    gain: str,
    cost_text: Text = _number,
    gain_text: Text = _number,
) -> Markup:
    """Return cost against gain, and the front: points that no other beats in both.

    Args:
        cost: name of the axis to the right; less is better.
        gain: name of the axis upwards; more is better.
    """
    high, left, bottom = 320, 64, 270
    across = Scale(*around([p.cost for p in points] or [0, 1], room=0.1), left, WIDTH - 120)
    up = Scale(*around([p.gain for p in points] or [0, 1], room=0.1), bottom, 16)
    front = pareto_front(points)
    drawn = [_axis(across, bottom, cost_text)]
    for value in ticks(up.low, up.high, 5):
        y = up(value)
        drawn.append(tag("line", x1=left, x2=across.stop, y1=y, y2=y, class_="rule"))
        drawn.append(tag("text", gain_text(value), x=left - 8, y=y + 4, class_="tick end"))
    drawn.append(tag("text", f"{cost} →", x=across.stop, y=bottom + 42, class_="hint end"))
    drawn.append(tag("text", f"↑ {gain}", x=4, y=10, class_="hint"))
    steps = list[str]()
    for point in front:
        x, y = across(point.cost), up(point.gain)
        steps += [f"H{x:.1f}V{y:.1f}"] if steps else [f"M{x:.1f},{y:.1f}"]
    drawn.append(tag("path", d="".join(steps), class_="front"))
    drawn += [_point(point, across, up, front) for point in points]
    return _chart(title, high, drawn)


def pareto_front(points: Sequence[Point]) -> list[Point]:
    """Return the points that no other beats in cost and gain at once, cheapest first."""
    found = list[Point]()
    for point in sorted(points, key=lambda one: (one.cost, -one.gain)):
        if not found or point.gain > found[-1].gain:
            found.append(point)
    return found


def _point(point: Point, across: Scale, up: Scale, front: Sequence[Point]) -> Markup:
    x, y = across(point.cost), up(point.gain)
    beaten = "" if point in front else " failed"
    return tag(
        "g",
        tag("title", point.note or point.label),
        tag("circle", cx=x, cy=y, r=5.5, class_=f"dot{beaten}"),
        tag("text", _fit(point.label, 150), x=x + 10, y=y + 4, class_="label"),
    )


# --- parts ----------------------------------------------------------------------------------------


def _axis(scale: Scale, bottom: float, text: Text) -> Markup:
    parts = [tag("line", x1=scale.start, x2=scale.stop, y1=bottom, y2=bottom, class_="axis")]
    for value in scale.ticks():
        x = scale(value)
        parts.append(tag("line", x1=x, x2=x, y1=0, y2=bottom, class_="rule"))
        parts.append(tag("text", text(value), x=x, y=bottom + 18, class_="tick middle"))
    return tag("g", *parts)


def _fit(text: str, pixels: float) -> str:
    most = int(pixels / _LETTER)
    return text if len(text) <= most else text[: most - 1] + "…"


def _chart(title: str, height: float, drawn: Sequence[Markup]) -> Markup:
    return tag(
        "div",
        tag("svg", tag("title", title), join(drawn), viewBox=f"0 0 {WIDTH} {height:.0f}",
            role="img", aria_label=title, class_="chart"),
        class_="scroll", tabindex="0", role="region", aria_label=title,
    )  # fmt: skip
