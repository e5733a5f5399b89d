"""YAML documents: values, places, and everything that can be wrong with a file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.spec.yamldoc import Document, parse_document, read_document

FILE = Path("doc.yaml")


def parse(text: str) -> Document:
    return parse_document(text, FILE)


def the_problem(text: str) -> str:
    """Return the only problem of `text` as people read it."""
    (problem,) = parse(text).problems
    assert problem.code
    assert problem.fix
    return str(problem)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("off", "off"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("1e3", 1000.0),
        ("-12", -12),
        ("007", 7),
        ("0x1F", 31),
        ("0o17", 15),
        ("1_000", "1_000"),
        (".5", 0.5),
        (".", "."),
        ("-", [None]),
        (".inf", ".inf"),
        ("1e999", "1e999"),
        ("2024-01-02", "2024-01-02"),
        ("1:30", "1:30"),
        ("'5'", "5"),
        ("! 5", "5"),
        ("!!str 5", "5"),
        ("!!int 5", 5),
        ("|\n  a\n  b\n", "a\nb\n"),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    document = parse(text)
    assert document.problems == ()
    assert document.data == value
    assert type(document.data) is type(value)


def test_a_number_with_too_many_digits_for_python_stays_text() -> None:
    digits = "9" * 5000
    assert parse(digits).data == digits


def test_keys_are_always_text() -> None:
    assert parse("200: ok\ntrue: yes\n~: x").data == {"200": "ok", "true": "yes", "~": "x"}


def test_empty_files_hold_nothing() -> None:
    for text in ("", "# only a comment\n", "---\n"):
        document = parse(text)
        assert document.data is None
        assert document.problems == ()


def test_places_count_from_one_and_fall_back_to_the_nearest_ancestor() -> None:
    document = parse("a: 1\nlist:\n  - é: x\n    two: 2\n")
    assert document.where(["a"]) == "doc.yaml:1:4"
    assert document.where(["a"], key=True) == "doc.yaml:1:1"
    assert document.where(["list", 0, "two"]) == "doc.yaml:4:10"
    assert document.where(["list", 0, "é"]) == "doc.yaml:3:8"
    assert document.where(["list", 0, "missing"]) == "doc.yaml:3:5"
    assert document.where(["list", 0, "missing"], key=True) == "doc.yaml:3:5"
    assert document.where(["list", 7]) == "doc.yaml:3:3"
    assert document.where(["nothing", "at", "all"]) == "doc.yaml:1:1"


def test_a_byte_order_mark_does_not_move_the_first_line(tmp_path: Path) -> None:
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    document = read_document(path)
    assert document.data == {"a": 1, "b": 2}
    assert document.where(["a"]) == f"{path}:1:4"


def test_aliases_and_merge_keys() -> None:
    document = parse(
        "base: &base {role: dev, n: 1}\n"
        "other: &other {n: 2, m: 3}\n"
        "one: {<<: *base, n: 5}\n"
        "two: {<<: [*base, *other]}\n"
        "three: *base\n"
        'four: {"<<": text}\n'
    )
    assert document.problems == ()
    assert document.data["one"] == {"role": "dev", "n": 5}
    assert document.data["two"] == {"role": "dev", "n": 1, "m": 3}
    assert document.data["three"] == {"role": "dev", "n": 1}
    assert document.data["four"] == {"<<": "text"}
    assert document.where(["one", "role"]) == "doc.yaml:1:20"


def test_a_merge_of_something_else_is_a_problem() -> None:
    assert the_problem("a: {<<: [1, {b: 2}]}").startswith("doc.yaml:1:9: `<<` takes a mapping")


def test_equal_keys_are_reported_with_both_places_and_all_at_once() -> None:
    document = parse("a: 1\nb: {c: 1, 'c': 2}\na: 3\n")
    assert [problem.where for problem in document.problems] == ["doc.yaml:2:11", "doc.yaml:3:1"]
    assert {problem.code for problem in document.problems} == {"duplicate-key"}
    assert "the first is at doc.yaml:1:1" in document.problems[1].fix
    assert document.data == {"a": 1, "b": {"c": 1}}


@pytest.mark.parametrize(
    ("text", "start", "hint"),
    [
        ("writes: [**]", "doc.yaml:1:10: this is not valid YAML", "quotation marks"),
        ("writes: *.py", "doc.yaml:1:9: this is not valid YAML", "quotation marks"),
        ("writes: *py", "doc.yaml:1:9: the alias `*py` names no anchor", '"*py"'),
        ("title: a: b", "doc.yaml:1:9: this is not valid YAML", "quotation marks"),
        ("a:\n\t- b", "doc.yaml:2:1: this is not valid YAML", "never tabs"),
        ("a: [1\n", "doc.yaml:2:1: this is not valid YAML", "closing `]`"),
        ("a:\n- [1\nb: 2", "doc.yaml:3:2: this is not", "begins at doc.yaml:2:3"),
        ("a: 'x", "doc.yaml:1:6: this is not valid YAML", "quotation marks"),
        ("a: \x01", "doc.yaml:1:4: this is not valid YAML", "correct the syntax"),
        ("- !src/a", "doc.yaml:1:3: the YAML tag `!src/a` means nothing", "quotation marks"),
        ("!!int x", "doc.yaml:1:1: the YAML tag", "remove the tag"),
        ("{a: b}: c", "doc.yaml:1:1: a key must be text", "quotation marks"),
        ("a\n---\nb", "doc.yaml:2:1: the file holds more than one", "remove this"),
        ("a: &x [*x]", "doc.yaml:1:8: the value `&x` contains itself", "write the value out"),
    ],
)
def test_what_is_not_yaml_gets_a_place_and_a_hint(text: str, start: str, hint: str) -> None:
    shown = the_problem(text)
    assert shown.startswith(start)
    assert hint in shown


@pytest.mark.parametrize("text", ["[" * 200_000, "{a: " * 200_000, "- " * 200_000])
def test_deep_nesting_is_a_problem_not_a_crash(text: str) -> None:
    assert "nested more than 100 deep" in the_problem(text)


def test_deep_nesting_through_aliases_is_a_problem() -> None:
    lines = ["- &a0 " + "[" * 60 + "]" * 60, "- " + "[" * 60 + "*a0" + "]" * 60]
    assert "nested more than 100 deep" in the_problem("\n".join(lines))


def test_aliases_that_multiply_are_stopped() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 12)
    ]
    assert "expand to more than 1,000,000 values" in the_problem("\n".join(lines))


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda path: None, "missing-file"),
        (lambda path: path.mkdir(), "not-a-file"),
        (lambda path: path.write_bytes(b"a: 1\nb: \xff"), "not-utf8"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, make: object, code: str) -> None:
    path = tmp_path / "plan.yaml"
    assert callable(make)
    make(path)
    document = read_document(path)
    assert document.data is None
    assert [problem.code for problem in document.problems] == [code]
    assert document.problems[0].where.startswith(str(path))
    assert document.where(["a"]) == str(path)


def test_a_byte_that_is_not_utf8_has_its_place(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_bytes(b"a: 1\nb: \xff")
    assert read_document(path).problems[0].where == f"{path}:2:4"


def test_paths_below_the_current_directory_are_shown_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plan.yaml").write_text("a: 1\n")
    monkeypatch.chdir(tmp_path)
    assert read_document(tmp_path / "plan.yaml").where(["a"]) == "plan.yaml:1:4"


def test_the_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_bytes(b"a: 1\r\n")
    assert read_document(path).digest == hashlib.sha256(b"a: 1\r\n").hexdigest()


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab01:-{}[],&*!|>'\"#%@`?<. \n\t\\~é\x00"), max_size=40))
def test_any_text_is_read_or_has_problems(text: str) -> None:
    document = parse(text)
    assert document.data is None or document.where([]).startswith("doc.yaml:")
    assert all(problem.code and problem.fix and problem.where for problem in document.problems)
