"""A model that restores a reference solution, without any provider.

It behaves as an agent does (reads, writes, tests, submits) and needs as many turns, so that
everything around it is exercised: scopes, stale writes, tests, retries. It can take its time
and make mistakes, both from a seed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, ClassVar

from orchestrator.errors import ModelError, UsageError
from orchestrator.models.base import Briefing, Exchange, Interrupt, ToolCall, Turn
from orchestrator.models.cost import FREE, Price
from orchestrator.models.mutate import mutate
from orchestrator.models.options import Options, parse_number
from orchestrator.models.oracle_memory import Memory
from orchestrator.models.regions import find_region, has_regions

_IGNORED = (
    *(".git", ".hg", ".venv", "venv", "node_modules", "__pycache__", ".pytest_cache"),
    *(".mypy_cache", ".ruff_cache", ".hypothesis", ".orchestrator"),
)
_ENDURED_REFUSALS = 2
_ENDURED_STALE = 10
_ENDURED_FAILURES = 2

Step = tuple[str, list[tuple[str, dict[str, Any]]]]
"""What to say and which tools to call with which input."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """A text with one seeded mistake, and the file that gets it first."""

    path: str
    text: str


class OracleModel:
    """Writes, for each task, the files of a directory that lie in the task's write scope.

    A file with region markers (see `regions`) that exists already is not written as a whole:
    the task fills the region that bears its id, if the reference has one. With `mistakes`, a
    task writes one Python file with a seeded mistake first, runs the tests, and only then
    writes the true text; so whatever the tests say, what is submitted is the reference.

    Args:
        directory: the reference solution, laid out as the workspace.
        name: how the model is named; empty: ``oracle:`` and the directory.
        mistakes: probability, from 0 to 1, that an attempt at a task begins with a mistake.
        latency: seconds that a turn takes, from the shorter to the longer, both included.
        seed: decides about mistakes and latency; None: the seed of the briefing.

    Raises:
        UsageError: there is no such directory.
    """

    OPTIONS: ClassVar[Mapping[str, str]] = {
        "mistakes": "probability of a mistake per task, 0 to 1",
        "latency": "seconds per turn, as 0.2 or 0.1-0.5",
        "seed": "whole number that decides about mistakes and latency",
        "profile": "how the agent behaves, see docs/agents.md",
    }

    def __init__(
        self,
        directory: Path,
        *,
        name: str = "",
        mistakes: float = 0.0,
        latency: tuple[float, float] = (0.0, 0.0),
        seed: int | None = None,
    ) -> None:
        if not directory.is_dir():
            raise UsageError(
                f"the reference solution {directory} is not a directory",
                where=name or "model oracle",
                fix="give the directory that holds the finished files: oracle:DIR",
            )
        self.name = name or f"oracle:{directory}"
        self.price: Price | None = FREE
        self._directory = directory
        self._paths = tuple(sorted(_files(directory)))
        self._mistakes = mistakes
        self._latency = latency
        self._seed = seed

    @classmethod
    def from_options(cls, argument: str, options: Mapping[str, str], base: Path) -> OracleModel:
        """Build the model from the text of a command line.

        Args:
            argument: the directory of the reference solution, relative to `base`.
            options: see `OPTIONS`.
            base: where relative paths begin.

        Raises:
            UsageError: a wrong option or no such directory.
        """
        if not argument:
            raise UsageError("model oracle needs a directory", fix="write oracle:DIR")
        if "profile" in options:
            from orchestrator.models.profiled import ProfiledOracle  # built upon this class

            return ProfiledOracle.from_options(argument, options, base)
        read = Options("oracle", options, cls.OPTIONS)
        mistakes = read.number("mistakes", 0.0, high=1.0)
        latency = read_latency(read)
        seed = read.whole("seed", 0) if "seed" in read else None
        read.check()
        return cls(
            base / argument,
            name=f"oracle:{argument}",
            mistakes=mistakes,
            latency=latency,
            seed=seed,
        )

    def next_turn(
        self, briefing: Briefing, history: Sequence[Exchange], interrupt: Interrupt
    ) -> Turn:
        """Return what an agent that knows the solution would do next."""
        number = len(history) + 1
        self.pause(briefing, number, interrupt)
        return as_turn(Agent(self, briefing, history).step(), briefing, number, self.name)

    def pause(self, briefing: Briefing, number: int, interrupt: Interrupt) -> None:
        """Take the time of a turn.

        Raises:
            ModelError: the lease has ended meanwhile.
        """
        wait(interrupt, self.random(briefing, f"turn {number}").uniform(*self._latency))

    def close(self) -> None:
        """Nothing to release."""

    def references(self, briefing: Briefing) -> dict[str, str]:
        """Return the reference text of every file in the task's write scope."""
        return {path: self._text(path) for path in self._paths if briefing.allows(path)}

    def mistake(self, briefing: Briefing, texts: Mapping[str, str]) -> Mistake | None:
        """Return the mistake that this attempt begins with, made in one of `texts`."""
        random = self.random(briefing, "mistake")
        if random.random() >= self._mistakes:
            return None
        paths = [path for path in sorted(texts) if path.endswith(".py")]
        random.shuffle(paths)
        for path in paths:
            wrong = mutate(texts[path], random.getrandbits(32))
            if wrong is not None:
                return Mistake(path, wrong)
        return None

    def random(self, briefing: Briefing, purpose: str) -> Random:
        seed = briefing.seed if self._seed is None else self._seed
        return Random(f"{seed}/{briefing.task}/{briefing.attempt}/{purpose}")

    def _text(self, path: str) -> str:
        try:
            return (self._directory / path).read_bytes().decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(
                f"the reference file {path} cannot be read as UTF-8 text",
                where=self.name,
                why=str(error),
                fix="make it a text file, or take it out of the tasks' write scopes",
            ) from error


