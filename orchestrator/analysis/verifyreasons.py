"""Checks the reasons of a certificate: that two scopes have no path in common.

Nothing of this package but `verifyscope` is imported here, on purpose; see
``docs/certificate.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from orchestrator.analysis import verifyscope


def apart(
    reasons: Sequence[Sequence[str]],
    ones: Sequence[Sequence[str]],
    one_bound: Sequence[str],
    others: Sequence[Sequence[str]],
    other_bound: Sequence[str],
) -> bool:
    """Whether the reasons show that no path is in both scopes, entry by entry.

    Args:
        reasons: one for each pair of entries that add files, in the order of the lists.
        ones: the lists whose union is one scope.
        one_bound: the list that cuts it, of its role.
        others: the lists of the other scope.
        other_bound: the list that cuts that.

    A path of a scope is matched by an entry of one of its lists that adds files. So it is enough
    that no two such entries, one of each scope, have a path in common that is in both.
    """
    pairs = [
        (one, a, other, b)
        for one in ones
        for a in range(len(one))
        for other in others
        for b in range(len(other))
        if not one[a].startswith("!") and not other[b].startswith("!")
    ]
    if len(pairs) != len(reasons):
        return False
    for (one, a, other, b), reason in zip(pairs, reasons, strict=True):
        if list(reason[:2]) != [one[a], other[b]]:
            return False
        kind = reason[2]
        if kind == "search":
            good = len(reason) == 3 and _nowhere(one, a, one_bound, other, b, other_bound)
        elif kind in ("begins", "ends"):
            good = _unlike(kind, one[a], other[b], *reason[3:])
        else:
            good = kind == "removed" and len(reason) == 4 and _removed(one, a, other, b, reason[3])
        if not good:
            return False
    return True


def _unlike(kind: str, one: str, other: str, left: str, right: str) -> bool:
    """Whether two entries begin, or end, with texts that cannot stand in the same place."""
    find = beginning if kind == "begins" else ending
    if (find(one), find(other)) != (left, right):
        return False
    if kind == "begins":
        return not (left.startswith(right) or right.startswith(left))
    return not (left.endswith(right) or right.endswith(left))


def beginning(glob: str) -> str:
    """Return the literal text with which ``path + "/"`` begins for every path that it matches."""
    first = min((at for at in map(glob.find, "*?[{") if at >= 0), default=-1)
    return glob.strip("/") + "/" if first < 0 else glob[:first]


def ending(glob: str) -> str:
    """Return the literal text with which ``"/" + path`` ends for every path that it matches."""
    last = max(map(glob.rfind, "*?]}"))
    return "" if last < 0 else glob[last + 1 :]


def _removed(one: Sequence[str], a: int, other: Sequence[str], b: int, glob: str) -> bool:
    """Whether one list takes away, after its entry, all that the other entry matches.

    A later entry may add some of it again; that one has a reason of its own.
    """
    plain = not any(wildcard in glob for wildcard in "*?[{")
    for entries, at, target in ((one, a, other[b]), (other, b, one[a])):
        below = plain and beginning(target).startswith(glob.strip("/") + "/")
        if f"!{glob}" in entries[at + 1 :] and (glob == target or below):
            return True
    return False


def _nowhere(
    one: Sequence[str],
    a: int,
    one_bound: Sequence[str],
    other: Sequence[str],
    b: int,
    other_bound: Sequence[str],
) -> bool:
    """Search all paths for one that both entries match and both scopes hold."""
    lists = (one, one_bound, other, other_bound)
    if not one_bound or not other_bound:
        return True
    globs = [entry.removeprefix("!") for entries in lists for entry in entries]
    must = [one[a], other[b]]

    def in_both(match: Callable[[str], bool]) -> bool:
        return all(verifyscope.holds(entries, match) for entries in lists)

    return verifyscope.find(globs, must, in_both) is None
