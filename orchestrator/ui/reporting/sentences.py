"""The first words of a comparison: what came out, what it means, how far it reaches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.lab.compare import Contrast
from orchestrator.lab.outcomes import MEASURES
from orchestrator.ui.reporting.study import Study, effect_text, is_better
from orchestrator.ui.words import count, listed


def brief(study: Study) -> str:
    """Return what the primary outcome says of many arms, in one short sentence."""
    contrasts, baseline = study.comparison.primary, quoted(study.comparison.arms[0].name)
    better = [one for one in contrasts if one.shown and is_better(one)]
    worse = sum(one.shown for one in contrasts) - len(better)
    said = f"{len(better)} of {count(len(contrasts), 'arm')} {_is(better)} better than {baseline}"
    if better:
        best = _best(better)
        assert best.effect is not None
        said += f" (most of all {quoted(best.arm)}, {effect_text(best)(best.effect.estimate)})"
    said += f", {worse} {'is' if worse == 1 else 'are'} worse" if worse else ""
    rest = len(contrasts) - len(better) - worse
    said += f", and for {rest} no difference is shown" if rest else ""
    missing = study.comparison.total - study.comparison.done
    so_far = f"So far ({count(missing, 'trial')} missing), by" if missing else "By"
    return f"{so_far} {study.primary.label}, {said}."


def _best(better: Sequence[Contrast]) -> Contrast:
    def size(one: Contrast) -> float:
        return one.effect.estimate if one.effect else 0.0

    lower = MEASURES[better[0].measure].lower_is_better
    return min(better, key=size) if lower else max(better, key=size)


def sentence(text: str) -> str:
    """Return a text with a large letter first."""
    return text[:1].upper() + text[1:]


def meaning(study: Study) -> str:
    """Return what the headline means: which arms won, how far the claim reaches, what failed."""
    parts = [_verdicts(study), *_but(study), _reach(study)]
    failed = sum(not one.success for one in study.results)
    if failed:
        lost = len(study.comparison.lost)
        of_them = f", {lost} of them because their process died" if lost else ""
        parts.append(f"{count(failed, 'trial')} of {len(study.results)} did not succeed{of_them}; "
                     "all are counted and listed.")  # fmt: skip
    elif study.results:
        parts.append("All trials succeeded.")
    return " ".join(parts)


def _verdicts(study: Study) -> str:
    contrasts, label = study.comparison.primary, study.primary.label
    better = [quoted(one.arm) for one in contrasts if one.shown and is_better(one)]
    worse = [quoted(one.arm) for one in contrasts if one.shown and not is_better(one)]
    rest = [quoted(one.arm) for one in contrasts if not one.shown]
    baseline = quoted(study.comparison.arms[0].name)
    said = []
    if better:
        said.append(f"{listed(better)} {_is(better)} better than {baseline}")
    if worse:
        said.append(f"{listed(worse)} {_is(worse)} worse than {baseline}")
    if rest:
        said.append(f"for {listed(rest)} no difference to {baseline} is shown, which does not say "
                    "that there is none")  # fmt: skip
    return f"By {label}, {'; '.join(said)}."


def _but(study: Study) -> Iterator[str]:
    """Yield what a look at the primary outcome alone would hide: arms that succeed less often."""
    rates = {one.name: one.success.estimate for one in study.comparison.arms}
    less = [
        f"{quoted(one.arm)} ({rates[one.arm]:.0%})"
        for one in study.comparison.secondary
        if one.measure == "success" and one.shown and not is_better(one)
    ]
    first = study.comparison.arms[0]
    if less:
        verb = "succeeds" if len(less) == 1 else "succeed"
        than = f"{quoted(first.name)} ({first.success.estimate:.0%})"
        yield f"But {listed(less)} {verb} less often than {than}."


def quoted(name: str) -> str:
    """Return the name of an arm so that it can stand in a list."""
    return f"“{name}”" if ", " in name else name


def _is(names: Sequence[object]) -> str:
    return "is" if len(names) == 1 else "are"


def _reach(study: Study) -> str:
    cases = study.comparison.cases
    if study.comparison.claim == "these cases":
        these = f"{listed(cases)} alone" if len(cases) < 5 else f"these {len(cases)} cases alone"
        return f"This holds for {these} and says nothing about others."
    return f"This is a claim about cases in general, from {len(cases)} of them."
