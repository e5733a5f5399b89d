"""Turns from a script."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from orchestrator.errors import ModelError, UsageError
from orchestrator.models.base import Briefing, Exchange, ToolCall, Turn, Usage
from orchestrator.models.scripted import Line, ScriptedModel

NEVER = threading.Event()

GOOD = """\
lexer:
  - text: I write.
    calls:
      - {tool: write_file, input: {path: a.py, content: "x = 1\\n"}}
      - {tool: run_tests}
    usage: {input: 12, output: 3, cache_read: 4, cache_write: 5}
  - {text: bye, stop: refusal}
no:
  1: [{text: first}]
  2:
    - text: second
"*": [{calls: [{tool: submit, input: {summary: ok}}]}]
"""


def briefing(task: str, attempt: int = 1) -> Briefing:
    return Briefing(task, attempt, 1, "", "", ())


def load(tmp_path: Path, text: str, name: str = "script.yaml") -> ScriptedModel:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return ScriptedModel.from_options(name, {}, tmp_path)


def mistakes(tmp_path: Path, text: str, name: str = "script.yaml") -> list[str]:
    with pytest.raises(UsageError) as caught:
        load(tmp_path, text, name)
    place = f"{tmp_path / name}:"
    return [f"{p.where.removeprefix(place)} {p.what}" for p in caught.value.problems]


def test_turns_come_in_order(tmp_path: Path) -> None:
    model = load(tmp_path, GOOD)
    first = model.next_turn(briefing("lexer"), [], NEVER)
    assert first == Turn(
        text="I write.",
        calls=(
            ToolCall("lexer.1.1.1", "write_file", {"path": "a.py", "content": "x = 1\n"}),
            ToolCall("lexer.1.1.2", "run_tests", {}),
        ),
        usage=Usage(12, 3, 4, 5),
        stop="tool_use",
    )
    second = model.next_turn(briefing("lexer"), [Exchange(first)], NEVER)
    assert second == Turn(text="bye", stop="refusal")


@pytest.mark.parametrize(("attempt", "text"), [(1, "first"), (2, "second"), (3, "second")])
def test_turns_by_attempt_and_a_task_named_like_a_yaml_boolean(
    tmp_path: Path, attempt: int, text: str
) -> None:
    assert load(tmp_path, GOOD).next_turn(briefing("no", attempt), [], NEVER).text == text


def test_any_other_task_plays_the_star(tmp_path: Path) -> None:
    turn = load(tmp_path, GOOD).next_turn(briefing("elsewhere"), [], NEVER)
    assert [call.name for call in turn.calls] == ["submit"]


def test_the_end_of_the_script_is_told() -> None:
    model = ScriptedModel({"a": [Turn(text="only")]})
    with pytest.raises(ModelError, match=r"ended for task 'a', attempt 1, at turn 2") as caught:
        model.next_turn(briefing("a"), [Exchange(Turn())], NEVER)
    assert not caught.value.retryable


def test_a_task_that_is_not_in_the_script_is_told_with_the_nearest() -> None:
    model = ScriptedModel({"parser": [Turn()]})
    with pytest.raises(ModelError, match="did you mean 'parser'"):
        model.next_turn(briefing("parsr"), [], NEVER)


def test_delay_is_waited_on_the_interrupt() -> None:
    waits = []

    class Recorder(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout)
            return False

    model = ScriptedModel({"a": [Line(Turn(text="slow"), delay=30.0)]})
    assert model.next_turn(briefing("a"), [], Recorder()).text == "slow"
    assert waits == [30.0]


def test_json_with_tabs_and_characters_in_two_halves(tmp_path: Path) -> None:
    text = json.dumps({"a": [{"text": "tab\there 😀"}]}, indent="\t")
    assert "\\ud83d" in text
    turn = load(tmp_path, text, "script.json").next_turn(briefing("a"), [], NEVER)
    assert turn.text == "tab\there 😀"


def test_all_mistakes_are_told_with_their_places(tmp_path: Path) -> None:
    text = """\
a:
  - txt: x
  - {calls: [{tol: run_tests}], usage: {inputs: 1, output: -1}, stop: now, delay: soon}
  - 3
a: []
b:
  zero: []
  1: turns
c:
  - {calls: [{tool: t, input: [1]}], text: 7}
  - {calls: [{tool: t, input: {when: 2024-01-01}}], usage: {input: 1.5, output: true}}
"""
    assert mistakes(tmp_path, text) == [
        "5:1 'a' is there twice",
        "7:3 'zero' is not the number of an attempt",
        "8:6 expected a list of turns",
        "10:31 the input of a call is not a mapping",
        "10:44 7 is not a text",
        "11:31 datetime.date(2024, 1, 1) is not a value that JSON has",
        "11:68 1.5 is not a whole number of model tokens, 0 or more",
        "11:81 True is not a whole number of model tokens, 0 or more",
    ]


def test_mistakes_in_a_turn_name_the_nearest_key(tmp_path: Path) -> None:
    text = """\
a:
  - txt: x
  - {calls: [{tol: run_tests}], usage: {inputs: 1, output: -1}, stop: now, delay: soon}
  - 3
"""
    assert mistakes(tmp_path, text) == [
        "2:5 a turn has no 'txt'",
        "3:15 a call has no 'tol'",
        "3:14 a call without a tool",
        "3:41 usage has no 'inputs'",
        "3:60 -1 is not a whole number of model tokens, 0 or more",
        "3:71 'now' is not a reason to stop",
        "3:83 'soon' is not seconds, 0 or more",
        "4:5 expected a turn: a mapping",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "is empty"),
        ("- a", "expected task ids with turns"),
        ("a: [", "is not YAML"),
        ("a: [{calls: [{tool: t, input: {x: &i [*i]}}]}]", "cannot be read"),
        ("a: [{calls: [{tool: t, input: {x: !!python/name:os.system }}]}]", "cannot be read"),
    ],
)
def test_files_that_are_no_scripts(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        load(tmp_path, text)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"missing\.yaml cannot be read"):
        ScriptedModel.from_options("missing.yaml", {}, tmp_path)
