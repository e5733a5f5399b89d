"""The second language: the same graph from TypeScript and JavaScript."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from orchestrator.analysis.codegraph import build

Tree = Callable[[Mapping[str, str]], Path]

FILES = {
    "package.json": '{"name": "x", "main": "src/index.js", "bin": {"x": "src/cli.ts"}}',
    "src/base.ts": (
        "export class Base { save(n: number) { return n; } }\n"
        "export function register(): void {}\nexport const LIMIT = 10;\n"
    ),
    "src/index.ts": 'export * from "./base";\nexport { Engine as Motor } from "./engine.js";\n',
    "src/engine.ts": (
        'import { Base, LIMIT } from ".";\nimport type { Options } from "./types";\n'
        "export default class Engine extends Base {\n  static most = LIMIT;\n"
        "  run(o: Options): number { return this.save(o.n); }\n"
        '  later() { throw new Error("not implemented"); }\n}\nexport { Engine };\n'
    ),
    "src/types.ts": "export interface Options { n: number }\n",
    "src/cli.ts": (
        'const base = require("./base");\n'
        'export async function main() { const m = await import("./engine"); base.register(); }\n'
    ),
    "src/engine.test.ts": (
        'import Engine from "./engine";\n'
        'test("runs", () => { const e = new Engine(); e.run({n: 1}); });\n'
    ),
}


def test_strengths(tree: Tree) -> None:
    graph = build(tree(FILES))
    assert graph.problems == ()
    found = {
        (source, target): str(graph.strength(source, target))
        for source, targets in graph.file_dependencies().items()
        for target in targets
    }
    assert found == {
        ("src/index.ts", "src/base.ts"): "call",
        ("src/index.ts", "src/engine.ts"): "call",
        ("src/engine.ts", "src/index.ts"): "hard",
        ("src/engine.ts", "src/base.ts"): "hard",
        ("src/engine.ts", "src/types.ts"): "typing",
        ("src/cli.ts", "src/base.ts"): "call",
        ("src/cli.ts", "src/engine.ts"): "lazy",
        ("src/engine.test.ts", "src/engine.ts"): "call",
    }


def test_calls_go_through_re_exports_and_types(tree: Tree) -> None:
    graph = build(tree(FILES))
    links = {(one.source, one.target, one.kind) for one in graph.links}
    assert ("src/engine.ts::Engine", "src/base.ts::Base", "inherits") in links
    assert ("src/engine.ts::Engine.run", "src/base.ts::Base.save", "calls") in links
    assert ("src/cli.ts::main", "src/base.ts::register", "calls") in links
    assert ("src/engine.test.ts", "src/engine.ts::Engine.run", "calls") in links


def test_questions_are_the_same_as_for_python(tree: Tree) -> None:
    graph = build(tree(FILES | {"tool.py": "def f(): return 1\n"}))
    assert graph.cycles() == (("src/engine.ts", "src/index.ts"),)
    assert graph.tests_of("src/base.ts") == ("src/engine.test.ts",)
    assert {path: [one.name for one in stubs] for path, stubs in graph.stubs().items()} == {
        "src/base.ts": ["register"],
        "src/engine.ts": ["Engine.later"],
    }
    assert [(one.name, one.node) for one in graph.starts] == [
        ("bin:x", "src/cli.ts"),
        ("main", "src/index.ts"),
    ]
    assert {module.language for module in graph.modules.values()} == {"python", "typescript"}


def test_one_language_can_be_chosen(tree: Tree) -> None:
    root = tree(FILES | {"tool.py": "def f(): return 1\n"})
    assert list(build(root, language="python").modules) == ["tool.py"]


@pytest.mark.parametrize(
    ("name", "text"), [("a.tsx", "const a = <b/>;\n"), ("a.mjs", "let a = 1;\n")]
)
def test_dialects(tree: Tree, name: str, text: str) -> None:
    assert build(tree({name: text})).problems == ()


def test_a_syntax_error_costs_its_place_only(tree: Tree) -> None:
    graph = build(tree({"a.ts": "export function f() { return 1; }\nconst = ;\n"}))
    (problem,) = graph.problems
    assert problem.where.startswith("a.ts:2:")
    assert [one.name for one in graph.modules["a.ts"].symbols] == ["f"]
