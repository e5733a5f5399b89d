"""Strategies whose tasks are groups of files: `packages`, `communities`, `solo`, `random`."""

from __future__ import annotations

import random as chance
from collections.abc import Sequence
from math import ceil, sqrt
from typing import TYPE_CHECKING

from orchestrator.analysis.components import components
from orchestrator.analysis.decomposing.by_module import modules
from orchestrator.analysis.decomposing.cut import (
    Cut,
    Part,
    merged,
    parts_of,
    quotient,
    without_implied,
)
from orchestrator.analysis.decomposing.naming import group_names, tidy, unique
from orchestrator.analysis.decomposing.survey import HARD, RUNNING, Survey

if TYPE_CHECKING:
    import networkx as nx

_WEIGHTS = {"hard": 4.0, "call": 2.0, "lazy": 1.0, "observed": 2.0, "typing": 1.0}
_RESOLUTIONS = tuple(2.0**power for power in range(-3, 7))


def packages(survey: Survey) -> Cut:
    """One task per directory, ordered by all that their files import.

    Directories that need one another are ordered by what is needed while importing; those that
    need one another even so are one task.
    """
    folders: dict[str, list[str]] = {}
    for path in survey.files:
        folders.setdefault(path.rpartition("/")[0], []).append(path)
    groups = merged(list(folders.values()), survey.needs(HARD))
    notes = []
    if len(groups) < len(folders):
        notes.append(
            f"{len(folders)} directories make {len(groups)} tasks: some need one another while "
            "importing"
        )
    edges = {path: set(targets) for path, targets in survey.needs(RUNNING).items()}
    hard = survey.needs(HARD)
    owner = {path: number for number, group in enumerate(groups) for path in group}
    needed = {str(n): {str(m) for m in found} for n, found in enumerate(quotient(groups, edges))}
    for knot in components(needed):
        if len(knot) > 1:
            inside = {path for number in knot for path in groups[int(number)]}
            for path in inside:
                edges[path] -= {other for other in inside if owner[other] != owner[path]} - hard[
                    path
                ]
            notes.append(
                f"{len(knot)} packages import one another; among them, tasks wait only for what "
                "is needed while importing"
            )
    names = list(unique({str(n): _package_name(survey, g) for n, g in enumerate(groups)}).values())
    return Cut(without_implied(parts_of(groups, edges, names)), tuple(notes))


def _package_name(survey: Survey, group: Sequence[str]) -> str:
    folder = min(group, key=lambda path: (path.count("/"), path)).rpartition("/")[0]
    return tidy(folder.rpartition("/")[2] or "top")


def communities(survey: Survey, tasks: int | None = None) -> Cut:
    """A partition of the code graph into K groups of files that are tied together.

    Louvain's method on the undirected graph of dependencies, weighted by strength; communities
    are joined until there are K. Communities that depend on one another become one task, which
    is why fewer than K may be left.

    Args:
        survey: the ground.
        tasks: K; None: the square root of the number of files, rounded up.
    """
    wanted = min(tasks or ceil(sqrt(len(survey.files))), len(survey.files))
    found = _partition(survey, wanted)
    groups = merged(found, survey.needs(RUNNING))
    notes = [f"Louvain's method gave {len(found)} communities for {wanted} wanted"]
    if len(groups) < len(found):
        notes.append(
            f"{len(found)} communities make {len(groups)} tasks: the others depend on one another "
            "in circles and were joined"
        )
    names = group_names(survey, groups)
    return Cut(without_implied(parts_of(groups, survey.needs(RUNNING), names)), tuple(notes))


def _partition(survey: Survey, wanted: int) -> list[tuple[str, ...]]:
    import networkx as nx

    graph: nx.Graph[str] = nx.Graph()
    graph.add_nodes_from(survey.files)
    for path, targets in survey.needs(RUNNING).items():
        for target in sorted(targets):
            strength = survey.graph.strength(path, target)
            weight = _WEIGHTS.get(str(strength), 1.0)
            before = graph.get_edge_data(path, target, {"weight": 0.0})["weight"]
            graph.add_edge(path, target, weight=before + weight)
    groups: list[tuple[str, ...]] = []
    for resolution in _RESOLUTIONS:
        found = nx.community.louvain_communities(
            graph, weight="weight", resolution=resolution, seed=0
        )
        groups = sorted(tuple(sorted(group)) for group in found)
        if len(groups) >= wanted:
            break
    while len(groups) > wanted:
        groups = _joined(graph, groups)
    return groups


def _joined(graph: nx.Graph[str], groups: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Join the two groups with the strongest ties for their sizes; on a draw, the first."""
    owner = {path: number for number, group in enumerate(groups) for path in group}
    ties: dict[tuple[int, int], float] = {}
    weight: float
    for one, two, weight in graph.edges(data="weight"):
        pair = (min(owner[one], owner[two]), max(owner[one], owner[two]))
        if pair[0] != pair[1]:
            ties[pair] = ties.get(pair, 0.0) + weight
    pairs = ties or {(0, 1): 0.0}
    first, second = min(
        pairs,
        key=lambda pair: (-pairs[pair] / (len(groups[pair[0]]) * len(groups[pair[1]])), pair),
    )
    joined = tuple(sorted((*groups[first], *groups[second])))
    return sorted([*(g for n, g in enumerate(groups) if n not in (first, second)), joined])


def solo(survey: Survey) -> Cut:
    """One task for everything: the baseline without any division of labour."""
    if not survey.files:
        return Cut(())
    return Cut((Part(name="everything", files=survey.files),))


def random(survey: Survey, seed: int = 0, tasks: int | None = None) -> Cut:
    """The control arm: as many tasks and dependencies as `modules` has, but by chance.

    Files are dealt out at random, and tasks wait for one another in a random order. Tasks may
    read what they depend on by the code graph, even while another task writes it; so they may
    collide, which is what structure is to be compared with.

    Args:
        survey: the ground.
        seed: decides everything.
        tasks: number of tasks; None: as many as `modules` has.
    """
    dice = chance.Random(f"decompose/{seed}")
    model = modules(survey).parts
    count = min(tasks or len(model), len(survey.files))
    files = list(survey.files)
    dice.shuffle(files)
    groups = [tuple(sorted(files[number::count])) for number in range(count)]
    names = [f"random-{number + 1}" for number in range(count)]
    pairs = [(later, earlier) for later in range(count) for earlier in range(later)]
    edges = dice.sample(pairs, min(len(pairs), sum(len(part.waits_for) for part in model)))
    parts = tuple(
        Part(
            name=name,
            files=group,
            waits_for=frozenset(names[earlier] for later, earlier in edges if later == number),
        )
        for number, (name, group) in enumerate(zip(names, groups, strict=True))
    )
    return Cut(parts, (f"files and dependencies were dealt out at random, seed {seed}",), False)
