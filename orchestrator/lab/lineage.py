"""Who wrote each line of a file, and who overwrote whose lines.

For files that several attempts edit at once (`shares`): each edit is made on top of the others',
so the file as a whole says nothing, but lines do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import SequenceMatcher

from orchestrator.lab.transactions import FileVersion, Key, Transactions

Overwrite = tuple[FileVersion, FileVersion]
"""A version that brought lines, and a later one of somebody else that replaced or removed some."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """The lines of one file.

    Attributes:
        overwrites: whose lines were replaced or removed by whom, in order, each pair once.
        authors: whose lines the newest version still has.
    """

    overwrites: tuple[Overwrite, ...]
    authors: frozenset[Key]


def lineage_of(
    history: Transactions,
    path: str,
    start: str | None,
    text: Callable[[str, str], str | None],
) -> Lineage | None:
    """Return who wrote the lines of a file, and who overwrote whose.

    Args:
        start: digest of the file when the run began; None: it was not there.
        text: returns the text of a version, given path and digest; None: it cannot be had.

    Returns:
        None if some version cannot be had or is no text.
    """
    lines: list[str] = []
    if start is not None:
        content = text(path, start)
        if content is None:
            return None
        lines = content.splitlines()
    origins: list[FileVersion | None] = [None] * len(lines)
    found: dict[Overwrite, None] = {}
    for version in history.versions[path]:
        content = "" if version.digest is None else text(path, version.digest)
        if content is None:
            return None
        after = content.splitlines()
        matcher = SequenceMatcher(None, lines, after, autojunk=False)
        kept: list[FileVersion | None] = [None if version.undoes else version] * len(after)
        for tag, a, b, c, d in matcher.get_opcodes():
            if tag == "equal":
                kept[c:d] = origins[a:b]
                continue
            for origin in origins[a:b] if version.undoes is None else ():
                if origin is not None and origin.author != version.author:
                    found[origin, version] = None
        lines, origins = after, kept
    return Lineage(tuple(found), frozenset(one.author for one in origins if one is not None))
