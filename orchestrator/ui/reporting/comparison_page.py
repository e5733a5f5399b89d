"""The page of a comparison: its parts put together.

It has no script: what folds is `details`, what jumps is a link, so it works by keyboard, printed,
and where scripts are not allowed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.lab.compare import Comparison
from orchestrator.lab.trial import TrialResult
from orchestrator.ui.files import write_text
from orchestrator.ui.reporting import effects, records, spread
from orchestrator.ui.reporting.arms import arms
from orchestrator.ui.reporting.markup import Markup, tag
from orchestrator.ui.reporting.page import page
from orchestrator.ui.reporting.sentences import brief, meaning, sentence
from orchestrator.ui.reporting.study import Study
from orchestrator.ui.reporting.taskdiffs import task_differences
from orchestrator.ui.words import count, listed

NAME = "report.html"
"""The page's file in the directory of an experiment."""

_LONG = 220  # characters from which on the headline is set smaller
_MOST = 700  # from which on it is no sentence any more
_MOST = 700  # from which on it is no sentence any more
_LINKS = (
    ("effect", "Effect"), ("arms", "Arms"), ("dots", "Every trial"), ("pareto", "Cost"),
    ("others", "Other outcomes"), ("cases", "Cases"), ("tasks", "Tasks"), ("trials", "Trials"),
    ("words", "Words"), ("manifest", "Manifest"),
)  # fmt: skip


def write_comparison(
    output: Path,
    headline: str,
    comparison: Comparison,
    results: Sequence[TrialResult],
    manifest: Mapping[str, Any],
) -> Path:
    """Write the page of a comparison.

    Args:
        output: the HTML file; what is there is replaced.
        headline: the sentence that the terminal says.
        results: all trials that are done, lost ones included.
        manifest: see `lab.trialtables.manifest`.

    Returns:
        The file.

    Raises:
        WorkspaceError: it cannot be written.
    """
    name = listed([str(case["name"]) for case in manifest.get("cases", ())], 3)
    text = comparison_page(Study(name, headline, comparison, results, manifest))
    write_text(output, text, what="the report", lossy=True)
    return output


def comparison_page(study: Study) -> str:
    """Return the report of a comparison as one HTML file."""
    return page(f"Comparison: {study.name}", _body(study), styles="comparison.css")


def _body(study: Study) -> Iterator[Markup]:
    yield _head(study)
    yield _tiles(study)
    yield effects.primary_effects(study)
    yield arms(study)
    yield spread.every_trial(study)
    yield spread.cost_and_success(study)
    yield effects.other_effects(study)
    yield spread.case_table(study)
    yield task_differences(study)
    yield records.trials(study)
    yield records.words(study)
    yield records.manifest(study)


def _head(study: Study) -> Markup:
    comparison = study.comparison
    arms, cases = len(comparison.arms), len(comparison.cases)
    facts = [
        f"Experiment on {study.name}", count(arms, "arm"), count(cases, "case"),
        f"{comparison.done} of {count(comparison.total, 'trial')} done",
        f"primary outcome {study.primary.label}", f"claim about {comparison.claim}",
        *(["virtual time"] if study.manifest.get("time") == "virtual" else []),
    ]  # fmt: skip
    nav = tag("nav", *(tag("a", words, href=f"#{name}") for name, words in _LINKS),
              aria_label="Parts of the report")  # fmt: skip
    return tag(
        "header",
        tag("p", " · ".join(facts), class_="meta"),
        *_first(study),
        tag("p", meaning(study), class_="means"),
        nav,
    )


def _first(study: Study) -> Iterator[Markup]:
    """Yield the sentence that stands first. That of many arms is a paragraph, so a short one is
    set before it."""
    whole = sentence(study.headline)
    if len(whole) <= _MOST:
        yield tag("h1", whole, class_="long" if len(whole) > _LONG else None)
        return
    yield tag("h1", brief(study))
    yield tag("details", tag("summary", "The same with all figures"), tag("p", whole))


def _tiles(study: Study) -> Markup:
    comparison = study.comparison
    repeats = len(list(study.manifest.get("seeds", ())))
    succeeded = sum(one.success for one in study.results)
    found = [
        ("trials", f"{comparison.done} of {comparison.total}", count(repeats, "seed")),
        ("succeeded", f"{succeeded} of {len(study.results)}",
         f"{succeeded / len(study.results):.0%}" if study.results else ""),
        ("lost", str(len(comparison.lost)), "infrastructure failures"),
        ("arms", str(len(comparison.arms)), f"baseline {comparison.arms[0].name}"),
        ("cases", str(len(comparison.cases)), f"claim: {comparison.claim}"),
    ]  # fmt: skip
    tiles = (
        tag("div", tag("span", name), tag("b", value), tag("span", note), class_="tile")
        for name, value, note in found
    )
    return tag("div", *tiles, class_="tiles")
