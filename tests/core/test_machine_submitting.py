"""Submissions that build on what is not accepted yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from orchestrator.core import messages as m
from orchestrator.core.events import AttemptEnded, Blocked, Remained, SubmitWaits, Succeeded
from orchestrator.core.task import Task

if TYPE_CHECKING:
    from tests.core.conftest import Bench

    Make = Callable[..., Bench]

WRITER = Task(id="writer", writes=("a.py",))
READER = Task(id="reader", writes=("b.py",))


def reads(run: Bench, lease: m.Lease, path: str) -> None:
    number = run.machine.state.files.current(path).number
    assert run.ask(m.Report(lease.token, reads=((path, number),))) == m.Done()


def hand_in(run: Bench, lease: m.Lease) -> m.Reply | None:
    return run.ask(m.Submit(lease.token, run.machine.state.files.cut))


def winners(run: Bench) -> list[str]:
    return [event.task for event in run.events if isinstance(event, Succeeded)]


def test_a_submission_waits_for_the_writer_that_it_has_read(bench: Make) -> None:
    run = bench(WRITER, READER)
    writer, reader = run.start("w1"), run.start("w2")
    run.write(writer, "a.py")
    reads(run, reader, "a.py")
    assert hand_in(run, reader) is None
    assert SubmitWaits(0.0, "reader", 1, reader.token, ("writer",)) in run.events
    assert run.states()["reader"] == "running"
    run.submit(writer)
    assert winners(run) == ["writer", "reader"]


def test_when_the_writer_fails_the_submission_is_refused_as_stale(bench: Make) -> None:
    run = bench(WRITER, READER, files={"a.py": "old"})
    writer, reader = run.start("w1"), run.start("w2")
    run.write(writer, "a.py")
    reads(run, reader, "a.py")
    assert hand_in(run, reader) is None
    run.ask(m.GiveUp(writer.token, "gave_up", "no"))
    answer = run.answers["w2"][-1]
    assert isinstance(answer, m.Refused)
    assert answer.kind == "stale"
    assert [file.path for file in answer.stale] == ["a.py"]
    reads(run, reader, "a.py")
    assert hand_in(run, reader) is None
    assert winners(run) == ["reader"]


def test_what_is_kept_whatever_happens_is_waited_for_too(bench: Make) -> None:
    """It is not undone, but as long as its attempt runs it may be written again."""
    run = bench(Task(id="writer", writes=("a.py",), keep=True), READER)
    writer, reader = run.start("w1"), run.start("w2")
    run.write(writer, "a.py")
    reads(run, reader, "a.py")
    assert hand_in(run, reader) is None
    run.ask(m.GiveUp(writer.token, "gave_up", "no"))
    assert winners(run) == ["reader"]


def test_who_deletes_what_others_edit_waits_for_them(bench: Make) -> None:
    both = [Task(id=name, shares=("all.py",)) for name in ("one", "two")]
    run = bench(*both, files={"all.py": ""})
    one, two = run.start("w1"), run.start("w2")
    run.write(one, "all.py", "1")
    reads(run, two, "all.py")
    number = run.machine.state.files.current("all.py").number
    run.ask(m.Delete(two.token, "all.py", number, ()))
    assert hand_in(run, two) is None
    run.ask(m.GiveUp(one.token, "gave_up", "no"))
    assert winners(run) == [], "what `one` wrote is still to be taken out"
    assert m.Unmerge("one", 1, one.token, "all.py") in run.effects
    number = run.machine.state.files.current("all.py").number
    run.ask(m.Undo("one", 1, one.token, "all.py", number, None))
    assert Remained(0.0, "one", 1, "all.py", one.token) in run.events
    assert winners(run) == ["two"]


def test_files_that_are_edited_together_need_not_be_waited_for(bench: Make) -> None:
    both = [Task(id=name, shares=("all.py",)) for name in ("one", "two")]
    run = bench(*both, files={"all.py": ""})
    one, two = run.start("w1"), run.start("w2")
    run.write(one, "all.py", "1")
    run.write(two, "all.py", "12")
    hand_in(run, two)
    assert winners(run) == ["two"]


def test_who_read_each_other_are_put_in_order(bench: Make) -> None:
    run = bench(WRITER, READER)
    old, young = run.start("w1"), run.start("w2")
    run.write(old, "a.py")
    run.write(young, "b.py")
    reads(run, old, "b.py")
    reads(run, young, "a.py")
    assert hand_in(run, old) is None
    assert hand_in(run, young) is None
    (ended,) = [event for event in run.events if isinstance(event, AttemptEnded)]
    assert (ended.task, ended.cause, ended.counts) == ("reader", "conflict", False)
    assert Blocked(0.0, "reader", 1, ("writer",)) in run.events
    assert run.digest("b.py") is None
    refused = run.answers["w1"][-1]  # what it had read is gone
    assert isinstance(refused, m.Refused)
    reads(run, old, "b.py")
    assert hand_in(run, old) is None
    assert winners(run) == ["writer"]
    again = run.start("w2") if run.states()["reader"] == "ready" else run.lease("w1")
    assert (again.task, again.attempt) == ("reader", 2)
    assert "a dependency in the plan would say it" in again.before


def test_the_youngest_starts_again_even_when_it_asked_last(bench: Make) -> None:
    run = bench(WRITER, READER)
    old, young = run.start("w1"), run.start("w2")
    run.write(old, "a.py")
    run.write(young, "b.py")
    reads(run, old, "b.py")
    reads(run, young, "a.py")
    assert hand_in(run, young) is None
    assert hand_in(run, old) is None
    (ended,) = [event for event in run.events if isinstance(event, AttemptEnded)]
    assert ended.task == "reader"
    assert run.answers["w2"][-1].kind == "lease_ended"


def test_a_wait_for_files_that_closes_the_circle_is_refused(bench: Make) -> None:
    run = bench(WRITER, READER)
    old, young = run.start("w1"), run.start("w2")
    run.write(old, "a.py")
    reads(run, young, "a.py")
    assert hand_in(run, young) is None
    refused = run.refused(m.Widen(old.token, ("b.py",)))
    assert refused.kind == "cycle"
    assert "writer waits for reader waits for writer" in refused.why
    run.submit(old)
    assert winners(run) == ["writer", "reader"]


def test_a_submission_that_waits_is_no_silence(bench: Make) -> None:
    run = bench(WRITER, READER, lease=100.0)
    writer, reader = run.start("w1"), run.start("w2")
    run.write(writer, "a.py")
    reads(run, reader, "a.py")
    hand_in(run, reader)
    for _ in range(5):
        run.now += 60.0
        run.ask(m.Renew(writer.token))
        run.ask(m.Tick())
    assert run.states() == {"writer": "running", "reader": "running"}
    run.submit(writer)
    assert winners(run) == ["writer", "reader"]


def test_who_only_reads_a_shared_file_waits_for_those_who_edit_it(bench: Make) -> None:
    run = bench(Task(id="editor", shares=("all.py",)), Task(id="sharer", shares=("all.py",)))
    editor, sharer = run.start("w1"), run.start("w2")
    run.write(editor, "all.py")
    reads(run, sharer, "all.py")
    hand_in(run, sharer)
    assert winners(run) == []
    run.submit(editor)
    assert winners(run) == ["editor", "sharer"]


def test_lines_beneath_an_accepted_edit_may_still_be_unfinished(bench: Make) -> None:
    both = [Task(id=name, shares=("all.py",)) for name in ("editor", "sharer")]
    run = bench(*both, Task(id="viewer"), files={"all.py": ""})
    editor, sharer, viewer = run.start("w1"), run.start("w2"), run.start("w3")
    run.write(editor, "all.py", "1")
    run.write(sharer, "all.py", "12")
    hand_in(run, sharer)
    reads(run, viewer, "all.py")
    hand_in(run, viewer)
    assert winners(run) == ["sharer"]
    reads(run, editor, "all.py")
    run.submit(editor)
    assert winners(run) == ["sharer", "editor", "viewer"]
