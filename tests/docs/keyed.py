"""What the provider answers in blocks that need a key: true texts, in the order of the tasks."""

from __future__ import annotations

from pathlib import Path

from llmock.pytest_plugin import LLMock
from llmock.scenarios import Reply, ToolCall

from orchestrator.core.scope import Scope
from orchestrator.spec.plan import load_plan


def script(llmock: LLMock, plan: Path) -> None:
    """Let the provider write the files of `solution` beside the plan, task by task, and submit.

    Args:
        llmock: the provider.
        plan: its tasks stand in the order in which one worker does them.
    """
    solution = plan.parent / "solution"
    files = sorted(path for path in solution.rglob("*") if path.is_file())
    for task in load_plan(plan).tasks:
        scope = Scope((*task.writes, *task.shares))
        for path in files:
            name = path.relative_to(solution).as_posix()
            if scope.matches(name):
                text = path.read_text(encoding="utf-8")
                read = ToolCall("read_file", {"path": name})  # nobody writes what he has not seen
                write = ToolCall("write_file", {"path": name, "content": text})
                llmock.add(Reply(tool_calls=(read,)), Reply(tool_calls=(write,)))
        llmock.add(Reply(tool_calls=(ToolCall("submit", {"summary": f"{task.id} is done"}),)))
