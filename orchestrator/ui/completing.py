"""Shell completion: what a shell offers at a tab, and the script that makes it ask.

click completes commands, options and choices by itself. What it cannot know (runs, tasks, plans,
modes, strategies, models) is added here to all commands at once, by the names of parameters, and
only when a shell asks. The program runs once per tab, so no offer may be dear: nothing here
imports more than it needs, and whatever cannot be read is not offered.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    get_completion_class,
)

from orchestrator.errors import UsageError
from orchestrator.ui.cli_start import COMPLETE
from orchestrator.ui.output import say

PROGRAM = "orchestrator"

MODELS = ("anthropic", "oracle:", "recorded:", "scripted:", "simulated")
"""Beginnings of what names a model."""

_PLAIN = re.compile(r"[\w./:,+@%=-]*")
"""What no shell takes for more than text. Names from the disk may be anybody's, and what is offered
is put into the command line as it stands: `$(...)` would be carried out with the next Enter."""

_INSTALL = {
    "bash": 'To have it in every shell, add to ~/.bashrc:  eval "$(orchestrator completion bash)"',
    "zsh": 'To have it in every shell, add to ~/.zshrc, below compinit:  '
    'eval "$(orchestrator completion zsh)"',
    "fish": "To have it in every shell:  orchestrator completion fish > "
    "~/.config/fish/completions/orchestrator.fish",
}  # fmt: skip

Items = Iterable[CompletionItem[Any]]
Offer = Callable[[click.Context, str], Items]


def show_script(program: click.Command, shell: str | None = None) -> None:
    """Print the script by which a shell completes, with how to install it as its first line.

    Args:
        program: the command line.
        shell: ``bash``, ``zsh`` or ``fish``; None: that of the environment variable SHELL.

    Raises:
        UsageError: the shell is not one of these.
    """
    name = shell or os.path.basename(os.environ.get("SHELL", ""))  # noqa: PTH119
    if name not in _INSTALL:
        raise UsageError(
            "it cannot be told which shell this is"
            if not name
            else f"there is no completion for {name}",
            "completion",
            "the environment variable SHELL does not say bash, zsh or fish",
            f"name one: orchestrator completion {'|'.join(_INSTALL)}",
        )
    kind = get_completion_class(name)
    assert kind is not None  # click has these three
    source = kind(program, {}, PROGRAM, COMPLETE).source().strip("\n")
    first, _, rest = source.partition("\n")
    if first.startswith("#compdef"):  # zsh reads it in the first line, in a file of its own
        say(f"{first}\n# {_INSTALL[name]}\n{rest}")
    else:
        say(f"# {_INSTALL[name]}\n{source}")


def prepare() -> None:
    """Have click offer what only this program knows, whatever shell asks."""
    for kind in (BashComplete, ZshComplete, FishComplete):
        add_completion_class(_taught(kind))


def _taught(kind: type[ShellComplete]) -> type[ShellComplete]:
    class Taught(kind):  # type: ignore[valid-type, misc]
        name = kind.name

        def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[Any]]:
            # Now, not when this module is imported: by now all commands are there.
            teach(self.cli)
            found: list[CompletionItem[Any]] = super().get_completions(args, incomplete)
            return found

    return Taught


def teach(command: click.Command) -> None:
    """Give the parameters of a command, and of all below it, what to offer.

    Args:
        command: changed in place: what its parameters accept stays the same.
    """
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            teach(inner)
    for parameter in command.params:
        offer = _OFFERS.get(parameter.name or "")
        if offer is not None and type(parameter.type) in (click.Path, type(click.STRING)):
            parameter.type = _Offering(parameter.type, offer)


class _Offering(click.ParamType[Any]):
    """A type of parameters that accepts what another does, and offers more."""

    def __init__(self, inner: click.ParamType[Any], offer: Offer) -> None:
        self.name = inner.name
        self._inner, self._offer = inner, offer

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return self._inner.convert(value, param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[Any]]:
        offered = list(self._offer(ctx, incomplete))
        plain = [item for item in offered if item.type != "plain" or _PLAIN.fullmatch(item.value)]
        return plain or (_files(incomplete) if offered else [])


# --- what is offered --------------------------------------------------------------------------


def _files(incomplete: str) -> list[CompletionItem[Any]]:
    """Leave it to the shell, which knows files best."""
    return [CompletionItem(incomplete, type="file")]


def _plans(context: click.Context, incomplete: str) -> Items:
    """YAML files of the directory that is being typed; else whatever the shell knows."""
    folder = incomplete[: incomplete.rfind("/") + 1]
    try:
        names = sorted(entry.name for entry in os.scandir(folder or "."))
    except OSError:
        names = []
    found = [
        CompletionItem(folder + name)
        for name in names
        if name.endswith((".yaml", ".yml")) and (folder + name).startswith(incomplete)
    ]
    return found or _files(incomplete)


def _runs(context: click.Context, incomplete: str) -> Items:
    """Ids of the runs of this directory, latest first."""
    if "/" in incomplete or incomplete.startswith("."):
        return _files(incomplete)
    found = sorted((log.parent.name for log in _logs()), reverse=True)
    return [CompletionItem(name) for name in found if name.startswith(incomplete)]


def _logs() -> Iterable[Path]:
    return Path(".orchestrator/runs").glob("*/events.db")


def _tasks(context: click.Context, incomplete: str) -> Items:
    """Ids of the tasks of the run that was named before."""
    run = str(context.params.get("run") or "")
    given = Path(run) / "events.db"
    logs = [given] if given.is_file() else []
    logs = logs or [log for log in _logs() if run and log.parent.name.startswith(run)]
    if len(logs) != 1:
        return []
    return [CompletionItem(name) for name in _tasks_of(logs[0]) if name.startswith(incomplete)]


def _tasks_of(log: Path) -> list[str]:
    """Return the tasks of a log's plan, and those that were added since."""
    import json

    place = f"{log.absolute().as_uri()}?mode=ro"
    try:
        # Read only, and never waiting: the run may live, and a tab must not disturb it.
        with closing(sqlite3.connect(place, uri=True, timeout=0)) as log_file:
            plan = log_file.execute("SELECT value FROM header WHERE key = 'tasks'").fetchall()
            added = log_file.execute("SELECT body FROM events WHERE kind = 'added'").fetchall()
        lists = [json.loads(text) for (text,) in plan]
        lists += [json.loads(text)["tasks"] for (text,) in added]
        return [str(task["id"]) for tasks in lists for task in tasks]
    except (sqlite3.Error, ValueError, KeyError, TypeError):
        return []


