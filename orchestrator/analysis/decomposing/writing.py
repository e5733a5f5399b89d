"""A decomposition as a plan file: YAML for people, with comments that say how it was made."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import indent, wrap
from typing import TYPE_CHECKING, Any

import yaml

from orchestrator.analysis.parallelism import Parallelism, parallelism_of
from orchestrator.spec.plandata import DEFAULT_ROLE

if TYPE_CHECKING:
    from orchestrator.analysis.decompose import Decomposition

_WIDTH = 100
_ORDER = (
    "id", "title", "role", "depends_on", "writes", "shares", "reads", "tests", "test",
    "estimate", "instructions",
)  # fmt: skip


class _Dumper(yaml.SafeDumper):
    """Text of several lines as a block, lists in one line."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _list(dumper: yaml.SafeDumper, values: list[Any]) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=True)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(list, _list)


def to_yaml(made: Decomposition, place: Path) -> str:
    """Return the text of a plan file.

    Args:
        made: the decomposition.
        place: where the file will be; the workspace is written relative to its directory.
    """
    plan = made.plan
    data = plan.to_data()
    tasks = data.pop("tasks")
    data["workspace"] = _relative(plan.workspace, place)
    command = _most_frequent([task.get("test", "") for task in tasks if task.get("tests")])
    defaults = {"role": DEFAULT_ROLE, **({"test": command} if command else {})}
    head = {key: data[key] for key in ("version", "name", "goal", "workspace")}
    head |= {key: value for key, value in data.items() if key not in head}
    head["defaults"] = defaults
    lines = [*_comments(made), "", _dumped(head).rstrip("\n"), "", "tasks:"]
    for task in tasks:
        own = {
            key: value
            for key, value in task.items()
            if not (
                key in defaults and value == defaults[key] and (key != "test" or "tests" in task)
            )
        }
        ordered = {key: own[key] for key in (*_ORDER, *own) if key in own}
        body = _dumped(ordered)
        lines += ["", "  - " + indent(body, "    ").lstrip().rstrip("\n")]
    return "\n".join(lines) + "\n"


def _dumped(data: dict[str, Any]) -> str:
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)


def _relative(workspace: Path | None, place: Path) -> str:
    assert workspace is not None  # every decomposition has one
    path = os.path.relpath(workspace, place.absolute().parent.resolve())
    return Path(path).as_posix()


def _most_frequent(values: Sequence[str]) -> str:
    return max(sorted(set(values)), key=values.count, default="")


def _comments(made: Decomposition) -> Iterator[str]:
    tasks = made.plan.tasks
    parallel = parallelism_of(tasks)
    workers = made.plan.limits.workers
    yield from _comment(f"Made by `decompose --strategy {made.strategy}`: {made.why}.")
    yield from _comment(
        f"{len(tasks)} tasks, at most {parallel.width} at once. By the estimates, which are right "
        f"in proportion only: work {parallel.work / 60:.0f} min, critical path "
        f"{parallel.span / 60:.0f} min ({_path(parallel)}); {workers} workers are at most "
        f"{parallel.work / max(parallel.span, parallel.work / workers, 1e-9):.1f} times as fast "
        "as one."
    )
    known = (
        f"knew {made.recall:.0%} of the calls between files that a trace saw"
        if made.recall is not None
        else "was not compared with a run (`--trace` does; 35 to 100 % is usual)"
    )
    yield from _comment(f"The code graph {known}.")
    for note in made.notes:
        yield from _comment(f"Note: {note}.")
    yield from _comment("Look before you run: `lint PLAN`, `simulate PLAN`.")


def _path(parallel: Parallelism) -> str:
    shown = parallel.critical_path
    return " → ".join(shown if len(shown) <= 6 else [*shown[:3], "…", *shown[-2:]])


def _comment(text: str) -> Iterator[str]:
    yield from (f"# {line}" for line in wrap(text, _WIDTH - 2, break_on_hyphens=False))
