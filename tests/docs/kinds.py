"""Checks of blocks that are not commands: what each is decides what must hold."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from docblocks.blocks import ROOT, Block
from docblocks.shapes import differing_keys, missing_lines
from docblocks.stage import Done, Stage

from orchestrator.errors import OrchestratorError
from orchestrator.lab.experimentfile import read_experiment
from orchestrator.spec.findings import errors
from orchestrator.spec.plan import find
from orchestrator.spec.roles import load_role
from orchestrator.spec.schemacheck import mistakes

WORKFLOW = frozenset({"on", "jobs"})


def check_yaml(block: Block, stage: Stage) -> str:
    """A plan, an experiment, a role, a workflow, or a part of a plan; else it is a mistake."""
    data = yaml.safe_load(block.text)
    if isinstance(data, list):  # tasks
        return _fragment({"tasks": data})
    if not isinstance(data, dict):
        return "this is neither a mapping nor a list of tasks"
    # YAML 1.1 reads the key `on` as true.
    keys = {"on" if key is True else str(key) for key in data}
    path = stage.write(block.marks.get("file", "block.yaml"), block.text)
    if "experiment" in keys:
        return _raised(lambda: read_experiment(path))
    if "openapi" in keys:
        return _raised(lambda: load_role(path))
    if {"version", "tasks"} <= keys:
        return "\n".join(str(problem) for problem in errors(find(path)[1]))
    if keys >= WORKFLOW:
        return _workflow(data)
    if "repos" in keys:
        return "" if all("hooks" in each for each in data["repos"]) else "a repo without hooks"
    if "file" in block.marks:  # read by the commands that follow
        return ""
    return _fragment(data)


def _fragment(data: Mapping[str, Any]) -> str:
    """Check a part of a plan, of `limits` or of one task, put into the smallest plan."""
    smallest = {"version": 1, "tasks": [{"id": "a", "title": "A", "writes": ["a"]}]}
    plan = {**smallest, **data}
    found = mistakes(plan)
    if found and set(data).isdisjoint(_PLAN_KEYS):
        found = mistakes({**smallest, "tasks": [{**smallest["tasks"][0], **data}]})
    return "\n".join(str(mistake) for mistake in found)


_PLAN_KEYS = frozenset(
    json.loads((ROOT / "orchestrator/spec/plan.schema.json").read_text())["properties"]
)


def _workflow(data: Mapping[str, Any]) -> str:
    steps = [step for job in data["jobs"].values() for step in job["steps"]]
    wrong = [step for step in steps if not {"run", "uses"} & set(step)]
    return f"steps that do nothing: {wrong}" if wrong else ""


def _raised(check: Any) -> str:
    try:
        check()
    except OrchestratorError as error:
        return "\n".join([str(error), *map(str, error.problems)])
    return ""


def check_toml(block: Block) -> str:
    """It must parse; entry points must belong to groups that the program looks at."""
    project = tomllib.loads(block.text).get("project", {})
    source = [path.read_text() for path in (ROOT / "orchestrator").rglob("*.py")]
    unknown = [
        group
        for group in project.get("entry-points", {})
        if not any(f'"{group}"' in text for text in source)
    ]
    return f"no such group of entry points: {unknown}" if unknown else ""


def check_json(block: Block, done: Sequence[Done]) -> str:
    """It must parse, and have the shape of the output that it follows, unless it is an example."""
    expected = json.loads(block.text)
    if "example" in block.marks or "file" in block.marks:
        return ""
    if not done:
        return "it follows no command, and no mark `example:` says why it is here"
    for each in done:
        try:
            actual = json.loads(each.out)
        except ValueError:
            continue
        return "\n".join(differing_keys(expected, actual))
    return "no command before it prints JSON"


def check_output(block: Block, said: str | None) -> str:
    """Its lines must be those of the output that it follows, unless it is an example."""
    if "example" in block.marks:
        return "" if block.marks["example"] else "the mark `example:` gives no reason"
    if said is None:
        return "it follows no command, and no mark `example:` says why it is here"
    missing = missing_lines(block.text.splitlines(), said)
    return "\n".join([*(f"not in the output: {line}" for line in missing), said]) if missing else ""
