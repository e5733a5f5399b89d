"""Commits in the user's repository: what is in them, and what is left as it was."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event as Signal

import pytest

from orchestrator import Context, Limits, Plan, Task, resume, run
from orchestrator.errors import UsageError
from orchestrator.runtime import commits
from orchestrator.runtime.results import RunResult
from orchestrator.runtime.run import start, start_again

Work = Callable[[Context], object]

pytestmark = pytest.mark.slow  # every commit is a handful of git commands

WORDS = "".join(f"word {n}\n" for n in range(12))
WAIT = 20.0  # seconds that another thread of a test may take at most


class Place:
    """A repository with a first commit, and what is run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.work = folder, folder / "work"
        self.work.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("config", "user.name", "Ada")
        self.git("config", "user.email", "ada@example.org")
        self.file("shared.txt", WORDS)
        self.file("a.txt", "a\n")
        self.file("mine.txt", "mine\n")
        self.file("tool.sh", "#!/bin/sh\n").chmod(0o755)
        self.file(".gitignore", "*.log\n")
        self.git("add", "-A")
        self.git("commit", "--quiet", "-m", "first")

    def file(self, path: str, text: str) -> Path:
        place = self.work / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        return place

    def git(self, *words: str) -> str:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
        clean |= {"HOME": str(self.folder), "GIT_CONFIG_NOSYSTEM": "1"}
        done = subprocess.run(
            ["git", *words], cwd=self.work, env=clean, capture_output=True, check=True, text=True
        )
        return done.stdout

    def plan(self, *tasks: Task, mode: str = "shared") -> Plan:
        return Plan(
            name="p", tasks=tasks, workspace=self.work, base=self.folder, mode=mode,
            limits=Limits(workers=3, attempts=1),
        )  # fmt: skip

    def run(
        self, work: Work, *tasks: Task, commit: str = "task", mode: str = "shared"
    ) -> RunResult:
        return run(
            self.plan(*tasks, mode=mode), work=work, durability="normal", allow_dirty=True,
            commit=commit,
        )  # fmt: skip

    def subjects(self) -> list[str]:
        """Return the subjects of the commits since the first, oldest first."""
        return self.git("log", "--reverse", "--format=%s").splitlines()[1:]

    def show(self, path: str, commit: str = "HEAD") -> str:
        return self.git("show", f"{commit}:{path}")

    def changed(self, commit: str) -> list[str]:
        return self.git("diff-tree", "-r", "--name-only", f"{commit}^", commit).splitlines()

    def assert_sound(self) -> None:
        assert "error" not in self.git("fsck", "--strict")
        assert self.git("status", "--porcelain") == ""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return Place(tmp_path)


def write(**files: str) -> Work:
    """Return work that writes, for each task named, a file of the same name."""

    def work(context: Context) -> None:
        context.write(f"{context.task.id}.txt", files[context.task.id])

    return work


def edit(context: Context, path: str, old: str, new: str) -> None:
    text = context.read(path) or ""
    context.write(path, text.replace(old, new))


def at(number: int) -> tuple[str, str]:
    return f"word {number}\n", f"word {number} as well\n"


def test_each_accepted_task_is_a_commit_in_their_order(place: Place) -> None:
    tasks = (
        Task(id="b", title="Add b:\nthe second letter", role="", writes=("b.txt",)),
        Task(id="a", title="Change a", writes=("a.txt",), depends_on=("b",)),
        Task(id="look", title="Only looks", depends_on=("a",)),
    )

    def work(context: Context) -> None:
        if context.task.id != "look":
            context.write(f"{context.task.id}.txt", f"new {context.task.id}\n")
            context.submit("The letter\nis there.")

    result = place.run(work, *tasks)
    assert place.subjects() == ["Add b: the second letter", "Change a"]
    assert [place.changed("HEAD^"), place.changed("HEAD")] == [["b.txt"], ["a.txt"]]
    assert place.show("a.txt") == "new a\n"
    assert place.git("log", "-1", "--format=%b").startswith("The letter\nis there.\n\nOrch")
    assert place.git("log", "-1", "--format=%an <%ae>, %cn").strip() == "Ada <ada@example.org>, Ada"
    trailers = place.git("log", "-1", "--format=%(trailers:only)").split("\n")
    assert trailers[:2] == [f"Orchestrator-Run: {result.run}", "Orchestrator-Task: a"]
    assert result.notices == ("2 commits were made on main.",)
    place.assert_sound()


