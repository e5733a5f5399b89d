"""The planned task graph with the observed one over it, as one picture."""

from __future__ import annotations

from orchestrator.analysis.components import levels
from orchestrator.analysis.layered import box, curve, picture, placed, rows_of
from orchestrator.lab.score import Score

_USED = 'stroke="#1f2933" stroke-width="1.8"'
_UNUSED = 'stroke="#9aa5b1" stroke-width="1.2" stroke-dasharray="6 4"'
_MISSING = 'stroke="#c0392b" stroke-width="2.2" marker-end="url(#missing)"'
_THROUGH = 'stroke="#7fa6d6" stroke-width="1"'
_CALM, _STRUCK, _UNDONE = "#eef2f6", "#fbd9d3", "#ffffff"
_LEGEND = (
    "thick: declared, and something flowed along it",
    "dashed: declared, and nothing flowed along it",
    "red: flowed or clashed without an order; who should wait is at the arrow's point",
    "blue: flowed, and other edges put the two in order",
)
_ARROW = (
    '<defs><marker id="missing" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="6" '
    'markerHeight="6" orient="auto"><path d="M0,0 L10,5 L0,10 z" fill="#c0392b"/></marker></defs>'
)


def to_svg(score: Score) -> str:
    """Return the picture; tasks that wait are below those that they wait for."""
    waits_for = {task.id: task.depends_on for task in score.tasks}
    rows = rows_of(levels(waits_for), waits_for)
    boxes, width = placed(rows)
    missing = set(score.missing)
    declared = {*score.used, *score.unused}
    through = {(f.source, f.target): f.files for f in score.flows if f.direct}
    parts = [_ARROW]
    parts += [
        curve(boxes[first], boxes[second], _THROUGH, f"{first} → {second}: {', '.join(files)}")
        for (first, second), files in through.items()
        if (first, second) not in declared and (first, second) not in missing
    ]
    parts += [
        curve(boxes[first], boxes[task.id], _UNUSED, f"{first} → {task.id}: nothing flowed")
        for task in score.tasks
        for first in task.depends_on
        if (first, task.id) not in score.used
    ]
    parts += [
        curve(boxes[first], boxes[second], _USED, f"{first} → {second}: {', '.join(files)}")
        for (first, second), files in score.used.items()
    ]
    parts += [
        curve(boxes[d.tasks[0]], boxes[d.tasks[1]], _MISSING, d.what)
        for d in score.defects
        if len(d.tasks) == 2
    ]
    struck = {one.task for defect in score.defects for one in defect.incidents if one.harmful}
    for name, place in boxes.items():
        fill = _UNDONE if name not in score.scores else _STRUCK if name in struck else _CALM
        parts.append(box(name, place, fill=fill, note=_note(score, name)))
    return picture(width, len(rows), parts, _LEGEND)


def _note(score: Score, name: str) -> str:
    found = score.scores.get(name)
    if found is None:
        return f"{name}: not accepted in this run"
    return (
        f"{name}: wrote {len(found.writes.actual)} of {len(found.writes.declared)} files that it "
        f"might write; read or needs {len(found.reads.actual & found.reads.declared)} of "
        f"{len(found.reads.declared)} that it might read; {found.seconds:.1f} s"
    )
