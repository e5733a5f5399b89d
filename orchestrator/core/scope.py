"""Scopes: sets of files given by globs, decided exactly.

A `Scope` is a list of entries in the syntax of ``core.glob``. An entry adds files, one with a
leading ``!`` takes files away, and of several entries that match a path the last one wins.

Every question about scopes is a question whether some path is matched by all globs of one
group and by none of another, so a scope is kept as the union of such `Term`s:

- the list ``a, !x, b`` is ``a without x``, or ``b``;
- an intersection joins each term of one side with each term of the other;
- "not in this scope" is the list with the signs turned round, after a leading ``**``.

``core.automata`` answers that question with a witness. Nothing is decided by prefix or by
sampling. Paths are sequences of segments that are neither empty nor ``.`` nor ``..``, of
characters that ``core.paths`` admits; the limits of `canonical` on whole names (length,
``.git``, normal form) are not modelled, so two scopes may count as overlapping on such a name.

Cost: a pair of globs takes the product of their sizes at worst, tens of microseconds in
practice. Exclusions are exponential in the worst case, see ``core.automata.shortest``; lists of
n and m entries ask n * m pairs, of which unlike literal beginnings and ends settle most.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from orchestrator.core.automata import Automaton, compiled
from orchestrator.core.glob import GlobError, escape, is_plain
from orchestrator.core.matcher import Matcher, matcher
from orchestrator.core.witnesses import apart, shortest

__all__ = ["GlobError", "Scope", "Term", "escape", "is_plain", "overlaps", "witness"]


@dataclass(frozen=True, slots=True)
class Term:
    """The paths that all globs of `inside` and none of `outside` match.

    Attributes:
        inside: at least one glob, sorted.
        outside: globs, sorted.
    """

    inside: tuple[str, ...]
    outside: tuple[str, ...] = ()

    @classmethod
    def of(cls, inside: Iterable[str], outside: Iterable[str] = ()) -> Term:
        """Return the term of these globs, whatever their order."""
        return cls(tuple(sorted(set(inside))), tuple(sorted(set(outside))))

    def __and__(self, other: Term) -> Term:
        return Term.of(self.inside + other.inside, self.outside + other.outside)

    def member(self) -> str | None:
        """Return a shortest path of the term, or None."""
        return shortest(self.inside, self.outside)

    def holds(self, path: str) -> bool:
        """Whether a canonical path is in the term."""
        return all(matcher((glob,)).matches(path) for glob in self.inside) and not any(
            matcher((glob,)).matches(path) for glob in self.outside
        )


def overlaps(a: str, b: str) -> bool:
    """Whether some path matches both globs.

    Args:
        a: a glob.
        b: a glob; neither may be an exclusion (`Scope` takes those).

    Raises:
        GlobError: one of the texts is not a glob.
    """
    return Term.of((a, b)).member() is not None


def witness(a: str, b: str) -> str | None:
    """Return a path that matches both globs, or None if no path does.

    Raises:
        GlobError: one of the texts is not a glob.
    """
    return _first([Term.of((a, b))])


class Scope:
    """A set of files. Immutable, hashable; equal to a scope that is written the same way.

    Args:
        globs: entries; none at all is the empty scope.

    Raises:
        GlobError: an entry is not a glob; all such entries are named.
    """

    __slots__ = (
        "_antiterms",
        "_automata",
        "_exact",
        "_globs",
        "_join",
        "_matcher",
        "_sides",
        "_terms",
    )

    def __init__(self, globs: Iterable[str] = ()) -> None:
        if isinstance(globs, str):
            raise TypeError("a scope is made of a list of globs, not of one text")
        self._globs = tuple(globs)
        self._exact = True
        self._join: _Join | None = None
        self._sides: tuple[Scope, ...] = ()
        self._matcher: Matcher | None = None
        self._terms: tuple[Term, ...] | None = None
        self._antiterms: tuple[Term, ...] | None = None
        self._automata = _compiled(self._globs)  # held, so that they are never compiled again

    @property
    def globs(self) -> tuple[str, ...]:
        """The entries; see `exact` for what they are when no list says what the scope holds."""
        return self._globs

    @property
    def exact(self) -> bool:
        """Whether `globs` say exactly what this scope holds.

        False for an intersection or a union that no simple list expresses: `globs` then bound
        it from above (they match all that it holds, and more), and `str` shows it in full.
        """
        return self._exact

    @property
    def terms(self) -> tuple[Term, ...]:
        """The scope as a union of terms."""
        if self._terms is None:
            if self._join is None:
                self._terms = _list_terms(_entries(self._globs))
            else:
                left, right = self._sides
                self._terms = _joined(self._join, left.terms, right.terms)
        return self._terms

    @property
    def antiterms(self) -> tuple[Term, ...]:
        """All paths that are not in the scope, as a union of terms."""
        if self._antiterms is None:
            if self._join is None:
                turned = [(glob, not adds) for glob, adds in _entries(self._globs)]
                self._antiterms = _list_terms([("**", True), *turned])
            else:
                left, right = self._sides
                other: _Join = "or" if self._join == "and" else "and"
                self._antiterms = _joined(other, left.antiterms, right.antiterms)
        return self._antiterms

    def matches(self, path: str) -> bool:
        """Whether a canonical path is in the scope."""
        if self._matcher is not None:
            return self._matcher.matches(path)
        if self._join is not None:
            found = (side.matches(path) for side in self._sides)
            return all(found) if self._join == "and" else any(found)
        self._matcher = Matcher((compiled(glob), adds) for glob, adds in _entries(self._globs))
        return self._matcher.matches(path)

    def overlap(self, other: Scope) -> str | None:
        """Return a path that is in both scopes, or None if no path is."""
        return _first(_pairs(self.terms, other.terms))

    def overlaps(self, other: Scope) -> bool:
        """Whether some path is in both scopes."""
        return any(term.member() is not None for term in _pairs(self.terms, other.terms))

    def outside(self, other: Scope) -> str | None:
        """Return a path that is in this scope and not in `other`, or None if none is."""
        return _first(_pairs(self.terms, other.antiterms))

    def includes(self, other: Scope) -> bool:
        """Whether every path of `other` is in this scope."""
        return not any(term.member() is not None for term in _pairs(other.terms, self.antiterms))

    def intersection(self, other: Scope) -> Scope:
        """Return the scope of the paths that are in both."""
        return _combined("and", self, other)

    def union(self, other: Scope) -> Scope:
        """Return the scope of the paths that are in either."""
        if self._join is None and other._join is None:
            if not any(glob.startswith("!") for glob in other._globs):
                return Scope(_last_of_each(self._globs + other._globs))
            if not any(glob.startswith("!") for glob in self._globs):
                return Scope(_last_of_each(other._globs + self._globs))
        return _combined("or", self, other)

    def is_empty(self) -> bool:
        """Whether no path at all is in the scope."""
        return all(term.member() is None for term in self.terms)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Scope):
            return NotImplemented
        return (self._globs, self._join, self._sides) == (other._globs, other._join, other._sides)

    def __hash__(self) -> int:
        return hash((self._globs, self._join, self._sides))

    def __reduce__(self) -> tuple[object, ...]:
        if self._join is None:
            return Scope, (self._globs,)
        return _combined, (self._join, *self._sides)

    def __str__(self) -> str:
        if self._join is None:
            return ", ".join(self._globs) or "no file"
        left, right = self._sides
        return f"({left}) {self._join} ({right})"

    def __repr__(self) -> str:
        return f"Scope({list(self._globs)!r})" if self._join is None else f"<Scope {self}>"


_Join = Literal["and", "or"]


def _compiled(globs: tuple[str, ...]) -> tuple[Automaton, ...]:
    """Compile all entries; refuse those that are no globs, all of them at once."""
    automata: list[Automaton] = []
    mistakes: list[GlobError] = []
    for glob in globs:
        try:
            automata.append(compiled(glob.removeprefix("!")))
        except GlobError as mistake:
            mistakes.append(mistake)
    if len(mistakes) == 1:
        raise mistakes[0]
    if mistakes:
        raise GlobError(
            f"{len(mistakes)} entries are not globs",
            "\n".join(str(mistake) for mistake in mistakes),
        )
    return tuple(automata)


def _entries(globs: tuple[str, ...]) -> list[tuple[str, bool]]:
    """Return each entry without its ``!``, and whether it adds files."""
    return [(glob.removeprefix("!"), not glob.startswith("!")) for glob in globs]


def _list_terms(entries: list[tuple[str, bool]]) -> tuple[Term, ...]:
    """Return a list as terms: what each entry adds, without all that is taken away later."""
    terms: dict[str, Term] = {}
    taken: list[str] = []
    for glob, adds in reversed(entries):
        if not adds:
            taken.append(glob)
        elif glob not in terms:  # the same glob further on loses less
            terms[glob] = Term.of((glob,), taken)
    return tuple(reversed(terms.values()))


def _pairs(left: Iterable[Term], right: tuple[Term, ...]) -> Iterator[Term]:
    """Yield what each term of one side has in common with each of the other, if anything."""
    for a in left:
        first = compiled(a.inside[0])
        for b in right:
            if not apart(first, compiled(b.inside[0])):
                yield a & b


def _joined(join: _Join, left: tuple[Term, ...], right: tuple[Term, ...]) -> tuple[Term, ...]:
    if join == "or":
        return tuple(dict.fromkeys(left + right))
    return tuple(term for term in dict.fromkeys(_pairs(left, right)) if term.member() is not None)


def _last_of_each(globs: tuple[str, ...]) -> list[str]:
    """Leave out repetitions: later entries win, so of equal ones the last is what counts."""
    return list(reversed(dict.fromkeys(reversed(globs))))


def _combined(join: _Join, left: Scope, right: Scope) -> Scope:
    """Return the intersection or union, as a plain list if one says the same."""
    terms = _joined(join, left.terms, right.terms)
    globs, exact = _as_list(terms)
    scope = Scope(globs)
    if not exact:
        scope._exact, scope._join, scope._sides, scope._terms = False, join, (left, right), terms
    return scope


def _as_list(terms: tuple[Term, ...]) -> tuple[list[str], bool]:
    """Return a list that holds all paths of `terms`, and whether it holds no others.

    The list adds one glob for each term and ends with the exclusions. An exclusion can stand
    there only if it takes nothing from a term that does not have it.
    """
    added: dict[str, None] = {}
    taken: dict[str, None] = {}
    exact = True
    for term in terms:
        single = _single(term.inside)
        exact = exact and single is not None
        added[single or max(term.inside, key=lambda glob: len(compiled(glob).prefix))] = None
        taken |= dict.fromkeys(
            glob for glob in term.outside if shortest((*term.inside, glob)) is not None
        )
    kept = [glob for glob in taken if all(_spares(glob, term) for term in terms)]
    return [*added, *(f"!{glob}" for glob in kept)], exact and len(kept) == len(taken)


def _spares(glob: str, term: Term) -> bool:
    """Whether taking `glob` away takes nothing from the term."""
    return glob in term.outside or shortest((*term.inside, glob), term.outside) is None


def _single(inside: tuple[str, ...]) -> str | None:
    """Return one glob that matches just what all of `inside` match, if one is at hand.

    Either it is one of them, or ``a/**`` and ``**/b`` make ``a/**/b``; the guess is checked.
    """
    guesses = list(inside)
    for a in inside:
        top = a.removesuffix("/") if is_plain(a) else a.removesuffix("/**")
        if is_plain(a) or top != a:
            guesses += [f"{top}/{b}" for b in inside if b.startswith("**/")]
    return next((guess for guess in guesses if _same(guess, inside)), None)


def _same(guess: str, inside: tuple[str, ...]) -> bool:
    """Whether one glob matches just what all of `inside` match."""
    return shortest(inside, (guess,)) is None and all(
        shortest((guess,), (glob,)) is None for glob in inside if glob != guess
    )


def _first(terms: Iterable[Term]) -> str | None:
    """Return a readable path of the first term that holds one, or None."""
    for term in terms:
        path = term.member()
        if path is not None:
            return _readable(term, path)
    return None


def _readable(term: Term, path: str) -> str:
    """Return a path of the term that looks more like a file's name than the shortest one.

    The shortest path that ``src/*.py`` matches is ``src/.py``; people expect ``src/a.py``.
    """
    segments = path.split("/")
    for n, segment in enumerate(segments):
        stem, dot, extension = segment.rpartition(".")
        if stem[-1:].isalnum() or (not dot and segment[-1:].isalnum()):
            continue
        fuller = f"{stem}a.{extension}" if dot else f"{segment}a"
        candidate = "/".join([*segments[:n], fuller, *segments[n + 1 :]])
        if term.holds(candidate):
            segments[n] = fuller
    return "/".join(segments)
