"""What every coordination mode does."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from orchestrator import Context, Limits, Plan, Task, resume, run
from orchestrator.core.states import TaskState
from orchestrator.runtime.modes import MODES, Mode
from orchestrator.runtime.run import start


@pytest.fixture(params=sorted(MODES))
def mode(request: pytest.FixtureRequest) -> Mode:
    found: Mode = MODES[request.param]
    return found


def plan(tmp_path: Path, mode: Mode, *tasks: Task, **limits: int) -> Plan:
    work = tmp_path / "work"
    work.mkdir()
    for task in tasks:
        (work / f"{task.id}.txt").write_text("old\n")
    return Plan(
        name="p", tasks=tasks, workspace=work, base=tmp_path, mode=mode.name,
        limits=Limits(**{"workers": 3} | limits),
    )  # fmt: skip


def task(name: str, *needs: str) -> Task:
    return Task(
        id=name, depends_on=needs, role="implementer", writes=(f"{name}.txt",),
        test=f"grep -q {name} {name}.txt",
    )  # fmt: skip


def fill(context: Context) -> None:
    context.write(f"{context.task.id}.txt", context.task.id)


def test_its_values_are_those_of_its_place(mode: Mode) -> None:
    limits = Limits(workers=5, attempts=2, wall=7.0)
    assert MODES[mode.name] is mode
    assert mode.rules(limits).limits == limits
    assert mode.rules(limits) == mode.rules(limits)
    for asked in (1, 2, 64):
        assert 1 <= mode.workers(asked) <= asked


def test_tasks_run_in_the_order_of_their_dependencies(tmp_path: Path, mode: Mode) -> None:
    made = plan(tmp_path, mode, task("a"), task("b", "a"), task("c", "a"), task("d", "b", "c"))
    done: list[str] = []
    lock = threading.Lock()

    def work(context: Context) -> None:
        fill(context)
        with lock:
            done.append(context.task.id)

    result = run(made, work=work, durability="normal")
    assert (result.status, result.mode) == ("succeeded", mode.name)
    assert result.workers == mode.workers(3)
    assert (done[0], done[-1], sorted(done)) == ("a", "d", ["a", "b", "c", "d"])
    assert (tmp_path / "work" / "d.txt").read_text() == "d"


def test_only_its_tests_say_that_a_task_is_done(tmp_path: Path, mode: Mode) -> None:
    made = plan(tmp_path, mode, task("a"), task("b", "a"), attempts=2)
    result = run(made, work=lambda context: None, durability="normal")
    assert result.status == "failed"
    assert result.tasks["a"].attempts == 2
    assert result.tasks["b"].state is TaskState.SKIPPED


def test_a_task_writes_its_own_files_only(tmp_path: Path, mode: Mode) -> None:
    def work(context: Context) -> None:
        context.write("b.txt", "not mine")

    made = plan(tmp_path, mode, task("a"), task("b", "a"), attempts=1)
    result = run(made, work=work, durability="normal")
    assert "outside the files" in (result.tasks["a"].reason or "")
    assert (tmp_path / "work" / "b.txt").read_text() == "old\n"


def test_a_failed_attempt_leaves_nothing(tmp_path: Path, mode: Mode) -> None:
    def work(context: Context) -> None:
        fill(context)
        raise ValueError("after the write")

    result = run(plan(tmp_path, mode, task("a"), attempts=2), work=work, durability="normal")
    assert result.status == "failed"
    assert (tmp_path / "work" / "a.txt").read_text() == "old\n"


def test_a_halted_run_goes_on_in_its_own_mode(tmp_path: Path, mode: Mode) -> None:
    begun = threading.Event()

    def work(context: Context) -> None:
        fill(context)
        if context.task.id == "b":
            begun.set()
            assert context.interrupt.wait(20)

    made = plan(tmp_path, mode, task("a"), task("b", "a"))
    live = start(made, work=work, durability="normal")
    assert begun.wait(20)
    live.halt()
    assert live.wait().status == "interrupted"
    assert (tmp_path / "work" / "b.txt").read_text() == "old\n"
    result = resume(live.folder.path, work=fill, durability="normal")
    assert (result.status, result.mode) == ("succeeded", mode.name)
    assert [found.attempts for found in result.tasks.values()] == [1, 2]
