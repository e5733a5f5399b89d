"""The files and their dependencies as one SVG picture, a row per layer.

graphviz would draw it better, and `--format dot` is there for whoever has it.
"""

from __future__ import annotations

from orchestrator.analysis.codegraph import CodeGraph
from orchestrator.analysis.codemodel import Strength
from orchestrator.analysis.layered import box, curve, picture, placed, rows_of

_LEGEND = "thick: needed while importing · thin: when called · dashed: lazy · dotted: typing"
_LINES = {
    Strength.HARD: 'stroke="#1f2933" stroke-width="1.6"',
    Strength.CALL: 'stroke="#7b8794" stroke-width="1"',
    Strength.LAZY: 'stroke="#7b8794" stroke-width="1" stroke-dasharray="6 4"',
    Strength.TYPING: 'stroke="#b8c1cc" stroke-width="1" stroke-dasharray="1 4"',
    Strength.OBSERVED: 'stroke="#b3541e" stroke-width="1.4"',
}


def to_svg(graph: CodeGraph) -> str:
    """Return the picture; test files are left out."""
    edges = {
        source: frozenset(target for target in targets if target in graph.modules)
        for source, targets in graph.file_dependencies(tests=False).items()
    }
    rows = rows_of(graph.layers()[::-1], edges)
    boxes, width = placed(rows)
    parts = [
        curve(boxes[source], boxes[target], _LINES[strength])
        for source, targets in edges.items()
        for target in sorted(targets)
        if source in boxes and target in boxes
        if (strength := graph.strength(source, target)) is not None
    ]
    stubs = graph.stubs()
    for path, place in boxes.items():
        unwritten = len(stubs.get(path, ()))
        fill = "#fff3d6" if unwritten else "#eef2f6"
        note = f"{path}: {unwritten} functions still to be written" if unwritten else path
        parts.append(box(path, place, fill=fill, note=note))
    return picture(width, len(rows), parts, [_LEGEND])
