"""Places for the tasks of a graph: columns by depth, rows that keep lines short.

The layered drawing of Sugiyama, Tagawa and Toda (1981): a task stands one column right of the
last task that it waits for; a line that crosses columns gets an empty place in each; sweeps to
and fro order each column by the mean of its neighbours' places.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from itertools import pairwise
from statistics import fmean

_SWEEPS = 6
_MOST_BENDS = 1500  # empty places; beyond, lines go straight
_TALLEST = 40  # tasks in a column when lines go straight; a longer one takes several columns
_BEND = 0.4  # rows that a line takes that crosses a column

Node = str | tuple[str, str, int]
"""A task, or the empty place of the line between two tasks in one column."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the tasks stand.

    Attributes:
        columns: number of columns.
        rows: height of the longest column, in rows.
        place: task to column, and how many rows its middle lies below the top.
        bends: pair of tasks to the places that the line between them passes, from left to right.
    """

    columns: int
    rows: float
    place: Mapping[str, tuple[int, float]]
    bends: Mapping[tuple[str, str], Sequence[tuple[int, float]]]


def place_tasks(after: Mapping[str, Iterable[str]]) -> Layout:
    """Return places for tasks.

    Args:
        after: task to the tasks that it waits for; without cycles.
    """
    depth = _depths(after)
    columns, near, chains = _columns(after, depth)
    _order(columns, near)
    if not any(chains.values()):
        columns = [
            column[begin : begin + _TALLEST]
            for column in columns
            for begin in range(0, len(column), _TALLEST)
        ]
    heights = [sum(map(_height, column)) for column in columns]
    most = max(heights, default=0.0)
    place: dict[Node, tuple[int, float]] = {}
    for number, column in enumerate(columns):
        row = (most - heights[number]) / 2
        for node in column:
            place[node] = (number, row + _height(node) / 2)
            row += _height(node)
    tasks = {node: spot for node, spot in place.items() if isinstance(node, str)}
    bends = {pair: [place[node] for node in nodes] for pair, nodes in chains.items()}
    return Layout(len(columns), most, tasks, bends)


def _height(node: Node) -> float:
    return 1.0 if isinstance(node, str) else _BEND


def _depths(after: Mapping[str, Iterable[str]]) -> dict[str, int]:
    depth: dict[str, int] = {}
    for name in TopologicalSorter({n: list(s) for n, s in after.items()}).static_order():
        depth[name] = max((depth[one] + 1 for one in after[name]), default=0)
    return depth


_Chains = dict[tuple[str, str], list[Node]]


def _columns(
    after: Mapping[str, Iterable[str]], depth: Mapping[str, int]
) -> tuple[list[list[Node]], dict[Node, tuple[list[Node], list[Node]]], _Chains]:
    """Return the columns, each node's neighbours to the left and right, and the bends of lines."""
    columns: list[list[Node]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    near: dict[Node, tuple[list[Node], list[Node]]] = {name: ([], []) for name in after}
    for name in after:
        columns[depth[name]].append(name)
    pairs = [(one, name) for name, ones in after.items() for one in ones]
    crossed = sum(depth[target] - depth[source] - 1 for source, target in pairs)
    chains: _Chains = {}
    for source, target in pairs:
        between = range(depth[source] + 1, depth[target] if crossed <= _MOST_BENDS else 0)
        chain: list[Node] = [(source, target, column) for column in between]
        chains[source, target] = chain
        for node, column in zip(chain, between, strict=True):
            near[node] = ([], [])
            columns[column].append(node)
        whole: list[Node] = [source, *chain, target]
        for left, right in pairwise(whole):
            near[left][1].append(right)
            near[right][0].append(left)
    return columns, near, chains


def _order(columns: list[list[Node]], near: Mapping[Node, tuple[list[Node], list[Node]]]) -> None:
    """Order each column by the mean of its neighbours' places, to and fro."""
    place: dict[Node, float] = {}
    for column in columns:
        place.update({node: row - len(column) / 2 for row, node in enumerate(column)})
    for sweep in range(_SWEEPS):
        side = sweep % 2
        for column in columns if side == 0 else reversed(columns):
            wish = {
                node: fmean(place[one] for one in near[node][side])
                if near[node][side]
                else place[node]
                for node in column
            }
            column.sort(key=wish.__getitem__)  # stable: ties stay in plan order
            place.update({node: row - len(column) / 2 for row, node in enumerate(column)})
