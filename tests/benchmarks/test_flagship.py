"""The flagship experiment: its ground, its winners, its document."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.lab.experiment import Arm, Case, Experiment
from orchestrator.lab.statistics import logs, t_interval
from orchestrator.lab.trial import TrialResult
from orchestrator.spec.plan import load_plan

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
if str(BENCHMARKS) not in sys.path:  # they import one another, as scripts do
    sys.path.append(str(BENCHMARKS))

import cells  # noqa: E402
import drifting  # noqa: E402
import experiment as flagship  # noqa: E402
import groundwork  # noqa: E402
import results  # noqa: E402
import unwritten  # noqa: E402
from published import beside  # noqa: E402

LOW = "def low(value, size):\n    raise NotImplementedError\n"
MINISQL = next(one for one in groundwork.CODEBASES if one.name == "minisql")


def tree(folder: Path, **files: str) -> Path:
    folder.mkdir()
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def test_only_what_another_task_calls_drifts(tmp_path: Path) -> None:
    high = "from low import low\ndef high(one):\n    return low(one, 2)\n"
    both = {"low": LOW.replace("raise NotImplementedError", "return value"), "high": high}
    start, reference = tree(tmp_path / "s", low=LOW, high=high), tree(tmp_path / "r", **both)
    found = drifting.interfaces(start, reference, {"low.py": "a", "high.py": "b"})
    assert found == (drifting.Interface("low.py", "low", "a", ("b",)),)
    assert drifting.interfaces(start, reference, {"low.py": "a", "high.py": "a"}) == ()
    drifting.drift(start, found)
    assert (start / "low.py").read_text().startswith("def low(value, size_v0):")
    assert drifting.unordered_calls(found, {"a": (), "b": ()}) == 1
    assert drifting.unordered_calls(found, {"a": (), "b": ("a",)}) == 0


def test_a_larger_share_of_drift_holds_the_smaller_one() -> None:
    all_of_them = [drifting.Interface("a.py", f"f{n}", "a", ("b",)) for n in range(10)]
    half, whole = drifting.choose(all_of_them, 0.5), drifting.choose(all_of_them, 1.0)
    assert drifting.choose(all_of_them, 0.0) == ()
    assert len(half) == 5
    assert set(half) < set(whole) == set(all_of_them)


def test_regions_are_put_together_by_group() -> None:
    text = "top\n    # region: a\n    1\n    # endregion: a\n    #\n    # region: b\n" \
           "    2\n    # endregion: b\nend\n"  # fmt: skip
    made = groundwork.regrouped(text, {"one": ("b", "a")})
    assert made == "top\n    # region: one\n    2\n    1\n    # endregion: one\nend\n"
    with pytest.raises(SystemExit, match="of no task: b"):
        groundwork.regrouped(text, {"one": ("a",)})


def test_an_error_that_comes_from_a_stub_is_told_from_others() -> None:
    wrapped = ValueError()
    wrapped.__cause__ = NotImplementedError()
    assert unwritten.is_unwritten(NotImplementedError())
    assert unwritten.is_unwritten(wrapped)
    assert not unwritten.is_unwritten(TypeError())


@pytest.mark.slow
def test_tests_that_meet_stubs_are_skipped_and_others_fail(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --disable-plugin-autoload\n")
    (tmp_path / "unwritten.py").write_bytes((BENCHMARKS / "unwritten.py").read_bytes())
    (tmp_path / "test_one.py").write_text(
        "def test_stub():\n    raise NotImplementedError\n\ndef test_wrong():\n    assert 0\n"
    )
    words = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    for more, said in (([], "2 failed"), (["-p", "unwritten"], "1 failed, 1 skipped")):
        done = subprocess.run(
            [*words, *more], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert said in done.stdout


@pytest.mark.slow
def test_decompositions_have_the_same_tasks_and_rising_coupling(tmp_path: Path) -> None:
    (ground,) = groundwork.prepare(MINISQL, [1.0], tmp_path, tmp_path)
    assert ground.coupling["modules"] == 0 < ground.coupling["interfaces"] < ground.coupling["flat"]
    plans = {order: load_plan(file) for order, file in ground.plans.items()}
    alike = {
        order: [replace(task, depends_on=()) for task in plan.tasks]
        for order, plan in plans.items()
    }
    assert alike["modules"] == alike["interfaces"] == alike["flat"]
    assert all(not task.depends_on for task in plans["flat"].tasks)
    before = ground.plans["flat"].stat().st_ino
    (again,) = groundwork.prepare(MINISQL, [1.0], tmp_path, tmp_path)
    assert again == ground
    assert again.plans["flat"].stat().st_ino == before, "trials may be running on it"


# --- figures --------------------------------------------------------------------------------------


def trial(mode: str, seed: int, minutes: float, order: str, judged: bool = True) -> TrialResult:
    arm = Arm(order, mode, "", 4)
    figures = {"success": 1.0, "tasks_passed": 1.0, "makespan": 60 * minutes + seed,
               "merge_conflicts": 0.0, "merges_refused": 0.0}  # fmt: skip
    return TrialResult(
        f"{order}-{mode}-{seed}", "minisql 100%", arm, seed, "succeeded", "", figures,
        judge="x", judged=judged,
    )  # fmt: skip


def many(order: str, **modes: tuple[float, bool]) -> list[TrialResult]:
    return [
        trial(mode, seed, minutes, order, good)
        for mode, (minutes, good) in modes.items()
        for seed in range(20)
    ]


def ground() -> groundwork.Ground:
    coupling = {"modules": 0, "flat": 9}
    return groundwork.Ground("minisql 100%", MINISQL, 1.0, (), 3, {}, coupling, coupling)


def test_the_fastest_wins_among_those_that_do_not_fail() -> None:
    found = cells.places(
        many("flat", solo=(9, True), uncontrolled=(2, False), shared=(4, True), locks=(4, True)),
        [ground()],
    )
    (place,) = found
    assert [cell.mode for cell in cells.winners(place)] == ["locks", "shared"]
    assert cells.below(place, place.cells["uncontrolled"])
    assert place.cells["uncontrolled"].broken == 1


@pytest.mark.parametrize(("modes", "trials"), [
    ({"solo": (9, True), "shared": (4, True)}, 3),
    ({"solo": (9, False), "shared": (4, False)}, 20),
    ({"shared": (4, True)}, 20),
])  # fmt: skip
def test_nobody_wins_by_few_trials_without_success_or_alone(
    modes: dict[str, tuple[float, bool]], trials: int
) -> None:
    data = [one for one in many("flat", **modes) if one.seed < trials]
    (place,) = cells.places(data, [ground()])
    assert cells.winners(place) == []


def test_no_mode_wins_by_failing_fast() -> None:
    data = [one for one in many("flat", solo=(9, True), uncontrolled=(2, False)) if one.seed < 4]
    data = [replace(one, judged=one.judged or one.seed < 2) for one in data]
    (place,) = cells.places(data, [ground()])
    assert [cell.mode for cell in cells.winners(place)] == ["uncontrolled", "solo"]
    data = [replace(one, judged=one.arm.mode == "solo") for one in data]
    (place,) = cells.places(data, [ground()])
    assert [cell.mode for cell in cells.winners(place)] == ["solo"]


def test_a_lost_trial_is_no_success_and_has_no_time() -> None:
    data = many("flat", solo=(9, True), shared=(4, True))
    whole = cells.places(data, [ground()])[0].cells["shared"]
    data = [
        replace(one, failure="killed", status="lost", judged=None,
                figures={"success": 0.0, "makespan": 1.0})
        if one.arm.mode == "shared" and one.seed >= 15 else one
        for one in data
    ]  # fmt: skip
    (place,) = cells.places(data, [ground()])
    cell = place.cells["shared"]
    assert whole.success.estimate == 1
    assert (cell.success.estimate, cell.number, len(cell.trials)) == (0.75, 20, 15)
    assert cells.pooled([place], "shared") == cells.independent([place], "shared") == (15, 20)
    assert cell.makespan > 200
    over = cells.ratio(cell, place.cells["solo"])
    assert over is not None
    assert over.estimate == pytest.approx(2.2, abs=0.1)


def test_a_mode_of_which_all_was_lost_never_succeeds() -> None:
    data = [replace(one, failure="killed", figures={"success": 0.0}) if one.arm.mode == "locks"
            else one for one in many("flat", locks=(2, True), shared=(4, True))]  # fmt: skip
    (place,) = cells.places(data, [ground()])
    assert place.cells["locks"].success.estimate == place.cells["locks"].broken == 0
    assert cells.below(place, place.cells["locks"])
    assert cells.winners(place) == []


def test_trials_of_shared_with_anomalies_are_named_and_no_success(
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = [
        replace(one, figures={**one.figures, "anomalies": float(one.seed == 3)})
        for one in many("flat", shared=(4, True), uncontrolled=(2, True))
    ]
    assert [one.name for one in cells.with_anomalies(data)] == ["flat-shared-3"]
    said = " ".join(results._promised(cells.places(data, [ground()])))
    assert "1 of 20 trials had any (flat-shared-3)." in said
    none = [replace(one, figures={**one.figures, "anomalies": 0.0}) for one in data]
    assert flagship._exit_code(data, len(data)) == 1
    assert "had 1 anomalies in trial flat-shared-3" in capsys.readouterr().err
    assert flagship._exit_code(none, len(none)) == 0
    said = " ".join(results._promised(cells.places(none, [ground()])))
    assert said.startswith("Mode shared promises no anomalies: 0 of 20 trials had any.")


def test_the_same_trials_at_several_places_are_no_more_evidence() -> None:
    once = [*many("flat", solo=(9, True), shared=(4, True)),
            *many("flat", worktree=(5, False))]  # fmt: skip
    twice = [*once, *(replace(one, arm=replace(one.arm, plan="modules")) for one in once)]
    (single,) = cells.places(once, [ground()])
    both = cells.places(twice, [ground()])
    assert cells.pooled(both, "worktree") == (0, 40)
    assert cells.independent(both, "worktree") == (0, 20)
    assert cells.independent(both, "solo") == (20, 20)
    one = cells.ratio(single.cells["shared"], single.cells["solo"])
    pairs = [(place.cells["shared"], place.cells["solo"]) for place in both]
    two = cells.pooled_ratio(pairs)
    assert one is not None
    assert two is not None
    assert (two.low, two.high) == pytest.approx((one.low, one.high))
    assert 2 < one.low < one.estimate < one.high < 2.5


def test_the_ratio_at_one_place_has_the_t_interval_of_its_pairs() -> None:
    pairs = {3: (100.0, 120.0), 5: (90.0, 80.0), 8: (60.0, 90.0)}
    first, second = (
        cells.Cell("c 1%", "flat", mode, 0, tuple(
            replace(trial(mode, seed, 1, "flat"), figures={"makespan": values[side]})
            for seed, values in pairs.items()
        ))
        for side, mode in enumerate(("shared", "solo"))
    )  # fmt: skip
    found, wanted = cells.ratio(first, second), t_interval(logs({"c": [*pairs.values()]}))
    assert found is not None
    assert wanted is not None
    wanted = wanted.exp()
    assert (found.estimate, found.low, found.high) == pytest.approx(
        (wanted.estimate, wanted.low, wanted.high)
    )


def test_the_document_follows_from_the_figures(tmp_path: Path) -> None:
    data = [
        *many("modules", solo=(9, True), shared=(4, True), worktree=(5, True)),
        *many("flat", solo=(9, True), shared=(4, True), worktree=(3, False)),
    ]
    experiment = Experiment(
        cases=(Case("minisql 100%", {}),), modes=("shared", "solo", "worktree"),
        time="virtual", command_seconds=20.0,
    )  # fmt: skip
    setting = results.Setting("the command", "typical", 20, (ground(),))
    results.write_results(data, setting, experiment, tmp_path / "results.md")
    said = (tmp_path / "results.md").read_text()
    assert "The agents are synthetic." in said
    assert "the command" in said
    assert "This is a pilot" not in said
    assert "| 0 | minisql 100%, modules | shared 100% | 100% (84–100) | 4.2 min | – |" in said
    assert "| 9 | minisql 100%, flat | shared 100% | 100% (84–100) | 4.2 min | worktree |" in said
    assert "the success of worktree falls: 100.0% to 0.0%" in said
    assert "<svg" in (tmp_path / "results.svg").read_text()
    verdicts = {one.source: one.verdict for one in beside(cells.places(data, [ground()]))}
    assert verdicts["STORM against CAID's worktrees (arXiv 2605.20563)"] == "agrees"
    results.write_results(data[:5], setting, experiment, tmp_path / "results.md")
    assert "**This is a pilot.**" in (tmp_path / "results.md").read_text()
