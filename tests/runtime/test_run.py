"""Whole runs: real threads, a real log, real files, real test commands."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from llmock.pytest_plugin import LLMock

from orchestrator import Context, Limits, Plan, RunResult, Task, load_plan, measure, resume, run
from orchestrator.core.events import Event, LeaseGranted, Succeeded
from orchestrator.core.states import TaskState
from orchestrator.errors import PlanError, UsageError, WorkspaceError
from orchestrator.models.base import Briefing, Exchange, Interrupt, ToolCall, Turn
from orchestrator.models.scripted import ScriptedModel
from orchestrator.runtime.commands import FakeCommands
from orchestrator.runtime.eventlog import Record, SqliteLog
from orchestrator.runtime.run import start

CHECK = "python -c \"import sys; sys.exit(open('{file}').read() != '{text}')\""


def tasks(*edges: tuple[str, ...]) -> tuple[Task, ...]:
    """Return tasks without files: each tuple is an id and what it depends on."""
    return tuple(
        Task(id=name, depends_on=needs) for name, *rest in edges for needs in [tuple(rest)]
    )


def code_plan(tmp_path: Path, *made: Task, **more: Any) -> Plan:
    """Return a plan on a small workspace in which each task owns `NAME.txt`."""
    work = tmp_path / "work"
    work.mkdir()
    (work / "shared.txt").write_text("".join(f"# {n}\n\n\n\n" for n in range(8)))
    for task in made:
        (work / f"{task.id}.txt").write_text("old\n")
    return Plan(name="small", tasks=made, workspace=work, base=tmp_path, **more)


def writes(name: str, *needs: str, **more: Any) -> Task:
    """Return a task that owns `NAME.txt` and whose test wants `NAME` in it."""
    test = CHECK.format(file=f"{name}.txt", text=name)
    given: dict[str, Any] = {"writes": (f"{name}.txt",), "role": "implementer", "test": test}
    return Task(id=name, depends_on=needs, **given | more)


def records(run_dir: Path) -> list[Record]:
    """Return what the log of a run holds."""
    with SqliteLog.reader(run_dir / "events.db") as log:
        return list(log.read())


def fill(context: Context) -> None:
    """Do what the test of `writes` wants."""
    context.write(f"{context.task.id}.txt", context.task.id)


def turns(*calls: tuple[str, dict[str, Any]]) -> list[Turn]:
    """Return a script: one tool call a turn."""
    return [Turn(calls=(ToolCall(f"c{i}", name, given),)) for i, (name, given) in enumerate(calls)]


# --- task functions ---------------------------------------------------------------------------


def test_tasks_run_in_order_of_their_dependencies(tmp_path: Path) -> None:
    done: list[str] = []
    plan = Plan(name="p", tasks=tasks(("a",), ("b", "a"), ("c", "a"), ("d", "b", "c")))
    result = run(plan, work=lambda c: done.append(c.task.id), run_dir=tmp_path / "run", workers=3)
    assert result.status == "succeeded"
    assert result.exit_code == 0
    assert (done[0], done[-1], sorted(done)) == ("a", "d", ["a", "b", "c", "d"])
    assert {task.state for task in result.tasks.values()} == {TaskState.SUCCEEDED}


def test_a_failing_function_is_tried_again_and_its_dependents_are_skipped(tmp_path: Path) -> None:
    seen: list[tuple[str, int, str]] = []

    def work(context: Context) -> None:
        seen.append((context.task.id, context.attempt, context.lease.before))
        if context.task.id == "a":
            raise ValueError("no luck")

    plan = Plan(name="p", tasks=tasks(("a",), ("b", "a"), ("c",)), limits=Limits(attempts=2))
    result = run(plan, work=work, run_dir=tmp_path / "run", workers=1)
    assert result.status == "failed"
    assert result.exit_code == 1
    assert [attempt for name, attempt, _ in seen if name == "a"] == [1, 2]
    assert any("no luck" in before for name, attempt, before in seen if attempt == 2)
    assert result.tasks["a"].state is TaskState.FAILED
    assert "ValueError: no luck" in (result.tasks["a"].reason or "")
    assert result.tasks["b"].state is TaskState.SKIPPED
    assert result.tasks["c"].state is TaskState.SUCCEEDED


def test_events_are_told_after_they_are_in_the_log(tmp_path: Path) -> None:
    told: list[Event] = []
    missing: list[Event] = []

    def listen(events: Sequence[Event]) -> None:
        told.extend(events)
        if len(records(tmp_path / "run")) < len(told):
            missing.extend(events)

    plan = Plan(name="p", tasks=tasks(("a",), ("b", "a")))
    run(plan, work=lambda c: None, run_dir=tmp_path / "run", listeners=[listen])
    assert not missing
    assert [event.task for event in told if isinstance(event, Succeeded)] == ["a", "b"]


def test_several_runs_in_one_process_do_not_meet(tmp_path: Path) -> None:
    results: dict[int, Any] = {}

    def one(number: int) -> None:
        plan = Plan(name="p", tasks=tasks(("a",), ("b", "a"), ("c", "b")))
        folder = tmp_path / str(number)
        results[number] = run(plan, work=lambda c: None, run_dir=folder, workers=2)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [results[number].status for number in range(4)] == ["succeeded"] * 4


def test_a_worker_thread_that_dies_is_replaced_and_its_task_done_again(tmp_path: Path) -> None:
    class Broken(BaseException):
        pass

    deaths: list[int] = []

    def work(context: Context) -> None:
        if context.task.id == "a" and context.attempt == 1:
            deaths.append(context.lease.token)
            raise Broken("gone")

    plan = Plan(name="p", tasks=tasks(("a",), ("b", "a")))
    result = run(plan, work=work, run_dir=tmp_path / "run", workers=1)
    assert result.status == "succeeded"
    assert deaths == [1]
    assert result.tasks["a"].attempts == 2
    outcomes = [attempt.outcome for attempt in result.history.tasks["a"].attempts]
    assert outcomes == ["worker_died", "succeeded"]


# --- files ------------------------------------------------------------------------------------


def test_writes_reach_the_shared_tree_and_pass_real_tests(tmp_path: Path) -> None:
    plan = code_plan(tmp_path, writes("a"), writes("b", "a"))
    result = run(plan, work=fill, workers=2)
    assert result.status == "succeeded"
    assert (plan.workspace / "a.txt").read_text() == "a"  # type: ignore[operator]
    assert result.tasks["b"].files == ("b.txt",)
    assert result.run_dir.parent == tmp_path / ".orchestrator" / "runs"


def test_a_write_outside_the_task_is_refused(tmp_path: Path) -> None:
    def work(context: Context) -> None:
        context.write("b.txt", "mine now")

    plan = code_plan(tmp_path, writes("a"), writes("b"), limits=Limits(attempts=1))
    result = run(plan, work=work, workers=2)
    assert "outside the files that this task may write" in (result.tasks["a"].reason or "")
    assert (tmp_path / "work" / "b.txt").read_text() == "old\n"


def test_a_failed_attempt_leaves_nothing_behind(tmp_path: Path) -> None:
    def work(context: Context) -> None:
        context.write("a.txt", "wrong")

    plan = code_plan(tmp_path, writes("a"), limits=Limits(attempts=1))
    result = run(plan, work=work)
    assert result.status == "failed"
    assert (tmp_path / "work" / "a.txt").read_text() == "old\n"


def test_keep_keeps_what_a_failed_attempt_wrote(tmp_path: Path) -> None:
    def work(context: Context) -> None:
        context.write("a.txt", "wrong")

    plan = code_plan(tmp_path, writes("a", keep=True), limits=Limits(attempts=1))
    assert run(plan, work=work).status == "failed"
    assert (tmp_path / "work" / "a.txt").read_text() == "wrong"


def share(name: str) -> Task:
    """Return a task that edits a line of its own in a shared file."""
    return Task(id=name, role="implementer", shares=("shared.txt",))


def fill_line(context: Context) -> None:
    """Edit the task's own line, read long before it is written."""
    text = context.read("shared.txt")
    assert text is not None
    meeting.wait()  # both have read before either writes
    mine = f"# {context.task.id}\n"
    context.write("shared.txt", text.replace(mine, mine + "filled\n"))


