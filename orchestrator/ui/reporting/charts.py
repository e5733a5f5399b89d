"""Bars: pure functions from numbers to SVG.

Colours, weights and fonts are classes of `report.css`, so that a chart is right on a dark page,
on a light one and on paper. Each chart has a role and a sentence for those who do not see it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.ui.reporting.frame import (
    LABEL,
    ROW,
    VALUE,
    WIDTH,
    Text,
    chart,
    row_label,
    short_number,
)
from orchestrator.ui.reporting.markup import Markup, tag
from orchestrator.ui.reporting.scales import Scale


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


def bars(rows: Sequence[Bar], title: str, text: Text = short_number) -> Markup:
    """Return horizontal bars from a common zero, each with its value."""
    high = max((row.value for row in rows), default=0.0) or 1.0
    scale = Scale(0.0, high, LABEL, WIDTH - VALUE)
    return chart(title, len(rows) * ROW + 8, [
        _bar(number, row, scale(0.0), scale(row.value), text(row.value))
        for number, row in enumerate(rows)
    ])  # fmt: skip


def waterfall(rows: Sequence[Bar], title: str, text: Text = short_number) -> Markup:
    """Return bars that begin where the one before ended: the parts of a whole, and the whole."""
    whole = sum(row.value for row in rows)
    scale = Scale(0.0, whole or 1.0, LABEL, WIDTH - VALUE)
    drawn, begin = list[Markup](), 0.0
    for number, row in enumerate(rows):
        share = f"{text(row.value)} · {row.value / whole:.0%}" if whole else text(row.value)
        left, right = scale(begin), scale(begin + row.value)
        drawn.append(_bar(number, row, left, right, share))
        begin += row.value
        if number + 1 < len(rows):
            y = number * ROW + ROW - 5
            drawn.append(
                tag("line", x1=scale(begin), x2=scale(begin), y1=y, y2=y + 10, class_="rule")
            )
    drawn.append(_bar(len(rows), Bar("all together", whole, "whole"), scale(0.0), scale(whole),
                      text(whole)))  # fmt: skip
    return chart(title, (len(rows) + 1) * ROW + 8, drawn)


def _bar(number: int, row: Bar, left: float, right: float, value: str) -> Markup:
    y = number * ROW + 5
    return tag(
        "g",
        tag("title", row.note or f"{row.label}: {value}"),
        row_label(row.label, y + 14),
        tag("rect", x=left, y=y, width=max(right - left, 1.0), height=ROW - 10, rx=2,
            class_=f"bar-{row.kind}"),
        tag("text", value, x=right + 8, y=y + 14, class_="value"),
    )  # fmt: skip
