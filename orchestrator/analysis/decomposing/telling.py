"""What an agent is told to do, written from the code graph: functions, and what to build on."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from textwrap import wrap

from orchestrator.analysis.codegraph import CodeGraph
from orchestrator.analysis.codemodel import Symbol
from orchestrator.analysis.decomposing.cut import Part
from orchestrator.analysis.decomposing.survey import Survey

_FUNCTIONS = 40  # that a task names for each file
_SIGNATURES = 12  # of a file that is shown to others
_LONGEST = 160  # characters of a line about one of them
_SOME = 6
_WIDTH = 92


def title(part: Part, survey: Survey) -> str:
    """Return one line for people."""
    if part.title:
        return part.title
    if part.piece:
        names = _names(part.piece.symbols)
        return f"Part of {part.piece.path}: {some(names, 3)}"
    return f"Write {some(part.files, 3)}" if len(part.files) < 4 else _many(part.files)


def _many(files: Sequence[str]) -> str:
    folders = {path.rpartition("/")[0] for path in files}
    where = f" of {min(folders)}" if len(folders) == 1 and min(folders) else ""
    return f"Write {len(files)} files{where}"


def instructions(part: Part, survey: Survey, beside: Sequence[str], tests: Sequence[str]) -> str:
    """Return what an agent is told.

    Args:
        part: what is to be done.
        survey: the ground.
        beside: files that this part builds on and that others write at the same time.
        tests: test files that decide.
    """
    lines = [line for text in (*_what(part, survey), part.advice) for line in _wrapped(text)]
    shown = {path: signatures(survey.graph, path, part.paths) for path in beside}
    if any(shown.values()):
        lines += _wrapped(
            "Others write these files at the same time; build on what is there, which stays as "
            "it is, and do not wait for the bodies:"
        )
        for path in beside:
            if shown[path]:
                lines += [f"- {path}", *(f"    {line}" for line in shown[path])]
    if tests:
        lines += _wrapped(f"These tests decide: {some(tests)}.")
    else:
        lines.append("No test can pass by this work alone; later tasks run those that need it.")
    return "\n".join(lines) + "\n"


def _wrapped(text: str) -> list[str]:
    return wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _what(part: Part, survey: Survey) -> Iterable[str]:
    if part.piece:
        names = _names(part.piece.symbols)
        yield (
            f"Write these functions of {part.piece.path} (lines {part.piece.first} to "
            f"{part.piece.last} as the file stands now): {some(names, _FUNCTIONS)}."
        )
        yield (
            "Other tasks edit other regions of this file at the same time. Change no line outside "
            "your region but the imports that you need; use edit_file, not write_file."
        )
        return
    known = survey.graph.modules
    for path in part.files:
        named = _names(one for one in survey.goal.files.get(path, ()) if one.stub)
        if named:
            yield f"Write the functions of {path} that have no body yet: {some(named, _FUNCTIONS)}."
        elif path in known:
            yield f"Change {path} so that the goal is reached."
        else:
            yield f"Write {path}."
    if any(survey.goal.files.get(path) for path in part.files):
        yield "Keep signatures, names and docstrings: others rely on them."


def _names(symbols: Iterable[Symbol]) -> list[str]:
    """Return their names, each once; a property and its setter have one."""
    return list(dict.fromkeys(symbol.name.partition("#")[0] for symbol in symbols))


def signatures(graph: CodeGraph, path: str, readers: Sequence[str]) -> list[str]:
    """Return the signatures of a file that others build on, those first that they import.

    Args:
        graph: the code graph.
        path: the file.
        readers: the files that use it.
    """
    found = _python_signatures(graph, path)
    stem = path.removesuffix("/__init__.py").rpartition("/")[2].partition(".")[0]
    imports = [
        one
        for reader in readers
        if reader in graph.modules
        for one in graph.modules[reader].facts.imports
    ]
    names = {one.name for one in imports}
    by_name = any(one.name and one.module.rpartition(".")[2] == stem for one in imports)
    wanted = [text for name, text in found.items() if name.split(".")[0] in names]
    chosen = wanted if wanted or by_name else list(found.values())
    more = len(chosen) - _SIGNATURES
    return [*chosen[:_SIGNATURES], *([f"… and {more} more"] if more > 0 else [])]


def _python_signatures(graph: CodeGraph, path: str) -> dict[str, str]:
    """Return what a file has for others by qualified name, one line each."""
    module = graph.modules.get(path)
    if module is None:
        return {}
    if module.language != "python":
        return {one.name: f"{one.kind} {one.name}" for one in module.symbols if _public(one)}
    try:
        tree = ast.parse((graph.root / path).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return {}  # said by the code graph
    found: dict[str, str] = {}
    _collect(tree.body, "", found)
    return found


def _collect(body: Sequence[ast.stmt], outer: str, found: dict[str, str]) -> None:
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            found[f"{outer}{node.name}"] = f"class {outer}{node.name}{_class_line(node)}"
            _collect(node.body, f"{outer}{node.name}.", found)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{outer}{node.name}"
            if not node.name.startswith("_") or node.name == "__init__":
                returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
                said = (ast.get_docstring(node) or "").partition("\n")[0]
                text = f"{name}({ast.unparse(node.args)}){returns}"
                found[name] = _short(f"{text}: {said}" if said else text)
        elif not outer and isinstance(node, ast.Assign | ast.AnnAssign):
            for name in _targets(node):
                if not name.startswith("_"):
                    found[name] = _short(" ".join(ast.unparse(node).split()))


def _class_line(node: ast.ClassDef) -> str:
    """Return the bases of a class, and the fields that its body declares."""
    bases = ", ".join(map(ast.unparse, node.bases))
    fields = [
        " ".join(ast.unparse(one).split())
        for one in node.body
        if isinstance(one, ast.Assign | ast.AnnAssign)
    ]
    inside = f"({bases})" if bases else ""
    return _short(inside + (": " + "; ".join(fields) if fields else ""))


def _targets(node: ast.Assign | ast.AnnAssign) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [one.id for one in targets if isinstance(one, ast.Name)]


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _public(symbol: Symbol) -> bool:
    return not any(word.startswith("_") for word in symbol.name.split("."))


def some(names: Sequence[str], shown: int = _SOME) -> str:
    """Return a list for a sentence, shortened in the end."""
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")
