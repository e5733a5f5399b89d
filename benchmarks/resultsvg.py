"""The picture of the flagship experiment: success and time by coupling, per mode."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from html import escape

from cells import MODES, Cell, Place

_WIDE, _HIGH, _LEFT, _TOP, _GAP, _FOOT = 950, 600, 120, 50, 60, 120  # pixels
_INK, _FAINT = "#1f2933", "#9aa5b1"
_COLOURS = {
    "solo": "#7b8794", "uncontrolled": "#c81e1e", "locks": "#b7791f", "shared": "#1d5fbf",
    "worktree": "#2f855a",
}  # fmt: skip
_PANEL = (_HIGH - _TOP - _GAP - _FOOT) / 2


def picture(places: Sequence[Place]) -> str:
    """Return an SVG with a panel for success and one for time in minutes; places by coupling."""
    ordered = sorted(places, key=lambda one: (one.coupling, one.name))
    step = (_WIDE - _LEFT - 130) / max(1, len(ordered))
    columns = {place.name: _LEFT + step * (number + 0.5) for number, place in enumerate(ordered)}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDE} {_HIGH}" '
        'font-family="system-ui, sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        "<title>Success and time by coupling, per mode</title>",
        *_legend(),
        *_panel(ordered, columns, step, _TOP, "success", _success, 1.0),
        *_panel(ordered, columns, step, _TOP + _PANEL + _GAP, "minutes", _time, _longest(ordered)),
    ]
    foot = _TOP + 2 * _PANEL + _GAP + 14
    for place in ordered:
        x = columns[place.name]
        parts.append(
            f'<text x="{x:.1f}" y="{foot:.0f}" fill="{_INK}" text-anchor="end" '
            f'transform="rotate(-35 {x:.1f} {foot:.0f})">{escape(place.name)} · '
            f"{place.coupling}</text>"
        )
    return "\n".join([*parts, "</svg>", ""])


def _legend() -> Iterator[str]:
    for number, mode in enumerate(MODES):
        y = _TOP + 20 * number
        yield f'<circle cx="{_WIDE - 115}" cy="{y}" r="5" fill="{_COLOURS[mode]}"/>'
        yield f'<text x="{_WIDE - 102}" y="{y + 4}" fill="{_INK}">{mode}</text>'
    yield (
        f'<text x="{_LEFT}" y="22" font-size="14" fill="{_INK}">Success and time per mode; places '
        "from least to most coupling (the number at their name)</text>"
    )


def _panel(
    places: Sequence[Place],
    columns: dict[str, float],
    step: float,
    top: float,
    label: str,
    value: Callable[[Cell], tuple[float, float, float]],
    most: float,
) -> Iterator[str]:
    bottom = top + _PANEL
    right = _LEFT + step * len(places)
    for part in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = bottom - part * _PANEL
        text = f"{part:.0%}" if most == 1.0 else f"{part * most:.0f}"
        yield f'<line x1="{_LEFT}" x2="{right:.0f}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e4e7eb"/>'
        yield (
            f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="{_FAINT}">{text}</text>'
        )
    yield f'<text x="{_LEFT}" y="{top - 8:.1f}" fill="{_FAINT}">{label}</text>'
    for place in places:
        for number, mode in enumerate(MODES):
            if mode not in place.cells:
                continue
            x = columns[place.name] + (number - 2) * step / 7
            middle, low, high = (
                bottom - min(1.0, one / most) * _PANEL for one in value(place.cells[mode])
            )
            colour = _COLOURS[mode]
            yield (
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}" '
                f'stroke="{colour}" stroke-width="2" opacity="0.5"/>'
            )
            yield f'<circle cx="{x:.1f}" cy="{middle:.1f}" r="4" fill="{colour}"/>'


def _success(cell: Cell) -> tuple[float, float, float]:
    rate = cell.success
    return rate.estimate, rate.low, rate.high


def _time(cell: Cell) -> tuple[float, float, float]:
    """Geometric mean with the middle half of the trials, in minutes."""
    values = sorted(v / 60 for one in cell.trials if (v := one.figure("makespan")) is not None)
    if not values:
        return 0.0, 0.0, 0.0
    return cell.makespan / 60, values[len(values) // 4], values[(3 * len(values)) // 4]


def _longest(places: Sequence[Place]) -> float:
    found = [_time(cell)[2] for place in places for cell in place.cells.values()]
    return max([*found, 1.01])
