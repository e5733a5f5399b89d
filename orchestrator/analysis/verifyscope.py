"""Sets of files for the verifier: the glob syntax of plans, decided by another algorithm.

``core.scope`` flattens a glob into one automaton over characters. Here a path is read segment by
segment. First it is asked which of the segment patterns that occur can match one and the same
name at once (`_kinds_of_names`); these few kinds of names are then the alphabet of a search over
whole paths (`find`). The two share no code and no idea but the syntax itself, so that a mistake
in one does not hide in the other.

Nothing of this package is imported here, on purpose; see ``docs/certificate.md``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

MOST_STATES = 200_000
"""States that one search may meet. Plans that people write stay below a few hundred."""

_LAST = 0x10FFFF

Ranges = tuple[tuple[int, int], ...]
Name = tuple[Ranges | None, ...]
"""What one segment must look like: the characters allowed at each place; None: any run (``*``)."""

Pattern = tuple[Name | None, ...]
"""A glob without braces, segment by segment; None: any number of segments (``**``)."""


class TooLargeError(Exception):
    """A question has more cases than are looked at."""


class BadGlobError(Exception):
    """A text is not a glob."""


# --- the syntax --------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def patterns(glob: str) -> tuple[Pattern, ...]:
    """Return a glob as alternatives without braces. An entry without wildcards gets its ``/**``.

    Raises:
        BadGlobError: it is not a glob.
    """
    if not any(wildcard in glob for wildcard in "*?[{"):
        names = [name for name in glob.split("/") if name]
        return ((*(_name(name) for name in names), None),)
    return tuple(
        tuple(None if name == "**" else _name(name) for name in text.split("/"))
        for text in _without_braces(glob)
    )


def _without_braces(glob: str) -> list[str]:
    """Return the texts that a glob with braces stands for."""
    start = _next(glob, 0, "{")
    if start < 0:
        return [glob]
    parts, at, depth, begin = [], start + 1, 1, start + 1
    while depth:
        at = _next(glob, at, "{,}")
        if at < 0:
            raise BadGlobError(glob)
        depth += {"{": 1, "}": -1, ",": 0}[glob[at]]
        if (glob[at] == "," and depth == 1) or depth == 0:
            parts.append(glob[begin:at])
            begin = at + 1
        at += 1
    texts = [f"{glob[:start]}{part}{glob[at:]}" for part in parts]
    found = [text for part in texts for text in _without_braces(part)]
    if len(found) > MOST_STATES:
        raise TooLargeError(glob)
    return found


def _next(glob: str, at: int, wanted: str) -> int:
    """Return where one of `wanted` stands next, outside character classes; -1: nowhere."""
    while at < len(glob):
        if glob[at] in wanted:
            return at
        at = _class_end(glob, at) + 1 if glob[at] == "[" else at + 1
    return -1


def _class_end(glob: str, at: int) -> int:
    """Return where the class that begins at `at` has its closing bracket."""
    end = glob.find("]", at + (3 if glob[at + 1 : at + 2] == "!" else 2))
    if end < 0:
        raise BadGlobError(glob)
    return end


@lru_cache(maxsize=8192)
def _name(text: str) -> Name:
    found: list[Ranges | None] = []
    at = 0
    while at < len(text):
        character = text[at]
        end = at
        if character == "*":
            found.append(None)
        elif character == "?":
            found.append(((0, _LAST),))
        elif character == "[":
            end = _class_end(text, at)
            found.append(_class(text[at + 1 : end]))
        else:
            found.append(((ord(character), ord(character)),))
        at = end + 1
    return tuple(found)


def _class(body: str) -> Ranges:
    """Return the characters that ``[body]`` stands for."""
    negated = body.startswith("!")
    body = body[negated:]
    ranges = []
    at = 0
    while at < len(body):
        step = 3 if body[at + 1 : at + 2] == "-" and at + 2 < len(body) else 1
        ranges.append((ord(body[at]), ord(body[at + step - 1])))
        at += step
    if not negated:
        return tuple(ranges)
    gaps, start = [], 0
    for first, last in sorted(ranges):
        if first > start:
            gaps.append((start, first - 1))
        start = max(start, last + 1)
    return (*gaps, (start, _LAST))


# --- one path ----------------------------------------------------------------------------------


def matches(glob: str, path: str) -> bool:
    """Whether a glob matches a path."""
    return _expression(glob).fullmatch(path + "/") is not None


@lru_cache(maxsize=4096)
def _expression(glob: str) -> re.Pattern[str]:
    """Return a glob as a regular expression over a path with a slash after each segment."""
    texts = (
        "".join("(?:[^/]+/)*" if name is None else _of_name(name) + "/" for name in pattern)
        for pattern in patterns(glob)
    )
    return re.compile("|".join(texts), re.DOTALL)


def _of_name(name: Name) -> str:
    return "".join("[^/]*" if ranges is None else _of_class(ranges) for ranges in name)


def _of_class(ranges: Ranges) -> str:
    spans = "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)
    return f"(?!/)[{spans}]" if spans else "(?!)"


def listed(entries: Sequence[str], path: str) -> bool:
    """Whether a list of entries holds a path; of those that match, the last one decides."""
    return holds(entries, lambda glob: matches(glob, path))


def holds(entries: Sequence[str], match: Callable[[str], bool]) -> bool:
    """As `listed`, for a path of which `match` knows the globs that match it."""
    for entry in reversed(entries):
        if match(entry.removeprefix("!")):
            return not entry.startswith("!")
    return False


# --- all paths ---------------------------------------------------------------------------------


class _Track:
    """How far along a pattern a reader may be: bit n stands for before its element n.

    Args:
        elements: what the pattern consists of; None: any number of letters.
        alphabet: the letters, each with the question which elements it fits.
    """

    def __init__(self, elements: Sequence[Any], alphabet: Sequence[Callable[[Any], bool]]) -> None:
        self._repeats = sum(1 << n for n, one in enumerate(elements) if one is None)
        self._fits = [
            sum(1 << n for n, one in enumerate(elements) if one is not None and fits(one))
            for fits in alphabet
        ]
        self.start = self._skipping(1)
        self.end = 1 << len(elements)

    def after(self, at: int, letter: int) -> int:
        """Return where a reader may be after one more letter."""
        return self._skipping((at & self._fits[letter]) << 1 | at & self._repeats)

    def _skipping(self, at: int) -> int:
        while (more := at | (at & self._repeats) << 1) != at:
            at = more
        return at


def find(
    globs: Iterable[str],
    must: Sequence[str],
    wanted: Callable[[Callable[[str], bool]], bool],
) -> str | None:
    """Return a path that `wanted` accepts, or None when there is none: an exhaustive search.

    Args:
        globs: every glob that `wanted` may ask about.
        must: globs that every path looked for matches; they keep the search short.
        wanted: is given a function from a glob to whether the path matches it.

    Raises:
        BadGlobError: one of the texts is not a glob.
        TooLargeError: the search would take too long.
    """
    every = [
        (glob, pattern) for glob in dict.fromkeys((*globs, *must)) for pattern in patterns(glob)
    ]
    names = dict.fromkeys(name for _, pattern in every for name in pattern if name is not None)
    alphabet = _kinds_of_names(tuple(names))
    tracks = [_Track(pattern, [fit.__contains__ for fit in alphabet]) for _, pattern in every]
    start = tuple(track.start for track in tracks)
    came: dict[tuple[int, ...], str] = {start: ""}
    todo = [start]
    for state in todo:  # grows while it is read
        ends = zip(every, tracks, state, strict=True)
        matched = {glob for (glob, _), track, at in ends if at & track.end}
        if came[state] and wanted(matched.__contains__):
            return came[state]
        for letter, example in enumerate(alphabet.values()):
            after = tuple(track.after(at, letter) for track, at in zip(tracks, state, strict=True))
            if after in came:
                continue
            alive = {glob for (glob, _), at in zip(every, after, strict=True) if at}
            if alive.issuperset(must):
                came[after] = f"{came[state]}/{example}".lstrip("/")
                todo.append(after)
                _bounded(todo)
    return None


@lru_cache(maxsize=1024)
def _kinds_of_names(names: tuple[Name, ...]) -> Mapping[frozenset[Name], str]:
    """Return which of the patterns can fit one name together, each with a shortest such name.

    Names that are empty, ``.`` or ``..`` are no names.
    """
    codes = _representatives(names)
    alphabet = [partial(_holds_code, code=code) for code in codes]
    tracks = [_Track(name, alphabet) for name in names]
    # Of each state only the patterns that may still match are kept, with where they are.
    start = (tuple((n, track.start) for n, track in enumerate(tracks)), "")
    known = {start: ""}
    todo = [start]
    found: dict[frozenset[Name], str] = {}
    for state in todo:  # grows while it is read
        places, dots = state
        text = known[state]
        if text and dots not in (".", ".."):
            fitting = frozenset(names[n] for n, at in places if at & tracks[n].end)
            found.setdefault(fitting, text)
        for letter, code in enumerate(codes):
            # Beside the places it matters whether nothing but dots has been read so far.
            seen = dots + "." if code == ord(".") and dots in ("", ".") else "more"
            moved = ((n, tracks[n].after(at, letter)) for n, at in places)
            after = (tuple((n, at) for n, at in moved if at), seen)
            if after not in known:
                known[after] = text + chr(code)
                todo.append(after)
                _bounded(todo)
    return found


def _holds_code(ranges: Ranges, code: int) -> bool:
    return any(first <= code <= last for first, last in ranges)


def _bounded(todo: Sequence[object]) -> None:
    if len(todo) > MOST_STATES:
        raise TooLargeError("its globs are too intricate to be compared")


def _representatives(names: Iterable[Name]) -> list[int]:
    """Return one character of each kind that the patterns tell apart."""
    sets = {ranges for name in names for ranges in name if ranges is not None}
    cuts = {ord("a"), ord("a") + 1, ord("."), ord(".") + 1, ord("/"), ord("/") + 1}
    for ranges in sets:
        cuts.update(cut for first, last in ranges for cut in (first, last + 1))
    chosen: dict[tuple[bool, ...], int] = {}
    # Letters first, so that examples look like names.
    for code in sorted(cuts, key=lambda cut: (not chr(min(cut, _LAST)).isalnum(), cut)):
        if code > _LAST or code == ord("/"):
            continue
        key = (code == ord("."), *(_holds_code(ranges, code) for ranges in sets))
        chosen.setdefault(key, code)
    low = (False, *(_holds_code(ranges, 0) for ranges in sets))
    chosen.setdefault(low, 0)
    return list(chosen.values())
