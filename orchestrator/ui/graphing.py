"""`graph`: what a directory of code consists of, and what depends on what."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.analysis.codegraph import CodeGraph, build
from orchestrator.analysis.codemodel import Strength
from orchestrator.analysis.tracing import Recall, Trace, recall, trace
from orchestrator.errors import UsageError
from orchestrator.ui.files import write_text
from orchestrator.ui.output import complain, say, say_json
from orchestrator.ui.words import count, listed, one_line

FORMATS = ("text", "json", "graphml", "dot", "svg")
_SHOWN = 10  # problems, cycles, missing calls


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked about a directory.

    Attributes:
        form: one of FORMATS.
        output: file to write to; None: standard output.
        who_needs: file or symbol whose dependents are wanted.
        touches: file or symbol; what a change of it would touch.
        path: two files; a chain of dependencies from the first to the second.
        cycles: files that depend on one another.
        hubs: files tied to many others.
        trace: command to run and record.
        observed: whether calls that were seen are added to the graph.
        language: as in `build`.
        cache: directory of the cache; None: none is kept.
    """

    form: str = "text"
    output: Path | None = None
    who_needs: str | None = None
    touches: str | None = None
    path: tuple[str, str] | None = None
    cycles: bool = False
    hubs: bool = False
    trace: str | None = None
    observed: bool = False
    language: str = "auto"
    cache: Path | None = None


