"""The tools of an agent: what each operation of a role document does.

A call passes three gates, in this order: the role lists the operation; the arguments fit the
document's schema; the path, once canonical, is inside the effective scope. Every refusal says
what is allowed, because its reader is a model that must choose its next step.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import regex

from orchestrator.core.claims import Bounds
from orchestrator.core.decision import listed
from orchestrator.core.messages import Done, Granted, Refused, Reply, Stop
from orchestrator.core.paths import PathError, canonical
from orchestrator.core.regions import WHOLE, Region, split
from orchestrator.core.scope import GlobError, Scope
from orchestrator.core.task import Task
from orchestrator.runtime.attemptfiles import Written
from orchestrator.runtime.context import Context, TestRun
from orchestrator.spec.roles import Role

READ_LIMIT = 100_000
"""Characters of a file that one call returns."""

WRITE_LIMIT = 5_000_000
"""Bytes that one write may have."""

LISTED = 500
"""Paths or matching lines that one call returns."""

SEARCH_SECONDS = 2.0
"""Time for matching one file: a pattern written by a model may backtrack without end."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call led to.

    Attributes:
        text: for the model.
        is_error: whether the call was refused or failed.
        ending: the coordinator's reply, when the call ended the attempt.
    """

    text: str
    is_error: bool = False
    ending: Reply | None = None


class ToolRefusedError(Exception):
    """A tool says no; the text is for the model."""


def refused(reply: Refused) -> Outcome:
    """Return a refusal of the coordinator as text for the model."""
    ending = reply if reply.kind == "lease_ended" else None
    return Outcome(f"Refused: {reply.why}\nWhat to do: {reply.fix}.", True, ending)


class Toolbox:
    """The tools of one role.

    Args:
        role: the role document, read and checked.
        notes: returns the shared notes: task, title, text.
    """

    def __init__(self, role: Role, notes: Callable[[], list[tuple[str, str, str]]]) -> None:
        self._role, self._notes = role, notes

    def use(self, context: Context, name: str, given: Mapping[str, Any]) -> Outcome:
        """Carry out one call of a model; never raises for what a model sent."""
        operation = self._role.operation(name)
        if operation is None:
            tools = listed(tool.name for tool in self._role.tools)
            return Outcome(
                f"Refused: role {self._role.name} has no tool {name!r}. Its tools: {tools}.", True
            )
        problems = operation.check(given)
        if problems:
            lines = "\n".join(f"- {problem}" for problem in problems)
            return Outcome(f"Refused: the arguments of {name} are not right.\n{lines}", True)
        try:
            return _TOOLS[name](self, context, **given)
        except ToolRefusedError as refusal:
            return Outcome(f"Refused: {refusal}", True)

    # --- reading --------------------------------------------------------------------------------

    def _list_files(self, context: Context, glob: str = "**") -> Outcome:
        paths = self._readable(context, glob)
        shown = "\n".join(paths[:LISTED]) or "No file matches."
        more = f"\n… and {len(paths) - LISTED} more" if len(paths) > LISTED else ""
        return Outcome(shown + more)

    def _readable(self, context: Context, glob: str) -> list[str]:
        try:
            wanted = Scope((glob,))
        except GlobError as error:
            raise ToolRefusedError(f"{error}. {error.fix}") from None
        return [
            path
            for path in context.files.view.paths()
            if wanted.matches(path) and _may_read(context, path)
        ]

    def _read_file(
        self, context: Context, path: str, start_line: int = 1, end_line: int | None = None
    ) -> Outcome:
        path = _canonical(path)
        _need_read(context, path)
        lines = split(_text(context, path))
        last = min(end_line or len(lines), len(lines))
        if start_line > max(len(lines), 1) or (end_line and end_line < start_line):
            raise ToolRefusedError(f"{path} has {len(lines)} lines")
        text = "".join(lines[start_line - 1 : last])
        if len(text) > READ_LIMIT:
            raise ToolRefusedError(
                f"lines {start_line} to {last} of {path} are {len(text)} characters, more than "
                f"one call returns ({READ_LIMIT}). Read it in parts with start_line and end_line"
            )
        whole = start_line == 1 and last == len(lines)
        context.files.read(path, WHOLE if whole else Region(start_line - 1, last))
        number = context.files.view.version(path).number
        return Outcome(
            f"{path} (version {number}, lines {start_line}-{last} of {len(lines)}):\n{text}"
        )

    def _search_files(self, context: Context, pattern: str, glob: str = "**") -> Outcome:
        try:
            compiled = regex.compile(pattern)
        except regex.error as error:
            raise ToolRefusedError(f"the pattern is not a regular expression: {error}") from None
        found: list[str] = []
        for path in self._readable(context, glob):
            data = context.files.view.copy.read(path)
            if data is not None and b"\0" not in data[:8000]:
                found += _matching_lines(compiled, path, data.decode(errors="replace"))
            if len(found) > LISTED:
                return Outcome("\n".join(found[:LISTED]) + "\n… and more; narrow the glob")
        return Outcome("\n".join(found) or "No line matches.")

    # --- writing --------------------------------------------------------------------------------

    def _write_file(self, context: Context, path: str, content: str) -> Outcome:
        path = _canonical(path)
        files = context.files
        _need_write(context, path)
        if files.view.version(path).digest is not None and not files.has_read(path):
            raise ToolRefusedError(
                f"{path} exists and you have not read it. Read it first, then write it"
            )
        return _written(path, files.write(path, _encoded(content)))

    def _edit_file(self, context: Context, path: str, old: str, new: str, **more: bool) -> Outcome:
        path = _canonical(path)
        _need_write(context, path)
        text = _text(context, path)
        count = text.count(old)
        if count == 0:
            raise ToolRefusedError(
                f"the text in `old` does not occur in {path}. Read the file and copy the text "
                "exactly, white space included"
            )
        if count > 1 and not more.get("all"):
            raise ToolRefusedError(
                f"the text in `old` occurs {count} times in {path}. Add lines around it until it "
                "is the only one, or set `all` to true to replace every one"
            )
        base = context.files.view.version(path)
        return _written(path, context.files.write(path, _encoded(text.replace(old, new)), base))

    def _delete_file(self, context: Context, path: str) -> Outcome:
        path = _canonical(path)
        _need_write(context, path)
        return _written(path, context.files.write(path, None), "deleted")

    # --- commands -------------------------------------------------------------------------------

    def _run_tests(self, context: Context, tests: list[str] | None = None) -> Outcome:
        names = tuple(_canonical(path) for path in tests or ())
        result = context.test(names or None)
        if result is None:
            return Outcome("PASSED: this task has no test command. Submit when you are done.")
        return _verdict(result)

    def _run_command(self, context: Context, command: str) -> Outcome:
        try:
            words = shlex.split(command)
        except ValueError as error:
            raise ToolRefusedError(f"the command cannot be split into words: {error}") from None
        result = context.run(words)
        how = "took too long and was ended" if result.timed_out else f"exit code {result.exit_code}"
        return Outcome(f"{how}\n{result.output}", result.exit_code != 0)

    # --- the end --------------------------------------------------------------------------------

    def _submit(self, context: Context, summary: str) -> Outcome:
        reply = context.submit(summary)
        if isinstance(reply, TestRun):
            return Outcome(f"Not accepted: the tests do not pass.\n{_verdict(reply).text}", True)
        if isinstance(reply, Granted | Stop):
            return Outcome("Accepted.", ending=reply)
        return refused(reply) if isinstance(reply, Refused) else Outcome("Not accepted.", True)

    def _give_up(self, context: Context, reason: str) -> Outcome:
        return Outcome("The attempt has ended.", ending=context.give_up("gave_up", reason))

    # --- talking and reshaping ------------------------------------------------------------------

    def _widen_scope(self, context: Context, globs: list[str], reason: str) -> Outcome:
        reply = context.widen(tuple(globs), reason)
        if isinstance(reply, Refused):
            return refused(reply)
        bounds, more = context.files.bounds, Scope(globs)
        context.files.bounds = Bounds(
            bounds.writes.union(more), bounds.shares, bounds.reads.union(more)
        )
        context.files.sync()
        return Outcome(f"Granted: you may now write {listed(globs)}.")

    def _send_message(self, context: Context, to: str, kind: str, text: str) -> Outcome:
        return _done(context.send(to, kind, text), f"Sent to {to}.")

    def _write_note(self, context: Context, title: str, text: str) -> Outcome:
        return _done(context.note(title, text), "Noted.")

    def _read_notes(self, context: Context, query: str = "") -> Outcome:
        words = query.casefold().split()
        found = [
            f"{title} (task {task})\n{text}"
            for task, title, text in self._notes()
            if all(word in f"{title} {text}".casefold() for word in words)
        ]
        return Outcome("\n\n".join(found[-20:]) or "No note matches.")

    def _split_task(self, context: Context, tasks: list[dict[str, Any]], reason: str) -> Outcome:
        parts = tuple(_part(context.task, part) for part in tasks)
        names = listed(part.id for part in parts)
        return _done(context.split(parts), f"Added: {names}. They start when their files are free.")


def _part(parent: Task, given: Mapping[str, Any]) -> Task:
    lists: dict[str, Any] = {
        k: tuple(given[k]) for k in ("writes", "reads", "depends_on", "tests") if k in given
    }
    test = given.get("test", parent.test if "{tests}" in parent.test and "tests" in given else "")
    return Task(
        id=given["id"],
        title=given["title"],
        instructions=given["instructions"],
        role=parent.role,
        test=test,
        **lists,
    )


def _done(reply: Reply, text: str) -> Outcome:
    if isinstance(reply, Refused):
        return refused(reply)
    return Outcome(text) if isinstance(reply, Done) else Outcome("The run has ended.", True, reply)


def _canonical(path: str) -> str:
    try:
        return canonical(path)
    except PathError as error:
        raise ToolRefusedError(f"{error}. {error.fix}") from None


def _may_read(context: Context, path: str) -> bool:
    bounds = context.files.bounds
    return bounds.reads.matches(path) or bounds.may_write(path)


def _need_read(context: Context, path: str) -> None:
    if not _may_read(context, path):
        may = listed(context.files.bounds.reads.globs)
        raise ToolRefusedError(f"{path} is outside the files that you may read ({may})")


def _need_write(context: Context, path: str) -> None:
    bounds = context.files.bounds
    if not bounds.may_write(path):
        may = listed((*bounds.writes.globs, *bounds.shares.globs))
        raise ToolRefusedError(f"{path} is outside the files that you may write ({may})")


def _text(context: Context, path: str) -> str:
    if context.files.view.version(path).digest is None:
        raise ToolRefusedError(f"{path} does not exist. list_files shows what does")
    data = context.files.view.copy.read(path) or b""
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ToolRefusedError(f"{path} is not text ({len(data)} bytes)") from None


def _encoded(content: str) -> bytes:
    try:
        data = content.encode()
    except UnicodeEncodeError:
        raise ToolRefusedError(
            "the content has characters that cannot be stored (lone surrogates)"
        ) from None
    if len(data) > WRITE_LIMIT:
        raise ToolRefusedError(
            f"the content has {len(data)} bytes; {WRITE_LIMIT} are allowed in one write"
        )
    return data


def _written(path: str, outcome: Written | Refused, verb: str = "written") -> Outcome:
    if isinstance(outcome, Refused):
        return refused(outcome)
    if not outcome.rebased:
        return Outcome(f"{path} is {verb} (version {outcome.number}).")
    by = listed(outcome.by)
    return Outcome(
        f"{path} is {verb} (version {outcome.number}). {by} had changed other lines of it since "
        "you read it; both changes are in. Read it again before you edit it further."
    )


def _verdict(run: TestRun) -> Outcome:
    word = "PASSED" if run.passed else "FAILED"
    return Outcome(f"{word}\n{run.output}", not run.passed)


def _matching_lines(pattern: regex.Pattern[str], path: str, text: str) -> list[str]:
    found = []
    try:
        for number, line in enumerate(text.splitlines(), start=1):
            if pattern.search(line, timeout=SEARCH_SECONDS, concurrent=True):
                found.append(f"{path}:{number}:{line[:300]}")
    except TimeoutError:
        raise ToolRefusedError(f"the pattern takes too long on {path}; use a simpler one") from None
    return found


_TOOLS: Mapping[str, Callable[..., Outcome]] = {
    "list_files": Toolbox._list_files,
    "read_file": Toolbox._read_file,
    "search_files": Toolbox._search_files,
    "write_file": Toolbox._write_file,
    "edit_file": Toolbox._edit_file,
    "delete_file": Toolbox._delete_file,
    "run_tests": Toolbox._run_tests,
    "run_command": Toolbox._run_command,
    "submit": Toolbox._submit,
    "give_up": Toolbox._give_up,
    "widen_scope": Toolbox._widen_scope,
    "send_message": Toolbox._send_message,
    "write_note": Toolbox._write_note,
    "read_notes": Toolbox._read_notes,
    "split_task": Toolbox._split_task,
}
