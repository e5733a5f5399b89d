"""`new`: looks at a directory, writes a first plan there, and says what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from orchestrator.analysis.codegraph import CodeGraph
from orchestrator.analysis.lint import lint
from orchestrator.errors import (
    InternalError,
    OrchestratorError,
    UsageError,
    WorkspaceError,
    nearest,
)
from orchestrator.runtime.rundir import STATE
from orchestrator.spec.findings import Finding, errors
from orchestrator.spec.plan import Plan, find
from orchestrator.ui.output import say
from orchestrator.ui.starting.example import example_files
from orchestrator.ui.starting.looking import look
from orchestrator.ui.starting.sketch import Sketch
from orchestrator.ui.starting.template import plan_text, rehearse
from orchestrator.ui.words import count

PLAN = "plan.yaml"
_OURS = frozenset({".git", STATE})
"""Folders that a directory may have and still count as empty."""


def show_new(directory: Path, strategy: str = "", test: str = "") -> None:
    """Write a first plan for a directory, or an example project into an empty one.

    Nothing that is there is changed or overwritten.

    Args:
        directory: where; made if it is missing.
        strategy: of `decompose`; empty: the one that suits the size of the code.
        test: the test command; empty: look for one.

    Raises:
        UsageError: there is a plan already, there is nothing to make tasks from, or no such
            strategy.
        WorkspaceError: a file cannot be written.
        InternalError: the plan that was made is wrong: a bug.
    """
    _check(directory, strategy)
    if _is_empty(directory):
        if strategy or test:
            raise UsageError(
                "there is no code yet that these options could be about",
                str(directory),
                "an empty directory gets an example project, which has its own plan",
                "leave --strategy and --test out, or name the directory of your code",
            )
        _write_new(directory, example_files())
        _checked(directory / PLAN, None)
        _tell_example(directory)
        return
    sketch, graph = look(directory, strategy, test)
    name = directory.resolve().name
    if not name or not name.isprintable():  # it stands in comments and in commands
        name = "plan"
    rehearsal = _free(directory, f"{name}-rehearsal")
    text = plan_text(name, sketch, f"../{rehearsal}")
    _write_new(directory, {PLAN: text})
    findings = _checked(directory / PLAN, graph)
    _tell(directory, sketch, findings, f"../{rehearsal}")


def _check(directory: Path, strategy: str) -> None:
    from orchestrator.analysis.decompose import STRATEGIES

    names = [name for name in STRATEGIES if name != "model"]
    if strategy and strategy not in names:
        guess = nearest(strategy, names)
        raise UsageError(
            f"there is no strategy {strategy!r}"
            if strategy != "model"
            else "the strategy `model` asks a model, and `new` does not",
            "--strategy",
            fix=(f"did you mean {guess}? " if guess else "") + f"strategies: {', '.join(names)}",
        )
    if directory.exists() and not directory.is_dir():
        raise UsageError(
            "this is a file, not a directory",
            str(directory),
            fix="name the directory of your code, or one that does not exist yet",
        )
    plan = directory / PLAN
    if plan.exists() or plan.is_symlink():
        raise UsageError(
            "there is a plan already",
            str(plan),
            "nothing of yours is overwritten",
            f"run it, or move it away and call `new` again; "
            f"`orchestrator lint {shlex.quote(str(plan))}` says how good it is",
        )


def _is_empty(directory: Path) -> bool:
    try:
        return all(entry.name in _OURS for entry in directory.iterdir())
    except FileNotFoundError:
        return True
    except OSError as error:
        raise _unwritable(directory, error, "read") from error


def _free(directory: Path, name: str) -> str:
    """Return the name of a directory beside this one that does not exist yet."""
    beside, number, tried = directory.resolve().parent, 1, name
    while (beside / tried).exists():
        number += 1
        tried = f"{name}-{number}"
    return tried


def _write_new(directory: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        place = directory / path
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            raise UsageError(
                "there is such a file already",
                str(place),
                "nothing of yours is overwritten",
                "move it away, or name another directory",
            ) from None
        except OSError as error:
            raise _unwritable(place, error, "written") from error


def _unwritable(place: Path, error: OSError, verb: str) -> WorkspaceError:
    return WorkspaceError(
        f"it cannot be {verb}",
        str(place),
        error.strerror or str(error),
        "name a directory that you may read and write",
    )


def _checked(place: Path, graph: CodeGraph | None) -> list[Finding]:
    """Return what lint says of the plan that was written; one with errors is taken back.

    Raises:
        InternalError: it has errors.
    """
    plan, found = find(place)
    if plan is not None and graph is not None:
        found = [*found, *_linted(plan, graph)]
    wrong = errors(found)
    if wrong:
        place.unlink()
        raise InternalError(
            "the plan that `new` made is wrong; this is a bug of orchestrator",
            str(place),
            "nothing was left behind",
            "report it, with what is said here; meanwhile, `orchestrator decompose` makes plans",
            problems=wrong,
        )
    return found


def _linted(plan: Plan, graph: CodeGraph) -> Sequence[Finding]:
    try:
        return lint(plan, graph)
    except OrchestratorError:
        place = plan.path
        if place is not None:
            place.unlink()
        raise


def _tell(directory: Path, sketch: Sketch, findings: Sequence[Finding], rehearsal: str) -> None:
    for text in sketch.found:
        say(f"Found {text}.")
    command = sketch.command
    if command.text:
        say(f"Tests run with `{command.text}`, because {command.why}.")
    else:
        say("No test command was found: nothing would decide that a task is done. Write one into")
        say("`defaults`, or call `new` with --test CMD.")
    for note in sketch.notes:
        say(f"Note: {note}.")
    warnings = sum(finding.severity == "warning" for finding in findings)
    said = f"no errors, {count(warnings, 'warning')}" if warnings else "no errors, no warnings"
    say(f"Wrote {directory / PLAN} ({said}). Write your goal into it: look for CHANGE.")
    say()
    say("Next:")
    _say_steps(
        directory,
        ("orchestrator lint plan.yaml", "what lint has to say, and how parallel the plan is"),
        (rehearse(rehearsal), "a rehearsal on a copy: no model, no cost, your tests"),
        ("orchestrator run plan.yaml", "the real thing; needs ANTHROPIC_API_KEY"),
    )


def _tell_example(directory: Path) -> None:
    say(f"{directory} was empty: wrote a small project, its tests, a solution, and plan.yaml,")
    say("three tasks that write the project's functions. It runs offline.")
    say()
    say("Next:")
    _say_steps(
        directory,
        ("orchestrator run plan.yaml", "runs it on a copy, in ./out"),
        ("orchestrator lint plan.yaml", "what lint has to say, and how parallel the plan is"),
        ("orchestrator new DIR", "a plan for your own code"),
    )


def _say_steps(directory: Path, *steps: tuple[str, str]) -> None:
    if directory.resolve() != Path.cwd().resolve():
        say(f"  cd {shlex.quote(str(directory))}")
    for command, why in steps:
        say(f"  {command}")
        say(f"      {why}")
