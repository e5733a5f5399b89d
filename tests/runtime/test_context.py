"""What an attempt can do: files and tests for task functions, evidence, and how it ends."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.messages import Cancel, Done, GiveUp, Granted, Refused, Stop, Tick
from orchestrator.core.regions import Region
from orchestrator.core.task import Task
from orchestrator.errors import ScopeViolation, StaleWrite, WorkspaceError
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.commands import CommandResult, SubprocessCommands
from orchestrator.runtime.context import RETESTS, Context
from orchestrator.runtime.context import TestRun as Verdict  # pytest collects what begins with Test
from orchestrator.runtime.interruption import Interruption

Make = Callable[..., Any]

FILES = {"a.txt": "a\n", "b.txt": "b\n", "shared": "1\n2\n3\n4\n5\n", "lib/x.py": "x = 1\n"}


def task(name: str = "a", **more: Any) -> Task:
    given: dict[str, Any] = {"role": "any", "writes": (f"{name}.txt",)}
    return Task(id=name, **given | more)


class Scripted:
    """Answers commands one after the other; an answer may be a function of the directory."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.asked = list(answers), list[Any]()

    def __call__(self, command: Any, cwd: Path) -> Any:
        self.asked.append(command)
        answer = self.answers.pop(0) if self.answers else 0
        return answer(cwd) if callable(answer) else answer


# --- files, as a task function sees them --------------------------------------------------------


def test_a_task_function_reads_writes_and_deletes(office: Make) -> None:
    desk = office(task(writes=("a.txt", "new/**")), files=FILES)
    context = desk.agent("w1").context
    assert context.read("a.txt") == "a\n"
    assert context.read("./lib//x.py") == "x = 1\n"
    assert context.read("nope") is None
    context.write("./a.txt", "changed\n")
    context.write("new/deep", "made")
    context.delete("./new/deep")
    assert context.read("a.txt") == "changed\n"
    assert desk.text("a.txt") == "changed\n"
    assert not (desk.work / "new").exists()
    assert context.attempt == 1
    assert context.alive


@pytest.mark.parametrize("path", ["../a.txt", "/a.txt", "a\\b", ".git/x", ""])
def test_what_is_no_path_is_an_error_of_the_function(office: Make, path: str) -> None:
    context = office(task(), files=FILES).agent("w1").context
    for act in (context.read, context.delete, lambda name: context.write(name, "x")):
        with pytest.raises(ScopeViolation) as caught:
            act(path)
        assert caught.value.fix
        assert caught.value.where == "task a"


def test_a_refused_write_is_an_error_that_says_what_to_do(office: Make) -> None:
    made = (task("a", shares=("shared",)), task("b", shares=("shared",)))
    desk = office(*made, files=FILES)
    a, b = desk.agent("w1").context, desk.agent("w2").context
    with pytest.raises(ScopeViolation, match="outside the files that this task may write"):
        a.write("b.txt", "x")
    assert b.read("shared") == FILES["shared"]
    a.write("shared", "ONE\n2\n3\n4\n5\n")
    with pytest.raises(StaleWrite, match="shared was changed by task a"):
        b.write("shared", "eins\n2\n3\n4\n5\n")
    b.delete("b.txt")
    with pytest.raises(ScopeViolation, match="does not exist"):
        b.delete("b.txt")
    desk.coordinator.call(Cancel("b"))
    with pytest.raises(StaleWrite, match="has ended"):
        b.write("b.txt", "late")
    assert not b.alive


def test_bytes_that_are_no_text_are_read_through_files(office: Make) -> None:
    context = office(task(), files={"a.txt": b"\xff"}).agent("w1").context
    with pytest.raises(UnicodeDecodeError):
        context.read("a.txt")
    assert context.files.read("a.txt") == b"\xff"


