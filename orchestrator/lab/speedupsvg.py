"""Speed-up over the number of workers, as a picture."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from orchestrator.lab.simulate import Forecast, Simulation

_WIDE, _HIGH, _LEFT, _TOP, _ROOM = 640, 400, 60, 40, 60  # pixels
_INK, _FAINT, _BAND, _BOUND = "#1f2933", "#9aa5b1", "#cfe0f3", "#b3541e"


def to_svg(simulation: Simulation) -> str:
    """Return the picture: the median, the 80 % band, and what no schedule can beat."""
    forecasts = sorted(simulation.forecasts, key=lambda one: one.workers)
    frame = _Frame(simulation, forecasts)
    rising = [(one.workers, simulation.work / one.bounds.lower) for one in forecasts]
    middle = [(one.workers, frame.base / one.median) for one in forecasts]
    band = [(one.workers, frame.base / one.interval(80)[1]) for one in forecasts]
    band += [(one.workers, frame.base / one.interval(80)[0]) for one in reversed(forecasts)]
    title = f"{simulation.name}: speed-up over {frame.over}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDE} {_HIGH}" '
        'font-family="system-ui, sans-serif" font-size="12">',
        f'<rect width="100%" height="100%" fill="#ffffff"/><title>{escape(title)}</title>',
        f'<text x="{_LEFT}" y="22" font-size="14" fill="{_INK}">{escape(title)}</text>',
        *frame.axes(),
        f'<polygon points="{frame.points(band)}" fill="{_BAND}"/>',
        f'<polyline points="{frame.points(rising)}" fill="none" stroke="{_BOUND}" '
        'stroke-dasharray="5 4"/>',
        f'<polyline points="{frame.points(middle)}" fill="none" stroke="{_INK}" stroke-width="2"/>',
        *(
            f'<circle cx="{frame.x(workers):.1f}" cy="{frame.y(value):.1f}" r="3" fill="{_INK}"/>'
            for workers, value in middle
        ),
        f'<text x="{_LEFT}" y="{_HIGH - 12}" fill="{_FAINT}">line: median · band: 80 % of '
        "simulated runs · dashed: the bound without noise</text>",
    ]
    return "\n".join([*parts, "</svg>", ""])


class _Frame:
    """Axes and scales.

    Attributes:
        base: makespan that counts as speed-up 1, in seconds.
        over: what it is, in words.
    """

    def __init__(self, simulation: Simulation, forecasts: list[Forecast]) -> None:
        alone = next((one.median for one in forecasts if one.workers == 1), None)
        self.base = alone or simulation.work
        self.over = "one worker" if alone else "the expected work"
        self._workers = [one.workers for one in forecasts]
        highest = max(self.base / one.interval(80)[0] for one in forecasts)
        bound = max(simulation.work / one.bounds.lower for one in forecasts)
        self._top = max(highest, bound, 1.0) * 1.05

    def x(self, workers: int) -> float:
        """Return the place of a number of workers."""
        low, high = self._workers[0], self._workers[-1]
        part = (workers - low) / (high - low) if high > low else 0.5
        return _LEFT + part * (_WIDE - _LEFT - 30)

    def y(self, value: float) -> float:
        """Return the place of a speed-up."""
        return _HIGH - _ROOM - value / self._top * (_HIGH - _ROOM - _TOP)

    def points(self, pairs: Iterable[tuple[int, float]]) -> str:
        """Return points for a line."""
        return " ".join(f"{self.x(one):.1f},{self.y(value):.1f}" for one, value in pairs)

    def axes(self) -> list[str]:
        """Return the axes with their numbers."""
        bottom = self.y(0)
        step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if self._top / s <= 8)
        lines = [
            f'<line x1="{_LEFT}" y1="{self.y(value):.1f}" x2="{_WIDE - 30}" '
            f'y2="{self.y(value):.1f}" stroke="#e4e7eb"/><text x="{_LEFT - 8}" '
            f'y="{self.y(value) + 4:.1f}" text-anchor="end" fill="{_FAINT}">{value}</text>'
            for value in range(0, int(self._top) + 1, step)
        ]
        lines += [
            f'<text x="{self.x(workers):.1f}" y="{bottom + 18:.1f}" text-anchor="middle" '
            f'fill="{_FAINT}">{workers}</text>'
            for workers in self._workers
        ]
        return lines