class Agent:
    """One turn of the oracle: everything is derived from the briefing and the history.

    An agent with behaviours (`profiled`) is built from the same steps.
    """

    def __init__(
        self, oracle: OracleModel, briefing: Briefing, history: Sequence[Exchange]
    ) -> None:
        self._task = briefing.task
        self._tools = {tool.name for tool in briefing.tools}
        self._existing = frozenset(briefing.files)
        self._references = oracle.references(briefing)
        self._memory = Memory(history)
        self._mistake: Mistake | None = None
        if "run_tests" in self._tools:
            texts = {path: self._text(path) for path in self._whole_files_to_write()}
            self._mistake = oracle.mistake(briefing, texts)

    def step(self) -> Step:
        """Return the first of the things to do that is not done yet."""
        return self._read() or self._write() or self._test() or self._finish()

    def _read(self) -> Step | None:
        """Read what exists and is not known, or no longer known as it is."""
        if "read_file" not in self._tools:
            return None
        calls = []
        for path in sorted(self._to_know()):
            next_line = self._next_line(path)
            if next_line is not None:
                lines = {"start_line": next_line} if next_line > 1 else {}
                most = self._memory.most_lines(path)
                if most is not None:
                    lines["end_line"] = next_line + most - 1
                calls.append(("read_file", {"path": path, **lines}))
        return (f"Reading {_names(calls)}.", calls) if calls else None

    def _to_know(self) -> set[str]:
        """Return the files whose text is to be known."""
        return self._references.keys() | self._memory.stale

    def _next_line(self, path: str) -> int | None:
        """Return the line from which `path` is to be read now, or None."""
        return self._memory.next_line(path, exists=path in self._existing)

    def _write(self) -> Step | None:
        if not self._tools & {"write_file", "edit_file"}:
            return None
        calls = []
        for path in self._references:
            if self._is_for_others(path):
                continue
            if self._memory.refusals[path] >= _ENDURED_REFUSALS:
                return self._give_up(f"may not write {path}: {self._memory.why[path]}")
            if self._memory.stale_refusals[path] >= _ENDURED_STALE:
                return self._give_up(f"{path} changes faster than it can be written")
            known, wanted = self._memory.texts.get(path), self._wanted(path)
            if wanted is None:
                return self._give_up(f"{path} has no region {self._task}")
            if known != wanted:
                calls.append(self._change(path, known, wanted))
        return (f"Writing {_names(calls)}.", calls) if calls else None

    def _test(self) -> Step | None:
        verdicts = self._memory.verdicts
        if "run_tests" not in self._tools:
            return None
        if not verdicts:
            return "Running the tests.", [("run_tests", {})]
        if verdicts[-1] is not False:
            return None
        if len(verdicts) < _ENDURED_FAILURES:
            return "The tests fail; running them once more.", [("run_tests", {})]
        return self._give_up("the tests fail with the reference solution in place")

    def _finish(self) -> Step:
        refused, stale = self._memory.refusals, self._memory.stale_refusals
        if refused["submit"] > _ENDURED_REFUSALS or stale["submit"] > _ENDURED_STALE:
            return self._give_up(f"cannot submit: {self._memory.why['submit']}")
        return self._say("submit", "summary", self._summary())

    def _wanted(self, path: str) -> str | None:
        """Return what `path` should hold now; None when its region cannot be placed."""
        known = self._memory.texts.get(path)
        if self._by_region(path):
            own = find_region(self._text(path), self._task)
            present = find_region(known, self._task) if known else None
            return known.replace(present, own, 1) if known and present and own else None
        if self._mistake and path == self._mistake.path and not self._mistake_is_over():
            return self._mistake.text
        return self._text(path)

    def _text(self, path: str) -> str:
        """Return what the agent believes to be right for `path`."""
        return self._references[path]

    def _by_region(self, path: str) -> bool:
        """Whether other tasks have their parts of this file."""
        if not has_regions(self._references[path]):
            return False
        # An empty file has no parts yet; one that cannot be read may have some.
        return self._memory.first.get(path) != "" and (
            path in self._memory.first or path in self._existing
        )

    def _is_for_others(self, path: str) -> bool:
        """Whether this file has parts and none of them is this task's."""
        return self._by_region(path) and find_region(self._references[path], self._task) is None

    def _whole_files_to_write(self) -> Iterator[str]:
        for path, reference in self._references.items():
            if not self._by_region(path) and self._memory.first.get(path) != reference:
                yield path

    def _mistake_is_over(self) -> bool:
        mistake = self._mistake
        return mistake is not None and self._memory.has_tested(mistake.path, mistake.text)

    def _change(self, path: str, known: str | None, wanted: str) -> tuple[str, dict[str, Any]]:
        """Return the call that turns the known text of `path` into the wanted one."""
        if known and "edit_file" in self._tools:
            if self._by_region(path):
                old, new = (find_region(text, self._task) for text in (known, wanted))
                return "edit_file", {"path": path, "old": old, "new": new}
            if "write_file" not in self._tools:
                return "edit_file", {"path": path, "old": known, "new": wanted}
        return "write_file", {"path": path, "content": wanted}

    def _summary(self) -> str:
        written = ", ".join(sorted(self._memory.written))
        summary = f"Wrote {written}." if written else "Nothing to write."
        if self._mistake and self._mistake_is_over():
            caught = self._memory.caught(self._mistake.path, self._mistake.text)
            verb = "caught" if caught else "did not catch"
            summary += (
                f" The tests {verb} a seeded mistake in {self._mistake.path};"
                " the reference text has replaced it."
            )
        return summary

    def _give_up(self, reason: str) -> Step:
        return self._say("give_up", "reason", reason)

    def _say(self, tool: str, key: str, text: str) -> Step:
        """Say `text` through `tool`, or in words alone when the role has no such tool."""
        return (text, [(tool, {key: text})]) if tool in self._tools else (text, [])