def test_lines_of_a_task_that_still_runs_are_not_in_a_neighbours_commit(place: Place) -> None:
    begun, accepted = Signal(), Signal()

    def work(context: Context) -> None:
        if context.task.id == "slow":
            edit(context, "shared.txt", *at(1))
            context.write("half.txt", "half done\n")
            begun.set()
            assert accepted.wait(WAIT)
            edit(context, "shared.txt", *at(11))
        elif context.task.id == "quick":
            assert begun.wait(WAIT)
            edit(context, "shared.txt", *at(6))
        else:
            accepted.set()

    result = place.run(
        work,
        Task(id="slow", title="Slow", shares=("shared.txt",), writes=("half.txt",)),
        Task(id="quick", title="Quick", shares=("shared.txt",)),
        Task(id="after", depends_on=("quick",)),
    )
    assert result.exit_code == 0
    assert place.subjects() == ["Quick", "Slow"]
    assert place.changed("HEAD^") == ["shared.txt"]
    assert place.show("shared.txt", "HEAD^") == WORDS.replace(*at(6))
    whole = WORDS.replace(*at(6)).replace(*at(1)).replace(*at(11))
    assert place.show("shared.txt") == (place.work / "shared.txt").read_text() == whole
    place.assert_sound()


def test_lines_that_stand_on_unfinished_ones_come_with_a_later_commit(place: Place) -> None:
    begun, accepted = Signal(), Signal()

    def work(context: Context) -> None:
        if context.task.id == "slow":
            edit(context, "shared.txt", *at(6))
            begun.set()
            assert accepted.wait(WAIT)
        elif context.task.id == "quick":
            assert begun.wait(WAIT)
            context.renew()
            context.files.view.sync()  # at the cut of the answer
            edit(context, "shared.txt", "word 6 as well", "word 6, says quick, as well")
            context.write("quick.txt", "new\n")
        else:
            accepted.set()

    result = place.run(
        work,
        Task(id="slow", shares=("shared.txt",)),
        Task(id="quick", shares=("shared.txt",), writes=("quick.txt",)),
        Task(id="after", depends_on=("quick",)),
    )
    assert result.exit_code == 0, result.tasks
    assert place.subjects() == ["quick", "slow"]
    assert place.changed("HEAD^") == ["quick.txt"]
    assert place.changed("HEAD") == ["shared.txt"]
    assert "word 6, says quick, as well" in place.show("shared.txt")
    assert "Without shared.txt: " in place.git("log", "-1", "--format=%b", "HEAD^")
    place.assert_sound()


def test_every_commit_of_many_holds_the_lines_of_accepted_tasks_alone(place: Place) -> None:
    """Agents edit one file at the same time, and every third attempt comes to nothing."""
    place.file("registry.txt", "".join(f"{n}:\n--\n--\n" for n in range(12)))
    place.git("add", "-A")
    place.git("commit", "--quiet", "-m", "registry")

    def work(context: Context) -> None:
        name = context.task.id
        for step in "begun", "done":
            text = context.read("registry.txt") or ""
            before = f"{name}:\n" if step == "begun" else f"{name}: begun\n"
            context.write("registry.txt", text.replace(f"\n{before}", f"\n{name}: {step}\n"))
        if int(name) % 3 == 0 and context.attempt == 1:
            raise ValueError("once more")

    tasks = [Task(id=str(n), shares=("registry.txt",)) for n in range(1, 12)]
    plan = replace(place.plan(*tasks), limits=Limits(workers=4, attempts=9))
    result = run(plan, work=work, durability="normal", commit="task")
    assert result.exit_code == 0, result.tasks
    done = set()
    for commit in place.git("log", "--reverse", "--format=%H", "-11").split():
        done.add(place.git("log", "-1", "--format=%s", commit).strip())
        filled = [r for r in place.show("registry.txt", commit).splitlines() if r[-1] not in ":-"]
        assert sorted(filled) == sorted(f"{name}: done" for name in done)
    assert len(done) == 11
    place.assert_sound()


