"""Mode worktree: branches that nobody else sees, merges by git, what comes back to an agent."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from orchestrator import Context, Limits, Plan, Task, run
from orchestrator.core.encoding import decode
from orchestrator.core.events import RequestRefused, Wrote
from orchestrator.core.messages import Granted, Refused, Stop
from orchestrator.core.states import TaskState
from orchestrator.errors import ScopeViolation, StaleWrite, UsageError
from orchestrator.lab.check import check_run
from orchestrator.lab.replay import replay
from orchestrator.runtime import context as contexts
from orchestrator.runtime.eventlog import SqliteLog
from orchestrator.runtime.results import RunResult
from orchestrator.runtime.run import start
from orchestrator.runtime.sharedfiles import look
from orchestrator.runtime.worktreegit import _check_git

Work = Callable[[Context], object]

pytestmark = pytest.mark.slow  # every merge is a handful of git commands


class Place:
    """A workspace and what is run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.work = folder, folder / "work"
        self.work.mkdir()

    def file(self, path: str, text: str | bytes) -> Path:
        place = self.work / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text if isinstance(text, bytes) else text.encode())
        return place

    def plan(self, *tasks: Task, **limits: int) -> Plan:
        return Plan(
            name="p", tasks=tasks, workspace=self.work, base=self.folder, mode="worktree",
            limits=Limits(workers=3, attempts=limits.get("attempts", 2)),
        )  # fmt: skip

    def run(self, work: Work, *tasks: Task, **limits: int) -> RunResult:
        return run(self.plan(*tasks, **limits), work=work, durability="normal", allow_dirty=True)

    def text(self, path: str) -> str:
        return (self.work / path).read_text()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def git(result: RunResult, *words: str) -> str:
    """Ask the run's own repository."""
    done = subprocess.run(
        ["git", "--git-dir", str(result.run_dir / "worktree.git"), *words],
        capture_output=True, check=True, text=True,
    )  # fmt: skip
    return done.stdout


def events_of(result: RunResult) -> list[object]:
    with SqliteLog.reader(result.run_dir / "events.db") as log:
        return [decode(r.at, r.kind, r.task, r.attempt, r.body) for r in log.read()]


def merges_refused(result: RunResult) -> list[tuple[str, str, tuple[str, ...]]]:
    return [
        (event.task, event.refusal, event.paths)
        for event in events_of(result)
        if isinstance(event, RequestRefused) and event.request == "merge"
    ]


def holds_what_was_accepted(place: Place, result: RunResult) -> None:
    """The trunk, the workspace and the log agree; and the log could have come about."""
    names = git(result, "ls-tree", "-rz", "--name-only", "trunk").split("\0")
    on_disk = [
        str(path.relative_to(place.work))
        for path in place.work.rglob("*")
        if path.is_file() and ".git" not in path.parts and ".orchestrator" not in path.parts
    ]
    assert sorted(filter(None, names)) == sorted(on_disk)
    for name in on_disk:
        assert git(result, "cat-file", "blob", f"trunk:{name}") == place.text(name)
    again = replay(result.run_dir)
    assert (again.parting, again.problems) == (None, ())


def both_read_first() -> Callable[[Context], None]:
    """Return what lets nobody write before both have begun."""
    crowd, here = threading.Barrier(2, timeout=20), set[tuple[str, int]]()

    def meet(context: Context) -> None:
        if context.attempt == 1 and (context.task.id, 1) not in here:
            here.add((context.task.id, 1))
            crowd.wait()

    return meet


A = Task(id="a", title="The first", writes=("x.txt", "a.txt"))
B = Task(id="b", writes=("x.txt", "b.txt"))


# --- branches ---------------------------------------------------------------------------------


