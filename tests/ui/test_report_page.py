"""The page as a file: one file, small, no way out, hostile texts as text."""

from __future__ import annotations

import base64
import json
import random
import re
import shutil
import zlib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core import events as e
from orchestrator.core.task import Task
from orchestrator.errors import UsageError, WorkspaceError
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.header import Header
from orchestrator.runtime.rundir import RunDir
from orchestrator.ui.board import Board
from orchestrator.ui.record import Record
from orchestrator.ui.report import show_report, write_report
from orchestrator.ui.reporting.run_page import run_page
from orchestrator.ui.reporting.story import Story, tell
from orchestrator.ui.reporting.transcripts import shorten

GOLDEN = Path(__file__).parents[1] / "golden"
LOGS = sorted(path.parent for path in GOLDEN.glob("format-*/*/expected.json"))
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u202egnp.\u0000\ud83d"


class Reader(HTMLParser):
    """Collects elements, attributes and the contents of scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.scripts: dict[str, str] = {}
        self._script: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        self.elements.append((tag, given))
        if tag == "script":
            self._script = given.get("id", "code")

    def handle_data(self, data: str) -> None:
        if self._script is not None:
            self.scripts[self._script] = self.scripts.get(self._script, "") + data

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._script = None


def detail(page: Reader, number: int) -> dict[str, Any]:
    """Unpack what the page's script shows of a task."""
    block = base64.b64decode(page.scripts[f"d{number}"])
    found: dict[str, Any] = json.loads(zlib.decompress(block))
    return found


def turn(blobs: BlobStore, text: str, answer: str) -> str:
    calls = [{"id": "1", "name": "write_file", "input": {"path": "a.py", "content": text}}]
    results = [{"call_id": "1", "content": answer, "is_error": True}]
    told = {"turn": {"text": text, "calls": calls}, "results": results, "notice": "n", "heard": ""}
    return blobs.put(json.dumps(told).encode())


def told(tmp_path: Path, texts: list[str], word: str = "t") -> Story:
    """A run with a task per text, whose agent says it, writes it, and is answered with it."""
    folder = RunDir(tmp_path / "run")
    blobs = BlobStore(folder.blobs, durable=False)
    tasks = tuple(Task(id=f"{word}{n}", title=texts[n][:200]) for n in range(len(texts)))
    events = list[e.Event]()
    for n, (task, text) in enumerate(zip(tasks, texts, strict=True)):
        said, content = turn(blobs, text, text), blobs.put(text.encode(errors="replace"))
        events += [
            e.LeaseGranted(n, task.id, 1, n + 1, "w1"),
            e.Reported(n + 0.2, task.id, 1, n + 1, "reason", 1, transcript=said),
            e.Wrote(n + 0.4, task.id, 1, n + 1, f"{n}.py", n + 2, content, 0),
            e.Sent(n + 0.5, task.id, 1, n + 1, "all", "hint", text[:500]),
            e.Succeeded(n + 0.9, task.id, 1, n + 1, evidence=content, summary=text[:500]),
        ]
    events.append(e.Finished(float(len(texts)), "", 0, "succeeded"))
    board = Board(Header(run="2026", name=word, goal=texts[0][:300], tasks=tasks))
    for event in events:
        board.apply(event)
    return tell(Record(folder, board.header, board, board.meter.metrics(), "succeeded", ""), events)


def outside(page: Reader) -> Iterator[str]:
    """Yield whatever would make a browser fetch or run something."""
    for name, attributes in page.elements:
        for key, value in attributes.items():
            fetches = key in (
                "src",
                "srcset",
                "data",
                "poster",
                "action",
                "background",
                "xlink:href",
            )
            local = value.startswith("#") or value == "data:,"
            if key.startswith("on") or fetches or key == "style" or (key == "href" and not local):
                yield f"{name} {key}={value}"
        if name in ("iframe", "object", "embed", "base", "form", "img", "foreignobject"):
            yield name


@pytest.mark.parametrize("log", LOGS, ids=lambda log: f"{log.parent.name}-{log.name}")
def test_the_report_of_a_golden_log_is_one_file_that_fetches_nothing(
    log: Path, tmp_path: Path
) -> None:
    written = write_report(shutil.copytree(log, tmp_path / "run"), tmp_path / "r.html")
    text = written.read_text()
    page = Reader(text)
    assert list(outside(page)) == []
    assert "@import" not in text
    assert set(re.findall(r"url\(([^)]*)\)", text)) == {"#hatch"}
    replay = json.loads(page.scripts["replay"])
    assert [f"d{n}" for n in range(len(replay["tasks"]))] == [
        name for name in page.scripts if re.fullmatch(r"d\d+", name)
    ]


