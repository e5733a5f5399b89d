"""The data of an experiment, for other programs: tables with one row per trial and per task, and
a manifest with all that is needed to repeat it, without paths and names of machines, beside copies
of the files that it was made from."""

from __future__ import annotations

import csv
import json
import os
import platform
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from orchestrator.analysis.versioned import run_git
from orchestrator.errors import WorkspaceError
from orchestrator.lab.experiment import Experiment
from orchestrator.lab.inputs import Inputs, read_inputs, write_inputs
from orchestrator.lab.outcomes import MEASURES, TaskOutcome
from orchestrator.lab.trial import TrialResult
from orchestrator.runtime.header import packages
from orchestrator.runtime.redaction import make_redactor
from orchestrator.runtime.scan import named_plainly, scan_tree
from orchestrator.spec.plan import Plan

_PACKAGES = ("numpy", "scipy", "statsmodels", "PyYAML", "msgspec", "pytest")
_SOURCE = Path(__file__).resolve().parents[2]
_BLOCK = ("trial", "case", "plan", "mode", "model", "workers", "validate", "seed")
_TASK = TaskOutcome.__slots__
_TRIAL = (*_BLOCK, "status", "infrastructure_failure", "judged", *MEASURES)
_TYPES = {
    **dict.fromkeys(("trial", "case", "plan", "mode", "model", "validate"), "TEXT"),
    **dict.fromkeys(("status", "state", "task"), "TEXT"),
    "infrastructure_failure": "TEXT",
    **dict.fromkeys(("workers", "seed", "judged", "input", "output", "turns"), "INTEGER"),
}
"""Types of columns in SQL; all others hold any number."""
_MOMENTS = ("started", "ended")
_Row = dict[str, Any]

DATABASE = "experiment.db"
"""File with the tables, for programs that would rather ask than read."""


def write_tables(results: Sequence[TrialResult], out: Path) -> None:
    """Write ``trials.csv``, ``tasks.csv``, and both as tables of the SQLite file `DATABASE`.

    An unknown value is an empty field, or NULL.
    """
    trials = [_trial(one) for one in results]
    tasks = [
        {**_block(one), **{key: _value(task, key) for key in _TASK}}
        for one in results
        for task in one.tasks
    ]
    _write_csv(out / "trials.csv", _TRIAL, trials)
    _write_csv(out / "tasks.csv", (*_BLOCK, *_TASK), tasks)
    _write_database(out / DATABASE, trials, tasks)


def _value(task: TaskOutcome, key: str) -> Any:
    """Return a value of a task; moments in microseconds, as clocks do not tell more."""
    value = getattr(task, key)
    return round(value, 6) if key in _MOMENTS and value is not None else value


def _write_csv(place: Path, columns: Sequence[str], rows: Sequence[_Row]) -> None:
    with place.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def _write_database(place: Path, trials: Sequence[_Row], tasks: Sequence[_Row]) -> None:
    """Write the tables anew, so that they are there whole or as they were before."""
    fresh = place.with_name(f"{place.name}.new")
    fresh.unlink(missing_ok=True)
    with closing(sqlite3.connect(fresh)) as database, database:
        _fill(database, "trials", _TRIAL, trials, 'PRIMARY KEY (trial, "case", plan)')
        _fill(
            database, "tasks", (*_BLOCK, *_TASK), tasks, 'PRIMARY KEY (trial, "case", plan, task)'
        )
    fresh.replace(place)


def _fill(
    database: sqlite3.Connection,
    table: str,
    columns: Sequence[str],
    rows: Sequence[_Row],
    key: str,
) -> None:
    # Names of columns are ours; `case` is a word of SQL, hence the quotes.
    typed = ", ".join(f'"{name}" {_TYPES.get(name, "REAL")}' for name in columns)
    database.execute(f"CREATE TABLE {table} ({typed}, {key})")
    places = ", ".join("?" * len(columns))
    database.executemany(
        f"INSERT INTO {table} VALUES ({places})",
        [[row[name] for name in columns] for row in rows],
    )


