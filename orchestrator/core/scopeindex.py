"""An index of scopes: which of many overlap a new one, without comparing it with all of them.

Every term of a scope hangs in a tree of literal path segments, at the place where its wildcards
begin: ``src/core/*.py`` at ``src/core``, ``src/a.py`` at ``src/a.py``, ``**/x`` at the root.
A new scope can only overlap what hangs on the way to its own place, and, below that place, what
its automaton can still reach. Those candidates are then decided exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from orchestrator.core.automata import Automaton, compiled
from orchestrator.core.glob import is_plain
from orchestrator.core.matcher import matcher
from orchestrator.core.scope import Scope
from orchestrator.core.witnesses import apart


@dataclass(frozen=True, slots=True)
class _Hook:
    """One term of a scope, as it hangs in the tree.

    Attributes:
        key: whose scope it is.
        guide: automaton of the glob of the term that says most about where its paths are.
        segments: literal segments that all its paths begin with.
        simple: the term is that one glob and nothing is taken away from it.
        whole: the glob matches all at and below `segments`.
    """

    key: str
    guide: Automaton
    segments: tuple[str, ...]
    simple: bool
    whole: bool


def _hooks(key: str, scope: Scope) -> Iterator[_Hook]:
    """Yield a hook for each term, but for those of globs that no path matches (``[.]``)."""
    for term in scope.terms:
        guide = max((compiled(glob) for glob in term.inside), key=lambda a: len(a.prefix))
        if guide.accepting:
            yield _Hook(
                key=key,
                guide=guide,
                segments=tuple(guide.prefix.split("/")[:-1]),
                simple=len(term.inside) == 1 and not term.outside,
                whole=is_plain(guide.glob) or guide.glob == f"{guide.prefix}**",
            )


@dataclass(slots=True)
class _Branch:
    """A node of the tree: what hangs at one literal path, and what is below."""

    hooks: dict[_Hook, None] = field(default_factory=dict)
    below: dict[str, _Branch] = field(default_factory=dict)


class ScopeIndex:
    """Scopes by key, for example those of live claims by task.

    Adding and removing cost time proportional to the scope's own terms. Asking costs the number
    of candidates: for scopes in different directories that does not depend on how many scopes
    there are; scopes that begin with a wildcard (``**/x.py``) are candidates for everything, and
    a new scope that begins with one walks the tree as far as its automaton lets it.
    """

    __slots__ = ("_added", "_hooks", "_order", "_root", "_scopes")

    def __init__(self) -> None:
        self._root = _Branch()
        self._scopes: dict[str, Scope] = {}
        self._hooks: dict[str, tuple[_Hook, ...]] = {}
        self._order: dict[str, int] = {}
        self._added = 0

    def __len__(self) -> int:
        return len(self._scopes)

    def __contains__(self, key: str) -> bool:
        return key in self._scopes

    def add(self, key: str, scope: Scope) -> None:
        """Add a scope.

        Raises:
            ValueError: the key is there already.
        """
        if key in self._scopes:
            raise ValueError(f"{key!r} is in the index already; remove it first")
        self._scopes[key] = scope
        self._order[key] = self._added
        self._added += 1
        self._hooks[key] = tuple(dict.fromkeys(_hooks(key, scope)))  # equal terms hang once
        for hook in self._hooks[key]:
            branch = self._root
            for segment in hook.segments:
                branch = branch.below.setdefault(segment, _Branch())
            branch.hooks[hook] = None

    def remove(self, key: str) -> None:
        """Remove a scope.

        Raises:
            KeyError: there is no such key.
        """
        del self._scopes[key], self._order[key]
        for hook in self._hooks.pop(key):
            self._take_off(hook)

    def overlapping(self, scope: Scope) -> list[str]:
        """Return the keys whose scope overlaps `scope`, in the order in which they were added."""
        certain: set[str] = set()
        possible: set[str] = set()
        for new in _hooks("", scope):
            for hook, inside in self._candidates(new):
                if inside and new.simple and hook.simple:
                    certain.add(hook.key)
                elif hook.key not in certain and not apart(new.guide, hook.guide):
                    possible.add(hook.key)
        certain.update(key for key in possible - certain if self._scopes[key].overlaps(scope))
        return self._in_order(certain)

    def matching(self, path: str) -> list[str]:
        """Return the keys whose scope holds a canonical path, in the order of adding."""
        found: set[str] = set()
        branch: _Branch | None = self._root
        for segment in (*path.split("/"), None):
            if branch is None:
                break
            for hook in branch.hooks:
                if hook.key not in found and (
                    (hook.simple and hook.whole) or self._scopes[hook.key].matches(path)
                ):
                    found.add(hook.key)
            branch = branch.below.get(segment) if segment is not None else None
        return self._in_order(found)

    def _candidates(self, new: _Hook) -> Iterator[tuple[_Hook, bool]]:
        """Yield the hooks whose guide may overlap that of `new`, and whether it surely does.

        It surely does where `new` reaches the place of a hook that holds all below.
        """
        branch = self._root
        for segment in new.segments:
            yield from ((hook, hook.whole) for hook in branch.hooks)
            deeper = branch.below.get(segment)
            if deeper is None:
                return
            branch = deeper
        if new.whole:
            yield from ((hook, True) for hook in _all_below(branch))
            return
        walker = matcher((new.guide.glob,))
        place = "".join(f"{segment}/" for segment in new.segments)
        todo = [(branch, walker.walk(walker.start, place))]
        for branch, node in todo:  # grows while it is read
            yield from ((hook, hook.whole) for hook in branch.hooks)
            for segment, deeper in branch.below.items():
                after = walker.walk(node, f"{segment}/")
                if after.mask:
                    todo.append((deeper, after))

    def _take_off(self, hook: _Hook) -> None:
        """Remove a hook, and the branches that hold nothing without it."""
        way = [self._root]
        for segment in hook.segments:
            way.append(way[-1].below[segment])
        way[-1].hooks.pop(hook, None)
        for segment, branch, above in zip(
            reversed(hook.segments), way[:0:-1], way[-2::-1], strict=True
        ):
            if branch.hooks or branch.below:
                break
            del above.below[segment]

    def _in_order(self, keys: Iterable[str]) -> list[str]:
        return sorted(keys, key=self._order.__getitem__)


def _all_below(branch: _Branch) -> Iterator[_Hook]:
    """Yield all hooks at and below a branch."""
    todo = [branch]
    for here in todo:  # grows while it is read
        yield from here.hooks
        todo += here.below.values()
