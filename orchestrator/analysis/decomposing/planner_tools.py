"""What a planner agent may look at: the code graph and the files, nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.analysis.decomposing.survey import RUNNING, Survey
from orchestrator.errors import UsageError
from orchestrator.models.base import ToolSpec

LONGEST = 20_000
"""Characters of a file that are shown at once."""


def _object(properties: Mapping[str, Any], required: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": required,
        "additionalProperties": False,
    }


_TEXT = {"type": "string"}
_NAME = {"type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"}
_PATH = {"path": {"type": "string", "description": "Path of a file, as list_modules gives it."}}
_TASK = _object(
    {
        "id": {**_NAME, "description": "Short unique name."},
        "title": {**_TEXT, "description": "One line."},
        "instructions": {**_TEXT, "description": "What the agent must know beyond the files."},
        "files": {"type": "array", "items": _TEXT, "minItems": 1},
        "depends_on": {"type": "array", "items": _TEXT},
        "role": {"enum": ["implementer", "architect", "integrator"]},
    },
    ["id", "files"],
)

TOOLS: tuple[ToolSpec, ...] = (
    ToolSpec(
        "list_modules",
        "Lists all source files: functions, functions without a body, how many files depend on it.",
        _object({}, []),
    ),
    ToolSpec(
        "dependencies_of",
        "Says what a file depends on and what depends on it, each with its strength: hard (needed "
        "while importing), call, lazy, typing.",
        _object(_PATH, ["path"]),
    ),
    ToolSpec(
        "tests_of",
        "Lists the test files that reach a file, the most direct first.",
        _object(_PATH, ["path"]),
    ),
    ToolSpec(
        "read_file",
        "Returns the text of a file.",
        _object({**_PATH, "start_line": {"type": "integer", "minimum": 1}}, ["path"]),
    ),
    ToolSpec(
        "propose_plan",
        "Proposes the plan. It is checked; the answer says whether it is accepted.",
        _object({"tasks": {"type": "array", "items": _TASK, "minItems": 1}}, ["tasks"]),
    ),
)


class Tools:
    """Answers a planner's questions."""

    def __init__(self, survey: Survey) -> None:
        self._survey, self._graph = survey, survey.graph

    def answer(self, name: str, given: Mapping[str, Any]) -> str:
        """Return the answer to a call.

        Raises:
            UsageError: no such tool, wrong arguments, no such file.
        """
        if name == "list_modules":
            return self._modules()
        if name not in {"dependencies_of", "tests_of", "read_file"}:
            tools = ", ".join(tool.name for tool in TOOLS)
            raise UsageError(f"there is no tool {name}", fix=f"tools: {tools}")
        path = given.get("path")
        if not isinstance(path, str):
            raise UsageError("`path` is missing", name, fix="give the path of a file")
        known = self._graph.known(path).partition("::")[0]
        if name == "dependencies_of":
            return self._dependencies(known)
        if name == "tests_of":
            return "\n".join(self._graph.tests_of(known)) or "No test reaches it."
        return self._text(known, given.get("start_line", 1))

    def _modules(self) -> str:
        lines = []
        needs = self._survey.needs(RUNNING)
        for path, module in self._graph.modules.items():
            if module.test:
                continue
            todo = "to do" if path in needs else "nothing to do"
            functions = sum(symbol.kind == "function" for symbol in module.symbols)
            dependents = len(self._graph.dependents_of(path))
            lines.append(
                f"{path}: {todo}; {functions} functions, {len(module.stubs)} without a body; "
                f"{dependents} files depend on it"
            )
        return "\n".join(lines)

    def _dependencies(self, path: str) -> str:
        on = self._graph.file_dependencies(tests=False).get(path, frozenset())
        of = sorted(self._graph.dependents_of(path))
        lines = [f"depends on {one} ({self._graph.strength(path, one)})" for one in sorted(on)]
        lines += [
            f"is needed by {one} ({self._graph.strength(one, path)})"
            for one in of
            if not self._graph.modules[one].test
        ]
        return "\n".join(lines) or "It depends on nothing here, and nothing depends on it."

    def _text(self, path: str, start: object) -> str:
        first = start if isinstance(start, int) and start > 0 else 1
        try:
            text = (self._graph.root / path).read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise UsageError(f"{path} cannot be read", why=error.strerror or str(error)) from error
        rest = "".join(text.splitlines(keepends=True)[first - 1 :])
        if len(rest) <= LONGEST:
            return rest
        shown = rest[:LONGEST]
        following = first + shown.count("\n")
        return f"{shown}\n(cut off; go on with start_line {following})"