def _from(names: Callable[[], Iterable[str]]) -> Offer:
    def offer(context: click.Context, incomplete: str) -> Items:
        return [CompletionItem(name) for name in names() if name.startswith(incomplete)]

    return offer


def _in_list(names: Callable[[], Iterable[str]]) -> Offer:
    """Offer names for a list with commas: the last one is being typed."""

    def offer(context: click.Context, incomplete: str) -> Items:
        before, comma, last = incomplete.rpartition(",")
        used = set(before.split(","))
        return [
            CompletionItem(f"{before}{comma}{name}")
            for name in names()
            if name.startswith(last) and name not in used
        ]

    return offer


def _modes() -> Iterable[str]:
    from orchestrator.runtime.modes import mode_names

    return mode_names()


def _strategies() -> Iterable[str]:
    from orchestrator.analysis.decompose import STRATEGIES

    return STRATEGIES


_OFFERS: dict[str, Offer] = {
    "run": _runs,
    "runs": _runs,
    "earlier": _runs,
    "task": _tasks,
    "plan": _plans,
    "plans": _plans,
    "mode": _from(_modes),
    "modes": _in_list(_modes),
    "model": _from(lambda: MODELS),
    "models": _in_list(lambda: MODELS),
    "tests": _from(lambda: ("cut", "live")),
    "time": _from(lambda: ("real", "virtual")),
    "validate": _in_list(lambda: ("region", "file")),
    "commit": _from(lambda: ("task", "run", "none")),
    "strategy": _from(_strategies),
    "language": _from(lambda: ("auto", "python", "typescript")),
    "directory": lambda context, incomplete: [CompletionItem(incomplete, type="dir")],
    "into": lambda context, incomplete: [CompletionItem(incomplete, type="dir")],
    "run_dir": lambda context, incomplete: [CompletionItem(incomplete, type="dir")],
}
"""By the name of the parameter."""
