"""Canonical workspace paths.

A path is canonicalised before anything looks at it: rights, versions and claims are keyed by
the canonical form only, so two spellings of one file can never be two files to us.

The rules refuse rather than repair wherever a repair could hide a mistake or an attack; only
spellings that every POSIX system reads alike (``./a``, ``a//b``, ``a/``) are normalised.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

MAX_SEGMENT_BYTES = 255
"""Longest segment in UTF-8 bytes (NAME_MAX of the usual file systems)."""

MAX_PATH_BYTES = 4096
"""Longest path in UTF-8 bytes (PATH_MAX on Linux)."""

_LONGEST_TEXT = 4 * MAX_PATH_BYTES
_SHOWN = 80  # characters of a refused path that a message repeats

INTERNAL_SEGMENTS = frozenset({".git", ".orchestrator"})
"""Names, compared case-insensitively, that no agent may touch at any depth."""

REFUSED_CHARACTERS: tuple[tuple[int, int, str], ...] = (
    (0x00, 0x1F, "a control character"),
    (0x5C, 0x5C, "a backslash"),
    (0x7F, 0x9F, "a control character"),
    (0xAD, 0xAD, "an invisible format character"),
    (0x61C, 0x61C, "a bidirectional control"),
    (0x180E, 0x180E, "an invisible format character"),
    (0x200B, 0x200D, "an invisible format character"),
    (0x200E, 0x200F, "a bidirectional control"),
    (0x2028, 0x2029, "a line separator"),
    (0x202A, 0x202E, "a bidirectional control"),
    (0x2060, 0x2065, "an invisible format character"),
    (0x2066, 0x2069, "a bidirectional control"),
    (0x206A, 0x206F, "an invisible format character"),
    (0xD800, 0xDFFF, "a lone surrogate"),
    (0xFEFF, 0xFEFF, "an invisible format character"),
    (0xFFF9, 0xFFFB, "an invisible format character"),
    (0xE0000, 0xE007F, "an invisible tag character"),
)
"""Code points (first, last, what they are) that no path and no glob may hold, sorted.

