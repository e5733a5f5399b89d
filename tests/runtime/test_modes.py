"""Finding a coordination mode by its name, and what sets it apart from the others."""

from __future__ import annotations

import re
import sys
import threading
from pathlib import Path

import pytest

from orchestrator import Context, Limits, Plan, Task, resume, run
from orchestrator.core.rules import Rules
from orchestrator.errors import UsageError
from orchestrator.lab.check import check_run
from orchestrator.lab.replay import replay
from orchestrator.runtime.modes import MODES, choose_tests, find_mode, mode_names
from orchestrator.runtime.run import start
from orchestrator.spec.plan import MODES as NAMED

PAGE = Path(__file__).parents[2] / "docs" / "modes.md"


def test_modes_are_found_by_name() -> None:
    assert {find_mode(name).name for name in MODES} == set(MODES)
    assert set(MODES) == set(NAMED)


@pytest.mark.parametrize(
    ("name", "close"), [("shard", "shared"), ("Solo", "solo"), ("worktrees", "worktree"), ("", "")]
)
def test_what_is_not_there_is_refused_with_the_nearest(name: str, close: str) -> None:
    with pytest.raises(UsageError, match="is not available") as caught:
        find_mode(name)
    assert f"--mode {close}" in caught.value.fix
    assert all(mode in caught.value.why for mode in MODES)


def test_each_mode_enforces_what_its_name_says() -> None:
    rules = {name: find_mode(name).rules(Limits()) for name in MODES}
    assert rules == {
        "shared": Rules(),
        "locks": Rules(validate_reads=False),
        "uncontrolled": Rules(
            exclusive=False, validate_reads=False, check_base=False, bounded=False
        ),
        "solo": Rules(exclusive=False, validate_reads=False),
        "worktree": Rules(exclusive=False, validate_reads=False),
    }
    assert {name: find_mode(name).workers(4) for name in rules} == dict.fromkeys(rules, 4) | {
        "solo": 1
    }


def test_where_tests_run_is_a_factor_of_its_own() -> None:
    assert [choose_tests(find_mode(name)) for name in ("shared", "uncontrolled", "worktree")] == [
        "cut", "live", "cut",
    ]  # fmt: skip
    assert choose_tests(find_mode("shared"), "live") == "live"
    assert choose_tests(find_mode("uncontrolled"), "cut") == "cut"
    for mode, asked, fix in [("worktree", "live", "cut"), ("shared", "lives", "live")]:
        with pytest.raises(UsageError, match="cannot run") as caught:
            choose_tests(find_mode(mode), asked)
        assert f"--tests {fix}" in caught.value.fix


def test_what_cannot_be_chosen_is_refused_before_anything_is_copied(tmp_path: Path) -> None:
    asked = plan(tmp_path, "shared", Task(id="a"))
    for choice, fix in ({"validate": "files"}, "--validate file"), ({"tests": "lives"}, "live"):
        with pytest.raises(UsageError) as caught:
            run(asked, work=lambda context: None, into=tmp_path / "copy", **choice)
        assert fix in caught.value.fix
    assert not (tmp_path / "copy").exists()
    assert not (tmp_path / ".orchestrator").exists()


# --- what happens in mode uncontrolled ----------------------------------------------------------


def plan(tmp_path: Path, mode: str, *tasks: Task, attempts: int = 3) -> Plan:
    work = tmp_path / "work"
    work.mkdir()
    (work / "x.txt").write_text("old\n")
    return Plan(
        name="p", tasks=tasks, workspace=work, base=tmp_path, mode=mode,
        limits=Limits(workers=2, attempts=attempts),
    )  # fmt: skip


def test_tests_see_what_others_have_half_done(tmp_path: Path) -> None:
    """Two tasks at once: one breaks the tree for a while, and the other's tests meet that."""
    broken, met, mended = threading.Event(), threading.Event(), threading.Event()

    def work(context: Context) -> None:
        if context.task.id == "a":
            context.write("x.txt", "broken\n")
            broken.set()
            assert met.wait(20)
            context.write("x.txt", "good\n")
            mended.set()
            return
        assert broken.wait(20)
        found = context.test()
        met.set()
        assert found is not None
        assert not found.passed
        assert mended.wait(20)

    a, b = Task(id="a", writes=("x.txt",)), Task(id="b", test="! grep -q broken x.txt")
    result = run(plan(tmp_path, "uncontrolled", a, b), work=work, durability="normal")
    assert result.status == "succeeded"