def as_turn(step: Step, briefing: Briefing, number: int, model: str) -> Turn:
    """Return what an agent says and does as its turn with this number."""
    text, calls = step
    prefix = f"{briefing.task}.{briefing.attempt}.{number}"
    return Turn(
        text=text,
        calls=tuple(
            ToolCall(f"{prefix}.{index}", tool, arguments)
            for index, (tool, arguments) in enumerate(calls, start=1)
        ),
        stop="tool_use" if calls else "end_turn",
        model=model,
    )


def wait(interrupt: Interrupt, seconds: float) -> None:
    """Let time pass, as a model does that thinks.

    Raises:
        ModelError: the lease has ended meanwhile.
    """
    if interrupt.wait(seconds):
        raise ModelError(
            "the lease ended while the model was answering",
            why="the task was cancelled, timed out or given to another worker",
            fix="claim again",
        )


def _files(directory: Path) -> Iterator[str]:
    for folder, folders, names in os.walk(directory):
        folders[:] = [name for name in folders if name not in _IGNORED]
        for name in names:
            if not name.endswith(".pyc"):
                yield (Path(folder) / name).relative_to(directory).as_posix()


def _names(calls: Sequence[tuple[str, dict[str, Any]]]) -> str:
    return ", ".join(str(arguments["path"]) for _, arguments in calls)


def read_latency(read: Options) -> tuple[float, float]:
    """Return the option `latency`: seconds of a turn, from the shorter to the longer."""
    if "latency" not in read:
        return 0.0, 0.0
    shorter, _, longer = read.given["latency"].partition("-")
    low, high = parse_number(shorter), parse_number(longer or shorter)
    if low is None or high is None or not 0 <= low <= high:
        read.refuse("latency", "seconds, or a range of seconds from the shorter to the longer")
        return 0.0, 0.0
    return low, high
