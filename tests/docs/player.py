"""Runs the blocks of one document, in order, in one directory, as a reader would."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterable
from contextlib import chdir, redirect_stdout
from io import StringIO
from types import ModuleType

from docblocks.blocks import Block, commands_of
from docblocks.keyed import script
from docblocks.kinds import check_json, check_output, check_toml, check_yaml
from docblocks.shapes import missing_lines
from docblocks.stage import Done, Stage
from llmock.pytest_plugin import LLMock

KINDS = frozenset({"commands", "python", "yaml", "toml", "json", "output"})
"""The kinds of blocks for which there is a rule."""

MODULE = "__document__"


class Player:
    """Plays the blocks of one document.

    Args:
        stage: where.
        llmock: answers where a block needs a key.
    """

    def __init__(self, stage: Stage, llmock: LLMock) -> None:
        self._stage, self._llmock = stage, llmock
        self._module = ModuleType(MODULE)
        self._done: list[Done] = []
        self._said: str | None = None
        self._section = -1

    def play(self, blocks: Iterable[Block]) -> list[str]:
        """Run or check each block; return what is wrong, each with its place."""
        return [
            f"{block.where}: {problem}"
            for block in blocks
            for problem in [self._play(block)]
            if problem
        ]

    def _play(self, block: Block) -> str:
        if block.section != self._section:
            self._section, self._done, self._said = block.section, [], None
        self._stage.prepare(block)
        if "file" in block.marks:
            self._stage.write(block.marks["file"], block.text)
        match block.kind:
            case "commands":
                return self._commands(block)
            case "python":
                return self._python(block)
            case "yaml":
                return check_yaml(block, self._stage)
            case "toml":
                return check_toml(block)
            case "json":
                return check_json(block, self._done)
            case "output":
                return check_output(block, self._said)
        return f"there is no rule for blocks marked `{block.info}`"

    def _commands(self, block: Block) -> str:
        keyed = "needs" in block.marks
        commands = commands_of(block)
        if keyed:
            self._script([command.text for command in commands])
        else:
            os.environ.pop("ANTHROPIC_API_KEY", None)
        self._done = self._stage.carry_out(commands, keyed=keyed)
        self._said = "".join(each.out + each.err for each in self._done)
        problems = [each.problems for each in self._done]
        for each in self._done:
            shown = each.command.output if each.run else ()
            missing = missing_lines(shown, each.out + each.err)
            problems += [f"not in the output: {line}\n{each.out}{each.err}" for line in missing]
        return "\n".join(filter(None, problems))

    def _script(self, commands: list[str]) -> None:
        """Queue the provider's answers for each command that runs a plan."""
        os.environ |= self._llmock.env()
        for command in commands:
            words = command.split()
            if "run" in words and "orchestrator" in words:
                script(self._llmock, self._stage.here / words[words.index("run") + 1])

    def _python(self, block: Block) -> str:
        said = StringIO()
        sys.modules[MODULE] = self._module  # dataclasses look up their module
        try:
            with chdir(self._stage.here), redirect_stdout(said):
                exec(compile(block.text, block.where, "exec"), vars(self._module))
        except Exception:
            return traceback.format_exc()
        finally:
            del sys.modules[MODULE]
            self._done, self._said = [], said.getvalue()
        return ""
