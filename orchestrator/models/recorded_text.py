"""Texts of two runs, made comparable: what differs whenever the same thing happens again goes."""

from __future__ import annotations

import re

_UNSTEADY = (
    # "0.12s", "3 ms", "in 1.5 seconds"
    (re.compile(r"\b\d+(?:\.\d+)? ?(?:s|ms|µs|us|sec|seconds?)\b"), "TIME"),
    (re.compile(r"\b\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?\b"), "TIME"),
    (re.compile(r"\b\d{4}-\d{2}-\d{2}\b"), "DATE"),
    (re.compile(r"\b0x[0-9a-fA-F]{6,}\b"), "ADDRESS"),
    (re.compile(r"[^\s'\"`(]*/copies/w\d+(?:\.tmp)?"), "COPY"),
)
_RULE = re.compile(r"(?P<mark>[=_-])(?P=mark){2,}")  # pytest fills a line, whatever stands in it


def steady(text: str) -> str:
    """Return a text without times, dates, addresses and the places of private copies."""
    for pattern, word in _UNSTEADY:
        text = pattern.sub(word, text)
    return _RULE.sub(r"\g<mark>", text)
