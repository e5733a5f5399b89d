"""The commands that start nothing, called in this process, and how failures are told."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from orchestrator import __version__
from orchestrator.core.events import KINDS
from orchestrator.core.task import Task
from orchestrator.errors import InternalError, PlanError, Problem
from orchestrator.runtime.context import Context
from orchestrator.runtime.run import run
from orchestrator.spec.plan import Plan
from orchestrator.ui.cli import cli, main
from orchestrator.ui.failures import Session, guarded

Called = tuple[int, str, str]
Call = Callable[..., Called]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Carry out a command line; return exit code, standard output, standard error."""

    def calling(*words: object) -> Called:
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        said = capsys.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        return code, said.out, said.err

    return calling


GOOD = """\
version: 1
workspace: .
tasks:
  - {id: lexer, writes: [lexer.py], estimate: 2m}
  - {id: parser, writes: [parser.py], depends_on: [lexer], estimate: 1m}
  - {id: docs, writes: [docs.md], estimate: 1m}
"""
BAD = GOOD.replace("depends_on: [lexer]", "depends_on: [lexr]").replace("docs.md", "/docs.md")


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.yaml"
    path.write_text(GOOD)
    return path


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """The directory of a run in which one task failed at its second attempt."""

    def work(context: Context) -> None:
        if context.task.id == "b":
            raise ValueError("not today")

    tasks = (
        Task(id="a"),
        Task(id="b", depends_on=("a",), attempts=2),
        Task(id="c", depends_on=("b",)),
    )
    return run(Plan(name="p", tasks=tasks, base=tmp_path), work=work, workers=2).run_dir


# --- help, version ----------------------------------------------------------------------------


def test_help_lists_the_commands_that_exist(call: Call) -> None:
    code, out, _ = call("--help")
    assert code == 0
    for name in ("run", "resume", "status", "events", "lint", "roles", "scope", "schema"):
        assert f"\n  {name} " in out
    assert "130 interrupted" in out


