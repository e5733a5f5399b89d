"""The oracle restores a reference solution the way an agent works."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from orchestrator.errors import ModelError, UsageError
from orchestrator.models.base import (
    Briefing,
    Exchange,
    Interrupt,
    ToolCall,
    ToolResult,
    ToolSpec,
    Turn,
    Usage,
)
from orchestrator.models.oracle import OracleModel

NEVER = threading.Event()
TOOLS = ("read_file", "write_file", "edit_file", "run_tests", "submit", "give_up")
LEXER = "def lex(text):\n    return text.split() + [None]\n"


@dataclass
class Workspace:
    """Files in memory, and the tools over them, with the answers that the runtime gives."""

    files: dict[str, str]
    passes: Callable[[Mapping[str, str]], bool] = lambda files: True
    lines_at_once: int = 1000
    answers: dict[tuple[str, int], ToolResult] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    def carry_out(self, call: ToolCall) -> ToolResult:
        path = str(call.input.get("path", ""))
        entry = f"{call.name} {path}".strip()
        self.log.append(entry)
        special = self.answers.get((entry, self.log.count(entry)))
        if special is not None:
            return ToolResult(call.id, special.content, special.is_error)
        try:
            return ToolResult(call.id, getattr(self, call.name)(**call.input))
        except KeyError:
            return ToolResult(call.id, f"{path}: no such file", is_error=True)

    def read_file(self, path: str, start_line: int = 1) -> str:
        lines = self.files[path].splitlines(keepends=True)
        shown = lines[start_line - 1 : start_line - 1 + self.lines_at_once]
        end = start_line - 1 + len(shown)
        return f"{path} (version 3, lines {start_line}-{end} of {len(lines)}):\n" + "".join(shown)

    def write_file(self, path: str, content: str) -> str:
        self.files[path] = content
        return "written"

    def edit_file(self, path: str, old: str, new: str) -> str:
        assert self.files[path].count(old) == 1
        self.files[path] = self.files[path].replace(old, new)
        return "edited"

    def run_tests(self) -> str:
        return "PASSED 3 tests" if self.passes(self.files) else "FAILED 1 of 3 tests"

    def submit(self, summary: str) -> str:
        return summary

    def give_up(self, reason: str) -> str:
        return reason


def solution(tmp_path: Path, files: Mapping[str, str]) -> Path:
    (tmp_path / "solution").mkdir(exist_ok=True)
    for path, text in files.items():
        target = tmp_path / "solution" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode())
    return tmp_path / "solution"


def briefing(
    files: Iterable[str],
    scope: Iterable[str],
    *,
    task: str = "lexer",
    tools: Iterable[str] = TOOLS,
    seed: int = 1,
) -> Briefing:
    allowed = frozenset(scope)
    return Briefing(
        task=task,
        attempt=1,
        seed=seed,
        system="",
        opening="",
        tools=tuple(ToolSpec(name, "", {"type": "object"}) for name in tools),
        files=tuple(sorted(allowed.intersection(files))),
        allows=allowed.__contains__,
    )


def play(model: OracleModel, brief: Briefing, workspace: Workspace) -> list[Exchange]:
    """Let the model work until it submits, gives up or only talks."""
    history: list[Exchange] = []
    for _ in range(30):
        turn = model.next_turn(brief, history, NEVER)
        assert model.next_turn(brief, history, NEVER) == turn
        results = tuple(workspace.carry_out(call) for call in turn.calls)
        history.append(Exchange(turn, results))
        ended = {"submit", "give_up"} & {
            call.name
            for call, result in zip(turn.calls, results, strict=True)
            if not result.is_error
        }
        if ended or not turn.calls:
            return history
    raise AssertionError(f"no end: {workspace.log}")


def last_words(history: Sequence[Exchange]) -> str:
    return history[-1].turn.text


def test_reads_writes_tests_and_submits(tmp_path: Path) -> None:
    reference = {"a.py": LEXER, "pkg/__init__.py": "", "b.py": "B = 1\n", "other.py": "no\n"}
    workspace = Workspace({"a.py": "stub\n", "b.py": "B = 1\n", "other.py": "mine\n"})
    model = OracleModel(solution(tmp_path, reference))
    brief = briefing(workspace.files, ["a.py", "b.py", "pkg/__init__.py"])
    history = play(model, brief, workspace)
    assert workspace.log == [
        "read_file a.py",
        "read_file b.py",
        "write_file a.py",
        "write_file pkg/__init__.py",
        "run_tests",
        "submit",
    ]
    assert workspace.files == {**reference, "other.py": "mine\n"}
    assert last_words(history) == "Wrote a.py, pkg/__init__.py."
    assert history[-1].turn.usage == Usage()
    assert {exchange.turn.stop for exchange in history} == {"tool_use"}


def test_call_ids_are_unique_over_the_attempt(tmp_path: Path) -> None:
    workspace = Workspace({"a.py": "", "b.py": ""})
    model = OracleModel(solution(tmp_path, {"a.py": LEXER, "b.py": LEXER}))
    history = play(model, briefing(workspace.files, workspace.files), workspace)
    ids = [call.id for exchange in history for call in exchange.turn.calls]
    assert len(ids) == len(set(ids)) == 6


def test_line_ends_and_long_files_arrive_unchanged(tmp_path: Path) -> None:
    text = "".join(f"line {number}\r\n" for number in range(7))
    workspace = Workspace({"a.txt": text, "b.txt": text + "more"}, lines_at_once=3)
    model = OracleModel(solution(tmp_path, {"a.txt": text, "b.txt": text}))
    play(model, briefing(workspace.files, workspace.files), workspace)
    assert "write_file a.txt" not in workspace.log
    assert workspace.log.count("read_file a.txt") == 3
    assert workspace.files == {"a.txt": text, "b.txt": text}


@pytest.mark.parametrize("caught", [True, False])
def test_a_mistake_is_tested_and_then_replaced(tmp_path: Path, caught: bool) -> None:
    reference = {"a.py": LEXER, "notes.md": "text\n"}
    seen: list[str] = []

    def passes(files: Mapping[str, str]) -> bool:
        seen.append(files["a.py"])
        return files["a.py"] == LEXER or not caught

    workspace = Workspace({}, passes)
    model = OracleModel(solution(tmp_path, reference), mistakes=1.0)
    history = play(model, briefing([], reference), workspace)
    assert workspace.log == [
        "write_file a.py",
        "write_file notes.md",
        "run_tests",
        "write_file a.py",
        "run_tests",
        "submit",
    ]
    assert [text == LEXER for text in seen] == [False, True]
    assert workspace.files == reference
    word = "caught" if caught else "did not catch"
    assert f"The tests {word} a seeded mistake in a.py" in last_words(history)


def test_how_often_a_mistake_is_made_follows_the_probability(tmp_path: Path) -> None:
    model = OracleModel(solution(tmp_path, {"a.py": LEXER}), mistakes=0.3)
    turns = [model.next_turn(briefing([], ["a.py"], seed=seed), [], NEVER) for seed in range(300)]
    wrong = sum(turn.calls[0].input["content"] != LEXER for turn in turns)
    assert 60 <= wrong <= 120


def test_the_option_seed_wins_over_the_seed_of_the_briefing(tmp_path: Path) -> None:
    folder = solution(tmp_path, {"a.py": LEXER * 5})

    def first_texts(seed: int | None) -> set[str]:
        model = OracleModel(folder, mistakes=1.0, seed=seed)
        briefs = [briefing([], ["a.py"], seed=seed) for seed in range(20)]
        return {model.next_turn(brief, [], NEVER).calls[0].input["content"] for brief in briefs}

    assert len(first_texts(3)) == 1
    assert len(first_texts(None)) > 1


def test_no_mistake_without_tests_to_catch_it(tmp_path: Path) -> None:
    workspace = Workspace({})
    model = OracleModel(solution(tmp_path, {"a.py": LEXER}), mistakes=1.0)
    tools = ("write_file", "submit")
    play(model, briefing([], ["a.py"], tools=tools), workspace)
    assert workspace.log == ["write_file a.py", "submit"]
    assert workspace.files == {"a.py": LEXER}


def test_only_files_that_change_can_hold_the_mistake(tmp_path: Path) -> None:
    workspace = Workspace({"a.py": LEXER})
    model = OracleModel(solution(tmp_path, {"a.py": LEXER}), mistakes=1.0)
    history = play(model, briefing(workspace.files, ["a.py"]), workspace)
    assert workspace.log == ["read_file a.py", "run_tests", "submit"]
    assert last_words(history) == "Nothing to write."


def test_failing_tests_are_run_once_more_and_then_it_gives_up(tmp_path: Path) -> None:
    workspace = Workspace({}, passes=lambda files: False)
    model = OracleModel(solution(tmp_path, {"a.py": LEXER}))
    history = play(model, briefing([], ["a.py"]), workspace)
    assert workspace.log == ["write_file a.py", "run_tests", "run_tests", "give_up"]
    assert "fail with the reference solution" in last_words(history)


def test_tests_that_cannot_run_do_not_stop_it(tmp_path: Path) -> None:
    refused = ToolResult("", "this task has no tests", is_error=True)
    workspace = Workspace({}, answers={("run_tests", 1): refused})
    play(OracleModel(solution(tmp_path, {"a.py": LEXER})), briefing([], ["a.py"]), workspace)
    assert workspace.log == ["write_file a.py", "run_tests", "submit"]


@pytest.mark.parametrize(
    ("tools", "expected"),
    [
        (("read_file", "submit"), ["read_file a.py", "submit"]),
        (("read_file",), ["read_file a.py"]),
        ((), []),
        (("write_file", "submit"), ["write_file a.py", "submit"]),
        (("read_file", "edit_file", "submit"), ["read_file a.py", "edit_file a.py", "submit"]),
    ],
)
def test_only_the_tools_of_the_role_are_used(
    tmp_path: Path, tools: Sequence[str], expected: list[str]
) -> None:
    workspace = Workspace({"a.py": "stub\n"})
    model = OracleModel(solution(tmp_path, {"a.py": LEXER}))
    history = play(model, briefing(["a.py"], ["a.py"], tools=tools), workspace)
    assert workspace.log == expected
    assert history[-1].turn.stop == ("tool_use" if "submit" in tools else "end_turn")


REGISTRY = """\
# region: lexer
{lexer}# endregion: lexer
# region: parser
{parser}# endregion: parser
"""


def test_of_a_shared_file_only_the_own_region_is_filled(tmp_path: Path) -> None:
    reference = REGISTRY.format(lexer="LEX = 1\n", parser="PARSE = 2\n")
    workspace = Workspace({"registry.py": "# mine\n" + REGISTRY.format(lexer="", parser="")})
    model = OracleModel(solution(tmp_path, {"registry.py": reference}), mistakes=1.0)
    play(model, briefing(workspace.files, workspace.files), workspace)
    assert workspace.log == [
        "read_file registry.py",
        "edit_file registry.py",
        "run_tests",
        "submit",
    ]
    assert workspace.files["registry.py"] == "# mine\n" + REGISTRY.format(
        lexer="LEX = 1\n", parser=""
    )


def test_a_shared_file_without_a_region_of_the_task_is_left_alone(tmp_path: Path) -> None:
    reference = REGISTRY.format(lexer="LEX = 1\n", parser="PARSE = 2\n")
    before = REGISTRY.format(lexer="", parser="")
    workspace = Workspace({"registry.py": before})
    model = OracleModel(solution(tmp_path, {"registry.py": reference}))
    play(model, briefing(workspace.files, workspace.files, task="printer"), workspace)
    assert workspace.log == ["read_file registry.py", "run_tests", "submit"]
    assert workspace.files["registry.py"] == before


@pytest.mark.parametrize("existing", [{}, {"registry.py": ""}])
def test_a_shared_file_that_is_not_there_yet_is_written_whole(
    tmp_path: Path, existing: dict[str, str]
) -> None:
    reference = REGISTRY.format(lexer="LEX = 1\n", parser="")
    workspace = Workspace(dict(existing))
    model = OracleModel(solution(tmp_path, {"registry.py": reference}))
    play(model, briefing(workspace.files, ["registry.py"]), workspace)
    assert workspace.files["registry.py"] == reference


def test_a_region_that_the_workspace_lacks_is_a_reason_to_give_up(tmp_path: Path) -> None:
    reference = REGISTRY.format(lexer="LEX = 1\n", parser="")
    workspace = Workspace({"registry.py": "x = 1\n"})
    model = OracleModel(solution(tmp_path, {"registry.py": reference}))
    history = play(model, briefing(workspace.files, ["registry.py"]), workspace)
    assert last_words(history) == "registry.py has no region lexer"


def test_a_stale_write_is_read_again_and_done_again(tmp_path: Path) -> None:
    reference = REGISTRY.format(lexer="LEX = 1\n", parser="")
    refused = ToolResult("", "registry.py has changed since you read it", is_error=True)
    workspace = Workspace(
        {"registry.py": REGISTRY.format(lexer="", parser="")},
        answers={("edit_file registry.py", 1): refused},
    )
    model = OracleModel(solution(tmp_path, {"registry.py": reference}))
    play(model, briefing(workspace.files, ["registry.py"]), workspace)
    assert workspace.log == [
        "read_file registry.py",
        "edit_file registry.py",
        "read_file registry.py",
        "edit_file registry.py",
        "run_tests",
        "submit",
    ]


def test_a_submit_that_is_refused_as_stale_reads_tests_and_submits_again(tmp_path: Path) -> None:
    refused = ToolResult("", "b.py has changed since your tests ran", is_error=True)
    workspace = Workspace(
        {"a.py": LEXER, "b.py": LEXER, "ab.py": LEXER}, answers={("submit", 1): refused}
    )
    model = OracleModel(solution(tmp_path, workspace.files))
    play(model, briefing(workspace.files, workspace.files), workspace)
    assert workspace.log[3:] == ["run_tests", "submit", "read_file b.py", "run_tests", "submit"]


def test_a_file_that_another_task_changed_is_read_again(tmp_path: Path) -> None:
    brief = briefing(["a.py"], ["a.py"])
    model = OracleModel(solution(tmp_path, {"a.py": LEXER}))
    first = model.next_turn(brief, [], NEVER)
    history = [Exchange(first, (ToolResult(first.calls[0].id, LEXER),), notice="a.py has changed.")]
    (call,) = model.next_turn(brief, history, NEVER).calls
    assert (call.name, call.input) == ("read_file", {"path": "a.py"})


@pytest.mark.parametrize("text", ["outside your scope", "a.py has changed since"])
def test_refusals_without_end_are_a_reason_to_give_up(tmp_path: Path, text: str) -> None:
    refused = ToolResult("", f"{text}\nmore", is_error=True)
    answers = {("write_file a.py", number): refused for number in range(1, 20)}
    workspace = Workspace({"a.py": ""}, answers=answers)
    model = OracleModel(solution(tmp_path, {"a.py": LEXER}))
    history = play(model, briefing(["a.py"], ["a.py"]), workspace)
    assert workspace.log[-1] == "give_up"
    assert workspace.log.count("write_file a.py") == (2 if "scope" in text else 10)
    assert last_words(history) in (
        "may not write a.py: outside your scope",
        "a.py changes faster than it can be written",
    )


def test_a_submit_that_is_always_refused_is_a_reason_to_give_up(tmp_path: Path) -> None:
    refused = ToolResult("", "not now", is_error=True)
    workspace = Workspace({}, answers={("submit", number): refused for number in range(1, 9)})
    history = play(OracleModel(solution(tmp_path, {})), briefing([], []), workspace)
    assert workspace.log.count("submit") == 3
    assert last_words(history) == "cannot submit: not now"


def test_a_file_that_has_vanished_is_written_anew(tmp_path: Path) -> None:
    workspace = Workspace({})
    model = OracleModel(solution(tmp_path, {"a.py": LEXER}))
    play(model, briefing(["a.py"], ["a.py"]), workspace)
    assert workspace.log == ["read_file a.py", "write_file a.py", "run_tests", "submit"]


def test_a_missing_result_is_tolerated(tmp_path: Path) -> None:
    model = OracleModel(solution(tmp_path, {"a.py": LEXER}))
    brief = briefing(["a.py"], ["a.py"])
    first = model.next_turn(brief, [], NEVER)
    assert model.next_turn(brief, [Exchange(first)], NEVER).calls[0].name == "read_file"
    assert model.next_turn(brief, [Exchange(Turn())], NEVER).calls[0].name == "read_file"


def test_latency_is_seeded_and_waited_on_the_interrupt(tmp_path: Path) -> None:
    class Recorder:
        def __init__(self) -> None:
            self.waits: list[float | None] = []

        def is_set(self) -> bool:
            return False

        def wait(self, timeout: float | None = None) -> bool:
            self.waits.append(timeout)
            return False

    def waits(seed: int) -> list[float | None]:
        recorder: Interrupt = Recorder()
        model = OracleModel(solution(tmp_path, {"a.py": LEXER}), latency=(0.1, 0.5))
        first = model.next_turn(briefing([], ["a.py"], seed=seed), [], recorder)
        model.next_turn(briefing([], ["a.py"], seed=seed), [Exchange(first)], recorder)
        assert isinstance(recorder, Recorder)
        return recorder.waits

    first, second = waits(1)
    assert first is not None
    assert second is not None
    assert 0.1 <= first <= 0.5
    assert first != second
    assert waits(1) == [first, second]
    assert waits(2) != [first, second]


def test_files_that_are_no_part_of_a_solution_are_left_out(tmp_path: Path) -> None:
    files = {"a.py": "", ".git/config": "", "pkg/__pycache__/a.cpython-311.pyc": "", "b.pyc": ""}
    model = OracleModel(solution(tmp_path, files))
    turn = model.next_turn(briefing([], files), [], NEVER)
    assert [call.input["path"] for call in turn.calls] == ["a.py"]


def test_a_binary_reference_is_told(tmp_path: Path) -> None:
    folder = solution(tmp_path, {"a.py": LEXER})
    (folder / "logo.png").write_bytes(b"\x89PNG\xff")
    model = OracleModel(folder)
    assert model.next_turn(briefing([], ["a.py"]), [], NEVER).calls
    with pytest.raises(ModelError, match=r"logo\.png cannot be read as UTF-8"):
        model.next_turn(briefing([], ["logo.png"]), [], NEVER)


def test_a_missing_directory_is_told_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a directory") as caught:
        OracleModel.from_options("nowhere", {}, tmp_path)
    assert "oracle:DIR" in str(caught.value)
