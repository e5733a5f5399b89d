"""The directory in which the blocks of one document are run, one after another.

It holds a copy of `examples`, `.venv` (the environment of the tests) and, for documents that
speak of a plan of one's own, `plan.yaml`, `a.yaml` and `b.yaml`. A mark `run:` changes it:

    tasks=N        the plans of the examples keep their first N tasks (3 at the start; `all`)
    project=NAME   a copy of tests/docs/projects/NAME; the blocks that follow are run in it
    dir=DIR        the blocks that follow are run there; `before`: where a run was made before
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from docblocks.blocks import ROOT, Block, Command
from docblocks.rules import checked, substituted

BIN = Path(sys.executable).parent
PROJECTS = Path(__file__).parent / "projects"
TASKS = 3
"""Tasks of the examples' plans that are kept when a document does not say otherwise."""

LONGEST = 300.0
"""Seconds after which a block counts as hung."""

PRELUDE = """
a_run() {
  local newest
  newest=$(find "$STAGE" -path '*/.orchestrator/runs/*' -name events.db -printf '%T@ %h\\n' \
    | sort -n | tail -1 | cut -d' ' -f2-)
  printf '%s' "${newest:-$A_RUN}"
}
"""


@dataclass(frozen=True, slots=True)
class Done:
    """One command that was run, or checked in place of that.

    Attributes:
        command: as the document has it.
        run: as it was run; empty when it was checked and not run.
        code: its exit code.
        out: its standard output.
        err: its standard error.
        wrong: what the check found.
    """

    command: Command
    run: str
    code: int = 0
    out: str = ""
    err: str = ""
    wrong: str = ""

    @property
    def problems(self) -> str:
        """What is wrong with it; empty: nothing."""
        if self.wrong or not self.run or self.code == self.command.code:
            return self.wrong
        told = f"exit code {self.code}, the document says {self.command.code}"
        return f"`{self.run}`: {told}\n{self.out[-1500:]}\n{self.err[-1500:]}"


class Stage:
    """A directory of its own for one document.

    Attributes:
        root: the directory.
        here: where the next block is run.
    """

    def __init__(self, root: Path, runs: Mapping[str, Path]) -> None:
        self.root = self.here = root
        self._runs = runs
        ignore = shutil.ignore_patterns("out", ".orchestrator", "__pycache__", ".pytest_cache")
        shutil.copytree(ROOT / "examples", root / "examples", ignore=ignore)
        (root / ".venv").symlink_to(BIN.parent)
        (root / "tmp").mkdir()
        self._cut(TASKS)
        self._own_plan("plan", "minisql", TASKS)
        self._own_plan("a", "minisql", 1)
        self._own_plan("b", "collision", 1)

    def prepare(self, block: Block) -> None:
        """Do what the block's mark `run:` says."""
        for word in block.marks.get("run", "").split():
            key, _, value = word.partition("=")
            if key == "tasks":
                self._cut(None if value == "all" else int(value))
            elif key == "project":
                self.here = self.root / value
                shutil.copytree(PROJECTS / value, self.here)
            elif key == "dir":
                before = self._runs.get("A_RUN", self.root).parent
                self.here = before if value == "before" else self.root / value
            else:
                raise ValueError(f"{block.where}: `run:` knows tasks, project and dir, not {key}")

    def write(self, name: str, text: str) -> Path:
        """Keep a block as a file; return its path."""
        path = self.here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def carry_out(self, commands: Sequence[Command], *, keyed: bool) -> list[Done]:
        """Run the commands in one shell, so that `cd` and `export` last."""
        folder = self.root / "tmp" / "said"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        script, done = [PRELUDE], list[Done]()
        for number, command in enumerate(commands):
            wrong = checked(command.text)
            run = "" if wrong is not None else substituted(command.text, keyed=keyed)
            done.append(Done(command, run, wrong=wrong or ""))
            if run:
                said = f"{folder}/{number}"
                script.append(f"{{\n{run}\n}} >{said}.out 2>{said}.err; echo $? >{said}.code\n")
        self._shell("".join(script))
        return [
            Done(each.command, each.run, *_said(folder / str(number))) if each.run else each
            for number, each in enumerate(done)
        ]

    def _shell(self, script: str) -> None:
        environment = {
            name: value
            for name, value in os.environ.items()
            if name in ("LANG", "LC_ALL", "TMPDIR") or name.startswith("ANTHROPIC_")
        }
        environment |= {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "HOME": str(self.root),
            "STAGE": str(self.root),
            "PYTHONDONTWRITEBYTECODE": "1",
            "COLUMNS": "100",
            **{name: str(path) for name, path in self._runs.items()},
        }
        subprocess.run(
            ["bash", "-c", script], cwd=self.here, env=environment, timeout=LONGEST,
            stdin=subprocess.DEVNULL, check=True,
        )  # fmt: skip

    def _cut(self, tasks: int | None) -> None:
        """Let the plans of the examples keep their first tasks, or all; `None` is all."""
        for plan in ("minisql", "collision"):
            text = (ROOT / "examples" / plan / "plan.yaml").read_text(encoding="utf-8")
            target = self.root / "examples" / plan / "plan.yaml"
            target.write_text(text if tasks is None else _first(text, tasks), encoding="utf-8")

    def _own_plan(self, name: str, example: str, tasks: int) -> None:
        data: dict[str, Any] = yaml.safe_load(
            (ROOT / "examples" / example / "plan.yaml").read_text()
        )
        data |= {
            "name": name, "workspace": "examples/minisql/project", "into": f"./{name}-out",
            "model": "oracle:examples/minisql/solution", "tasks": data["tasks"][:tasks],
        }  # fmt: skip
        (self.root / f"{name}.yaml").write_text(yaml.safe_dump(data, sort_keys=False))


def _first(text: str, tasks: int) -> str:
    """Return a plan's text without the tasks after the first ones; the rest stays as it is."""
    parts = text.split("\n  - id: ")
    return "\n  - id: ".join(parts[: tasks + 1]).rstrip() + "\n"


def _said(said: Path) -> tuple[int, str, str]:
    code = said.with_suffix(".code")
    if not code.exists():
        return 99, "", "it was not run: the shell ended before"
    return (
        int(code.read_text()),
        said.with_suffix(".out").read_text(errors="replace"),
        said.with_suffix(".err").read_text(errors="replace"),
    )
