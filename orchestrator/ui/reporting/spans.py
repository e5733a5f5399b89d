"""A run as OpenTelemetry spans, after the conventions for generative AI.

Made from the log, with the times that it recorded, so a run that has ended can be sent as well
as one that just did. The names and attributes are those of OpenTelemetry's semantic conventions
for generative AI: ``invoke_agent``, ``chat`` and ``execute_tool``; what is ours alone begins
with ``orchestrator.``. What agents said is left out: only who did what, when, at what cost.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.errors import LogError
from orchestrator.runtime.blobs import BlobStore
from orchestrator.ui.reporting.story import Attempt, Story, read_story

if TYPE_CHECKING:
    from opentelemetry.trace import Span, TracerProvider

_NAME = "orchestrator"
_NAMED = "OTEL_PYTHON_TRACER_PROVIDER"
_SECOND = 1_000_000_000  # nanoseconds


def provider_in_force() -> TracerProvider | None:
    """Return the provider that the process has set; None: nobody listens to spans.

    A process that has not imported OpenTelemetry has set none, so it is not imported for that.
    The one exception is the variable of the environment that names a provider.
    """
    if "opentelemetry.trace" not in sys.modules and _NAMED not in os.environ:
        return None
    from opentelemetry import trace

    provider = trace.get_tracer_provider()
    unset = isinstance(provider, trace.ProxyTracerProvider | trace.NoOpTracerProvider)
    return None if unset else provider


def send_run(run_dir: Path) -> int:
    """Send a run that has ended to the provider that the process has set, if it has set one.

    The command line does so at the end of each run. A program that calls `orchestrator.run` does
    it when it likes, with the result's ``run_dir``.

    Returns:
        The number of spans; 0: nobody listens.

    Raises:
        WorkspaceError: this is not the directory of a run.
        LogError: its log cannot be read.
    """
    provider = provider_in_force()
    return 0 if provider is None else send_spans(read_story(run_dir), provider)


def send_spans(story: Story, provider: TracerProvider) -> int:
    """Send a run as one trace: the run, its attempts, their turns and tool calls.

    Args:
        provider: where the spans go; see `provider_in_force`.

    Returns:
        The number of spans.
    """
    return _Sender(story, provider).send()


class _Sender:
    """Makes the spans of one run."""

    def __init__(self, story: Story, provider: TracerProvider) -> None:
        self.story = story
        self.tracer = provider.get_tracer(_NAME)
        self.blobs = BlobStore(story.record.folder.blobs)
        started = story.record.header.started or "1970-01-01T00:00:00Z"
        self.start = int(datetime.fromisoformat(started).astimezone(UTC).timestamp()) * _SECOND
        self.count = 0

    def send(self) -> int:
        """Send all spans; return how many they are."""
        record, header = self.story.record, self.story.record.header
        attributes = {
            "orchestrator.run": header.run,
            "orchestrator.mode": header.mode,
            "orchestrator.workers": header.workers,
            "orchestrator.seed": header.seed,
            "orchestrator.status": record.status,
            "orchestrator.makespan": record.metrics.makespan,
        }
        run = self._begin(f"invoke_workflow {header.name}", self.story.begin, None, attributes)
        for attempt in self.story.attempts:
            self._attempt(attempt, run)
        run.end(self._at(self.story.end))
        return self.count

    def _at(self, seconds: float) -> int:
        return self.start + round(seconds * _SECOND)

    def _begin(self, name: str, at: float, parent: Span | None, attributes: dict[str, Any]) -> Span:
        from opentelemetry import trace

        context = None if parent is None else trace.set_span_in_context(parent)
        self.count += 1
        return self.tracer.start_span(
            name, context=context, start_time=self._at(at), attributes=attributes
        )

    def _attempt(self, attempt: Attempt, run: Span) -> None:
        from opentelemetry.trace import StatusCode

        attributes = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": attempt.task,
            "gen_ai.agent.id": f"{attempt.task}.{attempt.number}",
            "gen_ai.conversation.id": self.story.record.header.run,
            "gen_ai.usage.input_tokens": attempt.input,
            "gen_ai.usage.output_tokens": attempt.output,
            "orchestrator.task": attempt.task,
            "orchestrator.attempt": attempt.number,
            "orchestrator.worker": attempt.worker,
            "orchestrator.outcome": attempt.outcome,
        }
        span = self._begin(f"invoke_agent {attempt.task}", attempt.begin, run, attributes)
        for mark in attempt.marks:
            span.add_event(f"orchestrator.{mark.kind}", {"path": mark.path}, self._at(mark.at))
        since = attempt.begin
        for at, digest in attempt.told:
            phases = (one.begin for one in attempt.spans if one.phase != "reason")
            answered = next((begin for begin in phases if since <= begin <= at), at)
            self._turn(digest, (since, answered, at), span)
            since = at
        if attempt.outcome not in ("succeeded", "running"):
            span.set_attribute("error.type", attempt.outcome)
            span.set_status(StatusCode.ERROR, attempt.outcome)
        span.end(self._at(attempt.end))

    def _turn(self, digest: str, times: tuple[float, float, float], parent: Span) -> None:
        """Send a turn and its tool calls. The log tells when a turn began, was answered and had
        been carried out; all its calls are given the time between the last two."""
        begin, answered, end = times
        try:
            turn = json.loads(self.blobs.get(digest))["turn"]
            tools = [(str(call["id"]), str(call["name"])) for call in turn["calls"]]
        except (LogError, ValueError, KeyError, TypeError):
            return
        model = self.story.record.header.model
        usage = turn.get("usage") or {}
        chat = self._begin(f"chat {model}", begin, parent, {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": model.partition(":")[0],
            "gen_ai.request.model": model.partition(":")[2] or model,
            "gen_ai.usage.input_tokens": int(usage.get("input", 0)),
            "gen_ai.usage.output_tokens": int(usage.get("output", 0)),
        })  # fmt: skip
        chat.end(self._at(answered))
        for name, tool in tools:
            call = self._begin(f"execute_tool {tool}", answered, parent, {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": tool,
                "gen_ai.tool.call.id": name,
            })  # fmt: skip
            call.end(self._at(end))
