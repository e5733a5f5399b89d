"""Commands that are run once over the same files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from orchestrator import Context, Limits, Plan, Task, run
from orchestrator.errors import UsageError
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.commands import CommandResult, FakeCommands, SubprocessCommands
from orchestrator.runtime.remembering import RememberedCommands, digest_of


class Counted:
    """Commands that are counted; each says how often one was run."""

    def __init__(self, blobs: BlobStore) -> None:
        self.runs: list[str | Sequence[str]] = []
        self.inner = FakeCommands(self._answer, blobs)

    def _answer(self, command: str | Sequence[str], cwd: Path) -> CommandResult | tuple[int, str]:
        self.runs.append(command)
        if command == "write":
            (cwd / "made.txt").write_text("made")
        if command == "killed":
            return 137, "Killed"
        if command == "slow":
            return CommandResult(None, "", self.inner._keep(b""), 9.0, timed_out=True)
        return len(self.runs), f"run {len(self.runs)}"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "pkg").mkdir(parents=True)
    (root / "a.py").write_text("a")
    (root / "pkg" / "b.py").write_text("b")
    return root


def commands_of(tmp_path: Path) -> tuple[Counted, RememberedCommands]:
    blobs = BlobStore(tmp_path / "blobs", durable=False)
    counted = Counted(blobs)
    return counted, RememberedCommands(counted.inner, blobs, tmp_path / "known")


def test_the_same_files_give_the_same_answer_without_a_run(tmp_path: Path, tree: Path) -> None:
    counted, commands = commands_of(tmp_path)
    first = commands.run("test", tree, timeout=9)
    (tree / "pkg" / "__pycache__").mkdir()
    (tree / "pkg" / "__pycache__" / "b.pyc").write_bytes(b"cache")
    again = commands.run("test", tree, timeout=9)
    assert (again.exit_code, again.output, again.digest) == (1, "run 1", first.digest)
    other = RememberedCommands(counted.inner, BlobStore(tmp_path / "elsewhere"), tmp_path / "known")
    found = other.run("test", tree, timeout=9)
    assert other._blobs.get(found.digest) == b"run 1", "the output is kept where it is asked for"
    assert counted.runs == ["test"]


@pytest.mark.parametrize("change", ["content", "name", "mode", "link", "command"])
def test_whatever_is_different_is_run(tmp_path: Path, tree: Path, change: str) -> None:
    counted, commands = commands_of(tmp_path)
    commands.run("test", tree, timeout=9)
    if change == "content":
        (tree / "a.py").write_text("A")
    elif change == "name":
        (tree / "a.py").rename(tree / "c.py")
    elif change == "mode":
        (tree / "a.py").chmod(0o755)
    elif change == "link":
        (tree / "l").symlink_to("a.py")
    commands.run("other" if change == "command" else "test", tree, timeout=9)
    assert len(counted.runs) == 2


def test_what_changes_files_or_was_cut_short_is_not_remembered(tmp_path: Path, tree: Path) -> None:
    counted, commands = commands_of(tmp_path)
    commands.run("slow", tree, timeout=9)
    commands.run("slow", tree, timeout=9)
    commands.run("write", tree, timeout=9)
    (tree / "made.txt").unlink()
    commands.run("write", tree, timeout=9)
    assert counted.runs == ["slow", "slow", "write", "write"]


def test_what_says_nothing_about_the_files_is_not_remembered(tmp_path: Path, tree: Path) -> None:
    counted, commands = commands_of(tmp_path)
    commands.run("killed", tree, timeout=9)  # for want of memory, perhaps
    commands.run("killed", tree, timeout=9)
    commands.run("test", tree, timeout=9)
    (kept,) = (tmp_path / "known").iterdir()
    kept.write_bytes(b"")  # the machine went down before it was on the disk
    assert commands.run("test", tree, timeout=9).output == "run 4"
    assert commands.run("test", tree, timeout=9).output == "run 4"
    assert counted.runs == ["killed", "killed", "test", "test"]


def test_names_and_contents_do_not_run_together(tmp_path: Path) -> None:
    for name, files in (("one", {"ab": "c"}), ("two", {"a": "bc"}), ("three", {"a": "b", "c": ""})):
        (tmp_path / name).mkdir()
        for path, text in files.items():
            (tmp_path / name / path).write_text(text)
    assert len({digest_of(tmp_path / name) for name in ("one", "two", "three")}) == 3


@pytest.mark.slow
def test_a_run_goes_by_what_another_has_seen(tmp_path: Path, tree: Path) -> None:
    plan = Plan(
        name="p", workspace=tree, base=tmp_path, limits=Limits(workers=1),
        tasks=(Task(id="a", writes=("a.py",), test="date +%N; grep -q new a.py"),),
    )  # fmt: skip

    def work(context: Context) -> None:
        context.write("a.py", "new")

    def outcome(name: str) -> bytes:
        result = run(
            plan, work=work, into=tmp_path / name, run_dir=tmp_path / f"{name}-run",
            time="virtual", command_seconds=5.0, remember=tmp_path / "known", durability="normal",
        )  # fmt: skip
        assert result.status == "succeeded"
        (digest,) = [
            digest
            for place in (tmp_path / f"{name}-run" / "blobs").rglob("*")
            if place.is_file() and (digest := place.read_bytes().strip()).isdigit()
        ]
        return digest

    assert outcome("one") == outcome("two"), "the clock would have said another time"
    with pytest.raises(UsageError, match="time"):
        run(plan, work=work, time="virtual", remember=tmp_path / "known", into=tmp_path / "three")


@pytest.mark.slow
def test_real_commands_fit(tmp_path: Path, tree: Path) -> None:
    blobs = BlobStore(tmp_path / "blobs", durable=False)
    commands = RememberedCommands(SubprocessCommands(blobs), blobs, tmp_path / "known")
    said = [commands.run("date +%N; exit 3", tree, timeout=9) for _ in range(2)]
    assert said[0].output == said[1].output
    assert [one.exit_code for one in said] == [3, 3]
