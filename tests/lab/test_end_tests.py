"""The tests of all tasks at the end of a run: integration loss, cross-task breaks, their cost."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from orchestrator import Context, Limits, Plan, Task, run
from orchestrator.lab.effectivescopes import all_tasks
from orchestrator.lab.endtests import EndTests, Memory, run_end_tests
from orchestrator.lab.outcomes import measure_outcome
from orchestrator.lab.runlog import read_log
from orchestrator.lab.transactions import Transactions
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.commands import FakeCommands
from orchestrator.runtime.header import load_manifest

TASKS = (
    Task(id="api", writes=("api.txt",), test="grep -q old api.txt"),
    Task(id="other", writes=("other.txt",), depends_on=("api",), test="grep -q o other.txt"),
    Task(id="change", writes=("api.txt",), depends_on=("other",), test="grep -q new api.txt"),
    Task(id="never", writes=("never.txt",), depends_on=("change",), test="grep -q x never.txt"),
    Task(id="untested", writes=("last.txt",)),
)
TEXTS = {"api": "old", "other": "o", "change": "new", "never": "no", "untested": "l"}


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run whose third task breaks the first, and whose fourth fails."""
    folder = tmp_path_factory.mktemp("broken")
    work = folder / "work"
    work.mkdir()
    (work / "keep.txt").write_text("k\n")

    def write(context: Context) -> None:
        (path,) = context.task.writes
        context.write(path, TEXTS[context.task.id])

    limits = Limits(attempts=1)
    plan = Plan(name="p", tasks=TASKS, workspace=work, base=folder, limits=limits)
    result = run(plan, work=write, workers=2, durability="normal")
    assert result.tasks["never"].state == "failed"
    return result.run_dir


def at_the_end(
    run_dir: Path, commands: FakeCommands, memory: Memory | None = None, seconds: float = 60
) -> EndTests:
    log = read_log(run_dir)
    entries = load_manifest(log.header.manifest, BlobStore(log.folder.blobs))
    tasks, history = all_tasks(log.header.tasks, log.events), Transactions(log.events)
    return run_end_tests(
        log, tasks, history, entries, seconds=seconds, memory=memory, commands=commands
    )


@pytest.mark.slow
def test_what_was_accepted_and_is_red_at_the_end_is_lost(broken: Path) -> None:
    found = measure_outcome(broken, retest=True)
    assert found.notes == ()
    figures = found.figures
    assert figures["integration_loss"] == 1 / 4  # of four tasks with tests
    assert (figures["cross_task_breaks"], figures["semantic_conflicts"]) == (1, 1)
    assert figures["tasks_green"] == 2 / 4
    assert (figures["tests_passed"], figures["tests_run"]) == (None, None)  # `grep` counts nothing
    assert (figures["success"], figures["tasks_passed"]) == (0, 4 / 5)


@pytest.mark.slow
def test_without_running_them_nothing_is_said(broken: Path) -> None:
    figures = measure_outcome(broken).figures
    for name in ("integration_loss", "cross_task_breaks", "semantic_conflicts", "tasks_green"):
        assert figures[name] is None


@pytest.mark.slow
def test_the_final_tree_is_what_is_tested_and_the_tree_itself_is_left_alone(broken: Path) -> None:
    seen: dict[str, str] = {}

    def look(command: object, cwd: Path) -> tuple[int, str]:
        seen.update({file.name: file.read_text() for file in cwd.iterdir() if file.is_file()})
        (cwd / "keep.txt").write_text("spoilt")
        return 0, "2 passed, 1 failed in 0.1s"

    work = Path(read_log(broken).header.workspace)
    before = {file.name: file.read_text() for file in work.iterdir() if file.is_file()}
    found = at_the_end(broken, FakeCommands(look))
    assert (
        seen == before == {"api.txt": "new", "other.txt": "o", "last.txt": "l", "keep.txt": "k\n"}
    )
    assert {file.name: file.read_text() for file in work.iterdir() if file.is_file()} == before
    assert found.accepted == {"api", "other", "change"}
    assert found.counts is not None
    assert (found.runs, found.counts.passed, found.counts.failed) == (4, 8, 4)


@pytest.mark.slow
def test_the_same_tree_is_not_tested_twice(broken: Path) -> None:
    memory, runs = Memory(), list[object]()

    def once(command: object, cwd: Path) -> int:
        runs.append(command)
        return 0

    first = at_the_end(broken, FakeCommands(once), memory)
    second = at_the_end(broken, FakeCommands(once), memory)
    assert (first.runs, second.runs, len(runs)) == (4, 0, 4)
    assert first.results == second.results


@pytest.mark.slow
def test_when_time_is_over_nothing_is_guessed(broken: Path) -> None:
    found = at_the_end(broken, FakeCommands(lambda command, cwd: 0), seconds=0)
    assert found.missing == ("api", "other", "change", "never")
    assert (found.broken, found.integration_loss, found.tasks_green) == (None, None, None)
    assert found.counts is None
    notes = measure_outcome(broken, retest=True, seconds=0).notes
    assert notes == (
        "tests were not run again for want of time (0 s): api, other, change, never",
    )  # fmt: skip


@pytest.mark.slow
def test_lost_files_are_a_note(broken: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(broken, tmp_path / "run"))
    shutil.rmtree(copy / "blobs")
    found = measure_outcome(copy, retest=True)
    assert found.figures["integration_loss"] is None
    assert found.figures["stale_read_rate"] is None
    assert any(note.startswith("the files at the start are not known") for note in found.notes)
    assert found.figures["tasks_passed"] == 4 / 5
