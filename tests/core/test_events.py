"""Events in the log: what goes in comes out, and what cannot be read is said."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from typing import Any, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.core.encoding import decode, encode, task_from_json, task_to_json
from orchestrator.core.events import KINDS, Added, AttemptEnded, Event, Noted, RequestRefused, Wrote
from orchestrator.core.limits import Budget, Limits, ProviderLimits
from orchestrator.core.messages import Reads, Spent
from orchestrator.core.task import Task
from orchestrator.errors import LogError

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
seconds = st.floats(0, 1e9)
whole = st.integers(-1, 2**53)

tasks = st.builds(
    Task,
    **{
        name: st.lists(text, max_size=2).map(tuple)
        for name in ("depends_on", "writes", "reads", "shares", "tests")
    },
    **dict.fromkeys(("id", "title", "instructions", "role", "test"), text),
    estimate=seconds,
    tokens=st.none() | whole,
    seconds=st.none() | seconds,
)


some = st.none() | whole
budgets = st.builds(Budget, tokens=some, turns=some, usd=st.none() | seconds)
limits = st.builds(
    Limits,
    workers=whole,
    wall=st.none() | seconds,
    attempts_by=st.dictionaries(text, whole, max_size=2),
    roles=st.dictionaries(text, budgets, max_size=2),
    provider=st.builds(ProviderLimits, concurrent=some),
)

by_type: dict[Any, st.SearchStrategy[Any]] = {
    float: seconds,
    int: whole,
    str: text,
    Reads: st.lists(st.tuples(text, whole), max_size=2).map(tuple),
    Spent: st.builds(Spent, whole, whole, whole, whole, st.none() | seconds),
    Limits | None: st.none() | limits,
    tuple[Task, ...]: st.lists(tasks, max_size=2).map(tuple),
}


def values(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Build any event of a kind from the types of its fields."""
    hints = get_type_hints(kind)
    return st.builds(
        kind, **{name: by_type.get(hint, st.from_type(hint)) for name, hint in hints.items()}
    )


events = st.one_of([values(kind) for kind in KINDS.values()])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_comes_out_as_it_went_in(kind: str) -> None:
    @settings(max_examples=40)
    @given(values(KINDS[kind]))
    def round_trip(event: Event) -> None:
        row = encode(event)
        assert row[:4] == (event.at, kind, event.task, event.attempt)
        assert decode(*row) == event

    round_trip()


@given(events)
def test_the_body_holds_what_differs_from_its_default(event: Any) -> None:
    body = json.loads(encode(event)[4])
    expected = {
        field.name
        for field in fields(event)
        if field.default is MISSING or getattr(event, field.name) != field.default
    }
    assert body.keys() == expected - {"at", "task", "attempt"}


@given(tasks)
def test_a_task_comes_out_as_it_went_in(task: Task) -> None:
    written = task_to_json(task)
    assert task_from_json(json.loads(json.dumps(written))) == task
    assert all(written[f.name] != f.default for f in fields(Task) if f.name in written)


def test_a_plain_task_is_written_in_a_few_bytes() -> None:
    event = Added(1.0, "", 0, (Task(id="a"),))
    assert json.loads(encode(event)[4]) == {"tasks": [{"id": "a"}]}


def test_no_two_kinds_share_a_class() -> None:
    assert len(set(KINDS.values())) == len(KINDS)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("dreamt", "{}"),
        ("renewed", "{"),
        ("renewed", ""),
        ("renewed", "[]"),
        ("renewed", "3"),
        ("renewed", "null"),
        ("renewed", "{}"),
        ("renewed", '{"token": 1, "mood": "good"}'),
        ("reported", '{"token": 1, "phase": "write", "turn": 1, "spent": {"dreams": 3}}'),
        ("reported", '{"token": 1, "phase": "write", "turn": 1, "reads": [["a.py"]]}'),
        ("added", '{"tasks": [{"title": "without an id"}]}'),
        ("added", '{"tasks": [{"id": "a", "mood": "good"}]}'),
    ],
)
def test_what_cannot_be_read_is_said(kind: str, body: str) -> None:
    with pytest.raises(LogError, match=f"event of kind '{kind}' cannot be read") as caught:
        decode(12.5, kind, "lexer", 1, body)
    assert caught.value.where == "task lexer, 12.500 s"
    assert caught.value.fix


def test_numbers_and_names_survive_as_they_are() -> None:
    """Not only equal: of the same types, so that a fold of the log behaves like the run."""
    event = Wrote(0.1 + 0.2, "a/ü", 2, 7, "src/ß.py", 9, None, 3, (("x.py", 4),), True)
    again = decode(*encode(event))
    assert repr(again) == repr(event)
    spent = Spent(1, 2, 3, 4, None)
    ended = AttemptEnded(1.0, "a", 1, 7, "limit", "why", "ready", False, spent, ("x.py",))
    assert repr(decode(*encode(ended))) == repr(ended)
    refused = RequestRefused(1.0, "a", 1, 7, "write", "scope", "why", ("x.py",))
    assert repr(decode(*encode(refused))) == repr(refused)


def test_half_a_surrogate_pair_does_not_stop_the_log() -> None:
    *_, body = encode(Noted(1.0, "a", 1, 1, "half \ud800 a pair", "ok"))
    assert decode(1.0, "noted", "a", 1, body) == Noted(1.0, "a", 1, 1, "half ? a pair", "ok")
