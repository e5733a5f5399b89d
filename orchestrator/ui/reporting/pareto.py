"""Cost against gain, and the arms that no other beats in both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from orchestrator.ui.reporting.frame import WIDTH, Text, axis, chart, fit, short_number, time_axis
from orchestrator.ui.reporting.markup import Markup, tag
from orchestrator.ui.reporting.scales import Scale, around, ticks

_HIGH, _LEFT, _BOTTOM, _TOP = 330, 64, 274, 24
_FEW = 8  # points that have their names beside them; of more, the names are in a list
_LINE = 15  # pixels of a line of names
_NAMES = 190  # pixels for the names at the right
_LETTER, _STEP = 6.6, 3
_BEAM = 12  # pixels between a point and its name


@dataclass(frozen=True, slots=True)
class Point:
    """One arm: what it costs, and what is got for it.

    Attributes:
        low: lower end of the interval of `gain`; None: unknown.
        note: what a pointer over it is told.
    """

    label: str
    cost: float
    gain: float
    low: float | None = None
    high: float | None = None
    note: str = ""


def pareto(
    points: Sequence[Point],
    title: str,
    *,
    cost: str,
    gain: str,
    cost_text: Text = short_number,
    gain_text: Text = short_number,
    within: tuple[float, float] | None = None,
    times: bool = False,
) -> Markup:
    """Return cost against gain, and the front: points that no other beats in both.

    A point on the front is a full dot, a beaten one is hollow.

    Args:
        cost: name of the axis to the right; less is better.
        gain: name of the axis upwards; more is better.
        times: the costs are seconds.
        within: ends that the axis upwards cannot pass, as 0 and 1 for a rate.
    """
    numbers = [
        value
        for point in points
        for value in (point.gain, point.low, point.high)
        if value is not None
    ]
    low, high = around(numbers or [0, 1], room=0.1)
    if within is not None:
        low, high = max(low, within[0]), min(high, within[1])
    across = Scale(*around([p.cost for p in points] or [0, 1], room=0.1), _LEFT, WIDTH - _NAMES)
    many = len(points) > _FEW
    bottom = max(_BOTTOM, _TOP + _LINE * len(points)) if many else _BOTTOM
    up = Scale(low, high, bottom, _TOP)
    front = pareto_front(points)
    drawn = [time_axis(across, bottom) if times else axis(across, bottom, cost_text)]
    for value in ticks(up.low, up.high, 5):
        y = up(value)
        drawn.append(tag("line", x1=_LEFT, x2=across.stop, y1=y, y2=y, class_="rule"))
        drawn.append(tag("text", gain_text(value), x=_LEFT - 8, y=y + 4, class_="tick end"))
    drawn.append(tag("text", f"{cost} →", x=across.stop, y=bottom + 42, class_="hint end"))
    drawn.append(tag("text", f"↑ {gain}", x=4, y=11, class_="hint"))
    steps = list[str]()
    for point in front:
        x, y = across(point.cost), up(point.gain)
        steps += [f"H{x:.1f}V{y:.1f}"] if steps else [f"M{x:.1f},{y:.1f}"]
    drawn.append(tag("path", d="".join(steps), class_="front"))
    places = [(across(point.cost), up(point.gain)) for point in points]
    shown = [replace(one, label=str(n)) for n, one in enumerate(points, 1)] if many else points
    for point, (x, y), at in zip(shown, places, _name_heights(shown, places), strict=True):
        drawn.append(_name(point, x, y, at))  # below the points, so that none is covered
    for point, place in zip(points, places, strict=True):
        drawn.append(_point(point, place, up, beaten=point not in front))
    if many:
        drawn += _key(points, across.stop + 18)
    return chart(title, bottom + _HIGH - _BOTTOM, drawn)


def _key(points: Sequence[Point], x: float) -> Iterator[Markup]:
    """Yield the names of points that are too many to stand beside them."""
    for number, point in enumerate(points):
        words = fit(f"{number + 1}  {point.label}", WIDTH - x)
        yield tag("text", words, x=x, y=_TOP + 4 + number * _LINE, class_="label")


def pareto_front(points: Sequence[Point]) -> list[Point]:
    """Return the points that no other beats in cost and gain at once, cheapest first."""
    found = list[Point]()
    for point in sorted(points, key=lambda one: (one.cost, -one.gain)):
        if not found or point.gain > found[-1].gain:
            found.append(point)
    return found


def _name_heights(points: Sequence[Point], places: Sequence[tuple[float, float]]) -> list[float]:
    """Return how high each point's name stands, so that it covers no other name or point."""
    widths = [_BEAM + 4 + _LETTER * len(point.label) for point in points]
    found: dict[int, float] = {}
    for own in sorted(range(len(places)), key=lambda own: places[own][::-1]):
        x, y = places[own]
        names = [
            at
            for one, at in found.items()
            if x < places[one][0] + widths[one] and places[one][0] < x + widths[own]
        ]
        dots = [there for one, (right, there) in enumerate(places)
                if one != own and x < right + 6 and right < x + widths[own]]  # fmt: skip
        steps = (y + sign * step * _STEP for step in range(6 * _LINE) for sign in (1, -1))
        free = (
            at for at in steps
            if _TOP - 8 <= at <= _BOTTOM - 4
            and all(abs(at - other) >= _LINE for other in names)
            and all(abs(at - dot) >= _LINE - 3 for dot in dots)
        )  # fmt: skip
        found[own] = next(free, y)
    return [found[own] for own in range(len(places))]


def _name(point: Point, x: float, y: float, at: float) -> Markup:
    parts = []
    if abs(at - y) > 1:
        parts.append(tag("line", x1=x, y1=y, x2=x + _BEAM, y2=at, class_="leader"))
    parts.append(tag("text", fit(point.label, _NAMES - 14), x=x + _BEAM + 2, y=at + 4,
                     class_="label halo"))  # fmt: skip
    return tag("g", *parts)


def _point(point: Point, place: tuple[float, float], up: Scale, *, beaten: bool) -> Markup:
    x, y = place
    parts = [tag("title", point.note or point.label)]
    if point.low is not None and point.high is not None:
        beam = f"M{x - 4:.1f},{up(point.low):.1f}h8m-4,0V{up(point.high):.1f}m-4,0h8"
        parts.append(tag("path", d=beam, class_="interval thin"))
    kind = "dot beaten" if beaten else "dot full"
    parts.append(tag("circle", cx=x, cy=y, r=5.5, class_=kind))
    return tag("g", *parts)
