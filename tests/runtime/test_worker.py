"""Workers and the loop of an agent: what a model is told, and how attempts end, early or late."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from orchestrator import Context, Limits, Plan, Task, resume, run
from orchestrator.core.events import Event, LeaseGranted
from orchestrator.core.messages import Cancel, Claim, Done, Granted, Lease, Refused, Reply, Stop
from orchestrator.core.states import TaskState
from orchestrator.errors import ModelError
from orchestrator.models.base import Briefing, Exchange, Interrupt, ToolCall, Turn, Usage
from orchestrator.models.scripted import ScriptedModel
from orchestrator.runtime.briefing import make_briefer
from orchestrator.runtime.interruption import Interruption
from orchestrator.runtime.run import start
from orchestrator.runtime.worker import IDLE_TURNS, AgentWork, FunctionWork, Worker

Make = Callable[..., Any]
LEASE = Lease("a", 1, 7, "w1", 1)


# --- the thread -------------------------------------------------------------------------------


class Desk:
    """A coordinator that answers from a list, and may do something before each answer."""

    def __init__(self, *replies: Reply, before: Callable[[int], None] = lambda n: None) -> None:
        self.replies, self.before = replies, before
        self.asked: list[Any] = []
        self.dead: list[tuple[str, str]] = []

    def connect(self, name: str) -> Callable[[Any], Reply]:
        def ask(request: Any) -> Reply:
            self.asked.append(request)
            self.before(len(self.asked))
            return self.replies[len(self.asked) - 1]

        return ask

    def lost(self, name: str, why: str) -> None:
        self.dead.append((name, why))


def worker(desk: Desk, work: Callable[[Context], Reply]) -> Worker:
    """Return a worker whose tasks need no files."""

    def prepare(lease: Lease, ask: Any, interrupt: Interruption) -> Context:
        return Context(Task(id=lease.task), lease, ask, interrupt)

    return Worker("w1", desk, prepare, work)


def test_a_worker_claims_until_it_is_told_to_stop() -> None:
    seen: list[int] = []

    def work(context: Context) -> Reply:
        seen.append(context.lease.token)
        return Refused("lease_ended", "it has ended", "claim again")

    desk = Desk(Done(), Granted(LEASE), Granted(LEASE), Stop("succeeded"))
    one = worker(desk, work)
    one.join()  # not begun: nothing to wait for
    one.start()
    one.join()
    assert seen == [7, 7]
    assert desk.asked == [Claim("w1")] * 4
    assert not one.is_alive()


@pytest.mark.parametrize("token", [7, -1])
def test_a_lease_that_ends_before_it_is_taken_up_is_interrupted_all_the_same(token: int) -> None:
    interrupted: list[bool] = []

    def work(context: Context) -> Reply:
        interrupted.append(context.interrupt.is_set())
        return Stop("succeeded")

    made: list[Worker] = []
    desk = Desk(Granted(LEASE), before=lambda n: made[0].end_lease(token))
    made.append(worker(desk, work))
    made[0].start()
    made[0].join()
    assert interrupted == [True]


def test_the_end_of_an_older_lease_does_not_interrupt() -> None:
    interrupted: list[bool] = []

    def work(context: Context) -> Reply:
        made[0].end_lease(6)
        interrupted.append(context.interrupt.is_set())
        return Stop("succeeded")

    made = [worker(Desk(Granted(LEASE)), work)]
    made[0].start()
    made[0].join()
    assert interrupted == [False]


@pytest.mark.parametrize("error", [ValueError("bad"), SystemExit(3), KeyboardInterrupt()])
def test_a_thread_that_dies_says_so(error: BaseException) -> None:
    def work(context: Context) -> Reply:
        raise error

    desk = Desk(Granted(LEASE))
    one = worker(desk, work)
    one.start()
    one.join()
    assert desk.dead == [("w1", f"{type(error).__name__}: {error}")]


# --- task functions ---------------------------------------------------------------------------


def test_a_function_that_hands_in_itself_is_not_handed_in_twice(tmp_path: Path) -> None:
    def work(context: Context) -> None:
        seen.append(context.task.id)
        if context.task.id == "b":
            assert isinstance(context.give_up("gave_up", "no"), Granted | Stop)
            raise ValueError("after the end")
        assert isinstance(context.submit("by myself"), Granted | Stop)

    seen: list[str] = []
    tasks = tuple(Task(id=name) for name in "abcd")
    plan = Plan(name="p", tasks=tasks, limits=Limits(attempts=1))
    result = run(plan, work=work, run_dir=tmp_path / "run", workers=1)
    assert seen == ["a", "b", "c", "d"]
    assert [task.state for task in result.tasks.values()] == [
        TaskState.SUCCEEDED,
        TaskState.FAILED,
        TaskState.SUCCEEDED,
        TaskState.SUCCEEDED,
    ]
    assert result.tasks["b"].reason == "no"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("no luck"), "ValueError: no luck (test_worker.py:"),
        (ModelError("no answer", why="it is away"), "no answer: it is away (test_worker.py:"),
    ],
)
def test_a_failing_function_names_its_own_line(office: Make, error: Exception, reason: str) -> None:
    def work(context: Context) -> None:
        raise error

    desk = office(Task(id="a", role="any"), attempts=1)
    assert isinstance(FunctionWork(work)(desk.agent("w1").context), Stop)
    assert desk.machine.state.records["a"].reason.startswith(reason)


def test_a_function_whose_tests_fail_fails_with_their_output(office: Make) -> None:
    desk = office(
        Task(id="a", role="any", test="check"), commands=lambda *_: (1, "1 failed"), attempts=1
    )
    assert isinstance(FunctionWork(lambda context: None)(desk.agent("w1").context), Stop)
    assert desk.machine.state.records["a"].reason == "1 failed"


# --- the loop of an agent ---------------------------------------------------------------------


class Model:
    """A model made of functions: each gets briefing and history and returns a turn."""

    name = "own"

    def __init__(self, *turns: Turn | Callable[[Briefing, Sequence[Exchange]], Turn]) -> None:
        self.turns = turns
        self.histories: list[list[Exchange]] = []

    def next_turn(
        self, briefing: Briefing, history: Sequence[Exchange], interrupt: Interrupt
    ) -> Turn:
        self.histories.append(list(history))
        turn = self.turns[min(len(history), len(self.turns) - 1)]
        return turn(briefing, history) if callable(turn) else turn

    def close(self) -> None:
        pass


def use(name: str, **given: Any) -> Turn:
    return Turn(calls=(ToolCall(f"c-{name}", name, given),), usage=Usage(10, 5, 2, 1))


SUBMIT = use("submit", summary="done")


def attempt(desk: Any, model: Any, worker: str = "w1") -> Reply:
    """Have a model do one attempt, in this thread."""
    agent = desk.agent(worker)
    brief = make_briefer("A goal.", {"any": desk.role}, 0)
    return AgentWork(model, brief, {"any": agent.toolbox}, desk.blobs)(agent.context)


def small(name: str = "a", **more: Any) -> Task:
    given: dict[str, Any] = {"role": "any", "writes": (f"{name}.txt",)}
    return Task(id=name, **given | more)


FILES = {"a.txt": "a\n", "b.txt": "b\n"}


def test_the_results_of_its_calls_are_told_to_the_model_in_order(office: Make) -> None:
    desk = office(small(), files=FILES)
    both = Turn(
        calls=(
            ToolCall("1", "read_file", {"path": "a.txt"}),
            ToolCall("2", "fly", {}),
            ToolCall("3", "write_file", {"path": "a.txt", "content": "x"}),
        )
    )
    model = Model(both, SUBMIT)
    assert isinstance(attempt(desk, model), Stop)
    (exchange,) = model.histories[1]
    assert [(r.call_id, r.is_error) for r in exchange.results] == [
        ("1", False),
        ("2", True),
        ("3", False),
    ]
    assert desk.text("a.txt") == "x"


def test_nothing_is_carried_out_after_the_call_that_ends_the_attempt(office: Make) -> None:
    desk = office(small(), files=FILES)
    late = Turn(calls=(*SUBMIT.calls, ToolCall("2", "write_file", {"path": "x", "content": "x"})))
    assert isinstance(attempt(desk, Model(late)), Stop)
    assert "wrote" not in desk.kinds()


def test_what_a_turn_cost_is_recorded_before_its_calls_are_carried_out(office: Make) -> None:
    desk = office(small(tokens=30), files=FILES, attempts=1)
    read = use("read_file", path="a.txt")
    write = use("write_file", path="a.txt", content="x")
    model = Model(read, write, SUBMIT)
    model.offline = True  # type: ignore[attr-defined]  # so nothing is reserved
    attempt(desk, model)
    assert desk.machine.state.tokens == 36
    assert desk.machine.state.records["a"].reason == "the task has used its 30 model tokens"
    assert desk.text("a.txt") == "a\n"


def test_a_turn_that_may_take_more_than_is_left_is_not_asked_for(office: Make) -> None:
    desk = office(small(tokens=30), files=FILES, attempts=1)
    model = Model(use("read_file", path="a.txt"), SUBMIT)
    attempt(desk, model)
    assert len(model.histories) == 1
    assert desk.machine.state.tokens == 18
    reason = desk.machine.state.records["a"].reason
    assert "and the task has 12 left of its 30" in reason


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ModelError("overloaded", why="busy", retryable=True), "overloaded\n  why: busy"),
        (ZeroDivisionError("oops"), "ZeroDivisionError: oops (test_worker.py:"),
    ],
)
def test_a_model_that_fails_ends_the_attempt_and_not_the_worker(
    office: Make, error: Exception, reason: str
) -> None:
    def fail(briefing: Briefing, history: Sequence[Exchange]) -> Turn:
        raise error

    desk, model = office(small(), files=FILES, attempts=1), Model(fail)
    model.retries = 0  # how it is asked again, and after which pauses, is tested in tests/models
    assert isinstance(attempt(desk, model), Stop)
    assert desk.machine.state.records["a"].reason.startswith(reason)
    (ended,) = (json.loads(r.body) for r in desk.log.read() if r.kind == "ended")
    assert ended["cause"] == "model_error"


def test_a_model_that_refuses_ends_the_attempt_with_its_words(office: Make) -> None:
    desk = office(small(), files=FILES, attempts=1)
    attempt(desk, Model(Turn("I would rather not.", stop="refusal")))
    assert desk.machine.state.records["a"].reason == "the model refused: I would rather not."


def test_a_turn_that_was_cut_off_is_explained(office: Make) -> None:
    desk = office(small(), files=FILES)
    model = Model(Turn("I shall now", stop="max_tokens"), SUBMIT)
    attempt(desk, model)
    assert "cut off because it was too long" in model.histories[1][0].notice


def test_talking_without_tools_is_ended_only_when_it_does_not_stop(office: Make) -> None:
    desk = office(small(), files=FILES, attempts=1)
    look = use("list_files")
    model = Model(*[Turn("Hm.")] * (IDLE_TURNS - 1), look, *[Turn("Hm.")] * IDLE_TURNS)
    attempt(desk, model)
    assert len(model.histories) == 2 * IDLE_TURNS
    assert desk.machine.state.records["a"].reason == "the model stopped using its tools"


def test_messages_and_changes_are_told_with_the_next_turn(office: Make) -> None:
    desk = office(small("a"), small("b"), files=FILES)
    agent = desk.agent("w1")

    def disturb(briefing: Briefing, history: Sequence[Exchange]) -> Turn:
        agent.ok("send_message", to="task:b", kind="question", text="which unit?")
        agent.ok("read_file", path="a.txt")
        agent.ok("write_file", path="a.txt", content="new\n")
        return Turn("Hm.")

    model = Model(use("read_file", path="a.txt"), disturb, use("give_up", reason="enough"))
    said = threading.Thread(target=lambda: attempt(desk, model, "w2"))
    said.start()
    desk.until("ended")
    desk.coordinator.halt("enough")
    said.join()
    notice = model.histories[2][1].notice
    assert "You did not use a tool." in notice
    assert "Message from task:a (question): which unit?" in notice
    assert "a.txt was changed by task a since you read it. Read it again if it matters." in notice
    assert model.histories[2][0].notice == ""


def test_every_turn_is_kept_as_a_transcript(office: Make) -> None:
    desk = office(small(), files=FILES)
    attempt(desk, Model(use("read_file", path="a.txt"), use("fly"), SUBMIT))
    digests = [
        json.loads(record.body)["transcript"]
        for record in desk.log.read()
        if record.kind == "reported" and "transcript" in json.loads(record.body)
    ]
    kept = [json.loads(desk.blobs.get(digest)) for digest in digests]
    names = [turn["turn"]["calls"][0]["name"] for turn in kept]
    assert names == ["read_file", "read_file", "fly", "fly", "submit"]  # given, then answered
    assert kept[3]["results"][0]["is_error"]


# --- whole runs: several agents ---------------------------------------------------------------


def code_plan(tmp_path: Path, *tasks: Task, **limits: Any) -> Plan:
    work = tmp_path / "work"
    work.mkdir()
    for name, text in FILES.items():
        (work / name).write_text(text)
    return Plan(
        name="p", tasks=tasks, workspace=work, base=tmp_path, limits=Limits(**limits)
    )  # fmt: skip


def real(name: str, role: str = "implementer", **more: Any) -> Task:
    return Task(id=name, role=role, **{"writes": (f"{name}.txt",)} | more)


def granted(events: Sequence[Event]) -> list[str]:
    return [event.task for event in events if isinstance(event, LeaseGranted)]


def test_a_task_is_split_and_its_dependents_wait_for_the_parts(tmp_path: Path) -> None:
    part = {"title": "A part", "instructions": "Do it.", "writes": ["a*.txt"]}
    parts = [{"id": "one", **part}, {"id": "two", "depends_on": ["one"], **part}]
    script = {
        "whole": [use("split_task", tasks=parts, reason="two steps"), SUBMIT],
        "one": [
            use("read_file", path="a.txt"),
            use("write_file", path="a.txt", content="1"),
            SUBMIT,
        ],
        "two": [use("edit_file", path="a.txt", old="1", new="12"), SUBMIT],
        "after": [SUBMIT],
    }
    plan = code_plan(
        tmp_path,
        real("whole", "architect", writes=("a*.txt",)),
        real("after", depends_on=("whole",), writes=("b.txt",)),
        workers=3,
    )
    told: list[Event] = []
    result = run(plan, model=ScriptedModel(script), listeners=[told.extend])
    assert result.status == "succeeded"
    assert granted(told) == ["whole", "one", "two", "after"]
    assert (tmp_path / "work" / "a.txt").read_text() == "12"
    assert set(result.tasks) == {"whole", "one", "two", "after"}


def test_a_split_survives_a_resume(tmp_path: Path) -> None:
    part = {"id": "one", "title": "A part", "instructions": "Do it.", "writes": ["a*.txt"]}
    begun = threading.Event()

    class ByTask(Model):
        def next_turn(
            self, briefing: Briefing, history: Sequence[Exchange], interrupt: Interrupt
        ) -> Turn:
            if briefing.task == "one":
                begun.set()
                assert interrupt.wait(20)
                raise ModelError("interrupted")
            return (use("split_task", tasks=[part], reason="x"), SUBMIT)[len(history)]

    plan = code_plan(tmp_path, real("whole", "architect", writes=("a*.txt",)))
    live = start(plan, model=ByTask())
    assert begun.wait(20)
    live.halt()
    assert live.wait().status == "interrupted"
    result = resume(live.folder.path, model=Model(SUBMIT))
    assert result.status == "succeeded"
    assert {name: task.attempts for name, task in result.tasks.items()} == {"whole": 1, "one": 2}


# --- ends of a lease --------------------------------------------------------------------------


class Waiting(Model):
    """A model that takes for ever, unless its lease ends."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()
        self.ended: list[bool] = []

    def next_turn(
        self, briefing: Briefing, history: Sequence[Exchange], interrupt: Interrupt
    ) -> Turn:
        self.asked.set()
        self.ended.append(interrupt.wait(60))
        raise ModelError("the lease ended", why="while the model was answering")


