"""Automata over canonical paths: what a glob matches, and what several globs match together.

Every glob becomes a non-deterministic automaton that reads a path segment by segment, each
segment followed by a slash (the last one too: ``src/a.py/``). Reading that final slash is what
makes ``**`` simple: it reads any number of ``segment/`` and swallows the slash written after it.
The automaton reads only paths whose segments are neither empty nor ``.`` nor ``..``, and every
state in it leads to an accepted path, so whatever it finds is a canonical path as far as
segments and characters go.

The same automata match single paths (``core.matcher``) and compare globs (``core.witnesses``),
so that matching and comparing cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from weakref import WeakValueDictionary

from orchestrator.core.charset import ANY, CharSet, Label, meet, minus
from orchestrator.core.glob import Braces, Mark, Tokens, parse

Edges = tuple[tuple[Label, int], ...]


class _Segment(IntEnum):
    """What a path has so far in its current segment."""

    NO_PATH = 0
    EMPTY = 1
    DOT = 2
    DOTS = 3
    TEXT = 4


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Automaton:
    """One glob, compiled; state 0 is the start.

    Attributes:
        glob: the text that it was made from.
        edges: for each state what it reads and where that leads.
        accepting: states in which a path is matched, as a bit mask.
        prefix: literal text that every matched path begins with (a slash after each segment).
        suffix: literal text that every matched path ends with (slash included).
    """

    glob: str
    edges: tuple[Edges, ...]
    accepting: int
    prefix: str
    suffix: str


@lru_cache(maxsize=8192)
def compiled(glob: str) -> Automaton:
    """Return the automaton of one entry, its leading ``!`` already taken off.

    Its size is linear in the length of the glob, braces included. As long as anyone holds the
    automaton, the same one is returned.

    Raises:
        GlobError: the text is not a glob.
    """
    automaton = _held.get(glob)
    if automaton is None:
        automaton = _held[glob] = _compile(glob)
    return automaton


_held: WeakValueDictionary[str, Automaton] = WeakValueDictionary()


def _compile(glob: str) -> Automaton:
    tokens = (*parse(glob), Mark.SLASH)
    draft = _Draft()
    final, _ = draft.read(tokens, draft.state(), None)
    edges, accepting = _trimmed(*draft.paths_only(final))
    return Automaton(glob, edges, accepting, _prefix(edges, accepting), _suffix(tokens))


class _Draft:
    """An automaton under construction, with moves that read nothing (`free`)."""

    def __init__(self) -> None:
        self.free: list[list[int]] = []
        self.edges: list[list[tuple[Label, int]]] = []

    def state(self, *free_from: int | None) -> int:
        """Add a state that is reached for free from the given ones."""
        self.free.append([])
        self.edges.append([])
        new = len(self.edges) - 1
        for origin in free_from:
            if origin is not None:
                self.free[origin].append(new)
        return new

    def read(self, tokens: Tokens, at: int, behind: int | None) -> tuple[int, int | None]:
        """Add the states that read `tokens`.

        Args:
            tokens: what to read.
            at: state before them.
            behind: state before them if a `**` has just been read, whose slash, the next
                token, is then swallowed; None if there is no such `**`.

        Returns:
            The same two states after the tokens.
        """
        for token in tokens:
            if isinstance(token, Braces):
                ends = [self.read(branch, at, behind) for branch in token.branches]
                open_ends = [end for _, end in ends if end is not None]
                at = self.state(*(end for end, _ in ends))
                behind = self.state(*open_ends) if open_ends else None
            elif token is Mark.GLOBSTAR:
                at, behind = self.state(), self._segments(at)
            elif token is Mark.SLASH:
                after = self.state(behind)
                self.edges[at].append(("/", after))
                at, behind = after, None
            elif token is Mark.STAR:
                at, behind = self.state(at), None
                self.edges[at].append((ANY, at))
            else:
                after = self.state()
                if isinstance(token, str | CharSet):
                    self.edges[at].append((token, after))
                at, behind = after, None
        return at, behind

    def _segments(self, at: int) -> int:
        """Add the states that read any number of segments, each with its slash."""
        between, inside = self.state(at), self.state()
        self.edges[between].append((ANY, inside))
        self.edges[inside] += [(ANY, inside), ("/", between)]
        return between

    def paths_only(self, final: int) -> tuple[list[list[tuple[Label, int]]], set[int]]:
        """Return edges and accepting states without free moves, reading canonical paths only."""
        numbers = {(0, _Segment.NO_PATH): 0}
        todo = list(numbers)
        edges: list[list[tuple[Label, int]]] = []
        accepting: set[int] = set()
        for state, segment in todo:  # grows while it is read
            reached = self._reached(state)
            if final in reached and segment is _Segment.EMPTY:
                accepting.add(len(edges))
            out: dict[tuple[Label, int], None] = {}
            for label, target in (edge for near in reached for edge in self.edges[near]):
                for part, after in _within_segment(label, segment):
                    key = (target, after)
                    if key not in numbers:
                        numbers[key] = len(numbers)
                        todo.append(key)
                    out[part, numbers[key]] = None
            edges.append(list(out))
        return edges, accepting

    def _reached(self, state: int) -> list[int]:
        """Return the states that are reached from `state` for free, itself first."""
        reached = [state]
        for near in reached:  # grows while it is read
            reached += [new for new in self.free[near] if new not in reached]
        return reached


def _within_segment(label: Label, segment: _Segment) -> Iterator[tuple[Label, _Segment]]:
    """Yield the parts of `label` that a canonical path may go on with, and what it has then."""
    if label == "/":
        if segment is _Segment.TEXT:
            yield label, _Segment.EMPTY
        return
    if segment >= _Segment.DOTS:
        yield label, _Segment.TEXT
        return
    dot = meet(label, ".")
    rest = minus(label, ".") if dot is not None else label
    if rest is not None:  # first, so that a search comes upon names without dots first
        yield rest, _Segment.TEXT
    if dot is not None:
        yield dot, _Segment.DOTS if segment is _Segment.DOT else _Segment.DOT


def _trimmed(
    edges: list[list[tuple[Label, int]]], accepting: set[int]
) -> tuple[tuple[Edges, ...], int]:
    """Drop the states that lead to no accepted path; the start stays, as state 0."""
    into: list[list[int]] = [[] for _ in edges]
    for state, out in enumerate(edges):
        for _, target in out:
            into[target].append(state)
    alive = set(accepting)
    todo = list(accepting)
    for state in todo:  # grows while it is read
        new = [origin for origin in into[state] if origin not in alive]
        alive.update(new)
        todo += new
    numbers = {state: n for n, state in enumerate(sorted(alive | {0}))}
    kept = tuple(
        tuple((label, numbers[target]) for label, target in edges[state] if target in alive)
        for state in numbers
    )
    return kept, sum(1 << numbers[state] for state in accepting)


def _prefix(edges: Sequence[Edges], accepting: int) -> str:
    """Return the literal text before the first choice.

    States are numbered in the order in which a search meets them, so after n characters of the
    prefix the automaton is in state n.
    """
    text = ""
    state = 0
    while not accepting >> state & 1 and len(edges[state]) == 1:
        label, target = edges[state][0]
        if not isinstance(label, str) or target != state + 1:
            break
        text += label
        state = target
    return text


def _suffix(tokens: Tokens) -> str:
    """Return the literal text after the last token that is not literal."""
    text: list[str] = []
    for token in reversed(tokens):
        if token is Mark.SLASH:
            text.append("/")
        elif isinstance(token, str):
            text.append(token)
        else:
            # The slash that a `**` swallows need not be there to read.
            if (token is Mark.GLOBSTAR or isinstance(token, Braces)) and text[-1:] == ["/"]:
                text.pop()
            break
    return "".join(reversed(text))
