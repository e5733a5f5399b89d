"""The page of a comparison: what it says, and how it is in a real browser.

The tests with a browser need Chromium on the path and the package ``playwright``.
"""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.task import Task
from orchestrator.errors import UsageError, WorkspaceError
from orchestrator.lab.compare import compare
from orchestrator.lab.experiment import Arm, Case, Experiment
from orchestrator.lab.outcomes import MEASURES, TaskOutcome
from orchestrator.lab.trial import TrialResult
from orchestrator.lab.trialtables import manifest, write_manifest, write_tables
from orchestrator.lab.versussolo import beside_solo
from orchestrator.spec.plan import Plan
from orchestrator.ui.comparing import headline
from orchestrator.ui.report import show_report
from orchestrator.ui.reporting.comparison_page import comparison_page, write_comparison
from orchestrator.ui.reporting.meanings import meanings
from orchestrator.ui.reporting.past import read_past
from orchestrator.ui.reporting.sentences import brief, meaning
from orchestrator.ui.reporting.study import Study
from orchestrator.ui.reporting.taskdiffs import differences

pytestmark = pytest.mark.slow  # numpy, scipy and statsmodels take their time to be imported

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
in_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the path")
MODES = ("solo", "uncontrolled", "locks", "shared", "worktree")
PACE = {"solo": 2200.0, "uncontrolled": 900.0, "locks": 1150.0, "shared": 840.0, "worktree": 1010.0}
FAILS = {"solo": 0.04, "uncontrolled": 0.4, "locks": 0.08, "shared": 0.05, "worktree": 0.18}
HOSTILE = "</script><img src=x onerror=\"document.title='owned'\">\u202e"


def experiment(
    cases: int = 3, repeats: int = 20, modes: tuple[str, ...] = MODES, **more: Any
) -> Experiment:
    plan = Plan(name="made", digest="d" * 64, tasks=(Task(id="one"),))
    names = [f"library {number + 1}" for number in range(cases)]
    return Experiment(
        cases=tuple(Case(name, {"": plan}) for name in names), modes=modes, workers=(4,),
        repeats=repeats, **more,
    )  # fmt: skip


def outcome(made: Experiment, case: int, arm: Arm, seed: int, tasks: int = 8) -> TrialResult:
    """A trial as it could have been; the same for the same arguments."""
    rng = random.Random(f"{case} {arm.mode} {arm.plan} {seed}")
    works = rng.random() >= FAILS[arm.mode]
    makespan = PACE[arm.mode] * (0.6 + 0.4 * case) * rng.lognormvariate(0, 0.3)
    begun, done = 0.0, []
    for number in range(tasks):
        long = makespan / tasks * rng.lognormvariate(0, 0.4) * (2 if number == case else 1)
        state = "failed" if not works and number == tasks - 1 else "succeeded"
        done.append(TaskOutcome(f"task-{number}", state, 1 + (rng.random() < 0.3), 6,
                                begun, begun + long, 4000, 700, 0.02))  # fmt: skip
        begun += long
    tokens = 60_000 * rng.lognormvariate(0.5 if arm.mode == "worktree" else 0.2, 0.25)
    figures: dict[str, float | None] = dict.fromkeys(MEASURES, 0.0)
    figures |= {
        "success": float(works), "makespan": makespan, "tasks_passed": 1 - (not works) / tasks,
        "attempts": float(sum(one.attempts for one in done)), "tokens": tokens,
        "usd": tokens * 9e-6, "conflicts": float(rng.randrange(4) * (arm.mode == "shared")),
        "anomalies": float(rng.randrange(7) * (arm.mode == "uncontrolled")),
        "speedup": 2200 / makespan, "usd_per_passed": tokens * 1e-6, "utilisation": None,
    }  # fmt: skip
    name = f"{arm.mode}-w{arm.workers}-s{seed}-{rng.getrandbits(64):016x}"
    found = TrialResult(name, made.cases[case].name, arm, seed, "succeeded" if works else "failed",
                        figures=figures, tasks=tuple(done))  # fmt: skip
    if rng.random() < 0.01:
        return TrialResult(name, found.case, arm, seed, "lost", failure="its process was ended by "
                           "SIGKILL", figures={"success": 0.0})  # fmt: skip
    return found


def outcomes(made: Experiment, **more: Any) -> list[TrialResult]:
    numbers = {case.name: number for number, case in enumerate(made.cases)}
    return [
        outcome(made, numbers[trial.case], trial.arm, trial.seed, **more) for trial in made.trials()
    ]


def study(made: Experiment, results: list[TrialResult] | None = None) -> Study:
    results = beside_solo(outcomes(made) if results is None else results)
    comparison = compare(results, made)
    return Study("made up", headline(comparison), comparison, results, manifest(made, results))