def test_a_task_that_fails_leaves_nothing_in_the_history(place: Place) -> None:
    begun, accepted = Signal(), Signal()

    def work(context: Context) -> None:
        if context.task.id == "bad":
            edit(context, "shared.txt", *at(1))
            context.write("bad.txt", "bad\n")
            begun.set()
            assert accepted.wait(WAIT)
            raise ValueError("no good")
        if context.task.id == "good":
            assert begun.wait(WAIT)
            edit(context, "shared.txt", *at(6))
        else:
            accepted.set()

    for keep in (False, True):
        begun.clear()
        accepted.clear()
        place.run(
            work,
            Task(id="bad", shares=("shared.txt",), writes=("bad.txt",), keep=keep),
            Task(id="good", title="Good", shares=("shared.txt",)),
            Task(id="after", depends_on=("good",)),
        )
        assert place.changed("HEAD") == ["shared.txt"]
        assert place.show("shared.txt") == WORDS.replace(*at(6))
        if not keep:
            place.assert_sound()
            place.git("reset", "--quiet", "--hard", "HEAD^")
    # What the plan keeps of a failed task stays in the tree, uncommitted.
    assert place.git("status", "--porcelain").split() == ["M", "shared.txt", "??", "bad.txt"]


def test_what_the_user_has_staged_or_changed_stays_as_it_was(place: Place) -> None:
    place.file("mine.txt", "staged\n")
    place.git("add", "mine.txt")
    place.file("mine.txt", "changed\n")
    place.file("tool.sh", "changed as well\n")
    place.file("new.txt", "not even added\n")
    place.file("a.txt", "staged a\n")
    place.git("add", "a.txt")
    place.run(write(b="b\n", a="of the task\n"), Task(id="b", writes=("b.txt",)),
              Task(id="a", writes=("a.txt",)))  # fmt: skip
    assert sorted(place.changed("HEAD") + place.changed("HEAD^")) == ["a.txt", "b.txt"]
    assert place.show("a.txt") == "of the task\n"
    assert [place.show("mine.txt", ""), place.show("a.txt", "")] == ["staged\n", "staged a\n"]
    rows = place.git("status", "--porcelain").splitlines()
    assert sorted(rows) == [" M tool.sh", "?? new.txt", "MM a.txt", "MM mine.txt"]
    assert (place.work / "mine.txt").read_text() == "changed\n"


def test_a_commit_goes_on_top_of_what_somebody_else_has_committed(place: Place) -> None:
    def theirs(number: int) -> None:
        """Commit from elsewhere: the working directory here is not touched."""
        other = place.folder / "other"
        place.git("worktree", "add", "--quiet", "--detach", str(other))
        file = other / "shared.txt"
        file.write_text(file.read_text().replace(*at(number)))
        (other / f"theirs {number}").touch()
        place.git("-C", str(other), "add", "-A")
        place.git("-C", str(other), "commit", "--quiet", "-m", f"theirs {number}")
        made = place.git("-C", str(other), "rev-parse", "HEAD").strip()
        place.git("update-ref", "refs/heads/main", made)
        place.git("worktree", "remove", "--force", str(other))

    def work(context: Context) -> None:
        number = int(context.task.id)
        if number == 6:
            theirs(1)
        elif number == 10:
            theirs(10)
            context.write("more.txt", "more\n")
        edit(context, "shared.txt", f"word {number}\n", f"word {number} as I see it\n")

    six, eight = (
        Task(id=n, shares=("shared.txt",), depends_on=d) for n, d in (("6", ()), ("8", ("6",)))
    )
    result = place.run(work, six, eight)
    assert place.subjects() == ["theirs 1", "6", "8"]
    seen = WORDS.replace("word 6", "word 6 as I see it").replace("word 8", "word 8 as I see it")
    assert (place.work / "shared.txt").read_text() == seen
    assert place.show("shared.txt") == seen.replace(*at(1))
    assert result.notices == ("2 commits were made on main.",)

    place.git("reset", "--quiet", "--hard")
    ten = Task(id="10", shares=("shared.txt",), writes=("more.txt",))
    result = place.run(work, ten)
    assert place.subjects()[3:] == ["theirs 10", "10"]
    assert place.changed("HEAD") == ["more.txt"]  # the edit meets theirs, so it is left out
    assert place.show("shared.txt") == seen.replace(*at(1)).replace(*at(10))
    assert "Left out: shared.txt (somebody else" in place.git("log", "-1", "--format=%b")
    assert result.notices[1].startswith("shared.txt of 10 is not committed: somebody else")
    assert "error" not in place.git("fsck", "--strict")


