from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import orchestrator
from orchestrator.runtime.checkup import Check, Checkup
from orchestrator.runtime.enforcement import Enforcement, Guard
from orchestrator.runtime.trial import Tried
from orchestrator.ui.doctor import lines, show_doctor

SECRET = "sk-ant-api03-never-to-be-told"

Doctor = Callable[..., dict[str, Any]]


@pytest.fixture
def doctor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Doctor:
    """Ask the doctor about a directory; the exit code must fit what it says."""

    def ask(directory: Path = tmp_path) -> dict[str, Any]:
        code = show_doctor(directory, as_json=True)
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert code == (0 if found["ready"] else 1)
        assert found["ready"] == (found["problems"] == [])
        return found

    return ask


def check(found: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in found["checks"] + found["kernel"] if one["name"] == name)


def test_a_machine_that_can_run_the_tests_is_ready(doctor: Doctor, tmp_path: Path) -> None:
    found = doctor()
    assert found["ready"]
    assert check(found, "Python")["found"].endswith(".".join(map(str, sys.version_info[:3])))
    assert check(found, "run directory")["state"] == "ok"
    assert list(tmp_path.iterdir()) == []
    for promise in ("write", "read", "network", "processes", "memory", "disk", "time"):
        assert [one["name"] for one in found["sandbox"]].count(promise) == 1


def test_what_is_said_of_the_sandbox_is_what_the_trial_showed(doctor: Doctor) -> None:
    for one in doctor()["sandbox"]:
        if one["enforced"]:
            assert one["got_through"] == []
            assert one["by"]
        else:
            assert one["gap"]


@pytest.mark.parametrize("as_json", [True, False])
def test_a_key_is_noticed_and_never_shown(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    as_json: bool,
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", SECRET)
    assert show_doctor(tmp_path, as_json=as_json) == 0
    out = capsys.readouterr().out
    assert "set in ANTHROPIC_AUTH_TOKEN" in out
    assert SECRET not in out


def test_without_a_key_or_git_runs_can_start_all_the_same(
    doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = doctor()
    assert found["ready"]
    for name in ("API key", "git"):
        assert check(found, name)["state"] == "note"
        assert check(found, name)["fix"]
    assert "oracle" in check(found, "API key")["found"]


@pytest.mark.parametrize("text", ["absent", "file", "/proc"])
def test_a_place_that_cannot_hold_a_run_is_a_problem(
    doctor: Doctor, tmp_path: Path, text: str
) -> None:
    (tmp_path / "file").touch()
    found = doctor(tmp_path / text)
    assert not found["ready"]
    assert found["problems"][0].startswith("run directory: ")
    assert check(found, "run directory")["fix"]


def test_it_fits_a_terminal_and_names_every_promise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show_doctor(tmp_path, as_json=False) == 0
    out = capsys.readouterr().out
    for text in ("Python", "SQLite", "git", "Landlock", "namespaces", "using the network", "held"):
        assert text in out
    assert "Runs can start." in out.splitlines()[-1] or "virtual machine" in out.splitlines()[-1]
    assert all(len(line) <= 100 for line in out.splitlines() if str(tmp_path) not in line)


KERNEL = (Check("system", "ok", "Linux"),)
FINE = Checkup((Check("Python", "ok", "3.11"),), KERNEL, ())


def test_gaps_are_told_and_are_no_problem() -> None:
    guards = Enforcement(landlock=5, why_not="unshare: not permitted").guards()
    tried = tuple(Tried(g, ("udp",) if g.name == "network" else (), False) for g in guards)
    checkup = replace(FINE, guards=tried)
    text = "\n".join(lines(checkup))
    assert checkup.problems == []
    assert "commands can send by UDP" in text
    assert "NOT ENFORCED" in text
    assert "cannot be kept here" in text


def test_a_broken_promise_is_a_problem() -> None:
    guard = Guard("write", "changing files outside the private copy", "namespaces")
    checkup = replace(FINE, guards=(Tried(guard, ("write",), True),))
    assert checkup.problems == [
        "changing files outside the private copy: namespaces should stop it, but write got through"
    ]
    assert "BROKEN" in "\n".join(lines(checkup))


@pytest.mark.slow
def test_nothing_heavy_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from orchestrator.ui.doctor import show_doctor;"
        "show_doctor(Path('.'), as_json=False);"
        "heavy = {'anthropic', 'networkx', 'jsonschema', 'openapi_spec_validator', 'rich', 'yaml',"
        " 'numpy', 'asyncio'};"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(orchestrator.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
