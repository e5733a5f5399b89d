"""Checking real runs: several workers in mode shared leave no anomalies; and what does is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from orchestrator import Context, Limits, Plan, Task, run
from orchestrator.core.encoding import encode
from orchestrator.errors import StaleWrite
from orchestrator.lab.check import check_run
from orchestrator.lab.histories import parse_history
from orchestrator.runtime.commands import FakeCommands
from orchestrator.runtime.eventlog import SqliteLog
from orchestrator.runtime.header import Header, pack
from orchestrator.ui.checking import show_check

FILES = [f"m{number}.txt" for number in range(6)]


def plan_of(tmp_path: Path, *tasks: Task, files: dict[str, str], attempts: int = 3) -> Plan:
    work = tmp_path / "work"
    work.mkdir()
    for path, text in files.items():
        (work / path).write_text(text)
    limits = Limits(attempts=attempts)
    return Plan(name="p", tasks=tasks, workspace=work, base=tmp_path, limits=limits)


def registry(count: int) -> str:
    """Return a file with a place for each task, far enough apart to be edited at once."""
    return "".join(f"# place {number}\n\n\n\n" for number in range(count))


def restless(context: Context) -> None:
    """Read and write here and there, look again when that was refused, and fail now and then."""
    random = Random(f"{context.task.id}/{context.attempt}")
    for step in range(4):
        context.report("reason", step)
        context.read(random.choice(FILES))
        for path in (*FILES, "registry.txt") if step % 2 else ():
            if context.files.bounds.may_write(path) and random.random() < 0.7:
                add_line(context, path)
    context.take_notices()
    for path in FILES:
        context.read(path)
    if random.random() < 0.1:
        raise ValueError("a bad day")


def add_line(context: Context, path: str) -> None:
    """Add a line at the task's place, looking again at everything until it is accepted."""
    name = context.task.id
    place = f"# place {name[1:]}\n"
    for _ in range(20):
        text = context.read(path) or ""
        added = text.replace(place, f"{place}{name}\n") if place in text else f"{text}{name}\n"
        try:
            return context.write(path, added)
        except StaleWrite:
            context.take_notices()
            for other in FILES:
                context.read(other)
    raise ValueError("too much goes on")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_a_shared_run_of_many_workers_has_no_anomalies(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    tasks = tuple(
        Task(
            id=f"t{i}",
            writes=tuple(random.sample(FILES, 1)),
            shares=("registry.txt",),
            depends_on=(f"t{random.randrange(i)}",) if i > 3 and random.random() < 0.4 else (),
        )
        for i in range(12)
    )
    files = dict.fromkeys(FILES, "start\n") | {"registry.txt": registry(12)}
    plan = plan_of(tmp_path, *tasks, files=files, attempts=9)
    result = run(plan, work=restless, workers=4, durability="normal")
    report = check_run(result.run_dir)
    told = [one.what for one in report.anomalies]
    assert (told, report.serialisable, report.notes) == ([], True, ())
    accepted = [name for name, task in result.tasks.items() if task.state == "succeeded"]
    assert sorted(report.order) == sorted(accepted)
    assert report.attempts == len(accepted) > 0


# --- semantic conflicts ---------------------------------------------------------------------------


def writing(texts: dict[str, dict[str, str]]) -> Callable[[Context], None]:
    """Return what has each task write the texts that are given for it."""

    def work(context: Context) -> None:
        for path, text in texts[context.task.id].items():
            context.write(path, text)

    return work


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """The directory of a run whose third task breaks what the first one had tested."""
    tasks = (
        Task(id="api", writes=("api.txt",), test="grep -q old api.txt"),
        Task(id="other", writes=("other.txt",), depends_on=("api",), test="grep -q o other.txt"),
        Task(id="change", writes=("api.txt",), depends_on=("other",), test="grep -q new api.txt"),
        Task(id="last", writes=("last.txt",), depends_on=("change",)),
    )
    texts = {
        "api": {"api.txt": "old\n"},
        "other": {"other.txt": "o\n"},
        "change": {"api.txt": "new\n"},
        "last": {"last.txt": "l\n"},
    }
    plan = plan_of(tmp_path, *tasks, files={"keep.txt": "k\n"})
    result = run(plan, work=writing(texts), workers=2, durability="normal")
    assert result.status == "succeeded"
    return result.run_dir


@pytest.mark.slow
def test_tests_that_pass_alone_and_fail_together_name_the_breaker(broken: Path) -> None:
    assert check_run(broken).anomalies == ()
    report = check_run(broken, tests=True)
    (found,) = report.anomalies
    assert (found.kind, found.tasks) == ("semantic conflict", ("api", "change"))
    assert (found.files, found.cycle) == (("api.txt",), ())
    assert "and fail since that of `change` was accepted" in found.what
    assert "(it wrote api.txt): exit code 1." in found.what
    assert report.serialisable
    assert report.order == ("api", "other", "change", "last")
    assert not (broken / "copies" / "tree").exists()


@pytest.mark.slow
def test_tests_that_fail_alone_too_are_a_note(broken: Path) -> None:
    never = FakeCommands(lambda command, cwd: 1)
    report = check_run(broken, tests=True, commands=never)
    assert report.anomalies == ()
    assert [note.split("`")[1] for note in report.notes] == ["api", "other", "change"]


@pytest.mark.slow
def test_trees_in_between_hold_accepted_work_only(broken: Path) -> None:
    seen: list[list[str]] = []

    def fails_with_all(command: object, cwd: Path) -> int:
        seen.append(sorted(file.name for file in cwd.iterdir()))
        return int((cwd / "last.txt").exists())

    report = check_run(broken, tests=True, commands=FakeCommands(fails_with_all))
    assert [found.tasks[1] for found in report.anomalies] == ["last"] * 3
    everything = ["api.txt", "keep.txt", "last.txt", "other.txt"]
    before = ["api.txt", "keep.txt", "other.txt"]
    of_api = [everything, ["api.txt", "keep.txt"], before, before]  # the end, its own, in between
    assert seen == [*of_api, everything, before, before, everything, before]


# --- the command ----------------------------------------------------------------------------------


def log_of(folder: Path, history: str) -> Path:
    """Return the directory of a run with this history."""
    folder.mkdir()
    header = pack(Header(run="r", name="p"))
    with closing(SqliteLog.create(folder / "events.db", header, "normal")) as log:
        log.append([encode(event) for event in parse_history(history)])
    return folder


def test_check_tells_anomalies_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = log_of(tmp_path / "r", "a?x b?x a=x b=x@1 a. b. d?z c=z c. d=y d.")
    assert show_check(str(folder), tests=False, as_json=False) == 1
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == (
        "4 accepted attempts, 2 anomalies (1 lost update and 1 stale read); no serial order "
        "explains it."
    )
    assert rest[:3] == ["", "lost update (1):", f"  4.0 s  {LOST}"]


LOST = (
    "`b` wrote x at 4 s (version 3), made from version 1; what `a` had written there at 3 s "
    "(version 2) was lost."
)


def test_check_gives_a_serial_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = log_of(tmp_path / "r", "b?x b=y a=x a. b.")
    assert show_check(str(folder), tests=False, as_json=False) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        "2 accepted attempts, no anomalies: as if the tasks had been done one after another.",
        "An equivalent serial order: b and a.",
    ]


def test_check_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = log_of(tmp_path / "r", "a?x b?x a=x b=x@1 a. b.")
    assert show_check(str(folder), tests=True, as_json=True) == 1
    value = json.loads(capsys.readouterr().out)
    assert (value["run"], value["serialisable"]) == ("r", False)
    assert value["counts"]["lost update"] == 1
    assert value["anomalies"][0]["what"] == LOST
    assert value["notes"] == ["the run has no workspace, so there are no tests to run"]
