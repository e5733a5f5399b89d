"""The glob syntax of plans, roles and the command line: text in, tokens out.

======================  =======================================================================
``*``                   any run of characters but ``/``, the empty run included
``?``                   one character but ``/``
``**``                  as a whole segment: any number of segments, zero included, so that
                        ``a/**`` matches ``a`` itself and ``a/**/b`` matches ``a/b``
``[abc] [a-z] [!x]``    one character of the class, or one outside it; never ``/``; a ``]`` put
                        first and a ``-`` put first or last stand for themselves
``{a,b}``               one of the alternatives; they may be nested, be empty, and hold ``/``
anything else           itself, case-sensitively; a leading dot is nothing special
======================  =======================================================================

An entry without ``* ? [ {`` is plain: that path and everything below it. Every other entry
matches just the paths that it describes, so ``{src,lib}`` matches two paths and nothing below.

There is no escape character: ``[*]`` is a literal star, and `escape` writes that for a path.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import Enum

from orchestrator.core.charset import ANY, NEVER, CharSet, label_of, merge, subtract
from orchestrator.core.paths import absolute, refused_character

MAX_GLOB_CHARACTERS = 4096
MAX_BRACE_DEPTH = 16
WILDCARDS = "*?[{"


class GlobError(ValueError):
    """A text is not a glob.

    Attributes:
        what: what is wrong with it.
        fix: how to write it instead.
    """

    def __init__(self, what: str, fix: str) -> None:
        self.what, self.fix = what, fix
        super().__init__(f"{what}; {fix}")

    def __reduce__(self) -> tuple[type[GlobError], tuple[str, str]]:
        return type(self), (self.what, self.fix)


# -- tokens ---------------------------------------------------------------------------------------


class Mark(Enum):
    """The tokens that are neither a character nor a set of characters."""

    STAR = "*"
    GLOBSTAR = "**"
    SLASH = "/"


@dataclass(frozen=True, slots=True)
class Braces:
    """Alternatives of a brace group."""

    branches: tuple[tuple[Token, ...], ...]


Token = str | CharSet | Mark | Braces | None
"""One token; None is a class that no character belongs to."""

Tokens = tuple[Token, ...]


def is_plain(glob: str) -> bool:
    """Whether an entry has no wildcards, so that it stands for a path and all below it."""
    return not any(wildcard in glob for wildcard in WILDCARDS)


def escape(path: str) -> str:
    """Return a glob that matches `path`, whatever characters it holds.

    A path without special characters comes back as it is, and then also stands for all below.

    Args:
        path: a canonical path.
    """
    special = "".join(
        f"[{c}]" if c in "*?[{}" else c for c in (path[1:] if path.startswith("!") else path)
    )
    return f"{{!}}{special}" if path.startswith("!") else special


def parse(glob: str) -> Tokens:
    """Return the tokens of one entry, its leading ``!`` already taken off.

    A plain entry gets the ``/**`` that it stands for.

    Raises:
        GlobError: the text is not a glob.
    """
    _check_text(glob)
    plain = is_plain(glob)
    tokens = _Parser(glob).parse()
    if plain and tokens[-1] is Mark.SLASH:
        tokens = tokens[:-1]
    _check_tokens(glob, tokens)
    return (*tokens, Mark.SLASH, Mark.GLOBSTAR) if plain else tokens


def _check_text(glob: str) -> None:
    """Refuse what can be seen without parsing."""
    if not glob:
        raise GlobError("the glob is empty", "name files, for example 'src/**'")
    if len(glob) > MAX_GLOB_CHARACTERS:
        raise GlobError(
            f"the glob {glob[:40]!r}... is longer than {MAX_GLOB_CHARACTERS} characters",
            "split it into several entries",
        )
    if glob.startswith("!"):
        raise GlobError(
            f"{glob!r} begins with '!' where no exclusion can stand",
            "leave the '!' out, or write '{!}' for a name that begins with '!'",
        )
    refused = refused_character(glob)
    if refused is not None and refused[0] == "\\":
        raise GlobError(
            f"the glob {glob!r} holds a backslash",
            "separate segments with '/', and write '[*]' for a literal '*'",
        )
    if refused is not None:
        raise GlobError(
            f"the glob {glob!r} holds {refused[1]} (U+{ord(refused[0]):04X})",
            "leave that character out",
        )
    reason = absolute(glob)
    if reason is not None:
        raise GlobError(
            f"the glob {glob!r} is not relative to the workspace: {reason}",
            "write it as seen from the top of the workspace, for example 'src/**'",
        )
    composed = unicodedata.normalize("NFC", glob)
    if composed != glob:
        raise GlobError(
            f"the glob {glob!r} is not in Unicode normal form C, so no path would match it",
            f"write it as {composed!r}",
        )


class _Parser:
    """Recursive descent over one glob; `_at` is the next character to read."""

    def __init__(self, glob: str) -> None:
        self._glob = glob
        self._at = 0
        self._depth = 0

    def parse(self) -> Tokens:
        tokens = self._sequence()
        if self._at < len(self._glob):
            raise GlobError(
                f"the glob {self._glob!r} has a '}}' without a '{{'",
                "write '[}]' for a literal '}'",
            )
        return tokens

    def _sequence(self) -> Tokens:
        """Read up to the end, or to the ``,`` or ``}`` that ends an alternative."""
        tokens: list[Token] = []
        glob = self._glob
        while self._at < len(glob):
            character = glob[self._at]
            if character == "}" or (character == "," and self._depth):
                break
            if character == "*":
                tokens.append(self._stars())
                continue
            self._at += 1
            if character == "/":
                tokens.append(Mark.SLASH)
            elif character == "?":
                tokens.append(ANY)
            elif character == "[":
                tokens.append(self._class())
            elif character == "{":
                tokens.append(self._braces())
            else:
                tokens.append(character)
        return tuple(tokens)

    def _stars(self) -> Mark:
        start = self._at
        while self._glob[self._at : self._at + 1] == "*":
            self._at += 1
        if self._at - start > len("**"):
            raise _inside_segment(self._glob)
        return Mark.STAR if self._at - start == 1 else Mark.GLOBSTAR

    def _braces(self) -> Braces:
        self._depth += 1
        if self._depth > MAX_BRACE_DEPTH:
            raise GlobError(
                f"the glob {self._glob!r} nests braces deeper than {MAX_BRACE_DEPTH}",
                "split it into several entries",
            )
        branches = [self._sequence()]
        while self._glob[self._at : self._at + 1] == ",":
            self._at += 1
            branches.append(self._sequence())
        if self._at == len(self._glob):
            raise GlobError(
                f"the glob {self._glob!r} has a '{{' without a '}}'",
                "close it, or write '[{]' for a literal '{'",
            )
        self._at += 1
        self._depth -= 1
        if branches == [()]:
            raise GlobError(
                f"the glob {self._glob!r} has empty braces",
                "name the alternatives, or write '[{][}]' for literal braces",
            )
        return Braces(tuple(branches))

    def _class(self) -> Token:
        """Read a class; its ``[`` has been read."""
        glob = self._glob
        negated = glob[self._at : self._at + 1] == "!"
        start = self._at + negated
        end = glob.find("]", start + 1)
        body = glob[start:end]
        if end < 0 or "/" in body:
            raise GlobError(
                f"the glob {glob!r} has a '[' that its segment does not close",
                "close it with ']' (a class never holds '/'), or write '[[]' for a literal '['",
            )
        if body.startswith("^") and not negated:
            raise GlobError(
                f"the glob {glob!r} has a class that starts with '^'",
                f"write '[!{body[1:] or '^'}]' for any other character; put '^' last to mean it",
            )
        if body[:2] in {"[:", "[.", "[="} and body[2:].endswith(body[1]):
            raise GlobError(
                f"the glob {glob!r} has a named class, which is not known here",
                "write the characters, for example '[a-z]'",
            )
        self._at = end + 1
        ranges = merge(self._class_ranges(body))
        return label_of(subtract(ANY.ranges if negated else ranges, ranges if negated else NEVER))

    def _class_ranges(self, body: str) -> list[tuple[int, int]]:
        ranges: list[tuple[int, int]] = []
        at = 0
        while at < len(body):
            if body[at + 1 : at + 2] == "-" and at + 2 < len(body):
                first, last = body[at], body[at + 2]
                if first > last:
                    raise GlobError(
                        f"the glob {self._glob!r} has the range '{first}-{last}' backwards",
                        f"write '{last}-{first}'",
                    )
                ranges.append((ord(first), ord(last)))
                at += 3
            else:
                ranges.append((ord(body[at]), ord(body[at])))
                at += 1
        return ranges


# -- what the tokens must not say -----------------------------------------------------------------


class _Seen(Enum):
    """What has been read of the current segment, as far as the rules care."""

    BEGIN = "nothing at all"
    SLASH = "nothing since a slash"
    DOT = "."
    DOTS = ".."
    STAR = "a text that ends in a star"
    GLOBSTAR = "**"
    TEXT = "any other text"


def _check_tokens(glob: str, tokens: Tokens) -> None:
    """Refuse wrong segments in whichever alternatives they arise, without listing those."""
    ends = _follow(glob, tokens, frozenset({_Seen.BEGIN}))
    if _Seen.BEGIN in ends:
        raise GlobError(f"the glob {glob!r} can be empty", "leave the empty alternative out")
    if _Seen.SLASH in ends:
        raise GlobError(
            f"the glob {glob!r} ends in '/'",
            "write '/**' at its end for everything below, or leave the '/' out",
        )
    _check_segment_end(glob, ends)


def _follow(glob: str, tokens: Tokens, seen: frozenset[_Seen]) -> frozenset[_Seen]:
    """Return what may have been seen after `tokens` when `seen` may have been before them."""
    for token in tokens:
        if isinstance(token, Braces):
            seen = frozenset().union(*(_follow(glob, branch, seen) for branch in token.branches))
        elif token is Mark.SLASH:
            if _Seen.BEGIN in seen:
                raise GlobError(f"the glob {glob!r} can start with '/'", "leave that '/' out")
            if _Seen.SLASH in seen:
                raise GlobError(f"the glob {glob!r} has an empty segment", "write one '/'")
            _check_segment_end(glob, seen)
            seen = frozenset({_Seen.SLASH})
        elif token is Mark.GLOBSTAR:
            if not seen <= {_Seen.BEGIN, _Seen.SLASH}:
                raise _inside_segment(glob)
            seen = frozenset({_Seen.GLOBSTAR})
        else:
            if _Seen.GLOBSTAR in seen or (token is Mark.STAR and _Seen.STAR in seen):
                raise _inside_segment(glob)
            seen = frozenset(_after(before, token) for before in seen)
    return seen


def _after(before: _Seen, token: Token) -> _Seen:
    """Return what has been seen after a token that stays inside the segment."""
    if token is Mark.STAR:
        return _Seen.STAR
    if token == "." and before in (_Seen.BEGIN, _Seen.SLASH):
        return _Seen.DOT
    return _Seen.DOTS if token == "." and before is _Seen.DOT else _Seen.TEXT


def _check_segment_end(glob: str, seen: frozenset[_Seen]) -> None:
    for dots in (_Seen.DOT, _Seen.DOTS):
        if dots in seen:
            raise GlobError(
                f"the glob {glob!r} has a segment {dots.value!r}",
                "write it as seen from the top of the workspace, without '.' and '..' segments",
            )


def _inside_segment(glob: str) -> GlobError:
    return GlobError(
        f"the glob {glob!r} has '**' inside a segment",
        "write '*' for any characters of one segment, or '**' between slashes for any segments",
    )
