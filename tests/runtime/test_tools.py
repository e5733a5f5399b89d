"""Every tool of an agent: what it does, what it refuses, and that a model can act on the words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.messages import Cancel, Claim, Done, Granted, Halt, Stop
from orchestrator.core.task import Task
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.commands import CommandResult, SubprocessCommands
from orchestrator.runtime.gates import WRITE_LIMIT
from orchestrator.runtime.tools import READ_LIMIT
from orchestrator.spec.operations import OPERATIONS

Make = Callable[..., Any]

FILES: dict[str, str | bytes] = {
    "a.txt": "one\ntwo\nthree\n",
    "src/b.py": "import a\n",
    "empty": "",
    "open-ended": "x\ny",
    "crlf": "a\r\nb\r\n",
    "binary": b"\0\xff\xfe",
    "latin": b"caf\xe9\n",
    "long": "line\n" * 30_000,
}
LINKS = {
    "to-file": "a.txt",
    "to-folder": "src",
    "to-nothing": "nowhere",
    "to-outside": "/etc",
}


def strange_things(work: Path) -> None:
    """Put into the tree what is not versioned: links, an environment, secrets, caches."""
    for name, target in LINKS.items():
        (work / name).symlink_to(target)
    for path in (".venv/lib.py", "pkg/node_modules/x.js", "__pycache__/b.pyc"):
        (work / path).parent.mkdir(parents=True)
        (work / path).write_text("made by a tool")
    (work / ".env").write_text("TOKEN=secret")


def task(name: str = "a", **more: Any) -> Task:
    given: dict[str, Any] = {"role": "any", "writes": ("**",)}
    return Task(id=name, **given | more)


@pytest.fixture
def desk(office: Make) -> Any:
    """Return an office with one task that may write everything, and strange things in its tree."""
    return office(task(), files=FILES, make=strange_things)


@pytest.fixture
def agent(desk: Any) -> Any:
    return desk.agent("w1")


# --- the gates --------------------------------------------------------------------------------

PATHS = {
    "./a.txt": "a.txt",
    "a.txt/": "a.txt",
    "src//b.py": "src/b.py",
    "src/./b.py": "src/b.py",
}
NO_PATHS = {
    "src/../a.txt": "climbs with '..'",
    "../a.txt": "climbs with '..'",
    "/etc/passwd": "not relative to the workspace",
    "~/a.txt": "home directory",
    "C:/a.txt": "drive",
    "src\\b.py": "backslash",
    ".git/config": "internal",
    "src/.GIT/config": "internal",
    ".orchestrator/runs": "internal",
    "a.txt\n": "control character",
    "a.txt ": "ends in a space",
    "cafe\u0301": "normal form C",
    "\u202ea.txt": "bidirectional",
    "n" * 300: "longer than 255 bytes",
    ".": "names the workspace itself",
}


@pytest.mark.parametrize(("written", "plain"), PATHS.items())
def test_spellings_of_one_path_are_one_file(agent: Any, written: str, plain: str) -> None:
    assert agent.ok("read_file", path=written).startswith(f"{plain} (version 1,")
    assert agent.ok("write_file", path=written, content="x") == f"{plain} is written (version 2)."
    assert (
        agent.ok("edit_file", path=written, old="x", new="y") == f"{plain} is written (version 3)."
    )
    assert agent.ok("delete_file", path=written) == f"{plain} is deleted (version 4)."


@pytest.mark.parametrize("tool", ["read_file", "write_file", "edit_file", "delete_file"])
def test_what_is_no_path_is_refused(agent: Any, tool: str) -> None:
    more = {"write_file": {"content": "x"}, "edit_file": {"old": "o", "new": "x"}}.get(tool, {})
    for path, why in NO_PATHS.items():
        assert why in agent.no(tool, path=path, **more)
    assert agent.context.files.written == {}


def test_a_tool_that_the_role_does_not_list_is_refused_and_the_others_are_named(agent: Any) -> None:
    text = agent.no("fly", to="the moon")
    assert "no tool 'fly'" in text
    assert all(name in text for name in OPERATIONS)


@pytest.mark.parametrize(
    ("tool", "given", "why"),
    [
        ("read_file", {}, "`path` is missing"),
        ("read_file", {"path": 7}, "`path` must be text"),
        ("read_file", {"path": "a.txt", "start_line": 0}, "at least 1"),
        ("read_file", {"path": "a.txt", "start_line": True}, "whole number"),
        ("read_file", {"pth": "a.txt"}, "Did you mean `path`?"),
        ("write_file", {"path": "a.txt"}, "`content` is missing"),
        ("edit_file", {"path": "a.txt", "old": "", "new": "x"}, "`old` must not be empty"),
        ("edit_file", {"path": "a.txt", "old": "a", "new": "x", "all": "yes"}, "true or false"),
        ("submit", {}, "`summary` is missing"),
        ("give_up", {"reason": ""}, "`reason` must not be empty"),
        ("widen_scope", {"globs": [], "reason": "x"}, "`globs` must not be empty"),
        ("widen_scope", {"globs": "a.txt", "reason": "x"}, "`globs` must be a list"),
        ("split_task", {"tasks": ["x"], "reason": "x"}, "must be an object"),
        ("split_task", {"tasks": [{"id": "x"}], "reason": "x"}, "title"),
        ("send_message", {"to": "all", "kind": "shout", "text": "x"}, "one of"),
        ("run_tests", {"tests": "a"}, "`tests` must be a list"),
    ],
)
def test_arguments_that_do_not_fit_are_explained(
    agent: Any, tool: str, given: dict[str, Any], why: str
) -> None:
    assert why in agent.no(tool, **given)


def test_a_file_outside_the_task_is_refused_with_what_is_allowed(office: Make) -> None:
    made = task(writes=("src/**",), reads=("src/**", "docs/**"))
    agent = office(made, files=FILES).agent("w1")
    assert "keep to src/**, docs/**" in agent.no("read_file", path="a.txt")
    text = agent.no("write_file", path="a.txt", content="x")
    assert "keep to src/**" in text
    assert "widen_scope" in text
    assert agent.ok("list_files") == "src/b.py"
    assert agent.ok("search_files", pattern="one") == "No line matches."
    agent.no("edit_file", path="docs/x", old="a", new="b")
    agent.no("delete_file", path="a.txt")


def test_what_a_task_may_write_it_may_read(office: Make) -> None:
    agent = office(task(writes=("a.txt",), reads=("src/**",)), files=FILES).agent("w1")
    assert agent.ok("list_files") == "a.txt\nsrc/b.py"
    assert "one" in agent.ok("read_file", path="a.txt")


# --- reading ----------------------------------------------------------------------------------


def test_a_file_is_read_whole_or_in_parts(agent: Any) -> None:
    head = "a.txt (version 1, lines {} of 3):\n"
    assert agent.ok("read_file", path="a.txt") == head.format("1-3") + "one\ntwo\nthree\n"
    assert agent.ok("read_file", path="a.txt", start_line=2) == head.format("2-3") + "two\nthree\n"
    assert agent.ok("read_file", path="a.txt", end_line=1) == head.format("1-1") + "one\n"
    past = agent.ok("read_file", path="a.txt", start_line=3, end_line=99)
    assert past == head.format("3-3") + "three\n"


def test_files_are_read_as_they_are(agent: Any) -> None:
    assert agent.ok("read_file", path="empty") == "empty (version 1, lines 0-0 of 0):\n"
    assert agent.ok("read_file", path="open-ended").endswith("1-2 of 2):\nx\ny")
    assert agent.ok("read_file", path="crlf").endswith("a\r\nb\r\n")


@pytest.mark.parametrize(
    ("given", "why", "fix"),
    [
        ({"path": "a.txt", "start_line": 9}, "line 9 is beyond its end", "from 1 to 3"),
        ({"path": "empty", "start_line": 2}, "has 0 lines", "it is empty"),
        ({"path": "a.txt", "start_line": 3, "end_line": 2}, "is before", "swap"),
        ({"path": "a.txt", "start_line": 10**30}, "beyond its end", "from 1 to 3"),
        ({"path": "nope"}, "does not exist", "list_files"),
        ({"path": "a.txt/x"}, "does not exist", "list_files"),
        ({"path": "A.TXT"}, "does not exist", "list_files"),
        ({"path": "src"}, "src is a directory", "list_files with the glob src"),
        ({"path": "binary"}, "is not text (3 bytes)", "leave it"),
        ({"path": "latin"}, "is not text (5 bytes)", "leave it"),
        ({"path": "long"}, f"more than one call returns ({READ_LIMIT})", "in parts"),
        ({"path": "to-file"}, "to-file is a link", "list_files shows"),
        ({"path": "to-folder/b.py"}, "to-folder is a link", "list_files shows"),
        ({"path": "to-nothing"}, "to-nothing is a link", "list_files shows"),
        ({"path": "to-outside/passwd"}, "to-outside is a link", "list_files shows"),
        ({"path": ".venv/lib.py"}, ".venv is a link", "list_files shows"),
        ({"path": ".env"}, "does not exist", "list_files"),
    ],
)
def test_what_cannot_be_read_is_explained(
    agent: Any, given: dict[str, Any], why: str, fix: str
) -> None:
    text = agent.no("read_file", **given)
    assert why in text
    assert fix in text.partition("What to do:")[2]


def test_a_long_file_is_read_in_parts(agent: Any) -> None:
    text = agent.ok("read_file", path="long", start_line=20_000, end_line=20_002)
    assert text == "long (version 1, lines 20000-20002 of 30000):\nline\nline\nline\n"


def test_files_are_listed_by_glob(agent: Any) -> None:
    assert agent.ok("list_files").splitlines() == sorted(FILES)
    assert agent.ok("list_files", glob="*.txt") == "a.txt"
    assert agent.ok("list_files", glob="src") == "src/b.py"
    assert agent.ok("list_files", glob="docs/**") == "No file matches."


@pytest.mark.parametrize("tool", ["list_files", "search_files"])
@pytest.mark.parametrize(
    ("glob", "why", "fix"),
    [
        ("[", "does not close", "close it with ']'"),
        ("/etc/*", "not relative", "as seen from the top"),
        ("../*", "'..'", "as seen from the top"),
        ("{a", "without a '}'", "close it"),
    ],
)
def test_a_bad_glob_is_explained_once(agent: Any, tool: str, glob: str, why: str, fix: str) -> None:
    text = agent.no(tool, glob=glob, **({"pattern": "x"} if tool == "search_files" else {}))
    assert why in text.partition("What to do:")[0]
    assert text.count(fix) == 1


def test_a_long_list_is_cut_and_says_so(office: Make) -> None:
    made = office(task(), files={f"f{n:03}": "hit\n" for n in range(600)}).agent("w1")
    listed = made.ok("list_files").splitlines()
    assert (len(listed), listed[-1]) == (501, "… and 100 more")
    found = made.ok("search_files", pattern="hit").splitlines()
    assert (len(found), found[-1]) == (501, "… and more; narrow the glob")


def test_lines_are_found_in_text_and_not_in_binary_files(agent: Any) -> None:
    assert agent.ok("search_files", pattern="^t") == "a.txt:2:two\na.txt:3:three"
    assert agent.ok("search_files", pattern="o", glob="src") == "src/b.py:1:import a"
    assert agent.ok("search_files", pattern="caf.") == "latin:1:caf\ufffd"
    assert agent.ok("search_files", pattern="zzz") == "No line matches."
    assert agent.ok("search_files", pattern=".", glob="binary") == "No line matches."


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(", "not a regular expression"),
        ("*", "not a regular expression"),
        ("(?R)", "calls itself"),
        ("(" * 900 + "a" + ")" * 900, "characters; 1000 are allowed"),
        ("(" * 499 + "a" + ")" * 499, "not a regular expression"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_explained(agent: Any, pattern: str, why: str) -> None:
    assert why in agent.no("search_files", pattern=pattern)


# --- writing ----------------------------------------------------------------------------------


def test_a_file_is_made_changed_and_deleted(desk: Any, agent: Any) -> None:
    assert agent.ok("write_file", path="new/deep.txt", content="1") == (
        "new/deep.txt is written (version 2)."
    )
    assert desk.text("new/deep.txt") == "1"
    assert "version 3" in agent.ok("write_file", path="new/deep.txt", content="2\n")
    assert "version 4" in agent.ok("edit_file", path="new/deep.txt", old="2", new="3")
    assert agent.ok("read_file", path="new/deep.txt").endswith(":\n3\n")
    assert agent.ok("delete_file", path="new/deep.txt") == "new/deep.txt is deleted (version 5)."
    assert not (desk.work / "new").exists()
    assert "does not exist" in agent.no("read_file", path="new/deep.txt")
    assert "version 6" in agent.ok("write_file", path="new/deep.txt", content="again")
    assert desk.text("new/deep.txt") == "again"


def test_a_file_that_was_not_read_is_not_replaced(desk: Any, agent: Any) -> None:
    assert "you have not read it" in agent.no("write_file", path="a.txt", content="x")
    agent.ok("read_file", path="a.txt", end_line=1)
    agent.ok("write_file", path="a.txt", content="x")
    assert desk.text("a.txt") == "x"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("src", "src is a directory"),
        ("pkg", "pkg is a directory"),
        ("a.txt/x", "a.txt is a file, so nothing can be below it"),
        ("A.TXT", "a.txt exists, and some file systems cannot tell the two names apart"),
        ("to-file", "to-file is a link"),
        ("to-nothing", "to-nothing is a link"),
        ("to-folder/new.py", "to-folder is a link"),
        ("to-outside/new", "to-outside is a link"),
        (".venv/new.py", ".venv is a link"),
        (".venv", ".venv is a link"),
        (".env", ".env is not versioned"),
        ("src/.env.local", "is not versioned"),
        ("__pycache__/new.pyc", "is not versioned"),
        ("node_modules/new.js", "is not versioned"),
    ],
)
def test_where_no_file_can_be_nothing_is_written(
    desk: Any, agent: Any, path: str, why: str
) -> None:
    before = {p: p.read_bytes() for p in desk.work.rglob("*") if p.is_file()}
    assert why in agent.no("write_file", path=path, content="x")
    assert why in agent.no("write_file", path=path, content="x")
    assert {p: p.read_bytes() for p in desk.work.rglob("*") if p.is_file()} == before
    assert "wrote" not in desk.kinds()


def test_a_secret_is_not_read_by_trying_to_write_it(desk: Any, agent: Any) -> None:
    agent.no("write_file", path=".env", content="x")
    agent.no("edit_file", path=".env", old="TOKEN", new="x")
    agent.no("delete_file", path=".env")
    agent.no("read_file", path=".env")
    assert agent.ok("search_files", pattern="secret") == "No line matches."
    desk.settle()
    assert desk.machine.state.files.current(".env").digest is None
    kept = [path.read_bytes() for path in (desk.folder / "blobs").rglob("*") if path.is_file()]
    assert not any(b"secret" in content for content in kept)


def test_content_that_cannot_be_kept_is_refused(agent: Any) -> None:
    assert "surrogates" in agent.no("write_file", path="new", content="\ud800")
    assert "surrogates" in agent.no("edit_file", path="a.txt", old="one", new="\udfff")
    big = "x" * (WRITE_LIMIT + 1)
    assert f"{WRITE_LIMIT} are allowed" in agent.no("write_file", path="new", content=big)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"path": "a.txt", "old": "zwei", "new": "2"}, "does not occur in a.txt"),
        ({"path": "a.txt", "old": "t", "new": "T"}, "occurs 2 times in a.txt"),
        ({"path": "a.txt", "old": "one", "new": "one"}, "are equal"),
        ({"path": "crlf", "old": "a\nb", "new": "c"}, r"whose lines end in \r\n, not in \n"),
        ({"path": "binary", "old": "a", "new": "b"}, "is not text"),
        ({"path": "nope", "old": "a", "new": "b"}, "does not exist"),
        ({"path": "src", "old": "a", "new": "b"}, "is a directory"),
        ({"path": "to-file", "old": "one", "new": "b"}, "is a link"),
    ],
)
def test_an_edit_that_finds_no_one_place_is_explained(
    desk: Any, agent: Any, given: dict[str, Any], why: str
) -> None:
    assert why in agent.no("edit_file", **given)
    assert "wrote" not in desk.kinds()


def test_an_edit_changes_one_place_or_all(desk: Any, agent: Any) -> None:
    agent.ok("edit_file", path="a.txt", old="t", new="T", all=True)
    agent.ok("edit_file", path="crlf", old="a\r\nb", new="c")
    agent.ok("edit_file", path="open-ended", old="\ny", new="")
    assert desk.text("a.txt") == "one\nTwo\nThree\n"
    assert (desk.work / "crlf").read_bytes() == b"c\r\n"
    assert desk.text("open-ended") == "x"


def test_only_files_are_deleted(desk: Any, agent: Any) -> None:
    assert "src is a directory" in agent.no("delete_file", path="src")
    assert "does not exist" in agent.no("delete_file", path="nope")
    assert "is a link" in agent.no("delete_file", path="to-file")
    agent.ok("delete_file", path="binary")
    assert not (desk.work / "binary").exists()
    assert "does not exist" in agent.no("delete_file", path="binary")


def test_a_folder_of_the_run_gives_way_to_a_file_once_it_is_empty(desk: Any, agent: Any) -> None:
    agent.ok("write_file", path="new/deep.txt", content="x")
    assert "new is a directory" in agent.no("write_file", path="new", content="x")
    agent.ok("delete_file", path="new/deep.txt")
    agent.ok("write_file", path="new", content="a file now")
    assert desk.text("new") == "a file now"
    agent.no("write_file", path="new/deep.txt", content="x")
    agent.ok("delete_file", path="new")
    agent.ok("write_file", path="new/deep.txt", content="a folder again")
    assert desk.text("new/deep.txt") == "a folder again"


# --- tests and commands -----------------------------------------------------------------------


def counting(answers: Sequence[int]) -> tuple[list[object], Callable[[object, Path], int]]:
    """Return a list of the commands that were run, and what runs them."""
    asked: list[object] = []

    def run(command: object, cwd: Path) -> int:
        asked.append(command)
        return answers[min(len(asked), len(answers)) - 1]

    return asked, run


def test_tests_are_run_and_their_names_are_quoted(office: Make) -> None:
    asked, run = counting([1, 0])
    made = task(test="check {tests}", tests=("t one.py", "t2.py"))
    agent = office(made, commands=run).agent("w1")
    assert agent.use("run_tests").text.startswith("FAILED\n")
    assert agent.ok("run_tests", tests=["./x;y.py"]).startswith("PASSED\n")
    assert asked == ["check 't one.py' t2.py", "check 'x;y.py'"]
    assert "climbs" in agent.no("run_tests", tests=["../x"])


def test_names_for_a_test_command_that_takes_none_are_not_ignored_in_silence(office: Make) -> None:
    asked, run = counting([0, 1])
    agent = office(task(test="check all"), commands=run).agent("w1")
    told = "The test command of this task takes no names: it was run as it is.\n"
    assert agent.ok("run_tests", tests=["t.py"]).startswith(f"{told}PASSED\n")
    assert agent.use("run_tests", tests=["t.py"]).text.startswith(f"{told}FAILED\n")
    assert asked == ["check all", "check all"]


@pytest.mark.parametrize("name", ["--collect-only", "-p", "./-x", "-"])
def test_a_name_that_a_command_would_take_for_an_option_is_refused(office: Make, name: str) -> None:
    agent = office(task(test="check {tests}")).agent("w1")
    assert "would be an option" in agent.no("run_tests", tests=[name])
    assert "would be an option" in agent.no(
        "split_task", tasks=[{**PART, "tests": [name]}], reason="x"
    )


def test_a_task_without_tests_says_that_nothing_was_run(agent: Any) -> None:
    text = agent.ok("run_tests")
    assert "nothing was run" in text
    assert "PASSED" not in text


def test_submit_shows_failing_tests_and_goes_on(office: Make) -> None:
    asked, run = counting([1, 0])
    agent = office(task(test="check"), commands=run).agent("w1")
    outcome = agent.use("submit", summary="early")
    assert outcome.is_error
    assert outcome.text.startswith("Not accepted: the tests do not pass.\nFAILED")
    assert outcome.ending is None
    outcome = agent.use("submit", summary="again")
    assert outcome.text == "Accepted."
    assert isinstance(outcome.ending, Stop)
    assert asked == ["check", "check"]


def test_submit_and_give_up_return_what_to_do_next(office: Make) -> None:
    desk = office(task("a"), task("b", depends_on=("a",)), attempts=1)
    outcome = desk.agent("w1").use("submit", summary="done")
    assert isinstance(outcome.ending, Granted)
    outcome = desk.agent("w1", outcome.ending).use("give_up", reason="too hard")
    assert isinstance(outcome.ending, Stop)
    assert desk.machine.state.records["b"].reason == "too hard"


def change(cwd: Path) -> CommandResult:
    """Change files inside and outside the scope, as a formatter would."""
    (cwd / "src/b.py").write_text("formatted\n")
    (cwd / "src/new.py").write_text("made\n")
    (cwd / "a.txt").write_text("not yours\n")
    (cwd / "__pycache__").mkdir()
    (cwd / "__pycache__/b.pyc").write_text("cache")
    return CommandResult(0, "2 files changed\n", "", 0.0)


def test_what_a_command_changed_becomes_writes_or_is_put_back_and_the_model_is_told(
    office: Make,
) -> None:
    made = task(writes=("src/**",))
    desk = office(made, files=FILES, commands=lambda command, cwd: change(cwd))
    agent = desk.agent("w1")
    text = agent.ok("run_command", command="format 'src dir' .")
    assert text.splitlines() == [
        "exit code 0",
        "2 files changed",
        "Files that it changed: src/b.py, src/new.py.",
        "Its change of a.txt was put back: it is outside the files that you may write.",
    ]
    assert desk.text("src/b.py") == "formatted\n"
    assert desk.text("src/new.py") == "made\n"
    assert desk.text("a.txt") == FILES["a.txt"]
    assert "one" in agent.ok("read_file", path="a.txt")


def test_a_command_can_delete_files(office: Make) -> None:
    def remove(command: object, cwd: Path) -> int:
        (cwd / "src/b.py").unlink()
        (cwd / "a.txt").unlink()
        return 0

    desk = office(task(writes=("src/**",)), files=FILES, commands=remove)
    text = desk.agent("w1").ok("run_command", command="clean")
    assert "Files that it changed: src/b.py." in text
    assert "Its change of a.txt was put back" in text
    assert not (desk.work / "src/b.py").exists()
    assert desk.text("a.txt") == FILES["a.txt"]


def test_words_of_a_command_are_split_and_not_given_to_a_shell(
    office: Make, tmp_path: Path
) -> None:
    blobs = BlobStore(tmp_path / "outputs", durable=False)
    desk = office(task(), commands=SubprocessCommands(blobs, output_limit=2000))
    agent = desk.agent("w1")
    assert agent.ok("run_command", command="echo 'a  b' \"c\" > d; $HOME") == (
        "exit code 0\na  b c > d; $HOME"
    )
    assert "cannot be split" in agent.no("run_command", command="echo 'a")
    assert "the command is empty" in agent.no("run_command", command="  ")
    assert agent.use("run_command", command="no-such-program").text == (
        "exit code 127\nno-such-program: command not found"
    )
    long = agent.use("run_command", command="seq 100000").text
    assert len(long) < 2200
    assert "bytes left out" in long


# --- widening, splitting, talking -------------------------------------------------------------


def test_free_files_are_granted_at_once(office: Make) -> None:
    desk = office(task(writes=("a.txt",), reads=("a.txt",)), files=FILES)
    agent = desk.agent("w1")
    agent.no("write_file", path="src/b.py", content="x")
    assert agent.ok("widen_scope", globs=["src/**"], reason="it imports a") == (
        "Granted: you may now write src/**."
    )
    agent.ok("read_file", path="src/b.py")
    agent.ok("write_file", path="src/b.py", content="x")
    assert desk.text("src/b.py") == "x"


WANTED = {"globs": ["src/**"], "reason": "it needs them"}


def test_widening_waits_until_the_other_has_ended_and_brings_its_changes(office: Make) -> None:
    desk = office(task("a", writes=("a.txt",)), task("b", writes=("src/**",)), files=FILES)
    first, second = desk.agent("w1"), desk.agent("w2")
    first.ok("read_file", path="src/b.py")
    said = desk.apart(first, "widen_scope", **WANTED)
    desk.until("widen_waits")
    second.ok("edit_file", path="src/b.py", old="import a", new="import b")
    assert said == []
    desk.apart(second, "submit", summary="done")
    desk.until("widened")
    while not said:
        desk.settle()
    assert said[0].text == "Granted: you may now write src/**."
    assert first.context.take_notices() == ["src/b.py was changed by task b since you read it"]
    assert first.ok("read_file", path="src/b.py").endswith("import b\n")
    first.ok("edit_file", path="src/b.py", old="import b", new="import c")


def test_a_deadlock_is_refused_and_named(office: Make) -> None:
    made = [task("a", writes=("a.txt",)), task("b", writes=("src/**",))]
    desk = office(*made, files=FILES, attempts=1)
    first, second = desk.agent("w1"), desk.agent("w2")
    said = desk.apart(first, "widen_scope", **WANTED)
    desk.until("widen_waits")
    text = second.no("widen_scope", globs=["a.txt"], reason="me too")
    assert "deadlock: b waits for a waits for b" in text
    assert "give up" in text
    desk.apart(second, "give_up", reason="let the other go on")
    while not said:
        desk.settle()
    assert said[0].text == "Granted: you may now write src/**."


def test_a_lease_that_ends_while_it_waits_for_files_is_told_so(office: Make) -> None:
    desk = office(task("a", writes=("a.txt",)), task("b", writes=("src/**",)), files=FILES)
    first = desk.agent("w1")
    desk.agent("w2")
    said = desk.apart(first, "widen_scope", **WANTED)
    desk.until("widen_waits")
    assert desk.coordinator.call(Cancel("a", "no longer wanted")) == Done()
    desk.join()
    assert said[0].is_error
    assert "has ended" in said[0].text
    assert said[0].ending is not None
    assert first.context.interrupt.is_set()
    assert not first.context.files.bounds.may_write("src/b.py")


def test_files_beyond_the_role_are_not_granted(office: Make) -> None:
    agent = office(task(writes=("src/**",)), files=FILES, role_writes=("src/**",)).agent("w1")
    assert "role any may not write a.txt" in agent.no("widen_scope", globs=["a.txt"], reason="x")
    assert "close it" in agent.no("widen_scope", globs=["["], reason="x")
    assert "no files were asked for" in agent.no("widen_scope", globs=["!x"], reason="x")


PART = {"id": "part", "title": "A part", "instructions": "Do it.", "writes": ["src/b.py"]}


def test_parts_are_added_and_dependents_wait_for_them(office: Make) -> None:
    desk = office(
        task("a", writes=("src/**",), test="check {tests}"),
        task("b", writes=("a.txt",), depends_on=("a",)),
        files=FILES,
    )
    agent = desk.agent("w1")
    parts = [PART, {**PART, "id": "second", "tests": ["t.py"], "depends_on": ["part"]}]
    text = agent.ok("split_task", tasks=parts, reason="two steps")
    assert text == "Added: part, second. They start when their files are free."
    graph = desk.machine.state.graph
    assert graph.task("part").test == ""
    assert graph.task("second").test == "check {tests}"
    assert graph.task("second").tests == ("t.py",)
    order = []
    ending = agent.use("submit", summary="split").ending
    while isinstance(ending, Granted):
        order.append(ending.lease.task)
        ending = desk.agent("w1", ending).use("submit", summary="done").ending
    assert order == ["part", "second", "b"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"id": "a"}, "task a exists already"),
        ({"id": "../up here"}, "cannot be the id of a task"),
        ({"id": "-x"}, "cannot be the id of a task"),
        ({"id": "x\n"}, "cannot be the id of a task"),
        ({"writes": ["["]}, "does not close"),
        ({"writes": ["a.txt"]}, "not among the files of a"),
        ({"depends_on": ["nobody"]}, "nobody, which does not exist"),
        ({"depends_on": ["b"]}, "would wait for one another"),
        ({"depends_on": ["part"]}, "would wait for one another"),
    ],
)
def test_parts_that_cannot_be_are_refused_all_together(
    office: Make, change: dict[str, Any], why: str
) -> None:
    desk = office(
        task("a", writes=("src/**",)), task("b", writes=("docs/**",), depends_on=("a",)),
        files=FILES,
    )  # fmt: skip
    agent = desk.agent("w1")
    good = {**PART, "id": "good"}
    assert why in agent.no("split_task", tasks=[good, PART | change], reason="x")
    assert set(desk.machine.state.records) == {"a", "b"}


def test_messages_arrive_with_the_next_report_and_not_at_their_sender(office: Make) -> None:
    desk = office(task("a", writes=("a.txt",)), task("b", writes=("src/**",)), files=FILES)
    first, second = desk.agent("w1"), desk.agent("w2")
    assert first.ok("send_message", to="task:b", kind="question", text="why?") == "Sent to task:b."
    first.ok("send_message", to="all", kind="note", text="hello")
    first.ok("send_message", to="role:any", kind="blocked", text="wait")
    for agent in (first, second):
        assert agent.context.report()
    assert first.context.take_mail() == []
    mail = second.context.take_mail()
    assert [(m.sender, m.kind, m.text) for m in mail] == [
        ("task:a", "question", "why?"),
        ("task:a", "blocked", "wait"),
        ("task:a", "note", "hello"),
    ]
    assert second.context.report()
    assert second.context.take_mail() == []
    assert "nobody at 'task:c'" in first.no("send_message", to="task:c", kind="note", text="x")


def test_notes_are_kept_for_all_and_found_by_their_words(office: Make) -> None:
    desk = office(task("a", writes=("a.txt",)), task("b", writes=("src/**",)), files=FILES)
    first, second = desk.agent("w1"), desk.agent("w2")
    assert second.ok("read_notes") == "No note matches."
    assert first.ok("write_note", title="Units", text="Lengths are metres.") == "Noted."
    assert second.ok("read_notes") == "Units (task a)\nLengths are metres."
    assert second.ok("read_notes", query="METRES units").startswith("Units")
    assert second.ok("read_notes", query="feet") == "No note matches."


# --- ends -------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [Cancel("a"), Halt("enough")])
def test_after_the_lease_every_tool_is_refused_and_changes_nothing(office: Make, end: Any) -> None:
    desk = office(task("a", test="check"), files=FILES)
    agent = desk.agent("w1")
    agent.ok("read_file", path="a.txt")
    desk.coordinator.call(end)
    assert agent.context.interrupt.is_set()
    calls: list[tuple[str, dict[str, Any]]] = [
        ("write_file", {"path": "a.txt", "content": "late"}),
        ("edit_file", {"path": "a.txt", "old": "one", "new": "late"}),
        ("delete_file", {"path": "a.txt"}),
        ("send_message", {"to": "all", "kind": "note", "text": "late"}),
        ("write_note", {"title": "late", "text": "late"}),
        ("widen_scope", {"globs": ["src/**"], "reason": "late"}),
        ("split_task", {"tasks": [PART], "reason": "late"}),
    ]
    before = desk.kinds()
    for tool, given in calls:
        outcome = agent.use(tool, **given)
        assert outcome.is_error
        assert "has ended" in outcome.text
        assert outcome.ending is not None
    assert agent.use("submit", summary="late").is_error
    assert agent.use("give_up", reason="late").ending is not None
    assert desk.kinds() == before
    assert desk.text("a.txt") == FILES["a.txt"]


def test_after_the_end_of_the_coordinator_every_tool_ends_the_attempt(office: Make) -> None:
    desk = office(task("a"), files=FILES)
    agent = desk.agent("w1")
    desk.coordinator.close()
    calls: list[tuple[str, dict[str, Any]]] = [
        ("write_file", {"path": "new", "content": "x"}),
        ("send_message", {"to": "all", "kind": "note", "text": "late"}),
        ("widen_scope", {"globs": ["src/**"], "reason": "late"}),
        ("submit", {"summary": "late"}),
        ("give_up", {"reason": "late"}),
    ]
    for tool, given in calls:
        assert agent.use(tool, **given).ending is not None
    assert desk.text("new") is None
    assert agent.ask(Claim("w1")) == Stop("running")
