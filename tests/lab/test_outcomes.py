"""The figures of a trial: complete, documented, and empty where nothing can be known."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.core import events as e
from orchestrator.core.messages import Spent
from orchestrator.lab.experiment import Arm
from orchestrator.lab.outcomes import MEASURES, Figures, TaskOutcome, measure_outcome
from orchestrator.lab.spending import Spending, spending_of
from orchestrator.lab.timeidentity import CAUSES
from orchestrator.lab.trial import TrialResult
from orchestrator.lab.versussolo import beside_solo

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "format-1"
LOGS = sorted(path.name for path in GOLDEN.iterdir() if path.is_dir())
ROW = re.compile(r"^\| `(\w+)` \| (c?) ?\| (\S.*) \|$", re.MULTILINE)


def test_every_measure_is_defined_once_and_nothing_else_is() -> None:
    rows = ROW.findall((ROOT / "docs" / "metrics.md").read_text(encoding="utf-8"))
    assert sorted(name for name, _, _ in rows) == sorted(MEASURES)
    for name, compared, _ in rows:
        assert MEASURES[name].compared == bool(compared), name


@pytest.mark.slow
@pytest.mark.parametrize("name", LOGS)
def test_every_run_has_all_its_figures_in_order(name: str, tmp_path: Path) -> None:
    run_dir = Path(shutil.copytree(GOLDEN / name, tmp_path / "run"))
    found = measure_outcome(run_dir)
    assert list(found.figures) == list(MEASURES)
    figures = {name: value for name, value in found.figures.items() if value is not None}
    assert figures.keys() >= {"success", "makespan", "attempts", "stale_seconds", "messages"}
    for key, measure in MEASURES.items():
        if key.endswith(("_rate", "_share", "_precision", "_recall", "_passed")) and key in figures:
            assert figures[key] >= 0, key
            assert measure.unit or figures[key] <= 1 or key == "tokens_per_passed", key


@pytest.mark.parametrize("name", ["agents", "solo"])
def test_the_workers_time_adds_up_to_workers_times_makespan(name: str, tmp_path: Path) -> None:
    figures = measure_outcome(Path(shutil.copytree(GOLDEN / name, tmp_path / "run"))).figures
    workers = {"agents": 2, "solo": 1}[name]
    times = [figures[f"time_{cause}"] or 0 for cause in CAUSES]
    assert sum(times) == pytest.approx(workers * (figures["makespan"] or 0))


def spent(*events: e.Event) -> Spending:
    return spending_of(events)


def test_tokens_by_kind_and_those_of_lost_attempts() -> None:
    found = spent(
        e.Reported(1, "a", 1, 1, "reason", 1, Spent(10, 5, 3, 2)),
        e.Reported(2, "a", 1, 1, "reason", 2),
        e.AttemptEnded(3, "a", 1, 1, "tests_failed", "", "ready", True, Spent(1)),
        e.SpentLate(4, "a", 1, 1, Spent(0, 4)),
        e.Reported(5, "a", 2, 2, "reason", 1, Spent(7, 1)),
        e.Succeeded(6, "a", 2, 2),
    )
    assert found.tokens == {"input": 18, "output": 10, "cache_read": 3, "cache_write": 2}
    assert (found.total, found.rework_tokens) == (33, 25)
    assert (found.turns, found.rework_turns) == (3, 2)


def test_messages_are_a_part_of_what_agents_do() -> None:
    found = spent(
        e.Reported(1, "a", 1, 1, "write", 1, reads=(("x", 1), ("y", 1)), commands=1),
        e.Wrote(2, "a", 1, 1, "x", 2, "d", 1, reads=(("z", 1),)),
        e.Sent(3, "a", 1, 1, "all", "info", "hello"),
        e.Noted(3, "a", 1, 1, "title", "text"),
        e.RequestRefused(4, "a", 1, 1, "write", "scope", "no"),
        e.Succeeded(5, "a", 1, 1),
    )
    assert (found.messages, found.actions) == (2, 3 + 2 + 2 + 1 + 1)


# --- beside one agent -------------------------------------------------------------------------


def trial(mode: str, seed: int, plan: str = "p", tasks: int = 2, **figures: float) -> TrialResult:
    some = tuple(
        TaskOutcome(f"t{n}", "succeeded", 1, 1, 0.0, 1.0, 0, 0, None) for n in range(tasks)
    )
    arm = Arm(plan, mode, "", 1 if mode == "solo" else 4)
    known: Figures = dict(figures)
    return TrialResult(f"{mode}{seed}{plan}", "case", arm, seed, "succeeded", "", known, some)


def figure(results: Iterable[TrialResult], name: str) -> list[float | None]:
    return [one.figure(name) for one in results]


def test_speed_up_and_overhead_over_solo_are_of_the_same_plan_and_seed() -> None:
    found = beside_solo(
        [
            trial("solo", 1, makespan=10.0, turns=4.0, tokens=0.0),
            trial("shared", 1, makespan=4.0, turns=5.0, tokens=3.0),
            trial("shared", 2, makespan=5.0, turns=5.0),
            trial("solo", 1, "q", makespan=100.0),
        ]
    )
    assert figure(found, "speedup_solo") == [1, 2.5, None, 1]
    assert figure(found, "overhead_turns") == [0, 0.25, None, None]
    assert figure(found, "overhead_tokens") == [None, None, None, None]
    assert figure(found, "speedup_agent") == [None, None, None, None]


def test_each_validation_has_its_own_solo() -> None:
    found = [
        replace(one, arm=replace(one.arm, validate=how))
        for how, seconds in (("region", 10.0), ("file", 20.0))
        for one in (trial("solo", 1, makespan=seconds), trial("shared", 1, makespan=5.0))
    ]
    assert figure(beside_solo(found), "speedup_solo") == [1, 2, 1, 4]


def test_speed_up_over_one_agent_is_of_the_plan_with_one_task() -> None:
    found = beside_solo(
        [
            trial("solo", 1, "whole", tasks=1, makespan=12.0),
            trial("solo", 1, makespan=10.0),
            trial("shared", 1, makespan=4.0),
        ]
    )
    assert figure(found, "speedup_agent") == [1, 1.2, 3]
    assert figure(found, "speedup_solo") == [1, 1, 2.5]


def test_a_lost_trial_has_nothing_to_be_compared_by() -> None:
    lost = TrialResult("l", "case", Arm("p", "solo", "", 1), 1, "lost", "died", {"success": 0.0})
    found = beside_solo([lost, trial("shared", 1, makespan=4.0)])
    assert figure(found, "speedup_solo") == [None, None]
    assert found[0].figures["success"] == 0