class Reader(HTMLParser):
    """Collects elements, the texts of cells by section, and what would leave the page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))

    def named(self, tag: str, **given: str) -> list[dict[str, str]]:
        """Return the attributes of the elements of a name that have these."""
        wanted = {key.rstrip("_"): value for key, value in given.items()}
        return [found for name, found in self.elements
                if name == tag and wanted.items() <= found.items()]  # fmt: skip


@pytest.fixture(scope="module")
def made() -> Study:
    """Five arms, three cases, with failures and lost trials; a few repeats, to be quick."""
    return study(experiment(repeats=8))


def test_it_says_what_the_terminal_says_and_what_that_means(made: Study) -> None:
    page = comparison_page(made)
    said = re.search(r"<h1[^>]*>(.*?)</h1>", page)
    assert said
    assert said[1].lower() == made.headline.lower()
    failed = sum(not one.success for one in made.results)
    assert failed > len(made.comparison.lost) > 0
    told = meaning(made)
    assert f"{failed} trials of {len(made.results)} did not succeed" in told
    assert "But uncontrolled (" in told
    assert "says nothing about others" in told
    assert f'<p class="means">{told}</p>' in page


def test_of_many_arms_a_short_sentence_stands_first(made: Study) -> None:
    long = replace(made, headline="makespan is lower; " * 60)
    page = comparison_page(long)
    assert f"<h1>{brief(long)}</h1>" in page
    assert brief(made) == (
        "By makespan, 4 of 4 arms are better than solo (most of all shared, "
        f"×{made.comparison.primary[2].effect.estimate:.3g})."  # type: ignore[union-attr]
    )
    assert "Makespan is lower; makespan" in page


def test_every_trial_is_a_dot_and_a_row_and_failures_are_crosses(made: Study) -> None:
    page = comparison_page(made)
    read = Reader(page)
    timed = [one for one in made.results if one.figure("makespan") is not None]
    assert len(read.named("circle", class_="dot")) == sum(one.success for one in timed)
    assert len(read.named("path", class_="cross")) == sum(not one.success for one in timed)
    names = [one.name for one in made.results]
    rows = {name: page.count(f'<th scope="row">{name}</th>') for name in names}
    assert rows == {one.name: 2 - one.success for one in made.results}  # failures stand apart too
    for one in made.comparison.lost:
        assert f"<td>{one.failure}</td>" in page


def test_every_effect_has_its_place_and_its_figures(made: Study) -> None:
    page = comparison_page(made)
    telling = [one for one in made.comparison.secondary if not one.equal]
    assert page.count('class="estimate') == len(made.comparison.primary) + len(telling)
    for one in made.comparison.primary:
        assert one.effect is not None
        assert f"×{one.effect.low:.3g} to ×{one.effect.high:.3g}" in page
    for name in {one.measure for one in made.comparison.secondary}:
        assert MEASURES[name].label in page


def test_nothing_in_it_runs_or_fetches(made: Study) -> None:
    read = Reader(comparison_page(made))
    policy = read.named("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"]
    assert "default-src 'none'; script-src 'none'" in policy
    assert not read.named("script")
    for _, given in read.elements:
        assert not {"src", "srcset", "style", "action"} & given.keys()
        assert not [key for key in given if key.startswith("on")]
        assert given.get("href", "#").startswith(("#", "data:,"))


def test_what_is_drawn_is_told_too(made: Study) -> None:
    read = Reader(comparison_page(made))
    for given in read.named("svg"):
        assert given.get("role") == "img" or given.get("aria-hidden") == "true"
        assert given.get("role") != "img" or len(given["aria-label"]) > 40
    ids = {given["id"] for _, given in read.elements if "id" in given}
    links = [given["href"][1:] for given in read.named("a")]
    assert links
    assert set(links) <= ids


def test_nine_hundred_trials_fit_in_a_megabyte(made: Study) -> None:
    large = experiment(cases=9)
    results = outcomes(large, tasks=14)
    assert len(results) == 900
    comparison = replace(
        made.comparison, cases=tuple(case.name for case in large.cases), done=900, total=900
    )
    whole = Study("large", made.headline, comparison, results, manifest(large, results))
    assert len(comparison_page(whole).encode()) < 1_000_000


def test_hostile_names_are_shown_as_text() -> None:
    small = experiment(cases=1, repeats=2, modes=("solo", "shared"))
    results = [replace(one, case=HOSTILE, name=HOSTILE, failure=HOSTILE, notes=(HOSTILE,))
               for one in outcomes(small)]  # fmt: skip
    whole = study(replace(small, cases=(Case(HOSTILE, small.cases[0].plans),)), results)
    page = comparison_page(whole)
    assert "<img" not in page
    assert "\u202e" not in page
    assert not Reader(page).named("script")


def test_one_trial_of_each_arm_is_a_page_too() -> None:
    small = experiment(cases=1, repeats=1, modes=("solo", "shared"))
    page = comparison_page(study(small))
    assert "nothing to compare" not in page
    assert "unknown" in page  # the interval


def test_no_trial_yet_is_a_page_that_says_so() -> None:
    small = experiment(cases=1, repeats=1, modes=("solo", "shared"))
    page = comparison_page(study(small, []))
    assert "nothing to compare yet" in page
    assert "0 of 2 trials done" in page


def test_virtual_time_says_what_a_command_takes() -> None:
    for seconds, words in ((20.0, "20.0 s"), (None, "as long as it really took")):
        timed = experiment(1, 1, ("solo", "shared"), time="virtual", command_seconds=seconds)
        assert f"a command takes {words}<" in comparison_page(study(timed))


def test_success_as_the_primary_outcome_shows_times_as_dots() -> None:
    whole = study(experiment(cases=1, repeats=6, primary="success"))
    page = comparison_page(whole)
    assert "Effect on success" in page
    assert "Every trial: makespan" in page


def test_tasks_are_set_side_by_side_by_their_ids(made: Study) -> None:
    arm = made.comparison.arms[3].arm
    found = differences(made, made.baseline, arm)
    assert len(found) == 8 * 3
    assert [abs(one.change) for one in found] == sorted(
        (abs(one.change) for one in found), reverse=True
    )
    one = found[0]
    taken = [
        task.ended - task.started
        for trial in made.of(arm, one.case)
        for task in trial.tasks
        if task.task == one.task and task.ended is not None and task.started is not None
    ]
    assert one.seconds[1] == pytest.approx(sum(taken) / len(taken))


def test_arms_that_cut_the_work_differently_share_no_tasks_and_it_says_so() -> None:
    small = experiment(cases=1, repeats=2, modes=("solo", "shared"))
    results = [
        replace(one, tasks=tuple(replace(task, task=f"{one.arm.mode} {task.task}")
                                 for task in one.tasks))
        for one in outcomes(small)
    ]  # fmt: skip
    assert "Not shown for shared: no arm before" in comparison_page(study(small, results))


def test_arms_of_another_decomposition_are_set_against_the_first_of_it() -> None:
    plan = Plan(name="made", digest="d" * 64, tasks=(Task(id="one"),))
    both = replace(experiment(cases=1, repeats=2, modes=("solo", "shared")),
                   cases=(Case("library 1", {"fine": plan, "coarse": plan}),))  # fmt: skip
    results = [
        replace(one, tasks=tuple(replace(task, task=f"{one.arm.plan} {task.task}")
                                 for task in one.tasks))
        for one in outcomes(both)
    ]  # fmt: skip
    page = comparison_page(study(both, results))
    told = re.findall(r"<summary>([^<]*?) against (.*?):", page)
    assert told == [("fine, shared", "fine, solo"), ("coarse, shared", "coarse, solo")]
    assert "Not shown for “coarse, solo”" in page


def test_every_outcome_has_a_meaning() -> None:
    told = dict(meanings(set(MEASURES)))
    short = [label for label, words in told.items() if len(words.split()) < 6]
    assert short == []


# --- from the directory of an experiment ----------------------------------------------------------


def kept(folder: Path, whole: Study, made: Experiment) -> None:
    """Write what `compare` leaves behind."""
    for one in whole.results:
        place = folder / "trials" / one.name
        place.mkdir(parents=True)
        (place / "result.json").write_text(json.dumps(one.to_json()))
    write_tables(whole.results, folder)
    write_manifest(made, whole.results, folder)


def test_report_reads_an_experiment_from_its_directory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = experiment(cases=2, repeats=3, modes=("worktree", "shared", "solo"), seed=5)
    whole = study(small)
    kept(tmp_path, whole, small)
    show_report([str(tmp_path)], tmp_path / "page.html")
    assert "page.html" in capsys.readouterr().out
    same = tmp_path / "same.html"
    write_comparison(same, whole.headline, whole.comparison, whole.results, whole.manifest)
    assert (tmp_path / "page.html").read_text() == same.read_text()
    past = read_past(tmp_path)
    assert past.experiment.all_arms() == small.all_arms()


@pytest.mark.parametrize("broken", ["{}", "[]", '{"seeds": [], "cases": [], "primary": "usd"}'])
def test_a_broken_experiment_says_what_to_do(tmp_path: Path, broken: str) -> None:
    small = experiment(cases=1, repeats=1, modes=("solo", "shared"))
    kept(tmp_path, study(small), small)
    (tmp_path / "manifest.json").write_text(broken)
    with pytest.raises(WorkspaceError, match="cannot be read"):
        show_report([str(tmp_path)], None)
    write_manifest(small, [], tmp_path)
    write_tables([], tmp_path)
    with pytest.raises(UsageError, match="no two arms"):
        show_report([str(tmp_path)], None)
    assert not (tmp_path / "report.html").exists()


# --- in a browser ---------------------------------------------------------------------------------


@contextmanager
def opened(made: Study, folder: Path, **options: Any) -> Iterator[Any]:
    """Open the page in a browser; nothing may be fetched and nothing complained of."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    file = folder / "report.html"
    file.write_text(comparison_page(made), encoding="utf-8")
    console: list[str] = []
    requests: list[str] = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_context(**options).new_page()
        tab.on("console", lambda message: console.append(message.text))
        tab.on("pageerror", lambda error: console.append(str(error)))
        tab.on("request", lambda request: requests.append(request.url))
        tab.goto(file.as_uri())
        yield tab
        browser.close()
    assert console == []
    assert requests == [file.as_uri()]


