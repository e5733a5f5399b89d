"""What a chain of a file stands for, across the files of its language.

Names are followed through imports, re-exports, star imports, aliases and module ``__getattr__``
to their definition; attributes through classes and their bases, and through what is known of the
types of variables, attributes and results. A walk that comes back to itself ends without a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from orchestrator.analysis.codemodel import Import, Module, Symbol
from orchestrator.analysis.languages.chains import FIXTURE, STEP

_DEEPEST = 40  # re-exports and types followed from one name
_OF_ONE = {"get", "pop", "popleft", "setdefault", "__getitem__", "__enter__"}


class Lookup(Protocol):
    """Where modules are, by the rules of one language."""

    def module(self, path: str, name: str) -> str | None:
        """Return the file (or ``folder/``) that a file imports under a name as written."""

    def inside(self, package: str, name: str) -> str | None:
        """Return the module that a package, or a ``folder/``, holds under a name."""

    def holds_modules(self, path: str) -> bool:
        """Whether modules can be taken out of what stands at a path."""

    def fixtures(self, path: str) -> Sequence[str]:
        """Return the files in which the test runner looks for fixtures, nearest first."""


@dataclass(frozen=True, slots=True)
class Value:
    """What a chain stands for.

    Attributes:
        kind: a module (or ``folder/``), a class, a function, a variable, an instance of a class,
            or super(): an instance that is looked up from the bases on.
        path: file of it.
        name: qualified name in the file; empty for modules.
        many: how many containers are around it.
    """

    kind: Literal["module", "class", "function", "variable", "instance", "super"]
    path: str
    name: str = ""
    many: int = 0


@dataclass(frozen=True, slots=True)
class Mention:
    """A definition that a chain mentions on its way.

    Attributes:
        value: what is mentioned.
        called: whether it is called.
    """

    value: Value
    called: bool


class Resolver:
    """Resolves chains; every answer is kept.

    Args:
        modules: the files of the language.
        lookup: where modules are.
    """

    def __init__(self, modules: Mapping[str, Module], lookup: Lookup) -> None:
        self._modules = modules
        self._lookup = lookup
        self._symbols: dict[str, dict[str, Symbol]] = {
            path: {one.name: one for one in module.symbols} for path, module in modules.items()
        }
        self._bound: dict[str, dict[tuple[str, str], list[Import]]] = {}
        self._stars: dict[str, list[Import]] = {}
        self._bases: dict[tuple[str, str], list[str]] = {}
        for path, module in modules.items():
            self._note(path, module)
        self._kept: dict[tuple[str, str, str], tuple[Value | None, tuple[Mention, ...]]] = {}
        self._attributes: dict[tuple[str, str], Value | None] = {}
        self._depth = 0

    def _note(self, path: str, module: Module) -> None:
        bound: dict[tuple[str, str], list[Import]] = {}
        for one in module.facts.imports:
            if one.name == "*":
                self._stars.setdefault(path, []).append(one)
            else:
                bound.setdefault((one.scope, one.bound.partition(".")[0]), []).append(one)
        self._bound[path] = bound
        for use in module.facts.uses:
            if use.kind == "inherits":
                self._bases.setdefault((path, use.scope), []).append(use.name)

    # --- modules -------------------------------------------------------------------------------

    def module_of(self, path: str, module: str) -> str | None:
        """Return the file (or ``folder/``) that ``import module`` in `path` names."""
        return self._lookup.module(path, module)

    def bound(self, path: str, scope: str, name: str) -> list[Import]:
        """Return the imports that bind a name in a scope."""
        return self._bound[path].get((scope, name), [])

    def is_class(self, path: str, name: str) -> bool:
        """Whether a symbol is a class."""
        symbol = self._symbols.get(path, {}).get(name)
        return symbol is not None and symbol.kind == "class"

    def imported(self, path: str, one: Import) -> Value | None:
        """Return what an import statement binds."""
        target = self.module_of(path, one.module)
        if target is None:
            return None
        if not one.name or one.name == "*":
            return Value("module", target)
        if target == path:
            inside = (
                self._lookup.inside(target, one.name)
                if self._lookup.holds_modules(target)
                else None
            )
            return Value("module", inside) if inside else None
        return self.member(target, one.name)

    def member(self, path: str, name: str) -> Value | None:
        """Return what a name means at the top level of a module, or its submodule."""
        key = path, name
        if key in self._attributes:
            return self._attributes[key]
        self._attributes[key] = None  # ends a walk in a circle
        found = self._member(path, name) if self._deeper() else None
        self._depth -= 1
        self._attributes[key] = found
        return found

    def _deeper(self) -> bool:
        self._depth += 1
        return self._depth < _DEEPEST

    def _member(self, path: str, name: str) -> Value | None:
        if not path.endswith("/"):
            if symbol := self._symbols[path].get(name):
                return Value(symbol.kind, path, name)
            for one in self._bound[path].get(("", name), ()):
                if one.bound != name:  # `import a.b` binds `a`
                    top = self.module_of(path, name)
                    return Value("module", top) if top else None
                if found := self.imported(path, one):
                    return found
            if (chain := self._modules[path].facts.names.get(name)) is not None:
                found = self.value(path, "", chain) if chain else None
                return found or Value("variable", path, name)
            for one in self._stars.get(path, ()):
                if found := self._from_star(path, one, name):
                    return found
        if self._lookup.holds_modules(path) and (inside := self._lookup.inside(path, name)):
            return Value("module", inside)
        return None if path.endswith("/") else self._from_getattr(path, name)

    def _from_star(self, path: str, one: Import, name: str) -> Value | None:
        source = self.module_of(path, one.module)
        if source is None or source == path or source.endswith("/"):
            return None
        exported = self._modules[source].facts.exported
        hidden = name.startswith("_") if exported is None else name not in exported
        return None if hidden else self.member(source, name)

    def _from_getattr(self, path: str, name: str) -> Value | None:
        """Return what a module's ``__getattr__`` probably finds in the modules that it names."""
        if "__getattr__" not in self._symbols[path]:
            return None
        for module in self.named_modules(path):
            if module != path and (symbol := self._symbols[module].get(name)):
                return Value(symbol.kind, module, name)
        return None

    def named_modules(self, path: str) -> list[str]:
        """Return the modules that string constants of a file name in full."""
        found = []
        for text in self._modules[path].facts.strings:
            module = text.partition(":")[0]
            if "/" not in module and ("." in module):
                target = self.module_of(path, module) if module.strip(".") else None
                if target is not None and not target.endswith("/") and target != path:
                    found.append(target)
        return found

    # --- chains --------------------------------------------------------------------------------

    def value(self, path: str, scope: str, chain: str) -> Value | None:
        """Return what a chain stands for."""
        return self.walk(path, scope, chain)[0]

    def walk(self, path: str, scope: str, chain: str) -> tuple[Value | None, tuple[Mention, ...]]:
        """Return what a chain stands for, and the definitions that it mentions here."""
        key = path, scope, chain
        if key not in self._kept:
            self._kept[key] = None, ()  # ends a walk in a circle
            answer = self._walk(path, scope, chain) if self._deeper() else (None, ())
            self._depth -= 1
            self._kept[key] = answer
        return self._kept[key]

    def _walk(self, path: str, scope: str, chain: str) -> tuple[Value | None, tuple[Mention, ...]]:
        steps = STEP.findall(chain)
        value = self._root(path, scope, steps[0])
        mentions = [Mention(value, False)] if value else []
        for step in steps[1:]:
            if value is None:
                break
            if step == "!":
                mentions = []
            elif step == "()":
                if mentions and mentions[-1].value == value:
                    mentions[-1] = Mention(value, True)
                value = self._called(value)
            elif step in {"@", "*", "[]"}:
                value = _wrapped(value, step)
            else:
                value = self._attribute(value, step)
                if value is not None and value.kind in {"class", "function", "module", "variable"}:
                    mentions.append(Mention(value, False))
                    value = self._property(value) or value
        return value, tuple(one for one in mentions if one.value.kind not in {"instance", "super"})

    def _root(self, path: str, scope: str, name: str) -> Value | None:
        """Return what a plain name stands for in a scope."""
        if name.startswith(FIXTURE):
            return self._fixture(path, name.removeprefix(FIXTURE))
        symbols = self._symbols[path]
        inner = scope
        while inner:
            for one in self._bound[path].get((inner, name), ()):
                if one.bound == name:
                    if found := self.imported(path, one):
                        return found
                elif top := self.module_of(path, name):
                    return Value("module", top)
            symbol = symbols.get(f"{inner}.{name}")
            opened = symbols.get(inner)
            if symbol and opened and (opened.kind == "function" or inner == scope):
                return Value(symbol.kind, path, symbol.name)
            inner = inner.rpartition(".")[0]
        return self.member(path, name)

    def _fixture(self, path: str, name: str) -> Value | None:
        """Return a pytest fixture: of the file itself, or of the nearest conftest above it."""
        for place in self._lookup.fixtures(path):
            if place in self._symbols and name in self._symbols[place]:
                return Value(self._symbols[place][name].kind, place, name)
        return None

    def _attribute(self, value: Value, name: str) -> Value | None:
        if value.many:
            inner = Value(value.kind, value.path, value.name, value.many - 1)
            return inner if name in _OF_ONE else value
        if value.kind == "module":
            return self.member(value.path, name)
        if value.kind == "variable":
            return None
        if name == "__super__":
            return Value("super", value.path, value.name)
        if value.kind == "function":
            nested = self._symbols[value.path].get(f"{value.name}.{name}")
            return Value(nested.kind, value.path, nested.name) if nested else None
        found = self.method(value.path, value.name, name, bases_only=value.kind == "super")
        if found is None and name == "__enter__" and value.kind == "instance":
            return value
        return found

    def method(self, path: str, owner: str, name: str, *, bases_only: bool = False) -> Value | None:
        """Return what a class has under a name, its bases included."""
        for place, qualified in self._ancestors(path, owner):
            if bases_only and (place, qualified) == (path, owner):
                continue
            if symbol := self._symbols[place].get(f"{qualified}.{name}"):
                return Value(symbol.kind, place, symbol.name)
            if (chain := self._modules[place].facts.names.get(f"{qualified}.{name}")) is not None:
                return self.value(place, qualified, chain) if chain else None
        return None

    def _ancestors(self, path: str, owner: str) -> Iterator[tuple[str, str]]:
        """Yield a class and its bases, nearest first."""
        todo, seen = [(path, owner)], set()
        while todo:
            here = todo.pop(0)
            if here in seen:
                continue
            seen.add(here)
            yield here
            for chain in self._bases.get(here, ()):
                base = self.value(here[0], here[1].rpartition(".")[0], chain)
                if base is not None and base.kind == "class":
                    todo.append((base.path, base.name))

    def bases(self, path: str, owner: str) -> list[tuple[str, str]]:
        """Return the classes above a class that are in this code."""
        return list(self._ancestors(path, owner))[1:]

    def _property(self, value: Value) -> Value | None:
        """Return what a property gives, or None when the value is none."""
        if value.kind != "function":
            return None
        chain = self._modules[value.path].facts.names.get(value.name)
        return self.value(value.path, value.name.rpartition(".")[0], chain) if chain else None

    def _called(self, value: Value) -> Value | None:
        if value.many:  # `xs.get(...)`, `xs.values()`
            return value
        if value.kind == "class":
            return Value("instance", value.path, value.name)
        if value.kind == "function":
            chain = self._modules[value.path].facts.names.get(f"{value.name}()")
            return self.value(value.path, value.name, chain) if chain else None
        if value.kind == "instance":
            call = self.method(value.path, value.name, "__call__")
            if call is not None and call.kind == "function":
                return self._called(call)
            return value  # `x.attribute.get()` on a container was already unwrapped
        return None


def _wrapped(value: Value, step: str) -> Value | None:
    if step == "@":
        return Value("instance", value.path, value.name) if value.kind == "class" else None
    if step == "*":
        return Value(value.kind, value.path, value.name, value.many + 1)
    if value.many:
        return Value(value.kind, value.path, value.name, value.many - 1)
    return value if value.kind == "class" else None
