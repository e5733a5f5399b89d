"""An experiment as a file.

::

    experiment: minisql
    cases:
      minisql:                     # name of the case; its plans by the name of the decomposition
        fine: minisql/plan.yaml    # relative to this file
        coarse: collision/plan.yaml
    modes: [solo, shared]
    models: ["oracle:minisql/solution"]
    workers: [2, 4]
    validate: [region, file]       # left out: as each plan has it
    repeats: 20
    seed: 0
    options: {mistakes: "0.3"}
    primary: makespan
    judge: python -m pytest -q
    claim: cases                   # or general
    time: virtual                  # or real
    command_seconds: 20            # in virtual time
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.errors import PlanError, Problem
from orchestrator.lab.experiment import Case, Experiment
from orchestrator.spec.findings import errors
from orchestrator.spec.plan import Plan, find
from orchestrator.spec.yamldoc import Document, read_document

_TEXTS = {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1}
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["experiment", "cases"],
    "properties": {
        "experiment": {"type": "string"},
        "cases": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": {"type": "string", "minLength": 1},
            },
        },
        "modes": _TEXTS,
        "models": _TEXTS,
        "workers": {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1},
        "validate": {"type": "array", "items": {"enum": ["region", "file"]}, "minItems": 1},
        "repeats": {"type": "integer", "minimum": 1},
        "seed": {"type": "integer"},
        "options": {"type": "object", "additionalProperties": {"type": ["string", "number"]}},
        "primary": {"type": "string"},
        "judge": {"type": "string"},
        "claim": {"enum": ["cases", "general"]},
        "time": {"enum": ["real", "virtual"]},
        "command_seconds": {"type": "number", "minimum": 0},
    },
}


def read_experiment(path: Path) -> Experiment | None:
    """Read an experiment file; return None for a file that is not one, a plan for example.

    Raises:
        PlanError: it is one, and it or a plan in it has mistakes; all are in `problems`.
    """
    document = read_document(path)
    if not isinstance(document.data, dict) or "experiment" not in document.data:
        return None
    problems = [*document.problems, *_mistakes(document)]
    if problems:
        raise PlanError(f"{len(problems)} mistakes in the experiment file", problems=problems)
    data = dict(document.data)
    cases = _cases(data, document)
    return Experiment(
        cases=cases,
        modes=tuple(data.get("modes", ())),
        models=tuple(data.get("models", ())),
        workers=tuple(data.get("workers", ())),
        validations=tuple(data.get("validate", ())),
        repeats=data.get("repeats", 5),
        seed=data.get("seed", 0),
        options=tuple((key, str(value)) for key, value in data.get("options", {}).items()),
        primary=data.get("primary", "makespan"),
        judge=data.get("judge", ""),
        general=data.get("claim") == "general",
        time=data.get("time", "real"),
        command_seconds=data.get("command_seconds"),
        file=path,
    )


def _mistakes(document: Document) -> list[Problem]:
    from jsonschema import Draft202012Validator

    found = Draft202012Validator(SCHEMA).iter_errors(document.data)
    return [
        Problem(
            error.message, document.where([*error.absolute_path]), code="experiment",
            fix="see docs/experiments.md for what an experiment file may say",
        )
        for error in sorted(found, key=lambda error: [str(step) for step in error.absolute_path])
    ]  # fmt: skip


def _cases(data: Mapping[str, Any], document: Document) -> tuple[Case, ...]:
    cases, problems = [], list[Problem]()
    base = document.path.absolute().parent
    for name, files in data["cases"].items():
        plans: dict[str, Plan] = {}
        for label, file in files.items():
            plan, findings = find(base / file)
            problems += errors(findings)
            if plan is not None:
                plans[label if len(files) > 1 else ""] = plan
        cases.append(Case(name, plans))
    if problems:
        raise PlanError(f"{len(problems)} mistakes in the plans to compare", problems=problems)
    return tuple(cases)
