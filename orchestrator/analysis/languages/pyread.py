"""Reads one Python file: symbols, imports, and every name used, with when it is used.

Names bound in functions hide those of the file, so a parameter called like an imported module is
no use of it. Where the type of a local name is plain (an annotation, ``x = Engine()``, a loop over
``list[Engine]``) its attributes are followed (``chains.py``). Anything else is left out: the graph
under-reports calls rather than invent them, and a trace tells by how much.
"""

from __future__ import annotations

import ast
import builtins
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from orchestrator.analysis.codemodel import Facts, Import, Mistake, Symbol, Use
from orchestrator.analysis.languages.chains import FIXTURE, STEP
from orchestrator.analysis.languages.pyexpressions import Expressions, all_arguments
from orchestrator.analysis.languages.pyscopes import RAW, Scope
from orchestrator.analysis.languages.pystubs import (
    has_docstring,
    last_name,
    mark_todos,
    stub_kind,
)
from orchestrator.analysis.languages.pytypes import type_chain

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_BUILTIN = frozenset(dir(builtins))
_PROPERTIES = {"property", "cached_property", "abstractproperty"}
_MOST_STRINGS = 2_000


def read_python(path: str, source: bytes) -> Facts:
    """Return what a Python file says.

    Args:
        path: where it stands; a ``.pyi`` file has no bodies by intention.
        source: its bytes; a coding cookie and a byte order mark are heeded.
    """
    lines = source.count(b"\n") + (not source.endswith(b"\n") and bool(source))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source, filename=path)
        reader = _Reader(stubs=not path.endswith(".pyi"), fixtures=is_test(path))
        reader.file(tree)
    except SyntaxError as error:
        return Facts("python", lines, mistakes=(_mistake(error),))
    except ValueError as error:
        return Facts("python", lines, mistakes=(Mistake(f"this is no Python: {error}"),))
    except (RecursionError, MemoryError):
        what = "an expression is nested too deeply to be analysed"
        return Facts("python", lines, mistakes=(Mistake(what, code="too-deep"),))
    return reader.facts(source, lines)


def _mistake(error: SyntaxError) -> Mistake:
    encoding = "codec can't decode" in str(error.msg) or "encoding" in str(error.msg)
    return Mistake(
        str(error.msg),
        error.lineno or 0,
        error.offset or 0,
        "the file is left out of the code graph; all others are in it",
        "save the file as UTF-8, or declare its encoding" if encoding else "correct the syntax",
        "bad-encoding" if encoding else "syntax-error",
    )