def test_the_policy_names_this_script_and_these_styles(tmp_path: Path) -> None:
    text = run_page(told(tmp_path, ["hello"]))
    (policy,) = [a["content"] for name, a in Reader(text).elements if "http-equiv" in a]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert "http" not in policy


def test_hostile_texts_stay_texts(tmp_path: Path) -> None:
    text = run_page(told(tmp_path, [HOSTILE], word=HOSTILE[:40]))
    page = Reader(text)
    assert list(outside(page)) == []
    assert "alert" not in page.scripts["code"]
    assert sum(name == "script" and "id" not in a for name, a in page.elements) == 1
    assert "\u202e" not in text
    assert "\x00" not in text
    found = detail(page, 0)
    call = found["attempts"][0]["turns"][0]["calls"][0]
    assert call["answer"].startswith("</script><script>alert(1)")  # shown by textContent only
    assert "‹U+202E›gnp.‹U+0000›‹U+D83D›" in call["answer"]
    assert "innerHTML" not in page.scripts["code"]


def test_a_task_shows_its_transcript_its_changes_and_its_tests(tmp_path: Path) -> None:
    found = detail(Reader(run_page(told(tmp_path, ["one = 1\ntwo = 2\n"]))), 0)
    (attempt,) = found["attempts"]
    assert attempt["good"]
    assert attempt["turns"][0]["calls"][0]["tool"] == "write_file"
    assert attempt["turns"][0]["calls"][0]["error"]
    assert "+one = 1\n+two = 2" in attempt["changes"][0]["diff"]
    assert attempt["tests"] == ["one = 1\ntwo = 2\n"]
    assert attempt["marks"][0][3] == "to all: one = 1\ntwo = 2\n"


def test_a_content_that_is_lost_is_said_to_be(tmp_path: Path) -> None:
    story = told(tmp_path, ["x"])
    shutil.rmtree(story.record.folder.blobs)
    (attempt,) = detail(Reader(run_page(story)), 0)["attempts"]
    assert attempt["turns"] == [{"n": 1, "at": 0.2, "lost": True}]
    assert attempt["changes"][0]["diff"].startswith("(the contents are not")
    assert attempt["tests"] == []


def test_a_long_text_is_cut_in_the_middle_and_says_so() -> None:
    assert shorten("a" * 100, 100) == "a" * 100
    cut = shorten("a" * 600 + "b" * 600, 300)
    assert cut == f"{'a' * 200}\n… 900 characters left out …\n{'b' * 100}"


@pytest.mark.slow
def test_a_hundred_tasks_with_long_transcripts_stay_under_a_megabyte(tmp_path: Path) -> None:
    rng = random.Random(5)
    texts = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz \n", k=30_000)) for _ in range(100)]
    page = run_page(told(tmp_path, texts))
    assert len(page.encode()) < 1_000_000
    turn = detail(Reader(page), 50)["attempts"][0]["turns"][0]
    assert "characters left out" in turn["text"]
    assert turn["text"][:50] == texts[50][:50]


def test_a_run_without_a_single_attempt_has_a_report(tmp_path: Path) -> None:
    board = Board(Header(run="2026", name="p", tasks=(Task(id="a"),)))
    record = Record(RunDir(tmp_path), board.header, board, board.meter.metrics(), "interrupted", "")
    assert "There was no attempt." in Reader(run_page(tell(record, []))).scripts["code"]
    board = Board(Header(run="2026", name="p"))
    record = Record(RunDir(tmp_path), board.header, board, board.meter.metrics(), "succeeded", "")
    assert "nothing to do" in run_page(tell(record, []))


def test_the_command_says_where_the_report_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(GOLDEN / "format-1" / "agents", tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    show_report(["run"], None)
    assert capsys.readouterr().out.startswith("Report: run/report.html (")
    show_report([str(run)], tmp_path / "other.html")
    assert (tmp_path / "other.html").read_bytes() == (run / "report.html").read_bytes()


def test_mistakes_of_whoever_wants_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(GOLDEN / "format-1" / "agents", tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="there is no run"):
        show_report(["nothing"], None)
    with pytest.raises(UsageError, match="about one run"):
        show_report(["run", "run"], None)
    with pytest.raises(WorkspaceError, match="cannot be written"):
        show_report(["run"], tmp_path / "none" / "r.html")
