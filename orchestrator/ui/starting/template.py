"""The text of a first plan: YAML, with comments for whoever reads a plan for the first time."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from textwrap import wrap

import yaml

from orchestrator.core.task import Task
from orchestrator.spec.durations import format_duration
from orchestrator.spec.plandata import DEFAULT_ROLE
from orchestrator.ui.starting.sketch import Sketch

_WIDTH = 100
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")

GOAL = """\
Look through this code and improve it: mend defects, make plain what is hard to understand, and
complete docstrings. Behaviour and public interfaces stay as they are; the tests keep passing."""

_HEAD = """\
# A plan: who changes which files, who waits for whom, and what decides that a task is done.
# `orchestrator new` made it, and it runs as it stands. What wants a decision of yours is marked
# CHANGE. Everything else can wait.
#
#   orchestrator lint plan.yaml        says what is wrong with the plan, and how parallel it is
#   {rehearse}
#                                      a dress rehearsal without a model: every task of a copy is
#                                      handed in as it is, and its tests are run
#   orchestrator run plan.yaml         the real thing; needs ANTHROPIC_API_KEY
"""

_SETTINGS = """\
version: 1
name: {name}

# CHANGE: what should be different when all is done? Every agent is told this.
goal: |
{goal}

# The directory that the agents work in, seen from this file. They work in place, so commit first:
# a run refuses to start beside uncommitted changes. `--into DIR` works on a copy instead.
workspace: .

# CHANGE: which model answers for the agents (`--model` on the command line wins):
#   anthropic[:MODEL]   needs the environment variable ANTHROPIC_API_KEY, and costs money
#   oracle:DIR          offline: puts files as they are in DIR; `oracle:.` is the rehearsal
#   scripted:FILE       offline: answers from a file
#   recorded:RUN        offline: the answers of an earlier run
#   simulated           offline: time, tokens and failures, and no text; takes its time as a
#                       model does, unless `--time virtual` is said as well
model: anthropic

# How agents are kept from spoiling each other's work: shared (files are claimed, and what was
# read must be current), worktree (a branch each, merged in turn), locks, solo, uncontrolled.
mode: shared

# commit: task         # would make a git commit of every task that succeeded

# CHANGE: what a run may spend. When a limit is reached, it ends and can be resumed.
limits:
  workers: 4           # agents at the same time
  usd: 5               # US dollars, for all tasks together
  tokens: 4000000      # model tokens, input and output, for all tasks together
  wall: 1h             # time of the whole run
  attempts: 2          # tries per task
  turns: 40            # answers of the model per try

# Commands run in a sandbox: no network, nothing outside the workspace.
# sandbox: {{network: true, read: [/opt/data]}}
"""


def plan_text(name: str, sketch: Sketch, rehearsal: str) -> str:
    """Return the text of a plan file.

    Args:
        name: of the plan.
        sketch: the plan.
        rehearsal: directory for the copy that is rehearsed on, as seen from the plan.
    """
    lines = _HEAD.format(rehearse=rehearse(rehearsal)).splitlines()
    lines += ["#"]
    lines += [line for text in sketch.found for line in _comment(f"Found: {text}.")]
    lines += [line for text in sketch.notes for line in _comment(f"Note: {text}.")]
    lines += ["", *_SETTINGS.format(name=quoted(name), goal=_indented(GOAL, 2)).splitlines()]
    lines += ["", *_defaults(sketch), ""]
    lines += [
        "# A task is done by one agent. `writes` are the files it may change and has to itself;",
        "# `depends_on` are the tasks that come first; `tests` decide that it is done; `estimate`",
        "# orders the work and is right in proportion only. Cut, join and drop tasks as your goal",
        "# needs, and say in `instructions` what you would tell a colleague.",
        "tasks:",
    ]
    for task in sketch.tasks:
        lines += ["", *_task(task, sketch)]
    return "\n".join(lines) + "\n"


def rehearse(directory: str) -> str:
    """Return the command of the dress rehearsal."""
    return f"orchestrator run plan.yaml --model oracle:. --into {shlex.quote(directory)}"


def quoted(text: str) -> str:
    """Return a text as a YAML scalar in one line."""
    if _PLAIN.fullmatch(text) and yaml.safe_load(text) == text:
        return text
    return str(yaml.dump(text, default_style='"', allow_unicode=True, width=float("inf"))).rstrip(
        "\n"
    )


def _defaults(sketch: Sketch) -> Iterator[str]:
    command = sketch.command
    text = (
        "What tasks have unless they say otherwise. CHANGE if it is not what you use: the test "
        f"command was chosen because {command.why}."
    )
    if not command.text:
        text = (
            "What tasks have unless they say otherwise. CHANGE: no test command was found, and "
            "without one nothing but the agent's word says that a task is done."
        )
    yield from _comment(text)
    if command.by_file:
        yield from _comment("{tests} stands for the test files that a task names.")
    if "python" in command.text:
        yield from _comment(
            "`python` is that of .venv or venv in the workspace; else the one that runs "
            "orchestrator."
        )
    yield from _comment(
        "Roles say what agents may do (`orchestrator roles`): architect, implementer, tester, "
        "reviewer, integrator, documenter."
    )
    yield "defaults:"
    yield f"  role: {DEFAULT_ROLE}"
    if command.text:
        yield f"  test: {quoted(command.text)}"
    else:
        yield '  # test: "make test"'


def _task(task: Task, sketch: Sketch) -> Iterator[str]:
    command = sketch.command
    yield f"  - id: {quoted(task.id)}"
    yield f"    title: {quoted(task.title)}"
    if task.role != DEFAULT_ROLE:
        yield f"    role: {quoted(task.role)}"
    if task.depends_on:
        yield from _list("depends_on", task.depends_on)
        for needed in task.depends_on:
            reason = sketch.reasons.get((task.id, needed))
            if reason:
                yield from _comment(f"{needed}: {reason}", "    # ", "    #   ")
    for key, values in (("writes", task.writes), ("shares", task.shares), ("tests", task.tests)):
        if values:
            yield from _list(key, values)
    if task.test and task.test != command.text:
        yield "    # no test judges this task alone, so its files must at least compile"
        yield f"    test: {quoted(task.test)}"
    yield f"    estimate: {format_duration(max(60.0, round(task.estimate / 60) * 60.0))}"
    yield "    instructions: |"
    yield _indented(task.instructions.rstrip("\n"), 6)


def _list(key: str, values: Sequence[str]) -> Iterator[str]:
    words = [quoted(value) for value in values]
    line = f"    {key}: [{', '.join(words)}]"
    if len(line) <= _WIDTH:
        yield line
        return
    yield f"    {key}:"
    yield from (f"      - {word}" for word in words)


def _indented(text: str, width: int) -> str:
    return "\n".join(" " * width + line if line else "" for line in text.splitlines())


def _comment(text: str, first: str = "# ", others: str = "# ") -> Iterator[str]:
    yield from wrap(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )
