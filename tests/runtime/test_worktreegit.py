"""The run's own git repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import RunStopped
from orchestrator.runtime.worktreegit import Change, Repository

TEXT = "".join(f"{number}\n" for number in range(20))


@pytest.fixture
def git(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "r.git")
    made.prepare()
    return made


def put(git: Repository, name: str, *parents: str, **files: str | None) -> str:
    changes: list[Change] = [
        (path.replace("_", "/"), None if text is None else text.encode(), False)
        for path, text in files.items()
    ]
    return git.commit(f"refs/heads/{name}", "who <x>\n", f"made {name}\n", changes, parents)


@pytest.mark.slow
def test_what_is_committed_can_be_read_again(git: Repository) -> None:
    git.prepare()  # once more changes nothing
    assert git.commit_of("refs/heads/a") == ""
    a = put(git, "a", d_x="1\n", y="")
    assert git.commit_of("refs/heads/a") == a
    b = put(git, "b", a, d_x=None, d="a file now\n")
    found = git.differences(a, b)
    assert found.keys() == {"d/x", "d"}
    assert found["d/x"] is None
    assert git.contents([str(found["d"])]) == {found["d"]: b"a file now\n"}
    assert git.contents([]) == git.differences(a, a) == {}
    git.point("refs/heads/a", b)
    assert git.commit_of("a") == b


@pytest.mark.slow
def test_merges(git: Repository) -> None:
    base = put(git, "base", x=TEXT, gone="1\n")
    ours = put(git, "ours", base, x=TEXT.replace("\n3\n", "\nours\n"), new="2\n", gone=None)
    theirs = put(git, "theirs", base, x=TEXT.replace("\n15\n", "\ntheirs\n"))
    clean = git.merge(ours, theirs)
    assert (clean.conflicts, clean.told) == ((), ())
    assert git.differences(theirs, clean.tree).keys() == {"x", "new", "gone"}
    both = git.commit_tree("m", "merged", clean.tree, (ours, theirs))
    again = git.merge(both, put(git, "later", theirs, x="all new\n", gone="changed\n"))
    assert set(again.conflicts) == {"x", "gone"}
    assert [line.split(":")[0] for line in again.told] == [
        "CONFLICT (modify/delete)", "CONFLICT (content)",
    ]  # fmt: skip
    blob = git.differences(both, again.tree)["x"]
    assert b"<<<<<<< " in git.contents([str(blob)])[str(blob)]


@pytest.mark.slow
def test_a_change_follows_a_file_to_another_name(git: Repository) -> None:
    base = put(git, "base", x=TEXT)
    moved = put(git, "moved", base, x=None, z=TEXT)
    edited = put(git, "edited", base, x=TEXT.replace("\n3\n", "\nmine\n"))
    merged = git.merge(edited, moved)
    assert merged.conflicts == ()
    assert git.differences(moved, merged.tree).keys() == {"z"}


@pytest.mark.slow
def test_a_failure_is_told_before_it_is_raised(tmp_path: Path) -> None:
    told: list[RunStopped] = []
    git = Repository(tmp_path / "r.git", told.append)
    git.prepare()
    with pytest.raises(RunStopped, match="git update-ref failed") as caught:
        git.point("refs/heads/a", "no commit")
    with pytest.raises(RunStopped, match="git fast-import failed"):
        put(git, "a", "f" * 40, x="1")
    assert told[0] is caught.value
    assert len(told) == 2