def test_a_branch_that_is_not_checked_out_any_more_is_left_alone(place: Place) -> None:
    def work(context: Context) -> None:
        context.write("a.txt", "new\n")
        place.git("checkout", "--quiet", "-b", "elsewhere")

    result = place.run(work, Task(id="a", writes=("a.txt",)))
    assert result.exit_code == 0
    assert place.subjects() == []
    assert "HEAD is on elsewhere now, and was on main" in result.notices[0]
    place.git("checkout", "--quiet", "main")
    resume(result.run_dir, work=work)
    assert place.subjects() == ["a"]
    place.assert_sound()


def test_what_git_refuses_is_committed_later_and_in_order(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits, "PATIENCE", (0.0,))
    lock = place.work / ".git" / "index.lock"
    tasks = [Task(id=n, writes=(f"{n}.txt",), depends_on=d) for n, d in (("a", ()), ("b", ("a",)))]

    def work(context: Context) -> None:
        if context.task.id == "a":
            lock.touch()
        context.write(f"{context.task.id}.txt", context.task.id)

    result = place.run(work, *tasks)
    assert result.exit_code == 0
    assert place.subjects() == []
    assert "The work of a, b is not committed" in result.notices[0]
    assert f"orchestrator resume {result.run}" in result.notices[0]
    lock.unlink()
    for _ in range(2):  # the second time, nothing is left to be done
        again = resume(result.run_dir, work=work)
        assert again.exit_code == 0
        assert place.subjects() == ["a", "b"]
        place.assert_sound()


def test_a_run_that_goes_on_commits_nothing_twice_and_leaves_nothing_out(place: Place) -> None:
    tasks = [Task(id="a", writes=("a.txt",)), Task(id="b", writes=("b.txt",), depends_on=("a",))]
    tasks.append(Task(id="c", writes=("c.txt",), depends_on=("b",)))
    broken = [True]

    def work(context: Context) -> None:
        if context.task.id == "c" and broken:
            raise ValueError("not yet")
        context.write(f"{context.task.id}.txt", f"{context.task.id} is done\n")

    first = place.run(work, *tasks)
    assert place.subjects() == ["a", "b"]
    place.git("reset", "--quiet", "--soft", "HEAD^")  # as if it had died before the second commit
    place.git("reset", "--quiet")
    broken.clear()
    again = resume(first.run_dir, work=work, retry_failed=True)
    assert again.exit_code == 0
    assert place.subjects() == ["a", "b", "c"]
    place.assert_sound()


def test_a_history_that_cannot_be_read_does_not_stop_the_run(place: Place) -> None:
    began = place.git("rev-parse", "HEAD").strip()
    result = place.run(write(a="new\n"), Task(id="a", writes=("a.txt",)))
    (place.work / ".git" / "objects" / began[:2] / began[2:]).unlink()
    begun = start_again(result.run_dir, work=write(a="new\n"), durability="normal")
    assert begun.notices[0].startswith("Nothing will be committed: git log: ")
    assert begun.wait().exit_code == 0