@pytest.mark.slow
def test_every_read_sees_the_tree_as_it_stands(tmp_path: Path) -> None:
    began, wrote = threading.Event(), threading.Event()
    seen: list[str | None] = []

    def work(context: Context) -> None:
        if context.task.id == "a":
            assert began.wait(20)
            context.write("x.txt", "new\n")
            wrote.set()
            return
        seen.append(context.read("x.txt"))
        began.set()
        assert wrote.wait(20)
        assert context.take_notices() == []  # nobody tells
        seen.append(context.read("x.txt"))

    tasks = Task(id="a", writes=("x.txt",)), Task(id="b")
    result = run(plan(tmp_path, "uncontrolled", *tasks), work=work, durability="normal")
    assert (result.status, seen) == ("succeeded", ["old\n", "new\n"])
    assert check_run(result.run_dir).anomalies == ()  # whoever looks again is not behind


def collide(tmp_path: Path, mode: str) -> Path:
    """Two tasks read a file, then both write it, one after the other; return the run."""
    crowd = threading.Barrier(2, timeout=20)

    def work(context: Context) -> None:
        text = context.read("x.txt")
        if context.attempt == 1:
            crowd.wait()
        context.write("x.txt", f"{text}{context.task.id}\n")

    tasks = Task(id="a", writes=("x.txt",)), Task(id="b", writes=("x.txt",))
    return run(plan(tmp_path, mode, *tasks), work=work, durability="normal").run_dir


@pytest.mark.slow
def test_a_lost_update_is_possible_and_found(tmp_path: Path) -> None:
    report = check_run(collide(tmp_path, "uncontrolled"))
    (found,) = report.anomalies
    assert (found.kind, found.files, report.serialisable) == ("lost update", ("x.txt",), False)
    loser, winner = found.tasks
    assert (tmp_path / "work" / "x.txt").read_text() == f"old\n{winner}\n"
    assert f"what `{loser}` had written there" in found.what


@pytest.mark.slow
def test_write_skew_is_possible_on_branches_and_found(tmp_path: Path) -> None:
    """Each reads what the other replaces: no merge conflicts, and no order explains it."""
    crowd = threading.Barrier(2, timeout=20)

    def work(context: Context) -> None:
        mine, other = ("x.txt", "y.txt") if context.task.id == "a" else ("y.txt", "x.txt")
        text = context.read(other)
        crowd.wait()
        context.write(mine, f"made from {text}")

    tasks = Task(id="a", writes=("x.txt",)), Task(id="b", writes=("y.txt",))
    made = plan(tmp_path, "worktree", *tasks)
    (tmp_path / "work" / "y.txt").write_text("old\n")
    result = run(made, work=work, durability="normal")
    assert result.status == "succeeded"
    report = check_run(result.run_dir)
    assert [one.kind for one in report.anomalies] == ["write skew"]
    assert not report.serialisable


# --- modes of other packages --------------------------------------------------------------------


def install(folder: Path, module: str, text: str, entry: str) -> None:
    """Make a package on the path that offers a mode."""
    (folder / f"{module}.py").write_text(text)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[orchestrator.modes]\n{entry}\n")


def blocks(language: str) -> list[str]:
    """Return the code blocks of the page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.slow
def test_the_sixth_mode_of_the_page_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (module,) = blocks("python")
    entry = blocks("toml")[0].splitlines()[1].replace('"', "")
    install(site, "pairmode", module, entry)
    monkeypatch.syspath_prepend(site)
    assert mode_names() == (*MODES, "pair")
    assert choose_tests(find_mode("pair")) == "live"
    tasks = [Task(id=name, writes=(f"{name}.txt",), test=f"test -e {name}.txt") for name in "abc"]

    def work(context: Context) -> None:
        context.write(f"{context.task.id}.txt", "x")
        if context.task.id == "c" and context.attempt == 1:
            live.halt()

    live = start(
        plan(tmp_path, "shared", *tasks), mode="pair", work=work, workers=5, durability="normal"
    )
    result = live.wait()
    assert (result.status, result.mode, result.workers) == ("interrupted", "pair", 2)
    again = resume(result.run_dir, work=work, durability="normal")
    assert (again.status, again.mode, again.workers) == ("succeeded", "pair", 2)
    assert (check_run(again.run_dir).anomalies, replay(again.run_dir).agrees) == ((), True)
    sys.modules.pop("pairmode")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("raise OSError('no disk')", "OSError: no disk"),
        ("class Broken:\n    name = 'broken'\n", "lacks something"),
        ("", "AttributeError"),
    ],
)
def test_a_broken_mode_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, why: str
) -> None:
    install(tmp_path, "brokenmode", text, "broken = brokenmode:Broken")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError, match="cannot be used") as caught:
        find_mode("broken")
    assert why in caught.value.why
    assert caught.value.where == "entry point broken = brokenmode:Broken"
    sys.modules.pop("brokenmode", None)
