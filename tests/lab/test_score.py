"""Declared against observed: files, edges, conflicts and whose fault they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.analysis.codegraph import build
from orchestrator.core import events as e
from orchestrator.core.task import Task
from orchestrator.errors import UsageError
from orchestrator.lab.histories import parse_history
from orchestrator.lab.mending import mend, mended_text
from orchestrator.lab.score import Score, score_events
from orchestrator.lab.scoresvg import to_svg
from orchestrator.spec.plan import Plan


def task(name: str, *needs: str, writes: str = "", **more: object) -> Task:
    return Task(id=name, depends_on=needs, writes=tuple(writes.split()), **more)  # type: ignore[arg-type]


A, B = task("a", writes="x"), task("b", writes="y")
B_AFTER_A = task("b", "a", writes="y")


def scored(tasks: list[Task], history: str, *more: e.Event) -> Score:
    events = sorted([*parse_history(history), *more], key=lambda event: event.at)
    return score_events(events, tasks, workers=2, start=("x", "y", "z"))


def codes(score: Score) -> list[tuple[str, tuple[str, ...]]]:
    return [(defect.code, defect.tasks) for defect in score.defects]


# --- files ------------------------------------------------------------------------------------


def test_files_that_were_declared_and_written() -> None:
    found = scored([task("a", writes="x y"), task("b", writes="z")], "a?x a=x a. b=z b.")
    writes = found.scores["a"].writes
    assert (writes.precision, writes.recall) == (0.5, 1)
    assert found.dimensions["writes_precision"] == 2 / 3
    assert found.dimensions["writes_recall"] == 1


def test_a_file_that_should_have_come_into_being_counts_as_declared() -> None:
    found = scored([task("a", writes="x new.py")], "a=x a.")
    assert found.scores["a"].writes.precision == 0.5


def test_a_write_outside_the_declared_files_lowers_recall() -> None:
    found = scored([A], "a=x a=z a.")
    assert found.scores["a"].writes.recall == 0.5
    assert found.scores["a"].to_json()["writes"]["undeclared"] == ["z"]


def test_files_that_were_declared_and_read() -> None:
    found = scored([task("a", writes="x", reads=("**",))], "a?y a=x a.")
    reads = found.scores["a"].reads  # it might read y and z, and looked at y
    assert (reads.precision, reads.recall) == (0.5, 1)
    narrow = scored([task("a", writes="x", reads=("z",))], "a?y a=x a.").scores["a"].reads
    assert (narrow.precision, narrow.recall) == (0, 0)


# --- edges ------------------------------------------------------------------------------------


def test_an_edge_is_used_when_the_second_reads_what_the_first_wrote() -> None:
    found = scored([A, B_AFTER_A], "a=x a. b?x b=y b.")
    assert dict(found.used) == {("a", "b"): ("x",)}
    assert found.dimensions["edges_precision"] == found.dimensions["edges_recall"] == 1
    assert not found.defects


def test_an_edge_is_used_when_the_second_writes_the_file_anew() -> None:
    found = scored([A, task("b", "a", writes="x")], "a=x a. b=x b.")
    assert dict(found.used) == {("a", "b"): ("x",)}


def test_an_edge_along_which_nothing_flowed() -> None:
    found = scored([A, B_AFTER_A], "a=x a. b?z b=y b.")
    assert found.unused == (("a", "b"),)
    assert found.dimensions["edges_precision"] == 0


def test_reading_what_was_undone_is_no_flow() -> None:
    found = scored([A, B_AFTER_A], "a=x a! a=x a. b?z b=y b.")
    assert found.unused == (("a", "b"),)


def test_a_file_that_both_share_is_no_flow() -> None:
    both = [task("a", writes="x", shares=("z",)), task("b", "a", writes="y", shares=("z",))]
    found = scored(both, "a=x a=z a. b=z b=y b.")
    assert found.unused == (("a", "b"),)


def test_a_flow_without_an_edge_is_a_missing_edge_though_it_did_no_harm() -> None:
    found = scored([A, B], "a=x a. b?x b=y b.")
    assert codes(found) == [("missing-edge", ("a", "b"))]
    assert found.dimensions["edges_recall"] == 0
    assert found.dimensions["harmony"] == 1
    assert not any(one.harmful for one in found.defects[0].incidents)


def test_an_order_by_way_of_another_task_is_an_order() -> None:
    middle = task("m", "a", writes="z")
    found = scored([A, middle, task("b", "m", writes="y")], "a=x a. m=z m. b?x b?z b=y b.")
    assert not found.defects
    assert found.dimensions["edges_recall"] == 1


# --- conflicts and their cause ----------------------------------------------------------------


def test_a_stale_write_between_unordered_tasks_is_a_missing_edge() -> None:
    refused = e.RequestRefused(3.5, "b", 1, 2, "write", "stale", "x changed", ("x",), "y")
    found = scored([A, B], "a?x b?x a=x b?x a. b=y b.", refused)
    assert codes(found) == [("missing-edge", ("a", "b"))]
    assert "refused write" in [one.kind for one in found.defects[0].incidents]
    assert found.dimensions["harmony"] == 0.5
    assert "depends_on: [a]" in found.defects[0].fix


def test_a_stale_write_that_was_merged_at_once_is_no_defect() -> None:
    refused = e.RequestRefused(5.5, "b", 1, 2, "write", "stale", "z changed", ("z",), "z")
    shared = [task("a", writes="x", shares=("z",)), task("b", writes="y", shares=("z",))]
    found = scored(shared, "a=x b=y a=z b?z b=z a. b.", refused)
    assert not found.defects


def test_a_refused_submission_is_laid_on_whoever_changed_the_file() -> None:
    refused = e.RequestRefused(3.5, "b", 1, 2, "submit", "stale", "x changed", ("x",))
    found = scored([A, B], "b?x b=y a=x b?x a. b.", refused)
    assert codes(found) == [("missing-edge", ("a", "b"))]


def test_a_wait_for_files_is_overlapping_writes_with_its_cost() -> None:
    one, two = task("a", writes="x"), task("b", writes="x y")
    blocked = e.Blocked(1.5, "b", 0, ("a",))
    found = scored([one, two], "a=x a=x a. b=y b.", blocked)
    assert codes(found) == [("overlapping-writes", ("a", "b"))]
    defect = found.defects[0]
    assert defect.files == ("x",)
    assert defect.seconds == pytest.approx(1.5)
    assert found.dimensions["no_waiting"] is not None
    assert found.dimensions["no_waiting"] < 1


def test_a_wait_between_ordered_tasks_is_no_defect() -> None:
    blocked = e.Blocked(1.5, "b", 0, ("a",))
    found = scored([A, task("b", "a", writes="x")], "a=x a. b=x b.", blocked)
    assert not found.defects


def test_finished_work_that_waits_for_what_it_has_read_is_a_missing_edge() -> None:
    waits = e.SubmitWaits(4.5, "b", 1, 2, ("a",))
    found = scored([A, B], "a=x b?x b=y b?x a. b.", waits)
    assert codes(found) == [("missing-edge", ("a", "b"))]
    assert found.defects[0].seconds == pytest.approx(6 - 4.5)


def test_a_circle_of_unfinished_work_is_laid_on_its_tasks() -> None:
    end = e.AttemptEnded(
        4.5, "b", 1, 2, "conflict", "a and b had each read what another of them had not finished",
        "ready", False,
    )  # fmt: skip
    history = "a=x b?x b=y a?y a. b=y b."
    events = parse_history(history)
    events = sorted([*events[:6], end, *events[6:]], key=lambda event: event.at)
    found = score_events(events, [A, B], workers=2, start=("x", "y"))
    kinds = {one.kind for defect in found.defects for one in defect.incidents}
    assert "conflict" in kinds


def test_a_refused_file_is_a_narrow_scope() -> None:
    refused = e.RequestRefused(1.5, "a", 1, 1, "write_file", "scope", "outside", (), "z")
    found = scored([A], "a=x a.", refused)
    assert codes(found) == [("narrow-scope", ("a",))]
    assert "add z to `writes`" in found.defects[0].fix


def test_more_files_asked_for_are_a_narrow_scope() -> None:
    widened = e.Widened(1.5, "a", 1, 1, ("z",))
    found = scored([A], "a=x a=z a.", widened)
    assert codes(found) == [("narrow-scope", ("a",))]


# --- with the code ----------------------------------------------------------------------------


@pytest.fixture
def code(tmp_path: Path) -> Path:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "tests").mkdir()
    files = {
        "pkg/__init__.py": "",
        "pkg/low.py": "def low():\n    return 1\n\n\nSIZE = 3\n",
        "pkg/high.py": "from pkg.low import low\n\n\ndef high():\n    return low()\n",
        "tests/test_high.py": (
            "from pkg.high import high\n\n\ndef test_high():\n    assert high() == 1\n"
        ),
    }
    for path, text in files.items():
        (tmp_path / path).write_text(text)
    return tmp_path


LOW = task("low", writes="pkg/low.py")
HIGH = task("high", writes="pkg/high.py", tests=("tests/test_high.py",))
STUB = "def low():\n    raise NotImplementedError\n\n\nSIZE = 3\n"
IN_TURN = "low=pkg/low.py low. high=pkg/high.py high."


def with_code(code: Path, tasks: list[Task], history: str, before: str | None = STUB) -> Score:
    start = ("pkg/low.py", "pkg/high.py")
    return score_events(
        parse_history(history, start), tasks, workers=2, graph=build(code), start=start,
        before={"pkg/low.py": before}.get,
    )  # fmt: skip


def test_an_edge_is_used_when_the_tests_reach_what_was_written(code: Path) -> None:
    after = task("high", "low", writes="pkg/high.py", tests=("tests/test_high.py",))
    found = with_code(code, [LOW, after], IN_TURN)
    assert dict(found.used) == {("low", "high"): ("pkg/low.py",)}


def test_tests_that_reach_a_changed_function_of_an_unordered_task(code: Path) -> None:
    assert codes(with_code(code, [LOW, HIGH], IN_TURN)) == [("missing-edge", ("low", "high"))]


def test_tests_that_reach_nothing_that_was_changed_accuse_nobody(code: Path) -> None:
    same = "def low():\n    return 1\n\n\nSIZE = 2\n"
    assert codes(with_code(code, [LOW, HIGH], IN_TURN, same)) == []


def test_tests_that_passed_with_the_others_unfinished_work_needed_it(code: Path) -> None:
    turned = "low=pkg/low.py high=pkg/high.py high. low."
    assert codes(with_code(code, [LOW, HIGH], turned)) == [("missing-edge", ("low", "high"))]


def test_work_that_was_accepted_before_the_other_was_there_did_not_need_it(code: Path) -> None:
    turned = "high=pkg/high.py high. low=pkg/low.py low."
    assert codes(with_code(code, [LOW, HIGH], turned)) == []


def test_tests_that_failed_before_the_others_work_was_there(code: Path) -> None:
    start = ("pkg/low.py", "pkg/high.py")
    events = [
        *parse_history("high=pkg/high.py low=pkg/low.py low. high.", start),
        e.Reported(1.5, "high", 1, 1, "test", 2, evidence="digest"),
    ]
    found = score_events(
        sorted(events, key=lambda event: event.at), [LOW, HIGH], workers=2, graph=build(code),
        start=start, before={"pkg/low.py": STUB}.get,
    )  # fmt: skip
    assert codes(found) == [("missing-edge", ("low", "high"))]
    assert "failed test" in [one.kind for one in found.defects[0].incidents]


def test_a_task_that_failed_for_good_because_the_others_work_was_not_there(code: Path) -> None:
    start = ("pkg/low.py", "pkg/high.py")
    events = parse_history("low=pkg/low.py high=pkg/high.py high! low.", start)
    found = score_events(
        events, [LOW, HIGH], workers=2, graph=build(code), start=start,
        before={"pkg/low.py": STUB}.get,
    )  # fmt: skip
    assert codes(found) == [("missing-edge", ("low", "high"))]
    assert [one.kind for one in found.defects[0].incidents] == ["failed test"]


def test_what_code_and_tests_need_counts_as_read(code: Path) -> None:
    found = with_code(code, [LOW, HIGH], IN_TURN)
    assert "pkg/low.py" in found.scores["high"].reads.actual


# --- the whole --------------------------------------------------------------------------------


def test_estimates_are_judged_by_their_proportions() -> None:
    even = [task("a", writes="x", estimate=10.0), task("b", writes="y", estimate=10.0)]
    assert scored(even, "a=x a. b=y b.").dimensions["estimates"] == 1
    wrong = [task("a", writes="x", estimate=10.0), task("b", writes="y", estimate=1000.0)]
    found = scored(wrong, "a=x a. b=y b.").dimensions["estimates"]
    assert found is not None
    assert found < 0.2


def test_a_run_in_which_nothing_was_accepted_has_no_score() -> None:
    with pytest.raises(UsageError, match="no task of this run was accepted"):
        scored([A], "a=x a!")


def test_a_run_that_goes_on_is_scored_as_far_as_it_is() -> None:
    assert list(scored([A, B_AFTER_A], "a=x a. b=y").scores) == ["a"]


def test_the_picture_has_every_task_and_is_well_formed() -> None:
    from xml.etree import ElementTree

    found = scored([A, B, task("c", "a", writes="z")], "a=x a. b?x b=y b. c=z c.")
    picture = to_svg(found)
    ElementTree.fromstring(picture)
    assert picture.count("<rect x=") == 3
    assert "#c0392b" in picture  # the missing edge
    assert "nothing flowed" in picture


# --- the plan mended --------------------------------------------------------------------------


def test_a_missing_edge_is_added_and_a_needless_one_is_left_as_a_comment() -> None:
    tasks = [A, B, task("c", "a", writes="z")]
    found = scored(tasks, "a=x a. b?x b=y b. c=z c.")
    mends = mend(found)
    assert mends["b"].depends_on == ("a",)
    assert mends["c"].depends_on == ()
    plan = Plan(name="p", tasks=tuple(tasks))
    text = mended_text(plan.to_data(), mends, "r")
    assert "# b: added: a (unordered use: x)" in text
    assert "# c: removed: a (nothing flowed along this edge)" in text


def test_an_edge_stays_while_both_may_write_the_same_file() -> None:
    found = scored([A, task("b", "a", writes="x y")], "a=x a. b=y b.")
    assert found.unused == (("a", "b"),)
    mends = mend(found)
    assert mends["b"].depends_on == ("a",)
    assert any(line.startswith("kept: a") for line in mends["b"].said)


def test_an_edge_stays_while_it_carries_the_order_of_others() -> None:
    middle = task("m", "a", writes="z")
    found = scored([A, middle, task("b", "m", writes="y")], "a=x a. m=z m. b?x b=y b.")
    mends = mend(found)  # nothing flowed along a-m and m-b, but a comes before b by them
    assert mends["m"].depends_on == ("a",)
    assert mends["b"].depends_on == ("m",)


def test_no_edge_is_added_that_would_close_a_circle() -> None:
    refused = [
        e.RequestRefused(3.5, "b", 1, 2, "write", "stale", "x changed", ("x",), "y"),
        e.RequestRefused(4.5, "a", 1, 1, "write", "stale", "y changed", ("y",), "x"),
    ]
    found = scored([A, B], "a=x b=y b?x a?y a. b.", *refused)
    mends = mend(found)
    assert sum(len(change.depends_on) for change in mends.values()) == 1


def test_an_edge_that_other_new_edges_imply_is_not_added() -> None:
    third = task("c", "b", writes="z")
    found = scored([A, B, third], "a=x a. b?x b=y b. c?x c?y c=z c.")
    assert found.missing == (("a", "b"), ("a", "c"))
    mends = mend(found)
    assert (mends["b"].depends_on, mends["c"].depends_on) == (("a",), ("b",))


def test_files_that_were_asked_for_are_added_to_what_is_written() -> None:
    refused = e.RequestRefused(1.5, "a", 1, 1, "write_file", "scope", "outside", (), "z")
    assert mend(scored([A], "a=x a.", refused))["a"].writes == ("x", "z")


def test_reads_become_what_was_looked_at_or_is_needed(code: Path) -> None:
    change = mend(with_code(code, [LOW, HIGH], IN_TURN))["high"]
    assert change.reads == ("pkg/low.py", "tests/test_high.py")


def test_a_mended_plan_is_a_plan(tmp_path: Path) -> None:
    from orchestrator.spec.plan import load_plan

    tasks = [A, B, task("c", "a", writes="z", instructions="One.\n\nTwo: # no comment.\n")]
    mends = mend(scored(tasks, "a=x a. b?x b=y b. c=z c."))
    plan = Plan(name="p", tasks=tuple(tasks), workspace=tmp_path)
    file = tmp_path / "mended.yaml"
    file.write_text(mended_text(plan.to_data(), mends, "r"))
    again = load_plan(file)
    assert again.task("b").depends_on == ("a",)
    assert again.task("c").instructions == tasks[2].instructions
