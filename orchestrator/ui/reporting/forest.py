"""Effects with their intervals: a forest plot, and the small one of a table's row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.ui.reporting.frame import (
    AXIS,
    LABEL,
    ROW,
    VALUE,
    WIDTH,
    Text,
    axis,
    chart,
    row_label,
    short_number,
)
from orchestrator.ui.reporting.markup import Markup, tag
from orchestrator.ui.reporting.scales import Scale, around

_SMALL_WIDTH, _SMALL_HEIGHT = 150, 18


@dataclass(frozen=True, slots=True)
class Effect:
    """An estimate with its interval.

    Attributes:
        low: lower end of the interval; None: it could not be had.
        strong: whether a difference is shown: a full diamond, not a hollow one.
        note: what a pointer over it is told.
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
    text: Text = short_number,
    sides: tuple[str, str] = ("", ""),
) -> Markup:
    """Return a forest plot: a row per comparison, its estimate, its interval, and the line of no
    effect.

    Args:
        neutral: where there is no effect: 1 for ratios, 0 for differences.
        log: draw ratios so that half and double are equally far from 1.
        sides: what lies left and right of the neutral line, in words.
    """
    scale = effect_scale(rows, neutral, log, LABEL, WIDTH - VALUE)
    bottom = len(rows) * ROW + 6
    drawn = [axis(scale, bottom, text)]
    drawn.append(tag("line", x1=scale(neutral), x2=scale(neutral), y1=0, y2=bottom, class_="zero"))
    drawn += [_row(number, row, scale, text) for number, row in enumerate(rows)]
    if any(sides):
        y, middle = bottom + AXIS + 4, scale(neutral)
        # An end of the scale that is too near for the words lets them begin there.
        left = max(middle - 8, scale.start + 7 * len(sides[0]))
        right = min(middle + 8, WIDTH - 7 * len(sides[1]))
        drawn.append(tag("text", sides[0], x=left, y=y, class_="hint end"))
        drawn.append(tag("text", sides[1], x=max(right, left + 14), y=y, class_="hint"))
    return chart(title, bottom + AXIS + (14 if any(sides) else 0), drawn)


def effect_scale(
    rows: Sequence[Effect], neutral: float, log: bool, start: float, stop: float
) -> Scale:
    """Return a scale on which all effects, their intervals and the neutral line lie."""
    numbers = [neutral] + [
        value for row in rows for value in (row.estimate, row.low, row.high) if value is not None
    ]
    return Scale(*around(numbers, log=log), start, stop, log=log)


def small_scale(rows: Sequence[Effect], neutral: float, log: bool) -> Scale:
    """Return the scale of `small`, for rows that are to be compared with one another."""
    return effect_scale(rows, neutral, log, 6, _SMALL_WIDTH - 6)


def small(row: Effect, scale: Scale, neutral: float) -> Markup:
    """Return an effect and its interval for a cell of a table that holds the figures too."""
    y = _SMALL_HEIGHT / 2
    middle = scale(neutral)
    parts = [tag("line", x1=middle, x2=middle, y1=0, y2=_SMALL_HEIGHT, class_="zero")]
    parts += _mark(row, scale, y, 4.0)
    return tag("svg", *parts, viewBox=f"0 0 {_SMALL_WIDTH} {_SMALL_HEIGHT}", aria_hidden="true",
               class_="small-effect")  # fmt: skip


def _row(number: int, row: Effect, scale: Scale, text: Text) -> Markup:
    y = number * ROW + ROW / 2 + 2
    value = text(row.estimate)
    if row.low is not None and row.high is not None:
        value += f" ({text(row.low)} to {text(row.high)})"
    return tag(
        "g",
        tag("title", row.note or f"{row.label}: {value}"),
        row_label(row.label, y + 4),
        *_mark(row, scale, y, 6.0),
        tag("text", value, x=WIDTH - VALUE + 10, y=y + 4, class_="value"),
    )


def _mark(row: Effect, scale: Scale, y: float, size: float) -> list[Markup]:
    x = scale(row.estimate)
    parts = list[Markup]()
    if row.low is not None and row.high is not None:
        left, right, up = scale(row.low), scale(row.high), y - 4
        ends = f"M{left:.1f},{up}v8M{left:.1f},{y}H{right:.1f}M{right:.1f},{up}v8"
        parts.append(tag("path", d=ends, class_="interval"))
    corners = f"{x - size:.1f},{y} {x:.1f},{y - size} {x + size:.1f},{y} {x:.1f},{y + size}"
    kind = "estimate" if row.strong else "estimate hollow"
    parts.append(tag("polygon", points=corners, class_=kind))
    return parts
