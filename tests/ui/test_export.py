"""A run as a log of Inspect AI: its shape, and Inspect AI's own reader when it is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import UsageError, WorkspaceError
from orchestrator.ui.exporting import inspect_log, show_export, write_inspect
from orchestrator.ui.reporting.story import read_story

GOLDEN = Path(__file__).parents[1] / "golden" / "format-1"
NAMES = ["agents", "every-kind", "killed", "solo"]
READ = """
import json, sys
from inspect_ai.event import event_tree
from inspect_ai.log import read_eval_log
log = read_eval_log(sys.argv[1])
(root,) = event_tree(log.samples[0].events)
print(json.dumps({"status": log.status, "score": log.samples[0].scores["tasks"].value,
    "agents": [child.name for child in root.children if getattr(child, "type", "") == "agent"]}))
"""


def exported(name: str, tmp_path: Path) -> dict[str, Any]:
    return inspect_log(read_story(shutil.copytree(GOLDEN / name, tmp_path / "run")))


def test_a_run_is_one_sample_with_an_agent_per_attempt(tmp_path: Path) -> None:
    log = exported("agents", tmp_path)
    assert (log["version"], log["status"]) == (2, "success")
    (sample,) = log["samples"]
    kinds = Counter(event["event"] for event in sample["events"])
    assert kinds["span_begin"] == kinds["span_end"] == 3 + 1
    assert kinds["model"] > 3
    assert kinds["tool"] >= kinds["model"]
    agents = [event for event in sample["events"] if event.get("type") == "agent"]
    assert [agent["name"] for agent in agents] == ["one", "two", "three"]
    assert sample["scores"]["tasks"]["value"] == 1.0


@pytest.mark.parametrize("name", NAMES)
def test_every_event_lies_in_time_and_within_its_span(name: str, tmp_path: Path) -> None:
    events = exported(name, tmp_path)["samples"][0]["events"]
    times = [event["timestamp"] for event in events]
    assert times == sorted(times)
    live = set[str]()
    for event in events:
        if event["event"] == "span_begin":
            assert event["parent_id"] is None or event["parent_id"] in live
            live.add(event["id"])
            continue
        assert event["span_id"] in live
        if event["event"] == "span_end":
            live.remove(event["id"])
    assert live == set()


def test_refusals_and_messages_are_told(tmp_path: Path) -> None:
    events = exported("every-kind", tmp_path)["samples"][0]["events"]
    told = {event["source"]: event["data"] for event in events if event["event"] == "info"}
    assert told["scope"]["path"] == "b.txt"
    assert told["sent"]["to"] == "task:h"


def test_a_run_whose_turns_are_lost_is_exported_without_them(tmp_path: Path) -> None:
    run = shutil.copytree(GOLDEN / "agents", tmp_path / "run")
    shutil.rmtree(run / "blobs")
    events = inspect_log(read_story(run))["samples"][0]["events"]
    assert "model" not in {event["event"] for event in events}


@pytest.mark.slow
@pytest.mark.skipif(find_spec("inspect_ai") is None, reason="needs the package inspect_ai")
@pytest.mark.parametrize("name", NAMES)
def test_the_reader_of_inspect_ai_accepts_it(name: str, tmp_path: Path) -> None:
    run = shutil.copytree(GOLDEN / name, tmp_path / "run")
    story = read_story(run)
    written = write_inspect(run, tmp_path / "log.json")
    done = subprocess.run(
        [sys.executable, "-c", READ, str(written)], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert found["status"] == inspect_log(story)["status"]
    assert len(found["agents"]) == len(story.attempts)


def test_the_command_says_where_it_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(GOLDEN / "agents", tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    show_export("run", inspect=True, output=None)
    assert capsys.readouterr().out == "Log for Inspect AI: run/inspect.json\n"
    assert json.loads((run / "inspect.json").read_text())["version"] == 2


def test_mistakes_of_whoever_exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(GOLDEN / "agents", tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="no format is named"):
        show_export("run", inspect=False, output=None)
    with pytest.raises(WorkspaceError, match="cannot be written"):
        show_export("run", inspect=True, output=tmp_path / "none" / "x.json")
