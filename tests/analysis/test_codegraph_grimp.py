"""The import edges of installed packages, against grimp's; every difference is explained."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import grimp
import pytest

from orchestrator.analysis.codegraph import build

Edges = set[tuple[str, str]]

ONLY_GRIMP: dict[str, dict[tuple[str, str], str]] = {
    "rich": {
        ("rich.box", "rich.box"): "imports itself under `__main__`; a file is no dependency of "
        "itself",
        ("rich.live", "rich.live"): "the same",
    },
}
"""Edges that only grimp has, and why."""

ONLY_OURS: dict[str, dict[tuple[str, str], str]] = {}
"""Edges that only we have, and why."""


def grimps(name: str) -> Edges:
    graph = grimp.build_graph(name, cache_dir=None)
    return {
        (importer, imported)
        for importer in graph.modules
        for imported in graph.find_modules_directly_imported_by(importer)
    }


def ours(name: str) -> Edges:
    (folder,) = import_module(name).__path__
    graph = build(Path(folder))
    names = {path: module.name for path, module in graph.modules.items()}
    return {
        (names[link.source], names[link.target]) for link in graph.links if link.kind == "imports"
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", ["anyio", "click", "httpx2", "jsonschema", "referencing", "rich"])
def test_import_edges_are_grimps(name: str) -> None:
    theirs, mine = grimps(name), ours(name)
    assert theirs - mine == set(ONLY_GRIMP.get(name, {}))
    assert mine - theirs == set(ONLY_OURS.get(name, {}))
    assert len(mine) > 10