def write_manifest(experiment: Experiment, results: Sequence[TrialResult], out: Path) -> None:
    """Write ``manifest.json``: what was asked for, with which versions, on what machine.

    The files that the experiment was made from are copied beside it (see `lab.inputs`).
    """
    inputs = read_inputs(experiment)
    write_inputs(inputs, out)
    text = json.dumps(_manifest(experiment, results, inputs), indent=2, ensure_ascii=False)
    (out / "manifest.json").write_text(text + "\n", encoding="utf-8")


def manifest(experiment: Experiment, results: Sequence[TrialResult]) -> dict[str, Any]:
    """Return what is needed to repeat an experiment."""
    return _manifest(experiment, results, read_inputs(experiment))


def _manifest(
    experiment: Experiment, results: Sequence[TrialResult], inputs: Inputs
) -> dict[str, Any]:
    redactor = make_redactor(dict(experiment.options))
    return {
        "cases": [
            {
                "name": case.name,
                "plans": [
                    {"plan": label or None, "name": plan.name, "digest": plan.digest,
                     "code": _code(plan), "tasks": len(plan.tasks),
                     "file": inputs.plans[case.name, label]}
                    for label, plan in case.plans.items()
                ],
            }
            for case in experiment.cases
        ],
        "experiment_file": inputs.file,
        "profile_file": inputs.profile,
        "modes": list(experiment.modes),
        "models": [_without_place(model) for model in experiment.models],
        "workers": list(experiment.workers),
        "validate": list(experiment.validations),
        "options": {key: redactor.text(value) for key, value in experiment.options},
        "seeds": [experiment.seed + repeat for repeat in range(experiment.repeats)],
        "time": experiment.time,
        "command_seconds": experiment.command_seconds,
        "planned": experiment.total,
        "primary": experiment.primary,
        "claim": "cases in general" if experiment.general else "these cases",
        "judge": redactor.text(experiment.judge) or None,
        "trials": [{"trial": one.name, "version": one.version} for one in results],
        "revision": _revision(),
        "packages": {**packages(), **_versions()},
        "machine": {"processor": platform.machine(), "cores": os.cpu_count(),
                    "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")},
    }  # fmt: skip


def _code(plan: Plan) -> str | None:
    """Return a digest of the files that a plan starts from; None when it has no workspace."""
    if plan.workspace is None:
        return None
    files = scan_tree(plan.workspace, named_plainly(plan.tasks)).files
    text = json.dumps([[path, entry.digest] for path, entry in sorted(files.items())])
    return sha256(text.encode()).hexdigest()


def _trial(one: TrialResult) -> _Row:
    return {
        **_block(one), "status": one.status, "infrastructure_failure": one.failure,
        "judged": one.judged, **{name: one.figure(name) for name in MEASURES},
    }  # fmt: skip


def _block(one: TrialResult) -> _Row:
    return {
        "trial": one.name, "case": one.case, "plan": one.arm.plan, "mode": one.arm.mode,
        "model": _without_place(one.arm.model), "workers": one.arm.workers,
        "validate": one.arm.validate, "seed": one.seed,
    }  # fmt: skip


def _without_place(model: str) -> str:
    """Return a model without the folders before the file or directory that it answers from."""
    kind, colon, argument = model.partition(":")
    return f"{kind}{colon}{Path(argument).name if '/' in argument else argument}"


def _versions() -> Mapping[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    try:
        found["git"] = run_git(_SOURCE, "version").strip().removeprefix("git version ")
    except WorkspaceError:
        found["git"] = "not installed"
    return found


def _revision() -> str | None:
    """Return the commit of this program, with ``-dirty`` when its files have been changed since.

    Returns:
        None when it does not run from a checkout of its own.
    """
    if not (_SOURCE / ".git").exists():  # an installed one may be inside somebody's repository
        return None
    try:
        said = run_git(_SOURCE, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    except WorkspaceError:
        return None
    return said.strip()