def test_halting_ends_a_model_that_waits(tmp_path: Path) -> None:
    model = Waiting()
    live = start(code_plan(tmp_path, real("a")), model=model)
    assert model.asked.wait(20)
    live.halt("enough")
    result = live.wait()
    assert (result.status, result.late, model.ended) == ("interrupted", (), [True])
    assert result.history.tasks["a"].attempts[0].outcome == "interrupted"


def test_a_wall_limit_ends_a_model_that_waits(tmp_path: Path) -> None:
    model = Waiting()
    result = run(code_plan(tmp_path, real("a"), wall=0.1), model=model)
    assert (result.status, result.late, model.ended) == ("limit", (), [True])


def test_the_time_of_an_attempt_is_limited(tmp_path: Path) -> None:
    model = Waiting()
    result = run(code_plan(tmp_path, real("a", seconds=0.05), attempts=2), model=model)
    assert result.status == "failed"
    assert model.ended == [True, True]
    assert result.tasks["a"].reason == "the attempt's time was up"


def test_cancelling_a_task_ends_its_model_and_the_others_go_on(tmp_path: Path) -> None:
    model = Waiting()
    plan = code_plan(tmp_path, real("a"), real("b", depends_on=("a",)), real("c"))
    order = {"c": Model(SUBMIT)}

    class ByTask(Waiting):
        def next_turn(
            self, briefing: Briefing, history: Sequence[Exchange], interrupt: Interrupt
        ) -> Turn:
            return order.get(briefing.task, model).next_turn(briefing, history, interrupt)

    live = start(plan, model=ByTask(), workers=1)
    assert model.asked.wait(20)
    assert live.coordinator.call(Cancel("a", "no longer wanted")) == Done()
    result = live.wait()
    assert model.ended == [True]
    assert {name: str(task.state) for name, task in result.tasks.items()} == {
        "a": "cancelled",
        "b": "skipped",
        "c": "succeeded",
    }
    assert result.tasks["a"].reason == "no longer wanted"


