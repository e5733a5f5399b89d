"""Reads and writes of several attempts at once: what is merged, what is refused, what is told."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from orchestrator import Context, Plan, run
from orchestrator.core.messages import Cancel, Granted, Refused
from orchestrator.core.regions import Region
from orchestrator.core.task import Task
from orchestrator.errors import StaleWrite
from orchestrator.runtime.attemptfiles import SHOWN, Written

Make = Callable[..., Any]

LINES = "".join(f"line {n}\n" for n in range(1, 21))
FILES = {"shared": LINES, "read": LINES, "a.txt": "a\n", "b.txt": "b\n"}


def task(name: str, **more: Any) -> Task:
    given: dict[str, Any] = {"role": "any", "writes": (f"{name}.txt",), "shares": ("shared",)}
    return Task(id=name, **given | more)


def two(office: Make, **settings: Any) -> Any:
    """Return a desk with two agents that share one file; `a` may also change `read`."""
    made = (task("a", writes=("a.txt", "read", "made")), task("b"))
    desk = office(*made, files=FILES | settings.pop("files", {}), **settings)
    return desk, desk.agent("w1"), desk.agent("w2")


def replace_line(text: str, number: int, new: str) -> str:
    return text.replace(f"line {number}\n", new)


# --- one file, several writers ----------------------------------------------------------------


def test_edits_that_do_not_meet_are_merged_and_the_agent_is_told(office: Make) -> None:
    desk, a, b = two(office)
    for agent in (a, b):
        agent.ok("read_file", path="shared")
    a.ok("edit_file", path="shared", old="line 3\n", new="three\n")
    text = b.ok("edit_file", path="shared", old="line 9\n", new="nine\n")
    assert text.startswith("shared is written (version 3). a had changed other lines of it")
    assert desk.text("shared") == replace_line(replace_line(LINES, 3, "three\n"), 9, "nine\n")
    assert b.ok("read_file", path="shared").endswith(desk.text("shared"))
    assert desk.kinds().count("refused") == 1


def test_whole_file_writes_are_merged_too(office: Make) -> None:
    desk, a, b = two(office)
    for agent in (a, b):
        agent.ok("read_file", path="shared")
    a.ok("write_file", path="shared", content=replace_line(LINES, 1, "first\n"))
    b.ok("write_file", path="shared", content=replace_line(LINES, 20, "last\n"))
    assert desk.text("shared") == replace_line(replace_line(LINES, 1, "first\n"), 20, "last\n")


def test_a_write_of_another_file_between_does_not_lose_an_update(office: Make) -> None:
    desk, a, b = two(office)
    text = b.context.read("shared")
    a.ok("edit_file", path="shared", old="line 3\n", new="three\n")
    b.context.write("b.txt", "found good: only another line of `shared` has changed")
    b.context.write("shared", replace_line(text, 9, "nine\n"))
    assert desk.text("shared") == replace_line(replace_line(LINES, 3, "three\n"), 9, "nine\n")


def test_a_submission_between_does_not_lose_an_update(office: Make) -> None:
    made = (task("a"), task("b", test="check"))
    answers = iter([0, 1, 0])
    desk = office(*made, files=FILES, commands=lambda command, cwd: next(answers))
    a, b = desk.agent("w1"), desk.agent("w2")
    text = b.context.read("shared")
    assert b.context.test().passed
    a.ok("edit_file", path="shared", old="line 3\n", new="three\n")
    assert not b.context.submit().passed  # tested again, on the newer cut
    b.context.write("shared", replace_line(text, 9, "nine\n"))
    assert desk.text("shared") == replace_line(replace_line(LINES, 3, "three\n"), 9, "nine\n")


@pytest.mark.parametrize("line", [2, 3, 4])
def test_edits_that_meet_are_refused_with_what_changed_and_what_is_there(
    office: Make, line: int
) -> None:
    desk, a, b = two(office)
    b.ok("read_file", path="shared")
    a.ok("edit_file", path="shared", old="line 3\n", new="three\n")
    mine = replace_line(LINES, line, "mine\n")
    text = b.no("write_file", path="shared", content=mine)
    now = replace_line(LINES, 3, "three\n")
    assert "shared has changed since you read it: shared was changed by task a." in text
    assert "-line 3\n+three\n" in text
    assert f"shared is now:\n{now}" in text
    assert desk.text("shared") == now
    b.ok("write_file", path="shared", content=now.replace("line 2\n", "mine\n"))
    assert desk.text("shared") == now.replace("line 2\n", "mine\n")


def test_a_task_function_that_asks_again_without_reading_is_refused_again(office: Make) -> None:
    _, a, b = two(office)
    text = b.context.read("shared")
    a.ok("edit_file", path="shared", old="line 3\n", new="three\n")
    for _ in range(2):
        refused = b.context.files.write("shared", replace_line(text, 3, "mine\n").encode())
        assert isinstance(refused, Refused)
        assert refused.why == "shared was changed by task a"
    assert "line 3\n" not in b.context.read("shared")
    assert isinstance(b.context.files.write("shared", b"all mine"), Written)


def test_a_long_file_must_be_read_again(office: Make) -> None:
    long = "".join(f"line {n}\n" for n in range(1, 2000))
    assert len(long) > SHOWN
    _, a, b = two(office, files={"shared": long})
    b.ok("read_file", path="shared")
    a.ok("edit_file", path="shared", old="line 3\n", new="three\n")
    for _ in range(2):
        text = b.no("write_file", path="shared", content=long.replace("line 3\n", "mine\n"))
        assert "+three" in text
        assert "shared is long: read it again before you edit it." in text
    b.ok("read_file", path="shared")
    b.ok("write_file", path="shared", content=long)


def test_a_long_difference_is_cut(office: Make) -> None:
    long = "".join(f"line {n}\n" for n in range(1, 3000))
    _, a, b = two(office, files={"shared": long})
    b.ok("read_file", path="shared")
    a.ok("read_file", path="shared")
    a.ok("write_file", path="shared", content=long.replace("line", "row"))
    text = b.no("write_file", path="shared", content=long + "mine\n")
    assert "more characters" in text
    assert len(text) < SHOWN + 1000


def test_an_edit_finds_its_place_in_what_another_has_written(office: Make) -> None:
    desk, a, b = two(office)
    b.ok("read_file", path="shared")
    a.ok("edit_file", path="shared", old="line 3\n", new="three\nand more\n")
    assert b.context.take_notices() == ["shared was changed by task a since you read it"]
    b.ok("edit_file", path="shared", old="and more\n", new="and more of b\n")
    assert "three\nand more of b\n" in desk.text("shared")
    assert desk.kinds().count("refused") == 0


def test_by_file_every_change_of_the_same_file_is_refused(office: Make) -> None:
    desk, a, b = two(office, by_region=False)
    for agent in (a, b):
        agent.ok("read_file", path="shared")
    a.ok("edit_file", path="shared", old="line 3\n", new="three\n")
    assert "+three" in b.no("edit_file", path="shared", old="line 9\n", new="nine\n")
    b.ok("edit_file", path="shared", old="line 9\n", new="nine\n")
    assert "three\n" in desk.text("shared")
    assert "nine\n" in desk.text("shared")


def test_two_new_files_of_one_name_meet(office: Make) -> None:
    made = (task("a", shares=("new",)), task("b", shares=("new",)))
    desk = office(*made, files=FILES)
    a, b = desk.agent("w1"), desk.agent("w2")
    a.ok("write_file", path="new", content="of a\n")
    assert "new is now:\nof a\n" in b.no("write_file", path="new", content="of b\n")
    b.ok("write_file", path="new", content="of both\n")
    assert desk.text("new") == "of both\n"


def test_what_another_has_deleted_is_not_brought_back_unseen(office: Make) -> None:
    desk, a, b = two(office)
    b.ok("read_file", path="shared")
    a.ok("delete_file", path="shared")
    assert "shared was deleted by task a" in b.no("write_file", path="shared", content="x")
    assert desk.text("shared") is None
    assert "does not exist" in b.no("read_file", path="shared")
    b.ok("write_file", path="shared", content="new, knowing that it was gone")
    assert desk.text("shared") == "new, knowing that it was gone"


def test_deleting_what_another_has_changed_is_refused_once(office: Make) -> None:
    desk, a, b = two(office)
    b.ok("read_file", path="shared")
    a.ok("edit_file", path="shared", old="line 3\n", new="three\n")
    assert "+three" in b.no("delete_file", path="shared")
    b.ok("delete_file", path="shared")
    assert desk.text("shared") is None


def test_files_that_are_not_text_meet_as_a_whole(office: Make) -> None:
    desk, a, b = two(office, files={"shared": b"\xff\x00 1"})
    assert a.context.files.read("shared") == b.context.files.read("shared")
    assert isinstance(a.context.files.write("shared", b"\xff\x00 2"), Written)
    refused = b.context.files.write("shared", b"\xff\x00 3")
    assert isinstance(refused, Refused)
    assert (desk.work / "shared").read_bytes() == b"\xff\x00 2"
    b.context.files.read("shared")
    assert isinstance(b.context.files.write("shared", b"\xff\x00 3"), Written)


def test_no_update_is_lost_in_whatever_order_they_come(tmp_path: Path) -> None:
    names, rounds = [f"t{n}" for n in range(8)], 4
    work = tmp_path / "work"
    work.mkdir()
    (work / "index").write_text("".join(f"# {name}\n\n\n" for name in names))

    def enter(context: Context) -> None:
        mine = f"# {context.task.id}\n"
        for number in range(rounds):
            entry = f"{context.task.id} {number}\n"
            while entry not in (text := context.read("index") or ""):
                with suppress(StaleWrite):  # read in vain: look again
                    context.write(context.task.id, entry)  # another file between read and write
                    context.write("index", text.replace(mine, mine + entry))
            mine = entry

    tasks = tuple(Task(id=name, writes=(name,), shares=("index",)) for name in names)
    plan = Plan(name="p", tasks=tasks, workspace=work, base=tmp_path)
    result = run(plan, work=enter, workers=4, durability="normal")
    assert result.status == "succeeded"
    assert {task.attempts for task in result.tasks.values()} == {1}
    wanted = "".join(
        f"# {name}\n" + "".join(f"{name} {n}\n" for n in range(rounds)) + "\n\n" for name in names
    )
    assert (work / "index").read_text() == wanted


# --- reads ------------------------------------------------------------------------------------


def test_a_change_of_a_file_that_was_read_whole_refuses_the_next_write_until_it_is_seen(
    office: Make,
) -> None:
    desk, a, b = two(office)
    b.ok("read_file", path="read")
    a.ok("edit_file", path="read", old="line 3\n", new="three\n")
    b.ok("read_file", path="b.txt")
    text = b.no("write_file", path="b.txt", content="built on line 3")
    assert "read has changed since you read it" in text
    assert "+three" in text
    assert desk.text("b.txt") == "b\n"
    b.ok("write_file", path="b.txt", content="built on three")
    assert desk.text("b.txt") == "built on three"


def test_reading_again_clears_it_as_well(office: Make) -> None:
    _, a, b = two(office)
    assert b.context.read("read") == LINES
    a.ok("edit_file", path="read", old="line 3\n", new="three\n")
    assert b.context.take_notices() == ["read was changed by task a since you read it"]
    assert b.context.take_notices() == []
    assert "three\n" in (b.context.read("read") or "")
    b.context.write("b.txt", "x")


@pytest.mark.parametrize(("line", "holds"), [(3, True), (9, False), (10, False), (15, True)])
def test_of_a_file_that_was_read_in_part_that_part_counts(
    office: Make, line: int, holds: bool
) -> None:
    desk, a, b = two(office)
    b.ok("read_file", path="read", start_line=9, end_line=10)
    a.ok("edit_file", path="read", old=f"line {line}\n", new="new\n")
    outcome = b.use("edit_file", path="b.txt", old="b", new="x")
    assert (not outcome.is_error) is holds
    assert (desk.text("b.txt") == "x\n") is holds


@pytest.mark.parametrize(("line", "holds"), [(3, True), (9, False), (10, True)])
def test_lines_that_a_search_showed_count_as_read(office: Make, line: int, holds: bool) -> None:
    desk, a, b = two(office)
    b.ok("read_file", path="b.txt")
    assert b.ok("search_files", pattern="^line 9$", glob="read") == "read:9:line 9"
    a.ok("edit_file", path="read", old=f"line {line}\n", new="new\n")
    outcome = b.use("edit_file", path="b.txt", old="b", new="x")
    assert (not outcome.is_error) is holds
    assert ("-line 9\n+new\n" in outcome.text) is not holds
    b.ok("write_file", path="b.txt", content="knowing it")
    assert desk.text("b.txt") == "knowing it"


def test_a_search_does_not_make_an_older_read_current(office: Make) -> None:
    _, a, b = two(office)
    b.ok("read_file", path="read", start_line=3, end_line=3)
    a.ok("edit_file", path="read", old="line 3\n", new="three\n")
    b.context.take_notices()
    b.ok("search_files", pattern="^line 9$", glob="read")  # of the newer version
    assert "-line 3\n+three\n" in b.no("edit_file", path="b.txt", old="b", new="x")


def test_two_searches_of_two_versions_count_both(office: Make) -> None:
    _, a, b = two(office)
    b.ok("search_files", pattern="^line 9$", glob="read")
    a.ok("edit_file", path="read", old="line 3\n", new="three\nmore\n")
    b.context.take_notices()
    b.ok("search_files", pattern="^line 15$", glob="read")
    b.ok("write_note", title="x", text="x")
    a.ok("edit_file", path="read", old="line 15\n", new="new\n")
    assert "+new\n" in b.no("edit_file", path="b.txt", old="b", new="x")


def test_a_search_is_no_ground_for_replacing_a_file(office: Make) -> None:
    _, a, _ = two(office)
    a.ok("search_files", pattern="line 9", glob="read")
    assert "you have not read it" in a.no("write_file", path="read", content="x")


@pytest.mark.slow
def test_only_hits_that_were_shown_count(office: Make) -> None:
    many = {f"f{number:03}": "hit\n" for number in range(600)}
    desk, a, _ = two(office, files=many)
    a.ok("search_files", pattern="hit")
    a.context.report()
    assert len(desk.machine.state.live[a.context.lease.token].reads) == 500


def test_that_a_file_was_not_there_counts_as_read(office: Make) -> None:
    _, a, b = two(office)
    assert b.context.read("made") is None
    a.ok("write_file", path="made", content="now it is")
    refused = b.context.files.write("b.txt", b"x")
    assert isinstance(refused, Refused)
    assert refused.kind == "stale"
    assert b.context.read("made") == "now it is"
    assert isinstance(b.context.files.write("b.txt", b"x"), Written)


@pytest.mark.parametrize(
    ("tool", "given"),
    [("write_file", {"path": "b.txt", "content": "x"}), ("submit", {"summary": "x"})],
)
def test_a_file_that_was_read_and_is_gone_is_told_once(
    office: Make, tool: str, given: dict[str, str]
) -> None:
    _, a, b = two(office)
    for path in ("read", "b.txt"):
        b.ok("read_file", path=path)
    a.ok("delete_file", path="read")
    assert "read was deleted by task a" in b.no(tool, **given)
    b.ok("write_file", path="b.txt", content="x")


def test_asking_for_a_file_that_is_gone_counts_as_seeing_that(office: Make) -> None:
    _, a, b = two(office)
    for path in ("read", "b.txt"):
        b.ok("read_file", path=path)
    a.ok("delete_file", path="read")
    assert b.context.take_notices() == ["read was deleted by task a since you read it"]
    assert "does not exist" in b.no("read_file", path="read")
    b.ok("write_file", path="b.txt", content="x")


def test_a_file_that_is_no_text_any_more_is_told_once(office: Make) -> None:
    _, a, b = two(office)
    b.ok("read_file", path="read")
    b.ok("read_file", path="b.txt")
    a.context.files.read("read")
    assert isinstance(a.context.files.write("read", b"\xff\x00"), Written)
    assert "read has changed" in b.no("write_file", path="b.txt", content="x")
    b.ok("write_file", path="b.txt", content="x")


def test_own_writes_are_neither_stale_nor_news(office: Make) -> None:
    _, a, _ = two(office)
    a.ok("read_file", path="a.txt")
    for number in range(5):
        a.ok("write_file", path="a.txt", content=f"{number}\n")
        a.ok("edit_file", path="a.txt", old=str(number), new="x")
    assert a.context.take_notices() == []
    assert a.context.files.take_news() == ()


def test_reads_travel_with_the_next_request_once(office: Make) -> None:
    desk, a, _ = two(office)
    a.context.files.read("read", Region(0, 3))
    assert a.context.files.take_news() == (("read", 1),)
    a.context.report()
    assert a.context.files.take_news() == ()
    assert desk.machine.state.live[a.context.lease.token].reads == {"read": 1}


# --- where no file can be -------------------------------------------------------------------------


def test_the_twin_of_what_is_not_versioned_is_refused(office: Make) -> None:
    def make(work: Path) -> None:
        (work / ".venv").mkdir()
        (work / ".venv/lib.py").write_text("made by a tool")
        (work / ".env").write_text("TOKEN=secret")
        (work / "out").symlink_to("/etc")

    agent = office(task("a", writes=("**",)), files=FILES, make=make).agent("w1")
    for path in (".VENV/lib.py", ".Venv", "OUT/x"):
        assert "cannot tell the two names apart" in agent.no("write_file", path=path, content="x")
    assert "is not versioned" in agent.no("write_file", path=".ENV", content="x")


def test_a_pipe_or_a_folder_of_others_is_never_replaced(office: Make) -> None:
    def make(work: Path) -> None:
        os.mkfifo(work / "pipe")
        (work / "cache/__pycache__").mkdir(parents=True)

    desk = office(task("a", writes=("**",)), files=FILES, make=make)
    agent = desk.agent("w1")
    assert "pipe is a named pipe" in agent.no("write_file", path="pipe", content="x")
    assert "pipe is a named pipe" in agent.no("write_file", path="pipe/x", content="x")
    assert "cache is a directory" in agent.no("write_file", path="cache", content="x")
    assert "wrote" not in desk.kinds()


def test_a_folder_whose_name_is_a_twin_is_refused_with_the_known_spelling(office: Make) -> None:
    desk = office(task("a", writes=("**",)), files={"src/deep/b.py": "b\n"})
    agent = desk.agent("w1")
    assert "write src/new.py" in agent.no("write_file", path="SRC/new.py", content="x")
    assert "write src/deep/x/y" in agent.no("write_file", path="src/Deep/x/y", content="x")
    assert "some file systems cannot tell" in agent.no("write_file", path="Src", content="x")
    agent.ok("write_file", path="src/Deeper/x", content="x")
    agent.ok("delete_file", path="src/Deeper/x")
    agent.ok("write_file", path="src/deeper/x", content="x")


def test_an_empty_folder_gives_way_to_a_file(office: Make) -> None:
    desk = office(task("a", writes=("**",)), make=lambda work: (work / "out").mkdir())
    agent = desk.agent("w1")
    agent.ok("write_file", path="out", content="a file now")
    assert desk.text("out") == "a file now"
    assert agent.ok("read_file", path="out").endswith("a file now")


# --- undo -------------------------------------------------------------------------------------


def test_a_cancelled_attempt_leaves_nothing_of_any_kind(office: Make) -> None:
    def make(work: Path) -> None:
        (work / "tool.sh").write_text("#!/bin/sh\n")
        (work / "tool.sh").chmod(0o755)

    made = task("a", writes=("**",), shares=())
    desk = office(made, files=FILES | {"binary": b"\x00\xff", "dir/deep": "x"}, make=make)
    before = {path: path.read_bytes() for path in desk.work.rglob("*") if path.is_file()}
    a = desk.agent("w1")
    for path in ("tool.sh", "binary", "dir/deep", "shared"):
        a.context.files.read(path)
    a.ok("write_file", path="new/file", content="made")
    a.ok("delete_file", path="dir/deep")
    a.ok("delete_file", path="tool.sh")
    assert isinstance(a.context.files.write("binary", b"\xff\x00"), Written)
    a.ok("write_file", path="shared", content="changed")
    a.ok("write_file", path="shared", content="changed twice")
    desk.coordinator.call(Cancel("a"))
    desk.settle()
    after = {path: path.read_bytes() for path in desk.work.rglob("*") if path.is_file()}
    assert {p: after[p] for p in after if ".orchestrator" not in str(p)} == before
    assert (desk.work / "tool.sh").stat().st_mode & 0o111
    assert not (desk.work / "new").exists()


def test_only_the_ended_attempts_lines_leave_a_shared_file(office: Make) -> None:
    desk, a, b = two(office, attempts=1)
    for agent in (a, b):
        agent.ok("read_file", path="shared")
    a.ok("edit_file", path="shared", old="line 3\n", new="three\n")
    b.ok("edit_file", path="shared", old="line 9\n", new="nine\n")
    a.ok("edit_file", path="shared", old="line 15\n", new="fifteen\n")
    desk.coordinator.call(Cancel("a"))
    desk.settle()
    assert desk.text("shared") == replace_line(LINES, 9, "nine\n")
    assert b.context.take_notices() == ["shared was changed by task a since you read it"]
    b.ok("edit_file", path="shared", old="nine\n", new="neun\n")
    assert desk.text("shared") == replace_line(LINES, 9, "neun\n")


def test_whoever_is_granted_a_task_finds_a_shared_file_without_the_ended_attempt(
    office: Make,
) -> None:
    desk, a, b = two(office)
    for agent in (a, b):
        agent.ok("read_file", path="shared")
    a.ok("edit_file", path="shared", old="line 3\n", new="three\n")
    b.ok("edit_file", path="shared", old="line 9\n", new="nine\n")
    again = desk.agent("w1", a.use("give_up", reason="wrong way").ending)
    assert again.context.attempt == 2
    assert again.context.read("shared") == replace_line(LINES, 9, "nine\n")
    assert desk.text("shared") == replace_line(LINES, 9, "nine\n")


def test_what_was_built_on_the_ended_attempts_lines_stays(office: Make) -> None:
    desk, a, b = two(office)
    a.ok("edit_file", path="shared", old="line 3\n", new="three\n")
    b.context.take_notices()
    b.ok("edit_file", path="shared", old="three\n", new="three and more\n")
    desk.coordinator.call(Cancel("a"))
    desk.settle()
    assert "three and more\n" in desk.text("shared")


def test_the_next_attempt_sees_the_files_as_they_were(office: Make) -> None:
    desk = office(task("a"), files=FILES)
    first = desk.agent("w1")
    first.ok("read_file", path="a.txt")
    first.ok("write_file", path="a.txt", content="wrong")
    second = desk.agent("w1", first.use("give_up", reason="wrong way").ending)
    assert "wrong way" in second.context.lease.before
    assert second.ok("read_file", path="a.txt").endswith(":\na\n")
    assert desk.text("a.txt") == "a\n"


# --- somebody outside -------------------------------------------------------------------------


def test_a_file_changed_by_hand_is_kept_and_told(office: Make) -> None:
    desk, a, _ = two(office)
    a.ok("read_file", path="a.txt")
    (desk.work / "a.txt").write_text("by hand\n")
    a.ok("write_file", path="a.txt", content="by agent\n")
    desk.settle()
    assert desk.text("a.txt") == "by hand\n"
    assert a.context.take_notices() == ["a.txt was changed from outside the run since you read it"]
    assert a.ok("read_file", path="a.txt").endswith("by hand\n")
    a.ok("write_file", path="a.txt", content="by both\n")
    assert desk.text("a.txt") == "by both\n"


def test_a_file_changed_by_hand_before_it_was_ever_kept_can_still_be_undone(office: Make) -> None:
    desk, a, b = two(office)
    (desk.work / "shared").write_text("by hand\n")
    a.ok("edit_file", path="shared", old="line 3\n", new="three\n")
    desk.settle()
    desk.coordinator.call(Cancel("a"))
    desk.settle()
    assert desk.text("shared") == "by hand\n"
    b.context.take_notices()
    assert b.context.read("shared") == "by hand\n"


def test_what_is_lost_is_refused_and_not_merged(office: Make) -> None:
    desk, a, b = two(office)
    assert b.context.read("shared") == LINES
    (desk.work / "shared").write_text("by hand\n")
    a.ok("edit_file", path="shared", old="line 3\n", new="three\n")
    desk.settle()
    refused = b.context.files.write("shared", replace_line(LINES, 9, "nine\n").encode())
    assert isinstance(refused, Refused)
    assert desk.text("shared") == "by hand\n"


def test_a_worker_that_comes_late_sees_what_was_changed_by_hand_meanwhile(office: Make) -> None:
    desk = office(task("a"), task("b"), files=FILES)
    (desk.work / "read").write_text("by hand\n")
    (desk.work / "b.txt").unlink()
    agent = desk.agent("w1")
    assert agent.ok("read_file", path="read").endswith("by hand\n")
    assert "does not exist" in agent.no("read_file", path="b.txt")
    assert desk.kinds().count("outside") == 2


def test_a_folder_in_the_place_of_a_file_is_left_alone(office: Make) -> None:
    desk, a, _ = two(office)
    a.ok("read_file", path="a.txt")
    (desk.work / "a.txt").unlink()
    (desk.work / "a.txt").mkdir()
    a.ok("write_file", path="a.txt", content="x")
    desk.settle()
    assert (desk.work / "a.txt").is_dir()
    assert a.context.take_notices() == ["a.txt was deleted from outside the run since you read it"]


def test_a_link_in_the_place_of_a_file_is_never_written_through(office: Make) -> None:
    desk, a, _ = two(office)
    a.ok("read_file", path="a.txt")
    (desk.folder / "precious").write_text("precious")
    (desk.work / "a.txt").unlink()
    (desk.work / "a.txt").symlink_to(desk.folder / "precious")
    a.ok("write_file", path="a.txt", content="x")
    desk.settle()
    assert (desk.folder / "precious").read_text() == "precious"
    assert (desk.work / "a.txt").is_symlink()


def test_the_end_of_the_lease_says_so(office: Make) -> None:
    desk, a, _ = two(office, attempts=1)
    desk.coordinator.call(Cancel("a"))
    refused = a.context.files.write("a.txt", b"late")
    assert isinstance(refused, Refused)
    assert refused.kind == "lease_ended"
    assert desk.text("a.txt") == "a\n"
    assert not isinstance(a.use("submit", summary="late").ending, Granted)
