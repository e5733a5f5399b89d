from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from functools import lru_cache
from itertools import product
from random import Random

import pytest

from orchestrator.core.automata import compiled
from orchestrator.core.matcher import MAX_CACHED_MOVES, Matcher, matcher
from orchestrator.core.paths import canonical
from orchestrator.core.scope import GlobError, Scope, escape, overlaps, witness

# -- a slow matcher of its own, by backtracking over expanded braces ------------------------------


def expand(glob: str) -> list[str]:
    """Return the brace-free globs that a glob stands for."""
    start = glob.find("{")
    if start < 0:
        return [glob]
    depth, pieces, last = 0, [], start + 1
    for at in range(start, len(glob)):
        if glob[at] == "{":
            depth += 1
        elif glob[at] == "}":
            depth -= 1
        if (glob[at] == "," and depth == 1) or depth == 0:
            pieces.append(glob[last:at])
            last = at + 1
        if depth == 0:
            return [e for piece in pieces for e in expand(glob[:start] + piece + glob[at + 1 :])]
    raise AssertionError(glob)


def segment_matches(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(segment_matches(pattern[1:], text[n:]) for n in range(len(text) + 1))
    if not text:
        return False
    if pattern[0] == "?":
        return segment_matches(pattern[1:], text[1:])
    if pattern[0] == "[":
        end = pattern.index("]", 2 + (pattern[1] == "!"))
        body = pattern[1:end]
        inside = text[0] in spelled_out(body.removeprefix("!"))
        return inside != body.startswith("!") and segment_matches(pattern[end + 1 :], text[1:])
    return pattern[0] == text[0] and segment_matches(pattern[1:], text[1:])


def spelled_out(body: str) -> str:
    """Return the characters of a class."""
    if len(body) >= 3 and body[1] == "-":
        return "".join(map(chr, range(ord(body[0]), ord(body[2]) + 1))) + spelled_out(body[3:])
    return body[0] + spelled_out(body[1:]) if body else ""


def segments_match(patterns: list[str], segments: list[str]) -> bool:
    if not patterns:
        return not segments
    if patterns[0] == "**":
        return any(segments_match(patterns[1:], segments[n:]) for n in range(len(segments) + 1))
    return (
        bool(segments)
        and segment_matches(patterns[0], segments[0])
        and segments_match(patterns[1:], segments[1:])
    )


@lru_cache(maxsize=200_000)
def slow_match(glob: str, path: str) -> bool:
    if not set(glob) & set("*?[{"):
        plain = glob.removesuffix("/")
        return path == plain or path.startswith(f"{plain}/")
    return any(segments_match(e.split("/"), path.split("/")) for e in expand(glob))


def slow_list_match(globs: tuple[str, ...], path: str) -> bool:
    verdict = False
    for glob in globs:
        if slow_match(glob.removeprefix("!"), path):
            verdict = not glob.startswith("!")
    return verdict


def short_paths(alphabet: str, longest: int) -> list[str]:
    texts = ("".join(text) for n in range(1, longest + 1) for text in product(alphabet, repeat=n))
    return [text for text in texts if not {"", ".", ".."} & set(text.split("/"))]


PATHS = short_paths("ab./", 5)

GLOBS = [
    *("a", "a/", "a/b", ".a", "b/a/b", "**", "*", "?", "??", "a*", "*a", "*a*", "a?", "a*b*", ".*"),
    *("a/**", "**/a", "a/**/b", "**/a/**", "**/**", "**/a/**/b", "*/**", "**/*", "**/*/b", "*/b"),
    *("a/*", "a/?", "*/*", "*/*/*", "**/*.a", "*.b", "a.*", "?.?", "*.*", "[ab]", "[a]", "[!a]"),
    *("[!a]*", "*[!.]", "[a-b]/[!b]", "**/[.]a", "[.a]", "[.a]*", "?[.]", "[]a]", "[!]a]", "[b-]a"),
    *("{a,b}", "{a,b/a}", "{a,}b", "a{,/}b", "a{,/**}/b", "{**,b}/a", "{**/,}a", "{*,a/b}/b"),
    *("{a,{b,.a}*}", "a{/b,/*/b}", "{a/**,b}/b", "a/{**/b,*}", "{a,a*}{b,?}", "a/**/**/b"),
]


@pytest.mark.slow
def test_matching_agrees_with_a_slow_matcher_on_all_short_paths() -> None:
    for glob in GLOBS:
        scope = Scope([glob])
        wrong = [path for path in PATHS if scope.matches(path) != slow_match(glob, path)]
        assert not wrong, (glob, wrong[:5])


@lru_cache(maxsize=1000)
def matched(glob: str) -> frozenset[str]:
    return frozenset(path for path in PATHS if slow_match(glob, path))


@pytest.mark.slow
def test_overlap_agrees_with_all_short_paths_for_every_pair() -> None:
    for a, b in product(GLOBS, repeat=2):
        found = witness(a, b)
        assert overlaps(a, b) == (found is not None)
        if found is None:
            assert not matched(a) & matched(b), (a, b)
        else:
            assert canonical(found) == found
            assert slow_match(a, found), (a, b, found)
            assert slow_match(b, found), (a, b, found)


@pytest.mark.slow
def test_lists_agree_with_all_short_paths() -> None:
    rng = Random(7)

    def some_list() -> tuple[str, ...]:
        entries = rng.choices(GLOBS, k=rng.randint(1, 4))
        return tuple(rng.choice(["", "", "!"]) + entry for entry in entries)

    sample = rng.sample(PATHS, 150)
    for _ in range(400):
        a, b = some_list(), some_list()
        left, right = Scope(a), Scope(b)
        in_a = {path for path in sample if slow_list_match(a, path)}
        in_b = {path for path in sample if slow_list_match(b, path)}
        assert {path for path in sample if left.matches(path)} == in_a, a
        both, beyond = left.overlap(right), left.outside(right)
        assert left.overlaps(right) == (both is not None)
        assert right.includes(left) == (beyond is None)
        assert not (both is None and in_a & in_b), (a, b)
        assert not (beyond is None and in_a - in_b), (a, b)
        for found, in_right in ((both, True), (beyond, False)):
            if found is not None:
                assert canonical(found) == found
                assert slow_list_match(a, found), (a, b, found)
                assert slow_list_match(b, found) is in_right, (a, b, found)
        joined, met = left.union(right), left.intersection(right)
        for path in sample:
            assert joined.matches(path) == (path in in_a or path in in_b), (a, b, path)
            assert met.matches(path) == (path in in_a and path in in_b), (a, b, path)
        assert met.is_empty() == (both is None)


def test_literal_beginnings_and_ends_are_those_of_every_matched_path() -> None:
    for glob in GLOBS:
        automaton = compiled(glob)
        for path in matched(glob):
            assert f"{path}/".startswith(automaton.prefix), (glob, path)
            assert f"{path}/".endswith(automaton.suffix), (glob, path)


# -- the syntax, by example -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("glob", "yes", "no"),
    [
        ("src", ["src", "src/a.py", "src/b/c"], ["srcs", "a/src", "sr"]),
        ("src/", ["src", "src/a.py"], ["srcs"]),
        ("src/a.py", ["src/a.py"], ["src/a.pyc", "src"]),
        ("src/*.py", ["src/a.py", "src/.py"], ["src/b/a.py", "src/a.pyc", "src"]),
        ("src/**", ["src", "src/a", "src/b/c"], ["srcs", "a/src"]),
        ("src/**/*", ["src/a", "src/b/c"], ["src"]),
        ("**/a", ["a", "x/a", "x/y/a"], ["a/x", "xa"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb", "a/b/c"]),
        ("**", ["a", "a/b", ".env"], []),
        ("*", ["a", ".env"], ["a/b"]),
        ("?", ["a", "é", "\U0001f600"], ["ab", "a/b"]),
        ("[a-c]x", ["ax", "cx"], ["dx", "x", "a-x"]),
        ("[!a-c]x", ["dx", "éx"], ["ax", "x", "/x"]),
        ("[]!]", ["]", "!"], ["a"]),
        ("[a-]", ["a", "-"], ["b"]),
        ("[*]", ["*"], ["a"]),
        ("[+-0]", ["+", ",", "-", "0"], ["1"]),
        ("{src,lib}", ["src", "lib"], ["src/a"]),
        ("{src,lib}/**", ["src", "lib/a"], ["app/a"]),
        ("{a,b/{c,d}}.py", ["a.py", "b/c.py", "b/d.py"], ["b.py", "c.py"]),
        ("a,b", ["a,b", "a,b/c"], ["a"]),
        ("a]", ["a]"], ["a"]),
        ("A", ["A"], ["a"]),
        ("{!}x", ["!x"], ["x"]),
        ("日本/*.py", ["日本/ア.py"], ["日/ア.py"]),
    ],
)
def test_what_a_glob_matches(glob: str, yes: list[str], no: list[str]) -> None:
    scope = Scope([glob])
    assert [path for path in yes if not scope.matches(path)] == []
    assert [path for path in no if scope.matches(path)] == []


@pytest.mark.parametrize(
    ("globs", "yes", "no"),
    [
        ([], [], ["a"]),
        (["src", "!src/x"], ["src/a"], ["src/x", "src/x/y"]),
        (["src", "!src/x", "src/x/keep.py"], ["src/x/keep.py"], ["src/x/y"]),
        (["!src/x", "src"], ["src/x"], []),
        (["!src"], [], ["src", "a"]),
        (["**", "!**/*.lock"], ["a"], ["x.lock", "a/b.lock"]),
    ],
)
def test_later_entries_win(globs: list[str], yes: list[str], no: list[str]) -> None:
    scope = Scope(globs)
    assert [path for path in yes if not scope.matches(path)] == []
    assert [path for path in no if scope.matches(path)] == []
    assert scope.is_empty() == (not yes)


@pytest.mark.parametrize(
    ("glob", "about"),
    [
        ("", "empty"),
        ("!", "empty"),
        ("!!a", "begins with '!'"),
        ("/a", "starts with '/'"),
        ("~/a", "home"),
        ("C:/a", "drive"),
        (".", "segment '.'"),
        ("./a", "segment '.'"),
        ("a/.", "segment '.'"),
        ("..", "segment '..'"),
        ("a/../b", "segment '..'"),
        ("{a,..}/b", "segment '..'"),
        (".{.,x}/b", "segment '..'"),
        ("a\\b", "backslash"),
        ("a\0", "control"),
        ("a\n", "control"),
        ("[\x01]", "control"),
        ("a\u202eb", "bidirectional"),
        ("e\u0301", "normal form"),
        ("[a", "'['"),
        ("[]", "'['"),
        ("[!]", "'['"),
        ("[a/b]", "'['"),
        ("[^a]", "'^'"),
        ("[[:alpha:]]", "named class"),
        ("[.]", "segment '.'"),
        ("[b-a]", "backwards"),
        ("{a", "without a '}'"),
        ("{a,{b}", "without a '}'"),
        ("a}", "without a '{'"),
        ("a{}", "empty braces"),
        ("{,a}", "can be empty"),
        ("{,a}/b", "start with '/'"),
        ("{/a,b}", "start with '/'"),
        ("a**", "inside a segment"),
        ("**a", "inside a segment"),
        ("a**b", "inside a segment"),
        ("***", "inside a segment"),
        ("{a,**}b", "inside a segment"),
        ("*{*,a}", "inside a segment"),
        ("a//b", "empty segment"),
        ("a//", "ends in '/'"),
        ("a/{,b}/c", "empty segment"),
        ("*/", "ends in '/'"),
        ("**/", "ends in '/'"),
        ("{" * 17 + "a" + "}" * 17, "deeper"),
        ("a" * 4097, "longer than 4096"),
    ],
)
def test_bad_globs_are_refused_with_a_fix(glob: str, about: str) -> None:
    with pytest.raises(GlobError) as caught:
        Scope([glob])
    assert about in caught.value.what
    assert caught.value.fix
    copied = pickle.loads(pickle.dumps(caught.value))
    assert (copied.what, copied.fix) == (caught.value.what, caught.value.fix)


def test_all_bad_entries_of_a_list_are_named() -> None:
    with pytest.raises(GlobError) as caught:
        Scope(["src", "/a", "b**", "lib"])
    assert "2 entries" in caught.value.what
    assert "'/a'" in caught.value.fix
    assert "'b**'" in caught.value.fix


def test_one_text_is_not_a_list() -> None:
    with pytest.raises(TypeError, match="list"):
        Scope("src")


def test_overlaps_takes_no_exclusions() -> None:
    with pytest.raises(GlobError, match="exclusion"):
        overlaps("!a", "a")


@pytest.mark.parametrize(
    "path", ["a", "a*b", "[x]/y", "{z}", "!important", "!a/[!b]", "a,b", "what?", "a]b", "}{"]
)
def test_an_escaped_path_matches_that_path(path: str) -> None:
    scope = Scope([escape(path)])
    assert scope.matches(path)
    assert scope.overlap(Scope(["**"])) == path or not set(path) & set("*?[{}!")
    assert not scope.matches("x" + path)


# -- overlap --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("src/*.py", "src/**", "src/a.py"),
        ("src/*.py", "**/test_*", "src/test_a.py"),
        ("src", "src/core/x.py", "src/core/x.py"),
        ("src", "srcs", None),
        ("*.py", "*.md", None),
        ("src/*", "src/*/*", None),
        ("*a*", "*b*", "ab"),
        ("a*", "*b", "ab"),
        ("a?c", "ab?", "abc"),
        ("[a-m]*", "[n-z]*", None),
        ("[!a]", "[!b]", "c"),
        ("[!a]", "a", None),
        ("?", "[é-ü]", "é"),
        ("a/**/z", "**/b/**", "a/b/z"),
        ("a/**", "a", "a"),
        ("**/a", "a/**", "a"),
        ("[.,]", "[.-]", None),
        ("[.]?", "?[.,]", ".,"),
        ("[! -\U0010ffff]", "**", None),
        ("?.", ".?", None),
        ("{a,b}/x", "{b,c}/x", "b/x"),
        ("a{b,/c}d", "a/*", "a/cd"),
    ],
)
def test_witnesses_of_pairs(a: str, b: str, expected: str | None) -> None:
    found = witness(a, b)
    assert (found is None) == (expected is None) == (not overlaps(b, a))
    if expected is not None:
        assert found is not None
        assert len(found) <= len(expected)
        assert Scope([a]).matches(found)
        assert Scope([b]).matches(found)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("src/*.py", "**", "src/a.py"),
        ("src/*.py", "**/test_*", "src/test_a.py"),
        ("**", "**", "a"),
        ("tests/**/test_*.py", "**/*.py", "tests/test_a.py"),
        ("docs/*", "docs/**", "docs/a"),
    ],
)
def test_witnesses_look_like_names_of_files(a: str, b: str, expected: str) -> None:
    assert witness(a, b) == expected


