"""Boxes in rows and curves between them: the layout of our pictures of graphs.

graphviz draws better; this needs nothing. Rows are given, and a few sweeps order each row by the
median of its neighbours (Sugiyama et al., 1981), which keeps most lines short.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from html import escape
from statistics import median

ROW, GAP, HIGH, LETTER, EDGE = 90, 16, 26, 7.2, 30  # pixels
_WIDEST = 12  # boxes in one row of the picture; a longer layer takes several
_SWEEPS = 4

Box = tuple[float, float, float]
"""Left, top and width."""


def rows_of(
    layers: Sequence[Sequence[str]], edges: Mapping[str, Collection[str]]
) -> list[list[str]]:
    """Return the rows from top to bottom, each in an order that keeps lines short.

    Args:
        layers: nodes by layer, in the order in which they are drawn.
        edges: node to its neighbours on one side; unknown ones are left out.
    """
    rows = [
        list(layer[start : start + _WIDEST])
        for layer in layers
        for start in range(0, len(layer), _WIDEST)
    ]
    near: dict[str, set[str]] = {node: set() for row in rows for node in row}
    for source, targets in edges.items():
        for target in targets:
            if source in near and target in near:
                near[source].add(target)
                near[target].add(source)
    for _ in range(_SWEEPS):
        place = {node: n / max(len(row), 1) for row in rows for n, node in enumerate(row)}
        for row in rows:
            wish = {node: median([place[n] for n in near[node]] or [place[node]]) for node in row}
            row.sort(key=lambda node, wish=wish: (wish[node], node))  # type: ignore[misc]
            place |= {node: number / len(row) for number, node in enumerate(row)}
    return rows


def placed(rows: Sequence[Sequence[str]]) -> tuple[dict[str, Box], float]:
    """Return the box of each node, and the width of the whole."""
    wide = [sum(_width(node) + GAP for node in row) for row in rows]
    width = max([*wide, 560.0]) + 2 * EDGE
    boxes: dict[str, Box] = {}
    for number, row in enumerate(rows):
        left = (width - wide[number] + GAP) / 2
        for node in row:
            boxes[node] = left, float(EDGE + number * ROW), _width(node)
            left += _width(node) + GAP
    return boxes, width


def _width(text: str) -> float:
    return len(text) * LETTER + 16


def curve(source: Box, target: Box, style: str, note: str = "") -> str:
    """Return a line from one box to another.

    Args:
        style: attributes of the path, as SVG.
        note: what is shown when the pointer rests on it.
    """
    x1, x2 = source[0] + source[2] / 2, target[0] + target[2] / 2
    down, level = target[1] >= source[1], target[1] == source[1]
    y1 = source[1] + (HIGH if down else 0)
    y2 = target[1] + (HIGH if level or not down else 0)
    bend = ROW / 3 if level else (y2 - y1) / 2
    back = -bend if level else bend  # in one row the line hangs below both boxes
    end = f"><title>{escape(note)}</title></path>" if note else "/>"
    return (
        f'<path d="M{x1:.0f},{y1:.0f} C{x1:.0f},{y1 + bend:.0f} {x2:.0f},{y2 - back:.0f} '
        f'{x2:.0f},{y2:.0f}" fill="none" {style}{end}'
    )


def box(text: str, place: Box, *, fill: str = "#eef2f6", note: str = "") -> str:
    """Return a node."""
    left, top, width = place
    return (
        f'<g><title>{escape(note or text)}</title><rect x="{left:.0f}" y="{top:.0f}" '
        f'width="{width:.0f}" height="{HIGH}" rx="4" fill="{fill}" stroke="#9aa5b1"/>'
        f'<text x="{left + 8:.0f}" y="{top + 17:.0f}">{escape(text)}</text></g>'
    )


def picture(width: float, rows: int, parts: Sequence[str], legend: Sequence[str]) -> str:
    """Return an SVG document.

    Args:
        width: in pixels.
        rows: number of rows of boxes.
        parts: what is drawn, the lowest first.
        legend: lines below it.
    """
    bottom = 2 * EDGE + ROW * max(rows - 1, 0) + HIGH
    height = bottom + 6 + 18 * len(legend)
    words = [
        f'<text x="{EDGE}" y="{bottom + 18 * number}" fill="#52606d">{escape(line)}</text>'
        for number, line in enumerate(legend)
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" '
            'font-family="ui-monospace, monospace" font-size="12">',
            '<rect width="100%" height="100%" fill="#ffffff"/>',
            *parts,
            *words,
            "</svg>",
            "",
        ]
    )
