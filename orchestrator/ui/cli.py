"""The command line: ``orchestrator …``, or ``python -m orchestrator …``.

Only click is imported here; each command imports what it needs, so that ``--help`` is quick.
Exit codes: 0 all tasks succeeded, 1 not all, 2 plan, role or arguments invalid, 3 a limit ended
the run, 4 internal error, 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import click

from orchestrator import __version__
from orchestrator.ui import cli_start, cli_study
from orchestrator.ui.failures import Session, guarded

EPILOG = """\b
Exit codes: 0 all tasks succeeded · 1 a task failed, was skipped or cancelled ·
2 plan, role or arguments invalid · 3 a limit ended the run · 4 internal error ·
130 interrupted (the run can be resumed)."""

_path = click.Path(path_type=Path)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")
_plain = click.option("--plain", is_flag=True, help="Plain lines, also on a terminal.")
_limit = click.option(
    "--limit",
    "others",
    metavar="KEY=VALUE",
    multiple=True,
    help="A limit in place of the plan's, for example commands=200 or roles.tester.usd=2.",
)
_session = click.make_pass_decorator(Session, ensure=True)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Carry out a command line and end the process with its exit code.

    Args:
        arguments: the words after the program's name; None: those of this process.
    """
    from orchestrator.ui import output

    output.prepare()
    words = list(sys.argv[1:] if arguments is None else arguments)
    session = Session(words=words)

    def command() -> int | None:
        return cli.main(words, "orchestrator", standalone_mode=False, obj=session)  # type: ignore[no-any-return]

    sys.exit(guarded(command, session))


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="orchestrator")
def cli() -> None:
    """Runs several coding agents on one codebase at the same time, without collisions."""


# --- running ----------------------------------------------------------------------------------


@cli.command(short_help="Run a plan, with live progress.")
@click.argument("plan", type=_path)
@click.option(
    "--model",
    metavar="MODEL",
    help="anthropic[:MODEL]; or offline: oracle:DIR, scripted:FILE, recorded:RUN, "
    "simulated[:PROFILE].",
)
@click.option(
    "-M",
    "options",
    metavar="KEY=VALUE",
    multiple=True,
    help="An option of the model; may be repeated.",
)
@click.option(
    "--mode",
    metavar="MODE",
    help="How agents are coordinated: shared, solo, locks, uncontrolled, worktree.",
)
@click.option("--tests", metavar="PLACE", help="Where tests run: cut (a copy), live (the tree).")
@click.option("--validate", metavar="WHAT", help="What makes a write stale: region, file.")
@click.option(
    "--time",
    default="real",
    metavar="KIND",
    help="real; or virtual, where an offline model's waiting is not waited for.",
)
@click.option(
    "--command-seconds",
    type=float,
    metavar="N",
    help="What a command takes in virtual time; without it, as long as it really takes.",
)
@click.option(
    "--remember",
    type=_path,
    metavar="DIR",
    help="In virtual time: keep there what tests said of which files, and go by it.",
)
@click.option("--workers", type=int, metavar="N", help="Worker threads.")
@click.option("--commit", metavar="WHEN", help="What is committed in git: task, run, none.")
@click.option("--into", type=_path, metavar="DIR", help="Work on a fresh copy, made there.")
@click.option("--run-dir", type=_path, metavar="DIR", help="Directory for the log of the run.")
@click.option("--seed", type=int, default=0, metavar="N", help="Decides everything random.")
@click.option("--allow-dirty", is_flag=True, help="Work in place beside uncommitted changes.")
@_limit
@_json
@_plain
@_session
def run(
    session: Session,
    plan: Path,
    model: str | None,
    options: tuple[str, ...],
    mode: str | None,
    tests: str | None,
    validate: str | None,
    time: str,
    command_seconds: float | None,
    remember: Path | None,
    workers: int | None,
    commit: str | None,
    into: Path | None,
    run_dir: Path | None,
    seed: int,
    allow_dirty: bool,
    others: tuple[str, ...],
    as_json: bool,
    plain: bool,
) -> int:
    """Run a plan, with live progress on a terminal and plain lines elsewhere.

    Ctrl-C ends the run cleanly; `orchestrator resume` goes on with it.
    """
    from orchestrator.runtime.run import Run, start
    from orchestrator.ui.driving import Show, drive
    from orchestrator.ui.limiting import changed_limits
    from orchestrator.ui.linting import load_and_warn
    from orchestrator.ui.pairs import model_options
    from orchestrator.ui.progress import Progress

    pairs = dict(model_options(options))
    loaded = load_and_warn(plan)
    limits = changed_limits(loaded.limits, others)
    if limits is not None:
        loaded = replace(loaded, limits=limits)

    def begin(progress: Progress) -> Run:
        return start(
            loaded, model=model, options=pairs, mode=mode, tests=tests, validate=validate,
            time=time, command_seconds=command_seconds, remember=remember, workers=workers,
            commit=commit, into=into, run_dir=run_dir, seed=seed, allow_dirty=allow_dirty,
            listeners=(progress,), control=True,
        )  # fmt: skip

    return drive(begin, Show(as_json, plain), session)