meeting = threading.Barrier(2, timeout=20)


def test_two_tasks_edit_different_lines_of_a_shared_file_at_once(tmp_path: Path) -> None:
    plan = code_plan(tmp_path, share("1"), share("5"))
    result = run(plan, work=fill_line, workers=2)
    assert result.status == "succeeded"
    text = (tmp_path / "work" / "shared.txt").read_text()
    assert "# 1\nfilled\n" in text
    assert "# 5\nfilled\n" in text
    assert all(task.attempts == 1 for task in result.tasks.values())


def test_by_file_the_same_two_edits_clash(tmp_path: Path) -> None:
    plan = replace(code_plan(tmp_path, share("1"), share("5")), validate="file")

    def work(context: Context) -> None:
        if context.attempt == 1:
            fill_line(context)

    result = run(plan, work=work, workers=2)
    assert sorted(task.attempts for task in result.tasks.values()) == [1, 2]


def test_undo_takes_only_the_ended_attempts_lines_out_of_a_shared_file(tmp_path: Path) -> None:
    wrote, may_fail = threading.Event(), threading.Event()

    def work(context: Context) -> None:
        text = context.read("shared.txt") or ""
        mine = f"# {context.task.id}\n"
        if context.task.id == "1":
            context.write("shared.txt", text.replace(mine, mine + "from one\n"))
            wrote.set()
            assert may_fail.wait(20)
            raise ValueError("on purpose")
        assert wrote.wait(20)
        context.write("shared.txt", text.replace(mine, mine + "from five\n"))
        may_fail.set()

    plan = code_plan(tmp_path, share("1"), share("5"), limits=Limits(attempts=1))
    result = run(plan, work=work, workers=2)
    assert result.tasks["1"].state is TaskState.FAILED
    text = (tmp_path / "work" / "shared.txt").read_text()
    assert "from five\n" in text
    assert "from one\n" not in text


