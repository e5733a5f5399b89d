"""Planned against observed edges: which data flowed between tasks, and did the plan know?

A flow is seen when an accepted attempt had read a version of a file that another task's accepted
attempt wrote. It is read from the log's reads and writes (`lab.transactions`), so it holds for
what agents looked at through their tools, not for what a test opened by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Literal

from orchestrator.core.scope import Scope
from orchestrator.lab.transactions import Transactions
from orchestrator.ui.reporting.story import Story

EdgeKind = Literal["used", "unused", "implied", "unplanned"]


@dataclass(frozen=True, slots=True)
class Edge:
    """One task after another.

    Attributes:
        source: the task that came first.
        kind: used: planned, and data flowed; unused: planned, no flow seen; implied: a flow that
            the plan orders through other tasks; unplanned: a flow that nothing in the plan orders.
        paths: the files that carried the flow.
    """

    source: str
    target: str
    kind: EdgeKind
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Edges:
    """All edges of a run.

    Attributes:
        through_shared: pairs of tasks that met only in files which both edit (`shares`); not
            counted as flows, for each reads such a file to add its own part.
    """

    all: tuple[Edge, ...]
    through_shared: int

    def count(self, kind: EdgeKind) -> int:
        """Return how many edges are of a kind."""
        return sum(edge.kind == kind for edge in self.all)


def edges_of(story: Story) -> Edges:
    """Return the planned and the observed edges of a run."""
    after = story.record.board.meter.after
    flows, shared = _flows(story)
    reach = _ancestors(after)
    found = []
    for target, sources in after.items():
        for source in sources:
            paths = flows.pop((source, target), ())
            found.append(Edge(source, target, "used" if paths else "unused", tuple(paths)))
    for (source, target), paths in flows.items():
        kind: EdgeKind = "implied" if source in reach[target] else "unplanned"
        found.append(Edge(source, target, kind, tuple(paths)))
    return Edges(tuple(found), shared)


def _flows(story: Story) -> tuple[dict[tuple[str, str], list[str]], int]:
    history = Transactions(story.events)
    tasks = story.record.board.history.tasks
    sharing = {name: Scope(found.task.shares) for name, found in tasks.items()}
    flows: dict[tuple[str, str], dict[str, None]] = {}
    met: set[tuple[str, str]] = set()
    for attempt in history.accepted():
        reader = attempt.key[0]
        for read in [*attempt.looks(), *attempt.bases()]:
            author = history.author(read.path, read.number)
            if author is None or author[0] in ("", reader):
                continue
            pair = (author[0], reader)
            if sharing[reader].matches(read.path) and sharing[author[0]].matches(read.path):
                met.add(pair)
            else:
                flows.setdefault(pair, {})[read.path] = None
    return {pair: list(paths) for pair, paths in flows.items()}, len(met - flows.keys())


def _ancestors(after: Mapping[str, Sequence[str] | Mapping[str, None]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name in TopologicalSorter({n: list(s) for n, s in after.items()}).static_order():
        found[name] = set().union(*({one} | found[one] for one in after[name]))
    return found
