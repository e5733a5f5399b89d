"""The task graph as SVG: states, planned against observed edges, the critical path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from orchestrator.core.states import TaskState
from orchestrator.ui.reporting.flows import Edge, Edges
from orchestrator.ui.reporting.layout import Layout, place_tasks
from orchestrator.ui.reporting.markup import Markup, join, number, tag
from orchestrator.ui.reporting.story import Story
from orchestrator.ui.words import count, duration

MANY = 80
"""Tasks from which on they are drawn small, without names."""

GLYPHS: Mapping[TaskState, str] = {
    TaskState.WAITING: "·",
    TaskState.HELD: "‖",
    TaskState.READY: "○",
    TaskState.RUNNING: "▸",
    TaskState.SUCCEEDED: "✓",
    TaskState.FAILED: "✗",
    TaskState.SKIPPED: "»",
    TaskState.CANCELLED: "–",
}
"""How a state is marked, so that it can be told without its colour."""

_EDGE_ORDER = ("unused", "used", "implied", "unplanned")
_WORDS = {
    "used": "planned, and data flowed",
    "unused": "planned, no data flow seen",
    "implied": "data flow, ordered through other tasks",
    "unplanned": "data flow that the plan does not order",
}
_MOST_LINES = 60  # lines for flows that were not planned; more would hide everything else


class _Sheet:
    """Sizes: full boxes with names, or small squares when there are many tasks."""

    def __init__(self, layout: Layout, names: Sequence[str]) -> None:
        self.small = len(names) > MANY
        letters = min(max((len(name) for name in names), default=0), 20)
        letters = max(letters, 9)  # of the longest state
        self.width = 16.0 if self.small else letters * 6.9 + 38
        self.height = 12.0 if self.small else 34.0
        self.across = self.width + (90 if self.small else 56)
        self.down = self.height + (4 if self.small else 14)
        self.pixels_wide = (layout.columns - 1) * self.across + self.width + 24
        self.pixels_high = layout.rows * self.down + 20

    def at(self, place: tuple[int, float]) -> tuple[float, float]:
        """Return the left end of a place, half way down."""
        return 12 + place[0] * self.across, 10 + place[1] * self.down


def draw_graph(story: Story, edges: Edges, index: Mapping[str, int]) -> Markup:
    """Return the task graph of a run.

    Args:
        edges: planned and observed edges.
        index: task to its number on the page.
    """
    board = story.record.board
    layout = place_tasks(board.meter.after)
    sheet = _Sheet(layout, list(index))
    critical = set(pairwise(story.record.metrics.critical_tasks))
    drawn = [
        _line(edge, layout, sheet, index, critical=(edge.source, edge.target) in critical)
        for kind in _EDGE_ORDER
        for edge in _drawn(edges, kind)
    ]
    nodes = [_node(story, name, index[name], layout, sheet) for name in index]
    title = f"Task graph of {count(len(index), 'task')}"
    picture = tag(
        "svg", tag("g", join(drawn), aria_hidden="true"), join(nodes),
        viewBox=f"0 0 {number(sheet.pixels_wide)} {number(sheet.pixels_high)}",
        width=number(sheet.pixels_wide), height=number(sheet.pixels_high),
        class_="graph small" if sheet.small else "graph",
        role="group", aria_label=title,
    )  # fmt: skip
    return tag("div", picture, class_="scroll tall", id="graph")


def _drawn(edges: Edges, kind: str) -> list[Edge]:
    found = [edge for edge in edges.all if edge.kind == kind]
    return found if kind in ("used", "unused") else found[:_MOST_LINES]


def graph_words(edges: Edges) -> list[str]:
    """Return what the edges say, in sentences."""
    used, planned = edges.count("used"), edges.count("used") + edges.count("unused")
    said = []
    if planned:
        said.append(
            f"Data was seen to flow along {used} of "
            f"{count(planned, 'planned dependency', 'planned dependencies')} (a task had read "
            "what the other wrote; what a test opened by itself is not seen)."
        )
    loose = [edge for edge in edges.all if edge.kind == "unplanned"]
    if loose:
        first = loose[0]
        said.append(
            f"{count(len(loose), 'flow')} nothing in the plan orders, for example from "
            f"{first.source} to {first.target} through {first.paths[0]}: such a dependency is "
            "missing from the plan."
            + (f" The first {_MOST_LINES} are drawn." if len(loose) > _MOST_LINES else "")
        )
    implied = edges.count("implied")
    if implied:
        said.append(f"{count(implied, 'flow')} the plan orders only through other tasks.")
    if edges.through_shared:
        said.append(
            f"{count(edges.through_shared, 'pair')} of tasks met only in files that both edit; "
            "these are not drawn."
        )
    return said


def legend(edges: Edges) -> Markup:
    """Return what the lines mean, for those kinds that are there."""
    parts = [
        tag("span", _sample(f"edge e-{kind}"), _WORDS[kind], class_="key")
        for kind in _EDGE_ORDER
        if any(edge.kind == kind for edge in edges.all)
    ]
    parts.append(tag("span", _sample("edge e-critical"), "critical path", class_="key"))
    return tag("p", join(parts), class_="legend")


def _sample(kind: str) -> Markup:
    line = tag("line", x1=1, y1=6, x2=27, y2=6, class_=kind)
    return tag("svg", line, width=28, height=12, aria_hidden="true")


def _line(
    edge: Edge, layout: Layout, sheet: _Sheet, index: Mapping[str, int], *, critical: bool
) -> Markup:
    x, y = sheet.at(layout.place[edge.source])
    x += sheet.width
    path = [f"M{number(x)},{number(y)}"]
    for bend in layout.bends.get((edge.source, edge.target), ()):
        bx, by = sheet.at(bend)
        path += [_curve(x, y, bx, by), f"H{number(bx + sheet.width)}"]
        x, y = bx + sheet.width, by
    path.append(_curve(x, y, *sheet.at(layout.place[edge.target])))
    words = f"{edge.source} → {edge.target}: {_WORDS[edge.kind]}"
    if edge.paths:
        words += f" ({', '.join(edge.paths[:4])}{' …' if len(edge.paths) > 4 else ''})"
    kind = f"edge e-{edge.kind}" + (" e-critical" if critical else "")
    return tag("path", tag("title", words), d="".join(path), class_=kind,
               data_from=index[edge.source], data_to=index[edge.target])  # fmt: skip


def _curve(x: float, y: float, to_x: float, to_y: float) -> str:
    bend = max((to_x - x) / 2, 16)
    return (
        f"C{number(x + bend)},{number(y)} {number(to_x - bend)},{number(to_y)} "
        f"{number(to_x)},{number(to_y)}"
    )


def _node(story: Story, name: str, index: int, layout: Layout, sheet: _Sheet) -> Markup:
    x, y = sheet.at(layout.place[name])
    state = story.record.board.states[name]
    attempts = story.of(name)
    seconds = attempts[-1].seconds if attempts else 0.0
    critical = " critical" if name in story.record.metrics.critical_tasks else ""
    words = f"{name}: {state}"
    if attempts:
        words += f", {count(len(attempts), 'attempt')}, last one {duration(seconds)}"
    inside = [
        tag("title", words),
        tag("rect", x=x, y=y - sheet.height / 2, width=sheet.width, height=sheet.height,
            rx=2 if sheet.small else 5),
    ]  # fmt: skip
    if not sheet.small:
        shown = name if len(name) <= 20 else name[:19] + "…"
        inside += [
            tag("text", GLYPHS[state], x=x + 13, y=y + 4.5, class_="glyph middle"),
            tag("text", shown, x=x + 24, y=y - 1.5, class_="name"),
            tag("text", duration(seconds) if attempts else str(state), x=x + 24, y=y + 11,
                class_="small"),
        ]  # fmt: skip
    return tag(
        "g", *inside, class_=f"node s-{state}{critical}", data_task=index, tabindex="-1",
        role="button", aria_label=words, data_column=layout.place[name][0],
    )  # fmt: skip
