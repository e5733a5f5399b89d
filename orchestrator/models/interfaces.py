"""What one Python file of a solution knows of another: declared functions, calls, drift.

An *interface drift* is a function whose last parameter bears another name than in the reference:
by convention the name with the suffix ``_v0``. Whoever has read such a declaration calls the
function with that keyword, and the call is a `TypeError` once the function has its final
signature (and the other way round). So building on what has since changed really breaks.

Calls are matched to functions by name alone: a name that is declared exactly once in the
reference, and that no built-in type has. This misses some calls and never needs to run anything.
"""

from __future__ import annotations

import ast
import builtins
import io
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import PurePosixPath

from orchestrator.models.pytext import Edit, PyText, parsed

SUFFIX = "_v0"
"""What the provisional name of a parameter ends with."""

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_HARMLESS = ("staticmethod", "classmethod", "contextmanager", "cache", "lru_cache")
_KNOWN_TYPES = (dict, list, set, frozenset, str, bytes, tuple, int, float, io.StringIO, io.BytesIO)
_COMMON = frozenset(dir(builtins)).union(*(dir(kind) for kind in _KNOWN_TYPES))


@dataclass(frozen=True, slots=True)
class Declared:
    """A public function or method as a file declares it.

    Attributes:
        name: its bare name.
        parameters: names of its plain parameters, in order; `self` and `cls` are left out.
        owner: the class that it is a method of; "" for a function.
        takes_self: whether a call through the class passes the object first.
        file: the file that declares it; "" when only one text was looked at.
    """

    name: str
    parameters: tuple[str, ...]
    owner: str = ""
    takes_self: bool = False
    file: str = ""


