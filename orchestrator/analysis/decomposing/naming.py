"""Names of tasks: short, unique, made from what the tasks write."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from orchestrator.analysis.decomposing.survey import Survey

_LONGEST = 60
_NAMED = 3  # files of a group that its name lists


def file_names(survey: Survey) -> dict[str, str]:
    """Return a short unique name for every file to do: its dotted name without common parts."""
    modules = survey.graph.modules
    dotted = {path: modules[path].name if path in modules else path for path in survey.goal.files}
    split = [name.split(".") for path, name in dotted.items() if path in survey.files]
    common = 0
    while (
        split
        and all(len(words) > common for words in split)
        and (len({words[common] for words in split}) == 1)
    ):
        common += 1
    short = {
        path: ".".join(name.split(".")[common:]) or name.split(".")[-1]
        if path in survey.files
        else path
        for path, name in dotted.items()
    }
    return unique({path: tidy(name) for path, name in short.items()})


def tidy(name: str) -> str:
    """Return a name that a task's id may be."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("._-")[:_LONGEST] or "task"


def unique(names: Mapping[str, str]) -> dict[str, str]:
    """Return the names, a number added to those that were there before."""
    seen: set[str] = {"verify"}
    found: dict[str, str] = {}
    for key, name in names.items():
        number, tried = 1, name
        while tried in seen:
            number += 1
            tried = f"{name}-{number}"
        seen.add(tried)
        found[key] = tried
    return found


def group_names(survey: Survey, groups: Sequence[Iterable[str]], prefix: str = "") -> list[str]:
    """Return a name for each group of files."""
    single = file_names(survey)
    made = {}
    for number, group in enumerate(groups):
        files = sorted(group, key=lambda path: (-survey.seconds([path]), path))
        words = [single[path] for path in files]
        name = "-".join(words[:_NAMED])
        if len(words) > _NAMED:
            name = f"{words[0]}-and-{len(words) - 1}-more"
        made[str(number)] = tidy(f"{prefix}{name}")
    return list(unique(made).values())
