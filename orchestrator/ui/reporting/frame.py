"""What all charts share: their size, their axis, how long words are cut, the box around them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from orchestrator.ui.reporting.markup import Markup, join, tag
from orchestrator.ui.reporting.scales import Scale, between_times
from orchestrator.ui.words import duration

WIDTH = 780
ROW, AXIS, LABEL, VALUE = 28, 34, 190, 180
"""Pixels of a row, of the axis below, of the names at the left, of the figures at the right."""

_LETTER = 6.6  # pixels of one letter, about

Text = Callable[[float], str]
"""From a number to what is written of it."""


def short_number(value: float) -> str:
    """Return a number in three digits, large ones whole."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def axis(scale: Scale, bottom: float, text: Text, numbers: Sequence[float] | None = None) -> Markup:
    """Return the axis below a chart with lines up through it.

    Args:
        numbers: those that are marked; None: round ones.
    """
    parts = [tag("line", x1=scale.start, x2=scale.stop, y1=bottom, y2=bottom, class_="axis")]
    end = -1e9
    for value in scale.ticks() if numbers is None else numbers:
        x, words = scale(value), text(value)
        half = len(words) * _LETTER / 2
        parts.append(tag("line", x1=x, x2=x, y1=0, y2=bottom, class_="rule"))
        if x - half < end + 6:
            continue  # it would run into the one before
        parts.append(tag("text", words, x=x, y=bottom + 18, class_="tick middle"))
        end = x + half
    return tag("g", *parts)


def time_axis(scale: Scale, bottom: float) -> Markup:
    """Return the axis of a scale of seconds, marked at round times."""
    marks = between_times(scale.low, scale.high, log=scale.log)
    return axis(scale, bottom, round_time, marks)


def round_time(seconds: float) -> str:
    """Return a round time without the parts that are nought: ``20 min``, ``1 h 30 min``."""
    if seconds < 60:
        return f"{seconds:g} s"
    words = duration(seconds)
    return words.removesuffix(" 00 s").removesuffix(" 00 min")


def fit(text: str, pixels: float) -> str:
    """Return a text, cut so that it takes no more than so many pixels."""
    most = int(pixels / _LETTER)
    return text if len(text) <= most else text[: most - 1] + "…"


def row_label(text: str, y: float, width: float = LABEL) -> Markup:
    """Return the name at the left of a row, whole as a tip when it is cut."""
    cut = fit(text, width - 12)
    tip = tag("title", text) if cut != text else None
    return tag("text", cut, tip, x=width - 10, y=y, class_="label end")


def chart(title: str, height: float, drawn: Sequence[Markup], width: float = WIDTH) -> Markup:
    """Return a chart in a box that scrolls on a narrow page.

    Args:
        title: what it shows, for those who do not see it.
    """
    return tag(
        "div",
        tag("svg", tag("title", title), join(drawn), viewBox=f"0 0 {width:.0f} {height:.0f}",
            role="img", aria_label=title, class_="chart"),
        class_="scroll", tabindex="0", role="region", aria_label=title,
    )  # fmt: skip