class Catalogue:
    """The functions of a reference solution that can be told by their name.

    Args:
        texts: path to text; files that are no Python are passed over.

    Attributes:
        functions: by name, those whose name is defined exactly once in all of the texts.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        times: Counter[str] = Counter()
        self.functions: dict[str, Declared] = {}
        for path, text in texts.items():
            if not path.endswith(".py"):
                continue
            times.update(_defined(text))
            for name, function in declared(text).items():
                self.functions[name] = replace(function, file=path)
        self.functions = {
            name: function
            for name, function in self.functions.items()
            if times[name] == 1 and name not in _COMMON
        }


@lru_cache(maxsize=512)
def declared(text: str) -> Mapping[str, Declared]:
    """Return the public functions and methods that a text declares once, by name.

    Only those with a last plain parameter that a call may pass by keyword: none that is
    positional-only, collects arguments (``*args``, ``**kwargs``) or has a decorator that may
    change how it is called. A text that is no Python declares nothing.
    """
    source = parsed(text)
    if source is None:
        return {}
    times = _defined(text)
    return {
        function.name: function
        for node, owner in _functions(source.tree)
        if times[node.name] == 1 and (function := _declaration(node, owner)) is not None
    }


def drift_candidates(text: str) -> tuple[str, ...]:
    """Return the names of the functions of `text` whose last parameter can be renamed.

    Left out: what `declared` leaves out, names that a built-in type has too, parameters that
    bear the suffix already, and those whose new name stands somewhere in the text.
    """
    return tuple(
        name
        for name, function in declared(text).items()
        if name not in _COMMON
        and not function.parameters[-1].endswith(SUFFIX)
        and function.parameters[-1] + SUFFIX not in text
    )


def drifted(text: str, names: Collection[str]) -> str:
    """Return `text` with provisional signatures: the last parameter of the functions `names`
    is renamed with the suffix ``_v0``.

    Bodies keep working: ``NAME = NAME_v0`` comes first in them, after the docstring; a stub that
    only raises `NotImplementedError` is left alone. Calls in the same text that pass the
    parameter by keyword are renamed too; those of other files are not looked at.

    Args:
        text: Python source.
        names: functions out of `drift_candidates(text)`; others are passed over.
    """
    wanted = tuple(name for name in drift_candidates(text) if name in names)
    changed = _drift(text, wanted) if wanted else text
    if changed is None:  # one of them cannot be renamed: find out which
        wanted = tuple(name for name in wanted if _drift(text, (name,)) is not None)
        changed = _drift(text, wanted)
    return text if changed is None else changed


@lru_cache(maxsize=256)
def used_functions(text: str, catalogue: Catalogue, path: str = "") -> tuple[Declared, ...]:
    """Return the functions of other files that `text` calls, by name.

    Args:
        text: Python source; what is none uses nothing.
        catalogue: the functions of the reference.
        path: the file that holds `text`, which does not use itself.
    """
    source = parsed(text)
    if source is None:
        return ()
    own = _defined(text)
    names = {
        name
        for _, name in _calls(source, catalogue)
        if name not in own and catalogue.functions[name].file != path
    }
    return tuple(catalogue.functions[name] for name in sorted(names))


def write_against(text: str, seen: Mapping[str, str], catalogue: Catalogue, path: str = "") -> str:
    """Return `text` as somebody writes it who has read `seen` and nothing newer.

    Each call of a function of another file is written as the text that was read declares it: if
    its last parameter bore the suffix ``_v0`` there, the call passes it by that keyword. A call
    that does not pass the parameter stays. Where nothing differs this is `text` itself.

    Args:
        text: the reference text.
        seen: path to text, as last read; of other files nothing is known.
        catalogue: the functions of the reference.
        path: the file that `text` is written to.
    """
    outdated = {
        function.name: function
        for function in used_functions(text, catalogue, path)
        if function.file in seen and _is_provisional(function, seen[function.file])
    }
    source = parsed(text)
    if not outdated or source is None:
        return text
    edits: list[Edit] = []
    for call, name in _calls(source, catalogue):
        if name in outdated:
            edits += _by_keyword(source, call, outdated[name])
    changed = source.changed(edits)
    return changed if parsed(changed) is not None else text


def _is_provisional(function: Declared, text: str) -> bool:
    found = declared(text).get(function.name)
    return found is not None and found.parameters == (
        *function.parameters[:-1],
        function.parameters[-1] + SUFFIX,
    )


def _by_keyword(source: PyText, call: ast.Call, function: Declared) -> Iterator[Edit]:
    """Yield what makes a call pass the last parameter under its provisional name."""
    name = function.parameters[-1]
    for keyword in call.keywords:
        if keyword.arg == name:
            start = source.start(keyword)
            if source.text.startswith(name, start):
                yield Edit(start, start + len(name), name + SUFFIX)
            return
    place = len(function.parameters) - 1 + _passes_self(call, function)
    if len(call.args) != place + 1 or any(isinstance(arg, ast.Starred) for arg in call.args):
        return
    written = source.arguments(call)
    if len(written) != len(call.args) + len(call.keywords):
        return
    argument, node = written[place], call.args[place]
    bare = isinstance(node, ast.GeneratorExp) and source.end(node) == source.end(call)
    yield Edit(argument.start, argument.start, f"{name}{SUFFIX}=" + "(" * bare)
    if bare:  # its brackets were those of the call
        yield Edit(argument.end, argument.end, ")")


def _passes_self(call: ast.Call, function: Declared) -> bool:
    match call.func:
        case ast.Attribute(value=ast.Name(id=root)):
            return function.takes_self and root == function.owner
    return False


def _calls(source: PyText, catalogue: Catalogue) -> Iterator[tuple[ast.Call, str]]:
    """Yield the calls of functions of the catalogue, outside of f-strings."""
    bound, stars = _imports(source.tree)
    waiting: list[ast.AST] = [source.tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.JoinedStr):
            continue  # Python 3.11 gives wrong places in there
        waiting.extend(ast.iter_child_nodes(node))
        if isinstance(node, ast.Call):
            name = _called(node.func, bound, stars, catalogue)
            if name:
                yield node, name


def _called(
    target: ast.expr, bound: Mapping[str, str], stars: Collection[str], catalogue: Catalogue
) -> str:
    """Return the name of the function of the catalogue that is called; "" for any other."""
    if isinstance(target, ast.Name):
        origin = bound.get(target.id, "")
        name = origin.rpartition(".")[2] or target.id
        found = catalogue.functions.get(name)
        if found is None or found.owner:
            return ""
        starred = not origin and any(_is_ours(star, found) for star in stars)
        return name if starred or _is_ours(origin, found) else ""
    if not isinstance(target, ast.Attribute):
        return ""
    found = catalogue.functions.get(target.attr)
    if found is None:
        return ""
    origin = bound.get(_root(target.value), "")
    if found.owner:
        return target.attr if not origin or _is_ours(origin, found) else ""
    last = target.value.attr if isinstance(target.value, ast.Attribute) else origin
    fits = last.rpartition(".")[2] in _parts(found)[-2:] and _is_ours(origin, found)
    return target.attr if fits else ""


def _root(value: ast.expr) -> str:
    """Return the name that a chain of attributes begins with; "" when it begins otherwise."""
    while isinstance(value, ast.Attribute):
        value = value.value
    return value.id if isinstance(value, ast.Name) else ""


def _is_ours(origin: str, function: Declared) -> bool:
    """Whether something imported may come from where the function is declared."""
    return origin.startswith(".") or origin.partition(".")[0] in _parts(function)


def _parts(function: Declared) -> tuple[str, ...]:
    """Return the names of packages and module that lead to the function's file."""
    return tuple(
        part for part in PurePosixPath(function.file).with_suffix("").parts if part != "__init__"
    )


