"""Rework of attempts whose work was handed in and sent back."""

from __future__ import annotations

import pytest

from orchestrator.core import events as e
from orchestrator.core.messages import Spent
from orchestrator.core.task import Task
from orchestrator.lab.metrics import metrics_of
from orchestrator.lab.spending import spending_of


def begun(at: float, attempt: int = 1) -> e.LeaseGranted:
    return e.LeaseGranted(at, "a", attempt, attempt, "w1")


def turn(at: float, number: int, tokens: int, attempt: int = 1) -> e.Reported:
    return e.Reported(at, "a", attempt, attempt, "reason", number, Spent(tokens, 0))


def refused(at: float, request: str, attempt: int = 1) -> e.RequestRefused:
    return e.RequestRefused(at, "a", attempt, attempt, request, "stale", "why")


def succeeded(at: float, attempt: int = 1) -> e.Succeeded:
    return e.Succeeded(at, "a", attempt, attempt, 1)


def ended(at: float) -> e.AttemptEnded:
    return e.AttemptEnded(at, "a", 1, 1, "gave_up", "no", "ready", True)


def rework(*events: e.Event) -> tuple[float, int, int]:
    found = spending_of(events)
    seconds = metrics_of((Task(id="a"),), 1, events).rework_seconds
    return seconds, found.rework_tokens, found.rework_turns


@pytest.mark.parametrize("request_", ["merge", "submit"])
def test_what_follows_a_refused_hand_in_is_rework(request_: str) -> None:
    events = [begun(0), turn(1, 1, 100), turn(2, 2, 10), refused(5, request_), turn(6, 3, 7),
              refused(8, request_), turn(9, 4, 5), succeeded(12)]  # fmt: skip
    assert rework(*events) == (7, 12, 2)


def test_a_refused_write_is_none() -> None:
    assert rework(begun(0), refused(1, "write"), turn(2, 1, 9), succeeded(3)) == (0, 0, 0)


def test_an_attempt_that_is_lost_counts_once() -> None:
    events = [begun(0), turn(1, 1, 100), refused(2, "merge"), turn(3, 2, 7), ended(4)]
    assert rework(*events) == (4, 107, 2)
    more = [*events, begun(5, 2), turn(6, 1, 50, 2), succeeded(8, 2)]
    assert rework(*more) == (4, 107, 2)