@cli.command(short_help="Go on with a run after an interrupt, a crash or a limit.")
@click.argument("run", metavar="RUN")
@click.option("--retry-failed", is_flag=True, help="Give failed and cancelled tasks a new chance.")
@click.option("--wall", metavar="DURATION", help="A new limit of wall time, for example 2h.")
@click.option("--tokens", type=int, metavar="N", help="A new limit of model tokens.")
@click.option("--usd", type=float, metavar="N", help="A new limit of US dollars.")
@_limit
@_json
@_plain
@_session
def resume(
    session: Session,
    run: str,
    retry_failed: bool,
    wall: str | None,
    tokens: int | None,
    usd: float | None,
    others: tuple[str, ...],
    as_json: bool,
    plain: bool,
) -> int:
    """Go on with a run after an interrupt, a crash or a limit.

    RUN is its directory or its id. Nothing that was accepted is done again.
    """
    from orchestrator.runtime.run import Run, start_again
    from orchestrator.ui.driving import Show, drive
    from orchestrator.ui.progress import Progress
    from orchestrator.ui.reading import find, raised_limits
    from orchestrator.ui.record import read_board

    folder = find(run)
    header, board = read_board(folder)
    limits = raised_limits(header.limits, wall, tokens, usd, others)
    session.run_dir = folder.path

    def begin(progress: Progress) -> Run:
        return start_again(
            folder.path, retry_failed=retry_failed, limits=limits, listeners=(progress,),
            control=True,
        )  # fmt: skip

    return drive(begin, Show(as_json, plain), session, board)


# --- a person's word --------------------------------------------------------------------------


@cli.command(short_help="Let a held task go.")
@click.argument("run", metavar="RUN")
@click.argument("task", metavar="TASK")
def approve(run: str, task: str) -> int:
    """Let a task go that waits for a person's approval; the run may be live or stopped."""
    from orchestrator.ui.telling import say

    return say(run, "approve", task)


@cli.command(short_help="Turn a held task down: it and what needs it are skipped.")
@click.argument("run", metavar="RUN")
@click.argument("task", metavar="TASK")
@click.option("--why", default="", metavar="TEXT", help="The reason, for the log.")
def reject(run: str, task: str, why: str) -> int:
    """Turn a task down that waits for a person's approval; what needs it is skipped."""
    from orchestrator.ui.telling import say

    return say(run, "reject", task, why)


@cli.command(short_help="Stop one task, or all that have not ended.")
@click.argument("run", metavar="RUN")
@click.argument("task", metavar="[TASK]", required=False)
@click.option("--why", default="", metavar="TEXT", help="The reason, for the log.")
def cancel(run: str, task: str | None, why: str) -> int:
    """Stop one task, or all that have not ended; what needs it is skipped."""
    from orchestrator.ui.telling import say

    return say(run, "cancel", task, why)


# --- reading a log ----------------------------------------------------------------------------


@cli.command(short_help="Say where a run and its tasks stand.")
@click.argument("run", metavar="RUN")
@_json
def status(run: str, as_json: bool) -> None:
    """Say where a run and each of its tasks stand.

    RUN is its directory or its id.
    """
    from orchestrator.ui.reading import show_status

    show_status(run, as_json=as_json)


@cli.command(short_help="Print the events of a run.")
@click.argument("run", metavar="RUN")
@_json
def events(run: str, as_json: bool) -> None:
    """Print the events of a run, oldest first; with --json one JSON object per line.

    RUN is its directory or its id.
    """
    from orchestrator.ui.reading import show_events

    show_events(run, as_json=as_json)


@cli.command(short_help="Fold a log again, and say where it does not agree with itself.")
@click.argument("run", metavar="RUN")
@_json
def replay(run: str, as_json: bool) -> int:
    """Fold the log of a run again, judge every event, and say where the two part.

    RUN is its directory or its id. Exits with 1 if something does not agree.
    """
    from orchestrator.ui.replaying import show_replay

    return show_replay(run, as_json=as_json)


# --- helpers ----------------------------------------------------------------------------------


@cli.command(short_help="List roles: what each may do, and to which files.")
@click.argument("directory", type=_path, required=False, metavar="[DIR]")
@_json
def roles(directory: Path | None, as_json: bool) -> None:
    """List the roles of a directory and the built-in ones: operations and file bounds."""
    from orchestrator.ui.helpers import show_roles

    show_roles(directory, as_json=as_json)


@cli.group(short_help="Questions about sets of files.")
def scope() -> None:
    """Questions about sets of files, given as globs."""


@scope.command(short_help="Whether some path matches both globs.")
@click.argument("a")
@click.argument("b")
def overlaps(a: str, b: str) -> int:
    """Print `yes WITNESS` if some path matches both globs, else `no` (exit code 1)."""
    from orchestrator.ui.helpers import show_overlap

    return show_overlap(a, b)


@cli.command(short_help="Print the JSON Schema of plans or of events.")
@click.argument("what", type=click.Choice(["plan", "event"]))
def schema(what: str) -> None:
    """Print the JSON Schema of plan files, or of the lines of `events --json`."""
    from orchestrator.ui.helpers import show_schema

    show_schema(what)


@cli.command(short_help="Say what this machine has of what runs need.")
@click.argument("directory", type=_path, default=".", metavar="[DIR]")
@_json
def doctor(directory: Path, as_json: bool) -> int:
    """Say what is there, and what of the sandbox is enforced here.

    Exits with 1 if no run can start or a wall is broken.
    """
    from orchestrator.ui.doctor import show_doctor

    return show_doctor(directory, as_json=as_json)


if __name__ == "__main__":
    main()


cli_study.add_to(cli)
cli_start.add_to(cli)
