"""The files and their dependencies as one SVG picture, a row per layer.

graphviz would draw it better, and `--format dot` is there for whoever has it. This picture needs
nothing: rows are the graph's layers, and a few sweeps order each row by the median of its
neighbours (Sugiyama et al., 1981), which keeps most lines short.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from statistics import median

from orchestrator.analysis.codegraph import CodeGraph
from orchestrator.analysis.codemodel import Strength

_ROW, _GAP, _HIGH, _LETTER, _EDGE = 90, 16, 26, 7.2, 30  # pixels
_WIDEST = 12  # boxes in one row of the picture; a longer layer takes several
_SWEEPS = 4
_LINES = {
    Strength.HARD: 'stroke="#1f2933" stroke-width="1.6"',
    Strength.CALL: 'stroke="#7b8794" stroke-width="1"',
    Strength.LAZY: 'stroke="#7b8794" stroke-width="1" stroke-dasharray="6 4"',
    Strength.TYPING: 'stroke="#b8c1cc" stroke-width="1" stroke-dasharray="1 4"',
    Strength.OBSERVED: 'stroke="#b3541e" stroke-width="1.4"',
}

Edges = Mapping[str, frozenset[str]]
Box = tuple[float, float, float]
"""Left, top and width."""


def to_svg(graph: CodeGraph) -> str:
    """Return the picture; test files are left out."""
    edges = {
        source: frozenset(target for target in targets if target in graph.modules)
        for source, targets in graph.file_dependencies(tests=False).items()
    }
    rows = _rows(graph.layers(), edges)
    boxes, width = _placed(rows)
    height = 2 * _EDGE + _ROW * max(len(rows) - 1, 0) + _HIGH + 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" '
        'font-family="ui-monospace, monospace" font-size="12">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
    ]
    for source, targets in edges.items():
        for target in sorted(targets):
            strength = graph.strength(source, target)
            if strength is not None and source in boxes and target in boxes:
                parts.append(_line(boxes[source], boxes[target], strength))
    stubs = graph.stubs()
    for path, box in boxes.items():
        parts.append(_box(path, box, unwritten=len(stubs.get(path, ()))))
    legend = "thick: needed while importing · thin: when called · dashed: lazy · dotted: typing"
    parts.append(f'<text x="{_EDGE}" y="{height - 12}" fill="#52606d">{legend}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _rows(layers: Sequence[Sequence[str]], edges: Edges) -> list[list[str]]:
    """Return the rows from top to bottom, each in an order that keeps lines short."""
    rows = [
        list(layer[start : start + _WIDEST])
        for layer in reversed(layers)
        for start in range(0, len(layer), _WIDEST)
    ]
    near: dict[str, set[str]] = {path: set() for path in edges}
    for source, targets in edges.items():
        for target in targets & near.keys():
            near[source].add(target)
            near[target].add(source)
    for _ in range(_SWEEPS):
        place = {path: n / max(len(row), 1) for row in rows for n, path in enumerate(row)}
        for row in rows:
            wish = {p: median([place[n] for n in near[p]] or [place[p]]) for p in row}
            row.sort(key=lambda path, wish=wish: (wish[path], path))  # type: ignore[misc]
            place |= {path: number / len(row) for number, path in enumerate(row)}
    return rows


def _placed(rows: Sequence[Sequence[str]]) -> tuple[dict[str, Box], float]:
    wide = [sum(_width(path) + _GAP for path in row) for row in rows]
    width = max([*wide, 560.0]) + 2 * _EDGE
    boxes: dict[str, Box] = {}
    for number, row in enumerate(rows):
        left = (width - wide[number] + _GAP) / 2
        for path in row:
            boxes[path] = left, float(_EDGE + number * _ROW), _width(path)
            left += _width(path) + _GAP
    return boxes, width


def _width(path: str) -> float:
    return len(path) * _LETTER + 16


def _line(source: Box, target: Box, strength: Strength) -> str:
    x1, x2 = source[0] + source[2] / 2, target[0] + target[2] / 2
    down = target[1] >= source[1]
    y1 = source[1] + (_HIGH if down else 0)
    y2 = target[1] + (0 if down else _HIGH)
    bend = (y2 - y1) / 2 or _ROW / 2
    return (
        f'<path d="M{x1:.0f},{y1:.0f} C{x1:.0f},{y1 + bend:.0f} {x2:.0f},{y2 - bend:.0f} '
        f'{x2:.0f},{y2:.0f}" fill="none" {_LINES[strength]}/>'
    )


def _box(path: str, box: Box, *, unwritten: int) -> str:
    left, top, width = box
    fill = "#fff3d6" if unwritten else "#eef2f6"
    note = f"{path}: {unwritten} functions still to be written" if unwritten else path
    return (
        f'<g><title>{escape(note)}</title><rect x="{left:.0f}" y="{top:.0f}" '
        f'width="{width:.0f}" height="{_HIGH}" rx="4" fill="{fill}" stroke="#9aa5b1"/>'
        f'<text x="{left + 8:.0f}" y="{top + 17:.0f}">{escape(path)}</text></g>'
    )