def test_without_a_workspace_there_are_no_files(office: Make) -> None:
    desk = office(task(writes=()))
    lease = desk.agent("w1").context.lease
    context = Context(desk.machine.state.graph.task("a"), lease, desk.ask_as("w1"), Interruption())
    assert context.report()
    with pytest.raises(WorkspaceError, match="no workspace"):
        context.read("a.txt")
    assert isinstance(context.submit(), Stop)


# --- evidence -----------------------------------------------------------------------------------


def test_a_passing_test_run_is_evidence_until_something_is_written(office: Make) -> None:
    commands = Scripted()
    desk = office(task(test="check"), task("b"), files=FILES, commands=commands)
    context = desk.agent("w1").context
    assert context.test().passed
    context.write("a.txt", "x")
    assert context.test().passed
    assert isinstance(context.submit("done"), Granted)
    assert commands.asked == ["check", "check"]
    (cut,) = (r.body for r in desk.log.read() if r.kind == "succeeded")
    assert '"cut":2' in cut


def test_what_was_tested_before_a_write_is_tested_again(office: Make) -> None:
    commands = Scripted()
    desk = office(task(test="check"), files=FILES, commands=commands)
    context = desk.agent("w1").context
    context.test()
    context.write("a.txt", "x")
    assert isinstance(context.submit(), Stop)
    assert len(commands.asked) == 2


def test_a_run_of_some_tests_is_no_evidence(office: Make) -> None:
    commands = Scripted()
    desk = office(task(test="check {tests}", tests=("t",)), files=FILES, commands=commands)
    context = desk.agent("w1").context
    assert context.test(("one",)).passed
    assert isinstance(context.submit(), Stop)
    assert commands.asked == ["check one", "check t"]


def test_a_run_that_failed_is_not_used_again(office: Make) -> None:
    commands = Scripted(1, 0)
    context = office(task(test="check"), files=FILES, commands=commands).agent("w1").context
    assert not context.test().passed
    assert isinstance(context.submit(), Stop)


def test_a_task_without_a_test_is_handed_in_as_it_is(office: Make) -> None:
    commands = Scripted(1)
    context = office(task(), files=FILES, commands=commands).agent("w1").context
    assert context.test() is None
    assert isinstance(context.submit(), Stop)
    assert commands.asked == []


def test_the_output_of_a_test_is_kept(office: Make) -> None:
    desk = office(task(test="check"), files=FILES, commands=Scripted((1, "3 failed\n")))
    found = desk.agent("w1").context.submit()
    assert isinstance(found, Verdict)
    assert (found.passed, found.output) == (False, "3 failed\n")
    assert desk.blobs.get(found.digest) == b"3 failed\n"


def test_a_test_that_takes_too_long_says_so(office: Make) -> None:
    slow = CommandResult(None, "half\n", "", 60.0, timed_out=True)
    desk = office(task(test="check"), files=FILES, commands=Scripted(lambda cwd: slow))
    found = desk.agent("w1").context.submit()
    assert isinstance(found, Verdict)
    assert not found.passed
    assert "ended after 60 s: it took too long" in found.output


def test_what_a_test_run_changes_is_put_back(office: Make) -> None:
    def litter(cwd: Path) -> int:
        (cwd / "a.txt").write_text("by the test")
        (cwd / "report.xml").write_text("x")
        (cwd / "lib/x.py").unlink()
        return 0

    desk = office(task(test="check"), files=FILES, commands=Scripted(litter))
    context = desk.agent("w1").context
    assert context.test().passed
    assert context.read("a.txt") == "a\n"
    assert context.read("lib/x.py") == "x = 1\n"
    root = context.files.view.copy.root
    assert not (root / "report.xml").exists()
    assert isinstance(context.submit(), Stop)
    assert "wrote" not in desk.kinds()


def test_tests_see_what_others_have_written_meanwhile(office: Make) -> None:
    seen: list[str] = []

    def look(cwd: Path) -> int:
        seen.append((cwd / "b.txt").read_text())
        return 0

    desk = office(task(test="check"), task("b"), files=FILES, commands=Scripted(look))
    a, b = desk.agent("w1").context, desk.agent("w2").context
    b.write("b.txt", "new\n")
    a.test()
    assert seen == ["new\n"]


