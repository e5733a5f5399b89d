"""Turns the resolved mentions of files into links, each with its strength."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping

from orchestrator.analysis.codemodel import Import, Link, Module, Strength, Use, file_of
from orchestrator.analysis.languages.chains import STEP
from orchestrator.analysis.languages.resolving import Resolver, Value

_STARTED = ("__init__", "__new__", "__post_init__", "constructor")
_RANK = {strength: rank for rank, strength in enumerate(Strength)}


class Linker:
    """Collects the links of all files of a language.

    Args:
        modules: the files of the language.
        resolver: says what names stand for.
        data: files of the directory that are no source code.
    """

    def __init__(
        self, modules: Mapping[str, Module], resolver: Resolver, data: Iterable[str]
    ) -> None:
        self._modules = modules
        self._resolver = resolver
        self._data: dict[str, list[str]] = {}
        for path in data:
            self._data.setdefault(path.rpartition("/")[2], []).append(path)
        self._links: dict[tuple[str, str, str], Link] = {}

    def links(self) -> list[Link]:
        """Return every link once, at its strongest."""
        for path, module in self._modules.items():
            self._of_imports(path, module)
            for use in module.facts.uses:
                self._of_use(path, module, use)
            self._of_strings(path, module)
        self._of_importing()
        return list(self._links.values())

    def _add(self, source: str, target: str, kind: str, strength: Strength, line: int) -> None:
        if source == target or not target or target.endswith("/"):
            return
        key = source, target, kind
        old = self._links.get(key)
        if old is None or _RANK[strength] < _RANK[old.strength]:
            self._links[key] = Link(source, target, kind, strength, line)

    # --- imports -------------------------------------------------------------------------------

    def _of_imports(self, path: str, module: Module) -> None:
        for one in module.facts.imports:
            value = self._resolver.imported(path, one)
            target = self._resolver.module_of(path, one.module)
            base = _strength(one)
            if value is not None and value.kind == "module":
                self._add(path, value.path, "imports", base, one.line)
            elif target is not None and target != path:
                self._add(path, target, "imports", base, one.line)
            if value is not None and value.kind != "module":
                self._add(path, _node(value), "uses", base, one.line)

    def _imports_behind(self, module: Module, use: Use) -> Iterator[Import]:
        """Yield the import statements that bind the first name of a chain."""
        if "!" in use.name or (first := STEP.match(use.name)) is None:
            return
        scope = use.scope
        while True:
            found = self._resolver.bound(module.path, scope, first[0])
            dotted = [one for one in found if "." in one.bound]
            exact = [one for one in dotted if f"{use.name}.".startswith(f"{one.bound}.")]
            yield from exact or found
            if found or not scope:
                return
            scope = scope.rpartition(".")[0]

    # --- mentions ------------------------------------------------------------------------------

    def _of_use(self, path: str, module: Module, use: Use) -> None:
        behind = list(self._imports_behind(module, use))
        strength = Strength.HARD if use.importing else _strongest(behind)
        if use.importing:
            for one in behind:
                self._harden(path, one, use.line)
        _, mentions = self._resolver.walk(path, use.scope, use.name)
        source = f"{path}::{use.scope}" if use.scope else path
        for position, mention in enumerate(mentions):
            last = position == len(mentions) - 1
            if mention.value.kind == "module" and not last:
                continue
            kind = "calls" if mention.called else use.kind if last else "uses"
            if kind == "calls" and not mention.called:
                kind = "uses"
            target = _node(mention.value)
            if "::" in target or file_of(target) != path:
                self._add(source, target, kind, strength, use.line)

    def _harden(self, path: str, one: Import, line: int) -> None:
        if one.typing:
            return
        value = self._resolver.imported(path, one)
        target = self._resolver.module_of(path, one.module)
        if value is not None and value.kind == "module":
            target = value.path
        if target is not None and target != path:
            self._add(path, target, "imports", Strength.HARD, line)

    def _of_strings(self, path: str, module: Module) -> None:
        imports = any(one.module.startswith("importlib") for one in module.facts.imports)
        if imports or any(one.name == "__getattr__" for one in module.symbols):
            for target in self._resolver.named_modules(path):
                self._add(path, target, "uses", Strength.LAZY, 0)
        for text in module.facts.strings:
            same = [
                one
                for one in self._data.get(text.rpartition("/")[2], ())
                if f"/{one}".endswith(f"/{text.lstrip('./')}")
            ]
            near = [one for one in same if _top(one) == _top(path)]
            for target in near or same[: len(same) == 1]:
                self._add(path, target, "data", Strength.CALL, 0)

    # --- what importing a file runs ------------------------------------------------------------

    def _of_importing(self) -> None:
        """Add hard links to what code that runs while importing uses further on."""
        calls: dict[str, list[str]] = {}
        touched: dict[str, set[str]] = {}
        started: dict[str, dict[str, int]] = {}
        hard: set[tuple[str, str]] = set()
        for link in self._links.values():
            source, target = file_of(link.source), file_of(link.target)
            if link.strength is Strength.HARD:
                hard.add((source, target))
                if link.kind == "calls":
                    started.setdefault(source, {}).setdefault(link.target, link.line)
            elif link.kind in {"calls", "uses"} and link.strength is not Strength.TYPING:
                touched.setdefault(link.source, set()).add(target)
                if link.kind == "calls":
                    calls.setdefault(link.source, []).append(link.target)
        for source, targets in started.items():
            for target, line in targets.items():
                for reached in self._run_by(target, calls, touched):
                    if reached != source and (source, reached) not in hard:
                        hard.add((source, reached))
                        self._add(source, reached, "reaches", Strength.HARD, line)

    def _run_by(
        self, start: str, calls: Mapping[str, list[str]], touched: Mapping[str, set[str]]
    ) -> list[str]:
        """Return the files that calling something uses, through whatever it calls."""
        todo, seen, found = deque([start]), {start}, set()
        while todo:
            here = todo.popleft()
            found |= touched.get(here, set())
            for following in (*calls.get(here, ()), *self._started(here)):
                if following not in seen:
                    seen.add(following)
                    found.add(file_of(following))
                    todo.append(following)
        return sorted(found)

    def _started(self, node: str) -> list[str]:
        """Return the methods that making an instance runs, if the node is a class."""
        path, _, name = node.partition("::")
        if not self._resolver.is_class(path, name):
            return []
        methods = (self._resolver.method(path, name, one) for one in _STARTED)
        return [_node(one) for one in methods if one is not None and one.kind == "function"]


def _node(value: Value) -> str:
    """Return the id that a value stands for; a variable's is its file's."""
    return f"{value.path}::{value.name}" if value.kind in {"class", "function"} else value.path


def _strength(one: Import) -> Strength:
    if one.typing:
        return Strength.TYPING
    return Strength.LAZY if one.lazy else Strength.CALL


def _strongest(imports: Iterable[Import]) -> Strength:
    return min((_strength(one) for one in imports), key=_RANK.__getitem__, default=Strength.CALL)


def _top(path: str) -> str:
    return path.partition("/")[0] if "/" in path else ""