def test_a_file_changed_from_outside_is_not_overwritten(tmp_path: Path) -> None:
    plan = code_plan(tmp_path, writes("a", test=""), limits=Limits(attempts=1))

    def work(context: Context) -> None:
        (tmp_path / "work" / "a.txt").write_text("by hand")
        context.write("a.txt", "by agent")

    result = run(plan, work=work)
    assert (tmp_path / "work" / "a.txt").read_text() == "by hand"
    assert "outside" in [record.kind for record in records(result.run_dir)]


# --- the workspace ----------------------------------------------------------------------------


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True)


def test_a_dirty_git_tree_is_refused_unless_told(tmp_path: Path) -> None:
    plan = code_plan(tmp_path, writes("a"))
    work = tmp_path / "work"
    git(tmp_path, "init", "-q", "-b", "main", "work")
    with pytest.raises(WorkspaceError, match="uncommitted changes"):
        run(plan, work=fill)
    assert not (tmp_path / ".orchestrator").exists()
    result = run(plan, work=fill, allow_dirty=True)
    assert result.status == "succeeded"
    before = (result.run_dir / "blobs").rglob("*")
    assert b"old\n" in [path.read_bytes() for path in before if path.is_file()]
    assert (work / "a.txt").read_text() == "a"


def test_into_works_on_a_copy(tmp_path: Path) -> None:
    plan = code_plan(tmp_path, writes("a"))
    result = run(plan, work=fill, into=tmp_path / "copy")
    assert result.tree == tmp_path / "copy"
    assert (tmp_path / "copy" / "a.txt").read_text() == "a"
    assert (tmp_path / "work" / "a.txt").read_text() == "old\n"


def test_into_a_directory_that_holds_something_is_refused_and_changes_nothing(
    tmp_path: Path,
) -> None:
    plan = code_plan(tmp_path, writes("a"))
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "mine.txt").write_text("precious")
    with pytest.raises(WorkspaceError, match="copy"):
        run(plan, work=fill, into=tmp_path / "copy")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "work"]
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["mine.txt"]


