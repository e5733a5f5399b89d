"""Seeded mistakes: small, valid, and only where they can be noticed."""

from __future__ import annotations

import ast
from difflib import SequenceMatcher
from pathlib import Path

import pytest

from orchestrator import models
from orchestrator.models.mutate import mutate

SEEDS = range(60)


def all_mutations(text: str) -> set[str]:
    return {changed for seed in SEEDS if (changed := mutate(text, seed)) is not None}


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("print(a < b)", {"print(a <= b)"}),
        ("print(a >= b)", {"print(a > b)"}),
        ("print(a == b)", {"print(a != b)"}),
        ("print(a not in b)", {"print(a in b)"}),
        ("print(a is b)", {"print(a is not b)"}),
        ("print(a is  not b)", {"print(a is b)"}),
        ("print(a < b < c)", {"print(a <= b < c)", "print(a < b <= c)"}),
        ("print(a + b)", {"print(a - b)"}),
        ("print(a // b)", {"print(a * b)"}),
        ("print((a) * (b))", {"print((a) + (b))"}),
        ("a += b", {"a -= b"}),
        ("print(a and b or c)", {"print(a or b or c)", "print(a and b and c)"}),
        ("print(not a)", {"print(a)"}),
        ("print(not(a))", {"print((a))"}),
        ("print(True)", {"print(False)"}),
        ("print(7)", {"print(8)"}),
        ("print(0xff)", {"print(256)"}),
        ("return a", {"return None"}),
        ("return (\n        a,\n    )", {"return None"}),
    ],
)
def test_each_operator_changes_just_its_token(statement: str, expected: set[str]) -> None:
    head = "def f(a, b, c):\n    "
    assert all_mutations(head + statement + "\n") == {f"{head}{text}\n" for text in expected}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x = 'text'\n",
        "def f():\n    '''Returns 1 + 1.'''\n",
        "def f(a: 'int | 3') -> 'x < 3':\n    a: int = 3\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    limit = 3\n",
        "__all__ = [1]\n",
        "def f():\n    return None\n",
        "def f(a):\n    while a < 3:\n        a += 1\n",
        "def f(a):\n    raise ValueError(3)\n",
        "def f(a):\n    print(f'{a + 3}')\n",
        "def f(a):\n    print('x' + a)\n",
        "def f(:\n",
        "{\n",
        "x = 'a\0b'\n",
    ],
)
def test_nothing_to_get_wrong(text: str) -> None:
    assert all_mutations(text) == set()


def test_functions_are_preferred_to_module_level() -> None:
    text = "LIMIT = 3\n\ndef f(a):\n    return a\n"
    assert all_mutations(text) == {"LIMIT = 3\n\ndef f(a):\n    return None\n"}


def test_module_level_is_used_when_no_function_can_be_changed() -> None:
    assert all_mutations("LIMIT = 3\n") == {"LIMIT = 4\n"}
    assert all_mutations("class A:\n    limit = 3\n") == {"class A:\n    limit = 4\n"}


def test_positions_count_characters_and_keep_line_ends() -> None:
    text = "def f(a):\r\n    b = 'äöü€😀'; return a, b # é\r\n"
    assert all_mutations(text) == {"def f(a):\r\n    b = 'äöü€😀'; return None # é\r\n"}


def test_the_same_seed_gives_the_same_mistake_and_others_differ() -> None:
    text = "def f(a, b):\n    if a < b and not a:\n        return a + 1\n    return b - 2\n"
    assert mutate(text, 5) == mutate(text, 5)
    assert len(all_mutations(text)) > 5


@pytest.mark.parametrize("name", ["mutate", "oracle", "messages_api", "scripted_file"])
def test_a_mistake_in_real_code_is_valid_and_changes_one_place(name: str) -> None:
    text = (Path(models.__path__[0]) / f"{name}.py").read_text(encoding="utf-8")
    for seed in range(4):
        changed = mutate(text, seed)
        assert changed is not None
        before, after = ast.dump(ast.parse(text)), ast.dump(ast.parse(changed))
        assert before != after
        matcher = SequenceMatcher(None, text.splitlines(), changed.splitlines(), autojunk=False)
        assert len([code for code in matcher.get_opcodes() if code[0] != "equal"]) == 1
