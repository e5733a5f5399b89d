"""What a language must offer for its files to enter the code graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from orchestrator.analysis.codemodel import Facts, Link, Module


@dataclass(frozen=True, slots=True)
class Tree:
    """What stands in the analysed directory.

    Attributes:
        root: the directory.
        files: paths of all its versioned files, sorted, source code or not.
    """

    root: Path
    files: Sequence[str]


@dataclass(frozen=True, slots=True)
class Start:
    """An entry point: a name under which users start a piece of the code.

    Attributes:
        name: for example ``console_scripts:orchestrator``.
        target: the object as the project's settings name it.
        node: id of the file or symbol; empty: not found.
    """

    name: str
    target: str
    node: str


class Language(Protocol):
    """Reads files one by one, then links them.

    Reading sees one file only, so what it returns is kept by content. Linking sees the whole
    project and must be deterministic: the same facts give the same links in the same order.
    """

    name: str
    version: str
    """Changes whenever `read` returns other facts for the same bytes."""

    def owns(self, path: str) -> bool:
        """Whether a file is source code of this language, by its path alone."""

    def read(self, path: str, source: bytes) -> Facts:
        """Return what a file says; mistakes in it are part of the answer, never an exception."""

    def names(self, tree: Tree, facts: Mapping[str, Facts]) -> Mapping[str, str]:
        """Return the name by which each file is imported."""

    def is_test(self, path: str) -> bool:
        """Whether a file holds tests or serves them."""

    def link(self, tree: Tree, modules: Mapping[str, Module]) -> Iterable[Link]:
        """Return what the files and symbols of this language depend on."""

    def starts(self, tree: Tree, modules: Mapping[str, Module]) -> Sequence[Start]:
        """Return the entry points that the project's settings name."""
