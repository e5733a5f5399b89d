"""What a comparison rests on: all its trials, what its words mean, how to repeat it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.lab.outcomes import MEASURES
from orchestrator.lab.trial import TrialResult
from orchestrator.ui.reporting.markup import Child, Markup, join, tag
from orchestrator.ui.reporting.meanings import STATISTICS, meanings
from orchestrator.ui.reporting.page import section, table
from orchestrator.ui.reporting.spread import failures, state
from orchestrator.ui.reporting.study import Study, text_of

_MANY = 100  # trials from which on their table is folded, and scrolls by itself
_SEEN = ("success", "tasks_passed", "makespan", "attempts", "tokens", "usd")


def trials(study: Study) -> Markup:
    """Return the trials that did not succeed, and then all of them."""
    return section(
        "trials", "All trials", failures(study), _table(study), _notes(study.results),
        lead="The run of a trial is in trials/TRIAL/run, its files in trials/TRIAL/tree, below the "
        "experiment's directory; orchestrator report trials/TRIAL/run makes its own page. All "
        "figures of all trials are in trials.csv, of all tasks in tasks.csv.",
    )  # fmt: skip


def _table(study: Study) -> Markup:
    results = study.results
    wanted = [study.primary.name, *_SEEN]
    known = [
        MEASURES[name]
        for name in dict.fromkeys(wanted)
        if name in MEASURES and name != "success" and any(one.figures.get(name) for one in results)
    ]
    names, rows = study.names, list[list[Child]]()
    for one in results:
        figures = [
            "–" if (value := one.figure(measure.name)) is None else text_of(measure)(value)
            for measure in known
        ]
        ended = "✓ " + state(one) if one.success else "✕ " + state(one)
        rows.append([one.name, one.case, names.get(one.arm, "–"), one.seed, ended, *figures])
    headings = ["trial", "case", "arm", "seed", "ended", *(one.label for one in known)]
    many = len(rows) > _MANY
    whole = table(headings, rows, tall=many, class_="numbers many names")
    said = f"All {len(rows)} trials, in the order in which they are planned"
    return tag("details", tag("summary", said), whole, open=not many)


def _notes(results: Sequence[TrialResult]) -> Markup | None:
    said = list(dict.fromkeys(f"{one.name}: {note}" for one in results for note in one.notes))
    if not said:
        return None
    inside = tag("ul", *(tag("li", note) for note in said))
    return tag("details", tag("summary", f"What could not be measured ({len(said)})"), inside)


def words(study: Study) -> Markup:
    """Return what the outcomes and the statistics mean."""
    known = {name for one in study.comparison.arms for name in one.means}
    return section(
        "words", "What the figures mean",
        tag("h3", "Outcomes"), _pairs(meanings(known)),
        tag("h3", "Statistics"), _pairs(iter(STATISTICS)),
    )  # fmt: skip


def _pairs(pairs: Iterator[tuple[str, Child]]) -> Markup:
    return tag("dl", *(join([tag("dt", word), tag("dd", text)]) for word, text in pairs))


def manifest(study: Study) -> Markup:
    """Return what is needed to repeat the experiment."""
    told = study.manifest
    seeds = list(told.get("seeds", ()))
    facts: list[tuple[str, Child]] = [
        ("plans", "; ".join(_plans(told))),
        ("modes", _list(told.get("modes"))),
        ("models", _list(told.get("models"))),
        ("workers", _list(told.get("workers"))),
        ("seeds", f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else _list(seeds)),
        ("time", _time(told)),
        ("judge", told.get("judge") or "the tasks' own tests"),
        ("versions of this program", _list(sorted({one.version for one in study.results}))),
        ("packages", _mapping(told.get("packages", {}))),
        ("machine", _mapping(told.get("machine", {}))),
    ]
    rest = {key: value for key, value in told.items() if key != "trials"}
    return section(
        "manifest", "To repeat it", _pairs(iter(facts)),
        tag("details", tag("summary", "The manifest, but for its list of trials"),
            tag("pre", json.dumps(rest, indent=1, ensure_ascii=False), tabindex="0")),
        lead="From manifest.json, which holds digests and names of plans and models, not their "
        "paths, and no names of machines. The judge and the options are as they were given.",
    )  # fmt: skip


def _time(told: Mapping[str, Any]) -> str:
    if told.get("time") != "virtual":
        return "real"
    taken = told.get("command_seconds")
    long = "as long as it really took" if taken is None else f"{taken} s"
    return f"virtual: waiting is not waited for; a command takes {long}"


def _plans(told: Mapping[str, Any]) -> Iterator[str]:
    for case in told.get("cases", ()):
        for plan in case.get("plans", ()):
            name = f"{case['name']}, {plan['plan']}" if plan.get("plan") else str(case["name"])
            yield f"{name} ({plan.get('tasks', '?')} tasks, {str(plan.get('digest', ''))[:12]})"


def _list(values: Any) -> str:
    return ", ".join(str(one) for one in values or ()) or "each plan's own"


def _mapping(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())
