"""Strategies whose tasks are files: `modules`, `hard`, `interfaces`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from orchestrator.analysis.codemodel import Strength
from orchestrator.analysis.components import components
from orchestrator.analysis.decomposing.cut import Cut, Part, merged, parts_of, without_implied
from orchestrator.analysis.decomposing.naming import group_names
from orchestrator.analysis.decomposing.survey import HARD, RUNNING, Survey

SMALL = 4
"""Files that may import one another in a circle and still be one task."""

_ALL = tuple(Strength)


def modules(survey: Survey) -> Cut:
    """One task per file, small circles together, ordered by all that files import.

    What only a type checker needs orders tasks too, but ties no circle. A circle of more than
    `SMALL` files is cut: inside it, only what is needed while importing orders the tasks.
    """
    running, hard = survey.needs(RUNNING), survey.needs(HARD)
    edges = {path: set(targets) for path, targets in survey.needs(_ALL).items()}
    for knot in list(components(edges)):
        inside = set(knot)
        for path in knot:
            edges[path] -= inside - running[path]
    notes = []
    for knot in list(components(edges)):
        if len(knot) > SMALL:
            inside = set(knot)
            for path in knot:
                edges[path] -= inside - hard[path]
            notes.append(
                f"{len(knot)} files import one another in a circle ({_some(knot)}); among them, "
                "tasks wait only for what is needed while importing"
            )
    return Cut(_one_per_knot(survey, edges), tuple(notes))


def hard(survey: Survey) -> Cut:
    """One task per file, ordered only by what is needed while importing.

    What is needed when functions are called decides where a test is run, not when a task starts.
    """
    return Cut(_one_per_knot(survey, survey.needs(HARD)))


def interfaces(survey: Survey) -> Cut:
    """Files with shared types and signatures first, by an architect; then all others at once.

    An interface is a file that another needs while importing: base classes, decorators,
    defaults, constants. Tasks wait for the interfaces that they use in any way, and for nothing
    else. Each hub is a task of its own.
    """
    hard, every = survey.needs(HARD), survey.needs(_ALL)
    first = sorted({target for targets in hard.values() for target in targets})
    notes = []
    if not first:
        notes.append("no file needs another while importing: there is no interface to settle first")
    hubs = {hub.path for hub in survey.graph.hubs()}
    within = {path: hard[path] & set(first) for path in first}
    groups = merged([(path,) for path in first], within)
    early = len(groups)
    groups += [(path,) for path in survey.files if path not in first]
    edges = {
        path: within[path] if path in within else every[path] & set(first) for path in survey.files
    }
    parts = parts_of(groups, edges, group_names(survey, groups))
    return Cut(
        without_implied(
            [
                _as_interface(part, survey) if number < early else _as_hub(part, hubs)
                for number, part in enumerate(parts)
            ]
        ),
        tuple(notes),
    )


def _as_interface(part: Part, survey: Survey) -> Part:
    advice = (
        "Others build on this at the same time: settle types, signatures, docstrings and errors "
        "first, then write the bodies. What you hand in does not change afterwards."
    )
    return replace(part, role="architect", advice=advice)


def _as_hub(part: Part, hubs: set[str]) -> Part:
    if not hubs.intersection(part.files):
        return part
    advice = "Much of the code is tied to this file: keep its signatures as they are."
    return replace(part, advice=advice)


def _one_per_knot(
    survey: Survey, edges: Mapping[str, set[str] | frozenset[str]]
) -> tuple[Part, ...]:
    groups = merged([(path,) for path in survey.files], edges)
    return without_implied(parts_of(groups, edges, group_names(survey, groups)))


def _some(paths: list[str]) -> str:
    shown = sorted(paths)[:3]
    return ", ".join(shown) + (", …" if len(paths) > len(shown) else "")
