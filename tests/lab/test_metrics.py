"""Metrics, from events with known times and from the log of a real run."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import pytest

from orchestrator.core import events as e
from orchestrator.core.messages import Spent
from orchestrator.core.task import Task
from orchestrator.errors import StaleWrite, WorkspaceError
from orchestrator.lab.filewaits import FileWait
from orchestrator.lab.metrics import Conflict, measure, metrics_of
from orchestrator.runtime.context import Context
from orchestrator.runtime.run import run
from orchestrator.spec.plan import Plan

A, B, C = Task(id="a"), Task(id="b", depends_on=("a",)), Task(id="c")


def granted(at: float, task: str, attempt: int = 1, token: int = 1) -> e.LeaseGranted:
    return e.LeaseGranted(at, task, attempt, token, f"w{token}")


def succeeded(at: float, task: str, attempt: int = 1, token: int = 1) -> e.Succeeded:
    return e.Succeeded(at, task, attempt, token)


def ended(at: float, task: str, then: str = "ready", attempt: int = 1) -> e.AttemptEnded:
    return e.AttemptEnded(at, task, attempt, 1, "tests_failed", "no", then, True)


def reported(at: float, task: str, **spent: float) -> e.Reported:
    return e.Reported(at, task, 1, 1, "reason", 1, Spent(**spent))  # type: ignore[arg-type]


def stale(
    at: float, task: str, *paths: str, request: str = "write", path: str = "x"
) -> e.RequestRefused:
    return e.RequestRefused(at, task, 1, 1, request, "stale", f"{paths} changed", paths, path)


def wrote(at: float, task: str, path: str, rebased: bool = False, reads: str = "") -> e.Wrote:
    known = tuple((name, 2) for name in reads.split())
    return e.Wrote(at, task, 1, 1, path, 3, "d", 2, known, rebased)


def test_the_times_of_a_run_without_trouble() -> None:
    found = metrics_of(
        (A, B, C),
        2,
        [
            granted(1, "a"), granted(1, "c", token=2), succeeded(5, "a"), granted(5, "b"),
            succeeded(8, "b"), succeeded(11, "c", token=2), e.Finished(12, "", 0, "succeeded"),
        ],
    )  # fmt: skip
    assert found.makespan == 10
    assert found.work == 4 + 3 + 10
    assert (found.critical_path, found.critical_tasks) == (10, ("c",))
    assert found.speedup == 1.7
    assert found.utilisation == 17 / 20
    assert (found.attempts, found.rework_seconds) == (3, 0)


def test_the_critical_path_follows_the_dependencies() -> None:
    found = metrics_of(
        (A, B, C),
        3,
        [
            granted(0, "a"), granted(0, "c", token=2), succeeded(4, "a"),
            succeeded(6, "c", token=2), granted(7, "b"), succeeded(10, "b"),
        ],
    )  # fmt: skip
    assert (found.critical_path, found.critical_tasks) == (7, ("a", "b"))


def test_the_critical_path_knows_tasks_that_were_added_for_others() -> None:
    part = Task(id="part", depends_on=("a",))
    found = metrics_of(
        (A, B),
        1,
        [
            granted(0, "a"), e.Added(1, "a", 1, (part,), ("b",)), succeeded(2, "a"),
            granted(2, "part"), succeeded(7, "part"), granted(7, "b"), succeeded(8, "b"),
        ],
    )  # fmt: skip
    assert (found.critical_path, found.critical_tasks) == (8, ("a", "part", "b"))


def test_only_accepted_attempts_are_work() -> None:
    found = metrics_of(
        (A,), 1, [granted(0, "a"), ended(3, "a"), granted(3, "a", 2), succeeded(5, "a", 2)]
    )
    assert found.work == 2
    assert found.rework_seconds == 3
    assert found.attempts == 2
    assert found.speedup == 0.4
    assert found.utilisation == 1


def test_a_failed_task_ends_the_run_as_well() -> None:
    found = metrics_of(
        (A, B),
        1,
        [granted(0, "a"), ended(3, "a", "failed"), e.Skipped(3, "b", 0, "a failed")],
    )
    assert (found.makespan, found.work, found.critical_tasks) == (3, 0, ())


def test_a_live_run_is_measured_up_to_its_newest_event() -> None:
    found = metrics_of((A,), 1, [granted(1, "a"), reported(3, "a")])
    assert (found.makespan, found.utilisation, found.rework_seconds) == (2, 1, 0)


def test_a_run_that_has_not_begun_has_no_figures() -> None:
    found = metrics_of((A,), 1, [])
    assert (found.makespan, found.speedup, found.utilisation) == (0, 0, 0)
    assert found.usd == 0


def test_tokens_and_dollars_add_up() -> None:
    found = metrics_of(
        (A, C),
        1,
        [
            granted(0, "a"), reported(1, "a", input=10, cache_read=5, output=3, usd=0.25),
            granted(1, "c", token=2),
            e.AttemptEnded(2, "c", 1, 2, "limit", "", "failed", True, Spent(1, 1, 0, 0, 0.5)),
        ],
    )  # fmt: skip
    assert found.tokens == {"input": 16, "output": 4}
    assert found.usd == 0.75


def test_dollars_are_unknown_as_soon_as_one_price_is() -> None:
    unknown = e.Reported(2, "c", 1, 2, "reason", 1, Spent(usd=None))
    found = metrics_of(
        (A, C), 2, [granted(0, "a"), reported(1, "a", usd=1.0), granted(1, "c", token=2), unknown]
    )
    assert found.usd is None
    assert found.to_json()["usd"] is None


def test_a_stale_write_that_was_merged_is_no_conflict() -> None:
    found = metrics_of(
        (A,), 1, [granted(0, "a"), stale(1, "a", "x"), wrote(1, "a", "x", True), reported(2, "a")]
    )
    assert (found.refused_stale, found.rebased, found.conflicts) == (1, 1, 0)


def test_a_read_that_still_holds_is_no_conflict() -> None:
    refused = stale(1, "a", "x", path="y")
    events = [granted(0, "a"), refused, wrote(1, "a", "y", reads="x"), reported(2, "a")]
    found = metrics_of((A,), 1, events)
    assert (found.refused_stale, found.rebased, found.conflicts) == (1, 0, 0)


@pytest.mark.parametrize(
    "after",
    [
        [],
        [wrote(2, "a", "y")],
        [wrote(2, "a", "x")],
        [wrote(2, "a", "x", reads="x")],
        [wrote(2, "a", "y", rebased=True)],
    ],
    ids=["nothing", "another file", "the file as it now is", "read again", "another file merged"],
)
def test_a_stale_write_that_the_model_was_told_of_is_a_conflict(after: list[e.Event]) -> None:
    found = metrics_of((A,), 1, [granted(0, "a"), stale(1, "a", "x"), *after, reported(3, "a")])
    assert found.clashes == (Conflict("a", 1, ("x",), "('x',) changed"),)
    assert found.to_json()["conflicts"] == 1


def test_a_write_that_is_merged_after_the_model_was_told_settles_nothing() -> None:
    events = [granted(0, "a"), stale(1, "a", "x"), reported(2, "a"), wrote(3, "a", "x", True)]
    assert metrics_of((A,), 1, events).conflicts == 1


def test_a_conflict_counts_also_when_its_attempt_ends_at_once() -> None:
    assert metrics_of((A,), 1, [granted(0, "a"), stale(1, "a", "x"), ended(2, "a")]).conflicts == 1


def test_a_submission_on_what_has_changed_is_not_a_write() -> None:
    events = [granted(0, "a"), stale(1, "a", "x", request="submit"), succeeded(2, "a")]
    found = metrics_of((A,), 1, events)
    assert (found.refused_stale, found.conflicts) == (0, 0)


def test_refused_scopes_are_counted() -> None:
    refused = e.RequestRefused(1, "a", 1, 1, "write", "scope", "outside", ("x",))
    assert metrics_of((A,), 1, [granted(0, "a"), refused]).refused_scope == 1


def test_a_task_waits_for_files_until_the_last_holder_has_let_go() -> None:
    found = metrics_of(
        (A, C, Task(id="d")),
        2,
        [
            granted(0, "a"), granted(0, "c", token=2), e.Blocked(1, "d", 0, ("a", "c")),
            ended(3, "a"), succeeded(6, "c", token=2), granted(9, "d"),
        ],
    )  # fmt: skip
    assert found.waits == (FileWait("d", ("a", "c"), 5),)
    assert found.to_json()["file_waits"] == 1
    assert found.file_wait_seconds == 5


def test_time_spent_waiting_inside_an_attempt_is_not_time_spent_working() -> None:
    found = metrics_of(
        (A, C),
        2,
        [
            granted(0, "a"), granted(0, "c", token=2),
            e.WidenWaits(2, "a", 1, 1, ("x",), ("c",)), succeeded(8, "c", token=2),
            e.Widened(8, "a", 1, 1, ("x",)), succeeded(10, "a"),
        ],
    )  # fmt: skip
    assert found.waits == (FileWait("a", ("c",), 6, running=True),)
    assert found.utilisation == (10 + 8 - 6) / 20


@pytest.mark.parametrize(
    "end",
    [
        e.RequestRefused(5, "a", 1, 1, "widen", "cycle", "a deadlock"),
        e.AttemptEnded(5, "a", 1, 1, "limit", "", "failed", True),
    ],
    ids=["refused", "lease ended"],
)
def test_waiting_inside_an_attempt_can_end_badly(end: e.Event) -> None:
    waits = e.WidenWaits(2, "a", 1, 1, ("x",), ("c",))
    found = metrics_of((A, C), 2, [granted(0, "a"), granted(0, "c", token=2), waits, end])
    assert found.file_wait_seconds == 3


def test_all_promised_keys_are_there() -> None:
    assert metrics_of((), 1, []).to_json().keys() >= {
        "makespan", "work", "critical_path", "speedup", "utilisation", "refused_stale",
        "refused_scope", "conflicts", "tokens", "usd", "attempts", "rework_seconds",
    }  # fmt: skip


def test_the_log_of_a_run_is_measured(tmp_path: Path) -> None:
    def work(context: Context) -> None:
        if context.task.id == "b" and context.attempt == 1:
            raise ValueError("not yet")

    plan = Plan(name="p", tasks=(A, B, C), base=tmp_path)
    result = run(plan, work=work, workers=2, run_dir=tmp_path / "run")
    found = measure(result.run_dir)
    assert found.attempts == 4
    assert found.critical_tasks in (("a", "b"), ("c",))
    assert 0 < found.critical_path <= found.makespan
    assert 0 < found.rework_seconds < found.makespan
    assert 0 < found.utilisation <= 1
    assert found.speedup == pytest.approx(found.work / found.makespan)
    assert found.refused_stale == found.conflicts == found.refused_scope == 0


@pytest.mark.parametrize(
    ("line", "refused", "rebased", "conflicts"), [(1, 1, 0, 1), (9, 1, 1, 0)], ids=["met", "apart"]
)
def test_edits_of_a_shared_file(
    tmp_path: Path, line: int, refused: int, rebased: int, conflicts: int
) -> None:
    """One task changes line 1; the other has read the file before and then changes `line`."""
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "shared").write_text("".join(f"{n}\n" for n in range(12)))
    read, changed = Event(), Event()

    def edit(context: Context, number: int) -> None:
        lines = (context.read("shared") or "").splitlines(keepends=True)
        if context.task.id == "late" and not changed.is_set():
            read.set()
            changed.wait(30)
        lines[number] = f"{context.task.id}\n"
        context.write("shared", "".join(lines))

    def work(context: Context) -> None:
        if context.task.id == "early":
            read.wait(30)
            edit(context, 1)
            changed.set()
            return
        try:
            edit(context, line)
        except StaleWrite:
            edit(context, line)

    tasks = tuple(Task(id=name, shares=("shared",)) for name in ("early", "late"))
    plan = Plan(name="p", tasks=tasks, base=tmp_path, workspace=Path("tree"))
    found = measure(run(plan, work=work, workers=2, run_dir=tmp_path / "run").run_dir)
    assert (found.refused_stale, found.rebased, found.conflicts) == (refused, rebased, conflicts)
    assert [clash.task for clash in found.clashes] == ["late"] * conflicts


def test_what_is_not_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match=r"events\.db"):
        measure(tmp_path)
