"""The file map: versions, cuts, names that clash, and what is left without one attempt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.files import ABSENT, FIRST, NOWHERE, FileMap, Version, without

PATHS = ("a", "a/b", "a/b/c", "A", "d", "d/e")


def record(files: FileMap, path: str, digest: str | None, token: int = 1) -> Version:
    version = Version(files.cut + 1, digest, token, f"t{token}")
    files.record(path, version)
    return version


def test_files_of_the_start_have_the_first_number() -> None:
    files = FileMap({"a.py": "one"})
    assert files.cut == FIRST
    assert files.current("a.py") == Version(FIRST, "one")
    assert files.current("nowhere.py") is NOWHERE
    assert files.current("nowhere.py").number == ABSENT
    assert files.history("a.py") == (Version(FIRST, "one"),)
    assert files.history("nowhere.py") == (NOWHERE,)


def test_numbers_rise_over_the_run_and_name_cuts() -> None:
    files = FileMap({"a.py": "one"})
    first = record(files, "a.py", "two")
    second = record(files, "b.py", "three")
    third = record(files, "a.py", "four")
    assert [v.number for v in (first, second, third)] == [2, 3, 4]
    assert files.cut == 4
    assert files.history("a.py") == (Version(FIRST, "one"), first, third)
    assert files.history("b.py") == (NOWHERE, second)
    assert files.changes(FIRST) == {"a.py": third, "b.py": second}
    assert files.changes(2) == {"b.py": second, "a.py": third}
    assert files.changes(3) == {"a.py": third}
    assert files.changes(4) == {}
    assert files.changes(0) == files.changes(FIRST)


@pytest.mark.parametrize("number", [0, 1, 3])
def test_a_number_out_of_turn_is_refused(number: int) -> None:
    files = FileMap({"a.py": "one"})
    with pytest.raises(ValueError, match="does not follow cut 1"):
        files.record("a.py", Version(number, "two"))
    assert files.current("a.py").digest == "one"


def test_a_deleted_file_is_known_but_not_there() -> None:
    files = FileMap({"a.py": "one", "b.py": "two"})
    record(files, "a.py", None)
    assert list(files.paths()) == ["b.py"]
    assert list(files.known()) == ["a.py", "b.py"]
    assert files.digests() == {"b.py": "two"}


def test_names_that_some_file_systems_confuse_clash() -> None:
    files = FileMap({"src/App.py": "one"})
    assert "src/App.py exists" in files.clash("src/app.py")
    assert files.clash("src/App.py") == ""
    record(files, "src/App.py", None)
    assert files.clash("src/app.py") == ""


def test_a_file_cannot_stand_where_a_directory_is_nor_below_a_file() -> None:
    files = FileMap({"a/b/c": "one"})
    assert files.clash("a") == "a is a directory"
    assert files.clash("a/b") == "a/b is a directory"
    assert "a/b/c is a file" in files.clash("a/b/c/d")
    record(files, "a/b/c", None)
    assert files.clash("a") == ""
    assert files.clash("a/b/c/d") == ""


def test_a_twin_that_is_there_already_can_be_edited() -> None:
    """Trees from case-sensitive systems hold such files; both must stay usable."""
    files = FileMap({"xt_MARK.h": "one", "xt_mark.h": "two"})
    assert files.clash("xt_MARK.h") == ""
    assert files.clash("xt_mark.h") == ""
    assert files.clash("xt_Mark.h") != ""


def upwards(path: str) -> list[str]:
    """The path and the folders above it."""
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(len(parts), 0, -1)]


@given(st.lists(st.tuples(st.sampled_from(PATHS), st.booleans()), max_size=25))
def test_clashes_against_brute_force(changes: list[tuple[str, bool]]) -> None:
    files, there = FileMap(), set[str]()
    for path, appears in changes:
        if appears and files.clash(path) == "":
            record(files, path, "x")
            there.add(path)
        elif not appears and path in there:
            record(files, path, None)
            there.remove(path)
        assert set(files.paths()) == there
        names = {name for path in there for name in upwards(path)}
        twins = {name.lower() for name in names}
        for other in PATHS:
            clashes = other not in there and (
                other in names
                or any(name in there for name in upwards(other))
                or any(name.lower() in twins for name in upwards(other) if name not in names)
            )
            assert bool(files.clash(other)) is clashes, (other, there)


# --- taking one attempt's writes out -------------------------------------------------------


def history(*steps: tuple[int, str | None]) -> FileMap:
    """A file of the start, then versions by (token, digest)."""
    files = FileMap({"f": "start"})
    for token, digest in steps:
        record(files, "f", digest, token)
    return files


def taken_out(files: FileMap, token: int) -> tuple[str | None, list[tuple[str | None, str | None]]]:
    before, steps = without(files.history("f"), token)
    return before.digest, [(old.digest, new.digest) for old, new in steps]


def test_alone_in_a_file_the_version_before_is_the_answer() -> None:
    assert taken_out(history((1, "a"), (1, "b")), 1) == ("start", [])
    assert taken_out(history((2, "other"), (1, "a")), 1) == ("other", [])


def test_later_steps_of_others_are_replayed_in_order() -> None:
    files = history((1, "a"), (2, "ab"), (1, "aba"), (3, "abac"))
    assert taken_out(files, 1) == ("start", [("a", "ab"), ("aba", "abac")])
    assert taken_out(files, 2) == ("a", [("ab", "aba"), ("aba", "abac")])


def test_what_was_lost_before_it_is_not_brought_back() -> None:
    """2 built on 1 and could not be told apart from it; when both are lost, nothing stays."""
    files = history((1, "a"), (2, "b on a"))
    files.lose("f", 1)
    assert taken_out(files, 2) == ("start", [])


def test_a_version_that_left_another_out_is_not_replayed_where_that_is_gone() -> None:
    files = history((1, "a"), (2, "ab"))
    files.lose("f", 2)
    files.record("f", Version(files.cut + 1, "a", 0, "t2", undoes=2))
    assert taken_out(files, 1) == ("start", [])


def test_what_left_an_earlier_one_out_is_not_needed_again() -> None:
    files = history((1, "a"), (2, "ad"), (3, "adb"))
    files.lose("f", 1)
    files.record("f", Version(files.cut + 1, "db", 0, "t1", undoes=1))
    assert taken_out(files, 3) == ("start", [("a", "ad")])


def test_what_others_lost_since_is_not_replayed() -> None:
    files = history((1, "a"), (2, "ab"), (3, "abc"))
    files.lose("f", 2)
    assert taken_out(files, 1) == ("start", [("ab", "abc")])


def test_a_file_that_the_attempt_made_is_gone_without_it() -> None:
    files = FileMap()
    record(files, "f", "a", 1)
    before, steps = without(files.history("f"), 1)
    assert before is NOWHERE
    assert steps == []


def test_being_lost_changes_nothing_but_the_history() -> None:
    files = history((1, "a"))
    files.lose("f", 1)
    assert files.current("f") == Version(2, "a", 1, "t1")
    assert files.history("f")[-1] == Version(2, "a", 1, "t1", lost=True)
    assert files.digests() == {"f": "a"}


def test_what_others_did_between_two_lost_attempts_is_all_that_stays() -> None:
    v = [
        Version(1, "base"),
        Version(2, "L1", 6, lost=True),
        Version(3, "O", 7),
        Version(4, "T", 8, lost=True),
        Version(5, "L2", 6, lost=True),
        Version(6, "-L", 0, undoes=6),
    ]
    assert without(v, 8) == (v[0], [(v[1], v[2])])
