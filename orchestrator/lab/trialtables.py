"""The data of an experiment, for other programs: tables with one row per trial and per task, and
a manifest with all that is needed to repeat it, without paths and names of machines."""

from __future__ import annotations

import csv
import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from orchestrator.lab.experiment import Experiment
from orchestrator.lab.outcomes import MEASURES, TaskOutcome
from orchestrator.lab.trial import TrialResult
from orchestrator.runtime.header import packages
from orchestrator.runtime.redaction import make_redactor

_STATISTICS = ("numpy", "scipy", "statsmodels")
_BLOCK = ("trial", "case", "plan", "mode", "model", "workers", "seed")
_TASK = TaskOutcome.__slots__


def write_tables(results: Sequence[TrialResult], out: Path) -> None:
    """Write ``trials.csv`` and ``tasks.csv``; an unknown value is an empty field."""
    columns = (*_BLOCK, "status", "infrastructure_failure", "judged", *MEASURES)
    with (out / "trials.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for one in results:
            figures = {name: one.figure(name) for name in MEASURES}
            writer.writerow(
                {**_block(one), **figures, "status": one.status, "judged": one.judged,
                 "infrastructure_failure": one.failure}
            )  # fmt: skip
    with (out / "tasks.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, (*_BLOCK, *_TASK))
        writer.writeheader()
        for one in results:
            for task in one.tasks:
                writer.writerow({**_block(one), **{key: getattr(task, key) for key in _TASK}})


def write_manifest(experiment: Experiment, results: Sequence[TrialResult], out: Path) -> None:
    """Write ``manifest.json``: what was asked for, with which versions, on what machine."""
    text = json.dumps(manifest(experiment, results), indent=2, ensure_ascii=False)
    (out / "manifest.json").write_text(text + "\n", encoding="utf-8")


def manifest(experiment: Experiment, results: Sequence[TrialResult]) -> dict[str, Any]:
    """Return what is needed to repeat an experiment."""
    redactor = make_redactor(dict(experiment.options))
    return {
        "cases": [
            {
                "name": case.name,
                "plans": [
                    {"plan": label or None, "name": plan.name, "digest": plan.digest,
                     "tasks": len(plan.tasks)}
                    for label, plan in case.plans.items()
                ],
            }
            for case in experiment.cases
        ],
        "modes": list(experiment.modes),
        "models": [_without_place(model) for model in experiment.models],
        "workers": list(experiment.workers),
        "options": {key: redactor.text(value) for key, value in experiment.options},
        "seeds": [experiment.seed + repeat for repeat in range(experiment.repeats)],
        "primary": experiment.primary,
        "claim": "cases in general" if experiment.general else "these cases",
        "judge": experiment.judge or None,
        "trials": [{"trial": one.name, "version": one.version} for one in results],
        "packages": {**packages(), **_versions()},
        "machine": {"processor": platform.machine(), "cores": os.cpu_count()},
    }  # fmt: skip


def _block(one: TrialResult) -> dict[str, Any]:
    return {
        "trial": one.name, "case": one.case, "plan": one.arm.plan, "mode": one.arm.mode,
        "model": _without_place(one.arm.model), "workers": one.arm.workers, "seed": one.seed,
    }  # fmt: skip


def _without_place(model: str) -> str:
    """Return a model without the folders before the file or directory that it answers from."""
    kind, colon, argument = model.partition(":")
    return f"{kind}{colon}{Path(argument).name if '/' in argument else argument}"


def _versions() -> Mapping[str, str]:
    found = {}
    for name in _STATISTICS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
