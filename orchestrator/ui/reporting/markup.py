"""HTML and SVG as values: whatever is not markup already is escaped.

The texts of a report come from agents, files and commands, so they are taken for hostile: `tag`
escapes every child and attribute that is not `Markup`, and `visible` makes characters seen that
could hide or reorder others.
"""

from __future__ import annotations

import json
import re
from html import escape
from typing import Any

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_KEPT = "\n\t\u00a0"
_VOID = frozenset({"br", "hr", "input", "link", "meta"})


class Markup(str):
    """Text that is HTML or SVG already."""

    __slots__ = ()


Child = str | int | float | None
"""What an element may hold; None: nothing."""


def visible(text: str) -> str:
    """Return a text in which no character hides: control characters, marks that change the
    direction of writing, zero-width ones and halves of surrogate pairs are named instead.

    Codes that only colour a terminal's output are dropped.
    """
    if text.isprintable():
        return text
    text = _COLOURS.sub("", text.replace("\r\n", "\n"))
    return "".join(
        char if char.isprintable() or char in _KEPT else f"‹U+{ord(char):04X}›" for char in text
    )


def plain(value: Child) -> Markup:
    """Return a value as markup that shows it."""
    if isinstance(value, Markup):
        return value
    if value is None:
        return Markup("")
    text = number(value) if isinstance(value, float) else str(value)
    return Markup(escape(visible(text), quote=True))


def number(value: float) -> str:
    """Return a coordinate, short: two decimals at most."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if value % 1 else f"{value:.0f}"


def join(parts: Any, between: str = "") -> Markup:
    """Return parts one after another."""
    return Markup(between.join(plain(part) for part in parts))


def tag(name: str, /, *children: Child, **attributes: Child | bool) -> Markup:
    """Return an element.

    Args:
        name: the element's name.
        children: markup as it is, anything else escaped; None is left out.
        attributes: ``_`` stands for ``-``, a final one is dropped (``class_``); None and False
            leave an attribute out, True gives it no value.
    """
    words = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        key = key.rstrip("_").replace("_", "-")
        words.append(key if value is True else f'{key}="{plain(value)}"')
    opening = " ".join(words)
    if name in _VOID:
        return Markup(f"<{opening}>")
    return Markup(f"<{opening}>{join(children)}</{name}>")


def data_block(name: str, value: Any) -> Markup:
    """Return a block of JSON that the page's script finds by its id; nothing in it is run."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    for char in "<>&":  # so that no text can end the element
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(f'<script type="application/json" id="{escape(name)}">{text}</script>')
