"""The tree changes between the check of a call and its write: by then, checks are worth nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.messages import Delete, Request, Write

CALLS = {
    "new file": ("write_file", {"path": "mine/sub/new.md", "content": "owned\n"}),
    "known file": ("write_file", {"path": "mine/sub/a.py", "content": "owned\n"}),
    "edit": ("edit_file", {"path": "mine/sub/a.py", "old": "see", "new": "owned"}),
    "delete": ("delete_file", {"path": "mine/sub/a.py"}),
}


def folder_out(work: Path, path: Path) -> None:
    """Put a link to the outside in place of the folder."""
    path.parent.rename(work.parent / "moved")
    path.parent.symlink_to(work.parent / "decoy")


def folder_up(work: Path, path: Path) -> None:
    """Put a link to another's folder in place of the folder."""
    path.parent.rename(work.parent / "moved")
    path.parent.symlink_to("../theirs")


def file_out(work: Path, path: Path) -> None:
    """Put a link to the outside in place of the file."""
    path.unlink(missing_ok=True)
    path.symlink_to(work.parent / "decoy/secret.txt")


def dangling(work: Path, path: Path) -> None:
    """Put a link in place of the file through which a new one would be made outside."""
    path.unlink(missing_ok=True)
    path.symlink_to(work.parent / "decoy/made-through-a-link")


def pipe(work: Path, path: Path) -> None:
    """Put a named pipe there: whoever opens it waits for ever."""
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def folder(work: Path, path: Path) -> None:
    """Put a folder in place of the file."""
    path.unlink(missing_ok=True)
    path.mkdir()
    (path / "kept").write_text("kept\n")


def file_above(work: Path, path: Path) -> None:
    """Put a file in place of the folder."""
    path.parent.rename(work.parent / "moved")
    path.parent.write_text("a file\n")


def hard_link(work: Path, path: Path) -> None:
    """Give the file a second name outside."""
    path.unlink(missing_ok=True)
    path.hardlink_to(work.parent / "decoy/hard.txt")


SWAPS = (folder_out, folder_up, file_out, dangling, pipe, folder, file_above, hard_link)


@pytest.mark.slow
@pytest.mark.parametrize("swap", SWAPS)
@pytest.mark.parametrize("what", CALLS)
def test_a_path_swapped_after_its_check_leads_nowhere(
    make_yard: Callable[[str], Any], what: str, swap: Callable[[Path, Path], None]
) -> None:
    yard = make_yard("implementer")
    tool, given = CALLS[what]
    path = yard.work / given["path"]
    yard.use("read_file", {"path": "mine/sub/a.py"})
    swapped: list[Request] = []

    def before(request: Request) -> None:
        if isinstance(request, Write | Delete) and not swapped:
            swapped.append(request)
            swap(yard.work, path)

    before_swap = outside(yard)
    yard.before = before
    outcome = yard.use(tool, given)
    assert len(swapped) == 1  # the checks had passed, the write had not been made
    assert outside(yard) == before_swap
    assert "CANARY" not in outcome.text
    assert (yard.top / "decoy/hard.txt").read_text() == "nothing to see\n"
    answer = yard.use("read_file", {"path": given["path"]})
    assert "CANARY" not in answer.text
    assert yard.coordinator.error is None  # and the others go on
    assert not yard.use("write_note", {"title": "still", "text": "here"}).is_error


def outside(yard: Any) -> dict[str, str]:
    """Return all that the folders hold which are out of bounds."""
    return {
        str(place.relative_to(yard.top)): place.read_text()
        for folder in (yard.top / "decoy", yard.work / "theirs")
        for place in sorted(folder.rglob("*"))
        if place.is_file()
    }


def test_a_copy_whose_folder_became_a_link_is_not_written_through(
    make_yard: Callable[[str], Any],
) -> None:
    yard = make_yard("implementer")
    copy = yard.context.files.view.copy.root
    (copy / "mine/sub").rename(yard.top / "moved")
    (copy / "mine/sub").symlink_to(yard.top / "decoy")
    before = outside(yard)
    assert "CANARY" not in yard.use("read_file", {"path": "mine/sub/secret.txt"}).text
    assert "CANARY" not in yard.use("search_files", {"pattern": "CANA[R]Y"}).text
    assert yard.use("edit_file", {"path": "mine/sub/a.py", "old": "see", "new": "x"}).is_error
    yard.use("write_file", {"path": "mine/sub/secret.txt", "content": "owned\n"})
    assert outside(yard) == before
