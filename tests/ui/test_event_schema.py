"""The JSON Schema of events fits what the log holds, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from orchestrator.core import events as e
from orchestrator.core.encoding import encode
from orchestrator.core.limits import Budget, Limits
from orchestrator.core.messages import Spent
from orchestrator.core.task import Task
from orchestrator.ui.schemas import event_schema

SCHEMA = event_schema()
VALIDATOR = Draft202012Validator(SCHEMA)

EXAMPLES: list[e.Event] = [
    e.LeaseGranted(0.5, "a", 1, 1, "w1"),
    e.Blocked(1, "b", 0, ("a", "c")),
    e.Renewed(1, "a", 1, 1),
    e.Reported(1, "a", 1, 1, "test", 3, Spent(1, 2, usd=None), (("x.py", 4),), "d", "run_tests"),
    e.Wrote(1, "a", 1, 1, "x.py", 5, None, 4, rebased=True),
    e.RequestRefused(1, "a", 1, 1, "write", "stale", "changed", ("x.py",)),
    e.Succeeded(2, "a", 1, 1, 5, "d", "done"),
    e.AttemptEnded(2, "a", 1, 1, "gave_up", "no", "ready", True, Spent(3)),
    e.Undone(2, "a", 1, "x.py", 6, "d"),
    e.ChangedOutside(2, "", 0, "x.py", 6, None),
    e.Skipped(2, "b", 0, "a failed"),
    e.Cancelled(2, "b", 0, "no"),
    e.Approved(2, "b", 0, "ann"),
    e.Retried(2, "b", 0),
    e.Added(2, "a", 1, (Task(id="n", writes=("x",), approval=True, estimate=3.0),), ("b",)),
    e.Widened(2, "a", 1, 1, ("x/**",)),
    e.WidenWaits(2, "a", 1, 1, ("x/**",), ("b",)),
    e.Sent(2, "a", 1, 1, "all", "info", "hello"),
    e.Noted(2, "a", 1, 1, "title", "text"),
    e.LimitReached(2, "", 0, "usd", 10.0),
    e.Finished(3, "", 0, "limit", "usd"),
    e.Resumed(3, "", 0),
    e.Resumed(3, "", 0, Limits(attempts_by={"error": 2}, roles={"tester": Budget(usd=1.0)})),
    e.Reserved(3, "a", 1, 1, Spent(output=9, usd=0.5)),
    e.BudgetWaits(3, "a", 1, 1, "tokens"),
    e.SubmitWaits(3, "a", 1, 1, ("b",)),
    e.Rested(3, "a", 1),
    e.Remained(3, "a", 1, "x.py", 1),
    e.SpentLate(3, "a", 1, 1, Spent(output=9)),
]


def line(event: e.Event) -> dict[str, Any]:
    """The event as `events --json` prints it."""
    at, kind, task, attempt, body = encode(event)
    return {"seq": 1, "at": at, "kind": kind, "task": task, "attempt": attempt, **json.loads(body)}


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_there_is_an_example_of_every_kind() -> None:
    assert {type(event) for event in EXAMPLES} == set(e.KINDS.values())


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: type(event).__name__)
def test_every_kind_fits(event: e.Event) -> None:
    VALIDATOR.validate(line(event))


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: type(event).__name__)
def test_what_is_too_much_or_too_little_does_not_fit(event: e.Event) -> None:
    whole = line(event)
    assert not VALIDATOR.is_valid({**whole, "surprise": 1})
    assert not VALIDATOR.is_valid({**whole, "kind": "unheard-of"})
    for key in ("seq", "at", "task", "attempt"):
        assert not VALIDATOR.is_valid({k: v for k, v in whole.items() if k != key})


@pytest.mark.parametrize(
    ("index", "change"),
    [
        (0, {"token": "one"}),
        (3, {"phase": "sleep"}),
        (3, {"reads": [["x.py"]]}),
        (3, {"reads": [["x.py", 4, 5]]}),
        (4, {"digest": 3}),
        (7, {"cause": "boredom"}),
        (14, {"tasks": [{"title": "no id"}]}),
        (20, {"status": "great"}),
    ],
)
def test_wrong_values_do_not_fit(index: int, change: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid({**line(EXAMPLES[index]), **change})
