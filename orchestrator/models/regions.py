"""Named regions of a text: the parts of a shared file that belong to different tasks.

A region stands between two marker lines, comments in whatever language the file has::

    # region: lexer
    ...
    # endregion: lexer
"""

from __future__ import annotations

import re

_MARKER = re.compile(r"^\s*[^\w\s]+\s*(?P<end>end)?region:\s*(?P<name>\S+)\s*(?:-->|\*/)?\s*$")


def find_region(text: str, name: str) -> str | None:
    """Return the region `name` of `text` with both its marker lines, or None.

    The last line comes without its line break. Of two regions with one name the first counts.
    """
    start, offset = None, 0
    for line in text.splitlines(keepends=True):
        marker = _MARKER.match(line)
        if marker and marker["name"] == name:
            if not marker["end"] and start is None:
                start = offset
            elif marker["end"] and start is not None:
                return text[start : offset + len(line.rstrip("\r\n"))]
        offset += len(line)
    return None


def has_regions(text: str) -> bool:
    """Whether `text` has at least one region marker."""
    return any(_MARKER.match(line) for line in text.splitlines())
