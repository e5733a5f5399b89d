"""Comparing globs: a path that all of some globs match and none of some others, or none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TypeVar

from orchestrator.core.automata import Automaton, compiled
from orchestrator.core.charset import ANY, Label, meet, minus, pick
from orchestrator.core.matcher import Matcher, matcher

_Joint = tuple[tuple[int, ...], int]
_State = TypeVar("_State", tuple[int, int], _Joint)


def apart(a: Automaton, b: Automaton) -> bool:
    """Whether the literal beginnings or ends alone show that no path matches both."""
    return not (
        (a.prefix.startswith(b.prefix) or b.prefix.startswith(a.prefix))
        and (a.suffix.endswith(b.suffix) or b.suffix.endswith(a.suffix))
    )


@lru_cache(maxsize=32_768)
def shortest(inside: tuple[str, ...], outside: tuple[str, ...] = ()) -> str | None:
    """Return a shortest path that all of `inside` and none of `outside` match, or None.

    Args:
        inside: globs, at least one.
        outside: globs.

    The search meets at most the product of the numbers of states of `inside`; with `outside`
    each of those with the incomparable sets of states of `outside`. The latter is exponential
    in the worst case, as it must be (the problem is PSPACE-complete); it takes globs such as
    ``*a??????????`` on the side that is taken away to get there.
    """
    automata = [compiled(glob) for glob in inside]
    if any(apart(a, b) for n, a in enumerate(automata) for b in automata[:n]):
        return None
    found = _common(automata)
    near = tuple(glob for glob in outside if not any(apart(compiled(glob), a) for a in automata))
    if found is None or not near or not matcher(near).matches(found):
        return found
    return _escaping(automata, matcher(near))


def _common(automata: Sequence[Automaton]) -> str | None:
    """Return a shortest path that all automata match, or None."""
    if len(automata) <= 2:
        return _common_to_two(automata[0], automata[-1])
    return _escaping(automata, matcher(()))


def _common_to_two(a: Automaton, b: Automaton) -> str | None:
    """Breadth-first search of the product, from the end of the prefix that both read."""
    known = min(len(a.prefix), len(b.prefix))
    start = (known, known)
    found: dict[tuple[int, int], tuple[tuple[int, int], Label]] = {start: (start, "")}
    todo = [start]
    edges_a, edges_b = a.edges, b.edges
    for state in todo:  # grows while it is read
        at_a, at_b = state
        if a.accepting >> at_a & 1 and b.accepting >> at_b & 1:
            return (a.prefix[:known] + _spelled(found, state))[:-1]
        for label_a, to_a in edges_a[at_a]:
            for label_b, to_b in edges_b[at_b]:
                after = (to_a, to_b)
                if after not in found and (label := meet(label_a, label_b)) is not None:
                    found[after] = (state, label)
                    todo.append(after)
    return None


def _escaping(automata: Sequence[Automaton], taken: Matcher) -> str | None:
    """Breadth-first search of the product of `automata` and the determinised `taken`.

    A state is passed over when the same states of `automata` were met with fewer states of
    `taken`: whatever escapes from here escapes from there.
    """
    start = (tuple(0 for _ in automata), taken.start.mask)
    found: dict[_Joint, tuple[_Joint, Label]] = {start: (start, "")}
    fewest: dict[tuple[int, ...], list[int]] = {start[0]: [start[1]]}
    todo = [(start, taken.start)]
    for state, node in todo:  # grows while it is read
        at = state[0]
        if not node.accepts and all(
            automaton.accepting >> n & 1 for automaton, n in zip(automata, at, strict=True)
        ):
            return _spelled(found, state)[:-1]
        splitting = taken.labels(node)
        for label, to in _joint_edges(automata, at):
            masks = fewest.setdefault(to, [])
            for part in _parts(label, splitting):
                after = taken.walk(node, pick(part))
                if not any(mask & after.mask == mask for mask in masks):
                    masks.append(after.mask)
                    found[to, after.mask] = (state, part)
                    todo.append(((to, after.mask), after))
    return None


def _joint_edges(
    automata: Sequence[Automaton], at: tuple[int, ...]
) -> list[tuple[Label, tuple[int, ...]]]:
    """Return what all automata read from the given states, and where that leads each."""
    joint: list[tuple[Label, tuple[int, ...]]] = [(ANY, ()), ("/", ())]
    for automaton, state in zip(automata, at, strict=True):
        joint = [
            (common, (*to, target))
            for label, to in joint
            for other, target in automaton.edges[state]
            if (common := meet(label, other)) is not None
        ]
    return joint


def _parts(label: Label, splitting: Iterable[Label]) -> list[Label]:
    """Cut `label` so that each part lies wholly inside or wholly outside each of `splitting`."""
    parts = [label]
    for other in splitting:
        halves = [half(part, other) for part in parts for half in (meet, minus)]
        parts = [part for part in halves if part is not None]
    return parts


def _spelled(found: dict[_State, tuple[_State, Label]], state: _State) -> str:
    """Return the text that led a search to `state`."""
    text: list[str] = []
    before, label = found[state]
    while label:
        text.append(pick(label))
        state = before
        before, label = found[state]
    return "".join(reversed(text))