@in_a_browser
def test_by_keyboard_through_links_charts_and_folds(made: Study, tmp_path: Path) -> None:
    seen = """(() => { const at = document.activeElement, look = getComputedStyle(at);
        return [at.tagName, at.getAttribute('href') || at.getAttribute('role') || at.innerText,
                look.outlineStyle !== 'none' && parseFloat(look.outlineWidth) > 0]; })()"""
    with opened(made, tmp_path) as tab:
        path = list[Any]()
        while len(path) < 40:
            tab.keyboard.press("Tab")
            path.append(tab.evaluate(seen))
            if path[-1][0] == "SUMMARY" and path[-1][1].startswith("locks"):
                break
        assert all(outlined for _, _, outlined in path)
        assert [one[1] for one in path[:3]] == ["#effect", "#arms", "#dots"]
        assert sum(one[1] == "region" for one in path) >= 5  # the charts: they scroll when narrow
        fold = tab.locator("#tasks details").nth(1)
        assert fold.get_attribute("open") is None
        tab.keyboard.press("Enter")
        assert fold.get_attribute("open") is not None
        tab.keyboard.press("Shift+Tab")
        assert tab.evaluate(seen)[0] == "SUMMARY"
        tab.locator("nav a").last.focus()
        tab.keyboard.press("Enter")
        assert tab.evaluate("location.hash") == "#manifest"


