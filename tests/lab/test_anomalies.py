"""Each anomaly in a history made by hand, in the notation of `lab.histories`."""

from __future__ import annotations

import pytest

from orchestrator.core import events as e
from orchestrator.errors import UsageError
from orchestrator.lab.anomalies import KINDS, Anomaly, AnomalyReport, find_anomalies
from orchestrator.lab.histories import parse_history
from orchestrator.lab.serialisation import Contents


def report_on(text: str) -> AnomalyReport:
    return find_anomalies(parse_history(text))


def only(text: str) -> Anomaly:
    """Return the one anomaly of a history."""
    (found,) = report_on(text).anomalies
    return found


@pytest.mark.parametrize(
    ("history", "order"),
    [
        ("", ()),
        ("a?x a=x a. b?x b=y b.", ("a", "b")),
        ("b?x b=y a=x a. b.", ("b", "a")),  # b was there first, though it was accepted last
        ("a=x b=y b. a. c?x c?y c=z c.", ("b", "a", "c")),
        ("b?x a=x a. b?x b=y b.", ("a", "b")),  # b looked again
        ("a=x b?x a! b?x b=y b.", ("b",)),  # b looked again after the undoing
        ("a=x a! a=x a. b?x b=y b.", ("a", "b")),  # a retry
        ("a=x a!keep b?x b=x b.", ("b",)),  # kept writes are there for good
        ("*x a?x a=x a. *x", ("a",)),
        ("a=n a-n a. b=n b.", ("a", "b")),
        ("a-x a. b=x@0 b.", ("a", "b")),  # there was no x any more when b made it
        ("a=x a=x a. b?x b=x b=x b.", ("a", "b")),
        ("a=x b?x", ()),  # nothing has been accepted yet
    ],
)
def test_what_a_serial_order_explains_is_no_anomaly(history: str, order: tuple[str, ...]) -> None:
    report = report_on(history)
    assert report.anomalies == ()
    assert (report.serialisable, report.order) == (True, order)
    assert set(report.counts()) == set(KINDS)
    assert not any(report.counts().values())


def test_a_lost_update() -> None:
    found = only("a?x b?x a=x b=x@1 a. b.")
    assert (found.kind, found.tasks, found.files, found.at) == (
        "lost update",
        ("a", "b"),
        ("x",),
        4,
    )
    assert found.what == (
        "`b` wrote x at 4 s (version 3), made from version 1; what `a` had written there at 3 s "
        "(version 2) was lost."
    )
    assert [(edge.kind, edge.source, edge.target) for edge in found.cycle] == [
        ("rw", ("b", 1), ("a", 1)),
        ("ww", ("a", 1), ("b", 1)),
    ]


def test_a_file_that_two_attempts_make_loses_the_first() -> None:
    found = only("a=n@0 b=n@0 a. b.")
    assert found.kind == "lost update"
    assert "made as a new file; what `a` had written there at 1 s" in found.what


def test_each_of_several_lost_updates_counts() -> None:
    report = report_on("a=x b=x@1 c=x@1 a. b. c.")
    assert [found.tasks for found in report.anomalies] == [("a", "b"), ("b", "c")]


def test_what_somebody_outside_did_can_be_lost_too() -> None:
    found = only("a?x *x a=x@1 a.")
    assert (found.kind, found.tasks) == ("lost update", ("a",))
    assert "what somebody outside the run had written there" in found.what


def test_a_write_over_ones_own_is_not_lost() -> None:
    assert report_on("a=x a=x@1 a.").anomalies == ()


def test_a_stale_read_against_a_dependency_in_the_data() -> None:
    found = only("b?x a=x a=y a. b?y b=z b.")
    assert (found.kind, found.files) == ("stale read", ("x", "y"))
    assert [edge.kind for edge in found.cycle] == ["rw", "wr"]
    assert found.what == (
        "`b` read version 1 of x, which `a` replaced at 2 s (version 2). So `b` must come before "
        "`a`; but `b` knew y as `a` had left it (version 3, read by 5 s)."
    )


def test_a_stale_read_by_whoever_began_later() -> None:
    found = only("a=x a. b?x@1 b=y b.")
    assert found.kind == "stale read"
    assert [edge.kind for edge in found.cycle] == ["rw", "after"]
    assert found.what.endswith("but `b` began at 3 s, after `a` had ended at 2 s.")


