"""The serialisation graph of a run: who must come before whom in any serial order.

An edge from one transaction to another says that the first must come first:

=======  ========================================================================================
ww       the second wrote a file over what the first had written
wr       the second read what the first had written
rw       the first read what the second then replaced, or found no file where it then made one
after    the second began after the first had been accepted
=======  ========================================================================================

The history is (strictly) serialisable if and only if there is no cycle (A. Adya, "Weak
Consistency: A Generalized Theory and Optimistic Implementations for Distributed Transactions",
MIT 1999; K. Kingsbury and P. Alvaro, "Elle: Inferring Isolation Anomalies from Experimental
Observations", VLDB 2020). Unlike a tester of databases, we need not infer the order of versions:
the log numbers them.

Files that several attempts edit at once, each edit on top of the others', are judged by lines
(`lab.lineage`): the file as a whole would have each of them overwrite all the others.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from orchestrator.lab.lineage import Lineage, lineage_of
from orchestrator.lab.transactions import FileVersion, Key, Read, Transaction, Transactions

if TYPE_CHECKING:
    from networkx import DiGraph

Order = Literal["ww", "wr", "rw", "after"]
Node = Key | int
"""A transaction; or a moment (the end of some attempt), through which `after` edges lead."""

BOUND: frozenset[Order] = frozenset({"ww", "wr", "after"})
"""Edges that say what has happened, not what was missed."""


@dataclass(frozen=True, slots=True)
class Edge:
    """`source` must come before `target`.

    Attributes:
        path: the file that says so; "" for `after`.
        before: version that `source` wrote or read.
        after: version that `target` wrote or read.
        at: when `target` did so; for `rw` too: when it wrote.
        read: for `rw`, what was read.
    """

    kind: Order
    source: Key
    target: Key
    path: str = ""
    before: int = 0
    after: int = 0
    at: float = 0.0
    read: Read | None = None


@dataclass(frozen=True, slots=True)
class Contents:
    """What the files held, for judging by lines.

    Attributes:
        start: digests of the files that were there at the start.
        text: returns the text of a version, given path and digest; None: it is lost, or no text.
    """

    start: Mapping[str, str]
    text: Callable[[str, str], str | None]


class Serialisation:
    """The serialisation graph over the transactions whose work lasts.

    Attributes:
        history: what was read and written.
        edges: all edges but `after`.
        lost: writes over a version that their author had not built on, with that version.
        lines: files edited at once: who wrote and overwrote their lines.
        unjudged: files edited at once whose lines could not be compared.
    """

    def __init__(self, history: Transactions, contents: Contents | None = None) -> None:
        self.history = history
        self.edges: list[Edge] = []
        self.lost: list[tuple[FileVersion, FileVersion]] = []
        self.lines: dict[str, Lineage] = {}
        self.unjudged: list[str] = []
        lasting = {version.author for path in history.versions for version in history.lasting(path)}
        self._nodes = {
            key: one for key, one in history.all.items() if one.accepted or key in lasting
        }
        for path in history.versions:
            self._writes(path, contents)
        for one in history.accepted():
            self._reads(one)
        self._graph = self._build()

    # --- edges ------------------------------------------------------------------------------------

    def _writes(self, path: str, contents: Contents | None) -> None:
        together = any(path in one.stuck for one in self.history.all.values())
        lasting = self.history.lasting(path)
        for before, after in pairwise(lasting):
            if before.author == after.author:
                continue
            if _built_on(before, after) and self._nodes[before.author].open_at(after.seq):
                together = True
                continue
            if not _built_on(before, after) and after.author[0]:
                self.lost.append((before, after))
            self._edge("ww", before.author, after.author, path, before.number, after)
        if together:
            self._by_lines(path, contents)

    def _by_lines(self, path: str, contents: Contents | None) -> None:
        found = None
        if contents is not None:
            found = lineage_of(self.history, path, contents.start.get(path), contents.text)
        if found is None:
            self.unjudged.append(path)
            return
        self.lines[path] = found
        for before, after in found.overwrites:
            if before.author in self._nodes and after.author in self._nodes:
                self._edge("ww", before.author, after.author, path, before.number, after)

    def _reads(self, one: Transaction) -> None:
        for read in (*one.bases(), *one.looks()):
            following = self._next(read)
            missed = [] if following is None else [following]
            missed += self._read_from(one, read)
            for author, version in {version.author: version for version in missed}.items():
                if author != one.key:
                    self._edge("rw", one.key, author, read.path, read.number, version, read)

    def _read_from(self, one: Transaction, read: Read) -> list[FileVersion]:
        """Note whose work was read; return the version at which they left it, if another."""
        path, author = read.path, self.history.author(read.path, read.number)
        if author is None or author == one.key:
            return []
        edited = one.wrote(path)
        if edited and self._nodes[author].open_at(read.seq):
            return []  # what others do meanwhile in a file that it edits too counts by lines
        self.edges.append(Edge("wr", author, one.key, path, read.number, read.number, read.at))
        own = [version for version in self.history.lasting(path) if version.author == author]
        return own[-1:] if not edited and own[-1].number > read.number else []

    def _next(self, read: Read) -> FileVersion | None:
        """Return the version by which what was read was replaced; None: it was not."""
        lasting = self.history.lasting(read.path)
        at = bisect_left(lasting, read.number + 1, key=lambda version: version.number)
        if at == len(lasting):
            return None
        if read.write is None:
            return lasting[at]
        # A write answers for what came between it and its base, and for nothing later.
        return lasting[at] if lasting[at].number < read.write.number else None

    def _edge(
        self,
        kind: Order,
        source: Key,
        target: Key,
        path: str,
        before: int,
        after: FileVersion,
        read: Read | None = None,
    ) -> None:
        self.edges.append(Edge(kind, source, target, path, before, after.number, after.at, read))

    # --- the graph --------------------------------------------------------------------------------

    def _build(self) -> DiGraph[Node]:
        import networkx as nx

        graph: DiGraph[Node] = nx.DiGraph()
        graph.add_nodes_from(self._nodes)
        for edge in self.edges:
            kinds = graph.get_edge_data(edge.source, edge.target, {}).get("kinds", {})
            kinds.setdefault(edge.kind, edge)
            graph.add_edge(edge.source, edge.target, kinds=kinds)
        # One chain of moments in place of an edge from every attempt to every later one.
        ends = sorted(one.closed for one in self._nodes.values() if one.closed is not None)
        for earlier, later in pairwise(ends):
            graph.add_edge(earlier, later, kinds={"after": None})
        for key, one in self._nodes.items():
            if one.closed is not None:
                graph.add_edge(key, one.closed, kinds={"after": None})
            past = bisect_left(ends, one.began)
            if past:
                graph.add_edge(ends[past - 1], key, kinds={"after": None})
        return graph

    def restricted(self, kinds: Iterable[Order], drop: Iterable[Edge] = ()) -> DiGraph[Node]:
        """Return the graph with edges of some kinds only, and without those of `drop`."""
        import networkx as nx

        wanted, dropped = frozenset(kinds), set(drop)
        kept: DiGraph[Node] = nx.DiGraph()
        kept.add_nodes_from(self._graph)
        for source, target in self._graph.edges:
            found = self._graph.edges[source, target]["kinds"]
            left = {k: edge for k, edge in found.items() if k in wanted and edge not in dropped}
            if left:
                kept.add_edge(source, target, kinds=left)
        return kept

    def order(self) -> tuple[Key, ...] | None:
        """Return accepted attempts in an equivalent serial order; None: there is none.

        Among those that may come next, the one that was accepted first does.
        """
        import networkx as nx

        def place(node: Node) -> int:
            return node if isinstance(node, int) else self._nodes[node].closed or 0

        if not nx.is_directed_acyclic_graph(self._graph):
            return None
        order = nx.lexicographical_topological_sort(self._graph, key=place)
        return tuple(
            node for node in order if not isinstance(node, int) and self._nodes[node].accepted
        )

    def knots(self, kinds: Iterable[Order], drop: Iterable[Edge] = ()) -> list[DiGraph[Node]]:
        """Return the parts of the restricted graph in which everything lies on some cycle."""
        import networkx as nx

        graph = self.restricted(kinds, drop)
        parts = [part for part in nx.strongly_connected_components(graph) if len(part) > 1]
        return [graph.subgraph(part) for part in parts]

    def shortest_cycle(self, knot: DiGraph[Node], through: Order) -> tuple[Edge, ...]:
        """Return the shortest cycle with an edge of some kind in it; empty: there is none."""
        found: list[tuple[Edge, ...]] = []
        for edge in self.edges:
            if edge.kind == through and knot.has_edge(edge.source, edge.target):
                kept = knot.edges[edge.source, edge.target]["kinds"].get(through)
                back = self.path(knot, edge.target, edge.source) if kept == edge else None
                found += [(edge, *back)] if back is not None else []
        return min(found, key=len, default=())

    def path(self, graph: DiGraph[Node], source: Node, target: Node) -> tuple[Edge, ...] | None:
        """Return the shortest way from one transaction to another; None: there is none."""
        import networkx as nx

        if source not in graph or target not in graph:
            return None
        try:
            nodes = nx.shortest_path(graph, source, target)
        except nx.NetworkXNoPath:
            return None
        return tuple(self._along(graph, nodes))

    def _along(self, graph: DiGraph[Node], nodes: list[Node]) -> Iterator[Edge]:
        left = nodes[0]
        for node, following in pairwise(nodes):
            if isinstance(following, int):
                continue
            if isinstance(node, int):
                assert not isinstance(left, int)
                yield Edge("after", left, following, at=self._nodes[following].started)
            else:
                kinds: Mapping[Order, Edge] = graph.edges[node, following]["kinds"]
                yield next(kinds[kind] for kind in ("wr", "ww", "rw") if kind in kinds)
            left = following


def _built_on(before: FileVersion, after: FileVersion) -> bool:
    """Whether a write was made from a version, or from a newer one."""
    return after.base >= before.number