def test_nobody_sees_what_is_not_accepted(place: Place) -> None:
    place.file("x.txt", "old\n")
    written, looked = threading.Event(), threading.Event()
    seen: list[str | None] = []

    def work(context: Context) -> None:
        if context.task.id == "a":
            context.write("x.txt", "new\n")
            assert context.read("x.txt") == "new\n"
            written.set()
            assert looked.wait(20)
            return
        assert written.wait(20)
        seen.extend([context.read("x.txt"), place.text("x.txt")])
        looked.set()

    result = place.run(work, A, B)
    assert (result.status, seen) == ("succeeded", ["old\n", "old\n"])
    assert place.text("x.txt") == "new\n"
    holds_what_was_accepted(place, result)


def test_a_branch_begins_with_what_was_accepted_before(place: Place) -> None:
    def work(context: Context) -> None:
        before = "".join(context.read(f"{name}.txt") or "" for name in context.task.depends_on)
        context.write(f"{context.task.id}.txt", before + context.task.id)

    tasks = [
        Task(id=name, writes=(f"{name}.txt",), depends_on=tuple(needs))
        for name, needs in {"a": "", "b": "a", "c": "a", "d": "bc"}.items()
    ]
    result = place.run(work, *tasks)
    assert place.text("d.txt") == "abacd"
    assert check_run(result.run_dir).anomalies == ()
    holds_what_was_accepted(place, result)


def test_a_failed_attempt_leaves_its_branch_and_nothing_else(place: Place) -> None:
    place.file("x.txt", "old\n")

    def work(context: Context) -> None:
        assert context.read("x.txt") == "old\n"
        context.write("x.txt", f"{context.attempt}\n")
        context.write("a.txt", "made\n")
        if context.attempt == 1:
            raise ValueError("a bad day")
        context.delete("a.txt")

    result = place.run(work, A)
    assert (result.tasks["a"].attempts, place.text("x.txt")) == (2, "2\n")
    assert not (place.work / "a.txt").exists()
    holds_what_was_accepted(place, result)


def test_bounds_hold_on_a_branch_too(place: Place) -> None:
    place.file("x.txt", "old\n")
    place.file("dir/y.txt", "y\n")
    said: list[str] = []

    def work(context: Context) -> None:
        for path in ("c.txt", "dir", "x.txt/below", ".env"):
            with pytest.raises(ScopeViolation) as caught:
                context.write(path, "x")
            said.append(caught.value.why)
        with pytest.raises(ScopeViolation, match="does not exist"):
            context.delete("new.txt")
        context.write("new.txt", "1")
        context.delete("new.txt")
        context.delete("x.txt")
        context.write("x.txt/below", "now it can be")

    scope = ("x.txt", "new.txt", "dir", ".env")
    result = place.run(work, Task(id="a", writes=scope))
    assert result.status == "succeeded", result.tasks["a"].reason
    assert [word in why for word, why in zip(
        ("outside the files", "is a directory", "is a file", "not versioned"), said, strict=True
    )] == [True] * 4  # fmt: skip
    assert place.text("x.txt/below") == "now it can be"
    holds_what_was_accepted(place, result)


def test_an_attempt_whose_lease_has_ended_writes_nothing(place: Place) -> None:
    def work(context: Context) -> None:
        assert context.interrupt.wait(20)
        with pytest.raises(StaleWrite):
            context.write("x.txt", "late")

    live = start(place.plan(A), work=work, durability="normal")
    live.halt()
    assert live.wait().status == "interrupted"
    assert not (place.work / "x.txt").exists()


def test_names_and_contents_of_all_kinds_go_through_git(place: Place) -> None:
    names = ["with space.txt", '"quoted".txt', "-dash", "ünï/ 漢.txt", "a/b/c/d.txt", "#x"]
    for name in names:
        place.file(name, "old\n")
    place.file(".gitattributes", "* text=auto eol=lf filter=evil merge=union\n")
    place.file("crlf.txt", b"one\r\ntwo\r\n")
    place.file("binary", bytes(range(256)))
    place.file("tool.sh", "#!/bin/sh\n").chmod(0o755)

    def work(context: Context) -> None:
        for name in names:
            context.write(name, f"{context.read(name)}new\n")
        context.write("crlf.txt", "one\r\nTWO\r\n")
        context.files.write("binary", bytes(reversed(range(256))))
        context.write("tool.sh", "#!/bin/sh\nexit 0\n")
        context.write("empty", "")

    result = place.run(work, Task(id="a", writes=("**",)))
    assert result.status == "succeeded", result.tasks["a"].reason
    assert [place.text(name) for name in names] == ["old\nnew\n"] * len(names)
    assert (place.work / "crlf.txt").read_bytes() == b"one\r\nTWO\r\n"
    assert (place.work / "binary").read_bytes() == bytes(reversed(range(256)))
    assert (place.work / "tool.sh").stat().st_mode & 0o111
    assert git(result, "ls-tree", "trunk", "tool.sh").startswith("100755 ")
    assert place.text("empty") == ""