def all_commands(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name, command in group.commands.items():
        found.append((*path, name))
        if isinstance(command, click.Group):
            found += all_commands(command, (*path, name))
    return found


@pytest.mark.parametrize("words", all_commands(cli), ids=" ".join)
def test_every_command_has_help(call: Call, words: tuple[str, ...]) -> None:
    code, out, _ = call(*words, "--help")
    assert code == 0
    assert out.startswith(f"Usage: orchestrator {' '.join(words)} ")


def test_the_version_is_told(call: Call) -> None:
    assert call("--version")[:2] == (0, f"orchestrator, version {__version__}\n")


def test_help_loads_nothing_heavy() -> None:
    """What `--help` loads decides how long it takes; the clock of a test machine does not."""
    code = (
        "import sys, orchestrator, orchestrator.ui.cli;"
        "heavy = {'rich', 'networkx', 'anthropic', 'jsonschema', 'sqlite3', 'yaml', 'asyncio'};"
        "print(*heavy & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("words", [["frobnicate"], ["run"], ["run", "p", "--workers", "x"], []])
def test_what_cannot_be_parsed_ends_with_2(call: Call, words: list[str]) -> None:
    code, out, err = call(*words)
    assert code == 2
    assert out == ""
    assert "Usage: orchestrator" in err


# --- scope, schema, roles ---------------------------------------------------------------------


def test_overlapping_scopes(call: Call) -> None:
    assert call("scope", "overlaps", "src/*.py", "**/a.py") == (0, "yes src/a.py\n", "")


def test_scopes_apart(call: Call) -> None:
    assert call("scope", "overlaps", "src/*.py", "tests/**") == (1, "no\n", "")


def test_what_is_not_a_glob_is_told_for_both(call: Call) -> None:
    code, out, err = call("scope", "overlaps", "[", "!a")
    assert (code, out) == (2, "")
    assert "A: the glob '['" in err
    assert "B: '!a' begins with '!'" in err
    assert "fix: " in err


def test_the_schema_of_plans_is_the_published_one(call: Call) -> None:
    code, out, _ = call("schema", "plan")
    published = Path(sys.modules["orchestrator"].__path__[0], "spec", "plan.schema.json")
    assert code == 0
    assert json.loads(out) == json.loads(published.read_text())


def test_the_schema_of_events_has_every_kind(call: Call) -> None:
    code, out, _ = call("schema", "event")
    assert code == 0
    assert json.loads(out)["$defs"].keys() == KINDS.keys()


def test_the_built_in_roles(call: Call) -> None:
    code, out, _ = call("roles", "--json")
    roles = {role["name"]: role for role in json.loads(out)}
    assert code == 0
    assert {"architect", "implementer", "tester", "reviewer", "integrator"} <= roles.keys()
    assert roles["reviewer"]["writes"] == []
    edit = next(o for o in roles["tester"]["operations"] if o["name"] == "edit_file")
    assert edit["files"] == roles["tester"]["writes"]


def test_roles_in_words(call: Call) -> None:
    out = call("roles")[1]
    assert "\nreviewer: " in out
    assert "  writes      no files\n" in out


def test_mistakes_in_roles_are_all_told(call: Call, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(f"openapi: 3.1.0\ninfo: {{title: {name}}}\n")
    code, out, err = call("roles", tmp_path)
    assert (code, out) == (2, "")
    assert "one.yaml" in err
    assert "two.yaml" in err


# --- lint -------------------------------------------------------------------------------------


def test_a_plan_that_can_run(call: Call, plan: Path) -> None:
    code, out, _ = call("lint", plan)
    assert code == 0
    assert "the plan can run" in out
    assert "3 tasks, work 4 min 00 s, at most 2 at once." in out
    assert "Critical path: 3 min 00 s (lexer → parser)." in out
    assert "2 workers at least 3 min 00 s at most 1.33 times as fast" in " ".join(out.split())


def test_a_plan_that_can_run_as_json(call: Call, plan: Path) -> None:
    code, out, _ = call("lint", plan, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["plan"] == str(plan)
    assert found["findings"] == []
    assert found["parallelism"]["critical_path"] == {"seconds": 180, "tasks": ["lexer", "parser"]}


def test_findings_have_place_severity_code_and_fix(call: Call, plan: Path) -> None:
    plan.write_text(BAD)
    code, out, _ = call("lint", plan)
    assert code == 1
    assert f"{plan}:5:52: error: there is no task `lexr` [unknown-dependency]" in out
    assert "  fix: did you mean `lexer`?" in out
    assert f"\n{plan}:6:" in out


def test_findings_as_json(call: Call, plan: Path) -> None:
    plan.write_text(BAD)
    code, out, _ = call("lint", plan, "--json")
    found = json.loads(out)
    assert code == 1
    assert {finding["severity"] for finding in found["findings"]} == {"error"}
    assert found["findings"][0].keys() == {
        "code", "severity", "tasks", "where", "message", "fix", "witness",
    }  # fmt: skip
    assert found["parallelism"] == {}


def test_a_warning_does_not_fail_and_shows_a_path(call: Call, plan: Path) -> None:
    plan.write_text(GOOD.replace("docs.md", "'*.py'"))
    code, out, _ = call("lint", plan)
    assert code == 0
    assert "warning: " in out
    assert "for example: lexer.py" in out


def test_a_missing_plan_is_the_caller_s_mistake(call: Call, tmp_path: Path) -> None:
    code, out, err = call("lint", tmp_path / "nope.yaml", "--json")
    assert (code, out) == (2, "")
    assert "there is no such file" in err


# --- reading a log ----------------------------------------------------------------------------


def test_status_says_where_each_task_stands(call: Call, finished: Path) -> None:
    code, out, _ = call("status", finished)
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line.startswith("  ")}
    assert code == 0
    assert rows["a"][1:3] == ["succeeded", "1"]
    assert rows["b"][1:3] == ["failed", "2"]
    assert rows["c"][1:3] == ["skipped", "0"]
    assert "Of 3 tasks, 1 succeeded, 1 failed and 1 was skipped." in out
    assert "ValueError: not today" in out
    assert "--retry-failed" in out


def test_status_as_json(call: Call, finished: Path) -> None:
    found = json.loads(call("status", finished, "--json")[1])
    assert (found["status"], found["run_dir"]) == ("failed", str(finished))
    assert found["tasks"]["c"]["reason"] == "b failed"
    assert found["metrics"]["attempts"] == 3


def test_a_run_is_found_by_the_beginning_of_its_id(
    call: Call, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = call("status", finished.name[:12])
    assert code == 0
    assert f"orchestrator resume {finished.name} --retry-failed" in out


def test_events_are_lines(call: Call, finished: Path) -> None:
    lines = call("events", finished)[1].splitlines()
    assert lines[0].split()[0] == "1"
    assert lines[0].split()[2:4] == ["granted", "a"]
    assert 'status="failed"' in lines[-1]
    assert len(lines) == len(call("events", finished, "--json")[1].splitlines())


def test_events_as_json_fit_their_schema(call: Call, finished: Path) -> None:
    from jsonschema import Draft202012Validator

    schema = Draft202012Validator(json.loads(call("schema", "event")[1]))
    rows: list[dict[str, Any]] = [
        json.loads(line) for line in call("events", finished, "--json")[1].splitlines()
    ]
    for row in rows:
        schema.validate(row)
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    assert [row["kind"] for row in rows][-1] == "finished"


@pytest.mark.parametrize("command", ["status", "events", "resume"])
def test_a_run_that_is_not_there(call: Call, command: str, finished: Path) -> None:
    code, out, err = call(command, finished.parent / "nope")
    assert (code, out) == (2, "")
    assert "there is no run" in err


@pytest.mark.parametrize(
    "words", [("--wall", "soon"), ("--tokens", "0"), ("--usd", "-1")], ids=lambda w: w[0]
)
def test_a_limit_that_is_none(call: Call, finished: Path, words: tuple[str, str]) -> None:
    code, _, err = call("resume", finished, *words)
    assert code == 2
    assert f"error: {words[0]}: " in err


# --- failures ---------------------------------------------------------------------------------


def failing(error: BaseException, session: Session | None = None) -> int:
    def command() -> int:
        raise error

    return guarded(command, session or Session())


def test_every_mistake_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    problems = [Problem("one", "p:1:1", "because", "do", code="x"), Problem("two", "p:2:1")]
    assert failing(PlanError("2 mistakes", "p", problems=problems)) == 2
    assert capsys.readouterr().err == (
        "error: p: 2 mistakes\np:1:1: one\n  why: because\n  fix: do\np:2:1: two\n"
    )
    only = Problem("one", "p:1:1", code="x")
    assert failing(PlanError("one", "p:1:1", problems=[only])) == 2
    assert capsys.readouterr().err == "error: p:1:1: one\n"


def test_a_bug_leaves_its_traceback_in_the_run_directory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ORCHESTRATOR_DEBUG", raising=False)
    assert failing(KeyError("x"), Session(tmp_path)) == 4
    err = capsys.readouterr().err
    assert "this is a bug of orchestrator" in err
    assert "KeyError: 'x'" in err
    assert "Traceback" not in err
    assert str(tmp_path / "traceback.txt") in err
    assert "Traceback (most recent call last)" in (tmp_path / "traceback.txt").read_text()


def test_a_bug_without_a_run_says_how_to_see_more(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ORCHESTRATOR_DEBUG", raising=False)
    assert failing(KeyError("x")) == 4
    assert "ORCHESTRATOR_DEBUG=1" in capsys.readouterr().err
    monkeypatch.setenv("ORCHESTRATOR_DEBUG", "1")
    assert failing(KeyError("x")) == 4
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_a_bug_inside_a_run_keeps_the_traceback_of_its_cause(tmp_path: Path) -> None:
    error = InternalError("the coordinator failed", fix="report it")
    error.__cause__ = ZeroDivisionError("oh")
    assert failing(error, Session(tmp_path)) == 4
    assert "ZeroDivisionError: oh" in (tmp_path / "traceback.txt").read_text()


def test_an_interrupt_before_anything_ran(capsys: pytest.CaptureFixture[str]) -> None:
    assert failing(KeyboardInterrupt()) == 130
    assert "Interrupted" in capsys.readouterr().err
