"""A list of globs as one regular expression, for a model to see which paths it may name.

The expression says the same as the globs about every canonical path. It is help, not the bound:
the bound is checked on the canonical path, in code (`core.scope`), because an expression cannot
know that ``a/../b`` is ``b``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby, islice

from orchestrator.core.charset import NEVER, CharSet, subtract
from orchestrator.core.glob import Braces, Mark, Token, Tokens, parse

MAX_BRANCHES = 64
"""Alternatives of braces that are written out; beyond them there is no expression."""

_ANY = r"[^/\n]"
_NOTHING = "(?!)"
_EVERYTHING = ((0, 0x10FFFF),)


def path_pattern(globs: Sequence[str]) -> str | None:
    """Return a regular expression for the paths that `globs` match.

    The expression means the same in Python and in ECMAScript, which JSON Schema prescribes.

    Args:
        globs: entries as in a plan; a leading ``!`` takes files away, later entries win.

    Returns:
        The expression, or None where braces would make it too long to be of use.

    Raises:
        GlobError: an entry is not a glob.
    """
    matched: list[str] = []
    for excluded, entries in groupby(globs, key=_is_exclusion):
        expressions = [_expression(entry.removeprefix("!")) for entry in entries]
        if None in expressions:
            return None
        group = "|".join(filter(None, expressions))
        if not excluded:
            matched.append(group)
        elif matched:
            matched = [f"(?!(?:{group})$)(?:{'|'.join(matched)})"]
    return f"^(?:{'|'.join(matched) or _NOTHING})$(?!\\n)"


def in_words(globs: Sequence[str]) -> str:
    """Return a list of globs as a model reads it best."""
    parts: list[str] = []
    for excluded, group in groupby(globs, key=_is_exclusion):
        names = ", ".join(f"`{glob.removeprefix('!')}`" for glob in group)
        if not excluded:
            parts.append(f"and also {names}" if parts else names)
        elif parts:
            parts.append(f"except {names}")
    return " ".join(parts) or "none"


def _is_exclusion(glob: str) -> bool:
    return glob.startswith("!")


def _expression(glob: str) -> str | None:
    branches = list(islice(_without_braces(parse(glob)), MAX_BRANCHES + 1))
    if len(branches) > MAX_BRANCHES:
        return None
    return "|".join(_branch(tokens) for tokens in branches)


def _without_braces(tokens: Tokens) -> Iterator[Tokens]:
    """Yield the token sequences that `tokens` stand for, alternatives written out."""
    for index, token in enumerate(tokens):
        if isinstance(token, Braces):
            for branch in token.branches:
                yield from _without_braces((*tokens[:index], *branch, *tokens[index + 1 :]))
            return
    yield tokens


def _branch(tokens: Tokens) -> str:
    """Return the expression for tokens without braces, segment by segment."""
    split: list[list[Token]] = [[]]
    for token in tokens:
        if token is Mark.SLASH:
            split.append([])
        else:
            split[-1].append(token)
    # Several `**` in a row say no more than one.
    segments = [
        s for i, s in enumerate(split) if s != [Mark.GLOBSTAR] or split[i + 1 : i + 2] != [s]
    ]
    parts: list[str] = []
    slash = ""  # what separates the next segment from those before it
    for index, segment in enumerate(segments):
        last = index == len(segments) - 1
        if segment != [Mark.GLOBSTAR]:
            parts.append(slash + _segment(segment))
            slash = "/"
        elif not last:
            parts.append(f"{slash}(?:{_ANY}+/)*")
            slash = ""
        elif slash:
            parts.append(f"(?:/{_ANY}+)*")
        else:
            parts.append(f"{_ANY}+(?:/{_ANY}+)*")
    return "".join(parts)


def _segment(tokens: Sequence[Token]) -> str:
    if list(tokens) == [Mark.STAR]:
        return f"{_ANY}+"
    return "".join(f"{_ANY}*" if token is Mark.STAR else _character(token) for token in tokens)


def _character(token: Token) -> str:
    if isinstance(token, str):
        return _escape(token)
    if isinstance(token, CharSet):
        return _class(token)
    return _NOTHING


def _class(label: CharSet) -> str:
    """Return a set of characters as a class, the shorter way round."""
    if label.ranges[-1][1] < 0x10FFFF:
        return f"[{_ranges(label.ranges)}]"
    outside = subtract(subtract(_EVERYTHING, label.ranges), NEVER)
    return rf"[^/\n{_ranges(outside)}]"


def _ranges(ranges: Sequence[tuple[int, int]]) -> str:
    return "".join(
        _escape(chr(first)) if first == last else f"{_escape(chr(first))}-{_escape(chr(last))}"
        for first, last in ranges
    )


def _escape(character: str) -> str:
    return re.sub(r"[\^$.*+?()\[\]{}|\-/\\]", r"\\\g<0>", character) if character != "/" else "/"