def test_a_lock_that_somebody_takes_when_ours_has_gone_is_left_to_them(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, replaced = place.work / ".git" / "index.lock", Path.replace

    def replace_and_lose(source: Path, target: Path) -> Path:
        found = replaced(source, target)
        if source == lock:
            lock.write_text("theirs")
        return found

    monkeypatch.setattr(Path, "replace", replace_and_lose)
    place.run(write(a="new\n"), Task(id="a", writes=("a.txt",)))
    assert lock.read_text() == "theirs"
    lock.unlink()
    place.assert_sound()


def test_an_index_that_a_killed_process_left_behind_is_put_in_place(place: Place) -> None:
    result = place.run(write(a="new\n"), Task(id="a", writes=("a.txt",)))
    head = place.git("rev-parse", "HEAD").strip()
    index, lock = place.work / ".git" / "index", place.work / ".git" / "index.lock"
    right = index.read_bytes()
    place.git("read-tree", "HEAD^")
    lock.write_bytes(right)  # it died when the branch had moved, and the index had not
    (result.run_dir / f"index-{head}").write_bytes(right)
    resume(result.run_dir, work=write(a="new\n"))
    assert place.subjects() == ["a"]
    assert not lock.exists()
    place.assert_sound()


def test_one_commit_at_the_end_of_the_run(place: Place) -> None:
    tasks = [Task(id="a", title="First", writes=("a.txt",)), Task(id="bad", writes=("bad.txt",))]
    tasks.append(Task(id="b", title="Second", writes=("b.txt",), depends_on=("a",)))

    def work(context: Context) -> None:
        context.write(f"{context.task.id}.txt", "new\n")
        if context.task.id == "bad":
            raise ValueError("no good")

    result = place.run(work, *tasks, commit="run")
    assert result.exit_code == 1
    assert place.subjects() == ["p: 2 tasks"]
    assert place.changed("HEAD") == ["a.txt", "b.txt"]
    said = place.git("log", "-1", "--format=%b")
    assert "- a: First\n- b: Second\n" in said
    assert said.strip().endswith("Orchestrator-Task: a\nOrchestrator-Task: b")
    assert place.git("status", "--porcelain") == ""
    resume(result.run_dir, work=work)
    assert place.subjects() == ["p: 2 tasks"]


def test_modes_deletions_links_and_what_git_ignores(place: Place) -> None:
    (place.work / "link").symlink_to("a.txt")
    place.git("add", "link")
    place.git("commit", "--quiet", "-m", "link")
    place.file("extra.sh", "#!/bin/sh\n").chmod(0o755)

    def work(context: Context) -> None:
        context.write("tool.sh", "#!/bin/sh\nexit 1\n")
        context.write("extra.sh", "#!/bin/sh\nexit 2\n")
        context.delete("a.txt")
        context.write("a.txt/b", "a folder now\n")
        context.write("ä ö.txt", "ü\n")

    result = place.run(work, Task(id="t", writes=("**",)))
    assert result.exit_code == 0, result.tasks
    rows = place.git("ls-tree", "-r", "-z", "HEAD").rstrip("\0").split("\0")
    modes = {row.partition("\t")[2]: row[:6] for row in rows}
    assert modes == {
        ".gitignore": "100644", "a.txt/b": "100644", "extra.sh": "100755", "link": "120000",
        "mine.txt": "100644", "shared.txt": "100644", "tool.sh": "100755", "ä ö.txt": "100644",
    }  # fmt: skip
    place.assert_sound()


def test_contents_are_filtered_as_git_add_would(place: Place) -> None:
    place.file(".gitattributes", "*.txt text eol=crlf\n")
    place.git("add", ".gitattributes")
    place.git("commit", "--quiet", "-m", "attributes")
    place.run(write(b="one\r\ntwo\r\n"), Task(id="b", writes=("b.txt",)))
    blob = place.git("rev-parse", "HEAD:b.txt").strip()
    assert place.git("cat-file", "-s", blob).strip() == str(len("one\ntwo\n"))
    assert place.git("status", "--porcelain") == ""


def test_a_directory_inside_a_repository(place: Place) -> None:
    place.file("deep/er/a.txt", "a\n")
    place.git("add", "-A")
    place.git("commit", "--quiet", "-m", "deep")
    inner = place.plan(Task(id="a", writes=("a.txt",)))
    inside = Plan(name="p", tasks=inner.tasks, workspace=place.work / "deep/er", base=place.folder)
    run(inside, work=write(a="new\n"), durability="normal", commit="task")
    assert place.changed("HEAD") == ["deep/er/a.txt"]
    place.assert_sound()


def test_a_branch_without_commits_gets_its_first(place: Place) -> None:
    place.git("checkout", "--quiet", "--orphan", "fresh")
    place.git("rm", "-r", "--quiet", "--force", ".")
    result = place.run(write(a="alone\n"), Task(id="a", title="Begin", writes=("a.txt",)))
    assert result.notices == ("1 commit was made on fresh.",)
    assert place.git("log", "--format=%s").splitlines() == ["Begin"]
    assert place.git("ls-tree", "-r", "--name-only", "HEAD").split() == ["a.txt"]
    place.assert_sound()


def test_git_that_knows_nobody_and_hooks_that_would_interfere(place: Place) -> None:
    place.git("config", "--unset", "user.name")
    place.git("config", "--unset", "user.email")
    place.git("config", "commit.gpgsign", "true")
    for name in ("pre-commit", "post-commit", "reference-transaction", "post-index-change"):
        place.file(f".git/hooks/{name}", "#!/bin/sh\ntouch hooked\nexit 1\n").chmod(0o755)
    plan = place.plan(Task(id="a", writes=("a.txt",)))
    result = run(plan, work=write(a="new\n"), durability="normal", commit="task")
    who = place.git("log", "-1", "--format=%an <%ae>, %cn <%ce>").strip()
    assert who == ", ".join(["orchestrator <orchestrator@localhost>"] * 2)
    assert result.exit_code == 0
    assert not (place.work / "hooked").exists()
    assert place.git("-c", "core.hooksPath=/dev/null", "status", "--porcelain") == ""


def test_a_detached_head_moves_in_a_work_tree_of_its_own(place: Place) -> None:
    linked = place.folder / "linked"
    place.git("worktree", "add", "--quiet", "--detach", str(linked))
    plan = replace(place.plan(Task(id="a", writes=("a.txt",))), workspace=linked)
    result = run(plan, work=write(a="new\n"), durability="normal", commit="task")
    assert place.subjects() == []
    assert place.git("-C", str(linked), "log", "-1", "--format=%s").strip() == "a"
    assert result.notices == ("1 commit was made on a detached HEAD.",)
    assert place.git("-C", str(linked), "status", "--porcelain") == ""
    place.assert_sound()


def test_branches_of_attempts_are_committed_as_they_are_merged(place: Place) -> None:
    both = Signal()

    def work(context: Context) -> None:
        one = context.task.id == "one"
        edit(context, "shared.txt", *at(2 if one else 9))
        context.write(f"{context.task.id}.txt", "new\n")
        both.set() if one else both.wait(WAIT)

    tasks = [Task(id=n, shares=("shared.txt",), writes=(f"{n}.txt",)) for n in ("one", "two")]
    result = place.run(work, *tasks, mode="worktree")
    assert result.exit_code == 0
    assert sorted(place.subjects()) == ["one", "two"]
    assert place.show("shared.txt") == WORDS.replace(*at(2)).replace(*at(9))
    assert "shared.txt" in place.changed("HEAD")
    place.assert_sound()


def test_where_nothing_can_be_committed_it_is_said(tmp_path: Path, place: Place) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    task = Task(id="a", writes=("a.txt",))
    plan = Plan(name="p", tasks=(task,), workspace=bare, base=tmp_path, commit="task")
    with pytest.raises(UsageError, match="nothing can be committed here"):
        run(plan, work=write(a="a\n"), commit="task")
    with pytest.raises(UsageError, match="no way to commit called 'tasks'"):
        run(plan, work=write(a="a\n"), commit="tasks")
    assert not (tmp_path / ".orchestrator").exists()
    copy = tmp_path / "copy"
    with pytest.raises(UsageError, match="a fresh copy"):
        run(place.plan(task), work=write(a="a\n"), into=copy, commit="run")
    assert not copy.exists()
    begun = start(plan, work=write(a="a\n"), durability="normal")
    assert begun.notices == (
        f"Nothing will be committed: {bare} is in no git repository, or is ignored by it.",
    )
    assert begun.wait().notices == ()
    planned = replace(place.plan(task), commit="run")
    begun = start(planned, work=write(a="a\n"), durability="normal", into=place.work / "../copy")
    assert begun.notices[0].startswith("Nothing will be committed: ")
    assert begun.wait().exit_code == 0
    assert place.subjects() == []
    assert run(plan, work=write(a="b\n"), durability="normal", commit="none").exit_code == 0