def test_witnesses_avoid_characters_that_no_path_may_hold() -> None:
    assert witness("[\x7e-\u00a1]", "[!~\u00a0\u00a1]") is None
    assert witness("[X-a]", "[!XYZ^_`a]") in {"[", "]"}
    assert Scope(["[[-^]"]).outside(Scope(["[]^[]"])) is None


def test_witnesses_do_not_depend_on_the_hash_seed() -> None:
    code = (
        "from orchestrator.core.scope import Scope;"
        "print(Scope(['[a-z]*[!q]*', '!*a*', '!*[b-k]?']).overlap(Scope(['*[l-z].{py,md}'])))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(outputs) == 1
    assert outputs != {"None\n"}


def test_many_wildcards_and_braces_stay_cheap() -> None:
    """Sizes at which listing alternatives, or determinising, would never end."""
    assert witness("*a" * 60 + "b", "*b" * 60 + "a") is None
    assert overlaps("{a,b}" * 200, "[ab]" * 200)
    assert not overlaps("{a/**,b/*,c}/" * 20 + "x", "{a,b/c,**}/" * 20 + "y")
    assert Scope(["**"]).outside(Scope([f"*a{'?' * 40}", f"*b{'?' * 40}"])) is not None
    assert not Scope([f"*a{'?' * 40}"]).includes(Scope(["*"]))
    assert Scope(["*" + "a*" * 12]).matches("b" * 200 + "a" * 11) is False


# -- scopes as values -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        (["**"], ["src", "!src/x"]),
        (["src"], ["src/**"]),
        (["src/**"], ["src"]),
        (["src/**", "!src/x"], ["src/*.py", "!src/x*"]),
        (["{a,b}"], ["[ab]"]),
        (["[ab]"], ["{a,b}"]),
        (["a/**/b"], ["a/b", "!a/b/**", "a/*/b"]),
        (["src/[a-m]*", "src/[!a-m]*"], ["src/?*"]),
        (["*"], ["?", "??*"]),
        (["?", "??*"], ["*"]),
        ([], ["a", "!**"]),
    ],
)
def test_includes(wide: list[str], narrow: list[str]) -> None:
    assert Scope(wide).includes(Scope(narrow))
    assert Scope(narrow).outside(Scope(wide)) is None


