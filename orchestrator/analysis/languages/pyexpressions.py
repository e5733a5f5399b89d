"""Expressions of a Python file: which names they use, and what targets are bound to."""

from __future__ import annotations

import ast
import re

from orchestrator.analysis.codemodel import UseKind
from orchestrator.analysis.languages.chains import LONGEST
from orchestrator.analysis.languages.pyscopes import RAW, Scope, Scopes

_NAMING = re.compile(r"[\w./:-]*\w[./]\w[\w./:-]*")  # may name a module or a file of data
_LONGEST_NAME = 100


class Expressions(Scopes):
    """Collects what expressions mention.

    Attributes:
        uses: (chain, kind, scope, whether while importing) to the first line.
        names: names and attributes bound, to the chain of their value; empty: unknown.
        strings: constants that may name something.
        texts: first and last line of strings over several lines.
    """

    def __init__(self) -> None:
        super().__init__()
        self.uses: dict[tuple[str, UseKind, str, bool], int] = {}
        self.names: dict[str, str] = {}
        self.strings: dict[str, None] = {}
        self.texts: list[tuple[int, int]] = []

    def use(
        self,
        chain: str,
        kind: UseKind,
        line: int,
        *,
        scope: str = "",
        importing: bool | None = None,
    ) -> None:
        """Note a mention, in the scope that is open unless another is named."""
        here = self.here
        when = here.importing if importing is None else importing
        self.uses.setdefault((chain, kind, scope or here.name, when), line)

    def bind(self, target: ast.expr, chain: str | None, second: str | None = None) -> None:
        """Note what a target is bound to; `second` is for the second of a pair."""
        match target:
            case ast.Name():
                self._bind_name(target.id, chain)
            case ast.Tuple() | ast.List():
                for number, element in enumerate(target.elts):
                    pair = second if number == 1 and len(target.elts) == 2 else None
                    self.bind(element, pair)
            case ast.Starred():
                self.bind(target.value, None)
            case ast.Attribute():
                self.expression(target.value)
                owner = self.here.owner
                if owner and self.chain(target.value) == f"{owner}@!":
                    self.name(f"{owner}.{target.attr}", chain)
            case _:
                self.expression(target)

    def _bind_name(self, name: str, chain: str | None) -> None:
        scope = self.here
        if scope.kind in {"function", "inner"}:
            if scope.local.get(name) != RAW:
                scope.local[name] = chain
        else:
            self.name(self.child(name), chain)
            if scope.kind == "class":
                scope.local[name] = RAW

    def name(self, name: str, chain: str | None) -> None:
        """Note what a qualified name is bound to; what is known is kept."""
        if chain and chain != name and len(chain) <= LONGEST:
            self.names[name] = chain
        else:
            self.names.setdefault(name, "")

    def annotation(self, node: ast.expr, *, evaluated: bool, scope: str = "") -> None:
        """Note the names of an annotation, those in strings too.

        Args:
            evaluated: whether it is evaluated where it stands.
            scope: qualified name of what it belongs to; empty: the scope that is open.
        """
        importing = evaluated and self.here.importing
        for part in ast.walk(node):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                try:
                    inner = ast.parse(part.value, mode="eval").body
                except (SyntaxError, ValueError):
                    continue
                self.annotation(inner, evaluated=False, scope=scope)
            elif isinstance(part, ast.Name | ast.Attribute) and (chain := self.chain(part)):
                self.use(chain, "annotates", node.lineno, scope=scope, importing=importing)

    def children(self, node: ast.AST) -> None:
        """Visit whatever stands below a node."""
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.expression(child)
            else:
                self.children(child)

    def expression(self, node: ast.expr) -> None:
        """Note what an expression mentions."""
        match node:
            case ast.Name() | ast.Attribute() | ast.Call() | ast.Subscript():
                chain = self.chain(node)
                if chain and not chain.endswith("!"):
                    self.use(chain, "calls" if chain.endswith("()") else "uses", node.lineno)
                self._parts(node, known=chain is not None)
            case ast.Constant():
                text = node.value
                if node.end_lineno is not None and node.end_lineno > node.lineno:
                    self.texts.append((node.lineno, node.end_lineno))
                if isinstance(text, str) and len(text) < _LONGEST_NAME and _NAMING.fullmatch(text):
                    self.strings[text] = None
            case ast.Lambda():
                self._lambda(node)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                self._comprehension(node)
            case ast.NamedExpr():
                self.expression(node.value)
                self.bind(node.target, self.chain(node.value))
            case _:
                self.children(node)

    def _parts(self, node: ast.expr, *, known: bool) -> None:
        """Visit what stands inside a chain: arguments and indices; all of it if it is unknown."""
        match node:
            case ast.Attribute():
                self._inner(node.value, known=known)
            case ast.Call():
                self._inner(node.func, known=known)
                for argument in node.args:
                    self.expression(argument)
                for keyword in node.keywords:
                    self.expression(keyword.value)
            case ast.Subscript():
                self._inner(node.value, known=known)
                self.expression(node.slice)

    def _inner(self, node: ast.expr, *, known: bool) -> None:
        if known and isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.Subscript):
            self._parts(node, known=True)
        else:
            self.expression(node)

    def _lambda(self, node: ast.Lambda) -> None:
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self.expression(default)
        here = self.here
        local: dict[str, str | None] = {one.arg: None for one in all_arguments(node.args)}
        self.open.append(
            Scope(here.name, "inner", False, here.typing, owner=here.owner, local=local)
        )
        self.expression(node.body)
        self.open.pop()

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp
    ) -> None:
        here = self.here
        scope = Scope(here.name, "inner", here.importing, here.typing, False, here.owner)
        self.open.append(scope)
        for part in node.generators:
            self.expression(part.iter)
            self.bind(part.target, *self.of_items(part.iter))
            for condition in part.ifs:
                self.expression(condition)
        parts = (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,)
        for element in parts:
            self.expression(element)
        self.open.pop()


def all_arguments(arguments: ast.arguments) -> list[ast.arg]:
    """Return every parameter, in no particular order."""
    plain = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return plain + [one for one in (arguments.vararg, arguments.kwarg) if one is not None]
