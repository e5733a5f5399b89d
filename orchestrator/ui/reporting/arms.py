"""Each arm by itself: how often it succeeds, and the means of all that is known of its trials."""

from __future__ import annotations

from orchestrator.lab.outcomes import MEASURES
from orchestrator.ui.reporting.markup import Child, Markup, join, tag
from orchestrator.ui.reporting.page import section, table
from orchestrator.ui.reporting.study import Study, text_of
from orchestrator.ui.words import count


def arms(study: Study) -> Markup:
    """Return success and the means of what most ask for; folded, the means of all else."""
    return section("arms", "Arms", _table(study), _failed(study), _all_means(study))


def _table(study: Study) -> Markup:
    wanted = ["makespan", "tasks_passed", "attempts", "tokens", "usd"]
    if study.primary.name not in ("success", *wanted):
        wanted.insert(0, study.primary.name)
    known = [
        MEASURES[name]
        for name in wanted
        if name in MEASURES and any(one.means.get(name) for one in study.comparison.arms)
    ]
    rows = list[list[Child]]()
    for place, one in enumerate(study.comparison.arms):
        name = (
            join([one.name, tag("span", " baseline", class_="quiet")]) if place == 0 else one.name
        )
        rate = one.success
        means = [
            text_of(measure)(one.means[measure.name]) if measure.name in one.means else "–"
            for measure in known
        ]
        done = round(one.trials * rate.estimate)
        rows.append([name, f"{done} of {one.trials}", f"{rate.estimate:.0%}",
                     f"{rate.low:.0%} to {rate.high:.0%}", *means])  # fmt: skip
    return table(["arm", "succeeded", "rate", "95 % interval",
                  *(f"{one.label} (mean)" for one in known)], rows, class_="numbers")  # fmt: skip


def _failed(study: Study) -> Markup | None:
    failed = sum(not one.success for one in study.results)
    if not failed:
        return None
    said = (
        f"{count(failed, 'trial')} did not succeed; their times and costs are those that they had "
        "taken when they ended. Where failing is quick, a short makespan is no merit."
    )
    return tag("p", said, class_="quiet")


def _all_means(study: Study) -> Markup:
    """Return every outcome that is known, also those that only describe and are not tested."""
    summaries = study.comparison.arms
    rows = list[list[Child]]()
    for measure in MEASURES.values():
        if measure.name != "success" and any(one.means.get(measure.name) for one in summaries):
            means = (one.means.get(measure.name) for one in summaries)
            text = text_of(measure)
            rows.append([measure.label, *("–" if mean is None else text(mean) for mean in means)])
    head = ["mean of", *(one.name for one in summaries)]
    return tag("details", tag("summary", "All figures, as the mean of each arm's trials"),
               table(head, rows, class_="numbers many"))  # fmt: skip
