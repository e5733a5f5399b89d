"""Reads one TypeScript or JavaScript file with tree-sitter."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import TYPE_CHECKING

from orchestrator.analysis.codemodel import Facts, Import, Mistake, StubKind, Symbol, Use, UseKind
from orchestrator.analysis.languages.chains import LONGEST, STEP

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

LANGUAGE = "typescript"

_FUNCTIONS = {"arrow_function", "function_expression", "generator_function"}
_NAMED_FUNCTIONS = {
    "function_declaration", "generator_function_declaration", "method_definition"
}  # fmt: skip
_TYPES = {"type_annotation", "type_arguments", "implements_clause", "extends_type_clause"}
_TYPED_DECLARATIONS = {"interface_declaration", "type_alias_declaration"}


@cache
def _parser(dialect: str) -> Parser:
    """Return the parser of ``ts``, ``tsx`` or ``js``.

    Raises:
        ImportError: tree-sitter or its grammar is not installed.
    """
    from tree_sitter import Language, Parser

    if dialect == "js":
        from tree_sitter_javascript import language
    elif dialect == "tsx":
        from tree_sitter_typescript import language_tsx as language
    else:
        from tree_sitter_typescript import language_typescript as language
    return Parser(Language(language()))


def read_typescript(path: str, source: bytes) -> Facts:
    """Return what a TypeScript or JavaScript file says."""
    suffix = path.rpartition(".")[2]
    dialect = "tsx" if suffix == "tsx" else "ts" if suffix in {"ts", "mts", "cts"} else "js"
    lines = source.count(b"\n") + (not source.endswith(b"\n") and bool(source))
    try:
        tree = _parser(dialect).parse(source)
        reader = _Reader(stubs=not path.endswith(".d.ts"))
        reader.inside(tree.root_node)
    except ImportError:
        mistake = Mistake(
            "tree-sitter is not installed",
            why="without it TypeScript and JavaScript cannot be read",
            fix="pip install tree-sitter tree-sitter-typescript tree-sitter-javascript",
            code="no-parser",
        )
        return Facts(LANGUAGE, lines, mistakes=(mistake,))
    except RecursionError:
        what = "an expression is nested too deeply to be analysed"
        return Facts(LANGUAGE, lines, mistakes=(Mistake(what, code="too-deep"),))
    return reader.facts(lines, tree.root_node)


def _text(node: Node | None) -> str:
    return "" if node is None or node.text is None else node.text.decode("utf-8", "replace")


def _string(node: Node | None) -> str:
    return _text(node)[1:-1]


class _Reader:
    """Walks one syntax tree; tree-sitter goes on after a mistake, and so does this."""

    def __init__(self, *, stubs: bool) -> None:
        self._stubs = stubs
        self._symbols: dict[str, Symbol] = {}
        self._imports: list[Import] = []
        self._uses: dict[tuple[str, UseKind, str, bool], int] = {}
        self._names: dict[str, str] = {}
        self._counts: Counter[str] = Counter()
        self._scope = ""
        self._owner = ""
        self._importing = True
        self._local: list[dict[str, str | None]] = []

    def facts(self, lines: int, root: Node) -> Facts:
        total: Counter[str] = Counter()
        for name, number in self._counts.items():
            while name:
                total[name] += number
                name = name.rpartition(".")[0]
        symbols = [
            Symbol(one.name, one.kind, one.first, one.last, total[one.name], one.stub)
            for one in sorted(self._symbols.values(), key=lambda one: one.first)
        ]
        roots = {one.bound for one in self._imports} | set(self._names)
        roots |= {name.rpartition(".")[2] for name in self._symbols}
        star = any(one.name == "*" for one in self._imports)
        uses = tuple(
            Use(chain, kind, line, scope, importing)
            for (chain, kind, scope, importing), line in self._uses.items()
            if (first := STEP.match(chain)) is not None and (star or first[0] in roots)
        )
        wrong = _first_error(root) if root.has_error else None
        mistakes: tuple[Mistake, ...] = ()
        if wrong is not None:
            line, column = wrong.start_point[0] + 1, wrong.start_point[1] + 1
            why = "what stands there is left out of the code graph; the rest of the file is in it"
            mistakes = (Mistake("the syntax is wrong", line, column, why, "correct the syntax"),)
        return Facts(
            LANGUAGE, lines, tuple(symbols), tuple(self._imports), uses, self._names,
            mistakes=mistakes,
        )  # fmt: skip

    # --- walking -------------------------------------------------------------------------------

    def inside(self, node: Node | None) -> None:
        for child in node.named_children if node is not None else ():
            self.visit(child)

    def visit(self, node: Node) -> None:
        kind = node.type
        if kind.endswith(("_statement", "_declaration")) and kind != "export_statement":
            self._counts[self._scope] += 1
        if kind in {"identifier", "member_expression", "call_expression", "new_expression"}:
            self._expression(node)
        elif kind == "import_statement":
            self._import(node)
        elif kind == "export_statement":
            self._export(node)
        elif kind in {"class_declaration", "abstract_class_declaration", "class"}:
            self._class(node)
        elif kind in _NAMED_FUNCTIONS:
            self._function(node, _text(node.child_by_field_name("name")))
        elif kind in _FUNCTIONS:
            self._nameless(node)
        elif kind == "variable_declarator":
            self._variable(node)
        elif kind in {"public_field_definition", "field_definition"}:
            self._field(node)
        elif kind in _TYPES | _TYPED_DECLARATIONS:
            self._typed(node)
        elif kind == "decorator":
            self._decorator(node)
        else:
            self.inside(node)

    def _use(self, chain: str, kind: UseKind, node: Node, *, importing: bool) -> None:
        if len(chain) <= LONGEST:
            key = (chain, kind, self._scope, importing)
            self._uses.setdefault(key, node.start_point[0] + 1)

    def _bind(self, name: str, chain: str | None) -> None:
        if self._local:
            self._local[-1][name] = chain
        else:
            self._names[name] = chain if chain and chain != name else ""

    # --- expressions ---------------------------------------------------------------------------

    def _chain(self, node: Node | None) -> str | None:
        """Return the chain of an expression, or None when nothing is known of it."""
        if node is None:
            return None
        kind = node.type
        if kind in {"identifier", "type_identifier"}:
            name = _text(node)
            for names in reversed(self._local):
                if name in names:
                    bound = names[name]
                    return f"{bound}!" if bound else None
            return name
        if kind == "this":
            return f"{self._owner}@!" if self._owner else None
        if kind == "super":
            return f"{self._owner}@!.__super__" if self._owner else None
        if kind == "member_expression":
            base = self._chain(node.child_by_field_name("object"))
            name = _text(node.child_by_field_name("property"))
            return f"{base}.{name}" if base else None
        if kind in {"call_expression", "new_expression"}:
            field = "function" if kind == "call_expression" else "constructor"
            base = self._chain(node.child_by_field_name(field))
            return f"{base}()" if base else None
        if kind in {"await_expression", "parenthesized_expression", "non_null_expression"}:
            return self._chain(node.named_children[0]) if node.named_children else None
        return None

    def _expression(self, node: Node) -> None:
        if node.type == "call_expression" and self._required(node, ""):
            return
        chain = self._chain(node)
        if chain and not chain.endswith("!"):
            kind: UseKind = "calls" if chain.endswith("()") else "uses"
            self._use(chain, kind, node, importing=self._importing)
        self._parts(node, known=chain is not None)

    def _parts(self, node: Node, *, known: bool) -> None:
        for name in ("object", "function", "constructor"):
            inner = node.child_by_field_name(name)
            if inner is None:
                continue
            if known and inner.type in {"member_expression", "call_expression", "new_expression"}:
                self._parts(inner, known=True)
            elif not known:
                self.visit(inner)
        self.inside(node.child_by_field_name("arguments"))
        for child in node.named_children:
            if child.type == "type_arguments":
                self._typed(child)

    def _typed(self, node: Node) -> None:
        """Note the names in a place that only the compiler sees."""
        for child in node.named_children:
            named = child.type in {"type_identifier", "identifier"}
            if named and (chain := self._chain(child)):
                self._use(chain, "annotates", child, importing=False)
            self._typed(child)

    def _type_of(self, node: Node | None) -> str | None:
        """Return the chain of an instance of what a type annotation says."""
        if node is None or not node.named_children:
            return None
        inner = node.named_children[0]
        if inner.type == "generic_type" and inner.named_children:
            inner = inner.named_children[0]
        chain = self._chain(inner) if inner.type == "type_identifier" else None
        return f"{chain}@" if chain else None

    # --- imports and exports -------------------------------------------------------------------

    def _imported(self, node: Node, module: str, name: str, bound: str, *, typing: bool) -> None:
        lazy = not self._importing
        line = node.start_point[0] + 1
        self._imports.append(Import(module, name, bound, line, "", lazy, typing))

    def _import(self, node: Node) -> None:
        module = _string(node.child_by_field_name("source"))
        whole = any(child.type == "type" for child in node.children)
        clause = next((one for one in node.named_children if one.type == "import_clause"), None)
        if clause is None:
            self._imported(node, module, "", "", typing=False)
            return
        for child in clause.named_children:
            if child.type == "identifier":
                self._imported(node, module, "default", _text(child), typing=whole)
            elif child.type == "namespace_import":
                self._imported(node, module, "", _text(child.named_children[-1]), typing=whole)
            else:
                self._specifiers(node, child, module, typing=whole)

    def _specifiers(self, node: Node, clause: Node, module: str, *, typing: bool) -> None:
        for one in clause.named_children:
            name = _text(one.child_by_field_name("name"))
            bound = _text(one.child_by_field_name("alias")) or name
            own = any(child.type == "type" for child in one.children)
            if module:
                self._imported(node, module, name, bound, typing=typing or own)
            elif bound != name:
                self._names[bound] = name

    def _export(self, node: Node) -> None:
        source = node.child_by_field_name("source")
        default = any(child.type == "default" for child in node.children)
        clause = next((one for one in node.named_children if one.type == "export_clause"), None)
        space = next((one for one in node.named_children if one.type == "namespace_export"), None)
        typing = any(child.type == "type" for child in node.children)
        if clause is not None:
            self._specifiers(node, clause, _string(source) if source else "", typing=typing)
        elif space is not None:
            bound = _text(space.named_children[-1])
            self._imported(node, _string(source), "", bound, typing=typing)
        elif source is not None:
            self._imported(node, _string(source), "*", "", typing=typing)
        else:
            if default:
                inner = node.child_by_field_name("declaration") or node.child_by_field_name("value")
                named = inner.child_by_field_name("name") if inner is not None else None
                self._names["default"] = _text(named) or self._chain(inner) or ""
            self.inside(node)

    def _required(self, node: Node, bound: str) -> bool:
        """Note ``require("x")`` and ``import("x")``; return whether it is one."""
        function = node.child_by_field_name("function")
        arguments = node.child_by_field_name("arguments")
        known = function is not None and (function.type == "import" or _text(function) == "require")
        first = arguments.named_children[0] if arguments and arguments.named_children else None
        if not known or first is None or first.type != "string":
            return False
        before = self._importing
        self._importing = before and function is not None and function.type != "import"
        self._imported(node, _string(first), "", bound, typing=False)
        self._importing = before
        return True

    # --- declarations --------------------------------------------------------------------------

    def _define(self, node: Node, name: str, kind: str, stub: StubKind = "") -> str:
        plain = qualified = f"{self._scope}.{name}" if self._scope else name
        number = 1
        while qualified in self._symbols:
            number += 1
            qualified = f"{plain}#{number}"
        first, last = node.start_point[0] + 1, node.end_point[0] + 1
        self._symbols[qualified] = Symbol(
            qualified, "class" if kind == "class" else "function", first, last, 0, stub
        )
        return qualified

    def _decorator(self, node: Node) -> None:
        self.inside(node)
        if node.named_children and (chain := self._chain(node.named_children[0])):
            self._use(f"{chain}()", "calls", node, importing=self._importing)

    def _class(self, node: Node) -> None:
        before = self._scope, self._owner
        name = self._define(node, _text(node.child_by_field_name("name")) or "class", "class")
        for child in node.named_children:
            if child.type == "decorator":
                self._decorator(child)
        self._scope = self._owner = name
        for child in node.named_children:
            if child.type == "class_heritage":
                self._heritage(child)
        self.inside(node.child_by_field_name("body"))
        self._scope, self._owner = before

    def _heritage(self, node: Node) -> None:
        for clause in node.named_children:
            if clause.type == "implements_clause":
                self._typed(clause)
                continue
            base = clause.child_by_field_name("value") or clause
            if chain := self._chain(base):
                self._use(chain, "inherits", clause, importing=self._importing)
            else:
                self.visit(base)

    def _function(self, node: Node, name: str) -> None:
        body = node.child_by_field_name("body")
        stub = _stub(body) if self._stubs and body is not None else ""
        before = self._scope
        self._scope = self._define(node, name, "function", stub)
        returned = self._type_of(node.child_by_field_name("return_type"))
        if returned:
            self._names[f"{self._scope}()"] = returned
        self._nameless(node)
        self._scope = before

    def _nameless(self, node: Node) -> None:
        """Visit the parameters and the body of a function."""
        before = self._importing
        self._importing = False
        self._local.append({})
        for part in ("parameters", "parameter"):
            parameters = node.child_by_field_name(part)
            for one in parameters.named_children if parameters is not None else ():
                self._parameter(one)
            if parameters is not None and parameters.type == "identifier":
                self._bind(_text(parameters), None)
        if (result := node.child_by_field_name("return_type")) is not None:
            self._typed(result)
        body = node.child_by_field_name("body")
        if body is not None and body.type == "statement_block":
            self.inside(body)
        elif body is not None:
            self.visit(body)
        self._local.pop()
        self._importing = before

    def _parameter(self, node: Node) -> None:
        pattern = node.child_by_field_name("pattern") or node
        kind = node.child_by_field_name("type")
        chain = self._type_of(kind)
        if pattern.type == "identifier":
            self._bind(_text(pattern), chain)
            if any(child.type == "accessibility_modifier" for child in node.children):
                self._names[f"{self._owner}.{_text(pattern)}"] = chain or ""
        if kind is not None:
            self._typed(kind)
        if (value := node.child_by_field_name("value")) is not None:
            self.visit(value)

    def _variable(self, node: Node) -> None:
        name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        kind = node.child_by_field_name("type")
        plain = _text(name) if name is not None and name.type == "identifier" else ""
        if kind is not None:
            self._typed(kind)
        if value is None:
            return
        if value.type in _FUNCTIONS and plain:
            self._function(value, plain)
            if self._local:
                self._local[-1].pop(plain, None)
            return
        if value.type == "call_expression" and self._required(value, plain):
            return
        self.visit(value)
        if plain:
            self._bind(plain, self._type_of(kind) or self._chain(value))

    def _field(self, node: Node) -> None:
        name = _text(node.child_by_field_name("name") or node.child_by_field_name("property"))
        kind, value = node.child_by_field_name("type"), node.child_by_field_name("value")
        chain = self._type_of(kind)
        if kind is not None:
            self._typed(kind)
        for child in node.named_children:
            if child.type == "decorator":
                self._decorator(child)
        if value is not None:
            before = self._importing
            self._importing = before and any(child.type == "static" for child in node.children)
            chain = chain or self._chain(value)
            self.visit(value)
            self._importing = before
        self._names[f"{self._owner}.{name}"] = chain or ""


def _stub(body: Node) -> StubKind:
    """Return what stands in place of a body."""
    text = _text(body)
    if "TODO" in text and any(c.type == "comment" and "TODO" in _text(c) for c in body.children):
        return "todo"
    statements = [child for child in body.named_children if child.type != "comment"]
    if body.type != "statement_block" or len(statements) > 1:
        return ""
    if not statements:
        return "pass"
    thrown = statements[0].type == "throw_statement"
    plain = _text(statements[0]).lower().replace("-", " ")
    return "raise" if thrown and "not implemented" in plain else ""


def _first_error(node: Node) -> Node | None:
    """Return the first node that tree-sitter could not read."""
    if node.is_error or node.is_missing:
        return node
    for child in node.children:
        if child.has_error and (found := _first_error(child)) is not None:
            return found
    return None
