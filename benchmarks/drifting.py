"""Lets the interfaces of a starting tree drift from those of its reference solution.

A *drifted interface* is a function that another task's file calls, whose last parameter bears a
provisional name in the starting tree (see `orchestrator.models.interfaces`). The task that owns
the file gives it its final name; whoever has read the old declaration, and calls it as it was,
fails. Its *drift* is the share of interfaces that
do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.models.interfaces import (
    Catalogue,
    drift_candidates,
    drifted,
    used_functions,
)


@dataclass(frozen=True, slots=True)
class Interface:
    """A function that files of other tasks call.

    Attributes:
        path: the file that declares it.
        name: its bare name.
        owner: the task that writes the file.
        callers: the other tasks whose files call it, sorted.
    """

    path: str
    name: str
    owner: str
    callers: tuple[str, ...]


def interfaces(start: Path, reference: Path, owners: Mapping[str, str]) -> tuple[Interface, ...]:
    """Return the functions whose drift would be felt by another task, by file and name.

    Args:
        start: the tree that agents start from; only what can be renamed there counts.
        reference: the solution; who calls what is read from it.
        owners: path to the task that writes it. Files of no task never drift: nobody would
            give their functions the final name.
    """
    texts = {path: (reference / path).read_text(encoding="utf-8") for path in owners}
    catalogue = Catalogue(texts)
    callers: dict[str, set[str]] = {}
    for path, text in texts.items():
        for used in used_functions(text, catalogue, path):
            if owners[path] != owners[used.file]:
                callers.setdefault(used.name, set()).add(owners[path])
    found = []
    for path, owner in sorted(owners.items()):
        for name in drift_candidates((start / path).read_text(encoding="utf-8")):
            function = catalogue.functions.get(name)
            if name in callers and function is not None and function.file == path:
                found.append(Interface(path, name, owner, tuple(sorted(callers[name]))))
    return tuple(found)


def choose(found: Sequence[Interface], share: float) -> tuple[Interface, ...]:
    """Return a share of the interfaces; a larger share holds every smaller one.

    Args:
        share: from 0 to 1; the number is rounded to the nearest whole one.
    """
    # By digest: as good as chance, and the same for whoever repeats it.
    mixed = sorted(
        found, key=lambda one: hashlib.sha256(f"{one.path}:{one.name}".encode()).digest()
    )
    return tuple(mixed[: round(share * len(found))])


def drift(tree: Path, chosen: Iterable[Interface]) -> None:
    """Give interfaces of a tree their provisional parameter names, in place."""
    names: dict[str, list[str]] = {}
    for one in chosen:
        names.setdefault(one.path, []).append(one.name)
    for path, wanted in names.items():
        file = tree / path
        text = file.read_bytes().decode("utf-8")
        file.write_bytes(drifted(text, wanted).encode("utf-8"))


def unordered_calls(chosen: Iterable[Interface], above: Mapping[str, Collection[str]]) -> int:
    """Return how many pairs of a drifted interface and a calling task no order keeps apart.

    A pair counts unless the caller waits for the owner: whoever is not made to wait may read
    the old declaration.

    Args:
        above: task to all that it waits for, directly or not.
    """
    return sum(one.owner not in above[caller] for one in chosen for caller in one.callers)