def _imports(tree: ast.Module) -> tuple[dict[str, str], list[str]]:
    """Return what imported names stand for, by the name that they are bound to, and the modules
    of which everything is imported. What is relative begins with a point."""
    bound: dict[str, str] = {}
    stars: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                bound[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom):
            module = "." * min(node.level, 1) + (node.module or "")
            for alias in node.names:
                if alias.name == "*":
                    stars.append(module)
                else:
                    bound[alias.asname or alias.name] = f"{module}.{alias.name}"
    return bound, stars


# --- declarations ---------------------------------------------------------------------------------


def _functions(tree: ast.Module) -> Iterator[tuple[_Function, str]]:
    """Yield the functions of a module and the methods of its classes, each with its class."""
    for statement in tree.body:
        if isinstance(statement, _Function):
            yield statement, ""
        elif isinstance(statement, ast.ClassDef):
            for inner in statement.body:
                if isinstance(inner, _Function):
                    yield inner, statement.name


@lru_cache(maxsize=512)
def _defined(text: str) -> Counter[str]:
    """Return how often each name is defined in a text, at any depth."""
    source = parsed(text)
    return Counter(
        node.name
        for node in (ast.walk(source.tree) if source else ())
        if isinstance(node, _Function | ast.ClassDef)
    )


def _declaration(node: _Function, owner: str) -> Declared | None:
    decorators = {_last_name(decorator) for decorator in node.decorator_list}
    arguments = node.args
    names = [argument.arg for argument in arguments.args]
    takes_self = bool(owner) and "staticmethod" not in decorators
    names = names[1:] if takes_self else names
    open_ended = arguments.vararg or arguments.kwarg or arguments.posonlyargs
    if node.name.startswith("_") or not names or open_ended or not decorators <= {*_HARMLESS}:
        return None
    through_class = takes_self and "classmethod" not in decorators
    return Declared(node.name, tuple(names), owner, through_class)


def _last_name(node: ast.expr) -> str:
    match node:
        case ast.Call(func=function):
            return _last_name(function)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


# --- drift ----------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def _drift(text: str, names: tuple[str, ...]) -> str | None:
    """Return `text` with provisional signatures, or None when it cannot be made."""
    source = parsed(text)
    if source is None:
        return None
    last: dict[str, str] = {}
    edits: list[Edit] = []
    for node, _ in _functions(source.tree):
        if node.name in names:
            argument = node.args.args[-1]
            start = source.start(argument)
            if not source.text.startswith(argument.arg, start):
                return None  # written in another Unicode form
            last[node.name] = argument.arg
            place = start + len(argument.arg)
            edits += [Edit(place, place, SUFFIX), *_bound_again(source, node, argument.arg)]
    for call in ast.walk(source.tree):
        if isinstance(call, ast.Call) and (name := _last_name(call.func)) in last:
            edits += _renamed_keyword(source, call, last[name])
    changed = source.changed(edits)
    return changed if parsed(changed) is not None else None


def _renamed_keyword(source: PyText, call: ast.Call, name: str) -> Iterator[Edit]:
    for keyword in call.keywords:
        place = source.start(keyword)
        if keyword.arg == name and source.text.startswith(name, place):
            yield Edit(place + len(name), place + len(name), SUFFIX)


def _bound_again(source: PyText, node: _Function, name: str) -> Iterator[Edit]:
    """Yield the line that gives the parameter its final name inside of the body."""
    body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
    if not body or all(_is_stub(statement) for statement in body):
        return
    first = body[0]
    decorators = getattr(first, "decorator_list", [])
    line = min([first.lineno, *(decorator.lineno for decorator in decorators)])
    place = source.line_start(line)
    indent = source.text[place : source.start(first)] if line == first.lineno else ""
    if decorators:
        place, indent = source.line_start(line), " " * first.col_offset
    if indent.strip():  # the body stands on the line of its `def`, or behind its docstring
        start = source.start(first)
        yield Edit(start, start, f"{name} = {name}{SUFFIX}; ")
    else:
        yield Edit(place, place, f"{indent}{name} = {name}{SUFFIX}\n")


def _is_stub(statement: ast.stmt) -> bool:
    match statement:
        case ast.Pass() | ast.Expr(value=ast.Constant(value=builtins.Ellipsis)):
            return True
        case ast.Raise(exc=ast.expr() as raised):
            return _last_name(raised) == "NotImplementedError"
    return False