def test_a_second_run_in_the_same_workspace_is_refused(tmp_path: Path) -> None:
    plan = code_plan(tmp_path, writes("a"))
    refused: list[str] = []

    def work(context: Context) -> None:
        with pytest.raises(WorkspaceError) as caught:
            run(plan, work=fill, run_dir=tmp_path / "second")
        refused.append(caught.value.what)
        fill(context)

    assert run(plan, work=work).status == "succeeded"
    assert "is using this workspace" in refused[0]


# --- ends -------------------------------------------------------------------------------------


def test_a_halted_run_resumes_and_does_nothing_twice(tmp_path: Path) -> None:
    plan = code_plan(tmp_path, writes("a"), writes("b", "a"), writes("c", "b"))
    begun = threading.Event()

    def hang(context: Context) -> None:
        if context.task.id == "b":
            context.write("b.txt", "half done")
            begun.set()
            assert context.interrupt.wait(20)
        fill(context)

    live = start(plan, work=hang, workers=2)
    assert begun.wait(20)
    live.halt("enough")
    first = live.wait()
    assert first.status == "interrupted"
    assert first.exit_code == 130
    assert (tmp_path / "work" / "b.txt").read_text() == "old\n"

    done: list[str] = []

    def go_on(context: Context) -> None:
        done.append(context.task.id)
        fill(context)

    second = resume(first.run_dir, work=go_on)
    assert second.status == "succeeded"
    assert done == ["b", "c"]
    assert second.tasks["a"].attempts == 1
    tokens = [
        json.loads(record.body)["token"]
        for record in records(first.run_dir)
        if record.kind == "granted"
    ]
    assert tokens == sorted(set(tokens))


def test_resume_finishes_a_materialisation_and_keeps_what_was_changed_by_hand(
    tmp_path: Path,
) -> None:
    plan = code_plan(tmp_path, writes("a"), writes("b"), writes("c", "a", "b"))
    stop = threading.Event()

    def work(context: Context) -> None:
        if context.task.id == "c":
            stop.set()
            assert context.interrupt.wait(20)
        fill(context)

    live = start(plan, work=work, workers=2)
    assert stop.wait(20)
    live.halt()
    first = live.wait()
    (tmp_path / "work" / "a.txt").write_text("old\n")  # as if the rename had not happened
    (tmp_path / "work" / "b.txt").write_text("by hand")
    assert resume(first.run_dir, work=fill).status == "succeeded"
    assert (tmp_path / "work" / "a.txt").read_text() == "a"
    assert (tmp_path / "work" / "b.txt").read_text() == "by hand"


def test_retry_failed_runs_the_failed_task_and_what_was_skipped_for_it(tmp_path: Path) -> None:
    def fail(context: Context) -> None:
        raise ValueError("not yet")

    plan = Plan(name="p", tasks=tasks(("a",), ("b", "a")), limits=Limits(attempts=1))
    first = run(plan, work=fail, run_dir=tmp_path / "run")
    assert first.status == "failed"
    assert resume(first.run_dir, work=lambda c: None).status == "failed"
    second = resume(first.run_dir, work=lambda c: None, retry_failed=True)
    assert second.status == "succeeded"


def test_the_wall_limit_ends_the_run(tmp_path: Path) -> None:
    plan = Plan(name="p", tasks=tasks(("a",), ("b", "a")), limits=Limits(wall=0.05))
    result = run(plan, work=lambda c: c.interrupt.wait(20), run_dir=tmp_path / "run")
    assert result.status == "limit"
    assert result.exit_code == 3
    assert {task.attempts for task in result.tasks.values()} == {0, 1}