@in_a_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_narrow_screen_nothing_sticks_out(made: Study, tmp_path: Path, scheme: str) -> None:
    options = {"viewport": {"width": 400, "height": 800}, "color_scheme": scheme}
    with opened(made, tmp_path, **options) as tab:
        assert tab.evaluate("document.documentElement.scrollWidth") <= 400
        colours = tab.evaluate(
            "[(style) => style.backgroundColor, (style) => style.color]"
            ".map((take) => take(getComputedStyle(document.body)))"
        )
        bright = [sum(map(int, colour[4:-1].split(","))) for colour in colours]
        assert (bright[0] > bright[1]) is (scheme == "light")
        small = """[...document.querySelectorAll('.chart text')].filter((text) =>
            text.textContent && text.getBoundingClientRect().height < 9).length"""
        assert tab.evaluate(small) == 0


@in_a_browser
def test_no_text_of_a_chart_covers_another(made: Study, tmp_path: Path) -> None:
    covered = """[...document.querySelectorAll('svg.chart')].flatMap((svg) => {
        const boxes = [...svg.querySelectorAll('text')].filter((one) => one.textContent)
            .map((one) => [one.textContent, one.getBoundingClientRect()]);
        return boxes.flatMap(([name, a], n) => boxes.slice(n + 1)
            .filter(([, b]) => a.left < b.right - 1 && b.left < a.right - 1 &&
                               a.top < b.bottom - 4 && b.top < a.bottom - 4)
            .map(([other]) => name + ' | ' + other)); })"""
    outside = """[...document.querySelectorAll('svg.chart')].flatMap((svg) => {
        const box = svg.getBoundingClientRect();
        return [...svg.querySelectorAll('text')].filter((one) => one.textContent &&
            (one.getBoundingClientRect().right > box.right + 1 ||
             one.getBoundingClientRect().left < box.left - 1)).map((one) => one.textContent); })"""
    with opened(made, tmp_path) as tab:
        assert tab.evaluate(covered) == []
        assert tab.evaluate(outside) == []


@in_a_browser
def test_printed_it_has_its_charts_and_all_its_rows(made: Study, tmp_path: Path) -> None:
    with opened(made, tmp_path) as tab:
        tab.emulate_media(media="print")
        assert tab.locator("svg.chart").first.is_visible()
        assert tab.is_hidden("nav")
        cut = """[...document.querySelectorAll('.tall')].filter((box) =>
            box.scrollHeight > box.clientHeight + 1 && box.clientHeight).length"""
        assert tab.evaluate(cut) == 0
        assert tab.pdf(format="A4")[:4] == b"%PDF"