def test_outside_names_a_path_that_is_beyond() -> None:
    assert Scope(["src/**"]).outside(Scope(["src/*"])) == "src"
    assert Scope(["src/*.py", "docs"]).outside(Scope(["src"])) == "docs"
    assert Scope(["src"]).outside(Scope(["src", "!src/core/x.py"])) == "src/core/x.py"


@pytest.mark.parametrize(
    ("a", "b", "globs"),
    [
        (["src/**"], ["src/a.py"], ("src/a.py",)),
        (["src/**", "tests/**"], ["src/a.py", "docs/x"], ("src/a.py",)),
        (["src/**"], ["lib/**"], ()),
        (["src/**", "!src/gen/**"], ["src/*.py"], ("src/*.py",)),
        (["src/**", "!src/gen/**"], ["src"], ("src", "!src/gen/**")),
        (["src"], ["**/*.py"], ("src/**/*.py",)),
        (["**/*.py", "!**/conftest.py"], ["tests/"], ("tests/**/*.py", "!**/conftest.py")),
        ([], ["**"], ()),
    ],
)
def test_intersections_that_a_list_expresses(
    a: list[str], b: list[str], globs: tuple[str, ...]
) -> None:
    for scope in (Scope(a).intersection(Scope(b)), Scope(b).intersection(Scope(a))):
        assert scope.exact
        assert scope.globs == globs


