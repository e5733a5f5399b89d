"""A run as OpenTelemetry spans."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from orchestrator.ui.reporting.spans import provider_in_force, send_spans
from orchestrator.ui.reporting.story import read_story

GOLDEN = Path(__file__).parents[1] / "golden" / "format-1"


def test_nobody_listens_unless_a_provider_is_set() -> None:
    assert provider_in_force() is None


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