# --- arguments --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "error", "what"),
    [
        ({}, UsageError, "no model is named"),
        ({"model": "orakel:x"}, UsageError, "no model 'orakel'"),
        ({"work": fill, "mode": "shard"}, UsageError, "mode 'shard' is not available"),
        ({"work": fill, "workers": 0}, UsageError, "0 workers"),
        ({"work": fill, "workers": -1}, UsageError, "-1 workers"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_changes(
    tmp_path: Path, settings: dict[str, Any], error: type[Exception], what: str
) -> None:
    plan = code_plan(tmp_path, writes("a"), into=tmp_path / "copy")
    with pytest.raises(error, match=what):
        run(plan, **settings)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["work"]


def test_a_plan_built_in_code_is_checked(tmp_path: Path) -> None:
    plan = Plan(name="p", tasks=tasks(("a", "b"), ("b", "a")))
    with pytest.raises(PlanError, match="a"):
        run(plan, work=fill, run_dir=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def told(result: RunResult) -> list[str]:
    """Return what the model of task `a` was told after each call of its first attempt."""
    kept = [
        json.loads((result.run_dir / "blobs" / digest[:2] / digest[2:]).read_text())
        for digest in result.history.tasks["a"].attempts[0].transcripts
    ]
    return [turn["results"][0]["content"] for turn in kept if turn["results"]]


# --- models -----------------------------------------------------------------------------------


def test_an_agent_works_through_its_tools(tmp_path: Path) -> None:
    script = turns(
        ("read_file", {"path": "a.txt"}),
        ("write_file", {"path": "a.txt", "content": "wrong"}),
        ("run_tests", {}),
        ("submit", {"summary": "too early"}),
        ("edit_file", {"path": "a.txt", "old": "wrong", "new": "a"}),
        ("submit", {"summary": "done"}),
    )
    plan = code_plan(tmp_path, writes("a"))
    result = run(plan, model=ScriptedModel({"a": script}))
    assert result.status == "succeeded"
    assert result.tasks["a"].turns == 6
    said = told(result)
    assert said[0] == "a.txt (version 1, lines 1-1 of 1):\nold\n"
    assert said[2].startswith("FAILED")
    assert said[3].startswith("Not accepted: the tests do not pass.")


def test_refusals_tell_the_model_what_to_do(tmp_path: Path) -> None:
    script = turns(
        ("write_file", {"path": "a.txt", "content": "x"}),
        ("write_file", {"path": "b.txt", "content": "x"}),
        ("read_file", {"path": "../b.txt"}),
        ("fly", {}),
        ("write_file", {"path": "a.txt"}),
        ("edit_file", {"path": "a.txt", "old": "absent", "new": "x"}),
        ("search_files", {"pattern": "(((("}),
        ("give_up", {"reason": "enough"}),
    )
    plan = code_plan(tmp_path, writes("a"), writes("b"), limits=Limits(attempts=1))
    result = run(plan, model=ScriptedModel({"*": script}))
    said = told(result)
    words = [
        "Read it first",
        "outside the files",
        "..",
        "no tool 'fly'",
        "content",
        "does not occur",
        "not a regular expression",
    ]
    assert len(said) == len(words)
    assert all(word in text for word, text in zip(words, said, strict=True))
    assert all(text.startswith("Refused:") for text in said)
    assert result.tasks["a"].reason == "enough"


def test_calls_that_leave_the_bounds_are_counted(tmp_path: Path) -> None:
    script = turns(
        ("write_file", {"path": "b.txt", "content": "x"}),  # beyond the task
        ("write_file", {"path": "tests/test_a.py", "content": "x"}),  # beyond the role
        ("write_file", {"path": "../b.txt", "content": "x"}),  # not a path at all
        ("give_up", {"reason": "enough"}),
    )
    plan = code_plan(tmp_path, writes("a"), limits=Limits(attempts=1))
    result = run(plan, model=ScriptedModel({"*": script}))
    assert measure(result.run_dir).refused_scope == 3
    refused = [json.loads(r.body) for r in records(result.run_dir) if r.kind == "refused"]
    assert [body["path"] for body in refused] == ["b.txt", "tests/test_a.py", "../b.txt"]
    assert {body["request"] for body in refused} == {"write_file"}


def test_a_model_that_only_talks_is_told_so_and_then_ended(tmp_path: Path) -> None:
    seen: list[str] = []

    class Talker:
        name = "talker"

        def next_turn(
            self, briefing: Briefing, history: Sequence[Exchange], interrupt: Interrupt
        ) -> Turn:
            seen.extend(exchange.notice for exchange in history[-1:])
            return Turn("I am done.")

        def close(self) -> None:
            pass

    plan = code_plan(tmp_path, writes("a"), limits=Limits(attempts=1))
    result = run(plan, model=Talker())
    assert result.tasks["a"].reason == "the model stopped using its tools"
    assert all("You did not use a tool" in notice for notice in seen)
    assert result.tasks["a"].turns == 3


def test_turns_are_limited(tmp_path: Path) -> None:
    script = turns(*[("list_files", {})] * 9)
    plan = code_plan(tmp_path, writes("a"), limits=Limits(attempts=1, turns=4))
    result = run(plan, model=ScriptedModel({"a": script}))
    assert result.tasks["a"].reason == "4 turns were not enough"


def test_commands_are_a_port(tmp_path: Path) -> None:
    asked: list[object] = []

    def answer(command: object, cwd: Path) -> int:
        asked.append(command)
        return 0

    plan = code_plan(tmp_path, writes("a", test="make check"))
    assert run(plan, work=fill, commands=FakeCommands(answer)).status == "succeeded"
    assert asked == ["make check"]


@pytest.mark.parametrize("mode", ["shared", "solo"])
def test_modes_end_alike(tmp_path: Path, mode: str) -> None:
    plan = code_plan(tmp_path, writes("a"), writes("b"), writes("c", "a", "b"))
    busy: list[str] = []
    together: list[int] = []
    lock = threading.Lock()

    def work(context: Context) -> None:
        with lock:
            busy.append(context.task.id)
            together.append(len(busy))
        fill(context)
        with lock:
            busy.remove(context.task.id)

    result = run(plan, work=work, mode=mode, workers=3)
    assert result.status == "succeeded"
    assert result.workers == (1 if mode == "solo" else 3)
    assert mode != "solo" or max(together) == 1


@pytest.mark.slow
def test_the_anthropic_model_end_to_end(
    tmp_path: Path, llmock: LLMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-secret-0123456789")
    llmock.rate_limit(retry_after=0.05)
    llmock.call_tool("read_file", {"path": "a.txt"})
    llmock.call_tool("write_file", {"path": "a.txt", "content": "wrong"})
    llmock.call_tool("run_tests")
    llmock.call_tool("edit_file", {"path": "a.txt", "old": "wrong", "new": "a"})
    llmock.call_tool("submit", {"summary": "done"})
    plan = code_plan(tmp_path, writes("a"))
    result = run(plan, model="anthropic", options={"price_input": "3", "price_output": "15"})
    assert result.status == "succeeded"
    assert (tmp_path / "work" / "a.txt").read_text() == "a"
    task = result.tasks["a"]
    assert (task.attempts, task.turns) == (1, 5)
    assert task.input > 0
    assert task.output > 0
    kept = [path.read_bytes() for path in result.run_dir.rglob("*") if path.is_file()]
    assert not any(b"sk-ant-secret" in content for content in kept)


def test_a_mapped_plan_file_runs(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "ref").mkdir()
    (tmp_path / "ref" / "new.txt").write_text("made")
    (tmp_path / "plan.yaml").write_text(
        """
version: 1
workspace: work
model: oracle:ref
defaults: {role: implementer, test: "test -f new.txt"}
tasks: [{id: a, writes: [new.txt], tests: []}]
"""
    )
    result = run(load_plan(tmp_path / "plan.yaml"))
    assert result.status == "succeeded"
    assert (tmp_path / "work" / "new.txt").read_text() == "made"


def granted(events: Sequence[Event]) -> list[str]:
    return [event.task for event in events if isinstance(event, LeaseGranted)]


def test_tasks_with_the_same_files_never_run_at_once(tmp_path: Path) -> None:
    made = tuple(replace(writes(f"t{i}", test=""), writes=("shared.txt",)) for i in range(6))
    plan = code_plan(tmp_path, *made)
    busy, worst = set[str](), [0]
    lock = threading.Lock()

    def work(context: Context) -> None:
        with lock:
            busy.add(context.task.id)
            worst[0] = max(worst[0], len(busy))
        text = context.read("shared.txt") or ""
        context.write("shared.txt", text + f"{context.task.id}\n")
        with lock:
            busy.discard(context.task.id)

    order: list[Event] = []
    assert run(plan, work=work, workers=4, listeners=[order.extend]).status == "succeeded"
    assert worst == [1]
    text = (tmp_path / "work" / "shared.txt").read_text()
    assert [line for line in text.splitlines() if line.startswith("t")] == granted(order)
