from __future__ import annotations

import pickle
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.core.paths import (
    MAX_PATH_BYTES,
    MAX_SEGMENT_BYTES,
    REFUSED_CHARACTERS,
    PathError,
    canonical,
    leaves,
    twin_key,
)


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("src/a.py", "src/a.py"),
        ("./src/a.py", "src/a.py"),
        ("src/./a.py", "src/a.py"),
        ("src//a.py", "src/a.py"),
        ("src/", "src"),
        ("././a/.//b/./", "a/b"),
        (".gitignore", ".gitignore"),
        (".github/workflows/ci.yml", ".github/workflows/ci.yml"),
        ("a.git/x", "a.git/x"),
        ("...", "..."),
        ("..a/b..", "..a/b.."),
        (" leading/in ner", " leading/in ner"),
        ("a~/b", "a~/b"),
        ("src/é.py", "src/é.py"),
        ("./日本/ファイル", "日本/ファイル"),
        ("x" * MAX_SEGMENT_BYTES, "x" * MAX_SEGMENT_BYTES),
        ("ab:c", "ab:c"),
    ],
)
def test_harmless_spellings_become_plain(written: str, plain: str) -> None:
    assert canonical(written) == plain


@pytest.mark.parametrize(
    ("path", "about"),
    [
        ("", "empty"),
        (".", "workspace itself"),
        ("./", "workspace itself"),
        ("/etc/passwd", "not relative"),
        ("//a", "not relative"),
        ("~", "home"),
        ("~/x", "home"),
        ("~root/x", "home"),
        ("./~/x", "home"),
        ("C:\\x", "backslash"),
        ("C:/x", "drive"),
        ("c:x", "drive"),
        ("./c:/x", "drive"),
        ("..", "climbs"),
        ("../x", "climbs"),
        ("a/../b", "climbs"),
        ("a/..", "climbs"),
        ("a\\b", "backslash"),
        ("a\0b", "control"),
        ("a\nb", "control"),
        ("a.py\n", "control"),
        ("a\tb", "control"),
        ("a\x7f", "control"),
        ("a\x85b", "control"),
        ("a\u2028b", "line separator"),
        ("a\u202eyp.exe", "bidirectional"),
        ("a\u2066b", "bidirectional"),
        (".g\u200cit/config", "invisible"),
        ("\ufeffa", "invisible"),
        ("a\udcff", "surrogate"),
        ("e\u0301.py", "normal form"),
        ("a /b", "ends in a space"),
        ("a ", "ends in a space"),
        (".git", "internal"),
        (".git/config", "internal"),
        ("sub/.git/hooks/x", "internal"),
        (".GIT/config", "internal"),
        (".orchestrator/runs", "internal"),
        ("a/.Orchestrator", "internal"),
        (".orche\u017ftrator/x", "internal"),
        ("x" * (MAX_SEGMENT_BYTES + 1), "longer than 255"),
        ("é" * 128, "longer than 255"),
        ("/".join(["abc"] * 1025), "longer than 4096"),
        ("/".join(["é" * 100] * 21), "longer than 4096"),
    ],
)
def test_refusals_say_what_and_how_instead(path: str, about: str) -> None:
    with pytest.raises(PathError) as caught:
        canonical(path)
    assert about in caught.value.what
    assert caught.value.fix
    assert str(caught.value) == f"{caught.value.what}; {caught.value.fix}"


def test_the_normal_form_is_named() -> None:
    with pytest.raises(PathError) as caught:
        canonical("cafe\u0301")
    assert repr("café") in caught.value.fix


def test_longest_path_is_taken() -> None:
    longest = "/".join(["x" * 255] * 16)
    assert len(longest) == MAX_PATH_BYTES - 1
    assert canonical(longest) == longest
    assert canonical("./" * 100 + longest) == longest


@pytest.mark.parametrize("path", ["x" * 50_000_000, "./" * 10_000 + "a", "é/" * 10_000])
def test_an_endless_path_is_refused_in_a_few_words(path: str) -> None:
    with pytest.raises(PathError, match="longer than") as caught:
        canonical(path)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("path", ["\\" + "x" * 4000, "../" + "x" * 4000, "e\u0301" * 2000])
