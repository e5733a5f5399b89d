"""What every coordination mode does, over the same plans."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from orchestrator import Context, Limits, Plan, Task, resume, run
from orchestrator.core.events import Event, Wrote
from orchestrator.core.states import TaskState
from orchestrator.lab.check import check_run
from orchestrator.lab.metrics import measure
from orchestrator.lab.replay import replay
from orchestrator.runtime.modes import MODES, Mode
from orchestrator.runtime.run import start


@pytest.fixture(params=sorted(MODES))
def mode(request: pytest.FixtureRequest) -> Mode:
    found: Mode = MODES[request.param]
    return found


def plan(tmp_path: Path, mode: Mode, *tasks: Task, **limits: float) -> Plan:
    work = tmp_path / "work"
    work.mkdir()
    for task in tasks:
        (work / f"{task.id}.txt").write_text("old\n")
    return Plan(
        name="p", tasks=tasks, workspace=work, base=tmp_path, mode=mode.name,
        limits=Limits(**{"workers": 3} | limits),  # type: ignore[arg-type]
    )  # fmt: skip


def task(name: str, *needs: str, **more: tuple[str, ...]) -> Task:
    return Task(
        id=name, depends_on=needs, role="implementer",
        writes=more.get("writes", (f"{name}.txt",)), shares=more.get("shares", ()),
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


def test_the_files_of_a_task_are_a_bound_or_an_instruction(tmp_path: Path, mode: Mode) -> None:
    def work(context: Context) -> None:
        context.write("b.txt", "not mine")

    made = plan(tmp_path, mode, task("a"), task("b", "a"), attempts=1)
    result = run(made, work=work, durability="normal")
    assert result.tasks["a"].state is TaskState.FAILED
    assert (tmp_path / "work" / "b.txt").read_text() == "old\n"  # as what a failed attempt leaves
    bounded = mode.rules(Limits()).bounded
    assert bounded == (mode.name != "uncontrolled")
    assert ("outside the files" in (result.tasks["a"].reason or "")) == bounded
    assert measure(result.run_dir).refused_scope == int(bounded)


@pytest.mark.parametrize("path", ["../out.txt", "/etc/out.txt", ".git/config", "a/../../out.txt"])
def test_nobody_leaves_the_workspace(tmp_path: Path, mode: Mode, path: str) -> None:
    result = run(
        plan(tmp_path, mode, task("a"), attempts=1), durability="normal",
        work=lambda context: context.write(path, "x"),
    )  # fmt: skip
    assert result.tasks["a"].state is TaskState.FAILED
    assert sorted(found.name for found in tmp_path.iterdir()) == [".orchestrator", "work"]


def test_limits_hold(tmp_path: Path, mode: Mode) -> None:
    def work(context: Context) -> None:
        assert context.interrupt.wait(20)

    made = plan(tmp_path, mode, task("a"), task("b"), wall=0.02)
    result = run(made, work=work, durability="normal")
    assert result.status == "limit"
    assert all((tmp_path / "work" / f"{name}.txt").read_text() == "old\n" for name in "ab")


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
    agrees(result.run_dir)


# --- what happens when tasks have much or nothing to do with one another ------------------------


def agrees(run_dir: Path) -> None:
    """Its log, folded and judged again, leads to where it led."""
    again = replay(run_dir)
    assert (again.parting, again.problems) == (None, ())


def registry(text: str, name: str) -> str:
    """Return a registry with the line of a task in the place that is meant for it."""
    return text.replace(f"# {name}\n", f"# {name}\n{name} is here\n")


REGISTRY = "".join(f"# {name}\n\n\n\n\n\n\n\n" for name in "abcdef")


def wide(tmp_path: Path, mode: Mode, *more: Task) -> Plan:
    """Six tasks side by side, each with a file of its own and a place in one that all edit."""
    tasks = [task(name, shares=("registry.txt",)) for name in "abcdef"]
    made = plan(tmp_path, mode, *tasks, *more, attempts=9)
    (tmp_path / "work" / "registry.txt").write_text(REGISTRY)
    return made


@pytest.mark.slow
def test_tasks_that_do_not_meet_leave_no_anomalies(tmp_path: Path, mode: Mode) -> None:
    tasks = [task("a"), task("b"), task("c", "a"), task("d", "a", "b"), task("e"), task("f", "e")]

    def work(context: Context) -> None:
        for name in context.task.depends_on:
            assert context.read(f"{name}.txt") == name
        fill(context)

    result = run(plan(tmp_path, mode, *tasks), work=work, durability="normal")
    assert result.status == "succeeded"
    assert all((tmp_path / "work" / f"{name}.txt").read_text() == name for name in "abcdef")
    report = check_run(result.run_dir)
    assert (report.anomalies, report.serialisable, report.notes) == ((), True, ())
    assert sorted(report.order) == sorted("abcdef")
    found = measure(result.run_dir)
    assert (found.refused_stale, found.refused_scope, found.attempts) == (0, 0, 6)
    agrees(result.run_dir)


@pytest.mark.slow
def test_a_file_that_all_edit_loses_nothing_unless_nobody_looks(tmp_path: Path, mode: Mode) -> None:
    crowd = threading.Barrier(mode.workers(3), timeout=20)
    met = set[str]()

    def work(context: Context) -> None:
        text = context.read("registry.txt") or ""
        if context.task.id not in met:  # all who are at work have read before anybody writes
            met.add(context.task.id)
            crowd.wait()
        context.write("registry.txt", registry(text, context.task.id))
        fill(context)

    result = run(wide(tmp_path, mode), work=work, durability="normal")
    assert result.status == "succeeded"
    left = (tmp_path / "work" / "registry.txt").read_text()
    report = check_run(result.run_dir)
    agrees(result.run_dir)
    if mode.name != "uncontrolled":
        assert all(f"{name} is here" in left for name in "abcdef")
        assert ([one.what for one in report.anomalies], report.serialisable) == ([], True)
        return
    lost = [name for name in "abcdef" if f"{name} is here" not in left]
    assert report.counts()["lost update"] == len(lost) == 4  # two of each three
    assert sorted(one.tasks[0] for one in report.anomalies if one.kind == "lost update") == lost
    assert not report.serialisable


def overtaken(tmp_path: Path, mode: Mode) -> tuple[Plan, Callable[[Context], None]]:
    """One task reads what another then replaces, and writes after that one was accepted."""
    reader = Task(id="r", writes=("r.txt",))
    changer = Task(id="a", writes=("a.txt",))
    after = Task(id="z", depends_on=("a",), writes=("z.txt",))
    has_read, accepted = threading.Event(), threading.Event()

    def work(context: Context) -> None:
        name = context.task.id
        if name == "r":
            text = context.read("a.txt")
            if context.attempt == 1 and mode.workers(3) > 1:
                has_read.set()
                assert accepted.wait(20)
            context.write("r.txt", f"r made from {text}")
        elif name == "a":
            assert has_read.wait(20)
            context.write("a.txt", "new\n")
        else:
            accepted.set()
            context.write("z.txt", "z")

    return plan(tmp_path, mode, reader, changer, after), work


@pytest.mark.slow
def test_who_notices_that_what_was_read_has_changed(tmp_path: Path, mode: Mode) -> None:
    made, work = overtaken(tmp_path, mode)
    if mode.workers(3) == 1:
        return  # alone, nobody can be overtaken
    result = run(made, work=work, durability="normal")
    report = check_run(result.run_dir)
    checked = mode.rules(Limits()).validate_reads
    assert checked == (mode.name == "shared")
    assert report.counts()["stale read"] == int(not checked)
    made_from = (tmp_path / "work" / "r.txt").read_text().removeprefix("r made from ")
    assert made_from == ("new\n" if checked else "old\n")
    assert result.tasks["r"].attempts == 1 + checked
    agrees(result.run_dir)


@pytest.mark.slow
def test_a_run_that_died_between_two_writes_goes_on(tmp_path: Path, mode: Mode) -> None:
    alive, kept = tmp_path / "alive", tmp_path / "kept"
    alive.mkdir()
    tasks = (task("a"), task("b", "a", writes=("b.txt", "c.txt")), task("d", "b"))

    def work(context: Context) -> None:
        fill(context)
        if context.task.id == "b":
            context.write("c.txt", "c")

    def die(events: Sequence[Event]) -> None:
        """Keep everything as a killed process would leave it at its first write of c.txt."""
        written = [event.path for event in events if isinstance(event, Wrote)]
        if "c.txt" in written and not kept.exists():
            shutil.copytree(alive, kept, symlinks=True)

    made = plan(alive, mode, *tasks)
    (alive / "work" / "c.txt").write_text("old\n")
    run(made, work=work, listeners=[die], run_dir=alive / "run", durability="normal")
    shutil.rmtree(alive)
    kept.rename(alive)
    result = resume(alive / "run", work=work, durability="normal")
    assert (result.status, result.mode) == ("succeeded", mode.name)
    assert [found.attempts for found in result.tasks.values()] == [1, 2, 1]
    assert [(alive / "work" / f"{name}.txt").read_text() for name in "abcd"] == list("abcd")
    assert check_run(result.run_dir).anomalies == ()
    agrees(result.run_dir)