def default_cache(root: Path) -> Path:
    """Return the directory in which the code graph of a directory is kept between calls."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    key = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:16]
    return Path(home) / "orchestrator" / "graphs" / key


def show_graph(root: Path, wanted: Wanted) -> int:
    """Analyse a directory and print what is asked about it.

    Returns:
        The exit code: 1 if there is no path that was asked for, or the traced command failed.

    Raises:
        UsageError: there is no such directory, file, symbol, language or format.
        WorkspaceError: the output cannot be written.
    """
    if wanted.form not in FORMATS:
        raise UsageError(f"there is no format {wanted.form!r}", "--format", fix=listed(FORMATS))
    graph = build(root, cache=wanted.cache, language=wanted.language, history=True)
    for problem in graph.problems[:_SHOWN]:
        complain(f"{problem.where}: {problem.what}" + (f"; {problem.fix}" if problem.fix else ""))
    if len(graph.problems) > _SHOWN:
        complain(f"{count(len(graph.problems) - _SHOWN, 'more problem')}")
    seen = trace(root, wanted.trace) if wanted.trace is not None else None
    met = recall(graph, seen) if seen is not None else None
    if seen is not None and wanted.observed:
        graph = graph.with_observed(seen.calls)
    answers = _answers(graph, wanted)
    if wanted.form == "json":
        _write_json(graph, wanted, answers, seen, met)
    elif wanted.form != "text":
        _write(_drawn(graph, wanted.form), wanted.output)
    else:
        lines = list(_lines(answers)) if answers else list(_summary(graph))
        if seen is not None and met is not None:
            lines += _recall_lines(graph, seen, met)
        _write("\n".join(lines), wanted.output)
    no_path = wanted.path is not None and answers["path"] is None
    return 1 if no_path or (seen is not None and seen.exit_code != 0) else 0


def _answers(graph: CodeGraph, wanted: Wanted) -> dict[str, Any]:
    """Return the answers to the questions asked, as plain values."""
    found: dict[str, Any] = {}
    if wanted.who_needs is not None:
        needs = {
            path: str(graph.strength(path, graph.known(wanted.who_needs).partition("::")[0]) or "")
            for path in sorted(graph.dependents_of(wanted.who_needs))
        }
        found["who_needs"] = {"of": wanted.who_needs, "files": needs}
    if wanted.touches is not None:
        touched = sorted(graph.touched_by(wanted.touches))
        tests = list(graph.tests_of(wanted.touches))
        found["touches"] = {"of": wanted.touches, "files": touched, "tests": tests}
    if wanted.path is not None:
        chain = graph.path_between(*wanted.path)
        found["path"] = None if chain is None else list(chain)
        found["path_asked"] = list(wanted.path)
    if wanted.cycles:
        found["cycles"] = [list(group) for group in graph.cycles()]
        found["hard_cycles"] = [list(group) for group in graph.cycles({Strength.HARD})]
    if wanted.hubs:
        found["hubs"] = [
            {"path": hub.path, "share": round(hub.share, 4), "dependents": hub.dependents}
            for hub in graph.hubs()
        ]
    return found


def _lines(answers: dict[str, Any]) -> Iterator[str]:
    if needs := answers.get("who_needs"):
        verb = "depends" if len(needs["files"]) == 1 else "depend"
        yield f"{count(len(needs['files']), 'file')} {verb} directly on {needs['of']}:"
        yield from (f"  {path}  ({strength})" for path, strength in needs["files"].items())
    if touches := answers.get("touches"):
        yield f"A change of {touches['of']} may touch {count(len(touches['files']), 'file')}:"
        yield from (f"  {path}" for path in touches["files"])
        yield f"Tests that reach it, most direct first: {listed(touches['tests'])}."
    if "path_asked" in answers:
        first, last = answers["path_asked"]
        chain = answers["path"]
        yield " → ".join(chain) if chain else f"{first} does not depend on {last}."
    if "cycles" in answers:
        yield from _cycle_lines(answers["cycles"], answers["hard_cycles"])
    if "hubs" in answers:
        yield f"{count(len(answers['hubs']), 'hub')}: tied to more than 40 % of the other files."
        for hub in answers["hubs"]:
            yield f"  {hub['path']}  {hub['share']:.0%}, {hub['dependents']} depend on it"


def _cycle_lines(cycles: Sequence[Sequence[str]], hard: Sequence[Sequence[str]]) -> Iterator[str]:
    if not cycles:
        yield "No files import one another in a circle."
        return
    yield f"{count(len(cycles), 'group')} of files that import one another in a circle:"
    for group in cycles[:_SHOWN]:
        yield f"  {len(group)}: {listed(group)}"
    yield f"{count(len(hard), 'group')} by what is needed while importing."


def _summary(graph: CodeGraph) -> Iterator[str]:
    code = [module for module in graph.modules.values() if not module.test]
    kinds = {"class": 0, "function": 0}
    for module in code:
        for symbol in module.symbols:
            kinds[symbol.kind] += 1
    lines = sum(module.lines for module in code)
    yield (
        f"{graph.root}: {count(len(code), 'source file')} ({lines:,} lines, "
        f"{count(kinds['class'], 'class', 'classes')}, {count(kinds['function'], 'function')}), "
        f"{count(len(graph.tests), 'test file')}, {count(len(graph.data), 'other file')}."
    )
    if not code:
        return
    yield _strength_line(graph)
    yield from _cycle_lines(graph.cycles(), graph.cycles({Strength.HARD}))
    layers = graph.layers()
    yield f"{count(len(layers), 'layer')}; at the bottom {listed(layers[0] if layers else [])}."
    hubs = [f"{hub.path} ({hub.share:.0%})" for hub in graph.hubs()]
    if hubs:
        yield f"Hubs, tied to more than 40 % of the other files: {listed(hubs)}."
    yield from _state_lines(graph)


def _strength_line(graph: CodeGraph) -> str:
    counts = dict.fromkeys(Strength, 0)
    for targets in (graph.file_dependencies({one}, tests=False) for one in Strength):
        for source, found in targets.items():
            for target in found:
                strength = graph.strength(source, target)
                if strength is not None:
                    counts[strength] += 1
    said = {
        Strength.HARD: "needed while importing",
        Strength.CALL: "when called",
        Strength.LAZY: "imported lazily",
        Strength.TYPING: "for type checking only",
        Strength.OBSERVED: "only observed",
    }
    parts = [f"{counts[one]} {words}" for one, words in said.items() if counts[one]]
    whole = sum(counts.values())
    return f"{count(whole, 'dependency', 'dependencies')} between files: {listed(parts)}."


def _state_lines(graph: CodeGraph) -> Iterator[str]:
    stubs = graph.stubs()
    if stubs:
        whole = sum(len(found) for found in stubs.values())
        yield f"{count(whole, 'function')} still to be written, in {listed(list(stubs))}."
    untested = [p for p, m in graph.modules.items() if not m.test and not graph.tests_of(p)]
    if graph.tests and untested:
        yield f"No test reaches {listed(untested)}."
    edges = graph.file_dependencies()
    hidden = [
        f"{pair.one} with {pair.other} ({pair.share:.0%})"
        for pair in graph.co_changes
        if pair.other not in edges[pair.one] and pair.one not in edges[pair.other]
    ]
    if hidden:
        yield f"Change together without depending on each other: {listed(hidden, 3)}."
    if graph.starts:
        yield f"Entry points: {listed([one.name for one in graph.starts])}."


def _recall_lines(graph: CodeGraph, seen: Trace, met: Recall) -> Iterator[str]:
    if seen.exit_code:
        yield f"The traced command failed with exit code {seen.exit_code}; what it did counts."
    inner = recall(graph, seen, tests=False)
    yield (
        f"Traced {one_line(seen.command)}: calls between {count(met.observed, 'pair')} of files; "
        f"the code graph knew {met.found} of them ({met.share:.0%}), "
        f"and {inner.found} of {inner.observed} without the tests ({inner.share:.0%})."
    )
    for caller, callee in met.missing[:_SHOWN]:
        yield f"  not known: {caller} → {callee}"
    if len(met.missing) > _SHOWN:
        yield f"  and {len(met.missing) - _SHOWN} more"


def _write_json(
    graph: CodeGraph,
    wanted: Wanted,
    answers: dict[str, Any],
    seen: Trace | None,
    met: Recall | None,
) -> None:
    value = answers or graph.to_json()
    if seen is not None and met is not None:
        value["trace"] = {
            "command": seen.command,
            "exit_code": seen.exit_code,
            "observed": met.observed,
            "found": met.found,
            "recall": round(met.share, 4),
            "missing": [list(pair) for pair in met.missing],
        }
    if wanted.output is None:
        say_json(value)
    else:
        import json

        _write(json.dumps(value, indent=2, ensure_ascii=False), wanted.output)


def _drawn(graph: CodeGraph, form: str) -> str:
    from orchestrator.analysis import codeexport, codesvg

    if form == "graphml":
        return codeexport.to_graphml(graph)
    return codeexport.to_dot(graph) if form == "dot" else codesvg.to_svg(graph)


def _write(text: str, output: Path | None) -> None:
    if output is None:
        say(text)
        return
    write_text(output, text.rstrip("\n") + "\n")