# --- merges -----------------------------------------------------------------------------------


def lines(**changes: str) -> str:
    """Return a text of many lines, some of them changed."""
    numbers = [str(number) for number in range(20)]
    return "".join(f"{changes.get(f'line{number}', number)}\n" for number in numbers)


def test_changes_of_other_lines_are_merged(place: Place) -> None:
    place.file("x.txt", lines())
    meet = both_read_first()

    def work(context: Context) -> None:
        text = context.read("x.txt") or ""
        meet(context)
        mine = "3" if context.task.id == "a" else "15"
        context.write("x.txt", text.replace(f"\n{mine}\n", f"\n{context.task.id}\n"))

    result = place.run(work, A, B)
    assert place.text("x.txt") == lines(line3="a", line15="b")
    wrote = [event for event in events_of(result) if isinstance(event, Wrote)]
    assert [event.rebased for event in wrote] == [False, True]
    assert merges_refused(result) == []
    assert check_run(result.run_dir).anomalies == ()
    holds_what_was_accepted(place, result)
    assert git(result, "log", "--first-parent", "--format=%an", "trunk").split() in (
        ["b", "a", "orchestrator"], ["a", "b", "orchestrator"],
    )  # fmt: skip
    assert "Task: a\nAttempt: 1\n" in git(result, "log", "--format=%B", "trunk")


def test_a_conflict_goes_back_to_the_same_agent(place: Place) -> None:
    place.file("x.txt", "one\ntwo\nthree\n")
    meet = both_read_first()
    told: list[Refused] = []

    def work(context: Context) -> None:
        name = context.task.id
        text = context.read("x.txt") or ""
        meet(context)
        context.write("x.txt", text.replace("two", name))
        context.write(f"{name}.txt", name)
        reply = context.submit()
        if isinstance(reply, Refused):
            told.append(context.files.explain(reply))
            again = context.submit()  # nothing was done about it
            assert isinstance(again, Refused)
            assert again.why == "conflict markers are left in x.txt"
            assert (context.read("x.txt") or "").count("\n") == 7
            context.write("x.txt", "one\na and b\nthree\n")

    result = place.run(work, A, B)
    assert result.status == "succeeded"
    assert [task.attempts for task in result.tasks.values()] == [1, 1]
    assert place.text("x.txt") == "one\na and b\nthree\n"
    (refused,) = told
    (file,) = refused.stale
    first, second = file.current.task, {"a": "b", "b": "a"}[file.current.task]
    assert refused.kind == "stale"
    assert refused.why.startswith(f"git cannot merge the two: x.txt was changed by task {first}")
    assert f"-two\n+{first}\n" in refused.why
    for line in ("<<<<<<< yours/", f"\n{second}\n=======\n{first}\n", ">>>>>>> accepted/"):
        assert line in refused.why
    assert "no conflict marker is left" in refused.fix
    assert merges_refused(result) == [(second, "stale", ("x.txt",)), (second, "state", ())]
    assert check_run(result.run_dir).anomalies == ()
    holds_what_was_accepted(place, result)


def test_what_one_deletes_and_another_changes_is_a_conflict(place: Place) -> None:
    place.file("x.txt", "old\n")
    meet = both_read_first()
    told: list[str] = []

    def work(context: Context) -> None:
        meet(context)
        if context.task.id == "a":
            context.delete("x.txt")
        else:
            context.write("x.txt", "new\n")
        reply = context.submit()
        if isinstance(reply, Refused):
            told.append(context.files.explain(reply).why)
            context.write("x.txt", "settled\n")

    result = place.run(work, A, B)
    assert (result.status, place.text("x.txt")) == ("succeeded", "settled\n")
    assert ("deleted by task a" in told[0]) != ("changed by task b" in told[0])
    holds_what_was_accepted(place, result)


