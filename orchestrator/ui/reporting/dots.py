"""Every trial as a dot: nothing is hidden behind a mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

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
    time_axis,
)
from orchestrator.ui.reporting.markup import Markup, number, tag
from orchestrator.ui.reporting.scales import Scale, around

_LEVELS = (0.0, -6.0, 6.0, -11.0, 11.0)  # pixels off a row's line
_APART = 7  # pixels between dots of one level
_HIGH = ROW + 8
_NARROW, _NARROW_LABEL = 640, 160


@dataclass(frozen=True, slots=True)
class Group:
    """The outcomes of one arm.

    Attributes:
        notes: what a pointer over each dot is told.
        failed: places, in `values`, of the trials that did not succeed: drawn as crosses.
    """

    label: str
    values: Sequence[float]
    notes: Sequence[str] = ()
    failed: frozenset[int] = frozenset()


def dots(
    groups: Sequence[Group],
    title: str,
    *,
    log: bool = False,
    text: Text = short_number,
    times: bool = False,
    narrow: bool = False,
) -> Markup:
    """Return a row per group with a dot for every value, a cross for every failure, and the
    median as a line.

    Where a dot lies is a function of the values alone: dots that would cover one another are
    moved up and down.

    Args:
        log: draw ratios, if all values are positive.
        times: the values are seconds.
        narrow: for two charts side by side.
    """
    numbers = [value for group in groups for value in group.values] or [0.0, 1.0]
    log = log and min(numbers) > 0
    low, high = around(numbers, log=log)
    if min(numbers) >= 0 > low:
        low = 0.0  # what cannot be negative needs no room below nought
    width, left = (_NARROW, _NARROW_LABEL) if narrow else (WIDTH, LABEL)
    scale = Scale(low, high, left, width - VALUE, log=log)
    bottom = len(groups) * _HIGH + 4
    rows = [
        _row(group, scale, place * _HIGH + _HIGH / 2, text) for place, group in enumerate(groups)
    ]
    below = time_axis(scale, bottom) if times else axis(scale, bottom, text)
    return chart(title, bottom + AXIS, [below, *rows], width)


def _row(group: Group, scale: Scale, y: float, text: Text) -> Markup:
    parts = [
        row_label(group.label, y + 4, scale.start),
        tag("line", x1=scale.start, x2=scale.stop, y1=y, y2=y, class_="rule"),
    ]
    for place, (value, level) in enumerate(
        zip(group.values, _piled(group.values, scale), strict=True)
    ):
        note = group.notes[place] if place < len(group.notes) else text(value)
        parts.append(_dot(scale(value), y + level, note, place in group.failed))
    if group.values:
        middle = median(group.values)
        x = scale(middle)
        parts.append(tag("line", x1=x, x2=x, y1=y - 14, y2=y + 14, class_="median"))
        words = f"median {text(middle)}, n = {len(group.values)}"
        parts.append(tag("text", words, x=scale.stop + 10, y=y + 4, class_="value"))
    else:
        parts.append(tag("text", "nothing known", x=scale.stop + 10, y=y + 4, class_="value"))
    return tag("g", *parts)


def _dot(x: float, y: float, note: str, failed: bool) -> Markup:
    if failed:
        cross = f"M{number(x - 4)},{number(y - 4)}l8,8m0-8l-8,8"
        return tag("path", tag("title", note), d=cross, class_="cross")
    return tag("circle", tag("title", note), cx=x, cy=y, r=4, class_="dot")


def _piled(values: Sequence[float], scale: Scale) -> list[float]:
    """Return how far above or below its line each dot lies, so that none hides another."""
    ends = dict.fromkeys(_LEVELS, -1e9)
    found = [0.0] * len(values)
    for place in sorted(range(len(values)), key=lambda place: values[place]):
        x = scale(values[place])
        free = (level for level in _LEVELS if x - ends[level] >= _APART)
        level = next(free, min(_LEVELS, key=ends.__getitem__))
        found[place], ends[level] = level, x
    return found
