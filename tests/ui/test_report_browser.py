"""The page in a real browser: headless Chromium, driven by Playwright.

Needs Chromium on the path (Debian: ``apt-get install chromium``) and the package ``playwright``;
without them these tests are skipped, and `test_report_page` still reads the file.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core import events as e
from orchestrator.core.task import Task
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.header import Header
from orchestrator.runtime.rundir import RunDir
from orchestrator.ui.board import Board
from orchestrator.ui.record import Record
from orchestrator.ui.report import write_report
from orchestrator.ui.reporting.run_page import run_page
from orchestrator.ui.reporting.story import tell

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the path"),
]
GOLDEN = Path(__file__).parents[1] / "golden" / "format-1"
HOSTILE = (
    "</script><img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
)


@dataclass
class Seen:
    """What went on behind a page."""

    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@contextmanager
def opened(page: Path, **options: Any) -> Iterator[tuple[Any, Seen]]:
    """Open a page in a browser of its own; nothing may be fetched and nothing complained of."""
    seen = Seen()
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_context(**options).new_page()
        tab.on("console", lambda message: seen.console.append(message.text))
        tab.on("pageerror", lambda error: seen.console.append(str(error)))
        tab.on("request", lambda request: seen.requests.append(request.url))
        tab.goto(page.as_uri())
        tab.wait_for_selector("#counts:not(:empty)")
        yield tab, seen
        browser.close()
    assert seen.console == []
    assert seen.requests == [page.as_uri()]


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    run = shutil.copytree(GOLDEN / "every-kind", tmp_path / "run")
    return write_report(run, tmp_path / "report.html")


def focused(tab: Any) -> str:
    """Return the name of what has the focus."""
    return str(tab.evaluate("document.activeElement.getAttribute('aria-label') || ''"))


def test_the_whole_path_by_keyboard(golden: Path) -> None:
    with opened(golden) as (tab, _):
        for _ in range(30):
            tab.keyboard.press("Tab")
            if focused(tab).startswith("a, attempt 1"):
                break
        assert focused(tab).startswith("a, attempt 1 on w1")
        tab.keyboard.press("ArrowDown")
        assert focused(tab).startswith("g, attempt 1 on w2")
        tab.keyboard.press("ArrowRight")
        assert focused(tab).startswith("c, attempt 1 on w2")
        tab.keyboard.press("Enter")
        tab.wait_for_selector("#task[open] details")
        assert tab.inner_text("#task-name") == "c"
        tab.keyboard.press("Escape")
        assert tab.evaluate("document.getElementById('task').open") is False
        assert focused(tab).startswith("c, attempt 1 on w2")


def test_the_slider_shows_the_run_as_of_a_moment(golden: Path) -> None:
    with opened(golden) as (tab, _):
        count = "[...document.querySelectorAll('.node.s-{}')].length"
        assert tab.evaluate(count.format("running")) == 0
        assert tab.evaluate(count.format("succeeded")) == 10
        tab.locator("#time").fill("400")
        assert tab.evaluate(count.format("running")) == 5
        assert tab.inner_text("#counts").startswith("2 waiting · 2 held")
        assert tab.inner_text('.doing[data-worker="w3"]') == "h: test"
        tab.locator("#time").focus()
        tab.keyboard.press("Home")
        assert tab.evaluate(count.format("running")) == 1
        tab.keyboard.press("End")
        assert tab.evaluate(count.format("succeeded")) == 10


def test_replay_runs_and_pauses(golden: Path) -> None:
    with opened(golden) as (tab, _):
        tab.locator("#time").fill("100")
        tab.click("#play")
        assert "Pause" in tab.inner_text("#play")
        tab.click("#play")
        assert "Replay" in tab.inner_text("#play")
        assert 100 <= int(tab.input_value("#time")) < 1000
        tab.locator("#time").fill("990")
        tab.click("#play")
        tab.locator("#play", has_text="Replay").wait_for()
        assert tab.input_value("#time") == "1000"


def test_looking_closer_keeps_names_within_their_bars(golden: Path) -> None:
    sticks_out = """[...document.querySelectorAll('.bar-name')].filter((text) =>
        text.textContent && text.getBBox().width + 5 >
        text.parentNode.querySelector('rect:last-of-type').getBBox().width + 6).length"""
    with opened(golden, viewport={"width": 600, "height": 800}) as (tab, _):
        for _ in range(3):
            assert tab.evaluate(sticks_out) == 0
            before = tab.evaluate("document.getElementById('plot').clientWidth")
            tab.click("#closer")
            assert tab.evaluate("document.getElementById('plot').clientWidth") > 1.9 * before


def test_finding_a_task(golden: Path) -> None:
    with opened(golden) as (tab, _):
        tab.fill("#find", "skipped")
        shown = tab.locator(".tasks tbody tr:visible")
        assert shown.count() == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_on_a_narrow_page_sticks_out(golden: Path, scheme: str) -> None:
    options = {"viewport": {"width": 390, "height": 800}, "color_scheme": scheme}
    with opened(golden, **options) as (tab, _):
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
        colours = tab.evaluate(
            "[(style) => style.backgroundColor, (style) => style.color]"
            ".map((take) => take(getComputedStyle(document.body)))"
        )
        bright = [sum(map(int, colour[4:-1].split(","))) for colour in colours]
        assert (bright[0] > bright[1]) is (scheme == "light")


def test_a_printed_report_has_its_lanes_and_no_buttons(golden: Path) -> None:
    with opened(golden) as (tab, _):
        tab.emulate_media(media="print")
        assert tab.is_visible(".lanes")
        assert tab.is_hidden("#play")
        assert tab.is_hidden("#time")
        assert tab.pdf(format="A4")[:4] == b"%PDF"


def made(tmp_path: Path, tasks: tuple[Task, ...], events: list[e.Event]) -> Path:
    board = Board(Header(run="2026", name="p", tasks=tasks, workers=8))
    for event in events:
        board.apply(event)
    folder = RunDir(tmp_path / "run")
    record = Record(folder, board.header, board, board.meter.metrics(), "succeeded", "")
    page = tmp_path / "report.html"
    page.write_text(run_page(tell(record, events)), encoding="utf-8")
    return page


def test_hostile_texts_run_nothing(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path / "run" / "blobs", durable=False)
    calls = [{"id": "1", "name": HOSTILE, "input": {HOSTILE: HOSTILE}}]
    results = [{"call_id": "1", "content": HOSTILE, "is_error": False}]
    turn = {"text": HOSTILE, "calls": calls}
    said = json.dumps({"turn": turn, "results": results, "notice": HOSTILE, "heard": HOSTILE})
    content = blobs.put(HOSTILE.encode())
    events: list[e.Event] = [
        e.LeaseGranted(0, HOSTILE, 1, 1, HOSTILE),
        e.Reported(1, HOSTILE, 1, 1, "reason", 1, transcript=blobs.put(said.encode())),
        e.Wrote(1, HOSTILE, 1, 1, HOSTILE, 2, content, 0),
        e.RequestRefused(1, HOSTILE, 1, 1, HOSTILE, "scope", HOSTILE, (), HOSTILE),
        e.Succeeded(2, HOSTILE, 1, 1, evidence=content, summary=HOSTILE),
    ]
    with opened(made(tmp_path, (Task(id=HOSTILE, title=HOSTILE),), events)) as (tab, _):
        tab.click(".tasks button")
        tab.wait_for_selector("#task-inside details")
        for _ in range(3):  # folds inside folds
            for summary in tab.locator("#task-inside details:not([open]) > summary").all():
                if summary.is_visible():
                    summary.click()
        assert tab.inner_text("#task-inside").count("onerror") >= 8
        assert tab.title() == "p 2026"
        assert tab.locator("img").count() == 0


def test_a_thousand_tasks_stay_usable(tmp_path: Path) -> None:
    rng = random.Random(1)
    tasks, events = list[Task](), list[e.Event]()
    free = [0.0] * 8
    ends: list[float] = []
    for n in range(1000):
        before = sorted(rng.sample(range(max(0, n - 40), n), min(n, rng.randint(0, 3))))
        tasks.append(Task(id=f"task{n}", depends_on=tuple(f"task{m}" for m in before)))
        lane = min(range(8), key=free.__getitem__)
        begin = max([free[lane], *(ends[m] for m in before)])
        free[lane] = begin + rng.uniform(1, 5)
        ends.append(free[lane])
        name, steps = f"task{n}", (free[lane] - begin) / 7
        events.append(e.LeaseGranted(begin, name, 1, n + 1, f"w{lane + 1}"))
        events += [
            e.Reported(begin + k * steps, name, 1, n + 1, ("reason", "write", "test")[k % 3], k)
            for k in range(1, 7)
        ]
        events.append(e.Succeeded(free[lane], name, 1, n + 1))
    events.sort(key=lambda event: event.at)
    page = made(tmp_path, tuple(tasks), events)
    assert page.stat().st_size < 5_000_000
    with opened(page) as (tab, _):
        tab.locator("#time").fill("500")
        assert "running" in tab.inner_text("#counts")
        tab.fill("#find", "task777")
        tab.locator(".tasks tbody tr:visible button").click()
        tab.wait_for_selector("#task[open] details")
        assert tab.inner_text("#task-name") == "task777"