def test_a_long_path_is_not_repeated_in_full(path: str) -> None:
    with pytest.raises(PathError) as caught:
        canonical(path)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    "text",
    [
        "/etc/passwd", "//etc", "~/x", "./~/x", "c:/x", "./c:x", "..", "../x", "a/../b", "a/..",
        "..\\x", "\\etc", ".git", "a/.GIT/b", ".Orchestrator/x", "../**", ".git/**",
        ".orche\u017ftrator/x", "../x\n",
    ],
)  # fmt: skip
def test_what_leads_out_of_the_workspace_is_told_apart(text: str) -> None:
    assert leaves(text)
    with pytest.raises(PathError):
        canonical(text)


@pytest.mark.parametrize(
    "text",
    ["a", "src/a.py", "", ".", "...", "a\n", ".github/x", "a.git", "x" * 20_000, "**", "a/ b"],
)
def test_what_is_only_misspelt_does_not_lead_out(text: str) -> None:
    assert not leaves(text)


def test_errors_survive_pickling() -> None:
    error = PathError("what", "fix")
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.what, copy.fix, str(copy)) == ("what", "fix", "what; fix")


def test_table_of_refused_characters_is_sorted_and_disjoint() -> None:
    ends = [code for first, last, _ in REFUSED_CHARACTERS for code in (first, last)]
    assert ends == sorted(ends)
    assert all(a[1] < b[0] for a, b in pairwise(REFUSED_CHARACTERS))


def test_every_control_character_is_refused() -> None:
    for code in range(0x110000):
        if unicodedata.category(chr(code)) in {"Cc", "Cs", "Zl", "Zp"}:
            assert any(first <= code <= last for first, last, _ in REFUSED_CHARACTERS), hex(code)


TEXTS = st.lists(
    st.one_of(
        st.sampled_from([*"ab./~: \\C", ".git", "..", "é", "e\u0301", "\u202e", "\n"]),
        st.characters(),
    ),
    max_size=12,
).map("".join)


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_the_plain_form_is_a_fixed_point_and_harmless(text: str) -> None:
    try:
        plain = canonical(text)
    except PathError:
        return
    assert canonical(plain) == plain
    segments = plain.split("/")
    assert not {"", ".", "..", ".git"} & set(segments)
    assert not any(segment.endswith(" ") for segment in segments)
    assert unicodedata.is_normalized("NFC", plain)
    assert plain.isprintable() or not plain.isascii()


@settings(max_examples=300, deadline=None)
@given(st.text("ab./ ~:", min_size=1, max_size=10))
def test_quick_and_thorough_ways_agree(text: str) -> None:
    """A path with one more, non-ASCII segment takes the thorough way and must fare alike."""
    outcomes = []
    for path in (text, f"{text}/é"):
        try:
            outcomes.append(canonical(path).removesuffix("/é"))
        except PathError:
            outcomes.append("refused")
    plain_names_nothing = set(text) <= {".", "/"} and not text.startswith("/") and ".." not in text
    assert outcomes[0] == outcomes[1] or plain_names_nothing


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("README.md", "readme.MD"),
        ("straße", "STRASSE"),
        ("é", "e\u0301"),
        ("É", "e\u0301"),
        ("\u212b", "å"),
        ("Σ", "ς"),
        ("\u0345\u0301", "\u0301\u0345"),
    ],
)
def test_twins_share_a_key(a: str, b: str) -> None:
    assert twin_key(a) == twin_key(b)


@pytest.mark.parametrize(("a", "b"), [("a", "b"), ("x²", "x2"), ("a/b", "a_b"), ("é", "e")])
def test_different_names_have_different_keys(a: str, b: str) -> None:
    assert twin_key(a) != twin_key(b)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=12))
def test_case_and_normal_form_never_change_the_key(text: str) -> None:
    key = twin_key(text)
    assert twin_key(unicodedata.normalize("NFC", text)) == key
    assert twin_key(unicodedata.normalize("NFD", text)) == key
    assert twin_key(text.casefold()) == key