def test_an_intersection_without_a_list_is_still_decided_exactly() -> None:
    scope = Scope(["*a*"]).intersection(Scope(["*b*"]))
    assert not scope.exact
    assert str(scope) == "(*a*) and (*b*)"
    assert Scope(scope.globs).includes(scope)
    assert scope.matches("ab")
    assert not scope.matches("a")
    assert scope.overlap(Scope(["b?"])) == "ba"
    assert not scope.overlaps(Scope(["a", "b"]))
    assert Scope(["*a*b*", "*b*a*"]).includes(scope)
    assert scope.includes(Scope(["*a*b*", "*b*a*"]))
    assert scope.outside(Scope(["*ab*"])) == "ba"
    deeper = scope.intersection(Scope(["*c*", "!*d*"])).union(Scope(["x", "!x/y"]))
    assert deeper.matches("cab")
    assert deeper.matches("x/z")
    assert not deeper.matches("cabd")
    assert not deeper.matches("x/y")
    assert Scope(["**"]).outside(deeper) is not None
    assert deeper.includes(Scope(["cab", "!cab/**", "x/z"]))


def test_an_exclusion_takes_nothing_from_the_other_side_of_a_union() -> None:
    joined = Scope(["src", "!src/x"]).union(Scope(["src/x/keep", "!src/x/keep/not"]))
    assert joined.matches("src/x/keep")
    assert not joined.matches("src/x/keep/not")
    assert not joined.matches("src/x/other")
    assert joined.matches("src/a")