def test_a_change_of_what_was_read_during_the_test_run_runs_it_again(office: Make) -> None:
    def change(cwd: Path) -> int:
        b.write("b.txt", "another line\n")
        return 0

    commands = Scripted(change, 0)
    desk = office(task(test="check"), task("b", keep=True), files=FILES, commands=commands)
    agent, b = desk.agent("w1"), desk.agent("w2").context
    agent.ok("read_file", path="a.txt")
    agent.context.files.read("b.txt", Region(5, 5))  # a line that does not change
    assert isinstance(_accepted(desk, agent, b), Granted | Stop)
    assert len(commands.asked) == 2


def _accepted(desk: Any, agent: Any, other: Context) -> Any:
    """Hand in work that has read what `other` has written and keeps; end that one, and the run."""
    said = desk.apart(agent, "submit", summary="x")
    desk.until("submit_waits")
    desk.coordinator.post(GiveUp(other.lease.token, "gave_up", "no"))
    desk.until("succeeded")
    desk.coordinator.halt("enough")
    desk.join()
    return said[0].ending


def test_a_change_that_matters_is_shown_in_place_of_a_third_run(office: Make) -> None:
    def change(cwd: Path) -> int:
        b.write("b.txt", "another line\n")
        return 0

    commands = Scripted(change)
    desk = office(task(test="check"), task("b", keep=True), files=FILES, commands=commands)
    agent, b = desk.agent("w1"), desk.agent("w2").context
    agent.ok("read_file", path="b.txt")
    text = agent.no("submit", summary="x")
    assert "b.txt is now:\nanother line\n" in text
    assert len(commands.asked) == 1
    assert isinstance(_accepted(desk, agent, b), Granted | Stop)
    assert len(commands.asked) == 2


def test_tests_that_never_stand_still_are_given_up(office: Make) -> None:
    def change(cwd: Path) -> int:
        text = b.read("shared") or ""
        b.write("shared", text.replace("5\n", "5\n-\n"))
        return 0

    commands = Scripted(*[change] * 99)
    made = (task("a", shares=("shared",), test="check"), task("b", shares=("shared",)))
    desk = office(*made, Task(id="next", role="any"), files=FILES, commands=commands)
    a, b = desk.agent("w1").context, desk.agent("w2").context
    a.write("shared", "one\n2\n3\n4\n5\n")
    reply = a.submit()
    assert isinstance(reply, Refused)
    assert reply.why == "shared was changed by task b"
    assert "run the tests again" in reply.fix
    assert len(commands.asked) == RETESTS
    commands.answers = [0]
    assert isinstance(a.submit(), Granted | Stop)


# --- commands -----------------------------------------------------------------------------------


def test_a_command_of_a_function_goes_through_the_shell_only_as_text(
    office: Make, tmp_path: Path
) -> None:
    blobs = BlobStore(tmp_path / "outputs", durable=False)
    context = office(task(), files=FILES, commands=SubprocessCommands(blobs)).agent("w1").context
    run = context.run("echo $((1+1)) > a.txt; echo done")
    assert (run.result.output, run.written, run.put_back) == ("done\n", ("a.txt",), {})
    assert context.read("a.txt") == "2\n"
    assert context.run(["echo", "$((1+1))"]).result.output == "$((1+1))\n"


def test_a_refused_write_of_a_command_is_put_back_with_the_reason(office: Make) -> None:
    def change(cwd: Path) -> int:
        (cwd / "a.txt").write_text("formatted")
        (cwd / "lib/x.py").write_text("formatted")
        (cwd / ".env").write_text("made by the command")
        return 0

    desk = office(task(), task("b"), files=FILES, commands=Scripted(change))
    a, b = desk.agent("w1").context, desk.agent("w2").context
    a.read("b.txt")
    b.write("b.txt", "changed")
    run = a.run("format")
    assert run.written == ()
    assert "b.txt was changed by task b" in run.put_back["a.txt"]
    assert "outside the files" in run.put_back["lib/x.py"]
    assert a.read("a.txt") == "a\n"
    assert desk.text("a.txt") == "a\n"


