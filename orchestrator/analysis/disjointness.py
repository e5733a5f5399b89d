"""Reasons why two scopes have no path in common, entry by entry, for a certificate.

A reason is a list: the two entries, its kind, and what the kind needs:

===========  ====================================================================================
begins       two literal texts with which paths of the entries begin, neither the other's prefix
ends         two literal texts with which they end, neither the other's suffix
removed      a glob that one scope takes away after its entry, and that holds the other entry
search       nothing: whoever checks it searches all paths
===========  ====================================================================================

What is not so simple is settled by a search, which the one who checks does with its own
algorithm: a trace of ours would only be meaningful in terms of our automata.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.core.scope import is_plain


def reasons_for(
    ones: Sequence[Sequence[str]], others: Sequence[Sequence[str]]
) -> Iterator[list[str]]:
    """Yield a reason for each entry that adds files on one side and each on the other.

    Args:
        ones: lists of scope entries that make up one scope before it is cut by a role.
        others: those of a scope that has no path in common with it once both are cut.
    """
    for one in ones:
        for a, left in enumerate(one):
            for other in others:
                for b, right in enumerate(other):
                    if not left.startswith("!") and not right.startswith("!"):
                        yield [left, right, *_reason(left, one[a:], right, other[b:])]


def _reason(left: str, after: Sequence[str], right: str, behind: Sequence[str]) -> list[str]:
    """Return the simplest reason why two entries have no path in common inside their scopes."""
    heads = _head(left), _head(right)
    if not (heads[0].startswith(heads[1]) or heads[1].startswith(heads[0])):
        return ["begins", *heads]
    tails = _tail(left), _tail(right)
    if not (tails[0].endswith(tails[1]) or tails[1].endswith(tails[0])):
        return ["ends", *tails]
    for entries, target in ((after, right), (behind, left)):
        for entry in entries:
            taken = entry[1:]
            if entry.startswith("!") and (
                taken == target
                or (is_plain(taken) and _head(target).startswith(taken.strip("/") + "/"))
            ):
                return ["removed", taken]
    return ["search"]


def _head(glob: str) -> str:
    """Return the literal text with which every path that it matches begins, slash appended."""
    if is_plain(glob):
        return glob.strip("/") + "/"
    return glob[: min(at for at in map(glob.find, "*?[{") if at >= 0)]


def _tail(glob: str) -> str:
    """Return the literal text with which every path that it matches ends, slash put before it."""
    if is_plain(glob):
        return ""
    return glob[max(map(glob.rfind, "*?]}")) + 1 :]
