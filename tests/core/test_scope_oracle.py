"""The scope algebra against interegular, an independent library of automata.

The translation to regular expressions below shares nothing with the package: it lists the
alternatives of braces and turns segments into text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from random import Random

import interegular
import pytest
from interegular.fsm import FSM

from orchestrator.core.scope import Scope, overlaps, witness

SEGMENT = r"([^/.][^/]*|\.[^/.][^/]*|\.\.[^/]+)"
PATH = rf"{SEGMENT}(/{SEGMENT})*"

PIECES = [
    "a",
    "b",
    "ab",
    ".",
    "é",
    "*",
    "*",
    "?",
    "[ab]",
    "[!a]",
    "[!b-z]",
    "{a,b}",
    "{,a}b",
    "{a,?b}",
]
LITERALS = ["a", "b", "ab", "src", ".a", "a.b"]


def some_segment(rng: Random) -> str:
    if rng.random() < 0.35:
        return rng.choice(LITERALS)
    while True:
        text = "".join(rng.choices(PIECES, k=rng.randint(1, 3)))
        if "**" not in text and text not in {".", ".."}:
            return text


def some_glob(rng: Random) -> str:
    segments: list[str] = []
    for _ in range(rng.randint(1, 3)):
        kind = rng.random()
        if kind < 0.2:
            segments.append("**")
        elif kind < 0.3:
            segments.append(f"{{{some_segment(rng)},{some_segment(rng)}/{rng.choice(LITERALS)}}}")
        else:
            segments.append(some_segment(rng))
    return "/".join(segments)


def alternatives(glob: str) -> list[str]:
    """Return the globs without braces that a glob stands for."""
    found = re.search(r"\{([^{}]*)\}", glob)  # an innermost group
    if found is None:
        return [glob]
    before, after = glob[: found.start()], glob[found.end() :]
    return [
        complete
        for choice in found[1].split(",")
        for complete in alternatives(before + choice + after)
    ]


def regex_of(glob: str) -> str:
    if not set(glob) & set("*?[{"):
        return f"{re.escape(glob)}(/{SEGMENT})*"
    return "|".join(f"({regex_of_segments(choice.split('/'))})" for choice in alternatives(glob))


def regex_of_segments(segments: Sequence[str]) -> str:
    """Each segment but the last brings its slash; a last ``**`` takes the one before it back."""
    text = ""
    for n, segment in enumerate(segments):
        last = n == len(segments) - 1
        if segment != "**":
            text += regex_of_segment(segment) + ("" if last else "/")
        elif not last:
            text += f"({SEGMENT}/)*"
    if segments[-1] == "**":
        before = list(segments[:-1])
        if set(before) <= {"**"}:
            return PATH
        # What may stand before the `**`, then any number of segments.
        return f"({regex_of_segments(before)})(/{SEGMENT})*"
    return text


def regex_of_segment(segment: str) -> str:
    text = ""
    at = 0
    while at < len(segment):
        if segment[at] == "[":
            end = segment.index("]", at)
            body = segment[at + 1 : end]
            text += f"[^/{body[1:]}]" if body.startswith("!") else f"[{body}]"
            at = end + 1
            continue
        text += {"*": "[^/]*", "?": "[^/]"}.get(segment[at], re.escape(segment[at]))
        at += 1
    return text


@lru_cache(maxsize=1)
def canonical_paths() -> FSM:
    return interegular.parse_pattern(PATH).to_fsm()


@lru_cache(maxsize=10_000)
def loose_automaton(glob: str) -> FSM:
    """May accept texts that are no canonical paths."""
    return interegular.parse_pattern(regex_of(glob)).to_fsm().reduce()


@lru_cache(maxsize=10_000)
def automaton(glob: str) -> FSM:
    return (loose_automaton(glob) & canonical_paths()).reduce()


def automaton_of_list(globs: Sequence[str]) -> FSM:
    verdict = automaton("a") - automaton("a")
    for glob in globs:
        entry = automaton(glob.removeprefix("!"))
        verdict = verdict - entry if glob.startswith("!") else verdict | entry
    return verdict


@pytest.mark.slow
def test_pairs_of_globs() -> None:
    rng = Random(20)
    pool = [some_glob(rng) for _ in range(180)]
    yes = 0
    for _ in range(5_200):
        a, b = rng.choice(pool), rng.choice(pool)
        expected = not (automaton(a) & loose_automaton(b)).empty()
        assert overlaps(a, b) == expected, (a, b)
        found = witness(a, b)
        assert (found is not None) == expected
        if found is not None:
            yes += 1
            assert automaton(a).accepts(found), (a, b, found)
            assert automaton(b).accepts(found), (a, b, found)
    assert 1_000 < yes < 4_200


@pytest.mark.slow
def test_pairs_of_lists_with_exclusions() -> None:
    rng = Random(21)
    pool = [some_glob(rng) for _ in range(40)]

    def some_list() -> tuple[str, ...]:
        return tuple(rng.choice(["", "", "!"]) + rng.choice(pool) for _ in range(rng.randint(1, 3)))

    decided = {True: 0, False: 0}
    for _ in range(60):
        a, b = some_list(), some_list()
        left, right = Scope(a), Scope(b)
        in_a, in_b = automaton_of_list(a), automaton_of_list(b)
        common, beyond = in_a & in_b, in_a - in_b
        both, outside = left.overlap(right), left.outside(right)
        assert (both is None) == common.empty(), (a, b)
        assert (outside is None) == beyond.empty(), (a, b)
        assert both is None or common.accepts(both), (a, b, both)
        assert outside is None or beyond.accepts(outside), (a, b, outside)
        met = left.intersection(right)
        assert met.includes(left) == beyond.empty(), (a, b)
        assert left.includes(met)
        decided[both is None] += 1
    assert min(decided.values()) > 10
