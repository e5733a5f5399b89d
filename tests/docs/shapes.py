"""Is an output the one that a document shows, figures apart?"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_RUN = re.compile(r"\b\d{8}-\d{6}-[\w-]+|\bRUN\b")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z?")
_FIGURE = re.compile(r"\d[\d.,]*")
_FOLDER = re.compile(r"(?:\.{0,2}/)?(?:[\w.+-]+/)+|(?<![\w.])/(?=\w)")
_RULE = re.compile(r"[─━-]{4,}")


def normalised(line: str) -> str:
    """Return a line without figures, times, ids of runs, folders and layout."""
    line = _TIME.sub("T", _RUN.sub("R", line))
    line = _RULE.sub("-", _FIGURE.sub("0", _FOLDER.sub("", line)))
    return " ".join(line.split())


def missing_lines(expected: Sequence[str], actual: str) -> list[str]:
    """Return the expected lines that the output lacks, or has in another order.

    A line `…` stands for any lines, and a `…` inside a line for any text; other lines of the
    output may be left out by the document.
    """
    have = [normalised(line) for line in actual.splitlines()]
    missing, place = [], 0
    for line in expected:
        if line.strip() in ("", "…", "..."):
            continue
        parts = [re.escape(normalised(part)) for part in line.split("…")]
        pattern = re.compile(r"\s*.*?\s*".join(parts))
        for at in range(place, len(have)):
            if pattern.fullmatch(have[at]):
                place = at + 1
                break
        else:
            missing.append(line)
    return missing


def differing_keys(expected: Any, actual: Any, place: str = "") -> list[str]:
    """Return where two JSON values differ in shape: keys that are missing, types that are others.

    The document may leave keys out. `"…"` as a value stands for anything; of a list the first
    entries are compared.
    """
    if expected == "…":
        return []
    if isinstance(expected, Mapping):
        if not isinstance(actual, Mapping):
            return [f"{place or 'the whole'} is no object"]
        found = []
        for key, value in expected.items():
            if key == "…":
                continue
            if key not in actual:
                found.append(f"{place}.{key} is not there")
            else:
                found += differing_keys(value, actual[key], f"{place}.{key}")
        return found
    if isinstance(expected, list):
        if not isinstance(actual, list):
            return [f"{place or 'the whole'} is no list"]
        both = bool(expected) and bool(actual)
        return differing_keys(expected[0], actual[0], f"{place}[0]") if both else []
    same = _sort(expected) == _sort(actual) or None in (expected, actual)
    return [] if same else [f"{place} is {actual!r}, not like {expected!r}"]


def _sort(value: Any) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return "number" if number else type(value).__name__
