"""The code graph for other programs."""

from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from pathlib import Path

import networkx as nx

from orchestrator.analysis.codeexport import to_dot, to_graphml
from orchestrator.analysis.codegraph import build
from orchestrator.analysis.codesvg import to_svg
from orchestrator.analysis.components import components, levels

Tree = Callable[[Mapping[str, str]], Path]

FILES = {
    "pkg/__init__.py": "",
    "pkg/a.py": "from pkg.b import f\nclass A:\n    def m(self): return f()\n",
    "pkg/b<&>.py": "x = 1\n",
    "pkg/b.py": "def f(): raise NotImplementedError\n",
    "tests/test_a.py": "from pkg.a import A\ndef test_a(): assert A().m()\n",
}


def test_json_and_networkx_say_the_same(tree: Tree) -> None:
    graph = build(tree(FILES))
    value = json.loads(json.dumps(graph.to_json()))
    assert {node["id"] for node in value["nodes"]} == set(graph.graph.nodes)
    edges = {(one["source"], one["target"], one["kind"]) for one in value["edges"]}
    assert edges == set(graph.graph.edges(keys=True))
    assert ("pkg/a.py", "pkg/a.py::A", "contains") in edges
    assert ("pkg/a.py::A", "pkg/a.py::A.m", "contains") in edges
    assert ("pkg/a.py::A.m", "pkg/b.py::f", "calls") in edges
    assert ("tests/test_a.py", "pkg/b.py", "tests") in edges
    assert value["stubs"] == {"pkg/b.py": ["f"]}


def test_graphml_can_be_read_again(tree: Tree) -> None:
    graph = build(tree(FILES))
    again = nx.read_graphml(io.BytesIO(to_graphml(graph).encode()), force_multigraph=True)
    assert set(again.nodes) == set(graph.graph.nodes)
    assert again.number_of_edges() == graph.graph.number_of_edges()


def test_dot_names_every_file_and_dependency(tree: Tree) -> None:
    text = to_dot(build(tree(FILES)))
    assert '"pkg/a.py" -> "pkg/b.py" [style=solid];' in text
    assert text.count("{") == text.count("}")
    assert "test_a" not in text


def test_svg_is_a_picture_of_every_file(tree: Tree) -> None:
    root = ET.fromstring(to_svg(build(tree(FILES))))
    names = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"pkg/__init__.py", "pkg/a.py", "pkg/b.py", "pkg/b<&>.py"} <= set(names)
    assert len(list(root.iter("{http://www.w3.org/2000/svg}path"))) == 1


def test_svg_of_nothing(tmp_path: Path) -> None:
    ET.fromstring(to_svg(build(tmp_path)))


def test_components_are_networkxs() -> None:
    for seed in range(30):
        made = nx.gnp_random_graph(14, 0.12, seed=seed, directed=True)
        edges = {str(n): {str(t) for t in made.successors(n)} for n in made}
        found = list(components(edges))
        theirs = {frozenset(map(str, one)) for one in nx.strongly_connected_components(made)}
        assert {frozenset(one) for one in found} == theirs
        place = {node: number for number, group in enumerate(found) for node in group}
        assert all(place[t] <= place[n] for n, targets in edges.items() for t in targets)
        rows = {node: number for number, row in enumerate(levels(edges)) for node in row}
        for node, targets in edges.items():
            for target in targets:
                assert rows[target] < rows[node] or place[target] == place[node]
