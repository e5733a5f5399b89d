"""An experiment that was run, read again from its directory alone: no plan is needed."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator.errors import UsageError, WorkspaceError
from orchestrator.lab.experiment import Arm, Case, Experiment
from orchestrator.lab.outcomes import MEASURES
from orchestrator.lab.trial import TrialResult, load_result

_MANIFEST, _TRIALS = "manifest.json", "trials.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class PastExperiment(Experiment):
    """An experiment whose arms are known from its trials, not from its plans.

    Attributes:
        known: the arms in their order; the first is the baseline.
        planned: trials that it has, done or not.
    """

    known: tuple[Arm, ...]
    planned: int

    def all_arms(self) -> list[Arm]:
        """Return the arms, the baseline first."""
        return list(self.known)

    @property
    def total(self) -> int:
        """The number of trials."""
        return self.planned


@dataclass(frozen=True, slots=True)
class Past:
    """What the directory of an experiment holds."""

    experiment: PastExperiment
    results: tuple[TrialResult, ...]
    manifest: dict[str, Any]


def is_experiment(folder: Path) -> bool:
    """Whether a directory is that of an experiment that `compare` has run."""
    return (folder / _MANIFEST).is_file() and (folder / "trials").is_dir()


def read_past(folder: Path) -> Past:
    """Read an experiment that was run.

    Raises:
        WorkspaceError: its data cannot be read.
        UsageError: it holds nothing that could be compared.
    """
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        with (folder / _TRIALS).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        results = tuple(_results(folder, rows))
        experiment = _experiment(manifest, results)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, csv.Error) as error:
        raise WorkspaceError(
            "the data of the experiment cannot be read", str(folder), f"{error!r}",
            "run the same `compare` again: finished trials are not run again",
        ) from error  # fmt: skip
    if len(experiment.known) < 2:
        raise UsageError(
            "there are no two arms with finished trials to compare", str(folder),
            fix="run the same `compare` again until there are",
        )  # fmt: skip
    return Past(experiment, results, manifest)


def _results(folder: Path, rows: Sequence[dict[str, str]]) -> list[TrialResult]:
    """Read the trials of the last table; it says under which names they were compared."""
    found = []
    for row in rows:
        result = load_result(folder / "trials" / row["trial"])
        if result is not None:
            arm = replace(result.arm, plan=row["plan"])
            found.append(replace(result, case=row["case"], arm=arm))
    return found


def _experiment(manifest: dict[str, Any], results: Sequence[TrialResult]) -> PastExperiment:
    seeds = [int(seed) for seed in manifest["seeds"]]
    cases = tuple(Case(str(case["name"]), {}) for case in manifest["cases"])
    primary = str(manifest["primary"])
    if primary not in MEASURES:
        raise ValueError(f"there is no outcome {primary!r}")
    return PastExperiment(
        cases=cases, repeats=len(seeds), seed=seeds[0], primary=primary,
        judge=manifest.get("judge") or "", general=manifest["claim"] == "cases in general",
        known=_arms(cases, seeds, results),
        planned=int(manifest.get("planned", len(results))),
    )  # fmt: skip


def _arms(
    cases: Sequence[Case], seeds: Sequence[int], results: Sequence[TrialResult]
) -> tuple[Arm, ...]:
    """Return the arms in the order of the experiment.

    Trials are listed in the order in which they are planned, which is that of the arms in every
    other repeat and the reverse in those between; see `Experiment.trials`.
    """
    found: dict[Arm, None] = {}
    for case in cases:
        rounds = [
            [one.arm for one in results if (one.case, one.seed) == (case.name, seed)]
            for seed in seeds
        ]
        number, fullest = max(enumerate(rounds), key=lambda one: len(one[1]))
        found |= dict.fromkeys(fullest if number % 2 == 0 else reversed(fullest))
        found |= dict.fromkeys(arm for arms in rounds for arm in arms)
    return tuple(found)
