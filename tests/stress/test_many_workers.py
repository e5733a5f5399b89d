"""Many workers on overlapping files; that none meet is seen in two independent ways."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from random import Random

import pytest

from orchestrator import Context, Plan, Task, run
from orchestrator.lab.check import check_run

STRESS = os.environ.get("HYPOTHESIS_PROFILE") == "stress"
long = pytest.mark.skipif(not STRESS, reason="takes minutes: `make stress` runs it")
FILES = [f"{folder}/{name}.txt" for folder in "abcd" for name in "wxyz"]
GLOBS = [*FILES, "a/*.txt", "b/**", "c/[wx].txt", "{c,d}/y.txt", "*/z.txt"]


def plan_of(tmp_path: Path, count: int, seed: int) -> Plan:
    """Return random tasks whose write scopes overlap, a few of them dependent on others."""
    random = Random(seed)
    work = tmp_path / "work"
    for path in FILES:
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_text("")
    tasks = tuple(
        Task(
            id=f"t{i}",
            writes=tuple(random.sample(GLOBS, random.randint(1, 2))),
            depends_on=tuple({f"t{random.randrange(i)}"} if i and random.random() < 0.3 else ()),
        )
        for i in range(count)
    )
    return Plan(name="stress", workspace=work, base=tmp_path, tasks=tasks)


@pytest.mark.parametrize(
    ("workers", "count", "seed"),
    [(8, 60, 1), pytest.param(32, 500, 2, marks=[pytest.mark.stress, long])],
)
def test_no_two_tasks_ever_hold_the_same_file(
    tmp_path: Path, workers: int, count: int, seed: int
) -> None:
    busy: dict[str, str] = {}
    mutex, met = threading.Lock(), list[str]()
    locks = tmp_path / "locks"
    locks.mkdir()

    def work(context: Context) -> None:
        name, bounds = context.task.id, context.files.bounds
        own = [path for path in FILES if bounds.may_write(path)]
        with mutex:  # one way: a table in this process
            met.extend(f"{name} and {busy[path]} on {path}" for path in own if path in busy)
            busy.update(dict.fromkeys(own, name))
        for path in own:  # the other: files that the kernel lets only one create
            (locks / path.replace("/", "_")).touch(exist_ok=False)
        for path in own:
            context.write(path, (context.read(path) or "") + f"{name}\n")
        for path in own:
            (locks / path.replace("/", "_")).unlink()
        with mutex:
            for path in own:
                del busy[path]

    plan = plan_of(tmp_path, count, seed)
    result = run(plan, work=work, workers=workers, durability="normal")
    assert result.status == "succeeded", {k: t.reason for k, t in result.tasks.items() if t.reason}
    assert met == []
    assert all(task.attempts == 1 for task in result.tasks.values())
    for path in FILES:
        lines = (tmp_path / "work" / path).read_text().split()
        wrote = [name for name, task in result.tasks.items() if path in task.files]
        assert sorted(lines) == sorted(wrote)
    report = check_run(result.run_dir)
    assert report.attempts == count
    assert report.anomalies == ()
    assert report.serialisable
