"""What one source file says, in terms that no single language owns.

A `Language` (``languages/base.py``) turns the bytes of one file into `Facts` without looking at
any other file, so facts are kept by content digest. It then resolves all facts of a project
into `Link`s between files and symbols. Everything above this module sees only these types.

Ids. A file is its path relative to the analysed directory, with ``/``. A symbol is
``path::qualified.name``, for example ``pkg/a.py::Engine.run``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from orchestrator.errors import Problem


class Strength(StrEnum):
    """When a dependency is needed, strongest first.

    HARD: while the file is imported: base class, decorator, default value, code at module or
        class level, and what such code calls.
    CALL: imported at the top, used only inside functions (or not at all: a re-export).
    LAZY: imported inside a function, when that function runs.
    TYPING: only a type checker sees it.
    OBSERVED: seen while the program ran, not found in the text.
    """

    HARD = "hard"
    CALL = "call"
    LAZY = "lazy"
    TYPING = "typing"
    OBSERVED = "observed"


STRENGTHS: tuple[Strength, ...] = tuple(Strength)
"""All strengths, strongest first."""

SymbolKind = Literal["class", "function"]
StubKind = Literal["", "raise", "ellipsis", "pass", "todo"]
UseKind = Literal["calls", "uses", "inherits", "annotates"]


@dataclass(frozen=True, slots=True)
class Symbol:
    """A class or a function, however deeply nested.

    Attributes:
        name: qualified inside its file, for example ``Engine.run``.
        kind: class or function (methods are functions).
        first: line where it begins, its decorators included; from 1.
        last: its last line.
        statements: number of statements in it, nested ones included, docstrings left out.
        stub: what stands in place of a body: ``raise NotImplementedError``, ``...``, ``pass``,
            a TODO comment; empty when it is written, or when it has no body by intention
            (abstract, overload, protocol).
    """

    name: str
    kind: SymbolKind
    first: int
    last: int
    statements: int
    stub: StubKind = ""

    @property
    def lines(self) -> int:
        """Number of lines."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Import:
    """One name that an import statement binds.

    Attributes:
        module: what is imported from, as written; leading dots: relative.
        name: name taken out of `module`; empty: `module` itself; ``*``: all of it.
        bound: name it gets here, dotted for ``import a.b``; empty for ``*``.
        line: line of the statement.
        scope: qualified name of the function or class that it stands in; empty: the file.
        lazy: it stands inside a function.
        typing: it stands under TYPE_CHECKING.
        conditional: it stands under ``if`` or ``try``.
    """

    module: str
    name: str
    bound: str
    line: int
    scope: str = ""
    lazy: bool = False
    typing: bool = False
    conditional: bool = False


@dataclass(frozen=True, slots=True)
class Use:
    """One mention of a name.

    Attributes:
        name: dotted, for example ``storage.Table``; a language may add steps of its own.
        kind: what is done with it.
        line: line of the mention.
        scope: qualified name of the symbol that it stands in; empty: the file.
        importing: whether the mention is evaluated while the file is imported.
    """

    name: str
    kind: UseKind
    line: int
    scope: str = ""
    importing: bool = False


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something wrong in a file; becomes a `Problem`."""

    what: str
    line: int = 0
    column: int = 0
    why: str = ""
    fix: str = ""
    code: str = "syntax-error"

    def problem(self, path: str) -> Problem:
        """Return it as a problem of `path`."""
        where = path + (f":{self.line}:{self.column}" if self.line else "")
        return Problem(self.what, where, self.why, self.fix, self.code)


@dataclass(frozen=True, slots=True)
class Facts:
    """What one file says on its own.

    Attributes:
        language: name of the language that read it.
        lines: number of lines.
        symbols: classes and functions, in order of their first line.
        imports: in order of appearance.
        uses: names used, each (name, kind, scope, importing) once.
        names: variables of the file and attributes of its classes, to what their values are as
            far as the text tells (in the language's own notation); empty: unknown.
        exported: its ``__all__`` or exports; None: it has none.
        strings: string constants that may name a module or a file of data.
        mistakes: what could not be read.
    """

    language: str
    lines: int = 0
    symbols: tuple[Symbol, ...] = ()
    imports: tuple[Import, ...] = ()
    uses: tuple[Use, ...] = ()
    names: dict[str, str] = field(default_factory=dict)
    exported: tuple[str, ...] | None = None
    strings: tuple[str, ...] = ()
    mistakes: tuple[Mistake, ...] = ()


@dataclass(frozen=True, slots=True)
class Module:
    """One source file of the analysed directory.

    Attributes:
        path: relative to the directory.
        name: dotted name that it is imported by (``pkg.sub.mod``); for other languages the path
            without its suffix.
        digest: SHA-256 of its bytes.
        size: bytes.
        test: whether it is a test file or serves tests (conftest).
        package: whether it is a package's ``__init__``.
        facts: what it says.
    """

    path: str
    name: str
    digest: str
    size: int
    test: bool
    package: bool
    facts: Facts

    @property
    def language(self) -> str:
        """Name of its language."""
        return self.facts.language

    @property
    def symbols(self) -> tuple[Symbol, ...]:
        """Classes and functions, with line ranges, sizes and stub status."""
        return self.facts.symbols

    @property
    def lines(self) -> int:
        """Number of lines."""
        return self.facts.lines

    @property
    def stubs(self) -> tuple[Symbol, ...]:
        """Functions still without a body."""
        return tuple(symbol for symbol in self.symbols if symbol.stub)


@dataclass(frozen=True, slots=True)
class Link:
    """An edge of the code graph.

    Attributes:
        source: id of the file or symbol that depends.
        target: id of what it depends on.
        kind: ``imports``, ``reaches``, ``calls``, ``uses``, ``inherits``, ``annotates``,
            ``data``, ``observed``; ``codegraph.py`` says what each means.
        strength: when it is needed.
        line: line in the source's file.
    """

    source: str
    target: str
    kind: str
    strength: Strength
    line: int = 0


def file_of(node: str) -> str:
    """Return the file that an id belongs to."""
    return node.partition("::")[0]


def strengths(kinds: Iterable[Strength | str] | None) -> tuple[Strength, ...]:
    """Return the strengths meant; None: all of them.

    Raises:
        ValueError: there is no such strength.
    """
    if kinds is None:
        return STRENGTHS
    wanted = {Strength(kind) for kind in kinds}
    return tuple(strength for strength in STRENGTHS if strength in wanted)


def stronger(one: Strength, other: Strength) -> Strength:
    """Return the stronger of two."""
    return one if STRENGTHS.index(one) <= STRENGTHS.index(other) else other
