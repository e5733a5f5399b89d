"""Virtual time: waits move a clock, and a run is the same function of its seed each time."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from pathlib import Path
from random import Random

import pytest

from orchestrator import Context, Limits, Plan, Task, measure, run
from orchestrator.core import events as e
from orchestrator.core.encoding import decode
from orchestrator.core.limits import ProviderLimits
from orchestrator.core.states import TaskState
from orchestrator.errors import UsageError
from orchestrator.models.anthropic import AnthropicModel
from orchestrator.runtime.eventlog import SqliteLog
from orchestrator.runtime.header import unpack
from orchestrator.runtime.modes import MODES
from orchestrator.runtime.run import start, start_again
from orchestrator.runtime.virtualtime import VirtualTime, virtual_time

FILES = ("a.txt", "b.txt", "c.txt", "d.txt")


def plan_of(folder: Path, *tasks: Task, **limits: float) -> Plan:
    work = folder / "work"
    work.mkdir(exist_ok=True)
    for name in (*FILES, "keep.txt"):
        (work / name).write_text("start\n")
    settings = Limits(workers=2, attempts=2)
    return Plan(
        name="p", tasks=tasks, workspace=work, base=folder, into=folder / "out",
        limits=replace(settings, **limits),
    )  # fmt: skip


def log_of(folder: Path) -> list[e.Event]:
    with SqliteLog.reader(folder / "events.db") as log:
        return [decode(r.at, r.kind, r.task, r.attempt, r.body) for r in log.read()]


def test_waiting_takes_no_time_and_is_counted(tmp_path: Path) -> None:
    tasks = [Task(id=name, estimate=10) for name in "abc"] + [Task(id="z", depends_on=("a", "b"))]
    plan = Plan(name="p", tasks=tuple(tasks), base=tmp_path, limits=Limits(workers=2))

    def work(context: Context) -> None:
        context.interrupt.wait(100.0 * (1 + "abcz".index(context.task.id)))

    result = run(plan, work=work, time="virtual", durability="normal")
    assert result.status == "succeeded"
    ends = {x.task: x.at for x in log_of(result.run_dir) if isinstance(x, e.Succeeded)}
    # Two workers: a and b at once, c when a is done, z when b is.
    assert ends == pytest.approx({"a": 100, "b": 200, "c": 400, "z": 600}, abs=1e-6)
    assert measure(result.run_dir).makespan == pytest.approx(600, abs=1e-6)


def restless(context: Context) -> None:
    """Read, think and write here and there, and look again when that was refused."""
    random = Random(f"{context.task.id}/{context.attempt}")
    for step in range(3):
        context.report("reason", step)
        context.interrupt.wait(random.uniform(1, 30))
        path = random.choice(FILES)
        context.read(path)
        context.interrupt.wait(random.choice((0.0, 5.0)))
        if context.files.bounds.may_write(path):
            context.files.write(path, f"{context.task.id} {step}\n".encode())
        context.take_notices()


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_a_run_is_the_same_each_time(tmp_path: Path, mode: str) -> None:
    tasks = tuple(
        Task(id=f"t{i}", writes=(FILES[i % 4], FILES[(i + 1) % 4]), test="cat *.txt")
        for i in range(6)
    )
    logs = []
    for number in ("one", "two"):
        (tmp_path / number).mkdir()
        plan = replace(plan_of(tmp_path / number, *tasks), limits=Limits(workers=3, attempts=4))
        result = run(
            plan, work=restless, mode=mode, time="virtual", command_seconds=7.5,
            durability="normal",
        )  # fmt: skip
        logs.append(log_of(result.run_dir))
    assert logs[0] == logs[1]
    assert {type(event) for event in logs[0]} >= {e.Succeeded, e.Wrote}
    tested = [x.at for x in logs[0] if isinstance(x, e.Reported) and x.phase == "test"]
    assert tested
    with SqliteLog.reader(result.run_dir / "events.db") as log:
        header = unpack(log.header)
    assert (header.time, header.command_seconds) == ("virtual", 7.5)


@pytest.mark.slow
def test_commands_really_run_and_take_the_time_that_was_said(tmp_path: Path) -> None:
    seen = []

    def work(context: Context) -> None:
        seen.append(context.run("echo took 0.37s").result)

    run(
        plan_of(tmp_path, Task(id="a", test="true")), work=work, time="virtual",
        command_seconds=60.0, durability="normal",
    )  # fmt: skip
    (result,) = seen
    # How long it really took is not told: an agent could go by it, and no two runs were alike.
    assert (result.exit_code, result.seconds, result.output.strip()) == (0, 60.0, "took TIME")
    (accepted,) = [x for x in log_of(tmp_path_run(tmp_path)) if isinstance(x, e.Succeeded)]
    assert accepted.at == pytest.approx(120, abs=1e-6)


def tmp_path_run(folder: Path) -> Path:
    (found,) = (folder / ".orchestrator" / "runs").iterdir()
    return found


def test_a_lease_ends_in_virtual_time_and_wakes_who_sleeps(tmp_path: Path) -> None:
    plan = Plan(
        name="p", tasks=(Task(id="a"),), base=tmp_path,
        limits=Limits(workers=1, attempts=2, lease=300.0),
    )  # fmt: skip
    waits: list[bool] = []

    def work(context: Context) -> None:
        waits.append(context.interrupt.wait(inf if context.attempt == 1 else 20.0))

    result = run(plan, work=work, time="virtual", durability="normal")
    ended = [x for x in log_of(result.run_dir) if isinstance(x, e.AttemptEnded)]
    assert (waits, result.status) == ([True, False], "succeeded")
    assert [x.at for x in ended] == pytest.approx([300.0])


def test_the_limit_of_wall_time_is_virtual_and_the_run_goes_on_from_there(tmp_path: Path) -> None:
    plan = Plan(
        name="p", tasks=(Task(id="a"), Task(id="b", depends_on=("a",))), base=tmp_path,
        limits=Limits(workers=1, wall=150.0),
    )  # fmt: skip

    def work(context: Context) -> None:
        context.interrupt.wait(100)

    result = run(plan, work=work, time="virtual", durability="normal")
    assert (result.status, result.tasks["a"].state) == ("limit", TaskState.SUCCEEDED)
    assert log_of(result.run_dir)[-1].at == pytest.approx(150, abs=1e-6)
    more = replace(plan.limits, wall=1000.0)
    again = start_again(result.run_dir, work=work, limits=more, durability="normal").wait()
    assert again.status == "succeeded"
    assert log_of(result.run_dir)[-1].at == pytest.approx(250, abs=1e-6)


def test_a_worker_that_dies_does_not_stop_the_clock(tmp_path: Path) -> None:
    plan = Plan(
        name="p", tasks=(Task(id="a"), Task(id="b")), base=tmp_path, limits=Limits(workers=2)
    )

    def work(context: Context) -> None:
        if context.task.id == "a" and context.attempt == 1:
            raise SystemExit  # nobody's mistake in the task: the thread is gone
        context.interrupt.wait(50)

    result = run(plan, work=work, time="virtual", durability="normal")
    assert result.status == "succeeded"
    assert any(isinstance(x, e.AttemptEnded) and x.task == "a" for x in log_of(result.run_dir))


def test_a_person_can_still_end_the_run(tmp_path: Path) -> None:
    plan = Plan(name="p", tasks=(Task(id="a"),), base=tmp_path, limits=Limits(workers=1))
    begun = start(
        plan, work=lambda context: context.interrupt.wait(), time="virtual", durability="normal"
    )  # fmt: skip
    begun.halt("enough")
    assert begun.wait().status == "interrupted"


def test_the_clock_stands_while_a_worker_is_at_work() -> None:
    time = VirtualTime(5.0)
    first, second = time.now(), time.now()
    assert 5.0 <= first < second < 5.0 + 1e-9


def test_what_cannot_be_had_in_virtual_time_is_refused_at_once(tmp_path: Path) -> None:
    plan = Plan(
        name="p", tasks=(Task(id="a", approval=True),), base=tmp_path,
        limits=Limits(provider=ProviderLimits(concurrent=2)),
    )  # fmt: skip
    model = AnthropicModel("claude-x", client=object())
    with pytest.raises(UsageError) as caught:
        virtual_time("virtual", -1.0, model, plan)
    told = " ".join(problem.what for problem in caught.value.problems)
    assert len(caught.value.problems) == 4
    for word in ("-1 seconds", "claude-x", "gate", "person"):
        assert word in told
    with pytest.raises(UsageError, match="time"):
        virtual_time("unreal", None, None, plan)
    with pytest.raises(UsageError, match="time"):
        virtual_time("real", 3.0, None, plan)
    with pytest.raises(UsageError) as caught:
        virtual_time("virtual", -1.0, None, replace(plan, tasks=(), limits=Limits()))
    assert [problem.fix for problem in caught.value.problems] == ["give zero or more"]
    assert virtual_time("real", None, None, plan) is None
