"""Arguments of a call: what is accepted, and what a model is told about the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.spec.roles import Role, load_role

MINI = Path(__file__).parent / "data" / "mini_role.yaml"


@pytest.fixture(scope="module")
def role() -> Role:
    return load_role(MINI)


def check(role: Role, name: str, arguments: Any) -> list[str]:
    operation = role.operation(name)
    assert operation is not None
    return operation.check(arguments)


@pytest.mark.parametrize(
    ("operation", "arguments", "sentences"),
    [
        ("write_file", {"path": "src/a.py", "content": ""}, []),
        ("write_file", {"path": "./src//a.py", "content": ""}, []),
        ("write_file", {"path": "src/vendor/a.py", "content": ""},
         ["'src/vendor/a.py' is outside the files that this role may write. "
          "Allowed: `src/**` except `src/vendor/**`."]),
        ("read_file", {"path": "docs/a.md"},
         ["'docs/a.md' is outside the files that this role may read. "
          "Allowed: `src/**`, `tests/**`."]),
        ("read_file", {"path": "src/a.py", "end_line": 1.0},
         ["`end_line` must be a whole number, not 1.0."]),
        ("read_file", {"path": "src/a.py", "end_line": True},
         ["`end_line` must be a whole number, not True."]),
        ("read_file", {"path": "src/a.py", "end_line": 0},
         ["`end_line` must be at least 1, not 0."]),
        ("read_file", {"path": "src/a.py", "start_line": 1},
         ["There is no argument `start_line`. Did you mean `end_line`? "
          "There are: path, end_line."]),
        ("write_file", {},
         ["`path` is missing. Allowed files: `src/**` except `src/vendor/**`.",
          "`content` is missing."]),
        ("write_file", {"path": 3, "content": None},
         ["`path` must be text, not 3.", "`content` must be text, not None."]),
        ("write_file", [], ["The arguments must be one object with: path, content."]),
        ("run_command", {"command": "ruff check"}, []),
        ("run_command", {"command": ""},
         ["`command` must not be empty.", "The command '' is not allowed. Allowed: A linter. "
          "As a whole it must match ruff( [a-z./]+)*"]),
        ("run_command", {"command": "sh -c ruff"},
         ["The command 'sh -c ruff' is not allowed. Allowed: A linter. "
          "As a whole it must match ruff( [a-z./]+)*"]),
        ("send_message", {"to": "all", "kind": "note", "text": "x" * 21},
         ["`kind` must be one of `question`, `answer`, not 'note'.",
          "`text` must have at most 20 characters, not 'xxxxxxxxxxxxxxxxxxxxx'."]),
        ("send_message", {"to": "task:a.b/c", "kind": "answer", "text": "yes"}, []),
    ],
)  # fmt: skip
def test_a_model_is_told_what_is_wrong_and_what_is_allowed(
    role: Role, operation: str, arguments: Any, sentences: list[str]
) -> None:
    assert check(role, operation, arguments) == sentences


@pytest.mark.parametrize(
    "path",
    ["src/../docs/a", "/src/a.py", "src/a.py\n", "src\\a.py", "src/\0", "", "src/vendor/../a", "."],
)
def test_a_path_that_only_looks_allowed_is_refused(role: Role, path: str) -> None:
    assert check(role, "write_file", {"path": path, "content": ""}) != []


@pytest.mark.parametrize(
    "command", ["ruff check\n", "ruff; rm", "echo ruff check", "ruff check $HOME", "ruff\ncheck"]
)
def test_a_command_must_match_as_a_whole(role: Role, command: str) -> None:
    assert len(check(role, "run_command", {"command": command})) == 1


def test_commands_may_be_listed(tmp_path: Path) -> None:
    path = tmp_path / "role.yaml"
    path.write_text(
        MINI.read_text().replace("pattern: 'ruff( [a-z./]+)*'", "enum: [make test, make lint]")
    )
    role = load_role(path)
    assert check(role, "run_command", {"command": "make test"}) == []
    assert check(role, "run_command", {"command": "make clean"}) == [
        "The command 'make clean' is not allowed. Allowed: `make test`, `make lint`."
    ]


def test_a_long_value_is_shortened(role: Role) -> None:
    (sentence,) = check(role, "read_file", {"path": "src/a.py", "end_line": "9" * 10_000})
    assert len(sentence) < 150


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"path": nested(100_000)}, "`path` is nested deeper than 16 levels: make it flat."),
        ({"path": ["x"] * 5001}, "The call has more than 5000 values: send less at a time."),
        ({"path": "x" * 20_001},
         "`path` has a text of 20001 characters; 20000 are allowed: shorten it."),
        ({"path": "src/a.py", "content": "x" * 12_000_000},
         "The call has more than 12000000 characters: send less at a time."),
        ({"path": "src/a.py", "content": "\ud800"},
         "`content` has a character that cannot be stored, '\\ud800' (lone surrogates are half a "
         "character): leave it out."),
        ({"\ud800": 1},
         "`a name` has a character".replace("`a name`", "An argument") + " that cannot be stored, "
         "'\\ud800' (lone surrogates are half a character): leave it out."),
        ({"path": 10**5000}, "`path` holds a number that is too large: write a smaller one."),
        ({"path": b"src/a.py"}, "`path` holds a bytes, which JSON does not have."),
        ({"x" * 500: 1, "path": "src/a.py", "content": ""},
         f"There is no argument '{'x' * 79}.... There are: path, content."),
    ],
)  # fmt: skip
def test_what_cannot_even_be_checked_is_refused(
    role: Role, arguments: dict[str, Any], sentence: str
) -> None:
    assert check(role, "write_file", arguments) == [sentence]


def test_a_file_may_be_longer_than_a_message(role: Role) -> None:
    assert check(role, "write_file", {"path": "src/a.py", "content": "x" * 1_000_000}) == []


def test_of_very_many_mistakes_the_first_are_told(role: Role) -> None:
    told = check(role, "write_file", {f"k{number}": 1 for number in range(2000)})
    assert len(told) == 13
    assert told[-1] == "There is more that is not right; mend this first."


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
_names = st.sampled_from(["path", "content", "glob", "end_line", "command", "to", "kind", "text"])


@pytest.mark.slow
@given(arguments=_json | st.dictionaries(_names, _json))
@settings(max_examples=100, deadline=None)
def test_whatever_a_model_sends_gets_an_answer_in_sentences(role: Role, arguments: Any) -> None:
    for operation in role.operations:
        for sentence in operation.check(arguments):
            assert sentence[0] in "`T'\""
            assert len(sentence) < 1000