def test_a_stale_read_that_another_order_explains() -> None:
    report = report_on("b?x a=x a. b=y b.")
    (found,) = report.anomalies
    assert (found.kind, found.cycle) == ("stale read", ())
    assert (report.serialisable, report.order) == (True, ("b", "a"))
    assert found.what.endswith(
        "`b` still wrote y at 4 s and was accepted at 5 s, after `a` at 3 s, without having "
        "looked again. Only `b` before `a` explains that, not the order in which they were "
        "accepted."
    )


@pytest.mark.parametrize(
    "history",
    [
        "b?x b=y a=x a. b.",  # b had done its work before x changed
        "b?x a=x b=y b. a.",  # b was accepted first
        "b?x a=x b=y a! b.",  # what a did was undone
        "b?x a=x a. b=y b!",  # b was not accepted
    ],
)
def test_a_read_is_not_stale_when_nothing_came_of_it(history: str) -> None:
    assert report_on(history).anomalies == ()


def test_a_dirty_read() -> None:
    report = report_on("a=x b?x a! b=y b.")
    (found,) = report.anomalies
    assert (found.kind, found.tasks, found.files) == ("dirty read", ("b", "a"), ("x",))
    assert (report.serialisable, report.order) == (False, ())
    assert found.what == (
        "`b` read x as attempt 1 of `a` had left it at 1 s (version 2). That attempt ended at 3 s "
        "(tests_failed) and was undone at 3 s, but `b` never looked again."
    )


def test_a_dirty_read_by_whoever_was_accepted_before() -> None:
    assert only("a=x b?x b=y b. a!").kind == "dirty read"


def test_work_brought_back_after_it_was_undone_is_a_dirty_read() -> None:
    report = report_on("a=x b?x a! b=x@2 b.")
    (found,) = (one for one in report.anomalies if one.kind == "dirty read")
    assert found.what.endswith("undone at 3 s; this brought it back.")


def test_a_version_looked_at_after_it_was_undone_is_a_dirty_read() -> None:
    assert only("a=x a! b=x b?x@2 b.").kind == "dirty read"


def test_an_intermediate_read() -> None:
    found = only("a=x b?x a=x a. b=y b.")
    assert (found.kind, [edge.kind for edge in found.cycle]) == ("intermediate read", ["rw", "wr"])
    assert found.what == (
        "`b` was accepted at 6 s knowing version 2 of x, which `a` itself replaced at 3 s by "
        "version 3."
    )


def test_circular_flow() -> None:
    found = only("a=x b=y a?y b?x a. b.")
    assert (found.kind, [edge.kind for edge in found.cycle]) == ("circular flow", ["wr", "wr"])
    assert set(found.tasks) == {"a", "b"}
    assert "`a` knew y as `b` had left it" in found.what
    assert "`b` knew x as `a` had left it" in found.what


def test_circular_flow_names_the_shortest_cycle() -> None:
    found = only("a=x b=y c=z a?y b?z c?x c=n a?n a. b. c.")
    assert [edge.kind for edge in found.cycle] == ["wr", "wr"]
    assert set(found.tasks) == {"a", "c"}


def test_write_skew() -> None:
    found = only("a?y b?x a=x b=y a. b.")
    assert (found.kind, found.files) == ("write skew", ("y", "x"))
    assert [edge.kind for edge in found.cycle] == ["rw", "rw"]
    assert "`a` read version 1 of y, which `b` replaced at 4 s (version 3)" in found.what


def test_write_skew_of_three() -> None:
    found = only("a?y b?z c?x a=x b=y c=z a. b. c.")
    assert (found.kind, len(found.cycle)) == ("write skew", 3)


@pytest.mark.parametrize(
    ("history", "said", "cyclic"),
    [
        ("a?n b=n b. a=x a.", "`a` found no n, which `b` made at 2 s (version 2)", False),
        ("a?x b-x b. a=y a.", "`a` read version 1 of x, which `b` deleted at 2 s", False),
        ("a?n b=n b=y b. a?y a=x a.", "`a` found no n, which `b` made", True),
        ("a?n b?m a=m b=n b. a.", "`b` found no m, which `a` made", True),
    ],
)
def test_phantoms(history: str, said: str, cyclic: bool) -> None:
    found = only(history)
    assert (found.kind, bool(found.cycle)) == ("phantom", cyclic)
    assert said in found.what