class _Reader(Expressions):
    """Walks one syntax tree."""

    def __init__(self, *, stubs: bool, fixtures: bool) -> None:
        super().__init__()
        self._stubs = stubs
        self._fixtures = fixtures
        self._evaluated = True  # annotations are, unless the file says otherwise
        self._symbols: dict[str, Symbol] = {}
        self._imports: list[Import] = []
        self._exported: list[str] | None = None
        self._counts: Counter[str] = Counter()
        self._later: list[tuple[list[Scope], _Function]] = []

    def file(self, tree: ast.Module) -> None:
        self._evaluated = not any(
            isinstance(node, ast.ImportFrom)
            and node.module == "__future__"
            and any(name.name == "annotations" for name in node.names)
            for node in tree.body
        )
        self.body(tree.body)
        while self._later:
            self.open, function = self._later.pop()
            self._function_body(function)

    def facts(self, source: bytes, lines: int) -> Facts:
        total: Counter[str] = Counter()
        for name, count in self._counts.items():
            while name:
                total[name] += count
                name = name.rpartition(".")[0]
        counted = (replace(one, statements=total[one.name]) for one in self._symbols.values())
        symbols = mark_todos(sorted(counted, key=lambda one: one.first), source, self.texts)
        roots = {one.bound.partition(".")[0] for one in self._imports}
        roots |= {name.rpartition(".")[2] for name in self._symbols}
        roots |= {name.partition(".")[0] for name in self.names}
        star = any(one.name == "*" for one in self._imports)
        uses = (
            Use(chain, kind, line, scope, importing)
            for (chain, kind, scope, importing), line in self.uses.items()
            if (root := STEP.match(chain)) is not None
            and (
                root[0] in roots
                or root[0].startswith(FIXTURE)
                or (star and root[0] not in _BUILTIN)
            )
        )
        return Facts(
            "python",
            lines,
            tuple(symbols),
            tuple(self._imports),
            tuple(uses),
            self.names,
            None if self._exported is None else tuple(self._exported),
            tuple(self.strings)[:_MOST_STRINGS],
        )

    # --- statements ----------------------------------------------------------------------------

    def body(self, statements: Iterable[ast.stmt]) -> None:
        for statement in statements:
            self._counts[self.here.name] += 1
            self.statement(statement)

    def _documented(self, statements: Sequence[ast.stmt]) -> None:
        """Visit a body; its docstring is no statement of it."""
        if has_docstring(statements):
            self.children(statements[0])
            statements = statements[1:]
        self.body(statements)

    def statement(self, node: ast.stmt) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._function(node)
            case ast.ClassDef():
                self._class(node)
            case ast.Import() | ast.ImportFrom():
                self._import(node)
            case ast.Assign() | ast.AugAssign() | ast.AnnAssign():
                self._assign(node)
            case ast.For() | ast.AsyncFor():
                self.expression(node.iter)
                self.bind(node.target, *self.of_items(node.iter))
                self._conditional(node.body, node.orelse)
            case ast.With() | ast.AsyncWith():
                self._with(node)
            case ast.If():
                self._if(node)
            case ast.Try() | ast.TryStar():
                self._try(node)
            case ast.While():
                self.expression(node.test)
                self._conditional(node.body, node.orelse)
            case ast.Return():
                self._return(node)
            case ast.Global() | ast.Nonlocal():
                self.here.local.update(dict.fromkeys(node.names, RAW))
            case ast.Match():
                self._match(node)
            case _:
                self.children(node)

    def children(self, node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                self.body([child])
            elif isinstance(child, ast.expr):
                self.expression(child)
            else:
                self.children(child)

    def _assign(self, node: ast.Assign | ast.AugAssign | ast.AnnAssign) -> None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        chain = None
        if isinstance(node, ast.AnnAssign):
            evaluated = self.here.kind in {"file", "class"} and self._evaluated
            self.annotation(node.annotation, evaluated=evaluated)
            if last_name(node.annotation) != "TypeAlias":
                chain = type_chain(node.annotation, self.chain, self.here.owner)
        if node.value is not None:
            self.expression(node.value)
            chain = chain or self.chain(node.value)
        for target in targets:
            if isinstance(target, ast.Name) and target.id == "__all__" and not self.here.name:
                self._export(node.value)
            self.bind(target, None if isinstance(node, ast.AugAssign) else chain)

    def _export(self, value: ast.expr | None) -> None:
        elements = value.elts if isinstance(value, ast.List | ast.Tuple) else []
        names = [one.value for one in elements if isinstance(one, ast.Constant)]
        self._exported = [*(self._exported or []), *(n for n in names if isinstance(n, str))]

    def _with(self, node: ast.With | ast.AsyncWith) -> None:
        for item in node.items:
            self.expression(item.context_expr)
            chain = self.chain(item.context_expr)
            if chain:
                self.use(f"{chain}.__enter__()", "calls", node.lineno)
            if item.optional_vars is not None:
                self.bind(item.optional_vars, f"{chain}.__enter__()" if chain else None)
        self.body(node.body)

    def _if(self, node: ast.If) -> None:
        self.expression(node.test)
        if last_name(node.test) == "TYPE_CHECKING":
            self._under(node.body, importing=False, typing=True)
            self._conditional(node.orelse)
        elif _is_main(node.test):
            self._under(node.body, importing=False)
            self._conditional(node.orelse)
        else:
            name, kind = self._narrowed(node.test)
            local = self.here.local
            before = local.get(name)
            if kind:
                local[name] = kind
            self._conditional(node.body)
            if kind:
                local[name] = before
            self._conditional(node.orelse)

    def _narrowed(self, test: ast.expr) -> tuple[str, str | None]:
        """Return a local name that ``isinstance`` says the type of, and its chain."""
        match test:
            case ast.Call(func=ast.Name("isinstance"), args=[ast.Name(name), kind]):
                if name in self.here.local:
                    chain = type_chain(kind, self.chain)
                    return name, chain
        return "", None

    def _under(self, body: Sequence[ast.stmt], *, importing: bool, typing: bool = False) -> None:
        scope = self.here
        before = scope.importing, scope.typing, scope.conditional
        scope.importing, scope.typing, scope.conditional = importing, typing, True
        self.body(body)
        scope.importing, scope.typing, scope.conditional = before

    def _conditional(self, *bodies: Sequence[ast.stmt]) -> None:
        scope = self.here
        before = scope.conditional
        scope.conditional = True
        for body in bodies:
            self.body(body)
        scope.conditional = before

    def _try(self, node: ast.Try | ast.TryStar) -> None:
        self._conditional(node.body)
        for handler in node.handlers:
            if handler.type is not None:
                self.expression(handler.type)
            if handler.name:
                kind = type_chain(handler.type, self.chain)
                self.bind(ast.Name(handler.name, ast.Store()), kind)
            self._conditional(handler.body)
        self._conditional(node.orelse, node.finalbody)

    def _match(self, node: ast.Match) -> None:
        self.expression(node.subject)
        for case in node.cases:
            for part in ast.walk(case.pattern):
                if isinstance(part, ast.MatchClass):
                    self.expression(part.cls)
                elif isinstance(part, ast.MatchValue):
                    self.expression(part.value)
                elif isinstance(part, ast.MatchAs | ast.MatchStar) and part.name:
                    inner = part.pattern if isinstance(part, ast.MatchAs) else None
                    kind = inner.cls if isinstance(inner, ast.MatchClass) else None
                    self.bind(ast.Name(part.name, ast.Store()), type_chain(kind, self.chain))
            if case.guard is not None:
                self.expression(case.guard)
            self._conditional(case.body)

    def _return(self, node: ast.Return) -> None:
        if node.value is None:
            return
        self.expression(node.value)
        function = self.function
        chain = self.chain(node.value)
        if function.kind == "function" and chain and not self.names.get(f"{function.name}()"):
            self.name(f"{function.name}()", chain)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        scope = self.function
        for alias in node.names:
            if isinstance(node, ast.Import):
                module, name = alias.name, ""
                bound = alias.asname or alias.name
            else:
                module, name = "." * node.level + (node.module or ""), alias.name
                bound = "" if name == "*" else alias.asname or name
            if bound:
                scope.local[bound.partition(".")[0]] = RAW
            self._imports.append(
                Import(
                    module,
                    name,
                    bound,
                    node.lineno,
                    scope.name,
                    scope.lazy,
                    any(one.typing for one in self.open),
                    scope.conditional,
                )
            )

    # --- classes and functions -----------------------------------------------------------------

    def _symbol(self, node: _Function | ast.ClassDef) -> str:
        """Return a free qualified name: the second definition of ``f`` is ``f#2``."""
        plain = name = self.child(node.name)
        number = 1
        while name in self._symbols:
            number += 1
            name = f"{plain}#{number}"
        if self.here.kind != "file":
            self.here.local[node.name] = RAW
        return name

    def _class(self, node: ast.ClassDef) -> None:
        name = self._symbol(node)
        first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
        self._symbols[name] = Symbol(name, "class", first, node.end_lineno or first, 0)
        self._decorate(node.decorator_list)
        outer = self.here
        scope = Scope(name, "class", outer.importing, outer.typing, outer.conditional, name)
        self.open.append(scope)
        for base in node.bases:
            self.expression(base)
            scope.protocol = scope.protocol or last_name(base) == "Protocol"
            if chain := self.chain(base):
                self.use(chain, "inherits", node.lineno)
        for keyword in node.keywords:
            self.expression(keyword.value)
        self._documented(node.body)
        self.open.pop()

    def _decorate(self, decorators: Sequence[ast.expr]) -> None:
        for decorator in decorators:
            self.expression(decorator)
            if chain := self.chain(decorator):
                self.use(f"{chain}()", "calls", decorator.lineno)

    def _function(self, node: _Function) -> None:
        name = self._symbol(node)
        first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
        bodiless = self.here.protocol or self.here.typing
        stub = stub_kind(node, protocol=bodiless) if self._stubs else ""
        last = node.end_lineno or first
        self._symbols[name] = Symbol(name, "function", first, last, 0, stub)
        self._decorate(node.decorator_list)
        arguments = node.args
        for default in (*arguments.defaults, *arguments.kw_defaults):
            if default is not None:
                self.expression(default)
        evaluated = self._evaluated and not self.here.typing
        for argument in all_arguments(arguments):
            if argument.annotation is not None:
                self.annotation(argument.annotation, evaluated=evaluated, scope=name)
        if node.returns is not None:
            self.annotation(node.returns, evaluated=evaluated, scope=name)
            returned = type_chain(node.returns, self.chain, self.here.owner)
            key = name if any(last_name(d) in _PROPERTIES for d in node.decorator_list) else ""
            if returned:
                self.name(key or f"{name}()", returned)
        scope = self._function_scope(node, name)
        self._later.append(([*self.open, scope], node))

    def _function_scope(self, node: _Function, name: str) -> Scope:
        here = self.here
        scope = Scope(name, "function", False, here.typing, False, here.owner)
        arguments = node.args
        decorators = {last_name(one) for one in node.decorator_list}
        filled = self._fixtures and (node.name.startswith("test") or "fixture" in decorators)
        for argument in all_arguments(arguments):
            scope.local[argument.arg] = type_chain(argument.annotation, self.chain, here.owner)
            if filled:
                local = scope.local[argument.arg]
                scope.local[argument.arg] = local or f"{FIXTURE}{argument.arg}()"
                fixture = f"{FIXTURE}{argument.arg}()"
                self.use(fixture, "calls", node.lineno, scope=name, importing=False)
        for many in (arguments.vararg, arguments.kwarg):
            if many is not None and (kind := scope.local[many.arg]):
                scope.local[many.arg] = f"{kind}*"
        positional = [*arguments.posonlyargs, *arguments.args]
        if here.kind == "class" and positional and "staticmethod" not in decorators:
            bound = node.name in {"__new__", "__init_subclass__", "__class_getitem__"}
            of_class = bound or "classmethod" in decorators
            scope.local[positional[0].arg] = here.owner if of_class else f"{here.owner}@"
        return scope

    def _function_body(self, node: _Function) -> None:
        self._documented(node.body)


def is_test(path: str) -> bool:
    """Whether a path is that of a test file, or of a file that serves tests."""
    *folders, name = path.split("/")
    stem = name.partition(".")[0]
    return (
        stem.startswith("test_")
        or stem.endswith("_test")
        or stem == "conftest"
        or any(folder in {"tests", "test"} for folder in folders)
    )


def _is_main(test: ast.expr) -> bool:
    """Whether a condition is ``__name__ == "__main__"``."""
    return (
        isinstance(test, ast.Compare)
        and isinstance(test.left, ast.Name)
        and test.left.id == "__name__"
    )
