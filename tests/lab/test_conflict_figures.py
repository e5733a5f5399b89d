"""Conflicts by kind, on made-up events and on real runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator import Context, Limits, Plan, Task, run
from orchestrator.core import events as e
from orchestrator.errors import StaleWrite
from orchestrator.lab.conflicts import Conflicts, conflicts_of
from orchestrator.lab.outcomes import Figures, measure_outcome


def refused(request: str, kind: str, why: str = "", path: str = "x") -> e.RequestRefused:
    return e.RequestRefused(1, "a", 1, 1, request, kind, why, ("x",), path)  # type: ignore[arg-type]


def wrote(path: str, rebased: bool = False) -> e.Wrote:
    return e.Wrote(2, "a", 1, 1, path, 3, "d", 2, (), rebased)


def of(*events: e.Event) -> Conflicts:
    return conflicts_of(events, lambda task, path: path == "x")


def test_merges_are_told_apart_by_what_stood_against_them() -> None:
    found = of(
        refused("merge", "stale", "git cannot merge the two: x"),
        refused("merge", "state", "the tests pass on your branch and fail when it is merged"),
        refused("merge", "state", "conflict markers are left in x"),
    )
    assert (found.merge_conflicts, found.red_merges, found.unresolved) == (1, 1, 1)
    assert (found.stale_writes, found.told_writes) == (0, 0)


def test_a_refusal_that_was_merged_is_false_and_one_that_was_told_is_not() -> None:
    told = e.Reported(3, "a", 1, 1, "reason", 2)
    found = of(refused("write", "stale"), wrote("x", True), refused("write", "stale"), told)
    assert (found.stale_writes, found.told_writes) == (2, 1)
    assert found.false_refusal_rate == 0.5
    assert found.refused_write_rate == 2 / 3


def test_without_refusals_there_is_no_rate_of_false_ones() -> None:
    assert of(wrote("x")).false_refusal_rate is None
    assert of().refused_write_rate is None


def test_writes_that_left_the_scope_count_whether_or_not_they_were_refused() -> None:
    found = of(wrote("x"), wrote("y"), refused("write", "scope"), refused("read_file", "scope"))
    assert (found.refused_scope, found.outside_writes) == (1, 1)
    assert found.scope_violation_rate == 2 / 3


def test_files_that_were_asked_for_are_in_scope() -> None:
    assert of(e.Widened(1, "a", 1, 1, ("y",)), wrote("y")).outside_writes == 0


def test_without_scopes_the_violations_are_unknown() -> None:
    assert conflicts_of([wrote("x")], None).scope_violation_rate is None


# --- real runs --------------------------------------------------------------------------------


def figures(
    folder: Path, mode: str, work: Callable[[Context], None], *tasks: Task,
    validate: str = "region", retest: bool = False,
) -> Figures:  # fmt: skip
    place = folder / "work"
    place.mkdir()
    (place / "x.txt").write_text("".join(f"line {number}\n" for number in range(20)))
    plan = Plan(
        name="p", tasks=tasks, workspace=place, base=folder, mode=mode, validate=validate,
        limits=Limits(workers=2, attempts=3),
    )  # fmt: skip
    result = run(plan, work=work, durability="normal")
    assert result.status == "succeeded", {name: t.reason for name, t in result.tasks.items()}
    return measure_outcome(result.run_dir, retest=retest).figures


def edits(far: bool) -> Callable[[Context], None]:
    """Return what has both tasks read a file before either edits it, far apart or in one line."""
    crowd, first = threading.Barrier(2, timeout=20), threading.Event()
    met: set[str] = set()

    def work(context: Context) -> None:
        name = context.task.id
        line = "line 15" if far and name == "b" else "line 2"
        text = context.read("x.txt") or ""
        context.report("reason", 1)
        if name not in met:
            met.add(name)
            crowd.wait()
            assert name == "a" or first.wait(20)
        try:
            context.write("x.txt", text.replace(line, f"{line}, {name}"))
        except StaleWrite:
            context.report("reason", 2)
            text = context.read("x.txt") or ""
            context.write("x.txt", text.replace(line, f"{line}, {name}"))
        finally:
            first.set()

    return work


SHARED = (Task(id="a", shares=("x.txt",)), Task(id="b", shares=("x.txt",)))


@pytest.mark.slow
def test_edits_far_apart_are_refused_falsely_and_merged(tmp_path: Path) -> None:
    found = figures(tmp_path, "shared", edits(far=True), *SHARED)
    assert (found["refused_stale"], found["false_refusal_rate"], found["conflicts"]) == (1, 1, 0)
    assert (found["stale_read_rate"], found["anomalies"]) == (0, 0)


@pytest.mark.slow
def test_edits_of_one_line_are_refused_truly(tmp_path: Path) -> None:
    found = figures(tmp_path, "shared", edits(far=False), *SHARED)
    assert (found["refused_stale"], found["false_refusal_rate"], found["conflicts"]) == (1, 0, 1)


@pytest.mark.slow
def test_what_nobody_looked_at_by_lines_is_unknown(tmp_path: Path) -> None:
    found = figures(tmp_path, "shared", edits(far=True), *SHARED, validate="file")
    assert (found["refused_stale"], found["false_refusal_rate"]) == (1, None)


@pytest.mark.slow
def test_the_last_writer_wins_over_a_stale_read(tmp_path: Path) -> None:
    """Uncontrolled, a whole file is written from memory: the other's line is lost."""
    found = figures(tmp_path, "uncontrolled", edits(far=True), *SHARED)
    assert (found["refused_stale"], found["stale_read_rate"]) == (0, 0.5)
    assert found["anomalies"] == 1
    assert (found["stale_seconds"] or 0) > 0


def begun_together(first: Callable[[Context], None]) -> Callable[[Context], None]:
    """Return what has two tasks do something on branches that begin at the same head, and something
    harmless when that was not accepted."""
    crowd = threading.Barrier(2, timeout=20)

    def work(context: Context) -> None:
        if context.attempt == 1:
            first(context)
            crowd.wait()
        else:
            context.write(f"{context.task.id}.log", "")

    return work


@pytest.mark.slow
def test_a_merge_of_two_green_sides_that_is_red_is_a_semantic_conflict(tmp_path: Path) -> None:
    only_one = "test ! -e a.txt || test ! -e b.txt"
    found = figures(
        tmp_path, "worktree",
        begun_together(lambda context: context.write(f"{context.task.id}.txt", "")),
        *(Task(id=name, writes=(f"{name}.*",), test=only_one) for name in "ab"),
        retest=True,
    )  # fmt: skip
    assert (found["merges_refused"], found["merge_conflicts"]) == (1, 0)
    assert (found["semantic_conflicts"], found["cross_task_breaks"]) == (1, 0)
    assert found["time_merge"] is not None


@pytest.mark.slow
def test_a_merge_that_git_cannot_make_is_a_merge_conflict(tmp_path: Path) -> None:
    found = figures(
        tmp_path, "worktree",
        begun_together(lambda context: context.write("x.txt", context.task.id)),
        *(Task(id=name, writes=("x.txt", f"{name}.*")) for name in "ab"),
    )  # fmt: skip
    assert (found["merges_refused"], found["merge_conflicts"]) == (1, 1)
    assert found["false_refusal_rate"] is None
