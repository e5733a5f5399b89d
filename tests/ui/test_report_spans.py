"""A run as OpenTelemetry spans."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from orchestrator.ui.reporting.spans import provider_in_force, send_run, send_spans
from orchestrator.ui.reporting.story import read_story

GOLDEN = Path(__file__).parents[1] / "golden" / "format-1"


PLAN = """\
version: 1
name: small
goal: One file.
workspace: project
model: scripted:script.yaml
tasks: [{id: one, writes: [one.py]}]
"""
SCRIPT = """\
"*":
  - {calls: [{tool: write_file, input: {path: one.py, content: "X = 1\\n"}}]}
  - {calls: [{tool: submit, input: {summary: done}}]}
"""
RUN = """
import sys
{before}
from orchestrator.ui.cli import main
sys.argv = ["orchestrator", "run", "plan.yaml", "--plain"]
try:
    main()
except SystemExit as end:
    code = end.code
{after}
"""
LISTEN = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
kept = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(kept))
trace.set_tracer_provider(provider)
"""
TELL = "import json; print(json.dumps([code, *(one.name for one in kept.get_finished_spans())]))"
BREAK = """
from opentelemetry import trace
class Broken(trace.NoOpTracerProvider.__base__):
    def get_tracer(self, *names, **more):
        raise OSError("the collector is on fire")
trace.set_tracer_provider(Broken())
"""
with_otel = pytest.mark.skipif(find_spec("opentelemetry") is None, reason="needs opentelemetry-sdk")


def driven(tmp_path: Path, before: str, after: str) -> subprocess.CompletedProcess[str]:
    """Run a small plan by the command line, in a process that may have set a provider."""
    (tmp_path / "project").mkdir()
    (tmp_path / "plan.yaml").write_text(PLAN)
    (tmp_path / "script.yaml").write_text(SCRIPT)
    return subprocess.run(
        [sys.executable, "-c", RUN.format(before=before, after=after)],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_nobody_listens_unless_a_provider_is_set(tmp_path: Path) -> None:
    assert provider_in_force() is None
    run = shutil.copytree(GOLDEN / "solo", tmp_path / "run")
    assert send_run(run) == 0


@pytest.mark.slow
@with_otel
def test_the_end_of_a_run_sends_it_to_the_provider_that_is_set(tmp_path: Path) -> None:
    told = driven(tmp_path, LISTEN, TELL)
    assert told.stderr == ""
    code, *names = json.loads(told.stdout.splitlines()[-1])
    assert code == 0
    assert names[-1] == "invoke_workflow small"
    assert names.count("invoke_agent one") == 1
    turns = {"chat scripted:script.yaml", "execute_tool write_file", "execute_tool submit"}
    assert turns <= set(names)


@pytest.mark.slow
@with_otel
def test_a_provider_that_fails_does_the_run_no_harm(tmp_path: Path) -> None:
    told = driven(tmp_path, BREAK, "print(code)")
    assert told.stdout.splitlines()[-1] == "0"
    assert "could not be sent as spans: OSError: the collector is on fire" in told.stderr


@pytest.mark.slow
def test_a_run_that_nobody_listens_to_does_not_load_opentelemetry(tmp_path: Path) -> None:
    told = driven(tmp_path, "", "print(code, 'opentelemetry' in sys.modules)")
    assert told.stdout.splitlines()[-1] == "0 False", told.stderr


@pytest.mark.parametrize("name", ["agents", "every-kind", "killed", "solo"])
def test_a_run_is_one_trace_of_agents_turns_and_tools(name: str, tmp_path: Path) -> None:
    sdk = pytest.importorskip("opentelemetry.sdk.trace", reason="needs opentelemetry-sdk")
    export = pytest.importorskip("opentelemetry.sdk.trace.export")
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    story = read_story(shutil.copytree(GOLDEN / name, tmp_path / "run"))
    kept = memory.InMemorySpanExporter()
    provider = sdk.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(kept))
    number = send_spans(story, provider)
    provider.shutdown()
    spans = kept.get_finished_spans()
    assert len(spans) == number
    assert len({span.context.trace_id for span in spans}) == 1
    by_id = {span.context.span_id: span for span in spans}
    (root,) = [span for span in spans if span.parent is None]
    assert root.attributes["orchestrator.run"] == story.record.header.run
    for span in spans:
        assert span.start_time <= span.end_time
        if span.parent is not None:
            above = by_id[span.parent.span_id]
            assert above.start_time <= span.start_time
            assert span.end_time <= above.end_time
    agents = [s for s in spans if s.attributes.get("gen_ai.operation.name") == "invoke_agent"]
    assert len(agents) == len(story.attempts)
    lost = [agent for agent in agents if not agent.status.is_ok and agent.status.description]
    assert len(lost) == sum(a.outcome not in ("succeeded", "running") for a in story.attempts)
    told = [digest for attempt in story.attempts for _, digest in attempt.told]
    chats = [s for s in spans if s.attributes.get("gen_ai.operation.name") == "chat"]
    assert len(chats) == len(told)
