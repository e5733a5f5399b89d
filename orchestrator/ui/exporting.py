"""`export`: a run in the formats of other tools.

``--inspect`` writes a log of Inspect AI (format 2, JSON): one sample for the run, in it a span
per attempt, of type ``agent``, with the model's turns and tool calls. Its viewer and its data
frames then read the run. Inspect AI itself is not needed to write it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from orchestrator.core.states import TaskState
from orchestrator.errors import LogError, UsageError
from orchestrator.runtime.blobs import BlobStore
from orchestrator.ui.files import write_text
from orchestrator.ui.output import say
from orchestrator.ui.reading import find
from orchestrator.ui.reporting.story import Attempt, Mark, Story, read_story
from orchestrator.ui.summary import summarise
from orchestrator.ui.words import place

_STATUS = {
    "succeeded": "success",
    "failed": "success",  # the run came to its end; that tasks failed is its score
    "limit": "cancelled",
    "interrupted": "cancelled",
    "running": "started",
}
_ROOT = "run"
_SCORER = "tasks"
Event = dict[str, Any]


def show_export(run: str, *, inspect: bool, output: Path | None) -> None:
    """Write a run in the format of another tool and say where it is.

    Args:
        run: directory or id.
        inspect: as a log of Inspect AI.
        output: the file; None: ``inspect.json`` in the run's directory.

    Raises:
        UsageError: there is no such run, or no format is named.
        WorkspaceError: the file cannot be written.
        LogError: the log cannot be read.
    """
    if not inspect:
        raise UsageError("no format is named", "export", fix="add --inspect")
    folder = find(run)
    written = write_inspect(folder.path, output or folder.path / "inspect.json")
    say(f"Log for Inspect AI: {place(written)}")


def write_inspect(run_dir: Path, output: Path) -> Path:
    """Write a run as a log of Inspect AI; return the file.

    Raises:
        WorkspaceError: this is not the directory of a run, or the file cannot be written.
        LogError: the log cannot be read.
    """
    text = json.dumps(inspect_log(read_story(run_dir)), ensure_ascii=False, indent=1)
    write_text(output, text, what="the log", lossy=True)
    return output


def inspect_log(story: Story) -> dict[str, Any]:
    """Return a run as a log of Inspect AI, as JSON values."""
    header, times = story.record.header, _Times(story)
    counts = story.record.board.counts()
    share = counts[TaskState.SUCCEEDED] / (len(story.record.board.history.tasks) or 1)
    model = header.model or "task functions"
    return {
        "version": 2,
        "status": _STATUS[story.record.status],
        "eval": {
            "eval_id": header.run,
            "run_id": header.run,
            "created": times.at(0.0),
            "task": header.name or header.run,
            "task_id": header.run,
            "task_version": 0,
            "task_attribs": {},
            "task_args": {"mode": header.mode, "workers": header.workers, "seed": header.seed},
            "dataset": {"name": header.name, "samples": 1, "sample_ids": [header.run]},
            "model": model,
            "model_args": dict(header.options),
            "config": {},
            "packages": dict(header.packages),
            "metadata": {"plan_digest": header.plan_digest, "git": header.git},
        },
        "plan": {"name": "plan", "steps": [], "config": {}},
        "results": {
            "total_samples": 1,
            "completed_samples": 1,
            "scores": [
                {
                    "name": _SCORER,
                    "scorer": _SCORER,
                    "params": {},
                    "metrics": {"succeeded": {"name": "succeeded", "value": share, "params": {}}},
                }
            ],
        },
        "stats": {
            "started_at": times.at(story.begin),
            "completed_at": times.at(story.end),
            "model_usage": {model: _usage(story)},
        },
        "samples": [_sample(story, times, share, model)],
    }


class _Times:
    """From seconds of the run to date and time."""

    def __init__(self, story: Story) -> None:
        started = story.record.header.started or "1970-01-01T00:00:00Z"
        self._start = datetime.fromisoformat(started).astimezone(UTC)

    def at(self, seconds: float) -> str:
        return (self._start + timedelta(seconds=seconds)).isoformat()


def _usage(story: Story) -> dict[str, int]:
    tokens = story.record.metrics.tokens
    return _counted(tokens["input"], tokens["output"])


def _counted(given: int, made: int) -> dict[str, int]:
    return {"input_tokens": given, "output_tokens": made, "total_tokens": given + made}


def _sample(story: Story, times: _Times, share: float, model: str) -> dict[str, Any]:
    header = story.record.header
    return {
        "id": header.run,
        "epoch": 1,
        "input": header.goal or header.name,
        "target": "all tasks succeed",
        "messages": [],
        "output": {"model": model, "choices": []},
        "scores": {
            _SCORER: {
                "value": share,
                "explanation": summarise(story.record).headline,
                "metadata": {name: str(state) for name, state in story.record.board.states.items()},
            }
        },
        "metadata": story.record.metrics.to_json(),
        "store": {},
        "events": _numbered(story, times, model),
        "model_usage": {model: _usage(story)},
        "total_time": story.end - story.begin,
        "uuid": header.run,
    }


def _numbered(story: Story, times: _Times, model: str) -> list[Event]:
    """Return all events of the run in the order of their times."""
    found = [(story.begin, _span_begin(_ROOT, None, story.record.header.name or _ROOT, "run"))]
    blobs = BlobStore(story.record.folder.blobs)
    for attempt in story.attempts:
        found += _attempt(attempt, blobs, model)
    found.sort(key=lambda pair: pair[0])  # stable: what happened at one moment stays in order
    found.append((story.end, {"event": "span_end", "id": _ROOT, "span_id": _ROOT}))
    return [
        {
            **event,
            "uuid": f"{number:08d}",
            "timestamp": times.at(at),
            "working_start": max(0.0, at - story.begin),
        }
        for number, (at, event) in enumerate(found)
    ]


def _span_begin(name: str, parent: str | None, shown: str, kind: str) -> Event:
    return {
        "event": "span_begin",
        "id": name,
        "span_id": name,
        "parent_id": parent,
        "name": shown,
        "type": kind,
    }


def _attempt(attempt: Attempt, blobs: BlobStore, model: str) -> Iterator[tuple[float, Event]]:
    span = f"{attempt.task}.{attempt.number}"
    again = f" (attempt {attempt.number})" if attempt.number > 1 else ""
    begin = _span_begin(span, _ROOT, attempt.task + again, "agent")
    begin["metadata"] = {"worker": attempt.worker, "outcome": attempt.outcome}
    yield attempt.begin, begin
    # The viewer draws an agent from its first to its last event other than the span's own.
    started = {"event": "info", "source": "started", "data": {"worker": attempt.worker}}
    yield attempt.begin, {**started, "span_id": span}
    since = attempt.begin
    for at, digest in attempt.told:
        for event in _turn(blobs, digest, model):
            yield since, {**event, "span_id": span}
        since = at
    for mark in attempt.marks:
        yield mark.at, {**_mark(attempt, mark), "span_id": span}
    words = attempt.reason or attempt.summary or attempt.outcome
    data = {"outcome": attempt.outcome, "says": words, "files": [c.path for c in attempt.changes]}
    yield attempt.end, {"event": "info", "source": "outcome", "data": data, "span_id": span}
    yield attempt.end, {"event": "span_end", "id": span, "span_id": span}


def _mark(attempt: Attempt, mark: Mark) -> Event:
    data = {"task": attempt.task, "text": mark.text, "to": mark.to, "path": mark.path}
    return {
        "event": "info",
        "source": mark.kind,
        "data": {key: value for key, value in data.items() if value},
    }


def _turn(blobs: BlobStore, digest: str, model: str) -> Iterator[Event]:
    """Yield a turn of the model and the tool calls in it; nothing when its blob is lost."""
    try:
        told = json.loads(blobs.get(digest))
        turn, results = told["turn"], {one["call_id"]: one for one in told.get("results", ())}
        calls = [
            {"id": str(call["id"]), "function": str(call["name"]), "arguments": _object(call)}
            for call in turn["calls"]
        ]
    except (LogError, ValueError, KeyError, TypeError):
        return
    usage = turn.get("usage") or {}
    given = sum(int(usage.get(key, 0)) for key in ("input", "cache_read", "cache_write"))
    heard = str(told.get("heard") or "")
    yield {
        "event": "model",
        "model": model,
        "input": [{"role": "user", "content": heard}] if heard else [],
        "tools": [],
        "tool_choice": "auto",
        "config": {},
        "output": {
            "model": str(turn.get("model") or model),
            "choices": [
                {
                    "message": {
                        "role": "assistant",
                        "content": str(turn.get("text") or ""),
                        "tool_calls": [{**call, "type": "function"} for call in calls] or None,
                        "source": "generate",
                    },
                    "stop_reason": "tool_calls" if calls else "stop",
                }
            ],
            "usage": _counted(given, int(usage.get("output", 0))),
        },
    }
    for call in calls:
        yield _tool(call, results.get(call["id"]))


def _object(call: Mapping[str, Any]) -> dict[str, Any]:
    given = call.get("input")
    return given if isinstance(given, dict) else {"value": given}


def _tool(call: Mapping[str, Any], answer: Mapping[str, Any] | None) -> Event:
    text = "" if answer is None else str(answer["content"])
    failed = bool(answer and answer.get("is_error"))
    return {
        "event": "tool",
        "type": "function",
        **call,
        "result": text,
        "error": {"type": "unknown", "message": text} if failed else None,
        "events": [],
    }
