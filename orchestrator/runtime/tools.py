"""The tools of an agent: what each operation of a role document does.

A call passes three gates, in this order: the role lists the operation; the arguments fit the
document's schema; the path, once canonical, is inside the effective scope. Every refusal says
what is allowed, because its reader is a model that must choose its next step.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from time import monotonic
from typing import Any

from orchestrator.core.decision import listed
from orchestrator.core.messages import Done, Granted, Refused, Reply, Stop
from orchestrator.core.paths import PathError, canonical, leaves
from orchestrator.core.regions import WHOLE, Region, split
from orchestrator.core.scope import Scope
from orchestrator.runtime.attemptfiles import Written
from orchestrator.runtime.context import CommandRun, Context, TestRun
from orchestrator.runtime.gates import (
    OutsideScopeError,
    ToolRefusedError,
    encoded,
    line_ends,
    may_read,
    need_file,
    need_read,
    need_write,
    plain,
    shown,
    test_names,
    text_of,
    wanted_files,
)
from orchestrator.runtime.parts import part_of
from orchestrator.runtime.searching import SEARCH_SECONDS, compile_pattern, matching_lines
from orchestrator.spec.operations import OPERATIONS
from orchestrator.spec.roles import Operation, Role

READ_LIMIT = 100_000
"""Characters of a file that one call returns."""

LISTED = 500
"""Paths or matching lines that one call returns."""


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


def refused(why: str, fix: str, ending: Reply | None = None) -> Outcome:
    """Return a refusal as text for the model."""
    return Outcome(f"Refused: {why}\nWhat to do: {fix}.", True, ending)


def refused_by(reply: Refused, context: Context) -> Outcome:
    """Return a refusal of the coordinator as text for the model."""
    if reply.stale:
        reply = context.files.explain(reply)
    return refused(reply.why, reply.fix, reply if reply.kind == "lease_ended" else None)


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
            return self._no_such_tool(context, name, given)
        problems = operation.check(given)
        if problems:
            lines = "\n".join(f"- {problem}" for problem in problems)
            _record_beyond_role(context, operation, given)
            return Outcome(f"Refused: the arguments of {name} are not right.\n{lines}", True)
        context.files.refresh()
        try:
            return _TOOLS[name](self, context, **given)
        except OutsideScopeError as refusal:
            context.overstep(name, refusal.path, refusal.why, refusal.fix)
            return refused(refusal.why, refusal.fix)
        except ToolRefusedError as refusal:
            return refused(refusal.why, refusal.fix)

    def _no_such_tool(self, context: Context, name: str, given: Mapping[str, Any]) -> Outcome:
        tools = listed((tool.name for tool in self._role.tools), 50)
        why, fix = f"role {self._role.name} has no tool {shown(name)!r}", f"use one of {tools}"
        if name in OPERATIONS:  # no misspelling: another role has it, this one must not
            path = given.get("path", "") if isinstance(given, Mapping) else ""
            context.overstep(name, shown(path) if isinstance(path, str) else "", why, fix)
        return refused(why, fix)

    # --- reading --------------------------------------------------------------------------------

    def _list_files(self, context: Context, glob: str = "**") -> Outcome:
        paths = self._readable(context, glob)
        shown = "\n".join(paths[:LISTED]) or "No file matches."
        more = f"\n… and {len(paths) - LISTED} more" if len(paths) > LISTED else ""
        return Outcome(shown + more)

    def _readable(self, context: Context, glob: str) -> list[str]:
        wanted = wanted_files([glob])
        return [
            path
            for path in context.files.view.paths()
            if wanted.matches(path) and may_read(context, path)
        ]

    def _read_file(
        self, context: Context, path: str, start_line: int = 1, end_line: int | None = None
    ) -> Outcome:
        path = plain(path)
        need_read(context, path)
        lines = split(text_of(context, path))
        last = min(end_line or len(lines), len(lines))
        if start_line > max(len(lines), 1):
            raise ToolRefusedError(
                f"{path} has {len(lines)} lines, line {start_line} is beyond its end",
                f"ask for lines from 1 to {len(lines)}" if lines else "go on: it is empty",
            )
        if end_line and end_line < start_line:
            raise ToolRefusedError(
                f"end_line {end_line} is before start_line {start_line}", "swap the two"
            )
        text = "".join(lines[start_line - 1 : last])
        if len(text) > READ_LIMIT:
            raise ToolRefusedError(
                f"lines {start_line} to {last} of {path} are {len(text)} characters, more than "
                f"one call returns ({READ_LIMIT})",
                "read it in parts with start_line and end_line, or look for what you need with "
                "search_files",
            )
        whole = start_line == 1 and last == len(lines)
        context.files.read(path, WHOLE if whole else Region(start_line - 1, last))
        number = context.files.view.version(path).number
        first = min(start_line, last)
        return Outcome(f"{path} (version {number}, lines {first}-{last} of {len(lines)}):\n{text}")

    def _search_files(self, context: Context, pattern: str, glob: str = "**") -> Outcome:
        compiled = compile_pattern(pattern)
        found: list[str] = []
        end = monotonic() + SEARCH_SECONDS
        for path in self._readable(context, glob):
            data = context.files.view.copy.read(path)
            if data is None or b"\0" in data[:8000]:
                continue
            lines = matching_lines(compiled, data.decode(errors="replace"), path, end)
            told = [*islice(lines, LISTED - len(found) + 1)]  # one more says that there is more
            if shows := [Region(number - 1, number) for number, _ in told[: LISTED - len(found)]]:
                context.files.glimpse(path, shows)
            found += [f"{path}:{number}:{line}" for number, line in told]
            if len(found) > LISTED:
                return Outcome("\n".join(found[:LISTED]) + "\n… and more; narrow the glob")
        return Outcome("\n".join(found) or "No line matches.")

    # --- writing --------------------------------------------------------------------------------

    def _write_file(self, context: Context, path: str, content: str) -> Outcome:
        path = plain(path)
        files = context.files
        need_write(context, path)
        if files.view.version(path).digest is not None and not files.has_read(path):
            raise ToolRefusedError(
                f"{path} exists and you have not read it", "Read it first, then write it"
            )
        return _written(context, path, files.write(path, encoded(content)))

    def _edit_file(self, context: Context, path: str, old: str, new: str, **more: bool) -> Outcome:
        path = plain(path)
        need_write(context, path)
        text = text_of(context, path)
        count = text.count(old)
        if count == 0:
            raise ToolRefusedError(
                f"the text in `old` does not occur in {path}{line_ends(text, old)}",
                "read the file and copy the text exactly, white space included",
            )
        if count > 1 and not more.get("all"):
            raise ToolRefusedError(
                f"the text in `old` occurs {count} times in {path}",
                "add lines around it until it is the only one, or set `all` to true to replace "
                "every one",
            )
        if old == new:
            raise ToolRefusedError("`old` and `new` are equal", "say in `new` what it should be")
        base = context.files.view.version(path)
        done = context.files.write(path, encoded(text.replace(old, new)), base)
        return _written(context, path, done)

    def _delete_file(self, context: Context, path: str) -> Outcome:
        path = plain(path)
        need_write(context, path)
        need_file(context, path)
        return _written(context, path, context.files.write(path, None), "deleted")

    # --- commands -------------------------------------------------------------------------------

    def _run_tests(self, context: Context, tests: list[str] | None = None) -> Outcome:
        names = test_names(tests or ())
        chosen = bool(names) and "{tests}" in context.task.test
        result = context.test(names if chosen else None)
        if result is None:
            return Outcome(
                "This task has no test command: nothing was run. Submit when it is done."
            )
        if names and not chosen:
            why = "The test command of this task takes no names: it was run as it is."
            return replace(_verdict(result), text=f"{why}\n{_verdict(result).text}")
        return _verdict(result)

    def _run_command(self, context: Context, command: str) -> Outcome:
        try:
            words = shlex.split(command)
        except ValueError as error:
            raise ToolRefusedError(
                f"the command cannot be split into words: {error}", "close what you opened"
            ) from None
        if not words:
            raise ToolRefusedError("the command is empty", "name a program and its arguments")
        return _command_told(context.run(words))

    # --- the end --------------------------------------------------------------------------------

    def _submit(self, context: Context, summary: str) -> Outcome:
        reply = context.submit(summary)
        if isinstance(reply, TestRun):
            return Outcome(f"Not accepted: the tests do not pass.\n{_verdict(reply).text}", True)
        if isinstance(reply, Granted | Stop):
            return Outcome("Accepted.", ending=reply)
        return _done(context, reply, "Accepted.")

    def _give_up(self, context: Context, reason: str) -> Outcome:
        return Outcome("The attempt has ended.", ending=context.give_up("gave_up", reason))

    # --- talking and reshaping ------------------------------------------------------------------

    def _widen_scope(self, context: Context, globs: list[str], reason: str) -> Outcome:
        wanted_files(globs)  # the coordinator shall not be the first to look at them
        reply = context.widen(tuple(globs), reason)
        return _done(context, reply, f"Granted: you may now write {listed(globs)}.")

    def _send_message(self, context: Context, to: str, kind: str, text: str) -> Outcome:
        return _done(context, context.send(to, kind, text), f"Sent to {to}.")

    def _write_note(self, context: Context, title: str, text: str) -> Outcome:
        return _done(context, context.note(title, text), "Noted.")

    def _read_notes(self, context: Context, query: str = "") -> Outcome:
        words = query.casefold().split()
        found = [
            f"{title} (task {task})\n{text}"
            for task, title, text in self._notes()
            if all(word in f"{title} {text}".casefold() for word in words)
        ]
        return Outcome("\n\n".join(found[-20:]) or "No note matches.")

    def _split_task(self, context: Context, tasks: list[dict[str, Any]], reason: str) -> Outcome:
        parts = tuple(part_of(context, self._role, part) for part in tasks)
        names = listed(part.id for part in parts)
        text = f"Added: {names}. They start when their files are free."
        return _done(context, context.split(parts), text)


def _done(context: Context, reply: Reply, text: str) -> Outcome:
    if isinstance(reply, Refused):
        return refused_by(reply, context)
    return Outcome(text) if isinstance(reply, Done) else Outcome("The run has ended.", True, reply)


def _written(
    context: Context, path: str, outcome: Written | Refused, verb: str = "written"
) -> Outcome:
    if isinstance(outcome, Refused):
        return refused_by(outcome, context)
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


def _command_told(run: CommandRun) -> Outcome:
    result = run.result
    how = "took too long and was ended" if result.timed_out else f"exit code {result.exit_code}"
    lines = [how, result.output.rstrip("\n")] if result.output else [how]
    if run.written:
        lines.append(f"Files that it changed: {listed(run.written, 50)}.")
    lines += [f"Its change of {path} was put back: {why}." for path, why in run.put_back.items()]
    return Outcome("\n".join(lines), result.exit_code != 0)


def _record_beyond_role(context: Context, operation: Operation, given: Mapping[str, Any]) -> None:
    """Have it counted if what is wrong with a call is that it leaves the role's bounds."""
    path = given.get("path") if isinstance(given, Mapping) else None
    if not isinstance(path, str) or not operation.files:
        return
    try:
        beyond = not Scope(operation.files).matches(canonical(path))
    except PathError:
        beyond = leaves(path)
    if beyond:
        why = f"{shown(path)} is outside the files of the role"
        context.overstep(operation.name, shown(path), why, "keep to the files of the role")


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
