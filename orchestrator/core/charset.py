"""Sets of characters, as the labels that automata read.

Sets are code point ranges, so every decision is exact over all of Unicode, whatever a class
names and whatever it leaves out.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from orchestrator.core.paths import REFUSED_CHARACTERS

Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, eq=False)
class CharSet:
    """A set of characters as code point ranges (first, last): sorted, disjoint, not empty.

    Sets are compared by identity, which is what makes automata fast; `label_of` returns the
    same object for the same set, and a search that met two would only look twice.
    """

    ranges: Ranges

    def __contains__(self, character: str) -> bool:
        code = ord(character)
        at = bisect_right(self.ranges, (code, 0x110000)) - 1
        return at >= 0 and code <= self.ranges[at][1]


Label = str | CharSet
"""What one step of an automaton reads: one given character, or any of a set."""


def subtract(left: Ranges, right: Ranges) -> Ranges:
    """Return the code points of `left` that are not in `right`."""
    kept: list[tuple[int, int]] = []
    for first, last in left:
        start = first
        for low, high in right:
            if high < start or low > last:
                continue
            if low > start:
                kept.append((start, low - 1))
            start = high + 1
        if start <= last:
            kept.append((start, last))
    return tuple(kept)


def merge(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Return `ranges` sorted, with those that overlap or touch joined."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return tuple(merged)


@lru_cache(maxsize=8192)
def label_of(ranges: Ranges) -> Label | None:
    """Return the simplest label for a set of code points; None for the empty set."""
    if not ranges:
        return None
    first, last = ranges[0]
    return chr(first) if len(ranges) == 1 and first == last else CharSet(ranges)


_ALL: Ranges = ((0, 0x10FFFF),)
NEVER: Ranges = merge(
    [(ord("/"), ord("/")), *((first, last) for first, last, _ in REFUSED_CHARACTERS)]
)
"""Characters that no segment of a canonical path may hold."""

ANY = CharSet(subtract(_ALL, NEVER))
"""Every character that a segment of a canonical path may hold."""


def ranges_of(label: Label) -> Ranges:
    """Return the code points of a label."""
    return ((ord(label), ord(label)),) if isinstance(label, str) else label.ranges


def meet(a: Label, b: Label) -> Label | None:
    """Return what both labels read, or None."""
    if isinstance(a, str):
        if isinstance(b, str):
            return a if a == b else None
        return a if a in b else None
    if isinstance(b, str):
        return b if b in a else None
    return a if a is b else _meet_sets(a, b)


@lru_cache(maxsize=8192)
def _meet_sets(a: CharSet, b: CharSet) -> Label | None:
    return label_of(subtract(a.ranges, subtract(_ALL, b.ranges)))


@lru_cache(maxsize=8192)
def minus(a: Label, b: Label) -> Label | None:
    """Return what `a` reads and `b` does not, or None."""
    return label_of(subtract(ranges_of(a), ranges_of(b)))


_LIKED = "abcdefghijklmnopqrstuvwxyz0123456789_-ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@lru_cache(maxsize=8192)
def pick(label: Label) -> str:
    """Return a character that `label` reads, one that a person likes to see if there is one."""
    if isinstance(label, str):
        return label
    return next((liked for liked in _LIKED if liked in label), chr(label.ranges[0][0]))