def test_the_same_change_on_both_sides_is_none(place: Place) -> None:
    place.file("x.txt", "old\n")
    meet = both_read_first()

    def work(context: Context) -> None:
        meet(context)
        context.write("x.txt", "new\n")
        context.write(f"{context.task.id}.txt", "own\n")

    result = place.run(work, A, B)
    assert (result.status, merges_refused(result)) == ("succeeded", [])
    paths = [event.path for event in events_of(result) if isinstance(event, Wrote)]
    assert paths.count("x.txt") == 1
    holds_what_was_accepted(place, result)


@pytest.mark.parametrize("scope", [("x.txt", "z.txt"), ("x.txt",)])
def test_a_change_goes_along_with_a_rename_within_its_scope(
    place: Place, scope: tuple[str, ...]
) -> None:
    place.file("x.txt", lines())
    accepted = threading.Event()
    told: list[Refused] = []

    def work(context: Context) -> None:
        if context.task.id == "after":
            accepted.set()
        elif context.task.id == "mover":
            context.write("z.txt", context.read("x.txt") or "")
            context.delete("x.txt")
        else:
            context.write("x.txt", (context.read("x.txt") or "").replace("\n3\n", "\nmine\n"))
            assert accepted.wait(20)
            reply = context.submit()
            if isinstance(reply, Refused):
                told.append(context.files.explain(reply))
                assert context.read("z.txt") == lines()
                assert context.read("x.txt") is None

    mover = Task(id="mover", writes=("x.txt", "z.txt"))
    result = place.run(
        work, mover, Task(id="after", depends_on=("mover",)), Task(id="b", writes=scope)
    )  # fmt: skip
    assert result.status == "succeeded"
    assert not (place.work / "x.txt").exists()
    followed = "z.txt" in scope
    assert place.text("z.txt") == (lines(line3="mine") if followed else lines())
    refused = [] if followed else [("b", "stale", ("z.txt",))]
    assert merges_refused(result) == refused
    assert [refusal.stale[0].path for refusal in told] == [paths[0] for _, _, paths in refused]
    holds_what_was_accepted(place, result)


def test_work_that_is_green_alone_and_red_together_goes_back(place: Place) -> None:
    """Each task adds one; the test allows for one."""
    meet = both_read_first()
    said: list[str] = []

    def work(context: Context) -> None:
        name = context.task.id
        context.write(f"{name}.txt", "1\n")
        assert isinstance(found := context.test(), contexts.TestRun)
        assert found.passed
        meet(context)
        reply = context.submit()
        if isinstance(reply, contexts.TestRun):
            assert not reply.passed
            said.append(reply.output)
            assert context.read("a.txt") == context.read("b.txt") == "1\n"
            context.write(f"{name}.txt", "0\n")
        else:
            assert isinstance(reply, Granted | Stop)

    test = 'test "$(cat a.txt b.txt 2>/dev/null | grep -c 1)" -le 1 || { echo too many; exit 1; }'
    tasks = [Task(id=name, writes=(f"{name}.txt",), test=test) for name in "ab"]
    result = place.run(work, *tasks)
    assert result.status == "succeeded"
    assert [task.attempts for task in result.tasks.values()] == [1, 1]
    assert sorted(place.text(f"{name}.txt") for name in "ab") == ["0\n", "1\n"]
    assert said[0].startswith("(the tests pass on your branch and fail when it is merged")
    assert said[0].endswith("too many\n")
    ((task, refusal, paths),) = merges_refused(result)
    assert (refusal, paths) == ("state", ())
    assert place.text(f"{task}.txt") == "0\n"
    holds_what_was_accepted(place, result)


