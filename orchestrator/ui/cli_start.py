"""The commands that a newcomer begins with: ``new`` and ``completion``.

They are added to the command line by `ui.cli`.
"""

from __future__ import annotations

import os
from pathlib import Path

import click

COMPLETE = "_ORCHESTRATOR_COMPLETE"
"""Variable by which the shell asks for completions; click names it after the program."""


def add_to(group: click.Group) -> None:
    """Add the commands to a command line."""
    group.add_command(new)
    group.add_command(completion)
    if COMPLETE in os.environ:  # only then is it worth its import
        from orchestrator.ui.completing import prepare

        prepare()


@click.command(short_help="Write a first plan for your code, or an example project.")
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--strategy", default="", metavar="S", help="How to cut; see docs/decompositions.md.")
@click.option("--test", default="", metavar="CMD", help="Test command, with {tests} for files.")
def new(directory: Path, strategy: str, test: str) -> None:
    """Look at the code in a directory and write plan.yaml there, with comments.

    An empty or new directory gets a small example project that runs offline. Nothing that is
    there is changed or overwritten.
    """
    from orchestrator.ui.starting.writing import show_new

    show_new(directory, strategy, test)


@click.command(short_help="Print the script that completes commands in a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), required=False)
@click.pass_context
def completion(context: click.Context, shell: str | None) -> None:
    """Print the script that lets a shell complete commands, options, runs, tasks and plans.

    Without a name: for the shell that $SHELL names. The script's first lines say how to install it.
    """
    from orchestrator.ui.completing import show_script

    show_script(context.find_root().command, shell)