def test_equal_texts_are_equal_scopes() -> None:
    assert Scope(["a", "b"]) == Scope(("a", "b"))
    assert len({Scope(["a"]), Scope(["a"]), Scope(["b"])}) == 2
    assert Scope(["a"]) != Scope(["b"])
    assert Scope(["a"]) != "a"


@pytest.mark.parametrize(
    "scope",
    [
        Scope([]),
        Scope(["src", "!src/x"]),
        Scope(["*a*"]).intersection(Scope(["*b*"])),
        Scope(["a", "!a/b"]).union(Scope(["a/b/c", "!a/b/c/d"])),
    ],
)
def test_scopes_survive_copying_and_pickling(scope: Scope) -> None:
    scope.matches("src/long/path/name.py")
    for other in (pickle.loads(pickle.dumps(scope)), copy.deepcopy(scope)):
        assert other == scope
        assert hash(other) == hash(scope)
        assert other.exact == scope.exact
        assert str(other) == str(scope)


def test_a_scope_has_no_room_for_new_attributes() -> None:
    with pytest.raises(AttributeError):
        Scope(["a"]).label = "x"  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        Scope(["a"]).globs = ("b",)  # type: ignore[misc]


@pytest.mark.slow
def test_a_matcher_forgets_instead_of_growing_without_bound() -> None:
    guard = Matcher([(compiled("**/x?"), True)])
    first = guard.start
    for code in range(0x4E00, 0x4E00 + MAX_CACHED_MOVES // 3):
        assert guard.matches(f"{chr(code)}/x{chr(code)}")
        assert not guard.matches(f"{chr(code)}/y{chr(code)}")
    assert guard.start is not first
    assert guard.matches("a/xb")


def test_the_union_of_no_globs_matches_nothing() -> None:
    assert not matcher(()).matches("a")


def test_a_union_keeps_what_one_side_takes_away_and_the_other_has() -> None:
    assert Scope(("a.txt",)).union(Scope(("a.txt", "!**/x"))).matches("a.txt/x")
    assert Scope(("a", "!a/x")).union(Scope(("a",))).matches("a/x")
