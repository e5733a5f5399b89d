"""Task by task: where an arm gains and loses against the baseline, if both cut the work alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from orchestrator.lab.experiment import Arm
from orchestrator.lab.trial import TrialResult
from orchestrator.ui.reporting.markup import Child, Markup, tag
from orchestrator.ui.reporting.page import section, table
from orchestrator.ui.reporting.sentences import quoted
from orchestrator.ui.reporting.study import Study, seconds
from orchestrator.ui.words import count, listed

_MOST = 40  # tasks of an arm that are shown
_HALF = 70  # pixels of the longest bar


@dataclass(frozen=True, slots=True)
class TaskDifference:
    """One task in two arms: means over the trials in which it was begun.

    Attributes:
        seconds: of the first arm and of the second, from its first lease to its last end.
        attempts: of the first arm and of the second.
        trials: in which it was begun, of the first arm and of the second.
    """

    case: str
    task: str
    seconds: tuple[float, float]
    attempts: tuple[float, float]
    trials: tuple[int, int]

    @property
    def change(self) -> float:
        """Seconds that the second arm takes longer."""
        return self.seconds[1] - self.seconds[0]


def differences(study: Study, base: Arm, arm: Arm) -> list[TaskDifference]:
    """Return the tasks that two arms share, the largest change first."""
    found = []
    for case in study.comparison.cases:
        first, second = (_tasks(study.of(one, case)) for one in (base, arm))
        found += [
            TaskDifference(
                case, task,
                (_mean(first[task], 0), _mean(second[task], 0)),
                (_mean(first[task], 1), _mean(second[task], 1)),
                (len(first[task]), len(second[task])),
            )
            for task in first if task in second
        ]  # fmt: skip
    return sorted(found, key=lambda one: (-abs(one.change), one.case, one.task))


def _tasks(trials: Sequence[TrialResult]) -> dict[str, list[tuple[float, float]]]:
    found: dict[str, list[tuple[float, float]]] = {}
    for trial in trials:
        for task in trial.tasks:
            if task.started is not None and task.ended is not None:
                taken = (task.ended - task.started, float(task.attempts))
                found.setdefault(task.task, []).append(taken)
    return found


def _mean(rows: Sequence[tuple[float, float]], column: int) -> float:
    return fmean(row[column] for row in rows)


def task_differences(study: Study) -> Markup:
    """Return the tasks of every arm beside those of the baseline, or of the first arm that cut
    the work in the same way."""
    parts, apart = list[Markup](), list[str]()
    for arm, name in list(study.names.items())[1:]:
        base, found = _partner(study, arm)
        if found:
            parts.append(_arm(study, base, arm, found, first=not parts))
        else:
            apart.append(quoted(name))
    why = None
    if apart:
        why = tag("p", f"Not shown for {listed(apart)}: no arm before has the same task ids, with "
                  "times in both. Arms that cut the work differently share no tasks, so there is "
                  "nothing to set side by side.", class_="quiet")  # fmt: skip
    lead = (
        "Seconds from a task's first lease to its last end, and attempts, each as the mean over "
        "all trials in which it was begun. An arm is set against the baseline, or, where it cuts "
        "the work differently, against the first arm that cuts it in the same way."
    )
    return section("tasks", "Task by task", *parts, why, lead=lead if parts else "")


def _partner(study: Study, arm: Arm) -> tuple[Arm, list[TaskDifference]]:
    earlier = [other for other in study.names if other != arm]
    alike = next((other for other in earlier if other.plan == arm.plan), arm)
    for base in (study.baseline, alike):
        if base != arm and list(study.names).index(base) < list(study.names).index(arm):
            found = differences(study, base, arm)
            if found:
                return base, found
    return study.baseline, []


def _arm(
    study: Study, base: Arm, arm: Arm, found: Sequence[TaskDifference], *, first: bool
) -> Markup:
    name, other = study.names[arm], study.names[base]
    gained = sum(one.change < 0 for one in found)
    said = f"{name} against {other}: {gained} of {count(len(found), 'task')} took less time"
    left = len(found) - _MOST
    more = f"; the {_MOST} largest differences" if left > 0 else ""
    shown = list(_rows(study, found[:_MOST]))
    cases = ["case"] if len(study.comparison.cases) > 1 else []
    return tag(
        "details",
        tag("summary", f"{said}{more}"),
        table(["task", *cases, other, name, "difference", "less | more",
               f"attempts, {other}", f"attempts, {name}"], shown, class_="numbers many"),
        open=first,
    )  # fmt: skip


def _rows(study: Study, found: Sequence[TaskDifference]) -> Iterator[list[Child]]:
    most = max(abs(one.change) for one in found) or 1.0
    several = len(study.comparison.cases) > 1
    for one in found:
        sign = "+" if one.change > 0 else ""
        yield [
            one.task, *([one.case] if several else []),
            seconds(one.seconds[0]), seconds(one.seconds[1]), f"{sign}{seconds(one.change)}",
            _bar(one.change / most), f"{one.attempts[0]:.3g}", f"{one.attempts[1]:.3g}",
        ]  # fmt: skip


def _bar(share: float) -> Markup:
    long = abs(share) * _HALF
    begin = _HALF + 2 - (long if share < 0 else 0)
    kind = "bar-less" if share < 0 else "bar-more"
    return tag(
        "svg",
        tag("rect", x=begin, y=4, width=max(long, 0.5), height=10, class_=kind),
        tag("line", x1=_HALF + 2, x2=_HALF + 2, y1=0, y2=18, class_="zero"),
        viewBox=f"0 0 {2 * _HALF + 4} 18", aria_hidden="true", class_="small-effect",
    )  # fmt: skip