def test_work_that_fails_alone_does_not_enter_the_queue(place: Place) -> None:
    def work(context: Context) -> None:
        reply = context.submit()
        assert isinstance(reply, contexts.TestRun)
        assert not reply.output.startswith("(")

    result = place.run(work, Task(id="a", writes=("a.txt",), test="test -e a.txt"), attempts=1)
    assert result.tasks["a"].state is TaskState.FAILED
    assert merges_refused(result) == []


def test_what_cannot_land_is_taken_back_and_goes_back_to_the_agent(place: Place) -> None:
    place.file("x.txt", "old\n")
    said: list[str] = []

    def work(context: Context) -> None:
        context.write("A.txt", "new\n")
        context.write("X.TXT", "twin\n")  # one of two that some file systems cannot tell apart
        reply = context.submit()
        assert isinstance(reply, Refused)
        said.append(reply.why)
        assert not (place.work / "A.txt").exists()
        context.delete("X.TXT")

    result = place.run(work, Task(id="a", writes=("**",)))
    assert (result.status, result.tasks["a"].attempts) == ("succeeded", 1)
    assert "cannot tell the two names apart" in said[0]
    assert (place.text("A.txt"), place.text("x.txt")) == ("new\n", "old\n")
    holds_what_was_accepted(place, result)


def test_a_change_from_outside_is_merged_as_well(place: Place) -> None:
    place.file("x.txt", lines())
    begun, changed = threading.Event(), threading.Event()

    def work(context: Context) -> None:
        text = context.read("x.txt") or ""
        begun.set()
        assert changed.wait(20)
        context.write("x.txt", text.replace("\n3\n", "\na\n"))

    live = start(place.plan(A), work=work, durability="normal")
    assert begun.wait(20)
    place.file("x.txt", lines(line15="outside"))
    tree = live.coordinator._files._tree  # type: ignore[union-attr]
    live.coordinator.call(look(tree, "x.txt"))
    changed.set()
    result = live.wait()
    assert (result.status, result.tasks["a"].attempts) == ("succeeded", 1)
    assert place.text("x.txt") == lines(line3="a", line15="outside")
    holds_what_was_accepted(place, result)


# --- the user's own git -----------------------------------------------------------------------


def fingerprint(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_users_repository_and_settings_are_left_alone(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.file("x.txt", "old\n")
    own = ["git", "-C", str(place.work), "-c", "user.name=u", "-c", "user.email=u@example.org"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "start"]):
        subprocess.run([*own, *words], check=True)
    hook = place.work / ".git" / "hooks" / "reference-transaction"
    hook.write_text(f"#!/bin/sh\ntouch {place.folder}/hook-ran\n")
    hook.chmod(0o755)
    settings = place.folder / "settings"
    settings.write_text(f"[core]\n\thooksPath = {hook.parent}\n[merge]\n\tff = only\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("GIT_AUTHOR_NAME", "somebody")
    before = fingerprint(place.work / ".git")

    def work(context: Context) -> None:
        context.write("x.txt", "new\n")

    result = place.run(work, A)
    assert (result.status, place.text("x.txt")) == ("succeeded", "new\n")
    assert fingerprint(place.work / ".git") == before
    assert not (place.folder / "hook-ran").exists()
    assert "somebody" not in git(result, "log", "--format=%an %cn", "--all")


@pytest.mark.parametrize(("said", "why"), [("git version 2.37.9", "2.37.9"), ("", "there is none")])
def test_without_a_git_that_can_merge_the_mode_says_so(
    place: Place, monkeypatch: pytest.MonkeyPatch, said: str, why: str
) -> None:
    tools = place.folder / "bin"
    tools.mkdir()
    if said:
        (tools / "git").write_text(f"#!/bin/sh\necho {said}\n")
        (tools / "git").chmod(0o755)
    monkeypatch.setitem(os.environ, "PATH", str(tools))
    _check_git.cache_clear()
    try:
        with pytest.raises(UsageError, match="cannot be used here") as caught:
            run(place.plan(A), work=lambda context: None, durability="normal")
    finally:
        _check_git.cache_clear()
    assert why in caught.value.why