Invisible and bidirectional characters make two different names look alike, or one name look
like another, to the person who reviews it.
"""

_REFUSED = re.compile(
    "[" + "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last, _ in REFUSED_CHARACTERS) + "]"
)
# One pass over an ordinary ASCII path: visible characters and inner spaces, no segment that is
# empty, `.`, `..` or internal, none over the limit. Anything else takes the slow, explaining way.
_ORDINARY = re.compile(
    r"(?!/|~|[A-Za-z]:)"
    r"(?:(?:^|/)(?!(?:\.|\.\.|\.git|\.orchestrator)(?:/|\Z))[!-.0-\[\]-~ ]{1,255}(?<! ))+",
    re.IGNORECASE,
)


class PathError(ValueError):
    """A text is not the path of a workspace file.

    Attributes:
        what: what is wrong with it.
        fix: how to write it instead.
    """

    def __init__(self, what: str, fix: str) -> None:
        self.what, self.fix = what, fix
        super().__init__(f"{what}; {fix}")

    def __reduce__(self) -> tuple[type[PathError], tuple[str, str]]:
        return type(self), (self.what, self.fix)


def canonical(path: str) -> str:
    """Return the one spelling under which the workspace knows a file.

    ``./a``, ``a/./b``, ``a//b`` and a trailing slash are brought to the plain form; nothing
    else is changed.

    Args:
        path: a POSIX path relative to the workspace.

    Raises:
        PathError: the path is empty, absolute, climbs with ``..``, holds a backslash, a control
            or an invisible character, is not in Unicode normal form C, is too long, has a
            segment that ends in a space, or touches ``.git`` or ``.orchestrator``.
    """
    if path.isascii() and len(path) <= MAX_PATH_BYTES and _ORDINARY.fullmatch(path):
        return path
    _check_text(path)
    segments = [segment for segment in path.split("/") if segment not in ("", ".")]
    if not segments:
        raise PathError(
            f"{_shown(path)} names the workspace itself, not a file in it",
            "name a file, for example 'src/a.py'",
        )
    for segment in segments:
        _check_segment(path, segment)
    plain = "/".join(segments)
    _check_relative(plain)
    if len(plain.encode()) > MAX_PATH_BYTES:
        raise _too_long(plain)
    return plain


def leaves(text: str) -> bool:
    """Whether a path or a glob points out of the workspace, or at what is internal.

    Such a text is refused whatever else is wrong with it. The question is asked to tell a
    misspelt path from one that was to lead out of bounds; what is far too long is neither.

    Args:
        text: a path or a glob, as somebody wrote it.
    """
    if len(text) > _LONGEST_TEXT:
        return False
    segments = text.replace("\\", "/").split("/")
    named = [part for part in segments if part not in ("", ".")]
    inside = not {"..", *INTERNAL_SEGMENTS}.intersection(part.casefold() for part in named)
    return any(map(absolute, ("/".join(segments), "/".join(named)))) or not inside


def absolute(text: str) -> str | None:
    """Return why `text` is no path relative to the workspace, or None if it is one."""
    if text.startswith("/"):
        return "it starts with '/'"
    if text.startswith("~"):
        return "'~' stands for a home directory"
    if text[:1].isascii() and text[:1].isalpha() and text[1:2] == ":":
        return f"{text[:2]!r} is a drive"
    return None


def refused_character(text: str) -> tuple[str, str] | None:
    """Return the first character of `text` that no path may hold and what it is, or None."""
    found = _REFUSED.search(text)
    if found is None:
        return None
    code = ord(found[0])
    kind = next(kind for first, last, kind in REFUSED_CHARACTERS if first <= code <= last)
    return found[0], kind


@lru_cache(maxsize=65_536)
def twin_key(path: str) -> str:
    """Return a key that is equal for two paths exactly if some file system may confuse them.

    That is Unicode's canonical caseless match (The Unicode Standard, 3.13, D145): decompose,
    fold case, decompose again. The compatibility forms (NFKC) are left alone, because no file
    system identifies ``x²`` with ``x2``.

    Args:
        path: a canonical path.
    """
    if path.isascii():
        return path.lower()
    folded = unicodedata.normalize("NFD", path).casefold()
    return unicodedata.normalize("NFD", folded)


def _too_long(path: str) -> PathError:
    return PathError(
        f"the path {path[:40]!r}... is longer than {MAX_PATH_BYTES} bytes", "shorten it"
    )


def _shown(path: str) -> str:
    """Return a path for a message, cut when it is long."""
    return repr(path) if len(path) <= _SHOWN else f"{path[:_SHOWN]!r}..."


def _check_text(path: str) -> None:
    """Refuse what is wrong with the path as a whole."""
    if not path:
        raise PathError("the path is empty", "name a file, for example 'src/a.py'")
    if len(path) > _LONGEST_TEXT:
        raise _too_long(path)
    refused = refused_character(path)
    if refused is not None and refused[0] == "\\":
        raise PathError(f"{_shown(path)} holds a backslash", "separate segments with '/'")
    if refused is not None:
        raise PathError(
            f"{_shown(path)} holds {refused[1]} (U+{ord(refused[0]):04X})",
            "leave that character out",
        )
    _check_relative(path)
    plain = unicodedata.normalize("NFC", path)
    if plain != path:
        raise PathError(
            f"{_shown(path)} is not in Unicode normal form C", f"write it as {_shown(plain)}"
        )


def _check_relative(path: str) -> None:
    """Refuse an absolute path; `./~` becomes one only once it is brought to the plain form."""
    reason = absolute(path)
    if reason is not None:
        raise PathError(
            f"{_shown(path)} is not relative to the workspace: {reason}",
            "write the path as seen from the top of the workspace, for example 'src/a.py'",
        )


def _check_segment(path: str, segment: str) -> None:
    """Refuse what is wrong with one segment of `path`."""
    if segment == "..":
        raise PathError(
            f"{_shown(path)} climbs with '..'",
            "write the path as seen from the top of the workspace, without '..'",
        )
    if segment.casefold() in INTERNAL_SEGMENTS:
        raise PathError(
            f"{_shown(path)} touches {_shown(segment)}, which is internal", "work on another file"
        )
    if segment.endswith(" "):
        raise PathError(
            f"{_shown(path)} has a segment that ends in a space", "leave the trailing space out"
        )
    if len(segment.encode()) > MAX_SEGMENT_BYTES:
        raise PathError(
            f"the segment {segment[:40]!r}... is longer than {MAX_SEGMENT_BYTES} bytes",
            "choose a shorter name",
        )
