"""The tree follows the map: after effects, after an undo, after an interruption."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator import Context, Limits, Plan, Task, resume, run
from orchestrator.core.files import OUTSIDE, Version
from orchestrator.core.machine import Machine
from orchestrator.core.messages import Claim, Observe, Write
from orchestrator.core.rules import Rules
from orchestrator.errors import LogError, UsageError, WorkspaceError
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.coordinator import Found
from orchestrator.runtime.eventlog import SqliteLog
from orchestrator.runtime.run import Run, start, start_again
from orchestrator.runtime.sharedfiles import SharedFiles, look, reconcile
from orchestrator.runtime.workspace import SharedTree


class Tree:
    """A tree with its blobs, and versions made from texts."""

    def __init__(self, folder: Path, files: Mapping[str, str]) -> None:
        self.root = folder / "work"
        self.root.mkdir()
        for name, text in files.items():
            (self.root / name).write_text(text)
        self.blobs = BlobStore(folder / "blobs", durable=False)
        self.shared = SharedTree(self.root, self.blobs)
        self.files = SharedFiles(self.shared, self.blobs)

    def put(self, text: str | bytes | None) -> str | None:
        if text is None:
            return None
        return self.blobs.put(text if isinstance(text, bytes) else text.encode())

    def without(self, token: int, *steps: tuple[int, str | bytes | None]) -> str | bytes | None:
        """Return what is left of a history (token, content) without what one token wrote."""
        history = [Version(n, self.put(text), who) for n, (who, text) in enumerate(steps, 1)]
        digest = self.files.without(history, token)
        return None if digest is None else self.blobs.get(digest)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path, {"a": "one\n", "b": "b\n"})


BASE = "1\n2\n3\n4\n5\n6\n7\n"


def test_the_later_edits_of_others_are_replayed(tree: Tree) -> None:
    mine, both = BASE.replace("2", "mine"), BASE.replace("2", "mine").replace("6", "theirs")
    twice = both.replace("7", "mine too")
    left = tree.without(5, (0, BASE), (5, mine), (6, both), (5, twice))
    assert left == BASE.replace("6", "theirs").encode()


@pytest.mark.parametrize(
    "last",
    [
        BASE.replace("2", "built on mine"),
        BASE.replace("2", "mine").replace("3", "touches mine"),
        b"\xff\x00",
    ],
)
def test_what_cannot_be_told_apart_stays(tree: Tree, last: str | bytes) -> None:
    left = tree.without(5, (0, BASE), (5, BASE.replace("2", "mine")), (6, last))
    assert left == (last if isinstance(last, bytes) else last.encode())


def test_a_content_that_nobody_kept_cannot_be_taken_out(tree: Tree) -> None:
    history = [
        Version(1, "0" * 64),  # changed by hand before it was kept
        Version(2, tree.put("mine"), 5),
        Version(3, tree.put("by hand"), OUTSIDE),
    ]
    assert tree.files.without(history, 5) == history[-1].digest


@pytest.mark.parametrize(
    ("steps", "left"),
    [
        (((0, None), (5, "mine\n")), None),
        (((0, "old\n"), (5, None)), b"old\n"),
        (((0, "old\n"), (5, "mine\n"), (6, None)), None),
        (((0, "old\n"), (5, None), (6, "theirs\n")), b"theirs\n"),
        (((0, b"\xff\x00"), (5, b"\x00")), b"\xff\x00"),
    ],
)
def test_made_and_deleted_files_are_undone(
    tree: Tree, steps: tuple[tuple[int, Any], ...], left: bytes | None
) -> None:
    assert tree.without(5, *steps) == left


def test_what_stands_in_the_way_is_reported(tree: Tree) -> None:
    new, old = tree.put("new\n"), tree.put("one\n")
    assert tree.files.materialise("a", new, old) is None
    assert (tree.root / "a").read_text() == "new\n"
    (tree.root / "a").write_text("by hand\n")
    assert tree.files.materialise("a", old, new) == Found(tree.put("by hand\n"))
    (tree.root / "b").unlink()
    (tree.root / "b").mkdir()
    assert tree.files.materialise("b", new, tree.put("b\n")) == Found(None)


def test_looking_keeps_and_changes_nothing(tree: Tree) -> None:
    (tree.root / "link").symlink_to("a")
    seen = look(tree.shared, "a")
    assert seen.digest is not None
    assert tree.blobs.get(seen.digest) == b"one\n"
    assert (tree.root / "a").read_text() == "one\n"
    assert look(tree.shared, "nothing") == Observe("nothing", None)
    assert look(tree.shared, "link") == Observe("link", None)


def test_a_tree_is_brought_to_its_map(tree: Tree) -> None:
    entries = tree.shared.scan()
    one = Machine([Task(id="t", writes=("**",))], Rules(), None, _digests(entries))
    one.handle(0.0, Claim("w"))
    for path, text in {"a": "two\n", "new": "new\n", "lost": "lost\n"}.items():
        base = one.state.files.current(path).number
        one.handle(0.0, Write(1, path, base, str(tree.put(text))))
    tree.put("one\n")  # kept when it was about to be replaced
    (tree.root / "b").write_text("by hand\n")
    (tree.root / "lost").write_text("by hand too\n")
    (tree.root / "by-hand").write_text("new by hand\n")
    found = reconcile(one, tree.shared, entries)
    assert (tree.root / "a").read_text() == "two\n"
    assert (tree.root / "new").read_text() == "new\n"
    assert {o.path: o.digest for o in found} == {
        "b": tree.put("by hand\n"),
        "lost": tree.put("by hand too\n"),
        "by-hand": tree.put("new by hand\n"),
    }
    assert (tree.root / "b").read_text() == "by hand\n"


def _digests(entries: Mapping[str, Any]) -> dict[str, str]:
    return {path: entry.digest for path, entry in entries.items()}


# --- resuming -----------------------------------------------------------------------------------


def fill(context: Context) -> None:
    context.write(f"{context.task.id}.txt", context.task.id)


def plan(tmp_path: Path, **limits: Any) -> Plan:
    """Return a plan of two tasks, each with a file, and files that belong to none."""
    work = tmp_path / "work"
    work.mkdir()
    for name in ("a.txt", "b.txt", "read-by-all", "gone-by-hand"):
        (work / name).write_text("old\n")
    tasks = tuple(
        Task(id=name, role="implementer", writes=(f"{name}.txt",), depends_on=needs)
        for name, needs in (("a", ()), ("b", ("a",)))
    )
    return Plan(
        name="p", tasks=tasks, workspace=work, base=tmp_path, limits=Limits(workers=2, **limits)
    )


def interrupted(made: Plan, at: str = "b") -> Run:
    """Return a run that was halted while a task wrote."""

    def work(context: Context) -> None:
        if context.task.id == at:
            context.write(f"{at}.txt", "half")
            live.halt()
            assert context.interrupt.wait(20)
        fill(context)

    live = start(made, work=work, durability="normal")
    assert live.wait().status == "interrupted"
    return live


def test_files_that_were_changed_by_hand_between_are_seen_and_nothing_fails(
    tmp_path: Path,
) -> None:
    live = interrupted(plan(tmp_path))
    (tmp_path / "work" / "read-by-all").write_text("by hand\n")
    (tmp_path / "work" / "gone-by-hand").unlink()
    (tmp_path / "work" / "new-by-hand").write_text("by hand\n")
    seen: list[object] = []

    def work(context: Context) -> None:
        names = ("read-by-all", "gone-by-hand", "new-by-hand", "b.txt")
        seen.extend(context.read(name) for name in names)
        fill(context)

    result = resume(live.folder.path, work=work, durability="normal")
    assert result.status == "succeeded"
    assert seen == ["by hand\n", None, "by hand\n", "old\n"]
    assert (tmp_path / "work" / "b.txt").read_text() == "b"


def test_a_run_is_resumed_twice_and_when_it_has_finished(tmp_path: Path) -> None:
    live = interrupted(plan(tmp_path))
    done: list[str] = []

    def work(context: Context) -> None:
        done.append(context.task.id)
        fill(context)

    for _ in range(3):
        result = resume(live.folder.path, work=work, durability="normal")
        assert result.status == "succeeded"
    assert done == ["b"]
    assert [task.attempts for task in result.tasks.values()] == [1, 2]
    with SqliteLog.reader(live.folder.events) as log:
        kinds = [record.kind for record in log.read()]
    assert kinds.count("resumed") == 3
    assert kinds[-1] == "finished"


def test_a_run_whose_workspace_is_gone_is_refused_and_makes_none(tmp_path: Path) -> None:
    live = interrupted(plan(tmp_path))
    (tmp_path / "work").rename(tmp_path / "elsewhere")
    with pytest.raises(WorkspaceError, match="workspace of this run is gone") as caught:
        resume(live.folder.path, work=fill)
    assert "put the directory back" in caught.value.fix
    assert not (tmp_path / "work").exists()
    (tmp_path / "elsewhere").rename(tmp_path / "work")
    assert resume(live.folder.path, work=fill, durability="normal").status == "succeeded"


def test_a_run_that_is_going_on_cannot_be_resumed(tmp_path: Path) -> None:
    refused: list[Exception] = []

    def work(context: Context) -> None:
        try:
            resume(live.folder.path, work=fill)
        except (WorkspaceError, LogError) as error:
            refused.append(error)
        fill(context)

    live = start(plan(tmp_path), work=work, durability="normal")
    assert live.wait().status == "succeeded"
    assert len(refused) == 2
    assert all("wait until it has ended" in str(error) for error in refused)


def test_resume_needs_somebody_to_do_the_work(tmp_path: Path) -> None:
    live = interrupted(plan(tmp_path))
    with pytest.raises(UsageError, match="no model is named") as caught:
        resume(live.folder.path)
    assert "give `work`" in caught.value.fix
    with pytest.raises(WorkspaceError, match="not the directory of a run"):
        resume(tmp_path / "nowhere", work=fill)


def test_other_limits_hold_from_the_resume_on(tmp_path: Path) -> None:
    made = plan(tmp_path, wall=0.05)
    first = run(made, work=lambda c: c.interrupt.wait(20), durability="normal")
    assert first.status == "limit"
    assert resume(first.run_dir, work=fill, durability="normal").status == "limit"
    more = Limits(workers=1, attempts=3)
    again = start_again(first.run_dir, work=fill, limits=more, durability="normal")
    assert again.header.workers == 1
    assert again.wait().status == "succeeded"
    with pytest.raises(UsageError, match="0 workers"):
        resume(first.run_dir, work=fill, limits=Limits(workers=0))


def test_an_obstacle_on_resume_is_an_error_and_not_overwritten(tmp_path: Path) -> None:
    live = interrupted(plan(tmp_path))
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "work" / "a.txt").unlink()
    (tmp_path / "work" / "a.txt").symlink_to(tmp_path / "precious")
    with pytest.raises(WorkspaceError, match=r"a\.txt is not a regular file") as caught:
        resume(live.folder.path, work=fill)
    assert "then resume" in caught.value.fix
    assert (tmp_path / "precious").read_text() == "precious"
    (tmp_path / "work" / "a.txt").unlink()
    assert resume(live.folder.path, work=fill, durability="normal").status == "succeeded"
    assert (tmp_path / "work" / "a.txt").read_text() == "a"
