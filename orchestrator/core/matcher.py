"""Matching single paths: the automata of a scope, determinised as far as paths have led."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from orchestrator.core.automata import Automaton, compiled
from orchestrator.core.charset import CharSet, Label

MAX_CACHED_MOVES = 50_000
"""Moves that one `Matcher` remembers before it starts afresh."""


class Node:
    """One state of a `Matcher`: the states that its automata may be in.

    Attributes:
        mask: those states, as a bit mask; 0: nothing can match any more.
        accepts: whether a path that ends here is matched.
        moves: known next states by character.
    """

    __slots__ = ("accepts", "mask", "moves")

    def __init__(self, mask: int, accepts: bool) -> None:
        self.mask = mask
        self.accepts = accepts
        self.moves: dict[str, Node] = {}


class Matcher:
    """A list of entries, determinised as far as paths have led; the last entry that matches wins.

    One character of a path costs one dictionary look-up once it has been seen in that state.
    What is remembered is bounded, and several threads may use one matcher: all that they
    write is equal whoever writes it.

    Args:
        entries: automata, each with whether it adds files (True) or takes them away.
    """

    __slots__ = ("_edges", "_known", "_nodes", "_start", "_verdicts")

    def __init__(self, entries: Iterable[tuple[Automaton, bool]]) -> None:
        self._edges: list[list[tuple[Label, int]]] = []
        verdicts: list[tuple[int, bool]] = []
        start = 0
        for automaton, adds in entries:
            offset = len(self._edges)
            start |= 1 << offset
            verdicts.append((automaton.accepting << offset, adds))
            self._edges += [
                [(label, 1 << (target + offset)) for label, target in out]
                for out in automaton.edges
            ]
        self._verdicts = verdicts[::-1]
        self._known = 0
        self._nodes: dict[int, Node] = {}
        self._start = self._node(start)

    @property
    def start(self) -> Node:
        """The state before the first character."""
        return self._start

    def matches(self, path: str) -> bool:
        """Whether the entries together match a canonical path."""
        node = self._start
        for character in path:
            node = node.moves.get(character) or self.step(node, character)
        return (node.moves.get("/") or self.step(node, "/")).accepts

    def walk(self, node: Node, text: str) -> Node:
        """Return the state after `text`, read from `node`; stop where nothing can match."""
        for character in text:
            node = node.moves.get(character) or self.step(node, character)
            if not node.mask:
                break
        return node

    def step(self, node: Node, character: str) -> Node:
        """Return the state after one character, and remember it."""
        mask = 0
        for state in _bits(node.mask):
            for label, target in self._edges[state]:
                if label == character or (isinstance(label, CharSet) and character in label):
                    mask |= target
        if self._known >= MAX_CACHED_MOVES:
            self._known = 0
            self._nodes = {}
            self._start = self._node(self._start.mask)
        self._known += 1
        after = self._node(mask)
        node.moves[character] = after
        return after

    def labels(self, node: Node) -> list[Label]:
        """Return the labels that the states of `node` read, each once, in a fixed order."""
        return list(
            dict.fromkeys(label for state in _bits(node.mask) for label, _ in self._edges[state])
        )

    def _node(self, mask: int) -> Node:
        node = self._nodes.get(mask)
        if node is None:
            accepts = next((adds for ends, adds in self._verdicts if mask & ends), False)
            node = self._nodes.setdefault(mask, Node(mask, accepts))
        return node


def _bits(mask: int) -> Iterator[int]:
    """Yield the numbers of the bits that are set."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


@lru_cache(maxsize=4096)
def matcher(globs: tuple[str, ...]) -> Matcher:
    """Return the matcher of the union of some globs."""
    return Matcher((compiled(glob), True) for glob in globs)