@pytest.mark.parametrize(("end", "why"), [("a!", "tests_failed"), ("a.", "accepted")])
def test_a_zombie_write(end: str, why: str) -> None:
    report = report_on(f"a=x {end} a~y")
    (found,) = report.anomalies
    assert (found.kind, found.tasks, found.files) == ("zombie write", ("a",), ("y",))
    assert f"under token 1, which had ended at 2 s ({why})." in found.what
    assert not report.serialisable


def test_a_write_under_a_token_that_was_never_granted() -> None:
    report = find_anomalies([e.Wrote(1.0, "a", 1, 7, "x", 2, "new", 1)])
    (found,) = report.anomalies
    assert found.what.endswith("under token 7, which was never granted to it.")


# --- files that several attempts edit at once -----------------------------------------------------


def told_by_lines(history: str, start: str, *versions: str) -> AnomalyReport:
    """Judge a history on file x whose start and versions, from 2 on, have these lines."""
    events = parse_history(history)
    made = [one for one in events if isinstance(one, e.Wrote | e.Undone) and one.path == "x"]
    texts = {one.digest: text for one, text in zip(made, versions, strict=True)}
    texts["x"] = start

    def text(path: str, digest: str) -> str | None:
        return texts[digest].replace(" ", "\n")

    return find_anomalies(events, Contents({"x": "x"}, text))


def test_edits_of_different_lines_at_once_are_no_anomaly() -> None:
    report = told_by_lines("a=x b=x a=x a. b.", "1 2 3", "A 2 3", "A 2 B", "A A B")
    assert (report.anomalies, report.serialisable, report.notes) == ((), True, ())


def test_edits_that_overwrite_each_other_at_once_are_dirty_writes() -> None:
    report = told_by_lines("a=x b=x a=x a. b.", "1 2", "A 2", "B 2", "AA 2")
    (found,) = report.anomalies
    assert (found.kind, found.files, report.serialisable) == ("dirty write", ("x",), False)
    assert "`b` wrote x at 2 s (version 3) over what `a` had written (version 2)" in found.what


def test_lines_of_an_ended_attempt_taken_out_from_under_others_are_no_dirty_read() -> None:
    report = told_by_lines("a=x b=x a! b?x b.", "1 2 3", "A 2 3", "A 2 B", "1 2 B")
    assert (report.anomalies, report.order) == ((), ("b",))


def test_lines_of_an_ended_attempt_that_stay_are_a_dirty_read() -> None:
    events = parse_history("a=x b=x b.")
    events.append(e.AttemptEnded(4.0, "a", 1, 1, "error", "", "failed", True, mixed=("x",)))
    texts = {"x": "1\n2", "a 1.0": "A\n2", "b 2.0": "A\nB"}
    report = find_anomalies(events, Contents({"x": "x"}, lambda path, digest: texts[digest]))
    (found,) = report.anomalies
    assert found.kind == "dirty read"
    assert "could not be told from what had been built on it, so it stays" in found.what
    texts["b 2.0"] = "B\nB"  # nothing of it is left
    assert find_anomalies(events, Contents({"x": "x"}, lambda path, d: texts[d])).anomalies == ()


def test_without_contents_they_are_left_out_with_a_note() -> None:
    report = report_on("a=x b=x a=x a. b.")
    assert report.anomalies == ()
    assert [note.split(" was ")[0] for note in report.notes] == ["x"]


# --- the report -----------------------------------------------------------------------------------


def test_the_report_as_json() -> None:
    value = report_on("a?x b?x a=x b=x@1 a. b.").to_json()
    assert (value["attempts"], value["serialisable"], value["order"]) == (2, False, [])
    assert value["counts"]["lost update"] == 1
    assert value["anomalies"][0]["cycle"] == [
        {"kind": "rw", "before": ["b", 1], "after": ["a", 1], "file": "x", "versions": [1, 2]},
        {"kind": "ww", "before": ["a", 1], "after": ["b", 1], "file": "x", "versions": [2, 3]},
    ]


def test_anomalies_are_told_in_order_of_time() -> None:
    report = report_on("a=x b?x a! b=y b. c?z d?z c=z d=z@1 c. d.")
    assert [found.kind for found in report.anomalies] == ["dirty read", "lost update"]


@pytest.mark.parametrize("step", ["a", "a?", "ax", "?x", "a=x@", "a?x@b"])
def test_a_step_that_is_none_is_named(step: str) -> None:
    with pytest.raises(UsageError, match="is not a step"):
        parse_history(f"a?x {step}")
