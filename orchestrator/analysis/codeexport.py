"""The code graph for other programs: networkx, JSON, GraphML, DOT."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from orchestrator.analysis.codemodel import Link, Strength

if TYPE_CHECKING:
    import networkx as nx

    from orchestrator.analysis.codegraph import CodeGraph

_STYLES = {
    Strength.HARD: "style=bold",
    Strength.CALL: "style=solid",
    Strength.LAZY: "style=dashed",
    Strength.TYPING: "style=dotted",
    Strength.OBSERVED: 'style=solid, color="#b3541e"',
}


def nodes_of(graph: CodeGraph) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every node with its attributes, in a fixed order."""
    for path, module in graph.modules.items():
        kind = "test" if module.test else "module"
        yield path, {
            "kind": kind, "name": module.name, "language": module.language, "lines": module.lines
        }  # fmt: skip
        for symbol in module.symbols:
            about: dict[str, Any] = {
                "kind": symbol.kind, "name": symbol.name, "first": symbol.first,
                "last": symbol.last, "statements": symbol.statements,
            }  # fmt: skip
            if symbol.kind == "function":
                about["stub"] = symbol.stub
            yield f"{path}::{symbol.name}", about
    for path in graph.data:
        yield path, {"kind": "data"}
    for start in graph.starts:
        yield f"entry:{start.name}", {"kind": "entry-point", "target": start.target}


def edges_of(graph: CodeGraph) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield every edge with its attributes, in a fixed order."""
    for path, module in graph.modules.items():
        known = {symbol.name for symbol in module.symbols}
        for symbol in module.symbols:
            outer = symbol.name.rpartition(".")[0]
            holder = f"{path}::{outer}" if outer in known else path
            yield holder, f"{path}::{symbol.name}", {"kind": "contains"}
    for link in sorted(graph.links, key=_order):
        yield link.source, link.target, {
            "kind": link.kind, "strength": str(link.strength), "line": link.line
        }  # fmt: skip
    for start in graph.starts:
        if start.node:
            yield f"entry:{start.name}", start.node, {"kind": "starts"}
    for test in graph.tests:
        for path, distance in graph.reached_by(test).items():
            yield test, path, {"kind": "tests", "distance": distance}
    for pair in graph.co_changes:
        for one, other in ((pair.one, pair.other), (pair.other, pair.one)):
            yield one, other, {
                "kind": "co-changes", "share": round(pair.share, 4), "together": pair.together
            }  # fmt: skip


def _order(link: Link) -> tuple[str, str, str]:
    return link.source, link.target, link.kind


def to_networkx(graph: CodeGraph) -> nx.MultiDiGraph[str]:
    """Return the graph as networkx knows it; an edge's key is its kind."""
    import networkx as nx

    made: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    for node, about in nodes_of(graph):
        made.add_node(node, **about)
    for source, target, about in edges_of(graph):
        made.add_edge(source, target, key=about["kind"], **about)
    return made


def to_json(graph: CodeGraph) -> dict[str, Any]:
    """Return the graph as plain values; the same code gives the same text."""
    return {
        "version": 1,
        "root": str(graph.root),
        "nodes": [{"id": node, **about} for node, about in nodes_of(graph)],
        "edges": [
            {"source": source, "target": target, **about}
            for source, target, about in edges_of(graph)
        ],
        "cycles": [list(group) for group in graph.cycles()],
        "layers": [list(layer) for layer in graph.layers()],
        "hubs": [
            {"path": hub.path, "share": round(hub.share, 4), "dependents": hub.dependents}
            for hub in graph.hubs()
        ],
        "stubs": {path: [stub.name for stub in stubs] for path, stubs in graph.stubs().items()},
        "problems": [
            {"what": one.what, "where": one.where, "why": one.why, "fix": one.fix, "code": one.code}
            for one in graph.problems
        ],
    }


def to_graphml(graph: CodeGraph) -> str:
    """Return the graph as GraphML, for yEd, Gephi, Cytoscape."""
    import networkx as nx

    return "\n".join(nx.generate_graphml(graph.graph)) + "\n"


def to_dot(graph: CodeGraph) -> str:
    """Return the files and their dependencies for graphviz, tests apart, one rank per layer."""
    lines = ["digraph code {", "  rankdir=BT;", "  node [shape=box, fontname=sans];"]
    lines += [
        f"  {{ rank=same; {' '.join(_quoted(path) + ';' for path in layer)} }}"
        for layer in graph.layers()
    ]
    for source, targets in graph.file_dependencies(tests=False).items():
        for target in sorted(targets):
            strength = graph.strength(source, target)
            if target in graph.modules and strength is not None:
                lines.append(f"  {_quoted(source)} -> {_quoted(target)} [{_STYLES[strength]}];")
    return "\n".join([*lines, "}", ""])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