def test_a_worker_that_does_not_come_back_is_named_and_can_change_nothing(tmp_path: Path) -> None:
    begun, may_end = threading.Event(), threading.Event()
    late: list[object] = []

    def work(context: Context) -> None:
        begun.set()
        assert may_end.wait(60)  # heeds no interrupt
        late.append(context.report())
        try:
            context.write("a.txt", "late")
        finally:
            late.append("refused")

    live = start(code_plan(tmp_path, real("a")), work=work, workers=1)
    assert begun.wait(20)
    live.halt("enough")
    result = live.wait(grace=0.05)
    assert result.late == ("w1",)
    assert [path.name for path in live.folder.copies.iterdir() if path.is_dir()] == ["w1", "w1.tmp"]
    may_end.set()
    for thread in threading.enumerate():
        if thread.name == "w1":
            thread.join(20)
    assert late == [False, "refused"]
    assert (tmp_path / "work" / "a.txt").read_text() == "a\n"


def test_nothing_of_a_run_is_left_but_its_record(tmp_path: Path) -> None:
    plan = code_plan(tmp_path, real("a"), real("b"))
    result = run(plan, model=Model(SUBMIT), workers=2)
    assert result.status == "succeeded"
    left = sorted(path.name for path in result.run_dir.iterdir())
    assert {"blobs", "copies", "events.db"} <= set(left)
    assert [path for path in (result.run_dir / "copies").iterdir() if path.is_dir()] == []


def test_workers_that_die_one_after_the_other_end_the_run(tmp_path: Path) -> None:
    def work(context: Context) -> None:
        raise SystemExit(context.lease.token)

    tasks = tuple(Task(id=f"t{n}") for n in range(8))
    plan = Plan(name="p", tasks=tasks, limits=Limits(attempts=2))
    result = run(plan, work=work, run_dir=tmp_path / "run", workers=3)
    assert result.status == "failed"
    assert {task.attempts for task in result.tasks.values()} == {2}
    assert all("SystemExit" in (task.reason or "") for task in result.tasks.values())
