"""Scopes of a Python file while it is read, and the chains of expressions inside them."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Literal

from orchestrator.analysis.languages.chains import LONGEST
from orchestrator.analysis.languages.pytypes import type_chain

RAW = ""
"""Binding of a local name that is resolved by its own name: an import, a class, a function."""


@dataclass(slots=True)
class Scope:
    """One scope.

    Attributes:
        name: qualified name of the class or function around; empty: the file.
        kind: what opened it; a comprehension or a lambda is ``inner``.
        importing: whether its code runs while the file is imported.
        typing: whether only a type checker sees it.
        conditional: whether it stands under ``if`` or ``try``.
        owner: qualified name of the class, in a class and in its methods.
        protocol: whether it is the class of a protocol.
        local: names bound here: to a chain, to RAW, or to None when nothing is known of it.
    """

    name: str = ""
    kind: Literal["file", "class", "function", "inner"] = "file"
    importing: bool = True
    typing: bool = False
    conditional: bool = False
    owner: str = ""
    protocol: bool = False
    local: dict[str, str | None] = field(default_factory=dict)

    @property
    def lazy(self) -> bool:
        """Whether its code runs later than the import of the file."""
        return not self.importing and not self.typing


class Scopes:
    """The scopes that are open, outermost first, and what expressions mean in them."""

    def __init__(self) -> None:
        self.open: list[Scope] = [Scope()]

    @property
    def here(self) -> Scope:
        """The innermost scope."""
        return self.open[-1]

    @property
    def function(self) -> Scope:
        """The innermost scope that is no comprehension or lambda."""
        return next(scope for scope in reversed(self.open) if scope.kind != "inner")

    def child(self, name: str) -> str:
        """Return the qualified name of something defined here."""
        return f"{self.here.name}.{name}" if self.here.name else name

    def looked_up(self, name: str) -> str | None:
        """Return the chain that a name stands for here, or None when it is an unknown local."""
        for depth, scope in enumerate(reversed(self.open)):
            if scope.kind == "class" and depth:
                continue
            if name in scope.local:
                bound = scope.local[name]
                if bound is None or bound == RAW:
                    return name if bound == RAW else None
                return bound if bound.endswith("!") else bound + "!"
        return name

    def chain(self, node: ast.expr) -> str | None:
        """Return the chain of an expression, or None when nothing is known of it."""
        found = self._chain(node)
        return found if found is None or len(found) <= LONGEST else None

    def _chain(self, node: ast.expr) -> str | None:
        match node:
            case ast.Name():
                return self.looked_up(node.id)
            case ast.Attribute():
                base = self._chain(node.value)
                return f"{base}.{node.attr}" if base else None
            case ast.Call():
                return self._call(node)
            case ast.Subscript():
                base = self._chain(node.value)
                return f"{base}[]" if base else None
            case ast.Await() | ast.NamedExpr():
                return self._chain(node.value)
            case ast.IfExp():
                return self._chain(node.body) or self._chain(node.orelse)
            case ast.BoolOp():
                return next((c for one in node.values if (c := self._chain(one))), None)
        return None

    def _call(self, node: ast.Call) -> str | None:
        if isinstance(node.func, ast.Name):
            owner = self.here.owner
            if node.func.id == "super" and not node.args and owner:
                return f"{owner}@!.__super__"
            if node.func.id == "cast" and len(node.args) == 2:
                kind = type_chain(node.args[0], self.chain, owner)
                return f"{kind}!" if kind else None
        base = self._chain(node.func)
        return f"{base}()" if base else None

    def of_items(self, node: ast.expr) -> tuple[str | None, str | None]:
        """Return chains of one item of an iterable, and of the second of a pair of them."""
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in {"enumerate", "zip", "sorted", "list", "tuple", "reversed"}
            and node.args
        ):
            last = self._chain(node.args[-1])
            item = f"{last}[]" if last else None
            return (None, item) if node.func.id in {"enumerate", "zip"} else (item, None)
        chain = self._chain(node)
        item = f"{chain}[]" if chain else None
        if chain and chain.endswith(".items()"):
            return None, item
        return item, None
