"""Writes: bounds, stale bases and stale reads, evidence, and how lost attempts are undone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from orchestrator.core import messages as m
from orchestrator.core.events import RequestRefused, Undone
from orchestrator.core.files import ABSENT, OUTSIDE, Version
from orchestrator.core.rules import RoleBounds
from orchestrator.core.scope import Scope
from orchestrator.core.task import Task

if TYPE_CHECKING:
    from tests.core.conftest import Bench

    Make = Callable[..., Bench]

FILES = {"a.py": "a1", "b.py": "b1", "shared.py": "s1"}
TWO = (Task(id="one", writes=("a.py",)), Task(id="two", writes=("b.py",)))
SHARING = tuple(Task(id=name, shares=("shared.py",)) for name in ("one", "two", "three"))


def lose(run: Bench, lease: m.Lease) -> None:
    run.ask(m.GiveUp(lease.token, "gave_up", "no"))


# --- what may be written -------------------------------------------------------------------


def test_an_accepted_write_is_a_version_and_reaches_the_tree(bench: Make) -> None:
    run = bench(*TWO, files=FILES)
    lease = run.start()
    assert run.ask(m.Write(lease.token, "a.py", 1, "a2")) == m.Done(2)
    assert run.effects == (m.Materialise("a.py", "a2", "a1"),)
    assert run.machine.state.files.current("a.py") == Version(2, "a2", lease.token, "one")


def test_a_new_file_is_based_on_nothing(bench: Make) -> None:
    run = bench(Task(id="one", writes=("src",)))
    lease = run.start()
    assert run.ask(m.Write(lease.token, "src/new.py", ABSENT, "n1")) == m.Done(2)
    assert run.effects == (m.Materialise("src/new.py", "n1", None),)
    assert run.refused(m.Write(lease.token, "src/new.py", ABSENT, "n2")).kind == "stale"


def test_a_deleted_file_can_be_made_again_from_nothing(bench: Make) -> None:
    run = bench(*TWO, files=FILES)
    token = run.start().token
    assert run.ask(m.Delete(token, "a.py", 1)) == m.Done(2)
    assert run.effects == (m.Materialise("a.py", None, "a1"),)
    assert run.refused(m.Delete(token, "a.py", 2)).kind == "invalid"
    assert run.ask(m.Write(token, "a.py", ABSENT, "a2")) == m.Done(3)


def test_writes_stay_inside_the_task_and_say_what_is_allowed(bench: Make) -> None:
    run = bench(*TWO, files=FILES)
    token = run.start().token
    for request in (m.Write(token, "b.py", 1, "b2"), m.Delete(token, "b.py", 1)):
        refused = run.refused(request)
        assert refused.kind == "scope"
        assert "b.py is outside the files that this task may write (a.py)" in refused.why
        assert "widen_scope" in refused.fix
    assert run.digest("b.py") == "b1"


def test_writes_stay_inside_the_role(bench: Make) -> None:
    bounds = RoleBounds(reads=Scope(["**"]), writes=Scope(["src"]))
    run = bench(Task(id="one", role="coder", writes=("**/*.py",)), roles={"coder": bounds})
    lease = run.start()
    assert run.ask(m.Write(lease.token, "src/x.py", 0, "x")) == m.Done(2)
    assert run.refused(m.Write(lease.token, "tests/x.py", 0, "x")).kind == "scope"
    assert run.refused(m.Write(lease.token, "src/x.txt", 0, "x")).kind == "scope"


@pytest.mark.parametrize("path", ["/etc/passwd", "src/../a.py", "./a.py", "", "a.py\0", "a\\b.py"])
def test_a_path_that_is_not_canonical_is_refused_before_its_scope_is_asked(
    bench: Make, path: str
) -> None:
    run = bench(Task(id="one", writes=("**",)), files=FILES)
    token = run.start().token
    assert run.refused(m.Write(token, path, 0, "x")).kind == "invalid"
    assert run.refused(m.Delete(token, path, 0)).kind == "invalid"


def test_a_name_that_clashes_with_another_is_refused(bench: Make) -> None:
    run = bench(Task(id="one", writes=("**",)), files=FILES)
    refused = run.refused(m.Write(run.start().token, "A.py", 0, "x"))
    assert refused.kind == "invalid"
    assert "a.py exists" in refused.why


def test_both_twins_of_a_case_sensitive_tree_can_be_edited(bench: Make) -> None:
    run = bench(Task(id="one", writes=("**",)), files={"M.h": "1", "m.h": "2"})
    lease = run.start()
    run.write(lease, "M.h")
    run.write(lease, "m.h")


def test_a_tool_call_that_left_the_bounds_is_recorded_as_a_refusal(bench: Make) -> None:
    run = bench(*TWO, files=FILES)
    lease = run.start()
    asked = m.Overstep(lease.token, "read_file", "secret.py", "it may not be read", "ask for it")
    assert run.ask(asked) == m.Refused("scope", "it may not be read", "ask for it")
    assert run.events[-1] == RequestRefused(
        0.0, "one", 1, lease.token, "read_file", "scope", "it may not be read", (), "secret.py"
    )


# --- stale writes ----------------------------------------------------------------------------


def test_a_stale_base_is_refused_with_what_changed_and_by_whom(bench: Make) -> None:
    run = bench(*SHARING, files=FILES)
    one, two = run.start("w1"), run.start("w2")
    run.ask(m.Report(two.token, reads=(("shared.py", 1),)))
    run.write(one, "shared.py", "s2")
    refused = run.refused(m.Write(two.token, "shared.py", 1, "mine"))
    assert refused.kind == "stale"
    assert refused.why == "shared.py was changed by task one"
    now = Version(2, "s2", one.token, "one")
    assert refused.stale == (m.StaleFile("shared.py", 1, now),)
    assert run.digest("shared.py") == "s2"
    assert run.ask(m.Write(two.token, "shared.py", 2, "both", rebased=True)) == m.Done(3)


def test_a_stale_deletion_is_refused(bench: Make) -> None:
    run = bench(*SHARING, files=FILES)
    one, two = run.start("w1"), run.start("w2")
    run.ask(m.Delete(one.token, "shared.py", 1))
    refused = run.refused(m.Write(two.token, "shared.py", 1, "mine"))
    assert refused.why == "shared.py was deleted by task one"
    assert refused.stale[0].current.digest is None


def test_a_change_from_outside_is_a_version_that_is_never_overwritten(bench: Make) -> None:
    run = bench(*TWO, files=FILES)
    lease = run.start()
    assert run.ask(m.Observe("a.py", "theirs")) == m.Done(2)
    assert run.effects == ()
    assert run.machine.state.files.current("a.py") == Version(2, "theirs", OUTSIDE)
    refused = run.refused(m.Write(lease.token, "a.py", 1, "mine"))
    assert refused.why == "a.py was changed from outside the run"
    assert run.ask(m.Write(lease.token, "a.py", 2, "both")) == m.Done(3)


def test_seeing_again_what_is_known_changes_nothing(bench: Make) -> None:
    run = bench(*TWO, files=FILES)
    recorded = len(run.events)
    assert run.ask(m.Observe("a.py", "a1")) == m.Done(1)
    assert run.ask(m.Observe("never.py", None)) == m.Done(ABSENT)
    assert len(run.events) == recorded


# --- stale reads -----------------------------------------------------------------------------


def test_a_write_is_refused_while_something_that_was_read_has_changed(bench: Make) -> None:
    run = bench(*TWO, files=FILES)
    one, two = run.start("w1"), run.start("w2")
    run.ask(m.Report(two.token, reads=(("a.py", 1), ("shared.py", 1))))
    run.write(one, "a.py", "a2")
    refused = run.refused(m.Write(two.token, "b.py", 1, "b2"))
    assert refused.kind == "stale"
    assert refused.why == "a.py was changed by task one"
    assert refused.stale == (m.StaleFile("a.py", 1, Version(2, "a2", one.token, "one")),)
    assert run.digest("b.py") == "b1"


def test_reading_again_clears_it(bench: Make) -> None:
    run = bench(*TWO, files=FILES)
    one, two = run.start("w1"), run.start("w2")
    run.ask(m.Report(two.token, reads=(("a.py", 1),)))
    run.write(one, "a.py")
    again = (("a.py", 2),)
    assert run.ask(m.Write(two.token, "b.py", 1, "b2", reads=again)) == m.Done(3)
    assert run.ask(m.Write(two.token, "b.py", 3, "b3")) == m.Done(4)


def test_reads_that_come_with_the_write_count(bench: Make) -> None:
    run = bench(*TWO, files=FILES)
    one, two = run.start("w1"), run.start("w2")
    run.write(one, "a.py")
    old = (("a.py", 1),)
    assert run.refused(m.Write(two.token, "b.py", 1, "b2", reads=old)).kind == "stale"
    assert run.refused(m.Delete(two.token, "b.py", 1, reads=old)).kind == "stale"
    assert run.ask(m.Write(two.token, "b.py", 1, "b2")) == m.Done(3)


def test_a_file_that_was_not_there_counts_as_read_too(bench: Make) -> None:
    run = bench(Task(id="one", writes=("new.py",)), Task(id="two", writes=("b.py",)))
    one, two = run.start("w1"), run.start("w2")
    run.ask(m.Report(two.token, reads=(("new.py", ABSENT),)))
    run.write(one, "new.py")
    assert run.refused(m.Write(two.token, "b.py", 0, "b2")).kind == "stale"


def test_own_writes_do_not_make_own_reads_stale(bench: Make) -> None:
    run = bench(*TWO, files=FILES)
    lease = run.start()
    run.ask(m.Report(lease.token, reads=(("a.py", 1),)))
    run.write(lease, "a.py")
    run.write(lease, "a.py")
    run.submit(lease)


def test_reads_are_not_validated_where_the_mode_says_so(bench: Make) -> None:
    run = bench(*TWO, files=FILES, validate_reads=False)
    one, two = run.start("w1"), run.start("w2")
    run.ask(m.Report(two.token, reads=(("a.py", 1),)))
    run.write(one, "a.py")
    run.write(two, "b.py")
    run.submit(two)


# --- evidence --------------------------------------------------------------------------------


def with_test(name: str, *writes: str) -> Task:
    return Task(id=name, writes=writes, test="pytest")


def test_a_submission_is_refused_while_a_read_is_stale(bench: Make) -> None:
    run = bench(*TWO, files=FILES)
    one, two = run.start("w1"), run.start("w2")
    run.ask(m.Report(two.token, reads=(("a.py", 1),)))
    run.write(one, "a.py")
    refused = run.refused(m.Submit(two.token, cut=2))
    assert refused.kind == "stale"
    assert run.ask(m.Submit(two.token, cut=2, reads=(("a.py", 2),))) is None


def test_a_submission_without_passed_tests_is_refused(bench: Make) -> None:
    run = bench(with_test("one", "a.py"), files=FILES)
    lease = run.start()
    assert run.refused(m.Submit(lease.token, cut=1, passed=False)).kind == "state"
    assert run.states() == {"one": "running"}


def test_what_is_said_not_to_pass_is_refused_even_without_a_test(bench: Make) -> None:
    run = bench(*TWO, files=FILES)
    assert run.refused(m.Submit(run.start().token, passed=False)).kind == "state"


def test_evidence_that_is_older_than_a_change_is_refused(bench: Make) -> None:
    run = bench(with_test("one", "a.py"), with_test("two", "b.py"), files=FILES)
    one, two = run.start("w1"), run.start("w2")
    run.write(two, "b.py")
    run.write(one, "a.py")
    run.ask(m.Report(two.token, reads=(("a.py", 3),)))
    refused = run.refused(m.Submit(two.token, cut=2))
    assert refused.kind == "stale"
    assert "a.py was changed by task one" in refused.why
    assert "run the tests again" in refused.fix
    assert run.ask(m.Submit(two.token, cut=3)) is None


def test_evidence_from_before_the_last_own_write_is_refused(bench: Make) -> None:
    run = bench(with_test("one", "a.py"), files=FILES)
    lease = run.start()
    run.write(lease, "a.py")
    cut = run.write(lease, "a.py", "newer")
    assert run.refused(m.Submit(lease.token, cut=cut - 1)).kind == "stale"
    assert run.ask(m.Submit(lease.token, cut=cut)) is None


def test_changes_of_files_that_do_not_matter_leave_evidence_alone(bench: Make) -> None:
    run = bench(with_test("one", "a.py"), with_test("two", "b.py"), files=FILES)
    one, two = run.start("w1"), run.start("w2")
    run.write(two, "b.py")
    run.write(one, "a.py")
    assert run.ask(m.Submit(two.token, cut=2)) is None


def test_without_a_test_the_cut_does_not_matter(bench: Make) -> None:
    run = bench(*TWO, files=FILES)
    lease = run.start()
    run.write(lease, "a.py")
    assert run.ask(m.Submit(lease.token)) is None


# --- undo --------------------------------------------------------------------------------------


def test_a_lost_attempt_leaves_nothing(bench: Make) -> None:
    run = bench(Task(id="one", writes=("a.py", "new.py", "b.py")), files=FILES)
    lease = run.start()
    run.write(lease, "a.py", "a2")
    run.write(lease, "a.py", "a3")
    run.write(lease, "new.py", "n1")
    run.ask(m.Delete(lease.token, "b.py", 1))
    lose(run, lease)
    assert run.machine.state.files.digests() == FILES
    assert [effect for effect in run.effects if isinstance(effect, m.Materialise)] == [
        m.Materialise("new.py", None, "n1"),
        m.Materialise("a.py", "a1", "a3"),
        m.Materialise("b.py", "b1", None),
    ]
    assert run.lease().attempt == 2


def test_new_files_go_before_a_file_comes_back_in_place_of_their_directory(bench: Make) -> None:
    run = bench(Task(id="one", writes=("tool",)), files={"tool": "t1"})
    lease = run.start()
    run.ask(m.Delete(lease.token, "tool", 1))
    run.write(lease, "tool/main.py", "m1")
    lose(run, lease)
    assert [e.path for e in run.events if isinstance(e, Undone)] == ["tool/main.py", "tool"]
    assert run.machine.state.files.digests() == {"tool": "t1"}


def test_keep_keeps(bench: Make) -> None:
    run = bench(Task(id="one", writes=("a.py",), keep=True), files=FILES)
    lease = run.start()
    run.write(lease, "a.py", "half")
    lose(run, lease)
    assert run.digest("a.py") == "half"
    again = run.lease()
    run.write(again, "a.py", "more")
    run.submit(again)
    assert run.digest("a.py") == "more"


def test_what_succeeded_is_never_undone(bench: Make) -> None:
    first, _ = TWO
    run = bench(first, Task(id="two", depends_on=("one",), writes=("a.py",)), files=FILES)
    lease = run.start()
    run.write(lease, "a.py", "good")
    run.submit(lease)
    lease = run.lease()
    run.write(lease, "a.py", "bad")
    lose(run, lease)
    assert run.digest("a.py") == "good"


def test_readers_of_what_is_undone_must_read_again(bench: Make) -> None:
    run = bench(*TWO, files=FILES)
    one, two = run.start("w1"), run.start("w2")
    run.write(one, "a.py", "dirty")
    run.ask(m.Report(two.token, reads=(("a.py", 2),)))
    lose(run, one)
    assert run.refused(m.Write(two.token, "b.py", 1, "on dirt")).kind == "stale"
    assert run.refused(m.Submit(two.token)).kind == "stale"


def test_a_write_that_made_no_difference_needs_no_undo(bench: Make) -> None:
    run = bench(*TWO, files=FILES)
    lease = run.start()
    run.write(lease, "a.py", "a1")
    lose(run, lease)
    assert not any(isinstance(event, Undone) for event in run.events)


def interleaved(run: Bench) -> tuple[m.Lease, m.Lease]:
    """`one` writes the shared file, then `two` writes on top of it."""
    one, two = run.start("w1"), run.start("w2")
    run.write(one, "shared.py", "s1+one")
    run.write(two, "shared.py", "s1+one+two")
    return one, two


def test_a_part_of_a_shared_file_is_taken_out_by_the_coordinator(bench: Make) -> None:
    run = bench(*SHARING, files=FILES)
    one, two = interleaved(run)
    lose(run, one)
    asked = m.Unmerge("one", 1, one.token, "shared.py")
    assert asked in run.effects
    assert run.digest("shared.py") == "s1+one+two"
    undo = m.Undo("one", 1, one.token, "shared.py", 3, "s1+two")
    assert run.ask(undo) == m.Done(4)
    assert run.effects == (m.Materialise("shared.py", "s1+two", "s1+one+two"),)
    run.ask(m.Report(two.token, reads=(("shared.py", 4),)))
    run.submit(two)
    assert run.digest("shared.py") == "s1+two"


def test_an_undo_of_what_has_changed_meanwhile_is_refused(bench: Make) -> None:
    run = bench(*SHARING, files=FILES)
    one, two = interleaved(run)
    lose(run, one)
    run.write(two, "shared.py", "s1+one+two+more")
    refused = run.refused(m.Undo("one", 1, one.token, "shared.py", 3, "s1+two"))
    assert refused.kind == "stale"
    assert refused.stale[0].current.number == 4
    done = run.ask(m.Undo("one", 1, one.token, "shared.py", 4, "s1+two+more"))
    assert done == m.Done(5)


def test_an_undo_that_was_not_finished_is_asked_for_again_after_a_crash(bench: Make) -> None:
    run = bench(*SHARING, files=FILES)
    one, two = interleaved(run)
    run.ask(m.Cancel("one"))
    run.submit(two)
    asked = m.Unmerge("one", 1, one.token, "shared.py")
    run.crash()
    run.ask(m.Resume())
    assert [e for e in run.effects if isinstance(e, m.Unmerge)] == [asked]
    run.ask(m.Undo("one", 1, one.token, "shared.py", 3, "s1+two"))
    run.crash()
    run.ask(m.Resume())
    assert not any(isinstance(effect, m.Unmerge) for effect in run.effects)


def test_the_last_in_a_shared_file_is_undone_at_once(bench: Make) -> None:
    run = bench(*SHARING, files=FILES)
    _, two = interleaved(run)
    lose(run, two)
    assert run.digest("shared.py") == "s1+one"


@pytest.mark.parametrize("first", ["one", "two"])
def test_when_both_are_lost_nothing_of_either_stays(bench: Make, first: str) -> None:
    """Also where the coordinator could not tell the first one's lines from the second's."""
    run = bench(*SHARING, files=FILES)
    leases = dict(zip(("one", "two"), interleaved(run), strict=True))
    run.ask(m.Cancel(first))
    if any(isinstance(effect, m.Unmerge) for effect in run.effects):
        token = leases[first].token
        assert run.ask(m.Undo(first, 1, token, "shared.py", 3, "s1+one+two")) == m.Done(3)
    run.ask(m.Cancel("two" if first == "one" else "one"))
    assert run.digest("shared.py") == "s1"


def test_an_edit_from_outside_survives_the_undo(bench: Make) -> None:
    run = bench(*TWO, files=FILES)
    lease = run.start()
    run.write(lease, "a.py", "mine")
    run.ask(m.Observe("a.py", "mine+theirs"))
    lose(run, lease)
    assert m.Unmerge("one", 1, lease.token, "a.py") in run.effects
    assert run.digest("a.py") == "mine+theirs"
