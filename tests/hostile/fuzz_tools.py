"""Fuzzes the tools of all built-in roles, led by coverage.

Needs atheris, which installs on Linux with CPython (`pip install atheris`). Run it with

    python tests/hostile/fuzz_tools.py -max_total_time=60

It stops at the first call that raises, leaves the bounds, or is refused without a word of help,
and prints it. Everything else that libFuzzer understands may be given as well, a folder of
inputs to begin with and to add to, for example.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import atheris

HERE = Path(__file__).resolve().parent


def load(name: str) -> ModuleType:
    """Return a module that stands beside this file."""
    spec = importlib.util.spec_from_file_location(f"hostile_{name}", HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


with atheris.instrument_imports(include=["orchestrator"]):
    conftest = load("conftest")
    from orchestrator.spec.operations import OPERATIONS

corpus = load("corpus")

# `give_up` ends the attempt and `widen_scope` moves the bounds that are watched here.
TOOLS = sorted(OPERATIONS.keys() - {"give_up", "widen_scope"})


def value(data: Any, depth: int = 0) -> Any:
    """Draw one argument."""
    kind = data.ConsumeIntInRange(0, 9 if depth < 4 else 7)
    if kind <= 4:
        return data.PickValueInList(list(corpus.PIECES))
    if kind == 5:
        return data.ConsumeUnicode(60)  # lone surrogates among them
    if kind == 6:
        return data.ConsumeInt(9)
    if kind == 7:
        return data.PickValueInList(["mine/a.py", "mine/new.md", "owned", "nothing", "**"])
    many = range(data.ConsumeIntInRange(0, 3))
    if kind == 8:
        return [value(data, depth + 1) for _ in many]
    return {data.ConsumeUnicode(8): value(data, depth + 1) for _ in many}


def call(data: Any) -> tuple[str, Any]:
    """Draw a tool and its arguments."""
    if data.ConsumeIntInRange(0, 15) == 0:
        return data.ConsumeUnicode(20), value(data)
    tool = data.PickValueInList(TOOLS)
    known = OPERATIONS[tool]
    given = {
        name: value(data)
        for name in known.arguments
        if name in known.required or data.ConsumeBool()
    }
    if data.ConsumeIntInRange(0, 7) == 0:
        given[data.ConsumeUnicode(12)] = value(data)
    return tool, given


def main() -> None:
    """Fuzz until libFuzzer has had enough."""
    with tempfile.TemporaryDirectory() as folder:
        yards = [conftest.Yard(Path(folder) / role, role) for role in sorted(conftest.WRITES)]

        def one(raw: bytes) -> None:
            data = atheris.FuzzedDataProvider(raw)
            yard = data.PickValueInList(yards)
            tool, given = call(data)
            outcome = yard.use(tool, given)
            problems = yard.problems(outcome)
            if problems:
                raise AssertionError((problems, yard.role.name, corpus.shown(given), outcome.text))

        atheris.Setup(sys.argv, one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
