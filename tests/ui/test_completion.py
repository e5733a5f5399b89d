"""Shell completion, as a shell meets it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator.errors import UsageError
from orchestrator.models.registry import create_model
from orchestrator.ui import completing
from orchestrator.ui.cli import cli
from orchestrator.ui.cli_start import COMPLETE
from orchestrator.ui.completing import MODELS, show_script, teach

RUN = "20260102-030405-abcdef"
_BASH = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
compopt() { :; }
_orchestrator_completion orchestrator
printf '%s\\n' "${COMPREPLY[@]}"
"""
"""What bash does at a tab. `compopt` works only while a person types."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory with a plan, other files, and the log of a run."""
    for name in ("plan.yaml", "notes.txt"):
        (tmp_path / name).write_text("", encoding="utf-8")
    place = tmp_path / ".orchestrator" / "runs" / RUN
    place.mkdir(parents=True)
    with closing(sqlite3.connect(place / "events.db")) as log:
        log.execute("CREATE TABLE header (key TEXT, value TEXT)")
        log.execute("CREATE TABLE events (seq INTEGER, kind TEXT, body TEXT)")
        log.execute(
            """INSERT INTO header VALUES ('tasks', '[{"id": "lexer"}, {"id": "parser"}]')"""
        )
        log.execute("""INSERT INTO events VALUES (1, 'added', '{"tasks": [{"id": "lexer.1"}]}')""")
        log.commit()
    return tmp_path


def test_what_is_offered(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert offered("ru") == ["run"]
    assert offered("run", "") == ["plan.yaml"]
    assert offered("run", "plan.yaml", "--mode", "sh") == ["shared"]
    assert offered("run", "plan.yaml", "--model", "or") == ["oracle:"]
    assert offered("run", "plan.yaml", "--work") == ["--workers"]
    assert offered("run", "plan.yaml", "--commit", "t") == ["task"]
    assert offered("run", "plan.yaml", "--time", "v") == ["virtual"]
    assert offered("compare", "plan.yaml", "--validate", "region,f") == ["region,file"]
    assert offered("status", "2026") == [RUN]
    assert offered("approve", RUN, "lex") == ["lexer", "lexer.1"]
    assert offered("cancel", "2026", "p") == ["parser"]
    assert offered("cancel", "nothing", "") == []
    assert offered("compare", "plan.yaml", "--modes", "shared,so") == ["shared,solo"]
    assert "modules" in offered("decompose", ".", "--strategy", "")
    assert offered("completion", "z") == ["zsh"]
    assert offered("schema", "") == ["plan", "event"]


def offered(*words: str) -> list[str]:
    from click.shell_completion import BashComplete

    kind = completing._taught(BashComplete)
    found = kind(cli, {}, "orchestrator", COMPLETE)
    return [item.value for item in found.get_completions(list(words[:-1]), words[-1])]


def test_files_are_left_to_the_shell(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert offered("run", "exa") == ["exa"]
    assert offered("status", "./") == ["./"]


def test_names_that_a_shell_would_carry_out_are_not_offered(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "plan$(id).yaml").write_text("", encoding="utf-8")
    assert offered("run", "p") == ["plan.yaml"]
    assert offered("run", "plan$") == ["plan$"]  # the shell offers it, and quotes it


def test_a_log_that_cannot_be_read_offers_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / ".orchestrator" / "runs" / RUN / "events.db").write_bytes(b"no log")
    assert offered("approve", RUN, "") == []


def test_teaching_changes_no_meaning() -> None:
    teach(cli)
    teach(cli)
    with cli.make_context("orchestrator", ["status", "--help"], resilient_parsing=True) as context:
        command = cli.get_command(context, "run")
        assert command is not None
        parsed = command.make_context("run", ["p.yaml", "--model", "oracle:x"], parent=context)
    assert parsed.params["plan"] == Path("p.yaml")
    assert parsed.params["model"] == "oracle:x"


@pytest.mark.parametrize("name", MODELS)
def test_models_that_are_offered_exist(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        create_model(name, {"no-such-option": "1"}, tmp_path)
    assert "there is no model" not in caught.value.what


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    show_script(cli, shell)
    said = capsys.readouterr().out
    assert f"_ORCHESTRATOR_COMPLETE={shell}_complete" in said
    assert f"orchestrator completion {shell}" in said


def test_a_shell_that_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    with pytest.raises(UsageError, match="no completion for tcsh") as caught:
        show_script(cli)
    assert "bash|zsh|fish" in caught.value.fix


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_in_bash(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    place = tmp_path_factory.mktemp("bin")
    program = place / "orchestrator"
    program.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -m orchestrator "$@"\n', encoding="utf-8"
    )
    program.chmod(0o755)
    env = {**os.environ, "PATH": f"{place}{os.pathsep}{os.environ['PATH']}"}
    script = place / "completion.bash"
    made = subprocess.run(
        ["orchestrator", "completion", "bash"], env=env, cwd=folder, capture_output=True, check=True
    )
    script.write_bytes(made.stdout)

    def tab(*words: str) -> list[str]:
        done = subprocess.run(
            ["bash", "--norc", "-c", _BASH, "bash", str(script), "orchestrator", *words],
            env=env, cwd=folder, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stderr == ""
        return done.stdout.split()

    assert tab("ru") == ["run"]
    assert tab("run", "--mode", "sh") == ["shared"]
    assert tab("status", RUN[:6]) == [RUN]
    assert tab("approve", RUN, "") == ["lexer", "parser", "lexer.1"]
