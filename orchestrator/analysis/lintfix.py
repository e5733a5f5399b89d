"""The safe edits of lint, written into the plan file; comments and layout stay.

An edit adds an entry to a task's `depends_on` and never removes one, so a plan that runs still
runs. The text is changed at the places of its YAML nodes; the result is read again and must
differ from what was there in the added entries only, else nothing is written.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from orchestrator.core.task import Task
from orchestrator.errors import WorkspaceError
from orchestrator.spec.findings import AddDependency, Finding
from orchestrator.spec.places import CodePlaces
from orchestrator.spec.plancheck import TaskList, edges
from orchestrator.spec.yamldoc import parse_document

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_WORDS = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n"))
_BEFORE = ("role", "title", "id")  # a new `depends_on` goes below the first of these


@dataclass(frozen=True, slots=True)
class Fixed:
    """What became of the edits.

    Attributes:
        text: the plan file as it is with them.
        done: edits that are in it.
        needless: edits that others imply, or that would close a circle with them.
        by_hand: edits that the layout of the file does not allow (aliases, merge keys).
    """

    text: str
    done: tuple[AddDependency, ...] = ()
    needless: tuple[AddDependency, ...] = ()
    by_hand: tuple[AddDependency, ...] = ()


def fix_text(text: str, tasks: Sequence[Task], findings: Iterable[Finding]) -> Fixed:
    """Return a plan's text with the edits of the findings.

    Args:
        text: a plan file without mistakes.
        tasks: its tasks.
        findings: those of lint; the most severe are served first.
    """
    wanted = _in_turn(findings)
    chosen, needless = _choose(tasks, wanted)
    done: list[AddDependency] = []
    by_hand: list[AddDependency] = []
    for edit in chosen:
        changed = _edited(text, edit)
        if changed is None:
            by_hand.append(edit)
        else:
            text = changed
            done.append(edit)
    return Fixed(text, tuple(done), tuple(needless), tuple(by_hand))


def _in_turn(findings: Iterable[Finding]) -> list[AddDependency]:
    """Return the edits: errors first, what the code asks for before what merely orders two."""
    rank = {"error": 0, "warning": 1, "info": 2}
    sorted_ = sorted(findings, key=lambda one: (rank[one.severity], one.code == "overlap"))
    return list(dict.fromkeys(one.edit for one in sorted_ if one.edit is not None))


def _choose(
    tasks: Sequence[Task], wanted: Iterable[AddDependency]
) -> tuple[list[AddDependency], list[AddDependency]]:
    """Return the edits to make, and those that are not needed or not possible any more.

    Two tasks that wait for one another already, whichever way, need no further edge.
    """
    waits_for = edges(TaskList(tasks=tasks, places=CodePlaces(tasks)))
    chosen: list[AddDependency] = []
    needless: list[AddDependency] = []
    for edit in wanted:
        if _waits(waits_for, edit.task, edit.on) or _waits(waits_for, edit.on, edit.task):
            needless.append(edit)
        else:
            waits_for[edit.task].append(edit.on)
            chosen.append(edit)
    for edit in reversed(chosen):  # what later edits imply need not be written
        waits_for[edit.task].remove(edit.on)
        if _waits(waits_for, edit.task, edit.on):
            needless.append(edit)
        else:
            waits_for[edit.task].append(edit.on)
    return [edit for edit in chosen if edit not in needless], needless


def _waits(waits_for: Mapping[str, Sequence[str]], task: str, on: str) -> bool:
    seen = {task}
    todo = [task]
    while todo:
        for other in waits_for[todo.pop()]:
            if other == on:
                return True
            if other not in seen:
                seen.add(other)
                todo.append(other)
    return False


def write_plan(path: Path, text: str) -> None:
    """Replace a plan file, at once or not at all; its permissions stay.

    Raises:
        WorkspaceError: it cannot be written.
    """
    target = path.resolve()
    try:
        mode = target.stat().st_mode & 0o7777
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(text.encode("utf-8"))
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(mode)
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise WorkspaceError(
            f"the plan cannot be written: {error.strerror}",
            str(path),
            "its edits were not made",
            "check the permissions of the file and its directory",
        ) from None


# --- text ------------------------------------------------------------------------------------


def _edited(text: str, edit: AddDependency) -> str | None:
    """Return the text with one edit, or None if its layout does not allow it."""
    file = _File.of(text)
    node = file.tasks.get(edit.task)
    if node is None:
        return None
    changed = _insertion(text, node, file, edit.on)
    return changed if changed is not None and _as_meant(text, changed, edit) else None


@dataclass(slots=True)
class _File:
    """The nodes of a plan file.

    Attributes:
        tasks: task id to its mapping.
        uses: id of a node to how often it stands in the file; more than once: by alias.
    """

    tasks: dict[str, yaml.MappingNode] = field(default_factory=dict)
    uses: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, text: str) -> _File:
        # The Python loader: its places are offsets into the text. What it reads has been read
        # before, so it is no deeper than it may be.
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        file = cls()
        file._count(root)
        rows = _value(root, "tasks")
        for row in rows.value if isinstance(rows, yaml.SequenceNode) else ():
            name = _value(row, "id")
            if isinstance(row, yaml.MappingNode) and isinstance(name, yaml.ScalarNode):
                file.tasks.setdefault(name.value, row)
        return file

    def _count(self, root: yaml.Node | None) -> None:
        todo = [root]
        while todo:
            node = todo.pop()
            if node is None:
                continue
            self.uses[id(node)] = self.uses.get(id(node), 0) + 1
            if self.uses[id(node)] == 1:
                todo.extend(_children(node))

    def single(self, node: yaml.Node) -> bool:
        """Whether a node stands in one place only."""
        return self.uses.get(id(node)) == 1


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for pair in node.value:
            yield from pair
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def _value(node: Any, key: str) -> yaml.Node | None:
    """Return the value of a key that stands in the mapping itself."""
    for name, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if isinstance(name, yaml.ScalarNode) and name.value == key:
            found: yaml.Node = value
            return found
    return None


def _insertion(text: str, task: yaml.MappingNode, file: _File, on: str) -> str | None:
    """Return the text with one more entry."""
    if not file.single(task):
        return None
    needs = _value(task, "depends_on")
    if needs is None:
        merged = any(isinstance(k, yaml.ScalarNode) and k.value == "<<" for k, _ in task.value)
        return None if merged else _new_key(text, task, on)
    if not isinstance(needs, yaml.SequenceNode) or not file.single(needs):
        return None
    last = needs.value[-1] if needs.value else None
    if last is None:
        at = text.index("[", needs.start_mark.index) + 1
        return text[:at] + _quoted(on) + text[at:]
    if not file.single(last) or last.start_mark.index < needs.start_mark.index:
        return None
    if needs.flow_style:
        at = last.end_mark.index
        return f"{text[:at]}, {_quoted(on)}{text[at:]}"
    return _new_line(text, last.end_mark.index, needs.start_mark.column, f"- {_quoted(on)}")


def _new_key(text: str, task: yaml.MappingNode, on: str) -> str | None:
    """Add `depends_on` to a task that has none, below its role, title or id."""
    entry = f"depends_on: [{_quoted(on)}]"
    values = {key: _value(task, key) for key in _BEFORE}
    for key in _BEFORE:
        node = values[key]
        if not isinstance(node, yaml.ScalarNode) or node.start_mark.line != node.end_mark.line:
            continue
        at = node.end_mark.index
        if not task.start_mark.index < at <= task.end_mark.index:
            continue  # an alias: the value stands elsewhere
        if task.flow_style:
            return f"{text[:at]}, {entry}{text[at:]}"
        return _new_line(text, at, task.start_mark.column, entry)
    return None


def _new_line(text: str, at: int, indent: int, entry: str) -> str:
    """Put a line below the line that holds offset `at`."""
    ending = "\r\n" if "\r\n" in text else "\n"
    end = text.find("\n", at)
    if end < 0:
        return f"{text}{ending}{' ' * indent}{entry}"
    return f"{text[: end + 1]}{' ' * indent}{entry}{ending}{text[end + 1 :]}"


def _quoted(name: str) -> str:
    plain = _PLAIN.fullmatch(name) and name.lower() not in _WORDS
    return name if plain else f'"{name}"'


def _as_meant(before: str, after: str, edit: AddDependency) -> bool:
    """Whether the two texts differ in the added entry and nowhere else."""
    old, new = (parse_document(text.removeprefix("\ufeff"), Path()) for text in (before, after))
    if new.problems or not isinstance(old.data, dict) or not isinstance(new.data, dict):
        return False
    expected = {
        **old.data,
        "tasks": [
            {**task, "depends_on": [*task.get("depends_on", ()), edit.on]}
            if task.get("id") == edit.task
            else task
            for task in old.data["tasks"]
        ],
    }
    return bool(new.data == expected)