def test_a_command_renews_the_lease(office: Make) -> None:
    desk = office(task(), files=FILES, lease=100.0)
    context = desk.agent("w1").context
    for _ in range(4):
        desk.clock.advance(60.0)
        context.run("true")
        desk.coordinator.call(Tick())
    assert context.alive
    assert desk.kinds().count("reported") == 4
    desk.clock.advance(101.0)
    desk.coordinator.call(Tick())
    assert not context.alive


def test_a_command_is_not_started_under_an_ended_lease(office: Make) -> None:
    commands = Scripted()
    desk = office(task(test="check"), files=FILES, commands=commands)
    context = desk.agent("w1").context
    desk.coordinator.call(Cancel("a"))
    assert context.run("true").result.interrupted
    assert not context.test().passed
    assert commands.asked == []


def test_the_end_of_the_lease_ends_a_command_and_takes_nothing_over(
    office: Make, tmp_path: Path
) -> None:
    blobs = BlobStore(tmp_path / "outputs", durable=False)
    desk = office(task(), files=FILES, commands=SubprocessCommands(blobs), attempts=1)
    agent = desk.agent("w1")
    sign = agent.context.files.view.copy.root / "sign"
    os.mkfifo(sign)
    command = "sh -c 'echo late > a.txt; exec 9> sign; echo begun >&9; sleep 600'"
    said = desk.apart(agent, "run_command", command=command)
    with sign.open("rb", buffering=0) as reader:
        assert reader.readline() == b"begun\n"
        assert desk.coordinator.call(Cancel("a")) == Done()
        desk.join()
        os.set_blocking(reader.fileno(), False)
        assert reader.read() == b""  # nobody holds the other end any more
    assert said[0].is_error
    assert "Its change of a.txt was put back: the lease with token 1 has ended" in said[0].text
    assert desk.text("a.txt") == "a\n"


# --- ends ---------------------------------------------------------------------------------------


def test_an_attempt_that_has_ended_remembers_what_to_do_next(office: Make) -> None:
    desk = office(task(), task("b"), files=FILES)
    context = desk.agent("w1").context
    before, reply = context.ending, context.submit()
    assert before is None
    assert isinstance(reply, Granted)
    assert context.ending == reply
    assert context.interrupt.is_set()
    assert isinstance(context.submit(), Refused)
    assert isinstance(context.give_up("gave_up", "again"), Refused)
    assert context.ending == reply


def test_mail_and_notices_wait_until_they_are_taken(office: Make) -> None:
    desk = office(task("a", test="check"), task("b"), files=FILES)
    a, b = desk.agent("w1").context, desk.agent("w2").context
    a.read("b.txt")
    assert b.send("task:a", "note", "hello") == Done()
    assert b.note("t", "x") == Done()
    b.write("b.txt", "new\n")
    assert a.test().passed
    assert [mail.text for mail in a.take_mail()] == ["hello"]
    assert a.take_notices() == ["b.txt was changed by task b since you read it"]
    assert (a.take_mail(), a.take_notices()) == ([], [])


def test_a_function_may_ask_for_files_and_for_parts(office: Make) -> None:
    desk = office(task(writes=("a.txt", "lib/**")), task("b"), files=FILES)
    context = desk.agent("w1").context
    assert context.split((Task(id="part", role="any", writes=("lib/x.py",)),)) == Done()
    assert isinstance(context.widen(("[",)), Refused)
    assert context.widen(("shared",), "it must be told") == Done()
    context.write("shared", "x")
    assert desk.text("shared") == "x"
